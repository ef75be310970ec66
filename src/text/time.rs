//! Durations and points in time as people read them.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::{Arg, Language, Texts};
use crate::clock::Timestamp;

/// The words of each unit, largest first: seconds in it, key in the nominative, key as after «на» or «через».
const UNITS: [(u64, &str, &str); 4] = [
    (86_400, "span-days", "span-days"),
    (3_600, "span-hours", "span-hours"),
    (60, "span-minutes", "span-minutes-after"),
    (1, "span-seconds", "span-seconds-after"),
];

impl Texts {
    /// A duration in its two largest units, cut to whole seconds: "2 часа 5 минут", "2 h 5 min", "0 s".
    /// In Russian the nominative, as after a colon.
    pub fn span(&self, language: Language, duration: Duration) -> String {
        self.units(language, duration, |(_, nominative, _)| nominative)
    }

    /// As [`span`](Self::span), in the form that follows «на» and «через»: "через 1 минуту".
    pub fn span_after(&self, language: Language, duration: Duration) -> String {
        self.units(language, duration, |(_, _, accusative)| accusative)
    }

    fn units(
        &self,
        language: Language,
        duration: Duration,
        key: impl Fn((u64, &'static str, &'static str)) -> &'static str,
    ) -> String {
        let seconds = duration.as_secs();
        let largest = UNITS.iter().position(|unit| seconds >= unit.0).unwrap_or(UNITS.len() - 1);
        let mut left = seconds;
        let mut parts = Vec::new();
        for unit in UNITS.into_iter().skip(largest).take(2) {
            let count = i64::try_from(left / unit.0).unwrap_or(i64::MAX);
            left %= unit.0;
            if count > 0 || parts.is_empty() {
                parts.push(self.render(language, key(unit), &[("count", Arg::Number(count))]));
            }
        }
        parts.join(" ")
    }

    /// A point in time in `zone`, without the year: "22 ноября 18:40", "22 Nov 18:40".
    pub fn moment(&self, language: Language, at: Timestamp, zone: &TimeZone) -> String {
        // Beyond the years that a calendar has, the nearest end of them.
        let at = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(if at.millis() < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        });
        let local = at.to_zoned(zone.clone());
        let time = format!("{:02}:{:02}", local.hour(), local.minute());
        self.render(
            language,
            "moment",
            &[
                ("day", i64::from(local.day()).into()),
                ("month", i64::from(local.month()).into()),
                ("time", Arg::Text(&time)),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seconds: u64, russian: &str, english: &str) {
        let texts = Texts::new();
        assert_eq!(texts.span(Language::Ru, Duration::from_secs(seconds)), russian);
        assert_eq!(texts.span(Language::En, Duration::from_secs(seconds)), english);
    }

    #[test]
    fn spans_have_two_units_and_the_right_plurals() {
        check(0, "0 секунд", "0 s");
        check(59, "59 секунд", "59 s");
        check(61, "1 минута 1 секунда", "1 min 1 s");
        check(2 * 3_600 + 5 * 60 + 7, "2 часа 5 минут", "2 h 5 min");
        check(24 * 3_600, "1 день", "1 d");
        check(21 * 3_600, "21 час", "21 h");
        check(11 * 3_600, "11 часов", "11 h");
        check(3 * 86_400 + 59, "3 дня", "3 d");
        check(168 * 3_600, "7 дней", "7 d");
    }

    #[test]
    fn after_a_preposition_minutes_are_in_the_accusative() {
        let texts = Texts::new();
        assert_eq!(texts.span_after(Language::Ru, Duration::from_secs(21 * 60)), "21 минуту");
        assert_eq!(texts.span_after(Language::Ru, Duration::from_secs(61)), "1 минуту 1 секунду");
        assert_eq!(texts.span_after(Language::En, Duration::from_secs(60)), "1 min");
    }

    #[test]
    fn moments_are_in_the_persons_zone() {
        let texts = Texts::new();
        let at = Timestamp::from_millis(1_795_362_000_000); // 2026-11-22 15:40 UTC
        let moscow = TimeZone::fixed(jiff::tz::offset(3));
        assert_eq!(texts.moment(Language::En, at, &moscow), "22 Nov 18:40");
        assert_eq!(texts.moment(Language::Ru, at, &moscow), "22 ноября 18:40");
    }

    #[test]
    fn times_beyond_the_calendar_do_not_panic() {
        let texts = Texts::new();
        assert!(!texts.moment(Language::En, Timestamp::from_millis(i64::MAX), &TimeZone::UTC).is_empty());
        assert!(!texts.moment(Language::En, Timestamp::from_millis(i64::MIN), &TimeZone::UTC).is_empty());
    }
}
