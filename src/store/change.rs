//! Changes: what every instance must forget, in the order of the commits.
//!
//! The sequence number comes from one row that is updated last in each transaction: whoever comes second waits for the
//! first to commit, so a reader that has seen number n has seen all before it.

use std::sync::LazyLock;

use sqlx::AnyConnection;

use super::error::Result;
use super::field::{Fields, each};
use super::rows::{Rows, Written};
use super::{Backend, Reader, Tx};
use crate::clock::Timestamp;

/// The most rows of `changes` that one poll reads.
const POLL_ROWS: i64 = 10_000;

/// A cached noun. A change of a person or of a connection touches its accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Noun {
    /// An account with everything that its door needs: person, session, connections.
    Account,
    /// The routers.
    Router,
    /// The settings of all levels.
    Setting,
    /// The locks of who guesses passwords.
    Guess,
    /// Nothing cached, but somebody waits: outbox, cuts, fresh connections, due times.
    Work,
}

impl Noun {
    const ALL: [Noun; 5] = [Self::Account, Self::Router, Self::Setting, Self::Guess, Self::Work];

    const fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Router => "router",
            Self::Setting => "setting",
            Self::Guess => "guess",
            Self::Work => "work",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|noun| noun.word() == word)
    }
}

/// One row that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Change {
    /// What.
    pub noun: Noun,
    /// Which.
    pub id: i64,
}

/// What a commit changed.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The sequence number of its last change; 0 if it changed nothing that is cached.
    pub last: i64,
    /// The changes.
    pub changes: Vec<Change>,
}

impl Committed {
    /// Up to which change it is known what this transaction read when `as_of` was the last one: if nobody committed a change
    /// between that and its own, up to its own.
    pub fn known_up_to(&self, as_of: i64) -> i64 {
        let own = i64::try_from(self.changes.len()).unwrap_or(i64::MAX);
        if own > 0 && self.last - own == as_of { self.last } else { as_of }
    }
}

/// A stretch of the changes.
#[derive(Debug, Clone)]
pub struct Changes {
    /// The last sequence number that there is.
    pub last: i64,
    /// The changes, oldest first, with their numbers; `None` if those asked for are not kept any more.
    pub rows: Option<Vec<(i64, Change)>>,
}

static ADD: Written =
    LazyLock::new(|| Rows::new("insert into changes (seq, noun, id, at) values {rows}", "(?, ?, ?, ?)"));

pub(super) async fn write(
    sql: &mut AnyConnection,
    backend: Backend,
    changes: &[Change],
    now: Timestamp,
) -> Result<i64> {
    if changes.is_empty() {
        return Ok(0);
    }
    let count = i64::try_from(changes.len()).unwrap_or(i64::MAX);
    let row = sqlx::query("update meta set value = value + $1 where name = 'change' returning value")
        .bind(count)
        .fetch_one(&mut *sql)
        .await?;
    let last = Fields::of("meta", &row).int("value")?;
    let mut seqs = last - count + 1..;
    for (statement, portion) in ADD.portions(backend, changes) {
        let mut add = sqlx::query(statement);
        for (change, seq) in portion.iter().zip(&mut seqs) {
            add = add.bind(seq).bind(change.noun.word()).bind(change.id).bind(now.millis());
        }
        add.execute(&mut *sql).await?;
    }
    Ok(last)
}

pub(super) async fn last(sql: &mut AnyConnection) -> Result<i64> {
    let row = sqlx::query("select value from meta where name = 'change'").fetch_one(sql).await?;
    Fields::of("meta", &row).int("value")
}

impl Reader {
    /// The number of the last change.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn last_change(&self) -> Result<i64> {
        last(&mut *self.connection().await?).await
    }

    /// What changed after `seen`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn changes(&self, seen: i64) -> Result<Changes> {
        let mut sql = self.connection().await?;
        let last = last(&mut sql).await?;
        if last == seen {
            return Ok(Changes { last, rows: Some(Vec::new()) });
        }
        let rows = sqlx::query("select seq, noun, id from changes where seq > $1 and seq <= $2 order by seq limit $3")
            .bind(seen)
            .bind(last)
            .bind(POLL_ROWS)
            .fetch_all(&mut *sql)
            .await?;
        let rows = each(&rows, |row| {
            let fields = Fields::of("changes", row);
            Ok((fields.int("seq")?, Change { noun: fields.word("noun", Noun::from_word)?, id: fields.int("id")? }))
        })?;
        let whole = usize::try_from(last - seen).is_ok_and(|count| count == rows.len());
        Ok(Changes { last, rows: whole.then_some(rows) })
    }
}

impl Tx {
    /// Forgets changes older than `before`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn prune_changes(&mut self, before: Timestamp) -> Result<u64> {
        let done = sqlx::query("delete from changes where at < $1").bind(before.millis()).execute(self.sql()).await?;
        Ok(done.rows_affected())
    }

    /// Raises the stored number `name` to `value`; gives what is stored now.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn raise_mark(&mut self, name: &'static str, value: i64) -> Result<i64> {
        let row = sqlx::query(
            "insert into meta (name, value) values ($1, $2)
             on conflict (name) do update
             set value = case when meta.value < excluded.value then excluded.value else meta.value end
             returning value",
        )
        .bind(name)
        .bind(value)
        .fetch_one(self.sql())
        .await?;
        Fields::of("meta", &row).int("value")
    }

    /// Stores the number `name`, whatever it was.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_mark(&mut self, name: &'static str, value: i64) -> Result<()> {
        sqlx::query(
            "insert into meta (name, value) values ($1, $2) on conflict (name) do update set value = excluded.value",
        )
        .bind(name)
        .bind(value)
        .execute(self.sql())
        .await?;
        Ok(())
    }

    /// The stored number `name`, held as it is until this transaction ends.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn hold_mark(&mut self, name: &'static str) -> Result<Option<i64>> {
        sqlx::query("update meta set value = value where name = $1").bind(name).execute(self.sql()).await?;
        mark(self.sql(), name).await
    }

    /// The stored number `name`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn mark(&mut self, name: &'static str) -> Result<Option<i64>> {
        mark(self.sql(), name).await
    }
}

impl Reader {
    /// The stored number `name`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn mark(&self, name: &'static str) -> Result<Option<i64>> {
        mark(&mut *self.connection().await?, name).await
    }
}

async fn mark(sql: &mut AnyConnection, name: &'static str) -> Result<Option<i64>> {
    let row = sqlx::query("select value from meta where name = $1").bind(name).fetch_optional(sql).await?;
    row.map(|row| Fields::of("meta", &row).int("value")).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(last: i64, own: usize, as_of: i64, expected: i64) {
        let changes = vec![Change { noun: Noun::Account, id: 1 }; own];
        assert_eq!(Committed { last, changes }.known_up_to(as_of), expected);
    }

    #[test]
    fn what_a_transaction_read_is_known_up_to_its_own_changes_if_nobody_came_between() {
        check(12, 2, 10, 12);
        check(13, 2, 10, 10);
        // One that changed nothing says nothing.
        check(0, 0, 10, 10);
    }
}
