//! The outward ports of the use cases: what is asked of Telegram and of routers, and what Telegram hands in.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::attribute::ReplyAttribute;
use crate::domain::habits::CoaHabits;
use crate::domain::radsec::Orders;
use crate::domain::router::NasKey;
use crate::secret::Secret;

/// One inline button of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    /// What the person reads, at most 64 characters.
    pub label: String,
    /// The opaque one-time token that comes back when it is pressed: 1 to 64 bytes of ASCII.
    pub token: String,
}

/// What stands below a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Keyboard {
    /// Nothing; an edit with `None` takes the buttons away, and the persistent keyboard stays as it is.
    #[default]
    None,
    /// Inline buttons, in rows.
    Buttons(Vec<Vec<Button>>),
    /// The persistent reply keyboard: the labels, in rows.
    Menu(Vec<Vec<String>>),
}

/// One message of the outbox, ready to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The outbox row.
    pub id: i64,
    /// Telegram chat.
    pub chat_id: i64,
    /// The message to be changed, or `None` to send a new one.
    pub edits: Option<i64>,
    /// Plain text, at most 4096 UTF-16 units.
    pub text: String,
    /// Buttons or menu.
    pub keyboard: Keyboard,
}

/// Why a message was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// Telegram asks to wait (429).
    #[error("telegram asks to wait {} s", .0.as_secs())]
    RetryAfter(Duration),
    /// The person blocked the bot, never started it, or the chat is gone (403, "chat not found"). Final.
    #[error("the person does not take messages from the bot")]
    Blocked,
    /// Telegram refuses this message for good (400): it would be refused again. Final.
    #[error("telegram refuses the message: {0}")]
    Refused(String),
    /// No answer, or an answer of a failing server. To be tried again.
    #[error("telegram is out of reach: {0}")]
    Unreachable(String),
}

/// Delivers one message. Never retries by itself: the outbox does.
#[async_trait]
pub trait Asker: Send + Sync + 'static {
    /// Delivers `message`; gives the id of the message in the chat. An edit that changes nothing is delivered.
    ///
    /// # Errors
    /// As [`Undelivered`] says; the call ends within 30 s.
    async fn deliver(&self, message: &Message) -> Result<i64, Undelivered>;
}

/// Who sent an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Telegram user id.
    pub telegram_id: i64,
    /// Display name as Telegram gives it.
    pub name: String,
    /// IETF language tag of the person's client, where given.
    pub language: Option<String>,
}

/// A command of the bot, from its slash form or from the persistent keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `/start`
    Start,
    /// `/help`
    Help,
    /// `/register`
    Register,
    /// `/status`
    Status,
    /// `/my_sessions`
    MySessions,
    /// `/request_vpn`
    RequestVpn,
    /// `/disable_vpn`
    DisableVpn,
    /// `/cancel`
    Cancel,
    /// A slash command that the bot does not have.
    Unknown,
}

/// What an update says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A command.
    Command(Command),
    /// Any other text.
    Text(String),
    /// A pressed inline button.
    Press {
        /// The button's token as it came back.
        token: String,
        /// The message that the button stands below, where Telegram says so.
        message_id: Option<i64>,
    },
    /// The person blocked the bot.
    Blocked,
    /// The person unblocked the bot.
    Unblocked,
    /// Anything else (a sticker, a group event): only its id counts.
    Other,
}

/// One update of the Bot API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Telegram's update id; handled at most once.
    pub update_id: i64,
    /// The chat it came from.
    pub chat_id: i64,
    /// Whether the chat is the person's own; groups get no answers.
    pub chat: ChatKind,
    /// Who; `None` for updates without a person.
    pub sender: Option<Sender>,
    /// What.
    pub what: What,
}

/// The kind of chat an update came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatKind {
    /// The person and the bot alone.
    Private,
    /// A group or channel.
    Group,
}

/// The short answer to a pressed button (answerCallbackQuery), at most 200 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// What the person reads.
    pub text: String,
}

/// An update could not be handled: the same update is to be fetched again.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotHandled(pub String);

/// What the update loop hands its updates to.
#[async_trait]
pub trait Updates: Send + Sync + 'static {
    /// Whether this instance may fetch updates now; renews the leadership. Only one instance polls.
    async fn may_poll(&self) -> bool;

    /// The first update id not handled yet; `None` before the first.
    ///
    /// # Errors
    /// When the database does not answer.
    async fn next_update(&self) -> Result<Option<i64>, NotHandled>;

    /// Handles one update, committing what it causes together with its id. An id handled before changes nothing.
    ///
    /// # Errors
    /// When nothing was committed; the offset must not move.
    async fn handle(&self, update: Incoming) -> Result<Option<Toast>, NotHandled>;
}

/// One connection to be ended or changed, in the router's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where the router listens: the nas's address and the router's CoA port.
    pub router: std::net::SocketAddr,
    /// Our address that the router knows as its RADIUS server: the one that it last sent to, if known.
    pub server: Option<IpAddr>,
    /// The secret that the box was last seen to use.
    pub secret: Secret,
    /// How the router takes such requests.
    pub habits: CoaHabits,
    /// NAS-IP-Address as the router gave it.
    pub nas_ip: Option<IpAddr>,
    /// User-Name, raw bytes as the router gave them.
    pub user_name: Vec<u8>,
    /// Acct-Session-Id as the router gave it.
    pub acct_session_id: String,
    /// Framed-IP-Address, once known.
    pub framed_ip: Option<IpAddr>,
    /// The way over RadSec, for a box that calls so.
    pub radsec: Option<OverRadsec>,
}

/// How a box is reached that calls over RadSec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverRadsec {
    /// The box: whose connection it must be.
    pub nas: NasKey,
    /// Over its connection, by UDP, or both.
    pub orders: Orders,
}

/// What of a running connection is to be changed; at least one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amendment {
    /// Session-Timeout as the router counts it, whole seconds.
    pub timeout: Option<Duration>,
    /// Reply attributes that a running connection takes.
    pub attributes: Vec<ReplyAttribute>,
}

/// What a router says to a Disconnect- or CoA-Request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutOutcome {
    /// ACK. Of a Disconnect not yet the proof: that is the Stop.
    Acknowledged,
    /// NAK with Error-Cause 503: it has no such connection.
    Gone,
    /// NAK with this Error-Cause (RFC 5176 §3.5), if it gave one.
    Refused(Option<u32>),
    /// No answer to any try.
    Silent,
    /// Likewise, and none could be expected: this machine has not the address that the router knows as its RADIUS server.
    Astray,
}

/// Sends Disconnect- and CoA-Requests.
#[async_trait]
pub trait Cutter: Send + Sync + 'static {
    /// Sends one Disconnect-Request, resending the same bytes; ends within 10 s.
    async fn disconnect(&self, target: &Target) -> CutOutcome;

    /// Sends one CoA-Request, likewise.
    async fn change(&self, target: &Target, amendment: &Amendment) -> CutOutcome;
}
