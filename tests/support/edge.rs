//! The RADIUS edge over the real gate and a fresh SQLite store, and a client that makes packets by hand.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part of it, and fails by panicking")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use radgram::clock::{Clock, SettableClock, Timestamp};
use radgram::crypto::seal::{Keyring, MasterKey};
use radgram::domain::connection::Place;
use radgram::domain::id::{AccountId, RouterId};
use radgram::domain::router::{Demand, source_network};
use radgram::domain::session::Origin;
use radgram::domain::user::UserState;
use radgram::entropy::{Entropy, SystemEntropy};
use radgram::gate::Gate;
use radgram::proto::radius::{AttributeType, Code, Opening, Packet, PacketBuilder, SharedSecret, hide, sign};
use radgram::radius::{Listener, serve};
use radgram::secret::Secret;
use radgram::sim::router::{RouterConfig, Server, SimRouter};
use radgram::store::Store;
use radgram::store::router::RouterForm;
use radgram::store::session::NewSession;
use radgram::store::user::NewUser;
use radgram::text::Language;
use tokio::net::UdpSocket;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub const SECRET: &str = "testing123";
pub const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Where simulated clients dial from, and from where the session of `User` is used already.
pub const CALLER: &str = "203.0.113.7";
/// Longer than any reply takes; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running edge. Its tasks end when it is dropped.
pub struct Edge {
    pub gate: Arc<Gate>,
    pub store: Store,
    pub clock: SettableClock,
    pub auth: SocketAddr,
    pub acct: SocketAddr,
    pub auth_v6: SocketAddr,
    pub acct_v6: SocketAddr,
    /// `User` with the password `clientPass` and an open session that knows [`CALLER`] at the router `hq`.
    pub user: AccountId,
    /// `Nobody` with the same password and no session.
    pub nobody: AccountId,
    pub hq: RouterId,
    pub tracker: TaskTracker,
    pub cancel: CancellationToken,
    _stop: DropGuard,
    _folder: tempfile::TempDir,
}

impl Edge {
    /// Four routers: `hq` (127.0.0.1, ::1 as `six`), `old` (127.0.0.3, asks no signature), `strict` (127.0.0.4).
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("edge.db").display());
        let clock = SettableClock::new(Timestamp::from_millis(1_700_000_000_000));
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let ring = Keyring::new(MasterKey::new([7; 32]));
        let store = Store::open(&url, ring, entropy.clone(), clock.now()).await.unwrap();
        let (hq, user, nobody) = furnish(&store, clock.now()).await;
        let gate = Gate::open(store.clone(), Arc::new(clock.clone()), entropy).await.unwrap();
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        gate.start(&tracker, &cancel);
        let bind = |ip: IpAddr| Listener::bind(SocketAddr::new(ip, 0)).unwrap();
        let (v4, v6) = (IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::UNSPECIFIED));
        let (auth, acct) = (vec![bind(v4), bind(v6)], vec![bind(v4), bind(v6)]);
        let at = |listener: &Listener, ip: IpAddr| SocketAddr::new(ip, listener.local_addr().port());
        let localhost_v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
        let edge = Self {
            gate: gate.clone(),
            store,
            clock,
            auth: at(&auth[0], LOCALHOST),
            acct: at(&acct[0], LOCALHOST),
            auth_v6: at(&auth[1], localhost_v6),
            acct_v6: at(&acct[1], localhost_v6),
            user,
            nobody,
            hq,
            tracker: tracker.clone(),
            cancel: cancel.clone(),
            _stop: cancel.clone().drop_guard(),
            _folder: folder,
        };
        serve(&gate, auth, acct, &tracker, &cancel);
        edge
    }

    /// A simulated router `hq` that asks this edge.
    pub async fn router(&self) -> SimRouter {
        self.router_that(|_| ()).await
    }

    /// The same, configured otherwise.
    pub async fn router_that(&self, configure: impl FnOnce(&mut RouterConfig)) -> SimRouter {
        let server = Server::new(self.auth, self.acct, Secret::new(SECRET));
        let mut config = RouterConfig::new("MikroTik", LOCALHOST, server);
        config.timeout = PATIENCE;
        configure(&mut config);
        SimRouter::start(config, Arc::new(self.clock.clone())).await.unwrap()
    }

    /// How many datagrams were dropped for this reason.
    pub fn drops(&self, reason: &'static str) -> u64 {
        self.gate.metrics().drops(reason)
    }
}

async fn furnish(store: &Store, now: Timestamp) -> (RouterId, AccountId, AccountId) {
    let mut tx = store.begin().await.unwrap();
    let mut routers = Vec::new();
    for (name, address, message_authenticator) in [
        ("hq", "127.0.0.1", Demand::Auto),
        ("six", "::1", Demand::Auto),
        ("old", "127.0.0.3", Demand::Off),
        ("strict", "127.0.0.4", Demand::Require),
    ] {
        let address = source_network(address).unwrap();
        let form =
            RouterForm { name: name.to_owned(), address, nas_identifier: None, coa_port: 3799, message_authenticator };
        routers.push(tx.add_router(&form, &Secret::new(SECRET), now).await.unwrap());
    }
    let person = NewUser { telegram_id: 100, name: "Ann", state: UserState::Approved, language: Language::En };
    let person = tx.add_user(&person, now).await.unwrap();
    let mut accounts = Vec::new();
    for name in ["User", "Nobody"] {
        let account = tx.add_account(name, Some(person), now).await.unwrap();
        tx.set_password(account, &Secret::new("clientPass")).await.unwrap();
        accounts.push(account);
    }
    let until = now + Duration::from_secs(8 * 3600);
    let caller = Place { router: routers[0], station: CALLER.to_owned() };
    let session = NewSession {
        account: accounts[0],
        user: Some(person),
        origin: Origin::Knock,
        until,
        caller: Some(caller),
        due: until,
    };
    tx.add_session(&session, now).await.unwrap();
    tx.commit(now).await.unwrap();
    (routers[0], accounts[0], accounts[1])
}

pub fn secret() -> SharedSecret {
    SharedSecret::new(Secret::new(SECRET))
}

pub fn random<const N: usize>() -> [u8; N] {
    let entropy: &dyn Entropy = &SystemEntropy;
    entropy.bytes()
}

/// A RADIUS client that makes its packets by hand.
pub struct Client {
    pub socket: UdpSocket,
}

impl Client {
    pub async fn new(address: IpAddr) -> Self {
        Self { socket: UdpSocket::bind((address, 0)).await.unwrap() }
    }

    pub async fn send(&self, server: SocketAddr, packet: &[u8]) {
        self.socket.send_to(packet, server).await.unwrap();
    }

    /// The next datagram and where it comes from.
    pub async fn receive(&self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = vec![0; 4096];
        let receive = self.socket.recv_from(&mut buffer);
        let (length, source) = tokio::time::timeout(PATIENCE, receive).await.expect("no reply came").unwrap();
        buffer.truncate(length);
        (buffer, source)
    }

    /// Sends a packet and gives the reply, which must come from where it was sent to.
    pub async fn ask(&self, server: SocketAddr, packet: &[u8]) -> Vec<u8> {
        self.send(server, packet).await;
        let (reply, source) = self.receive().await;
        assert_eq!(source, server);
        assert_eq!(reply[1], packet[1], "a reply to another request");
        reply
    }

    /// Sends a packet and makes sure that it gets no reply: the next one is to the Status-Server after it.
    pub async fn is_not_answered(&self, server: SocketAddr, packet: &[u8]) {
        self.send(server, packet).await;
        let identifier = packet.get(1).copied().unwrap_or(0).wrapping_add(1);
        self.ask(server, &status(identifier)).await;
    }

    pub fn status(&self) -> Vec<u8> {
        let [identifier] = random();
        status(identifier)
    }
}

fn status(identifier: u8) -> Vec<u8> {
    let builder = PacketBuilder::new(Code::STATUS_SERVER, identifier, Opening::MessageAuthenticator);
    sign::sign_request(builder, &random(), &secret())
}

/// A PAP log-in of `user`, and what `fill` adds.
pub fn pap(opening: Opening, user: &str, password: &str, fill: impl FnOnce(&mut PacketBuilder)) -> Vec<u8> {
    let authenticator = random();
    let hidden = hide::hide_password(password.as_bytes(), &authenticator, &secret()).unwrap();
    access(opening, &authenticator, &secret(), |packet| {
        packet.push(AttributeType::USER_NAME, user.as_bytes()).unwrap();
        packet.push(AttributeType::USER_PASSWORD, &hidden).unwrap();
        packet.push(AttributeType::CALLING_STATION_ID, CALLER.as_bytes()).unwrap();
        packet.push(AttributeType::NAS_IDENTIFIER, b"MikroTik").unwrap();
        fill(packet);
    })
}

/// An Access-Request.
pub fn access(
    opening: Opening,
    authenticator: &[u8; 16],
    secret: &SharedSecret,
    fill: impl FnOnce(&mut PacketBuilder),
) -> Vec<u8> {
    let [identifier] = random();
    let mut builder = PacketBuilder::new(Code::ACCESS_REQUEST, identifier, opening);
    fill(&mut builder);
    sign::sign_request(builder, authenticator, secret)
}

/// A Start of `User`, and what `fill` adds.
pub fn start(opening: Opening, secret: &SharedSecret, fill: impl FnOnce(&mut PacketBuilder)) -> Vec<u8> {
    let [identifier] = random();
    let mut builder = PacketBuilder::new(Code::ACCOUNTING_REQUEST, identifier, opening);
    builder.push_integer(AttributeType::ACCT_STATUS_TYPE, 1).unwrap();
    builder.push(AttributeType::NAS_IDENTIFIER, b"MikroTik").unwrap();
    fill(&mut builder);
    sign::sign_accounting_request(builder, secret)
}

/// The attributes without which a Start is not taken.
pub fn named(packet: &mut PacketBuilder) {
    packet.push(AttributeType::USER_NAME, b"User").unwrap();
    packet.push(AttributeType::ACCT_SESSION_ID, b"81500001").unwrap();
}

/// Checks a reply against its request and gives its code.
#[track_caller]
pub fn checked(reply: &[u8], request: &[u8]) -> (Code, radgram::proto::radius::Signature) {
    let (packet, request) = (Packet::parse(reply).unwrap(), Packet::parse(request).unwrap());
    let signature = sign::check_reply(&packet, request.authenticator(), &secret()).unwrap();
    (packet.code(), signature)
}
