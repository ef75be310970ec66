//! Why a datagram gets no answer: counted each time, logged at most once per reason and source in ten seconds, and for so many
//! sources of a reason in that time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::decode::Undecodable;
use crate::gate::Gate;
use crate::proto::radius::{Malformed, eap};

/// One line per reason and source in this time; what came meanwhile is told as a number.
const QUIET: Duration = Duration::from_secs(10);
/// Lines of one reason in this time, whatever the sources: those may be forged, and a disk is soon full.
const LINES: u32 = 20;
/// Reasons and sources remembered; above it the longest silent one is forgotten.
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
    /// It is neither signed nor brings anything that could be held against the secret.
    NothingProven,
    /// The Authenticator of an Accounting-Request is wrong: another secret.
    BadAccountingAuthenticator,
    /// Its first copy is being worked on.
    DuplicateInFlight,
    /// Its first copy was accepted, and what that Accept spoke of is over.
    DuplicateStale,
    /// It cannot be read as what it claims to be.
    Undecodable(Undecodable),
    /// What its EAP-Message holds is no EAP packet.
    BadEap(eap::Malformed),
    /// An EAP packet that is no answer to what was asked last.
    EapOutOfTurn,
    /// As many datagrams of its router wait as may.
    Crowded,
    /// As many requests are being worked on as may be.
    Busy,
    /// As many accounting records wait as may.
    QueueFull,
    /// Its Proxy-State leaves no room for a reply.
    ReplyTooLong,
    /// The reply did not leave this machine.
    NotSent,
    /// A reply to a Disconnect- or CoA-Request is not signed by who was asked.
    ForgedReply,
    /// A reply that nothing was asked for, or no longer.
    StrayReply,
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
            Self::NothingProven => "nothing_proven",
            Self::BadAccountingAuthenticator => "bad_accounting_authenticator",
            Self::DuplicateInFlight => "duplicate_in_flight",
            Self::DuplicateStale => "duplicate_stale",
            Self::Undecodable(undecodable) => undecodable.word(),
            Self::BadEap(malformed) => malformed.label(),
            Self::EapOutOfTurn => "eap_out_of_turn",
            Self::Crowded => "crowded",
            Self::Busy => "busy",
            Self::QueueFull => "queue_full",
            Self::ReplyTooLong => "reply_too_long",
            Self::NotSent => "not_sent",
            Self::ForgedReply => "forged_reply",
            Self::StrayReply => "stray_reply",
        }
    }

    /// What an operator can do about it.
    pub(super) const fn hint(self) -> &'static str {
        match self {
            Self::UnknownRouter => "no router has this address: add it, or look at the router's src-address",
            Self::Malformed(_) | Self::WrongCode | Self::Undecodable(_) | Self::BadEap(_) | Self::EapOutOfTurn => {
                "no working router sends this: look at what has this address, or shut it out in the firewall"
            }
            Self::BadMessageAuthenticator | Self::BadAccountingAuthenticator | Self::ForgedReply => {
                "the secret here is not the one in /radius of the router"
            }
            Self::MissingMessageAuthenticator => {
                "a Message-Authenticator is demanded: set require-message-auth in /radius, or demand none of this router"
            }
            Self::ProxyStateUnsigned | Self::NothingProven => {
                "nothing in it proves the secret: set require-message-auth in /radius"
            }
            Self::DuplicateInFlight | Self::DuplicateStale => "the router asked again; it happens every day",
            Self::StrayReply => "the router's answer came too late",
            Self::Crowded => "more comes from this router's address than can be answered: look at what floods it",
            Self::Busy | Self::QueueFull => {
                "the database is too slow or does not answer, or somebody floods this router"
            }
            Self::ReplyTooLong => "the proxies between leave no room for an answer, or too many attributes are set",
            Self::NotSent => "look at the network of this machine",
        }
    }

    /// Whether it happens every day on a network that loses packets.
    const fn is_routine(self) -> bool {
        matches!(self, Self::DuplicateInFlight | Self::DuplicateStale | Self::StrayReply)
    }
}

/// The lines of the log, held back where they repeat.
#[derive(Default)]
pub(super) struct Log(Mutex<Lines>);

#[derive(Default)]
struct Lines {
    of_sources: HashMap<(&'static str, IpAddr), Line>,
    of_reasons: HashMap<&'static str, Burst>,
}

/// A line that was written.
struct Line {
    at: Instant,
    held_back: u64,
}

/// The lines of one reason since `began`.
struct Burst {
    began: Instant,
    written: u32,
    held_back: u64,
}

impl Log {
    /// A datagram is not taken: counted, and told the operator.
    pub(super) fn dismiss(&self, gate: &Gate, dropped: Dropped, source: IpAddr) {
        gate.metrics().dropped(dropped.word());
        // Strangers have a list of their own.
        if dropped != Dropped::UnknownRouter {
            gate.note_unanswered(source, dropped.word(), dropped.hint());
        }
        self.write(dropped, source, Instant::now());
    }

    /// Writes that a datagram from `source` was dropped, unless the same was written a moment ago.
    fn write(&self, dropped: Dropped, source: IpAddr, now: Instant) {
        let Some(held_back) = self.admit(dropped.word(), source, now) else { return };
        let (reason, hint) = (dropped.word(), dropped.hint());
        if dropped.is_routine() {
            tracing::debug!(%source, reason, held_back, "dropped without an answer");
        } else {
            tracing::warn!(%source, reason, held_back, hint, "dropped without an answer");
        }
    }

    /// How many lines of this reason and source were held back since the last one, if this one may be written. The first of a
    /// reason in ten seconds also tells of those of other sources that were too many.
    pub(super) fn admit(&self, reason: &'static str, source: IpAddr, now: Instant) -> Option<u64> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = &mut *lines;
        let known = lines.of_sources.get_mut(&(reason, source));
        if let Some(line) = known.filter(|line| now.saturating_duration_since(line.at) < QUIET) {
            line.held_back = line.held_back.saturating_add(1);
            return None;
        }
        let of_others = lines.of_reasons.entry(reason).or_insert(Burst::new(now)).admit(now)?;
        if lines.of_sources.len() >= REMEMBERED {
            make_room(&mut lines.of_sources, now);
        }
        let before = lines.of_sources.insert((reason, source), Line { at: now, held_back: 0 });
        Some(before.map_or(0, |line| line.held_back).saturating_add(of_others))
    }
}

impl Burst {
    const fn new(began: Instant) -> Self {
        Self { began, written: 0, held_back: 0 }
    }

    /// How many were held back before, if there may be one more line.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        let mut held_back = 0;
        if now.saturating_duration_since(self.began) >= QUIET {
            held_back = self.held_back;
            *self = Self::new(now);
        }
        if self.written >= LINES {
            self.held_back = self.held_back.saturating_add(1);
            return None;
        }
        self.written += 1;
        Some(held_back)
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
    fn forged_sources_fill_neither_the_disk_nor_the_memory() {
        let (log, start) = (Log::default(), Instant::now());
        let admitted = |range: std::ops::Range<u32>, now| {
            range.filter_map(|source| log.admit("short", IpAddr::from(source.to_be_bytes()), now)).collect::<Vec<u64>>()
        };
        assert_eq!(admitted(0..3_000, start), [0; LINES as usize]);
        assert_eq!(log.admit("busy", IpAddr::from([192, 0, 2, 1]), start), Some(0), "another reason has its own lines");
        assert_eq!(log.0.lock().unwrap().of_sources.len(), LINES as usize + 1);
        // The first line after that tells of all that were too many.
        assert_eq!(admitted(5_000..5_002, start + QUIET), [3_000 - u64::from(LINES), 0]);
        for round in 0..100 {
            admitted(0..3_000, start + QUIET * (round + 2));
        }
        assert!(log.0.lock().unwrap().of_sources.len() <= REMEMBERED);
    }
}
