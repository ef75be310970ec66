//! Cuts in SQL: connections that are to end on a router, stored before it is tried, kept until it is proven.

use std::collections::HashSet;
use std::net::IpAddr;

use super::error::Result;
use super::field::{Fields, each, readable};
use super::{LIST_ROWS, Noun, Reader, Tx};
use crate::clock::Timestamp;
use crate::domain::id::{AccountId, ConnectionId, NasId, RouterId, SessionId};

/// A connection that is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The row.
    pub id: i64,
    /// The box.
    pub nas: NasId,
    /// The connection; `None` for an Accept whose Start has not come.
    pub connection: Option<ConnectionId>,
    /// Acct-Session-Id.
    pub acct_session_id: String,
    /// User-Name, raw.
    pub user_name: Vec<u8>,
    /// NAS-IP-Address.
    pub nas_ip: Option<IpAddr>,
    /// Framed-IP-Address.
    pub framed_ip: Option<IpAddr>,
    /// Why, in a word.
    pub why: String,
    /// Since when.
    pub created_at: Timestamp,
    /// How often it was tried.
    pub tries: u32,
    /// What the router said last.
    pub outcome: Option<String>,
}

/// A cut to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCut<'a> {
    /// The box.
    pub nas: NasId,
    /// The connection, if its Start has come.
    pub connection: Option<ConnectionId>,
    /// The session.
    pub session: Option<SessionId>,
    /// Acct-Session-Id.
    pub acct_session_id: &'a str,
    /// User-Name, raw.
    pub user_name: &'a [u8],
    /// NAS-IP-Address.
    pub nas_ip: Option<IpAddr>,
    /// Framed-IP-Address.
    pub framed_ip: Option<IpAddr>,
    /// Why, in a word.
    pub why: &'a str,
}

fn read(row: &sqlx::any::AnyRow) -> Result<Cut> {
    let fields = Fields::of("cuts", row);
    Ok(Cut {
        id: fields.int("id")?,
        nas: NasId(fields.int("nas_id")?),
        connection: fields.maybe_int("connection_id")?.map(ConnectionId),
        acct_session_id: fields.text("acct_session_id")?,
        user_name: fields.bytes("user_name")?,
        nas_ip: fields.maybe_parsed("nas_ip")?,
        framed_ip: fields.maybe_parsed("framed_ip")?,
        why: fields.text("why")?,
        created_at: fields.time("created_at")?,
        tries: fields.small("tries")?,
        outcome: fields.maybe_text("outcome")?,
    })
}

impl Tx {
    /// Stores that a connection is to end, unless that is stored already.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn want_cut(&mut self, cut: &NewCut<'_>, now: Timestamp) -> Result<()> {
        sqlx::query(
            "insert into cuts (nas_id, connection_id, session_id, acct_session_id, user_name, nas_ip, framed_ip, why,
             created_at, due_at) values ($1, $2, (select id from sessions where id = $3), $4, $5, $6, $7, $8, $9, $9)
             on conflict (nas_id, acct_session_id) where done_at is null do update
             set connection_id = coalesce(excluded.connection_id, cuts.connection_id),
             framed_ip = coalesce(excluded.framed_ip, cuts.framed_ip),
             due_at = case when cuts.connection_id is null and excluded.connection_id is not null
             then excluded.due_at else cuts.due_at end",
        )
        .bind(cut.nas.0)
        .bind(cut.connection.map(|connection| connection.0))
        .bind(cut.session.map(|session| session.0))
        .bind(cut.acct_session_id)
        .bind(cut.user_name)
        .bind(cut.nas_ip.map(|address| address.to_string()))
        .bind(cut.framed_ip.map(|address| address.to_string()))
        .bind(cut.why)
        .bind(now.millis())
        .execute(self.sql())
        .await?;
        self.touch(Noun::Work, 0);
        Ok(())
    }

    /// The connections of an account that are to end.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn connections_to_cut(&mut self, account: AccountId) -> Result<HashSet<ConnectionId>> {
        let rows = sqlx::query(
            "select c.id from connections c join cuts on cuts.connection_id = c.id
             where c.account_id = $1 and c.ended_at is null and cuts.done_at is null",
        )
        .bind(account.0)
        .fetch_all(self.sql())
        .await?;
        let ids = each(&rows, |row| Fields::of("connections", row).int("id").map(ConnectionId))?;
        Ok(ids.into_iter().collect())
    }

    /// Everything that is to end on a router is tried now: it is back.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn hasten_cuts(&mut self, router: RouterId, now: Timestamp) -> Result<()> {
        sqlx::query(
            "update cuts set due_at = $1 where done_at is null and due_at > $1
             and nas_id in (select id from nas where router_id = $2)",
        )
        .bind(now.millis())
        .bind(router.0)
        .execute(self.sql())
        .await?;
        self.touch(Noun::Work, 0);
        Ok(())
    }

    /// Notes what the router said, and when to try again.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn retry_cut(&mut self, id: i64, outcome: &str, due: Timestamp) -> Result<()> {
        sqlx::query("update cuts set tries = tries + 1, outcome = $1, due_at = $2 where id = $3 and done_at is null")
            .bind(outcome)
            .bind(due.millis())
            .bind(id)
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// A cut is done; why says what proves it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn finish_cut(&mut self, id: i64, outcome: &str, now: Timestamp) -> Result<()> {
        sqlx::query("update cuts set outcome = $1, done_at = $2 where id = $3 and done_at is null")
            .bind(outcome)
            .bind(now.millis())
            .bind(id)
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// Forgets cuts that were done before `before`; at most [`LIST_ROWS`] at a time.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn prune_cuts(&mut self, before: Timestamp) -> Result<u64> {
        let done = sqlx::query(
            "delete from cuts where id in (select id from cuts where done_at < $1 order by done_at limit $2)",
        )
        .bind(before.millis())
        .bind(LIST_ROWS)
        .execute(self.sql())
        .await?;
        Ok(done.rows_affected())
    }

    /// The connection is down: what was wanted of it is done.
    pub(super) async fn settle_cut(
        &mut self,
        nas: NasId,
        acct_session_id: &str,
        outcome: &str,
        now: Timestamp,
    ) -> Result<()> {
        sqlx::query(
            "update cuts set outcome = $1, done_at = $2 where nas_id = $3 and acct_session_id = $4 and done_at is null",
        )
        .bind(outcome)
        .bind(now.millis())
        .bind(nas.0)
        .bind(acct_session_id)
        .execute(self.sql())
        .await?;
        Ok(())
    }
}

impl Reader {
    /// The routers on which a cut is to be tried at `now`, the one that waits longest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn routers_with_due_cuts(&self, now: Timestamp) -> Result<Vec<RouterId>> {
        let rows = sqlx::query(
            "select n.router_id, min(c.due_at) as due_at from cuts c join nas n on n.id = c.nas_id
             where c.done_at is null and c.due_at <= $1 group by n.router_id order by min(c.due_at), n.router_id",
        )
        .bind(now.millis())
        .fetch_all(&mut *self.connection().await?)
        .await?;
        each(&rows, |row| Fields::of("cuts", row).int("router_id").map(RouterId))
    }

    /// The cuts to be tried on a router at `now`, what waits longest first; at most `limit`.
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn due_cuts(&self, router: RouterId, now: Timestamp, limit: i64) -> Result<Vec<Cut>> {
        let rows = sqlx::query(
            "select id, nas_id, connection_id, acct_session_id, user_name, nas_ip, framed_ip, why, created_at, tries, outcome
             from cuts where done_at is null and due_at <= $1 and nas_id in (select id from nas where router_id = $2)
             order by due_at, id limit $3",
        )
        .bind(now.millis())
        .bind(router.0)
        .bind(limit)
        .fetch_all(&mut *self.connection().await?)
        .await?;
        Ok(readable(&rows, read))
    }

    /// When the next cut is to be tried.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn next_due_cut(&self) -> Result<Option<Timestamp>> {
        let row = sqlx::query("select min(due_at) as due_at from cuts where done_at is null")
            .fetch_one(&mut *self.connection().await?)
            .await?;
        Fields::of("cuts", &row).maybe_time("due_at")
    }

    /// The cuts that are not proven yet, oldest first; at most [`LIST_ROWS`].
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn pending_cuts(&self) -> Result<Vec<Cut>> {
        let rows = sqlx::query(
            "select id, nas_id, connection_id, acct_session_id, user_name, nas_ip, framed_ip, why, created_at, tries, outcome
             from cuts where done_at is null order by created_at, id limit $1",
        )
        .bind(LIST_ROWS)
        .fetch_all(&mut *self.connection().await?)
        .await?;
        Ok(readable(&rows, read))
    }
}
