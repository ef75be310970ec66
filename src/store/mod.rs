//! The state: SQL on SQLite or PostgreSQL, one file per noun, one set of statements for both.
//!
//! [`Store`] changes, for `gate` alone; [`Reader`] only reads, for everyone. Nothing here caches. Every change runs in a
//! [`Tx`], whose commit adds a row to `changes` for each cached noun that it touched. Secrets are sealed on their way in
//! and opened on their way out, so no sealed value leaves this module.

pub mod account;
pub mod alarm;
pub mod attempt;
pub mod attribute;
pub mod audit;
pub mod booking;
mod books;
pub mod change;
pub mod connection;
pub mod cut;
pub mod entry;
mod error;
mod field;
pub mod group;
pub mod guess;
pub mod hearing;
pub mod leader;
mod migrate;
pub mod operator;
pub mod order;
pub mod outbox;
pub mod prompt;
pub mod router;
mod rows;
pub mod rule;
pub mod session;
pub mod setting;
pub mod spool;
mod spool_file;
pub mod user;
pub mod want;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Connection as _, Executor, Transaction};
use tokio::sync::OnceCell;

pub use change::{Change, Committed, Noun};
pub use error::{Result, StoreError};
pub use spool_file::url_of_spool;

use crate::clock::Timestamp;
use crate::crypto::seal::{Keyring, Place};
use crate::entropy::Entropy;
use crate::secret::Secret;
use spool_file::SpoolFile;

/// Connections for reading; SQLite reads run beside its one writer.
const READERS: u32 = 4;
/// Writers on PostgreSQL; SQLite has exactly one.
const POSTGRES_WRITERS: u32 = 8;
/// Longest wait for a free connection: after it the caller is told that the database does not answer.
const ACQUIRE: Duration = Duration::from_secs(5);
/// A connection that was used within this time is taken to be alive.
const TRUSTED: Duration = Duration::from_secs(1);
/// Rows that a list gives at most, for pages and the command line.
pub const LIST_ROWS: i64 = 1_000;

/// Reads. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    pool: AnyPool,
    backend: Backend,
    keys: Arc<Keys>,
}

/// Reads and changes. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: AnyPool,
    backend: Backend,
    reader: Reader,
    /// Where the file is that lies beside a SQLite database.
    url: Arc<str>,
    spool: Arc<OnceCell<Arc<SpoolFile>>>,
}

/// The master keys, and the randomness for nonces.
struct Keys {
    ring: Keyring,
    entropy: Arc<dyn Entropy>,
}

impl Keys {
    fn seal(&self, secret: &Secret, place: Place) -> Vec<u8> {
        self.ring.seal(secret.expose(), &place, self.entropy.bytes())
    }

    fn open(&self, sealed: &[u8], place: Place) -> Result<Secret> {
        self.ring.open(sealed, &place).map_err(|source| StoreError::Sealed {
            table: place.table,
            row: place.row,
            source,
        })
    }

    fn id(&self) -> i64 {
        i64::from(self.ring.current().id())
    }
}

/// One transaction. Dropped without [`Tx::commit`], it changes nothing.
pub struct Tx {
    inner: Transaction<'static, Any>,
    backend: Backend,
    keys: Arc<Keys>,
    changes: Vec<Change>,
}

/// Which database a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// `sqlite:FILE`
    Sqlite,
    /// `postgres://…`
    Postgres,
}

impl Backend {
    /// From the URL's scheme.
    pub fn of(url: &str) -> Option<Backend> {
        match url.split_once(':')?.0 {
            "sqlite" => Some(Self::Sqlite),
            "postgres" | "postgresql" => Some(Self::Postgres),
            _ => None,
        }
    }

    const fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "begin immediate",
            Self::Postgres => "begin",
        }
    }

    /// Who writes asks for rows by their keys, at most a hundred at once. PostgreSQL takes a table of ten thousand rows for one
    /// that is read faster as a whole, and keeps to a plan that it made while the table was empty until it is analyzed, with a
    /// hundred thousand rows by then. SQLite has 1 MiB of the file in memory for them: what accounts in no order change is seldom
    /// there, however much it is.
    const fn for_writers(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &["pragma cache_size = -1024"],
            Self::Postgres => &[
                "set enable_seqscan = off",
                "set enable_hashjoin = off",
                "set enable_mergejoin = off",
                "set random_page_cost = 1.1",
            ],
        }
    }

    /// Readers look up single rows and lists of a page: 256 KiB of the file in memory each, where SQLite takes 2 MiB.
    const fn for_readers(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &["pragma cache_size = -256"],
            Self::Postgres => &[],
        }
    }

    const fn writers(self) -> u32 {
        match self {
            Self::Sqlite => 1,
            Self::Postgres => POSTGRES_WRITERS,
        }
    }
}

impl Store {
    /// Opens the database, makes it if it is a SQLite file that does not exist, runs the migrations and checks that the
    /// master key is the one that its secrets were sealed with.
    ///
    /// # Errors
    /// The database does not answer, its schema is newer than this program, or the master key is another one.
    pub async fn open(url: &str, ring: Keyring, entropy: Arc<dyn Entropy>, now: Timestamp) -> Result<Store> {
        sqlx::any::install_default_drivers();
        let backend = Backend::of(url).ok_or(StoreError::Url)?;
        let keys = Arc::new(Keys { ring, entropy });
        let pool = connect(backend, url, backend.writers(), backend.for_writers()).await?;
        migrate::run(&pool, backend).await?;
        let reader = Reader { pool: connect(backend, url, READERS, backend.for_readers()).await?, backend, keys };
        let store = Store { pool, backend, reader, url: url.into(), spool: Arc::default() };
        migrate::check_key(&store, now).await?;
        Ok(store)
    }

    /// Has PostgreSQL count what its tables hold: it plans by that, and otherwise looks only a minute after many rows came, as in
    /// an import. Until then it reads ten thousand open sessions for a look at one. Not what is empty: it would take that to
    /// stay so.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn count_tables(&self) -> Result<()> {
        if self.backend == Backend::Sqlite {
            return Ok(());
        }
        let mut connection = self.pool.acquire().await?;
        for (look, count) in [
            ("select id from users limit 1", "analyze users"),
            ("select id from accounts limit 1", "analyze accounts"),
            ("select id from sessions limit 1", "analyze sessions"),
            ("select session_id from callers limit 1", "analyze callers"),
        ] {
            if connection.fetch_optional(look).await?.is_some() {
                connection.execute(count).await?;
            }
        }
        Ok(())
    }

    /// The reading half.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Begins a transaction. On SQLite it holds the one write lock until it ends.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn begin(&self) -> Result<Tx> {
        let inner = self.pool.begin_with(self.backend.begin()).await?;
        Ok(Tx { inner, backend: self.backend, keys: self.reader.keys.clone(), changes: Vec::new() })
    }

    /// Closes all connections, after what runs has ended.
    pub async fn close(&self) {
        if let Some(spool) = self.spool.get() {
            spool.close().await;
        }
        self.reader.pool.close().await;
        self.pool.close().await;
    }
}

impl Reader {
    async fn connection(&self) -> Result<PoolConnection<Any>> {
        Ok(self.pool.acquire().await?)
    }

    /// A key for another purpose than sealing, derived from the master key.
    pub fn derive_key(&self, label: &str) -> [u8; 32] {
        self.keys.ring.derive(label)
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("select 1").execute(&self.pool).await?;
        Ok(())
    }
}

impl Tx {
    fn sql(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }

    /// Notes that a cached row changes; the commit tells every instance.
    pub fn touch(&mut self, noun: Noun, id: i64) {
        self.changes.push(Change { noun, id });
    }

    /// The ids of a noun that this transaction has touched, each once.
    pub fn touched(&self, noun: Noun) -> Vec<i64> {
        let mut known = HashSet::new();
        let ids = self.changes.iter().filter(|change| change.noun == noun).map(|change| change.id);
        ids.filter(|id| known.insert(*id)).collect()
    }

    /// Commits, with a `changes` row for each cached row that was touched.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn commit(mut self, now: Timestamp) -> Result<Committed> {
        let mut known = HashSet::new();
        let mut changes = std::mem::take(&mut self.changes);
        changes.retain(|change| known.insert(*change));
        let last = change::write(&mut self.inner, self.backend, &changes, now).await?;
        self.inner.commit().await?;
        Ok(Committed { last, changes })
    }
}

async fn connect(backend: Backend, url: &str, connections: u32, besides: &'static [&'static str]) -> Result<AnyPool> {
    let options: AnyConnectOptions = match backend {
        Backend::Sqlite if !url.contains('?') => format!("{url}?mode=rwc").parse()?,
        Backend::Sqlite | Backend::Postgres => url.parse()?,
    };
    let pool = AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        // Each is looked at when it is given back, too.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move { Ok(meta.idle_for < TRUSTED || connection.ping().await.is_ok()) })
        })
        .after_connect(move |connection, _| {
            Box::pin(async move {
                for statement in prelude(backend).iter().chain(besides) {
                    connection.execute(*statement).await?;
                }
                Ok(())
            })
        });
    Ok(pool.connect_with(options).await?)
}

/// What every connection starts with. FULL: an acknowledged record survives a power cut.
const fn prelude(backend: Backend) -> &'static [&'static str] {
    match backend {
        Backend::Sqlite => &[
            "pragma busy_timeout = 5000",
            "pragma journal_mode = wal",
            "pragma synchronous = full",
            "pragma foreign_keys = on",
            // Pages of the log, 64 MiB: a page that is changed again and again is written into the file once for many times.
            "pragma wal_autocheckpoint = 16000",
        ],
        Backend::Postgres => &[
            "set statement_timeout = '10s'",
            "set lock_timeout = '5s'",
            "set idle_in_transaction_session_timeout = '10s'",
        ],
    }
}
