//! One PPP connection of the simulated router: raised by an Accept, ended by the client, a timer or an order.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::accounting::{self, Cause, Delivery, RECORDS_MAX, Record, Status, Traffic};
use super::attempt;
use super::dial::{Dial, StartNotice};
use super::firewall::{self, Flow};
use super::footprint::Footprint;
use super::{Inner, lock, profile};
use crate::clock::Timestamp;
use crate::proto::radius::{AttributeType, BuildError, PacketBuilder};

/// Who checked the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Authentic {
    Radius,
    Local,
    /// The router's own: nobody else is told.
    UserManager,
}

impl Authentic {
    /// Acct-Authentic, RFC 2866 §5.6.
    const fn number(self) -> u32 {
        match self {
            Self::Radius | Self::UserManager => 1,
            Self::Local => 2,
        }
    }
}

/// What a connection may do.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) dial: Dial,
    pub(super) session_id: String,
    pub(super) nas_port: u32,
    pub(super) authentic: Authentic,
    pub(super) class: Vec<Vec<u8>>,
    pub(super) address: Option<Ipv4Addr>,
    /// Where the address comes from if it is not given: a pool by name, or an address after all.
    pub(super) pool: Option<String>,
    pub(super) session_timeout: Option<Duration>,
    pub(super) interim: Option<Duration>,
    pub(super) rate_limit: Option<String>,
    /// Mikrotik-Group.
    pub(super) profile: Option<String>,
    /// Address lists that the client's address is in while it is connected.
    pub(super) lists: Vec<String>,
    /// Every Filter-Id.
    pub(super) filters: Vec<String>,
    pub(super) interface_list: Option<String>,
    pub(super) accept: Vec<u8>,
}

impl Grant {
    /// One without terms.
    pub(super) fn new(dial: &Dial, session_id: String, nas_port: u32, authentic: Authentic) -> Self {
        Self {
            dial: dial.clone(),
            session_id,
            nas_port,
            authentic,
            class: Vec::new(),
            address: None,
            pool: None,
            session_timeout: None,
            interim: None,
            rate_limit: None,
            profile: None,
            lists: Vec::new(),
            filters: Vec::new(),
            interface_list: None,
            accept: Vec::new(),
        }
    }
}

/// A connection, shared by its handles, its tasks and the router's list.
pub(super) struct TunnelState {
    pub(super) grant: Grant,
    pub(super) address: Ipv4Addr,
    pub(super) started: Timestamp,
    expires: watch::Sender<Option<Timestamp>>,
    rate_limit: Mutex<Option<String>>,
    profile: Mutex<Option<String>>,
    footprint: Mutex<Footprint>,
    traffic: Mutex<Traffic>,
    records: mpsc::Sender<Record>,
    start: watch::Sender<Option<Delivery>>,
    ended: watch::Sender<Option<Cause>>,
}

impl TunnelState {
    pub(super) fn is_up(&self) -> bool {
        self.ended.borrow().is_none()
    }

    /// Waits until the router fell over.
    pub(super) async fn vanished(&self) {
        let mut ended = self.ended.subscribe();
        // The sender lives in `self`, so this ends by the condition alone.
        let _ = ended.wait_for(|cause| *cause == Some(Cause::NasReboot)).await;
    }

    pub(super) fn start_is(&self, delivery: Delivery) {
        self.start.send_replace(Some(delivery));
    }

    /// Moves the end that Session-Timeout sets.
    pub(super) fn expire_at(&self, at: Timestamp) {
        self.expires.send_replace(Some(at));
    }

    pub(super) fn limit_rate(&self, router: &Inner, rate: String) {
        lock(&self.footprint).set_rate(&mut lock(&router.state), &rate);
        *lock(&self.rate_limit) = Some(rate);
    }

    /// From now on this is its profile, whose rate is its own; a name that is no profile changes nothing else.
    pub(super) fn take_profile(&self, router: &Inner, profile: String) {
        let rate = profile::rate_limit(&lock(&router.state), &profile);
        *lock(&self.profile) = Some(profile);
        if let Some(rate) = rate {
            self.limit_rate(router, rate);
        }
    }

    /// From now on these are the Filter-Ids.
    pub(super) fn filter(&self, router: &Inner, filters: &[String]) {
        lock(&self.footprint).set_filters(&mut lock(&router.state), filters);
    }

    /// The attributes of a record: those of the Access-Request, then what is known since.
    pub(super) fn push_record(
        &self,
        router: &Inner,
        packet: &mut PacketBuilder,
        record: &Record,
    ) -> Result<(), BuildError> {
        packet.push_integer(AttributeType::ACCT_STATUS_TYPE, record.status as u32)?;
        attempt::push_session(packet, &self.grant.dial, &self.grant.session_id, self.grant.nas_port)?;
        packet.push(AttributeType::FRAMED_IP_ADDRESS, &self.address.octets())?;
        packet.push_integer(AttributeType::ACCT_AUTHENTIC, self.grant.authentic.number())?;
        for class in &self.grant.class {
            packet.push(AttributeType::CLASS, class)?;
        }
        let seconds = u32::try_from(record.at.millis() / 1000).unwrap_or(0);
        packet.push_integer(AttributeType::EVENT_TIMESTAMP, seconds)?;
        if record.status != Status::Start {
            push_usage(packet, record)?;
        }
        router.push_identity(packet)
    }
}

fn push_usage(packet: &mut PacketBuilder, record: &Record) -> Result<(), BuildError> {
    let Traffic { input_octets, output_octets, input_packets, output_packets } = record.traffic;
    let lasted = u32::try_from(record.lasted.as_secs()).unwrap_or(u32::MAX);
    packet.push_integer(AttributeType::ACCT_SESSION_TIME, lasted)?;
    // The counters of 64 bits in halves: octets are the lower, gigawords the upper.
    packet.push_integer(AttributeType::ACCT_INPUT_OCTETS, input_octets as u32)?;
    packet.push_integer(AttributeType::ACCT_INPUT_GIGAWORDS, (input_octets >> 32) as u32)?;
    packet.push_integer(AttributeType::ACCT_INPUT_PACKETS, input_packets)?;
    packet.push_integer(AttributeType::ACCT_OUTPUT_OCTETS, output_octets as u32)?;
    packet.push_integer(AttributeType::ACCT_OUTPUT_GIGAWORDS, (output_octets >> 32) as u32)?;
    packet.push_integer(AttributeType::ACCT_OUTPUT_PACKETS, output_packets)?;
    if let Some(cause) = record.cause {
        packet.push_integer(AttributeType::ACCT_TERMINATE_CAUSE, cause.number())?;
    }
    Ok(())
}

/// Brings a connection up; `None` if no address is left.
pub(super) fn raise(router: &Arc<Inner>, mut grant: Grant, start: StartNotice) -> Option<Tunnel> {
    grant.interim = grant.interim.filter(|interval| !interval.is_zero()); // interim-update=0s means none
    let address = grant.address.or_else(|| router.lease_address(grant.pool.as_deref()))?;
    let (records, queue) = mpsc::channel(RECORDS_MAX);
    let started = router.clock.now();
    let state = Arc::new(TunnelState {
        address,
        started,
        expires: watch::Sender::new(grant.session_timeout.map(|lasting| started + lasting)),
        rate_limit: Mutex::new(grant.rate_limit.clone()),
        profile: Mutex::new(grant.profile.clone()),
        footprint: Mutex::new(Footprint::appear(&mut lock(&router.state), &grant, address, started)),
        traffic: Mutex::default(),
        records,
        start: watch::Sender::new(None),
        ended: watch::Sender::new(None),
        grant,
    });
    lock(&router.tunnels).insert(state.grant.session_id.clone(), state.clone());
    router.spawn(accounting::keep_accounts(router.clone(), state.clone(), queue));
    router.spawn(keep_time(router.clone(), state.clone()));
    if start == StartNotice::AtOnce {
        record(router, &state, Status::Start, None);
    }
    Some(Tunnel::new(router.clone(), state))
}

/// Hangs up at Session-Timeout and sends interim records, by the clock of the router.
async fn keep_time(router: Arc<Inner>, tunnel: Arc<TunnelState>) {
    let mut ended = tunnel.ended.subscribe();
    let mut expires = tunnel.expires.subscribe();
    let mut interim = tunnel.grant.interim.map(|interval| tunnel.started + interval);
    loop {
        let expiry = *expires.borrow_and_update();
        tokio::select! {
            biased;
            _ = ended.wait_for(Option::is_some) => return,
            () = until(&router, expiry) => {
                end(&router, &tunnel, Cause::SessionTimeout);
                return;
            }
            changed = expires.changed() => if changed.is_err() { return },
            () = until(&router, interim) => {
                record(&router, &tunnel, Status::Interim, None);
                // Intervals that passed in one leap of the clock are one record, as after a suspended machine.
                interim = tunnel.grant.interim.map(|interval| router.clock.now() + interval);
            }
        }
    }
}

async fn until(router: &Inner, at: Option<Timestamp>) {
    match at {
        Some(at) => router.clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Ends a connection with a Stop; what it waits for, or `None` if it had ended before.
pub(super) fn end(router: &Arc<Inner>, tunnel: &Arc<TunnelState>, cause: Cause) -> Option<oneshot::Receiver<Delivery>> {
    take_down(router, tunnel, cause).then(|| record(router, tunnel, Status::Stop, Some(cause)))
}

/// Ends a connection without a word.
pub(super) fn vanish(router: &Arc<Inner>, tunnel: &Arc<TunnelState>, cause: Cause) {
    take_down(router, tunnel, cause);
}

fn take_down(router: &Inner, tunnel: &TunnelState, cause: Cause) -> bool {
    let first = tunnel.ended.send_if_modified(|ended| {
        let first = ended.is_none();
        ended.get_or_insert(cause);
        first
    });
    if first {
        lock(&router.tunnels).remove(&tunnel.grant.session_id);
        if tunnel.grant.address.is_none() {
            router.release_address(tunnel.address);
        }
        let cause = tunnel.ended.borrow().unwrap_or(Cause::NasReboot);
        lock(&tunnel.footprint).vanish(&mut lock(&router.state), &tunnel.grant, cause, router.clock.now());
    }
    first
}

/// Queues a record as of now; its delivery comes over the receiver.
fn record(router: &Inner, tunnel: &TunnelState, status: Status, cause: Option<Cause>) -> oneshot::Receiver<Delivery> {
    let at = router.clock.now();
    let (done, delivery) = oneshot::channel();
    let traffic = *lock(&tunnel.traffic);
    let lasted = at.since(tunnel.started);
    // A full queue drops the record, and with it `done`: it counts as given up.
    let _ = tunnel.records.try_send(Record { status, at, lasted, traffic, cause, done: Some(done) });
    delivery
}

/// A handle on a connection.
#[derive(Clone)]
pub struct Tunnel {
    router: Arc<Inner>,
    state: Arc<TunnelState>,
}

impl Tunnel {
    pub(super) fn new(router: Arc<Inner>, state: Arc<TunnelState>) -> Self {
        Self { router, state }
    }

    /// Sends the Start that was held back at the dial.
    pub async fn send_start(&self) -> Delivery {
        self.deliver(Status::Start).await
    }

    /// Sends an interim record now, besides those that the timer sends.
    pub async fn interim(&self) -> Delivery {
        self.deliver(Status::Interim).await
    }

    /// Ends the connection and sends the Stop. Nothing is sent if it had ended before.
    pub async fn hang_up(&self, cause: Cause) -> Delivery {
        match end(&self.router, &self.state, cause) {
            Some(delivery) => delivery.await.unwrap_or(Delivery::GivenUp),
            None => Delivery::GivenUp,
        }
    }

    /// Waits until the Start is answered or given up; for ever if it is held.
    pub async fn start_delivered(&self) -> Delivery {
        let mut start = self.state.start.subscribe();
        let delivered = start.wait_for(Option::is_some).await;
        delivered.ok().and_then(|delivery| *delivery).unwrap_or(Delivery::GivenUp)
    }

    /// Waits for the end.
    pub async fn ended(&self) -> Cause {
        let mut ended = self.state.ended.subscribe();
        let cause = ended.wait_for(Option::is_some).await;
        cause.ok().and_then(|cause| *cause).unwrap_or(Cause::NasReboot)
    }

    /// Whether the connection is up.
    pub fn is_up(&self) -> bool {
        self.state.is_up()
    }

    /// Adds to the counters that the next record carries.
    pub fn carry(&self, more: Traffic) {
        let mut traffic = lock(&self.state.traffic);
        traffic.input_octets = traffic.input_octets.wrapping_add(more.input_octets);
        traffic.output_octets = traffic.output_octets.wrapping_add(more.output_octets);
        traffic.input_packets = traffic.input_packets.wrapping_add(more.input_packets);
        traffic.output_packets = traffic.output_packets.wrapping_add(more.output_packets);
        lock(&self.state.footprint).count(&mut lock(&self.router.state), &traffic);
    }

    /// User-Name as dialled.
    pub fn user(&self) -> &str {
        &self.state.grant.dial.user
    }

    /// Calling-Station-Id.
    pub fn caller(&self) -> &str {
        &self.state.grant.dial.caller
    }

    /// Acct-Session-Id, eight hexadecimal digits.
    pub fn acct_session_id(&self) -> &str {
        &self.state.grant.session_id
    }

    /// The client's address: Framed-IP-Address, else one of the pool.
    pub fn address(&self) -> Ipv4Addr {
        self.state.address
    }

    /// The name of its dynamic interface: `<l2tp-ann>`.
    pub fn interface(&self) -> String {
        lock(&self.state.footprint).interface().to_owned()
    }

    /// Whether a new connection from the client's address would be forwarded: `/ip/firewall/filter` as it stands now.
    /// Nothing passes once the tunnel is down.
    pub fn passes(&self) -> bool {
        self.forwards(Flow::New)
    }

    /// The same for a connection that was opened before, which rules for `established` let through.
    pub fn passes_established(&self) -> bool {
        self.forwards(Flow::Established)
    }

    fn forwards(&self, flow: Flow) -> bool {
        let interface = self.interface();
        let mut state = lock(&self.router.state);
        state.advance(self.router.clock.now());
        let packet = firewall::Packet { source: self.state.address, interface: &interface, flow };
        self.is_up() && firewall::forwards(&state, &packet)
    }

    /// Session-Timeout of the Accept or the profile.
    pub fn session_timeout(&self) -> Option<Duration> {
        self.state.grant.session_timeout
    }

    /// When the router will hang up by itself, as the Accept or a later CoA says.
    pub fn expires(&self) -> Option<Timestamp> {
        *self.state.expires.borrow()
    }

    /// The interval between interim records, as the Accept or `/ppp/aaa` says.
    pub fn interim_interval(&self) -> Option<Duration> {
        self.state.grant.interim
    }

    /// Every Class of the Accept.
    pub fn class(&self) -> &[Vec<u8>] {
        &self.state.grant.class
    }

    /// Mikrotik-Rate-Limit of the Accept or a later CoA.
    pub fn rate_limit(&self) -> Option<String> {
        lock(&self.state.rate_limit).clone()
    }

    /// Mikrotik-Group of the Accept or a later CoA.
    pub fn profile(&self) -> Option<String> {
        lock(&self.state.profile).clone()
    }

    /// The Accept's octets, to be looked at in detail; empty for a local user.
    pub fn accept(&self) -> &[u8] {
        &self.state.grant.accept
    }

    async fn deliver(&self, status: Status) -> Delivery {
        if !self.is_up() {
            return Delivery::GivenUp;
        }
        record(&self.router, &self.state, status, None).await.unwrap_or(Delivery::GivenUp)
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Tunnel({} {} {})", self.user(), self.acct_session_id(), self.address())
    }
}
