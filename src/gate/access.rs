//! The dial: one Access-Request to one answer (`design` §3). The usual case touches no database.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Gate;
use super::class::Class;
use super::directory::{Found, Known};
use super::door::Knocker;
use super::guarded::Locked;
use super::home::By;
use super::patience::written;
use crate::clock::Timestamp;
use crate::domain::access::{Decision, Door, Permit, Request, Service, Slot, Through};
use crate::domain::account::{Source, candidates};
use crate::domain::attribute::{ReplyAttribute, ReplyAttributes};
use crate::domain::connection::Place;
use crate::domain::credential::Proven;
use crate::domain::home::Home;
use crate::domain::id::{AccountId, ConnectionId, SessionId};
use crate::domain::policy::Policy;
use crate::domain::reason::Reason;
use crate::domain::router::Router;
use crate::store::StoreError;
use crate::store::attempt::Verdict;
use crate::store::entry::Entry;

/// Errands (knocks, replaced connections) that wait; above it a knock is lost and the next redial knocks again.
pub(super) const ERRANDS: usize = 1_024;
/// Lost errands are told of once in this time: a flood must not fill the log.
const TOLD_EVERY_MS: i64 = 10_000;
/// How often a decision is tried again when what it was based on changed under it.
const TRIES: usize = 4;

/// What is answered to a dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Access-Accept.
    Accept(Box<Accept>),
    /// Access-Reject.
    Reject(Refusal),
    /// None yet: the home server is to be asked, and what it says goes to [`Gate::access_forwarded`].
    Forward(Arc<Home>),
    /// Nothing: the database cannot be asked, or the home server gave no answer that counts. The router tries its next
    /// server on silence, never on Reject.
    Silence,
}

/// Why an Access-Reject, and what its receiver learns of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// The reason that is told; another one while the password is not proven.
    pub told: Reason,
    /// Until when it is kept back because passwords were guessed.
    pub until: Option<Timestamp>,
}

impl Refusal {
    /// One whose receiver knows no password, and must not learn more than who does not.
    pub(super) const fn unproven(reason: Reason) -> Self {
        Self { reason, told: Reason::WrongPassword, until: None }
    }
}

impl From<Reason> for Answer {
    fn from(reason: Reason) -> Self {
        Self::Reject(Refusal { reason, told: reason, until: None })
    }
}

/// What an Access-Accept says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// What the reply derives its MS-CHAP attributes from.
    pub proven: Proven,
    /// Session-Timeout, whole seconds, 30 s to 168 h.
    pub timeout: Duration,
    /// Acct-Interim-Interval.
    pub interim: Duration,
    /// Class.
    pub class: Vec<u8>,
    /// What else is said.
    pub attributes: Said,
    /// The session it speaks of; a duplicate is answered again only while that is unchanged.
    pub mark: Mark,
}

/// What an Access-Accept says by operators' will; shared with the caches, so that it costs nothing to have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// Of the account, else of its group.
    pub account: Arc<ReplyAttributes>,
    /// Of the router.
    pub router: Arc<ReplyAttributes>,
}

impl Said {
    /// All of it: name by name the account's, else the router's.
    pub fn iter(&self) -> impl Iterator<Item = &ReplyAttribute> {
        self.account.before(&self.router)
    }
}

/// The session that an Accept speaks of, as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub(super) account: AccountId,
    pub(super) session: Option<SessionId>,
    end: Option<Timestamp>,
}

/// Work that a dial leaves behind and does not wait for.
#[derive(Debug)]
pub(super) enum Errand {
    /// Ask the person whether to let the caller in.
    Knock(AccountId, Place),
    /// Cut the connections that a dial replaces.
    Replace(Vec<ConnectionId>),
    /// Write down who guesses passwords.
    Lock(Locked),
    /// Tell the person that a connection was one too many.
    Surplus(AccountId, Option<Place>),
}

/// What memory made of a dial.
pub(super) enum Judged {
    /// The answer.
    Answer(Answer),
    /// Reject, and ask the person about the caller, if the router named one.
    Knock(Reason, Option<Place>),
    /// Ask the person about the caller, and wait for the answer.
    Hold(Reason, Place),
    /// The caller must be written to the session first.
    Admit(SessionId, Place),
    /// The home server must be asked first.
    Forward(Arc<Home>),
    /// What it was based on changed meanwhile.
    Outdated,
}

/// What the database made of a dial.
pub(super) enum Reached {
    /// The answer, and whose dial it was.
    Answer(Found, Answer),
    /// Nothing yet: the person is to be asked about the caller.
    Hold(Arc<Known>, Reason, Place),
}

impl Gate {
    /// The answer to a dial, if memory alone knows it.
    pub fn access_now(&self, request: &Request, router: &Router) -> Option<Answer> {
        self.access_by_memory(request, router, By::Us).filter(|answer| !matches!(answer, Answer::Forward(_)))
    }

    pub(super) fn access_by_memory(&self, request: &Request, router: &Router, by: By<'_>) -> Option<Answer> {
        let names = candidates(&request.user_name);
        let found = self.directory.recall(&names)?;
        match self.judge(request, router, &found, by) {
            // The password is right and yet there is no way in: what lets them in may have been granted a moment ago by
            // another instance or on the command line. Only such refusals ask the database.
            Judged::Answer(Answer::Reject(Refusal { reason, .. })) | Judged::Knock(reason, _) if reason.is_told() => {
                None
            }
            Judged::Answer(answer) => Some(self.settled(request, &found, answer)),
            Judged::Knock(reason, place) => {
                self.knock_later(&found, place);
                Some(self.settled(request, &found, reason.into()))
            }
            Judged::Forward(home) => Some(Answer::Forward(home)),
            Judged::Hold(..) | Judged::Admit(..) | Judged::Outdated => None,
        }
    }

    /// The answer to a dial, asking the database where memory does not know, and the person where the policy says so:
    /// that may take as long as the router is said to wait.
    pub async fn access(&self, request: &Request, router: &Router) -> Answer {
        self.access_by(request, router, By::Us).await
    }

    pub(super) async fn access_by(&self, request: &Request, router: &Router, by: By<'_>) -> Answer {
        if let Some(answer) = self.access_by_memory(request, router, by) {
            return answer;
        }
        let reached = match self.access_by_database(request, router, by).await {
            Ok(Reached::Hold(known, reason, place)) => self.hold(request, (router, by), known, (reason, place)).await,
            Ok(Reached::Answer(found, answer)) => return self.settled(request, &found, answer),
            Err(error) => Err(error),
        };
        match reached {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(router = router.name, %error, "no answer to a log-in: the database cannot be asked");
                self.settled(request, &Found::Nobody, Answer::Silence)
            }
        }
    }

    pub(super) async fn access_by_database(
        &self,
        request: &Request,
        router: &Router,
        by: By<'_>,
    ) -> Result<Reached, StoreError> {
        let names = candidates(&request.user_name);
        for _ in 0..TRIES {
            let found = self.directory.look_up(&names).await?;
            match self.judge(request, router, &found, by) {
                Judged::Forward(home) => return Ok(Reached::Answer(found, Answer::Forward(home))),
                Judged::Answer(answer) => {
                    if let (Answer::Reject(Refusal { reason: Reason::TooMany, .. }), Found::Account(known)) =
                        (&answer, &found)
                    {
                        self.run_errand(Errand::Surplus(known.entry.account.id, request.place()));
                    }
                    return Ok(Reached::Answer(found, answer));
                }
                Judged::Knock(reason, place) => {
                    self.knock_later(&found, place);
                    return Ok(Reached::Answer(found, reason.into()));
                }
                Judged::Hold(reason, place) => match found {
                    Found::Account(known) => return Ok(Reached::Hold(known, reason, place)),
                    Found::Nobody => return Ok(Reached::Answer(found, reason.into())),
                },
                Judged::Admit(session, place) => match self.admit(&found, session, &place).await {
                    // Somebody else was quicker: judged again.
                    Ok(()) | Err(StoreError::Conflict) => {}
                    Err(error) => return Err(error),
                },
                Judged::Outdated => {}
            }
        }
        Ok(Reached::Answer(Found::Nobody, Answer::Silence))
    }

    /// Counts and writes down what was answered, and looks how long it is kept back.
    pub(super) fn settled(&self, request: &Request, found: &Found, mut answer: Answer) -> Answer {
        let (verdict, reason, session) = match &mut answer {
            Answer::Accept(accept) => (Verdict::Accept, None, accept.mark.session),
            Answer::Reject(refusal) => {
                refusal.until = self.kept_back(request, found, refusal.told);
                (Verdict::Reject, Some(refusal.reason.word()), None)
            }
            Answer::Silence => (Verdict::Silence, Some("database"), None),
            // Not an answer yet.
            Answer::Forward(_) => return answer,
        };
        match verdict {
            Verdict::Accept => {
                self.metrics.accepts.inc();
            }
            Verdict::Reject => self.metrics.refused(reason.unwrap_or_default()),
            Verdict::Silence => self.metrics.dropped("no_database"),
        }
        self.write_attempt(request, found, (verdict, reason), session);
        answer
    }

    fn judge(&self, request: &Request, router: &Router, found: &Found, by: By<'_>) -> Judged {
        let reject = |reason: Reason| Judged::Answer(reason.into());
        let services = || self.directory.habits(request.nas.router).services;
        if request.service != Service::Vpn && !services().take(request.service, request.proof.as_ref()) {
            return reject(Reason::NotVpn);
        }
        let place = request.place();
        let proven = match found {
            Found::Account(known) if known.entry.account.source == Source::UserManager => {
                match self.proven_at_home(request, router, (found, known), by) {
                    Ok(proven) => proven,
                    Err(judged) => return judged,
                }
            }
            Found::Account(_) | Found::Nobody => match self.proven(request, found) {
                Ok(proven) => proven,
                Err(reason) => return reject(reason),
            },
        };
        let Found::Account(known) = found else { return reject(Reason::UnknownName) };
        let decision = self.decide(request, router, known, place.as_ref());
        // The slot is taken before this look: whoever ends the session either is seen here, or sees the slot.
        if !self.directory.is_current(known) {
            self.give_back(request, known);
            return Judged::Outdated;
        }
        match decision {
            Decision::Accept(permit) => Judged::Answer(self.accept(known, router, permit, proven)),
            Decision::Admit(session, place, _) => Judged::Admit(session, place),
            Decision::Knock(reason) => Judged::Knock(reason, place),
            Decision::Hold(reason) => place.map_or(reject(reason), |place| Judged::Hold(reason, place)),
            Decision::Refuse(reason) => reject(reason),
        }
    }

    /// The decision (§3.5 to §3.7); a permit takes its slot at once.
    fn decide(&self, request: &Request, router: &Router, known: &Known, place: Option<&Place>) -> Decision {
        let entry = &known.entry;
        self.slots.take(entry.account.id, request.arrived, |slots| {
            let door = door_of(entry, &known.policy, slots);
            let decision = door.decide(Through::of(router), place, request.arrived);
            let slot = match &decision {
                Decision::Accept(permit) => Some(request.slot(permit.session, place.cloned())),
                Decision::Admit(..) | Decision::Knock(_) | Decision::Hold(_) | Decision::Refuse(_) => None,
            };
            (decision, slot)
        })
    }

    fn give_back(&self, request: &Request, known: &Known) {
        if let Some(acct_session_id) = &request.acct_session_id {
            self.slots.release(known.entry.account.id, acct_session_id);
        }
    }

    fn accept(&self, known: &Known, router: &Router, permit: Permit, proven: Proven) -> Answer {
        let account = known.entry.account.id;
        let class = permit.session.map_or(Class::Machine(account), Class::Session);
        let end = known.entry.session.as_ref().map(|session| session.end());
        let replaces = self.not_yet_replaced(permit.replaces);
        if !replaces.is_empty() {
            self.run_errand(Errand::Replace(replaces));
        }
        let at_home = match &proven {
            Proven::ByHome(granted) => granted.timeout,
            Proven::Plain | Proven::MsChap1(_) | Proven::MsChap2 { .. } => None,
        };
        Answer::Accept(Box::new(Accept {
            timeout: at_home.map_or(permit.timeout, |at_home| at_home.min(permit.timeout)),
            proven,
            interim: permit.interim,
            class: class.write(&self.class_key),
            attributes: Said { account: known.entry.attributes.clone(), router: router.attributes.clone() },
            mark: Mark { account, session: permit.session, end },
        }))
    }

    /// Whether a duplicate of an answered dial may be answered again: the session it speaks of is unchanged.
    pub async fn still_holds(&self, mark: Mark) -> bool {
        let Ok(Some(known)) = self.directory.read(mark.account).await else { return false };
        let Some(session) = mark.session else { return door_of(&known.entry, &known.policy, &[]).lets_machine_in() };
        let now = self.now();
        known
            .entry
            .session
            .as_ref()
            .is_some_and(|open| open.id == session && open.is_valid(now) && Some(open.end()) == mark.end)
    }

    pub(super) fn knock_later(&self, found: &Found, place: Option<Place>) {
        if let (Found::Account(known), Some(place)) = (found, place) {
            self.run_errand(Errand::Knock(known.entry.account.id, place));
        }
    }

    pub(super) fn lock_later(&self, locked: Locked) {
        self.run_errand(Errand::Lock(locked));
    }

    fn run_errand(&self, errand: Errand) {
        if self.errands.sender.try_send(errand).is_err() {
            let (now, told) = (self.now().millis(), self.errands_lost_at.load(Ordering::Relaxed));
            let is_due = now.saturating_sub(told) >= TOLD_EVERY_MS;
            // Of several at once one tells.
            if is_due && self.errands_lost_at.compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            {
                tracing::warn!("more knocks at once than can be asked; the next redial asks again");
            }
        }
    }

    /// Runs what dials leave behind.
    pub(super) async fn run_errands(self: Arc<Self>, cancel: CancellationToken) {
        let Some(mut errands) = self.errands.take() else { return };
        loop {
            let errand = tokio::select! {
                () = cancel.cancelled() => return,
                errand = errands.recv() => errand,
            };
            let done = match errand {
                Some(Errand::Knock(account, place)) => {
                    written(|| async { self.knock(account, &place, Knocker::Left).await.map(|_| ()) }).await
                }
                Some(Errand::Replace(connections)) => written(|| self.replace(connections.clone())).await,
                Some(Errand::Surplus(account, place)) => written(|| self.tell_surplus(account, place.as_ref())).await,
                Some(Errand::Lock(locked)) => written(|| self.keep_lock(&locked)).await,
                None => return,
            };
            if let Err(error) = done {
                tracing::error!(%error, "a knock, a lock or a replaced connection could not be written; the next redial asks again");
            }
        }
    }
}

pub(super) fn door_of<'a>(entry: &'a Entry, policy: &'a Policy, slots: &'a [Slot]) -> Door<'a> {
    Door {
        account: &entry.account,
        user: entry.user.as_ref(),
        policy,
        session: entry.session.as_ref(),
        open: &entry.open,
        slots,
        rules: &entry.rules,
    }
}
