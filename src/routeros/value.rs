//! Values as RouterOS writes them: times, numbers, addresses, switches.

use std::net::IpAddr;
use std::time::Duration;

use crate::domain::account::Switch;
use crate::proto::routeros::Row;

/// A length of time: `51s`, `4h20m11s`, `3w4d12h`, `1s500ms`, `1d02:15:30`, `00:05:01`. `None` for anything else.
pub(super) fn duration(text: &str) -> Option<Duration> {
    match text.rfind(|c: char| c.is_ascii_alphabetic()) {
        Some(at) if text.contains(':') => {
            let (units, clock) = text.split_at_checked(at.checked_add(1)?)?;
            in_units(units)?.checked_add(by_clock(clock)?)
        }
        Some(_) => in_units(text),
        None => by_clock(text),
    }
}

fn in_units(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, behind) = rest.split_at_checked(digits)?;
        let letters = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(letters)?;
        let micros = number.parse::<u64>().ok()?.checked_mul(micros_of(unit)?)?;
        total = total.checked_add(Duration::from_micros(micros))?;
        rest = behind;
    }
    (!text.is_empty()).then_some(total)
}

const fn micros_of(unit: &str) -> Option<u64> {
    Some(match unit.as_bytes() {
        b"w" => 7 * 86_400_000_000,
        b"d" => 86_400_000_000,
        b"h" => 3_600_000_000,
        b"m" => 60_000_000,
        b"s" => 1_000_000,
        b"ms" => 1_000,
        b"us" => 1,
        _ => return None,
    })
}

/// Hours, minutes and seconds; parts of a second are not looked at.
fn by_clock(text: &str) -> Option<Duration> {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    let parts: Vec<u64> = whole.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let &[hours, minutes, seconds] = parts.as_slice() else { return None };
    let minutes = hours.checked_mul(60)?.checked_add(minutes)?;
    Some(Duration::from_secs(minutes.checked_mul(60)?.checked_add(seconds)?))
}

/// A length of time as RouterOS understands it, in whole seconds: `1d2h3m4s`; `0s` for none.
pub(super) fn shown(duration: Duration) -> String {
    let mut left = duration.as_secs();
    let mut text = String::new();
    for (unit, seconds) in [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        if left >= seconds {
            text.push_str(&format!("{}{unit}", left / seconds));
            left %= seconds;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// The number of a connection: `81a00001` of RADIUS, `0x81A00001` of `/ppp/active`.
pub(super) fn session_number(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let is_plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| is_plain)
}

/// An address, alone or as a network of one: `10.8.0.5`, `10.8.0.5/32`, `2001:db8::1/128`.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    match text.split_once('/') {
        None => text.parse().ok(),
        Some((address, prefix)) => {
            let address: IpAddr = address.parse().ok()?;
            let whole = if address.is_ipv4() { "32" } else { "128" };
            (prefix == whole).then_some(address)
        }
    }
}

/// A property's text, if there is any.
pub(super) fn text(row: &Row, name: &str) -> Option<String> {
    row.text(name).filter(|text| !text.is_empty()).map(std::borrow::Cow::into_owned)
}

/// A property's bytes; none if it is not set.
pub(super) fn bytes(row: &Row, name: &str) -> Vec<u8> {
    row.value(name).unwrap_or_default().to_vec()
}

/// The id of a row; empty if it has none, which no row of a menu is without.
pub(super) fn id(row: &Row) -> String {
    text(row, ".id").unwrap_or_default()
}

/// A property as a number.
pub(super) fn number(row: &Row, name: &str) -> Option<u64> {
    row.text(name)?.parse().ok()
}

/// Whether a row works.
pub(super) fn switch(row: &Row) -> Switch {
    if row.is("disabled") { Switch::Disabled } else { Switch::Enabled }
}

/// The value of `disabled=`.
pub(super) const fn disabled(switch: Switch) -> &'static str {
    match switch {
        Switch::Enabled => "no",
        Switch::Disabled => "yes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, seconds: u64) {
        assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
    }

    #[test]
    fn every_form_of_uptime_is_read() {
        check("51s", 51);
        check("22m21s", 22 * 60 + 21);
        check("4h20m11s", 4 * 3600 + 20 * 60 + 11);
        check("1d8h8m10s", 86_400 + 8 * 3600 + 8 * 60 + 10);
        check("3w4d12h23m12s", 25 * 86_400 + 12 * 3600 + 23 * 60 + 12);
        check("1d02:15:30", 86_400 + 2 * 3600 + 15 * 60 + 30);
        check("1w1d02:15:30", 8 * 86_400 + 2 * 3600 + 15 * 60 + 30);
        check("00:05:01", 301);
        check("00:05:01.250", 301);
        check("0s", 0);
        assert_eq!(duration("1s500ms"), Some(Duration::from_millis(1500)));
        assert_eq!(duration("100ms"), Some(Duration::from_millis(100)));
    }

    #[test]
    fn what_is_no_time_is_not_read() {
        for text in ["", "never", "5", "s", "1x", "12:30", "1d12:30", "99999999999999999999s", "18446744073709551615w"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read_back() {
        for seconds in [0, 1, 59, 60, 3600, 86_399, 604_800, 35 * 604_800 + 86_399] {
            check(&shown(Duration::from_secs(seconds)), seconds);
        }
        assert_eq!(shown(Duration::from_secs(93_784)), "1d2h3m4s");
        assert_eq!(shown(Duration::from_millis(999)), "0s");
    }

    #[test]
    fn session_numbers_are_the_same_in_both_forms() {
        assert_eq!(session_number("0x81A00001"), Some(0x81a0_0001));
        assert_eq!(session_number("81a00001"), Some(0x81a0_0001));
        for text in ["", "0x", "+1", "*8", "81a00001ff"] {
            assert_eq!(session_number(text), None, "{text}");
        }
    }

    #[test]
    fn a_network_of_one_is_an_address() {
        assert_eq!(address("10.8.0.5"), Some(IpAddr::from([10, 8, 0, 5])));
        assert_eq!(address("10.8.0.5/32"), Some(IpAddr::from([10, 8, 0, 5])));
        assert_eq!(address("2001:db8::1/128"), "2001:db8::1".parse().ok());
        for text in ["10.8.0.0/24", "2001:db8::/64", "10.8.0.1-10.8.0.9", "example.com", ""] {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
