//! Updates: each is handled in one transaction with its id, so a press is never lost and never applied twice.

use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;

use super::Gate;
use super::ports::{ChatKind, Incoming, NotHandled, Sender, Toast, Updates, What};
use super::session::Ended;
use crate::clock::Timestamp;
use crate::store::{StoreError, Tx};

/// The mark of the last update handled, and of when.
const UPDATE: &str = "telegram_update";
const UPDATE_AT: &str = "telegram_update_at";
/// After a week without updates Telegram may begin with any number (Bot API, `Update.update_id`).
const NUMBERS_HOLD: Duration = Duration::from_secs(6 * 24 * 3600);
/// An id this far behind the last one is a new numbering, not an old update.
const OLD_IDS: i64 = 100_000;
/// An update that fails for good is passed over at this try.
const UPDATE_TRIES: u32 = 3;
/// Answers that wait for one chat; above it the person's words are not answered until some have left.
const UNREAD: i64 = 30;

#[async_trait]
impl Updates for Gate {
    async fn may_poll(&self) -> bool {
        self.leads("poller").await
    }

    async fn next_update(&self) -> Result<Option<i64>, NotHandled> {
        let asked = async {
            let last = self.reader().mark(UPDATE).await?;
            let at = self.reader().mark(UPDATE_AT).await?.map(Timestamp::from_millis);
            let holds = at.is_some_and(|at| self.now() < at + NUMBERS_HOLD);
            Ok::<_, StoreError>(last.filter(|_| holds).map(|last| last + 1))
        };
        asked.await.map_err(|error| NotHandled(error.to_string()))
    }

    async fn handle(&self, update: Incoming) -> Result<Option<Toast>, NotHandled> {
        let id = update.update_id;
        let handled = match self.handle_update(update).await {
            // What fails by itself and not by the moment would keep everybody's updates waiting behind it for good.
            Err(error) if error.is_lasting() && self.fails_again(id) => self.pass_over(id, &error).await,
            handled => handled,
        };
        handled.map_err(|error| NotHandled(error.to_string()))
    }
}

impl Gate {
    async fn handle_update(&self, update: Incoming) -> Result<Option<Toast>, StoreError> {
        let now = self.now();
        let mut tx = self.store.begin().await?;
        // Held: two instances that fetch the same update for a moment do not both apply it.
        let last = tx.hold_mark(UPDATE).await?;
        let at = tx.mark(UPDATE_AT).await?.map(Timestamp::from_millis);
        let holds = at.is_some_and(|at| now < at + NUMBERS_HOLD);
        let id = update.update_id;
        if holds && last.is_some_and(|last| id <= last && id > last - OLD_IDS) {
            return Ok(None);
        }
        tx.set_mark(UPDATE, id).await?;
        tx.set_mark(UPDATE_AT, now.millis()).await?;
        let mut ended = Ended::default();
        let toast = match (&update.sender, update.chat) {
            (Some(sender), ChatKind::Private) => self.hear_person(&mut tx, sender, &update.what, &mut ended).await?,
            (Some(sender), ChatKind::Group) => match &update.what {
                What::Press { .. } => self.hear_person(&mut tx, sender, &update.what, &mut ended).await?,
                _ => None,
            },
            (None, _) => None,
        };
        self.commit(tx, ended).await?;
        Ok(toast.map(|text| Toast { text }))
    }

    /// Whether this update has failed so often that it is passed over.
    fn fails_again(&self, id: i64) -> bool {
        let mut stuck = self.stuck_update.lock().unwrap_or_else(PoisonError::into_inner);
        *stuck = if stuck.0 == id { (id, stuck.1 + 1) } else { (id, 1) };
        stuck.1 >= UPDATE_TRIES
    }

    /// Notes an update as handled that cannot be; operators are told.
    async fn pass_over(&self, id: i64, error: &StoreError) -> Result<Option<Toast>, StoreError> {
        let now = self.now();
        tracing::error!(update = id, %error, "an update cannot be handled: passed over");
        let mut tx = self.store.begin().await?;
        tx.set_mark(UPDATE, id).await?;
        tx.set_mark(UPDATE_AT, now.millis()).await?;
        let text = format!("Something that a person sent to the bot could not be handled: {error}.");
        tx.raise("update", "bot", &text, now).await?;
        self.commit(tx, Ended::default()).await?;
        Ok(None)
    }

    async fn hear_person(
        &self,
        tx: &mut Tx,
        sender: &Sender,
        what: &What,
        ended: &mut Ended,
    ) -> Result<Option<String>, StoreError> {
        let words = matches!(what, What::Command(_) | What::Text(_));
        if words && tx.waiting_in(sender.telegram_id).await? >= UNREAD {
            // Who writes faster than the answers leave is not answered for a while: the outbox stays bounded.
            return Ok(None);
        }
        match what {
            What::Command(command) => self.obey(tx, sender, *command, ended).await.map(|()| None),
            What::Text(text) => self.listen(tx, sender, text).await.map(|()| None),
            What::Press { token, .. } => self.press(tx, sender, token, ended).await.map(Some),
            What::Blocked => tx.mark_bot_blocked(sender.telegram_id, Some(self.now())).await.map(|()| None),
            What::Unblocked => tx.mark_bot_blocked(sender.telegram_id, None).await.map(|()| None),
            What::Other => Ok(None),
        }
    }
}
