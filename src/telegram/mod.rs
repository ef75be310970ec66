//! The Telegram edge: messages out, updates in.
//!
//! [`Bot`] is the way to the Bot API (own address, proxy), [`Sender`] delivers what the outbox holds, [`Poller`]
//! fetches updates and hands them to the gate; an update is confirmed only once it was handled.

mod client;
mod limits;
mod parse;
mod sender;
mod updates;

pub use self::client::{BadAccess, Bot};
pub use self::sender::Sender;
pub use self::updates::Poller;
