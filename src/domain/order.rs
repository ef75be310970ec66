//! Orders: what a running connection is to be changed to, by a CoA-Request to its router (RFC 5176 §2.2).

use std::time::Duration;

use super::habits::SessionTimeout;
use crate::clock::Timestamp;

/// How an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderState {
    /// The router has not said yes or no yet: it is tried again.
    Pending,
    /// CoA-ACK.
    Acknowledged,
    /// The router does not do it, or never answered.
    Refused,
    /// It does not matter any more.
    Void,
}

impl OrderState {
    const ALL: [Self; 4] = [Self::Pending, Self::Acknowledged, Self::Refused, Self::Void];

    /// The word in SQL and lists.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Acknowledged => "acknowledged",
            Self::Refused => "refused",
            Self::Void => "void",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// What is told of a limit: the seconds of a Session-Timeout that lets a connection which began at `started` run until
/// `until`, as the router counts them. `None` where it is not told, or there is nothing left.
pub fn session_timeout(
    habit: SessionTimeout,
    started: Timestamp,
    until: Timestamp,
    now: Timestamp,
) -> Option<Duration> {
    if until <= now {
        return None;
    }
    let left = match habit {
        SessionTimeout::Off => return None,
        SessionTimeout::FromStart => until.since(started),
        SessionTimeout::FromNow => until.since(now),
    };
    // RouterOS takes 0 for no limit at all.
    Some(Duration::from_secs(left.as_secs().max(1)))
}

/// An Error-Cause in words (RFC 5176 §3.5). They are labels of the metrics, too, and so are not the names of the dictionary in
/// force: an operator's own files must not change what is counted.
pub const fn error_cause(cause: u32) -> &'static str {
    match cause {
        201 => "residual session context removed",
        202 => "invalid EAP packet",
        401 => "unsupported attribute",
        402 => "missing attribute",
        403 => "NAS identification mismatch",
        404 => "invalid request",
        405 => "unsupported service",
        406 => "unsupported extension",
        407 => "invalid attribute value",
        501 => "administratively prohibited",
        502 => "request not routable",
        503 => "session context not found",
        504 => "session context not removable",
        505 => "other proxy processing error",
        506 => "resources unavailable",
        507 => "request initiated",
        508 => "multiple session selection unsupported",
        _ => "unknown cause",
    }
}

/// Whether a request that was refused with this Error-Cause may be taken later.
pub const fn may_pass(cause: Option<u32>) -> bool {
    matches!(cause, Some(502 | 505 | 506))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dictionary::Dictionary;

    #[test]
    fn every_cause_of_the_dictionary_has_words() {
        let causes = &Dictionary::embedded().named("Error-Cause").unwrap().values;
        for number in 0..1_000 {
            let is_named = causes.iter().any(|(_, known)| *known == number);
            assert_eq!(error_cause(number) != "unknown cause", is_named, "{number}");
        }
    }

    #[test]
    fn a_limit_is_told_as_the_router_counts() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let told = |habit, until| session_timeout(habit, at(100), at(until), at(160)).map(|told| told.as_secs());
        assert_eq!(told(SessionTimeout::Off, 400), None);
        assert_eq!(told(SessionTimeout::FromStart, 400), Some(300));
        assert_eq!(told(SessionTimeout::FromNow, 400), Some(240));
        assert_eq!(told(SessionTimeout::FromNow, 160), None, "nothing is left");
        let soon = session_timeout(SessionTimeout::FromNow, at(0), Timestamp::from_millis(160_200), at(160));
        assert_eq!(soon, Some(Duration::from_secs(1)), "0 would be no limit");
    }
}
