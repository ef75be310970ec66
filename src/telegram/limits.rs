//! Telegram's sending limits, kept on our side so that 429 stays the exception.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter};

/// Messages a second in one private chat, after a burst of five.
const PER_PERSON: Quota = Quota::per_second(NonZeroU32::MIN).allow_burst(nonzero(5));
/// Messages a minute in one group.
const PER_GROUP: Quota = Quota::per_minute(nonzero(20));
/// Messages a second in all.
const OVERALL: Quota = Quota::per_second(nonzero(30));
/// Chats remembered before those that have rested are forgotten.
const MANY_CHATS: usize = 10_000;
/// The longest that a delivery waits for its turn; beyond it the outbox is told to come back.
const PATIENCE: Duration = Duration::from_secs(5);

const fn nonzero(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

pub(super) struct Limits {
    person: DefaultKeyedRateLimiter<i64>,
    group: DefaultKeyedRateLimiter<i64>,
    overall: DefaultDirectRateLimiter,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            person: RateLimiter::keyed(PER_PERSON),
            group: RateLimiter::keyed(PER_GROUP),
            overall: RateLimiter::direct(OVERALL),
        }
    }
}

impl Limits {
    /// Waits for the turn of a message to `chat_id` (negative: a group).
    ///
    /// # Errors
    /// How long to wait, when that is longer than a delivery should.
    pub(super) async fn turn(&self, chat_id: i64) -> Result<(), Duration> {
        let chats = if chat_id < 0 { &self.group } else { &self.person };
        if chats.len() > MANY_CHATS {
            chats.retain_recent();
        }
        let mut left = PATIENCE;
        wait(&mut left, || chats.check_key(&chat_id).map_err(from_now)).await?;
        wait(&mut left, || self.overall.check().map_err(from_now)).await
    }
}

fn from_now(not_until: NotUntil<<DefaultClock as Clock>::Instant>) -> Duration {
    not_until.wait_time_from(DefaultClock::default().now())
}

async fn wait(left: &mut Duration, check: impl Fn() -> Result<(), Duration>) -> Result<(), Duration> {
    while let Err(wait) = check() {
        if wait > *left {
            return Err(wait);
        }
        *left -= wait;
        tokio::time::sleep(wait).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_group_that_had_its_share_is_put_off() {
        let limits = Limits::default();
        for _ in 0..20 {
            limits.group.check_key(&-1).unwrap();
        }
        // One message in three seconds is within patience, the third of them is not.
        let waits: Vec<_> = (0..3).map(|_| limits.group.check_key(&-1).map_err(from_now)).collect();
        assert!(waits.iter().all(|wait| matches!(wait, Err(wait) if *wait <= Duration::from_secs(3))), "{waits:?}");
        assert!(limits.turn(-2).await.is_ok(), "another group is not slowed");
    }

    #[tokio::test]
    async fn a_wait_beyond_patience_is_handed_back() {
        let mut left = PATIENCE;
        assert_eq!(wait(&mut left, || Err(Duration::from_secs(6))).await, Err(Duration::from_secs(6)));
        assert_eq!(left, PATIENCE);
    }
}
