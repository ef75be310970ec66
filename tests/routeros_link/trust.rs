//! TLS: whose certificate is taken, and that nothing is said before.

use std::sync::Arc;

use radgram::domain::api::{ApiAddress, Fingerprint, Trust};
use radgram::gate::router_api::{ApiFault, ApiState, RouterApi};
use radgram::routeros::pace::Pace;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::AsyncReadExt;

use crate::machine::{
    Authority, Door, Identity, LIMIT, PASSWORD, Peer, builder, fleet, patient, router, tag_of, with_api,
};
use crate::{IDENTITY, assert_unreachable, greeting};

/// Greets over TLS a router that shows this identity; gives also whether it was told anything.
async fn greet_over_tls(
    config: Arc<rustls::ServerConfig>,
    trust: Trust,
    host: &str,
) -> (Result<ApiState, ApiFault>, Told) {
    let (fleet, door) = (fleet(Pace { retry: LIMIT, ..patient() }), Door::open().await);
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
