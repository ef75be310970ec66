//! The session: the right to be connected with one account until a time, from known callers; a pure state machine.
//!
//! `now ≥ until` is tested before every event, so a late press finds [`State::Ended`]; `Ended` absorbs everything.

use std::time::Duration;

use super::connection::{Place, Presence};
use super::id::{AccountId, ConnectionId, SessionId, UserId};
use super::policy::{ExtraProtection, NewAddress, Policy};
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
        [Self::Request, Self::Knock, Self::Grant].into_iter().find(|origin| origin.word() == word)
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
        [Self::Admitted, Self::Confirmed, Self::Refused].into_iter().find(|standing| standing.word() == word)
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

/// What happens to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Granted again while open: the later limit holds. A knock's yes brings the caller that it showed.
    Renewed {
        /// The new limit.
        until: Timestamp,
        /// The confirmed caller of a knock.
        caller: Option<Place>,
    },
    /// A dial was admitted.
    Admitted(Place),
    /// First sight of a connection, by Start or Interim.
    Seen {
        /// The connection.
        connection: ConnectionId,
        /// Its caller.
        place: Option<Place>,
    },
    /// "Yes, it is me", or an operator's confirm.
    Confirmed(ConnectionId),
    /// "Cut it".
    Declined(ConnectionId),
    /// The deadline of the question passed.
    Unanswered(ConnectionId),
    /// "Not me".
    NotMe,
    /// The connection went down.
    Stopped(ConnectionId),
    /// Nothing was heard of the connection for long; it may still be up, so this never leads to an end.
    Lost(ConnectionId),
    /// More time.
    Extended {
        /// How much.
        by: Duration,
        /// On whose word.
        who: Extender,
    },
    /// Over.
    Ended {
        /// Why.
        reason: EndReason,
        /// What becomes of its connections.
        connections: Fate,
    },
    /// Time passed.
    Due,
}

/// On whose word a session is extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extender {
    /// The person; counts against `max_extensions`.
    Person,
    /// An operator; does not count.
    Operator,
}

/// What becomes of the connections of an ended session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// They are cut.
    Cut,
    /// They run on until they drop by themselves ("revoke only").
    Kept,
}

/// What must follow a change, in the same transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Ask "is it you?".
    Ask {
        /// About which connection.
        connection: ConnectionId,
        /// Until when it can be answered.
        until: Timestamp,
    },
    /// The question about this connection is void.
    Withdraw(ConnectionId),
    /// Cut this connection.
    Cut(ConnectionId),
    /// Lock the account and alarm the operators.
    Lock,
    /// The session is over: withdraw its prompts, settle its connections, tell the person.
    Over {
        /// Why.
        reason: EndReason,
        /// What becomes of the connections.
        connections: Fate,
    },
}

/// What an event did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The session as it is now, and what must follow.
    Changed(Box<Session>, Vec<Effect>),
    /// Nothing.
    Unchanged(Why),
}

/// Why an event did nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The session is over.
    Over,
    /// The connection is gone.
    HungUp,
    /// It is so already.
    Already,
    /// The person may not extend any more.
    NoMoreExtensions,
    /// The limit is as far as it may be.
    AtTheLimit,
    /// Nothing is due.
    NotDue,
    /// The session has as many callers as it may have.
    TooManyCallers,
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

    /// What `event` makes of the session at `now`.
    pub fn apply(&self, event: &Event, policy: &Policy, now: Timestamp) -> Applied {
        if !self.is_open() {
            return Applied::Unchanged(Why::Over);
        }
        if let Some(reason) = self.due(policy, now) {
            return self.clone().over(reason, Fate::Cut, now);
        }
        let next = self.clone();
        match event {
            Event::Renewed { until, caller } => next.renewed(*until, caller.as_ref(), now),
            Event::Admitted(place) => next.admitted(place, Standing::Admitted),
            Event::Seen { connection, place } => next.seen(*connection, place.clone(), policy, now),
            Event::Confirmed(connection) => next.confirmed(*connection, now),
            Event::Declined(connection) => next.cut(*connection, EndReason::Denied, now),
            Event::Unanswered(connection) => next.unanswered(*connection, now),
            Event::NotMe => next.not_me(now),
            Event::Stopped(connection) => next.stopped(*connection, policy.end_on_disconnect, now),
            Event::Lost(connection) => next.stopped(*connection, None, now),
            Event::Extended { by, who } => next.extended(*by, *who, policy, now),
            Event::Ended { reason, connections } => next.over(*reason, *connections, now),
            Event::Due => Applied::Unchanged(Why::NotDue),
        }
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

    fn renewed(mut self, until: Timestamp, caller: Option<&Place>, now: Timestamp) -> Applied {
        let until = until.min(now + LONGEST).max(self.until);
        let later = until > self.until;
        self.until = until;
        if later && self.state == State::Granted {
            // The time to use it within begins anew.
            self.created_at = now;
        }
        let restarted = self.ends_at.take().is_some();
        let Some(place) = caller else {
            return if later || restarted { changed(self) } else { Applied::Unchanged(Why::Already) };
        };
        self.admitted(place, Standing::Confirmed)
    }

    /// A caller is let in. For one whom the person said yes to, the oldest that is not connected makes room.
    fn admitted(mut self, place: &Place, standing: Standing) -> Applied {
        if standing == Standing::Confirmed && self.caller(place).is_none() && self.callers.len() >= CALLERS {
            let idle =
                |caller: &Caller| !self.connections.iter().any(|held| held.place.as_ref() == Some(&caller.place));
            if let Some(at) = self.callers.iter().position(idle) {
                self.callers.remove(at);
            }
        }
        if let Some(known) = self.callers.iter_mut().find(|caller| caller.place == *place) {
            if standing == Standing::Confirmed {
                known.standing = standing;
            }
        } else if self.callers.len() < CALLERS {
            self.callers.push(Caller { place: place.clone(), standing });
        } else {
            return Applied::Unchanged(Why::TooManyCallers);
        }
        changed(self)
    }

    fn seen(mut self, connection: ConnectionId, place: Option<Place>, policy: &Policy, now: Timestamp) -> Applied {
        if self.connections.iter().any(|held| held.id == connection && held.presence != Presence::NotAsked) {
            // One that was taken for lost is there again.
            return if self.ends_at.take().is_some() { changed(self) } else { Applied::Unchanged(Why::Already) };
        }
        let trusted = match policy.extra_protection {
            ExtraProtection::Off => true,
            ExtraProtection::On => self.knows_well(place.as_ref()),
        };
        let until = now + policy.confirm;
        let presence = if trusted { Presence::Confirmed { at: now } } else { Presence::Asked { until } };
        self.ends_at = None;
        self.connections.retain(|held| held.id != connection);
        self.connections.push(Held { id: connection, place, presence });
        if trusted {
            self.state = State::Active;
            return changed(self);
        }
        Applied::Changed(Box::new(self), vec![Effect::Ask { connection, until }])
    }

    fn knows_well(&self, place: Option<&Place>) -> bool {
        place.and_then(|place| self.caller(place)).is_some_and(|caller| caller.standing == Standing::Confirmed)
    }

    fn confirmed(mut self, connection: ConnectionId, now: Timestamp) -> Applied {
        let Some(held) = self.connections.iter_mut().find(|held| held.id == connection) else {
            return Applied::Unchanged(Why::HungUp);
        };
        match held.presence {
            Presence::Confirmed { .. } => return Applied::Unchanged(Why::Already),
            Presence::Asked { until } if now >= until => return self.unanswered(connection, now),
            Presence::Asked { .. } | Presence::NotAsked => held.presence = Presence::Confirmed { at: now },
        }
        let place = held.place.clone();
        self.state = State::Active;
        self.ends_at = None;
        let withdraw = Effect::Withdraw(connection);
        let kept = match &place {
            Some(place) => self.clone().admitted(place, Standing::Confirmed),
            None => Applied::Unchanged(Why::Already),
        };
        match kept {
            Applied::Changed(session, _) => Applied::Changed(session, vec![withdraw]),
            Applied::Unchanged(_) => Applied::Changed(Box::new(self), vec![withdraw]),
        }
    }

    fn unanswered(self, connection: ConnectionId, now: Timestamp) -> Applied {
        match self.connections.iter().find(|held| held.id == connection).map(|held| held.presence) {
            None => Applied::Unchanged(Why::HungUp),
            Some(Presence::Asked { until }) if now >= until => self.cut(connection, EndReason::Unanswered, now),
            Some(Presence::Asked { .. } | Presence::NotAsked) => Applied::Unchanged(Why::NotDue),
            Some(Presence::Confirmed { .. }) => Applied::Unchanged(Why::Already),
        }
    }

    /// One connection is cut, and its caller is a stranger from now on; without another confirmed one all is over.
    fn cut(mut self, connection: ConnectionId, reason: EndReason, now: Timestamp) -> Applied {
        let Some(held) = self.connections.iter().find(|held| held.id == connection).cloned() else {
            return Applied::Unchanged(Why::HungUp);
        };
        let another = self
            .connections
            .iter()
            .any(|other| other.id != connection && matches!(other.presence, Presence::Confirmed { .. }));
        if !another {
            return self.over(reason, Fate::Cut, now);
        }
        self.connections.retain(|other| other.id != connection);
        for caller in self.callers.iter_mut().filter(|caller| Some(&caller.place) == held.place.as_ref()) {
            if caller.standing == Standing::Admitted {
                caller.standing = Standing::Refused;
            }
        }
        Applied::Changed(Box::new(self), vec![Effect::Withdraw(connection), Effect::Cut(connection)])
    }

    fn not_me(self, now: Timestamp) -> Applied {
        match self.over(EndReason::Denied, Fate::Cut, now) {
            Applied::Changed(session, mut effects) => {
                effects.push(Effect::Lock);
                Applied::Changed(session, effects)
            }
            unchanged @ Applied::Unchanged(_) => unchanged,
        }
    }

    fn stopped(mut self, connection: ConnectionId, countdown: Option<Duration>, now: Timestamp) -> Applied {
        let Some(at) = self.connections.iter().position(|held| held.id == connection) else {
            return Applied::Unchanged(Why::HungUp);
        };
        let gone = self.connections.remove(at);
        // A connection that is being asked about is the redial of one that was confirmed: it stops the countdown.
        let last = gone.presence != Presence::NotAsked
            && !self.connections.iter().any(|held| held.presence != Presence::NotAsked);
        if let (State::Active, true, Some(after)) = (self.state, last, countdown) {
            self.ends_at = Some(now + after);
        }
        match gone.presence {
            Presence::Asked { .. } => Applied::Changed(Box::new(self), vec![Effect::Withdraw(connection)]),
            Presence::Confirmed { .. } | Presence::NotAsked => changed(self),
        }
    }

    fn extended(mut self, by: Duration, who: Extender, policy: &Policy, now: Timestamp) -> Applied {
        if who == Extender::Person {
            if policy.max_extensions.is_some_and(|most| self.extensions >= most) {
                return Applied::Unchanged(Why::NoMoreExtensions);
            }
            self.extensions += 1;
        }
        let until = (self.until + by).min(now + LONGEST);
        if until <= self.until {
            return Applied::Unchanged(Why::AtTheLimit);
        }
        self.until = until;
        changed(self)
    }

    fn over(mut self, reason: EndReason, connections: Fate, now: Timestamp) -> Applied {
        self.state = State::Ended { reason, at: now };
        self.ends_at = None;
        Applied::Changed(Box::new(self), vec![Effect::Over { reason, connections }])
    }
}

fn changed(session: Session) -> Applied {
    Applied::Changed(Box::new(session), Vec::new())
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
