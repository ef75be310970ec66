//! A simulated RouterOS router: RADIUS client for PPP log-ins and accounting, and the listener for Disconnect and CoA.
//!
//! | module | is |
//! |---|---|
//! | [`config`] [`version`] | what an operator would have typed in, and into which RouterOS |
//! | `state` `command` | the menus, and what `print`, `set` and their like do to them: one state for all below |
//! | [`dial`] | a VPN client dials: what it brings, how it ends |
//! | `local` `user_manager` `radius` | who is asked: the router itself, its User Manager, its `/radius` entries |
//! | `attempt` | the Access-Request, and the client's checks of the Accept |
//! | [`tunnel`] `footprint` `profile` | one connection: its timers, its end, what it leaves in the menus, its terms |
//! | `firewall` | whether its traffic passes |
//! | [`accounting`] | Start, Interim, Stop, On, Off |
//! | [`incoming`] | Disconnect- and CoA-Requests |
//! | [`transport`] | one socket: identifiers, resends, which replies count |
//! | [`radsec`] | the same over TLS |
//! | [`api`] | the API over TCP and TLS, and what goes wrong with it |
//! | [`console`] `trace` | the operator's hands and eyes |
//!
//! What it does follows MikroTik's documentation and field reports; what neither says is behind a switch.

pub mod accounting;
pub mod api;
mod attempt;
mod command;
pub mod config;
pub mod console;
pub mod dial;
mod effect;
mod firewall;
mod footprint;
pub mod incoming;
mod local;
mod monitor;
mod profile;
mod radius;
pub mod radsec;
mod seed;
mod state;
mod trace;
pub mod transport;
pub mod tunnel;
mod user_manager;
pub mod version;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use accounting::{Cause, Delivery};
pub use api::faults::ApiFaults;
pub use api::{ApiConfig, Certificate, Chunks, HiddenSecrets, LoginForm, ServiceUser};
pub use command::trap::Trap;
pub use config::{
    ChangeHabit, CountFrom, DisabledSecret, DisconnectHabit, ForeignAttributes, IncomingConfig, Protocol,
    RequireMessageAuth, RouterConfig, Server, UserManager,
};
pub use console::ShownRow;
pub use dial::{Dial, DialOutcome, Encryption, Failure, HangUp, Method, Service, StartNotice};
pub use incoming::IncomingCounters;
pub use radsec::{RadsecClient, RadsecOrders};
pub use transport::{Counters, Faults};
pub use tunnel::Tunnel;
pub use version::RosVersion;

use crate::clock::Clock;
use crate::proto::radius::{AttributeType, BuildError, Packet, PacketBuilder};
use crate::secret::Secret;
use api::Api;
use incoming::Incoming;
use radius::Entry;
use state::value::Value;
use state::{State, path};
use trace::Trace;
use transport::{Asked, Transport};
use tunnel::TunnelState;

/// How many addresses of a pool are looked at: more tunnels than one simulated router holds.
const POOL_SIZE_MAX: u32 = 65_536;
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
    _stop: DropGuard,
}

/// What the handle, its tunnels and its tasks share.
pub(crate) struct Inner {
    config: RouterConfig,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    transport: Transport,
    radsec: radsec::Client,
    incoming: Incoming,
    api: Api,
    trace: Arc<Trace>,
    tunnels: Mutex<HashMap<String, Arc<TunnelState>>>,
    leased: Mutex<BTreeSet<Ipv4Addr>>,
    reboots: AtomicU32,
    sessions: AtomicU32,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl SimRouter {
    /// Binds the sockets and starts listening.
    ///
    /// # Errors
    /// A socket cannot be bound, or a certificate cannot be used.
    pub async fn start(config: RouterConfig, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let trace = Arc::new(Trace::default());
        let transport = Transport::bind(config.bind, trace.clone()).await?;
        let habits = config.incoming.clone().unwrap_or_else(|| IncomingConfig::new(config.bind));
        let inner = Arc::new(Inner {
            state: Mutex::new(seed::state(&config, clock.now())),
            transport,
            radsec: radsec::Client::new(config.radsec.clone())?,
            incoming: Incoming::new(habits),
            api: Api::new(config.api.clone())?,
            trace,
            tunnels: Mutex::default(),
            leased: Mutex::default(),
            reboots: AtomicU32::new(0),
            sessions: AtomicU32::new(0),
            tasks: TaskTracker::new(),
            stop: stop.clone(),
            config,
            clock,
        });
        inner.spawn(transport::receive(inner.clone()));
        inner.spawn(keep_leases(inner.clone()));
        incoming::listen(&inner)?;
        api::listen(&inner)?;
        Ok(Self { inner, _stop: stop.drop_guard() })
    }

    /// A VPN client dials in. Returns once the client is connected or knows that it will not be.
    ///
    /// The Start of a connected tunnel is on its way then; [`Tunnel::start_delivered`] waits for its answer.
    pub async fn dial(&self, dial: Dial) -> DialOutcome {
        dial::dial(&self.inner, dial).await
    }

    /// Power off and on: every tunnel is gone without a Stop, Acct-Session-Ids get the next reboot digit; connections to
    /// the API are gone, and with them what lived in memory alone: leases, the log, who is logged in.
    pub fn reboot(&self) {
        self.inner.reboot();
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
        let mut state = lock(&self.inner.state);
        if let Some((id, _)) = state.named(path::SECRET, name) {
            state.remove(path::SECRET, id);
        }
        state.insert(path::SECRET, vec![("name", Value::text(name)), ("password", Value::Secret(password))]);
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
        &self.inner.incoming.counters
    }

    /// What goes wrong on the wire, to be set at any time.
    pub fn faults(&self) -> &Faults {
        self.inner.transport.faults()
    }

    /// The next `count` connections over TLS break just before an answer is heard.
    pub fn break_radsec_before_answers(&self, count: u32) {
        self.inner.radsec.break_before_answers(count);
    }

    /// All connections over TLS break; the next ones come from this address.
    pub async fn call_over_radsec_from(&self, from: IpAddr) {
        self.inner.radsec.call_from(from).await;
    }

    /// From now on Disconnect-Requests are treated so.
    pub fn treat_disconnects(&self, habit: DisconnectHabit) {
        self.inner.incoming.treat_disconnects(habit);
    }

    /// From now on CoA-Requests are treated so.
    pub fn treat_changes(&self, habit: ChangeHabit) {
        self.inner.incoming.treat_changes(habit);
    }

    /// From now on a Session-Timeout that comes by CoA counts from there.
    pub fn count_timeouts_from(&self, from: CountFrom) {
        self.inner.incoming.count_timeouts_from(from);
    }

    /// Where Disconnect and CoA are listened for; `None` if they are not accepted.
    pub fn incoming_addr(&self) -> Option<SocketAddr> {
        let accepts = lock(&self.inner.state).setting(path::INCOMING, "accept");
        self.inner.incoming.address().filter(|_| accepts)
    }

    /// Where the API listens (`/ip/service api`); `None` while it does not.
    pub fn api_addr(&self) -> Option<SocketAddr> {
        self.inner.api.plain_addr()
    }

    /// Where the API listens for TLS (`/ip/service api-ssl`); `None` while it does not.
    pub fn api_tls_addr(&self) -> Option<SocketAddr> {
        self.inner.api.tls_addr()
    }

    /// What goes wrong with the API, to be set at any time.
    pub fn api_faults(&self) -> ApiFaults {
        ApiFaults { router: self.inner.clone() }
    }

    /// What went over the lines: API sentences and RADIUS packets, secrets as `***`. The last 10,000 lines.
    pub fn trace(&self) -> Vec<String> {
        self.inner.trace.lines()
    }

    /// The same lines as they come; who reads too slowly misses some.
    pub fn follow_trace(&self) -> broadcast::Receiver<String> {
        self.inner.trace.follow()
    }

    /// Where requests come from.
    pub fn local_addr(&self) -> SocketAddr {
        self.inner.transport.local_addr()
    }

    /// `/system/identity`.
    pub fn identity(&self) -> String {
        self.inner.identity()
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

    /// Asks the server of an entry, by its protocol, until `is_good` takes a reply; `None` if none came in time.
    async fn exchange(
        self: &Arc<Self>,
        entry: &Entry,
        server: SocketAddr,
        request: impl FnOnce(u8) -> Vec<u8>,
        is_good: impl Fn(&Packet<'_>, &[u8; 16]) -> bool,
    ) -> Option<Vec<u8>> {
        match entry.protocol {
            Protocol::Udp => {
                let tries = self.config.tries;
                let asked = Asked { entry: entry.id, server, timeout: entry.timeout, tries };
                self.transport.exchange(asked, request, is_good).await
            }
            Protocol::Radsec => self.radsec.exchange(self, entry, request, is_good).await,
        }
    }

    /// The next session's Acct-Session-Id and NAS-Port.
    fn next_session(&self) -> (String, u32) {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed).wrapping_add(1) & SESSION_NUMBER_MASK;
        let id = PPP_SESSION_PREFIX << 24 | (self.boot() & REBOOT_MASK) << 20 | number;
        (format!("{id:08x}"), FIRST_NAS_PORT + number)
    }

    /// The lowest free address of a pool, by default of the router's own; an address is a pool of itself. `None` if all
    /// are in use.
    fn lease_address(&self, pool: Option<&str>) -> Option<Ipv4Addr> {
        let pool = pool.unwrap_or(seed::POOL);
        let ranges = match pool.parse::<Ipv4Addr>() {
            Ok(_) => pool.to_owned(),
            Err(_) => lock(&self.state).named(path::POOL, pool)?.1.text("ranges"),
        };
        let mut leased = lock(&self.leased);
        let free = ranges.split(',').filter_map(seed::range).flatten().take(POOL_SIZE_MAX as usize);
        let free = free.map(Ipv4Addr::from).find(|address| !leased.contains(address))?;
        leased.insert(free);
        Some(free)
    }

    fn release_address(&self, address: Ipv4Addr) {
        lock(&self.leased).remove(&address);
    }

    /// Power off and on.
    fn reboot(self: &Arc<Self>) {
        self.reboots.fetch_add(1, Ordering::Relaxed);
        self.sessions.store(0, Ordering::Relaxed);
        for tunnel in self.tunnels() {
            tunnel::vanish(self, &tunnel, Cause::NasReboot);
        }
        self.api.end_all();
        lock(&self.state).restart(self.clock.now());
    }

    /// `/system/identity`.
    fn identity(&self) -> String {
        lock(&self.state).single(path::IDENTITY).map(|row| row.text("name")).unwrap_or_default()
    }

    /// Which router it is: NAS-Identifier, NAS-IP-Address or NAS-IPv6-Address.
    fn push_identity(&self, packet: &mut PacketBuilder) -> Result<(), BuildError> {
        packet.push(AttributeType::NAS_IDENTIFIER, self.identity().as_bytes())?;
        let kind = match self.nas_ip() {
            IpAddr::V4(_) => AttributeType::NAS_IP_ADDRESS,
            IpAddr::V6(_) => AttributeType::NAS_IPV6_ADDRESS,
        };
        packet.push_address(kind, self.nas_ip())?;
        Ok(())
    }
}

/// Lets list entries vanish when they have lived their time, so that who listens hears of it.
async fn keep_leases(router: Arc<Inner>) {
    let changed = lock(&router.state).due_changed();
    loop {
        let due = lock(&router.state).next_due();
        tokio::select! {
            () = changed.notified() => {}
            () = async {
                match due {
                    Some(due) => router.clock.sleep_until(due).await,
                    None => std::future::pending().await,
                }
            } => lock(&router.state).advance(router.clock.now()),
        }
    }
}

/// Nothing is left half done under these locks, so a panic elsewhere does not spoil what they hold.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
