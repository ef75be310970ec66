//! Entries in SQL: what a dial of an account is decided by, of many accounts in a few statements.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use sqlx::AnyConnection;

use super::account::{read, read_credential};
use super::error::Result;
use super::field::Fields;
use super::rows::{Rows, Written, distinct};
use super::{Backend, Keys, Reader, Tx, attribute, change, connection, rule, session, user};
use crate::domain::account::Account;
use crate::domain::attribute::ReplyAttributes;
use crate::domain::connection::OpenConnection;
use crate::domain::credential::Credential;
use crate::domain::id::{AccountId, RouterId};
use crate::domain::session::Session;
use crate::domain::user::User;

/// Shared by the accounts that have none.
static NO_ATTRIBUTES: LazyLock<Arc<ReplyAttributes>> = LazyLock::new(Arc::default);

static ACCOUNTS: Written = LazyLock::new(|| {
    Rows::new(
        "select id, name, name_key, user_id, group_id, enabled, locked_at, source, machine,
         sealed_password, sealed_nt_hash from accounts where id in ({rows})",
        "?",
    )
});

/// In their order, so that of two who hold several none has what the other waits for.
static HOLD: Written =
    LazyLock::new(|| Rows::new("select id from accounts where id in ({rows}) order by id for no key update", "?"));

/// What a dial of an account is decided by, read at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// All changes up to this number are in it.
    pub as_of: i64,
    /// The account.
    pub account: Account,
    /// The key of its name.
    pub name_key: String,
    /// What is kept of its password.
    pub credential: Credential,
    /// Its person.
    pub user: Option<User>,
    /// Its open session.
    pub session: Option<Session>,
    /// Its open connections, oldest first.
    pub open: Vec<OpenConnection>,
    /// The routers on which a rule is bound to it.
    pub rules: Vec<RouterId>,
    /// What an Access-Accept says of it: its own reply attributes, else its group's.
    pub attributes: Arc<ReplyAttributes>,
}

async fn entries(sql: &mut AnyConnection, backend: Backend, keys: &Keys, ids: &[AccountId]) -> Result<Vec<Entry>> {
    // First the number, then the rows: what is read later is at least as new as the number says.
    let as_of = change::last(&mut *sql).await?;
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows = ACCOUNTS.fetch(&mut *sql, backend, &ids).await?;
    let accounts = rows.iter().map(read).collect::<Result<Vec<Account>>>()?;
    let users: Vec<i64> = distinct(accounts.iter().filter_map(|account| account.user.map(|user| user.0)));
    let groups: Vec<i64> = distinct(accounts.iter().filter_map(|account| account.group.map(|group| group.0)));
    let users = user::by_ids(&mut *sql, backend, &users).await?;
    let mut sessions = session::open_of_each(&mut *sql, backend, &ids).await?;
    let mut open = connection::open_of_each(&mut *sql, backend, &ids).await?;
    let own = attribute::of_accounts(&mut *sql, backend, &ids).await?;
    let of_groups = attribute::of_groups(&mut *sql, backend, &groups).await?;
    let mut rules = rule::routers_of_each(&mut *sql, backend, &ids).await?;
    let shared = Shared::of(of_groups);
    rows.iter()
        .zip(accounts)
        .map(|(row, account)| {
            let id = account.id;
            Ok(Entry {
                as_of,
                name_key: Fields::of("accounts", row).text("name_key")?,
                credential: read_credential(row, id.0, keys)?,
                user: account.user.and_then(|user| users.get(&user).cloned()),
                session: sessions.remove(&id),
                open: open.remove(&id).unwrap_or_default(),
                rules: rules.remove(&id).unwrap_or_default(),
                attributes: shared.with(own.get(&id.0), account.group.map(|group| group.0)),
                account,
            })
        })
        .collect()
}

/// The reply attributes of groups: an account without any of its own shares them.
struct Shared(HashMap<i64, Arc<ReplyAttributes>>);

impl Shared {
    fn of(groups: HashMap<i64, ReplyAttributes>) -> Self {
        Self(groups.into_iter().map(|(group, attributes)| (group, Arc::new(attributes))).collect())
    }

    /// What holds for an account: its own, and of its group what its own do not name.
    fn with(&self, own: Option<&ReplyAttributes>, group: Option<i64>) -> Arc<ReplyAttributes> {
        let of_group = group.and_then(|group| self.0.get(&group));
        match (own, of_group) {
            (None, None) => NO_ATTRIBUTES.clone(),
            (None, Some(of_group)) => of_group.clone(),
            (Some(own), None) => Arc::new(own.clone()),
            (Some(own), Some(of_group)) => Arc::new(ReplyAttributes::of(own.before(of_group).cloned().collect())),
        }
    }
}

impl Reader {
    /// Everything that the door of the account needs.
    ///
    /// # Errors
    /// The database does not answer, a row is corrupt, or a sealed value does not open.
    pub async fn entry(&self, id: AccountId) -> Result<Option<Entry>> {
        Ok(self.entries(&[id]).await?.pop())
    }

    /// Everything that the doors of these accounts need, of those that are there, in no order.
    ///
    /// # Errors
    /// As [`Reader::entry`], for one of them.
    pub async fn entries(&self, ids: &[AccountId]) -> Result<Vec<Entry>> {
        entries(&mut *self.connection().await?, self.backend, &self.keys, ids).await
    }
}

impl Tx {
    /// Holds an account as it is until this transaction ends: of two that change it or its session at once, the second
    /// waits here and then reads what the first left.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn hold_account(&mut self, id: AccountId) -> Result<()> {
        self.hold_accounts(&[id]).await
    }

    /// Holds many, each as by [`Tx::hold_account`].
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn hold_accounts(&mut self, ids: &[AccountId]) -> Result<()> {
        match self.backend {
            // It has one writer.
            Backend::Sqlite => Ok(()),
            Backend::Postgres => {
                let ids = distinct(ids.iter().map(|id| id.0));
                HOLD.fetch(&mut self.inner, self.backend, &ids).await.map(drop)
            }
        }
    }

    /// Everything that the door of the account needs, as this transaction sees it; held as by [`Tx::hold_account`].
    ///
    /// # Errors
    /// As [`Reader::entry`].
    pub async fn entry(&mut self, id: AccountId) -> Result<Option<Entry>> {
        Ok(self.entries(&[id]).await?.pop())
    }

    /// Everything that the doors of these accounts need, of those that are there, in no order; each held as by
    /// [`Tx::hold_account`].
    ///
    /// # Errors
    /// As [`Reader::entry`], for one of them.
    pub async fn entries(&mut self, ids: &[AccountId]) -> Result<Vec<Entry>> {
        self.hold_accounts(ids).await?;
        entries(&mut self.inner, self.backend, &self.keys, ids).await
    }
}
