//! Orders in SQL: what running connections are to be changed to, stored before it is tried, kept until the router has
//! answered or it does not matter any more. A connection has one; what is wanted later takes its place.

use super::error::Result;
use super::field::{Fields, each, readable};
use super::{LIST_ROWS, Noun, Reader, Tx};
use crate::clock::Timestamp;
use crate::domain::attribute::Subject;
use crate::domain::id::{ConnectionId, OrderId, RouterId};
use crate::domain::order::OrderState;

/// What a connection is to be changed to, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The row.
    pub id: OrderId,
    /// The connection.
    pub connection: ConnectionId,
    /// Until when it may run, where the router is to be told.
    pub until: Option<Timestamp>,
    /// Whether the router is to be told the reply attributes, as they are when it is told.
    pub attributes: Told,
    /// Another number each time that something is wanted anew.
    pub version: i64,
    /// Why, in a word.
    pub why: String,
    /// Since when.
    pub created_at: Timestamp,
    /// When it is tried next; `None` once it is over.
    pub due_at: Option<Timestamp>,
    /// How often it was tried.
    pub tries: u32,
    /// What came of the last try, in words.
    pub outcome: Option<String>,
    /// How it stands.
    pub state: OrderState,
}

impl Order {
    /// What is to be changed, in words.
    pub const fn what(&self) -> &'static str {
        match (self.until, self.attributes) {
            (Some(_), Told::Nothing) => "time",
            (Some(_), Told::Attributes) => "time and attributes",
            (None, Told::Attributes | Told::Nothing) => "attributes",
        }
    }

    /// How it stands, in words: `time: acknowledged`, `attributes: refused with Error-Cause 401 (unsupported attribute)`.
    pub fn shown(&self) -> String {
        let (what, outcome) = (self.what(), self.outcome.as_deref());
        match self.state {
            OrderState::Pending => match outcome {
                Some(outcome) => format!("{what}: pending, {outcome} at try {}", self.tries),
                None => format!("{what}: pending"),
            },
            OrderState::Acknowledged => format!("{what}: acknowledged"),
            OrderState::Refused | OrderState::Void => {
                format!("{what}: not changed, {}", outcome.unwrap_or(self.state.word()))
            }
        }
    }
}

/// Whether an order speaks of reply attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It does.
    Attributes,
    /// It does not.
    Nothing,
}

const COLUMNS: &str = "id, connection_id, until, attributes, why, version, created_at, due_at, tries, outcome, state";

fn read(row: &sqlx::any::AnyRow) -> Result<Order> {
    let fields = Fields::of("orders", row);
    Ok(Order {
        id: OrderId(fields.int("id")?),
        connection: ConnectionId(fields.int("connection_id")?),
        until: fields.maybe_time("until")?,
        attributes: if fields.flag("attributes")? { Told::Attributes } else { Told::Nothing },
        version: fields.int("version")?,
        why: fields.text("why")?,
        created_at: fields.time("created_at")?,
        due_at: fields.maybe_time("due_at")?,
        tries: fields.small("tries")?,
        outcome: fields.maybe_text("outcome")?,
        state: fields.word("state", OrderState::from_word)?,
    })
}

/// What is wanted later takes the place of what is wanted now; what is pending of it and not said anew stays wanted.
const ELSE_ANEW: &str = "on conflict (connection_id) do update set
     until = coalesce(excluded.until, case when orders.state = 'pending' then orders.until end),
     attributes = case when excluded.attributes = 1 or (orders.attributes = 1 and orders.state = 'pending') then 1 else 0 end,
     why = excluded.why, version = orders.version + 1, created_at = excluded.created_at, due_at = excluded.due_at,
     tries = 0, outcome = null, state = 'pending', warned_at = null, done_at = null";

impl Tx {
    /// Stores that the router is to let a connection run until then.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn order_limit(
        &mut self,
        connection: ConnectionId,
        until: Timestamp,
        why: &str,
        now: Timestamp,
    ) -> Result<()> {
        let sql = format!(
            "insert into orders (connection_id, until, why, created_at, due_at) values ($1, $2, $3, $4, $4) {ELSE_ANEW}"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(connection.0)
            .bind(until.millis())
            .bind(why)
            .bind(now.millis())
            .execute(self.sql())
            .await?;
        self.touch(Noun::Work, 0);
        Ok(())
    }

    /// Stores that open connections are to get their reply attributes as they are now; gives how many. Only what was let
    /// in here by RADIUS is ours to change.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn order_attributes(&mut self, whose: Whose, why: &str, now: Timestamp) -> Result<u64> {
        let (of_whom, id, router) = whose.parts();
        let sql = format!(
            "insert into orders (connection_id, attributes, why, created_at, due_at)
             select c.id, 1, $1, $2, $2 from connections c join accounts a on a.id = c.account_id
             where c.ended_at is null and c.via = 'radius' and c.classed = 1 and {of_whom} = $3
             and ($4 = 0 or c.router_id = $4) {ELSE_ANEW}"
        );
        let done = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(why)
            .bind(now.millis())
            .bind(id)
            .bind(router)
            .execute(self.sql())
            .await?;
        if done.rows_affected() > 0 {
            self.touch(Noun::Work, 0);
        }
        Ok(done.rows_affected())
    }

    /// Notes what the router said, and when to try again; not if something was wanted anew meanwhile.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn retry_order(&mut self, order: &Order, outcome: &str, due: Timestamp) -> Result<()> {
        sqlx::query(
            "update orders set tries = tries + 1, outcome = $1, due_at = $2
             where id = $3 and version = $4 and state = 'pending'",
        )
        .bind(outcome)
        .bind(due.millis())
        .bind(order.id.0)
        .bind(order.version)
        .execute(self.sql())
        .await?;
        Ok(())
    }

    /// An order is over; gives whether it was, and nothing was wanted anew meanwhile.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn finish_order(
        &mut self,
        order: &Order,
        state: OrderState,
        outcome: &str,
        now: Timestamp,
    ) -> Result<bool> {
        let done = sqlx::query(
            "update orders set state = $1, outcome = $2, tries = tries + 1, due_at = null, done_at = $3
             where id = $4 and version = $5 and state = 'pending'",
        )
        .bind(state.word())
        .bind(outcome)
        .bind(now.millis())
        .bind(order.id.0)
        .bind(order.version)
        .execute(self.sql())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Notes that the person was told that the order may come to nothing; gives whether they were not yet.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn mark_warned(&mut self, order: &Order, now: Timestamp) -> Result<bool> {
        let done = sqlx::query("update orders set warned_at = $1 where id = $2 and warned_at is null")
            .bind(now.millis())
            .bind(order.id.0)
            .execute(self.sql())
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// The router lets a connection run until then, as far as we know.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_runs_until(&mut self, connection: ConnectionId, until: Timestamp) -> Result<()> {
        sqlx::query("update connections set runs_until = $1 where id = $2")
            .bind(until.millis())
            .bind(connection.0)
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// Everything that is to be changed on a router is tried now: it is back.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn hasten_orders(&mut self, router: RouterId, now: Timestamp) -> Result<()> {
        sqlx::query(
            "update orders set due_at = $1 where due_at is not null and due_at > $1
             and exists (select 1 from connections c where c.id = orders.connection_id and c.router_id = $2
             and c.ended_at is null)",
        )
        .bind(now.millis())
        .bind(router.0)
        .execute(self.sql())
        .await?;
        self.touch(Noun::Work, 0);
        Ok(())
    }
}

/// Whose connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// This one.
    Connection(ConnectionId),
    /// Those whose reply attributes are said there.
    Of(Subject),
    /// The same, on this router alone.
    On(Subject, RouterId),
}

impl Whose {
    /// The column and its value, and the router or 0.
    const fn parts(self) -> (&'static str, i64, i64) {
        let (subject, router) = match self {
            Self::Connection(id) => return ("c.id", id.0, 0),
            Self::Of(subject) => (subject, 0),
            Self::On(subject, router) => (subject, router.0),
        };
        let column = match subject {
            Subject::Router(_) => "c.router_id",
            Subject::Group(_) => "a.group_id",
            Subject::Account(_) => "c.account_id",
        };
        (column, subject.row(), router)
    }
}

/// Asked for each order, not with `in`: for that SQLite would first read every connection that the router ever had.
fn due_of_router() -> String {
    format!(
        "select {COLUMNS} from orders where due_at is not null and due_at <= $1
         and exists (select 1 from connections c where c.id = orders.connection_id and c.router_id = $2)
         order by due_at, id limit $3"
    )
}

impl Reader {
    /// The routers on which an order is to be tried at `now`, the one that waits longest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn routers_with_due_orders(&self, now: Timestamp) -> Result<Vec<RouterId>> {
        let rows = sqlx::query(
            "select c.router_id, min(o.due_at) as due_at from orders o join connections c on c.id = o.connection_id
             where o.due_at is not null and o.due_at <= $1
             group by c.router_id order by min(o.due_at), c.router_id",
        )
        .bind(now.millis())
        .fetch_all(&mut *self.connection().await?)
        .await?;
        each(&rows, |row| Fields::of("orders", row).int("router_id").map(RouterId))
    }

    /// The orders to be tried on a router at `now`, what waits longest first; at most `limit`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn due_orders(&self, router: RouterId, now: Timestamp, limit: i64) -> Result<Vec<Order>> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(due_of_router()))
            .bind(now.millis())
            .bind(router.0)
            .bind(limit)
            .fetch_all(&mut *self.connection().await?)
            .await?;
        Ok(readable(&rows, read))
    }

    /// When the next order is to be tried.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn next_due_order(&self) -> Result<Option<Timestamp>> {
        let row = sqlx::query("select min(due_at) as due_at from orders where due_at is not null")
            .fetch_one(&mut *self.connection().await?)
            .await?;
        Fields::of("orders", &row).maybe_time("due_at")
    }

    /// The orders of open connections, however they stand, and of the last ended ones; at most [`LIST_ROWS`].
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn orders(&self) -> Result<Vec<Order>> {
        let sql = format!(
            "select {} from orders o join connections c on c.id = o.connection_id
             order by case when c.ended_at is null then 0 else 1 end, o.id desc limit $1",
            COLUMNS.split(", ").map(|column| format!("o.{column}")).collect::<Vec<_>>().join(", ")
        );
        let rows =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(LIST_ROWS).fetch_all(&mut *self.connection().await?).await?;
        Ok(readable(&rows, read))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sqlx::{AssertSqlSafe, Row};

    use super::*;
    use crate::crypto::seal::{Keyring, MasterKey};
    use crate::entropy::SystemEntropy;
    use crate::store::Store;

    #[tokio::test]
    async fn for_what_is_due_on_a_router_its_connections_of_years_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("radgram.db").display());
        let ring = Keyring::new(MasterKey::new([7; 32]));
        let store = Store::open(&url, ring, Arc::new(SystemEntropy), Timestamp::from_millis(0)).await.unwrap();
        let explained = AssertSqlSafe(format!("explain query plan {}", due_of_router()));
        let mut sql = store.reader().connection().await.unwrap();
        let rows = sqlx::query(explained).bind(0_i64).bind(1_i64).bind(1_i64).fetch_all(&mut *sql).await.unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        // Orders by when they are due, and for each its connection by its id.
        assert!(steps[0].contains("orders_due") && steps[1].starts_with("SEARCH c "), "{steps:?}");
        assert!(steps.iter().all(|step| step.starts_with("SEARCH ")), "{steps:?}");
    }
}
