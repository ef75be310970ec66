//! What got no answer, by its source and the reason, for the operator to see; bounded, in memory. Once a minute it is looked
//! at for floods.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Gate;
use super::session::Ended;
use crate::clock::Timestamp;
use crate::store::StoreError;

/// Sources and reasons remembered, both together; the longest silent half makes room at once, so that forged sources cost
/// one pass over the table in five hundred.
const KEPT: usize = 1_024;
/// Datagrams without an answer in one minute that are a flood: a hundred a second, more than 500 routers send that lose every
/// packet.
const FLOOD: u64 = 6_000;

/// Datagrams of one source that got no answer for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// Where they came from.
    pub source: IpAddr,
    /// Why, as in `docs/radius.md` and the metrics.
    pub reason: &'static str,
    /// What an operator can do about it.
    pub hint: &'static str,
    /// The first.
    pub first_at: Timestamp,
    /// The last.
    pub last_at: Timestamp,
    /// How many.
    pub count: u64,
    /// Those of them that a look for floods has seen.
    seen: u64,
}

/// All of them.
#[derive(Default)]
pub(super) struct Table(Mutex<HashMap<(IpAddr, &'static str), Unanswered>>);

impl Table {
    fn lock(&self) -> MutexGuard<'_, HashMap<(IpAddr, &'static str), Unanswered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, source: IpAddr, (reason, hint): (&'static str, &'static str), now: Timestamp) {
        let mut all = self.lock();
        if all.len() >= KEPT && !all.contains_key(&(source, reason)) {
            forget_the_silent_half(&mut all, |line| line.last_at);
        }
        let fresh = Unanswered { source, reason, hint, first_at: now, last_at: now, count: 0, seen: 0 };
        let line = all.entry((source, reason)).or_insert(fresh);
        line.last_at = now;
        line.count = line.count.saturating_add(1);
    }

    fn list(&self) -> Vec<Unanswered> {
        let mut list: Vec<Unanswered> = self.lock().values().cloned().collect();
        list.sort_by_key(|line| std::cmp::Reverse((line.last_at, line.count)));
        list
    }

    /// How many came since the last look, and the line that grew most.
    fn look(&self) -> (u64, Option<Unanswered>) {
        let mut all = self.lock();
        let grown = |line: &Unanswered| line.count.saturating_sub(line.seen);
        let sum = all.values().map(grown).fold(0, u64::saturating_add);
        let most = all.values().max_by_key(|line| grown(line)).cloned();
        all.values_mut().for_each(|line| line.seen = line.count);
        (sum, most)
    }
}

/// Forgets the half of a table that was not heard of for the longest time.
pub(super) fn forget_the_silent_half<K: Eq + Hash + Clone, V>(all: &mut HashMap<K, V>, at: impl Fn(&V) -> Timestamp) {
    let mut times: Vec<(Timestamp, K)> = all.iter().map(|(key, line)| (at(line), key.clone())).collect();
    let half = times.len() / 2;
    times.select_nth_unstable_by_key(half, |(at, _)| *at);
    for (_, key) in times.iter().take(half.max(1)) {
        all.remove(key);
    }
}

impl Gate {
    /// A datagram got no answer; `reason` is its word, `hint` what can be done about it.
    pub fn note_unanswered(&self, source: IpAddr, reason: &'static str, hint: &'static str) {
        self.unanswered.note(source, (reason, hint), self.now());
    }

    /// What got no answer since the start, the last first; at most 1,024 sources and reasons.
    pub fn unanswered(&self) -> Vec<Unanswered> {
        self.unanswered.list()
    }

    /// Raises an alarm if more came since the last look, a minute ago, than routers send. One alarm stands for all sources:
    /// they may be forged.
    pub(super) async fn tell_of_floods(&self) -> Result<(), StoreError> {
        let (count, Some(most)) = self.unanswered.look() else { return Ok(()) };
        if count < FLOOD {
            return Ok(());
        }
        let (source, reason, hint) = (most.source, most.reason, most.hint);
        let text = format!(
            "{count} RADIUS packets got no answer in one minute, most of them from {source} ({reason}: {hint}). See Routers."
        );
        tracing::warn!(count, %source, reason, "a flood of packets that get no answer");
        let mut tx = self.store.begin().await?;
        tx.raise("flood", "radius", &text, self.now()).await?;
        self.commit(tx, Ended::default()).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u32) -> Timestamp {
        Timestamp::from_millis(millis.into())
    }

    fn source(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn the_longest_silent_make_room() {
        let table = Table::default();
        for number in 0..5_000 {
            table.note(source(number), ("short", ""), at(number));
            table.note(source(0), ("busy", ""), at(number)); // heard of all the time
        }
        let list = table.list();
        assert!((KEPT / 2..=KEPT).contains(&list.len()), "{}", list.len());
        assert_eq!(list.iter().find(|line| line.reason == "busy").map(|line| line.count), Some(5_000));
        assert!(list.iter().all(|line| line.last_at > at(3_900)));
    }

    #[test]
    fn a_look_counts_what_came_since_the_last() {
        let table = Table::default();
        for number in 0..30 {
            table.note(source(number % 3), ("short", "look"), at(number));
        }
        table.note(source(1), ("short", "look"), at(30));
        let (count, most) = table.look();
        assert_eq!((count, most.map(|line| (line.source, line.count))), (31, Some((source(1), 11))));
        table.note(source(2), ("short", "look"), at(31));
        let (count, most) = table.look();
        assert_eq!((count, most.map(|line| line.source)), (1, Some(source(2))));
        assert_eq!(table.look().0, 0);
    }
}
