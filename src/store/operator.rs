//! Operators and their web log-ins in SQL.

use sqlx::any::AnyRow;

use super::error::{Result, StoreError};
use super::field::{Fields, each};
use super::{LIST_ROWS, Reader, Tx};
use crate::clock::Timestamp;
use crate::domain::account::name_key;
use crate::domain::id::OperatorId;
use crate::domain::operator::{Operator, Role};
use crate::secret::Secret;

/// A web log-in as it is stored: what its token opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginRow {
    /// What the web keeps with it, as JSON.
    pub data: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A web log-in to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewLogin<'a> {
    /// Hash of its token, in hex: the token itself is never stored.
    pub token_hash: &'a str,
    /// Whose it is; `None` before the log-in succeeded.
    pub operator: Option<OperatorId>,
    /// What the web keeps with it, as JSON.
    pub data: &'a str,
    /// When it ends.
    pub expires_at: Timestamp,
}

fn read(row: &AnyRow) -> Result<Operator> {
    let fields = Fields::of("operators", row);
    Ok(Operator {
        id: OperatorId(fields.int("id")?),
        name: fields.text("name")?,
        role: fields.word("role", Role::from_word)?,
        version: fields.int("version")?,
    })
}

impl Reader {
    /// The operators, by name; at most [`LIST_ROWS`].
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn operators(&self) -> Result<Vec<Operator>> {
        let rows = sqlx::query("select id, name, role, version from operators order by name_key limit $1")
            .bind(LIST_ROWS)
            .fetch_all(&mut *self.connection().await?)
            .await?;
        each(&rows, read)
    }

    /// The operator of this id.
    ///
    /// # Errors
    /// As [`Reader::operators`].
    pub async fn operator(&self, id: OperatorId) -> Result<Option<Operator>> {
        let row = sqlx::query("select id, name, role, version from operators where id = $1")
            .bind(id.0)
            .fetch_optional(&mut *self.connection().await?)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The operator of this name, whatever its case.
    ///
    /// # Errors
    /// As [`Reader::operators`].
    pub async fn operator_named(&self, name: &str) -> Result<Option<Operator>> {
        Ok(self.operator_to_verify(name).await?.map(|(operator, _)| operator))
    }

    /// The operator of this name with the PHC string of the password.
    ///
    /// # Errors
    /// As [`Reader::operators`].
    pub async fn operator_to_verify(&self, name: &str) -> Result<Option<(Operator, Secret)>> {
        let row = sqlx::query("select id, name, role, version, password_hash from operators where name_key = $1")
            .bind(name_key(name))
            .fetch_optional(&mut *self.connection().await?)
            .await?;
        row.map(|row| Ok((read(&row)?, Secret::new(Fields::of("operators", &row).text("password_hash")?)))).transpose()
    }

    /// How many operators there are.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn operator_count(&self) -> Result<i64> {
        let row = sqlx::query("select cast(count(*) as bigint) as id from operators")
            .fetch_one(&mut *self.connection().await?)
            .await?;
        Fields::of("operators", &row).int("id")
    }

    /// The web log-in of this token, if it has not ended at `now`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn login(&self, token_hash: &str, now: Timestamp) -> Result<Option<LoginRow>> {
        let row = sqlx::query("select data, expires_at from logins where token_hash = $1 and expires_at > $2")
            .bind(token_hash)
            .bind(now.millis())
            .fetch_optional(&mut *self.connection().await?)
            .await?;
        row.map(|row| {
            let fields = Fields::of("logins", &row);
            Ok(LoginRow { data: fields.text("data")?, expires_at: fields.time("expires_at")? })
        })
        .transpose()
    }
}

impl Tx {
    /// Adds an operator.
    ///
    /// # Errors
    /// The name is taken, or the database does not answer.
    pub async fn add_operator(&mut self, name: &str, role: Role, phc: &Secret, now: Timestamp) -> Result<OperatorId> {
        let row = sqlx::query(
            "insert into operators (name, name_key, role, password_hash, created_at) values ($1, $2, $3, $4, $5) returning id",
        )
        .bind(name)
        .bind(name_key(name))
        .bind(role.word())
        .bind(phc.expose_str().unwrap_or_default())
        .bind(now.millis())
        .fetch_one(self.sql())
        .await
        .map_err(StoreError::taken("the operator's name"))?;
        Ok(OperatorId(Fields::of("operators", &row).int("id")?))
    }

    /// The operator of this id.
    ///
    /// # Errors
    /// As [`Reader::operators`].
    pub async fn operator(&mut self, id: OperatorId) -> Result<Option<Operator>> {
        let row = sqlx::query("select id, name, role, version from operators where id = $1")
            .bind(id.0)
            .fetch_optional(self.sql())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// How many owners there are, held as they are until this transaction ends: of two who remove the last two
    /// owners at once, the second waits here and then counts what the first left.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn hold_owners(&mut self) -> Result<i64> {
        sqlx::query("update operators set version = version where role = 'owner'").execute(self.sql()).await?;
        let row = sqlx::query("select cast(count(*) as bigint) as id from operators where role = 'owner'")
            .fetch_one(self.sql())
            .await?;
        Fields::of("operators", &row).int("id")
    }

    /// Gives an operator another role.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_operator_role(&mut self, id: OperatorId, role: Role) -> Result<()> {
        sqlx::query("update operators set role = $1, version = version + 1 where id = $2")
            .bind(role.word())
            .bind(id.0)
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// Gives an operator another password, as its PHC string.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_operator_password(&mut self, id: OperatorId, phc: &Secret) -> Result<()> {
        sqlx::query("update operators set password_hash = $1, version = version + 1 where id = $2")
            .bind(phc.expose_str().unwrap_or_default())
            .bind(id.0)
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// Removes an operator with their web log-ins.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn delete_operator(&mut self, id: OperatorId) -> Result<()> {
        sqlx::query("delete from operators where id = $1").bind(id.0).execute(self.sql()).await?;
        Ok(())
    }

    /// Adds a web log-in.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if its token exists; the database does not answer, or the operator is gone.
    pub async fn add_login(&mut self, login: &NewLogin<'_>) -> Result<()> {
        sqlx::query("insert into logins (token_hash, operator_id, data, expires_at) values ($1, $2, $3, $4)")
            .bind(login.token_hash)
            .bind(login.operator.map(|operator| operator.0))
            .bind(login.data)
            .bind(login.expires_at.millis())
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// Changes a web log-in, if it was not ended meanwhile.
    ///
    /// # Errors
    /// As [`Tx::add_login`].
    pub async fn change_login(&mut self, login: &NewLogin<'_>) -> Result<()> {
        sqlx::query("update logins set operator_id = $1, data = $2, expires_at = $3 where token_hash = $4")
            .bind(login.operator.map(|operator| operator.0))
            .bind(login.data)
            .bind(login.expires_at.millis())
            .bind(login.token_hash)
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// Ends a web log-in.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn delete_login(&mut self, token_hash: &str) -> Result<()> {
        sqlx::query("delete from logins where token_hash = $1").bind(token_hash).execute(self.sql()).await?;
        Ok(())
    }

    /// Forgets the web log-ins that ended before `now`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn prune_logins(&mut self, now: Timestamp) -> Result<u64> {
        let done =
            sqlx::query("delete from logins where expires_at <= $1").bind(now.millis()).execute(self.sql()).await?;
        Ok(done.rows_affected())
    }
}
