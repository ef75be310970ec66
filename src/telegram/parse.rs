//! An update as Telegram gives it → an [`Incoming`] of the gate.
//!
//! Only the fields that matter are read, so that what Telegram adds elsewhere in an update never costs a press.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use crate::gate::ports::{ChatKind, Command, Incoming, Sender, What};
use crate::text::{Language, Texts};

/// The commands with their slash names, in the order of Telegram's command list, and the key of their description.
pub(super) const COMMANDS: [(&str, Command, &str); 8] = [
    ("start", Command::Start, "command-start"),
    ("request_vpn", Command::RequestVpn, "command-request-vpn"),
    ("disable_vpn", Command::DisableVpn, "command-disable-vpn"),
    ("my_sessions", Command::MySessions, "command-my-sessions"),
    ("status", Command::Status, "command-status"),
    ("register", Command::Register, "command-register"),
    ("cancel", Command::Cancel, "command-cancel"),
    ("help", Command::Help, "command-help"),
];

/// The labels of the persistent keyboard, by key.
const LABELS: [(&str, Command); 6] = [
    ("menu-request", Command::RequestVpn),
    ("menu-disable", Command::DisableVpn),
    ("menu-sessions", Command::MySessions),
    ("menu-status", Command::Status),
    ("menu-register", Command::Register),
    ("menu-cancel", Command::Cancel),
];

/// An update, as far as it matters (Bot API, "Update").
#[derive(Deserialize)]
struct Update {
    message: Option<Message>,
    callback_query: Option<CallbackQuery>,
    my_chat_member: Option<ChatMemberUpdated>,
}

#[derive(Deserialize)]
struct Message {
    chat: Chat,
    from: Option<User>,
    text: Option<String>,
}

#[derive(Deserialize)]
struct CallbackQuery {
    from: User,
    message: Option<PressedMessage>,
    data: Option<String>,
}

/// The message below which the button stands, accessible or not.
#[derive(Deserialize)]
struct PressedMessage {
    message_id: i64,
    chat: Chat,
}

#[derive(Deserialize)]
struct ChatMemberUpdated {
    chat: Chat,
    from: User,
    new_chat_member: ChatMember,
}

#[derive(Deserialize)]
struct ChatMember {
    status: String,
}

#[derive(Deserialize)]
struct Chat {
    id: i64,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct User {
    id: i64,
    first_name: String,
    last_name: Option<String>,
    language_code: Option<String>,
}

impl Chat {
    fn is_private(&self) -> bool {
        self.kind == "private"
    }

    fn chat_kind(&self) -> ChatKind {
        if self.is_private() { ChatKind::Private } else { ChatKind::Group }
    }
}

/// An update that was read, and what is to be answered if it is a press.
pub(super) struct Read {
    pub(super) incoming: Incoming,
    pub(super) callback_id: Option<String>,
}

/// Reads updates for one bot.
pub(super) struct Reader {
    /// The bot's user name in lower case; `None` until Telegram told it.
    bot_name: Option<String>,
    labels: HashMap<String, Command>,
}

impl Reader {
    pub(super) fn new(texts: &Texts) -> Self {
        let of_language = |language| LABELS.map(|(key, command)| (texts.plain(language, key), command));
        Self { bot_name: None, labels: Language::ALL.into_iter().flat_map(of_language).collect() }
    }

    pub(super) fn call_the_bot(&mut self, name: &str) {
        self.bot_name = Some(name.to_lowercase());
    }

    /// Reads one update; `None` only if it has no id at all, which Telegram never sends.
    ///
    /// A press keeps its callback id even if nothing else of it is understood, so that it can be answered.
    pub(super) fn read(&self, value: Value) -> Option<Read> {
        let update_id = value.get("update_id")?.as_i64()?;
        let callback_id = value.pointer("/callback_query/id").and_then(Value::as_str).map(str::to_owned);
        let incoming = match serde_json::from_value(value) {
            Ok(Update { message: Some(message), .. }) => self.message(update_id, message),
            Ok(Update { callback_query: Some(query), .. }) => press(update_id, query),
            Ok(Update { my_chat_member: Some(change), .. }) => membership(update_id, change),
            Ok(_) | Err(_) => other(update_id),
        };
        Some(Read { incoming, callback_id })
    }

    fn message(&self, update_id: i64, message: Message) -> Incoming {
        Incoming {
            update_id,
            chat_id: message.chat.id,
            chat: message.chat.chat_kind(),
            sender: message.from.map(sender),
            what: message.text.map_or(What::Other, |text| self.words(&text)),
        }
    }

    fn words(&self, text: &str) -> What {
        let text = text.trim();
        if let Some(slash) = text.strip_prefix('/') {
            return self.slash(slash);
        }
        match self.labels.get(text) {
            Some(command) => What::Command(*command),
            None => What::Text(text.to_owned()),
        }
    }

    /// `name`, `name@bot` or `name arguments`, without the slash. A command for another bot is not for us.
    fn slash(&self, text: &str) -> What {
        let first = text.split_whitespace().next().unwrap_or_default().to_lowercase();
        let (name, bot) = first.split_once('@').map_or((first.as_str(), None), |(name, bot)| (name, Some(bot)));
        if let (Some(addressed), Some(own)) = (bot, &self.bot_name)
            && addressed != own
        {
            return What::Other;
        }
        let known = COMMANDS.iter().find(|(slash_name, ..)| *slash_name == name);
        What::Command(known.map_or(Command::Unknown, |(_, command, _)| *command))
    }
}

/// A press without a message comes from an inline message, which the bot never sends: the person's own chat then.
fn press(update_id: i64, query: CallbackQuery) -> Incoming {
    let (chat_id, chat, message_id) = match &query.message {
        None => (query.from.id, ChatKind::Private, None),
        Some(message) => (message.chat.id, message.chat.chat_kind(), Some(message.message_id)),
    };
    let what = match query.data {
        Some(token) => What::Press { token, message_id },
        None => What::Other,
    };
    Incoming { update_id, chat_id, chat, sender: Some(sender(query.from)), what }
}

/// The bot's own standing in a chat: a private chat knows `member` and `kicked` (blocked) only.
fn membership(update_id: i64, change: ChatMemberUpdated) -> Incoming {
    let what = match (change.chat.chat_kind(), change.new_chat_member.status.as_str()) {
        (ChatKind::Private, "kicked") => What::Blocked,
        (ChatKind::Private, "member") => What::Unblocked,
        (ChatKind::Private | ChatKind::Group, _) => What::Other,
    };
    Incoming {
        update_id,
        chat_id: change.chat.id,
        chat: change.chat.chat_kind(),
        sender: Some(sender(change.from)),
        what,
    }
}

/// Nothing of it is understood but its id.
fn other(update_id: i64) -> Incoming {
    Incoming { update_id, chat_id: 0, chat: ChatKind::Group, sender: None, what: What::Other }
}

fn sender(user: User) -> Sender {
    let name = match user.last_name {
        Some(last_name) => format!("{} {last_name}", user.first_name),
        None => user.first_name,
    };
    Sender { telegram_id: user.id, name, language: user.language_code.filter(|tag| !tag.is_empty()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reader() -> Reader {
        let mut reader = Reader::new(&Texts::new());
        reader.call_the_bot("Radgram_Bot");
        reader
    }

    fn message(text: &str) -> Value {
        json!({ "update_id": 5, "message": {
            "message_id": 9,
            "from": { "id": 77, "is_bot": false, "first_name": "Ann", "last_name": "Lee", "language_code": "ru" },
            "chat": { "id": 77, "type": "private", "first_name": "Ann" },
            "date": 1_700_000_000,
            "text": text,
        } })
    }

    #[track_caller]
    fn check(text: &str, expected: What) {
        let incoming = reader().read(message(text)).unwrap().incoming;
        assert_eq!(incoming.what, expected);
        assert_eq!((incoming.update_id, incoming.chat_id, incoming.chat), (5, 77, ChatKind::Private));
        let ann = Sender { telegram_id: 77, name: "Ann Lee".to_owned(), language: Some("ru".to_owned()) };
        assert_eq!(incoming.sender, Some(ann));
    }

    #[test]
    fn knows_commands_in_every_form() {
        check("/start", What::Command(Command::Start));
        check("/start deep-link", What::Command(Command::Start));
        check("/request_vpn@radgram_bot now", What::Command(Command::RequestVpn));
        check("/My_Sessions", What::Command(Command::MySessions));
        check("/start@another_bot", What::Other);
        check("/nonsense", What::Command(Command::Unknown));
        check("/", What::Command(Command::Unknown));
    }

    #[test]
    fn knows_the_menu_in_both_languages() {
        check("Request VPN", What::Command(Command::RequestVpn));
        check("Запросить VPN", What::Command(Command::RequestVpn));
        check("Disable VPN access", What::Command(Command::DisableVpn));
        check(" Отмена ", What::Command(Command::Cancel));
        check("ann", What::Text("ann".to_owned()));
    }

    #[test]
    fn every_label_means_one_command_in_either_language() {
        let texts = Texts::new();
        let count = Reader::new(&texts).labels.len();
        assert_eq!(count, LABELS.len() * Language::ALL.len());
    }

    #[test]
    fn what_cannot_be_understood_keeps_its_id() {
        for body in [
            json!({ "update_id": 3_000_000_000_i64 }),
            json!({ "update_id": 9_000_000_000_i64, "message": 7 }),
            json!({ "update_id": 1, "something_new": { "a": 1 } }),
            json!({ "update_id": 1, "message": { "text": "/start" } }),
        ] {
            let read = reader().read(body.clone()).unwrap();
            assert_eq!(read.incoming, other(body["update_id"].as_i64().unwrap()));
        }
        assert!(reader().read(json!({})).is_none());
    }

    #[test]
    fn a_sticker_is_something_else() {
        let mut update = message("x");
        update["message"].as_object_mut().unwrap().remove("text");
        assert_eq!(reader().read(update).unwrap().incoming.what, What::Other);
    }

    #[test]
    fn a_press_of_an_old_message_keeps_token_and_callback() {
        let update = json!({ "update_id": 6, "callback_query": {
            "id": "42",
            "from": { "id": 77, "is_bot": false, "first_name": "Ann" },
            "message": { "message_id": 9, "chat": { "id": 77, "type": "private", "first_name": "Ann" }, "date": 0 },
            "chat_instance": "1",
            "data": "tok",
        } });
        let read = reader().read(update).unwrap();
        assert_eq!(read.callback_id.as_deref(), Some("42"));
        assert_eq!(read.incoming.what, What::Press { token: "tok".to_owned(), message_id: Some(9) });
    }
}
