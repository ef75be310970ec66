//! Prompts, their buttons and the dialogues of the bot in SQL.

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::error::{Result, StoreError};
use super::field::{Fields, each};
use super::{LIST_ROWS, Noun, Reader, Tx};
use crate::clock::Timestamp;
use crate::domain::connection::Place;
use crate::domain::id::{AccountId, ConnectionId, PromptId, RouterId, SessionId, UserId};
use crate::domain::prompt::{Action, Kind, Prompt, State};

/// A prompt with what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The prompt.
    pub prompt: Prompt,
    /// About which session.
    pub session: Option<SessionId>,
    /// About which connection.
    pub connection: Option<ConnectionId>,
    /// About which caller.
    pub place: Option<Place>,
    /// In which chat.
    pub chat_id: i64,
    /// The message that holds it, once delivered.
    pub message_id: Option<i64>,
    /// Its words.
    pub question: String,
    /// What came of it, once it is settled.
    pub outcome: Option<String>,
    /// When it is sent again.
    pub resend_at: Option<Timestamp>,
    /// How often it was sent again.
    pub resends: u32,
}

/// A prompt to be added.
#[derive(Debug, Clone)]
pub struct NewPrompt<'a> {
    /// Who is asked.
    pub user: UserId,
    /// About which account.
    pub account: AccountId,
    /// What.
    pub kind: Kind,
    /// About which session.
    pub session: Option<SessionId>,
    /// About which connection.
    pub connection: Option<ConnectionId>,
    /// About which caller.
    pub place: Option<&'a Place>,
    /// Until when it can be answered.
    pub deadline: Timestamp,
    /// When it is sent again.
    pub resend_at: Option<Timestamp>,
    /// In which chat.
    pub chat_id: i64,
    /// Its words.
    pub question: &'a str,
}

/// A button as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredButton {
    /// Who may press it.
    pub telegram_id: i64,
    /// What it does.
    pub action: Action,
    /// Which prompt it answers.
    pub prompt: Option<PromptId>,
    /// Which account it is about.
    pub account: Option<AccountId>,
    /// Which session it is about.
    pub session: Option<SessionId>,
    /// When it was pressed.
    pub used_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

const BY_ID: &str =
    "select id, user_id, account_id, kind, state, session_id, connection_id, router_id, station, deadline,
     resend_at, resends, chat_id, message_id, question, outcome from prompts where id = $1";

fn read(row: &AnyRow) -> Result<Asked> {
    let fields = Fields::of("prompts", row);
    let place = match (fields.maybe_int("router_id")?, fields.maybe_text("station")?) {
        (Some(router), Some(station)) => Some(Place { router: RouterId(router), station }),
        _ => None,
    };
    Ok(Asked {
        prompt: Prompt {
            id: PromptId(fields.int("id")?),
            user: UserId(fields.int("user_id")?),
            account: AccountId(fields.int("account_id")?),
            kind: fields.word("kind", Kind::from_word)?,
            state: fields.word("state", State::from_word)?,
            deadline: fields.time("deadline")?,
        },
        session: fields.maybe_int("session_id")?.map(SessionId),
        connection: fields.maybe_int("connection_id")?.map(ConnectionId),
        place,
        chat_id: fields.int("chat_id")?,
        message_id: fields.maybe_int("message_id")?,
        question: fields.text("question")?,
        outcome: fields.maybe_text("outcome")?,
        resend_at: fields.maybe_time("resend_at")?,
        resends: fields.small("resends")?,
    })
}

async fn pending(sql: &mut AnyConnection, account: AccountId) -> Result<Vec<Asked>> {
    let rows = sqlx::query(
        "select id, user_id, account_id, kind, state, session_id, connection_id, router_id, station, deadline, resend_at,
         resends, chat_id, message_id, question, outcome from prompts where account_id = $1 and state = 'pending' order by id",
    )
    .bind(account.0)
    .fetch_all(sql)
    .await?;
    each(&rows, read)
}

impl Tx {
    /// Adds a prompt; `None` if one of its kind is pending for the account.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn add_prompt(&mut self, new: &NewPrompt<'_>, now: Timestamp) -> Result<Option<PromptId>> {
        let row = sqlx::query(
            "insert into prompts (user_id, account_id, kind, state, session_id, connection_id, router_id, station, deadline,
             resend_at, chat_id, question, created_at)
             values ($1, $2, $3, 'pending', $4, $5, $6, $7, $8, $9, $10, $11, $12)
             on conflict (account_id, kind) where state = 'pending' do nothing returning id",
        )
        .bind(new.user.0)
        .bind(new.account.0)
        .bind(new.kind.word())
        .bind(new.session.map(|session| session.0))
        .bind(new.connection.map(|connection| connection.0))
        .bind(new.place.map(|place| place.router.0))
        .bind(new.place.map(|place| place.station.as_str()))
        .bind(new.deadline.millis())
        .bind(new.resend_at.map(Timestamp::millis))
        .bind(new.chat_id)
        .bind(new.question)
        .bind(now.millis())
        .fetch_optional(self.sql())
        .await?;
        self.touch(Noun::Work, 0);
        row.map(|row| Fields::of("prompts", &row).int("id").map(PromptId)).transpose()
    }

    /// The prompt of this id.
    ///
    /// # Errors
    /// The database does not answer, or the row is corrupt.
    pub async fn prompt(&mut self, id: PromptId) -> Result<Option<Asked>> {
        let row = sqlx::query(BY_ID).bind(id.0).fetch_optional(self.sql()).await?;
        row.as_ref().map(read).transpose()
    }

    /// The pending prompts of an account.
    ///
    /// # Errors
    /// As [`Tx::prompt`].
    pub async fn pending_prompts(&mut self, account: AccountId) -> Result<Vec<Asked>> {
        pending(self.sql(), account).await
    }

    /// Settles a pending prompt; `outcome` is what its message says below the question from then on.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it is not pending any more.
    pub async fn settle_prompt(
        &mut self,
        id: PromptId,
        state: State,
        (answer, outcome): (Option<Action>, &str),
        now: Timestamp,
    ) -> Result<()> {
        let done = sqlx::query(
            "update prompts set state = $1, answer = $2, outcome = $3, answered_at = $4, resend_at = null
             where id = $5 and state = 'pending'",
        )
        .bind(state.word())
        .bind(answer.map(Action::word))
        .bind(outcome)
        .bind(now.millis())
        .bind(id.0)
        .execute(self.sql())
        .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Conflict) }
    }

    /// Notes that a prompt was sent again, and when it is next.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn mark_resent(&mut self, id: PromptId, next: Option<Timestamp>) -> Result<()> {
        sqlx::query("update prompts set resends = resends + 1, resend_at = $1 where id = $2")
            .bind(next.map(Timestamp::millis))
            .bind(id.0)
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// How many prompts of a kind the account had since `since`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn prompts_since(&mut self, account: AccountId, kind: Kind, since: Timestamp) -> Result<i64> {
        let row = sqlx::query(
            "select cast(count(*) as bigint) as id from prompts where account_id = $1 and kind = $2 and created_at > $3",
        )
        .bind(account.0)
        .bind(kind.word())
        .bind(since.millis())
        .fetch_one(self.sql())
        .await?;
        Fields::of("prompts", &row).int("id")
    }

    /// Stores a button.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn add_button(&mut self, token: &str, button: &StoredButton) -> Result<()> {
        sqlx::query(
            "insert into buttons (token, telegram_id, action, prompt_id, account_id, session_id, created_at)
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(token)
        .bind(button.telegram_id)
        .bind(button.action.word())
        .bind(button.prompt.map(|prompt| prompt.0))
        .bind(button.account.map(|account| account.0))
        .bind(button.session.map(|session| session.0))
        .bind(button.created_at.millis())
        .execute(self.sql())
        .await?;
        Ok(())
    }

    /// The button of this token.
    ///
    /// # Errors
    /// The database does not answer, or the row is corrupt.
    pub async fn button(&mut self, token: &str) -> Result<Option<StoredButton>> {
        let row = sqlx::query(
            "select token, telegram_id, action, prompt_id, account_id, session_id, used_at, created_at
             from buttons where token = $1",
        )
        .bind(token)
        .fetch_optional(self.sql())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let fields = Fields::of("buttons", &row);
        Ok(Some(StoredButton {
            telegram_id: fields.int("telegram_id")?,
            action: fields.word("action", Action::from_word)?,
            prompt: fields.maybe_int("prompt_id")?.map(PromptId),
            account: fields.maybe_int("account_id")?.map(AccountId),
            session: fields.maybe_int("session_id")?.map(SessionId),
            used_at: fields.maybe_time("used_at")?,
            created_at: fields.time("created_at")?,
        }))
    }

    /// The button was pressed: it works once.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it was pressed before.
    pub async fn use_button(&mut self, token: &str, now: Timestamp) -> Result<()> {
        let done = sqlx::query("update buttons set used_at = $1 where token = $2 and used_at is null")
            .bind(now.millis())
            .bind(token)
            .execute(self.sql())
            .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Conflict) }
    }

    /// Forgets buttons, settled prompts and unfinished dialogues older than `before`; at most [`LIST_ROWS`] of each at a time.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn prune_prompts(&mut self, before: Timestamp) -> Result<u64> {
        let buttons = sqlx::query(
            "delete from buttons where token in (select token from buttons where created_at < $1 order by created_at limit $2)",
        )
        .bind(before.millis())
        .bind(LIST_ROWS)
        .execute(self.sql())
        .await?;
        let prompts = sqlx::query(
            "delete from prompts where id in (select id from prompts where state <> 'pending' and created_at < $1 limit $2)",
        )
        .bind(before.millis())
        .bind(LIST_ROWS)
        .execute(self.sql())
        .await?;
        let dialogues =
            sqlx::query("delete from dialogues where at < $1").bind(before.millis()).execute(self.sql()).await?;
        Ok(buttons.rows_affected() + prompts.rows_affected() + dialogues.rows_affected())
    }

    /// What the bot waits for from this person, in a word, and since when.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn dialogue(&mut self, telegram_id: i64) -> Result<Option<String>> {
        let row = sqlx::query("select state from dialogues where telegram_id = $1")
            .bind(telegram_id)
            .fetch_optional(self.sql())
            .await?;
        row.map(|row| Fields::of("dialogues", &row).text("state")).transpose()
    }

    /// Notes what the bot waits for; `None` is nothing.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_dialogue(&mut self, telegram_id: i64, state: Option<&str>, now: Timestamp) -> Result<()> {
        match state {
            Some(state) => {
                sqlx::query(
                    "insert into dialogues (telegram_id, state, at) values ($1, $2, $3)
                     on conflict (telegram_id) do update set state = excluded.state, at = excluded.at",
                )
                .bind(telegram_id)
                .bind(state)
                .bind(now.millis())
                .execute(self.sql())
                .await?;
            }
            None => {
                sqlx::query("delete from dialogues where telegram_id = $1")
                    .bind(telegram_id)
                    .execute(self.sql())
                    .await?;
            }
        }
        Ok(())
    }
}

impl Reader {
    /// Pending prompts, with their accounts, whose deadline passed or that are to be sent again at `now`; at most
    /// [`LIST_ROWS`].
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn due_prompts(&self, now: Timestamp) -> Result<Vec<(PromptId, AccountId)>> {
        let rows = sqlx::query(
            "select id, account_id from prompts
             where state = 'pending' and (deadline <= $1 or resend_at <= $1) order by deadline, id limit $2",
        )
        .bind(now.millis())
        .bind(LIST_ROWS)
        .fetch_all(&mut *self.connection().await?)
        .await?;
        each(&rows, |row| {
            let fields = Fields::of("prompts", row);
            Ok((PromptId(fields.int("id")?), AccountId(fields.int("account_id")?)))
        })
    }

    /// The prompt of this id.
    ///
    /// # Errors
    /// The database does not answer, or the row is corrupt.
    pub async fn prompt(&self, id: PromptId) -> Result<Option<Prompt>> {
        let row = sqlx::query(BY_ID).bind(id.0).fetch_optional(&mut *self.connection().await?).await?;
        Ok(row.as_ref().map(read).transpose()?.map(|asked| asked.prompt))
    }

    /// When the next prompt lapses or is to be sent again.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn next_due_prompt(&self) -> Result<Option<Timestamp>> {
        let row = sqlx::query(
            "select min(case when resend_at is not null and resend_at < deadline then resend_at else deadline end) as due
             from prompts where state = 'pending'",
        )
        .fetch_one(&mut *self.connection().await?)
        .await?;
        Fields::of("prompts", &row).maybe_time("due")
    }
}
