//! Why a connection over TLS ended, or was not taken: counted by its word, and told where an operator can do something.

use std::io;

use crate::gate::radsec::NoRouter;
use crate::proto::radius::BadLength;

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// The router closed it.
    Closed,
    /// Nothing came for long.
    Idle,
    /// The server stops.
    Stopped,
    /// The certificate is that of the router no longer.
    NoRouter(NoRouter),
    /// Too many connections of this router: the oldest leaves.
    Crowded,
    /// The rest of a packet did not come.
    Half,
    /// A Length that no packet has.
    Length(BadLength),
    /// A packet that is none, or whose authenticators are wrong (RFC 6613 §2.6.4).
    Forged(&'static str),
    /// The router takes nothing.
    Stalled,
    /// TCP or TLS failed.
    Broken(io::Error),
}

impl End {
    /// The word in metrics and logs.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Idle => "idle",
            Self::Stopped => "stopped",
            Self::NoRouter(NoRouter::Unknown) => "unknown_certificate",
            Self::NoRouter(NoRouter::Several) => "ambiguous_certificate",
            Self::Crowded => "crowded",
            Self::Half => "half_a_packet",
            Self::Length(_) => "bad_length",
            Self::Forged(_) => "bad_packet",
            Self::Stalled => "stalled",
            Self::Broken(_) => "broken",
        }
    }

    /// What an operator is told; `None` where nothing is wrong.
    pub(super) fn trouble(&self) -> Option<String> {
        Some(match self {
            Self::Closed | Self::Idle | Self::Stopped => return None,
            Self::NoRouter(why) => why.text().to_owned(),
            Self::Crowded => "it opened more connections than it may have; the oldest was closed".to_owned(),
            Self::Half => "the rest of a packet did not come".to_owned(),
            Self::Length(bad) => bad.to_string(),
            Self::Forged(why) => format!("a packet that is not in order ({why}); is the secret of the entry radsec?"),
            Self::Stalled => "it took no answers for 10 s".to_owned(),
            Self::Broken(error) => error.to_string(),
        })
    }
}

impl From<BadLength> for End {
    fn from(bad: BadLength) -> Self {
        Self::Length(bad)
    }
}
