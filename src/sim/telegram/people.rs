//! The people and groups of the simulated Telegram: what they say, press and read.

use std::sync::Arc;

use serde_json::{Value, json};

use super::state::{Callback, Chat, Door, State, bot_user, unix_seconds};
use super::{PATIENCE, Shared, SimTelegram};

/// One inline button as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimButton {
    /// What is read.
    pub label: String,
    /// `callback_data`.
    pub token: String,
}

/// One message of the bot as it stands in a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimMessage {
    /// The chat.
    pub chat_id: i64,
    /// Its id in the chat.
    pub message_id: i64,
    /// Its text now.
    pub text: String,
    /// Its inline buttons now, in rows.
    pub buttons: Vec<Vec<SimButton>>,
    /// The persistent keyboard that it brought, in rows.
    pub menu: Option<Vec<Vec<String>>>,
    /// Whether it was changed after it was sent.
    pub edited: bool,
}

impl SimMessage {
    /// The inline button with this label.
    pub fn button(&self, label: &str) -> Option<&SimButton> {
        self.buttons.iter().flatten().find(|button| button.label == label)
    }
}

/// A person with a private chat with the bot.
#[derive(Clone)]
pub struct Person {
    shared: Arc<Shared>,
    telegram_id: i64,
}

impl Person {
    pub(super) fn new(shared: Arc<Shared>, telegram_id: i64) -> Self {
        Self { shared, telegram_id }
    }

    /// Telegram user id, and id of the private chat.
    pub fn telegram_id(&self) -> i64 {
        self.telegram_id
    }

    /// Writes to the bot (a slash command, a label of the menu, any text); gives the update's id.
    pub fn says(&self, text: &str) -> i64 {
        self.says_to(self.telegram_id, text)
    }

    /// Writes to a group.
    pub fn says_in(&self, group: &Group, text: &str) -> i64 {
        self.says_to(group.chat_id, text)
    }

    fn says_to(&self, chat_id: i64, text: &str) -> i64 {
        self.shared.change(|state| {
            if let Some(chat) = state.chats.get_mut(&self.telegram_id).filter(|chat| chat.door == Door::NotStarted) {
                chat.door = Door::Open;
            }
            let mut message = json!({
                "message_id": state.new_message_id(),
                "from": self.user(state),
                "chat": state.chats.get(&chat_id).map(|chat| chat.object.clone()),
                "date": unix_seconds(),
                "text": text,
            });
            if text.starts_with('/') {
                let length = text.split_whitespace().next().unwrap_or_default().encode_utf16().count();
                message["entities"] = json!([{ "type": "bot_command", "offset": 0, "length": length }]);
            }
            state.push_update(json!({ "message": message }))
        })
    }

    /// Presses the button with this label as it stood when `message` was seen: later changes do not matter, as on a
    /// slow phone.
    ///
    /// # Panics
    /// When the message had no such button.
    #[track_caller]
    pub fn press(&self, message: &SimMessage, label: &str) -> Press {
        match message.button(label) {
            Some(button) => self.press_token(message, &button.token.clone()),
            None => panic!("no button {label:?} below {message:?}"),
        }
    }

    /// Presses the button at this place, counted from zero.
    ///
    /// # Panics
    /// When the message had no button there.
    #[track_caller]
    pub fn press_at(&self, message: &SimMessage, row: usize, column: usize) -> Press {
        match message.buttons.get(row).and_then(|row| row.get(column)) {
            Some(button) => self.press_token(message, &button.token.clone()),
            None => panic!("no button at {row}, {column} below {message:?}"),
        }
    }

    /// Sends a press with any token, as a forged client would.
    pub fn press_token(&self, message: &SimMessage, token: &str) -> Press {
        let (callback_id, update_id) = self.shared.change(|state| {
            let callback_id = format!("{}", 4_000_000_000_000_000_000_u64 + state.callbacks.len() as u64);
            state.callbacks.insert(callback_id.clone(), Callback { expired: false, toast: None });
            let query = json!({
                "id": callback_id,
                "from": self.user(state),
                "message": state.message_object(message.chat_id, message),
                "chat_instance": "-3141592653589793238",
                "data": token,
            });
            let update_id = state.push_update(json!({ "callback_query": query }));
            (callback_id, update_id)
        });
        Press { shared: Arc::clone(&self.shared), callback_id, update_id }
    }

    /// Every message of the bot in the private chat, oldest first, as it stands now.
    pub fn inbox(&self) -> Vec<SimMessage> {
        inbox(&self.shared, self.telegram_id)
    }

    /// Waits for a message that `wanted` accepts, new or changed; gives the newest such.
    ///
    /// # Panics
    /// When none comes in [`PATIENCE`]; the inbox is printed.
    pub async fn wait_for(&self, wanted: impl Fn(&SimMessage) -> bool) -> SimMessage {
        wait_for(&self.shared, self.telegram_id, wanted).await
    }

    /// The persistent keyboard that the person sees now, in rows.
    pub fn menu(&self) -> Option<Vec<Vec<String>>> {
        self.inbox().into_iter().rev().find_map(|message| message.menu)
    }

    /// Blocks the bot; gives the update's id.
    pub fn blocks_the_bot(&self) -> i64 {
        self.turns(Door::Blocked, "member", json!({ "status": "kicked", "user": bot_user(), "until_date": 0 }))
    }

    /// Unblocks the bot; gives the update's id.
    pub fn unblocks_the_bot(&self) -> i64 {
        self.turns(Door::Open, "kicked", json!({ "status": "member", "user": bot_user() }))
    }

    fn turns(&self, door: Door, before: &str, after: Value) -> i64 {
        self.shared.change(|state| {
            let mut old = json!({ "status": before, "user": bot_user() });
            if before == "kicked" {
                old["until_date"] = 0.into();
            }
            let Some(chat) = state.chats.get_mut(&self.telegram_id) else { return 0 };
            chat.door = door;
            let body = json!({
                "chat": chat.object,
                "from": chat.user,
                "date": unix_seconds(),
                "old_chat_member": old,
                "new_chat_member": after,
            });
            state.push_update(json!({ "my_chat_member": body }))
        })
    }

    /// The person never wrote to the bot: it may not write to them.
    pub fn has_not_started(&self) {
        self.shared.change(|state| {
            if let Some(chat) = state.chats.get_mut(&self.telegram_id) {
                chat.door = Door::NotStarted;
            }
        });
    }

    fn user(&self, state: &State) -> Option<Value> {
        state.chats.get(&self.telegram_id).and_then(|chat| chat.user.clone())
    }
}

/// A group chat, such as the operators' chat.
#[derive(Clone)]
pub struct Group {
    shared: Arc<Shared>,
    chat_id: i64,
}

impl Group {
    pub(super) fn new(shared: Arc<Shared>, chat_id: i64) -> Self {
        Self { shared, chat_id }
    }

    /// The chat's id.
    pub fn chat_id(&self) -> i64 {
        self.chat_id
    }

    /// Every message of the bot in the group, oldest first.
    pub fn inbox(&self) -> Vec<SimMessage> {
        inbox(&self.shared, self.chat_id)
    }

    /// As [`Person::wait_for`].
    ///
    /// # Panics
    /// When none comes in [`PATIENCE`].
    pub async fn wait_for(&self, wanted: impl Fn(&SimMessage) -> bool) -> SimMessage {
        wait_for(&self.shared, self.chat_id, wanted).await
    }

    /// The bot is thrown out.
    pub fn throws_the_bot_out(&self) {
        self.shared.change(|state| {
            if let Some(chat) = state.chats.get_mut(&self.chat_id) {
                chat.door = Door::Blocked;
            }
        });
    }
}

/// A pressed button.
pub struct Press {
    shared: Arc<Shared>,
    callback_id: String,
    update_id: i64,
}

impl Press {
    /// The update that tells the bot.
    pub fn update_id(&self) -> i64 {
        self.update_id
    }

    /// The toast, if the press was answered; empty for an answer without text.
    pub fn answered(&self) -> Option<String> {
        self.shared.lock().callbacks.get(&self.callback_id).and_then(|callback| callback.toast.clone())
    }

    /// Waits for the toast.
    ///
    /// # Panics
    /// When none comes in [`PATIENCE`].
    pub async fn toast(&self) -> String {
        match self.shared.wait(|| self.answered()).await {
            Some(toast) => toast,
            None => panic!("the press was not answered in {} s", PATIENCE.as_secs()),
        }
    }
}

fn inbox(shared: &Shared, chat_id: i64) -> Vec<SimMessage> {
    shared.lock().chats.get(&chat_id).map(|chat: &Chat| chat.messages.clone()).unwrap_or_default()
}

async fn wait_for(shared: &Shared, chat_id: i64, wanted: impl Fn(&SimMessage) -> bool) -> SimMessage {
    let found = shared.wait(|| inbox(shared, chat_id).into_iter().rev().find(|message| wanted(message))).await;
    match found {
        Some(message) => message,
        None => panic!(
            "{} sent no such message to {chat_id} in {} s; the inbox: {:#?}",
            SimTelegram::BOT,
            PATIENCE.as_secs(),
            inbox(shared, chat_id)
        ),
    }
}
