//! Groups in SQL, and which accounts are in them.

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::error::{Result, StoreError};
use super::field::{Fields, each};
use super::{LIST_ROWS, Noun, Reader, Tx};
use crate::clock::Timestamp;
use crate::domain::account::name_key;
use crate::domain::attribute::Subject;
use crate::domain::group::Group;
use crate::domain::id::{AccountId, GroupId};

/// A line of the list of groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLine {
    /// The group.
    pub group: Group,
    /// How many accounts are in it.
    pub accounts: i64,
}

fn read(row: &AnyRow) -> Result<Group> {
    let fields = Fields::of("groups", row);
    Ok(Group { id: GroupId(fields.int("id")?), name: fields.text("name")? })
}

async fn by_id(sql: &mut AnyConnection, id: GroupId) -> Result<Option<Group>> {
    let row = sqlx::query("select id, name from groups where id = $1").bind(id.0).fetch_optional(sql).await?;
    row.as_ref().map(read).transpose()
}

impl Reader {
    /// The groups by name; at most [`LIST_ROWS`], and there are not more.
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn groups(&self) -> Result<Vec<GroupLine>> {
        let rows = sqlx::query(
            "select g.id, g.name,
             cast((select count(*) from accounts a where a.group_id = g.id) as bigint) as accounts
             from groups g order by g.name_key limit $1",
        )
        .bind(LIST_ROWS)
        .fetch_all(&mut *self.connection().await?)
        .await?;
        each(&rows, |row| Ok(GroupLine { group: read(row)?, accounts: Fields::of("groups", row).int("accounts")? }))
    }

    /// The group of this id.
    ///
    /// # Errors
    /// As [`Reader::groups`].
    pub async fn group(&self, id: GroupId) -> Result<Option<Group>> {
        by_id(&mut *self.connection().await?, id).await
    }

    /// The group of this name, whatever its case.
    ///
    /// # Errors
    /// As [`Reader::groups`].
    pub async fn group_named(&self, name: &str) -> Result<Option<Group>> {
        let row = sqlx::query("select id, name from groups where name_key = $1")
            .bind(name_key(name))
            .fetch_optional(&mut *self.connection().await?)
            .await?;
        row.as_ref().map(read).transpose()
    }
}

impl Tx {
    /// How many groups there are.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn group_count(&mut self) -> Result<i64> {
        let row = sqlx::query("select cast(count(*) as bigint) as id from groups").fetch_one(self.sql()).await?;
        Fields::of("groups", &row).int("id")
    }

    /// Adds a group, without accounts.
    ///
    /// # Errors
    /// The name is taken, or the database does not answer.
    pub async fn add_group(&mut self, name: &str, now: Timestamp) -> Result<GroupId> {
        let row = sqlx::query("insert into groups (name, name_key, created_at) values ($1, $2, $3) returning id")
            .bind(name)
            .bind(name_key(name))
            .bind(now.millis())
            .fetch_one(self.sql())
            .await
            .map_err(StoreError::taken("the group's name"))?;
        Ok(GroupId(Fields::of("groups", &row).int("id")?))
    }

    /// The group of this id, held as it is until this transaction ends: nobody deletes it meanwhile.
    ///
    /// # Errors
    /// As [`Reader::groups`].
    pub async fn group(&mut self, id: GroupId) -> Result<Option<Group>> {
        sqlx::query("update groups set version = version where id = $1").bind(id.0).execute(self.sql()).await?;
        by_id(self.sql(), id).await
    }

    /// Gives a group another name; no dial looks at it.
    ///
    /// # Errors
    /// The name is taken, or the database does not answer.
    pub async fn rename_group(&mut self, id: GroupId, name: &str) -> Result<()> {
        sqlx::query("update groups set name = $1, name_key = $2, version = version + 1 where id = $3")
            .bind(name)
            .bind(name_key(name))
            .bind(id.0)
            .execute(self.sql())
            .await
            .map_err(StoreError::taken("the group's name"))?;
        Ok(())
    }

    /// Puts an account into a group, or into none.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn put_into_group(&mut self, account: AccountId, group: Option<GroupId>) -> Result<()> {
        sqlx::query("update accounts set group_id = $1, version = version + 1 where id = $2")
            .bind(group.map(|group| group.0))
            .bind(account.0)
            .execute(self.sql())
            .await?;
        self.touch(Noun::Account, account.0);
        Ok(())
    }

    /// Deletes a group with its settings and attributes; gives how many accounts are left without one.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn delete_group(&mut self, id: GroupId) -> Result<u64> {
        let left = sqlx::query("update accounts set group_id = null, version = version + 1 where group_id = $1")
            .bind(id.0)
            .execute(self.sql())
            .await?;
        sqlx::query("delete from settings where level = 'group' and subject_id = $1")
            .bind(id.0)
            .execute(self.sql())
            .await?;
        self.clear_attributes(Subject::Group(id)).await?;
        sqlx::query("delete from groups where id = $1").bind(id.0).execute(self.sql()).await?;
        // Whoever follows the settings forgets every account, and with them those that were in the group.
        self.touch(Noun::Setting, 0);
        Ok(left.rows_affected())
    }
}
