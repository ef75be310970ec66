//! What is asked and what must come back: packets as RouterOS makes them, and their replies looked at octet by octet.

use std::net::{IpAddr, Ipv4Addr};

use radgram::crypto::{chap, mschap};
use radgram::entropy::{Entropy, SystemEntropy};
use radgram::proto::radius::{
    AttributeType, Code, Opening, Packet, PacketBuilder, SharedSecret, Signature, VendorType, hide, sign,
};
use radgram::secret::Secret;
use serde::{Deserialize, Serialize};

/// What the load and every server share.
pub const SECRET: &str = "testing123";
/// What an Access-Accept of ours says besides, in the servers that are not ours too.
pub const SESSION_TIMEOUT: u32 = 28_800;
pub const INTERIM: u32 = 60;
pub const CLASS: &str = "rg1:s10000:0123456789abcdef";

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Access-Request with User-Password.
    Pap,
    /// Access-Request with CHAP-Password.
    Chap,
    /// Access-Request with MS-CHAP2-Response.
    MsChap2,
    /// Accounting-Request: Start, Interim, Stop.
    Records,
}

impl Kind {
    pub const LOG_INS: [Self; 3] = [Self::Pap, Self::Chap, Self::MsChap2];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Pap => "PAP",
            Self::Chap => "CHAP",
            Self::MsChap2 => "MS-CHAPv2",
            Self::Records => "accounting",
        }
    }
}

pub fn secret() -> SharedSecret {
    SharedSecret::new(Secret::new(SECRET))
}

pub fn random<const N: usize>() -> [u8; N] {
    let entropy: &dyn Entropy = &SystemEntropy;
    entropy.bytes()
}

pub fn user(number: usize) -> String {
    format!("user{number:06}")
}

pub fn password(number: usize) -> String {
    format!("pass-{number:06}")
}

/// Where the user dials from.
pub fn station(number: usize) -> String {
    Ipv4Addr::from(0x0a00_0000 + u32::try_from(number).unwrap()).to_string()
}

/// A number of a connection as RouterOS makes them: after the reboot digit it counts up.
fn acct_session_id(number: usize) -> String {
    format!("815{:05x}", number & 0xf_ffff)
}

/// A log-in made beforehand, with what its reply must say.
pub struct LogIn {
    pub bytes: Vec<u8>,
    success: Option<[u8; 42]>,
}

impl LogIn {
    /// A log-in of one user; `serial` is told apart from the others of the user by its Acct-Session-Id.
    pub fn new(kind: Kind, identifier: u8, number: usize, serial: usize, secret: &SharedSecret) -> Self {
        let authenticator = random();
        let mut packet = PacketBuilder::new(Code::ACCESS_REQUEST, identifier, Opening::MessageAuthenticator);
        packet.push_integer(AttributeType::SERVICE_TYPE, 2).unwrap();
        packet.push_integer(AttributeType::FRAMED_PROTOCOL, 1).unwrap();
        packet.push_integer(AttributeType::NAS_PORT, serial as u32).unwrap();
        packet.push_integer(AttributeType::NAS_PORT_TYPE, 5).unwrap();
        push_names(&mut packet, number, serial);
        let success = push_proof(&mut packet, kind, number, &authenticator, secret);
        Self { bytes: sign::sign_request(packet, &authenticator, secret), success }
    }

    /// Whether its reply must prove that the server knows the password.
    pub fn proved(mut self, proves: bool) -> Self {
        self.success = self.success.filter(|_| proves);
        self
    }

    /// Whether the reply is an Accept, signed twice, that proves to the client that the server knows the password.
    pub fn check(&self, reply: &[u8], secret: &SharedSecret) {
        let packet = Packet::parse(reply).expect("a packet");
        let authenticator = self.bytes[4..20].try_into().unwrap();
        assert_eq!(sign::check_reply(&packet, authenticator, secret), Ok(Signature::Present));
        assert_eq!(packet.code(), Code::ACCESS_ACCEPT);
        if let Some(success) = &self.success {
            let given = packet.vendor(VendorType::MS_CHAP2_SUCCESS).expect("MS-CHAP2-Success");
            assert_eq!(&given[1..], success);
            assert!(packet.vendor(VendorType::MS_MPPE_RECV_KEY).is_some(), "no MPPE key");
        }
    }
}

fn push_names(packet: &mut PacketBuilder, number: usize, serial: usize) {
    packet.push(AttributeType::USER_NAME, user(number).as_bytes()).unwrap();
    packet.push(AttributeType::CALLING_STATION_ID, station(number).as_bytes()).unwrap();
    packet.push(AttributeType::CALLED_STATION_ID, b"192.0.2.1").unwrap();
    packet.push(AttributeType::ACCT_SESSION_ID, acct_session_id(serial).as_bytes()).unwrap();
    packet.push(AttributeType::NAS_IDENTIFIER, b"MikroTik").unwrap();
    packet.push_address(AttributeType::NAS_IP_ADDRESS, IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap();
}

/// Gives what MS-CHAP2-Success must say.
fn push_proof(
    packet: &mut PacketBuilder,
    kind: Kind,
    number: usize,
    authenticator: &[u8; 16],
    secret: &SharedSecret,
) -> Option<[u8; 42]> {
    let password = password(number);
    match kind {
        Kind::Pap => {
            let hidden = hide::hide_password(password.as_bytes(), authenticator, secret).unwrap();
            packet.push(AttributeType::USER_PASSWORD, &hidden).unwrap();
            None
        }
        Kind::Chap => {
            let challenge: [u8; 16] = random();
            let response = chap::response(7, password.as_bytes(), &challenge);
            packet.push(AttributeType::CHAP_CHALLENGE, &challenge).unwrap();
            packet.push(AttributeType::CHAP_PASSWORD, &[&[7][..], &response].concat()).unwrap();
            None
        }
        Kind::MsChap2 => {
            let (peer, challenge, user) = (random(), random(), user(number));
            let exchange = mschap::Exchange { peer: &peer, authenticator: &challenge, user: user.as_bytes() };
            let nt_hash = mschap::nt_hash(&password);
            let response = mschap::nt_response_v2(&exchange, &nt_hash);
            let value = [&[1, 0][..], &peer, &[0; 8], &response].concat();
            packet.push_vendor(VendorType::MS_CHAP_CHALLENGE, &challenge).unwrap();
            packet.push_vendor(VendorType::MS_CHAP2_RESPONSE, &value).unwrap();
            Some(mschap::authenticator_response(&exchange, &nt_hash, &response))
        }
        Kind::Records => unreachable!("no log-in"),
    }
}

/// A connection that is reported.
#[derive(Clone, Copy)]
pub struct Reported {
    pub account: usize,
    pub serial: usize,
    pub step: Step,
}

/// Where its reports are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Start,
    Interim,
    Stop,
}

impl Reported {
    /// The record, signed.
    pub fn record(&self, identifier: u8, class: &[u8], secret: &SharedSecret) -> Vec<u8> {
        let (status, seconds) = match self.step {
            Step::Start => (1, 0),
            Step::Interim => (3, 1),
            Step::Stop => (2, 1),
        };
        let mut packet = PacketBuilder::new(Code::ACCOUNTING_REQUEST, identifier, Opening::MessageAuthenticator);
        packet.push_integer(AttributeType::ACCT_STATUS_TYPE, status).unwrap();
        packet.push_integer(AttributeType::SERVICE_TYPE, 2).unwrap();
        packet.push_integer(AttributeType::FRAMED_PROTOCOL, 1).unwrap();
        packet.push_integer(AttributeType::NAS_PORT, self.serial as u32).unwrap();
        packet.push_integer(AttributeType::NAS_PORT_TYPE, 5).unwrap();
        push_names(&mut packet, self.account, self.serial);
        let tunnel = Ipv4Addr::from(0x6440_0000 + self.account as u32);
        packet.push_address(AttributeType::FRAMED_IP_ADDRESS, IpAddr::V4(tunnel)).unwrap();
        packet.push_integer(AttributeType::ACCT_AUTHENTIC, 1).unwrap();
        packet.push_integer(AttributeType::ACCT_DELAY_TIME, 0).unwrap();
        packet.push(AttributeType::CLASS, class).unwrap();
        if self.step != Step::Start {
            packet.push_integer(AttributeType::ACCT_SESSION_TIME, seconds).unwrap();
            packet.push_integer(AttributeType::ACCT_INPUT_OCTETS, 1_000 * (self.step as u32)).unwrap();
            packet.push_integer(AttributeType::ACCT_OUTPUT_OCTETS, 2_000 * (self.step as u32)).unwrap();
            packet.push_integer(AttributeType::ACCT_INPUT_PACKETS, 10).unwrap();
            packet.push_integer(AttributeType::ACCT_OUTPUT_PACKETS, 20).unwrap();
        }
        if self.step == Step::Stop {
            packet.push_integer(AttributeType::ACCT_TERMINATE_CAUSE, 1).unwrap();
        }
        sign::sign_accounting_request(packet, secret)
    }
}

/// Whether the reply says that the record is kept. FreeRADIUS 3.2.1 makes a wrong Message-Authenticator in it, so it is
/// set up to make none; one that is there must be right.
pub fn check_kept(reply: &[u8], record: &[u8], secret: &SharedSecret) {
    let packet = Packet::parse(reply).expect("a packet");
    let authenticator = record[4..20].try_into().unwrap();
    sign::check_reply(&packet, authenticator, secret).expect("signed");
    assert_eq!(packet.code(), Code::ACCOUNTING_RESPONSE);
}
