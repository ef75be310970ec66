//! A router's end of the API, played by a test: a door, the connections that come in, and certificates to show there.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part of it, and fails by panicking")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use radgram::clock::{SettableClock, Timestamp};
use radgram::domain::api::{Api, ApiAddress, Fingerprint, OldLogIn, Trust};
use radgram::domain::id::RouterId;
use radgram::domain::router::{Demand, Leases, Router, Scheme, source_network};
use radgram::entropy::SystemEntropy;
use radgram::proto::routeros::{Decoder, Limits, Sentence, encode};
use radgram::routeros::Fleet;
use radgram::routeros::pace::Pace;
use radgram::secret::Secret;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub const USER: &str = "radgram";
pub const PASSWORD: &str = "s3cret";
/// What a router is asked when it was silent for long.
pub const SIGN_OF_LIFE: &str = "/system/identity/print";
/// The time of every test; waits are real.
pub const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// What a test waits for at most; nothing takes that long.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Waits long enough for any machine: what is tested never runs into them by itself.
pub fn patient() -> Pace {
    Pace { connect: LIMIT, call: LIMIT, idle: LIMIT, owed: LIMIT, sign: LIMIT, ..Pace::default() }
}

pub fn fleet(pace: Pace) -> Arc<Fleet> {
    Fleet::with_pace(Arc::new(SettableClock::new(NOW)), Arc::new(SystemEntropy), pace)
}

/// A router with its API there.
pub fn router(at: SocketAddr, trust: Trust) -> Router {
    Router {
        id: RouterId(1),
        name: "edge".to_owned(),
        address: source_network("127.0.0.1").unwrap(),
        nas_identifier: None,
        old_secret: None,
        secret: Secret::new("testing123"),
        coa_port: 3799,
        message_authenticator: Demand::Auto,
        scheme: Scheme::Radius,
        api: Some(Api {
            address: ApiAddress { host: at.ip().to_string(), port: Some(at.port()) },
            user: USER.to_owned(),
            password: Secret::new(PASSWORD),
            trust,
            old_log_in: OldLogIn::Refused,
        }),
        leases: Leases::On,
        version: 1,
        attributes: Arc::default(),
        home: None,
        radsec: None,
    }
}

/// The same router with something of its log-in changed.
pub fn with_api(router: &Router, change: impl FnOnce(&mut Api)) -> Router {
    let mut router = router.clone();
    change(router.api.as_mut().unwrap());
    router
}

/// What is waited for, within what any machine takes for it.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// Looks again until it is so.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    soon(what, async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// Where connections come in.
pub struct Door {
    listener: TcpListener,
}

impl Door {
    pub async fn open() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    /// The same door again, after it was shut.
    pub async fn open_at(address: SocketAddr) -> Self {
        Self { listener: TcpListener::bind(address).await.unwrap() }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    pub fn router(&self) -> Router {
        router(self.address(), Trust::Plain)
    }

    pub async fn stream(&self) -> TcpStream {
        let (stream, _) = soon("a connection", self.listener.accept()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// The next connection.
    pub async fn peer(&self) -> Peer {
        Peer::new(Box::new(self.stream().await))
    }

    /// The next connection, let in.
    pub async fn admitted(&self) -> Peer {
        let mut peer = self.peer().await;
        peer.admits().await;
        peer
    }

    /// The next connection over TLS; the error where the other end does not like the certificate.
    pub async fn tls_peer(&self, config: Arc<ServerConfig>) -> std::io::Result<Peer> {
        let stream = self.stream().await;
        let handshake = TlsAcceptor::from(config).accept(stream);
        Ok(Peer::new(Box::new(soon("a handshake", handshake).await?)))
    }
}

/// One connection, from the router's end.
pub struct Peer {
    pub stream: Box<dyn Duplex>,
    decoder: Decoder,
}

impl Peer {
    pub fn new(stream: Box<dyn Duplex>) -> Self {
        Self { stream, decoder: Decoder::new(Limits::default()) }
    }

    /// The next command; `None` when the other end closed the connection.
    pub async fn hears(&mut self) -> Option<Sentence> {
        loop {
            if let Some(sentence) = self.decoder.next_sentence().unwrap() {
                return Some(sentence);
            }
            let mut buffer = [0; 4096];
            match soon("a command", self.stream.read(&mut buffer)).await {
                Ok(0) | Err(_) => return None,
                Ok(length) => self.decoder.feed(&buffer[..length]),
            }
        }
    }

    /// The tag of the next command, which is this. Signs of life that a slow machine asks for in between are given.
    pub async fn hears_of(&mut self, command: &str) -> String {
        loop {
            let heard = self.hears().await.unwrap_or_else(|| panic!("closed instead of {command}"));
            let (path, tag) = (String::from_utf8_lossy(heard.first()).into_owned(), tag_of(&heard));
            if path == command {
                return tag;
            }
            assert_eq!(path, SIGN_OF_LIFE, "instead of {command}");
            self.done(&tag).await;
        }
    }

    pub async fn says(&mut self, sentence: Sentence) {
        let mut bytes = Vec::new();
        encode(&sentence, &mut bytes);
        self.writes(&bytes).await;
    }

    pub async fn writes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub async fn done(&mut self, tag: &str) {
        self.says(done(tag)).await;
    }

    pub async fn refuses(&mut self, tag: &str, message: &str) {
        self.says(Sentence::reply("!trap").tagged(tag).with("message", message)).await;
        self.done(tag).await;
    }

    /// Plays a log-in that is taken, and says who it is.
    pub async fn admits(&mut self) {
        let login = self.hears().await.expect("a log-in");
        assert_eq!(login.first(), b"/login");
        assert_eq!(login.attribute("name"), Some(USER.as_bytes()));
        assert_eq!(login.attribute("password"), Some(PASSWORD.as_bytes()));
        self.done(&tag_of(&login)).await;
        self.says_who_it_is().await;
    }

    pub async fn says_who_it_is(&mut self) {
        let tag = self.hears_of("/system/resource/print").await;
        self.says(row(&tag).with("version", "7.22.3 (stable)")).await;
        self.done(&tag).await;
        let tag = self.hears_of("/system/identity/print").await;
        self.says(row(&tag).with("name", "gw-1")).await;
        self.done(&tag).await;
    }

    /// Everything until the other end closes, as the commands' paths.
    pub async fn hears_until_closed(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        while let Some(sentence) = self.hears().await {
            heard.push(String::from_utf8_lossy(sentence.first()).into_owned());
        }
        heard
    }
}

pub fn tag_of(sentence: &Sentence) -> String {
    String::from_utf8(sentence.tag().expect("a tag").to_vec()).unwrap()
}

pub fn row(tag: &str) -> Sentence {
    Sentence::reply("!re").tagged(tag)
}

pub fn done(tag: &str) -> Sentence {
    Sentence::reply("!done").tagged(tag)
}

/// A certificate and its key.
pub struct Identity {
    pub certificate: rcgen::Certificate,
    pub key: rcgen::KeyPair,
}

impl Identity {
    /// As a router makes it: self-signed, with no name that could be checked.
    pub fn of_a_router() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        Self { certificate, key }
    }

    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Sha256::digest(self.certificate.der().as_ref()).into())
    }

    pub fn der(&self) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        (self.certificate.der().clone(), PrivateKeyDer::try_from(self.key.serialize_der()).unwrap())
    }

    pub fn config(&self) -> Arc<ServerConfig> {
        let (certificate, key) = self.der();
        Arc::new(builder().with_single_cert(vec![certificate], key).unwrap())
    }
}

pub fn builder() -> rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert> {
    let provider = Arc::new(ring::default_provider());
    ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap().with_no_client_auth()
}

/// An authority, and certificates of it.
pub struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pub pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: rcgen::Issuer::new(params, key), pem }
    }

    /// A certificate for these names or addresses.
    pub fn signs(&self, names: &[&str]) -> Identity {
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = rcgen::CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { certificate, key }
    }
}
