//! A checked view of one received packet, borrowed from the datagram: RFC 2865 §3.
//!
//! | octets | of a packet |
//! |---|---|
//! | 1 | code |
//! | 1 | identifier |
//! | 2 | length, big endian: header and attributes, 20 to 4096 |
//! | 16 | authenticator |
//! | length − 20 | attributes |

use std::net::IpAddr;

use super::attribute::{self, Attribute, AttributeType, Row, RowBreak, VendorType};
use super::code::Code;

/// Octets before the attributes.
pub const HEADER_BYTES: usize = 20;
/// The longest packet, RFC 2865 §3.
pub const PACKET_MAX_BYTES: usize = 4096;
/// The longest value of an attribute.
pub const VALUE_MAX_BYTES: usize = 253;
/// Octets of a Message-Authenticator, RFC 3579 §3.2.
pub const MESSAGE_AUTHENTICATOR_BYTES: usize = 16;

/// Why octets are not a packet. Each is silently discarded and counted under its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// No octet at all: a datagram may be empty.
    #[error("empty")]
    Empty,
    /// Fewer octets than a header.
    #[error("shorter than a header")]
    Short,
    /// Length is less than a header.
    #[error("the length is less than a header")]
    LengthTooSmall,
    /// Length is more than a packet may have.
    #[error("the length is more than {PACKET_MAX_BYTES}")]
    LengthTooLarge,
    /// Fewer octets came than Length says.
    #[error("fewer octets than the length says")]
    Truncated,
    /// One octet is left after the last attribute.
    #[error("an attribute without a length")]
    AttributeTruncated,
    /// An attribute's length is 0 or 1.
    #[error("the length of an attribute is less than 2")]
    AttributeTooShort,
    /// An attribute leads past the end of the packet.
    #[error("an attribute leads past the end")]
    AttributeOverrun,
    /// A Message-Authenticator that is not 16 octets.
    #[error("a Message-Authenticator that is not 16 octets")]
    MessageAuthenticatorLength,
    /// More than one Message-Authenticator.
    #[error("more than one Message-Authenticator")]
    MessageAuthenticatorRepeated,
}

impl Malformed {
    /// Every variant, for tables of counters.
    pub const ALL: [Self; 10] = [
        Self::Empty,
        Self::Short,
        Self::LengthTooSmall,
        Self::LengthTooLarge,
        Self::Truncated,
        Self::AttributeTruncated,
        Self::AttributeTooShort,
        Self::AttributeOverrun,
        Self::MessageAuthenticatorLength,
        Self::MessageAuthenticatorRepeated,
    ];

    /// A stable name for counters.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Short => "short",
            Self::LengthTooSmall => "length_too_small",
            Self::LengthTooLarge => "length_too_large",
            Self::Truncated => "truncated",
            Self::AttributeTruncated => "attribute_truncated",
            Self::AttributeTooShort => "attribute_too_short",
            Self::AttributeOverrun => "attribute_overrun",
            Self::MessageAuthenticatorLength => "message_authenticator_length",
            Self::MessageAuthenticatorRepeated => "message_authenticator_repeated",
        }
    }
}

impl From<RowBreak> for Malformed {
    fn from(broken: RowBreak) -> Self {
        match broken {
            RowBreak::LengthMissing => Self::AttributeTruncated,
            RowBreak::LengthTooSmall => Self::AttributeTooShort,
            RowBreak::PastEnd => Self::AttributeOverrun,
        }
    }
}

/// A packet whose header and attributes are in order. Says nothing about who sent it: see [`super::sign`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    trimmed: &'a [u8],
    code: Code,
    identifier: u8,
    authenticator: &'a [u8; 16],
    attributes: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Checks a datagram. Octets after Length are padding and ignored (RFC 2865 §3). Allocates nothing.
    ///
    /// # Errors
    /// The first thing that is wrong, as [`Malformed`].
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        if datagram.is_empty() {
            return Err(Malformed::Empty);
        }
        let (&[code, identifier, high, low], _) = datagram.split_first_chunk::<4>().ok_or(Malformed::Short)?;
        if datagram.len() < HEADER_BYTES {
            return Err(Malformed::Short);
        }
        let trimmed = trim(datagram, usize::from(u16::from_be_bytes([high, low])))?;
        let (_, after_length) = trimmed.split_at_checked(4).ok_or(Malformed::LengthTooSmall)?;
        let (authenticator, attributes) = after_length.split_first_chunk::<16>().ok_or(Malformed::LengthTooSmall)?;
        check(attributes)?;
        Ok(Self { trimmed, code: Code(code), identifier, authenticator, attributes })
    }

    /// What kind of packet it is.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The number by which a reply is matched with its request.
    pub fn identifier(&self) -> u8 {
        self.identifier
    }

    /// The Request or Response Authenticator.
    pub fn authenticator(&self) -> &'a [u8; 16] {
        self.authenticator
    }

    /// The whole packet without padding: what every MAC is made over.
    pub fn trimmed(&self) -> &'a [u8] {
        self.trimmed
    }

    /// All attributes in order.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + Clone + use<'a> {
        let row = Row { rest: self.attributes };
        row.flatten().map(|(number, value)| Attribute { kind: AttributeType(number), value })
    }

    /// The values of all attributes of one type, in order.
    pub fn all(&self, kind: AttributeType) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.attributes().filter(move |attribute| attribute.kind == kind).map(|attribute| attribute.value)
    }

    /// The value of the first attribute of one type.
    pub fn first(&self, kind: AttributeType) -> Option<&'a [u8]> {
        self.all(kind).next()
    }

    /// The values of all of a vendor's attributes of one number, in order, however they are packed.
    pub fn vendor_all(&self, kind: VendorType) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let inner = self.attributes().flat_map(|attribute| attribute.vendor_attributes());
        inner.filter(move |(found, _)| *found == kind).map(|(_, value)| value)
    }

    /// The value of the first of a vendor's attributes of one number.
    pub fn vendor(&self, kind: VendorType) -> Option<&'a [u8]> {
        self.vendor_all(kind).next()
    }

    /// The first attribute of one type as a number; `None` also if it is not 4 octets.
    pub fn integer(&self, kind: AttributeType) -> Option<u32> {
        self.first(kind).and_then(attribute::integer)
    }

    /// The first attribute of one type as text; `None` also if it is not UTF-8.
    pub fn text(&self, kind: AttributeType) -> Option<&'a str> {
        self.first(kind).and_then(attribute::text)
    }

    /// The first attribute of one type as an address; `None` also if it is not 4 or 16 octets.
    pub fn address(&self, kind: AttributeType) -> Option<IpAddr> {
        self.first(kind).and_then(attribute::address)
    }

    /// The Message-Authenticator and where its value starts in [`Self::trimmed`].
    pub(super) fn message_authenticator(&self) -> Option<(usize, &'a [u8; MESSAGE_AUTHENTICATOR_BYTES])> {
        let mut offset = HEADER_BYTES;
        for attribute in self.attributes() {
            let value_at = offset.saturating_add(2);
            if attribute.kind == AttributeType::MESSAGE_AUTHENTICATOR {
                return attribute.value.try_into().ok().map(|value| (value_at, value));
            }
            offset = value_at.saturating_add(attribute.value.len());
        }
        None
    }
}

fn trim(datagram: &[u8], length: usize) -> Result<&[u8], Malformed> {
    match length {
        0..HEADER_BYTES => Err(Malformed::LengthTooSmall),
        HEADER_BYTES..=PACKET_MAX_BYTES => datagram.get(..length).ok_or(Malformed::Truncated),
        _ => Err(Malformed::LengthTooLarge),
    }
}

fn check(attributes: &[u8]) -> Result<(), Malformed> {
    let mut signed = false;
    for item in (Row { rest: attributes }) {
        let (number, value) = item?;
        if AttributeType(number) != AttributeType::MESSAGE_AUTHENTICATOR {
            continue;
        }
        if value.len() != MESSAGE_AUTHENTICATOR_BYTES {
            return Err(Malformed::MessageAuthenticatorLength);
        }
        if std::mem::replace(&mut signed, true) {
            return Err(Malformed::MessageAuthenticatorRepeated);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet with these attributes, then `padding` octets that Length does not count.
    fn datagram(attributes: &[u8], padding: usize) -> Vec<u8> {
        let length = u16::try_from(HEADER_BYTES + attributes.len()).unwrap().to_be_bytes();
        let mut bytes = [&[1, 7][..], &length, &[0xaa; 16], attributes].concat();
        bytes.extend(vec![0xff; padding]);
        bytes
    }

    #[test]
    fn reads_header_and_attributes_and_ignores_padding() {
        let bytes = datagram(&[1, 4, b'a', b'b', 6, 6, 0, 0, 0, 2, 1, 2], 5);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((packet.code(), packet.identifier()), (Code::ACCESS_REQUEST, 7));
        assert_eq!(packet.authenticator(), &[0xaa; 16]);
        assert_eq!(packet.trimmed().len(), 32);
        assert_eq!(packet.text(AttributeType::USER_NAME), Some("ab"));
        assert_eq!(packet.all(AttributeType::USER_NAME).collect::<Vec<_>>(), [&b"ab"[..], b""]);
        assert_eq!(packet.integer(AttributeType::SERVICE_TYPE), Some(2));
        assert_eq!(packet.first(AttributeType::CLASS), None);
    }

    #[test]
    fn finds_vendor_attributes_in_any_packing() {
        let bytes = datagram(&[26, 9, 0, 0, 1, 55, 8, 3, 1, 26, 12, 0, 0, 1, 55, 7, 3, 5, 8, 3, 6], 0);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.vendor(VendorType::MS_MPPE_ENCRYPTION_POLICY), Some(&[5][..]));
        let types: Vec<_> = packet.vendor_all(VendorType::MS_MPPE_ENCRYPTION_TYPES).collect();
        assert_eq!(types, [[1], [6]]);
        assert_eq!(packet.vendor(VendorType::MIKROTIK_GROUP), None);
    }

    #[test]
    fn knows_where_the_message_authenticator_is() {
        let bytes = datagram(&[&[1, 3, b'a', 80, 18][..], &[9; 16]].concat(), 0);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.message_authenticator(), Some((25, &[9; 16])));
    }

    #[test]
    fn labels_differ() {
        let labels: std::collections::HashSet<_> = Malformed::ALL.iter().map(|malformed| malformed.label()).collect();
        assert_eq!(labels.len(), Malformed::ALL.len());
    }
}
