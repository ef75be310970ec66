//! From packets to the words of the domain: Access-Request (RFC 2865 §4.1) and Accounting-Request (RFC 2866 §4.1, RFC 2869
//! §2.1). The proof of the password is read by [`super::proof`].

use std::net::IpAddr;
use std::time::Duration;

use super::proof;
use crate::clock::Timestamp;
use crate::domain::access::{Request, Service};
use crate::domain::connection::{Authentic, Notice, Record, Report, Traffic, Via};
use crate::domain::id::RouterId;
use crate::domain::reason::Reason;
use crate::domain::router::NasKey;
use crate::proto::radius::{AttributeType, Packet, SharedSecret, attribute};

/// Service-Type of a VPN.
const FRAMED: u32 = 2;
/// Acct-Authentic of a user that the router itself let in.
const AUTHENTIC_LOCAL: u32 = 2;
/// What the numbers and IPv4 addresses of a record take.
const WORD_BYTES: usize = 4;
/// The longest delay that is believed: RouterOS gives a record up within minutes.
const DELAY: Duration = Duration::from_secs(24 * 3600);

/// Why a packet that is in order cannot be read as what it claims to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Undecodable {
    /// No User-Name.
    NoUserName,
    /// An empty User-Name (RFC 2865 §5.1).
    EmptyUserName,
    /// A User-Name with NUL octets, which no name has and no database stores.
    NulInUserName,
    /// An accounting record without Acct-Session-Id.
    NoAcctSessionId,
    /// An empty Acct-Session-Id (RFC 2866 §5.5).
    EmptyAcctSessionId,
    /// An accounting record without Acct-Status-Type.
    NoStatusType,
    /// An Acct-Status-Type that is not 4 octets (RFC 2866 §5.1).
    StatusTypeLength,
    /// An Acct-Status-Type that is none of Start, Interim-Update, Stop, On and Off.
    StatusType,
    /// A number or an address of a record that is not 4 octets.
    RecordValueLength,
}

impl Undecodable {
    /// The word in metrics and logs.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::NoUserName => "no_user_name",
            Self::EmptyUserName => "empty_user_name",
            Self::NulInUserName => "nul_in_user_name",
            Self::NoAcctSessionId => "no_acct_session_id",
            Self::EmptyAcctSessionId => "empty_acct_session_id",
            Self::NoStatusType => "no_acct_status_type",
            Self::StatusTypeLength => "acct_status_type_length",
            Self::StatusType => "acct_status_type",
            Self::RecordValueLength => "acct_value_length",
        }
    }
}

/// An Access-Request, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Access {
    /// What it asks.
    pub(super) request: Request,
    /// Why it is refused unasked: what it brings is not in order.
    pub(super) flaw: Option<Reason>,
}

/// How a packet came here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    /// The router entry that its source belongs to.
    pub(super) router: RouterId,
    /// Its source address.
    pub(super) source: IpAddr,
    /// Our address that it was sent to.
    pub(super) server: Option<IpAddr>,
    /// When.
    pub(super) at: Timestamp,
}

/// The box that sent the packet.
pub(super) fn nas(packet: &Packet<'_>, router: RouterId, source: IpAddr) -> NasKey {
    NasKey { router, address: source, identifier: identifier(packet) }
}

/// What a packet says that its box is called, before anybody has looked at its signature; empty if nothing.
pub(super) fn claimed_identifier(datagram: &[u8]) -> String {
    Packet::parse(datagram).map(|packet| identifier(&packet)).unwrap_or_default()
}

fn identifier(packet: &Packet<'_>) -> String {
    text(packet, AttributeType::NAS_IDENTIFIER).unwrap_or_default()
}

/// Reads an Access-Request.
///
/// # Errors
/// Its User-Name is none.
pub(super) fn access(
    packet: &Packet<'_>,
    secret: &SharedSecret,
    nas: NasKey,
    arrival: &Arrival,
) -> Result<Access, Undecodable> {
    let user_name = user_name(packet)?;
    let (service, proof, flaw) = match (service(packet), proof::read(packet, secret)) {
        (Ok(service), Ok(proof)) => (service, proof, None),
        (Ok(service), Err(flaw)) => (service, None, Some(flaw)),
        (Err(flaw), _) => (Service::Other(0), None, Some(flaw)),
    };
    let request = Request {
        nas,
        user_name,
        proof,
        service,
        station: text(packet, AttributeType::CALLING_STATION_ID),
        acct_session_id: text(packet, AttributeType::ACCT_SESSION_ID),
        nas_ip: nas_ip(packet),
        server: arrival.server,
        arrived: arrival.at,
    };
    Ok(Access { request, flaw })
}

/// Reads an Accounting-Request.
///
/// # Errors
/// As [`Undecodable`] says.
pub(super) fn notice(packet: &Packet<'_>, arrival: &Arrival) -> Result<Notice, Undecodable> {
    if packet.attributes().any(|attribute| is_word(attribute.kind) && attribute.value.len() != WORD_BYTES) {
        return Err(Undecodable::RecordValueLength);
    }
    let nas = nas(packet, arrival.router, arrival.source);
    let delay = seconds(packet, AttributeType::ACCT_DELAY_TIME).min(DELAY);
    let report = match status(packet)? {
        1 => Report::Start,
        2 => Report::Stop(packet.integer(AttributeType::ACCT_TERMINATE_CAUSE)),
        3 => Report::Interim,
        7 => return Ok(Notice::NasOn(nas, arrival.at - delay)),
        8 => return Ok(Notice::NasOff(nas, arrival.at - delay)),
        _ => return Err(Undecodable::StatusType),
    };
    let acct_session_id = match packet.first(AttributeType::ACCT_SESSION_ID) {
        None => return Err(Undecodable::NoAcctSessionId),
        Some(_) => text(packet, AttributeType::ACCT_SESSION_ID).ok_or(Undecodable::EmptyAcctSessionId)?,
    };
    Ok(Notice::Connection(Box::new(Record {
        report,
        nas,
        acct_session_id,
        user_name: user_name(packet)?,
        class: packet.first(AttributeType::CLASS).map(<[u8]>::to_vec),
        station: text(packet, AttributeType::CALLING_STATION_ID),
        nas_ip: nas_ip(packet),
        framed_ip: packet.address(AttributeType::FRAMED_IP_ADDRESS),
        server: arrival.server,
        authentic: authentic(packet),
        arrived: arrival.at,
        delay,
        lasted: seconds(packet, AttributeType::ACCT_SESSION_TIME),
        traffic: traffic(packet),
        via: Via::Radius,
    })))
}

/// Whether a record has it as a number or an IPv4 address; one of another length would be booked as none.
const fn is_word(kind: AttributeType) -> bool {
    matches!(
        kind,
        AttributeType::NAS_IP_ADDRESS
            | AttributeType::FRAMED_IP_ADDRESS
            | AttributeType::ACCT_DELAY_TIME
            | AttributeType::ACCT_INPUT_OCTETS
            | AttributeType::ACCT_OUTPUT_OCTETS
            | AttributeType::ACCT_AUTHENTIC
            | AttributeType::ACCT_SESSION_TIME
            | AttributeType::ACCT_INPUT_PACKETS
            | AttributeType::ACCT_OUTPUT_PACKETS
            | AttributeType::ACCT_TERMINATE_CAUSE
            | AttributeType::ACCT_INPUT_GIGAWORDS
            | AttributeType::ACCT_OUTPUT_GIGAWORDS
    )
}

fn status(packet: &Packet<'_>) -> Result<u32, Undecodable> {
    let value = packet.first(AttributeType::ACCT_STATUS_TYPE).ok_or(Undecodable::NoStatusType)?;
    attribute::integer(value).ok_or(Undecodable::StatusTypeLength)
}

fn user_name(packet: &Packet<'_>) -> Result<Vec<u8>, Undecodable> {
    match packet.first(AttributeType::USER_NAME) {
        None => Err(Undecodable::NoUserName),
        Some([]) => Err(Undecodable::EmptyUserName),
        Some(name) if name.contains(&0) => Err(Undecodable::NulInUserName),
        Some(name) => Ok(name.to_vec()),
    }
}

/// An attribute as text, whatever its octets are; NUL, which PostgreSQL does not store, is replaced too. Empty is none.
fn text(packet: &Packet<'_>, kind: AttributeType) -> Option<String> {
    let value = packet.first(kind).filter(|value| !value.is_empty())?;
    match std::str::from_utf8(value) {
        Ok(text) if !value.contains(&0) => Some(text.to_owned()),
        Ok(_) | Err(_) => Some(String::from_utf8_lossy(value).replace('\0', "\u{fffd}")),
    }
}

fn nas_ip(packet: &Packet<'_>) -> Option<IpAddr> {
    packet.address(AttributeType::NAS_IP_ADDRESS).or_else(|| packet.address(AttributeType::NAS_IPV6_ADDRESS))
}

fn seconds(packet: &Packet<'_>, kind: AttributeType) -> Duration {
    Duration::from_secs(packet.integer(kind).unwrap_or(0).into())
}

fn service(packet: &Packet<'_>) -> Result<Service, Reason> {
    let mut service = Service::Vpn;
    for value in packet.all(AttributeType::SERVICE_TYPE) {
        match attribute::integer(value).ok_or(Reason::BadServiceType)? {
            FRAMED => {}
            other => service = Service::Other(other),
        }
    }
    Ok(service)
}

fn authentic(packet: &Packet<'_>) -> Authentic {
    match packet.integer(AttributeType::ACCT_AUTHENTIC) {
        Some(AUTHENTIC_LOCAL) => Authentic::Local,
        Some(_) | None => Authentic::Radius,
    }
}

fn traffic(packet: &Packet<'_>) -> Traffic {
    let number = |kind| u64::from(packet.integer(kind).unwrap_or(0));
    let octets = |low, high| number(high) << 32 | number(low);
    Traffic {
        input_octets: octets(AttributeType::ACCT_INPUT_OCTETS, AttributeType::ACCT_INPUT_GIGAWORDS),
        output_octets: octets(AttributeType::ACCT_OUTPUT_OCTETS, AttributeType::ACCT_OUTPUT_GIGAWORDS),
        input_packets: number(AttributeType::ACCT_INPUT_PACKETS),
        output_packets: number(AttributeType::ACCT_OUTPUT_PACKETS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::credential::Proof;
    use crate::proto::radius::{Code, Opening, PacketBuilder, hide, sign};
    use crate::secret::Secret;

    const AUTHENTICATOR: [u8; 16] = [0x5a; 16];

    fn secret() -> SharedSecret {
        SharedSecret::new(Secret::new("testing123"))
    }

    fn arrival() -> Arrival {
        Arrival {
            router: RouterId(3),
            source: IpAddr::from([192, 0, 2, 1]),
            server: Some(IpAddr::from([198, 51, 100, 1])),
            at: Timestamp::from_millis(1_000_000_000_000),
        }
    }

    /// The request with a User-Name and what `fill` adds, decoded.
    fn access_of(fill: impl FnOnce(&mut PacketBuilder)) -> Request {
        let mut builder = PacketBuilder::new(Code::ACCESS_REQUEST, 1, Opening::Bare);
        builder.push(AttributeType::USER_NAME, b"ann").unwrap();
        fill(&mut builder);
        let bytes = sign::sign_request(builder, &AUTHENTICATOR, &secret());
        let packet = Packet::parse(&bytes).unwrap();
        let nas = nas(&packet, arrival().router, arrival().source);
        access(&packet, &secret(), nas, &arrival()).unwrap().request
    }

    fn notice_of(fill: impl FnOnce(&mut PacketBuilder)) -> Result<Notice, Undecodable> {
        let mut builder = PacketBuilder::new(Code::ACCOUNTING_REQUEST, 1, Opening::Bare);
        fill(&mut builder);
        let bytes = sign::sign_accounting_request(builder, &secret());
        notice(&Packet::parse(&bytes).unwrap(), &arrival())
    }

    #[test]
    fn a_pap_request_of_routeros_is_read() {
        let request = access_of(|packet| {
            let hidden = hide::hide_password(b"clientPass", &AUTHENTICATOR, &secret()).unwrap();
            packet.push(AttributeType::USER_PASSWORD, &hidden).unwrap();
            packet.push_integer(AttributeType::SERVICE_TYPE, 2).unwrap();
            packet.push(AttributeType::NAS_IDENTIFIER, b"MikroTik").unwrap();
            packet.push(AttributeType::CALLING_STATION_ID, b"203.0.113.7").unwrap();
            packet.push(AttributeType::ACCT_SESSION_ID, b"81500001").unwrap();
            packet.push_address(AttributeType::NAS_IP_ADDRESS, IpAddr::from([10, 0, 0, 1])).unwrap();
        });
        assert_eq!(request.user_name, b"ann");
        assert_eq!(request.proof, Some(Proof::Pap(Secret::new("clientPass"))));
        assert_eq!(request.service, Service::Vpn);
        assert_eq!(request.nas.identifier, "MikroTik");
        assert_eq!(request.station.as_deref(), Some("203.0.113.7"));
        assert_eq!(request.acct_session_id.as_deref(), Some("81500001"));
        assert_eq!(request.nas_ip, Some(IpAddr::from([10, 0, 0, 1])));
        assert_eq!((request.server, request.arrived), (arrival().server, arrival().at));
    }

    #[test]
    fn only_framed_or_nothing_is_a_vpn() {
        let service = |types: &[u32]| {
            let fill = |packet: &mut PacketBuilder| {
                for kind in types {
                    packet.push_integer(AttributeType::SERVICE_TYPE, *kind).unwrap();
                }
            };
            access_of(fill).service
        };
        assert_eq!(service(&[]), Service::Vpn);
        assert_eq!(service(&[2]), Service::Vpn);
        assert_eq!(service(&[1]), Service::Other(1));
        assert_eq!(service(&[2, 6]), Service::Other(6));
    }

    #[test]
    fn names_and_texts_survive_odd_octets() {
        for (name, wrong) in [(&b""[..], Undecodable::EmptyUserName), (b"a\0b", Undecodable::NulInUserName)] {
            let mut builder = PacketBuilder::new(Code::ACCESS_REQUEST, 1, Opening::Bare);
            builder.push(AttributeType::USER_NAME, name).unwrap();
            let bytes = sign::sign_request(builder, &AUTHENTICATOR, &secret());
            let packet = Packet::parse(&bytes).unwrap();
            let nas = nas(&packet, arrival().router, arrival().source);
            let read = access(&packet, &secret(), nas, &arrival());
            assert_eq!(read, Err(wrong));
        }
        let request = access_of(|packet| {
            packet.push(AttributeType::CALLING_STATION_ID, b"\xff\0").unwrap();
            packet.push(AttributeType::NAS_IDENTIFIER, b"").unwrap();
        });
        assert_eq!(request.station.as_deref(), Some("\u{fffd}\u{fffd}"));
        assert_eq!(request.nas.identifier, "");
    }

    #[test]
    fn a_stop_is_read_with_its_counters() {
        let stop = notice_of(|packet| {
            packet.push(AttributeType::USER_NAME, b"ann").unwrap();
            packet.push(AttributeType::ACCT_SESSION_ID, b"81500001").unwrap();
            packet.push(AttributeType::CLASS, b"rg1").unwrap();
            packet.push_address(AttributeType::FRAMED_IP_ADDRESS, IpAddr::from([10, 8, 0, 5])).unwrap();
            for (kind, value) in [
                (AttributeType::ACCT_STATUS_TYPE, 2),
                (AttributeType::ACCT_TERMINATE_CAUSE, 5),
                (AttributeType::ACCT_DELAY_TIME, 4),
                (AttributeType::ACCT_SESSION_TIME, 60),
                (AttributeType::ACCT_INPUT_OCTETS, 5),
                (AttributeType::ACCT_INPUT_GIGAWORDS, 1),
                (AttributeType::ACCT_OUTPUT_PACKETS, 20),
                (AttributeType::ACCT_AUTHENTIC, 2),
            ] {
                packet.push_integer(kind, value).unwrap();
            }
        });
        let Ok(Notice::Connection(record)) = stop else { panic!("{stop:?}") };
        assert_eq!((record.report, record.authentic), (Report::Stop(Some(5)), Authentic::Local));
        assert_eq!(record.started(), arrival().at - Duration::from_secs(64));
        assert_eq!(record.class.as_deref(), Some(&b"rg1"[..]));
        assert_eq!(record.framed_ip, Some(IpAddr::from([10, 8, 0, 5])));
        let expected = Traffic { input_octets: (1 << 32) + 5, output_octets: 0, input_packets: 0, output_packets: 20 };
        assert_eq!(record.traffic, expected);
    }

    #[test]
    fn a_record_that_names_nothing_is_not_read() {
        let with = |status: u32, kinds: &[AttributeType]| {
            notice_of(|packet| {
                packet.push_integer(AttributeType::ACCT_STATUS_TYPE, status).unwrap();
                for kind in kinds {
                    packet.push(*kind, b"x").unwrap();
                }
            })
        };
        let (name, id) = (AttributeType::USER_NAME, AttributeType::ACCT_SESSION_ID);
        assert!(matches!(with(1, &[name, id]), Ok(Notice::Connection(_))));
        assert_eq!(with(1, &[id]).err(), Some(Undecodable::NoUserName));
        assert_eq!(with(3, &[name]).err(), Some(Undecodable::NoAcctSessionId));
        assert_eq!(with(9, &[name, id]).err(), Some(Undecodable::StatusType));
        assert_eq!(notice_of(|_| ()).err(), Some(Undecodable::NoStatusType));
        let of = |kind, value: &'static [u8]| notice_of(|packet| _ = packet.push(kind, value).unwrap()).err();
        assert_eq!(of(AttributeType::ACCT_STATUS_TYPE, &[1]), Some(Undecodable::StatusTypeLength));
        for kind in [4, 8, 41, 42, 43, 45, 46, 47, 48, 49, 52, 53].map(AttributeType) {
            let stop = |octets| {
                notice_of(|packet| {
                    packet.push_integer(AttributeType::ACCT_STATUS_TYPE, 2).unwrap();
                    packet.push(name, b"ann").unwrap().push(id, b"81500001").unwrap();
                    packet.push(kind, &vec![0; octets]).unwrap();
                })
            };
            assert!(stop(4).is_ok());
            for octets in [0, 3, 5, 8] {
                assert_eq!(stop(octets).err(), Some(Undecodable::RecordValueLength), "{kind:?}");
            }
        }
        assert!(matches!(with(7, &[]), Ok(Notice::NasOn(..))));
        assert!(matches!(with(8, &[]), Ok(Notice::NasOff(..))));
    }

    #[test]
    fn an_absurd_delay_is_not_believed() {
        let on = notice_of(|packet| {
            packet.push_integer(AttributeType::ACCT_STATUS_TYPE, 7).unwrap();
            packet.push_integer(AttributeType::ACCT_DELAY_TIME, u32::MAX).unwrap();
        });
        let Ok(Notice::NasOn(_, at)) = on else { panic!("{on:?}") };
        assert_eq!(at, arrival().at - DELAY);
    }
}
