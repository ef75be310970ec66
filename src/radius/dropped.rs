//! Why a datagram gets no answer: counted each time, logged at most once per reason and source in ten seconds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::decode::Undecodable;
use crate::proto::radius::Malformed;

/// One line per reason and source in this time; what came meanwhile is told as a number.
const QUIET: Duration = Duration::from_secs(10);
/// Reasons and sources remembered; above it the longest silent one is forgotten, so a flood of forged sources makes
/// lines, but no memory.
const REMEMBERED: usize = 1_024;

/// Why a datagram was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Dropped {
    /// Its source is no router.
    UnknownRouter,
    /// It is no packet.
    Malformed(Malformed),
    /// A code that this port does not take.
    WrongCode,
    /// Its Message-Authenticator is wrong: another secret, or changed on its way.
    BadMessageAuthenticator,
    /// It must have a Message-Authenticator and has none.
    MissingMessageAuthenticator,
    /// It came through a proxy and nothing protects that.
    ProxyStateUnsigned,
    /// The Authenticator of an Accounting-Request is wrong: another secret.
    BadAccountingAuthenticator,
    /// Its first copy is being worked on.
    DuplicateInFlight,
    /// Its first copy was accepted, and what that Accept spoke of is over.
    DuplicateStale,
    /// It cannot be read as what it claims to be.
    Undecodable(Undecodable),
    /// What its EAP-Message holds is no EAP packet.
    BadEap,
    /// An EAP packet that is no answer to what was asked last.
    EapOutOfTurn,
    /// As many requests are being worked on as may be.
    Busy,
    /// As many accounting records wait as may.
    QueueFull,
    /// Its Proxy-State leaves no room for a reply.
    ReplyTooLong,
    /// The reply did not leave this machine.
    NotSent,
}

impl Dropped {
    /// The word in metrics and logs.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::UnknownRouter => "unknown_router",
            Self::Malformed(malformed) => malformed.label(),
            Self::WrongCode => "wrong_code",
            Self::BadMessageAuthenticator => "bad_message_authenticator",
            Self::MissingMessageAuthenticator => "missing_message_authenticator",
            Self::ProxyStateUnsigned => "proxy_state_unsigned",
            Self::BadAccountingAuthenticator => "bad_accounting_authenticator",
            Self::DuplicateInFlight => "duplicate_in_flight",
            Self::DuplicateStale => "duplicate_stale",
            Self::Undecodable(undecodable) => undecodable.word(),
            Self::BadEap => "bad_eap",
            Self::EapOutOfTurn => "eap_out_of_turn",
            Self::Busy => "busy",
            Self::QueueFull => "queue_full",
            Self::ReplyTooLong => "reply_too_long",
            Self::NotSent => "not_sent",
        }
    }

    /// What an operator can do about it; empty where the word says all.
    pub(super) const fn hint(self) -> &'static str {
        match self {
            Self::UnknownRouter => "no router has this address: add it, or look at the router's src-address",
            Self::BadMessageAuthenticator | Self::BadAccountingAuthenticator => {
                "the secret here is not the one in /radius of the router"
            }
            Self::MissingMessageAuthenticator => {
                "a Message-Authenticator is demanded: set require-message-auth in /radius, or demand none of this router"
            }
            Self::Busy | Self::QueueFull => "the database is too slow or does not answer",
            _ => "",
        }
    }

    /// Whether it happens every day on a network that loses packets.
    const fn is_routine(self) -> bool {
        matches!(self, Self::DuplicateInFlight | Self::DuplicateStale)
    }
}

/// The lines of the log, held back where they repeat.
#[derive(Default)]
pub(super) struct Log(Mutex<HashMap<(&'static str, IpAddr), Line>>);

/// A line that was written.
struct Line {
    at: Instant,
    held_back: u64,
}

impl Log {
    /// Writes that a datagram from `source` was dropped, unless the same was written a moment ago.
    pub(super) fn write(&self, dropped: Dropped, source: IpAddr, now: Instant) {
        let Some(held_back) = self.admit(dropped.word(), source, now) else { return };
        let (reason, hint) = (dropped.word(), dropped.hint());
        if dropped.is_routine() {
            tracing::debug!(%source, reason, held_back, "dropped without an answer");
        } else {
            tracing::warn!(%source, reason, held_back, hint, "dropped without an answer");
        }
    }

    /// How many lines of this reason and source were held back since the last one, if this one may be written.
    pub(super) fn admit(&self, reason: &'static str, source: IpAddr, now: Instant) -> Option<u64> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get_mut(&(reason, source)) {
            if now.saturating_duration_since(line.at) < QUIET {
                line.held_back = line.held_back.saturating_add(1);
                return None;
            }
            line.at = now;
            return Some(std::mem::take(&mut line.held_back));
        }
        if lines.len() >= REMEMBERED {
            make_room(&mut lines, now);
        }
        lines.insert((reason, source), Line { at: now, held_back: 0 });
        Some(0)
    }
}

/// Forgets the lines that may be written again anyway; if there is none, the oldest.
fn make_room(lines: &mut HashMap<(&'static str, IpAddr), Line>, now: Instant) {
    lines.retain(|_, line| now.saturating_duration_since(line.at) < QUIET);
    if lines.len() >= REMEMBERED
        && let Some(oldest) = lines.iter().min_by_key(|(_, line)| line.at).map(|(key, _)| *key)
    {
        lines.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_lines_are_held_back_and_counted() {
        let (log, start) = (Log::default(), Instant::now());
        let source = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(log.admit("short", source, start), Some(0));
        assert_eq!(log.admit("short", source, start + QUIET / 2), None);
        assert_eq!(log.admit("busy", source, start), Some(0));
        assert_eq!(log.admit("short", IpAddr::from([192, 0, 2, 2]), start), Some(0));
        assert_eq!(log.admit("short", source, start + QUIET), Some(1));
        assert_eq!(log.admit("short", source, start + QUIET * 2), Some(0));
    }

    #[test]
    fn forged_sources_do_not_fill_the_memory() {
        let (log, start) = (Log::default(), Instant::now());
        for source in 0..3_000_u32 {
            log.admit("short", IpAddr::from(source.to_be_bytes()), start);
        }
        assert_eq!(log.0.lock().unwrap().len(), REMEMBERED);
    }
}
