//! A simulated RouterOS router: RADIUS client for PPP log-ins and accounting, and the listener for Disconnect and CoA.
//!
//! | module | is |
//! |---|---|
//! | [`config`] | what an operator would have typed into `/radius`, `/radius/incoming`, `/ppp/aaa` |
//! | [`dial`] | a VPN client dials: what it brings, how it ends |
//! | `attempt` | the Access-Request, and the client's checks of the Accept |
//! | [`tunnel`] | one connection: its timers, its end |
//! | [`accounting`] | Start, Interim, Stop, On, Off |
//! | [`incoming`] | Disconnect- and CoA-Requests |
//! | [`transport`] | one socket: identifiers, resends, which replies count |
//!
//! What it does follows MikroTik's documentation and field reports; what neither says is behind a switch.

pub mod accounting;
mod attempt;
pub mod config;
pub mod dial;
pub mod incoming;
pub mod transport;
pub mod tunnel;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use accounting::{Cause, Delivery};
pub use config::{
    CountFrom, DisconnectHabit, ForeignAttributes, IncomingConfig, RequireMessageAuth, RouterConfig, Server,
};
pub use dial::{Dial, DialOutcome, Encryption, Failure, HangUp, Method, Service, StartNotice};
pub use incoming::IncomingCounters;
pub use transport::{Counters, Faults};
pub use tunnel::Tunnel;

use crate::clock::Clock;
use crate::proto::radius::{AttributeType, BuildError, Opening, PacketBuilder};
use crate::secret::Secret;
use transport::Transport;
use tunnel::TunnelState;

/// How many addresses the pool has: the tunnels that one simulated router can hold.
const POOL_SIZE: u32 = 4096;
/// Session numbers are five hexadecimal digits.
const SESSION_NUMBER_MASK: u32 = 0xf_ffff;
/// The reboot digit is one hexadecimal digit.
const REBOOT_MASK: u32 = 0xf;
/// Acct-Session-Ids of PPP start with this.
const PPP_SESSION_PREFIX: u32 = 0x81;
/// NAS-Port of the first session; the following count up.
const FIRST_NAS_PORT: u32 = 0xf0_0000;

/// A running router. Dropping it pulls the plug: its tasks end, nothing more is sent.
pub struct SimRouter {
    inner: Arc<Inner>,
    incoming: Option<SocketAddr>,
    _stop: DropGuard,
}

/// What the handle, its tunnels and its tasks share.
pub(crate) struct Inner {
    config: RouterConfig,
    clock: Arc<dyn Clock>,
    transport: Transport,
    incoming: IncomingCounters,
    habit: Mutex<DisconnectHabit>,
    tunnels: Mutex<HashMap<String, Arc<TunnelState>>>,
    local_secrets: Mutex<HashMap<String, Secret>>,
    pool: Mutex<BTreeSet<u32>>,
    reboots: AtomicU32,
    sessions: AtomicU32,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl SimRouter {
    /// Binds the sockets and starts listening.
    ///
    /// # Errors
    /// A socket cannot be bound.
    pub async fn start(config: RouterConfig, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let transport = Transport::bind(config.bind).await?;
        let habit = config.incoming.as_ref().map_or(DisconnectHabit::Obey, |incoming| incoming.disconnects);
        let inner = Arc::new(Inner {
            config,
            clock,
            transport,
            incoming: IncomingCounters::default(),
            habit: Mutex::new(habit),
            tunnels: Mutex::default(),
            local_secrets: Mutex::default(),
            pool: Mutex::default(),
            reboots: AtomicU32::new(0),
            sessions: AtomicU32::new(0),
            tasks: TaskTracker::new(),
            stop: stop.clone(),
        });
        inner.spawn(transport::receive(inner.clone()));
        let incoming = incoming::listen(&inner).await?;
        Ok(Self { inner, incoming, _stop: stop.drop_guard() })
    }

    /// A VPN client dials in. Returns once the client is connected or knows that it will not be.
    ///
    /// The Start of a connected tunnel is on its way then; [`Tunnel::start_delivered`] waits for its answer.
    pub async fn dial(&self, dial: Dial) -> DialOutcome {
        dial::dial(&self.inner, dial).await
    }

    /// Power off and on: every tunnel is gone without a Stop, Acct-Session-Ids get the next reboot digit.
    pub fn reboot(&self) {
        self.inner.reboots.fetch_add(1, Ordering::Relaxed);
        self.inner.sessions.store(0, Ordering::Relaxed);
        for tunnel in self.inner.tunnels() {
            tunnel::vanish(&self.inner, &tunnel, Cause::NasReboot);
        }
    }

    /// Sends Accounting-On.
    pub async fn accounting_on(&self) -> Delivery {
        accounting::announce(&self.inner, accounting::Status::On).await
    }

    /// Sends Accounting-Off.
    pub async fn accounting_off(&self) -> Delivery {
        accounting::announce(&self.inner, accounting::Status::Off).await
    }

    /// Adds a `/ppp/secret`: this user is let in by the router itself, RADIUS is not asked.
    pub fn local_secret(&self, name: &str, password: Secret) {
        lock(&self.inner.local_secrets).insert(name.to_owned(), password);
    }

    /// The connections that are up, in no order.
    pub fn tunnels(&self) -> Vec<Tunnel> {
        let states = self.inner.tunnels();
        states.into_iter().map(|state| Tunnel::new(self.inner.clone(), state)).collect()
    }

    /// The numbers of `/radius/monitor`.
    pub fn counters(&self) -> Counters {
        self.inner.transport.counters()
    }

    /// The numbers of `/radius/incoming/monitor`.
    pub fn incoming_counters(&self) -> &IncomingCounters {
        &self.inner.incoming
    }

    /// What goes wrong on the wire, to be set at any time.
    pub fn faults(&self) -> &Faults {
        self.inner.transport.faults()
    }

    /// From now on Disconnect-Requests are treated so.
    pub fn treat_disconnects(&self, habit: DisconnectHabit) {
        *lock(&self.inner.habit) = habit;
    }

    /// Where Disconnect and CoA are listened for; `None` if they are not accepted.
    pub fn incoming_addr(&self) -> Option<SocketAddr> {
        self.incoming
    }

    /// Where requests come from.
    pub fn local_addr(&self) -> SocketAddr {
        self.inner.transport.local_addr()
    }

    /// `/system/identity`.
    pub fn identity(&self) -> &str {
        &self.inner.config.identity
    }
}

impl Inner {
    /// Runs a task until it ends or the router is dropped.
    fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled(task).await;
        });
    }

    fn tunnels(&self) -> Vec<Arc<TunnelState>> {
        lock(&self.tunnels).values().cloned().collect()
    }

    /// The NAS-IP-Address that the router gives: the configured one, else the source address.
    fn nas_ip(&self) -> IpAddr {
        self.config.nas_ip.unwrap_or(self.config.bind)
    }

    /// How often the router was started again; a dial from before is lost.
    fn boot(&self) -> u32 {
        self.reboots.load(Ordering::Relaxed)
    }

    /// The next session's Acct-Session-Id and NAS-Port.
    fn next_session(&self) -> (String, u32) {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed).wrapping_add(1) & SESSION_NUMBER_MASK;
        let id = PPP_SESSION_PREFIX << 24 | (self.boot() & REBOOT_MASK) << 20 | number;
        (format!("{id:08x}"), FIRST_NAS_PORT + number)
    }

    /// A free address of the pool, the lowest first; `None` if all are in use.
    fn lease_address(&self) -> Option<Ipv4Addr> {
        let mut pool = lock(&self.pool);
        let free = (0..POOL_SIZE).find(|offset| !pool.contains(offset))?;
        pool.insert(free);
        Some(Ipv4Addr::from(u32::from(self.config.pool_start).wrapping_add(free)))
    }

    fn release_address(&self, address: Ipv4Addr) {
        lock(&self.pool).remove(&u32::from(address).wrapping_sub(u32::from(self.config.pool_start)));
    }

    /// Whether requests open with a Message-Authenticator.
    fn opening(&self) -> Opening {
        match self.config.require_message_auth {
            RequireMessageAuth::YesForRequestResp => Opening::MessageAuthenticator,
            RequireMessageAuth::No => Opening::Bare,
        }
    }

    /// Which router it is: NAS-Identifier, NAS-IP-Address or NAS-IPv6-Address.
    fn push_identity(&self, packet: &mut PacketBuilder) -> Result<(), BuildError> {
        packet.push(AttributeType::NAS_IDENTIFIER, self.config.identity.as_bytes())?;
        let kind = match self.nas_ip() {
            IpAddr::V4(_) => AttributeType::NAS_IP_ADDRESS,
            IpAddr::V6(_) => AttributeType::NAS_IPV6_ADDRESS,
        };
        packet.push_address(kind, self.nas_ip())?;
        Ok(())
    }
}

/// Nothing is left half done under these locks, so a panic elsewhere does not spoil what they hold.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
