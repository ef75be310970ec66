//! RadSec on the wire: handshakes, many requests at once, and peers that do not behave. A peer made by hand and, as a judge
//! that others wrote, FreeRADIUS as the client.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/authority.rs"]
mod authority;
#[path = "support/edge.rs"]
mod edge;
#[path = "support/freeradius.rs"]
mod freeradius;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use radgram::domain::audit::Actor;
use radgram::domain::radsec::{KnownBy, SECRET};
use radgram::domain::router::NasKey;
use radgram::gate::ports::{Amendment, CutOutcome, Cutter, OverRadsec, Target};
use radgram::proto::radius::{
    AttributeType, Code, Framer, Opening, Packet, PacketBuilder, SharedSecret, Signature, hide, sign,
};
use radgram::radius::radsec::{Lines, Tls};
use radgram::radius::{Cutters, radsec};
use radgram::secret::Secret;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::Command;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use authority::{Authority, Issued};
use edge::{CALLER, Edge, LOCALHOST, named, random};
use freeradius::{FreeRadius, HOME_SECRET};

const ACTOR: Actor = Actor::CommandLine;
/// Longer than anything here takes; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(150);
const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// An edge that listens for TLS, too; `hq` is known by the name `hq` and `strict` by the name `strict`.
struct Sec {
    edge: Edge,
    authority: Authority,
    address: SocketAddr,
    lines: Arc<Lines>,
}

impl Sec {
    async fn start() -> Self {
        let (edge, authority, folder) =
            (Edge::start().await, Authority::new("authority"), tempfile::tempdir().unwrap());
        authority.furnish(folder.path());
        let at = |name: &str| folder.path().join(name);
        let tls = Tls::read(&at("radsec.crt"), &at("radsec.key"), &at("radsec-ca.crt")).unwrap();
        let listener = radsec::bind(SocketAddr::new(LOCALHOST, 0)).unwrap();
        let (address, lines) = (listener.local_addr().unwrap(), Arc::<Lines>::default());
        let server = radgram::radius::serve(&edge.gate, Vec::new(), Vec::new(), &edge.tracker, &edge.cancel);
        radsec::serve(&server, vec![listener], tls, &lines);
        for router in edge.gate.reader().routers().await.unwrap().routers {
            let known_by = KnownBy::Name(router.name.clone());
            if ["hq", "strict"].contains(&router.name.as_str()) {
                edge.gate.set_router_radsec(&ACTOR, router.id, Some(&known_by)).await.unwrap();
            }
        }
        Self { edge, authority, address, lines }
    }

    async fn hq(&self) -> Peer {
        self.connect(&self.authority.client("hq")).await
    }

    async fn connect(&self, certificate: &Issued) -> Peer {
        self.try_connect(Some(certificate), BOTH, None).await.unwrap()
    }

    async fn try_connect(
        &self,
        certificate: Option<&Issued>,
        versions: &[&'static SupportedProtocolVersion],
        receive_buffer_bytes: Option<u32>,
    ) -> std::io::Result<Peer> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let config = config.with_root_certificates(roots);
        let config = match certificate {
            Some(issued) => {
                let chain = vec![CertificateDer::from_pem_slice(issued.chain.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
                config.with_client_auth_cert(chain, key).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let stream = socket.connect(self.address).await.unwrap();
        let name = ServerName::from(self.address.ip());
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        Ok(Peer { stream, framer: Framer::default() })
    }

    fn ends(&self, reason: &'static str) -> u64 {
        self.edge.gate.metrics().radsec_ends(reason)
    }

    async fn until(&self, what: &str, mut so: impl FnMut() -> bool) {
        let wait = async {
            while !so() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never came true: {what}"));
    }
}

/// The other end of a connection.
struct Peer {
    stream: TlsStream<TcpStream>,
    framer: Framer,
}

impl Peer {
    async fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next packet; `None` when the server has closed the connection.
    async fn receive(&mut self) -> Option<Vec<u8>> {
        let receive = async {
            loop {
                if let Some(packet) = self.framer.next_packet().unwrap() {
                    return Some(packet.to_vec());
                }
                let mut buffer = [0; 4096];
                match self.stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => return None,
                    Ok(count) => self.framer.feed(&buffer[..count]),
                }
            }
        };
        tokio::time::timeout(PATIENCE, receive).await.expect("neither a packet nor the end")
    }

    async fn ask(&mut self, request: &[u8]) -> Vec<u8> {
        self.send(request).await;
        self.receive().await.expect("it is answered")
    }

    /// Whether it is served: a Status-Server is answered.
    async fn is_served(&mut self) -> bool {
        let status = status(1, &[]);
        // Without the flush it may wait inside TLS for ever.
        if self.stream.write_all(&status).await.is_err() || self.stream.flush().await.is_err() {
            return false;
        }
        let Some(reply) = self.receive().await else { return false };
        code(&reply, &status) == Code::ACCESS_ACCEPT
    }
}

fn secret() -> SharedSecret {
    SharedSecret::new(Secret::new(SECRET))
}

fn status(identifier: u8, proxy_states: &[&[u8]]) -> Vec<u8> {
    let mut packet = PacketBuilder::new(Code::STATUS_SERVER, identifier, Opening::MessageAuthenticator);
    for state in proxy_states {
        packet.push(AttributeType::PROXY_STATE, state).unwrap();
    }
    sign::sign_request(packet, &random(), &secret())
}

fn log_in(identifier: u8, password: &str) -> Vec<u8> {
    let authenticator = random();
    let mut packet = PacketBuilder::new(Code::ACCESS_REQUEST, identifier, Opening::MessageAuthenticator);
    packet.push(AttributeType::USER_NAME, b"User").unwrap();
    let hidden = hide::hide_password(password.as_bytes(), &authenticator, &secret()).unwrap();
    packet.push(AttributeType::USER_PASSWORD, &hidden).unwrap();
    packet.push(AttributeType::CALLING_STATION_ID, CALLER.as_bytes()).unwrap();
    packet.push(AttributeType::NAS_IDENTIFIER, b"MikroTik").unwrap();
    sign::sign_request(packet, &authenticator, &secret())
}

fn start(identifier: u8, session: &str) -> Vec<u8> {
    let mut packet = PacketBuilder::new(Code::ACCOUNTING_REQUEST, identifier, Opening::Bare);
    packet.push_integer(AttributeType::ACCT_STATUS_TYPE, 1).unwrap();
    packet.push(AttributeType::NAS_IDENTIFIER, b"MikroTik").unwrap();
    packet.push(AttributeType::USER_NAME, b"Nobody").unwrap();
    packet.push(AttributeType::ACCT_SESSION_ID, session.as_bytes()).unwrap();
    sign::sign_accounting_request(packet, &secret())
}

/// The code of a reply, which must answer the request.
#[track_caller]
fn code(reply: &[u8], request: &[u8]) -> Code {
    let (reply, request) = (Packet::parse(reply).unwrap(), Packet::parse(request).unwrap());
    assert_eq!(reply.identifier(), request.identifier());
    sign::check_reply(&reply, request.authenticator(), &secret()).unwrap();
    reply.code()
}

#[tokio::test]
async fn both_versions_of_tls_are_taken_and_a_certificate_is_demanded() {
    let sec = Sec::start().await;
    let hq = sec.authority.client("hq");
    for (version, number) in
        [(&rustls::version::TLS12, ProtocolVersion::TLSv1_2), (&rustls::version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let mut peer = sec.try_connect(Some(&hq), &[version], None).await.unwrap();
        assert_eq!(peer.stream.get_ref().1.protocol_version(), Some(number));
        assert!(peer.is_served().await);
        // With TLS 1.3 the client is done before it is judged.
        if let Ok(mut nobody) = sec.try_connect(None, &[version], None).await {
            assert!(!nobody.is_served().await);
        }
    }
    assert_eq!(sec.ends("handshake"), 2);
    assert_eq!(sec.edge.gate.radsec_strangers()[0].certificate, None);
}

#[tokio::test]
async fn certificates_of_nobody_are_refused_and_shown() {
    let sec = Sec::start().await;
    let unknown = sec.authority.client("elsewhere");
    let forged = Authority::new("authority").client("hq");
    // The server's own certificate is no client's, though its authority is the right one.
    let server = sec.authority.server();
    for (certificate, reason) in [(&unknown, "unknown_certificate"), (&forged, "handshake"), (&server, "handshake")] {
        let before = sec.ends(reason);
        if let Ok(mut peer) = sec.try_connect(Some(certificate), BOTH, None).await {
            assert!(!peer.is_served().await);
        }
        sec.until("it is counted", || sec.ends(reason) == before + 1).await;
        let strangers = sec.edge.gate.radsec_strangers();
        let shown = strangers.iter().filter_map(|stranger| stranger.certificate.as_ref());
        assert!(shown.into_iter().any(|shown| shown.fingerprint == certificate.fingerprint));
    }
    assert_eq!(sec.edge.gate.metrics().radsec_connections.get(), 0);
}

#[tokio::test]
async fn one_connection_carries_log_ins_accounting_and_status() {
    let sec = Sec::start().await;
    let mut peer = sec.hq().await;
    let good = log_in(7, "clientPass");
    let reply = peer.ask(&good).await;
    assert_eq!(code(&reply, &good), Code::ACCESS_ACCEPT);
    assert_eq!(Packet::parse(&reply).unwrap().attributes().next().unwrap().kind, AttributeType::MESSAGE_AUTHENTICATOR);
    let record = start(7, "81500001");
    assert_eq!(code(&peer.ask(&record).await, &record), Code::ACCOUNTING_RESPONSE);
    assert!(peer.is_served().await);
    // What is no request is passed over (RFC 6613 §2.6.4 leaves it open).
    peer.send(&sign::sign_request(PacketBuilder::new(Code(77), 9, Opening::Bare), &random(), &secret())).await;
    assert!(peer.is_served().await);
    assert_eq!(sec.edge.drops("wrong_code"), 1);
}

#[tokio::test]
async fn the_rules_of_the_message_authenticator_hold() {
    let sec = Sec::start().await;
    let mut strict = sec.connect(&sec.authority.client("strict")).await;
    let mut bare = PacketBuilder::new(Code::ACCESS_REQUEST, 3, Opening::Bare);
    named(&mut bare);
    strict.send(&sign::sign_request(bare, &random(), &secret())).await;
    assert!(strict.is_served().await, "it is dropped, and the connection stays");
    assert_eq!(sec.edge.drops("missing_message_authenticator"), 1);
    // The router's own secret is nothing here: the signature is wrong, and that ends the connection.
    let packet = PacketBuilder::new(Code::STATUS_SERVER, 4, Opening::MessageAuthenticator);
    strict.send(&sign::sign_request(packet, &random(), &edge::secret())).await;
    assert_eq!(strict.receive().await, None);
    sec.until("it is counted", || sec.ends("bad_packet") == 1).await;
    let strict = sec.edge.gate.reader().routers().await.unwrap().routers;
    let id = strict.iter().find(|router| router.name == "strict").unwrap().id;
    assert!(sec.edge.gate.radsec_trouble(id).unwrap().why.contains("bad_message_authenticator"));
}

#[tokio::test]
async fn as_many_requests_as_there_are_identifiers_are_answered_in_any_order() {
    let sec = Sec::start().await;
    let mut peer = sec.hq().await;
    let mut waiting: HashMap<u8, Vec<u8>> = HashMap::new();
    for identifier in 0..=u8::MAX {
        let request = match identifier % 3 {
            0 => log_in(identifier, "clientPass"),
            1 => start(identifier, &format!("8150{identifier:04x}")),
            _ => status(identifier, &[]),
        };
        waiting.insert(identifier, request);
    }
    let all: Vec<u8> = waiting.values().flatten().copied().collect();
    // In pieces that respect no packet.
    for piece in all.chunks(777) {
        peer.send(piece).await;
    }
    while !waiting.is_empty() {
        let reply = peer.receive().await.expect("all are answered");
        let request = waiting.remove(&reply[1]).expect("answered once");
        let expected = match Packet::parse(&request).unwrap().code() {
            Code::ACCOUNTING_REQUEST => Code::ACCOUNTING_RESPONSE,
            _ => Code::ACCESS_ACCEPT,
        };
        assert_eq!(code(&reply, &request), expected);
    }
}

#[tokio::test]
async fn the_same_packet_on_another_connection_gets_the_same_answer() {
    let sec = Sec::start().await;
    let request = log_in(5, "clientPass");
    let first = sec.hq().await.ask(&request).await;
    let hq = sec.authority.client("hq");
    let second = sec.connect(&hq).await.ask(&request).await;
    assert_eq!(first, second);
    assert_eq!(sec.edge.gate.metrics().duplicates.get(), 1);
    let record = start(6, "81500001");
    assert_eq!(sec.hq().await.ask(&record).await, sec.hq().await.ask(&record).await);
    assert_eq!(sec.edge.gate.reader().open_connection_count().await.unwrap(), 1);
}

#[tokio::test]
async fn garbage_after_the_handshake_ends_the_connection() {
    let sec = Sec::start().await;
    for (garbage, reason) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "bad_length"),
        (vec![0xff; 4096], "bad_length"),
        // A Length that fits, and attributes that do not.
        ([&[1, 1, 0, 22][..], &[0; 16], &[1, 0]].concat(), "bad_packet"),
    ] {
        let before = sec.ends(reason);
        let mut peer = sec.hq().await;
        peer.send(&garbage).await;
        assert_eq!(peer.receive().await, None);
        sec.until("it is counted", || sec.ends(reason) == before + 1).await;
    }
    // What came before the garbage was answered.
    let mut peer = sec.hq().await;
    assert!(peer.is_served().await);
    let why = sec.edge.gate.radsec_trouble(sec.edge.hq).unwrap().why;
    assert!(why.contains("not in order"), "{why}");
}

#[tokio::test]
async fn half_a_packet_waits_for_its_rest_but_not_for_long() {
    let sec = Sec::start().await;
    let mut slow = sec.hq().await;
    let request = status(9, &[]);
    let (first, rest) = request.split_at(11);
    slow.send(first).await;
    let mut other = sec.hq().await;
    assert!(other.is_served().await);
    slow.send(rest).await;
    assert_eq!(code(&slow.receive().await.unwrap(), &request), Code::ACCESS_ACCEPT);
    slow.send(first).await;
    assert_eq!(slow.receive().await, None);
    sec.until("it is counted", || sec.ends("half_a_packet") == 1).await;
    assert!(other.is_served().await, "a connection without half a packet stays");
}

#[tokio::test]
async fn a_router_that_stops_reading_blocks_nobody_and_is_cut_off() {
    let sec = Sec::start().await;
    let hq = sec.authority.client("hq");
    let mut deaf = sec.try_connect(Some(&hq), BOTH, Some(4096)).await.unwrap();
    let mut other = sec.connect(&sec.authority.client("strict")).await;
    // Each asks for an answer of nearly 4 KiB.
    let big = [&[0x5a; 250][..]; 15];
    let flood = async {
        for identifier in (0..=u8::MAX).cycle() {
            if deaf.stream.write_all(&status(identifier, &big)).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await
    };
    let others = async {
        while sec.ends("stalled") == 0 {
            assert!(other.is_served().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let both = async {
        tokio::select! {
            () = flood => {}
            () = others => {}
        }
    };
    tokio::time::timeout(PATIENCE, both).await.expect("it is cut off");
    while deaf.receive().await.is_some() {}
    assert!(sec.edge.gate.radsec_trouble(sec.edge.hq).unwrap().why.contains("no answers"));
}

#[tokio::test]
async fn whoever_does_not_shake_hands_keeps_nobody_out() {
    let sec = Sec::start().await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(TcpStream::connect(sec.address).await.unwrap());
    }
    // As many as may of one address; the rest is turned away at once.
    sec.until("the rest is turned away", || sec.ends("handshakes_full") == 24).await;
    // From another address all is as it was.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 9], 0))).unwrap();
    let stream = socket.connect(sec.address).await.unwrap();
    let other = silent.drain(..).next().unwrap();
    drop(other);
    drop(stream);
    sec.until("they are given up", || sec.ends("handshake") + sec.ends("handshake_timeout") >= 16).await;
    assert!(sec.hq().await.is_served().await);
}

#[tokio::test]
async fn a_disconnect_and_a_change_go_over_the_boxs_own_connection() {
    let sec = Sec::start().await;
    let mut peer = sec.hq().await;
    let record = start(1, "81500001");
    peer.ask(&record).await;
    let nas = NasKey { router: sec.edge.hq, address: LOCALHOST, identifier: "MikroTik".to_owned() };
    let target = Target {
        // Nobody is there: it must not go by UDP.
        router: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9),
        server: None,
        secret: Secret::new(SECRET),
        nas_ip: None,
        user_name: b"User".to_vec(),
        acct_session_id: "81500001".to_owned(),
        framed_ip: None,
        habits: Default::default(),
        radsec: Some(OverRadsec { nas, orders: radgram::domain::radsec::Orders::Connection }),
    };
    let cutters = Cutters::new(sec.edge.gate.clone()).over(&sec.lines);
    let extension = Amendment { timeout: Some(Duration::from_secs(3_600)), attributes: Vec::new() };
    for (asked, answer, cause, expected) in [
        (Code::DISCONNECT_REQUEST, Code::DISCONNECT_ACK, None, CutOutcome::Acknowledged),
        (Code::DISCONNECT_REQUEST, Code::DISCONNECT_NAK, Some(503), CutOutcome::Gone),
        (Code::DISCONNECT_REQUEST, Code::DISCONNECT_NAK, Some(401), CutOutcome::Refused(Some(401))),
        (Code::DISCONNECT_REQUEST, Code::DISCONNECT_NAK, None, CutOutcome::Refused(None)),
        (Code::COA_REQUEST, Code::COA_ACK, None, CutOutcome::Acknowledged),
        (Code::COA_REQUEST, Code::COA_NAK, Some(503), CutOutcome::Gone),
        (Code::COA_REQUEST, Code::COA_NAK, Some(401), CutOutcome::Refused(Some(401))),
    ] {
        let router = async {
            let order = peer.receive().await.unwrap();
            let packet = Packet::parse(&order).unwrap();
            assert_eq!(packet.code(), asked);
            let timeout = packet.integer(AttributeType::SESSION_TIMEOUT);
            assert_eq!(timeout, (asked == Code::COA_REQUEST).then_some(3_600));
            assert_eq!(sign::check_hashed_request(&packet, &secret()), Ok(Signature::Present));
            assert_eq!(packet.first(AttributeType::ACCT_SESSION_ID), Some(&b"81500001"[..]));
            let mut reply = PacketBuilder::new(answer, packet.identifier(), Opening::Bare);
            cause.map(|cause| reply.push_integer(AttributeType::ERROR_CAUSE, cause).unwrap());
            let forged = PacketBuilder::new(Code::DISCONNECT_ACK, packet.identifier(), Opening::Bare);
            peer.send(&sign::sign_reply(forged, &[0; 16], &secret())).await;
            let reply = sign::sign_reply(reply, packet.authenticator(), &secret());
            peer.send(&reply).await;
        };
        let order = async {
            match asked {
                Code::COA_REQUEST => cutters.change(&target, &extension).await,
                _ => cutters.disconnect(&target).await,
            }
        };
        let (outcome, ()) = tokio::join!(order, router);
        assert_eq!(outcome, expected);
    }
    assert_eq!(sec.edge.drops("forged_reply"), 7, "each is counted, and the right one is waited for");
    // A box of another name has no connection.
    let mut other = target.clone();
    other.radsec.as_mut().unwrap().nas.identifier = "other".to_owned();
    assert_eq!(cutters.disconnect(&other).await, CutOutcome::Silent);
    drop(peer);
    sec.until("it is gone", || sec.edge.gate.metrics().radsec_connections.get() == 0).await;
    assert_eq!(cutters.disconnect(&target).await, CutOutcome::Silent);
}

/// radclient asks FreeRADIUS by UDP, FreeRADIUS asks radgram over TLS.
#[tokio::test]
async fn freeradius_asks_and_reports_over_tls() {
    let sec = Sec::start().await;
    let hq = sec.authority.client("hq");
    let furnish = || {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("ca.pem", &sec.authority.pem()), ("client.crt", &hq.chain), ("client.key", &hq.key)] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    };
    let proxy = FreeRadius::proxy(furnish, sec.address).await;
    let acct = SocketAddr::new(proxy.address.ip(), proxy.address.port() + 1);
    let log_in = |user: &str, password: &str| {
        format!(
            "User-Name={user},User-Password={password},Calling-Station-Id={CALLER},NAS-Identifier=MikroTik,\
             Message-Authenticator=0x00"
        )
    };
    // The first one opens the connection.
    let said = radclient(proxy.address, "auth", &log_in("User", "clientPass")).await;
    assert!(said.contains("Received Access-Accept") && said.contains("Session-Timeout"), "{said}");
    let said = radclient(proxy.address, "auth", &log_in("User", "wrong")).await;
    assert!(said.contains("Received Access-Reject"), "{said}");
    for status in ["Start", "Interim-Update", "Stop"] {
        let record = format!(
            "User-Name=User,Acct-Status-Type={status},Acct-Session-Id=81500001,NAS-Identifier=MikroTik,\
             Calling-Station-Id={CALLER}"
        );
        let said = radclient(acct, "acct", &record).await;
        assert!(said.contains("Received Accounting-Response"), "{said} {}", sec.edge.gate.metrics().render());
    }
    let metrics = sec.edge.gate.metrics();
    assert_eq!((metrics.datagrams.get(), metrics.radsec_packets.get(), metrics.records.get()), (0, 5, 3));
    assert_eq!(sec.edge.gate.radsec_lines(sec.edge.hq).len(), 1);
}

async fn radclient(server: SocketAddr, kind: &str, request: &str) -> String {
    let mut child = Command::new("radclient")
        .args(["-x", "-t", "10", "-r", "1", &server.to_string(), kind, HOME_SECRET])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("radclient is installed by scripts/test-deps");
    let mut input = child.stdin.take().unwrap();
    input.write_all(request.as_bytes()).await.unwrap();
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn openssl_shakes_hands() {
    let sec = Sec::start().await;
    let (folder, hq) = (tempfile::tempdir().unwrap(), sec.authority.client("hq"));
    let at = |name: &str| folder.path().join(name).display().to_string();
    for (name, text) in [("ca.pem", sec.authority.pem()), ("hq.crt", hq.chain), ("hq.key", hq.key)] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    for (version, said) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let output = Command::new("openssl")
            .args(["s_client", "-connect", &sec.address.to_string(), version, "-verify_return_error", "-brief"])
            .args(["-CAfile", &at("ca.pem"), "-cert", &at("hq.crt"), "-key", &at("hq.key")])
            .stdin(Stdio::null())
            .output()
            .await
            .expect("openssl is installed");
        let said_all = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && said_all.contains(said) && said_all.contains("Verification: OK"),
            "{said_all}"
        );
    }
    sec.until("both were connections of hq", || sec.ends("closed") == 2).await;
    let old = Command::new("openssl")
        .args(["s_client", "-connect", &sec.address.to_string(), "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert!(!old.status.success(), "TLS 1.1 is taken");
}
