//! What may be written into a property: text on the wire to a [`Value`], or RouterOS's reason why not.

use std::net::IpAddr;
use std::time::Duration;

use super::time::parse_span;
use super::value::{Value, parse_flag};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// The type of a property.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Anything.
    Text,
    /// Anything but nothing.
    Name,
    /// Anything, hidden without the policy `sensitive`.
    Secret,
    /// Yes or no.
    Flag,
    /// A whole number in this range.
    Number(u64, u64),
    /// A whole number in this range, or this word.
    NumberOr(u64, u64, &'static str),
    /// A length of time in this range, in milliseconds.
    Span(u64, u64),
    /// How long the row lives: it vanishes then. At most this many milliseconds.
    Lease(u64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Any of these words, between commas.
    AnyOf(&'static [&'static str]),
    /// Policies of a group: each with or without `!`.
    Policies(&'static [&'static str]),
    /// The name of a row of this menu.
    NameIn(&'static str),
    /// The same, or this word.
    NameInOr(&'static str, &'static str),
    /// An IP address.
    Address,
    /// An address, a network or a range, perhaps with `!` before it.
    Network,
    /// An address, a network, a range or a DNS name: an entry of an address list.
    Member,
}

/// Why a text is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// `invalid value for argument`
    Invalid,
    /// `input does not match any value of`
    Unmatched,
}

impl Kind {
    /// Reads what was written. Names in other menus are not looked up here.
    pub(crate) fn parse(self, written: &[u8], now: Timestamp) -> Result<Value, Unfit> {
        let text = std::str::from_utf8(written).map_err(|_| Unfit::Invalid);
        match self {
            Self::Text | Self::NameIn(_) | Self::NameInOr(..) => Ok(Value::text(written)),
            Self::Name if written.is_empty() => Err(Unfit::Invalid),
            Self::Name => Ok(Value::text(written)),
            Self::Secret => Ok(Value::Secret(Secret::new(written))),
            Self::Flag => parse_flag(text?).map(Value::Flag).ok_or(Unfit::Invalid),
            Self::Number(least, most) => number(text?, least, most),
            Self::NumberOr(_, _, word) if text? == word => Ok(Value::text(word)),
            Self::NumberOr(least, most, _) => number(text?, least, most),
            Self::Span(least, most) => span(text?, least, most).map(Value::Span),
            Self::Lease(most) => span(text?, 1, most).map(|left| Value::Until(now + left)),
            Self::OneOf(words) => words.contains(&text?).then(|| Value::text(written)).ok_or(Unfit::Unmatched),
            Self::AnyOf(words) => any_of(text?, words),
            Self::Policies(all) => policies(text?, all),
            Self::Address => address(text?).ok_or(Unfit::Invalid),
            Self::Network => {
                let (not, rest) = text?.strip_prefix('!').map_or(("", text?), |rest| ("!", rest));
                network(rest).map(|found| Value::text(format!("{not}{found}"))).ok_or(Unfit::Invalid)
            }
            Self::Member => network(text?).or_else(|| dns_name(text.ok()?)).map(Value::text).ok_or(Unfit::Invalid),
        }
    }
}

fn number(text: &str, least: u64, most: u64) -> Result<Value, Unfit> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.map(Value::Number).ok_or(Unfit::Invalid)
}

fn span(text: &str, least: u64, most: u64) -> Result<Duration, Unfit> {
    let fits = |span: &Duration| (u128::from(least)..=u128::from(most)).contains(&span.as_millis());
    parse_span(text).filter(fits).ok_or(Unfit::Invalid)
}

/// In the order of the menu, each once.
fn any_of(text: &str, words: &[&str]) -> Result<Value, Unfit> {
    let given: Vec<&str> = text.split(',').filter(|word| !word.is_empty()).collect();
    if given.iter().any(|word| !words.contains(word)) {
        return Err(Unfit::Unmatched);
    }
    let kept: Vec<&str> = words.iter().copied().filter(|word| given.contains(word)).collect();
    Ok(Value::text(kept.join(",")))
}

/// All policies in order, those not given with `!`.
fn policies(text: &str, all: &[&str]) -> Result<Value, Unfit> {
    let given: Vec<&str> = text.split(',').filter(|word| !word.is_empty()).collect();
    if given.iter().any(|word| !all.contains(&word.trim_start_matches('!'))) {
        return Err(Unfit::Unmatched);
    }
    let shown = |policy: &&str| if given.contains(policy) { (*policy).to_owned() } else { format!("!{policy}") };
    Ok(Value::text(all.iter().map(shown).collect::<Vec<_>>().join(",")))
}

/// An address, perhaps with the routing table that it is in: `192.0.2.1@main`.
fn address(text: &str) -> Option<Value> {
    let (address, table) = text.split_once('@').unwrap_or((text, ""));
    let address: IpAddr = address.parse().ok()?;
    Some(Value::text(if table.is_empty() { address.to_string() } else { format!("{address}@{table}") }))
}

/// An address, a network without host bits, or a range, as RouterOS shows it: an IPv6 address is a network of 128 bits.
fn network(text: &str) -> Option<String> {
    if let Some((first, last)) = text.split_once('-') {
        let (first, last): (IpAddr, IpAddr) = (first.parse().ok()?, last.parse().ok()?);
        return (first.is_ipv4() == last.is_ipv4() && first <= last).then(|| format!("{first}-{last}"));
    }
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address.parse::<IpAddr>().ok()?, Some(bits.parse::<u32>().ok()?)),
        None => (text.parse::<IpAddr>().ok()?, None),
    };
    match address {
        IpAddr::V4(address) => {
            let bits = bits.unwrap_or(32);
            let mask = mask_32(bits)?;
            let network = std::net::Ipv4Addr::from(u32::from(address) & mask);
            Some(if bits == 32 { network.to_string() } else { format!("{network}/{bits}") })
        }
        IpAddr::V6(address) => {
            let bits = bits.unwrap_or(128);
            let mask = mask_128(bits)?;
            Some(format!("{}/{bits}", std::net::Ipv6Addr::from(u128::from(address) & mask)))
        }
    }
}

/// The mask of a network of IPv4 with this many bits.
pub(crate) fn mask_32(bits: u32) -> Option<u32> {
    (bits <= 32).then(|| u32::MAX.checked_shl(32 - bits).unwrap_or(0))
}

fn mask_128(bits: u32) -> Option<u128> {
    (bits <= 128).then(|| u128::MAX.checked_shl(128 - bits).unwrap_or(0))
}

/// A DNS name, which a list entry may be.
fn dns_name(text: &str) -> Option<String> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    (text.contains(|letter: char| letter.is_ascii_alphabetic()) && text.chars().all(fits)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Kind, written: &str, expected: Result<&str, Unfit>) {
        let read = kind.parse(written.as_bytes(), Timestamp::default());
        assert_eq!(read, expected.map(Value::text), "{kind:?} {written}");
    }

    #[test]
    fn networks_are_shown_without_host_bits() {
        check(Kind::Member, "10.8.0.5", Ok("10.8.0.5"));
        check(Kind::Member, "10.8.0.5/32", Ok("10.8.0.5"));
        check(Kind::Member, "10.8.0.5/24", Ok("10.8.0.0/24"));
        check(Kind::Member, "10.8.0.5/0", Ok("0.0.0.0/0"));
        check(Kind::Member, "10.8.0.1-10.8.0.9", Ok("10.8.0.1-10.8.0.9"));
        check(Kind::Member, "2001:db8::1", Ok("2001:db8::1/128"));
        check(Kind::Member, "vpn.example.com", Ok("vpn.example.com"));
        check(Kind::Member, "10.8.0.5/33", Err(Unfit::Invalid));
        check(Kind::Member, "10.8.0.300", Err(Unfit::Invalid));
        check(Kind::Network, "!10.8.0.5/24", Ok("!10.8.0.0/24"));
        check(Kind::Network, "vpn.example.com", Err(Unfit::Invalid));
        check(Kind::Address, "192.0.2.1@main", Ok("192.0.2.1@main"));
        check(Kind::Address, "", Err(Unfit::Invalid));
    }

    #[test]
    fn words_are_put_into_order() {
        check(Kind::AnyOf(&["ppp", "login"]), "login,ppp", Ok("ppp,login"));
        check(Kind::AnyOf(&["ppp", "login"]), "", Ok(""));
        check(Kind::AnyOf(&["ppp", "login"]), "ppp,nope", Err(Unfit::Unmatched));
        check(Kind::OneOf(&["any", "l2tp"]), "L2TP", Err(Unfit::Unmatched));
        check(Kind::Policies(&["api", "read", "write"]), "read,!write", Ok("!api,read,!write"));
        check(Kind::Policies(&["api", "read", "write"]), "fly", Err(Unfit::Unmatched));
    }

    #[test]
    fn numbers_and_spans_have_their_range() {
        let read = |kind: Kind, written: &str| kind.parse(written.as_bytes(), Timestamp::from_millis(5));
        assert_eq!(read(Kind::Number(1, 65_535), "3799"), Ok(Value::Number(3799)));
        assert_eq!(read(Kind::Number(1, 65_535), "0"), Err(Unfit::Invalid));
        assert_eq!(read(Kind::NumberOr(1, 9, "unlimited"), "unlimited"), Ok(Value::text("unlimited")));
        assert_eq!(read(Kind::Span(10, 60_000), "1m"), Ok(Value::Span(Duration::from_secs(60))));
        assert_eq!(read(Kind::Span(10, 60_000), "61s"), Err(Unfit::Invalid));
        assert_eq!(read(Kind::Lease(60_000), "1s"), Ok(Value::Until(Timestamp::from_millis(1_005))));
        assert_eq!(read(Kind::Flag, "maybe"), Err(Unfit::Invalid));
        assert_eq!(Kind::Flag.parse(&[0xff], Timestamp::default()), Err(Unfit::Invalid));
    }
}
