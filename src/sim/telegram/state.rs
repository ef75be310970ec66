//! What the simulated Telegram knows: people, chats, messages, the queue of updates and the rigged faults.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::SimTelegram;
use super::people::{SimButton, SimMessage};
use crate::clock::{Clock, SystemClock};

/// What a rigged request meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// 429 with `retry_after` in seconds.
    RetryAfter(u64),
    /// 502 with a page in HTML.
    ServerError,
    /// This error code and description.
    Refuse(u16, String),
    /// No answer, ever.
    Hang,
    /// The connection is cut, the request is not carried out.
    Drop,
    /// The request is carried out, then the connection is cut.
    LoseAnswer,
}

/// What Telegram as a whole is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outage {
    /// There.
    #[default]
    Over,
    /// Connections are closed as soon as they are opened.
    Unreachable,
    /// Every request gets a 502.
    BadGateway,
}

pub(super) struct Rigged {
    pub(super) method: String,
    pub(super) left: u32,
    pub(super) fault: Fault,
}

/// Whether a person takes messages from the bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Open,
    Blocked,
    NotStarted,
}

pub(super) struct Chat {
    /// The chat object as the Bot API shows it.
    pub(super) object: Value,
    /// The person behind a private chat, as the Bot API shows them.
    pub(super) user: Option<Value>,
    pub(super) door: Door,
    pub(super) messages: Vec<SimMessage>,
}

pub(super) struct Callback {
    pub(super) expired: bool,
    /// The toast, once answered; empty when answered without text.
    pub(super) toast: Option<String>,
}

pub(super) struct State {
    pub(super) chats: BTreeMap<i64, Chat>,
    pub(super) callbacks: BTreeMap<String, Callback>,
    pub(super) rigged: Vec<Rigged>,
    pub(super) outage: Outage,
    pub(super) webhook: String,
    pub(super) requests: BTreeMap<String, u64>,
    pub(super) commands: BTreeMap<String, Vec<(String, String)>>,
    pub(super) next_update: i64,
    /// Who polls: a newer poll ends the older one.
    pub(super) poll_turn: u64,
    /// Kinds of updates that the bot asked for; `None` before it did.
    pub(super) allowed: Option<Vec<String>>,
    pending: VecDeque<Value>,
    /// Updates handed out once more whatever the offset says.
    again: VecDeque<Value>,
    history: Vec<Value>,
    next_message: i64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            chats: BTreeMap::new(),
            callbacks: BTreeMap::new(),
            rigged: Vec::new(),
            outage: Outage::Over,
            webhook: String::new(),
            requests: BTreeMap::new(),
            commands: BTreeMap::new(),
            next_update: 700_000_001,
            poll_turn: 0,
            allowed: None,
            pending: VecDeque::new(),
            again: VecDeque::new(),
            history: Vec::new(),
            next_message: 1,
        }
    }
}

impl State {
    pub(super) fn add_person(&mut self, telegram_id: i64, name: &str, language: &str) {
        let mut user = json!({ "id": telegram_id, "is_bot": false, "first_name": name });
        if !language.is_empty() {
            user["language_code"] = language.into();
        }
        let object = json!({ "id": telegram_id, "type": "private", "first_name": name });
        self.chats.insert(telegram_id, Chat { object, user: Some(user), door: Door::Open, messages: Vec::new() });
    }

    pub(super) fn add_group(&mut self, chat_id: i64, title: &str) {
        let object = json!({ "id": chat_id, "type": "supergroup", "title": title });
        self.chats.insert(chat_id, Chat { object, user: None, door: Door::Open, messages: Vec::new() });
    }

    pub(super) fn take_fault(&mut self, method: &str) -> Option<Fault> {
        if self.outage == Outage::BadGateway {
            return Some(Fault::ServerError);
        }
        let meant = |rigged: &Rigged| rigged.method == "*" || rigged.method.eq_ignore_ascii_case(method);
        let rigged = self.rigged.iter_mut().find(|rigged| rigged.left > 0 && meant(rigged))?;
        rigged.left -= 1;
        Some(rigged.fault.clone())
    }

    /// Queues an update; gives its id. Kinds that the bot did not ask for get an id and go nowhere.
    pub(super) fn push_update(&mut self, mut body: Value) -> i64 {
        let id = self.next_update;
        self.next_update += 1;
        body["update_id"] = id.into();
        self.history.push(body.clone());
        let wanted = self.allowed.as_ref().is_none_or(|kinds| kinds.iter().any(|kind| body.get(kind).is_some()));
        if wanted {
            self.pending.push_back(body);
        }
        id
    }

    pub(super) fn redeliver(&mut self, update_id: i64) {
        let known = self.history.iter().rev().find(|update| id_of(update) == update_id);
        self.again.extend(known.cloned());
    }

    /// Forgets what the offset confirms. An offset beyond the newest update confirms nothing, as in the real server:
    /// its numbering may have started anew.
    pub(super) fn confirm(&mut self, offset: i64) {
        if offset < 0 {
            let keep = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
            let gone = self.pending.len().saturating_sub(keep);
            self.pending.drain(..gone);
        } else if offset <= self.next_update {
            self.pending.retain(|update| id_of(update) >= offset);
        }
    }

    /// The updates to hand out now, at most `limit`.
    pub(super) fn batch(&mut self, limit: usize) -> Vec<Value> {
        let mut batch: Vec<Value> = self.again.drain(..self.again.len().min(limit)).collect();
        batch.extend(self.pending.iter().take(limit - batch.len()).cloned());
        batch
    }

    pub(super) fn first_unconfirmed(&self) -> Option<i64> {
        self.pending.front().map(id_of)
    }

    pub(super) fn expire_presses(&mut self) {
        self.callbacks.values_mut().for_each(|callback| callback.expired = true);
    }

    pub(super) fn new_message_id(&mut self) -> i64 {
        self.next_message += 1;
        self.next_message
    }

    /// A message as the Bot API shows it.
    pub(super) fn message_object(&self, chat_id: i64, message: &SimMessage) -> Value {
        let mut object = json!({
            "message_id": message.message_id,
            "from": bot_user(),
            "chat": self.chats.get(&chat_id).map(|chat| chat.object.clone()),
            "date": unix_seconds(),
            "text": message.text,
        });
        if message.edited {
            object["edit_date"] = unix_seconds().into();
        }
        if !message.buttons.is_empty() {
            let button = |button: &SimButton| json!({ "text": button.label, "callback_data": button.token });
            let rows: Vec<Vec<Value>> = message.buttons.iter().map(|row| row.iter().map(button).collect()).collect();
            object["reply_markup"] = json!({ "inline_keyboard": rows });
        }
        object
    }
}

fn id_of(update: &Value) -> i64 {
    update["update_id"].as_i64().unwrap_or(0)
}

/// The bot as a user.
pub(super) fn bot_user() -> Value {
    json!({ "id": 424_242, "is_bot": true, "first_name": "radgram", "username": SimTelegram::BOT })
}

pub(super) fn unix_seconds() -> i64 {
    SystemClock.now().millis() / 1_000
}
