//! `radgram router secret`: another shared secret, and for a while the old one beside it.

use std::time::Duration;

use clap::Args;

use super::super::desk::{ACTOR, Desk};
use super::super::{Failure, input};
use crate::domain::router::OLD_SECRET_HOURS;

/// A secret that is to be changed.
#[derive(Debug, Args)]
pub(in crate::cli) struct Change {
    /// The router's name.
    name: String,
    /// Take the old secret, too, for so long (24h, 30m, 7d): no box is shut out before its own is changed
    #[arg(long, value_name = "TIME", value_parser = lasting)]
    keep_old: Option<Duration>,
    /// Stop taking the old secret now; no secret is read.
    #[arg(long, conflicts_with = "keep_old")]
    drop_old: bool,
}

/// A length of time: a whole number and `m`, `h` or `d`.
fn lasting(typed: &str) -> Result<Duration, String> {
    let expected = || format!("expected a time like 24h, 30m or 7d, at most {OLD_SECRET_HOURS}h");
    let unit = typed.chars().next_back().ok_or_else(expected)?;
    let seconds = match unit {
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return Err(expected()),
    };
    let number = typed.strip_suffix(unit).and_then(|digits| digits.parse::<u64>().ok()).filter(|number| *number > 0);
    let seconds = number.and_then(|number| number.checked_mul(seconds));
    let most = u64::from(OLD_SECRET_HOURS) * 3600;
    seconds.filter(|seconds| *seconds <= most).map(Duration::from_secs).ok_or_else(expected)
}

/// Changes the secret of a router.
pub(in crate::cli) async fn run(desk: &Desk, change: &Change) -> Result<(), Failure> {
    let router = desk.router(&change.name).await?;
    if change.drop_old {
        desk.gate.drop_old_secret(&ACTOR, router.id).await?;
        return desk.say(&format!("router {}: the old secret is not taken any more", router.name));
    }
    let secret = input::secret("shared secret")?;
    desk.gate.replace_router_secret(&ACTOR, router.id, &secret, change.keep_old).await?;
    if change.keep_old.is_none() {
        return desk.say(&format!("router {} has the new secret", router.name));
    }
    desk.say(&format!(
        "router {} has the new secret, and the old one is taken, too; radgram router nas list shows which box uses which",
        router.name
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_a_number_and_a_unit() {
        let read = |typed| lasting(typed).map(|lasting| lasting.as_secs()).ok();
        assert_eq!((read("24h"), read("30m"), read("7d")), (Some(86_400), Some(1_800), Some(604_800)));
        for typed in ["", "24", "h", "0h", "8d", "1.5h", "-1h", "99999999999999999999d", "1ч"] {
            assert_eq!(read(typed), None, "{typed}");
        }
    }
}
