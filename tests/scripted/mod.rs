//! A scripted RADIUS server for the tests of the simulated router: one answer to log-ins, one to accounting.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use radgram::clock::{SettableClock, Timestamp};
use radgram::crypto::{chap, mppe, mschap};
use radgram::proto::radius::{
    AttributeType, Code, Opening, Packet, PacketBuilder, SharedSecret, Signature, VendorType, hide, sign,
};
use radgram::secret::Secret;
use radgram::sim::router::{Dial, DialOutcome, Method, RouterConfig, Server, SimRouter, Tunnel};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

pub const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub const SECRET: &str = "testing123";
/// So long that a slow machine does not see a resend that the test does not want.
pub const PATIENT: Duration = Duration::from_secs(30);
/// So short that a test that wants silence is over soon.
pub const HASTY: Duration = Duration::from_millis(20);

pub type Answer = fn(&Packet<'_>, &SharedSecret) -> Option<Vec<u8>>;

/// A server with one answer to log-ins and one to accounting; what it got is kept in order.
pub struct Scripted {
    pub entry: Server,
    pub logins: mpsc::UnboundedReceiver<(SocketAddr, Vec<u8>)>,
    pub records: mpsc::UnboundedReceiver<(SocketAddr, Vec<u8>)>,
}

impl Scripted {
    pub async fn start(login: Answer, accounting: Answer) -> Self {
        let (auth, logins) = serve(login).await;
        let (acct, records) = serve(accounting).await;
        Self { entry: Server::new(auth, acct, Secret::new(SECRET)), logins, records }
    }

    pub async fn login(&mut self) -> Vec<u8> {
        self.logins.recv().await.unwrap().1
    }

    pub async fn record(&mut self) -> Vec<u8> {
        let octets = self.records.recv().await.unwrap().1;
        let packet = Packet::parse(&octets).unwrap();
        assert_eq!(sign::check_hashed_request(&packet, &secret()), Ok(Signature::Absent));
        octets
    }

    pub async fn expect(&mut self, status: u32) -> Vec<u8> {
        let octets = self.record().await;
        assert_eq!(integer(&octets, AttributeType::ACCT_STATUS_TYPE), Some(status));
        octets
    }
}

pub async fn serve(answer: Answer) -> (SocketAddr, mpsc::UnboundedReceiver<(SocketAddr, Vec<u8>)>) {
    let socket = UdpSocket::bind((LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        loop {
            let (length, source) = socket.recv_from(&mut buffer).await.unwrap();
            let octets = buffer[..length].to_vec();
            let reply = answer(&Packet::parse(&octets).unwrap(), &secret());
            let _ = sender.send((source, octets));
            if let Some(reply) = reply {
                socket.send_to(&reply, source).await.unwrap();
            }
        }
    });
    (address, receiver)
}

pub fn secret() -> SharedSecret {
    SharedSecret::new(Secret::new(SECRET))
}

pub fn integer(octets: &[u8], kind: AttributeType) -> Option<u32> {
    Packet::parse(octets).unwrap().integer(kind)
}

pub fn text(octets: &[u8], kind: AttributeType) -> Option<String> {
    Packet::parse(octets).unwrap().text(kind).map(str::to_owned)
}

pub fn silent(_: &Packet<'_>, _: &SharedSecret) -> Option<Vec<u8>> {
    None
}

pub fn recorded(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    let reply = PacketBuilder::new(Code::ACCOUNTING_RESPONSE, request.identifier(), Opening::Bare);
    Some(sign::sign_reply(reply, request.authenticator(), secret))
}

pub fn only_interims(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    (request.integer(AttributeType::ACCT_STATUS_TYPE) == Some(3)).then(|| recorded(request, secret)).flatten()
}

pub fn reply(code: Code, request: &Packet<'_>) -> PacketBuilder {
    PacketBuilder::new(code, request.identifier(), Opening::MessageAuthenticator)
}

pub fn finish(reply: PacketBuilder, request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    Some(sign::sign_reply(reply, request.authenticator(), secret))
}

/// Accepts `clientPass` by every method, with all that belongs to it.
pub fn accept(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    assert_eq!(sign::check_access_request(request, secret), Ok(Signature::Present));
    let mut accept = reply(Code::ACCESS_ACCEPT, request);
    accept.push_integer(AttributeType::SESSION_TIMEOUT, 28_800).unwrap();
    accept.push_integer(AttributeType::ACCT_INTERIM_INTERVAL, 60).unwrap();
    accept.push(AttributeType::CLASS, b"SESS-1").unwrap();
    accept.push_vendor(VendorType::MIKROTIK_RATE_LIMIT, b"10M/20M").unwrap();
    accept.push_address(AttributeType::FRAMED_IP_ADDRESS, IpAddr::from([10, 9, 0, 5])).unwrap();
    push_proof(&mut accept, request, secret, "clientPass");
    finish(accept, request, secret)
}

pub fn push_proof(accept: &mut PacketBuilder, request: &Packet<'_>, secret: &SharedSecret, password: &str) {
    let nt_hash = mschap::nt_hash(password);
    if let Some(hidden) = request.first(AttributeType::USER_PASSWORD) {
        let given = hide::reveal_password(hidden, request.authenticator(), secret);
        assert_eq!(given, Ok(Secret::new(password)));
    }
    if let Some(given) = request.first(AttributeType::CHAP_PASSWORD) {
        let challenge = request.first(AttributeType::CHAP_CHALLENGE).unwrap();
        assert!(chap::proves(given[0], password.as_bytes(), challenge, given[1..].try_into().unwrap()));
    }
    if let Some(given) = request.vendor(VendorType::MS_CHAP_RESPONSE) {
        let challenge = request.vendor(VendorType::MS_CHAP_CHALLENGE).unwrap().try_into().unwrap();
        assert!(mschap::proves_v1(challenge, &nt_hash, given[26..].try_into().unwrap()));
        let hidden = hide::hide_chap_keys(&mppe::chap_mppe_keys(&nt_hash), request.authenticator(), secret);
        accept.push_vendor(VendorType::MS_CHAP_MPPE_KEYS, &hidden).unwrap();
    }
    if let Some(given) = request.vendor(VendorType::MS_CHAP2_RESPONSE) {
        push_proof_v2(accept, request, secret, &nt_hash, given);
    }
}

pub fn push_proof_v2(
    accept: &mut PacketBuilder,
    request: &Packet<'_>,
    secret: &SharedSecret,
    nt_hash: &[u8; 16],
    given: &[u8],
) {
    let exchange = mschap::Exchange {
        peer: given[2..18].try_into().unwrap(),
        authenticator: request.vendor(VendorType::MS_CHAP_CHALLENGE).unwrap().try_into().unwrap(),
        user: request.first(AttributeType::USER_NAME).unwrap().rsplit(|octet| *octet == b'\\').next().unwrap(),
    };
    let response: [u8; 24] = given[26..].try_into().unwrap();
    let success = mschap::authenticator_response(&exchange, nt_hash, &response);
    accept.push_vendor(VendorType::MS_CHAP2_SUCCESS, &[&given[..1], &success].concat()).unwrap();
    let keys = mppe::StartKeys::new(nt_hash, &response);
    for (kind, key, salt) in
        [(VendorType::MS_MPPE_RECV_KEY, &keys.recv, [0, 1]), (VendorType::MS_MPPE_SEND_KEY, &keys.send, [0, 2])]
    {
        let hidden = hide::hide_key(key, salt, request.authenticator(), secret);
        accept.push_vendor(kind, &hidden).unwrap();
    }
}

pub fn accept_without_proof(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    finish(reply(Code::ACCESS_ACCEPT, request), request, secret)
}

pub fn accept_with_another_proof(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    let mut accept = reply(Code::ACCESS_ACCEPT, request);
    push_proof(&mut accept, request, secret, "another");
    finish(accept, request, secret)
}

pub fn accept_without_keys(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    let full = self::accept(request, secret)?;
    let mut accept = reply(Code::ACCESS_ACCEPT, request);
    let success = Packet::parse(&full).unwrap().vendor(VendorType::MS_CHAP2_SUCCESS);
    accept.push_vendor(VendorType::MS_CHAP2_SUCCESS, success.unwrap()).unwrap();
    finish(accept, request, secret)
}

pub fn accept_with_swapped_keys(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    let full = self::accept(request, secret)?;
    let full = Packet::parse(&full).unwrap();
    let mut accept = reply(Code::ACCESS_ACCEPT, request);
    for (kind, source) in [
        (VendorType::MS_CHAP2_SUCCESS, VendorType::MS_CHAP2_SUCCESS),
        (VendorType::MS_MPPE_SEND_KEY, VendorType::MS_MPPE_RECV_KEY),
        (VendorType::MS_MPPE_RECV_KEY, VendorType::MS_MPPE_SEND_KEY),
    ] {
        accept.push_vendor(kind, full.vendor(source).unwrap()).unwrap();
    }
    finish(accept, request, secret)
}

pub fn accept_with_another_v1_key(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    let mut accept = reply(Code::ACCESS_ACCEPT, request);
    let keys = mppe::chap_mppe_keys(&mschap::nt_hash("another"));
    let hidden = hide::hide_chap_keys(&keys, request.authenticator(), secret);
    accept.push_vendor(VendorType::MS_CHAP_MPPE_KEYS, &hidden).unwrap();
    finish(accept, request, secret)
}

pub fn accept_unsigned(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    let accept = PacketBuilder::new(Code::ACCESS_ACCEPT, request.identifier(), Opening::Bare);
    finish(accept, request, secret)
}

pub fn accept_by_a_stranger(request: &Packet<'_>, _: &SharedSecret) -> Option<Vec<u8>> {
    finish(reply(Code::ACCESS_ACCEPT, request), request, &SharedSecret::new(Secret::new("other")))
}

pub fn reject(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    let mut reject = reply(Code::ACCESS_REJECT, request);
    reject.push(AttributeType::REPLY_MESSAGE, b"no").unwrap();
    reject.push_vendor(VendorType::MS_CHAP_ERROR, b"\x01E=691 R=0 V=3").unwrap();
    finish(reject, request, secret)
}

pub fn challenge(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    finish(reply(Code::ACCESS_CHALLENGE, request), request, secret)
}

pub fn clock() -> SettableClock {
    SettableClock::new(Timestamp::from_millis(1_700_000_000_000))
}

pub fn config(server: &Scripted) -> RouterConfig {
    let mut config = RouterConfig::new("MikroTik", LOCALHOST, server.entry.clone());
    config.timeout = PATIENT;
    config
}

pub async fn start(config: RouterConfig) -> (SimRouter, SettableClock) {
    let clock = clock();
    (SimRouter::start(config, Arc::new(clock.clone())).await.unwrap(), clock)
}

pub fn hasty(server: &Scripted) -> RouterConfig {
    RouterConfig { timeout: HASTY, ..config(server) }
}

#[track_caller]
pub fn connected(outcome: DialOutcome) -> Tunnel {
    match outcome {
        DialOutcome::Connected(tunnel) => tunnel,
        other => panic!("not connected: {other:?}"),
    }
}

pub fn dial_by(method: Method) -> Dial {
    Dial { method, ..Dial::new("User", "clientPass") }
}
