//! The codec of the RouterOS API (`/ip/service api` and `api-ssl`), for either end; MikroTik's manual page "API".
//!
//! | module | is |
//! |---|---|
//! | [`word`] | the length in front of a word |
//! | [`sentence`] | words in order: make one, look into one, write it |
//! | [`decode`] | sentences out of bytes, however they are cut up |
//! | [`reply`] | what a router answers |
//! | [`connection`] | a client's end: many commands at once, told apart by their tags |
//!
//! A sentence is words and a word of length 0 behind them. There is no escaping and no character set: words are bytes.
//!
//! | a word begins with | it is |
//! |---|---|
//! | `/` | a command: menu and verb, `/ppp/active/print` |
//! | `!` | a reply: `!re`, `!done`, `!trap`, `!fatal`, `!empty` |
//! | `=` | an attribute, `=name=value`; the value may have `=` in it, be empty, or be absent with its `=` |
//! | `.` | an attribute of the API itself: `.tag=7` |
//! | `?` | a step of a query; their order counts |
//! | anything else | bare text, behind `!fatal` |
//!
//! Bytes from the network never panic here: indexing and unchecked arithmetic are refused by the lints below.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used, clippy::panic))]

pub mod connection;
pub mod decode;
pub mod reply;
pub mod sentence;
pub mod word;

pub use connection::{Bounds, Connection, Event, Tag, Unfinished};
pub use decode::{Decoder, FrameError, Limits};
pub use reply::{Category, Reply, Row, Trap, UnknownReply};
pub use sentence::{Sentence, encode};
