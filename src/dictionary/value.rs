//! Values of attributes as text: what an operator writes, what a log shows. Types of RFC 8044 §3 that we meet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Definition, Hiding, Tagging};
use crate::crypto::hex;

/// The longest value that fits: 253 octets, 247 for a vendor's.
const VALUE_MAX_BYTES: usize = 253;
const VENDOR_VALUE_MAX_BYTES: usize = 247;

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
    /// Seconds since 1970, 4 octets.
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
    /// An interface id of 8 octets, written `0x…`.
    InterfaceId,
    /// A MAC address of 6 octets, written `0x…`.
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
            Self::Integer | Self::Date => "a number from 0 to 4294967295, or its name",
            Self::Byte => "a number from 0 to 255, or its name",
            Self::Short => "a number from 0 to 65535, or its name",
            Self::Signed => "a number from -2147483648 to 2147483647",
            Self::Integer64 => "a number",
            Self::Ipv4Prefix => "a prefix like 192.0.2.0/24",
            Self::Ip => "an address like 192.0.2.1 or 2001:db8::1",
            Self::Ether => "0x and 12 hexadecimal digits",
            Self::Ipv4 => "an address like 192.0.2.1",
            Self::Ipv6 => "an address like 2001:db8::1",
            Self::Ipv6Prefix => "a prefix like 2001:db8::/56",
            Self::InterfaceId => "0x and 16 hexadecimal digits",
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
    /// The octets for a value that is written as text. A tagged value gets tag 0.
    ///
    /// # Errors
    /// [`ValueError`]: not of the type, too long, or an attribute that travels hidden.
    pub fn encode(&self, text: &str) -> Result<Vec<u8>, ValueError> {
        if self.hiding != Hiding::Open {
            return Err(ValueError::Hidden { name: self.name.clone() });
        }
        let shape = || ValueError::Shape { name: self.name.clone(), kind: self.kind };
        let octets = self.octets(text).ok_or_else(shape)?;
        let octets = self.with_tag(octets).ok_or_else(shape)?;
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

    fn octets(&self, text: &str) -> Option<Vec<u8>> {
        Some(match self.kind {
            Kind::Text => text.as_bytes().to_vec(),
            Kind::Octets => hex::decode(text.strip_prefix("0x")?)?,
            Kind::Integer | Kind::Date => self.number(text)?.to_be_bytes().to_vec(),
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
            Kind::InterfaceId => hex::decode(text.strip_prefix("0x")?).filter(|octets| octets.len() == 8)?,
            Kind::Ether => hex::decode(text.strip_prefix("0x")?).filter(|octets| octets.len() == 6)?,
        })
    }

    fn number(&self, text: &str) -> Option<u32> {
        let named = self.values.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, number)| *number);
        named.or_else(|| text.parse().ok())
    }

    fn with_tag(&self, octets: Vec<u8>) -> Option<Vec<u8>> {
        match (self.tagging, self.kind) {
            (Tagging::Untagged, _) => Some(octets),
            // The tag takes the place of a number's highest octet: larger numbers do not fit.
            (Tagging::Tagged, Kind::Integer) => (octets.first() == Some(&0)).then_some(octets),
            (Tagging::Tagged, _) => Some([&[0], octets.as_slice()].concat()),
        }
    }

    fn text(&self, octets: &[u8]) -> Option<String> {
        let octets = match (self.tagging, self.kind) {
            (Tagging::Tagged, Kind::Integer) => &[&[0], octets.get(1..)?].concat(),
            (Tagging::Tagged, _) if octets.first().is_some_and(|tag| *tag <= 0x1f) => octets.get(1..)?,
            _ => octets,
        };
        Some(match self.kind {
            Kind::Text => std::str::from_utf8(octets).ok().filter(|text| !text.contains(char::is_control))?.to_owned(),
            Kind::Octets => return None,
            Kind::Integer | Kind::Date => self.name_of(u32::from_be_bytes(octets.try_into().ok()?)),
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
            Kind::InterfaceId | Kind::Ether => return None,
        })
    }

    fn name_of(&self, number: u32) -> String {
        let named = self.values.iter().find(|(_, value)| *value == number);
        named.map_or_else(|| number.to_string(), |(name, _)| name.clone())
    }
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
    }

    #[test]
    fn rarer_types_go_there_and_back_too() {
        let text = "ATTRIBUTE B 1 byte\nVALUE B Two 2\nATTRIBUTE S 2 short\nATTRIBUTE N 3 signed\nATTRIBUTE P 4 ipv4prefix\n\
                    ATTRIBUTE A 5 combo-ip\nATTRIBUTE E 6 ether";
        let own = Dictionary::parse("own", &|_| Some(text.to_owned())).unwrap();
        for (name, text, octets) in [
            ("B", "Two", "02"),
            ("S", "65535", "ffff"),
            ("N", "-2", "fffffffe"),
            ("P", "192.0.2.0/24", "0018c0000200"),
            ("A", "192.0.2.1", "c0000201"),
            ("A", "2001:db8::1", "20010db8000000000000000000000001"),
            ("E", "0x0a0b0c0d0e0f", "0a0b0c0d0e0f"),
        ] {
            let (definition, octets) = (own.named(name).unwrap(), hex::decode(octets).unwrap());
            assert_eq!((definition.encode(text), definition.decode(&octets)), (Ok(octets), text.to_owned()));
        }
        for (name, text) in
            [("B", "256"), ("S", "-1"), ("N", "2147483648"), ("P", "192.0.2.1/24"), ("A", "x"), ("E", "0x00")]
        {
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
            ("Tunnel-Type", "16777216"),
        ] {
            assert!(matches!(definition(name).encode(text), Err(ValueError::Shape { .. })), "{name} {text}");
        }
        assert!(matches!(definition("User-Password").encode("x"), Err(ValueError::Hidden { .. })));
        let long = "x".repeat(250);
        assert!(definition("User-Name").encode(&long).is_ok());
        assert!(matches!(definition("Mikrotik-Group").encode(&long), Err(ValueError::TooLong { .. })));
    }

    #[test]
    fn octets_of_another_type_are_shown_as_they_are() {
        assert_eq!(definition("Session-Timeout").decode(&[1, 2]), "0x0102");
        assert_eq!(definition("User-Name").decode(&[0xff]), "0xff");
        assert_eq!(definition("User-Name").decode(b"a\nb"), "0x610a62");
        assert_eq!(definition("User-Password").decode(b"ab"), "0x6162");
        assert_eq!(definition("Service-Type").decode(&[0, 0, 0, 99]), "99");
        assert_eq!(definition("Framed-IPv6-Prefix").decode(&[0; 19]), format!("0x{}", "0".repeat(38)));
    }
}
