//! Accounting records: RFC 2866 as RouterOS sends it, retried with a growing Acct-Delay-Time, then given up for good.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::transport::Count;
use super::tunnel::Authentic;
use super::tunnel::TunnelState;
use super::{Inner, lock, radius};
use crate::clock::Timestamp;
use crate::proto::radius::{AttributeType, BuildError, Code, Opening, Packet, PacketBuilder, sign};

/// How often a record is sent anew, each with a larger Acct-Delay-Time, to all servers in turn, before it is given up.
const ROUNDS: u32 = 3;
/// Records that wait for one tunnel: more means that no server answers, and the oldest are what matters.
pub(super) const RECORDS_MAX: usize = 16;

/// Why a tunnel ended: Acct-Terminate-Cause, RFC 2866 §5.10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// 1: the client hung up.
    UserRequest,
    /// 2: the line broke.
    LostCarrier,
    /// 4: nothing was sent for too long.
    IdleTimeout,
    /// 5: Session-Timeout ran out.
    SessionTimeout,
    /// 6: an operator cut it.
    AdminReset,
    /// 7: the router was restarted.
    AdminReboot,
    /// 10: the router cut it.
    NasRequest,
    /// 11: the router fell over. No Stop is sent then.
    NasReboot,
}

impl Cause {
    /// As RouterOS words it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::UserRequest => "peer-request",
            Self::LostCarrier => "hung-up",
            Self::IdleTimeout => "idle-timeout",
            Self::SessionTimeout => "session-timeout",
            Self::AdminReset => "admin-reset",
            Self::AdminReboot => "admin-reboot",
            Self::NasRequest => "nas-request",
            Self::NasReboot => "nas-reboot",
        }
    }

    /// The number on the wire.
    pub const fn number(self) -> u32 {
        match self {
            Self::UserRequest => 1,
            Self::LostCarrier => 2,
            Self::IdleTimeout => 4,
            Self::SessionTimeout => 5,
            Self::AdminReset => 6,
            Self::AdminReboot => 7,
            Self::NasRequest => 10,
            Self::NasReboot => 11,
        }
    }
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// A server answered.
    Answered,
    /// None did; it is never sent again.
    GivenUp,
}

/// Acct-Status-Type, RFC 2866 §5.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Start = 1,
    Stop = 2,
    Interim = 3,
    On = 7,
    Off = 8,
}

/// Octets and packets since the start, seen from the router.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Octets from the client.
    pub input_octets: u64,
    /// Octets to the client.
    pub output_octets: u64,
    /// Packets from the client.
    pub input_packets: u32,
    /// Packets to the client.
    pub output_packets: u32,
}

/// One record, as it was when it was due.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) status: Status,
    pub(super) at: Timestamp,
    pub(super) lasted: Duration,
    pub(super) traffic: Traffic,
    pub(super) cause: Option<Cause>,
    pub(super) done: Option<oneshot::Sender<Delivery>>,
}

/// Sends a tunnel's records one after the other, in the order in which they were due; a fallen router sends no more.
pub(super) async fn keep_accounts(router: Arc<Inner>, tunnel: Arc<TunnelState>, records: mpsc::Receiver<Record>) {
    tokio::select! {
        () = tunnel.vanished() => {}
        () = send_in_order(&router, &tunnel, records) => {}
    }
}

async fn send_in_order(router: &Arc<Inner>, tunnel: &TunnelState, mut records: mpsc::Receiver<Record>) {
    while let Some(mut record) = records.recv().await {
        let last = record.status == Status::Stop;
        let delivery = match tunnel.grant.authentic {
            // The router's own User Manager is told as it happens.
            Authentic::UserManager => Delivery::Answered,
            Authentic::Radius | Authentic::Local => {
                deliver(router, record.at, |packet| tunnel.push_record(router, packet, &record)).await
            }
        };
        if record.status == Status::Start {
            tunnel.start_is(delivery);
        }
        if let Some(done) = record.done.take() {
            let _ = done.send(delivery); // nobody may be waiting any more
        }
        if last {
            return;
        }
    }
}

/// Sends Accounting-On or -Off.
pub(super) async fn announce(router: &Arc<Inner>, status: Status) -> Delivery {
    deliver(router, router.clock.now(), |packet| {
        packet.push_integer(AttributeType::ACCT_STATUS_TYPE, status as u32)?;
        router.push_identity(packet)
    })
    .await
}

/// Asks each server in turn, several rounds; a round has a packet of its own, since its Acct-Delay-Time differs.
async fn deliver(
    router: &Arc<Inner>,
    due: Timestamp,
    attributes: impl Fn(&mut PacketBuilder) -> Result<(), BuildError>,
) -> Delivery {
    let mut delay_seconds = 0;
    for round in 0..ROUNDS {
        // A second more at least: a retry always tells that it is one.
        let waited = u32::try_from(router.clock.now().since(due).as_secs()).unwrap_or(u32::MAX);
        delay_seconds = waited.max(delay_seconds + round.min(1));
        let entries = radius::for_accounting(&lock(&router.state));
        for entry in &entries {
            let request = |identifier| {
                let mut packet = PacketBuilder::new(Code::ACCOUNTING_REQUEST, identifier, Opening::Bare);
                // A record that does not fit cannot happen: every part of it fitted into the Access-Request or Accept.
                let _ = attributes(&mut packet);
                let _ = packet.push_integer(AttributeType::ACCT_DELAY_TIME, delay_seconds);
                sign::sign_accounting_request(packet, &entry.secret)
            };
            let is_good = |reply: &Packet<'_>, sent: &[u8; 16]| {
                reply.code() == Code::ACCOUNTING_RESPONSE && sign::check_reply(reply, sent, &entry.secret).is_ok()
            };
            if router.exchange(entry, entry.acct, request, is_good).await.is_some() {
                router.transport.count(entry.id, Count::Accepts);
                return Delivery::Answered;
            }
        }
    }
    Delivery::GivenUp
}
