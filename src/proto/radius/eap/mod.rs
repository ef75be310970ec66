//! EAP packets (RFC 3748 §4) and how RADIUS carries them (RFC 3579 §3.1).
//!
//! | octets | of an EAP packet |
//! |---|---|
//! | 1 | code: 1 request, 2 response, 3 success, 4 failure |
//! | 1 | identifier |
//! | 2 | length, big endian, of the whole packet |
//! | 1 | type, of requests and responses only |
//! | length − 5 | what the type says |
//!
//! [`mschapv2`] reads and writes what type 26 says; [`conversation`] is the server's side of one log-in.

pub mod conversation;
pub mod mschapv2;

pub use conversation::{Challenged, Conversation, Failing, Heard, Response, Unheard};
pub use mschapv2::MsChapV2;

use super::attribute::AttributeType;
use super::build::{BuildError, PacketBuilder};
use super::packet::{Packet, VALUE_MAX_BYTES};

/// Octets before the type.
pub const HEADER_BYTES: usize = 4;

/// The type of a request or response (RFC 3748 §5). Unknown types survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Method(pub u8);

impl Method {
    /// Who is there.
    pub const IDENTITY: Self = Self(1);
    /// "Not this method": in responses only; its octets are the methods that the peer wants.
    pub const NAK: Self = Self(3);
    /// EAP-MSCHAPv2.
    pub const MSCHAPV2: Self = Self(26);
}

/// An EAP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eap<'a> {
    /// The server asks.
    Request {
        /// Its number, which the response repeats.
        identifier: u8,
        /// The type.
        method: Method,
        /// What the type says.
        data: &'a [u8],
    },
    /// The peer answers.
    Response {
        /// The number of the request.
        identifier: u8,
        /// The type.
        method: Method,
        /// What the type says.
        data: &'a [u8],
    },
    /// The end: let in.
    Success {
        /// The number of the last response.
        identifier: u8,
    },
    /// The end: not let in.
    Failure {
        /// The number of the last response.
        identifier: u8,
    },
}

/// Why octets are no EAP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// Fewer octets than a header (RFC 3748 §4).
    #[error("shorter than a header")]
    Short,
    /// The length is less than a header, or more than came.
    #[error("a length that does not fit")]
    Length,
    /// A request or response without a type (RFC 3748 §4.1).
    #[error("a request or response without a type")]
    TypeMissing,
    /// A code that is none of the four.
    #[error("an unknown code")]
    Code,
    /// Its EAP-Message attributes do not follow one another (RFC 3579 §3.1).
    #[error("EAP-Message attributes with others between them")]
    Scattered,
}

impl Malformed {
    /// A stable name for counters.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Short => "eap_short",
            Self::Length => "eap_length",
            Self::TypeMissing => "eap_type_missing",
            Self::Code => "eap_code",
            Self::Scattered => "eap_scattered",
        }
    }
}

impl<'a> Eap<'a> {
    /// Reads a packet; octets after its length are padding (RFC 3748 §4.1).
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        let (&[code, identifier, high, low], _) = octets.split_first_chunk::<4>().ok_or(Malformed::Short)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let body = octets.get(HEADER_BYTES..length).ok_or(Malformed::Length)?;
        let typed = || body.split_first().map(|(kind, data)| (Method(*kind), data)).ok_or(Malformed::TypeMissing);
        match code {
            1 => typed().map(|(method, data)| Self::Request { identifier, method, data }),
            2 => typed().map(|(method, data)| Self::Response { identifier, method, data }),
            3 => Ok(Self::Success { identifier }),
            4 => Ok(Self::Failure { identifier }),
            _ => Err(Malformed::Code),
        }
    }

    /// The octets of the packet. What the type says is cut where a packet ends: 65,530 octets.
    pub fn to_bytes(&self) -> Vec<u8> {
        const DATA_MAX_BYTES: usize = 65_530;
        let (code, identifier, typed) = match *self {
            Self::Request { identifier, method, data } => (1, identifier, Some((method, data))),
            Self::Response { identifier, method, data } => (2, identifier, Some((method, data))),
            Self::Success { identifier } => (3, identifier, None),
            Self::Failure { identifier } => (4, identifier, None),
        };
        let body = typed
            .map_or_else(Vec::new, |(method, data)| [&[method.0], data.get(..DATA_MAX_BYTES).unwrap_or(data)].concat());
        let length = u16::try_from(body.len().saturating_add(HEADER_BYTES)).unwrap_or(u16::MAX);
        let [high, low] = length.to_be_bytes();
        [&[code, identifier, high, low][..], &body].concat()
    }
}

/// The EAP packet that a RADIUS packet carries, put together; empty is EAP-Start (RFC 3579 §2.1), `None` is no EAP.
///
/// # Errors
/// [`Malformed::Scattered`].
pub fn join(packet: &Packet<'_>) -> Result<Option<Vec<u8>>, Malformed> {
    let is_part = |kind| kind == AttributeType::EAP_MESSAGE;
    let mut from_first = packet.attributes().skip_while(|attribute| !is_part(attribute.kind)).peekable();
    if from_first.peek().is_none() {
        return Ok(None);
    }
    let mut joined = Vec::new();
    let mut after = from_first.skip_while(|attribute| {
        let part = is_part(attribute.kind);
        if part {
            joined.extend_from_slice(attribute.value);
        }
        part
    });
    if after.any(|attribute| is_part(attribute.kind)) {
        return Err(Malformed::Scattered);
    }
    Ok(Some(joined))
}

/// Appends an EAP packet in EAP-Message attributes that follow one another.
///
/// # Errors
/// [`BuildError::PacketTooLong`].
pub fn push(builder: &mut PacketBuilder, eap: &[u8]) -> Result<(), BuildError> {
    for part in eap.chunks(VALUE_MAX_BYTES) {
        builder.push(AttributeType::EAP_MESSAGE, part)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::radius::{Code, Opening, SharedSecret, sign};
    use crate::secret::Secret;

    #[test]
    fn identity_reads_and_writes() {
        let octets = [2, 7, 0, 9, 1, b'U', b's', b'e', b'r'];
        let read = Eap::Response { identifier: 7, method: Method::IDENTITY, data: b"User" };
        assert_eq!(Eap::parse(&octets), Ok(read));
        assert_eq!(read.to_bytes(), octets);
        assert_eq!(Eap::parse(&[&octets[..], b"padding"].concat()), Ok(read));
        assert_eq!(Eap::Failure { identifier: 9 }.to_bytes(), [4, 9, 0, 4]);
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for (octets, wrong) in [
            (&[][..], Malformed::Short),
            (&[2, 7, 0], Malformed::Short),
            (&[2, 7, 0, 3], Malformed::Length),
            (&[2, 7, 0, 6, 1], Malformed::Length),
            (&[3, 7, 0, 0], Malformed::Length),
            (&[2, 7, 0, 4], Malformed::TypeMissing),
            (&[5, 7, 0, 4], Malformed::Code),
        ] {
            assert_eq!(Eap::parse(octets), Err(wrong), "{octets:?}");
        }
    }

    fn carried(fill: impl FnOnce(&mut PacketBuilder)) -> Result<Option<Vec<u8>>, Malformed> {
        let mut builder = PacketBuilder::new(Code::ACCESS_CHALLENGE, 1, Opening::MessageAuthenticator);
        fill(&mut builder);
        let bytes = sign::sign_request(builder, &[0; 16], &SharedSecret::new(Secret::new("x")));
        join(&Packet::parse(&bytes).unwrap())
    }

    #[test]
    fn long_packets_are_cut_and_put_together() {
        for length in [1, 253, 254, 506, 1020] {
            let eap: Vec<u8> = (0..length).map(|place| (place % 251) as u8).collect();
            assert_eq!(carried(|packet| push(packet, &eap).unwrap()), Ok(Some(eap)));
        }
        assert_eq!(carried(|_| ()), Ok(None));
        let start = |packet: &mut PacketBuilder| {
            packet.push(AttributeType::EAP_MESSAGE, b"").unwrap();
        };
        assert_eq!(carried(start), Ok(Some(Vec::new())));
    }

    #[test]
    fn parts_with_others_between_them_are_refused() {
        let scattered = carried(|packet| {
            packet.push(AttributeType::EAP_MESSAGE, b"one").unwrap();
            packet.push(AttributeType::STATE, b"x").unwrap();
            packet.push(AttributeType::EAP_MESSAGE, b"two").unwrap();
        });
        assert_eq!(scattered, Err(Malformed::Scattered));
    }
}
