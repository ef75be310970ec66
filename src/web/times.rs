//! Points in time as pages show them: relative, with the absolute one behind it.

use std::sync::LazyLock;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::clock::Timestamp;
use crate::text::{Language, Texts};

/// Nearer than this is "now".
const NOW: Duration = Duration::from_secs(2);

/// From here on, seconds do not matter.
const COARSE: Duration = Duration::from_secs(600);

static TEXTS: LazyLock<Texts> = LazyLock::new(Texts::new);

/// The moment of a page, and the zone that it shows times in.
#[derive(Debug, Clone)]
pub(super) struct Times {
    pub(super) now: Timestamp,
    pub(super) zone: TimeZone,
}

/// A point in time in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct When {
    /// RFC 3339, for `datetime`.
    pub(super) machine: String,
    /// `2026-11-22 18:40:05 MSK`
    pub(super) absolute: String,
    /// `in 5 min`, `2 h 3 min ago`
    pub(super) relative: String,
}

impl Times {
    /// `at` in words.
    pub(super) fn when(&self, at: &Timestamp) -> When {
        let Ok(moment) = jiff::Timestamp::from_millisecond(at.millis()) else {
            let far = "beyond the calendar".to_owned();
            return When { machine: String::new(), absolute: far.clone(), relative: far };
        };
        let local = moment.to_zoned(self.zone.clone());
        When {
            machine: moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            absolute: local.strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
            relative: self.relative(*at),
        }
    }

    fn relative(&self, at: Timestamp) -> String {
        let (ahead, behind) = (at.since(self.now), self.now.since(at));
        if ahead.max(behind) < NOW {
            "now".to_owned()
        } else if ahead > behind {
            format!("in {}", span(ahead))
        } else {
            format!("{} ago", span(behind))
        }
    }
}

/// A length of time in words; seconds are left out where they do not matter.
fn span(length: Duration) -> String {
    let whole = if length >= COARSE { Duration::from_secs(length.as_secs() / 60 * 60) } else { length };
    TEXTS.span(Language::En, whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seconds: i64, relative: &str) {
        let now = Timestamp::from_millis(1_795_362_000_000);
        let times = Times { now, zone: TimeZone::fixed(jiff::tz::offset(3)) };
        let when = times.when(&Timestamp::from_millis(now.millis() + seconds * 1000));
        assert_eq!(when.relative, relative);
        assert!(when.absolute.starts_with("2026-11-"), "{}", when.absolute);
    }

    #[test]
    fn times_are_relative_to_now() {
        check(0, "now");
        check(300, "in 5 min");
        check(-599, "9 min 59 s ago");
        check(-659, "10 min ago");
        check(-7380, "2 h 3 min ago");
    }

    #[test]
    fn a_time_beyond_the_calendar_is_said_so() {
        let times = Times { now: Timestamp::from_millis(0), zone: TimeZone::UTC };
        assert_eq!(times.when(&Timestamp::from_millis(i64::MAX)).relative, "beyond the calendar");
    }
}
