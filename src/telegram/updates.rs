//! The update loop: fetch, hand over, answer the press; the offset moves only past what was handled.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use teloxide::payloads::{
    AnswerCallbackQuery, AnswerCallbackQuerySetters, DeleteWebhook, GetMe, SetMyCommands, SetMyCommandsSetters,
};
use teloxide::types::{BotCommand, CallbackQueryId};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::client::{Bot, CALL_TIMEOUT, CallError};
use super::parse::{COMMANDS, Read, Reader};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::gate::BotState;
use crate::gate::ports::{NotHandled, Toast, Updates};
use crate::text::{Language, Texts};

/// How long Telegram holds a long poll open.
const POLL_SECONDS: u32 = 25;
/// A long poll is given up this long after Telegram should have ended it.
const POLL_TIMEOUT: Duration = Duration::from_secs(POLL_SECONDS as u64 + 10);
/// How often the leadership is asked for, also while a long poll waits.
const LEAD_EVERY: Duration = Duration::from_secs(2);
/// A server that does not hold long polls open is asked no more often than this.
const SHORTEST_POLL: Duration = Duration::from_secs(1);
/// The first wait after a failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest wait between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The longest `retry_after` that is believed: a bot is never silenced for longer by one answer.
const LONGEST_TOLD_PAUSE: Duration = Duration::from_secs(300);
/// Answers to presses under way at once.
const MAX_ANSWERS: usize = 32;
/// A connection that broke is no reason to leave a button spinning; answering twice does no harm.
const ANSWER_ATTEMPTS: u32 = 2;
/// The longest toast, in UTF-16 units.
const MAX_TOAST_UNITS: usize = 200;

/// The update loop and what it needs.
pub struct Poller {
    /// Whose updates.
    pub bot: Bot,
    /// Who handles them.
    pub updates: Arc<dyn Updates>,
    /// For the labels of the menu and the command list.
    pub texts: Arc<Texts>,
    /// The command list's language for people whose client has neither language.
    pub language: Language,
    /// For `BotState::Failing`.
    pub clock: Arc<dyn Clock>,
    /// For the jitter of the waits.
    pub entropy: Arc<dyn Entropy>,
    /// Where the state is shown; `Off` again when the loop has ended.
    pub state: watch::Sender<BotState>,
}

impl Poller {
    /// Fetches and hands over until `cancel`, which also ends a long poll; an update being handled is let finish.
    pub async fn run(self, cancel: CancellationToken) {
        let reader = Reader::new(&self.texts);
        let mut work = Work { poller: self, reader, greeted: false, next: None, failures: 0, answers: JoinSet::new() };
        while let Some(fetched) = cancel.run_until_cancelled(work.fetch()).await {
            let outcome = match fetched {
                Ok(batch) => work.take(batch, &cancel).await,
                Err(stop) => Err(stop),
            };
            let pause = work.pause_after(outcome);
            if cancel.run_until_cancelled(sleep(pause)).await.is_none() {
                break;
            }
        }
        work.poller.state.send_replace(BotState::Off);
    }
}

/// Why no updates are taken now.
#[derive(Debug)]
enum Stop {
    NotLeading,
    Failed { why: String, told: Option<Duration> },
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        let told = match &error {
            CallError::Refused { retry_after, .. } => *retry_after,
            CallError::Unreachable(_) => None,
        };
        Self::Failed { why: error.to_string(), told }
    }
}

impl From<NotHandled> for Stop {
    fn from(error: NotHandled) -> Self {
        Self::Failed { why: error.to_string(), told: None }
    }
}

struct Work {
    poller: Poller,
    reader: Reader,
    /// Whether the bot's name is known, its webhook gone and its commands offered.
    greeted: bool,
    /// The next offset; `None`: ask the gate.
    next: Option<i64>,
    /// Failures in a row.
    failures: u32,
    answers: JoinSet<()>,
}

/// `getUpdates`; teloxide's own offset is too narrow for every update id.
#[derive(Serialize)]
struct GetUpdates {
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    timeout: u32,
    allowed_updates: [&'static str; 3],
}

#[derive(Deserialize)]
struct BotName {
    username: String,
}

impl Work {
    /// Waits for the next updates, as the leader only.
    async fn fetch(&mut self) -> Result<Vec<Value>, Stop> {
        if !self.poller.updates.may_poll().await {
            return Err(Stop::NotLeading);
        }
        if !self.greeted {
            self.greet().await?;
        }
        if self.next.is_none() {
            self.next = self.poller.updates.next_update().await?;
        }
        // The first answer shows that it works again, so it is not waited for long.
        let hold_seconds = if *self.poller.state.borrow() == BotState::Running { POLL_SECONDS } else { 0 };
        let started = Instant::now();
        let batch = tokio::select! {
            batch = self.poll(hold_seconds) => batch?,
            () = self.leadership_lost() => return Err(Stop::NotLeading),
        };
        if batch.is_empty() && hold_seconds > 0 {
            sleep_until(started + SHORTEST_POLL).await;
        }
        Ok(batch)
    }

    async fn poll(&self, hold_seconds: u32) -> Result<Vec<Value>, CallError> {
        let parameters = GetUpdates {
            offset: self.next,
            timeout: hold_seconds,
            allowed_updates: ["message", "callback_query", "my_chat_member"],
        };
        self.poller.bot.post("getUpdates", &parameters, POLL_TIMEOUT).await
    }

    async fn leadership_lost(&self) {
        loop {
            sleep(LEAD_EVERY).await;
            if !self.poller.updates.may_poll().await {
                return;
            }
        }
    }

    /// Learns the bot's name, takes a webhook away (updates would go there) and offers the commands.
    async fn greet(&mut self) -> Result<(), Stop> {
        self.poller.state.send_if_modified(|state| {
            let fresh = matches!(state, BotState::Off | BotState::Standby);
            if fresh {
                *state = BotState::Connecting;
            }
            fresh
        });
        let me: BotName = self.poller.bot.call(&GetMe::new(), CALL_TIMEOUT).await?;
        self.reader.call_the_bot(&me.username);
        let _gone: bool = self.poller.bot.call(&DeleteWebhook::new(), CALL_TIMEOUT).await?;
        if let Err(error) = self.offer_commands().await {
            warn!(%error, "telegram did not take the list of commands");
        }
        self.greeted = true;
        Ok(())
    }

    async fn offer_commands(&self) -> Result<(), CallError> {
        let Poller { bot, texts, language, .. } = &self.poller;
        let list = |language| COMMANDS.map(|(name, _, key)| BotCommand::new(name, texts.plain(language, key)));
        let _taken: bool = bot.call(&SetMyCommands::new(list(*language)), CALL_TIMEOUT).await?;
        for language in Language::ALL {
            let payload = SetMyCommands::new(list(language)).language_code(language.tag());
            let _taken: bool = bot.call(&payload, CALL_TIMEOUT).await?;
        }
        Ok(())
    }

    /// Hands updates over in order; what comes after one that was not handled is fetched again.
    async fn take(&mut self, batch: Vec<Value>, cancel: &CancellationToken) -> Result<(), Stop> {
        for value in batch {
            if cancel.is_cancelled() {
                return Ok(());
            }
            // Nothing could confirm it: asking again at once would go round without end.
            let nameless = || Stop::Failed { why: "an update came without an id".to_owned(), told: None };
            let Read { incoming, callback_id } = self.reader.read(value).ok_or_else(nameless)?;
            let update_id = incoming.update_id;
            match self.poller.updates.handle(incoming).await {
                Ok(toast) => {
                    // Not the maximum: after a quiet week Telegram numbers anew, and lower.
                    self.next = Some(update_id.saturating_add(1));
                    if let Some(callback_id) = callback_id {
                        self.answer(callback_id, toast).await;
                    }
                }
                Err(error) => {
                    self.next = Some(update_id);
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    /// Answers a press beside the loop, with or without text: the button shows that it waits until then.
    async fn answer(&mut self, callback_id: String, toast: Option<Toast>) {
        while self.answers.try_join_next().is_some() {}
        if self.answers.len() >= MAX_ANSWERS {
            self.answers.join_next().await;
        }
        let payload = AnswerCallbackQuery::new(CallbackQueryId(callback_id));
        let payload = match toast {
            Some(toast) => payload.text(cut(&toast.text, MAX_TOAST_UNITS)),
            None => payload,
        };
        let bot = self.poller.bot.clone();
        self.answers.spawn(async move {
            for attempt in 1..=ANSWER_ATTEMPTS {
                match bot.call::<_, bool>(&payload, CALL_TIMEOUT).await {
                    Err(error @ CallError::Unreachable(_)) => debug!(%error, attempt, "a press was not answered"),
                    Err(error) => return debug!(%error, "a press was not answered"),
                    Ok(_) => return,
                }
            }
        });
    }

    fn running(&mut self) {
        self.failures = 0;
        let before = self.poller.state.send_replace(BotState::Running);
        if before != BotState::Running {
            info!("telegram: updates come in");
        }
    }

    /// Notes how it went; gives the wait before the next fetch.
    fn pause_after(&mut self, outcome: Result<(), Stop>) -> Duration {
        match outcome {
            Ok(()) => {
                self.running();
                Duration::ZERO
            }
            Err(Stop::NotLeading) => {
                self.next = None;
                self.poller.state.send_replace(BotState::Standby);
                LEAD_EVERY
            }
            Err(Stop::Failed { why, told }) => {
                self.note_failure(why);
                let random = u16::from_be_bytes(self.poller.entropy.bytes());
                let pause = pause_of(self.failures, random).max(told.unwrap_or_default().min(LONGEST_TOLD_PAUSE));
                self.failures = self.failures.saturating_add(1);
                pause
            }
        }
    }

    fn note_failure(&mut self, why: String) {
        if why.contains("webhook is active") {
            self.greeted = false;
        }
        let now = self.poller.clock.now();
        let (since, news) = match &*self.poller.state.borrow() {
            BotState::Failing { since, why: before } => (*since, *before != why),
            _ => (now, true),
        };
        if news {
            let hint = if why.starts_with("409") { "is another program polling with this token?" } else { "" };
            warn!(%why, hint, "telegram: updates do not come in; trying again");
        }
        self.poller.state.send_replace(BotState::Failing { since, why });
    }
}

/// The wait after so many failures in a row: doubling, bounded, between half and the whole of it by `random`.
fn pause_of(failures: u32, random: u16) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE);
    whole / 2 + whole / 2 * u32::from(random) / u32::from(u16::MAX)
}

/// The beginning of `text`, at most `units` UTF-16 units long, cut between characters.
fn cut(text: &str, units: usize) -> String {
    let mut left = units;
    text.chars()
        .take_while(|character| {
            let fits = character.len_utf16() <= left;
            left = left.saturating_sub(character.len_utf16());
            fits
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_vary_by_half() {
        assert_eq!(pause_of(0, u16::MAX), FIRST_PAUSE);
        assert_eq!(pause_of(0, 0), FIRST_PAUSE / 2);
        assert_eq!(pause_of(3, u16::MAX), FIRST_PAUSE * 8);
        assert_eq!(pause_of(u32::MAX, u16::MAX), LONGEST_PAUSE);
        assert_eq!(pause_of(u32::MAX, 0), LONGEST_PAUSE / 2);
    }

    #[test]
    fn toasts_are_cut_between_characters() {
        assert_eq!(cut("да", 200), "да");
        assert_eq!(cut("a😀b", 2), "a");
        assert_eq!(cut("a😀b", 3), "a😀");
    }
}
