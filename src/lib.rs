//! radgram: a RADIUS server that lets a MikroTik VPN log-in through only after a yes in Telegram.

pub mod clock;
pub mod entropy;
pub mod gate;
pub mod secret;
pub mod sim;
pub mod telegram;
pub mod text;
