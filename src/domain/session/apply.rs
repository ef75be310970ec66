//! The state machine: what an event makes of a session, and what must follow; pure.
//!
//! `now ≥ until` is tested before every event, so a late press finds [`State::Ended`], which absorbs everything.

use std::time::Duration;

use super::{CALLERS, Caller, EndReason, Held, LONGEST, Session, Standing, State};
use crate::clock::Timestamp;
use crate::domain::connection::{Place, Presence};
use crate::domain::id::ConnectionId;
use crate::domain::policy::{ExtraProtection, Policy};

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
        /// Whether it came past our door.
        door: Passed,
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

/// Whether a connection came past our door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// It was accepted here, or the session admits its caller.
    Admitted,
    /// The router let it in by itself, and the session does not know its caller: the person is asked, whatever the policy.
    Unasked,
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
            Event::Seen { connection, place, door } => next.seen(*connection, place.clone(), *door, policy, now),
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

    fn seen(
        mut self,
        connection: ConnectionId,
        place: Option<Place>,
        door: Passed,
        policy: &Policy,
        now: Timestamp,
    ) -> Applied {
        if self.connections.iter().any(|held| held.id == connection && held.presence != Presence::NotAsked) {
            // One that was taken for lost is there again.
            return if self.ends_at.take().is_some() { changed(self) } else { Applied::Unchanged(Why::Already) };
        }
        if door == Passed::Unasked && self.refuses(place.as_ref()) {
            return Applied::Changed(Box::new(self), vec![Effect::Cut(connection)]);
        }
        let trusted = match (door, policy.extra_protection) {
            (Passed::Admitted, ExtraProtection::Off) => true,
            (Passed::Admitted, ExtraProtection::On) => self.knows_well(place.as_ref()),
            (Passed::Unasked, _) => false,
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

    fn refuses(&self, place: Option<&Place>) -> bool {
        place.and_then(|place| self.caller(place)).is_some_and(|caller| caller.standing == Standing::Refused)
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
