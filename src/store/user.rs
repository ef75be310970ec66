//! Users in SQL.

use std::collections::HashMap;
use std::sync::LazyLock;

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::error::{Result, StoreError};
use super::field::{Fields, each};
use super::rows::{Rows, Written};
use super::{Backend, LIST_ROWS, Noun, Reader, Tx};
use crate::clock::Timestamp;
use crate::domain::id::UserId;
use crate::domain::user::{User, UserState};
use crate::text::Language;

const BY_ID: &str = "select id, telegram_id, name, state, language from users where id = $1";
const BY_TELEGRAM: &str = "select id, telegram_id, name, state, language from users where telegram_id = $1";

pub(super) fn read(row: &AnyRow) -> Result<User> {
    let fields = Fields::of("users", row);
    Ok(User {
        id: UserId(fields.int("id")?),
        telegram_id: fields.int("telegram_id")?,
        name: fields.text("name")?,
        state: fields.word("state", UserState::from_word)?,
        language: fields.word("language", Language::from_tag)?,
    })
}

static BY_IDS: Written =
    LazyLock::new(|| Rows::new("select id, telegram_id, name, state, language from users where id in ({rows})", "?"));

pub(super) async fn by_ids(sql: &mut AnyConnection, backend: Backend, ids: &[i64]) -> Result<HashMap<UserId, User>> {
    let users = each(&BY_IDS.fetch(sql, backend, ids).await?, read)?;
    Ok(users.into_iter().map(|user| (user.id, user)).collect())
}

async fn by_id(sql: &mut AnyConnection, id: UserId) -> Result<Option<User>> {
    sqlx::query(BY_ID).bind(id.0).fetch_optional(sql).await?.as_ref().map(read).transpose()
}

async fn by_telegram(sql: &mut AnyConnection, telegram_id: i64) -> Result<Option<User>> {
    sqlx::query(BY_TELEGRAM).bind(telegram_id).fetch_optional(sql).await?.as_ref().map(read).transpose()
}

/// A line of the list of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserLine {
    /// The person.
    pub user: User,
    /// Why they were rejected.
    pub reason: Option<String>,
    /// Since when they take no messages.
    pub bot_blocked_at: Option<Timestamp>,
    /// When they applied.
    pub created_at: Timestamp,
    /// Names of their accounts.
    pub accounts: Vec<String>,
}

fn read_line(row: &AnyRow) -> Result<UserLine> {
    let fields = Fields::of("users", row);
    Ok(UserLine {
        user: read(row)?,
        reason: fields.maybe_text("reason")?,
        bot_blocked_at: fields.maybe_time("bot_blocked_at")?,
        created_at: fields.time("created_at")?,
        accounts: Vec::new(),
    })
}

/// Puts the names of accounts to their people.
fn add_accounts(lines: &mut [UserLine], bound: &[AnyRow]) -> Result<()> {
    let places: HashMap<i64, usize> = lines.iter().enumerate().map(|(at, line)| (line.user.id.0, at)).collect();
    for row in bound {
        let fields = Fields::of("accounts", row);
        if let Some(line) = places.get(&fields.int("user_id")?).and_then(|at| lines.get_mut(*at)) {
            line.accounts.push(fields.text("name")?);
        }
    }
    Ok(())
}

impl Reader {
    /// The user of this id.
    ///
    /// # Errors
    /// The database does not answer, or the row is corrupt.
    pub async fn user(&self, id: UserId) -> Result<Option<User>> {
        by_id(&mut *self.connection().await?, id).await
    }

    /// The user of this Telegram id.
    ///
    /// # Errors
    /// As [`Reader::user`].
    pub async fn user_by_telegram(&self, telegram_id: i64) -> Result<Option<User>> {
        by_telegram(&mut *self.connection().await?, telegram_id).await
    }

    /// One line of the list.
    ///
    /// # Errors
    /// As [`Reader::user`].
    pub async fn user_line(&self, id: UserId) -> Result<Option<UserLine>> {
        Ok(self.lines(Some(id)).await?.pop())
    }

    /// Users, pending applications first, then by name; at most [`LIST_ROWS`].
    ///
    /// # Errors
    /// As [`Reader::user`].
    pub async fn users(&self) -> Result<Vec<UserLine>> {
        self.lines(None).await
    }

    /// How many users there are.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn user_count(&self) -> Result<i64> {
        let row = sqlx::query("select cast(count(*) as bigint) as id from users")
            .fetch_one(&mut *self.connection().await?)
            .await?;
        Fields::of("users", &row).int("id")
    }

    /// The users whom `admits` takes, pending applications first, then by name; at most [`LIST_ROWS`]. Everybody is
    /// looked at, a stretch at a time: SQLite folds the case of ASCII only, so SQL cannot search names.
    ///
    /// # Errors
    /// As [`Reader::user`].
    pub async fn find_users(&self, admits: impl Fn(&UserLine) -> bool) -> Result<Vec<UserLine>> {
        let most = usize::try_from(LIST_ROWS).unwrap_or(usize::MAX);
        let (mut found, mut after) = (Vec::new(), 0);
        while found.len() < most {
            let stretch = self.stretch(after).await?;
            let Some(last) = stretch.last() else { break };
            after = last.user.id.0;
            found.extend(stretch.into_iter().filter(|line| admits(line)).take(most - found.len()));
        }
        found.sort_by_cached_key(|line| (line.user.state != UserState::Pending, line.user.name.clone(), line.user.id));
        Ok(found)
    }

    /// The next users after an id, by id.
    async fn stretch(&self, after: i64) -> Result<Vec<UserLine>> {
        let mut sql = self.connection().await?;
        let rows = sqlx::query(
            "select id, telegram_id, name, state, language, reason, bot_blocked_at, created_at from users
             where id > $1 order by id limit $2",
        )
        .bind(after)
        .bind(LIST_ROWS)
        .fetch_all(&mut *sql)
        .await?;
        let mut lines = each(&rows, read_line)?;
        let last = lines.last().map_or(after, |line| line.user.id.0);
        let bound = sqlx::query(
            "select id, name, user_id from accounts where user_id > $1 and user_id <= $2 order by name_key",
        )
        .bind(after)
        .bind(last)
        .fetch_all(&mut *sql)
        .await?;
        add_accounts(&mut lines, &bound)?;
        Ok(lines)
    }

    async fn lines(&self, only: Option<UserId>) -> Result<Vec<UserLine>> {
        let mut sql = self.connection().await?;
        let rows = sqlx::query(
            "select id, telegram_id, name, state, language, reason, bot_blocked_at, created_at from users
             where $1 = 0 or id = $1
             order by case when state = 'pending' then 0 else 1 end, name, id limit $2",
        )
        .bind(only.map_or(0, |id| id.0))
        .bind(LIST_ROWS)
        .fetch_all(&mut *sql)
        .await?;
        let mut lines = each(&rows, read_line)?;
        let bound = sqlx::query(
            "select id, name, user_id from accounts where user_id is not null and ($1 = 0 or user_id = $1) order by name_key",
        )
        .bind(only.map_or(0, |id| id.0))
        .fetch_all(&mut *sql)
        .await?;
        add_accounts(&mut lines, &bound)?;
        Ok(lines)
    }
}

impl Tx {
    /// Adds a person.
    ///
    /// # Errors
    /// The Telegram id is taken, or the database does not answer.
    pub async fn add_user(&mut self, user: &NewUser<'_>, now: Timestamp) -> Result<UserId> {
        let row = sqlx::query(
            "insert into users (telegram_id, name, state, language, created_at) values ($1, $2, $3, $4, $5) returning id",
        )
        .bind(user.telegram_id)
        .bind(user.name)
        .bind(user.state.word())
        .bind(user.language.tag())
        .bind(now.millis())
        .fetch_one(self.sql())
        .await
        .map_err(StoreError::taken("the Telegram id"))?;
        Ok(UserId(Fields::of("users", &row).int("id")?))
    }

    /// The user of this id.
    ///
    /// # Errors
    /// As [`Reader::user`].
    pub async fn user(&mut self, id: UserId) -> Result<Option<User>> {
        by_id(self.sql(), id).await
    }

    /// The user of this Telegram id.
    ///
    /// # Errors
    /// As [`Reader::user`].
    pub async fn user_by_telegram(&mut self, telegram_id: i64) -> Result<Option<User>> {
        by_telegram(self.sql(), telegram_id).await
    }

    /// Moves a person from one state to another, if still there; touches their accounts.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the state is another by now.
    pub async fn move_user(&mut self, user: &User, to: UserState, reason: Option<&str>, now: Timestamp) -> Result<()> {
        let done = sqlx::query(
            "update users set state = $1, reason = $2, decided_at = $3, version = version + 1 where id = $4 and state = $5",
        )
        .bind(to.word())
        .bind(reason)
        .bind(now.millis())
        .bind(user.id.0)
        .bind(user.state.word())
        .execute(self.sql())
        .await?;
        if done.rows_affected() != 1 {
            return Err(StoreError::Conflict);
        }
        self.touch_accounts_of(user.id).await
    }

    /// Gives a person another name and language.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn describe_user(&mut self, id: UserId, name: &str, language: Language) -> Result<()> {
        sqlx::query("update users set name = $1, language = $2, version = version + 1 where id = $3")
            .bind(name)
            .bind(language.tag())
            .bind(id.0)
            .execute(self.sql())
            .await?;
        self.touch_accounts_of(id).await
    }

    /// Marks that a person takes messages again (`None`) or not, since when.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn mark_bot_blocked(&mut self, telegram_id: i64, at: Option<Timestamp>) -> Result<()> {
        sqlx::query("update users set bot_blocked_at = $1 where telegram_id = $2")
            .bind(at.map(Timestamp::millis))
            .bind(telegram_id)
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// Deletes a person; their accounts stay, bound to nobody.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn delete_user(&mut self, id: UserId) -> Result<()> {
        self.touch_accounts_of(id).await?;
        sqlx::query("delete from settings where level = 'user' and subject_id = $1")
            .bind(id.0)
            .execute(self.sql())
            .await?;
        sqlx::query("delete from users where id = $1").bind(id.0).execute(self.sql()).await?;
        Ok(())
    }

    async fn touch_accounts_of(&mut self, id: UserId) -> Result<()> {
        for account in self.accounts_of(id).await? {
            self.touch(Noun::Account, account.id.0);
        }
        Ok(())
    }
}

/// A person to be added.
#[derive(Debug, Clone, Copy)]
pub struct NewUser<'a> {
    /// Telegram id.
    pub telegram_id: i64,
    /// Full name.
    pub name: &'a str,
    /// State to begin with.
    pub state: UserState,
    /// Language.
    pub language: Language,
}
