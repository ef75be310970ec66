//! EAP log-ins at the RADIUS edge, judged by eapol_test (of wpa_supplicant), a peer that was written by others, and by a
//! router made by hand that does what it should not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/eap.rs"]
mod eap;
#[path = "support/edge.rs"]
mod edge;

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use eap::Nas;
use edge::{CALLER, Edge, SECRET};
use radgram::domain::account::NAME_BYTES;
use radgram::domain::audit::Actor;
use radgram::domain::setting::Level;
use radgram::proto::radius::eap::{Eap, Method, MsChapV2};
use radgram::proto::radius::packet::VALUE_MAX_BYTES;
use radgram::proto::radius::{AttributeType, Code};
use radgram::secret::Secret;
use radgram::store::attempt::{AttemptLine, Verdict};
use tokio::process::Command;

/// Longer than anything takes; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// What eapol_test was told to do.
struct Client<'a> {
    methods: &'a str,
    identity: &'a str,
    anonymous: Option<&'a str>,
    password: &'a str,
    secret: &'a str,
    /// Attributes beside its own, in its notation.
    attributes: &'a [&'a str],
    /// How long it tries.
    seconds: u32,
}

const USER: Client<'static> = Client {
    methods: "MSCHAPV2",
    identity: "User",
    anonymous: None,
    password: "clientPass",
    secret: SECRET,
    attributes: &[],
    seconds: 30,
};

/// What eapol_test says, and whether it is content.
async fn eapol_test(server: SocketAddr, client: &Client<'_>) -> (String, bool) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("peer.conf");
    let anonymous = client.anonymous.map(|name| format!("anonymous_identity=\"{name}\"\n")).unwrap_or_default();
    let text = format!(
        "network={{\nssid=\"x\"\nkey_mgmt=IEEE8021X\neap={}\nidentity=\"{}\"\n{anonymous}password=\"{}\"\n}}\n",
        client.methods, client.identity, client.password
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new("eapol_test");
    command.arg("-c").arg(&config).args(["-a", &server.ip().to_string(), "-p", &server.port().to_string()]);
    command.args(["-s", client.secret, "-t", &client.seconds.to_string(), "-N", &format!("31:s:{CALLER}")]);
    for attribute in client.attributes {
        command.args(["-N", attribute]);
    }
    let output = command.stdin(Stdio::null()).output().await.expect("eapol_test is installed by scripts/test-deps");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success())
}

#[track_caller]
fn is_in(said: &(String, bool)) {
    let (text, content) = said;
    let proven =
        text.contains("EAP-MSCHAPV2: Authentication succeeded") && text.contains("MPPE keys OK: 1  mismatch: 0");
    assert!(*content && proven && text.trim_end().ends_with("SUCCESS"), "{text}");
}

#[track_caller]
fn is_out(said: &(String, bool)) {
    let (text, content) = said;
    assert!(!content && text.contains("Access-Reject") && text.trim_end().ends_with("FAILURE"), "{text}");
    // Nobody was let near: our proof, the answer to the client's, was not shown.
    assert!(!text.contains("EAP-MSCHAPV2: Received success"), "{text}");
}

/// The attempts, once there are so many, the last first.
async fn attempts(edge: &Edge, count: usize) -> Vec<AttemptLine> {
    let patience = tokio::time::Instant::now() + PATIENCE;
    loop {
        let attempts = edge.gate.reader().attempts().await.unwrap();
        if attempts.len() >= count {
            assert_eq!(attempts.len(), count, "{attempts:?}");
            return attempts;
        }
        assert!(tokio::time::Instant::now() < patience, "never {count}: {attempts:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn reason(edge: &Edge) -> (String, Option<String>) {
    let attempt = attempts(edge, 1).await.remove(0);
    (attempt.method, attempt.reason)
}

#[tokio::test]
async fn a_session_lets_in_with_the_clients_keys() {
    let edge = Edge::start().await;
    is_in(&eapol_test(edge.auth, &USER).await);
    let attempt = attempts(&edge, 1).await.remove(0);
    assert_eq!((attempt.method.as_str(), attempt.verdict), ("eap-mschapv2", Verdict::Accept));
}

#[tokio::test]
async fn the_identity_may_be_anything() {
    let edge = Edge::start().await;
    is_in(&eapol_test(edge.auth, &Client { anonymous: Some("192.168.88.20"), ..USER }).await);
    assert_eq!(attempts(&edge, 1).await[0].user_name, "User");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_look_alike() {
    let said_of = async |identity, password| {
        let edge = Edge::start().await;
        let said = eapol_test(edge.auth, &Client { identity, password, ..USER }).await;
        is_out(&said);
        let line = said.0.lines().find(|line| line.contains("failure message")).unwrap_or_default().to_owned();
        assert!(line.contains("'Access denied' (retry not allowed, error 691)"), "{}", said.0);
        (line, reason(&edge).await)
    };
    let (wrong, why) = said_of("User", "wrong").await;
    assert_eq!(why, ("eap-mschapv2".to_owned(), Some("wrong_password".to_owned())));
    let (unknown, why) = said_of("Ghost", "clientPass").await;
    assert_eq!(why, ("eap-mschapv2".to_owned(), Some("unknown_name".to_owned())));
    assert_eq!(wrong, unknown);
}

#[tokio::test]
async fn without_a_session_the_person_is_asked_and_the_client_is_out() {
    let edge = Edge::start().await;
    is_out(&eapol_test(edge.auth, &Client { identity: "Nobody", ..USER }).await);
    assert_eq!(reason(&edge).await, ("eap-mschapv2".to_owned(), Some("no_session".to_owned())));
    let patience = tokio::time::Instant::now() + PATIENCE;
    while edge.gate.reader().waiting_messages().await.unwrap() == 0 {
        assert!(tokio::time::Instant::now() < patience, "no knock was sent");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn methods_are_agreed_upon() {
    let edge = Edge::start().await;
    let said = eapol_test(edge.auth, &Client { methods: "MD5", ..USER }).await;
    is_out(&said);
    assert_eq!(reason(&edge).await.1.as_deref(), Some("eap_method"));
    is_in(&eapol_test(edge.auth, &Client { methods: "PEAP TTLS MSCHAPV2", ..USER }).await);
}

#[tokio::test]
async fn a_wrong_secret_gets_no_answer() {
    let edge = Edge::start().await;
    let (text, content) = eapol_test(edge.auth, &Client { secret: "another", seconds: 2, ..USER }).await;
    assert!(!content && !text.contains("Received RADIUS message"), "{text}");
    assert!(edge.drops("bad_message_authenticator") > 0);
}

#[tokio::test]
async fn logging_in_to_the_router_is_no_vpn_unless_it_is_by_eap_and_that_is_wanted() {
    let edge = Edge::start().await;
    let login = Client { attributes: &["6:d:1"], ..USER };
    is_out(&eapol_test(edge.auth, &login).await);
    assert_eq!(reason(&edge).await.1.as_deref(), Some("not_vpn"));
    let actor = Actor::CommandLine;
    edge.gate.set_setting(&actor, "services", Level::Router(edge.hq.0), "vpn_and_ipsec").await.unwrap();
    is_in(&eapol_test(edge.auth, &login).await);
    let pap = edge::pap(radgram::proto::radius::Opening::MessageAuthenticator, "User", "clientPass", |packet| {
        packet.push_integer(AttributeType::SERVICE_TYPE, 1).unwrap();
    });
    let client = edge::Client::new(edge::LOCALHOST).await;
    assert_eq!(edge::checked(&client.ask(edge.auth, &pap).await, &pap).0, Code::ACCESS_REJECT);
    assert_eq!(attempts(&edge, 3).await[0].reason.as_deref(), Some("not_vpn"));
}

/// An account of Ann's with a session, whose name is as long as names are: its identity (RFC 3748 §5.1) and its proof take
/// two EAP-Message attributes each (RFC 3579 §3.1).
async fn long_named(edge: &Edge) -> String {
    let (actor, name) = (Actor::CommandLine, "n".repeat(NAME_BYTES));
    let ann = edge.gate.reader().user_by_telegram(100).await.unwrap().unwrap().id;
    edge.gate.set_setting(&actor, "accounts_per_user", Level::System, "3").await.unwrap();
    let account = edge.gate.add_account(&actor, &name, Some(ann), Some(Secret::new("clientPass"))).await.unwrap();
    edge.gate.grant_session(&actor, account, Duration::from_secs(3600)).await.unwrap();
    name
}

#[tokio::test]
async fn what_is_longer_than_an_attribute_is_put_together() {
    let edge = Edge::start().await;
    let name = long_named(&edge).await;
    let nas = Nas::new(edge.auth, SECRET, &name, "clientPass", CALLER).await;
    let identity = Eap::Response { identifier: 7, method: Method::IDENTITY, data: name.as_bytes() }.to_bytes();
    let (request, authenticator) = nas.request(&identity, None);
    assert_eq!(eap::parts(&request), [VALUE_MAX_BYTES, 5]);
    let challenge = nas.ask(&request, authenticator).await;
    let proof = nas.proof(&challenge);
    let (request, authenticator) = nas.request(&proof.eap, challenge.state.as_deref());
    assert_eq!(eap::parts(&request), [VALUE_MAX_BYTES, 59]);
    let told = nas.ask(&request, authenticator).await;
    let accept = nas.acknowledge(&proof, &told).await;
    assert_eq!(accept.code(), Code::ACCESS_ACCEPT);
    nas.check_accept(&accept, &proof);
    let attempt = attempts(&edge, 1).await.remove(0);
    assert_eq!((attempt.user_name, attempt.verdict), (name, Verdict::Accept));
}

#[tokio::test]
async fn what_others_cut_into_attributes_is_put_together() {
    let edge = Edge::start().await;
    let name = long_named(&edge).await;
    let said = eapol_test(edge.auth, &Client { identity: &name, ..USER }).await;
    is_in(&said);
    // A full one has 255 octets with its type and length: one of the identity, one of the proof.
    assert_eq!(said.0.matches("Attribute 79 (EAP-Message) length=255").count(), 2, "{}", said.0);
    assert_eq!(attempts(&edge, 1).await[0].user_name, name);
}

async fn user(edge: &Edge) -> Nas {
    Nas::new(edge.auth, SECRET, "User", "clientPass", CALLER).await
}

#[tokio::test]
async fn every_request_may_come_twice() {
    let edge = Edge::start().await;
    let nas = user(&edge).await;
    let identity = Eap::Response { identifier: 9, method: Method::IDENTITY, data: b"User" }.to_bytes();
    let (request, authenticator) = nas.request(&identity, None);
    let challenge = nas.ask(&request, authenticator).await;
    assert_eq!(nas.ask(&request, authenticator).await.bytes, challenge.bytes);
    let proof = nas.proof(&challenge);
    let (request, authenticator) = nas.request(&proof.eap, challenge.state.as_deref());
    let told = nas.ask(&request, authenticator).await;
    assert_eq!(nas.ask(&request, authenticator).await.bytes, told.bytes);
    let (identifier, _) = told.asked();
    let seen =
        Eap::Response { identifier, method: Method::MSCHAPV2, data: &MsChapV2::SuccessSeen.to_bytes() }.to_bytes();
    let (request, authenticator) = nas.request(&seen, told.state.as_deref());
    let accept = nas.ask(&request, authenticator).await;
    nas.check_accept(&accept, &proof);
    assert_eq!(nas.ask(&request, authenticator).await.bytes, accept.bytes);
    assert_eq!((attempts(&edge, 1).await.len(), edge.gate.metrics().duplicates.get()), (1, 3));
}

#[tokio::test]
async fn a_start_is_asked_who_it_is() {
    let edge = Edge::start().await;
    let nas = user(&edge).await;
    let (request, authenticator) = nas.request(b"", None);
    let asked = nas.ask(&request, authenticator).await;
    assert_eq!(Eap::parse(&asked.eap), Ok(Eap::Request { identifier: 1, method: Method::IDENTITY, data: &[] }));
    let identity = Eap::Response { identifier: 1, method: Method::IDENTITY, data: b"whoever" }.to_bytes();
    let challenge = nas.say(&identity, &asked).await;
    let proof = nas.proof(&challenge);
    let told = nas.say(&proof.eap, &challenge).await;
    nas.check_accept(&nas.acknowledge(&proof, &told).await, &proof);
}

#[tokio::test]
async fn a_state_is_good_once_and_for_whom_it_was_made() {
    let edge = Edge::start().await;
    let mut nas = user(&edge).await;
    let challenge = nas.introduce().await;
    let proof = nas.proof(&challenge);
    // Others who show it are refused, and leave it as it is.
    nas.nas_identifier = "another".to_owned();
    assert_eq!(nas.say(&proof.eap, &challenge).await.rejected(), "Access denied");
    nas.nas_identifier = "ikev2".to_owned();
    nas.identity = "Nobody".to_owned();
    nas.say(&proof.eap, &challenge).await.rejected();
    nas.identity = "User".to_owned();
    let told = nas.say(&proof.eap, &challenge).await;
    assert!(matches!(told.asked().1, MsChapV2::Success { .. }));
    // The proof again, in a request of its own: whoever has seen it go by gains nothing.
    nas.say(&proof.eap, &challenge).await.rejected();
    nas.check_accept(&nas.acknowledge(&proof, &told).await, &proof);
    // The end again.
    nas.acknowledge(&proof, &told).await.rejected();
    let states = attempts(&edge, 5).await;
    let unknown = states.iter().filter(|attempt| attempt.reason.as_deref() == Some("eap_state")).count();
    assert_eq!(unknown, 4, "{states:?}");
}

#[tokio::test]
async fn only_the_acknowledgement_of_a_success_lets_in() {
    let edge = Edge::start().await;
    let nas = user(&edge).await;
    // After a Failure the client claims to have seen a Success.
    let liar = Nas::new(edge.auth, SECRET, "User", "wrong", CALLER).await;
    let (_, told) = liar.prove().await;
    let seen = |identifier| {
        Eap::Response { identifier, method: Method::MSCHAPV2, data: &MsChapV2::SuccessSeen.to_bytes() }.to_bytes()
    };
    liar.say(&seen(told.asked().0), &told).await.rejected();
    // Instead of a proof.
    let challenge = nas.introduce().await;
    nas.say(&seen(challenge.asked().0), &challenge).await.rejected();
    // A client that does not like our proof.
    let (_, told) = nas.prove().await;
    let failed = Eap::Response { identifier: told.asked().0, method: Method::MSCHAPV2, data: &[4] }.to_bytes();
    nas.say(&failed, &told).await.rejected();
    let reasons: Vec<_> = attempts(&edge, 4).await.into_iter().filter_map(|attempt| attempt.reason).collect();
    for expected in ["wrong_password", "bad_eap_proof", "eap_unwilling"] {
        assert!(reasons.iter().any(|reason| reason == expected), "{expected} in {reasons:?}");
    }
}

#[tokio::test]
async fn what_is_no_answer_gets_none() {
    let edge = Edge::start().await;
    let nas = user(&edge).await;
    let client = edge::Client::new(edge::LOCALHOST).await;
    let challenge = nas.introduce().await;
    let old = Eap::Response { identifier: 77, method: Method::MSCHAPV2, data: &[3] }.to_bytes();
    client.is_not_answered(edge.auth, &nas.request(&old, challenge.state.as_deref()).0).await;
    client.is_not_answered(edge.auth, &nas.request(&[2, 1, 0, 9, 1], None).0).await;
    assert_eq!((edge.drops("eap_out_of_turn"), edge.drops("eap_length")), (1, 1));
    // The log-in goes on as if nothing had been.
    let proof = nas.proof(&challenge);
    let told = nas.say(&proof.eap, &challenge).await;
    nas.check_accept(&nas.acknowledge(&proof, &told).await, &proof);
}
