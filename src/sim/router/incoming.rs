//! `/radius/incoming`: Disconnect- and CoA-Requests (RFC 5176) as RouterOS takes them.
//!
//! A source that is no `/radius` entry and a wrong authenticator get no answer. What identifies connections must match
//! all of it; what else may stand in a request is a short list, the rest is refused.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio_util::sync::DropGuard;

use super::config::{ChangeHabit, CountFrom, DisconnectHabit, ForeignAttributes, IncomingConfig};
use super::state::path;
use super::state::value::Value;
use super::trace::Way;
use super::tunnel::{self, TunnelState};
use super::{Inner, lock, radius};
use crate::proto::radius::packet::PACKET_MAX_BYTES;
use crate::proto::radius::{
    Attribute, AttributeType, Code, Opening, Packet, PacketBuilder, SharedSecret, Signature, VendorId, VendorType,
    attribute, sign,
};

const UNSUPPORTED_ATTRIBUTE: u32 = 401;
const MISSING_ATTRIBUTE: u32 = 402;
const SESSION_CONTEXT_NOT_FOUND: u32 = 503;
/// Answers kept for requests that come again: a sender resends within seconds.
const ANSWERS_MAX: usize = 32;

/// Attributes that say which connection is meant.
const IDENTIFYING: [AttributeType; 7] = [
    AttributeType::USER_NAME,
    AttributeType::ACCT_SESSION_ID,
    AttributeType::FRAMED_IP_ADDRESS,
    AttributeType::NAS_PORT,
    AttributeType::CALLING_STATION_ID,
    AttributeType::CALLED_STATION_ID,
    AttributeType::NAS_PORT_ID,
];
/// Attributes that may stand in any request besides.
const ACCOMPANYING: [AttributeType; 7] = [
    AttributeType::NAS_IP_ADDRESS,
    AttributeType::NAS_IPV6_ADDRESS,
    AttributeType::NAS_IDENTIFIER,
    AttributeType::NAS_PORT_TYPE,
    AttributeType::EVENT_TIMESTAMP,
    AttributeType::MESSAGE_AUTHENTICATOR,
    AttributeType::PROXY_STATE,
];
/// Attributes that CoA may change, by RouterOS's manual.
const CHANGEABLE: [AttributeType; 4] =
    [AttributeType::SESSION_TIMEOUT, AttributeType::IDLE_TIMEOUT, AttributeType::FILTER_ID, AttributeType::PORT_LIMIT];
/// The vendor's attributes that CoA may change. Mikrotik-Address-List is not among them.
const CHANGEABLE_OF_VENDOR: [VendorType; 9] = [
    ASCEND_DATA_RATE,
    ASCEND_XMIT_RATE,
    VendorType::MIKROTIK_GROUP,
    VendorType::MIKROTIK_RECV_LIMIT,
    VendorType::MIKROTIK_XMIT_LIMIT,
    VendorType::MIKROTIK_RATE_LIMIT,
    VendorType::MIKROTIK_MARK_ID,
    VendorType::MIKROTIK_ADVERTISE_URL,
    VendorType::MIKROTIK_ADVERTISE_INTERVAL,
];

const ASCEND: VendorId = VendorId(529);
const ASCEND_DATA_RATE: VendorType = VendorType { vendor: ASCEND, number: 197 };
const ASCEND_XMIT_RATE: VendorType = VendorType { vendor: ASCEND, number: 255 };

/// `/radius/incoming/monitor`, and what it does not show.
#[derive(Debug, Default)]
pub struct IncomingCounters {
    requests: AtomicU64,
    bad_requests: AtomicU64,
    acks: AtomicU64,
    naks: AtomicU64,
    unknown_addresses: AtomicU64,
}

/// The listener: what it counts, its habits, and where it is.
pub(super) struct Incoming {
    pub(super) counters: IncomingCounters,
    pub(super) habits: IncomingConfig,
    habit: Mutex<DisconnectHabit>,
    changes: Mutex<(ChangeHabit, CountFrom)>,
    place: Mutex<Option<Place>>,
}

/// An open port.
struct Place {
    address: SocketAddr,
    _close: DropGuard,
}

impl Incoming {
    pub(super) fn new(habits: IncomingConfig) -> Self {
        let habit = Mutex::new(habits.disconnects);
        let changes = Mutex::new((ChangeHabit::Obey, habits.session_timeout_from));
        Self { counters: IncomingCounters::default(), habits, habit, changes, place: Mutex::new(None) }
    }

    pub(super) fn treat_changes(&self, habit: ChangeHabit) {
        lock(&self.changes).0 = habit;
    }

    pub(super) fn count_timeouts_from(&self, from: CountFrom) {
        lock(&self.changes).1 = from;
    }

    pub(super) fn treat_disconnects(&self, habit: DisconnectHabit) {
        *lock(&self.habit) = habit;
    }

    /// Where it is, whether it takes anything or not.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        lock(&self.place).as_ref().map(|place| place.address)
    }
}

impl IncomingCounters {
    /// A request of the router's own User Manager, done.
    pub(super) fn acked(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.acks.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn reset(&self) {
        for counter in [&self.requests, &self.bad_requests, &self.acks, &self.naks] {
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// Requests from known addresses.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Of these: malformed, or with a wrong authenticator.
    pub fn bad_requests(&self) -> u64 {
        self.bad_requests.load(Ordering::Relaxed)
    }

    /// Requests that were carried out, or said to be.
    pub fn acks(&self) -> u64 {
        self.acks.load(Ordering::Relaxed)
    }

    /// Requests that were refused.
    pub fn naks(&self) -> u64 {
        self.naks.load(Ordering::Relaxed)
    }

    /// Datagrams from elsewhere; the log says "unknown address, dropping".
    pub fn unknown_addresses(&self) -> u64 {
        self.unknown_addresses.load(Ordering::Relaxed)
    }
}

/// An answer that was given, for the request that comes again.
struct Answered {
    source: SocketAddr,
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// Opens the port and says in the menu which it is. With `accept=no` it is open and takes nothing.
pub(super) fn listen(router: &Arc<Inner>) -> io::Result<()> {
    let address = open(router, router.incoming.habits.bind)?;
    lock(&router.state).put_single(path::INCOMING, "port", Value::Number(address.port().into()));
    Ok(())
}

/// Moves to the port that the menu says.
pub(super) fn follow(router: &Arc<Inner>) {
    let port = lock(&router.state).single(path::INCOMING).and_then(|row| row.number("port"));
    let Some(port) = port.and_then(|port| u16::try_from(port).ok()) else { return };
    if router.incoming.address().is_some_and(|address| address.port() == port) {
        return;
    }
    if let Err(error) = open(router, SocketAddr::new(router.incoming.habits.bind.ip(), port)) {
        lock(&router.incoming.place).take();
        let line = format!("incoming port {port} cannot be opened: {error}");
        lock(&router.state).log(router.clock.now(), "radius,error", line);
    }
}

fn open(router: &Arc<Inner>, address: SocketAddr) -> io::Result<SocketAddr> {
    let socket = std::net::UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    let socket = UdpSocket::from_std(socket)?;
    let address = socket.local_addr()?;
    let closed = router.stop.child_token();
    router.spawn({
        let (router, closed) = (router.clone(), closed.clone());
        async move {
            closed.run_until_cancelled(serve(router, socket)).await;
        }
    });
    *lock(&router.incoming.place) = Some(Place { address, _close: closed.drop_guard() });
    Ok(address)
}

async fn serve(router: Arc<Inner>, socket: UdpSocket) {
    let mut buffer = vec![0; PACKET_MAX_BYTES];
    let mut answered: VecDeque<Answered> = VecDeque::new();
    loop {
        // An error here is the echo of a closed port (ICMP): the next datagram may be fine.
        let Ok((length, source)) = socket.recv_from(&mut buffer).await else { continue };
        let datagram = &buffer[..length];
        let accepts = lock(&router.state).setting(path::INCOMING, "accept");
        if !accepts || router.transport.faults().loses_order() {
            continue;
        }
        router.trace.packet(source, Way::In, datagram);
        let before = answered.iter().find(|answered| answered.source == source && answered.request == datagram);
        let answer = match before {
            Some(before) => Some(before.answer.clone()),
            None => take(&router, datagram, source),
        };
        let Some(answer) = answer else { continue };
        if before.is_none() {
            answered.truncate(ANSWERS_MAX - 1);
            answered.push_front(Answered { source, request: datagram.to_vec(), answer: answer.clone() });
        }
        if !router.transport.faults().loses_answer() {
            router.trace.packet(source, Way::Out, &answer);
            // A sender that is gone by now is its own trouble.
            let _ = socket.send_to(&answer, source).await;
        }
    }
}

/// The answer to a datagram, or to a packet over TLS; `None` is silence.
pub(super) fn take(router: &Arc<Inner>, datagram: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    let count = |counter: &AtomicU64| {
        counter.fetch_add(1, Ordering::Relaxed);
    };
    let counters = &router.incoming.counters;
    let entries = radius::secrets_of(&lock(&router.state), source.ip());
    if entries.is_empty() {
        count(&counters.unknown_addresses);
        let line = format!("unknown address {}, dropping", source.ip());
        lock(&router.state).log(router.clock.now(), "radius,error", line);
        return None;
    }
    count(&counters.requests);
    let packet = Packet::parse(datagram).ok();
    let packet = packet.filter(|packet| matches!(packet.code(), Code::DISCONNECT_REQUEST | Code::COA_REQUEST));
    let signed = packet.and_then(|packet| {
        let check = |secret: &SharedSecret| Some((sign::check_hashed_request(&packet, secret).ok()?, secret.clone()));
        entries.iter().find_map(check).map(|(signature, secret)| (packet, signature, secret))
    });
    let Some((packet, signature, secret)) = signed else {
        count(&counters.bad_requests);
        return None;
    };
    let verdict = match packet.code() {
        Code::DISCONNECT_REQUEST => disconnect(router, &packet)?,
        _ => change(router, &packet)?,
    };
    count(if verdict.is_ok() { &counters.acks } else { &counters.naks });
    Some(answer(&packet, signature, &secret, verdict))
}

/// ACK is `Ok`, NAK is its Error-Cause.
type Verdict = Result<(), u32>;

/// Cuts what is meant; `None` is silence.
fn disconnect(router: &Arc<Inner>, packet: &Packet<'_>) -> Option<Verdict> {
    let config = &router.incoming.habits;
    let habit = *lock(&router.incoming.habit);
    match habit {
        DisconnectHabit::Ignore => return None,
        DisconnectHabit::Refuse(cause) => return Some(Err(cause)),
        DisconnectHabit::Obey | DisconnectHabit::AckOnly => {}
    }
    if config.foreign == ForeignAttributes::Refuse && packet.attributes().any(|attribute| !identifies(&attribute)) {
        return Some(Err(UNSUPPORTED_ATTRIBUTE));
    }
    let meant = match meant(router, packet) {
        Ok(meant) => meant,
        Err(cause) => return Some(Err(cause)),
    };
    if habit == DisconnectHabit::Obey {
        for tunnel in meant {
            tunnel::end(router, &tunnel, config.cut_cause);
        }
    }
    Some(Ok(()))
}

/// Changes what may be changed of what is meant; `None` is silence.
fn change(router: &Arc<Inner>, packet: &Packet<'_>) -> Option<Verdict> {
    let (habit, from) = *lock(&router.incoming.changes);
    match habit {
        ChangeHabit::Obey => Some(amend(router, packet, from)),
        ChangeHabit::Ignore => None,
        ChangeHabit::Refuse(cause) => Some(Err(cause)),
    }
}

fn amend(router: &Arc<Inner>, packet: &Packet<'_>, from: CountFrom) -> Verdict {
    let known = |attribute: Attribute<'_>| identifies(&attribute) || changes(&attribute);
    if router.incoming.habits.foreign == ForeignAttributes::Refuse && !packet.attributes().all(known) {
        return Err(UNSUPPORTED_ATTRIBUTE);
    }
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    for tunnel in meant(router, packet)? {
        if let Some(seconds) = packet.integer(AttributeType::SESSION_TIMEOUT) {
            let from = match from {
                CountFrom::Start => tunnel.started,
                CountFrom::Now => router.clock.now(),
            };
            tunnel.expire_at(from + Duration::from_secs(seconds.into()));
        }
        if let Some(profile) = packet.vendor(VendorType::MIKROTIK_GROUP) {
            tunnel.take_profile(router, text(profile));
        }
        if let Some(rate) = packet.vendor(VendorType::MIKROTIK_RATE_LIMIT).map(text).or_else(|| ascend_rate(packet)) {
            tunnel.limit_rate(router, rate);
        }
        let filters: Vec<String> = packet.all(AttributeType::FILTER_ID).map(text).collect();
        if !filters.is_empty() {
            tunnel.filter(router, &filters);
        }
    }
    Ok(())
}

/// Ascend's rates, which count where there is no Mikrotik-Rate-Limit: what the client sends, and what it is sent.
fn ascend_rate(packet: &Packet<'_>) -> Option<String> {
    let rate = |kind| packet.vendor(kind).and_then(attribute::integer);
    match (rate(ASCEND_DATA_RATE), rate(ASCEND_XMIT_RATE)) {
        (Some(both), None) => Some(format!("{both}/{both}")),
        (data, Some(xmit)) => Some(format!("{}/{xmit}", data.unwrap_or_default())),
        (None, None) => None,
    }
}

fn identifies(attribute: &Attribute<'_>) -> bool {
    IDENTIFYING.contains(&attribute.kind) || ACCOMPANYING.contains(&attribute.kind)
}

fn changes(attribute: &Attribute<'_>) -> bool {
    let mut inner = attribute.vendor_attributes().peekable();
    let of_vendor = inner.peek().is_some() && inner.all(|(kind, _)| CHANGEABLE_OF_VENDOR.contains(&kind));
    CHANGEABLE.contains(&attribute.kind) || of_vendor
}

/// The connections that every identifying attribute fits; an Error-Cause if there is none.
fn meant(router: &Inner, packet: &Packet<'_>) -> Result<Vec<Arc<TunnelState>>, u32> {
    if !packet.attributes().any(|attribute| IDENTIFYING.contains(&attribute.kind)) {
        return Err(MISSING_ATTRIBUTE);
    }
    let fits = |tunnel: &Arc<TunnelState>| packet.attributes().all(|attribute| fits(router, tunnel, &attribute));
    let meant: Vec<_> = router.tunnels().into_iter().filter(fits).collect();
    if meant.is_empty() { Err(SESSION_CONTEXT_NOT_FOUND) } else { Ok(meant) }
}

fn fits(router: &Inner, tunnel: &TunnelState, attribute: &Attribute<'_>) -> bool {
    let value = attribute.value;
    let grant = &tunnel.grant;
    match attribute.kind {
        AttributeType::USER_NAME => value == grant.dial.user.as_bytes(),
        AttributeType::ACCT_SESSION_ID => value == grant.session_id.as_bytes(),
        AttributeType::FRAMED_IP_ADDRESS => value == tunnel.address.octets(),
        AttributeType::NAS_PORT => attribute::integer(value) == Some(grant.nas_port),
        AttributeType::CALLING_STATION_ID => value == grant.dial.caller.as_bytes(),
        AttributeType::CALLED_STATION_ID => value == grant.dial.called.as_bytes(),
        AttributeType::NAS_IDENTIFIER => value == router.identity().as_bytes(),
        AttributeType::NAS_IP_ADDRESS | AttributeType::NAS_IPV6_ADDRESS => {
            attribute::address(value) == Some(router.nas_ip())
        }
        _ => true,
    }
}

/// ACK is the request's code and one, NAK and two. It is signed like the request; Proxy-State goes back (RFC 5176 §2.3).
fn answer(packet: &Packet<'_>, signature: Signature, secret: &SharedSecret, verdict: Verdict) -> Vec<u8> {
    let opening = match signature {
        Signature::Present => Opening::MessageAuthenticator,
        Signature::Absent => Opening::Bare,
    };
    let code = Code(packet.code().0 + if verdict.is_ok() { 1 } else { 2 });
    let mut reply = PacketBuilder::new(code, packet.identifier(), opening);
    for state in packet.all(AttributeType::PROXY_STATE) {
        let _ = reply.push(AttributeType::PROXY_STATE, state); // fitted into the request
    }
    if let Err(cause) = verdict {
        let _ = reply.push_integer(AttributeType::ERROR_CAUSE, cause);
    }
    sign::sign_reply(reply, packet.authenticator(), secret)
}
