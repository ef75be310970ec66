//! Fresh connections in SQL: those that their sessions have yet to hear of, one account's or many at once.
//!
//! On PostgreSQL whoever hears holds the rows that it read, so that a Stop that is booked meanwhile is marked after it and not
//! lost by it. What a record's booking holds is passed over: it is as fresh afterwards. So whoever hears never waits for a
//! booking, and the two cannot wait for each other.

use std::sync::LazyLock;

use super::connection::{Connection, read, select_connections};
use super::error::{Result, StoreError};
use super::field::{Fields, each};
use super::rows::{Rows, Written, distinct};
use super::{Backend, LIST_ROWS, Noun, Reader, Tx};
use crate::clock::Timestamp;
use crate::domain::id::{AccountId, ConnectionId};
use crate::domain::session::{Session, State};

static FRESH_OF_EACH: Written = LazyLock::new(|| {
    Rows::differing(
        [
            concat!(select_connections!(), " where fresh is not null and account_id in ({rows}) order by id"),
            concat!(
                select_connections!(),
                " where fresh is not null and account_id in ({rows}) order by id for update skip locked"
            ),
        ],
        "?",
    )
});

static SESSIONS: Written = LazyLock::new(|| {
    Rows::new(
        "with heard (id, active_since, ends_at, due_at) as (values {rows})
         update sessions set active_since = coalesce(sessions.active_since, h.active_since), ends_at = h.ends_at,
         due_at = h.due_at, version = sessions.version + 1
         from heard h where sessions.id = h.id and sessions.ended_at is null",
        "(cast(? as bigint), cast(? as bigint), cast(? as bigint), cast(? as bigint))",
    )
});

static CONFIRMED: Written = LazyLock::new(|| {
    Rows::new(
        "with seen (id, at, runs_until) as (values {rows})
         update connections set presence = 'confirmed', presence_at = s.at,
         runs_until = case when connections.via = 'radius' and connections.classed = 1 then s.runs_until
         else connections.runs_until end
         from seen s where connections.id = s.id",
        "(?, ?, ?)",
    )
});

static HEARD: Written = LazyLock::new(|| Rows::new("update connections set fresh = null where id in ({rows})", "?"));

/// A connection that is confirmed without being asked about: it is let run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The connection.
    pub connection: ConnectionId,
    /// Since when it is confirmed.
    pub at: Timestamp,
    /// Until when the router lets it run.
    pub runs_until: Timestamp,
}

impl Reader {
    /// The next fresh connections behind `after`, with their accounts (`None`: of no account); at most [`LIST_ROWS`].
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn fresh_after(&self, after: ConnectionId) -> Result<Vec<(ConnectionId, Option<AccountId>)>> {
        let rows = sqlx::query(
            "select id, account_id from connections where fresh is not null and id > $1 order by id limit $2",
        )
        .bind(after.0)
        .bind(LIST_ROWS)
        .fetch_all(&mut *self.connection().await?)
        .await?;
        each(&rows, |row| {
            let fields = Fields::of("connections", row);
            Ok((ConnectionId(fields.int("id")?), fields.maybe_int("account_id")?.map(AccountId)))
        })
    }
}

impl Tx {
    /// The fresh connections of an account, or of none, oldest first; at most [`LIST_ROWS`].
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn fresh_connections(&mut self, account: Option<AccountId>) -> Result<Vec<Connection>> {
        let Some(account) = account else { return self.fresh_of_nobody().await };
        self.fresh_connections_of(&[account]).await
    }

    async fn fresh_of_nobody(&mut self) -> Result<Vec<Connection>> {
        let statement = match self.backend {
            Backend::Sqlite => {
                concat!(select_connections!(), " where fresh is not null and account_id is null order by id limit $1")
            }
            Backend::Postgres => concat!(
                select_connections!(),
                " where fresh is not null and account_id is null order by id limit $1 for update skip locked"
            ),
        };
        let rows = sqlx::query(statement).bind(LIST_ROWS).fetch_all(self.sql()).await?;
        each(&rows, read)
    }

    /// The fresh connections of these accounts; those of one account oldest first.
    ///
    /// # Errors
    /// As [`Tx::fresh_connections`].
    pub async fn fresh_connections_of(&mut self, accounts: &[AccountId]) -> Result<Vec<Connection>> {
        let accounts = distinct(accounts.iter().map(|id| id.0));
        each(&FRESH_OF_EACH.fetch(&mut self.inner, self.backend, &accounts).await?, read)
    }

    /// Their sessions have heard of the connections.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn mark_heard(&mut self, connections: &[ConnectionId]) -> Result<()> {
        let connections: Vec<i64> = connections.iter().map(|id| id.0).collect();
        HEARD.execute(&mut self.inner, self.backend, &connections).await.map(drop)
    }

    /// Writes of sessions, each with when it next has something due, what hearing alone changes: whether it is active, and
    /// the end that a hang-up sets.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if one of them was ended meanwhile.
    pub async fn save_heard(&mut self, sessions: &[(Session, Timestamp)], now: Timestamp) -> Result<()> {
        let mut saved = 0;
        for (statement, portion) in SESSIONS.portions(self.backend, sessions) {
            let save = portion.iter().fold(sqlx::query(statement), |save, (session, due)| {
                save.bind(session.id.0)
                    .bind((session.state == State::Active).then_some(now.millis()))
                    .bind(session.ends_at.map(Timestamp::millis))
                    .bind(due.millis())
            });
            saved += save.execute(self.sql()).await?.rows_affected();
        }
        if usize::try_from(saved) != Ok(sessions.len()) {
            return Err(StoreError::Conflict);
        }
        sessions.iter().for_each(|(session, _)| self.touch(Noun::Account, session.account.0));
        if !sessions.is_empty() {
            self.touch(Noun::Work, 0);
        }
        Ok(())
    }

    /// Writes that connections are confirmed. Until when a router lets them run is known only of those that it asked us about.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn confirm_seen(&mut self, seen: &[Seen]) -> Result<()> {
        for (statement, portion) in CONFIRMED.portions(self.backend, seen) {
            let confirm = portion.iter().fold(sqlx::query(statement), |confirm, seen| {
                confirm.bind(seen.connection.0).bind(seen.at.millis()).bind(seen.runs_until.millis())
            });
            confirm.execute(self.sql()).await?;
        }
        Ok(())
    }
}
