//! The shape of values that are text on the wire and more than text to a router: rates, routes, masks, chains, lists.
//!
//! The router does not say what it could not read: a rate that is mistyped is no limit at all. So it is said here, when the
//! value is entered.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

const MIKROTIK: u32 = 14_988;
const WISPR: u32 = 14_122;

/// The numbers of RFC 2865 §5 and RFC 3162 §2.
const FRAMED_IP_NETMASK: u8 = 9;
const FILTER_ID: u8 = 11;
const FRAMED_MTU: u8 = 12;
const FRAMED_ROUTE: u8 = 22;
const FRAMED_IPV6_ROUTE: u8 = 99;
/// Mikrotik-Rate-Limit and Mikrotik-Address-List.
const RATE_LIMIT: u8 = 8;
const ADDRESS_LIST: u8 = 19;
/// WISPr-Session-Terminate-Time.
const TERMINATE_TIME: u8 = 9;

/// What is expected of an attribute's value instead of this one; `None` if it is as a router reads it.
pub(super) fn unlike(vendor: Option<u32>, number: u8, value: &str) -> Option<&'static str> {
    let (fits, expected): (fn(&str) -> bool, _) = match (vendor, number) {
        (None, FRAMED_IP_NETMASK) => (netmask, "a mask like 255.255.255.0"),
        (None, FILTER_ID) => (
            chain,
            "the name of a firewall chain without blanks, with .in or .out behind it for one direction, like staff.in",
        ),
        (None, FRAMED_MTU) => (mtu, "a number from 64 to 65535"),
        (None, FRAMED_ROUTE) => {
            (route::<Ipv4Net, Ipv4Addr>, "destination [gateway [metric]], like 10.1.0.0/24 0.0.0.0 1")
        }
        (None, FRAMED_IPV6_ROUTE) => {
            (route::<Ipv6Net, Ipv6Addr>, "destination [gateway [metric]], like 2001:db8:1::/64 :: 1")
        }
        (Some(MIKROTIK), RATE_LIMIT) => (
            rate_limit,
            "rx[/tx], and burst, threshold, time, priority and minimum if need be, like 10M/20M or 2M/4M 4M/8M 1M/2M 8/8",
        ),
        (Some(MIKROTIK), ADDRESS_LIST) => {
            (list, "the name of one address list; each further one is a value of its own")
        }
        (Some(WISPR), TERMINATE_TIME) => (moment, "a time like 2026-11-23T18:00:00+03:00"),
        _ => return None,
    };
    (!fits(value)).then_some(expected)
}

/// Ones, then zeros.
fn netmask(value: &str) -> bool {
    value.parse::<Ipv4Addr>().is_ok_and(|mask| u32::from(mask).leading_ones() + u32::from(mask).trailing_zeros() >= 32)
}

/// A chain's name; RouterOS knows the ends in small letters only.
fn chain(value: &str) -> bool {
    let end = value.rsplit_once('.').filter(|(_, end)| ["in", "out"].iter().any(|word| end.eq_ignore_ascii_case(word)));
    let is_known = end.is_none_or(|(chain, end)| !chain.is_empty() && matches!(end, "in" | "out"));
    is_known && !value.contains(char::is_whitespace)
}

/// RFC 2865 §5.12.
fn mtu(value: &str) -> bool {
    value.parse::<u32>().is_ok_and(|mtu| (64..=65_535).contains(&mtu))
}

/// A destination, with the gateway and any number of metrics behind it (RFC 2865 §5.22, RFC 3162 §2.5).
fn route<Network, Gateway>(value: &str) -> bool
where
    Network: std::str::FromStr + Destination,
    Gateway: std::str::FromStr,
{
    let mut words = value.split_whitespace();
    let destination = words.next().is_some_and(|word| match word.parse::<Network>() {
        Ok(network) => network.has_no_host_bits(),
        Err(_) => word.parse::<Gateway>().is_ok(),
    });
    destination
        && words.next().is_none_or(|word| word.parse::<Gateway>().is_ok())
        && words.all(|word| word.parse::<u32>().is_ok())
}

/// A network to which a route leads.
trait Destination {
    fn has_no_host_bits(&self) -> bool;
}

impl Destination for Ipv4Net {
    fn has_no_host_bits(&self) -> bool {
        self.trunc() == *self
    }
}

impl Destination for Ipv6Net {
    fn has_no_host_bits(&self) -> bool {
        self.trunc() == *self
    }
}

/// `rx[/tx] [burst [threshold [time [priority [minimum]]]]]` as RouterOS reads it, each but the priority one or a pair.
fn rate_limit(value: &str) -> bool {
    const UNITS: [&[char]; 6] =
        [&['k', 'K', 'M', 'G'], &['k', 'K', 'M', 'G'], &['k', 'K', 'M', 'G'], &['s'], &[], &['k', 'K', 'M', 'G']];
    let number = |text: &str, units: &[char]| {
        let digits = text.strip_suffix(units).unwrap_or(text);
        !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
    };
    let pair = |word: &str, units| word.split('/').count() <= 2 && word.split('/').all(|half| number(half, units));
    let words: Vec<&str> = value.split(' ').collect();
    words.len() <= UNITS.len() && words.iter().zip(UNITS).all(|(word, units)| pair(word, units))
}

/// A comma is what somebody types who means several.
fn list(value: &str) -> bool {
    !value.contains(',')
}

/// ISO 8601 with a zone.
fn moment(value: &str) -> bool {
    value.parse::<jiff::Timestamp>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::ReplyAttribute;

    #[track_caller]
    fn check(name: &str, good: &[&str], bad: &[&str], expected: &str) {
        for value in good {
            let read = ReplyAttribute::parse(name, value).map(|attribute| attribute.value());
            assert_eq!(read.as_deref(), Ok(*value), "{name}");
        }
        for value in bad {
            let refused = ReplyAttribute::parse(name, value).expect_err(value).to_string();
            assert!(refused.starts_with(&format!("{name}: expected {expected}")), "{refused}");
        }
    }

    #[test]
    fn rate_limits_are_those_of_the_manual() {
        check(
            "Mikrotik-Rate-Limit",
            &[
                "10M",
                "10M/20M",
                "64k/64k 256k/256k 128k/128k 10/10",
                "1M/1M 2M/2M 1M/1M 8s/8s 5 512k/512k",
                "0/0",
                "1G/1G",
            ],
            &[
                "10M/20M/30M",
                "M",
                "10 M",
                "10M/",
                "1 2 3 4 5 6 7",
                "10Mbit",
                "-1",
                "fast",
                "8s",
                "1M  2M",
                "10M 1M 1M 1M",
            ],
            "rx[/tx]",
        );
    }

    #[test]
    fn routes_have_a_destination_a_gateway_and_metrics() {
        check(
            "Framed-Route",
            &["10.1.0.0/24", "10.1.0.0/24 10.8.0.1", "10.1.0.0/24 0.0.0.0 1 2 3", "192.0.2.7 0.0.0.0 1"],
            &["everywhere", "10.1.0.5/24", "10.1.0.0/24 gateway", "10.1.0.0/24 10.8.0.1 near", "2001:db8::/64"],
            "destination",
        );
        check(
            "Framed-IPv6-Route",
            &["2001:db8:1::/64 2001:db8::1 1", "2001:db8:1::/64"],
            &["2001:db8:1::1/64", "10.1.0.0/24 0.0.0.0 1"],
            "destination",
        );
    }

    #[test]
    fn chains_lists_masks_and_sizes_are_looked_at() {
        check(
            "Filter-Id",
            &["staff", "staff.in", "a.b.out", "office.international"],
            &["staff .in", ".in", "staff.IN"],
            "the name of a firewall chain",
        );
        check("Mikrotik-Address-List", &["vpn-users", "two words"], &["staff,guests"], "the name of one address list");
        check(
            "Framed-IP-Netmask",
            &["255.255.255.0", "255.255.255.255", "0.0.0.0"],
            &["255.0.255.0", "0.0.0.255"],
            "a mask",
        );
        check("Framed-MTU", &["64", "1400", "65535"], &["63", "65536"], "a number from 64 to 65535");
        check(
            "WISPr-Session-Terminate-Time",
            &["2026-11-23T18:00:00+03:00"],
            &["18:00", "2026-11-23T18:00:00"],
            "a time like",
        );
    }
}
