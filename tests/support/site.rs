//! A web UI over a real store in a temporary directory, and a browser that reads it.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part of it, and fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use radgram::clock::{Clock, SettableClock, Timestamp};
use radgram::crypto::seal::{Keyring, MasterKey};
use radgram::domain::api::{OldLogIn, Trust};
use radgram::domain::audit::Actor;
use radgram::domain::connection::{Authentic, Record, Report, Traffic, Via};
use radgram::domain::id::{AccountId, GroupId, RouterId, SessionId, UserId};
use radgram::domain::operator::Role;
use radgram::domain::router::{Demand, Leases, NasKey, Scheme, source_network};
use radgram::domain::session::Origin;
use radgram::domain::user::UserState;
use radgram::entropy::SystemEntropy;
use radgram::gate::router_api::RouterApi;
use radgram::gate::{ApiForm, Gate, ReachForm};
use radgram::secret::Secret;
use radgram::store::Store;
use radgram::store::attempt::{Attempt, Verdict};
use radgram::store::booking::Booking;
use radgram::store::connection::ClassSeen;
use radgram::store::router::RouterForm;
use radgram::store::session::NewSession;
use radgram::store::user::NewUser;
use radgram::text::Language;
use radgram::web::{WebConfig, WebState, router, serve};
use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// The password of every operator of the tests.
pub const PASSWORD: &str = "correct horse battery";
/// The password of every account, and the secret of every router: in no page ever.
pub const SECRET: &str = "s3cret-that-no-page-shows";

#[path = "fleet.rs"]
pub mod fleet;

use fleet::FakeFleet;

/// When every test begins.
const START: Timestamp = Timestamp::from_millis(1_795_362_000_000);

/// A web UI that runs.
pub struct Site {
    pub address: String,
    pub store: Store,
    pub clock: SettableClock,
    pub gate: Arc<Gate>,
    /// The API of its routers, unless they are others.
    pub fleet: Arc<FakeFleet>,
    dir: Option<tempfile::TempDir>,
    _stop: DropGuard,
}

impl Site {
    /// Starts one with an owner `root`, an operator `olga` and a viewer `vera`.
    pub async fn start() -> Site {
        Site::start_empty(WebConfig::default()).await.with_operators().await
    }

    pub async fn with_operators(self) -> Site {
        for (name, role) in [("root", Role::Owner), ("olga", Role::Operator), ("vera", Role::Viewer)] {
            let password = Secret::new(PASSWORD);
            self.gate.logins().add_operator(&Actor::CommandLine, name, role, &password).await.unwrap();
        }
        self
    }

    /// Starts one without operators, on SQLite.
    pub async fn start_empty(config: WebConfig) -> Site {
        Site::start_empty_over(config, None).await
    }

    /// Starts one with operators and routers that are reached for real.
    pub async fn start_over(api: impl FnOnce(&SettableClock) -> Arc<dyn RouterApi>) -> Site {
        let clock = SettableClock::new(START);
        let api = api(&clock);
        Site::start_empty_over(WebConfig::default(), Some((clock, api))).await.with_operators().await
    }

    async fn start_empty_over(config: WebConfig, api: Option<(SettableClock, Arc<dyn RouterApi>)>) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("web.db").display());
        let mut site = Site::build(&url, config, api).await;
        site.dir = Some(dir);
        site
    }

    /// Starts one without operators, on this database.
    pub async fn start_on(url: &str, config: WebConfig) -> Site {
        Site::build(url, config, None).await
    }

    async fn build(url: &str, config: WebConfig, api: Option<(SettableClock, Arc<dyn RouterApi>)>) -> Site {
        let fleet = FakeFleet::new();
        let (clock, api) = api.unwrap_or_else(|| (SettableClock::new(START), fleet.clone()));
        let ring = Keyring::new(MasterKey::new([7; 32]));
        let store = Store::open(url, ring, Arc::new(SystemEntropy), clock.now()).await.unwrap();
        let gate = Gate::open(store.clone(), Arc::new(clock.clone()), Arc::new(SystemEntropy)).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let cancel = CancellationToken::new();
        let tracker = TaskTracker::new();
        gate.start(&tracker, &cancel);
        gate.start_reaching(api, &tracker, &cancel);
        let pages = router(WebState::new(gate.clone(), config));
        tokio::spawn(serve(listener, pages, cancel.clone()));
        Site { address, store, clock, gate, fleet, dir: None, _stop: cancel.drop_guard() }
    }

    /// A browser that has not logged in.
    pub fn browser(&self) -> Browser {
        Browser::at(&self.address)
    }

    /// A browser that has.
    pub async fn logged_in(&self, name: &str) -> Browser {
        let mut browser = self.browser();
        browser.post("/log-in", &[("name", name), ("password", PASSWORD)]).await.assert_redirect("/");
        browser
    }

    pub async fn user(&self, telegram_id: i64, name: &str, state: UserState) -> UserId {
        let mut tx = self.store.begin().await.unwrap();
        let new = NewUser { telegram_id, name, state, language: Language::En };
        let id = tx.add_user(&new, self.clock.now()).await.unwrap();
        tx.commit(self.clock.now()).await.unwrap();
        id
    }

    pub async fn account(&self, name: &str, user: Option<UserId>) -> AccountId {
        let mut tx = self.store.begin().await.unwrap();
        let id = tx.add_account(name, user, self.clock.now()).await.unwrap();
        tx.set_password(id, &Secret::new(SECRET)).await.unwrap();
        tx.commit(self.clock.now()).await.unwrap();
        id
    }

    /// A group with these accounts in it.
    pub async fn group(&self, name: &str, accounts: &[AccountId]) -> GroupId {
        let group = self.gate.add_group(&Actor::CommandLine, name).await.unwrap();
        self.gate.put_into_group(&Actor::CommandLine, accounts, Some(group)).await.unwrap();
        group
    }

    pub async fn router(&self, name: &str, address: &str) -> RouterId {
        let form = RouterForm {
            name: name.to_owned(),
            address: source_network(address).unwrap(),
            nas_identifier: None,
            coa_port: 3799,
            message_authenticator: Demand::Auto,
        };
        let mut tx = self.store.begin().await.unwrap();
        let id = tx.add_router(&form, &Secret::new(SECRET), self.clock.now()).await.unwrap();
        tx.commit(self.clock.now()).await.unwrap();
        id
    }

    /// A router whose API is reached, and up.
    pub async fn reached_router(&self, name: &str, address: &str) -> RouterId {
        let id = self.router(name, address).await;
        let now = self.clock.now();
        self.fleet.with(id, |known| known.state = fleet::up(now));
        let api = ApiForm {
            address: address.split('/').next().unwrap().parse().unwrap(),
            user: "radgram".to_owned(),
            password: Some(Secret::new(SECRET)),
            trust: Trust::Pinned(None),
            old_log_in: OldLogIn::Refused,
        };
        let form = ReachForm { scheme: Scheme::Radius, leases: Leases::Off, api: Some(api) };
        self.gate.set_router_reach(&Actor::CommandLine, id, &form).await.unwrap();
        id
    }

    pub async fn session(&self, account: AccountId, user: Option<UserId>) -> SessionId {
        let now = self.clock.now();
        let until = now + Duration::from_secs(8 * 3600);
        let new = NewSession { account, user, origin: Origin::Grant, until, caller: None, due: until };
        let mut tx = self.store.begin().await.unwrap();
        let session = tx.add_session(&new, now).await.unwrap();
        tx.commit(now).await.unwrap();
        session.id
    }

    /// A connection of `account`, from `station`.
    pub async fn connection(
        &self,
        router: RouterId,
        account: AccountId,
        session: Option<SessionId>,
        user_name: &str,
        station: &str,
    ) {
        let now = self.clock.now();
        let key = NasKey { router, address: "192.0.2.1".parse().unwrap(), identifier: "<b>office</b>".to_owned() };
        let record = Record {
            report: Report::Start,
            nas: key.clone(),
            acct_session_id: format!("81{:06x}", account.0),
            user_name: user_name.as_bytes().to_vec(),
            class: None,
            station: Some(station.to_owned()),
            nas_ip: None,
            framed_ip: "10.8.0.7".parse().ok(),
            server: None,
            authentic: Authentic::Radius,
            arrived: now,
            delay: Duration::ZERO,
            lasted: Duration::from_secs(600),
            traffic: Traffic { input_octets: 12_345_678, output_octets: 987_654_321, ..Traffic::default() },
            via: Via::Radius,
        };
        let mut tx = self.store.begin().await.unwrap();
        let nas = tx.nas(&key, now).await.unwrap().id;
        let class = ClassSeen::Ours;
        tx.book(&Booking { record: &record, nas, account: Some(account), session, class }).await.unwrap();
        tx.commit(now).await.unwrap();
    }

    pub async fn alarm(&self, kind: &'static str, text: &str) {
        let mut tx = self.store.begin().await.unwrap();
        tx.raise(kind, "1", text, self.clock.now()).await.unwrap();
        tx.commit(self.clock.now()).await.unwrap();
    }

    /// So many people, each with an account: `Person 00000` with `acc00000` and the Telegram id 100000.
    pub async fn crowd(&self, people: i64) {
        let now = self.clock.now();
        let mut tx = self.store.begin().await.unwrap();
        for number in 0..people {
            let name = format!("Person {number:05}");
            let state = UserState::Approved;
            let new = NewUser { telegram_id: 100_000 + number, name: &name, state, language: Language::En };
            let id = tx.add_user(&new, now).await.unwrap();
            tx.add_account(&format!("acc{number:05}"), Some(id), now).await.unwrap();
        }
        tx.commit(now).await.unwrap();
    }

    pub async fn attempt(&self, router: RouterId, user_name: &str, reason: Option<&'static str>) {
        let attempt = Attempt {
            at: self.clock.now(),
            router,
            nas_address: "192.0.2.1".parse().unwrap(),
            nas_identifier: "office".to_owned(),
            nas_ip: None,
            server: None,
            user_name: user_name.as_bytes().to_vec(),
            account: None,
            user: None,
            session: None,
            station: Some("203.0.113.7".to_owned()),
            method: "mschapv2",
            verdict: if reason.is_some() { Verdict::Reject } else { Verdict::Accept },
            reason,
            acct_session_id: None,
        };
        let mut tx = self.store.begin().await.unwrap();
        tx.add_attempt(&attempt).await.unwrap();
        tx.commit(self.clock.now()).await.unwrap();
    }
}

/// A browser with one cookie.
pub struct Browser {
    client: Client,
    address: String,
    pub cookie: Option<String>,
    pub headers: HeaderMap,
}

impl Browser {
    /// One that has not logged in, for the web UI at this address.
    pub fn at(address: &str) -> Browser {
        let client = Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Browser { client, address: address.to_owned(), cookie: None, headers: HeaderMap::new() }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(self.client.get(format!("{}{path}", self.address))).await
    }

    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.send(self.client.post(format!("{}{path}", self.address)).form(form)).await
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Answer {
        let mut request = request.headers(self.headers.clone());
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let response = request.send().await.unwrap();
        if let Some(set) = response.headers().get(SET_COOKIE).and_then(|value| value.to_str().ok()) {
            let pair = set.split(';').next().unwrap().to_owned();
            self.cookie = if pair.ends_with('=') { None } else { Some(pair) };
        }
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, body: response.text().await.unwrap() }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    /// 200, with all of these in the page.
    #[track_caller]
    pub fn assert_page(self, parts: &[&str]) -> Answer {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        self.assert_has(parts)
    }

    /// The form again: 422, with all of these in the page.
    #[track_caller]
    pub fn assert_form(self, parts: &[&str]) -> Answer {
        assert_eq!(self.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", self.body);
        self.assert_has(parts)
    }

    #[track_caller]
    pub fn assert_has(self, parts: &[&str]) -> Answer {
        for part in parts {
            assert!(self.body.contains(part), "no {part:?} in\n{}", self.body);
        }
        assert!(!self.body.contains(SECRET) && !self.body.contains(PASSWORD), "a secret in\n{}", self.body);
        self
    }

    #[track_caller]
    pub fn assert_lacks(self, parts: &[&str]) -> Answer {
        for part in parts {
            assert!(!self.body.contains(part), "{part:?} in\n{}", self.body);
        }
        self
    }

    /// 303 to this path.
    #[track_caller]
    pub fn assert_redirect(self, path: &str) -> Answer {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        assert_eq!(self.headers.get(LOCATION).and_then(|value| value.to_str().ok()), Some(path));
        self
    }

    #[track_caller]
    pub fn assert_status(self, status: StatusCode) -> Answer {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    #[track_caller]
    pub fn assert_forbidden(self) -> Answer {
        self.assert_status(StatusCode::FORBIDDEN)
    }
}
