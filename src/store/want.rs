//! Wants in SQL: what is to be so on a router over its API, stored before it is tried, kept until it is proven.
//!
//! A row is the state that one thing of a router shall have: it is written again when the state that is wanted changes, so
//! the last word wins and nothing is done twice. A proven row stays as long as the thing is ours to keep: what the router
//! shows is compared with it (drift).

use std::collections::HashSet;
use std::sync::LazyLock;

use sqlx::any::{AnyQueryResult, AnyRow};

use super::error::Result;
use super::field::{Fields, each, readable};
use super::rows::{Rows, Written, distinct};
use super::{LIST_ROWS, Noun, Reader, Tx};
use crate::clock::Timestamp;
use crate::domain::id::{AccountId, ConnectionId, NasId, RouterId, WantId};
use crate::domain::want::{Thing, WantedState};

static WANTING: Written =
    LazyLock::new(|| Rows::new("select distinct account_id from wants where account_id in ({rows})", "?"));

/// What is wanted of one thing on a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// The row.
    pub id: WantId,
    /// Where.
    pub router: RouterId,
    /// What.
    pub thing: Thing,
    /// How it shall be.
    pub state: WantedState,
    /// Whose it is.
    pub account: Option<AccountId>,
    /// For a lease: the connection that it stands for.
    pub connection: Option<ConnectionId>,
    /// Since when it is wanted so.
    pub since: Timestamp,
    /// When it is to be done (again); `None`: nothing is to be done.
    pub due_at: Option<Timestamp>,
    /// How often it was tried since.
    pub tries: u32,
    /// What came of the last try.
    pub outcome: Option<String>,
    /// When the router was last seen to have it so; `None`: pending.
    pub proven_at: Option<Timestamp>,
}

/// What is to be wanted from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWant {
    /// Where.
    pub router: RouterId,
    /// What.
    pub thing: Thing,
    /// How it shall be.
    pub state: WantedState,
    /// Whose it is.
    pub account: Option<AccountId>,
    /// For a lease: the connection.
    pub connection: Option<ConnectionId>,
}

/// Whether a want was still as it was when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Still {
    /// It was, and what came of it is written.
    Wanted,
    /// It was changed or is not there any more: nothing was written.
    Changed,
}

impl Still {
    fn of(done: &AnyQueryResult) -> Self {
        if done.rows_affected() > 0 { Self::Wanted } else { Self::Changed }
    }
}

const SELECT_DUE: &str = "select id, router_id, kind, target, hint, state, account_id, connection_id, since, due_at,
     tries, outcome, proven_at from wants where router_id = $1 and due_at <= $2 order by due_at, id limit $3";
const SELECT_ROUTER: &str = "select id, router_id, kind, target, hint, state, account_id, connection_id, since,
     due_at, tries, outcome, proven_at from wants where router_id = $1 order by kind, id";

fn read(row: &AnyRow) -> Result<Want> {
    let fields = Fields::of("wants", row);
    let (target, hint) = (fields.bytes("target")?, fields.maybe_text("hint")?);
    Ok(Want {
        id: WantId(fields.int("id")?),
        router: RouterId(fields.int("router_id")?),
        thing: Thing::from_parts(&fields.text("kind")?, target, hint).ok_or_else(|| fields.corrupt("kind"))?,
        state: fields.word("state", WantedState::from_word)?,
        account: fields.maybe_int("account_id")?.map(AccountId),
        connection: fields.maybe_int("connection_id")?.map(ConnectionId),
        since: fields.time("since")?,
        due_at: fields.maybe_time("due_at")?,
        tries: fields.small("tries")?,
        outcome: fields.maybe_text("outcome")?,
        proven_at: fields.maybe_time("proven_at")?,
    })
}

impl Reader {
    /// The routers on which something is to be done at `now`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn routers_with_due_wants(&self, now: Timestamp) -> Result<Vec<RouterId>> {
        let rows = sqlx::query(
            "select router_id, min(due_at) as due_at from wants where due_at <= $1 group by router_id order by min(due_at)",
        )
        .bind(now.millis())
        .fetch_all(&mut *self.connection().await?)
        .await?;
        each(&rows, |row| Fields::of("wants", row).int("router_id").map(RouterId))
    }

    /// What is to be done on a router at `now`, what waits longest first; at most `limit`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn due_wants(&self, router: RouterId, now: Timestamp, limit: i64) -> Result<Vec<Want>> {
        let rows = sqlx::query(SELECT_DUE)
            .bind(router.0)
            .bind(now.millis())
            .bind(limit)
            .fetch_all(&mut *self.connection().await?)
            .await?;
        Ok(readable(&rows, read))
    }

    /// When the next want is to be done.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn next_due_want(&self) -> Result<Option<Timestamp>> {
        let row = sqlx::query("select min(due_at) as due_at from wants where due_at is not null")
            .fetch_one(&mut *self.connection().await?)
            .await?;
        Fields::of("wants", &row).maybe_time("due_at")
    }

    /// Everything that is wanted of a router.
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn wants_of_router(&self, router: RouterId) -> Result<Vec<Want>> {
        let rows = sqlx::query(SELECT_ROUTER).bind(router.0).fetch_all(&mut *self.connection().await?).await?;
        each(&rows, read)
    }

    /// The accounts of which something is on on a router, or that are connected there.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn accounts_on(&self, router: RouterId) -> Result<Vec<AccountId>> {
        let rows = sqlx::query(
            "select account_id from wants where router_id = $1 and state = 'on' and account_id is not null
             union select account_id from connections
             where router_id = $1 and ended_at is null and account_id is not null",
        )
        .bind(router.0)
        .fetch_all(&mut *self.connection().await?)
        .await?;
        each(&rows, |row| Fields::of("wants", row).int("account_id").map(AccountId))
    }

    /// What is not proven yet on any router, oldest first; at most [`LIST_ROWS`].
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn pending_wants(&self) -> Result<Vec<Want>> {
        let rows = sqlx::query(
            "select id, router_id, kind, target, hint, state, account_id, connection_id, since, due_at, tries,
             outcome, proven_at from wants where proven_at is null order by since, id limit $1",
        )
        .bind(LIST_ROWS)
        .fetch_all(&mut *self.connection().await?)
        .await?;
        Ok(readable(&rows, read))
    }
}

impl Tx {
    /// From now on this is wanted. The same as before changes nothing; anything else is due at once and pending since
    /// now. What is being taken over (`removed`, `retired`) is not switched any more.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn want(&mut self, new: &NewWant, now: Timestamp) -> Result<()> {
        let (kind, target, hint) = new.thing.parts();
        let done = sqlx::query(
            "insert into wants (router_id, kind, target, hint, state, account_id, connection_id, since, due_at)
             values ($1, $2, $3, $4, $5, (select id from accounts where id = $6),
             (select id from connections where id = $7), $8, $8)
             on conflict (router_id, kind, target) do update
             set hint = coalesce(excluded.hint, wants.hint), state = excluded.state,
             account_id = excluded.account_id, connection_id = excluded.connection_id,
             since = excluded.since, due_at = excluded.due_at, tries = 0, outcome = null, proven_at = null
             where (wants.state <> excluded.state or coalesce(wants.account_id, 0) <> coalesce(excluded.account_id, 0)
             or coalesce(wants.connection_id, 0) <> coalesce(excluded.connection_id, 0))
             and (wants.state not in ('removed', 'retired') or excluded.state in ('removed', 'retired'))",
        )
        .bind(new.router.0)
        .bind(kind)
        .bind(target)
        .bind(hint)
        .bind(new.state.word())
        .bind(new.account.map(|account| account.0))
        .bind(new.connection.map(|connection| connection.0))
        .bind(now.millis())
        .execute(self.sql())
        .await?;
        if done.rows_affected() > 0 {
            self.touch(Noun::Work, 0);
        }
        Ok(())
    }

    /// The same of a thing that nothing is wanted of; what is wanted of it stays as it is.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn want_unless_wanted(&mut self, new: &NewWant, now: Timestamp) -> Result<()> {
        let (kind, target, hint) = new.thing.parts();
        let done = sqlx::query(
            "insert into wants (router_id, kind, target, hint, state, account_id, connection_id, since, due_at)
             values ($1, $2, $3, $4, $5, (select id from accounts where id = $6),
             (select id from connections where id = $7), $8, $8)
             on conflict (router_id, kind, target) do nothing",
        )
        .bind(new.router.0)
        .bind(kind)
        .bind(target)
        .bind(hint)
        .bind(new.state.word())
        .bind(new.account.map(|account| account.0))
        .bind(new.connection.map(|connection| connection.0))
        .bind(now.millis())
        .execute(self.sql())
        .await?;
        if done.rows_affected() > 0 {
            self.touch(Noun::Work, 0);
        }
        Ok(())
    }

    /// What is wanted on account of an account, or for its connections.
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn wants_of(&mut self, account: AccountId) -> Result<Vec<Want>> {
        let rows = sqlx::query(
            "select id, router_id, kind, target, hint, state, account_id, connection_id, since, due_at, tries,
             outcome, proven_at from wants where account_id = $1 order by id",
        )
        .bind(account.0)
        .fetch_all(self.sql())
        .await?;
        each(&rows, read)
    }

    /// Those of these accounts on account of which something is wanted on routers.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn wanting(&mut self, accounts: &[AccountId]) -> Result<HashSet<AccountId>> {
        let accounts = distinct(accounts.iter().map(|id| id.0));
        let rows = WANTING.fetch(&mut self.inner, self.backend, &accounts).await?;
        rows.iter().map(|row| Fields::of("wants", row).int("account_id").map(AccountId)).collect()
    }

    /// The want of one thing of a router.
    ///
    /// # Errors
    /// As [`Tx::wants_of`].
    pub async fn want_about(&mut self, router: RouterId, thing: &Thing) -> Result<Option<Want>> {
        let (kind, target, _) = thing.parts();
        let row = sqlx::query(
            "select id, router_id, kind, target, hint, state, account_id, connection_id, since, due_at, tries,
             outcome, proven_at from wants where router_id = $1 and kind = $2 and target = $3",
        )
        .bind(router.0)
        .bind(kind)
        .bind(target)
        .fetch_optional(self.sql())
        .await?;
        row.as_ref().map(read).transpose()
    }

    /// A try came to nothing: again at `due`. A want that was changed meanwhile is left alone, and that is told.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn retry_want(&mut self, want: &Want, outcome: &str, due: Timestamp) -> Result<Still> {
        let done = sqlx::query(
            "update wants set tries = tries + 1, outcome = $1, due_at = $2 where id = $3 and state = $4 and since = $5",
        )
        .bind(outcome)
        .bind(due.millis())
        .bind(want.id.0)
        .bind(want.state.word())
        .bind(want.since.millis())
        .execute(self.sql())
        .await?;
        Ok(Still::of(&done))
    }

    /// The router has it so. A want that was changed meanwhile is left alone, and that is told; `again` is when it is to
    /// be done again.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn prove_want(&mut self, want: &Want, now: Timestamp, again: Option<Timestamp>) -> Result<Still> {
        let done = sqlx::query(
            "update wants set proven_at = $1, due_at = $2, outcome = null, tries = 0
             where id = $3 and state = $4 and since = $5 and coalesce(connection_id, 0) = $6",
        )
        .bind(now.millis())
        .bind(again.map(Timestamp::millis))
        .bind(want.id.0)
        .bind(want.state.word())
        .bind(want.since.millis())
        .bind(want.connection.map_or(0, |connection| connection.0))
        .execute(self.sql())
        .await?;
        Ok(Still::of(&done))
    }

    /// The router does not have it so any more: pending anew.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn reopen_want(&mut self, id: WantId, now: Timestamp) -> Result<()> {
        sqlx::query("update wants set proven_at = null, since = $1, due_at = $1, tries = 0 where id = $2")
            .bind(now.millis())
            .bind(id.0)
            .execute(self.sql())
            .await?;
        self.touch(Noun::Work, 0);
        Ok(())
    }

    /// The router is out of reach: what is due for it waits, each for itself.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn postpone_wants(
        &mut self,
        router: RouterId,
        outcome: &str,
        (now, due): (Timestamp, Timestamp),
    ) -> Result<()> {
        sqlx::query(
            "update wants set due_at = $1, outcome = case when proven_at is null then $2 else outcome end
             where router_id = $3 and due_at <= $4",
        )
        .bind(due.millis())
        .bind(outcome)
        .bind(router.0)
        .bind(now.millis())
        .execute(self.sql())
        .await?;
        Ok(())
    }

    /// The router has it so, and nothing is left to be kept. A want that was changed meanwhile is left alone, and that is
    /// told.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn finish_want(&mut self, want: &Want) -> Result<Still> {
        let done = sqlx::query("delete from wants where id = $1 and state = $2 and since = $3")
            .bind(want.id.0)
            .bind(want.state.word())
            .bind(want.since.millis())
            .execute(self.sql())
            .await?;
        Ok(Still::of(&done))
    }

    /// The thing of a want is not to be on any more. A want that was changed meanwhile is left alone: it is another
    /// account's by now, or says so already.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn turn_off_want(&mut self, want: &Want, now: Timestamp) -> Result<()> {
        let done = sqlx::query(
            "update wants set state = 'off', since = $1, due_at = $1, tries = 0, outcome = null, proven_at = null
             where id = $2 and state = $3 and since = $4 and coalesce(account_id, 0) = $5",
        )
        .bind(now.millis())
        .bind(want.id.0)
        .bind(want.state.word())
        .bind(want.since.millis())
        .bind(want.account.map_or(0, |account| account.0))
        .execute(self.sql())
        .await?;
        if done.rows_affected() > 0 {
            self.touch(Noun::Work, 0);
        }
        Ok(())
    }

    /// The thing of a want is not ours to keep any more. A want that was changed meanwhile is left alone.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn forget_want(&mut self, want: &Want) -> Result<()> {
        sqlx::query("delete from wants where id = $1 and state = $2 and since = $3 and coalesce(account_id, 0) = $4")
            .bind(want.id.0)
            .bind(want.state.word())
            .bind(want.since.millis())
            .bind(want.account.map_or(0, |account| account.0))
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// What is or may be on of a router, but for leases, which end by themselves.
    ///
    /// # Errors
    /// As [`Tx::wants_of`].
    pub async fn wants_left_on(&mut self, router: RouterId) -> Result<Vec<Want>> {
        let rows = sqlx::query(
            "select id, router_id, kind, target, hint, state, account_id, connection_id, since, due_at, tries,
             outcome, proven_at from wants where router_id = $1 and kind <> 'lease'
             and (state = 'on' or (state = 'off' and proven_at is null)) order by id",
        )
        .bind(router.0)
        .fetch_all(self.sql())
        .await?;
        each(&rows, read)
    }

    /// The lease of a running connection is to be renewed.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn renew_lease(&mut self, nas: NasId, acct_session_id: &str, now: Timestamp) -> Result<()> {
        let done = sqlx::query(
            "update wants set due_at = $1 where kind = 'lease' and state = 'on' and (due_at is null or due_at > $1)
             and connection_id = (select id from connections
             where nas_id = $2 and acct_session_id = $3 and ended_at is null)",
        )
        .bind(now.millis())
        .bind(nas.0)
        .bind(acct_session_id)
        .execute(self.sql())
        .await?;
        if done.rows_affected() > 0 {
            self.touch(Noun::Work, 0);
        }
        Ok(())
    }

    /// Everything that waits for this router is due now: it is back.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn hasten_wants(&mut self, router: RouterId, now: Timestamp) -> Result<()> {
        sqlx::query("update wants set due_at = $1 where router_id = $2 and due_at > $1 and proven_at is null")
            .bind(now.millis())
            .bind(router.0)
            .execute(self.sql())
            .await?;
        self.touch(Noun::Work, 0);
        Ok(())
    }
}
