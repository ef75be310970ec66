//! The decision about one dial whose password is proven: accept, admit a new caller, knock, or refuse; pure.

use std::net::IpAddr;
use std::time::Duration;

use super::account::{Account, Holder, Lock, Switch};
use super::connection::{OpenConnection, Place};
use super::credential::Proof;
use super::hours::Gate;
use super::id::{ConnectionId, RouterId, SessionId};
use super::policy::{ExtraProtection, OverLimit, Policy, WithoutSession};
use super::reason::Reason;
use super::router::{Leases, NasKey, Router};
use super::session::{Admission, LONGEST, SHORTEST, Session, Standing};
use super::user::{User, UserState};
use crate::clock::Timestamp;

/// An unconfirmed connection lives this long beyond the deadline of its question, even if radgram dies.
pub const UNCONFIRMED_GRACE: Duration = Duration::from_secs(30);
/// An Accept holds its slot until its Start, at most this long.
pub const SLOT: Duration = Duration::from_secs(60);

/// One Access-Request, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The box it comes from.
    pub nas: NasKey,
    /// User-Name, raw.
    pub user_name: Vec<u8>,
    /// The proof of the password; `None` if it brought none that we take.
    pub proof: Option<Proof>,
    /// Service-Type.
    pub service: Service,
    /// Calling-Station-Id.
    pub station: Option<String>,
    /// Acct-Session-Id that the connection will have.
    pub acct_session_id: Option<String>,
    /// NAS-IP-Address.
    pub nas_ip: Option<IpAddr>,
    /// Our address that the packet was sent to.
    pub server: Option<IpAddr>,
    /// When it arrived.
    pub arrived: Timestamp,
}

impl Request {
    /// Where it dials from, if the router said so.
    pub fn place(&self) -> Option<Place> {
        let station = self.station.as_ref().filter(|station| !station.is_empty())?;
        Some(Place { router: self.nas.router, station: station.clone() })
    }

    /// The slot that it holds once it is accepted.
    pub fn slot(&self, session: Option<SessionId>, place: Option<Place>) -> Slot {
        Slot {
            session,
            nas: self.nas.clone(),
            acct_session_id: self.acct_session_id.clone(),
            user_name: self.user_name.clone(),
            place,
            nas_ip: self.nas_ip,
            server: self.server,
            at: self.arrived,
        }
    }
}

/// What the log-in is for (Service-Type, RFC 2865 §5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Framed, or not said: a VPN.
    Vpn,
    /// Anything else: Winbox, SSH, HotSpot.
    Other(u32),
}

/// What is known of an account when it is dialled.
#[derive(Debug, Clone, Copy)]
pub struct Door<'a> {
    /// The account.
    pub account: &'a Account,
    /// Its person.
    pub user: Option<&'a User>,
    /// Its policy.
    pub policy: &'a Policy,
    /// Its open session.
    pub session: Option<&'a Session>,
    /// Its open connections, oldest first.
    pub open: &'a [OpenConnection],
    /// Its Accepts that wait for their Start.
    pub slots: &'a [Slot],
    /// The routers on which a firewall rule is bound to it.
    pub rules: &'a [RouterId],
}

/// An Accept that waits for its Start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Which session it speaks of; `None` for an account without a person.
    pub session: Option<SessionId>,
    /// The box.
    pub nas: NasKey,
    /// Acct-Session-Id of the request.
    pub acct_session_id: Option<String>,
    /// User-Name, raw.
    pub user_name: Vec<u8>,
    /// Where it dials from.
    pub place: Option<Place>,
    /// NAS-IP-Address.
    pub nas_ip: Option<IpAddr>,
    /// Our address.
    pub server: Option<IpAddr>,
    /// When it was given.
    pub at: Timestamp,
}

/// What becomes of a dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Accept; nothing has to be written before.
    Accept(Permit),
    /// Accept once the caller is written to the session.
    Admit(SessionId, Place, Permit),
    /// Reject, and ask the person.
    Knock(Reason),
    /// Ask the person, and answer when they have.
    Hold(Reason),
    /// Reject.
    Refuse(Reason),
}

/// What an Accept says and causes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// The session; `None` for an account without a person.
    pub session: Option<SessionId>,
    /// Session-Timeout.
    pub timeout: Duration,
    /// Acct-Interim-Interval.
    pub interim: Duration,
    /// The connections that this dial replaces: to be cut.
    pub replaces: Vec<ConnectionId>,
}

/// The router a dial comes through, as far as the rules look at it.
#[derive(Debug, Clone, Copy)]
pub struct Through<'a> {
    /// Which.
    pub id: RouterId,
    /// Its name, for the policy `routers`.
    pub name: &'a str,
    /// Whether its firewall asks for leases.
    pub leases: Leases,
}

impl<'a> Through<'a> {
    /// The router as the rules look at it.
    pub fn of(router: &'a Router) -> Self {
        Self { id: router.id, name: &router.name, leases: router.leases }
    }
}

impl Door<'_> {
    /// What becomes of a dial from `place` whose password is proven.
    pub fn decide(&self, router: Through<'_>, place: Option<&Place>, now: Timestamp) -> Decision {
        let hours_end = match self.standing(router, place, now) {
            Ok(hours_end) => hours_end,
            Err(reason) => return Decision::Refuse(reason),
        };
        let (session, admission) = match self.right(place, now) {
            Ok(right) => right,
            Err(decision) => return decision,
        };
        // An earlier end after a hang-up does not count: this very redial clears it.
        let end = session.map_or(now + LONGEST, |session| session.until).min(hours_end.unwrap_or(now + LONGEST));
        let left = end.since(now);
        if left < SHORTEST {
            return Decision::Refuse(Reason::SessionEnding);
        }
        let replaces = match self.room(place, now) {
            Ok(replaces) => replaces,
            Err(reason) => return Decision::Refuse(reason),
        };
        let timeout = self.timeout(session, admission, router, left);
        let permit =
            Permit { session: session.map(|session| session.id), timeout, interim: self.policy.interim, replaces };
        match (session, admission, place) {
            (Some(session), Admission::First | Admission::Alike, Some(place)) => {
                Decision::Admit(session.id, place.clone(), permit)
            }
            _ => Decision::Accept(permit),
        }
    }

    /// Whether the account may be used at all, there and then (§3.5); gives the end of the allowed hours.
    ///
    /// # Errors
    /// Why not.
    pub fn standing(
        &self,
        router: Through<'_>,
        place: Option<&Place>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Reason> {
        self.may_hold()?;
        let routers = &self.policy.routers;
        if !routers.is_empty() && !routers.iter().any(|name| name == router.name) {
            return Err(Reason::RouterNotAllowed);
        }
        let networks = &self.policy.source_networks;
        let address = place.and_then(Place::address);
        if !networks.is_empty()
            && !address.is_some_and(|address| networks.iter().any(|network| network.contains(&address)))
        {
            return Err(Reason::OutsideNetworks);
        }
        match self.policy.allowed_hours.at(now, &self.policy.time_zone) {
            Gate::Always => Ok(None),
            Gate::OpenUntil(end) => Ok(Some(end)),
            Gate::Shut => Err(Reason::OutsideHours),
        }
    }

    fn person(&self) -> Result<(), Reason> {
        match self.user.map(|user| user.state) {
            Some(UserState::Approved) => Ok(()),
            Some(UserState::Pending) => Err(Reason::UserPending),
            Some(UserState::Rejected) => Err(Reason::UserRejected),
            Some(UserState::Blocked) => Err(Reason::UserBlocked),
            None if self.account.holder == Holder::Machine => Ok(()),
            None => Err(Reason::Unbound),
        }
    }

    /// The session that admits the caller, or what happens without one (§3.6).
    fn right(&self, place: Option<&Place>, now: Timestamp) -> Result<(Option<&Session>, Admission), Decision> {
        let valid = self.session.filter(|session| session.is_valid(now));
        let admission = valid.map_or(Admission::Stranger, |session| session.admission(place, self.policy.new_address));
        if admission != Admission::Stranger {
            return Ok((valid, admission));
        }
        let reason = if valid.is_some() { Reason::NewCaller } else { Reason::NoSession };
        match self.policy.without_session {
            WithoutSession::Allow if self.is_tied_machine() => Ok((None, admission)),
            WithoutSession::Allow => Err(Decision::Refuse(Reason::AllowNotTied)),
            WithoutSession::Knock if self.user.is_some() => Err(Decision::Knock(reason)),
            WithoutSession::Hold if self.user.is_some() => Err(Decision::Hold(reason)),
            WithoutSession::Knock | WithoutSession::Hold | WithoutSession::Reject => Err(Decision::Refuse(reason)),
        }
    }

    /// Whether `without_session = allow` holds here: a machine's account, bound to nobody and tied to source networks.
    fn is_tied_machine(&self) -> bool {
        let nobodys = self.account.user.is_none() && self.user.is_none();
        self.account.holder == Holder::Machine && nobodys && !self.policy.source_networks.is_empty()
    }

    /// Whether a machine's connection may be up without a session: as it is allowed and usable now. Where and when it
    /// dialled was decided at its Accept.
    pub fn lets_machine_in(&self) -> bool {
        self.policy.without_session == WithoutSession::Allow && self.is_tied_machine() && self.may_hold().is_ok()
    }

    fn usable(&self) -> Result<(), Reason> {
        match (self.account.switch, self.account.lock) {
            (Switch::Disabled, _) => Err(Reason::AccountDisabled),
            (Switch::Enabled, Lock::Locked) => Err(Reason::AccountLocked),
            (Switch::Enabled, Lock::Open) => Ok(()),
        }
    }

    /// Whether the right to be connected may be held at all: person approved, account enabled and not locked.
    ///
    /// # Errors
    /// Why not.
    pub fn may_hold(&self) -> Result<(), Reason> {
        self.person()?;
        self.usable()
    }

    /// An unconfirmed connection may have to be short.
    fn timeout(
        &self,
        session: Option<&Session>,
        admission: Admission,
        router: Through<'_>,
        left: Duration,
    ) -> Duration {
        let confirmed = admission == Admission::Known(Standing::Confirmed);
        let asked = session.is_some() && self.policy.extra_protection == ExtraProtection::On && !confirmed;
        let most = if asked { self.longest_unconfirmed(Some((router.id, router.leases))) } else { LONGEST };
        left.min(most)
    }

    /// How long a connection runs by itself that nobody has confirmed: where its traffic is not shut on the router, or the
    /// router is not known, it is to be short.
    pub fn longest_unconfirmed(&self, router: Option<(RouterId, Leases)>) -> Duration {
        match router {
            Some((id, leases)) if leases == Leases::On || self.rules.contains(&id) => LONGEST,
            Some(_) | None => self.policy.confirm + UNCONFIRMED_GRACE,
        }
    }

    /// How many connections there may be at once; `None` is no limit. A rule speaks of one connection only.
    pub fn most_connections(&self) -> Option<usize> {
        if self.rules.is_empty() { self.policy.connections.map(|limit| limit as usize) } else { Some(1) }
    }

    /// Whether there is room for one more connection (§3.7); gives what it replaces.
    fn room(&self, place: Option<&Place>, now: Timestamp) -> Result<Vec<ConnectionId>, Reason> {
        let Some(limit) = self.most_connections() else { return Ok(Vec::new()) };
        let waiting: Vec<&Slot> = self.slots.iter().filter(|slot| now < slot.at + SLOT).collect();
        let taken = self.open.len() + waiting.len();
        if taken < limit {
            return Ok(Vec::new());
        }
        let own_slots = waiting.iter().filter(|slot| place.is_some() && slot.place.as_ref() == place).count();
        let own: Vec<ConnectionId> = self
            .open
            .iter()
            .filter(|open| place.is_some() && open.place.as_ref() == place)
            .map(|open| open.id)
            .collect();
        let surplus = taken + 1 - limit;
        if own.len() + own_slots >= surplus {
            return Ok(own.into_iter().take(surplus.saturating_sub(own_slots)).collect());
        }
        match self.policy.over_limit {
            OverLimit::Reject => Err(Reason::TooMany),
            OverLimit::Replace => Ok(self.open.iter().take(surplus).map(|open| open.id).collect()),
        }
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
