//! Reply attributes in SQL: of a router, a group, an account; read back only as what the dictionary takes.

use std::collections::HashMap;
use std::sync::LazyLock;

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::error::{Result, StoreError};
use super::field::{Fields, each};
use super::rows::{Rows, Written};
use super::{Backend, Noun, Reader, Tx};
use crate::domain::attribute::{AttributeRefused, ReplyAttribute, ReplyAttributes, Subject};
use crate::domain::id::AccountId;
use crate::domain::setting::Level;

fn read(row: &AnyRow) -> Result<ReplyAttribute> {
    let fields = Fields::of("attributes", row);
    let name = fields.text("name")?;
    ReplyAttribute::stored(&name, &fields.text("value")?).map_err(|refused| match refused {
        AttributeRefused::Unknown(_) => StoreError::UnknownAttribute(name),
        _ => fields.corrupt("value"),
    })
}

async fn of(sql: &mut AnyConnection, subject: Subject) -> Result<ReplyAttributes> {
    let rows = sqlx::query(
        "select id, name, value from attributes where level = $1 and subject_id = $2 order by position, id",
    )
    .bind(subject.level())
    .bind(subject.row())
    .fetch_all(sql)
    .await?;
    Ok(ReplyAttributes::of(each(&rows, read)?))
}

static OF_ACCOUNTS: Written = LazyLock::new(|| of_subjects("account"));
static OF_GROUPS: Written = LazyLock::new(|| of_subjects("group"));

fn of_subjects(level: &str) -> Rows {
    let statement = format!(
        "select id, subject_id, name, value from attributes where level = '{level}' and subject_id in ({{rows}})
         order by subject_id, position, id"
    );
    Rows::new(&statement, "?")
}

/// Those of these accounts that have any of their own, by account.
pub(super) async fn of_accounts(
    sql: &mut AnyConnection,
    backend: Backend,
    accounts: &[i64],
) -> Result<HashMap<i64, ReplyAttributes>> {
    by_subject(&OF_ACCOUNTS.fetch(sql, backend, accounts).await?)
}

/// Those of these groups that have any, by group.
pub(super) async fn of_groups(
    sql: &mut AnyConnection,
    backend: Backend,
    groups: &[i64],
) -> Result<HashMap<i64, ReplyAttributes>> {
    by_subject(&OF_GROUPS.fetch(sql, backend, groups).await?)
}

/// Those of every subject of a level, by its row.
pub(super) async fn of_level(sql: &mut AnyConnection, level: &str) -> Result<HashMap<i64, ReplyAttributes>> {
    let rows = sqlx::query(
        "select id, subject_id, name, value from attributes where level = $1 order by subject_id, position, id",
    )
    .bind(level)
    .fetch_all(sql)
    .await?;
    by_subject(&rows)
}

fn by_subject(rows: &[AnyRow]) -> Result<HashMap<i64, ReplyAttributes>> {
    let mut found: HashMap<i64, Vec<ReplyAttribute>> = HashMap::new();
    for row in rows {
        let subject = Fields::of("attributes", row).int("subject_id")?;
        found.entry(subject).or_default().push(read(row)?);
    }
    Ok(found.into_iter().map(|(subject, attributes)| (subject, ReplyAttributes::of(attributes))).collect())
}

impl Reader {
    /// The reply attributes that are set at exactly this subject.
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn attributes(&self, subject: Subject) -> Result<ReplyAttributes> {
        of(&mut *self.connection().await?, subject).await
    }

    /// Those of every account that has some of its own.
    ///
    /// # Errors
    /// As [`Reader::attributes`].
    pub async fn account_attributes(&self) -> Result<HashMap<AccountId, ReplyAttributes>> {
        let found = of_level(&mut *self.connection().await?, "account").await?;
        Ok(found.into_iter().map(|(account, attributes)| (AccountId(account), attributes)).collect())
    }
}

impl Tx {
    /// The reply attributes that are set at exactly this subject.
    ///
    /// # Errors
    /// As [`Reader::attributes`].
    pub async fn attributes(&mut self, subject: Subject) -> Result<ReplyAttributes> {
        of(self.sql(), subject).await
    }

    /// The name of a subject, if it is there.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn subject_name(&mut self, subject: Subject) -> Result<Option<String>> {
        self.level_name(match subject {
            Subject::Router(id) => Level::Router(id.0),
            Subject::Group(id) => Level::Group(id.0),
            Subject::Account(id) => Level::Account(id.0),
        })
        .await
    }

    /// Sets the reply attributes of a subject; those that it had go.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_attributes(&mut self, subject: Subject, attributes: &ReplyAttributes) -> Result<()> {
        self.clear_attributes(subject).await?;
        for (position, attribute) in (0_i64..).zip(attributes) {
            sqlx::query(
                "insert into attributes (level, subject_id, position, name, value) values ($1, $2, $3, $4, $5)",
            )
            .bind(subject.level())
            .bind(subject.row())
            .bind(position)
            .bind(attribute.name())
            .bind(attribute.value())
            .execute(self.sql())
            .await?;
        }
        match subject {
            Subject::Router(id) => self.touch(Noun::Router, id.0),
            // Whoever follows the settings forgets every account, and with them those of the group.
            Subject::Group(_) => self.touch(Noun::Setting, 0),
            Subject::Account(id) => self.touch(Noun::Account, id.0),
        }
        Ok(())
    }

    /// Deletes the reply attributes of a subject that is being deleted.
    ///
    /// # Errors
    /// The database does not answer.
    pub(super) async fn clear_attributes(&mut self, subject: Subject) -> Result<()> {
        sqlx::query("delete from attributes where level = $1 and subject_id = $2")
            .bind(subject.level())
            .bind(subject.row())
            .execute(self.sql())
            .await?;
        Ok(())
    }
}
