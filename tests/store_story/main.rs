//! The store's story, told on SQLite and on PostgreSQL: one set of statements, one meaning.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/postgres.rs"]
mod postgres;

use std::sync::Arc;
use std::time::Duration;

use radgram::clock::Timestamp;
use radgram::crypto::seal::{Keyring, MasterKey};
use radgram::domain::id::{AccountId, NasId, RouterId, SessionId, UserId};
use radgram::domain::router::{Demand, NasKey, source_network};
use radgram::domain::session::{Origin, Session};
use radgram::domain::user::UserState;
use radgram::entropy::SystemEntropy;
use radgram::secret::Secret;
use radgram::store::router::RouterForm;
use radgram::store::session::NewSession;
use radgram::store::user::NewUser;
use radgram::store::{Result, Store, Tx};
use radgram::text::Language;
use sqlx::AnyPool;

/// A story on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($(#[$doc:meta])* async fn $name:ident($story:ident: Story) $body:block) => {
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn tell($story: &Story) $body

            #[tokio::test]
            async fn on_sqlite() {
                tell(&Story::on_sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                tell(&Story::on_postgres().await).await;
            }
        }
    };
}

mod attributes;
mod changes;
mod connections;
mod courses;
mod groups;
mod homes;
mod messages;
mod opening;
mod orders;
mod people;
mod sessions;
mod spool;
mod wants;

/// When every story begins.
const START: Timestamp = Timestamp::from_millis(1_795_428_000_000);
const KEY: [u8; 32] = [7; 32];

/// A moment of the story.
fn at(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

/// A store on a fresh database.
struct Story {
    store: Store,
    url: String,
    _folder: Option<tempfile::TempDir>,
    _database: Option<postgres::Database>,
}

impl Story {
    async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("story.db").display());
        Self { store: open(&url, KEY).await.unwrap(), url, _folder: Some(folder), _database: None }
    }

    async fn on_postgres() -> Self {
        let database = postgres::Database::fresh().await;
        let url = database.url().to_owned();
        Self { store: open(&url, KEY).await.unwrap(), url, _folder: None, _database: Some(database) }
    }

    async fn tx(&self) -> Tx {
        self.store.begin().await.unwrap()
    }

    /// The database past the store: for what no use case does.
    async fn raw(&self) -> AnyPool {
        AnyPool::connect(&self.url).await.unwrap()
    }

    /// An approved person.
    async fn person(&self, telegram_id: i64) -> UserId {
        let mut tx = self.tx().await;
        let new = NewUser { telegram_id, name: "Ann Lee", state: UserState::Approved, language: Language::En };
        let id = tx.add_user(&new, START).await.unwrap();
        tx.commit(START).await.unwrap();
        id
    }

    /// A person with an account.
    async fn account(&self, name: &str) -> (UserId, AccountId) {
        let telegram_id = 1 + self.store.reader().user_count().await.unwrap();
        let user = self.person(telegram_id).await;
        let mut tx = self.tx().await;
        let account = tx.add_account(name, Some(user), START).await.unwrap();
        tx.commit(START).await.unwrap();
        (user, account)
    }

    /// A router with one box.
    async fn router(&self, address: &str) -> (RouterId, NasId) {
        let form = RouterForm {
            name: format!("router {address}"),
            address: source_network(address).unwrap(),
            nas_identifier: None,
            coa_port: 3799,
            message_authenticator: Demand::Auto,
        };
        let mut tx = self.tx().await;
        let router = tx.add_router(&form, &Secret::new("a shared secret"), START).await.unwrap();
        let key = NasKey { router, address: address.parse().unwrap(), identifier: "office".to_owned() };
        let nas = tx.nas(&key, START).await.unwrap();
        tx.commit(START).await.unwrap();
        (router, nas.id)
    }

    /// An open session of the account, until an hour after the start.
    async fn session(&self, account: AccountId) -> Session {
        let mut tx = self.tx().await;
        let session = tx.add_session(&granted(account), START).await.unwrap();
        tx.commit(START).await.unwrap();
        session
    }

    async fn session_row(&self, id: SessionId) -> Session {
        self.store.reader().session(id).await.unwrap().expect("the session is there")
    }
}

/// A session as an operator grants it.
fn granted(account: AccountId) -> NewSession {
    NewSession { account, user: None, origin: Origin::Grant, until: at(3600), caller: None, due: at(3600) }
}

async fn open(url: &str, key: [u8; 32]) -> Result<Store> {
    Store::open(url, Keyring::new(MasterKey::new(key)), Arc::new(SystemEntropy), START).await
}
