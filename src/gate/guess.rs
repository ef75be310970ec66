//! Guesses: wrong passwords counted per caller and per name. The first few cost nothing, the next ones an ever longer wait,
//! and at `guess_limit` who guesses is locked for a while (`design` §3.4).
//!
//! A name that no account has is counted like any other, so that neither a wait nor a lock tells which names exist.
//!
//! The counters are our own: `governor` and its like give tokens back one by one, and here a window is counted whose
//! number decides the wait, and whose end operators see and lift.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use moka::sync::Cache;

use super::directory::Found;
use crate::clock::Timestamp;
use crate::domain::access::Request;
use crate::domain::account::{candidates, name_key};
use crate::domain::connection::Place;
use crate::domain::id::RouterId;

/// Callers and names counted at once; the least seen ones are forgotten first.
const COUNTED: u64 = 100_000;
/// The window, and how long a lock lasts.
pub const WINDOW: Duration = Duration::from_secs(600);
/// Wrong passwords in the window that cost no wait: people mistype.
const FREE: u32 = 3;
/// The wait for the first that costs one; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait: less than RouterOS waits by any of its defaults, of which the shortest is three times 300 ms. A refusal
/// that comes later would be silence to it, and it would ask its next server.
const LONGEST_WAIT: Duration = Duration::from_millis(800);

/// Who guesses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Guesser {
    /// A caller of a router.
    Caller(Place),
    /// A box of a router that names no caller.
    Box(RouterId, IpAddr),
    /// Anybody, by this name, whether an account has it or not: its folded form.
    Name(String),
}

/// Who is counted for one log-in.
pub(super) struct Suspects {
    /// Where it comes from.
    pub(super) caller: Guesser,
    /// By which name.
    pub(super) name: Guesser,
}

impl Suspects {
    pub(super) fn of(request: &Request, found: &Found) -> Self {
        let from_box = || Guesser::Box(request.nas.router, request.nas.address);
        let name = match found {
            Found::Account(known) => known.entry.name_key.clone(),
            Found::Nobody => {
                let lossy = || name_key(&String::from_utf8_lossy(&request.user_name));
                candidates(&request.user_name).into_iter().next().unwrap_or_else(lossy)
            }
        };
        Self { caller: request.place().map_or_else(from_box, Guesser::Caller), name: Guesser::Name(name) }
    }
}

/// How long a refusal waits after so many wrong passwords.
fn wait(wrong: u32) -> Duration {
    match wrong.checked_sub(FREE + 1) {
        None => Duration::ZERO,
        Some(doublings) => FIRST_WAIT.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_WAIT),
    }
}

#[derive(Debug)]
struct Window {
    began: Timestamp,
    wrong: u32,
    locked_until: Option<Timestamp>,
}

/// What became of one more wrong password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// It is one of a few.
    Below,
    /// It was one too many: locked from now on, after so many.
    Locked(u32),
}

/// The counters, and the locks of every instance as the database has them.
pub(super) struct Guesses {
    windows: Cache<Guesser, Arc<Mutex<Window>>>,
    shared: ArcSwap<HashMap<Guesser, Timestamp>>,
    /// Locks that this instance has written since the database's were read: they may be lifted before they are read.
    stored: Mutex<Vec<Guesser>>,
    /// Up to when, in milliseconds, somebody may be locked by what was counted here.
    counted_until: AtomicI64,
}

impl Default for Guesses {
    fn default() -> Self {
        Self {
            windows: Cache::new(COUNTED),
            shared: ArcSwap::default(),
            stored: Mutex::default(),
            counted_until: AtomicI64::new(i64::MIN),
        }
    }
}

impl Guesses {
    /// Whether nobody at all is locked, which costs less to ask than whether somebody is.
    pub(super) fn is_quiet(&self, now: Timestamp) -> bool {
        now.millis() >= self.counted_until.load(Ordering::Acquire) && self.shared.load().is_empty()
    }

    /// Whether it is refused unread.
    pub(super) fn is_locked(&self, guesser: &Guesser, now: Timestamp) -> bool {
        let shared = self.shared.load().get(guesser).is_some_and(|until| now < *until);
        shared || self.windows.get(guesser).is_some_and(|window| lock(&window).locked_until.is_some_and(|at| now < at))
    }

    /// How long a refusal waits for its sake.
    pub(super) fn wait(&self, guesser: &Guesser, now: Timestamp) -> Duration {
        if self.is_locked(guesser, now) {
            return LONGEST_WAIT;
        }
        let Some(window) = self.windows.get(guesser) else { return Duration::ZERO };
        let window = lock(&window);
        if now < window.began + WINDOW { wait(window.wrong) } else { Duration::ZERO }
    }

    /// One more wrong password.
    pub(super) fn add(&self, guesser: &Guesser, limit: u32, now: Timestamp) -> Counted {
        // Before it counts, so that nobody finds it quiet meanwhile.
        self.counted_until.fetch_max((now + WINDOW).millis(), Ordering::AcqRel);
        let fresh = || Window { began: now, wrong: 0, locked_until: None };
        let window = self.windows.get_with_by_ref(guesser, || Arc::new(Mutex::new(fresh())));
        let mut window = lock(&window);
        if now >= window.began + WINDOW {
            *window = fresh();
        }
        window.wrong = window.wrong.saturating_add(1);
        if window.wrong < limit || window.locked_until.is_some() {
            return Counted::Below;
        }
        // The next window begins with the end of the lock.
        (window.began, window.locked_until) = (now, Some(now + WINDOW));
        Counted::Locked(window.wrong)
    }

    /// The database has the lock now.
    pub(super) fn note_stored(&self, guessers: impl IntoIterator<Item = Guesser>) {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).extend(guessers);
    }

    /// The locks that were written since this was asked last; what is read of the database after it has them, or they are
    /// lifted.
    pub(super) fn take_stored(&self) -> Vec<Guesser> {
        std::mem::take(&mut *self.stored.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The locks as the database has them now; who stood there, or was `stored` there, and does no more begins anew here, too.
    pub(super) fn follow(&self, stored: &[Guesser], locks: HashMap<Guesser, Timestamp>) {
        let locks = Arc::new(locks);
        let before = self.shared.swap(locks.clone());
        for lifted in before.keys().chain(stored).filter(|guesser| !locks.contains_key(*guesser)) {
            self.windows.invalidate(lifted);
        }
    }
}

fn lock(window: &Mutex<Window>) -> MutexGuard<'_, Window> {
    window.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::default() + Duration::from_secs(seconds)
    }

    fn ann() -> Guesser {
        Guesser::Name("ann".to_owned())
    }

    #[test]
    fn a_lock_that_was_lifted_before_it_was_read_is_lifted_here() {
        let guesses = Guesses::default();
        guesses.add(&ann(), 1, at(0));
        guesses.follow(&[], HashMap::new());
        assert!(guesses.is_locked(&ann(), at(1)), "the database does not have it yet");
        guesses.note_stored([ann()]);
        let stored = guesses.take_stored();
        guesses.follow(&stored, HashMap::new());
        assert!(!guesses.is_locked(&ann(), at(1)));
        assert!(guesses.take_stored().is_empty());
    }

    #[test]
    fn it_is_quiet_while_nobody_can_be_locked() {
        let guesses = Guesses::default();
        assert!(guesses.is_quiet(at(0)));
        guesses.add(&ann(), 1, at(0));
        assert!(guesses.is_locked(&ann(), at(599)) && !guesses.is_quiet(at(599)));
        assert!(!guesses.is_locked(&ann(), at(600)) && guesses.is_quiet(at(600)));
        guesses.follow(&[], HashMap::from([(ann(), at(900))]));
        assert!(!guesses.is_quiet(at(700)), "by the lock of another instance");
        guesses.follow(&[], HashMap::new());
        assert!(guesses.is_quiet(at(700)));
    }

    #[test]
    fn who_guesses_too_often_in_a_window_is_locked_for_one() {
        let guesses = Guesses::default();
        assert_eq!(guesses.add(&ann(), 3, at(0)), Counted::Below);
        assert_eq!(guesses.add(&ann(), 3, at(599)), Counted::Below);
        assert_eq!(guesses.add(&ann(), 3, at(600)), Counted::Below, "a new window");
        assert_eq!(guesses.add(&ann(), 3, at(601)), Counted::Below);
        assert_eq!(guesses.add(&ann(), 3, at(700)), Counted::Locked(3));
        assert_eq!(guesses.add(&ann(), 3, at(700)), Counted::Below, "locked once");
        assert!(guesses.is_locked(&ann(), at(1_299)) && !guesses.is_locked(&ann(), at(1_300)));
        assert_eq!(guesses.add(&ann(), 3, at(1_300)), Counted::Below);
    }

    #[test]
    fn the_wait_grows_up_to_a_bound() {
        let waits: Vec<u64> = (0..9).map(|wrong| u64::try_from(wait(wrong).as_millis()).unwrap()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 250, 500, 800, 800, 800]);
        assert_eq!(wait(u32::MAX), LONGEST_WAIT);
    }

    #[test]
    fn a_lock_that_was_lifted_anywhere_is_lifted_here() {
        let guesses = Guesses::default();
        guesses.add(&ann(), 1, at(0));
        guesses.follow(&[], HashMap::from([(ann(), at(600))]));
        assert!(guesses.is_locked(&ann(), at(1)));
        guesses.follow(&[], HashMap::new());
        assert!(!guesses.is_locked(&ann(), at(1)));
        assert_eq!(guesses.wait(&ann(), at(1)), Duration::ZERO, "counted anew");
        // One of another instance holds here.
        guesses.follow(&[], HashMap::from([(ann(), at(600))]));
        assert!(guesses.is_locked(&ann(), at(599)) && !guesses.is_locked(&ann(), at(600)));
    }

    #[test]
    fn the_counters_are_bounded() {
        let guesses = Guesses::default();
        for number in 0..COUNTED + 10_000 {
            guesses.add(&Guesser::Name(number.to_string()), 10, at(0));
        }
        guesses.windows.run_pending_tasks();
        assert!(guesses.windows.entry_count() <= COUNTED);
    }
}
