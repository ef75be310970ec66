//! Who gets in, and how it ends.

use std::sync::Arc;

use radgram::crypto::hex;
use radgram::secret::Secret;
use radgram::sim::router::{Certificate, LoginForm, RosVersion, RouterConfig, SimRouter};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::client::{Client, PASSWORD, USER, config, of_version, office, start, value};

#[tokio::test]
async fn a_log_in_may_fail_and_be_tried_again() {
    let (router, _) = start(config()).await;
    let mut client = Client::connect(router.api_addr().unwrap()).await;
    let wrong = client.talk(&["/login", "=name=radgram", "=password=bad", ".tag=1"]).await;
    let refused = vec!["!trap", ".tag=1", "=message=invalid user name or password (6)"];
    assert_eq!(wrong, [refused, vec!["!done", ".tag=1"]]);
    let right = client.talk(&["/login", &format!("=name={USER}"), &format!("=password={PASSWORD}"), ".tag=2"]).await;
    assert_eq!(right, [["!done", ".tag=2"]]);
    assert_eq!(client.column("name", &["/system/identity/print"]).await, ["MikroTik"]);
    let active = client.talk(&["/user/active/print", "?name=radgram"]).await;
    assert_eq!(value(&active[0], "via").as_deref(), Some("api"));
    let log = router.rows("/log").unwrap();
    assert!(log.iter().any(|line| line["message"].starts_with("login failure for user radgram")));
}

#[tokio::test]
async fn who_is_not_logged_in_hears_a_bare_word() {
    let (router, _) = start(config()).await;
    let mut client = Client::connect(router.api_addr().unwrap()).await;
    assert_eq!(client.talk(&["/system/identity/print", ".tag=1"]).await, [["!fatal", "not logged in"]]);
    assert_eq!(client.receive().await, None);
}

#[tokio::test]
async fn quit_ends_with_a_bare_word() {
    let (_router, _, mut client) = office().await;
    assert_eq!(client.talk(&["/quit"]).await, [["!fatal", "session terminated on request"]]);
    assert_eq!(client.receive().await, None);
}

#[tokio::test]
async fn a_user_needs_the_policy_an_address_and_to_be_enabled() {
    let (router, _) = start(config()).await;
    let log_in = async || {
        let mut client = Client::connect(router.api_addr().unwrap()).await;
        client.talk(&["/login", &format!("=name={USER}"), &format!("=password={PASSWORD}")]).await[0][0] == "!done"
    };
    assert!(log_in().await);
    for (off, on) in [
        (("/user", "disabled", "yes"), ("/user", "disabled", "no")),
        (("/user", "address", "192.0.2.0/24"), ("/user", "address", "127.0.0.0/8")),
        (("/user/group", "policy", "read,write"), ("/user/group", "policy", "api,read,write")),
        (("/user", "password", "another"), ("/user", "password", PASSWORD)),
    ] {
        router.set(off.0, USER, &[(off.1, off.2)]).unwrap();
        assert!(!log_in().await, "{off:?}");
        router.set(on.0, USER, &[(on.1, on.2)]).unwrap();
        assert!(log_in().await, "{on:?}");
    }
}

#[tokio::test]
async fn the_old_form_wants_the_answer_to_a_challenge() {
    let mut old = of_version(RosVersion::V6_49);
    old.api.login = LoginForm::Challenge;
    let (router, _) = start(old).await;
    let mut client = Client::connect(router.api_addr().unwrap()).await;
    // Name and password are not looked at.
    let challenge = client.ret(&["/login", &format!("=name={USER}"), &format!("=password={PASSWORD}")]).await;
    let challenge = hex::decode(&challenge).unwrap();
    assert_eq!(challenge.len(), 16);
    let response = |password: &str| {
        let digest = radgram::crypto::chap::response(0, password.as_bytes(), &challenge);
        format!("=response=00{}", hex::encode(&digest))
    };
    let wrong = client.trap(&["/login", "=name=radgram", &response("bad")]).await;
    assert_eq!(wrong, "cannot log in");
    // A challenge is for one answer.
    assert_eq!(client.ret(&["/login", "=name=radgram", &response(PASSWORD)]).await.len(), 32);
    let challenge = hex::decode(&client.ret(&["/login"]).await).unwrap();
    let digest = radgram::crypto::chap::response(0, PASSWORD.as_bytes(), &challenge);
    client.done(&["/login", "=name=radgram", &format!("=response=00{}", hex::encode(&digest))]).await;
    assert_eq!(client.column("name", &["/system/identity/print"]).await, ["MikroTik"]);
}

#[tokio::test]
async fn a_service_takes_so_many_sessions_and_addresses() {
    let (router, _, mut first) = office().await;
    router.set("/ip/service", "api", &[("max-sessions", "2")]).unwrap();
    let _second = Client::of(&router).await;
    let mut third = Client::connect(router.api_addr().unwrap()).await;
    assert_eq!(third.receive().await, None);
    router.set("/ip/service", "api", &[("max-sessions", "20"), ("address", "192.0.2.0/24")]).unwrap();
    let mut stranger = Client::connect(router.api_addr().unwrap()).await;
    assert_eq!(stranger.receive().await, None);
    // Who is in stays in.
    assert_eq!(first.column("name", &["/system/identity/print"]).await, ["MikroTik"]);
}

#[tokio::test]
async fn a_service_that_is_disabled_is_closed() {
    let (router, _) = start(config()).await;
    let address = router.api_addr().unwrap();
    router.command("/ip/service", "disable", &[(".id", "api")]).unwrap();
    assert_eq!(router.api_addr(), None);
    assert!(TcpStream::connect(address).await.is_err());
    router.command("/ip/service", "enable", &[("numbers", "api")]).unwrap();
    assert_eq!(router.api_addr(), Some(address));
    Client::of(&router).await;
}

#[tokio::test]
async fn a_user_can_be_thrown_out() {
    let (router, _, mut client) = office().await;
    let active = router.row("/user/active", "name", USER).unwrap().unwrap();
    router.remove("/user/active", &active[".id"]).unwrap();
    assert_eq!(client.receive().await, None);
    let gone = async || router.row("/user/active", "name", USER).unwrap().is_none();
    until("the row is gone", gone).await;
}

/// Waits until something is so.
pub async fn until(what: &str, so: impl AsyncFn() -> bool) {
    let patience = tokio::time::Instant::now() + super::client::PATIENCE;
    while !so().await {
        assert!(tokio::time::Instant::now() < patience, "never came true: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

fn with_certificate() -> (RouterConfig, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(["router.example".to_owned()]).unwrap();
    let chain = made.cert.pem().into_bytes();
    let mut config = config();
    let key = Secret::new(made.signing_key.serialize_pem());
    config.api.certificate = Some(Certificate { chain: chain.clone(), key });
    (config, chain)
}

async fn over_tls(router: &SimRouter, trusted: &[u8]) -> std::io::Result<Client> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(trusted).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
    let stream = TcpStream::connect(router.api_tls_addr().unwrap()).await?;
    let name = ServerName::try_from("router.example").unwrap();
    connector.connect(name, stream).await.map(Client::over)
}

#[tokio::test]
async fn tls_works_with_a_certificate() {
    let (config, chain) = with_certificate();
    let (router, _) = start(config).await;
    let mut client = over_tls(&router, &chain).await.unwrap();
    let name = format!("=name={USER}");
    client.done(&["/login", &name, &format!("=password={PASSWORD}")]).await;
    assert_eq!(client.column("via", &["/user/active/print"]).await, ["api-ssl"]);
    let leaf = rustls::pki_types::CertificateDer::from_pem_slice(&chain).unwrap();
    let digest = hex::encode(&<sha2::Sha256 as sha2::Digest>::digest(&leaf));
    assert_eq!(client.column("fingerprint", &["/certificate/print"]).await, [digest]);
    router.set("/ip/service", "api-ssl", &[("certificate", "none")]).unwrap();
    let refused = over_tls(&router, &chain).await.err().unwrap();
    assert!(refused.to_string().contains("HandshakeFailure"), "{refused}");
}

#[tokio::test]
async fn tls_without_a_certificate_is_a_handshake_failure() {
    let (router, _) = start(config()).await;
    let mut stream = TcpStream::connect(router.api_tls_addr().unwrap()).await.unwrap();
    let hello = [&[0x16, 0x03, 0x01, 0x00, 0x03][..], b"hi!"].concat();
    stream.write_all(&hello).await.unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.unwrap();
    assert_eq!(said, [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28]);
}

#[tokio::test]
async fn bytes_that_are_no_sentences_end_the_connection() {
    let (router, _) = start(config()).await;
    for bytes in [&[0xff_u8; 16][..], &[0xf0, 0xff, 0xff, 0xff, 0xff]] {
        let mut client = Client::connect(router.api_addr().unwrap()).await;
        client.send_bytes(bytes).await;
        assert_eq!(client.receive().await, None);
    }
    let mut client = Client::connect(router.api_addr().unwrap()).await;
    client.send(&["/login", &format!("=name={}", "x".repeat(9000))]).await;
    assert_eq!(client.receive().await, None);
}
