//! radgram: a RADIUS server that lets a MikroTik VPN log-in through only after a yes in Telegram.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod dictionary;
pub mod domain;
pub mod entropy;
pub mod gate;
pub mod metrics;
pub mod open;
pub mod proto;
pub mod radius;
pub mod secret;
pub mod sim;
pub mod store;
pub mod telegram;
pub mod text;
pub mod web;
