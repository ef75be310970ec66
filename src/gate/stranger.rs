//! Strangers: addresses of no router that call, for the operator to see; bounded, in memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use super::unanswered::forget_the_silent_half;
use crate::clock::Timestamp;

/// The most addresses remembered; the longest silent half makes room at once, so that forged ones cost little.
const STRANGERS: usize = 256;

/// An address of no router that called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// The address.
    pub address: IpAddr,
    /// First call.
    pub first_at: Timestamp,
    /// Last call.
    pub last_at: Timestamp,
    /// Calls.
    pub count: u64,
}

#[derive(Default)]
pub(super) struct Strangers(Mutex<HashMap<IpAddr, Stranger>>);

impl Strangers {
    pub(super) fn note(&self, address: IpAddr, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stranger) = all.get_mut(&address) {
            stranger.last_at = now;
            stranger.count = stranger.count.saturating_add(1);
            return;
        }
        if all.len() >= STRANGERS {
            forget_the_silent_half(&mut all, |stranger| stranger.last_at);
        }
        all.insert(address, Stranger { address, first_at: now, last_at: now, count: 1 });
    }

    pub(super) fn list(&self) -> Vec<Stranger> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<Stranger> = all.values().cloned().collect();
        list.sort_by_key(|stranger| std::cmp::Reverse((stranger.last_at, stranger.count)));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_silent_makes_room() {
        let strangers = Strangers::default();
        for at in 0..300_u32 {
            strangers.note(IpAddr::from(at.to_be_bytes()), Timestamp::from_millis(i64::from(at)));
        }
        let list = strangers.list();
        assert!((STRANGERS / 2..=STRANGERS).contains(&list.len()), "{}", list.len());
        assert_eq!(list.first().unwrap().last_at, Timestamp::from_millis(299));
    }
}
