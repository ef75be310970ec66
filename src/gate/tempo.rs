//! How many attempts of one name are written down: a flood of log-ins, right or wrong, must not fill the database nor push those
//! of others out of the queue.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Timestamp;
use crate::domain::id::RouterId;

/// Counters, 8 octets each. Names that share one share what is written; with 10,000 names that log in at once it is two or
/// three each.
const COUNTERS: usize = 4_096;
/// Attempts of one name on one router that are written in a minute. RouterOS asks again every 300 ms at its fastest, with copies
/// that are no attempts; a client redials every few seconds.
const PER_MINUTE: u64 = 60;
const MINUTE_MS: i64 = 60_000;
/// The lower half of a counter counts, the upper one says in which minute.
const COUNT_BITS: u32 = 32;

/// The counters of the minute.
pub(super) struct Tempo {
    counters: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Default for Tempo {
    fn default() -> Self {
        Self { counters: (0..COUNTERS).map(|_| AtomicU64::new(0)).collect(), hasher: RandomState::new() }
    }
}

impl Tempo {
    /// Whether one more attempt of this name is to be written.
    pub(super) fn admits(&self, router: RouterId, name: &[u8], now: Timestamp) -> bool {
        let place = self.hasher.hash_one((router, name)) as usize % COUNTERS;
        let minute = (now.millis().div_euclid(MINUTE_MS) as u64) << COUNT_BITS;
        let one_more = |before: u64| match before >> COUNT_BITS == minute >> COUNT_BITS {
            false => Some(minute | 1),
            true if before & u64::from(u32::MAX) < PER_MINUTE => Some(before + 1),
            true => None,
        };
        let Some(counter) = self.counters.get(place) else { return true };
        counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_so_many_a_minute_and_others_have_their_own() {
        let tempo = Tempo::default();
        let written = |name: &[u8], now| {
            let now = Timestamp::from_millis(now);
            (0..1_000).filter(|_| tempo.admits(RouterId(1), name, now)).count() as u64
        };
        assert_eq!(written(b"flooded", 60_000), PER_MINUTE);
        assert_eq!(written(b"flooded", 119_999), 0);
        assert_eq!(written(b"flooded", 120_000), PER_MINUTE);
        // One in four thousand shares its counter.
        let others =
            (0..100_u32).filter(|name| tempo.admits(RouterId(2), &name.to_be_bytes(), Timestamp::from_millis(120_000)));
        assert!(others.count() >= 98);
        assert_eq!(written(b"before 1970", -60_001), PER_MINUTE);
    }
}
