//! The post: delivers the outbox, prompts first, by Telegram's rules; what is delivered is written down.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::letter::{keyboard_from_text, keyboard_to_text, settled_text};
use super::patience::written;
use super::ports::{Asker, Keyboard, Message, Undelivered};
use super::session::Ended;
use super::{Gate, LEAD_EVERY, next_look};
use crate::clock::Timestamp;
use crate::domain::prompt::State as PromptState;
use crate::store::outbox::{NewMessage, OutboxRow, Urgency};
use crate::store::{StoreError, Tx};

/// The role of the instance that delivers.
const ROLE: &str = "post";
/// Chats served at once; within a chat the order is kept.
const CHATS_AT_ONCE: usize = 16;
/// Longest wait before an undelivered message is tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The wait after a message whose outcome could not be written.
const NOT_WRITTEN: Duration = Duration::from_secs(10);
/// The post looks at least this often.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// How a chat's round went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// All was tried.
    Done,
    /// Telegram is out of reach: the rest waits, and whoever tried rests for so long.
    Stuck(Duration),
}

impl Gate {
    /// Delivers what waits, then sleeps until there is more. A chat that is slow keeps no other one waiting.
    pub(super) async fn run_post(self: Arc<Self>, asker: Arc<dyn Asker>, cancel: CancellationToken) {
        let mut running = JoinSet::new();
        let mut under_way = HashSet::new();
        while !cancel.is_cancelled() {
            let looked_at = self.now();
            let leads = self.leads(ROLE).await;
            let next = if leads {
                self.begin_deliveries(&asker, (&mut running, &mut under_way), &cancel).await
            } else {
                Ok(None)
            };
            let longest = if leads && running.is_empty() { LOOK_AGAIN } else { LEAD_EVERY };
            let at = next_look(looked_at, next, "the outbox cannot be read; trying again", longest);
            tokio::select! {
                () = cancel.cancelled() => break,
                Some(done) = running.join_next() => under_way.retain(|chat| done.as_ref().ok() != Some(chat)),
                () = self.wake.post.notified() => {}
                () = self.until_next_look(looked_at, at) => {}
            }
            if running.is_empty() {
                under_way.clear();
            }
        }
        // What is on its way is let arrive and written down: the next one would deliver it again.
        while running.join_next().await.is_some() {}
    }

    async fn begin_deliveries(
        self: &Arc<Self>,
        asker: &Arc<dyn Asker>,
        (running, under_way): (&mut JoinSet<i64>, &mut HashSet<i64>),
        cancel: &CancellationToken,
    ) -> Result<Option<Timestamp>, StoreError> {
        for (chat, rows) in by_chat(self.reader().due_messages(self.due_until()).await?) {
            if running.len() < CHATS_AT_ONCE && under_way.insert(chat) {
                let (gate, asker, cancel) = (self.clone(), asker.clone(), cancel.clone());
                running.spawn(async move {
                    gate.deliver_chat(rows, asker, cancel).await;
                    chat
                });
            }
        }
        let waiting = self.reader().waiting_messages().await?;
        self.metrics.outbox.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.reader().next_due_message().await
    }

    /// Delivers to one chat in order, for as long as this instance leads and is not stopped.
    async fn deliver_chat(self: Arc<Self>, rows: Vec<OutboxRow>, asker: Arc<dyn Asker>, cancel: CancellationToken) {
        for row in rows {
            if cancel.is_cancelled() || !self.leads(ROLE).await {
                return;
            }
            match self.deliver_one(&row, &asker).await {
                Ok(Round::Done) => {}
                Ok(Round::Stuck(rest)) => {
                    cancel.run_until_cancelled(self.rest(rest)).await;
                    return;
                }
                Err(error) => {
                    // Delivered but not written: it is delivered once more rather than never.
                    tracing::error!(%error, "the outcome of a message cannot be written");
                    // It is still due: without a pause the person would get it without end.
                    return tokio::time::sleep(NOT_WRITTEN).await;
                }
            }
        }
    }

    async fn deliver_one(&self, row: &OutboxRow, asker: &Arc<dyn Asker>) -> Result<Round, StoreError> {
        let now = self.now();
        let keyboard = keyboard_from_text(&row.keyboard);
        let expired = row.expires_at.is_some_and(|at| at <= now);
        let (Some(keyboard), false) = (keyboard, expired) else {
            let mut tx = self.store.begin().await?;
            let outcome = if expired { "too late" } else { "unreadable" };
            tx.finish_message(row.id, outcome, now).await?;
            self.commit(tx, Ended::default()).await?;
            return Ok(Round::Done);
        };
        let message = Message { id: row.id, chat_id: row.chat_id, edits: row.edits, text: row.text.clone(), keyboard };
        let delivered = asker.deliver(&message).await;
        // Delivered but not written, it would be delivered once more.
        written(|| self.note_delivery(row, &delivered)).await
    }

    async fn note_delivery(&self, row: &OutboxRow, delivered: &Result<i64, Undelivered>) -> Result<Round, StoreError> {
        let mut tx = self.store.begin().await?;
        let round = self.write_delivery(&mut tx, row, delivered).await?;
        self.commit(tx, Ended::default()).await?;
        Ok(round)
    }

    async fn write_delivery(
        &self,
        tx: &mut Tx,
        row: &OutboxRow,
        delivered: &Result<i64, Undelivered>,
    ) -> Result<Round, StoreError> {
        let now = self.now();
        match delivered {
            Ok(message_id) => {
                self.metrics.messages.inc();
                tx.delivered(row, *message_id, now).await?;
                self.close_if_settled(tx, row, *message_id).await?;
                Ok(Round::Done)
            }
            Err(Undelivered::Blocked) => {
                tx.finish_message(row.id, "blocked", now).await?;
                tx.mark_bot_blocked(row.chat_id, Some(now)).await?;
                Ok(Round::Done)
            }
            Err(Undelivered::Refused(why)) => {
                tracing::error!(chat = row.chat_id, why, "telegram refuses a message");
                tx.finish_message(row.id, "refused", now).await?;
                Ok(Round::Done)
            }
            Err(Undelivered::RetryAfter(wait)) => {
                let again = self.again_in(*wait);
                tx.retry_message(row, "asked to wait", again.at).await?;
                Ok(Round::Stuck(again.rest))
            }
            Err(Undelivered::Unreachable(why)) => {
                let wait = Duration::from_secs(1).saturating_mul(1 << row.tries.min(6)).min(LONGEST_WAIT);
                let again = self.again_in(wait);
                tx.retry_message(row, why, again.at).await?;
                Ok(Round::Stuck(again.rest))
            }
        }
    }

    /// A question that was settled while its message was on the way: its buttons are taken away.
    async fn close_if_settled(&self, tx: &mut Tx, row: &OutboxRow, message_id: i64) -> Result<(), StoreError> {
        let Some(id) = row.prompt else { return Ok(()) };
        let asked = tx.prompt(id).await?.filter(|asked| asked.prompt.state != PromptState::Pending);
        let Some(asked) = asked else { return Ok(()) };
        let message = NewMessage {
            chat_id: row.chat_id,
            prompt: None,
            edits: Some(message_id),
            text: &settled_text(&row.text, asked.outcome.as_deref().unwrap_or_default()),
            keyboard: &keyboard_to_text(&Keyboard::None),
            urgency: Urgency::Notice,
            expires_at: None,
        };
        tx.send(&message, self.now()).await
    }
}

/// The messages of each chat, the chats in the order of their first message: who is asked something comes first.
fn by_chat(rows: Vec<OutboxRow>) -> Vec<(i64, Vec<OutboxRow>)> {
    let mut chats: Vec<(i64, Vec<OutboxRow>)> = Vec::new();
    for row in rows {
        match chats.iter_mut().find(|(chat, _)| *chat == row.chat_id) {
            Some((_, rows)) => rows.push(row),
            None => chats.push((row.chat_id, vec![row])),
        }
    }
    chats
}
