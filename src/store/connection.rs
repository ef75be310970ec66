//! Connections in SQL, as accounting reports them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::LazyLock;

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::error::Result;
use super::field::{Fields, each, readable};
use super::rows::{Rows, Written};
use super::{Backend, LIST_ROWS, Reader, Tx};
use crate::clock::Timestamp;
use crate::domain::connection::{Authentic, OpenConnection, Place, Presence, Traffic, Via};
use crate::domain::id::{AccountId, ConnectionId, NasId, RouterId, SessionId};
use crate::domain::session::Held;

/// A connection as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The row.
    pub id: ConnectionId,
    /// The box.
    pub nas: NasId,
    /// Its router.
    pub router: RouterId,
    /// Acct-Session-Id.
    pub acct_session_id: String,
    /// User-Name, raw.
    pub user_name: Vec<u8>,
    /// The account.
    pub account: Option<AccountId>,
    /// The session that its Class names.
    pub session: Option<SessionId>,
    /// Calling-Station-Id.
    pub station: Option<String>,
    /// NAS-IP-Address.
    pub nas_ip: Option<IpAddr>,
    /// Framed-IP-Address.
    pub framed_ip: Option<IpAddr>,
    /// Who authenticated.
    pub authentic: Authentic,
    /// Whether it brought a Class of ours.
    pub class: ClassSeen,
    /// Start.
    pub started_at: Timestamp,
    /// Last heard of.
    pub seen_at: Timestamp,
    /// Presence.
    pub presence: Presence,
    /// Whether the end of its session spared it.
    pub kept: Kept,
    /// Counters.
    pub traffic: Traffic,
    /// End.
    pub ended_at: Option<Timestamp>,
    /// Why: Acct-Terminate-Cause as a number, `lost`, `gone` or `reboot`.
    pub cause: Option<String>,
    /// Who reports it.
    pub via: Via,
    /// Until when the router lets it run by its Session-Timeout, as far as we know; `None` where we said none.
    pub runs_until: Option<Timestamp>,
}

impl Connection {
    /// Where it dials from.
    pub fn place(&self) -> Option<Place> {
        self.station.as_ref().map(|station| Place { router: self.router, station: station.clone() })
    }
}

/// The cause of an end that nobody reported: the connection may still be up.
pub const LOST: &str = "lost";

/// Whether a connection brought a Class of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassSeen {
    /// It did: it was accepted here.
    Ours,
    /// It did not.
    None,
}

/// Whether the end of its session spared a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It was not.
    No,
    /// "Revoke only": it runs until it drops by itself.
    Yes,
}

/// Connections as [`read`] takes them; which ones, and in what order, follows.
macro_rules! select_connections {
    () => {
        "select id, nas_id, router_id, acct_session_id, user_name, account_id, session_id, station, nas_ip,
         framed_ip, authentic, classed, started_at, seen_at, presence, presence_at, kept, input_octets, output_octets,
         input_packets, output_packets, ended_at, cause, via, runs_until from connections"
    };
}
pub(super) use select_connections;

const COLUMNS_BY_ID: &str = concat!(select_connections!(), " where id = $1");

pub(super) fn read(row: &AnyRow) -> Result<Connection> {
    let fields = Fields::of("connections", row);
    Ok(Connection {
        id: ConnectionId(fields.int("id")?),
        nas: NasId(fields.int("nas_id")?),
        router: RouterId(fields.int("router_id")?),
        acct_session_id: fields.text("acct_session_id")?,
        user_name: fields.bytes("user_name")?,
        account: fields.maybe_int("account_id")?.map(AccountId),
        session: fields.maybe_int("session_id")?.map(SessionId),
        station: fields.maybe_text("station")?,
        nas_ip: fields.maybe_parsed("nas_ip")?,
        framed_ip: fields.maybe_parsed("framed_ip")?,
        authentic: if fields.text("authentic")? == "local" { Authentic::Local } else { Authentic::Radius },
        class: if fields.flag("classed")? { ClassSeen::Ours } else { ClassSeen::None },
        started_at: fields.time("started_at")?,
        seen_at: fields.time("seen_at")?,
        presence: read_presence(&fields)?,
        kept: if fields.flag("kept")? { Kept::Yes } else { Kept::No },
        traffic: Traffic {
            input_octets: fields.unsigned("input_octets")?,
            output_octets: fields.unsigned("output_octets")?,
            input_packets: fields.unsigned("input_packets")?,
            output_packets: fields.unsigned("output_packets")?,
        },
        ended_at: fields.maybe_time("ended_at")?,
        cause: fields.maybe_text("cause")?,
        via: fields.word("via", Via::from_word)?,
        runs_until: fields.maybe_time("runs_until")?,
    })
}

fn read_presence(fields: &Fields<'_>) -> Result<Presence> {
    let at = || fields.maybe_time("presence_at")?.ok_or_else(|| fields.corrupt("presence_at"));
    match fields.text("presence")?.as_str() {
        "not_asked" => Ok(Presence::NotAsked),
        "asked" => Ok(Presence::Asked { until: at()? }),
        "confirmed" => Ok(Presence::Confirmed { at: at()? }),
        _ => Err(fields.corrupt("presence")),
    }
}

fn read_place(fields: &Fields<'_>) -> Result<Option<Place>> {
    let router = RouterId(fields.int("router_id")?);
    Ok(fields.maybe_text("station")?.map(|station| Place { router, station }))
}

static OPEN_OF_EACH: Written = LazyLock::new(|| {
    Rows::new(
        "select id, account_id, session_id, router_id, station, acct_session_id, started_at from connections
         where account_id in ({rows}) and ended_at is null order by started_at, id",
        "?",
    )
});

static HELD_BY_EACH: Written = LazyLock::new(|| {
    Rows::new(
        // One that ended is held until its session has heard of it.
        "select id, session_id, router_id, station, presence, presence_at from connections
         where session_id in ({rows}) and (ended_at is null or fresh is not null) order by started_at, id",
        "?",
    )
});

/// The open connections of accounts, by account; oldest first.
pub(super) async fn open_of_each(
    sql: &mut AnyConnection,
    backend: Backend,
    accounts: &[i64],
) -> Result<HashMap<AccountId, Vec<OpenConnection>>> {
    let mut found: HashMap<AccountId, Vec<OpenConnection>> = HashMap::new();
    for row in OPEN_OF_EACH.fetch(sql, backend, accounts).await? {
        let fields = Fields::of("connections", &row);
        found.entry(AccountId(fields.int("account_id")?)).or_default().push(OpenConnection {
            id: ConnectionId(fields.int("id")?),
            session: fields.maybe_int("session_id")?.map(SessionId),
            place: read_place(&fields)?,
            acct_session_id: fields.text("acct_session_id")?,
            started: fields.time("started_at")?,
        });
    }
    Ok(found)
}

/// The connections that sessions hold, by session; oldest first.
pub(super) async fn held_by_each(
    sql: &mut AnyConnection,
    backend: Backend,
    sessions: &[i64],
) -> Result<HashMap<SessionId, Vec<Held>>> {
    let mut found: HashMap<SessionId, Vec<Held>> = HashMap::new();
    for row in HELD_BY_EACH.fetch(sql, backend, sessions).await? {
        let fields = Fields::of("connections", &row);
        found.entry(SessionId(fields.int("session_id")?)).or_default().push(Held {
            id: ConnectionId(fields.int("id")?),
            place: read_place(&fields)?,
            presence: read_presence(&fields)?,
        });
    }
    Ok(found)
}

impl Reader {
    /// The connection of this id.
    ///
    /// # Errors
    /// The database does not answer, or the row is corrupt.
    pub async fn connection_row(&self, id: ConnectionId) -> Result<Option<Connection>> {
        let row = sqlx::query(COLUMNS_BY_ID).bind(id.0).fetch_optional(&mut *self.connection().await?).await?;
        row.as_ref().map(read).transpose()
    }

    /// Connections, the open ones first, then the last ended; at most [`LIST_ROWS`].
    ///
    /// # Errors
    /// As [`Reader::connection_row`].
    pub async fn connections(&self) -> Result<Vec<Connection>> {
        let rows = sqlx::query(concat!(
            select_connections!(),
            " order by case when ended_at is null then 0 else 1 end, started_at desc, id desc limit $1"
        ))
        .bind(LIST_ROWS)
        .fetch_all(&mut *self.connection().await?)
        .await?;
        each(&rows, read)
    }

    /// Whether another box of the router has an open connection with the same number.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn has_twin(&self, router: RouterId, nas: NasId, acct_session_id: &str) -> Result<bool> {
        let row = sqlx::query(
            "select cast(count(*) as bigint) as id from connections
             where router_id = $1 and nas_id <> $2 and acct_session_id = $3 and ended_at is null",
        )
        .bind(router.0)
        .bind(nas.0)
        .bind(acct_session_id)
        .fetch_one(&mut *self.connection().await?)
        .await?;
        Ok(Fields::of("connections", &row).int("id")? > 0)
    }

    /// The accounts with open connections whose question ran out at `now`; at most [`LIST_ROWS`].
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn unanswered_connections(&self, now: Timestamp) -> Result<Vec<(AccountId, ConnectionId)>> {
        let rows = sqlx::query(
            "select id, account_id from connections where ended_at is null and presence = 'asked' and presence_at <= $1
             and account_id is not null order by presence_at, id limit $2",
        )
        .bind(now.millis())
        .bind(LIST_ROWS)
        .fetch_all(&mut *self.connection().await?)
        .await?;
        each(&rows, |row| {
            let fields = Fields::of("connections", row);
            Ok((AccountId(fields.int("account_id")?), ConnectionId(fields.int("id")?)))
        })
    }

    /// When the next question about a connection runs out.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn next_unanswered(&self) -> Result<Option<Timestamp>> {
        let row = sqlx::query(
            "select min(presence_at) as due from connections where ended_at is null and presence = 'asked'",
        )
        .fetch_one(&mut *self.connection().await?)
        .await?;
        Fields::of("connections", &row).maybe_time("due")
    }

    /// How many connections their sessions have yet to hear of.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn fresh_connection_count(&self) -> Result<i64> {
        let row = sqlx::query("select cast(count(*) as bigint) as id from connections where fresh is not null")
            .fetch_one(&mut *self.connection().await?)
            .await?;
        Fields::of("connections", &row).int("id")
    }

    /// How many connections are open.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn open_connection_count(&self) -> Result<i64> {
        // What every row has, so that SQLite counts by the index of what is open.
        let row = sqlx::query("select cast(count(router_id) as bigint) as id from connections where ended_at is null")
            .fetch_one(&mut *self.connection().await?)
            .await?;
        Fields::of("connections", &row).int("id")
    }
}

impl Tx {
    /// The connection of this id.
    ///
    /// # Errors
    /// As [`Reader::connection_row`].
    pub async fn connection(&mut self, id: ConnectionId) -> Result<Option<Connection>> {
        let row = sqlx::query(COLUMNS_BY_ID).bind(id.0).fetch_optional(self.sql()).await?;
        row.as_ref().map(read).transpose()
    }

    /// Open connections that accounting has not told of since `since`; at most [`LIST_ROWS`].
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn silent_connections(&mut self, since: Timestamp) -> Result<Vec<Connection>> {
        let rows = sqlx::query(concat!(
            select_connections!(),
            " where ended_at is null and via = 'radius' and seen_at < $1 limit $2"
        ))
        .bind(since.millis())
        .bind(LIST_ROWS)
        .fetch_all(self.sql())
        .await?;
        Ok(readable(&rows, read))
    }

    /// Open connections that the list of this router has not told of since `since`; at most [`LIST_ROWS`].
    ///
    /// # Errors
    /// As [`Tx::silent_connections`].
    pub async fn silent_connections_on(&mut self, router: RouterId, since: Timestamp) -> Result<Vec<Connection>> {
        let rows = sqlx::query(concat!(
            select_connections!(),
            " where router_id = $1 and ended_at is null and via = 'api' and seen_at < $2 limit $3"
        ))
        .bind(router.0)
        .bind(since.millis())
        .bind(LIST_ROWS)
        .fetch_all(self.sql())
        .await?;
        Ok(readable(&rows, read))
    }

    /// Writes the presence of a connection; and, where it is seen for the first time, until when its Accept lets it run.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_presence(
        &mut self,
        id: ConnectionId,
        presence: Presence,
        runs_until: Option<Timestamp>,
    ) -> Result<()> {
        let (word, at) = match presence {
            Presence::NotAsked => ("not_asked", None),
            Presence::Asked { until } => ("asked", Some(until.millis())),
            Presence::Confirmed { at } => ("confirmed", Some(at.millis())),
        };
        sqlx::query(
            "update connections set presence = $1, presence_at = $2,
             runs_until = case when via = 'radius' and classed = 1 then coalesce($3, runs_until) else runs_until end
             where id = $4",
        )
        .bind(word)
        .bind(at)
        .bind(runs_until.map(Timestamp::millis))
        .bind(id.0)
        .execute(self.sql())
        .await?;
        Ok(())
    }

    /// Marks the open, confirmed connections of a session as spared by its end.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn keep_connections(&mut self, session: SessionId) -> Result<()> {
        sqlx::query(
            "update connections set kept = 1
             where session_id = $1 and ended_at is null and presence = 'confirmed'",
        )
        .bind(session.0)
        .execute(self.sql())
        .await?;
        Ok(())
    }

    /// The open connections of an account, oldest first.
    ///
    /// # Errors
    /// As [`Tx::connection`].
    pub async fn open_connections(&mut self, account: AccountId) -> Result<Vec<Connection>> {
        let rows = sqlx::query(concat!(
            select_connections!(),
            " where account_id = $1 and ended_at is null order by started_at, id"
        ))
        .bind(account.0)
        .fetch_all(self.sql())
        .await?;
        each(&rows, read)
    }

    /// The open connection of a router that has this tunnel address: the newest, where an older one's end was not reported.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn newest_with(&mut self, router: RouterId, address: IpAddr) -> Result<Option<ConnectionId>> {
        let row = sqlx::query(
            "select id from connections where router_id = $1 and framed_ip = $2 and ended_at is null
             order by started_at desc, id desc limit 1",
        )
        .bind(router.0)
        .bind(address.to_string())
        .fetch_optional(self.sql())
        .await?;
        row.map(|row| Fields::of("connections", &row).int("id").map(ConnectionId)).transpose()
    }

    /// The open connections of a router.
    ///
    /// # Errors
    /// As [`Tx::connection`].
    pub async fn open_connections_on(&mut self, router: RouterId) -> Result<Vec<Connection>> {
        let rows =
            sqlx::query(concat!(select_connections!(), " where router_id = $1 and ended_at is null order by id"))
                .bind(router.0)
                .fetch_all(self.sql())
                .await?;
        each(&rows, read)
    }

    /// Forgets connections that ended before `before`; at most [`LIST_ROWS`] at a time.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn prune_connections(&mut self, before: Timestamp) -> Result<u64> {
        let done = sqlx::query(
            "delete from connections where id in (select id from connections where ended_at < $1 order by ended_at limit $2)",
        )
        .bind(before.millis())
        .bind(LIST_ROWS)
        .execute(self.sql())
        .await?;
        Ok(done.rows_affected())
    }
}
