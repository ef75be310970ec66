//! The RADIUS edge: log-ins by every method, accounting, and everything that must not be answered.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/edge.rs"]
mod edge;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use edge::{CALLER, Client, Edge, LOCALHOST, access, checked, named, pap, random, secret, start};
use radgram::clock::Clock;
use radgram::domain::audit::Actor;
use radgram::domain::session::{EndReason, State};
use radgram::domain::setting::Level;
use radgram::gate::ports::{CutOutcome, Cutter, Target};
use radgram::proto::radius::dialer::{self, Dialer, Nonces};
use radgram::proto::radius::{AttributeType, Code, Opening, Packet, PacketBuilder, SharedSecret, Signature, sign};
use radgram::radius::Cutters;
use radgram::secret::Secret;
use radgram::sim::router::{
    Cause, Delivery, Dial, DialOutcome, Encryption, IncomingConfig, Method, RequireMessageAuth, Tunnel,
};

const SIGNED: Opening = Opening::MessageAuthenticator;

fn dial(user: &str, password: &str, method: Method) -> Dial {
    let encryption = match method {
        Method::Pap | Method::Chap => Encryption::Optional,
        Method::MsChapV1 | Method::MsChapV2 => Encryption::Demanded,
    };
    Dial { method, encryption, ..Dial::new(user, password) }
}

#[track_caller]
fn connected(outcome: DialOutcome) -> Tunnel {
    match outcome {
        DialOutcome::Connected(tunnel) => tunnel,
        other => panic!("not connected: {other:?}"),
    }
}

#[tokio::test]
async fn every_method_is_accepted_with_its_keys_and_accounted() {
    let edge = Edge::start().await;
    let router = edge.router().await;
    for method in [Method::Pap, Method::Chap, Method::MsChapV1, Method::MsChapV2] {
        // The client checks MS-CHAP2-Success and that the MPPE keys are its own.
        let tunnel = connected(router.dial(dial("User", "clientPass", method)).await);
        assert_eq!(tunnel.session_timeout(), Some(Duration::from_secs(8 * 3600)));
        assert_eq!(tunnel.interim_interval(), Some(Duration::from_secs(60)));
        assert!(tunnel.class()[0].starts_with(b"rg1:s"));
        assert_eq!(tunnel.start_delivered().await, Delivery::Answered);
        let open = edge.gate.reader().open_connection_count().await.unwrap();
        assert_eq!(open, 1, "answered before it was committed");
        assert_eq!(tunnel.interim().await, Delivery::Answered);
        assert_eq!(tunnel.hang_up(Cause::UserRequest).await, Delivery::Answered);
    }
    assert_eq!(router.counters().bad_replies, 0);
    assert_eq!(edge.gate.metrics().accepts.get(), 4);
}

#[tokio::test]
async fn a_refusal_tells_its_reason_only_to_who_knows_the_password() {
    let edge = Edge::start().await;
    let router = edge.router().await;
    for method in [Method::Pap, Method::Chap, Method::MsChapV1, Method::MsChapV2] {
        // The wrong ones of before count no more: none of these is kept back.
        edge.clock.advance(Duration::from_secs(600));
        for (user, password, expected) in [
            ("User", "wrong", "Access denied"),
            ("Unheard-of", "clientPass", "Access denied"),
            ("Nobody", "clientPass", "no session: the person has not asked for access"),
        ] {
            let dial = Dial { caller: format!("{user}{method:?}"), ..dial(user, password, method) };
            let DialOutcome::Rejected { reply_message, ms_chap_error } = router.dial(dial).await else {
                panic!("{user} is not rejected");
            };
            assert_eq!(reply_message.as_deref(), Some(expected));
            let is_ms_chap = matches!(method, Method::MsChapV1 | Method::MsChapV2);
            assert_eq!(ms_chap_error.is_some(), is_ms_chap);
            assert!(ms_chap_error.is_none_or(|error| error.starts_with("E=691 R=0 C=")));
        }
    }
    assert_eq!(router.counters().bad_replies, 0);
    assert_eq!((edge.gate.metrics().accepts.get(), edge.gate.metrics().rejects.get()), (0, 12));
}

#[tokio::test]
async fn a_copy_gets_the_same_bytes_while_the_session_is_unchanged() {
    let edge = Edge::start().await;
    let client = Client::new(LOCALHOST).await;
    let request = pap(SIGNED, "User", "clientPass", |_| ());
    let reply = client.ask(edge.auth, &request).await;
    assert_eq!(checked(&reply, &request), (Code::ACCESS_ACCEPT, Signature::Present));
    assert_eq!(client.ask(edge.auth, &request).await, reply);
    assert_eq!(client.ask(edge.auth, &[&request[..], b"padding"].concat()).await, reply);
    let refused = pap(SIGNED, "User", "wrong", |_| ());
    let rejection = client.ask(edge.auth, &refused).await;
    assert_eq!(checked(&rejection, &refused).0, Code::ACCESS_REJECT);
    assert_eq!(client.ask(edge.auth, &refused).await, rejection);
    let metrics = edge.gate.metrics();
    assert_eq!((metrics.accepts.get(), metrics.rejects.get(), metrics.duplicates.get()), (1, 1, 3));

    let mut tx = edge.store.begin().await.unwrap();
    let mut session = tx.open_session(edge.user).await.unwrap().unwrap();
    let now = edge.clock.now();
    session.state = State::Ended { reason: EndReason::ByOperator, at: now };
    tx.save_session(&session, now, now).await.unwrap();
    tx.commit(now).await.unwrap();
    client.send(edge.auth, &request).await;
    // Only once the database was asked is it known that the Accept does not hold any more.
    while edge.drops("duplicate_stale") == 0 {
        tokio::task::yield_now().await;
    }
    client.is_not_answered(edge.auth, &request).await;
}

#[tokio::test]
async fn a_copy_of_what_is_being_worked_on_is_dropped() {
    let edge = Edge::start().await;
    let client = Client::new(LOCALHOST).await;
    let request = start(Opening::Bare, &secret(), named);
    let blocked = edge.store.begin().await.unwrap(); // SQLite has one writer
    client.send(edge.acct, &request).await;
    client.is_not_answered(edge.acct, &request).await;
    assert_eq!(edge.drops("duplicate_in_flight"), 1);
    drop(blocked);
    let (reply, _) = client.receive().await;
    assert_eq!(checked(&reply, &request), (Code::ACCOUNTING_RESPONSE, Signature::Absent));
    assert_eq!(client.ask(edge.acct, &request).await, reply);
    assert_eq!(edge.gate.metrics().records.get(), 1);
}

#[tokio::test]
async fn forged_log_ins_are_dropped_and_counted() {
    let edge = Edge::start().await;
    let client = Client::new(LOCALHOST).await;
    let request = pap(SIGNED, "User", "clientPass", |_| ());
    let mut forged = request.clone();
    forged[40] ^= 1;
    client.is_not_answered(edge.auth, &forged).await;
    assert_eq!(edge.drops("bad_message_authenticator"), 1);
    // The true one has the same identifier and authenticator: the forged one left no trace.
    let reply = client.ask(edge.auth, &request).await;
    assert_eq!(checked(&reply, &request).0, Code::ACCESS_ACCEPT);
    assert_eq!(edge.gate.metrics().duplicates.get(), 0);

    client.is_not_answered(edge.auth, &request[..30]).await;
    assert_eq!(edge.drops("truncated"), 1);
    client.is_not_answered(edge.auth, b"").await;
    assert_eq!(edge.drops("empty"), 1);
    client.is_not_answered(edge.acct, &request).await;
    client.is_not_answered(edge.auth, &start(SIGNED, &secret(), named)).await;
    assert_eq!(edge.drops("wrong_code"), 2);
    let nameless = access(SIGNED, &random(), &secret(), |_| ());
    client.is_not_answered(edge.auth, &nameless).await;
    client.is_not_answered(edge.auth, &nameless).await;
    assert_eq!((edge.drops("no_user_name"), edge.drops("duplicate_in_flight")), (2, 0));
}

#[tokio::test]
async fn a_signature_is_demanded_as_the_router_is_configured() {
    let edge = Edge::start().await;
    let unsigned = || pap(Opening::Bare, "User", "clientPass", |_| ());
    let code = |reply: &[u8], request: &[u8]| checked(reply, request);

    // `off`: taken, and the reply is signed all the same; but nothing unsigned that came through a proxy, and no EAP.
    let old = Client::new(IpAddr::from([127, 0, 0, 3])).await;
    let request = unsigned();
    assert_eq!(code(&old.ask(edge.auth, &request).await, &request).1, Signature::Present);
    let proxied = pap(Opening::Bare, "User", "clientPass", |packet| {
        packet.push(AttributeType::PROXY_STATE, b"p").unwrap();
    });
    old.is_not_answered(edge.auth, &proxied).await;
    assert_eq!(edge.drops("proxy_state_unsigned"), 1);
    let eap = |opening| {
        access(opening, &random(), &secret(), |packet| {
            packet.push(AttributeType::USER_NAME, b"User").unwrap();
            packet.push(AttributeType::EAP_MESSAGE, &[2, 1, 0, 5, 1]).unwrap();
        })
    };
    old.is_not_answered(edge.auth, &eap(Opening::Bare)).await;
    let request = eap(SIGNED);
    assert_eq!(code(&old.ask(edge.auth, &request).await, &request).0, Code::ACCESS_CHALLENGE);

    // `require`: never.
    let strict = Client::new(IpAddr::from([127, 0, 0, 4])).await;
    strict.is_not_answered(edge.auth, &unsigned()).await;
    assert_eq!(edge.drops("missing_message_authenticator"), 2);

    // `auto`: until the box has sent one.
    let auto = Client::new(LOCALHOST).await;
    let request = unsigned();
    assert_eq!(code(&auto.ask(edge.auth, &request).await, &request).0, Code::ACCESS_ACCEPT);
    let request = pap(SIGNED, "User", "clientPass", |_| ());
    assert_eq!(code(&auto.ask(edge.auth, &request).await, &request).0, Code::ACCESS_ACCEPT);
    let nas =
        radgram::domain::router::NasKey { router: edge.hq, address: LOCALHOST, identifier: "MikroTik".to_owned() };
    while edge.gate.directory().routers().signs(&nas) == radgram::domain::router::Signs::NotYet {
        tokio::task::yield_now().await;
    }
    auto.is_not_answered(edge.auth, &unsigned()).await;
    assert_eq!(edge.drops("missing_message_authenticator"), 3);
}

#[tokio::test]
async fn proxy_state_comes_back_in_order() {
    let edge = Edge::start().await;
    let client = Client::new(LOCALHOST).await;
    let states = |packet: &mut PacketBuilder| {
        for state in [&b"one"[..], b"two", b""] {
            packet.push(AttributeType::PROXY_STATE, state).unwrap();
        }
    };
    let log_in = pap(SIGNED, "User", "clientPass", states);
    let record = start(Opening::Bare, &secret(), |packet| {
        named(packet);
        states(packet);
    });
    for (server, request) in [(edge.auth, log_in), (edge.acct, record)] {
        let reply = client.ask(server, &request).await;
        checked(&reply, &request);
        let reply = Packet::parse(&reply).unwrap();
        assert_eq!(reply.all(AttributeType::PROXY_STATE).collect::<Vec<_>>(), [&b"one"[..], b"two", b""]);
    }
}

#[tokio::test]
async fn status_server_is_answered_on_both_ports_if_it_is_signed() {
    let edge = Edge::start().await;
    let client = Client::new(LOCALHOST).await;
    for (server, code) in [(edge.auth, Code::ACCESS_ACCEPT), (edge.acct, Code::ACCOUNTING_RESPONSE)] {
        let request = client.status();
        let reply = client.ask(server, &request).await;
        assert_eq!(checked(&reply, &request), (code, Signature::Present));
        assert_eq!(reply[20], AttributeType::MESSAGE_AUTHENTICATOR.0);
        let bare = PacketBuilder::new(Code::STATUS_SERVER, 1, Opening::Bare);
        let bare = sign::sign_request(bare, &random(), &secret());
        client.is_not_answered(server, &bare).await;
    }
    assert_eq!(edge.drops("missing_message_authenticator"), 2);
}

#[tokio::test]
async fn ipv6_is_served_beside_ipv4() {
    let edge = Edge::start().await;
    let client = Client::new(IpAddr::from(Ipv6Addr::LOCALHOST)).await;
    let request = pap(SIGNED, "Nobody", "clientPass", |_| ());
    let reply = client.ask(edge.auth_v6, &request).await;
    assert_eq!(checked(&reply, &request), (Code::ACCESS_REJECT, Signature::Present));
    let record = start(Opening::Bare, &secret(), named);
    let reply = client.ask(edge.acct_v6, &record).await;
    assert_eq!(checked(&reply, &record), (Code::ACCOUNTING_RESPONSE, Signature::Absent));
}

#[tokio::test]
async fn the_reply_leaves_from_the_address_that_was_asked() {
    let edge = Edge::start().await;
    let client = Client::new(LOCALHOST).await;
    let asked = |server: SocketAddr| SocketAddr::from(([127, 0, 0, 2], server.port()));
    let request = pap(SIGNED, "User", "clientPass", |_| ());
    // `ask` compares the source of the reply.
    let reply = client.ask(asked(edge.auth), &request).await;
    assert_eq!(checked(&reply, &request).0, Code::ACCESS_ACCEPT);
    client.ask(asked(edge.auth), &request).await;
    client.ask(asked(edge.acct), &start(Opening::Bare, &secret(), named)).await;
    let nas = edge.gate.reader().nas_lines().await.unwrap();
    let nas = nas.iter().find(|line| line.nas.key.identifier == "MikroTik").unwrap();
    assert_eq!(nas.server, Some(IpAddr::from([127, 0, 0, 2])), "Disconnect leaves from there too");
}

#[tokio::test]
async fn a_stranger_is_not_answered_but_shown() {
    let edge = Edge::start().await;
    let stranger = Client::new(IpAddr::from([127, 0, 0, 9])).await;
    stranger.send(edge.auth, &pap(SIGNED, "User", "clientPass", |_| ())).await;
    stranger.send(edge.acct, &start(Opening::Bare, &secret(), named)).await;
    let known = Client::new(LOCALHOST).await;
    known.ask(edge.auth, &known.status()).await;
    known.ask(edge.acct, &known.status()).await;
    assert_eq!(edge.drops("unknown_router"), 2);
    let shown = edge.gate.strangers();
    assert_eq!((shown[0].address, shown[0].count), (IpAddr::from([127, 0, 0, 9]), 2));
}

#[tokio::test]
async fn records_of_another_secret_or_without_their_names_are_dropped() {
    let edge = Edge::start().await;
    let client = Client::new(LOCALHOST).await;
    let other = SharedSecret::new(Secret::new("other"));
    client.is_not_answered(edge.acct, &start(Opening::Bare, &other, named)).await;
    assert_eq!(edge.drops("bad_accounting_authenticator"), 1);
    let unnamed = start(Opening::Bare, &secret(), |packet| {
        packet.push(AttributeType::USER_NAME, b"User").unwrap();
    });
    client.is_not_answered(edge.acct, &unnamed).await;
    assert_eq!(edge.drops("no_acct_session_id"), 1);
    assert_eq!(edge.gate.metrics().records.get(), 0);

    let signed = start(SIGNED, &secret(), named);
    let reply = client.ask(edge.acct, &signed).await;
    assert_eq!(checked(&reply, &signed), (Code::ACCOUNTING_RESPONSE, Signature::Present));
}

#[tokio::test]
async fn a_router_before_the_message_authenticator_connects_too() {
    let edge = Edge::start().await;
    let router = edge.router_that(|config| config.require_message_auth = RequireMessageAuth::No).await;
    let tunnel = connected(router.dial(dial("User", "clientPass", Method::MsChapV2)).await);
    assert_eq!(tunnel.caller(), CALLER);
    assert_eq!(router.accounting_off().await, Delivery::Answered);
    assert_eq!(router.accounting_on().await, Delivery::Answered);
}

#[tokio::test]
async fn a_connection_is_ended_on_its_router() {
    let edge = Edge::start().await;
    let router = edge.router_that(|config| config.incoming = Some(IncomingConfig::new(LOCALHOST))).await;
    let tunnel = connected(router.dial(dial("User", "clientPass", Method::MsChapV2)).await);
    tunnel.start_delivered().await;
    let target = Target {
        router: router.incoming_addr().unwrap(),
        server: Some(LOCALHOST),
        secret: Secret::new(edge::SECRET),
        habits: radgram::domain::habits::CoaHabits::default(),
        nas_ip: Some(LOCALHOST),
        user_name: b"User".to_vec(),
        acct_session_id: tunnel.acct_session_id().to_owned(),
        framed_ip: Some(tunnel.address().into()),
        radsec: None,
    };
    let cutters = Cutters::new(edge.gate.clone());
    assert_eq!(cutters.disconnect(&target).await, CutOutcome::Acknowledged);
    assert_eq!(tunnel.ended().await, Cause::AdminReset);
    assert_eq!(cutters.disconnect(&target).await, CutOutcome::Gone);
    assert_eq!((router.incoming_counters().requests(), router.incoming_counters().unknown_addresses()), (2, 0));
}

#[tokio::test]
async fn it_stops_when_it_is_told() {
    let edge = Edge::start().await;
    let client = Client::new(LOCALHOST).await;
    client.ask(edge.auth, &client.status()).await;
    edge.cancel.cancel();
    edge.tracker.close();
    edge.tracker.wait().await;
}

/// Who logs in to the router itself (Winbox, SSH, WebFig, API) by RADIUS says Service-Type Login, Administrative or NAS Prompt.
#[tokio::test]
async fn whoever_logs_in_to_the_router_itself_is_refused_whatever_the_services() {
    let edge = Edge::start().await;
    let client = Client::new(LOCALHOST).await;
    let password = Secret::new("clientPass");
    for services in ["vpn", "vpn_and_ipsec"] {
        let level = Level::Router(edge.hq.0);
        edge.gate.set_setting(&Actor::CommandLine, "services", level, services).await.unwrap();
        while edge.gate.directory().habits(edge.hq).services.word() != services {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for method in [dialer::Method::Pap, dialer::Method::Chap, dialer::Method::MsChapV1, dialer::Method::MsChapV2] {
            for (service, expected) in
                [(2, Code::ACCESS_ACCEPT), (1, Code::ACCESS_REJECT), (6, Code::ACCESS_REJECT), (7, Code::ACCESS_REJECT)]
            {
                let nonces =
                    Nonces { authenticator: random(), identifier: 1, challenge: random(), peer_challenge: random() };
                let dialer = Dialer { name: b"User", password: &password, method, nonces: &nonces };
                let request = access(SIGNED, &nonces.authenticator, &secret(), |packet| {
                    packet.push_integer(AttributeType::SERVICE_TYPE, service).unwrap();
                    named(packet);
                    packet.push(AttributeType::CALLING_STATION_ID, CALLER.as_bytes()).unwrap();
                    dialer.push(packet, &secret()).unwrap();
                });
                let reply = client.ask(edge.auth, &request).await;
                assert_eq!(checked(&reply, &request).0, expected, "{services} {method:?} Service-Type {service}");
            }
        }
    }
}
