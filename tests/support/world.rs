//! The world of a journey: radgram as it runs, a simulated router and a simulated Telegram, on one settable clock.
//!
//! radgram has a runtime of its own, so that it can die at any moment ([`World::crash`]) and start again on what it left.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test program uses a part of it, and fails by panicking"
)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use radgram::app::App;
use radgram::clock::{Clock, SettableClock, Timestamp};
use radgram::config::{Config, Environment};
use radgram::domain::account::name_key;
use radgram::domain::api::{OldLogIn, Trust};
use radgram::domain::audit::Actor;
use radgram::domain::id::{AccountId, RouterId, UserId};
use radgram::domain::router::{Demand, Leases, Scheme, source_network};
use radgram::domain::session::Session;
use radgram::domain::setting::Level;
use radgram::domain::user::UserStep;
use radgram::entropy::SystemEntropy;
use radgram::gate::router_api::ApiState;
use radgram::gate::{AccountField, ApiForm, BotState, Gate, ReachForm, UserForm};
use radgram::secret::Secret;
use radgram::sim::router::{
    Certificate, Dial, DialOutcome, IncomingConfig, Method, RosVersion, RouterConfig, Server, ServiceUser, SimRouter,
    Tunnel, UserManager,
};
use radgram::sim::telegram::{Group, Person, Press, SimMessage, SimTelegram};
use radgram::store::router::RouterForm;
use sqlx::Connection;
use tokio::runtime::Runtime;

use super::postgres::Database;

pub const SECRET: &str = "Geheimnis-of-the-office";
pub const PASSWORD: &str = "Korrekt-Horse-1";
/// Where Ann dials from.
pub const HOME: &str = "203.0.113.7";
/// Where somebody else dials from.
pub const ELSEWHERE: &str = "198.51.100.9";
pub const OPERATORS: i64 = -100_500;
/// The operator of journeys.
pub const ADMIN: Actor = Actor::CommandLine;
/// 2026-11-23 10:00 UTC, a Monday.
const MORNING: i64 = 1_795_428_000_000;
/// Where the router of the second instance calls from.
const ANNEX: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Our user on the router.
pub const API_USER: &str = "radgram";
pub const API_PASSWORD: &str = "Passwort-of-the-API";
const CONFIG: &str = "radius.toml";
/// Longer than anything takes on a slow machine; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(30);

pub const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

pub const fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3600)
}

/// Which database a journey runs on.
pub enum Base {
    Sqlite,
    Postgres(Database),
}

/// Writes files into the folder that radgram starts in.
pub type Furnish = Box<dyn Fn(&Path) + Send>;

/// How a world is built.
pub struct Plan {
    /// The proxy to Telegram, `""` for none.
    pub proxy: String,
    /// Which RouterOS the router runs.
    pub version: RosVersion,
    /// What its User Manager does.
    pub user_manager: UserManager,
    /// The policies of our user on it; `""`: there is none yet.
    pub policies: String,
    /// What it shows over TLS.
    pub certificate: Option<Certificate>,
    /// How long the router waits for an answer before it asks again, in real time: a third of what it waits in all.
    pub timeout: Duration,
    /// What radgram listens with for RadSec, if it does: writes its files into the folder.
    pub radsec: Option<Furnish>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            proxy: String::new(),
            version: RosVersion::default(),
            user_manager: UserManager::Idle,
            policies: "api,read,write,sensitive".to_owned(),
            certificate: None,
            timeout: Duration::from_secs(3),
            radsec: None,
        }
    }
}

/// The world.
pub struct World {
    pub clock: SettableClock,
    pub telegram: SimTelegram,
    pub router: SimRouter,
    pub version: RosVersion,
    pub ann: Reader,
    pub operators: Group,
    running: Option<Running>,
    folder: tempfile::TempDir,
    base: Base,
    auth: SocketAddr,
    acct: SocketAddr,
    radsec: Option<SocketAddr>,
}

/// One radgram on a runtime of its own; it dies when dropped.
struct Running {
    runtime: Option<Runtime>,
    app: Option<App>,
}

/// A second radgram on the same database with the same master key, and a router `annex` that asks it.
pub struct Second {
    pub router: SimRouter,
    running: Option<Running>,
}

/// A person who remembers how far they have read.
pub struct Reader {
    pub person: Person,
    read: AtomicI64,
}

impl Reader {
    pub fn new(person: Person) -> Self {
        Self { person, read: AtomicI64::new(0) }
    }

    pub fn says(&self, text: &str) {
        self.person.says(text);
    }

    /// The next message with these words, however long it takes to come.
    pub async fn reads(&self, words: &str) -> SimMessage {
        let read = self.read.load(Ordering::SeqCst);
        let message = self.person.wait_for(|message| message.message_id > read && message.text.contains(words)).await;
        self.read.store(message.message_id, Ordering::SeqCst);
        message
    }

    /// The message as it stands once it has these words.
    pub async fn sees(&self, message: &SimMessage, words: &str) -> SimMessage {
        self.person.wait_for(|now| now.message_id == message.message_id && now.text.contains(words)).await
    }

    /// Presses a button and reads the toast.
    pub async fn presses(&self, message: &SimMessage, label: &str) -> String {
        self.person.press(message, label).toast().await
    }

    pub fn press(&self, message: &SimMessage, label: &str) -> Press {
        self.person.press(message, label)
    }

    /// How many messages with these words there are.
    pub fn count(&self, words: &str) -> usize {
        self.person.inbox().iter().filter(|message| message.text.contains(words)).count()
    }
}

impl World {
    pub async fn sqlite() -> Self {
        Self::on(Base::Sqlite).await
    }

    pub async fn postgres() -> Self {
        Self::on(Base::Postgres(Database::fresh().await)).await
    }

    /// radgram with a router `office`, an operators' chat, and nobody registered.
    pub async fn on(base: Base) -> Self {
        Self::built(base, Plan::default()).await
    }

    /// The same; Telegram is reached through this proxy.
    pub async fn through(base: Base, proxy: &str) -> Self {
        Self::built(base, Plan { proxy: proxy.to_owned(), ..Plan::default() }).await
    }

    /// The same, by a plan.
    pub async fn built(base: Base, plan: Plan) -> Self {
        let proxy = plan.proxy.as_str();
        let clock = SettableClock::new(Timestamp::from_millis(MORNING));
        let telegram = SimTelegram::start().await.unwrap();
        let ann = Reader::new(telegram.person(1001, "Ann", "en"));
        let operators = telegram.group(OPERATORS, "operators");
        let folder = tempfile::tempdir().unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = folder.path().join(CONFIG);
        if let Some(furnish) = &plan.radsec {
            furnish(folder.path());
        }
        write_config(&config, &base, (&telegram, proxy), (any, any), plan.radsec.as_ref().map(|_| any));
        let running = start(&config, &clock).await;
        let (auth, acct) = (running.app().auth[0], running.app().acct[0]);
        let radsec = running.app().radsec.first().copied();
        write_config(&config, &base, (&telegram, proxy), (auth, acct), radsec);
        let router = router("office", Ipv4Addr::LOCALHOST, (auth, acct), &clock, &plan).await;
        let version = plan.version;
        let world = Self {
            clock,
            telegram,
            router,
            version,
            ann,
            operators,
            running: Some(running),
            folder,
            base,
            auth,
            acct,
            radsec,
        };
        world.add_router("office", &world.router).await;
        world.set("operators_chat", &OPERATORS.to_string()).await;
        world.set("language", "en").await;
        world.until_routers_are_known().await;
        world
    }

    /// The router as radgram knows it: where it calls from, and where it listens.
    async fn add_router(&self, name: &str, router: &SimRouter) -> RouterId {
        self.add_router_at(name, &router.local_addr().ip().to_string(), router).await
    }

    /// A router that calls from elsewhere than the address that it is known under.
    pub async fn add_router_at(&self, name: &str, address: &str, router: &SimRouter) -> RouterId {
        let form = RouterForm {
            name: name.to_owned(),
            address: source_network(address).unwrap(),
            nas_identifier: None,
            coa_port: router.incoming_addr().unwrap().port(),
            message_authenticator: Demand::Auto,
        };
        self.gate().add_router(&ADMIN, &form, &Secret::new(SECRET)).await.unwrap()
    }

    /// Where radgram listens for log-ins and for accounting.
    pub fn radius(&self) -> (SocketAddr, SocketAddr) {
        (self.auth, self.acct)
    }

    /// Where radgram listens for RadSec.
    pub fn radsec(&self) -> SocketAddr {
        self.radsec.expect("it listens by the plan")
    }

    /// The router's row.
    pub async fn router_id(&self) -> RouterId {
        self.gate().reader().routers().await.unwrap().routers.iter().find(|router| router.name == "office").unwrap().id
    }

    /// radgram is told how it reaches the router's API, and does.
    pub async fn reach(&self, scheme: Scheme, leases: Leases) {
        self.reach_of(self.router_id().await, &self.router, scheme, leases).await;
    }

    async fn reach_of(&self, id: RouterId, router: &SimRouter, scheme: Scheme, leases: Leases) {
        let form = ReachForm {
            scheme,
            leases,
            api: Some(ApiForm {
                address: router.api_addr().unwrap().to_string().parse().unwrap(),
                user: API_USER.to_owned(),
                password: Some(Secret::new(API_PASSWORD)),
                trust: Trust::Plain,
                old_log_in: OldLogIn::Refused,
            }),
        };
        self.gate().set_router_reach(&ADMIN, id, &form).await.unwrap();
        self.until("the router's API is up", || async { matches!(self.gate().api_state(id), ApiState::Up { .. }) })
            .await;
    }

    /// A second router, `annex`, reached over its API, too.
    pub async fn annex(&self, scheme: Scheme, leases: Leases) -> SimRouter {
        let plan = Plan { version: self.version, ..Plan::default() };
        let annex = router("annex", ANNEX, (self.auth, self.acct), &self.clock, &plan).await;
        let id = self.add_router("annex", &annex).await;
        self.until("the annex is known", || async {
            self.gate().directory().routers().of(IpAddr::V4(ANNEX)).is_some()
        })
        .await;
        self.reach_of(id, &annex, scheme, leases).await;
        annex
    }

    /// Waits until everything that is wanted on routers is proven.
    pub async fn until_fulfilled(&self) {
        self.until("nothing is pending on the router", || async {
            let reader = self.gate().reader();
            reader.pending_wants().await.unwrap().is_empty() && reader.pending_cuts().await.unwrap().is_empty()
        })
        .await;
    }

    /// A second instance beside this one.
    pub async fn second(&self) -> Second {
        assert!(matches!(self.base, Base::Postgres(_)), "a SQLite file has one server");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = self.folder.path().join("second.toml");
        write_config(&config, &self.base, (&self.telegram, ""), (any, any), None);
        let running = start(&config, &self.clock).await;
        let listens = (running.app().auth[0], running.app().acct[0]);
        let router = router("annex", ANNEX, listens, &self.clock, &Plan::default()).await;
        self.add_router("annex", &router).await;
        let second = Second { router, running: Some(running) };
        self.until("the second knows its router", || async {
            second.gate().directory().routers().of(IpAddr::V4(ANNEX)).is_some()
        })
        .await;
        second
    }

    /// The same, with Ann registered through the bot, approved, and bound to the account `ann`.
    pub async fn with_ann(base: Base) -> Self {
        let world = Self::on(base).await;
        world.register_ann().await;
        world
    }

    pub fn gate(&self) -> &Arc<Gate> {
        &self.running.as_ref().expect("radgram runs").app().gate
    }

    /// Where log-ins are taken.
    pub fn auth(&self) -> Vec<SocketAddr> {
        self.running.as_ref().expect("radgram runs").app().auth.clone()
    }

    pub fn web(&self) -> SocketAddr {
        self.running.as_ref().expect("radgram runs").app().web
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn config_file(&self) -> std::path::PathBuf {
        self.folder.path().join(CONFIG)
    }

    pub async fn set(&self, name: &str, value: &str) {
        self.gate().set_setting(&ADMIN, name, Level::System, value).await.unwrap();
    }

    /// Ann's story up to the account.
    pub async fn register_ann(&self) {
        self.ann.says("/start");
        self.ann.reads("send an application").await;
        self.ann.says("/register");
        self.ann.reads("Write your full name").await;
        self.ann.says("Ann Lee");
        self.ann.reads("application is sent").await;
        self.operators.wait_for(|message| message.text.contains("Ann Lee")).await;
        let ann = self.user().await;
        self.gate().decide_user(&ADMIN, ann, UserStep::Approve, None).await.unwrap();
        self.ann.reads("is approved").await;
        let form = UserForm {
            name: "Ann Lee".to_owned(),
            accounts: vec![AccountField { name: "ann".to_owned(), password: Some(Secret::new(PASSWORD)) }],
        };
        self.gate().edit_user(&ADMIN, ann, &form).await.unwrap();
    }

    pub async fn user(&self) -> UserId {
        self.gate().reader().user_by_telegram(1001).await.unwrap().expect("Ann has applied").id
    }

    pub async fn account(&self, name: &str) -> AccountId {
        self.gate().reader().account_id(&name_key(name)).await.unwrap().expect("the account exists")
    }

    pub async fn session(&self) -> Option<Session> {
        self.gate().reader().open_session(self.account("ann").await).await.unwrap()
    }

    /// Ann asks for access in the bot.
    pub async fn request(&self) {
        self.ann.says("/request_vpn");
        self.ann.reads("is open until").await;
    }

    /// Ann's client dials.
    pub async fn dial(&self) -> DialOutcome {
        self.dial_from(HOME).await
    }

    pub async fn dial_from(&self, caller: &str) -> DialOutcome {
        self.router.dial(ann_from(caller)).await
    }

    /// Runs statements on radgram's database behind its back.
    pub async fn sql(&self, statement: &str) {
        sqlx::any::install_default_drivers();
        let mut connection = sqlx::AnyConnection::connect(&self.database()).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    pub fn database(&self) -> String {
        database_url(self.folder.path(), &self.base)
    }

    /// Time passes.
    pub fn after(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    /// radgram stops, as an operator stops it.
    pub async fn stop(&mut self) {
        self.running.take().expect("radgram runs").stop().await;
    }

    /// radgram dies: no task runs on, nothing is given up.
    pub async fn crash(&mut self) {
        self.running.take().expect("radgram runs").crash().await;
    }

    /// radgram starts on what it left. Leadership that was not given up lapses meanwhile.
    pub async fn start(&mut self) {
        self.after(Duration::from_secs(16));
        self.running = Some(start(&self.config_file(), &self.clock).await);
        self.until_routers_are_known().await;
    }

    pub async fn restart(&mut self) {
        self.crash().await;
        self.start().await;
    }

    /// Waits until what is asked for is so; a failure names it.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, mut so: impl FnMut() -> F) {
        let patience = tokio::time::Instant::now() + PATIENCE;
        while !so().await {
            assert!(tokio::time::Instant::now() < patience, "never came true: {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn until_over(&self) {
        self.until("the session is over", || async { self.session().await.is_none() }).await;
    }

    /// Waits until radgram has heard of all that accounting reported.
    pub async fn until_heard(&self) {
        self.until("every connection is heard of", || async {
            self.gate().reader().fresh_connection_count().await.unwrap() == 0
        })
        .await;
    }

    /// Waits until everything that was to be told is delivered and written down as such.
    pub async fn until_posted(&self) {
        self.until("the outbox is empty", || async { self.gate().reader().waiting_messages().await.unwrap() == 0 })
            .await;
    }

    async fn until_routers_are_known(&self) {
        self.until("the router is known", || async {
            self.gate().directory().routers().of(IpAddr::V4(Ipv4Addr::LOCALHOST)).is_some()
        })
        .await;
        self.until("the bot runs", || async { self.gate().bot_state() == BotState::Running }).await;
    }
}

/// A dial with Ann's right password.
pub fn ann_from(caller: &str) -> Dial {
    let mut dial = Dial::new("ann", PASSWORD);
    dial.caller = caller.to_owned();
    dial.method = Method::MsChapV2;
    dial
}

/// What a journey says of a dial.
pub trait Dialled {
    fn accepted(self) -> Tunnel;
    fn rejected(self) -> String;
}

impl Dialled for DialOutcome {
    #[track_caller]
    fn accepted(self) -> Tunnel {
        match self {
            DialOutcome::Connected(tunnel) => tunnel,
            other => panic!("not accepted: {other:?}"),
        }
    }

    /// Gives the Reply-Message.
    #[track_caller]
    fn rejected(self) -> String {
        match self {
            DialOutcome::Rejected { reply_message, .. } => reply_message.unwrap_or_default(),
            other => panic!("not rejected: {other:?}"),
        }
    }
}

async fn router(
    identity: &str,
    address: Ipv4Addr,
    (auth, acct): (SocketAddr, SocketAddr),
    clock: &SettableClock,
    plan: &Plan,
) -> SimRouter {
    let address = IpAddr::V4(address);
    let mut config = RouterConfig::new(identity, address, Server::new(auth, acct, Secret::new(SECRET)));
    config.timeout = plan.timeout;
    config.incoming = Some(IncomingConfig::new(address));
    config.version = plan.version;
    config.user_manager = plan.user_manager;
    if !plan.policies.is_empty() {
        config.api.users = vec![ServiceUser::new(API_USER, API_PASSWORD, &plan.policies)];
    }
    config.api.certificate = plan.certificate.clone();
    SimRouter::start(config, Arc::new(clock.clone())).await.unwrap()
}

async fn start(config: &Path, clock: &SettableClock) -> Running {
    let config = Config::read(config, Environment::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let app = runtime.spawn(async move { App::start(&config, clock, Arc::new(SystemEntropy)).await });
    Running { app: Some(app.await.unwrap().unwrap()), runtime: Some(runtime) }
}

fn write_config(
    file: &Path,
    base: &Base,
    (telegram, proxy): (&SimTelegram, &str),
    (auth, acct): (SocketAddr, SocketAddr),
    radsec: Option<SocketAddr>,
) {
    let folder = file.parent().expect("the file is in the folder of the world");
    let url = database_url(folder, base);
    let radsec = radsec.map_or_else(String::new, |radsec| {
        format!(
            "radsec_listen = [\"{radsec}\"]\nradsec_cert = \"radsec.crt\"\nradsec_key = \"radsec.key\"\n\
             radsec_client_ca = \"radsec-ca.crt\"\n"
        )
    });
    let text = format!(
        "[radius]\nauth_listen = [\"{auth}\", \"127.0.0.1:0\"]\nacct_listen = [\"{acct}\"]\n{radsec}\
         [web]\nlisten = \"127.0.0.1:0\"\n\
         [database]\nurl = \"{url}\"\n\
         [secrets]\nmaster_key_file = \"{}\"\n\
         [telegram]\ntoken = \"{}\"\napi_url = \"{}\"\nproxy = \"{proxy}\"\n",
        folder.join("radgram.key").display(),
        SimTelegram::TOKEN,
        telegram.url(),
    );
    std::fs::write(file, text).unwrap();
}

fn database_url(folder: &Path, base: &Base) -> String {
    match base {
        Base::Sqlite => format!("sqlite:{}", folder.join("radgram.db").display()),
        Base::Postgres(database) => database.url().to_owned(),
    }
}

impl Running {
    fn app(&self) -> &App {
        self.app.as_ref().expect("it runs until it is stopped")
    }

    /// As an operator stops it.
    async fn stop(mut self) {
        let (runtime, app) = (self.runtime.take().expect("it runs"), self.app.take().expect("it runs"));
        runtime.spawn(app.stop()).await.unwrap();
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE)).await.unwrap();
    }

    /// No task runs on, nothing is given up.
    async fn crash(mut self) {
        let runtime = self.runtime.take().expect("it runs");
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE)).await.unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Second {
    pub fn gate(&self) -> &Arc<Gate> {
        &self.running.as_ref().expect("the second runs").app().gate
    }

    /// Ann's client dials at the annex.
    pub async fn dial(&self) -> DialOutcome {
        self.router.dial(ann_from(HOME)).await
    }

    pub async fn stop(&mut self) {
        self.running.take().expect("the second runs").stop().await;
    }

    pub async fn crash(&mut self) {
        self.running.take().expect("the second runs").crash().await;
    }
}
