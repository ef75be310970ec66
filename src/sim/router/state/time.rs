//! Time as RouterOS writes and reads it: `1d8h8m10s`, `00:05:01`, `feb/05/2024 13:47:44`, `2024-02-05 13:47:44`.

use std::time::Duration;

use crate::clock::Timestamp;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const UNITS_SECONDS: [(char, u64); 5] = [('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// A span in weeks, days, hours, minutes, seconds and milliseconds, without what is zero; `0s` for nothing.
pub(crate) fn span_text(span: Duration) -> String {
    let mut left = span.as_secs();
    let mut text = String::new();
    for (unit, seconds) in UNITS_SECONDS {
        if left >= seconds {
            text.push_str(&format!("{}{unit}", left / seconds));
            left %= seconds;
        }
    }
    if span.subsec_millis() > 0 {
        text.push_str(&format!("{}ms", span.subsec_millis()));
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Reads a span in any of its forms; a bare number is seconds.
pub(crate) fn parse_span(text: &str) -> Option<Duration> {
    let mut left = text;
    let mut total = Duration::ZERO;
    if text.is_empty() {
        return None;
    }
    while !left.is_empty() {
        let digits = left.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(left.len());
        let (number, rest) = left.split_at(digits);
        if rest.starts_with(':') {
            return total.checked_add(parse_clock(left)?);
        }
        let number: u64 = number.parse().ok()?;
        let (part, rest) = take_unit(number, rest)?;
        total = total.checked_add(part)?;
        left = rest;
    }
    Some(total)
}

fn take_unit(number: u64, rest: &str) -> Option<(Duration, &str)> {
    if let Some(rest) = rest.strip_prefix("ms") {
        return Some((Duration::from_millis(number), rest));
    }
    let Some(unit) = rest.chars().next() else {
        return Some((Duration::from_secs(number), rest));
    };
    let (_, seconds) = UNITS_SECONDS.into_iter().find(|(letter, _)| *letter == unit)?;
    Some((Duration::from_secs(number.checked_mul(seconds)?), rest.get(1..)?))
}

/// `hh:mm:ss`, perhaps with a fraction.
fn parse_clock(text: &str) -> Option<Duration> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let parts: Vec<u64> = clock.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hours, minutes, seconds] = parts.try_into().ok()?;
    let whole = hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)?;
    let millis: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Duration::from_secs(whole).checked_add(Duration::from_millis(millis))
}

/// How a version writes dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DateForm {
    /// `feb/05/2024`
    MonthFirst,
    /// `2024-02-05`
    Iso,
}

/// Date and time, UTC.
pub(crate) fn moment_text(at: Timestamp, form: DateForm) -> String {
    format!("{} {}", date_text(at, form), clock_text(at))
}

/// The date, UTC.
pub(crate) fn date_text(at: Timestamp, form: DateForm) -> String {
    let (year, month, day) = civil(at.millis().div_euclid(86_400_000));
    match form {
        DateForm::MonthFirst => {
            let name = usize::try_from(month - 1).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"jan");
            format!("{name}/{day:02}/{year:04}")
        }
        DateForm::Iso => format!("{year:04}-{month:02}-{day:02}"),
    }
}

/// The time of day, UTC.
pub(crate) fn clock_text(at: Timestamp) -> String {
    let second = at.millis().div_euclid(1000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// Year, month and day of a day since 1970-01-01, in the proleptic Gregorian calendar: years begin in March, so that the
/// leap day is their last, and 400 of them are 146,097 days.
fn civil(day: i64) -> (i64, i64, i64) {
    let since_0000_03_01 = day + 719_468;
    let era = since_0000_03_01.div_euclid(146_097);
    let of_era = since_0000_03_01.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_without_what_is_zero() {
        for (millis, text) in [
            (0, "0s"),
            (51_000, "51s"),
            (300, "300ms"),
            (1_100, "1s100ms"),
            (28_800_000, "8h"),
            (115_690_000, "1d8h8m10s"),
            (2_207_543_000, "3w4d13h12m23s"),
        ] {
            assert_eq!(span_text(Duration::from_millis(millis)), text);
            assert_eq!(parse_span(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn spans_are_read_in_every_form() {
        for (text, seconds) in
            [("60", 60), ("00:05:01", 301), ("1d02:15:30", 94_530), ("1h1", 3_601), ("35w3d13h13m56s", 21_474_836)]
        {
            assert_eq!(parse_span(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_span("00:00:00.1"), Some(Duration::from_millis(100)));
        for text in ["", "s", "1x", "1:2", "-5", "99999999999999999999", "18446744073709551615w", "1d1:2:3:4"] {
            assert_eq!(parse_span(text), None, "{text}");
        }
    }

    #[test]
    fn dates_are_written_as_the_version_does() {
        let at = Timestamp::from_millis(1_707_140_864_999);
        assert_eq!(moment_text(at, DateForm::MonthFirst), "feb/05/2024 13:47:44");
        assert_eq!(moment_text(at, DateForm::Iso), "2024-02-05 13:47:44");
        assert_eq!(moment_text(Timestamp::from_millis(0), DateForm::MonthFirst), "jan/01/1970 00:00:00");
        assert_eq!(date_text(Timestamp::from_millis(951_782_400_000), DateForm::Iso), "2000-02-29");
    }
}
