//! Settings in SQL: what is stored, by name and level.

use std::sync::LazyLock;

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::error::Result;
use super::field::Fields;
use super::rows::{Rows, Written, distinct};
use super::{Noun, Reader, Tx};
use crate::clock::Timestamp;
use crate::domain::id::{AccountId, UserId};
use crate::domain::policy::Values;
use crate::domain::setting::Level;

static OF_USERS: Written = LazyLock::new(|| of_subjects("user"));
static OF_ACCOUNTS: Written = LazyLock::new(|| of_subjects("account"));

fn of_subjects(level: &str) -> Rows {
    let statement = format!(
        "select name, level, subject_id, value from settings where level = '{level}' and subject_id in ({{rows}})"
    );
    Rows::new(&statement, "?")
}

async fn values(sql: &mut AnyConnection) -> Result<Values> {
    let rows = sqlx::query("select name, level, subject_id, value from settings").fetch_all(sql).await?;
    read(&rows)
}

fn read(rows: &[AnyRow]) -> Result<Values> {
    let mut values = Values::default();
    for row in rows {
        let fields = Fields::of("settings", row);
        let subject = fields.int("subject_id")?;
        let level = fields.word("level", |word| match word {
            "system" => Some(Level::System),
            "group" => Some(Level::Group(subject)),
            "user" => Some(Level::User(subject)),
            "account" => Some(Level::Account(subject)),
            "router" => Some(Level::Router(subject)),
            _ => None,
        })?;
        values.insert(&fields.text("name")?, level, fields.text("value")?);
    }
    Ok(values)
}

impl Reader {
    /// Every stored value.
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn settings(&self) -> Result<Values> {
        values(&mut *self.connection().await?).await
    }
}

impl Tx {
    /// Every stored value, as this transaction sees it.
    ///
    /// # Errors
    /// As [`Reader::settings`].
    pub async fn settings(&mut self) -> Result<Values> {
        values(self.sql()).await
    }

    /// The values that are stored at these levels alone: thousands of other accounts may have some of their own.
    ///
    /// # Errors
    /// As [`Reader::settings`].
    pub async fn settings_at(&mut self, levels: &[Level]) -> Result<Values> {
        let of = |word: &str| levels.iter().find(|level| level.word() == word).map_or(-1, |level| level.subject());
        let rows = sqlx::query(
            "select name, level, subject_id, value from settings where (level = 'system' and subject_id = $1)
             or (level = 'group' and subject_id = $2) or (level = 'user' and subject_id = $3)
             or (level = 'account' and subject_id = $4) or (level = 'router' and subject_id = $5)",
        )
        .bind(of("system"))
        .bind(of("group"))
        .bind(of("user"))
        .bind(of("account"))
        .bind(of("router"))
        .fetch_all(self.sql())
        .await?;
        read(&rows)
    }

    /// The values of the system, of every group, and of these users and accounts, as this transaction sees them.
    ///
    /// # Errors
    /// As [`Reader::settings`].
    pub async fn settings_of(&mut self, users: &[UserId], accounts: &[AccountId]) -> Result<Values> {
        let users = distinct(users.iter().map(|id| id.0));
        let accounts = distinct(accounts.iter().map(|id| id.0));
        let mut rows = sqlx::query(
            "select name, level, subject_id, value from settings where level = 'system' or level = 'group'",
        )
        .fetch_all(self.sql())
        .await?;
        let (sql, backend) = (&mut *self.inner, self.backend);
        rows.extend(OF_USERS.fetch(&mut *sql, backend, &users).await?);
        rows.extend(OF_ACCOUNTS.fetch(sql, backend, &accounts).await?);
        read(&rows)
    }

    /// The name of whom a level is about, empty for the system; `None` if there is no such row.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn level_name(&mut self, level: Level) -> Result<Option<String>> {
        let (table, statement) = match level {
            Level::System => return Ok(Some(String::new())),
            Level::Group(_) => ("groups", "select id, name from groups where id = $1"),
            Level::User(_) => ("users", "select id, name from users where id = $1"),
            Level::Account(_) => ("accounts", "select id, name from accounts where id = $1"),
            Level::Router(_) => ("routers", "select id, name from routers where id = $1"),
        };
        let row = sqlx::query(statement).bind(level.subject()).fetch_optional(self.sql()).await?;
        row.map(|row| Fields::of(table, &row).text("name")).transpose()
    }

    /// Stores a value that its setting has accepted.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_setting(&mut self, name: &str, level: Level, value: &str, now: Timestamp) -> Result<()> {
        sqlx::query(
            "insert into settings (name, level, subject_id, value, changed_at) values ($1, $2, $3, $4, $5)
             on conflict (name, level, subject_id) do update
             set value = excluded.value, changed_at = excluded.changed_at",
        )
        .bind(name)
        .bind(level.word())
        .bind(level.subject())
        .bind(value)
        .bind(now.millis())
        .execute(self.sql())
        .await?;
        self.touch(Noun::Setting, 0);
        Ok(())
    }

    /// Forgets a stored value: the next level's, or the default, holds again.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn clear_setting(&mut self, name: &str, level: Level) -> Result<()> {
        sqlx::query("delete from settings where name = $1 and level = $2 and subject_id = $3")
            .bind(name)
            .bind(level.word())
            .bind(level.subject())
            .execute(self.sql())
            .await?;
        self.touch(Noun::Setting, 0);
        Ok(())
    }
}
