//! The connection to a router's API: log-ins, certificates, many commands at once, and everything that can break.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/machine.rs"]
mod machine;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use machine::{
    Authority, Door, Identity, NOW, PASSWORD, Peer, builder, done, fleet, patient, router, row, soon, tag_of, until,
    with_api,
};
use radgram::domain::account::Switch;
use radgram::domain::api::{ApiAddress, Fingerprint, OldLogIn, Trust};
use radgram::domain::id::RouterId;
use radgram::domain::router::Router;
use radgram::gate::router_api::{ApiFault, ApiState, FilterRule, RouterApi, RuleRef};
use radgram::proto::routeros::{Sentence, encode};
use radgram::routeros::Fleet;
use radgram::routeros::pace::{IN_FLIGHT, Pace, QUEUE};
use radgram::secret::Secret;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::AsyncReadExt;

/// Greets in a task of its own.
fn greeting(fleet: &Arc<Fleet>, router: &Router) -> tokio::task::JoinHandle<Result<ApiState, ApiFault>> {
    let (fleet, router) = (Arc::clone(fleet), router.clone());
    tokio::spawn(async move { fleet.greet(&router).await })
}

/// Reads all rules in a task of its own.
fn rules(fleet: &Arc<Fleet>, router: &Router) -> tokio::task::JoinHandle<Result<Vec<FilterRule>, ApiFault>> {
    let (fleet, router) = (Arc::clone(fleet), router.clone());
    tokio::spawn(async move { fleet.rules(&router, None).await })
}

const RULES: &str = "/ip/firewall/filter/print";
const IDENTITY: &str = "/system/identity/print";

/// A fleet with one connection that is up.
async fn up(pace: Pace) -> (Arc<Fleet>, Door, Router, Peer) {
    let (fleet, door) = (fleet(pace), Door::open().await);
    let router = door.router();
    let greeting = greeting(&fleet, &router);
    let mut peer = door.admitted().await;
    let tag = peer.hears_of(IDENTITY).await;
    peer.done(&tag).await;
    greeting.await.unwrap().unwrap();
    (fleet, door, router, peer)
}

#[track_caller]
fn assert_unreachable<T: std::fmt::Debug>(outcome: Result<T, ApiFault>, why: &str) {
    match outcome {
        Err(ApiFault::Unreachable(text)) => assert!(text.contains(why), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_greeting_logs_in_and_says_who_it_is() {
    let (fleet, _door, router, _peer) = up(patient()).await;
    let expected = ApiState::Up {
        since: NOW,
        version: "7.22.3 (stable)".to_owned(),
        identity: "gw-1".to_owned(),
        local: Some([127, 0, 0, 1].into()),
    };
    assert_eq!(fleet.state(router.id), expected);
    assert_eq!(fleet.state(RouterId(2)), ApiState::Off);
}

#[tokio::test]
async fn a_router_without_an_api_is_off() {
    let fleet = fleet(patient());
    let mut router = Door::open().await.router();
    router.api = None;
    assert_eq!(fleet.greet(&router).await, Err(ApiFault::Off));
    assert_eq!(fleet.active(&router).await, Err(ApiFault::Off));
    assert_eq!(fleet.accounts(&router).await.secrets, Err(ApiFault::Off));
}

#[tokio::test]
async fn a_refused_log_in_is_told_and_not_repeated_by_what_runs_by_itself() {
    let (fleet, door) =
        (fleet(Pace { refused: machine::LIMIT, retry: machine::LIMIT, ..patient() }), Door::open().await);
    let router = door.router();
    let refused = || ApiFault::LogIn("invalid user name or password (6)".to_owned());
    for _ in 0..2 {
        let greeting = greeting(&fleet, &router);
        let mut peer = door.peer().await;
        let tag = peer.hears_of("/login").await;
        peer.refuses(&tag, "invalid user name or password (6)").await;
        assert_eq!(greeting.await.unwrap(), Err(refused()));
        assert_eq!(peer.hears_until_closed().await, [""; 0]);
        // No connection is made for these: nobody answers at the door, and they would wait.
        assert_eq!(fleet.rules(&router, None).await, Err(refused()));
        assert!(matches!(fleet.state(router.id), ApiState::Failing { since: NOW, fault, .. } if fault == refused()));
    }
}

#[tokio::test]
async fn a_refusal_without_a_tag_is_that_of_the_log_in() {
    let (fleet, door) = (fleet(patient()), Door::open().await);
    let greeting = greeting(&fleet, &door.router());
    let mut peer = door.peer().await;
    peer.hears_of("/login").await;
    peer.says(Sentence::reply("!trap").with("message", "cannot log in")).await;
    peer.says(Sentence::reply("!done")).await;
    assert_eq!(greeting.await.unwrap(), Err(ApiFault::LogIn("cannot log in".to_owned())));
}

const CHALLENGE: &str = "ebddd18303a54111e2dea05a92ab46b4";

#[tokio::test]
async fn the_old_log_in_is_not_taken_unless_it_is_allowed() {
    let (fleet, door) = (fleet(patient()), Door::open().await);
    let greeting = greeting(&fleet, &door.router());
    let mut peer = door.peer().await;
    let tag = peer.hears_of("/login").await;
    peer.says(done(&tag).with("ret", CHALLENGE)).await;
    assert_eq!(greeting.await.unwrap(), Err(ApiFault::OldLogIn));
    assert_eq!(peer.hears_until_closed().await, [""; 0]);
}

#[tokio::test]
async fn the_old_log_in_proves_the_password_by_md5() {
    let (fleet, door) = (fleet(patient()), Door::open().await);
    let router = with_api(&door.router(), |api| api.old_log_in = OldLogIn::Allowed);
    let greeting = greeting(&fleet, &router);
    let mut peer = door.peer().await;
    let tag = peer.hears_of("/login").await;
    peer.says(done(&tag).with("ret", CHALLENGE)).await;
    let second = peer.hears().await.unwrap();
    assert_eq!(second.attribute("response"), Some(&b"00e33bb013fc72f53a8dc2a561d4fcd31d"[..]));
    assert_eq!(second.attribute("password"), None);
    peer.done(&tag_of(&second)).await;
    peer.says_who_it_is().await;
    let tag = peer.hears_of(IDENTITY).await;
    peer.done(&tag).await;
    assert!(matches!(greeting.await.unwrap(), Ok(ApiState::Up { .. })));
}

/// Greets over TLS a router that shows this identity; gives also whether it was told anything.
async fn greet_over_tls(
    config: Arc<rustls::ServerConfig>,
    trust: Trust,
    host: &str,
) -> (Result<ApiState, ApiFault>, Told) {
    let (fleet, door) = (fleet(Pace { retry: machine::LIMIT, ..patient() }), Door::open().await);
    let router = with_api(&router(door.address(), trust), |api| {
        api.address = ApiAddress { host: host.to_owned(), port: Some(door.address().port()) };
    });
    let greeting = greeting(&fleet, &router);
    let told = match door.tls_peer(config).await {
        Ok(peer) => answer_over_tls(peer).await,
        Err(_) => Told::Nothing,
    };
    (greeting.await.unwrap(), told)
}

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    LogIn,
}

/// With TLS 1.3 the router may see its handshake through before it hears that it is refused.
async fn answer_over_tls(mut peer: Peer) -> Told {
    let Some(login) = peer.hears().await else { return Told::Nothing };
    assert_eq!(login.attribute("password"), Some(PASSWORD.as_bytes()));
    peer.done(&tag_of(&login)).await;
    peer.says_who_it_is().await;
    let tag = peer.hears_of(IDENTITY).await;
    peer.done(&tag).await;
    peer.hears_until_closed().await;
    Told::LogIn
}

#[tokio::test]
async fn a_pinned_certificate_is_taken_whatever_it_is_called() {
    let shown = Identity::of_a_router();
    let (fleet, door) = (fleet(patient()), Door::open().await);
    let router = router(door.address(), Trust::Pinned(Some(shown.fingerprint())));
    let greeting = greeting(&fleet, &router);
    let peer = door.tls_peer(shown.config()).await.unwrap();
    let told = tokio::spawn(answer_over_tls(peer));
    assert!(matches!(greeting.await.unwrap(), Ok(ApiState::Up { .. })));
    fleet.close().await;
    assert_eq!(told.await.unwrap(), Told::LogIn);
}

#[tokio::test]
async fn another_certificate_than_the_pinned_is_refused_before_anything_is_said() {
    let shown = Identity::of_a_router();
    for trust in [Trust::Pinned(None), Trust::Pinned(Some(Fingerprint([7; 32])))] {
        let outcome = greet_over_tls(shown.config(), trust, "127.0.0.1").await;
        assert_eq!(outcome, (Err(ApiFault::NotTrusted(shown.fingerprint())), Told::Nothing));
    }
}

/// Shows a certificate without having its key.
#[derive(Debug)]
struct Thief(Arc<CertifiedKey>);

impl ResolvesServerCert for Thief {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

#[tokio::test]
async fn the_pinned_certificate_without_its_key_is_refused_before_anything_is_said() {
    let (shown, other) = (Identity::of_a_router(), Identity::of_a_router());
    let key = rustls::crypto::ring::sign::any_supported_type(&other.der().1).unwrap();
    let stolen = CertifiedKey::new(vec![shown.der().0], key);
    let config = builder().with_cert_resolver(Arc::new(Thief(Arc::new(stolen))));
    let trust = Trust::Pinned(Some(shown.fingerprint()));
    let (outcome, told) = greet_over_tls(Arc::new(config), trust, "127.0.0.1").await;
    assert_unreachable(outcome, "TLS");
    assert_eq!(told, Told::Nothing);
}

#[tokio::test]
async fn a_certificate_of_the_authority_is_taken_for_its_host() {
    let authority = Authority::new();
    for (names, host) in [(&["127.0.0.1"], "127.0.0.1"), (&["localhost"], "localhost")] {
        let (fleet, door) = (fleet(patient()), Door::open().await);
        let router = with_api(&router(door.address(), Trust::Authority(authority.pem.clone())), |api| {
            api.address.host = host.to_owned();
        });
        let greeting = greeting(&fleet, &router);
        let peer = door.tls_peer(authority.signs(names).config()).await.unwrap();
        let told = tokio::spawn(answer_over_tls(peer));
        assert!(matches!(greeting.await.unwrap(), Ok(ApiState::Up { .. })), "{host}");
        fleet.close().await;
        assert_eq!(told.await.unwrap(), Told::LogIn);
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_or_for_another_host_is_not_trusted() {
    let (authority, other) = (Authority::new(), Authority::new());
    let trust = || Trust::Authority(authority.pem.clone());
    for shown in [other.signs(&["127.0.0.1"]), authority.signs(&["127.0.0.2"]), Identity::of_a_router()] {
        let outcome = greet_over_tls(shown.config(), trust(), "127.0.0.1").await;
        assert_eq!(outcome, (Err(ApiFault::NotTrusted(shown.fingerprint())), Told::Nothing));
    }
}

#[tokio::test]
async fn an_authority_that_is_none_is_refused() {
    let (fleet, door) = (fleet(patient()), Door::open().await);
    for pem in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let outcome = fleet.greet(&router(door.address(), Trust::Authority(pem.to_owned()))).await;
        assert!(matches!(outcome, Err(ApiFault::Refused(_))), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_service_without_a_certificate_is_known_by_its_alert() {
    let (fleet, door) = (fleet(patient()), Door::open().await);
    let greeting = greeting(&fleet, &router(door.address(), Trust::Pinned(None)));
    let mut stream = door.stream().await;
    let mut hello = [0; 5];
    stream.read_exact(&mut hello).await.unwrap();
    assert_eq!(hello[0], 0x16, "a handshake");
    let mut peer = Peer::new(Box::new(stream));
    peer.writes(&[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28]).await;
    assert_eq!(greeting.await.unwrap(), Err(ApiFault::NoCertificate));
}

#[tokio::test]
async fn what_speaks_another_language_is_no_api() {
    let (fleet, door) = (fleet(patient()), Door::open().await);
    let greeting = greeting(&fleet, &door.router());
    let mut peer = door.peer().await;
    peer.hears_of("/login").await;
    peer.writes(b"\xff\xfb\x01\xff\xfb\x03").await;
    assert_unreachable(greeting.await.unwrap(), "no RouterOS API");
}

#[tokio::test]
async fn a_shut_door_is_told_at_once() {
    let fleet = fleet(patient());
    let router = Door::open().await.router();
    assert_unreachable(fleet.greet(&router).await, "refused");
}

#[tokio::test]
async fn interleaved_answers_in_single_bytes_find_their_askers() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let both = tokio::spawn({
        let (fleet, router) = (Arc::clone(&fleet), router.clone());
        async move { tokio::join!(fleet.rules(&router, None), fleet.leases(&router)) }
    });
    let mut heard = Vec::new();
    for _ in 0..3 {
        let command = peer.hears().await.unwrap();
        heard.push((String::from_utf8(command.first().to_vec()).unwrap(), tag_of(&command)));
    }
    let tag = |path: &str| heard.iter().find(|(heard, _)| heard == path).unwrap().1.clone();
    let (filter, v4, v6) =
        (tag(RULES), tag("/ip/firewall/address-list/print"), tag("/ipv6/firewall/address-list/print"));
    let lease = |tag: &str, address: &str| row(tag).with("list", "radgram").with("address", address);
    let mut bytes = Vec::new();
    for reply in [
        lease(&v6, "2001:db8::1/128"),
        row(&filter).with(".id", "*A").with("comment", "2FA ann"),
        lease(&v4, "10.8.0.5"),
        done(&v4),
        row(&filter).with(".id", "*B").with("comment", "2FA bob"),
        done(&filter),
        done(&v6),
    ] {
        encode(&reply, &mut bytes);
    }
    for byte in bytes {
        peer.writes(&[byte]).await;
    }
    let (rules, leases) = both.await.unwrap();
    let ids: Vec<_> = rules.unwrap().into_iter().map(|rule| rule.id).collect();
    let addresses: Vec<_> = leases.unwrap().into_iter().map(|lease| lease.address).collect();
    assert_eq!((ids, addresses), (vec!["*A".into(), "*B".into()], vec!["10.8.0.5".into(), "2001:db8::1/128".into()]));
}

#[tokio::test]
async fn twenty_thousand_rows_go_through() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let asked = rules(&fleet, &router);
    let tag = peer.hears_of(RULES).await;
    for chunk in 0..20 {
        let mut bytes = Vec::new();
        for number in 0..1000 {
            let number = chunk * 1000 + number;
            let rule = row(&tag).with(".id", format!("*{number:X}")).with("chain", "forward");
            encode(&rule.with("comment", format!("2FA {number}")).with("disabled", "true"), &mut bytes);
        }
        peer.writes(&bytes).await;
    }
    peer.done(&tag).await;
    let rules = asked.await.unwrap().unwrap();
    assert_eq!(rules.len(), 20_000);
    assert_eq!(rules[19_999].comment, b"2FA 19999");
    assert!(rules.iter().all(|rule| rule.switch == Switch::Disabled));
}

/// Looks once how far a future is, which lets it begin.
fn look<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn changes_wake_everyone_who_listens() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let mut first = pin!(fleet.active_changed(&router));
    let mut second = pin!(fleet.active_changed(&router));
    assert!(look(first.as_mut()).is_pending() && look(second.as_mut()).is_pending());
    let tag = peer.hears_of("/ppp/active/listen").await;
    peer.says(row(&tag).with(".id", "*9").with("name", "olga")).await;
    soon("both", async { tokio::join!(first, second) }).await;

    // One listens for all: the next who waits asks for nothing.
    let mut third = pin!(fleet.active_changed(&router));
    assert!(look(third.as_mut()).is_pending());
    peer.says(row(&tag).with(".id", "*9").with(".dead", "true")).await;
    soon("the third", third).await;
}

#[tokio::test]
async fn where_listening_is_refused_nobody_is_woken() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let mut waiting = pin!(fleet.active_changed(&router));
    assert!(look(waiting.as_mut()).is_pending());
    let tag = peer.hears_of("/ppp/active/listen").await;
    peer.refuses(&tag, "no such command").await;
    let asked = rules(&fleet, &router);
    let tag = peer.hears_of(RULES).await;
    peer.done(&tag).await;
    asked.await.unwrap().unwrap();
    assert!(look(waiting.as_mut()).is_pending());
}

#[tokio::test]
async fn a_connection_that_came_back_counts_as_a_change() {
    let (fleet, door, router, mut peer) = up(Pace { retry: Duration::from_millis(1), ..patient() }).await;
    let mut waiting = pin!(fleet.active_changed(&router));
    assert!(look(waiting.as_mut()).is_pending());
    peer.hears_of("/ppp/active/listen").await;
    drop(peer);
    let mut peer = door.admitted().await;
    soon("the change", waiting).await;
    peer.hears_of("/ppp/active/listen").await;
}

#[tokio::test]
async fn what_nobody_waits_for_is_cancelled() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let asked = rules(&fleet, &router);
    let tag = peer.hears_of(RULES).await;
    asked.abort();
    let cancel = peer.hears().await.unwrap();
    assert_eq!((cancel.first(), cancel.attribute("tag")), (&b"/cancel"[..], Some(tag.as_bytes())));
    // The rest of the answer is nobody's, and the connection goes on.
    peer.says(row(&tag).with(".id", "*A")).await;
    peer.refuses(&tag, "interrupted").await;
    peer.done(&tag_of(&cancel)).await;
    let asked = rules(&fleet, &router);
    let tag = peer.hears_of(RULES).await;
    peer.done(&tag).await;
    assert_eq!(asked.await.unwrap(), Ok(Vec::new()));
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_cancelled_and_the_connection_stays() {
    let (fleet, _door, router, mut peer) = up(Pace { call: Duration::from_secs(2), ..patient() }).await;
    let asked = rules(&fleet, &router);
    let tag = peer.hears_of(RULES).await;
    assert_unreachable(asked.await.unwrap(), "no answer within 2 s");
    let cancel = peer.hears().await.unwrap();
    assert_eq!(cancel.attribute("tag"), Some(tag.as_bytes()));
    peer.done(&tag).await;
    peer.done(&tag_of(&cancel)).await;
    assert!(matches!(fleet.state(router.id), ApiState::Up { .. }));
}

#[tokio::test]
async fn a_router_that_does_not_end_what_was_cancelled_is_given_up() {
    let pace = Pace { sign: Duration::from_millis(100), retry: machine::LIMIT, ..patient() };
    let (fleet, _door, router, mut peer) = up(pace).await;
    let asked = rules(&fleet, &router);
    peer.hears_of(RULES).await;
    asked.abort();
    assert_eq!(peer.hears_until_closed().await, ["/cancel"]);
    until("the state", || matches!(fleet.state(router.id), ApiState::Failing { .. })).await;
}

#[tokio::test]
async fn a_router_that_owes_an_answer_and_is_silent_is_given_up() {
    let soon = Duration::from_millis(500);
    let pace = Pace { owed: soon, sign: soon, retry: machine::LIMIT, ..patient() };
    let (fleet, _door, router, mut peer) = up(pace).await;
    let (first, second) = (rules(&fleet, &router), rules(&fleet, &router));
    peer.hears_of(RULES).await;
    peer.hears_of(RULES).await;
    assert_unreachable(first.await.unwrap(), "does not answer any more");
    assert_unreachable(second.await.unwrap(), "does not answer any more");
    assert_eq!(peer.hears_until_closed().await, [IDENTITY]);
}

#[tokio::test]
async fn a_stall_that_ends_in_time_harms_nobody() {
    let pace = Pace { owed: Duration::from_millis(200), ..patient() };
    let (fleet, _door, router, mut peer) = up(pace).await;
    let asked = rules(&fleet, &router);
    let tag = peer.hears_of(RULES).await;
    let sign = peer.hears_of(IDENTITY).await;
    peer.says(row(&tag).with(".id", "*A").with("comment", "2FA ann")).await;
    peer.done(&tag).await;
    peer.done(&sign).await;
    assert_eq!(asked.await.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn an_idle_router_is_asked_for_a_sign_of_life() {
    let pace = Pace { idle: Duration::from_millis(50), ..patient() };
    let (fleet, _door, router, mut peer) = up(pace).await;
    for _ in 0..3 {
        let tag = peer.hears_of(IDENTITY).await;
        peer.says(row(&tag).with("name", "gw-1")).await;
        peer.done(&tag).await;
    }
    assert!(matches!(fleet.state(router.id), ApiState::Up { .. }));
}

#[tokio::test]
async fn an_idle_router_without_a_sign_of_life_is_given_up() {
    let soon = Duration::from_millis(50);
    let (fleet, _door, router, mut peer) =
        up(Pace { idle: soon, sign: soon, retry: machine::LIMIT, ..patient() }).await;
    assert_eq!(peer.hears_until_closed().await, [IDENTITY]);
    until("the state", || {
        let state = fleet.state(router.id);
        matches!(state, ApiState::Failing { since: NOW, fault: ApiFault::Unreachable(_), next } if next > NOW)
    })
    .await;
}

#[tokio::test]
async fn a_door_behind_which_nobody_speaks_is_left() {
    let (fleet, door) = (fleet(Pace { connect: Duration::from_millis(100), ..patient() }), Door::open().await);
    for trust in [Trust::Plain, Trust::Pinned(None)] {
        let greeting = greeting(&fleet, &router(door.address(), trust));
        let _silent = door.stream().await;
        assert_unreachable(greeting.await.unwrap(), "no connection within 0.1 s");
    }
}

#[tokio::test]
async fn who_waits_is_told_of_a_fatal_reply() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let (first, second) = (rules(&fleet, &router), rules(&fleet, &router));
    let tag = peer.hears_of(RULES).await;
    peer.hears_of(RULES).await;
    peer.says(row(&tag).with(".id", "*A").with("comment", "half an answer")).await;
    peer.says(Sentence::reply("!fatal").with_word("session terminated")).await;
    assert_unreachable(first.await.unwrap(), "session terminated");
    assert_unreachable(second.await.unwrap(), "session terminated");
}

#[tokio::test]
async fn who_waits_is_told_of_a_lost_connection() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let asked = rules(&fleet, &router);
    let tag = peer.hears_of(RULES).await;
    peer.says(row(&tag).with(".id", "*A").with("comment", "half an answer")).await;
    drop(peer);
    assert_unreachable(asked.await.unwrap(), "");
}

#[tokio::test]
async fn a_fatal_reply_to_the_log_in_is_told() {
    let (fleet, door) = (fleet(patient()), Door::open().await);
    let greeting = greeting(&fleet, &door.router());
    let mut peer = door.peer().await;
    peer.says(Sentence::reply("!fatal").with_word("too many sessions")).await;
    assert_unreachable(greeting.await.unwrap(), "too many sessions");
}

#[tokio::test]
async fn a_call_does_not_wait_for_the_next_try() {
    let (fleet, door, router, peer) = up(Pace { retry: machine::LIMIT, ..patient() }).await;
    let address = door.address();
    drop((peer, door));
    until("the loss", || matches!(fleet.state(router.id), ApiState::Failing { .. })).await;
    assert_unreachable(fleet.rules(&router, None).await, "refused");
    let door = Door::open_at(address).await;
    let asked = rules(&fleet, &router);
    let mut peer = door.admitted().await;
    let tag = peer.hears_of(RULES).await;
    peer.done(&tag).await;
    assert_eq!(asked.await.unwrap(), Ok(Vec::new()));
    assert!(matches!(fleet.state(router.id), ApiState::Up { .. }));
}

#[tokio::test]
async fn a_lost_connection_comes_back_by_itself() {
    let (fleet, door, router, peer) = up(Pace { retry: Duration::from_millis(1), ..patient() }).await;
    drop(peer);
    for _ in 0..3 {
        drop(door.peer().await);
    }
    let _peer = door.admitted().await;
    until("the connection", || matches!(fleet.state(router.id), ApiState::Up { .. })).await;
}

#[tokio::test]
async fn calls_while_it_connects_are_answered_when_it_has() {
    let (fleet, door) = (fleet(patient()), Door::open().await);
    let router = door.router();
    let asked = [rules(&fleet, &router), rules(&fleet, &router)];
    let mut peer = door.peer().await;
    assert_eq!(fleet.state(router.id), ApiState::Connecting);
    peer.admits().await;
    for asked in asked {
        let tag = peer.hears_of(RULES).await;
        peer.done(&tag).await;
        assert_eq!(asked.await.unwrap(), Ok(Vec::new()));
    }
}

#[tokio::test]
async fn more_than_may_wait_is_told_that_the_router_is_busy() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let in_flight: Vec<_> = (0..IN_FLIGHT).map(|_| rules(&fleet, &router)).collect();
    let mut tags = Vec::new();
    for _ in 0..IN_FLIGHT {
        tags.push(peer.hears_of(RULES).await);
    }
    let mut waiting: Vec<_> = (0..QUEUE).map(|_| Box::pin(fleet.rules(&router, None))).collect();
    assert!(waiting.iter_mut().all(|call| look(call.as_mut()).is_pending()));
    assert_unreachable(fleet.rules(&router, None).await, "busy");

    // As soon as there is room it goes on.
    for (asked, tag) in in_flight.into_iter().zip(tags) {
        peer.done(&tag).await;
        assert_eq!(asked.await.unwrap(), Ok(Vec::new()));
    }
    for call in waiting {
        let answering = async {
            let tag = peer.hears_of(RULES).await;
            peer.done(&tag).await;
        };
        assert_eq!(tokio::join!(call, answering).0, Ok(Vec::new()));
    }
}

#[tokio::test]
async fn another_log_in_makes_another_connection() {
    let (fleet, door, router, mut peer) = up(patient()).await;
    let asked = rules(&fleet, &router);
    peer.hears_of(RULES).await;
    let changed = with_api(&router, |api| api.password = Secret::new("another"));
    let greeting = greeting(&fleet, &changed);
    assert_unreachable(asked.await.unwrap(), "let go");
    assert_eq!(peer.hears_until_closed().await, [""; 0]);
    let login = door.peer().await.hears().await.unwrap();
    assert_eq!(login.attribute("password"), Some(&b"another"[..]));
    greeting.abort();
}

#[tokio::test]
async fn a_forgotten_router_is_let_go() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let mut listening = pin!(fleet.active_changed(&router));
    assert!(look(listening.as_mut()).is_pending());
    peer.hears_of("/ppp/active/listen").await;
    let asked = rules(&fleet, &router);
    peer.hears_of(RULES).await;
    fleet.forget(router.id);
    assert_unreachable(asked.await.unwrap(), "let go");
    assert_eq!(fleet.state(router.id), ApiState::Off);
    assert_eq!(peer.hears_until_closed().await, [""; 0]);
    soon("who listens is woken", listening).await;
}

#[tokio::test]
async fn a_closed_fleet_asks_nobody() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let asked = rules(&fleet, &router);
    peer.hears_of(RULES).await;
    soon("the end", fleet.close()).await;
    assert_unreachable(asked.await.unwrap(), "let go");
    assert_unreachable(fleet.rules(&router, None).await, "stopping");
    assert_eq!(peer.hears_until_closed().await, [""; 0]);
}

#[tokio::test]
async fn refusals_keep_their_texts_and_their_meanings() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let menu = "/ip/firewall/filter".to_owned();
    for (text, fault) in [
        ("not enough permissions (9)", ApiFault::Forbidden("not enough permissions (9)".to_owned())),
        ("no such command prefix", ApiFault::NoMenu(menu)),
        ("failure: what else", ApiFault::Refused("failure: what else".to_owned())),
    ] {
        let asked = rules(&fleet, &router);
        let tag = peer.hears_of(RULES).await;
        peer.refuses(&tag, text).await;
        assert_eq!(asked.await.unwrap(), Err(fault));
    }
}

#[tokio::test]
async fn a_router_that_lets_us_read_nothing_is_told_when_greeted() {
    let (fleet, door) = (fleet(patient()), Door::open().await);
    let greeting = greeting(&fleet, &door.router());
    let mut peer = door.peer().await;
    let tag = peer.hears_of("/login").await;
    peer.done(&tag).await;
    let tag = peer.hears_of("/system/resource/print").await;
    peer.refuses(&tag, "not enough permissions (9)").await;
    assert_eq!(greeting.await.unwrap(), Err(ApiFault::Forbidden("not enough permissions (9)".to_owned())));
}

#[tokio::test]
async fn a_rule_that_is_gone_between_look_and_change_is_told() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let switching = tokio::spawn(async move {
        let rule = RuleRef { id: "*A".to_owned(), comment: b"2FA \xcf\xf0".to_vec() };
        fleet.switch_rule(&router, &rule, Switch::Enabled).await
    });
    let tag = peer.hears_of(RULES).await;
    peer.says(row(&tag).with(".id", "*A").with("comment", b"2FA \xcf\xf0").with("disabled", "true")).await;
    peer.done(&tag).await;
    let tag = peer.hears_of("/ip/firewall/filter/set").await;
    peer.refuses(&tag, "no such item").await;
    assert_eq!(switching.await.unwrap(), Err(ApiFault::Gone("no such item".to_owned())));
}
