//! A VPN client dials: what it brings, which servers are asked, how it ends.

use std::sync::Arc;

use super::accounting::Cause;
use super::attempt::Attempt;
use super::local::{self, Local};
use super::radius::{self, Entry};
use super::state::path;
use super::transport::Count;
use super::tunnel::{self, Grant, Tunnel};
use super::user_manager::{self, Verdict};
use super::{Inner, lock, profile};
pub use crate::proto::radius::dialer::Method;
use crate::proto::radius::{AttributeType, Code, Packet, PacketBuilder, VendorType};
use crate::secret::Secret;

/// What the client does.
#[derive(Debug, Clone)]
pub struct Dial {
    /// User name, perhaps `DOMAIN\name`.
    pub user: String,
    /// The password that the client knows.
    pub password: Secret,
    /// How it is proven.
    pub method: Method,
    /// Calling-Station-Id: the client's address, for PPPoE its MAC.
    pub caller: String,
    /// Called-Station-Id: the router's address, for PPPoE the service name.
    pub called: String,
    /// Which VPN.
    pub service: Service,
    /// Whether the client insists on MPPE (SSTP does, by its binding).
    pub encryption: Encryption,
    /// When the Start is sent.
    pub start: StartNotice,
}

impl Dial {
    /// An L2TP client by MS-CHAPv2 from a documentation address.
    pub fn new(user: &str, password: &str) -> Self {
        Self {
            user: user.to_owned(),
            password: Secret::new(password),
            method: Method::MsChapV2,
            caller: "203.0.113.7".to_owned(),
            called: "198.51.100.1".to_owned(),
            service: Service::L2tp,
            encryption: Encryption::Optional,
            start: StartNotice::AtOnce,
        }
    }

    pub(super) fn domain(&self) -> Option<&str> {
        self.user.split_once('\\').map(|(domain, _)| domain)
    }
}

/// Which VPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// L2TP.
    L2tp,
    /// PPTP.
    Pptp,
    /// SSTP.
    Sstp,
    /// OpenVPN.
    Ovpn,
    /// PPPoE: an Ethernet port, and an interface name in NAS-Port-Id.
    Pppoe,
}

impl Service {
    pub(super) const fn nas_port_type(self) -> u32 {
        match self {
            Self::L2tp | Self::Pptp | Self::Sstp | Self::Ovpn => 5,
            Self::Pppoe => 15,
        }
    }
}

/// Whether the client insists on MPPE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// It does without keys; wrong ones still break the line.
    Optional,
    /// No keys, no line.
    Demanded,
}

/// When a connected tunnel's Start is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartNotice {
    /// As RouterOS does.
    AtOnce,
    /// When the test says so: [`Tunnel::send_start`].
    Held,
}

/// How a dial ended.
#[derive(Debug)]
pub enum DialOutcome {
    /// The tunnel is up.
    Connected(Tunnel),
    /// Access-Reject, or a wrong password of a local user.
    Rejected {
        /// Reply-Message; RouterOS does not show it to the client.
        reply_message: Option<String>,
        /// MS-CHAP-Error without its ident octet.
        ms_chap_error: Option<String>,
    },
    /// No server answered in order.
    Timeout,
    /// Accepted, but the client did not like the server's proof. A Start and a Stop were sent.
    ClientHungUp {
        /// What it did not like.
        why: HangUp,
    },
    /// Anything else.
    Failed(Failure),
}

/// What a client does not like in an Accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUp {
    /// MS-CHAPv2 without MS-CHAP2-Success.
    SuccessMissing,
    /// Its `S=` is of another password, or its ident of another log-in.
    SuccessWrong,
    /// It insists on MPPE and the Accept has no keys.
    KeysMissing,
    /// The keys are not the client's.
    KeysWrong,
}

/// Why a dial failed without a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Access-Challenge: PPP has no way to ask.
    Challenged,
    /// The pool has no address left.
    PoolEmpty,
    /// Name, password or stations do not fit into attributes.
    Unsendable,
    /// The router was started again meanwhile.
    Rebooted,
    /// The server of this VPN is off, or does not take this method.
    NotOffered,
}

/// Refused by the router itself: there is nobody's word to show.
const REFUSED: DialOutcome = DialOutcome::Rejected { reply_message: None, ms_chap_error: None };

/// The VPN server first, then the local table, then who is asked for other names: User Manager, or the `/radius` entries.
pub(super) async fn dial(router: &Arc<Inner>, dial: Dial) -> DialOutcome {
    let is_offered = {
        let state = lock(&router.state);
        profile::server(&state, dial.service).is_some_and(|row| profile::takes(row, dial.service, dial.method))
    };
    if !is_offered {
        return DialOutcome::Failed(Failure::NotOffered);
    }
    match local::look_up(router, &dial) {
        Local::Granted(grant) => return raise(router, *grant, dial.start),
        Local::Refused => return REFUSED,
        Local::Unknown => {}
    }
    if !lock(&router.state).setting(path::AAA, "use-radius") {
        return REFUSED;
    }
    match user_manager::look_up(router, &dial) {
        Verdict::Granted(grant) => raise(router, *grant, dial.start),
        Verdict::Refused => REFUSED,
        Verdict::NotAsked => ask(router, &dial).await,
    }
}

fn raise(router: &Arc<Inner>, grant: Grant, start: StartNotice) -> DialOutcome {
    tunnel::raise(router, grant, start).map_or(DialOutcome::Failed(Failure::PoolEmpty), DialOutcome::Connected)
}

/// Asks one `/radius` entry after the other.
async fn ask(router: &Arc<Inner>, dial: &Dial) -> DialOutcome {
    let boot = router.boot();
    let (session_id, nas_port) = router.next_session();
    let entries = radius::for_login(&lock(&router.state), dial);
    for entry in &entries {
        let attempt = Attempt::new(dial, &session_id, nas_port);
        let mut probe = PacketBuilder::new(Code::ACCESS_REQUEST, 0, entry.opening());
        if attempt.push(router, &mut probe, &entry.secret).is_err() {
            return DialOutcome::Failed(Failure::Unsendable);
        }
        let request = |identifier| attempt.request(router, identifier, entry);
        let is_good = |reply: &Packet<'_>, _: &[u8; 16]| attempt.takes(reply, entry);
        let Some(reply) = router.exchange(entry, entry.auth, request, is_good).await else {
            continue; // only silence leads to the next server
        };
        if router.boot() != boot {
            return DialOutcome::Failed(Failure::Rebooted);
        }
        return conclude(router, &attempt, reply, entry).await;
    }
    DialOutcome::Timeout
}

/// What a reply means, once it counts.
async fn conclude(router: &Arc<Inner>, attempt: &Attempt<'_>, reply: Vec<u8>, entry: &Entry) -> DialOutcome {
    let Ok(packet) = Packet::parse(&reply) else {
        return DialOutcome::Timeout; // not reached: the reply was parsed before it counted
    };
    match packet.code() {
        Code::ACCESS_ACCEPT => router.transport.count(entry.id, Count::Accepts),
        Code::ACCESS_REJECT => {
            router.transport.count(entry.id, Count::Rejects);
            return rejected(&packet);
        }
        _ => return DialOutcome::Failed(Failure::Challenged),
    }
    let complaint = attempt.complaint(&packet, &entry.secret);
    let grant = attempt.grant(router, &packet);
    let start = if complaint.is_some() { StartNotice::AtOnce } else { attempt.dial.start };
    let Some(tunnel) = tunnel::raise(router, grant, start) else {
        return DialOutcome::Failed(Failure::PoolEmpty);
    };
    match complaint {
        None => DialOutcome::Connected(tunnel),
        Some(why) => {
            tunnel.hang_up(Cause::UserRequest).await;
            DialOutcome::ClientHungUp { why }
        }
    }
}

fn rejected(packet: &Packet<'_>) -> DialOutcome {
    let error = packet.vendor(VendorType::MS_CHAP_ERROR).and_then(|value| value.get(1..));
    DialOutcome::Rejected {
        reply_message: packet.text(AttributeType::REPLY_MESSAGE).map(str::to_owned),
        ms_chap_error: error.map(|text| String::from_utf8_lossy(text).into_owned()),
    }
}
