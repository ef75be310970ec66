//! Writing a packet: RFC 2865 §3 and §5, into a buffer that can be used again.

use std::net::IpAddr;

use super::attribute::{AttributeType, VendorType};
use super::code::Code;
use super::packet::{HEADER_BYTES, MESSAGE_AUTHENTICATOR_BYTES, PACKET_MAX_BYTES, VALUE_MAX_BYTES};

/// Why an attribute does not go into the packet. The packet stays as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The value is longer than an attribute can hold: 253 octets, 247 for a vendor's.
    #[error("the value of attribute {} is too long", .0.0)]
    ValueTooLong(AttributeType),
    /// The packet would be longer than 4096 octets.
    #[error("the packet would be longer than {PACKET_MAX_BYTES} octets")]
    PacketTooLong,
}

/// What stands first in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// A Message-Authenticator, before all else: what is signed first cannot be pushed back by a forger's prefix.
    MessageAuthenticator,
    /// Nothing: the packet carries no Message-Authenticator.
    Bare,
}

/// A packet in the making. The functions of [`super::sign`] finish it.
#[derive(Debug)]
pub struct PacketBuilder {
    bytes: Vec<u8>,
    opening: Opening,
}

/// Room for most packets; longer ones grow.
const USUAL_BYTES: usize = 512;
/// Where the value of a leading Message-Authenticator starts.
pub(super) const MESSAGE_AUTHENTICATOR_AT: usize = 22;

impl PacketBuilder {
    /// A packet in a buffer of its own.
    pub fn new(code: Code, identifier: u8, opening: Opening) -> Self {
        Self::reusing(Vec::with_capacity(USUAL_BYTES), code, identifier, opening)
    }

    /// A packet in a buffer that was used before; its content is dropped, its memory kept.
    pub fn reusing(mut bytes: Vec<u8>, code: Code, identifier: u8, opening: Opening) -> Self {
        bytes.clear();
        bytes.extend_from_slice(&[code.0, identifier]);
        bytes.resize(HEADER_BYTES, 0);
        if opening == Opening::MessageAuthenticator {
            bytes.extend_from_slice(&[AttributeType::MESSAGE_AUTHENTICATOR.0, 18]);
            bytes.extend_from_slice(&[0; MESSAGE_AUTHENTICATOR_BYTES]);
        }
        Self { bytes, opening }
    }

    /// Appends an attribute. A Message-Authenticator comes from [`Opening`] alone.
    ///
    /// # Errors
    /// [`BuildError`]: more than 253 octets, or the packet is full.
    pub fn push(&mut self, kind: AttributeType, value: &[u8]) -> Result<&mut Self, BuildError> {
        self.append(kind, &[], value)
    }

    /// Appends a number of 4 octets, big endian.
    ///
    /// # Errors
    /// [`BuildError::PacketTooLong`].
    pub fn push_integer(&mut self, kind: AttributeType, value: u32) -> Result<&mut Self, BuildError> {
        self.push(kind, &value.to_be_bytes())
    }

    /// Appends an address of 4 or 16 octets.
    ///
    /// # Errors
    /// [`BuildError::PacketTooLong`].
    pub fn push_address(&mut self, kind: AttributeType, value: IpAddr) -> Result<&mut Self, BuildError> {
        match value {
            IpAddr::V4(v4) => self.push(kind, &v4.octets()),
            IpAddr::V6(v6) => self.push(kind, &v6.octets()),
        }
    }

    /// Appends a vendor's attribute in a Vendor-Specific attribute of its own.
    ///
    /// # Errors
    /// [`BuildError`]: more than 247 octets, or the packet is full.
    pub fn push_vendor(&mut self, kind: VendorType, value: &[u8]) -> Result<&mut Self, BuildError> {
        let too_long = BuildError::ValueTooLong(AttributeType::VENDOR_SPECIFIC);
        let length = value.len().checked_add(2).and_then(|length| u8::try_from(length).ok()).ok_or(too_long)?;
        let [a, b, c, d] = kind.vendor.0.to_be_bytes();
        self.append(AttributeType::VENDOR_SPECIFIC, &[a, b, c, d, kind.number, length], value)
    }

    /// Appends a vendor's number of 4 octets, big endian.
    ///
    /// # Errors
    /// [`BuildError::PacketTooLong`].
    pub fn push_vendor_integer(&mut self, kind: VendorType, value: u32) -> Result<&mut Self, BuildError> {
        self.push_vendor(kind, &value.to_be_bytes())
    }

    /// Octets so far, header included.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no attribute yet but the Message-Authenticator.
    pub fn is_empty(&self) -> bool {
        match self.opening {
            Opening::MessageAuthenticator => self.bytes.len() == MESSAGE_AUTHENTICATOR_AT.saturating_add(16),
            Opening::Bare => self.bytes.len() == HEADER_BYTES,
        }
    }

    pub(super) fn opening(&self) -> Opening {
        self.opening
    }

    /// The packet with its Length; authenticators are still zero.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        let length = u16::try_from(self.bytes.len()).expect("a packet in the making has at most 4096 octets");
        if let Some(place) = self.bytes.get_mut(2..4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
        self.bytes
    }

    fn append(&mut self, kind: AttributeType, prefix: &[u8], value: &[u8]) -> Result<&mut Self, BuildError> {
        let too_long = BuildError::ValueTooLong(kind);
        let value_length = prefix.len().checked_add(value.len()).ok_or(too_long)?;
        if value_length > VALUE_MAX_BYTES {
            return Err(too_long);
        }
        let length = value_length.checked_add(2).and_then(|length| u8::try_from(length).ok()).ok_or(too_long)?;
        let total = self.bytes.len().checked_add(usize::from(length)).ok_or(BuildError::PacketTooLong)?;
        if total > PACKET_MAX_BYTES {
            return Err(BuildError::PacketTooLong);
        }
        self.bytes.extend_from_slice(&[kind.0, length]);
        self.bytes.extend_from_slice(prefix);
        self.bytes.extend_from_slice(value);
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::radius::Packet;

    fn builder(opening: Opening) -> PacketBuilder {
        PacketBuilder::new(Code::ACCESS_ACCEPT, 9, opening)
    }

    #[test]
    fn what_is_pushed_is_read_back() {
        let mut builder = builder(Opening::Bare);
        builder.push(AttributeType::USER_NAME, b"ann").unwrap();
        builder.push_integer(AttributeType::SESSION_TIMEOUT, 28_800).unwrap();
        builder.push_address(AttributeType::FRAMED_IP_ADDRESS, IpAddr::from([10, 8, 0, 5])).unwrap();
        builder.push_vendor(VendorType::MIKROTIK_GROUP, b"vpn").unwrap();
        builder.push_vendor_integer(VendorType::MS_MPPE_ENCRYPTION_POLICY, 1).unwrap();
        let bytes = builder.into_bytes();
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.text(AttributeType::USER_NAME), Some("ann"));
        assert_eq!(packet.integer(AttributeType::SESSION_TIMEOUT), Some(28_800));
        assert_eq!(packet.address(AttributeType::FRAMED_IP_ADDRESS), Some(IpAddr::from([10, 8, 0, 5])));
        assert_eq!(packet.vendor(VendorType::MIKROTIK_GROUP), Some(&b"vpn"[..]));
        assert_eq!(packet.vendor(VendorType::MS_MPPE_ENCRYPTION_POLICY), Some(&[0, 0, 0, 1][..]));
    }

    #[test]
    fn the_message_authenticator_is_first() {
        let builder = builder(Opening::MessageAuthenticator);
        assert!(builder.is_empty());
        let bytes = builder.into_bytes();
        assert_eq!(bytes[20..22], [80, 18]);
        assert_eq!(bytes.len(), 38);
    }

    #[test]
    fn limits_hold_and_leave_the_packet_as_it_was() {
        let mut builder = builder(Opening::Bare);
        assert_eq!(
            builder.push(AttributeType::CLASS, &[0; 254]).unwrap_err(),
            BuildError::ValueTooLong(AttributeType::CLASS)
        );
        for size in [248, 254, 300] {
            assert_eq!(
                builder.push_vendor(VendorType::MIKROTIK_GROUP, &vec![0; size]).unwrap_err(),
                BuildError::ValueTooLong(AttributeType::VENDOR_SPECIFIC)
            );
        }
        assert!(builder.is_empty());
        builder.push_vendor(VendorType::MIKROTIK_GROUP, &[0; 247]).unwrap();
        while builder.push(AttributeType::CLASS, &[0; 253]).is_ok() {}
        assert_eq!(builder.push(AttributeType::CLASS, &[0; 253]).unwrap_err(), BuildError::PacketTooLong);
        assert!(builder.len() <= PACKET_MAX_BYTES);
        Packet::parse(&builder.into_bytes()).unwrap();
    }

    #[test]
    fn a_used_buffer_starts_clean() {
        let mut first = builder(Opening::Bare);
        first.push(AttributeType::USER_NAME, b"ann").unwrap();
        let second = PacketBuilder::reusing(first.into_bytes(), Code::ACCESS_REJECT, 1, Opening::Bare);
        assert!(second.is_empty());
        assert_eq!(second.into_bytes()[..4], [3, 1, 0, 20]);
    }
}
