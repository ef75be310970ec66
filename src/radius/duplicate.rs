//! Duplicates: a request that comes again gets the same bytes again, or none while its first copy is worked on.
//!
//! A copy has the same source, identifier and Request Authenticator (RFC 5080 §2.2.2, RFC 2865 §2.5). One table serves
//! all sockets, so a copy may come through another of them: the answer goes the way that the newest copy came, which is
//! `W` here. No clock and no I/O: the time is an argument.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::gate::access::Mark;

/// How long an answer is kept after it was given. RouterOS resends for up to three minutes at its longest time-out, but
/// a resend follows its predecessor within one minute at most.
const LIFE: Duration = Duration::from_secs(60);
/// Parts of the table, each behind a lock of its own.
const SHARDS: usize = 16;
/// Sources (address and port) in one part; each has at most 256 requests, by their identifiers. 16,384 in all.
const SOURCES: usize = 1_024;
/// How many others of its part may be put behind a source before it is put last again, though it is heard of all the time.
const BEHIND: u64 = SOURCES as u64 / 4;
/// How often a part looks for silent sources.
const LOOK: Duration = Duration::from_secs(1);
/// Requests in one part: 131,072 in all, about 60 MB at their fullest.
const REQUESTS: usize = 8_192;

/// Which request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// Where it comes from.
    pub(super) source: SocketAddr,
    /// Its identifier.
    pub(super) identifier: u8,
    /// Its Request Authenticator.
    pub(super) authenticator: [u8; 16],
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    /// The reply, signed.
    pub(super) bytes: Arc<[u8]>,
    /// The session that an Accept speaks of: it must be unchanged for the same bytes to go out again.
    pub(super) mark: Option<Mark>,
}

/// What the table knows of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing: from now on it is in flight.
    New,
    /// Its first copy is being worked on.
    InFlight,
    /// It was answered.
    Answered(Answered),
}

/// The table.
pub(super) struct Duplicates<W> {
    shards: Vec<Mutex<Shard<W>>>,
}

struct Shard<W> {
    sources: HashMap<SocketAddr, Source<W>>,
    /// The sources, about in the order in which they were last heard of: one moves only once [`BEHIND`] others stand
    /// behind it, or when silent ones are looked for.
    order: BTreeMap<u64, SocketAddr>,
    next: u64,
    requests: usize,
    looked: Option<Instant>,
}

struct Source<W> {
    requests: HashMap<u8, Entry<W>>,
    place: u64,
    heard: Instant,
}

struct Entry<W> {
    authenticator: [u8; 16],
    state: State<W>,
}

enum State<W> {
    InFlight {
        /// The way of the newest copy, if there is one.
        newest: Option<W>,
    },
    Answered {
        at: Instant,
        answered: Answered,
    },
}

impl<W> Default for Shard<W> {
    fn default() -> Self {
        Self { sources: HashMap::new(), order: BTreeMap::new(), next: 0, requests: 0, looked: None }
    }
}

impl<W> Default for Duplicates<W> {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl<W> Duplicates<W> {
    /// What is known of a request; a new one is in flight from now on, in place of an older one with its identifier. The
    /// way of a copy of one in flight is remembered.
    pub(super) fn see(&self, key: &Key, way: impl FnOnce() -> W, now: Instant) -> Seen {
        self.shard(key).see(key, way, now)
    }

    /// The request was answered; forgotten if another took its identifier meanwhile. Gives the way of its newest copy, if
    /// there was one.
    pub(super) fn answer(&self, key: &Key, answered: Answered, now: Instant) -> Option<W> {
        self.shard(key).answer(key, answered, now)
    }

    /// The request gets no answer: its next copy is tried as a new one.
    pub(super) fn forget(&self, key: &Key) {
        self.shard(key).forget(key);
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard<W>> {
        // A router's boxes differ in the last octets of their addresses, its sockets in their ports.
        let address = match key.source.ip() {
            std::net::IpAddr::V4(address) => u32::from(address),
            std::net::IpAddr::V6(address) => address.to_bits() as u32,
        };
        let spread = address.wrapping_mul(31).wrapping_add(u32::from(key.source.port()));
        let shard = &self.shards[spread as usize % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W> Shard<W> {
    fn see(&mut self, key: &Key, way: impl FnOnce() -> W, now: Instant) -> Seen {
        self.expire(now);
        self.touch(key.source, now);
        let Some(source) = self.sources.get_mut(&key.source) else { return Seen::New };
        let new = Entry { authenticator: key.authenticator, state: State::InFlight { newest: None } };
        let entry = match source.requests.entry(key.identifier) {
            MapEntry::Vacant(place) => {
                place.insert(new);
                self.requests += 1;
                self.make_room();
                return Seen::New;
            }
            MapEntry::Occupied(place) => place.into_mut(),
        };
        if entry.authenticator == key.authenticator {
            match &mut entry.state {
                State::InFlight { newest } => {
                    *newest = Some(way());
                    return Seen::InFlight;
                }
                State::Answered { at, answered } if now.saturating_duration_since(*at) < LIFE => {
                    return Seen::Answered(answered.clone());
                }
                State::Answered { .. } => {}
            }
        }
        *entry = new;
        Seen::New
    }

    fn make_room(&mut self) {
        while self.requests > REQUESTS && self.order.len() > 1 {
            self.drop_oldest();
        }
    }

    fn answer(&mut self, key: &Key, answered: Answered, now: Instant) -> Option<W> {
        let source = self.sources.get_mut(&key.source)?;
        let entry = source.requests.get_mut(&key.identifier)?;
        if entry.authenticator != key.authenticator {
            return None;
        }
        source.heard = now;
        match std::mem::replace(&mut entry.state, State::Answered { at: now, answered }) {
            State::InFlight { newest } => newest,
            State::Answered { .. } => None,
        }
    }

    fn forget(&mut self, key: &Key) {
        let Some(source) = self.sources.get_mut(&key.source) else { return };
        let is_it = source.requests.get(&key.identifier).is_some_and(|entry| entry.authenticator == key.authenticator);
        if is_it {
            source.requests.remove(&key.identifier);
            self.requests -= 1;
        }
    }

    /// The source was heard of: it leaves last. A new one makes room for itself.
    fn touch(&mut self, address: SocketAddr, now: Instant) {
        match self.sources.get_mut(&address) {
            Some(source) => {
                source.heard = now;
                if self.next - source.place > BEHIND {
                    self.put_last(address);
                }
            }
            None => {
                while self.sources.len() >= SOURCES {
                    self.drop_oldest();
                }
                self.sources.insert(address, Source { requests: HashMap::new(), place: self.next, heard: now });
                self.order.insert(self.next, address);
                self.next += 1;
            }
        }
    }

    fn put_last(&mut self, address: SocketAddr) {
        let Some(source) = self.sources.get_mut(&address) else { return };
        self.order.remove(&source.place);
        source.place = self.next;
        self.order.insert(self.next, address);
        self.next += 1;
    }

    /// Lets go of the sources that were silent for a life-time; one that still waits for an answer stays.
    fn expire(&mut self, now: Instant) {
        if self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < LOOK) {
            return;
        }
        self.looked = Some(now);
        let end = self.next;
        while let Some((place, address)) = self.order.first_key_value() {
            let address = *address;
            let Some(source) = self.sources.get(&address).filter(|_| *place < end) else { return };
            let is_silent = now.saturating_duration_since(source.heard) >= LIFE;
            let waits = || source.requests.values().any(|entry| matches!(entry.state, State::InFlight { .. }));
            if is_silent && !waits() {
                self.drop_oldest();
            } else {
                self.put_last(address);
            }
        }
    }

    fn drop_oldest(&mut self) {
        let Some((_, address)) = self.order.pop_first() else { return };
        if let Some(source) = self.sources.remove(&address) {
            self.requests -= source.requests.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(port: u16, identifier: u8, authenticator: u8) -> Key {
        Key { source: SocketAddr::from(([192, 0, 2, 1], port)), identifier, authenticator: [authenticator; 16] }
    }

    fn answered(text: &str) -> Answered {
        Answered { bytes: text.as_bytes().into(), mark: None }
    }

    #[test]
    fn a_copy_waits_for_the_answer_and_then_gets_it() {
        let (table, now) = (Duplicates::<&str>::default(), Instant::now());
        let request = key(1, 7, 1);
        assert_eq!(table.see(&request, || "here", now), Seen::New);
        assert_eq!(table.see(&request, || "here", now), Seen::InFlight);
        table.answer(&request, answered("yes"), now);
        assert_eq!(table.see(&request, || "here", now + LIFE / 2), Seen::Answered(answered("yes")));
        assert_eq!(table.see(&request, || "here", now + LIFE), Seen::New);
    }

    #[test]
    fn the_answer_goes_the_way_of_the_newest_copy() {
        let (table, now) = (Duplicates::default(), Instant::now());
        let request = key(1, 7, 1);
        for (way, seen) in [("first", Seen::New), ("second", Seen::InFlight), ("third", Seen::InFlight)] {
            assert_eq!(table.see(&request, || way, now), seen);
        }
        assert_eq!(table.answer(&request, answered("yes"), now), Some("third"));
        assert_eq!(table.see(&key(1, 8, 1), || "alone", now), Seen::New);
        assert_eq!(table.answer(&key(1, 8, 1), answered("yes"), now), None);
    }

    #[test]
    fn every_part_of_the_key_counts() {
        let (table, now) = (Duplicates::<&str>::default(), Instant::now());
        assert_eq!(table.see(&key(1, 7, 1), || "here", now), Seen::New);
        assert_eq!(table.see(&key(2, 7, 1), || "here", now), Seen::New);
        assert_eq!(table.see(&key(1, 8, 1), || "here", now), Seen::New);
        assert_eq!(table.see(&key(1, 7, 1), || "here", now), Seen::InFlight);
    }

    #[test]
    fn another_authenticator_takes_the_identifier_over() {
        let (table, now) = (Duplicates::<&str>::default(), Instant::now());
        assert_eq!(table.see(&key(1, 7, 1), || "here", now), Seen::New);
        assert_eq!(table.see(&key(1, 7, 2), || "here", now), Seen::New);
        table.answer(&key(1, 7, 1), answered("to the first"), now);
        assert_eq!(table.see(&key(1, 7, 2), || "here", now), Seen::InFlight);
        table.forget(&key(1, 7, 1));
        assert_eq!(table.see(&key(1, 7, 2), || "here", now), Seen::InFlight);
    }

    #[test]
    fn a_request_without_an_answer_is_tried_again() {
        let (table, now) = (Duplicates::<&str>::default(), Instant::now());
        assert_eq!(table.see(&key(1, 7, 1), || "here", now), Seen::New);
        table.forget(&key(1, 7, 1));
        assert_eq!(table.see(&key(1, 7, 1), || "here", now), Seen::New);
    }

    #[test]
    fn silent_sources_leave_but_not_while_they_wait() {
        let (table, now) = (Duplicates::<&str>::default(), Instant::now());
        table.see(&key(16, 1, 1), || "here", now);
        table.see(&key(32, 1, 1), || "here", now);
        table.answer(&key(32, 1, 1), answered("yes"), now);
        let later = now + LIFE * 2;
        assert_eq!(table.see(&key(48, 1, 1), || "here", later), Seen::New);
        let shard = table.shard(&key(16, 1, 1));
        assert_eq!((shard.sources.len(), shard.requests, shard.order.len()), (2, 2, 2));
        drop(shard);
        assert_eq!(table.see(&key(16, 1, 1), || "here", later), Seen::InFlight);
    }

    #[test]
    fn the_table_is_bounded_and_the_least_recent_source_leaves_first() {
        let mut shard = Shard::<&str>::default();
        let now = Instant::now();
        for source in 0..2_000_u16 {
            shard.see(&key(source, 1, 1), || "here", now);
            shard.see(&key(0, 2, 1), || "here", now); // heard of all the time
        }
        assert_eq!((shard.sources.len(), shard.order.len()), (SOURCES, SOURCES));
        assert_eq!(shard.see(&key(0, 1, 1), || "here", now), Seen::InFlight);
        assert_eq!(shard.see(&key(1, 1, 1), || "here", now), Seen::New);
        let counted: usize = shard.sources.values().map(|source| source.requests.len()).sum();
        assert_eq!(counted, shard.requests);
    }

    #[test]
    fn full_sources_leave_before_the_table_overflows() {
        let mut shard = Shard::<&str>::default();
        let now = Instant::now();
        for source in 0..100_u16 {
            for identifier in 0..=255 {
                shard.see(&key(source, identifier, 1), || "here", now);
            }
        }
        assert!(shard.requests <= REQUESTS, "{}", shard.requests);
        assert_eq!(shard.see(&key(99, 0, 1), || "here", now), Seen::InFlight);
    }
}
