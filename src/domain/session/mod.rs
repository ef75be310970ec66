//! The session: the right to be connected with one account until a time, from known callers.
//!
//! What it is stands here; what happens to it, in [`apply`](Session::apply).

mod apply;

use std::time::Duration;

pub use apply::{Applied, Effect, Event, Extender, Fate, Passed, Why};

use super::connection::{Place, Presence};
use super::id::{AccountId, ConnectionId, SessionId, UserId};
use super::policy::{NewAddress, Policy};
use crate::clock::Timestamp;

/// The most callers that one session admits.
pub const CALLERS: usize = 8;
/// The furthest end of a session from now: Session-Timeout never says more.
pub const LONGEST: Duration = Duration::from_secs(168 * 3600);
/// Less than this left counts as no session: the tunnel would be cut as soon as it is up.
pub const SHORTEST: Duration = Duration::from_secs(30);

/// A session with what hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The row.
    pub id: SessionId,
    /// Whose log-in.
    pub account: AccountId,
    /// Whose yes; `None` for an account without a person that an operator granted.
    pub user: Option<UserId>,
    /// How it came to be.
    pub origin: Origin,
    /// Where it stands.
    pub state: State,
    /// When it was granted.
    pub created_at: Timestamp,
    /// The limit.
    pub until: Timestamp,
    /// An earlier end, set by the last hang-up under `end_on_disconnect`; a redial clears it.
    pub ends_at: Option<Timestamp>,
    /// How often it was extended by the person.
    pub extensions: u32,
    /// The limit that the person was reminded of.
    pub reminded_for: Option<Timestamp>,
    /// Who may dial.
    pub callers: Vec<Caller>,
    /// The open connections, oldest first.
    pub connections: Vec<Held>,
}

/// How a session came to be: each is an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The person asked for it in the bot.
    Request,
    /// The person said yes to a knock.
    Knock,
    /// An operator granted it.
    Grant,
}

impl Origin {
    /// Every one.
    pub const ALL: [Origin; 3] = [Self::Request, Self::Knock, Self::Grant];

    /// The word in SQL.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Knock => "knock",
            Self::Grant => "grant",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|origin| origin.word() == word)
    }
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not used yet.
    Granted,
    /// Had a confirmed connection.
    Active,
    /// Over, for good.
    Ended {
        /// Why.
        reason: EndReason,
        /// When.
        at: Timestamp,
    },
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// Its limit came.
    Expired,
    /// The person ended it.
    ByUser,
    /// An operator ended it.
    ByOperator,
    /// The person said that it was not them, or cut the only connection.
    Denied,
    /// "Is it you?" stayed without an answer.
    Unanswered,
    /// Never used in time.
    Unused,
    /// The last connection went down and nobody redialled in time.
    Disconnected,
    /// The user or account lost the right.
    Revoked,
}

impl EndReason {
    /// All reasons.
    pub const ALL: [EndReason; 8] = [
        Self::Expired,
        Self::ByUser,
        Self::ByOperator,
        Self::Denied,
        Self::Unanswered,
        Self::Unused,
        Self::Disconnected,
        Self::Revoked,
    ];

    /// The word in SQL, logs and text keys.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::ByUser => "by_user",
            Self::ByOperator => "by_operator",
            Self::Denied => "denied",
            Self::Unanswered => "unanswered",
            Self::Unused => "unused",
            Self::Disconnected => "disconnected",
            Self::Revoked => "revoked",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }
}

/// A caller of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Where it dials from.
    pub place: Place,
    /// How it stands.
    pub standing: Standing,
}

/// How a caller stands with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Let in, but not confirmed by the person.
    Admitted,
    /// Confirmed by the person or an operator.
    Confirmed,
    /// The person cut its connection: a stranger from now on.
    Refused,
}

impl Standing {
    /// Every one.
    pub const ALL: [Standing; 3] = [Self::Admitted, Self::Confirmed, Self::Refused];

    /// The word in SQL.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Confirmed => "confirmed",
            Self::Refused => "refused",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.word() == word)
    }
}

/// An open connection of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The row.
    pub id: ConnectionId,
    /// Where it comes from, if the router said so.
    pub place: Option<Place>,
    /// Whether it is known to be the person's.
    pub presence: Presence,
}

/// Whether a session admits a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is known: nothing to write.
    Known(Standing),
    /// The first caller of a session asked for in the bot or granted: to be written, and the person told.
    First,
    /// Let in by the policy `new_address`: to be written, and the person told.
    Alike,
    /// As if there were no session.
    Stranger,
}

impl Session {
    /// Whether it is not over by its state; its limit may have passed all the same: see [`Session::is_valid`].
    pub const fn is_open(&self) -> bool {
        !matches!(self.state, State::Ended { .. })
    }

    /// Whether it gives a right at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.is_open() && now < self.end()
    }

    /// When it ends if nothing happens.
    pub fn end(&self) -> Timestamp {
        self.ends_at.map_or(self.until, |ends_at| ends_at.min(self.until))
    }

    /// Whether it admits a dial from `place`.
    pub fn admission(&self, place: Option<&Place>, new_address: NewAddress) -> Admission {
        let Some(place) = place else {
            return if new_address == NewAddress::Allow { Admission::Alike } else { Admission::Stranger };
        };
        if let Some(caller) = self.caller(place) {
            return match caller.standing {
                Standing::Refused => Admission::Stranger,
                standing => Admission::Known(standing),
            };
        }
        if self.callers.len() >= CALLERS {
            return Admission::Stranger;
        }
        if self.callers.is_empty() && self.origin != Origin::Knock {
            return Admission::First;
        }
        let alike = match new_address {
            NewAddress::Ask => false,
            NewAddress::Allow => true,
            NewAddress::SameNetwork => self.neighbour(place),
        };
        if alike { Admission::Alike } else { Admission::Stranger }
    }

    fn caller(&self, place: &Place) -> Option<&Caller> {
        self.callers.iter().find(|caller| caller.place == *place)
    }

    fn neighbour(&self, place: &Place) -> bool {
        self.callers.iter().any(|caller| caller.standing != Standing::Refused && caller.place.same_network(place))
    }

    /// The reason for which the session is over at `now`, whatever else happens.
    pub fn due(&self, policy: &Policy, now: Timestamp) -> Option<EndReason> {
        if now >= self.until {
            return Some(EndReason::Expired);
        }
        if self.ends_at.is_some_and(|ends_at| now >= ends_at) {
            return Some(EndReason::Disconnected);
        }
        let unused = self.unused_at(policy).is_some_and(|unused_at| now >= unused_at);
        unused.then_some(EndReason::Unused)
    }

    /// When the session ends unused, if it is to be used within a time and has not been.
    pub fn unused_at(&self, policy: &Policy) -> Option<Timestamp> {
        let waiting = self.state == State::Granted && self.connections.is_empty();
        policy.use_within.filter(|_| waiting).map(|within| self.created_at + within)
    }

    /// When the person is to be reminded of the limit, unless they were.
    pub fn remind_at(&self, policy: &Policy) -> Option<Timestamp> {
        let wanted = self.user.is_some() && self.reminded_for != Some(self.until);
        if wanted { policy.remind_at(self.created_at, self.until) } else { None }
    }

    /// When something is next due: the end, the end unused, or the reminder.
    pub fn next_due(&self, policy: &Policy) -> Timestamp {
        [self.unused_at(policy), self.remind_at(policy)].into_iter().flatten().fold(self.end(), Timestamp::min)
    }
}

#[cfg(test)]
mod tests;
