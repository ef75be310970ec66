//! The API of the simulated router: `/ip/service api` and `api-ssl` over the same state as everything else.
//!
//! | module | is |
//! |---|---|
//! | `port` | where it listens, who gets in, TLS |
//! | `connection` | one client: bytes to commands, answers to bytes |
//! | `job` | one command that is being answered |
//! | `login` | who it is |
//! | [`faults`] | what goes wrong, when a test says so |

mod connection;
pub mod faults;
mod job;
mod login;
mod port;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use self::faults::Plans;
use self::port::{Place, Service};
use super::state::table::Id;
use super::{Inner, lock};
use crate::secret::Secret;

pub(super) use port::follow;

/// The API as it is when the router starts.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// `/ip/service api`; port 0 is any free one.
    pub plain: SocketAddr,
    /// `/ip/service api-ssl`; port 0 is any free one.
    pub tls: SocketAddr,
    /// Without one TLS clients get a handshake failure: RouterOS then has anonymous ciphers alone.
    pub certificate: Option<Certificate>,
    /// Who may log in, besides `admin` with an empty password.
    pub users: Vec<ServiceUser>,
    /// Which form of `/login` is understood.
    pub login: LoginForm,
    /// How what is written is cut up.
    pub chunks: Chunks,
    /// What a log-in without `sensitive` sees of a password.
    pub hidden: HiddenSecrets,
}

impl ApiConfig {
    /// Both ports on any free one of `bind`, without a certificate.
    pub fn new(bind: IpAddr) -> Self {
        Self {
            plain: SocketAddr::new(bind, 0),
            tls: SocketAddr::new(bind, 0),
            certificate: None,
            users: Vec::new(),
            login: LoginForm::Plain,
            chunks: Chunks::Odd,
            hidden: HiddenSecrets::Absent,
        }
    }
}

/// A certificate with its key.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The chain, PEM.
    pub chain: Vec<u8>,
    /// The key, PEM.
    pub key: Secret,
}

/// A row of `/user` with a group of its own.
#[derive(Debug, Clone)]
pub struct ServiceUser {
    /// The name, also of the group.
    pub name: String,
    /// The password.
    pub password: Secret,
    /// The policies of the group: `api`, `read`, `write`, `sensitive`, …
    pub policies: Vec<String>,
}

impl ServiceUser {
    /// A user with these policies, between commas.
    pub fn new(name: &str, password: &str, policies: &str) -> Self {
        Self {
            name: name.to_owned(),
            password: Secret::new(password),
            policies: policies.split(',').map(str::to_owned).collect(),
        }
    }
}

/// Which form of `/login` is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginForm {
    /// Name and password, since 6.43.
    Plain,
    /// A challenge and the MD5 of it with the password, before 6.43; name and password are ignored.
    Challenge,
}

/// What a log-in without the policy `sensitive` sees of a password: no source says it for the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HiddenSecrets {
    /// The property is not there.
    Absent,
    /// `*****`, as WinBox shows it: not to be taken for the password.
    Starred,
}

/// How what is written is cut up on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunks {
    /// Into pieces that end anywhere, also within a length.
    Odd,
    /// As it comes.
    Whole,
}

/// What the ports, the connections and the handle share.
pub(super) struct Api {
    pub(super) config: ApiConfig,
    plans: Plans,
    places: Mutex<HashMap<Service, Place>>,
    acceptor: Option<TlsAcceptor>,
    lines: Mutex<HashMap<u64, Handle>>,
    last_line: AtomicU64,
}

/// How one connection is spoken of from outside.
#[derive(Clone)]
struct Handle {
    service: Service,
    end: CancellationToken,
    how: Arc<Mutex<End>>,
    /// Its row of `/user/active`, once it is logged in.
    active: Arc<Mutex<Option<Id>>>,
}

/// How a connection is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// In order.
    Closed,
    /// By a reset.
    Reset,
}

impl Api {
    /// # Errors
    /// The certificate or its key cannot be used.
    pub(super) fn new(config: ApiConfig) -> io::Result<Self> {
        let acceptor = config.certificate.as_ref().map(port::acceptor).transpose()?;
        Ok(Self {
            config,
            plans: Plans::default(),
            places: Mutex::default(),
            acceptor,
            lines: Mutex::default(),
            last_line: AtomicU64::new(0),
        })
    }

    fn enter(&self, service: Service, end: CancellationToken) -> (u64, Handle) {
        let number = self.last_line.fetch_add(1, Ordering::Relaxed);
        let handle = Handle { service, end, how: Arc::new(Mutex::new(End::Closed)), active: Arc::default() };
        lock(&self.lines).insert(number, handle.clone());
        (number, handle)
    }

    fn leave(&self, number: u64) {
        lock(&self.lines).remove(&number);
    }

    fn connections(&self, service: Service) -> usize {
        lock(&self.lines).values().filter(|handle| handle.service == service).count()
    }

    /// Ends the connection that has this row of `/user/active`.
    pub(super) fn log_out(&self, active: Id) {
        let lines: Vec<Handle> = lock(&self.lines).values().cloned().collect();
        for handle in lines.into_iter().filter(|handle| *lock(&handle.active) == Some(active)) {
            handle.end.cancel();
        }
    }

    /// Ends every connection.
    pub(super) fn end_all(&self) {
        self.end_lines(End::Closed);
    }

    fn end_lines(&self, how: End) {
        let lines: Vec<Handle> = lock(&self.lines).values().cloned().collect();
        for handle in lines {
            *lock(&handle.how) = how;
            handle.end.cancel();
        }
    }

    /// Where a service listens.
    pub(super) fn plain_addr(&self) -> Option<SocketAddr> {
        self.address(Service::Plain)
    }

    pub(super) fn tls_addr(&self) -> Option<SocketAddr> {
        self.address(Service::Tls)
    }

    fn address(&self, service: Service) -> Option<SocketAddr> {
        lock(&self.places).get(&service).map(|place| place.address)
    }
}

/// Opens both ports and says in `/ip/service` which they are.
pub(super) fn listen(router: &Arc<Inner>) -> io::Result<()> {
    port::listen(router)
}
