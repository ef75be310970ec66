//! The use cases: every change of state, and the outward ports that they call.
//!
//! One function changes state: it loads the rows, applies the rule (`domain`, pure), and writes the result together with
//! its audit line, its messages and what is wanted on routers in one transaction. Ports only deliver afterwards, so a
//! crash at any point loses nothing and doubles nothing.

pub mod access;
pub mod accounting;
mod admin;
mod answer;
mod attempts;
mod bookkeeper;
pub mod bulk;
mod class;
mod compare;
mod conclude;
pub mod directory;
mod door;
mod enforce;
#[cfg(test)]
pub(crate) mod fixture;
mod fulfil;
mod guarded;
pub mod guess;
mod hear;
pub mod hold;
pub mod home;
pub mod job;
mod letter;
mod lifecycle;
pub mod login;
mod order;
mod packed;
mod packer;
mod patience;
mod person;
mod policies;
pub mod ports;
mod post;
mod proof;
pub mod radsec;
mod refused;
pub mod router_api;
pub mod router_script;
mod session;
mod shelf;
mod slots;
mod spool;
mod stranger;
mod sweep;
mod tempo;
mod unanswered;
mod under_way;
mod update;
mod wanted;
pub mod watch;

use std::collections::HashMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch::Sender as WatchSender;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use admin::{
    ACCOUNT_FIELDS, AccountField, AccountStep, AccountSteps, Adoption, Afterwards, ApiForm, Examination, HomeForm,
    ImportReport, ImportRow, Mended, Names, PUT_AT_ONCE, RULE_MARK, ReachForm, RuleIdentity, RuleLine, UserForm,
};
pub use compare::{ComparedAccount, Here, PasswordShown, RouterAccountsView, SessionHere, There, Verdict};
pub use refused::Refused;
pub use stranger::Stranger;
pub use unanswered::Unanswered;

use self::access::Errand;
use self::accounting::Queued;
use self::directory::Directory;
use self::guess::Guesses;
use self::job::Jobs;
use self::login::Logins;
use self::ports::{Asker, Cutter};
use self::router_api::{ApiFault, ApiState, RouterApi};
use self::slots::Slots;
use self::stranger::Strangers;
use crate::clock::{Clock, Timestamp};
use crate::crypto::hex;
use crate::domain::credential::Credential;
use crate::domain::id::RouterId;
use crate::entropy::Entropy;
use crate::metrics::Metrics;
use crate::secret::Secret;
use crate::store::attempt::Attempt;
use crate::store::{Committed, Noun, Reader, Store, StoreError};
use crate::text::Texts;

/// A leader that does not renew for this long has lost its role.
const LEADERSHIP: Duration = Duration::from_secs(15);
/// How often a worker asks for its role while another leads, so that what that one leaves does not wait long, and while
/// work of its own is under way, so that nobody else begins the same.
const LEAD_EVERY: Duration = Duration::from_secs(3);

/// The use cases, over one store. Shared by every edge as `Arc<Gate>`.
pub struct Gate {
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    texts: Arc<Texts>,
    metrics: Arc<Metrics>,
    directory: Directory,
    slots: Slots,
    guesses: Guesses,
    /// Whose person was told when that a connection was one too many.
    surplus_told: moka::sync::Cache<crate::domain::id::AccountId, Timestamp>,
    /// Connections that are to be cut because a dial replaced them, and since when.
    replaced: moka::sync::Cache<crate::domain::id::ConnectionId, Timestamp>,
    strangers: Strangers,
    radsec: radsec::Radsec,
    unanswered: unanswered::Table,
    logins: Logins,
    class_key: [u8; 32],
    decoy: Credential,
    instance: String,
    errands: Queue<Errand>,
    attempts: Queue<Attempt>,
    tempo: tempo::Tempo,
    /// When it was last told that errands are lost, in ms since 1970.
    errands_lost_at: AtomicI64,
    records: Queue<Queued>,
    spool: spool::Spool,
    wake: Wake,
    leadership: Mutex<HashMap<&'static str, Held>>,
    bot: WatchSender<BotState>,
    /// What talks to routers over their API; set once, before the workers start.
    router_api: OnceLock<Arc<dyn RouterApi>>,
    outsiders: Mutex<watch::Outsiders>,
    /// Where routers reach us; set once at start.
    listens: OnceLock<Listens>,
    /// Bulk operations that pages began.
    jobs: Jobs,
    examinations: Mutex<admin::Examinations>,
    /// Where they run, once the workers have started.
    tasks: OnceLock<(TaskTracker, CancellationToken)>,
    /// The update of Telegram that failed last, and how often in a row.
    stuck_update: Mutex<(i64, u32)>,
    /// How the home servers fare.
    homes: home::Homes,
}

/// The ports on which routers reach us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listens {
    /// For log-ins.
    pub auth: u16,
    /// For accounting.
    pub acct: u16,
    /// For both over TLS; `None`: nowhere.
    pub radsec: Option<u16>,
}

impl Default for Listens {
    /// Those of RFC 2865 and RFC 2866, and no RadSec.
    fn default() -> Self {
        Self { auth: 1812, acct: 1813, radsec: None }
    }
}

/// What the bot is doing, for pages and health.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum BotState {
    /// There is no bot (no token), or it was stopped.
    #[default]
    Off,
    /// Another instance fetches the updates.
    Standby,
    /// It has not been answered yet.
    Connecting,
    /// Updates come in.
    Running,
    /// Updates do not come in; it tries again.
    Failing {
        /// Since when without a break.
        since: Timestamp,
        /// The last reason; carries no secret.
        why: String,
    },
}

/// A role that this instance has.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// Just before it was asked for, by monotonic time.
    asked_at: Instant,
    /// Until when it was given, by wall time.
    until: Timestamp,
}

/// A bounded queue: both ends, until its worker takes the receiving one.
struct Queue<T> {
    sender: mpsc::Sender<T>,
    receiver: Mutex<Option<mpsc::Receiver<T>>>,
}

impl<T> Queue<T> {
    fn new(length: usize) -> Self {
        let (sender, receiver) = mpsc::channel(length);
        Self { sender, receiver: Mutex::new(Some(receiver)) }
    }

    fn take(&self) -> Option<mpsc::Receiver<T>> {
        self.receiver.lock().ok().and_then(|mut receiver| receiver.take())
    }
}

/// Wakes the workers when there may be something to do.
#[derive(Default)]
struct Wake {
    lifecycle: Notify,
    enforce: Notify,
    post: Notify,
    fulfil: Notify,
    watch: Notify,
}

impl Gate {
    /// Builds the use cases over an open store.
    ///
    /// # Errors
    /// The database does not answer, or holds what cannot be understood.
    pub async fn open(store: Store, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Result<Arc<Gate>, StoreError> {
        let directory = Directory::open(store.reader().clone()).await?;
        let class_key = store.reader().derive_key("class");
        let decoy = Credential::of_password(Secret::new(hex::encode(&entropy.bytes::<16>())));
        let instance = hex::encode(&entropy.bytes::<8>());
        let logins = Logins::new(store.clone(), clock.clone(), entropy.clone());
        Ok(Arc::new(Gate {
            directory,
            logins,
            class_key,
            decoy,
            instance,
            store,
            clock,
            entropy,
            texts: Arc::default(),
            metrics: Arc::default(),
            slots: Slots::default(),
            guesses: Guesses::default(),
            surplus_told: moka::sync::Cache::new(door::SURPLUS_TOLD),
            replaced: moka::sync::Cache::new(door::REPLACED),
            strangers: Strangers::default(),
            radsec: radsec::Radsec::default(),
            unanswered: unanswered::Table::default(),
            errands: Queue::new(access::ERRANDS),
            attempts: Queue::new(attempts::ATTEMPTS),
            tempo: tempo::Tempo::default(),
            errands_lost_at: AtomicI64::new(0),
            records: Queue::new(accounting::RECORDS),
            spool: spool::Spool::default(),
            wake: Wake::default(),
            leadership: Mutex::default(),
            bot: WatchSender::new(BotState::Off),
            router_api: OnceLock::new(),
            outsiders: Mutex::default(),
            listens: OnceLock::new(),
            jobs: Jobs::default(),
            examinations: Mutex::default(),
            tasks: OnceLock::new(),
            stuck_update: Mutex::default(),
            homes: home::Homes::default(),
        }))
    }

    /// Starts the workers that need no port: the directory's poll, accounting, attempts, errands and due times.
    pub fn start(self: &Arc<Self>, tracker: &TaskTracker, cancel: &CancellationToken) {
        // A second start adds workers, and jobs go on where the first put them.
        let _started = self.tasks.set((tracker.clone(), cancel.clone()));
        tracker.spawn(self.clone().follow_changes(cancel.clone()));
        tracker.spawn(self.clone().write_attempts(cancel.clone()));
        self.start_accounting(tracker, cancel);
        tracker.spawn(self.clone().run_errands(cancel.clone()));
        tracker.spawn(self.clone().run_lifecycle(cancel.clone()));
        tracker.spawn(self.clone().run_sweep(cancel.clone()));
    }

    /// Starts the workers that ask routers over their API: what is wanted there, and what they say of themselves.
    pub fn start_reaching(
        self: &Arc<Self>,
        api: Arc<dyn RouterApi>,
        tracker: &TaskTracker,
        cancel: &CancellationToken,
    ) {
        self.reach_routers(api);
        tracker.spawn(self.clone().run_fulfil(cancel.clone()));
        tracker.spawn(self.clone().run_watch(cancel.clone()));
    }

    /// Starts the worker that ends and changes connections on routers.
    pub fn start_enforcing(
        self: &Arc<Self>,
        cutter: Arc<dyn Cutter>,
        tracker: &TaskTracker,
        cancel: &CancellationToken,
    ) {
        tracker.spawn(self.clone().run_enforce(cutter, cancel.clone()));
    }

    /// Starts the worker that delivers the outbox.
    pub fn start_posting(self: &Arc<Self>, asker: Arc<dyn Asker>, tracker: &TaskTracker, cancel: &CancellationToken) {
        tracker.spawn(self.clone().run_post(asker, cancel.clone()));
    }

    /// The reading half of the store.
    pub fn reader(&self) -> &Reader {
        self.store.reader()
    }

    /// The operators and their log-in.
    pub fn logins(&self) -> &Logins {
        &self.logins
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The source of randomness.
    pub fn entropy(&self) -> &Arc<dyn Entropy> {
        &self.entropy
    }

    /// The counters.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The texts.
    pub fn texts(&self) -> &Arc<Texts> {
        &self.texts
    }

    /// The caches.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Who calls from addresses of no router, the last callers first.
    pub fn strangers(&self) -> Vec<Stranger> {
        self.strangers.list()
    }

    /// Somebody called from an address of no router.
    pub fn note_stranger(&self, address: std::net::IpAddr) {
        self.strangers.note(address, self.now());
    }

    /// The state of the bot.
    pub fn bot_state(&self) -> BotState {
        self.bot.borrow().clone()
    }

    /// Where the bot tells how it fares.
    pub fn bot_channel(&self) -> WatchSender<BotState> {
        self.bot.clone()
    }

    /// Gives the use cases what talks to routers over their API. Only the first one counts.
    pub fn reach_routers(&self, api: Arc<dyn RouterApi>) {
        if self.router_api.set(api).is_err() {
            tracing::warn!("the routers are reached already");
        }
    }

    /// Tells the use cases where routers reach us, for doctor and script. Only the first word counts.
    pub fn listen_at(&self, listens: Listens) {
        let _ = self.listens.set(listens);
    }

    /// Whether this instance listens for RadSec.
    pub fn listens_for_radsec(&self) -> bool {
        self.listens.get().is_some_and(|listens| listens.radsec.is_some())
    }

    /// How the API of a router stands.
    pub fn api_state(&self, router: RouterId) -> ApiState {
        self.router_api.get().map_or(ApiState::Off, |api| api.state(router))
    }

    /// What talks to routers.
    fn api(&self) -> Result<&Arc<dyn RouterApi>, ApiFault> {
        self.router_api.get().ok_or(ApiFault::Off)
    }

    /// Whether the database answers and the caches follow it.
    ///
    /// # Errors
    /// Why not, in words.
    pub async fn health(&self) -> Result<(), String> {
        self.reader().ping().await.map_err(|error| error.to_string())?;
        if self.directory.is_fresh() {
            Ok(())
        } else {
            Err("the changes of the database cannot be followed".to_owned())
        }
    }

    /// Takes or keeps a role among the instances. The database is asked only when a third of the time is left.
    async fn leads(&self, role: &'static str) -> bool {
        let now = self.now();
        let held = self.held().get(role).copied();
        // A wall clock that is held or set back must not stretch what the others' clocks have ended.
        if held.is_some_and(|held| held.asked_at.elapsed() < LEADERSHIP / 3 * 2 && now + LEADERSHIP / 3 < held.until) {
            return true;
        }
        let (asked_at, until) = (Instant::now(), now + LEADERSHIP);
        let leads = self.store.lead(role, &self.instance, now, until).await.unwrap_or_else(|error| {
            tracing::warn!(role, %error, "leadership cannot be asked for");
            false
        });
        if leads {
            self.held().insert(role, Held { asked_at, until });
        } else {
            self.held().remove(role);
        }
        leads
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<&'static str, Held>> {
        self.leadership.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives up what this instance leads, so that another one takes over at once, and closes the store.
    pub async fn close(&self) {
        if let Err(error) = self.store.resign(&self.instance).await {
            tracing::warn!(%error, "leadership cannot be given up; it lapses by itself");
        }
        self.store.close().await;
    }

    /// A transaction was committed: forget what it changed, and wake whoever has something to do.
    fn after(&self, committed: &Committed) {
        self.directory.forget(committed);
        if committed.changes.iter().any(|change| matches!(change.noun, Noun::Account | Noun::Work | Noun::Setting)) {
            self.wake_workers();
        }
        if committed.changes.iter().any(|change| change.noun == Noun::Router) {
            self.wake.watch.notify_waiters();
        }
    }

    fn wake_workers(&self) {
        self.wake.lifecycle.notify_one();
        self.wake.enforce.notify_one();
        self.wake.post.notify_one();
        self.wake.fulfil.notify_one();
    }
}

/// When a worker that looked at `looked_at` looks again: at its next due time, or after a while; a second after a failure.
fn next_look(
    looked_at: Timestamp,
    next: Result<Option<Timestamp>, StoreError>,
    failure: &str,
    longest: Duration,
) -> Timestamp {
    match next {
        // What was due then is under way, or failed just now: its end wakes the worker. What fell due since was not seen.
        Ok(next) => next.filter(|at| *at > looked_at).unwrap_or(looked_at + longest).min(looked_at + longest),
        Err(error) => {
            tracing::error!(%error, "{failure}");
            looked_at + Duration::from_secs(1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_falls_due_while_a_worker_looks_is_looked_at_next() {
        let at = Timestamp::from_millis;
        let longest = Duration::from_millis(30);
        let look = |next: Option<i64>| next_look(at(100), Ok(next.map(at)), "", longest);
        // Whatever the time is by now: 101 was not due when it looked.
        assert_eq!(look(Some(101)), at(101));
        assert_eq!(look(Some(100)), at(130), "this was seen, and is under way");
        assert_eq!(look(Some(131)), at(130));
        assert_eq!(look(None), at(130));
        assert_eq!(next_look(at(100), Err(StoreError::Conflict), "", longest), at(1100));
    }
}
