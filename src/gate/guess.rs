//! Guesses: wrong passwords counted in windows of ten minutes, per caller and per account.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use moka::sync::Cache;

use crate::clock::Timestamp;
use crate::domain::connection::Place;
use crate::domain::id::AccountId;

/// Callers and accounts counted at once; the least seen ones are forgotten first.
const COUNTED: u64 = 100_000;
/// The window.
const WINDOW: Duration = Duration::from_secs(600);

/// Who guesses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Guesser {
    /// A caller of a router.
    Caller(Place),
    /// A box that names no caller.
    Nas(IpAddr),
    /// Anybody, at one account.
    At(AccountId),
}

#[derive(Debug)]
struct Window {
    began: AtomicI64,
    wrong: AtomicU32,
}

/// The counters.
pub(super) struct Guesses(Cache<Guesser, Arc<Window>>);

impl Default for Guesses {
    fn default() -> Self {
        Self(Cache::new(COUNTED))
    }
}

impl Guesses {
    /// How many wrong passwords in the window.
    pub(super) fn count(&self, guesser: &Guesser, now: Timestamp) -> u32 {
        let Some(window) = self.0.get(guesser) else { return 0 };
        let began = Timestamp::from_millis(window.began.load(Ordering::Relaxed));
        if now < began + WINDOW { window.wrong.load(Ordering::Relaxed) } else { 0 }
    }

    /// One more.
    pub(super) fn add(&self, guesser: Guesser, now: Timestamp) {
        let fresh = || Arc::new(Window { began: AtomicI64::new(now.millis()), wrong: AtomicU32::new(0) });
        let window = self.0.get_with(guesser, fresh);
        let began = Timestamp::from_millis(window.began.load(Ordering::Relaxed));
        if now >= began + WINDOW {
            window.began.store(now.millis(), Ordering::Relaxed);
            window.wrong.store(0, Ordering::Relaxed);
        }
        window.wrong.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_in_a_window() {
        let guesses = Guesses::default();
        let guesser = Guesser::At(AccountId(1));
        let at = Timestamp::from_millis;
        guesses.add(guesser.clone(), at(0));
        guesses.add(guesser.clone(), at(599_999));
        assert_eq!(guesses.count(&guesser, at(599_999)), 2);
        assert_eq!(guesses.count(&guesser, at(600_000)), 0);
        guesses.add(guesser.clone(), at(600_000));
        assert_eq!(guesses.count(&guesser, at(600_001)), 1);
    }
}
