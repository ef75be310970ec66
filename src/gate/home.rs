//! Accounts whose password a home server knows (`design` §4, `user_manager`): what is decided before it is asked, what
//! its word is worth, and how it fares.
//!
//! Its word stands for the password and for nothing else: whatever it says, the door decides.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Gate;
use super::access::{Answer, Judged, Refusal, door_of};
use super::directory::{Found, Known};
use super::guess::Suspects;
use crate::domain::access::{Request, Through};
use crate::domain::account::candidates;
use crate::domain::credential::{Proof, Proven};
use crate::domain::home::{Health, Home, HomeFault, Turn, Word};
use crate::domain::id::RouterId;
use crate::domain::reason::Reason;
use crate::domain::router::Router;
use crate::store::StoreError;
use crate::store::alarm::Raised;
use crate::store::attempt::Verdict;
use crate::text::Arg;

/// By whose word a password is proven.
#[derive(Debug, Clone, Copy)]
pub(super) enum By<'a> {
    /// By what is kept here; the home server was not asked yet.
    Us,
    /// By the home server, where it knows the password.
    Home(&'a Word),
}

/// The home servers as they fare, each with the configuration that this is true of.
#[derive(Default)]
pub(super) struct Homes(Mutex<HashMap<RouterId, (Arc<Home>, Health)>>);

impl Homes {
    fn lock(&self) -> MutexGuard<'_, HashMap<RouterId, (Arc<Home>, Health)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with how a server fares; one that is configured anew is unknown again.
    fn with<T>(&self, router: RouterId, home: &Arc<Home>, act: impl FnOnce(&mut Health) -> T) -> T {
        let mut all = self.lock();
        let (known, health) = all.entry(router).or_insert_with(|| (home.clone(), Health::Unknown));
        if known != home {
            (*known, *health) = (home.clone(), Health::Unknown);
        }
        act(health)
    }
}

impl Gate {
    /// The answer to a dial that was forwarded: what the home server said, or why it said nothing.
    pub async fn access_forwarded(&self, request: &Request, router: &Router, said: &Result<Word, HomeFault>) -> Answer {
        // What is decided now holds from now on, not from when the packet came.
        let request = Request { arrived: self.now(), ..request.clone() };
        match said {
            Ok(said) => self.access_by(&request, router, By::Home(said)).await,
            Err(fault) => self.unheard(&request, *fault).await,
        }
    }

    /// Nobody said whether the password is right: the router is left to ask its next server.
    async fn unheard(&self, request: &Request, fault: HomeFault) -> Answer {
        let names = candidates(&request.user_name);
        let found = match self.directory.recall(&names) {
            Some(found) => found,
            None => self.directory.look_up(&names).await.unwrap_or(Found::Nobody),
        };
        self.metrics.dropped(fault.word());
        self.write_attempt(request, &found, (Verdict::Silence, Some(fault.word())), None);
        Answer::Silence
    }

    /// Whether the home server has proven the password of an account of its; before it was asked, what needs no password
    /// is decided (`design` §3.5), so that it is not asked in vain. Such a refusal tells its receiver nothing.
    pub(super) fn proven_at_home(
        &self,
        request: &Request,
        router: &Router,
        (found, known): (&Found, &Known),
        by: By<'_>,
    ) -> Result<Proven, Judged> {
        let reject = |reason: Reason| Err(Judged::Answer(reason.into()));
        let not_proven = |reason| {
            self.count_guess(request, Suspects::of(request, found));
            reject(reason)
        };
        match by {
            By::Us if self.is_guessing(request, found) => reject(Reason::Guessing),
            By::Us => self.before_home(request, router, known).map_or_else(not_proven, Err),
            By::Home(Word::Right(granted)) => Ok(Proven::ByHome(granted.clone())),
            By::Home(Word::Wrong) => not_proven(Reason::WrongPassword),
            By::Home(Word::More) => not_proven(Reason::HomeChallenge),
        }
    }

    /// What becomes of the dial of an account whose password is not kept here.
    ///
    /// # Errors
    /// No home server can be asked: to its receiver a wrong password like any other.
    fn before_home(&self, request: &Request, router: &Router, known: &Known) -> Result<Judged, Reason> {
        let place = request.place();
        match &request.proof {
            None => return Ok(Judged::Answer(Reason::NoProof.into())),
            Some(Proof::EapMsChap2 { .. }) => return Err(Reason::EapAtHome),
            Some(Proof::Pap(_) | Proof::Chap { .. } | Proof::MsChap1 { .. } | Proof::MsChap2 { .. }) => {}
        }
        let door = door_of(&known.entry, &known.policy, &[]);
        if let Err(reason) = door.standing(Through::of(router), place.as_ref(), request.arrived) {
            return Ok(Judged::Answer(Answer::Reject(Refusal::unproven(reason))));
        }
        router.home.as_ref().map(|home| Judged::Forward(home.clone())).ok_or(Reason::NoHome)
    }

    /// How the home server of a router fares; `None` if it has none.
    pub fn home_health(&self, router: &Router) -> Option<Health> {
        let home = router.home.as_ref()?;
        Some(self.homes.with(router.id, home, |health| *health))
    }

    /// Whether a log-in may be tried on a home server now.
    ///
    /// # Errors
    /// [`HomeFault::Dead`].
    pub fn may_ask_home(&self, router: RouterId, home: &Arc<Home>) -> Result<(), HomeFault> {
        let now = self.now();
        let may = self.homes.with(router, home, |health| health.may_ask(now));
        if may { Ok(()) } else { Err(HomeFault::Dead) }
    }

    /// A home server gave a valid answer, to whatever it was asked.
    pub fn home_answered(&self, router: RouterId, home: &Arc<Home>) {
        let now = self.now();
        self.homes.with(router, home, |health| health.answered(now));
    }

    /// A home server failed a log-in. When it is the one failure too many, operators are told, once.
    pub async fn home_failed(&self, router: &Router, home: &Arc<Home>, fault: HomeFault) {
        let now = self.now();
        match self.homes.with(router.id, home, |health| health.failed(fault, now)) {
            Turn::Same => {}
            Turn::Died => {
                tracing::warn!(router = router.name, home = %home.address, reason = fault.word(), "a home server is dead");
                if let Err(error) = self.alarm_of_home(router, home, fault).await {
                    tracing::error!(router = router.name, %error, "the alarm of a dead home server could not be written");
                }
            }
        }
    }

    async fn alarm_of_home(&self, router: &Router, home: &Home, fault: HomeFault) -> Result<(), StoreError> {
        let (address, now) = (home.address.to_string(), self.now());
        let text = format!(
            "The home server {address} of {} (User Manager) fails, and its accounts cannot log in there: {}.",
            router.name,
            fault.text()
        );
        let mut tx = self.store.begin().await?;
        if tx.raise("home", &format!("{}/{address}", router.id), &text, now).await? == Raised::New {
            let reason = fault.text();
            let args =
                [("router", Arg::Text(&router.name)), ("home", Arg::Text(&address)), ("reason", Arg::Text(reason))];
            self.tell_operators(&mut tx, "operators-home", &args).await?;
        }
        let committed = tx.commit(now).await?;
        self.after(&committed);
        Ok(())
    }
}
