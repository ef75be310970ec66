//! `Sender`: delivers one message of the outbox, as a new message or as an edit.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use teloxide::payloads::{EditMessageText, EditMessageTextSetters, SendMessage, SendMessageSetters};
use teloxide::types::{
    ChatId, InlineKeyboardButton, InlineKeyboardMarkup, KeyboardButton, KeyboardMarkup, LinkPreviewOptions, MessageId,
};

use super::client::{Bot, CALL_TIMEOUT, CallError};
use super::limits::Limits;
use crate::gate::ports::{Asker, Button, Keyboard, Message, Undelivered};

/// The wait after a 429 that does not say how long.
const UNSAID_WAIT: Duration = Duration::from_secs(5);
/// Refusals (400) that speak of the chat, not of the message: it is not there for the bot.
const NO_SUCH_CHAT: [&str; 4] = ["chat not found", "user not found", "peer_id_invalid", "chat_id is empty"];

/// Delivers messages by Telegram's rules. Clones share their limits.
#[derive(Clone)]
pub struct Sender {
    bot: Bot,
    limits: Arc<Limits>,
}

impl Sender {
    /// Delivers through `bot`.
    pub fn new(bot: Bot) -> Self {
        Self { bot, limits: Arc::default() }
    }
}

/// All that is needed of the message that comes back.
#[derive(Deserialize)]
struct Delivered {
    message_id: i64,
}

#[async_trait]
impl Asker for Sender {
    async fn deliver(&self, message: &Message) -> Result<i64, Undelivered> {
        self.limits.turn(message.chat_id).await.map_err(Undelivered::RetryAfter)?;
        let delivered: Result<Delivered, CallError> = match message.edits {
            None => self.bot.call(&new_message(message), CALL_TIMEOUT).await,
            Some(id) => self.bot.call(&edit(message, id)?, CALL_TIMEOUT).await,
        };
        match (delivered, message.edits) {
            (Ok(delivered), _) => Ok(delivered.message_id),
            (Err(error), Some(id)) if changes_nothing(&error) => Ok(id),
            (Err(error), _) => Err(undelivered(error)),
        }
    }
}

fn new_message(message: &Message) -> SendMessage {
    let payload = SendMessage::new(ChatId(message.chat_id), &message.text).link_preview_options(no_preview());
    match &message.keyboard {
        Keyboard::None => payload,
        Keyboard::Buttons(rows) => payload.reply_markup(inline(rows)),
        Keyboard::Menu(rows) => payload.reply_markup(menu(rows)),
    }
}

/// An edit cannot bring a menu: Telegram takes inline buttons only, so a menu counts as none.
fn edit(message: &Message, id: i64) -> Result<EditMessageText, Undelivered> {
    let no_id = |_| Undelivered::Refused(format!("{id} is no message id"));
    let id = MessageId(i32::try_from(id).map_err(no_id)?);
    let payload = EditMessageText::new(ChatId(message.chat_id), id, &message.text).link_preview_options(no_preview());
    Ok(match &message.keyboard {
        Keyboard::Buttons(rows) => payload.reply_markup(inline(rows)),
        Keyboard::None | Keyboard::Menu(_) => payload,
    })
}

fn inline(rows: &[Vec<Button>]) -> InlineKeyboardMarkup {
    let button = |button: &Button| InlineKeyboardButton::callback(&button.label, &button.token);
    InlineKeyboardMarkup::new(rows.iter().map(|row| row.iter().map(button).collect::<Vec<_>>()))
}

fn menu(rows: &[Vec<String>]) -> KeyboardMarkup {
    let rows = rows.iter().map(|row| row.iter().map(KeyboardButton::new).collect::<Vec<_>>());
    KeyboardMarkup::new(rows).resize_keyboard().persistent()
}

fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}

fn changes_nothing(error: &CallError) -> bool {
    matches!(error, CallError::Refused { code: 400, description, .. } if description.contains("message is not modified"))
}

fn undelivered(error: CallError) -> Undelivered {
    match error {
        CallError::Unreachable(why) => Undelivered::Unreachable(why),
        CallError::Refused { code: 429, retry_after, .. } => {
            Undelivered::RetryAfter(retry_after.unwrap_or(UNSAID_WAIT))
        }
        CallError::Refused { code: 403, .. } => Undelivered::Blocked,
        CallError::Refused { code: 400 | 413, description, .. } => {
            let lower = description.to_lowercase();
            match NO_SUCH_CHAT.iter().any(|words| lower.contains(words)) {
                true => Undelivered::Blocked,
                false => Undelivered::Refused(description),
            }
        }
        // A wrong token (401, 404) is no fault of the message: it goes out once the token is right.
        refused @ CallError::Refused { .. } => Undelivered::Unreachable(refused.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: u16, description: &str, expected: Undelivered) {
        let description = description.to_owned();
        assert_eq!(undelivered(CallError::Refused { code, description, retry_after: None }), expected);
    }

    #[test]
    fn every_refusal_has_its_meaning() {
        check(403, "Forbidden: bot was blocked by the user", Undelivered::Blocked);
        check(403, "Forbidden: user is deactivated", Undelivered::Blocked);
        check(400, "Bad Request: chat not found", Undelivered::Blocked);
        check(400, "Bad Request: PEER_ID_INVALID", Undelivered::Blocked);
        let too_long = "Bad Request: message is too long";
        check(400, too_long, Undelivered::Refused(too_long.to_owned()));
        check(401, "Unauthorized", Undelivered::Unreachable("401 Unauthorized".to_owned()));
        check(500, "Internal", Undelivered::Unreachable("500 Internal".to_owned()));
        check(429, "Too Many Requests", Undelivered::RetryAfter(UNSAID_WAIT));
    }

    #[test]
    fn a_message_goes_out_as_plain_text_without_preview() {
        let message = Message {
            id: 1,
            chat_id: 7,
            edits: None,
            text: "<b> https://example.org".to_owned(),
            keyboard: Keyboard::Menu(vec![vec!["Status".to_owned()]]),
        };
        let expected = serde_json::json!({
            "chat_id": 7,
            "text": "<b> https://example.org",
            "link_preview_options": { "is_disabled": true },
            "reply_markup": {
                "keyboard": [[{ "text": "Status" }]],
                "is_persistent": true,
                "resize_keyboard": true,
            },
        });
        let mut sent = serde_json::to_value(new_message(&message)).unwrap();
        for default in ["one_time_keyboard", "selective"] {
            sent["reply_markup"].as_object_mut().unwrap().remove(default);
        }
        assert_eq!(sent, expected);
    }

    #[test]
    fn a_message_id_beyond_telegrams_range_is_refused() {
        let message = Message { id: 1, chat_id: 7, edits: None, text: "x".to_owned(), keyboard: Keyboard::None };
        assert!(matches!(edit(&message, i64::MAX), Err(Undelivered::Refused(_))));
    }
}
