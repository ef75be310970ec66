//! radgram: a RADIUS server that lets a MikroTik VPN log-in through only after a yes in Telegram.

pub mod clock;
pub mod crypto;
pub mod dictionary;
pub mod entropy;
pub mod proto;
pub mod secret;
pub mod sim;
