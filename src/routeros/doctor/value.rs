//! Values as RouterOS writes them: versions, durations, times, addresses, lists.

use std::net::IpAddr;
use std::time::Duration;

use jiff::civil;
use jiff::tz::TimeZone;

use super::super::command::Row;
use crate::clock::Timestamp;

/// A version of RouterOS, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// From `7.22.3 (stable)`, `6.49.10 (long-term)`, `7.15beta4 (testing)`; a beta counts as its release.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().next()?.split('.').map(|part| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part[..digits].parse::<u32>().ok()
        });
        let (major, minor) = (numbers.next()??, numbers.next()??);
        Some(Self(major, minor, numbers.next().flatten().unwrap_or(0)))
    }
}

/// A property as text; empty if it is not shown.
pub fn text<'a>(row: &'a Row, property: &str) -> &'a str {
    row.get(property).map(String::as_str).unwrap_or_default()
}

/// The words of a list: `ppp,login`, `read,write,!policy`.
pub fn words<'a>(row: &'a Row, property: &str) -> Vec<&'a str> {
    text(row, property).split(',').map(str::trim).filter(|word| !word.is_empty()).collect()
}

/// A number.
pub fn number(row: &Row, property: &str) -> Option<u64> {
    text(row, property).parse().ok()
}

/// Whether the address of a `/radius` entry is this one; `192.0.2.1@vrf` is, too.
pub fn addresses(entry: &Row, server: IpAddr) -> bool {
    let address = text(entry, "address").split('@').next().unwrap_or_default();
    address.parse::<IpAddr>().is_ok_and(|address| address.to_canonical() == server.to_canonical())
}

/// `300ms`, `1s100ms`, `3w4d12h23m12s`, `1d02:15:30`, `00:05:01`.
pub fn duration(text: &str) -> Option<Duration> {
    let clock = |part: &str| -> Option<u64> {
        part.split(':')
            .try_fold(0_u64, |seconds, number| seconds.checked_mul(60)?.checked_add(number.parse::<u64>().ok()?))
    };
    let (mut rest, mut total) = (text, Duration::ZERO);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        if rest.contains(':') && !rest.contains(['w', 'd', 'h', 'm', 's']) {
            return total.checked_add(Duration::from_secs(clock(rest)?));
        }
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, behind) = rest.split_at(digits);
        let letters = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        let millis = match unit {
            "w" => 604_800_000,
            "d" => 86_400_000,
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(millis)?))?;
        rest = behind;
    }
    Some(total)
}

/// The time of `/system/clock`: `date=feb/05/2024` (version 6, and 7 before 7.10) or `2024-02-05`, `time=13:47:44`,
/// `gmt-offset=+03:00` or in seconds.
pub fn clock(row: &Row) -> Option<Timestamp> {
    let (date, time) = (date(text(row, "date"))?, text(row, "time").parse::<civil::Time>().ok()?);
    let local = date.to_datetime(time).to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond();
    Some(Timestamp::from_millis(local.checked_sub(offset_seconds(text(row, "gmt-offset"))?.checked_mul(1_000)?)?))
}

fn date(text: &str) -> Option<civil::Date> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    if let Ok(date) = text.parse() {
        return Some(date);
    }
    let mut parts = text.split('/');
    let month = parts.next()?.to_ascii_lowercase();
    let month = MONTHS.iter().position(|name| *name == month)?;
    let (day, year) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    civil::Date::new(year, i8::try_from(month).ok()?.checked_add(1)?, day).ok()
}

/// Seconds east of Greenwich. Seconds below zero may come as what they are in 32 bits without a sign.
fn offset_seconds(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(i64::from(seconds.cast_signed()));
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("-", rest) => (-1, rest),
        ("+", rest) => (1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let seconds =
        hours.parse::<i64>().ok()?.checked_mul(3_600)?.checked_add(minutes.parse::<i64>().ok()?.checked_mul(60)?)?;
    seconds.checked_mul(sign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routeros::machine::row;

    #[test]
    fn versions_are_read_and_ordered() {
        assert_eq!(Version::parse("7.22.3 (stable)"), Some(Version(7, 22, 3)));
        assert_eq!(Version::parse("6.49 (long-term)"), Some(Version(6, 49, 0)));
        assert_eq!(Version::parse("7.15beta4 (testing)"), Some(Version(7, 15, 0)));
        assert_eq!(Version::parse("7.1rc2"), Some(Version(7, 1, 0)));
        assert!(Version(7, 2, 0) < Version(7, 15, 0));
        assert!(Version(6, 49, 10) < Version(7, 1, 0));
        for text in ["", "stable", "7", "x.y", "7.", "99999999999.1"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_read_in_all_their_forms() {
        for (text, millis) in [
            ("300ms", 300),
            ("1s100ms", 1_100),
            ("3s", 3_000),
            ("1m", 60_000),
            ("1m30s", 90_000),
            ("3w4d12h23m12s", 2_204_592_000),
            ("1d02:15:30", 94_530_000),
            ("00:05:01", 301_000),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "none", "3", "3x", "99999999999999999999s", "18446744073709551615w", "1:x", ":"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn the_clock_is_read_in_both_forms() {
        let expected = Some(Timestamp::from_millis(1_707_130_064_000));
        for (date, time, offset) in [
            ("2024-02-05", "13:47:44", "+03:00"),
            ("feb/05/2024", "13:47:44", "+03:00"),
            ("Feb/05/2024", "13:47:44", "10800"),
            ("2024-02-05", "05:17:44", "-05:30"),
            ("2024-02-05", "05:17:44", "4294947496"),
            ("2024-02-05", "10:47:44", "+00:00"),
        ] {
            let shown = row(&[("date", date), ("time", time), ("gmt-offset", offset)]);
            assert_eq!(clock(&shown), expected, "{shown:?}");
        }
        for (date, time, offset) in [("", "", ""), ("foo/05/2024", "1:1:1", "+03:00"), ("2024-02-05", "13:47:44", "é")]
        {
            assert_eq!(clock(&row(&[("date", date), ("time", time), ("gmt-offset", offset)])), None);
        }
    }

    #[test]
    fn an_entry_has_our_address_in_a_vrf_too() {
        let server = "192.0.2.10".parse().unwrap();
        assert!(addresses(&row(&[("address", "192.0.2.10")]), server));
        assert!(addresses(&row(&[("address", "192.0.2.10@vpn")]), server));
        assert!(!addresses(&row(&[("address", "192.0.2.1")]), server));
        assert!(!addresses(&row(&[]), server));
    }
}
