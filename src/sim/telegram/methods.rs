//! The Bot API methods that the simulated Telegram knows, with their documented refusals.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::body::Parameters;
use super::people::{SimButton, SimMessage};
use super::state::{Chat, Door, State, bot_user};

/// Result, or refusal.
pub(super) type Answer = Result<Value, Refusal>;

/// `{"ok":false,…}`
pub(super) struct Refusal {
    pub(super) code: u16,
    description: String,
    retry_after: Option<u64>,
}

impl Refusal {
    pub(super) fn new(code: u16, description: &str) -> Self {
        Self { code, description: description.to_owned(), retry_after: None }
    }

    pub(super) fn retry_after(seconds: u64) -> Self {
        let description = format!("Too Many Requests: retry after {seconds}");
        Self { code: 429, description, retry_after: Some(seconds) }
    }

    pub(super) fn body(&self) -> Value {
        let mut body = json!({ "ok": false, "error_code": self.code, "description": self.description });
        if let Some(seconds) = self.retry_after {
            body["parameters"] = json!({ "retry_after": seconds });
        }
        body
    }
}

fn bad_request(what: &str) -> Refusal {
    Refusal::new(400, &format!("Bad Request: {what}"))
}

/// Carries a method out.
pub(super) async fn call(shared: &Shared, method: &str, parameters: &Parameters) -> Answer {
    // Method names are not case sensitive.
    match method.to_ascii_lowercase().as_str() {
        "getupdates" => get_updates(shared, parameters).await,
        "getme" => Ok(me()),
        "sendmessage" => shared.change(|state| send_message(state, parameters)),
        "editmessagetext" => shared.change(|state| edit_message_text(state, parameters)),
        "answercallbackquery" => shared.change(|state| answer_callback_query(state, parameters)),
        "setmycommands" => shared.change(|state| set_my_commands(state, parameters)),
        "deletewebhook" => shared.change(|state| {
            state.webhook.clear();
            Ok(true.into())
        }),
        "getwebhookinfo" => {
            let url = shared.lock().webhook.clone();
            Ok(json!({ "url": url, "has_custom_certificate": false, "pending_update_count": 0 }))
        }
        _ => Err(Refusal::new(404, "Not Found: method not found")),
    }
}

fn me() -> Value {
    let mut me = bot_user();
    for (name, value) in [
        ("can_join_groups", true),
        ("can_read_all_group_messages", false),
        ("supports_inline_queries", false),
        ("can_connect_to_business", false),
        ("has_main_web_app", false),
    ] {
        me[name] = value.into();
    }
    me
}

async fn get_updates(shared: &Shared, parameters: &Parameters) -> Answer {
    let limit = usize::try_from(parameters.integer("limit").unwrap_or(100).clamp(1, 100)).unwrap_or(100);
    let timeout = u64::try_from(parameters.integer("timeout").unwrap_or(0).clamp(0, 50)).unwrap_or(0);
    let mut changes = shared.changes.subscribe();
    let turn = shared.change(|state| start_poll(state, parameters))?;
    let end = Instant::now() + Duration::from_secs(timeout);
    loop {
        changes.mark_unchanged();
        {
            let mut state = shared.lock();
            if state.poll_turn != turn {
                let why = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is \
                           running";
                return Err(Refusal::new(409, why));
            }
            let batch = state.batch(limit);
            if !batch.is_empty() || Instant::now() >= end {
                return Ok(batch.into());
            }
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = sleep_until(end) => {}
        }
    }
}

fn start_poll(state: &mut State, parameters: &Parameters) -> Result<u64, Refusal> {
    if !state.webhook.is_empty() {
        let why = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the \
                   webhook first";
        return Err(Refusal::new(409, why));
    }
    if let Some(Value::Array(kinds)) = parameters.value("allowed_updates") {
        let kinds: Vec<String> = kinds.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        state.allowed = (!kinds.is_empty()).then_some(kinds);
    }
    if let Some(offset) = parameters.integer("offset") {
        state.confirm(offset);
    }
    state.poll_turn += 1;
    Ok(state.poll_turn)
}

fn send_message(state: &mut State, parameters: &Parameters) -> Answer {
    let chat_id = open_chat(state, parameters)?;
    let text = text_of(parameters)?;
    let markup = Markup::read(parameters)?;
    let message_id = state.new_message_id();
    let message = SimMessage { chat_id, message_id, text, buttons: markup.buttons, menu: markup.menu, edited: false };
    let object = state.message_object(chat_id, &message);
    chat(state, chat_id)?.messages.push(message);
    Ok(object)
}

fn edit_message_text(state: &mut State, parameters: &Parameters) -> Answer {
    let chat_id = open_chat(state, parameters)?;
    let text = text_of(parameters)?;
    let markup = Markup::read(parameters)?;
    if markup.menu.is_some() {
        return Err(bad_request("object expected as reply markup"));
    }
    let id = parameters.integer("message_id").ok_or_else(|| bad_request("message identifier is not specified"))?;
    let known = chat(state, chat_id)?.messages.iter_mut().find(|message| message.message_id == id);
    let message = known.ok_or_else(|| bad_request("message to edit not found"))?;
    if message.text == text && message.buttons == markup.buttons {
        let why = "message is not modified: specified new message content and reply markup are exactly the same as a \
                   current content and reply markup of the message";
        return Err(bad_request(why));
    }
    message.text = text;
    message.buttons = markup.buttons;
    message.edited = true;
    let message = message.clone();
    Ok(state.message_object(chat_id, &message))
}

fn answer_callback_query(state: &mut State, parameters: &Parameters) -> Answer {
    let id = parameters.text("callback_query_id").unwrap_or_default();
    let text = parameters.text("text").unwrap_or_default();
    if text.encode_utf16().count() > 200 {
        return Err(bad_request("MESSAGE_TOO_LONG"));
    }
    match state.callbacks.get_mut(id).filter(|callback| !callback.expired) {
        None => Err(bad_request("query is too old and response timeout expired or query ID is invalid")),
        Some(callback) => {
            callback.toast = Some(text.to_owned());
            Ok(true.into())
        }
    }
}

fn set_my_commands(state: &mut State, parameters: &Parameters) -> Answer {
    let Some(Value::Array(list)) = parameters.value("commands") else {
        return Err(bad_request("parameter \"commands\" is required"));
    };
    let mut commands = Vec::new();
    for item in &list {
        let command = item["command"].as_str().unwrap_or_default();
        let description = item["description"].as_str().unwrap_or_default();
        let named = (1..=32).contains(&command.len())
            && command.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !named {
            return Err(bad_request("BOT_COMMAND_INVALID"));
        }
        if !(1..=256).contains(&description.chars().count()) {
            return Err(bad_request("BOT_COMMAND_DESCRIPTION_INVALID"));
        }
        commands.push((command.to_owned(), description.to_owned()));
    }
    state.commands.insert(parameters.text("language_code").unwrap_or_default().to_owned(), commands);
    Ok(true.into())
}

/// The chat of the request, if it takes messages.
fn open_chat(state: &State, parameters: &Parameters) -> Result<i64, Refusal> {
    let chat_id = parameters.integer("chat_id").ok_or_else(|| bad_request("chat_id is empty"))?;
    match state.chats.get(&chat_id).map(|chat| (chat.door, chat.user.is_some())) {
        None | Some((Door::NotStarted, _)) => Err(bad_request("chat not found")),
        Some((Door::Blocked, true)) => Err(Refusal::new(403, "Forbidden: bot was blocked by the user")),
        Some((Door::Blocked, false)) => Err(Refusal::new(403, "Forbidden: bot was kicked from the supergroup chat")),
        Some((Door::Open, _)) => Ok(chat_id),
    }
}

fn chat(state: &mut State, chat_id: i64) -> Result<&mut Chat, Refusal> {
    state.chats.get_mut(&chat_id).ok_or_else(|| bad_request("chat not found"))
}

fn text_of(parameters: &Parameters) -> Result<String, Refusal> {
    let text = parameters.text("text").unwrap_or_default().trim();
    match text.encode_utf16().count() {
        0 => Err(bad_request("message text is empty")),
        1..=4096 => Ok(text.to_owned()),
        _ => Err(bad_request("message is too long")),
    }
}

/// `reply_markup`, inline or persistent.
#[derive(Default)]
struct Markup {
    buttons: Vec<Vec<SimButton>>,
    menu: Option<Vec<Vec<String>>>,
}

impl Markup {
    fn read(parameters: &Parameters) -> Result<Self, Refusal> {
        let Some(markup) = parameters.value("reply_markup") else { return Ok(Self::default()) };
        if let Some(rows) = markup.get("inline_keyboard") {
            return Ok(Self { buttons: rows_of(rows, inline_button)?, menu: None });
        }
        match markup.get("keyboard") {
            Some(rows) => Ok(Self { buttons: Vec::new(), menu: Some(rows_of(rows, menu_label)?) }),
            None => Ok(Self::default()),
        }
    }
}

fn rows_of<T>(rows: &Value, read: fn(&Value) -> Result<T, Refusal>) -> Result<Vec<Vec<T>>, Refusal> {
    let rows = rows.as_array().ok_or_else(|| bad_request("can't parse reply keyboard markup JSON object"))?;
    let row = |row: &Value| row.as_array().into_iter().flatten().map(read).collect();
    rows.iter().map(row).filter(|row: &Result<Vec<T>, Refusal>| row.as_ref().map_or(true, |r| !r.is_empty())).collect()
}

fn inline_button(button: &Value) -> Result<SimButton, Refusal> {
    let label = menu_label(button)?;
    let token = button["callback_data"].as_str().unwrap_or_default();
    match token.len() {
        0 => Err(bad_request("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")),
        1..=64 => Ok(SimButton { label, token: token.to_owned() }),
        _ => Err(bad_request("BUTTON_DATA_INVALID")),
    }
}

/// The label of a button; the persistent keyboard may give it as a bare string.
fn menu_label(button: &Value) -> Result<String, Refusal> {
    let label = button.as_str().or_else(|| button["text"].as_str()).unwrap_or_default();
    match label.is_empty() {
        true => Err(bad_request("can't parse keyboard button: Field \"text\" must be of type String")),
        false => Ok(label.to_owned()),
    }
}
