//! The audit in SQL: who changed what, when.

use super::error::Result;
use super::field::{Fields, each};
use super::{LIST_ROWS, Reader, Tx};
use crate::clock::Timestamp;
use crate::domain::audit::Actor;

/// One line of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What was done: `user.approve`.
    pub action: String,
    /// To which noun.
    pub noun: String,
    /// And row.
    pub subject: i64,
    /// What else is to be said; never a secret.
    pub detail: String,
}

/// What is done to what.
#[derive(Debug, Clone, Copy)]
pub struct Deed<'a> {
    /// The noun: `user`, `account` …
    pub noun: &'static str,
    /// Its row.
    pub subject: i64,
    /// The verb: `approve` …
    pub verb: &'a str,
    /// What else is to be said; never a secret.
    pub detail: &'a str,
}

impl Tx {
    /// Writes down who did what.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn write_down(&mut self, actor: &Actor, deed: Deed<'_>, now: Timestamp) -> Result<()> {
        sqlx::query(
            "insert into audit (at, actor, actor_id, actor_name, action, noun, subject_id, detail)
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(now.millis())
        .bind(actor.kind())
        .bind(actor.id())
        .bind(actor.label())
        .bind(format!("{}.{}", deed.noun, deed.verb))
        .bind(deed.noun)
        .bind(deed.subject)
        .bind(deed.detail)
        .execute(self.sql())
        .await?;
        Ok(())
    }
}

impl Reader {
    /// The last lines of the audit, newest first; at most [`LIST_ROWS`].
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn audit(&self) -> Result<Vec<AuditLine>> {
        let rows = sqlx::query(
            "select id, at, actor_name, action, noun, subject_id, detail from audit order by at desc, id desc limit $1",
        )
        .bind(LIST_ROWS)
        .fetch_all(&mut *self.connection().await?)
        .await?;
        each(&rows, |row| {
            let fields = Fields::of("audit", row);
            Ok(AuditLine {
                at: fields.time("at")?,
                actor: fields.text("actor_name")?,
                action: fields.text("action")?,
                noun: fields.text("noun")?,
                subject: fields.int("subject_id")?,
                detail: fields.text("detail")?,
            })
        })
    }
}
