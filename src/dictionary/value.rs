//! Values of attributes as text: what an operator writes, what a log shows. Types of RFC 8044 §3 that we meet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Definition, Hiding, Tagging};
use crate::crypto::hex;

/// The longest value that fits: 253 octets, 247 for a vendor's.
const VALUE_MAX_BYTES: usize = 253;
const VENDOR_VALUE_MAX_BYTES: usize = 247;
/// The highest tag; a higher first octet is none (RFC 2868 §3.1).
const TAG_MAX: u8 = 0x1f;
/// Names of numbers that a message lists.
const NAMES_SHOWN: usize = 12;

/// The type of an attribute's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text (`string`).
    Text,
    /// Any octets, written `0x…`.
    Octets,
    /// A number of 4 octets, or the name of one.
    Integer,
    /// A number of 1 octet, or the name of one.
    Byte,
    /// A number of 2 octets, or the name of one.
    Short,
    /// A number of 4 octets that may be negative.
    Signed,
    /// A number of 8 octets.
    Integer64,
    /// Seconds since 1970, 4 octets; written as a number or by RFC 3339, `2026-11-23T10:00:00Z`.
    Date,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// An IPv6 prefix: a zero octet, the length, the address's leading octets (RFC 3162 §2.3).
    Ipv6Prefix,
    /// An IPv4 prefix: a zero octet, the length, the address (RFC 8044 §3.11).
    Ipv4Prefix,
    /// An IPv4 or an IPv6 address.
    Ip,
    /// An interface id of 8 octets, written `0x…` or `0:0:0:1`.
    InterfaceId,
    /// A MAC address of 6 octets, written `0x…` or `0a:0b:0c:0d:0e:0f`.
    Ether,
}

impl Kind {
    pub(super) fn named(name: &str) -> Option<Self> {
        // A length in brackets says how long values are; what is longer or shorter is the operator's own choice.
        let name = name.split_once('[').map_or(name, |(name, _)| name);
        Some(match name {
            "string" | "text" => Self::Text,
            "octets" | "abinary" => Self::Octets,
            "integer" | "uint32" | "time_delta" => Self::Integer,
            "byte" | "uint8" => Self::Byte,
            "short" | "uint16" => Self::Short,
            "signed" | "int32" => Self::Signed,
            "integer64" | "uint64" => Self::Integer64,
            "date" => Self::Date,
            "ipaddr" | "ipv4addr" => Self::Ipv4,
            "ipv4prefix" => Self::Ipv4Prefix,
            "combo-ip" | "combo-ipaddr" => Self::Ip,
            "ether" => Self::Ether,
            "ipv6addr" => Self::Ipv6,
            "ipv6prefix" => Self::Ipv6Prefix,
            "ifid" => Self::InterfaceId,
            _ => return None,
        })
    }

    /// What a text for a value of this type looks like, for messages.
    pub const fn example(self) -> &'static str {
        match self {
            Self::Text => "any text",
            Self::Octets => "0x and hexadecimal digits",
            Self::Integer => "a number from 0 to 4294967295",
            Self::Byte => "a number from 0 to 255",
            Self::Short => "a number from 0 to 65535",
            Self::Date => "a time like 2026-11-23T10:00:00Z, or seconds since 1970",
            Self::Signed => "a number from -2147483648 to 2147483647",
            Self::Integer64 => "a number from 0 to 18446744073709551615",
            Self::Ipv4Prefix => "a prefix like 192.0.2.0/24, with no bits set behind it",
            Self::Ip => "an address like 192.0.2.1 or 2001:db8::1",
            Self::Ether => "a MAC address like 0a:0b:0c:0d:0e:0f",
            Self::Ipv4 => "an address like 192.0.2.1",
            Self::Ipv6 => "an address like 2001:db8::1",
            Self::Ipv6Prefix => "a prefix like 2001:db8::/56, with no bits set behind it",
            Self::InterfaceId => "an interface id like 0:0:0:1, or 0x and 16 hexadecimal digits",
        }
    }
}

/// Why a text is not a value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not of the attribute's type.
    #[error("{name} takes {}", .kind.example())]
    Shape {
        /// The attribute.
        name: String,
        /// Its type.
        kind: Kind,
    },
    /// Longer than an attribute.
    #[error("the value of {name} is longer than {max_bytes} octets")]
    TooLong {
        /// The attribute.
        name: String,
        /// What fits.
        max_bytes: usize,
    },
    /// Hidden attributes are made by the server alone.
    #[error("{name} cannot be set by hand")]
    Hidden {
        /// The attribute.
        name: String,
    },
}

impl Definition {
    /// The octets for a value that is written as text. A tagged value may begin with its tag, like `:1:L2TP`; else it gets
    /// tag 0 (RFC 2868 §3.1).
    ///
    /// # Errors
    /// [`ValueError`]: not of the type, too long, or an attribute that travels hidden.
    pub fn encode(&self, text: &str) -> Result<Vec<u8>, ValueError> {
        if self.hiding != Hiding::Open {
            return Err(ValueError::Hidden { name: self.name.clone() });
        }
        let shape = || ValueError::Shape { name: self.name.clone(), kind: self.kind };
        let (tag, text) = self.tag_of(text).ok_or_else(shape)?;
        let octets = self.octets(text).ok_or_else(shape)?;
        let octets = self.with_tag(tag, octets).ok_or_else(shape)?;
        let max_bytes = if self.vendor.is_some() { VENDOR_VALUE_MAX_BYTES } else { VALUE_MAX_BYTES };
        if octets.len() > max_bytes {
            return Err(ValueError::TooLong { name: self.name.clone(), max_bytes });
        }
        Ok(octets)
    }

    /// A value as text: the reverse of [`Self::encode`]. As `0x…` what is not of the type, what travels hidden, and text
    /// with control characters, which could deceive who reads a log.
    pub fn decode(&self, octets: &[u8]) -> String {
        let open = if self.hiding == Hiding::Open { self.text(octets) } else { None };
        open.unwrap_or_else(|| format!("0x{}", hex::encode(octets)))
    }

    /// What a text for a value of this attribute looks like, for messages.
    pub fn expected(&self) -> String {
        let mut expected = self.kind.example().to_owned();
        let names: Vec<&str> = self.values.iter().map(|(name, _)| name.as_str()).collect();
        if let Some(shown) = names.get(..names.len().min(NAMES_SHOWN)).filter(|shown| !shown.is_empty()) {
            let more = if shown.len() < names.len() { " and so on" } else { "" };
            expected = format!("{expected}, or one of {}{more}", shown.join(", "));
        }
        match self.tagging {
            Tagging::Tagged => format!("{expected}; with a tag before it where it has one, like :1:"),
            Tagging::Untagged => expected,
        }
    }

    fn octets(&self, text: &str) -> Option<Vec<u8>> {
        Some(match self.kind {
            Kind::Text => text.as_bytes().to_vec(),
            Kind::Octets => hex::decode(text.strip_prefix("0x")?)?,
            Kind::Integer => self.number(text)?.to_be_bytes().to_vec(),
            Kind::Date => seconds(text)?.to_be_bytes().to_vec(),
            Kind::Byte => u8::try_from(self.number(text)?).ok()?.to_be_bytes().to_vec(),
            Kind::Short => u16::try_from(self.number(text)?).ok()?.to_be_bytes().to_vec(),
            Kind::Signed => text.parse::<i32>().ok()?.to_be_bytes().to_vec(),
            Kind::Integer64 => text.parse::<u64>().ok()?.to_be_bytes().to_vec(),
            Kind::Ipv4 => text.parse::<Ipv4Addr>().ok()?.octets().to_vec(),
            Kind::Ipv6 => text.parse::<Ipv6Addr>().ok()?.octets().to_vec(),
            Kind::Ipv6Prefix => prefix_octets(text)?,
            Kind::Ipv4Prefix => v4_prefix_octets(text)?,
            Kind::Ip => match text.parse::<IpAddr>().ok()? {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            },
            Kind::InterfaceId => exactly(8, text, 4)?,
            Kind::Ether => exactly(6, text, 2)?,
        })
    }

    fn number(&self, text: &str) -> Option<u32> {
        let named = self.values.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, number)| *number);
        named.or_else(|| text.parse().ok())
    }

    /// The tag that a value is written with, and the value; `None` if it is none.
    fn tag_of<'t>(&self, text: &'t str) -> Option<(u8, &'t str)> {
        let (Tagging::Tagged, Some(tagged)) = (self.tagging, text.strip_prefix(':')) else { return Some((0, text)) };
        let (tag, value) = tagged.split_once(':')?;
        let tag = tag.parse().ok().filter(|tag| *tag <= TAG_MAX)?;
        (!value.is_empty()).then_some((tag, value))
    }

    fn with_tag(&self, tag: u8, mut octets: Vec<u8>) -> Option<Vec<u8>> {
        match (self.tagging, self.kind) {
            (Tagging::Untagged, _) => {}
            // The tag takes the place of a number's highest octet: larger numbers do not fit.
            (Tagging::Tagged, Kind::Integer) => *octets.first_mut().filter(|highest| **highest == 0)? = tag,
            (Tagging::Tagged, _) => octets.insert(0, tag),
        }
        Some(octets)
    }

    fn text(&self, octets: &[u8]) -> Option<String> {
        match (self.tagging, self.kind, octets) {
            (Tagging::Tagged, Kind::Integer, [tag @ ..=TAG_MAX, number @ ..]) => {
                Some(written(*tag, self.plain(&[&[0], number].concat())?))
            }
            // Any other first octet is the number's, or the text's (RFC 2868 §3.3).
            (Tagging::Tagged, Kind::Integer, _) => None,
            (Tagging::Tagged, _, [tag @ ..=TAG_MAX, value @ ..]) => Some(written(*tag, self.plain(value)?)),
            (Tagging::Tagged, ..) => Some(written(0, self.plain(octets)?)),
            (Tagging::Untagged, ..) => self.plain(octets),
        }
    }

    fn plain(&self, octets: &[u8]) -> Option<String> {
        Some(match self.kind {
            Kind::Text => std::str::from_utf8(octets).ok().filter(|text| !text.contains(char::is_control))?.to_owned(),
            Kind::Octets | Kind::InterfaceId | Kind::Ether => format!("0x{}", hex::encode(octets)),
            Kind::Integer => self.name_of(u32::from_be_bytes(octets.try_into().ok()?)),
            Kind::Date => moment(u32::from_be_bytes(octets.try_into().ok()?)),
            Kind::Byte => self.name_of(u8::from_be_bytes(octets.try_into().ok()?).into()),
            Kind::Short => self.name_of(u16::from_be_bytes(octets.try_into().ok()?).into()),
            Kind::Signed => i32::from_be_bytes(octets.try_into().ok()?).to_string(),
            Kind::Integer64 => u64::from_be_bytes(octets.try_into().ok()?).to_string(),
            Kind::Ipv4 => Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).to_string(),
            Kind::Ipv6 => Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).to_string(),
            Kind::Ipv6Prefix => prefix_text(octets)?,
            Kind::Ipv4Prefix => v4_prefix_text(octets)?,
            Kind::Ip => match octets.len() {
                4 => Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).to_string(),
                _ => Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).to_string(),
            },
        })
    }

    fn name_of(&self, number: u32) -> String {
        let named = self.values.iter().find(|(_, value)| *value == number);
        named.map_or_else(|| number.to_string(), |(name, _)| name.clone())
    }
}

/// A tagged value as it is written.
fn written(tag: u8, value: String) -> String {
    // What would be read as a tag has one before it.
    if tag == 0 && !value.starts_with(':') { value } else { format!(":{tag}:{value}") }
}

/// Seconds since 1970, from a number or a time with its zone.
fn seconds(text: &str) -> Option<u32> {
    text.parse().ok().or_else(|| u32::try_from(text.parse::<jiff::Timestamp>().ok()?.as_second()).ok())
}

fn moment(seconds: u32) -> String {
    jiff::Timestamp::from_second(seconds.into()).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}

/// So many octets, from `0x…` or from groups of at most so many digits between colons.
fn exactly(count: usize, text: &str, digits: usize) -> Option<Vec<u8>> {
    let padded = |group: &str| (1..=digits).contains(&group.len()).then(|| format!("{group:0>digits$}"));
    let written = match text.strip_prefix("0x") {
        Some(digits) => digits.to_owned(),
        None => text.split(':').map(padded).collect::<Option<String>>()?,
    };
    hex::decode(&written).filter(|octets| octets.len() == count)
}

fn v4_prefix_octets(text: &str) -> Option<Vec<u8>> {
    let (address, length) = text.split_once('/')?;
    let address: Ipv4Addr = address.parse().ok()?;
    let length: u8 = length.parse().ok().filter(|length| *length <= 32)?;
    if length < 32 && u32::from(address) << length != 0 {
        return None;
    }
    Some([&[0, length], address.octets().as_slice()].concat())
}

fn v4_prefix_text(octets: &[u8]) -> Option<String> {
    let ([_, length], address) = octets.split_first_chunk::<2>()?;
    let address = Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?);
    (*length <= 32).then(|| format!("{address}/{length}"))
}

fn prefix_octets(text: &str) -> Option<Vec<u8>> {
    let (address, length) = text.split_once('/')?;
    let address: Ipv6Addr = address.parse().ok()?;
    let length: u8 = length.parse().ok().filter(|length| *length <= 128)?;
    // Bits past the prefix must be zero on the wire: a host address is refused instead of being cut.
    if length < 128 && u128::from(address) << length != 0 {
        return None;
    }
    let kept = usize::from(length).div_ceil(8);
    Some([&[0, length], address.octets().get(..kept)?].concat())
}

fn prefix_text(octets: &[u8]) -> Option<String> {
    let ([_, length], leading) = octets.split_first_chunk::<2>()?;
    let mut address = [0; 16];
    address.get_mut(..leading.len())?.copy_from_slice(leading);
    (*length <= 128).then(|| format!("{}/{length}", Ipv6Addr::from(address)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dictionary::Dictionary;

    fn definition(name: &str) -> &'static Definition {
        Dictionary::embedded().named(name).unwrap()
    }

    #[track_caller]
    fn check(name: &str, text: &str, octets: &str) {
        let octets = hex::decode(octets).unwrap();
        assert_eq!(definition(name).encode(text), Ok(octets.clone()));
        assert_eq!(definition(name).decode(&octets), text);
    }

    #[test]
    fn values_go_there_and_back() {
        check("User-Name", "Ёж", "d081d0b6");
        check("Class", "0x00ff", "00ff");
        check("Session-Timeout", "28800", "00007080");
        check("Service-Type", "Framed", "00000002");
        check("Framed-IP-Address", "10.8.0.5", "0a080005");
        check("NAS-IPv6-Address", "2001:db8::1", "20010db8000000000000000000000001");
        check("Framed-IPv6-Prefix", "2001:db8::/56", "003820010db8000000");
        check("Framed-IPv6-Prefix", "::/0", "0000");
        check("Framed-Interface-Id", "0x0000000000000001", "0000000000000001");
        check("Tunnel-Type", "L2TP", "00000003");
        check("Tunnel-Private-Group-Id", "7", "0037");
        check("Tunnel-Type", ":1:L2TP", "01000003");
        check("Tunnel-Preference", ":31:16777215", "1fffffff");
        check("Tunnel-Private-Group-Id", ":2:7", "0237");
        check("Tunnel-Client-Endpoint", ":0::1:x", "003a313a78");
        check("Event-Timestamp", "2026-11-23T10:00:00Z", "6b040ea0");
    }

    #[test]
    fn rarer_types_go_there_and_back_too() {
        let text = "ATTRIBUTE B 1 byte\nVALUE B Two 2\nATTRIBUTE S 2 short\nATTRIBUTE N 3 signed\nATTRIBUTE P 4 ipv4prefix\n\
                    ATTRIBUTE A 5 combo-ip\nATTRIBUTE E 6 ether\nATTRIBUTE L 7 integer64\n\
                    ATTRIBUTE T 8 octets has_tag";
        let own = Dictionary::parse("own", &|_| Some(text.to_owned())).unwrap();
        for (name, text, octets) in [
            ("B", "Two", "02"),
            ("S", "65535", "ffff"),
            ("N", "-2", "fffffffe"),
            ("P", "192.0.2.0/24", "0018c0000200"),
            ("A", "192.0.2.1", "c0000201"),
            ("A", "2001:db8::1", "20010db8000000000000000000000001"),
            ("E", "0x0a0b0c0d0e0f", "0a0b0c0d0e0f"),
            ("L", "18446744073709551615", "ffffffffffffffff"),
            ("T", ":3:0x00ff", "0300ff"),
            ("T", "0xff", "00ff"),
        ] {
            let (definition, octets) = (own.named(name).unwrap(), hex::decode(octets).unwrap());
            assert_eq!((definition.encode(text), definition.decode(&octets)), (Ok(octets), text.to_owned()));
        }
        assert_eq!(own.named("E").unwrap().encode("a:B:c:d:0e:0F"), Ok(vec![10, 11, 12, 13, 14, 15]));
        assert_eq!(own.named("E").unwrap().expected(), "a MAC address like 0a:0b:0c:0d:0e:0f");
        assert_eq!(own.named("B").unwrap().expected(), "a number from 0 to 255, or one of Two");
        for (name, text) in [
            ("L", "18446744073709551616"),
            ("E", "a:b:c:d:e"),
            ("E", "a:b:c:d:e:100"),
            ("B", "256"),
            ("S", "-1"),
            ("N", "2147483648"),
            ("P", "192.0.2.1/24"),
            ("A", "x"),
            ("E", "0x00"),
        ] {
            assert!(own.named(name).unwrap().encode(text).is_err(), "{name} {text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (name, text) in [
            ("Session-Timeout", "soon"),
            ("Session-Timeout", "4294967296"),
            ("Framed-IP-Address", "2001:db8::1"),
            ("Class", "00ff"),
            ("Class", "0x0"),
            ("Framed-IPv6-Prefix", "2001:db8::1/56"),
            ("Framed-IPv6-Prefix", "2001:db8::/129"),
            ("Framed-Interface-Id", "0x01"),
            ("Framed-Interface-Id", "0:0:1"),
            ("Tunnel-Type", "16777216"),
            ("Tunnel-Type", ":32:L2TP"),
            ("Tunnel-Type", ":x:L2TP"),
            ("Tunnel-Type", ":1:"),
            ("Tunnel-Private-Group-Id", ":1"),
            ("Event-Timestamp", "2026-11-23"),
            ("Event-Timestamp", "2200-01-01T00:00:00Z"),
        ] {
            assert!(matches!(definition(name).encode(text), Err(ValueError::Shape { .. })), "{name} {text}");
        }
        assert!(matches!(definition("User-Password").encode("x"), Err(ValueError::Hidden { .. })));
        let long = "x".repeat(250);
        assert!(definition("User-Name").encode(&long).is_ok());
        assert!(matches!(definition("Mikrotik-Group").encode(&long), Err(ValueError::TooLong { .. })));
    }

    #[test]
    fn what_is_expected_is_said_with_names_and_tags() {
        let expected = |name: &str| definition(name).expected();
        assert!(
            expected("Framed-Compression")
                .ends_with("or one of None, Van-Jacobson-TCP-IP, IPX-Header-Compression, Stac-LZS")
        );
        assert!(expected("NAS-Port-Type").ends_with(" and so on"));
        assert!(expected("Tunnel-Medium-Type").ends_with("IEEE-802; with a tag before it where it has one, like :1:"));
        assert_eq!(definition("Framed-Interface-Id").encode("0:0:ab:1"), Ok(vec![0, 0, 0, 0, 0, 0xab, 0, 1]));
    }

    #[test]
    fn octets_of_another_type_are_shown_as_they_are() {
        assert_eq!(definition("Tunnel-Type").decode(&[0x20, 0, 0, 3]), "0x20000003");
        assert_eq!(definition("Tunnel-Client-Endpoint").decode(b"x"), "x", "a text without a tag");
        let with_colons = definition("Tunnel-Client-Endpoint").decode(b":07:d");
        assert_eq!(with_colons, ":0::07:d", "what would be read as a tag is none");
        assert_eq!(definition("Tunnel-Client-Endpoint").encode(&with_colons), Ok(b"\0:07:d".to_vec()));

        assert_eq!(definition("Session-Timeout").decode(&[1, 2]), "0x0102");
        assert_eq!(definition("User-Name").decode(&[0xff]), "0xff");
        assert_eq!(definition("User-Name").decode(b"a\nb"), "0x610a62");
        assert_eq!(definition("User-Password").decode(b"ab"), "0x6162");
        assert_eq!(definition("Service-Type").decode(&[0, 0, 0, 99]), "99");
        assert_eq!(definition("Framed-IPv6-Prefix").decode(&[0; 19]), format!("0x{}", "0".repeat(38)));
    }
}
