//! The outbox in SQL: every message to be sent is a row of the transaction that causes it.

use std::time::Duration;

use super::error::{Result, StoreError};
use super::field::{Fields, readable};
use super::{Noun, Reader, Tx};
use crate::clock::Timestamp;
use crate::domain::id::PromptId;

/// Messages that one round of the sender takes.
const ROUND: i64 = 100;
/// News that could not be delivered for this long is no news: nobody is flooded when the bot comes back after days.
const NEWS: Duration = Duration::from_secs(24 * 3600);
/// Messages of one chat among them.
const ROUND_OF_CHAT: i64 = 5;

/// A message as it is stored. The keyboard is JSON of the gate's own form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// The row.
    pub id: i64,
    /// Telegram chat.
    pub chat_id: i64,
    /// The prompt it asks, if it is the first message of one.
    pub prompt: Option<PromptId>,
    /// The message to be changed.
    pub edits: Option<i64>,
    /// Its words.
    pub text: String,
    /// Its keyboard.
    pub keyboard: String,
    /// How often it was tried.
    pub tries: u32,
    /// When it is pointless to deliver it.
    pub expires_at: Option<Timestamp>,
}

/// A message to be stored.
#[derive(Debug, Clone)]
pub struct NewMessage<'a> {
    /// Telegram chat.
    pub chat_id: i64,
    /// The prompt it asks.
    pub prompt: Option<PromptId>,
    /// The message to be changed.
    pub edits: Option<i64>,
    /// Its words.
    pub text: &'a str,
    /// Its keyboard, as JSON.
    pub keyboard: &'a str,
    /// Prompts go first.
    pub urgency: Urgency,
    /// When it is pointless to deliver it; `None` is a day from now.
    pub expires_at: Option<Timestamp>,
}

/// In which order messages leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// A question that somebody waits for.
    Prompt,
    /// Anything else.
    Notice,
}

impl Tx {
    /// Puts a message into the outbox.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn send(&mut self, message: &NewMessage<'_>, now: Timestamp) -> Result<()> {
        sqlx::query(
            "insert into outbox (chat_id, prompt_id, edits, priority, text, keyboard, created_at, due_at, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7, $7, $8)",
        )
        .bind(message.chat_id)
        .bind(message.prompt.map(|prompt| prompt.0))
        .bind(message.edits)
        .bind(if message.urgency == Urgency::Prompt { 0_i64 } else { 1 })
        .bind(message.text)
        .bind(message.keyboard)
        .bind(now.millis())
        .bind(message.expires_at.unwrap_or(now + NEWS).millis())
        .execute(self.sql())
        .await?;
        self.touch(Noun::Work, 0);
        Ok(())
    }

    /// Drops the messages of a prompt that have not left yet.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn unsend(&mut self, prompt: PromptId, now: Timestamp) -> Result<()> {
        sqlx::query("update outbox set done_at = $1, outcome = 'withdrawn' where prompt_id = $2 and done_at is null")
            .bind(now.millis())
            .bind(prompt.0)
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// A message was delivered; a prompt learns which message holds it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn delivered(&mut self, row: &OutboxRow, message_id: i64, now: Timestamp) -> Result<()> {
        // The prompt first: whoever withdraws it comes the same way, and neither waits for the other.
        if let Some(prompt) = row.prompt {
            sqlx::query("update prompts set message_id = $1 where id = $2")
                .bind(message_id)
                .bind(prompt.0)
                .execute(self.sql())
                .await?;
        }
        self.finish_message(row.id, "delivered", now).await
    }

    /// A message is not to be tried again.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn finish_message(&mut self, id: i64, outcome: &str, now: Timestamp) -> Result<()> {
        sqlx::query("update outbox set done_at = $1, outcome = $2 where id = $3 and done_at is null")
            .bind(now.millis())
            .bind(outcome)
            .bind(id)
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// A message is to be tried again at `due`, and not before it what its chat waits for behind it: the order is kept.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn retry_message(&mut self, row: &OutboxRow, outcome: &str, due: Timestamp) -> Result<()> {
        sqlx::query("update outbox set tries = tries + 1, outcome = $1, due_at = $2 where id = $3 and done_at is null")
            .bind(outcome)
            .bind(due.millis())
            .bind(row.id)
            .execute(self.sql())
            .await?;
        sqlx::query("update outbox set due_at = $1 where chat_id = $2 and done_at is null and due_at < $1")
            .bind(due.millis())
            .bind(row.chat_id)
            .execute(self.sql())
            .await?;
        Ok(())
    }

    /// How many messages wait for a chat.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn waiting_in(&mut self, chat_id: i64) -> Result<i64> {
        let row =
            sqlx::query("select cast(count(*) as bigint) as id from outbox where chat_id = $1 and done_at is null")
                .bind(chat_id)
                .fetch_one(self.sql())
                .await?;
        Fields::of("outbox", &row).int("id")
    }

    /// Forgets messages that were done, or pointless to deliver, before `before`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn prune_outbox(&mut self, before: Timestamp) -> Result<u64> {
        let done = sqlx::query("delete from outbox where done_at < $1 or expires_at < $1")
            .bind(before.millis())
            .execute(self.sql())
            .await?;
        Ok(done.rows_affected())
    }
}

impl Reader {
    /// The messages to be sent at `now`, prompts first, then in the order in which they were caused; only the first few
    /// of each chat, so that one with a long queue takes nobody's place.
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn due_messages(&self, now: Timestamp) -> Result<Vec<OutboxRow>> {
        let rows = sqlx::query(
            "select id, chat_id, prompt_id, edits, text, keyboard, tries, expires_at from
             (select id, chat_id, prompt_id, edits, text, keyboard, tries, expires_at, priority,
             row_number() over (partition by chat_id order by priority, id) as place
             from outbox where done_at is null and due_at <= $1) due
             where place <= $2 order by priority, id limit $3",
        )
        .bind(now.millis())
        .bind(ROUND_OF_CHAT)
        .bind(ROUND)
        .fetch_all(&mut *self.connection().await?)
        .await?;
        Ok(readable(&rows, |row| {
            let fields = Fields::of("outbox", row);
            Ok(OutboxRow {
                id: fields.int("id")?,
                chat_id: fields.int("chat_id")?,
                prompt: fields.maybe_int("prompt_id")?.map(PromptId),
                edits: fields.maybe_int("edits")?,
                text: fields.text("text")?,
                keyboard: fields.text("keyboard")?,
                tries: fields.small("tries")?,
                expires_at: fields.maybe_time("expires_at")?,
            })
        }))
    }

    /// When the next message is to be sent.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn next_due_message(&self) -> Result<Option<Timestamp>> {
        let row = sqlx::query("select min(due_at) as due_at from outbox where done_at is null")
            .fetch_one(&mut *self.connection().await?)
            .await?;
        Fields::of("outbox", &row).maybe_time("due_at")
    }

    /// How many messages wait.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn waiting_messages(&self) -> Result<u64> {
        let row = sqlx::query("select cast(count(*) as bigint) as id from outbox where done_at is null")
            .fetch_one(&mut *self.connection().await?)
            .await?;
        u64::try_from(Fields::of("outbox", &row).int("id")?).map_err(|_| StoreError::Corrupt {
            table: "outbox",
            row: 0,
            column: "id",
        })
    }
}
