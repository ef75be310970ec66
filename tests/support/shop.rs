//! The use cases over a SQLite store and a router in memory: no sockets, no workers but those that a test starts.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part of it, and fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use radgram::clock::{Clock, SettableClock, Timestamp};
use radgram::crypto::seal::{Keyring, MasterKey};
use radgram::domain::account::name_key;
use radgram::domain::api::{OldLogIn, Trust};
use radgram::domain::audit::Actor;
use radgram::domain::id::{AccountId, RouterId};
use radgram::domain::router::{Demand, Leases, Scheme, source_network};
use radgram::entropy::{Entropy, SystemEntropy};
use radgram::gate::{ApiForm, Gate, ReachForm};
use radgram::secret::Secret;
use radgram::store::Store;
use radgram::store::entry::Entry;
use radgram::store::router::RouterForm;

use crate::router_api::FakeRouter;

pub const ADMIN: Actor = Actor::CommandLine;
/// Longer than anything takes on a slow machine; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A store with the router `office`, whose API is in memory.
pub struct Shop {
    pub gate: Arc<Gate>,
    pub store: Store,
    pub api: FakeRouter,
    pub office: RouterId,
    pub clock: SettableClock,
    pub url: String,
    _folder: tempfile::TempDir,
}

impl Shop {
    pub async fn open() -> Self {
        Self::open_by(|clock| Arc::new(clock)).await
    }

    /// One whose clock is made of the settable one.
    pub async fn open_by(clock_of: impl FnOnce(SettableClock) -> Arc<dyn Clock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("shop.db").display());
        let clock = SettableClock::new(Timestamp::from_millis(1_795_428_000_000));
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let ring = Keyring::new(MasterKey::new([7; 32]));
        let store = Store::open(&url, ring, entropy.clone(), clock.now()).await.unwrap();
        let gate = Gate::open(store.clone(), clock_of(clock.clone()), entropy).await.unwrap();
        let api = FakeRouter::default();
        gate.reach_routers(Arc::new(api.clone()));
        let form = RouterForm {
            name: "office".to_owned(),
            address: source_network("192.0.2.1").unwrap(),
            nas_identifier: None,
            coa_port: 3799,
            message_authenticator: Demand::Auto,
        };
        let office = gate.add_router(&ADMIN, &form, &Secret::new("a shared secret")).await.unwrap();
        let shop = Self { gate, store, api, office, clock, url, _folder: folder };
        shop.decide_by(Scheme::Radius).await;
        shop
    }

    /// Who decides about a dial.
    pub async fn decide_by(&self, scheme: Scheme) {
        self.reached_by(scheme, Leases::Off).await;
    }

    /// The same, and whether its firewall asks for leases.
    pub async fn reached_by(&self, scheme: Scheme, leases: Leases) {
        let api = ApiForm {
            address: "192.0.2.1".parse().unwrap(),
            user: "radgram".to_owned(),
            password: Some(Secret::new("of-the-api-user")),
            trust: Trust::Plain,
            old_log_in: OldLogIn::Refused,
        };
        let form = ReachForm { scheme, leases, api: Some(api) };
        self.gate.set_router_reach(&ADMIN, self.office, &form).await.unwrap();
    }

    /// What a dial of the account is decided by.
    pub async fn entry(&self, name: &str) -> Option<Entry> {
        let id = self.account(name).await?;
        self.store.reader().entry(id).await.unwrap()
    }

    pub async fn account(&self, name: &str) -> Option<AccountId> {
        self.store.reader().account_id(&name_key(name)).await.unwrap()
    }

    /// The database past the store: for what no use case does.
    pub async fn raw(&self) -> sqlx::AnyPool {
        sqlx::AnyPool::connect(&self.url).await.unwrap()
    }

    /// The actions of the audit, oldest first, with what they say.
    pub async fn audit(&self) -> Vec<(String, String)> {
        let lines = self.store.reader().audit().await.unwrap();
        lines.into_iter().rev().map(|line| (line.action, line.detail)).collect()
    }

    /// Waits until what is asked for is so; a failure names it.
    pub async fn until(&self, what: &str, mut so: impl FnMut() -> bool) {
        let patience = tokio::time::Instant::now() + PATIENCE;
        while !so() {
            assert!(tokio::time::Instant::now() < patience, "never came true: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
