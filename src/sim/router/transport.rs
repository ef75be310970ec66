//! The router's one socket as RADIUS client: identifiers, resends of the same octets, and which replies count.
//!
//! A reply counts if it comes from the address and port that was asked, carries the identifier, and verifies. Anything
//! else is a bad reply: counted, dropped, and the router goes on resending.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::time::{Instant, timeout_at};

use super::state::table::Id;
use super::trace::{Trace, Way};
use super::{Inner, lock};
use crate::proto::radius::Packet;
use crate::proto::radius::packet::PACKET_MAX_BYTES;

/// Requests in flight: an identifier is one octet.
const IN_FLIGHT_MAX: usize = 256;
/// Replies kept for one request that waits: one is enough, the rest are duplicates or forged.
const REPLIES_MAX: usize = 8;

/// `/radius/monitor`, a snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests, log-ins and accounting, each once per server that was asked.
    pub requests: u64,
    /// Access-Accepts and Accounting-Responses.
    pub accepts: u64,
    /// Access-Rejects.
    pub rejects: u64,
    /// Transmissions after the first.
    pub resends: u64,
    /// Requests that a server did not answer in all tries.
    pub timeouts: u64,
    /// Replies that were not in order.
    pub bad_replies: u64,
}

impl Counters {
    fn read(number: impl Fn(Count) -> u64) -> Self {
        Self {
            requests: number(Count::Requests),
            accepts: number(Count::Accepts),
            rejects: number(Count::Rejects),
            resends: number(Count::Resends),
            timeouts: number(Count::Timeouts),
            bad_replies: number(Count::BadReplies),
        }
    }
}

/// Which of the counters.
#[derive(Debug, Clone, Copy)]
pub(super) enum Count {
    Requests,
    Accepts,
    Rejects,
    Resends,
    Timeouts,
    BadReplies,
}

/// What goes wrong on the wire. All zero: nothing.
#[derive(Debug, Default)]
pub struct Faults {
    requests_to_lose: AtomicU32,
    replies_to_lose: AtomicU32,
    orders_to_lose: AtomicU32,
    answers_to_lose: AtomicU32,
    extra_copies: AtomicU32,
}

impl Faults {
    /// The next `count` transmissions of the router's requests do not arrive.
    pub fn lose_requests(&self, count: u32) {
        self.requests_to_lose.store(count, Ordering::Relaxed);
    }

    /// The next `count` replies from servers do not arrive.
    pub fn lose_replies(&self, count: u32) {
        self.replies_to_lose.store(count, Ordering::Relaxed);
    }

    /// The next `count` Disconnect- or CoA-Requests do not arrive.
    pub fn lose_incoming_requests(&self, count: u32) {
        self.orders_to_lose.store(count, Ordering::Relaxed);
    }

    /// The next `count` answers to Disconnect- or CoA-Requests do not arrive.
    pub fn lose_incoming_answers(&self, count: u32) {
        self.answers_to_lose.store(count, Ordering::Relaxed);
    }

    /// From now on every transmission of a request arrives this many times more.
    pub fn duplicate_requests(&self, extra: u32) {
        self.extra_copies.store(extra, Ordering::Relaxed);
    }

    pub(super) fn loses_order(&self) -> bool {
        take_one(&self.orders_to_lose)
    }

    pub(super) fn loses_answer(&self) -> bool {
        take_one(&self.answers_to_lose)
    }
}

pub(super) fn take_one(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// The socket and the requests that wait on it.
pub(super) struct Transport {
    socket: UdpSocket,
    local_addr: SocketAddr,
    waiting: Mutex<HashMap<u8, Waiting>>,
    next_identifier: AtomicU32,
    permits: Semaphore,
    /// Of the client as a whole, since it was started.
    counters: [AtomicU64; 6],
    /// Of each entry, since they were reset.
    by_entry: Mutex<HashMap<Id, Numbers>>,
    faults: Faults,
    trace: Arc<Trace>,
}

struct Waiting {
    server: SocketAddr,
    replies: mpsc::Sender<Vec<u8>>,
}

/// An identifier in use; free again when dropped.
struct Reservation<'a> {
    transport: &'a Transport,
    identifier: u8,
    replies: mpsc::Receiver<Vec<u8>>,
    _permit: SemaphorePermit<'a>,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        lock(&self.transport.waiting).remove(&self.identifier);
    }
}

/// Who is asked, on behalf of which `/radius` entry, how long and how often.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) entry: Id,
    pub(super) server: SocketAddr,
    pub(super) timeout: Duration,
    pub(super) tries: u32,
}

/// Numbers of one entry.
type Numbers = [u64; 6];

impl Transport {
    pub(super) async fn bind(address: IpAddr, trace: Arc<Trace>) -> io::Result<Self> {
        let socket = UdpSocket::bind((address, 0)).await?;
        Ok(Self {
            local_addr: socket.local_addr()?,
            socket,
            waiting: Mutex::default(),
            next_identifier: AtomicU32::new(0),
            permits: Semaphore::new(IN_FLIGHT_MAX),
            counters: Default::default(),
            by_entry: Mutex::default(),
            faults: Faults::default(),
            trace,
        })
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Counts for an entry and for the client.
    pub(super) fn count(&self, entry: Id, what: Count) {
        lock(&self.by_entry).entry(entry).or_default()[what as usize] += 1;
        self.count_stray(what);
    }

    /// Counts what belongs to no entry.
    fn count_stray(&self, what: Count) {
        self.counters[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The numbers of an entry of `/radius`.
    pub(super) fn counters_of(&self, entry: Id) -> Counters {
        let numbers = lock(&self.by_entry).get(&entry).copied().unwrap_or_default();
        Counters::read(|what| numbers[what as usize])
    }

    pub(super) fn reset_counters(&self, entry: Id) {
        lock(&self.by_entry).remove(&entry);
    }

    pub(super) fn counters(&self) -> Counters {
        Counters::read(|what| self.counters[what as usize].load(Ordering::Relaxed))
    }

    /// Asks one server until `is_good` takes a reply, given the Request Authenticator; `None` after the last try.
    ///
    /// Every transmission is the same octets.
    pub(super) async fn exchange(
        &self,
        asked: Asked,
        request: impl FnOnce(u8) -> Vec<u8>,
        is_good: impl Fn(&Packet<'_>, &[u8; 16]) -> bool,
    ) -> Option<Vec<u8>> {
        let mut reservation = self.reserve(asked.server).await?;
        let octets = request(reservation.identifier);
        let sent = Packet::parse(&octets).ok().map(|packet| *packet.authenticator())?;
        self.count(asked.entry, Count::Requests);
        for attempt in 0..asked.tries {
            if attempt > 0 {
                self.count(asked.entry, Count::Resends);
            }
            self.transmit(&octets, asked.server).await;
            let deadline = Instant::now() + asked.timeout;
            while let Ok(Some(reply)) = timeout_at(deadline, reservation.replies.recv()).await {
                if Packet::parse(&reply).is_ok_and(|packet| is_good(&packet, &sent)) {
                    return Some(reply);
                }
                self.count(asked.entry, Count::BadReplies);
            }
        }
        self.count(asked.entry, Count::Timeouts);
        None
    }

    async fn transmit(&self, octets: &[u8], server: SocketAddr) {
        self.trace.packet(server, Way::Out, octets);
        if take_one(&self.faults.requests_to_lose) {
            return;
        }
        for _ in 0..=self.faults.extra_copies.load(Ordering::Relaxed) {
            // A refused or unreachable port is silence to a router: the resend follows.
            let _ = self.socket.send_to(octets, server).await;
        }
    }

    async fn reserve(&self, server: SocketAddr) -> Option<Reservation<'_>> {
        let permit = self.permits.acquire().await.ok()?;
        let (sender, replies) = mpsc::channel(REPLIES_MAX);
        let mut waiting = lock(&self.waiting);
        loop {
            let identifier = self.next_identifier.fetch_add(1, Ordering::Relaxed) as u8;
            // There is a permit, so fewer than 256 identifiers are in use and this ends.
            if let Entry::Vacant(place) = waiting.entry(identifier) {
                place.insert(Waiting { server, replies: sender });
                return Some(Reservation { transport: self, identifier, replies, _permit: permit });
            }
        }
    }

    fn deliver(&self, datagram: &[u8], source: SocketAddr) {
        if take_one(&self.faults.replies_to_lose) {
            return;
        }
        self.trace.packet(source, Way::In, datagram);
        let Some(identifier) = datagram.get(1) else {
            return self.count_stray(Count::BadReplies);
        };
        match lock(&self.waiting).get(identifier) {
            Some(waiting) if waiting.server == source => {
                // Full means that enough replies wait to be looked at.
                let _ = waiting.replies.try_send(datagram.to_vec());
            }
            Some(_) => self.count_stray(Count::BadReplies),
            None => {} // late or twice: the request is answered or given up
        }
    }
}

/// Takes what arrives on the client's socket.
pub(super) async fn receive(router: Arc<Inner>) {
    let mut buffer = vec![0; PACKET_MAX_BYTES];
    loop {
        // An error here is the echo of a closed port (ICMP): the next datagram may be fine.
        if let Ok((length, source)) = router.transport.socket.recv_from(&mut buffer).await {
            router.transport.deliver(&buffer[..length], source);
        }
    }
}
