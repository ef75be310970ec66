//! The locks of who guesses passwords, in SQL.

use sqlx::any::AnyRow;

use super::error::Result;
use super::field::{Fields, each};
use super::{LIST_ROWS, Noun, Reader, Tx};
use crate::clock::Timestamp;
use crate::domain::id::RouterId;

/// Locks that are kept at once, as many as a list shows. Above it a lock holds on the instance that made it only.
const LOCKS: i64 = LIST_ROWS;

/// What a lock is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// A caller of a router: its Calling-Station-Id.
    Caller,
    /// A box that names no caller: its address.
    Box,
    /// A name, from wherever.
    Name,
}

impl LockKind {
    /// The word in SQL.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Box => "box",
            Self::Name => "name",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Caller, Self::Box, Self::Name].into_iter().find(|kind| kind.word() == word)
    }
}

/// A lock to be kept.
#[derive(Debug, Clone)]
pub struct NewLock<'a> {
    /// What it is about.
    pub kind: LockKind,
    /// On which router; of a name the last one.
    pub router: RouterId,
    /// Who.
    pub subject: &'a str,
    /// The User-Name tried last.
    pub name: &'a str,
    /// How many wrong passwords in the window.
    pub wrong: u32,
    /// From when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// A lock that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuessLock {
    /// The row.
    pub id: i64,
    /// What it is about.
    pub kind: LockKind,
    /// On which router; of a name the last one.
    pub router: RouterId,
    /// Its name.
    pub router_name: String,
    /// Who.
    pub subject: String,
    /// The User-Name tried last.
    pub name: String,
    /// How many wrong passwords in the window.
    pub wrong: u32,
    /// From when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

fn read(row: &AnyRow) -> Result<GuessLock> {
    let fields = Fields::of("guess_locks", row);
    Ok(GuessLock {
        id: fields.int("id")?,
        kind: fields.word("kind", LockKind::from_word)?,
        router: RouterId(fields.int("router_id")?),
        router_name: fields.text("router_name")?,
        subject: fields.text("subject")?,
        name: fields.text("name")?,
        wrong: fields.small("wrong")?,
        since: fields.time("since")?,
        until: fields.time("until")?,
    })
}

const COLUMNS: &str = "select guess_locks.id, kind, router_id, routers.name as router_name, subject, guess_locks.name,
     wrong, since, until from guess_locks join routers on routers.id = router_id";

impl Tx {
    /// Keeps a lock in place of an older one of the same; gives how many stand on its router now, `None` if there are
    /// as many in all as may be.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn lock_guesser(&mut self, new: &NewLock<'_>) -> Result<Option<i64>> {
        sqlx::query(
            "delete from guess_locks where until <= $1 or (kind = $2 and subject = $3 and (kind = 'name' or router_id = $4))",
        )
        .bind(new.since.millis())
        .bind(new.kind.word())
        .bind(new.subject)
        .bind(new.router.0)
        .execute(self.sql())
        .await?;
        let row = sqlx::query(
            "select cast(count(*) as bigint) as id,
             cast(coalesce(sum(case when router_id = $1 then 1 else 0 end), 0) as bigint) as here from guess_locks",
        )
        .bind(new.router.0)
        .fetch_one(self.sql())
        .await?;
        let fields = Fields::of("guess_locks", &row);
        let (all, here) = (fields.int("id")?, fields.int("here")?);
        if all >= LOCKS {
            return Ok(None);
        }
        sqlx::query(
            "insert into guess_locks (kind, router_id, subject, name, wrong, since, until) values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(new.kind.word())
        .bind(new.router.0)
        .bind(new.subject)
        .bind(new.name)
        .bind(i64::from(new.wrong))
        .bind(new.since.millis())
        .bind(new.until.millis())
        .execute(self.sql())
        .await?;
        self.touch(Noun::Guess, 0);
        Ok(Some(here + 1))
    }

    /// Lifts a lock; gives it as it was, `None` if it stood no more.
    ///
    /// # Errors
    /// The database does not answer, or the row is corrupt.
    pub async fn lift_guess_lock(&mut self, id: i64, now: Timestamp) -> Result<Option<GuessLock>> {
        let sql = format!("{COLUMNS} where guess_locks.id = $1 and until > $2");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).bind(now.millis()).fetch_optional(self.sql()).await?;
        let Some(row) = row else { return Ok(None) };
        sqlx::query("delete from guess_locks where id = $1").bind(id).execute(self.sql()).await?;
        self.touch(Noun::Guess, 0);
        read(&row).map(Some)
    }
}

impl Reader {
    /// The locks that stand at `now`, newest first; at most [`LIST_ROWS`].
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn guess_locks(&self, now: Timestamp) -> Result<Vec<GuessLock>> {
        let sql = format!("{COLUMNS} where until > $1 order by since desc, guess_locks.id desc limit $2");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(now.millis())
            .bind(LIST_ROWS)
            .fetch_all(&mut *self.connection().await?)
            .await?;
        each(&rows, read)
    }
}
