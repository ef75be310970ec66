//! The EAP log-ins under way, by their State (RFC 2865 §5.24): 16 random octets, good once, for the box and User-Name
//! they were made for. No clock and no I/O here: the time is an argument.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Talk;
use crate::domain::access::Request;
use crate::domain::id::RouterId;
use crate::domain::router::NasKey;
use crate::entropy::Entropy;

/// How long a client may take for its next word. IKEv2 clients give up sooner.
pub(super) const LIFE: Duration = Duration::from_secs(60);
/// Log-ins of one router; above it its oldest is forgotten. Anybody who reaches the router can begin one without a
/// password, so one router must not fill the table of all.
const PER_ROUTER: usize = 4_096;
/// Log-ins in all; above it the oldest is forgotten. About 20 MB at their fullest.
const ALL: usize = 16_384;

/// A State.
pub(super) type State = [u8; 16];

/// Whom a State was made for: the next packet must say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bound {
    nas: NasKey,
    user_name: Vec<u8>,
}

impl Bound {
    pub(super) fn to(request: &Request) -> Self {
        Self { nas: request.nas.clone(), user_name: request.user_name.clone() }
    }
}

/// The table.
#[derive(Default)]
pub(in crate::radius) struct Conversations(Mutex<Held>);

#[derive(Default)]
struct Held {
    rows: HashMap<State, Row>,
    /// In the order in which they were put here, which is the one in which they run out.
    order: BTreeMap<u64, State>,
    of: HashMap<RouterId, BTreeSet<u64>>,
    next: u64,
}

struct Row {
    bound: Bound,
    talk: Talk,
    place: u64,
    at: Instant,
}

/// A log-in whose client has spoken. Unless it is [`Turn::spent`], its State is good again when this is dropped: the
/// request was not answered, and its next copy is tried as a new one.
pub(super) struct Turn {
    table: Arc<Conversations>,
    kept: Option<(State, Bound, Talk, Instant)>,
}

impl Turn {
    /// What was under way.
    pub(super) fn talk(&self) -> Option<&Talk> {
        self.kept.as_ref().map(|(_, _, talk, _)| talk)
    }

    /// It was answered: the State is not good any more.
    pub(super) fn spent(mut self) {
        self.kept = None;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some((state, bound, talk, at)) = self.kept.take() {
            self.table.lock().put(state, bound, talk, at);
        }
    }
}

impl Conversations {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a log-in until its client speaks again, and gives the State by which it is found.
    pub(super) fn put(&self, bound: Bound, talk: Talk, entropy: &dyn Entropy, now: Instant) -> State {
        let state = entropy.bytes();
        self.lock().put(state, bound, talk, now);
        state
    }

    /// Takes out the log-in of a State; `None` if there is none, it has run out, or it is of another box or name.
    pub(super) fn take(self: &Arc<Self>, state: &[u8], bound: &Bound, now: Instant) -> Option<Turn> {
        let state = State::try_from(state).ok()?;
        let mut held = self.lock();
        held.expire(now);
        // A State that somebody else shows is left to whom it was made for.
        held.rows.get(&state).filter(|row| row.bound == *bound)?;
        let row = held.remove(&state)?;
        Some(Turn { table: self.clone(), kept: Some((state, row.bound, row.talk, row.at)) })
    }
}

impl Held {
    fn put(&mut self, state: State, bound: Bound, talk: Talk, at: Instant) {
        self.expire(at);
        let router = bound.nas.router;
        if self.of.get(&router).is_some_and(|places| places.len() >= PER_ROUTER) {
            self.drop_first(self.of.get(&router).and_then(|places| places.first().copied()));
        }
        if self.rows.len() >= ALL {
            self.drop_first(self.order.first_key_value().map(|(place, _)| *place));
        }
        let place = self.next;
        self.next += 1;
        self.order.insert(place, state);
        self.of.entry(router).or_default().insert(place);
        self.rows.insert(state, Row { bound, talk, place, at });
    }

    fn expire(&mut self, now: Instant) {
        while let Some((place, state)) = self.order.first_key_value() {
            let is_over = self.rows.get(state).is_none_or(|row| now.saturating_duration_since(row.at) >= LIFE);
            if !is_over {
                return;
            }
            self.drop_first(Some(*place));
        }
    }

    fn drop_first(&mut self, place: Option<u64>) {
        if let Some(state) = place.and_then(|place| self.order.get(&place).copied()) {
            self.remove(&state);
        }
    }

    fn remove(&mut self, state: &State) -> Option<Row> {
        let row = self.rows.remove(state)?;
        self.order.remove(&row.place);
        let router = row.bound.nas.router;
        if let Some(places) = self.of.get_mut(&router) {
            places.remove(&row.place);
            if places.is_empty() {
                self.of.remove(&router);
            }
        }
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use crate::proto::radius::eap::{Conversation, Heard};
    use std::net::IpAddr;

    fn talk() -> Talk {
        match Conversation::open(b"", [1; 16]) {
            Ok(Heard::Ask(talk, _)) => talk,
            other => panic!("{other:?}"),
        }
    }

    fn bound(router: i64, name: &str) -> Bound {
        let address = IpAddr::from([192, 0, 2, 1]);
        let nas = NasKey { router: RouterId(router), address, identifier: "box".to_owned() };
        Bound { nas, user_name: name.as_bytes().to_vec() }
    }

    fn put(table: &Conversations, router: i64, now: Instant) -> State {
        table.put(bound(router, "ann"), talk(), &SystemEntropy, now)
    }

    #[test]
    fn a_state_is_good_once() {
        let (table, now) = (Arc::new(Conversations::default()), Instant::now());
        let state = put(&table, 1, now);
        table.take(&state, &bound(1, "ann"), now).unwrap().spent();
        assert!(table.take(&state, &bound(1, "ann"), now).is_none());
    }

    #[test]
    fn a_turn_without_an_answer_leaves_its_state_good() {
        let (table, now) = (Arc::new(Conversations::default()), Instant::now());
        let state = put(&table, 1, now);
        let turn = table.take(&state, &bound(1, "ann"), now).unwrap();
        assert!(table.take(&state, &bound(1, "ann"), now).is_none(), "meanwhile it is nobody's");
        drop(turn);
        assert!(table.take(&state, &bound(1, "ann"), now).is_some());
    }

    #[test]
    fn a_state_is_for_one_box_and_name_and_time() {
        let (table, now) = (Arc::new(Conversations::default()), Instant::now());
        let state = put(&table, 1, now);
        let elsewhere = Bound { nas: NasKey { identifier: "other".to_owned(), ..bound(1, "").nas }, ..bound(1, "ann") };
        for wrong in [bound(2, "ann"), bound(1, "bob"), elsewhere] {
            assert!(table.take(&state, &wrong, now).is_none());
        }
        assert!(table.take(&state[..15], &bound(1, "ann"), now).is_none());
        assert!(table.take(&state, &bound(1, "ann"), now + LIFE - Duration::from_millis(1)).is_some());
        let state = put(&table, 1, now);
        assert!(table.take(&state, &bound(1, "ann"), now + LIFE).is_none());
        let held = table.lock();
        assert!(held.rows.is_empty() && held.order.is_empty() && held.of.is_empty());
    }

    #[test]
    fn a_flood_forgets_the_oldest_of_its_own_router() {
        let (table, now) = (Arc::new(Conversations::default()), Instant::now());
        let quiet = put(&table, 1, now);
        let first = put(&table, 2, now);
        for _ in 0..PER_ROUTER {
            put(&table, 2, now);
        }
        assert!(table.take(&first, &bound(2, "ann"), now).is_none());
        assert!(table.take(&quiet, &bound(1, "ann"), now).is_some());
        for router in 2..8 {
            for _ in 0..PER_ROUTER {
                put(&table, router, now);
            }
        }
        let held = table.lock();
        assert_eq!((held.rows.len(), held.order.len()), (ALL, ALL));
        assert_eq!(held.of.values().map(BTreeSet::len).sum::<usize>(), ALL);
    }
}
