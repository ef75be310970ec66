//! Accounts whose password a home server knows: FreeRADIUS stands in for the User Manager of a router, and where it is too
//! well-behaved, a home server made by hand.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/eap.rs"]
mod eap;
#[path = "support/edge.rs"]
mod edge;
#[path = "support/freeradius.rs"]
mod freeradius;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use eap::Nas;
use edge::{CALLER, Client, Edge, LOCALHOST, SECRET, access, checked, pap, random, secret};
use freeradius::{FreeRadius, HOME_SECRET, free};
use radgram::crypto::chap;
use radgram::domain::account::{Source, Switch};
use radgram::domain::attribute::Subject;
use radgram::domain::audit::Actor;
use radgram::domain::home::Health;
use radgram::domain::id::AccountId;
use radgram::domain::router::Demand;
use radgram::domain::setting::Level;
use radgram::gate::HomeForm;
use radgram::proto::radius::{
    AttributeType, Code, Opening, Packet, PacketBuilder, SharedSecret, Signature, VendorType, hide, sign,
};
use radgram::secret::Secret;
use radgram::sim::router::{Dial, DialOutcome, Encryption, Method, Tunnel};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const SIGNED: Opening = Opening::MessageAuthenticator;
const ACTOR: Actor = Actor::CommandLine;
const METHODS: [Method; 4] = [Method::Pap, Method::Chap, Method::MsChapV1, Method::MsChapV2];
/// Longer than anything here takes; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// The try of a home server that is to answer, on a machine that does much else.
const LONG: Duration = Duration::from_secs(20);
/// The try of one that does not.
const SHORT: Duration = Duration::from_millis(60);

const USERS: &str = r#"
User Cleartext-Password := "at-home"
	Mikrotik-Rate-Limit = "10M/20M",
	Mikrotik-Group = "home",
	Framed-Pool = "vpn",
	Session-Timeout = 600,
	Acct-Interim-Interval = 7,
	Class = "home",
	Reply-Message = "hello",
	Tunnel-Password:1 = "tunnelled"
Nobody Cleartext-Password := "at-home"
"#;

/// An edge whose accounts `User` (with a session) and `Nobody` (without) have their passwords at `home`.
async fn edge_with(home: SocketAddr, timeout: Duration, demand: Demand) -> Edge {
    let edge = Edge::start().await;
    let mut tx = edge.store.begin().await.unwrap();
    for account in [edge.user, edge.nobody] {
        tx.set_source(account, Source::UserManager).await.unwrap();
    }
    tx.commit(edge.gate.now()).await.unwrap();
    for account in [edge.user, edge.nobody] {
        edge.gate.directory().read(account).await.unwrap();
    }
    set_home(&edge, home, HOME_SECRET, timeout, demand).await;
    edge
}

async fn set_home(edge: &Edge, address: SocketAddr, secret: &str, timeout: Duration, demand: Demand) {
    let form = HomeForm { address, secret: Some(Secret::new(secret)), timeout, message_authenticator: demand };
    edge.gate.set_router_home(&ACTOR, edge.hq, Some(&form)).await.unwrap();
}

/// A dial while time passes: refusals are kept back after wrong passwords.
async fn patiently(edge: &Edge, dial: impl Future<Output = DialOutcome>) -> DialOutcome {
    let mut dial = pin!(dial);
    loop {
        tokio::select! {
            outcome = &mut dial => return outcome,
            () = tokio::time::sleep(Duration::from_millis(5)) => edge.clock.advance(Duration::from_millis(20)),
        }
    }
}

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

#[track_caller]
fn rejected(outcome: DialOutcome) -> String {
    match outcome {
        DialOutcome::Rejected { reply_message, .. } => reply_message.unwrap(),
        other => panic!("not rejected: {other:?}"),
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// How often `reason` stands in the attempts.
async fn attempts(edge: &Edge, reason: &str) -> usize {
    let lines = edge.gate.reader().attempts().await.unwrap();
    lines.iter().filter(|line| line.reason.as_deref() == Some(reason)).count()
}

async fn questions(edge: &Edge, account: AccountId) -> usize {
    edge.store.begin().await.unwrap().pending_prompts(account).await.unwrap().len()
}

async fn health(edge: &Edge) -> Health {
    let routers = edge.gate.directory().routers();
    edge.gate.home_health(routers.router(edge.hq).unwrap()).unwrap()
}

#[tokio::test]
async fn every_method_is_proven_by_the_home_server() {
    let home = FreeRadius::start(USERS).await;
    let edge = edge_with(home.address, LONG, Demand::Auto).await;
    let router = edge.router().await;
    for method in METHODS {
        // The client checks MS-CHAP2-Success, and that the MPPE keys are those that its password implies.
        let tunnel = connected(router.dial(dial("User", "at-home", method)).await);
        assert_eq!(tunnel.session_timeout(), Some(Duration::from_secs(600)), "the smaller of both");
        assert_eq!(tunnel.interim_interval(), Some(Duration::from_secs(60)), "radgram's own");
        assert_eq!(tunnel.class().len(), 1);
        assert!(tunnel.class()[0].starts_with(b"rg1:s"));
        assert_eq!(tunnel.rate_limit().as_deref(), Some("10M/20M"));
        tunnel.hang_up(radgram::sim::router::Cause::UserRequest).await;
    }
    assert_eq!((router.counters().bad_replies, edge.gate.metrics().accepts.get()), (0, 4));
    assert!(matches!(health(&edge).await, Health::Up(_)));
}

#[tokio::test]
async fn a_wrong_password_is_a_guess_and_the_home_server_is_not_asked_past_the_limit() {
    let home = FreeRadius::start(USERS).await;
    let edge = edge_with(home.address, LONG, Demand::Auto).await;
    let router = edge.router().await;
    for method in METHODS {
        let dial = Dial { caller: format!("{method:?}"), ..dial("User", "clientPass", method) };
        assert_eq!(rejected(patiently(&edge, router.dial(dial)).await), "Access denied");
    }
    until("wrong passwords", async || attempts(&edge, "wrong_password").await == 4).await;
    edge.gate.set_setting(&ACTOR, "guess_limit", Level::System, "5").await.unwrap();
    until("the setting holds", async || edge.gate.directory().system_policy().guess_limit == 5).await;
    let stranger = |password| Dial { caller: "198.51.100.9".to_owned(), ..dial("User", password, Method::Pap) };
    assert_eq!(rejected(patiently(&edge, router.dial(stranger("guess"))).await), "Access denied");
    assert_eq!(rejected(patiently(&edge, router.dial(stranger("at-home"))).await), "Access denied");
    until("no more guesses", async || attempts(&edge, "guessing").await == 1).await;
    // Strangers are slowed, and not who is known.
    connected(router.dial(dial("User", "at-home", Method::MsChapV2)).await);
}

#[tokio::test]
async fn the_question_comes_after_the_home_servers_yes_and_its_yes_alone_lets_nobody_in() {
    let home = FreeRadius::start(USERS).await;
    let edge = edge_with(home.address, LONG, Demand::Auto).await;
    let router = edge.router().await;
    assert_eq!(rejected(router.dial(dial("Nobody", "clientPass", Method::MsChapV2)).await), "Access denied");
    until("the attempt", async || attempts(&edge, "wrong_password").await == 1).await;
    assert_eq!(questions(&edge, edge.nobody).await, 0);
    let said = rejected(router.dial(dial("Nobody", "at-home", Method::MsChapV2)).await);
    assert_eq!(said, "no session: the person has not asked for access");
    until("the question", async || questions(&edge, edge.nobody).await == 1).await;
    assert_eq!(edge.gate.metrics().accepts.get(), 0);
}

#[tokio::test]
async fn who_is_unknown_there_and_what_is_off_here_is_refused_without_a_word() {
    let home = Fake::start(|request| Some(fake_accept(request))).await;
    let edge = edge_with(home.address, LONG, Demand::Off).await;
    let router = edge.router().await;
    edge.gate.switch_account(&ACTOR, edge.nobody, Switch::Disabled).await.unwrap();
    assert_eq!(rejected(router.dial(dial("Nobody", "at-home", Method::Pap)).await), "Access denied");
    until("the reason is kept", async || attempts(&edge, "account_disabled").await == 1).await;
    // EAP is not asked there, and the password that was kept here before does not count.
    let by_eap = eap::Nas::new(edge.auth, SECRET, "User", "clientPass", CALLER).await;
    assert_eq!(by_eap.log_in().await.code(), Code::ACCESS_REJECT);
    until("the reason is kept", async || attempts(&edge, "eap_at_home").await == 1).await;
    assert_eq!(home.asked(), 0);
    drop(home);
    // Unknown there: the home server says no.
    let home = FreeRadius::start("Other Cleartext-Password := \"x\"\n").await;
    set_home(&edge, home.address, HOME_SECRET, LONG, Demand::Auto).await;
    assert_eq!(rejected(router.dial(dial("User", "at-home", Method::MsChapV2)).await), "Access denied");
    edge.gate.set_router_home(&ACTOR, edge.hq, None).await.unwrap();
    assert_eq!(rejected(router.dial(dial("User", "at-home", Method::MsChapV2)).await), "Access denied");
    until("the reason is kept", async || attempts(&edge, "no_home").await == 1).await;
}

/// A PAP log-in with a guessed password, from a caller of its own.
fn guess(user: &str, caller: &str) -> Vec<u8> {
    let authenticator = random();
    let hidden = hide::hide_password(b"a guess", &authenticator, &secret()).unwrap();
    access(SIGNED, &authenticator, &secret(), |packet| {
        packet.push(AttributeType::USER_NAME, user.as_bytes()).unwrap();
        packet.push(AttributeType::USER_PASSWORD, &hidden).unwrap();
        packet.push(AttributeType::CALLING_STATION_ID, caller.as_bytes()).unwrap();
        packet.push(AttributeType::NAS_IDENTIFIER, b"MikroTik").unwrap();
    })
}

/// What `answer` gives, which must not come sooner than any refusal may.
async fn not_at_once<T>(answer: impl Future<Output = T>) -> T {
    let asked = Instant::now();
    let answer = answer.await;
    assert!(asked.elapsed() >= Duration::from_millis(50), "{:?}", asked.elapsed());
    answer
}

/// What `answer` gives; it is kept back for as long as the fourth guess is.
async fn kept_back<T>(edge: &Edge, answer: impl Future<Output = T>) -> T {
    let held = async || edge.gate.metrics().kept_back.get() == 1;
    let (answer, ()) = tokio::join!(answer, async {
        until("it is kept back", held).await;
        edge.clock.advance(Duration::from_millis(249));
        until("it is still kept back", held).await;
        edge.clock.advance(Duration::from_millis(1));
    });
    answer
}

/// What only an account of a home server is refused for is refused as a name is that nobody has.
#[tokio::test]
async fn nothing_shows_which_names_a_home_server_has() {
    let edge = edge_with(SocketAddr::from(([127, 0, 0, 1], 9)), LONG, Demand::Auto).await;
    edge.gate.set_router_home(&ACTOR, edge.hq, None).await.unwrap();
    let routers = || edge.gate.directory().routers();
    until("it has no home server", async || routers().router(edge.hq).unwrap().home.is_none()).await;
    let client = Client::new(LOCALHOST).await;
    for (user, caller) in [("Nobody", "198.51.100.1"), ("no-such-name", "198.51.100.2")] {
        let refused = async || {
            let request = guess(user, caller);
            let reply = client.ask(edge.auth, &request).await;
            assert_eq!(checked(&reply, &request).0, Code::ACCESS_REJECT);
            assert_eq!(Packet::parse(&reply).unwrap().text(AttributeType::REPLY_MESSAGE), Some("Access denied"));
        };
        for _ in 0..3 {
            not_at_once(refused()).await;
        }
        kept_back(&edge, refused()).await;
    }
    for (user, caller) in [("User", "198.51.100.3"), ("no-such-one", "198.51.100.4")] {
        let nas = Nas::new(edge.auth, SECRET, user, "a guess", caller).await;
        let failed = async || {
            let (_, told) = nas.prove().await;
            assert!(told.failed().starts_with("E=691 R=0"), "{}", told.failed());
        };
        for _ in 0..3 {
            not_at_once(failed()).await;
        }
        kept_back(&edge, failed()).await;
    }
    until("the reasons are kept", async || {
        (attempts(&edge, "no_home").await, attempts(&edge, "eap_at_home").await) == (4, 4)
    })
    .await;
}

/// The file of a dictionary is gone, or is not read yet: only who needs a home server gets no answer.
#[tokio::test]
async fn an_attribute_that_no_dictionary_defines_shuts_out_nobody_else() {
    let home = FreeRadius::start(USERS).await;
    let edge = edge_with(home.address, LONG, Demand::Auto).await;
    let mut tx = edge.store.begin().await.unwrap();
    tx.set_source(edge.nobody, Source::Local).await.unwrap();
    let level = Level::Router(edge.hq.0);
    tx.set_setting("home_attributes", level, "Framed-Pool,Our-Floor", edge.gate.now()).await.unwrap();
    tx.commit(edge.gate.now()).await.unwrap();
    until("it is read", async || edge.gate.directory().habits(edge.hq).home_attributes.is_none()).await;
    let router = edge.router_that(|config| (config.timeout, config.tries) = (SHORT, 1)).await;
    let outcome = router.dial(dial("User", "at-home", Method::Pap)).await;
    assert!(matches!(outcome, DialOutcome::Timeout), "{outcome:?}");
    until("the reason is kept", async || attempts(&edge, "home_attributes").await == 1).await;
    let client = Client::new(LOCALHOST).await;
    let request = pap(SIGNED, "Nobody", "clientPass", |_| ());
    let reply = client.ask(edge.auth, &request).await;
    let said = Packet::parse(&reply).unwrap().text(AttributeType::REPLY_MESSAGE).map(str::to_owned);
    assert_eq!(said.as_deref(), Some("no session: the person has not asked for access"));
    edge.gate.set_setting(&ACTOR, "home_attributes", level, "Framed-Pool").await.unwrap();
    until("it is read", async || edge.gate.directory().habits(edge.hq).home_attributes.is_some()).await;
    connected(edge.router().await.dial(dial("User", "at-home", Method::Pap)).await);
}

#[tokio::test]
async fn chap_without_a_challenge_is_given_one() {
    let home = FreeRadius::start(USERS).await;
    let edge = edge_with(home.address, LONG, Demand::Auto).await;
    let client = Client::new(LOCALHOST).await;
    let authenticator = random();
    let response = chap::response(7, b"at-home", &authenticator);
    let request = access(SIGNED, &authenticator, &secret(), |packet| {
        packet.push(AttributeType::USER_NAME, b"User").unwrap();
        packet.push(AttributeType::CHAP_PASSWORD, &[&[7][..], &response].concat()).unwrap();
        packet.push(AttributeType::CALLING_STATION_ID, CALLER.as_bytes()).unwrap();
        packet.push(AttributeType::PROXY_STATE, b"the asker's").unwrap();
    });
    let reply = client.ask(edge.auth, &request).await;
    assert_eq!(checked(&reply, &request), (Code::ACCESS_ACCEPT, Signature::Present));
    let states: Vec<Vec<u8>> = proxy_states(&reply);
    assert_eq!(states, [b"the asker's"]);
}

fn proxy_states(packet: &[u8]) -> Vec<Vec<u8>> {
    Packet::parse(packet).unwrap().all(AttributeType::PROXY_STATE).map(<[u8]>::to_vec).collect()
}

#[tokio::test]
async fn attributes_are_taken_by_the_list_and_ours_win() {
    let home = FreeRadius::start(USERS).await;
    let edge = edge_with(home.address, LONG, Demand::Auto).await;
    let client = Client::new(LOCALHOST).await;
    let pairs = [("Mikrotik-Group".to_owned(), "ours".to_owned())];
    edge.gate.set_attributes(&ACTOR, Subject::Account(edge.user), &pairs).await.unwrap();
    let request = pap(SIGNED, "User", "at-home", |_| ());
    let reply = client.ask(edge.auth, &request).await;
    assert_eq!(checked(&reply, &request), (Code::ACCESS_ACCEPT, Signature::Present));
    let packet = Packet::parse(&reply).unwrap();
    assert_eq!(packet.vendor_all(VendorType::MIKROTIK_GROUP).collect::<Vec<_>>(), [b"ours"]);
    assert_eq!(packet.vendor(VendorType::MIKROTIK_RATE_LIMIT), Some(&b"10M/20M"[..]));
    assert_eq!(packet.text(AttributeType::FRAMED_POOL), Some("vpn"));
    assert_eq!(packet.integer(AttributeType::SESSION_TIMEOUT), Some(600));
    assert_eq!(packet.integer(AttributeType::ACCT_INTERIM_INTERVAL), Some(60));
    assert_eq!(packet.all(AttributeType::CLASS).count(), 1);
    assert_eq!((packet.first(AttributeType::REPLY_MESSAGE), packet.first(TUNNEL_PASSWORD)), (None, None));

    let list = "Tunnel-Password, Mikrotik-Group";
    edge.gate.set_setting(&ACTOR, "home_attributes", Level::Router(edge.hq.0), list).await.unwrap();
    until("the setting holds", async || {
        edge.gate
            .directory()
            .habits(edge.hq)
            .home_attributes
            .as_ref()
            .is_some_and(|taken| taken.has(None, TUNNEL_PASSWORD.0))
    })
    .await;
    let request = pap(SIGNED, "User", "at-home", |_| ());
    let reply = client.ask(edge.auth, &request).await;
    checked(&reply, &request);
    let packet = Packet::parse(&reply).unwrap();
    assert_eq!(packet.first(AttributeType::FRAMED_POOL), None);
    let hidden = packet.first(TUNNEL_PASSWORD).unwrap();
    let authenticator = *Packet::parse(&request).unwrap().authenticator();
    assert_eq!(hidden[0], 1, "its tag");
    assert_eq!(hide::reveal_key(&hidden[1..], &authenticator, &secret()), Ok(Secret::new("tunnelled")));
}

const TUNNEL_PASSWORD: AttributeType = AttributeType(69);

#[tokio::test]
async fn a_silent_home_server_holds_up_nobody_else_and_comes_back() {
    let at = free();
    let edge = edge_with(at, SHORT, Demand::Auto).await;
    let mut tx = edge.store.begin().await.unwrap();
    tx.set_source(edge.nobody, Source::Local).await.unwrap();
    tx.commit(edge.gate.now()).await.unwrap();
    edge.gate.directory().read(edge.nobody).await.unwrap();
    let client = Client::new(LOCALHOST).await;
    for failures in 1..=3 {
        client.send(edge.auth, &pap(SIGNED, "User", "at-home", |_| ())).await;
        let request = pap(SIGNED, "Nobody", "clientPass", |_| ());
        let reply = client.ask(edge.auth, &request).await;
        assert_eq!(checked(&reply, &request).0, Code::ACCESS_REJECT, "the others are served");
        until("silence is counted", async || edge.drops("home_silent") == failures).await;
    }
    until("it is dead", async || matches!(health(&edge).await, Health::Dead { .. })).await;
    client.send(edge.auth, &pap(SIGNED, "User", "at-home", |_| ())).await;
    until("it is not asked", async || edge.drops("home_dead") == 1).await;
    until("the alarm", async || edge.gate.reader().alarms().await.unwrap().len() == 1).await;
    let alarms = edge.gate.reader().alarms().await.unwrap();
    assert_eq!((alarms[0].kind.as_str(), alarms[0].count), ("home", 1));
    assert!(alarms[0].text.contains(&at.to_string()), "{}", alarms[0].text);
    assert_eq!(edge.gate.metrics().accepts.get(), 0);
    until("the attempts say so", async || attempts(&edge, "home_silent").await == 3).await;

    // A Status-Server of one of the next log-ins finds it.
    let home = FreeRadius::start_at(at, USERS).await.expect("the port was free a moment ago");
    until("it is up", async || {
        client.send(edge.auth, &pap(SIGNED, "User", "at-home", |_| ())).await;
        matches!(health(&edge).await, Health::Up(_))
    })
    .await;
    drop(home);
}

#[tokio::test]
async fn another_secret_is_silence() {
    let home = FreeRadius::start(USERS).await;
    let edge = edge_with(home.address, SHORT, Demand::Auto).await;
    set_home(&edge, home.address, "not-the-secret", SHORT, Demand::Auto).await;
    let client = Client::new(LOCALHOST).await;
    client.is_not_answered(edge.auth, &pap(SIGNED, "User", "at-home", |_| ())).await;
    until("it is counted", async || edge.drops("home_silent") == 1).await;
    assert_eq!((edge.gate.metrics().accepts.get(), edge.gate.metrics().rejects.get()), (0, 0));
}

#[tokio::test]
async fn an_answer_that_is_not_the_home_servers_is_not_believed() {
    let accept = |secret: &str, opening| {
        let secret = SharedSecret::new(Secret::new(secret));
        move |request: &Packet<'_>| {
            let reply = PacketBuilder::new(Code::ACCESS_ACCEPT, request.identifier(), opening);
            Some(sign::sign_reply(reply, request.authenticator(), &secret))
        }
    };
    for (secret, opening, demand, counted) in [
        ("another", SIGNED, Demand::Off, "home_forged"),
        (HOME_SECRET, Opening::Bare, Demand::Require, "home_unsigned"),
    ] {
        let home = Fake::start(accept(secret, opening)).await;
        let edge = edge_with(home.address, SHORT, demand).await;
        let client = Client::new(LOCALHOST).await;
        client.send(edge.auth, &pap(SIGNED, "User", "at-home", |_| ())).await;
        until("it is counted", async || edge.drops(counted) == 1).await;
        assert_eq!(edge.gate.metrics().accepts.get(), 0);
        assert_eq!(home.asked(), 2, "two tries");
    }
    // What is no packet may have been meant for any of those that wait.
    let home = Fake::start(|_| Some(b"no packet".to_vec())).await;
    let edge = edge_with(home.address, SHORT, Demand::Off).await;
    Client::new(LOCALHOST).await.send(edge.auth, &pap(SIGNED, "User", "at-home", |_| ())).await;
    until("it is counted", async || edge.drops("home_nonsense") == 1).await;
    // Once it has signed, it is held to that.
    let openings = AtomicUsize::new(0);
    let home = Fake::start(move |request| {
        let opening = if openings.fetch_add(1, Ordering::Relaxed) == 0 { SIGNED } else { Opening::Bare };
        accept(HOME_SECRET, opening)(request)
    })
    .await;
    let edge = edge_with(home.address, SHORT, Demand::Auto).await;
    let client = Client::new(LOCALHOST).await;
    let request = pap(SIGNED, "User", "at-home", |_| ());
    assert_eq!(checked(&client.ask(edge.auth, &request).await, &request).0, Code::ACCESS_ACCEPT);
    client.send(edge.auth, &pap(SIGNED, "User", "at-home", |_| ())).await;
    until("it is counted", async || edge.drops("home_unsigned") == 1).await;
}

#[tokio::test]
async fn an_accept_without_the_proof_of_ms_chap_and_a_challenge_let_nobody_in() {
    let home = Fake::start(|request| Some(fake_accept(request))).await;
    let edge = edge_with(home.address, LONG, Demand::Off).await;
    let router = edge.router_that(|config| (config.timeout, config.tries) = (SHORT, 1)).await;
    let outcome = router.dial(dial("User", "at-home", Method::MsChapV2)).await;
    assert!(matches!(outcome, DialOutcome::Timeout), "{outcome:?}");
    until("it is counted", async || edge.drops("home_nonsense") == 1).await;

    let challenge = Fake::start(|request| {
        let reply = PacketBuilder::new(Code::ACCESS_CHALLENGE, request.identifier(), SIGNED);
        Some(sign::sign_reply(reply, request.authenticator(), &home_secret()))
    })
    .await;
    set_home(&edge, challenge.address, HOME_SECRET, LONG, Demand::Off).await;
    let router = edge.router().await;
    assert_eq!(rejected(router.dial(dial("User", "at-home", Method::Pap)).await), "Access denied");
    until("it is told", async || attempts(&edge, "home_challenge").await == 1).await;
}

#[tokio::test]
async fn copies_are_absorbed_and_the_packet_is_ours() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let home = Fake::start(move |request| {
        tell.send(request.trimmed().to_vec()).unwrap();
        None
    })
    .await;
    let edge = edge_with(home.address, LONG, Demand::Off).await;
    let client = Client::new(LOCALHOST).await;
    let request = pap(SIGNED, "User", "at-home", |packet| {
        packet.push(AttributeType::PROXY_STATE, b"the asker's").unwrap();
    });
    client.send(edge.auth, &request).await;
    let forwarded = told.recv().await.unwrap();
    for copies in 1..=3 {
        client.send(edge.auth, &request).await;
        until("it is absorbed", async || edge.drops("duplicate_in_flight") == copies).await;
    }
    assert_eq!(home.asked(), 1);
    let (ours, theirs) = (Packet::parse(&forwarded).unwrap(), Packet::parse(&request).unwrap());
    assert_eq!(sign::check_access_request(&ours, &home_secret()), Ok(Signature::Present));
    assert_ne!(ours.authenticator(), theirs.authenticator());
    assert_eq!(forwarded[20], AttributeType::MESSAGE_AUTHENTICATOR.0, "first");
    assert_eq!(ours.first(AttributeType::PROXY_STATE), None);
    assert_eq!(ours.text(AttributeType::CALLING_STATION_ID), Some(CALLER));
    let hidden = ours.first(AttributeType::USER_PASSWORD).unwrap();
    assert_eq!(hide::reveal_password(hidden, ours.authenticator(), &home_secret()), Ok(Secret::new("at-home")));
}

fn home_secret() -> SharedSecret {
    SharedSecret::new(Secret::new(HOME_SECRET))
}

fn fake_accept(request: &Packet<'_>) -> Vec<u8> {
    let reply = PacketBuilder::new(Code::ACCESS_ACCEPT, request.identifier(), SIGNED);
    sign::sign_reply(reply, request.authenticator(), &home_secret())
}

/// A home server made by hand; it ends when it is dropped.
struct Fake {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Fake {
    async fn start(answer: impl Fn(&Packet<'_>) -> Option<Vec<u8>> + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let task = tokio::spawn(async move {
            let mut buffer = [0; 4096];
            loop {
                let (length, source) = socket.recv_from(&mut buffer).await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                if let Some(reply) = answer(&Packet::parse(&buffer[..length]).unwrap()) {
                    socket.send_to(&reply, source).await.unwrap();
                }
            }
        });
        Self { address, asked, task }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}
