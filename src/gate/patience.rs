//! Waits between tries, also while the clock is held; and writes that another change overtook.
//!
//! What failed is stored with the time at which it is due again. A clock that was set back stands still (`clock::HeldClock`),
//! perhaps for hours, and no such time would come. Then everything that waits is due, and the wait is that of the task that
//! tried, by monotonic time.

use std::time::Duration;

use super::Gate;
use crate::clock::Timestamp;
use crate::store::StoreError;

/// A worker that waits for its next due time looks no more often than this where the clock stands still.
const LEAST: Duration = Duration::from_secs(1);
/// How often a write is tried that was overtaken.
const WRITES: u32 = 5;

/// When something that failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Again {
    /// When it is due.
    pub(super) at: Timestamp,
    /// How long the task that tried it rests before it lets go of it.
    pub(super) rest: Duration,
}

impl Gate {
    /// Up to when what waits for another try is due now.
    pub(super) fn due_until(&self) -> Timestamp {
        if self.clock.lag().is_zero() { self.now() } else { Timestamp::from_millis(i64::MAX) }
    }

    /// When something that failed now is tried again after this wait.
    pub(super) fn again_in(&self, wait: Duration) -> Again {
        let now = self.now();
        match self.clock.lag().is_zero() {
            true => Again { at: now + wait, rest: Duration::ZERO },
            false => Again { at: now, rest: wait },
        }
    }

    /// Waits for so long, by whichever clock is there first.
    pub(super) async fn rest(&self, rest: Duration) {
        if rest.is_zero() {
            return;
        }
        tokio::select! {
            () = self.clock.sleep_until(self.now() + rest) => {}
            () = tokio::time::sleep(rest) => {}
        }
    }

    /// Waits until `at`, as it was reckoned at `looked_at`; by monotonic time where the clock stands still.
    pub(super) async fn until_next_look(&self, looked_at: Timestamp, at: Timestamp) {
        tokio::select! {
            () = self.clock.sleep_until(at) => {}
            () = tokio::time::sleep(at.since(looked_at).max(LEAST)) => {}
        }
    }
}

/// Writes; once more where another change came between, since then nothing was written and nothing is wrong.
pub(super) async fn written<T, W>(write: impl Fn() -> W) -> Result<T, StoreError>
where
    W: Future<Output = Result<T, StoreError>>,
{
    for _ in 1..WRITES {
        match write().await {
            Err(StoreError::Conflict) => tokio::task::yield_now().await,
            done => return done,
        }
    }
    write().await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// What comes of a write that is overtaken so often, and how often it was tried.
    async fn overtaken(times: u32) -> (Result<u32, StoreError>, u32) {
        let tries = Cell::new(0);
        let write = || async {
            tries.set(tries.get() + 1);
            if tries.get() <= times { Err(StoreError::Conflict) } else { Ok(tries.get()) }
        };
        (written(write).await, tries.get())
    }

    #[tokio::test]
    async fn what_was_overtaken_is_written_again_but_not_without_end() {
        assert!(matches!(overtaken(0).await, (Ok(1), 1)));
        assert!(matches!(overtaken(4).await, (Ok(5), 5)));
        assert!(matches!(overtaken(1000).await, (Err(StoreError::Conflict), WRITES)));
        let tries = Cell::new(0);
        let bad = || async {
            tries.set(tries.get() + 1);
            Err::<(), _>(StoreError::Taken("it"))
        };
        assert!(matches!((written(bad).await, tries.get()), (Err(StoreError::Taken(_)), 1)));
    }
}
