//! Alarms in SQL: what operators must see until one of them acknowledges it.

use super::error::Result;
use super::field::{Fields, each};
use super::{LIST_ROWS, Reader, Tx};
use crate::clock::Timestamp;

/// An alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// The row.
    pub id: i64,
    /// What kind: `not_me`, `no_session` …
    pub kind: String,
    /// What it is about; what stands before a slash is a router's row where the kind speaks of routers.
    pub subject: String,
    /// What it says.
    pub text: String,
    /// How often it was raised.
    pub count: i64,
    /// First.
    pub first_at: Timestamp,
    /// Last.
    pub last_at: Timestamp,
}

/// Whether an alarm is new or counts up one that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raised {
    /// New: operators are to be told.
    New,
    /// It stood already.
    Again,
}

impl Tx {
    /// Raises an alarm, or counts up the one that stands for the same kind and subject.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn raise(&mut self, kind: &'static str, subject: &str, text: &str, now: Timestamp) -> Result<Raised> {
        let row = sqlx::query(
            "insert into alarms (kind, subject, text, first_at, last_at) values ($1, $2, $3, $4, $4)
             on conflict (kind, subject) where acknowledged_at is null do update
             set count = alarms.count + 1, last_at = excluded.last_at, text = excluded.text
             returning id, count",
        )
        .bind(kind)
        .bind(subject)
        .bind(text)
        .bind(now.millis())
        .fetch_one(self.sql())
        .await?;
        Ok(if Fields::of("alarms", &row).int("count")? == 1 { Raised::New } else { Raised::Again })
    }

    /// Acknowledges an alarm; tells whether it stood.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn acknowledge(&mut self, id: i64, by: &str, now: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "update alarms set acknowledged_at = $1, acknowledged_by = $2 where id = $3 and acknowledged_at is null",
        )
        .bind(now.millis())
        .bind(by)
        .bind(id)
        .execute(self.sql())
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

impl Reader {
    /// The alarms that stand, newest first; at most [`LIST_ROWS`].
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn alarms(&self) -> Result<Vec<Alarm>> {
        let rows = sqlx::query(
            "select id, kind, subject, text, count, first_at, last_at from alarms
             where acknowledged_at is null order by last_at desc, id desc limit $1",
        )
        .bind(LIST_ROWS)
        .fetch_all(&mut *self.connection().await?)
        .await?;
        each(&rows, |row| {
            let fields = Fields::of("alarms", row);
            Ok(Alarm {
                id: fields.int("id")?,
                kind: fields.text("kind")?,
                subject: fields.text("subject")?,
                text: fields.text("text")?,
                count: fields.int("count")?,
                first_at: fields.time("first_at")?,
                last_at: fields.time("last_at")?,
            })
        })
    }
}
