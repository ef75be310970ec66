//! How long is waited, and how much is taken on.

use std::time::Duration;

/// Commands that one router works on at a time; more wait here. RouterOS does them one after another within a menu anyway.
pub const IN_FLIGHT: usize = 16;
/// Commands that wait for one router. What comes beyond is told that the router is busy.
pub const QUEUE: usize = 64;
/// Rows that one answer may have: ten times the largest firewall that is heard of.
pub const ROWS: usize = 200_000;
/// Bytes of the words of one answer: the rows of [`ROWS`] at 300 bytes.
pub const BYTES: usize = 64 * 1024 * 1024;

/// Every wait of a connection. The default is what runs; tests make them shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// For connecting, TLS, the log-in and the first questions together.
    pub connect: Duration,
    /// For a whole call of the port.
    pub call: Duration,
    /// Silence after which a router is asked for a sign of life, with nothing else to ask.
    pub idle: Duration,
    /// The same while it owes an answer.
    pub owed: Duration,
    /// For a sign of life, or the end of a cancelled command; then the connection is given up.
    pub sign: Duration,
    /// Before the second try to connect.
    pub retry: Duration,
    /// The longest pause between tries.
    pub retry_max: Duration,
    /// A refused log-in is not tried again sooner by what runs by itself, lest the router's log is full of it.
    pub refused: Duration,
    /// Between two looks whether what was removed is gone.
    pub look: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            call: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            owed: Duration::from_secs(10),
            sign: Duration::from_secs(10),
            retry: Duration::from_secs(1),
            retry_max: Duration::from_secs(60),
            refused: Duration::from_secs(5),
            look: Duration::from_millis(500),
        }
    }
}
