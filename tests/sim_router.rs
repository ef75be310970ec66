//! The simulated router against a small scripted RADIUS server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use radgram::clock::{SettableClock, Timestamp};
use radgram::crypto::{chap, mppe, mschap};
use radgram::proto::radius::{
    AttributeType, Code, Opening, Packet, PacketBuilder, SharedSecret, Signature, VendorType, hide, sign,
};
use radgram::secret::Secret;
use radgram::sim::router::accounting::Traffic;
use radgram::sim::router::{
    Cause, Delivery, Dial, DialOutcome, DisconnectHabit, Encryption, Failure, HangUp, IncomingConfig, Method,
    RequireMessageAuth, RouterConfig, Server, Service, SimRouter, StartNotice, Tunnel,
};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SECRET: &str = "testing123";
/// So long that a slow machine does not see a resend that the test does not want.
const PATIENT: Duration = Duration::from_secs(30);
/// So short that a test that wants silence is over soon.
const HASTY: Duration = Duration::from_millis(20);

type Answer = fn(&Packet<'_>, &SharedSecret) -> Option<Vec<u8>>;

/// A server with one answer to log-ins and one to accounting; what it got is kept in order.
struct Scripted {
    entry: Server,
    logins: mpsc::UnboundedReceiver<(SocketAddr, Vec<u8>)>,
    records: mpsc::UnboundedReceiver<(SocketAddr, Vec<u8>)>,
}

impl Scripted {
    async fn start(login: Answer, accounting: Answer) -> Self {
        let (auth, logins) = serve(login).await;
        let (acct, records) = serve(accounting).await;
        Self { entry: Server::new(auth, acct, Secret::new(SECRET)), logins, records }
    }

    async fn login(&mut self) -> Vec<u8> {
        self.logins.recv().await.unwrap().1
    }

    async fn record(&mut self) -> Vec<u8> {
        let octets = self.records.recv().await.unwrap().1;
        let packet = Packet::parse(&octets).unwrap();
        assert_eq!(sign::check_hashed_request(&packet, &secret()), Ok(Signature::Absent));
        octets
    }

    async fn expect(&mut self, status: u32) -> Vec<u8> {
        let octets = self.record().await;
        assert_eq!(integer(&octets, AttributeType::ACCT_STATUS_TYPE), Some(status));
        octets
    }
}

async fn serve(answer: Answer) -> (SocketAddr, mpsc::UnboundedReceiver<(SocketAddr, Vec<u8>)>) {
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

fn secret() -> SharedSecret {
    SharedSecret::new(Secret::new(SECRET))
}

fn integer(octets: &[u8], kind: AttributeType) -> Option<u32> {
    Packet::parse(octets).unwrap().integer(kind)
}

fn text(octets: &[u8], kind: AttributeType) -> Option<String> {
    Packet::parse(octets).unwrap().text(kind).map(str::to_owned)
}

fn silent(_: &Packet<'_>, _: &SharedSecret) -> Option<Vec<u8>> {
    None
}

fn recorded(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    let reply = PacketBuilder::new(Code::ACCOUNTING_RESPONSE, request.identifier(), Opening::Bare);
    Some(sign::sign_reply(reply, request.authenticator(), secret))
}

fn only_interims(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    (request.integer(AttributeType::ACCT_STATUS_TYPE) == Some(3)).then(|| recorded(request, secret)).flatten()
}

fn reply(code: Code, request: &Packet<'_>) -> PacketBuilder {
    PacketBuilder::new(code, request.identifier(), Opening::MessageAuthenticator)
}

fn finish(reply: PacketBuilder, request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    Some(sign::sign_reply(reply, request.authenticator(), secret))
}

/// Accepts `clientPass` by every method, with all that belongs to it.
fn accept(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
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

fn push_proof(accept: &mut PacketBuilder, request: &Packet<'_>, secret: &SharedSecret, password: &str) {
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

fn push_proof_v2(
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

fn accept_without_proof(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    finish(reply(Code::ACCESS_ACCEPT, request), request, secret)
}

fn accept_with_another_proof(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    let mut accept = reply(Code::ACCESS_ACCEPT, request);
    push_proof(&mut accept, request, secret, "another");
    finish(accept, request, secret)
}

fn accept_without_keys(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    let full = self::accept(request, secret)?;
    let mut accept = reply(Code::ACCESS_ACCEPT, request);
    let success = Packet::parse(&full).unwrap().vendor(VendorType::MS_CHAP2_SUCCESS);
    accept.push_vendor(VendorType::MS_CHAP2_SUCCESS, success.unwrap()).unwrap();
    finish(accept, request, secret)
}

fn accept_with_swapped_keys(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
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

fn accept_with_another_v1_key(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    let mut accept = reply(Code::ACCESS_ACCEPT, request);
    let keys = mppe::chap_mppe_keys(&mschap::nt_hash("another"));
    let hidden = hide::hide_chap_keys(&keys, request.authenticator(), secret);
    accept.push_vendor(VendorType::MS_CHAP_MPPE_KEYS, &hidden).unwrap();
    finish(accept, request, secret)
}

fn accept_unsigned(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    let accept = PacketBuilder::new(Code::ACCESS_ACCEPT, request.identifier(), Opening::Bare);
    finish(accept, request, secret)
}

fn accept_by_a_stranger(request: &Packet<'_>, _: &SharedSecret) -> Option<Vec<u8>> {
    finish(reply(Code::ACCESS_ACCEPT, request), request, &SharedSecret::new(Secret::new("other")))
}

fn reject(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    let mut reject = reply(Code::ACCESS_REJECT, request);
    reject.push(AttributeType::REPLY_MESSAGE, b"no").unwrap();
    reject.push_vendor(VendorType::MS_CHAP_ERROR, b"\x01E=691 R=0 V=3").unwrap();
    finish(reject, request, secret)
}

fn challenge(request: &Packet<'_>, secret: &SharedSecret) -> Option<Vec<u8>> {
    finish(reply(Code::ACCESS_CHALLENGE, request), request, secret)
}

fn clock() -> SettableClock {
    SettableClock::new(Timestamp::from_millis(1_700_000_000_000))
}

fn config(server: &Scripted) -> RouterConfig {
    let mut config = RouterConfig::new("MikroTik", LOCALHOST, server.entry.clone());
    config.timeout = PATIENT;
    config
}

async fn start(config: RouterConfig) -> (SimRouter, SettableClock) {
    let clock = clock();
    (SimRouter::start(config, Arc::new(clock.clone())).await.unwrap(), clock)
}

fn hasty(server: &Scripted) -> RouterConfig {
    RouterConfig { timeout: HASTY, ..config(server) }
}

#[track_caller]
fn connected(outcome: DialOutcome) -> Tunnel {
    match outcome {
        DialOutcome::Connected(tunnel) => tunnel,
        other => panic!("not connected: {other:?}"),
    }
}

fn dial_by(method: Method) -> Dial {
    Dial { method, ..Dial::new("User", "clientPass") }
}

#[tokio::test]
async fn every_method_connects_and_is_accounted() {
    let mut server = Scripted::start(accept, recorded).await;
    let (router, _) = start(config(&server)).await;
    for method in [Method::Pap, Method::Chap, Method::MsChapV1, Method::MsChapV2] {
        let tunnel = connected(router.dial(dial_by(method)).await);
        let request = server.login().await;
        assert_eq!(integer(&request, AttributeType::SERVICE_TYPE), Some(2));
        assert_eq!(integer(&request, AttributeType::FRAMED_PROTOCOL), Some(1));
        assert_eq!(integer(&request, AttributeType::NAS_PORT_TYPE), Some(5));
        assert_eq!(text(&request, AttributeType::NAS_IDENTIFIER).as_deref(), Some("MikroTik"));
        assert_eq!(Packet::parse(&request).unwrap().address(AttributeType::NAS_IP_ADDRESS), Some(LOCALHOST));
        assert_eq!(text(&request, AttributeType::ACCT_SESSION_ID).as_deref(), Some(tunnel.acct_session_id()));

        assert_eq!(tunnel.start_delivered().await, Delivery::Answered);
        let started = server.expect(1).await;
        assert_eq!(text(&started, AttributeType::CLASS).as_deref(), Some("SESS-1"));
        assert_eq!(integer(&started, AttributeType::ACCT_AUTHENTIC), Some(1));
        assert_eq!(integer(&started, AttributeType::ACCT_DELAY_TIME), Some(0));

        tunnel.carry(Traffic { input_octets: (1 << 32) + 5, ..Traffic::default() });
        assert_eq!(tunnel.hang_up(Cause::UserRequest).await, Delivery::Answered);
        let stopped = server.expect(2).await;
        assert_eq!(integer(&stopped, AttributeType::ACCT_TERMINATE_CAUSE), Some(1));
        assert_eq!(integer(&stopped, AttributeType::ACCT_INPUT_OCTETS), Some(5));
        assert_eq!(integer(&stopped, AttributeType::ACCT_INPUT_GIGAWORDS), Some(1));
        assert!(!tunnel.is_up());
        assert_eq!(tunnel.hang_up(Cause::UserRequest).await, Delivery::GivenUp);
    }
    let counters = router.counters();
    assert_eq!((counters.accepts, counters.resends, counters.bad_replies), (12, 0, 0));
}

#[tokio::test]
async fn an_accept_is_taken_over() {
    let server = Scripted::start(accept, recorded).await;
    let (router, clock) = start(config(&server)).await;
    let tunnel = connected(router.dial(Dial::new("DOMAIN\\User", "clientPass")).await);
    assert_eq!(tunnel.session_timeout(), Some(Duration::from_secs(28_800)));
    assert_eq!(tunnel.interim_interval(), Some(Duration::from_secs(60)));
    assert_eq!(tunnel.address(), Ipv4Addr::new(10, 9, 0, 5));
    assert_eq!(tunnel.class(), [b"SESS-1".to_vec()]);
    assert_eq!(tunnel.rate_limit().as_deref(), Some("10M/20M"));
    assert_eq!(tunnel.acct_session_id(), "81000001");
    let now = radgram::clock::Clock::now(&clock);
    assert_eq!(tunnel.expires(), Some(now + Duration::from_secs(28_800)));
    assert_eq!(router.tunnels().len(), 1);
}

#[tokio::test]
async fn a_reject_and_a_challenge_are_told_apart() {
    let server = Scripted::start(reject, recorded).await;
    let (router, _) = start(config(&server)).await;
    let DialOutcome::Rejected { reply_message, ms_chap_error } = router.dial(Dial::new("User", "x")).await else {
        panic!("not rejected");
    };
    assert_eq!(reply_message.as_deref(), Some("no"));
    assert_eq!(ms_chap_error.as_deref(), Some("E=691 R=0 V=3"));
    assert_eq!(router.counters().rejects, 1);

    let server = Scripted::start(challenge, recorded).await;
    let (router, _) = start(config(&server)).await;
    let outcome = router.dial(Dial::new("User", "x")).await;
    assert!(matches!(outcome, DialOutcome::Failed(Failure::Challenged)));
}

#[tokio::test]
async fn a_client_hangs_up_on_a_server_that_does_not_know_the_password() {
    let demanding = Dial { encryption: Encryption::Demanded, ..Dial::new("User", "clientPass") };
    for (answer, dial, expected) in [
        (accept_without_proof as Answer, Dial::new("User", "clientPass"), HangUp::SuccessMissing),
        (accept_with_another_proof, Dial::new("User", "clientPass"), HangUp::SuccessWrong),
        (accept_without_keys, demanding.clone(), HangUp::KeysMissing),
        (accept_with_swapped_keys, Dial::new("User", "clientPass"), HangUp::KeysWrong),
        (accept_without_proof, Dial { method: Method::MsChapV1, ..demanding.clone() }, HangUp::KeysMissing),
        (accept_with_another_v1_key, dial_by(Method::MsChapV1), HangUp::KeysWrong),
    ] {
        let mut server = Scripted::start(answer, recorded).await;
        let (router, _) = start(config(&server)).await;
        let DialOutcome::ClientHungUp { why } = router.dial(dial).await else { panic!("{expected:?}: no hang-up") };
        assert_eq!(why, expected);
        let started = server.expect(1).await;
        let stopped = server.expect(2).await;
        assert_eq!(text(&started, AttributeType::ACCT_SESSION_ID), text(&stopped, AttributeType::ACCT_SESSION_ID));
    }
}

#[tokio::test]
async fn a_server_that_is_silent_leads_to_the_next() {
    let dead = Scripted::start(silent, silent).await;
    let mut alive = Scripted::start(accept, recorded).await;
    let (router, _) = start(RouterConfig { tries: 2, ..hasty(&dead) }).await;
    assert!(matches!(router.dial(Dial::new("User", "clientPass")).await, DialOutcome::Timeout));
    assert_eq!((router.counters().timeouts, router.counters().resends), (1, 1));

    let mut both = RouterConfig { tries: 50, ..hasty(&dead) };
    both.servers.push(alive.entry.clone());
    let (router, _) = start(both).await;
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    assert!(tunnel.is_up());
    alive.login().await;
}

#[tokio::test]
async fn replies_that_are_not_in_order_are_bad() {
    for answer in [accept_unsigned as Answer, accept_by_a_stranger] {
        let server = Scripted::start(answer, recorded).await;
        let (router, _) = start(RouterConfig { timeout: Duration::from_millis(300), ..config(&server) }).await;
        assert!(matches!(router.dial(Dial::new("User", "x")).await, DialOutcome::Timeout));
        assert!(router.counters().bad_replies >= 1);
        assert_eq!(router.counters().accepts, 0);
    }
    let server = Scripted::start(accept_unsigned, recorded).await;
    let old = RouterConfig { require_message_auth: RequireMessageAuth::No, ..config(&server) };
    let (router, _) = start(old).await;
    connected(router.dial(dial_by(Method::Pap)).await);
}

#[tokio::test]
async fn resends_are_the_same_octets_from_the_same_port() {
    let mut server = Scripted::start(accept, recorded).await;
    let (router, _) = start(RouterConfig { timeout: Duration::from_millis(100), tries: 300, ..config(&server) }).await;
    router.faults().lose_replies(2);
    router.faults().duplicate_requests(1);
    connected(router.dial(Dial::new("User", "clientPass")).await);
    let (first, second) = (server.logins.recv().await.unwrap(), server.logins.recv().await.unwrap());
    assert_eq!(first, second);
    assert_eq!(first.0, router.local_addr());

    router.faults().duplicate_requests(0);
    router.faults().lose_requests(2);
    connected(router.dial(Dial::new("User", "clientPass")).await);
    assert!(router.counters().resends >= 2);
}

#[tokio::test]
async fn the_router_hangs_up_when_the_time_is_over() {
    let mut server = Scripted::start(accept, recorded).await;
    let (router, clock) = start(config(&server)).await;
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    server.expect(1).await;
    clock.advance(Duration::from_secs(60));
    let interim = server.expect(3).await;
    assert_eq!(integer(&interim, AttributeType::ACCT_SESSION_TIME), Some(60));
    clock.advance(Duration::from_secs(28_800));
    assert_eq!(tunnel.ended().await, Cause::SessionTimeout);
    let stopped = server.expect(2).await;
    assert_eq!(integer(&stopped, AttributeType::ACCT_TERMINATE_CAUSE), Some(5));
    assert_eq!(router.tunnels().len(), 0);
}

#[tokio::test]
async fn a_start_is_given_up_and_never_repeated() {
    let mut server = Scripted::start(accept, only_interims).await;
    // Log-in and the interim need a patient router, the Start a hasty one: many tries serve both.
    let (router, _) = start(RouterConfig { timeout: Duration::from_millis(50), tries: 20, ..config(&server) }).await;
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    assert_eq!(tunnel.start_delivered().await, Delivery::GivenUp);
    assert_eq!(tunnel.interim().await, Delivery::Answered);
    let mut delays = Vec::new();
    loop {
        let record = server.record().await;
        if integer(&record, AttributeType::ACCT_STATUS_TYPE) == Some(3) {
            break;
        }
        delays.push(integer(&record, AttributeType::ACCT_DELAY_TIME).unwrap());
    }
    delays.dedup();
    assert_eq!(delays, [0, 1, 2]);
    assert!(tunnel.is_up());
}

#[tokio::test]
async fn a_reboot_says_nothing_and_changes_the_session_ids() {
    let mut server = Scripted::start(accept, recorded).await;
    let (router, _) = start(config(&server)).await;
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    server.expect(1).await;
    router.reboot();
    assert_eq!(tunnel.ended().await, Cause::NasReboot);
    assert_eq!(router.accounting_on().await, Delivery::Answered);
    server.expect(7).await;
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    assert_eq!(tunnel.acct_session_id(), "81100001");
    server.expect(1).await;
    assert_eq!(router.accounting_off().await, Delivery::Answered);
    server.expect(8).await;
}

#[tokio::test]
async fn a_local_secret_wins_and_is_accounted_as_such() {
    let mut server = Scripted::start(accept, recorded).await;
    let (router, _) = start(config(&server)).await;
    router.local_secret("ann", Secret::new("local"));
    let tunnel = connected(router.dial(Dial::new("ann", "local")).await);
    let started = server.expect(1).await;
    assert_eq!(integer(&started, AttributeType::ACCT_AUTHENTIC), Some(2));
    assert_eq!(text(&started, AttributeType::CLASS), None);
    assert_eq!(tunnel.address(), Ipv4Addr::new(10, 8, 0, 2));
    let outcome = router.dial(Dial::new("ann", "clientPass")).await;
    assert!(matches!(outcome, DialOutcome::Rejected { .. }));
    assert!(server.logins.try_recv().is_err());
}

#[tokio::test]
async fn a_held_start_waits_and_addresses_of_the_pool_come_back() {
    let mut server = Scripted::start(accept_unsigned, recorded).await;
    let config = RouterConfig { require_message_auth: RequireMessageAuth::No, ..config(&server) };
    let (router, _) = start(config).await;
    let held = Dial { start: StartNotice::Held, service: Service::Pppoe, ..dial_by(Method::Pap) };
    let first = connected(router.dial(held.clone()).await);
    let second = connected(router.dial(held.clone()).await);
    assert_eq!(second.address(), Ipv4Addr::new(10, 8, 0, 3));
    assert_eq!(second.send_start().await, Delivery::Answered);
    let started = server.expect(1).await;
    assert_eq!(text(&started, AttributeType::ACCT_SESSION_ID).as_deref(), Some(second.acct_session_id()));
    assert_eq!(integer(&started, AttributeType::NAS_PORT_TYPE), Some(15));
    first.hang_up(Cause::UserRequest).await;
    let third = connected(router.dial(held).await);
    assert_eq!(third.address(), first.address());
}

/// A server's end of Disconnect and CoA, on an address that the router knows or not.
struct Orders {
    socket: UdpSocket,
    target: SocketAddr,
    next: u8,
}

impl Orders {
    async fn from(address: [u8; 4], router: &SimRouter) -> Self {
        let socket = UdpSocket::bind((IpAddr::from(address), 0)).await.unwrap();
        Self { socket, target: router.incoming_addr().unwrap(), next: 0 }
    }

    fn order(&mut self, code: Code, fill: impl FnOnce(&mut PacketBuilder)) -> Vec<u8> {
        self.next += 1;
        let mut order = PacketBuilder::new(code, self.next, Opening::MessageAuthenticator);
        fill(&mut order);
        sign::sign_coa_request(order, &secret())
    }

    async fn send(&self, octets: &[u8]) {
        self.socket.send_to(octets, self.target).await.unwrap();
    }

    /// The code and Error-Cause of the next answer, which must answer `order`.
    async fn answer(&self, order: &[u8]) -> (Code, Option<u32>) {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).await.unwrap();
        let answer = Packet::parse(&buffer[..length]).unwrap();
        let request = Packet::parse(order).unwrap();
        assert_eq!(answer.identifier(), request.identifier());
        assert_eq!(sign::check_reply(&answer, request.authenticator(), &secret()), Ok(Signature::Present));
        (answer.code(), answer.integer(AttributeType::ERROR_CAUSE))
    }

    async fn give(&mut self, code: Code, fill: impl FnOnce(&mut PacketBuilder)) -> (Code, Option<u32>) {
        let order = self.order(code, fill);
        self.send(&order).await;
        self.answer(&order).await
    }
}

async fn with_incoming(server: &Scripted) -> (SimRouter, SettableClock) {
    start(RouterConfig { incoming: Some(IncomingConfig::new(LOCALHOST)), ..config(server) }).await
}

#[tokio::test]
async fn a_disconnect_must_match_in_all_it_says() {
    let mut server = Scripted::start(accept, recorded).await;
    let (router, _) = with_incoming(&server).await;
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    server.expect(1).await;
    let mut orders = Orders::from([127, 0, 0, 1], &router).await;
    let nak = |cause| (Code::DISCONNECT_NAK, Some(cause));
    let cut = Code::DISCONNECT_REQUEST;

    let other_user = orders.give(cut, |order| {
        order.push(AttributeType::ACCT_SESSION_ID, tunnel.acct_session_id().as_bytes()).unwrap();
        order.push(AttributeType::USER_NAME, b"Other").unwrap();
    });
    assert_eq!(other_user.await, nak(503));
    let other_router = orders.give(cut, |order| {
        order.push(AttributeType::USER_NAME, b"User").unwrap();
        order.push_address(AttributeType::NAS_IP_ADDRESS, IpAddr::from([192, 0, 2, 1])).unwrap();
    });
    assert_eq!(other_router.await, nak(503));
    let foreign = orders.give(cut, |order| {
        order.push(AttributeType::USER_NAME, b"User").unwrap();
        order.push(AttributeType::CLASS, b"SESS-1").unwrap();
    });
    assert_eq!(foreign.await, nak(401));
    assert_eq!(orders.give(cut, |_| {}).await, nak(402));
    assert!(tunnel.is_up());

    let order = orders.order(cut, |order| {
        order.push(AttributeType::ACCT_SESSION_ID, tunnel.acct_session_id().as_bytes()).unwrap();
        order.push(AttributeType::USER_NAME, b"User").unwrap();
        order.push_address(AttributeType::FRAMED_IP_ADDRESS, tunnel.address().into()).unwrap();
        order.push_address(AttributeType::NAS_IP_ADDRESS, LOCALHOST).unwrap();
    });
    for _ in 0..2 {
        orders.send(&order).await; // the second is a resend: the same answer, though the tunnel is gone
        assert_eq!(orders.answer(&order).await, (Code::DISCONNECT_ACK, None));
    }
    assert_eq!(tunnel.ended().await, Cause::AdminReset);
    let stopped = server.expect(2).await;
    assert_eq!(integer(&stopped, AttributeType::ACCT_TERMINATE_CAUSE), Some(6));
    let counters = router.incoming_counters();
    assert_eq!((counters.acks(), counters.naks(), counters.bad_requests()), (1, 4, 0));
}

#[tokio::test]
async fn strangers_and_forgers_get_no_answer() {
    let server = Scripted::start(accept, recorded).await;
    let (router, _) = with_incoming(&server).await;
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    let stranger = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let mut orders = Orders::from([127, 0, 0, 1], &router).await;
    let mut order = orders.order(Code::DISCONNECT_REQUEST, |order| {
        order.push(AttributeType::USER_NAME, b"User").unwrap();
    });
    stranger.send_to(&order, router.incoming_addr().unwrap()).await.unwrap();
    order[4] ^= 1;
    orders.send(&order).await;
    // One socket, one task: once this is answered, the two before were dropped.
    let answer = orders.give(Code::DISCONNECT_REQUEST, |order| {
        order.push(AttributeType::USER_NAME, b"Nobody").unwrap();
    });
    assert_eq!(answer.await, (Code::DISCONNECT_NAK, Some(503)));
    assert!(tunnel.is_up());
    let counters = router.incoming_counters();
    assert_eq!((counters.unknown_addresses(), counters.bad_requests(), counters.requests()), (1, 1, 2));
}

#[tokio::test]
async fn a_router_may_say_yes_and_do_nothing_or_say_nothing() {
    let server = Scripted::start(accept, recorded).await;
    let (router, _) = with_incoming(&server).await;
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    let mut orders = Orders::from([127, 0, 0, 1], &router).await;
    let user = |order: &mut PacketBuilder| {
        order.push(AttributeType::USER_NAME, b"User").unwrap();
    };
    router.treat_disconnects(DisconnectHabit::AckOnly);
    assert_eq!(orders.give(Code::DISCONNECT_REQUEST, user).await, (Code::DISCONNECT_ACK, None));
    assert!(tunnel.is_up());
    router.treat_disconnects(DisconnectHabit::Ignore);
    let ignored = orders.order(Code::DISCONNECT_REQUEST, user);
    orders.send(&ignored).await;
    // The next answer is to the next order: the one before got none.
    assert_eq!(orders.give(Code::COA_REQUEST, user).await, (Code::COA_ACK, None));
    assert!(tunnel.is_up());
}

#[tokio::test]
async fn a_change_moves_the_end_and_the_rate_but_no_address_list() {
    let server = Scripted::start(accept, recorded).await;
    let (router, clock) = with_incoming(&server).await;
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    let mut orders = Orders::from([127, 0, 0, 1], &router).await;
    let changed = orders.give(Code::COA_REQUEST, |order| {
        order.push(AttributeType::USER_NAME, b"User").unwrap();
        order.push_integer(AttributeType::SESSION_TIMEOUT, 30).unwrap();
        order.push_vendor(VendorType::MIKROTIK_RATE_LIMIT, b"5M/5M").unwrap();
    });
    assert_eq!(changed.await, (Code::COA_ACK, None));
    assert_eq!(tunnel.rate_limit().as_deref(), Some("5M/5M"));
    let refused = orders.give(Code::COA_REQUEST, |order| {
        order.push(AttributeType::USER_NAME, b"User").unwrap();
        order.push_vendor(VendorType::MIKROTIK_ADDRESS_LIST, b"vpn").unwrap();
    });
    assert_eq!(refused.await, (Code::COA_NAK, Some(401)));
    clock.advance(Duration::from_secs(30));
    assert_eq!(tunnel.ended().await, Cause::SessionTimeout);
}
