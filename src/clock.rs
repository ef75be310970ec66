//! Time as an argument: `Timestamp`, `Millis`, and the `Clock` port with its two clocks.

use std::future::Future;
use std::ops::{Add, Sub};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// A point in time: Unix milliseconds, UTC. Stored as it is in SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From Unix milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Unix milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// How long from `earlier` to here; zero if `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;

    fn sub(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// A wait handed out by a [`Clock`].
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where the time of every rule comes from.
///
/// `now` is wall time; `sleep_until` waits by monotonic time, so a clock set back does not lengthen a wait for good.
/// Time-outs of the network (resends, connect) do not use it: they never decide a rule.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Waits until `now() >= at`.
    fn sleep_until(&self, at: Timestamp) -> Sleep;

    /// How far the machine's clock is behind the time that is held; zero while it is right.
    fn lag(&self) -> Duration {
        Duration::ZERO
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// A wait looks at the wall clock again at least this often: the wall clock may have been set meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one home of the system clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::default() + since_epoch
    }

    fn sleep_until(&self, at: Timestamp) -> Sleep {
        let clock = *self;
        Box::pin(async move {
            loop {
                let left = at.since(clock.now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(LOOK_AGAIN)).await;
            }
        })
    }
}

/// A clock that is never far behind the highest time that was seen: set back by more than [`HELD_BACK`], it stands
/// still at that time until the clock below has caught up. So a session cannot be lengthened by setting the clock back.
pub struct HeldClock {
    below: Arc<dyn Clock>,
    highest: AtomicI64,
}

/// A clock may go back by this much (slewing by NTP); further it is held.
pub const HELD_BACK: Duration = Duration::from_secs(5);

impl HeldClock {
    /// Over `below`, having seen `highest` before.
    pub fn new(below: Arc<dyn Clock>, highest: Timestamp) -> Self {
        Self { below, highest: AtomicI64::new(highest.millis()) }
    }
}

impl Clock for HeldClock {
    fn now(&self) -> Timestamp {
        let now = self.below.now();
        let highest = Timestamp(self.highest.fetch_max(now.millis(), Ordering::Relaxed));
        if now + HELD_BACK < highest { highest } else { now }
    }

    fn sleep_until(&self, at: Timestamp) -> Sleep {
        self.below.sleep_until(at)
    }

    fn lag(&self) -> Duration {
        let now = self.below.now();
        let behind = Timestamp(self.highest.load(Ordering::Relaxed)).since(now);
        if behind > HELD_BACK { behind } else { Duration::ZERO }
    }
}

/// A clock that stands still until it is set: tests and simulators share one.
#[derive(Debug, Clone)]
pub struct SettableClock(Arc<watch::Sender<Timestamp>>);

impl SettableClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self(Arc::new(watch::Sender::new(start)))
    }

    /// Sets the clock to `at`, waking who waits for it. Going back is allowed: clocks do.
    pub fn set(&self, at: Timestamp) {
        self.0.send_replace(at);
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now = *now + by);
    }
}

impl Clock for SettableClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    fn sleep_until(&self, at: Timestamp) -> Sleep {
        let mut receiver = self.0.subscribe();
        Box::pin(async move {
            // The sender lives as long as any clone of the clock; when the last is gone nobody can set it any more.
            if receiver.wait_for(|now| *now >= at).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_settable_clock_wakes_its_sleepers() {
        let clock = SettableClock::new(Timestamp::from_millis(1_000));
        let sleep = clock.sleep_until(Timestamp::from_millis(2_000));
        clock.advance(Duration::from_secs(1));
        sleep.await;
        assert_eq!(clock.now(), Timestamp::from_millis(2_000));
    }

    #[test]
    fn a_clock_set_back_is_held() {
        let below = SettableClock::new(Timestamp::from_millis(100_000));
        let clock = HeldClock::new(Arc::new(below.clone()), Timestamp::default());
        assert_eq!(clock.now(), Timestamp::from_millis(100_000));
        below.set(Timestamp::from_millis(96_000));
        assert_eq!(clock.now(), Timestamp::from_millis(96_000));
        assert_eq!(clock.lag(), Duration::ZERO);
        below.set(Timestamp::from_millis(50_000));
        assert_eq!(clock.now(), Timestamp::from_millis(100_000));
        assert_eq!(clock.lag(), Duration::from_secs(50));
        below.set(Timestamp::from_millis(200_000));
        assert_eq!(clock.now(), Timestamp::from_millis(200_000));
    }

    #[test]
    fn since_is_never_negative() {
        assert_eq!(Timestamp::from_millis(1).since(Timestamp::from_millis(5)), Duration::ZERO);
    }
}
