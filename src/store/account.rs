//! Accounts in SQL, and their sealed passwords.

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::error::{Result, StoreError};
use super::field::{Fields, each};
use super::{Keys, LIST_ROWS, Noun, Reader, Tx};
use crate::clock::Timestamp;
use crate::crypto::seal::Place;
use crate::domain::account::{Account, Holder, Lock, Source, Switch, name_key};
use crate::domain::attribute::Subject;
use crate::domain::credential::{Credential, NtHash};
use crate::domain::id::{AccountId, GroupId, UserId};
use crate::secret::Secret;

const PASSWORD: &str = "sealed_password";
const NT_HASH: &str = "sealed_nt_hash";

/// A line of the list of accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountLine {
    /// The account.
    pub account: Account,
    /// Its person's name.
    pub user_name: Option<String>,
    /// Its person's Telegram id.
    pub telegram_id: Option<i64>,
    /// Its group's name.
    pub group_name: Option<String>,
    /// Which password is kept.
    pub password: PasswordKept,
    /// What operators remark about it.
    pub comment: String,
}

impl AccountLine {
    /// Whether it is locked after "Not me".
    pub fn is_locked(&self) -> bool {
        self.account.lock == Lock::Locked
    }

    /// Whether an operator switched it off.
    pub fn is_disabled(&self) -> bool {
        self.account.switch == Switch::Disabled
    }
}

/// Which form of a password is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordKept {
    /// The password, sealed.
    Password,
    /// Its NT hash, sealed.
    NtHash,
    /// None: nobody can log in.
    None,
}

pub(super) fn read(row: &AnyRow) -> Result<Account> {
    let fields = Fields::of("accounts", row);
    Ok(Account {
        id: AccountId(fields.int("id")?),
        name: fields.text("name")?,
        user: fields.maybe_int("user_id")?.map(UserId),
        group: fields.maybe_int("group_id")?.map(GroupId),
        switch: if fields.flag("enabled")? { Switch::Enabled } else { Switch::Disabled },
        lock: if fields.maybe_int("locked_at")?.is_some() { Lock::Locked } else { Lock::Open },
        source: fields.word("source", Source::from_word)?,
        holder: if fields.flag("machine")? { Holder::Machine } else { Holder::Person },
    })
}

/// Lines of the list of accounts; which ones, and in what order, follows.
macro_rules! account_lines {
    () => {
        "select a.id, a.name, a.user_id, a.group_id, a.enabled, a.locked_at, a.source, a.machine, a.comment,
         cast(case when a.sealed_password is not null then 2 when a.sealed_nt_hash is not null then 1 else 0 end as bigint)
         as kept, u.name as user_name, u.telegram_id, g.name as group_name
         from accounts a left join users u on u.id = a.user_id left join groups g on g.id = a.group_id"
    };
}

fn read_line(row: &AnyRow) -> Result<AccountLine> {
    let fields = Fields::of("accounts", row);
    Ok(AccountLine {
        account: read(row)?,
        user_name: fields.maybe_text("user_name")?,
        telegram_id: fields.maybe_int("telegram_id")?,
        group_name: fields.maybe_text("group_name")?,
        password: match fields.int("kept")? {
            2 => PasswordKept::Password,
            1 => PasswordKept::NtHash,
            _ => PasswordKept::None,
        },
        comment: fields.text("comment")?,
    })
}

pub(super) fn read_credential(row: &AnyRow, id: i64, keys: &Keys) -> Result<Credential> {
    let fields = Fields::of("accounts", row);
    if let Some(sealed) = fields.maybe_bytes(PASSWORD)? {
        return Ok(Credential::of_password(keys.open(&sealed, place(id, PASSWORD))?));
    }
    let Some(sealed) = fields.maybe_bytes(NT_HASH)? else { return Ok(Credential::None) };
    let opened = keys.open(&sealed, place(id, NT_HASH))?;
    let hash = opened.expose().try_into().map_err(|_| fields.corrupt(NT_HASH))?;
    Ok(Credential::NtHash(NtHash(hash)))
}

const fn place(row: i64, column: &'static str) -> Place {
    Place { table: "accounts", row, column }
}

async fn by_id(sql: &mut AnyConnection, id: AccountId) -> Result<Option<Account>> {
    sqlx::query("select id, name, user_id, group_id, enabled, locked_at, source, machine from accounts where id = $1")
        .bind(id.0)
        .fetch_optional(sql)
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

async fn id_by_key(sql: &mut AnyConnection, key: &str) -> Result<Option<AccountId>> {
    let row = sqlx::query("select id from accounts where name_key = $1").bind(key).fetch_optional(sql).await?;
    row.map(|row| Fields::of("accounts", &row).int("id").map(AccountId)).transpose()
}

async fn of_user(sql: &mut AnyConnection, user: UserId) -> Result<Vec<Account>> {
    let rows = sqlx::query(
        "select id, name, user_id, group_id, enabled, locked_at, source, machine from accounts
         where user_id = $1 order by name_key",
    )
    .bind(user.0)
    .fetch_all(sql)
    .await?;
    each(&rows, read)
}

/// An account in short, for comparing it with what a router keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The account.
    pub account: AccountId,
    /// The key of its name.
    pub name_key: String,
    /// Whether it may have a right to be connected: an open session, or it is a machine's. If not, it has none.
    pub may_have_right: bool,
}

impl Reader {
    /// Every account in short.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn standings(&self) -> Result<Vec<Standing>> {
        let rows = sqlx::query(
            "select a.id, a.name_key, cast(case when a.machine = 1 or s.id is not null then 1 else 0 end as bigint) as held
             from accounts a left join sessions s on s.account_id = a.id and s.ended_at is null order by a.id",
        )
        .fetch_all(&mut *self.connection().await?)
        .await?;
        each(&rows, |row| {
            let fields = Fields::of("accounts", row);
            Ok(Standing {
                account: AccountId(fields.int("id")?),
                name_key: fields.text("name_key")?,
                may_have_right: fields.flag("held")?,
            })
        })
    }

    /// The names of the accounts whose passwords (or their hashes) are kept here.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn names_with_passwords(&self) -> Result<Vec<String>> {
        let rows = sqlx::query(
            "select name from accounts where sealed_password is not null or sealed_nt_hash is not null order by name_key",
        )
        .fetch_all(&mut *self.connection().await?)
        .await?;
        each(&rows, |row| Fields::of("accounts", row).text("name"))
    }

    /// The account of this folded name.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn account_id(&self, key: &str) -> Result<Option<AccountId>> {
        id_by_key(&mut *self.connection().await?, key).await
    }

    /// The account of this id.
    ///
    /// # Errors
    /// The database does not answer, or the row is corrupt.
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>> {
        by_id(&mut *self.connection().await?, id).await
    }

    /// The accounts of a person, by name.
    ///
    /// # Errors
    /// As [`Reader::account`].
    pub async fn accounts_of(&self, user: UserId) -> Result<Vec<Account>> {
        of_user(&mut *self.connection().await?, user).await
    }

    /// Ids of accounts after `after` in their order, for filling the cache; at most `most`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn account_ids(&self, after: AccountId, most: usize) -> Result<Vec<AccountId>> {
        let rows = sqlx::query("select id from accounts where id > $1 order by id limit $2")
            .bind(after.0)
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.connection().await?)
            .await?;
        each(&rows, |row| Fields::of("accounts", row).int("id").map(AccountId))
    }

    /// How many accounts there are.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn account_count(&self) -> Result<i64> {
        let row = sqlx::query("select cast(count(*) as bigint) as id from accounts")
            .fetch_one(&mut *self.connection().await?)
            .await?;
        Fields::of("accounts", &row).int("id")
    }

    /// Accounts by name; at most [`LIST_ROWS`], those whose name key comes after `after` first.
    ///
    /// # Errors
    /// As [`Reader::account`].
    pub async fn accounts(&self, after: &str) -> Result<Vec<AccountLine>> {
        let rows = sqlx::query(concat!(account_lines!(), " where a.name_key > $1 order by a.name_key limit $2"))
            .bind(after)
            .bind(LIST_ROWS)
            .fetch_all(&mut *self.connection().await?)
            .await?;
        each(&rows, read_line)
    }

    /// The accounts of a group, as [`Reader::accounts`] gives all.
    ///
    /// # Errors
    /// As [`Reader::account`].
    pub async fn accounts_in(&self, group: GroupId, after: &str) -> Result<Vec<AccountLine>> {
        let statement =
            concat!(account_lines!(), " where a.group_id = $1 and a.name_key > $2 order by a.name_key limit $3");
        let rows = sqlx::query(statement)
            .bind(group.0)
            .bind(after)
            .bind(LIST_ROWS)
            .fetch_all(&mut *self.connection().await?)
            .await?;
        each(&rows, read_line)
    }

    /// The line of one account.
    ///
    /// # Errors
    /// As [`Reader::account`].
    pub async fn account_line(&self, id: AccountId) -> Result<Option<AccountLine>> {
        let row = sqlx::query(concat!(account_lines!(), " where a.id = $1"))
            .bind(id.0)
            .fetch_optional(&mut *self.connection().await?)
            .await?;
        row.as_ref().map(read_line).transpose()
    }
}

impl Reader {
    /// Every account, by name.
    ///
    /// # Errors
    /// As [`Reader::account`].
    pub async fn every_account(&self) -> Result<Vec<AccountLine>> {
        let mut all: Vec<AccountLine> = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.accounts(&after).await?;
            let full = i64::try_from(page.len()).unwrap_or(i64::MAX) >= LIST_ROWS;
            let last = page.last().map(|line| name_key(&line.account.name));
            all.extend(page);
            match last {
                Some(last) if full => after = last,
                _ => return Ok(all),
            }
        }
    }
}

impl Tx {
    /// Adds an account, enabled and without a password.
    ///
    /// # Errors
    /// The name is taken, or the database does not answer.
    pub async fn add_account(&mut self, name: &str, user: Option<UserId>, now: Timestamp) -> Result<AccountId> {
        let row = sqlx::query(
            "insert into accounts (name, name_key, user_id, created_at) values ($1, $2, $3, $4) returning id",
        )
        .bind(name)
        .bind(name_key(name))
        .bind(user.map(|user| user.0))
        .bind(now.millis())
        .fetch_one(self.sql())
        .await
        .map_err(StoreError::taken("the account name"))?;
        let id = Fields::of("accounts", &row).int("id")?;
        self.touch(Noun::Account, id);
        Ok(AccountId(id))
    }

    /// The account of this id.
    ///
    /// # Errors
    /// As [`Reader::account`].
    pub async fn account(&mut self, id: AccountId) -> Result<Option<Account>> {
        by_id(self.sql(), id).await
    }

    /// The account of this name, whatever its case.
    ///
    /// # Errors
    /// As [`Reader::account`].
    pub async fn account_named(&mut self, name: &str) -> Result<Option<Account>> {
        match id_by_key(self.sql(), &name_key(name)).await? {
            Some(id) => by_id(self.sql(), id).await,
            None => Ok(None),
        }
    }

    /// The accounts of a person, by name.
    ///
    /// # Errors
    /// As [`Reader::account`].
    pub async fn accounts_of(&mut self, user: UserId) -> Result<Vec<Account>> {
        of_user(self.sql(), user).await
    }

    /// Binds an account to a person, or to nobody.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn bind_account(&mut self, id: AccountId, user: Option<UserId>) -> Result<()> {
        sqlx::query("update accounts set user_id = $1, version = version + 1 where id = $2")
            .bind(user.map(|user| user.0))
            .bind(id.0)
            .execute(self.sql())
            .await?;
        self.touch(Noun::Account, id.0);
        Ok(())
    }

    /// Switches an account on or off.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn switch_account(&mut self, id: AccountId, switch: Switch) -> Result<()> {
        sqlx::query("update accounts set enabled = $1, version = version + 1 where id = $2")
            .bind(i64::from(switch == Switch::Enabled))
            .bind(id.0)
            .execute(self.sql())
            .await?;
        self.touch(Noun::Account, id.0);
        Ok(())
    }

    /// Locks an account, or unlocks it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn lock_account(&mut self, id: AccountId, lock: Lock, now: Timestamp) -> Result<()> {
        sqlx::query("update accounts set locked_at = $1, version = version + 1 where id = $2")
            .bind((lock == Lock::Locked).then_some(now.millis()))
            .bind(id.0)
            .execute(self.sql())
            .await?;
        self.touch(Noun::Account, id.0);
        Ok(())
    }

    /// Marks an account as a person's or a machine's.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn mark_holder(&mut self, id: AccountId, holder: Holder) -> Result<()> {
        sqlx::query("update accounts set machine = $1, version = version + 1 where id = $2")
            .bind(i64::from(holder == Holder::Machine))
            .bind(id.0)
            .execute(self.sql())
            .await?;
        self.touch(Noun::Account, id.0);
        Ok(())
    }

    /// Says where the password of an account lives.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_source(&mut self, id: AccountId, source: Source) -> Result<()> {
        sqlx::query("update accounts set source = $1, version = version + 1 where id = $2")
            .bind(source.word())
            .bind(id.0)
            .execute(self.sql())
            .await?;
        self.touch(Noun::Account, id.0);
        Ok(())
    }

    /// Writes a comment to an account that has none; no dial looks at it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_first_comment(&mut self, id: AccountId, comment: &str) -> Result<()> {
        sqlx::query("update accounts set comment = $1 where id = $2 and comment = ''")
            .bind(comment)
            .bind(id.0)
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// Sets the password of an account.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_password(&mut self, id: AccountId, password: &Secret) -> Result<()> {
        let sealed = self.keys.seal(password, place(id.0, PASSWORD));
        sqlx::query(
            "update accounts set key_id = $1, sealed_password = $2, sealed_nt_hash = null, version = version + 1 where id = $3",
        )
        .bind(self.keys.id())
        .bind(sealed)
        .bind(id.0)
        .execute(self.sql())
        .await?;
        self.touch(Noun::Account, id.0);
        Ok(())
    }

    /// Until when knocks of the account are silent, after [Not now].
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn knocks_silent_until(&mut self, id: AccountId) -> Result<Option<Timestamp>> {
        let row = sqlx::query("select id, knocks_silent_until from accounts where id = $1")
            .bind(id.0)
            .fetch_optional(self.sql())
            .await?;
        row.map_or(Ok(None), |row| Fields::of("accounts", &row).maybe_time("knocks_silent_until"))
    }

    /// Silences the knocks of the account.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn silence_knocks(&mut self, id: AccountId, until: Timestamp) -> Result<()> {
        sqlx::query("update accounts set knocks_silent_until = $1 where id = $2")
            .bind(until.millis())
            .bind(id.0)
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// Deletes an account with its sessions. Its connections stay in the history, with its number; what is open, or yet to be
    /// heard of, is nobody's from now on.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn delete_account(&mut self, id: AccountId) -> Result<()> {
        sqlx::query("delete from settings where level = 'account' and subject_id = $1")
            .bind(id.0)
            .execute(self.sql())
            .await?;
        self.clear_attributes(Subject::Account(id)).await?;
        // Two statements, each by an index of its own.
        for leave in [
            "update connections set account_id = null where account_id = $1 and ended_at is null",
            "update connections set account_id = null where account_id = $1 and fresh is not null",
        ] {
            sqlx::query(leave).bind(id.0).execute(self.sql()).await?;
        }
        sqlx::query("delete from accounts where id = $1").bind(id.0).execute(self.sql()).await?;
        self.touch(Noun::Account, id.0);
        Ok(())
    }
}
