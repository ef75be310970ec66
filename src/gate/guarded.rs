//! Locks for guessing: written down so that every instance holds to them, told to operators, lifted by one of them.

use std::collections::HashMap;
use std::time::Duration;

use super::directory::Found;
use super::guess::{Counted, Guesser, Suspects, WINDOW};
use super::session::Ended;
use super::{Gate, Refused};
use crate::clock::Timestamp;
use crate::domain::access::Request;
use crate::domain::account::name_key;
use crate::domain::audit::Actor;
use crate::domain::connection::Place;
use crate::domain::id::RouterId;
use crate::domain::reason::Reason;
use crate::store::alarm::Raised;
use crate::store::audit::Deed;
use crate::store::guess::{GuessLock, LockKind, NewLock};
use crate::store::{StoreError, Tx};
use crate::text::{Arg, one_line};

/// Locks of one router that are told one by one; with more of them at once, one alarm stands for all.
const TOLD: i64 = 5;

/// A lock that was made in memory and is to be written down.
#[derive(Debug)]
pub(super) struct Locked {
    guesser: Guesser,
    router: RouterId,
    name: String,
    wrong: u32,
    since: Timestamp,
    alarm: Alarm,
}

/// Whether operators hear of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alarm {
    /// They do.
    Raised,
    /// The same guess has locked its caller, too, and they hear of that.
    OfCaller,
}

/// What a lock is about, in the words of its row.
fn words(guesser: &Guesser) -> (LockKind, String) {
    // PostgreSQL takes no NUL, and no honest name has one.
    let clean = |text: &str| text.replace('\0', "\u{fffd}");
    match guesser {
        Guesser::Caller(place) => (LockKind::Caller, clean(&place.station)),
        Guesser::Box(_, address) => (LockKind::Box, address.to_string()),
        Guesser::Name(name) => (LockKind::Name, clean(name)),
    }
}

fn guesser(lock: &GuessLock) -> Option<Guesser> {
    Some(match lock.kind {
        LockKind::Caller => Guesser::Caller(Place { router: lock.router, station: lock.subject.clone() }),
        LockKind::Box => Guesser::Box(lock.router, lock.subject.parse().ok()?),
        LockKind::Name => Guesser::Name(lock.subject.clone()),
    })
}

impl Gate {
    /// A password was wrong, or no account has the name: counted for the caller and for the name alike.
    pub(super) fn count_guess(&self, request: &Request, suspects: Suspects) {
        let limit = self.directory.system_policy().guess_limit;
        let now = request.arrived;
        let mut alarm = Alarm::Raised;
        for guesser in [suspects.caller, suspects.name] {
            match self.guesses.add(&guesser, limit, now) {
                Counted::Below => {}
                Counted::Locked(wrong) => {
                    let (router, name) = (request.nas.router, one_line(&String::from_utf8_lossy(&request.user_name)));
                    self.lock_later(Locked { guesser, router, name, wrong, since: now, alarm });
                    alarm = Alarm::OfCaller;
                }
            }
        }
    }

    /// Until when the refusal of a dial is kept back because of wrong passwords before it; `None`: it goes at once, as it
    /// does for a caller that the open session knows.
    pub(super) fn kept_back(&self, request: &Request, found: &Found, told: Reason) -> Option<Timestamp> {
        if !told.is_guess() {
            return None;
        }
        let suspects = Suspects::of(request, found);
        let now = request.arrived;
        let is_expected = self.expects(request, found);
        let wait = if is_expected {
            Duration::ZERO
        } else {
            self.guesses.wait(&suspects.caller, now).max(self.guesses.wait(&suspects.name, now))
        };
        (!wait.is_zero()).then(|| now + wait)
    }

    /// Writes a lock down and tells the operators.
    pub(super) async fn keep_lock(&self, locked: &Locked) -> Result<(), StoreError> {
        let (kind, subject) = words(&locked.guesser);
        let until = locked.since + WINDOW;
        let mut tx = self.store.begin().await?;
        let new = NewLock {
            kind,
            router: locked.router,
            subject: &subject,
            name: &locked.name,
            wrong: locked.wrong,
            since: locked.since,
            until,
        };
        let Some(standing) = tx.lock_guesser(&new).await? else {
            tracing::warn!(
                kind = kind.word(),
                subject,
                "more locks for guessing than are kept: this one holds here only"
            );
            return Ok(());
        };
        match locked.alarm {
            Alarm::Raised => self.alarm_guess(&mut tx, &new, standing).await?,
            Alarm::OfCaller => {}
        }
        self.commit(tx, Ended::default()).await?;
        self.guesses.note_stored([locked.guesser.clone()]);
        Ok(())
    }

    /// Operators hear of a lock; of many on one router once.
    async fn alarm_guess(&self, tx: &mut Tx, new: &NewLock<'_>, standing: i64) -> Result<(), StoreError> {
        let routers = tx.routers().await?;
        let router = routers.iter().find(|router| router.id == new.router).map_or("?", |router| router.name.as_str());
        let (kind, who) = (new.kind.word(), one_line(new.subject));
        let (wrong, minutes) = (i64::from(new.wrong), i64::try_from(WINDOW.as_secs() / 60).unwrap_or(i64::MAX));
        tracing::warn!(kind, who, router, wrong, "passwords are guessed: locked");
        if standing > TOLD {
            let text = format!(
                "Somebody guesses passwords on router {router}: {standing} callers and names are locked there now; see Log-ins."
            );
            if tx.raise("guessing", &new.router.to_string(), &text, self.now()).await? == Raised::New {
                let args = [("router", Arg::Text(router)), ("count", Arg::Number(standing))];
                self.tell_operators(tx, "operators-guessing-many", &args).await?;
            }
            return Ok(());
        }
        let text = format!(
            "Somebody guesses passwords: {kind} {who} on router {router}, {wrong} wrong in {minutes} min, the last for {}. \
             Refused for {minutes} min, or until it is lifted on the page Log-ins.",
            new.name,
        );
        let about = format!("{}/{kind} {who}", new.router);
        if tx.raise("guessing", &about, &text, self.now()).await? == Raised::New {
            let args = [
                ("kind", Arg::Text(kind)),
                ("who", Arg::Text(&who)),
                ("router", Arg::Text(router)),
                ("name", Arg::Text(new.name)),
                ("count", Arg::Number(wrong)),
                ("minutes", Arg::Number(minutes)),
            ];
            self.tell_operators(tx, "operators-guessing", &args).await?;
        }
        Ok(())
    }

    /// Whether strangers are refused unread under this name.
    pub fn is_locked_for_guessing(&self, name: &str) -> bool {
        self.guesses.is_locked(&Guesser::Name(name_key(name)), self.now())
    }

    /// Reads the locks of every instance.
    ///
    /// # Errors
    /// The database does not answer: what is known holds on.
    pub(super) async fn read_locks(&self) -> Result<(), StoreError> {
        let stored = self.guesses.take_stored();
        let locks = match self.reader().guess_locks(self.now()).await {
            Ok(locks) => locks,
            Err(error) => {
                self.guesses.note_stored(stored);
                return Err(error);
            }
        };
        let known: HashMap<Guesser, Timestamp> =
            locks.iter().filter_map(|lock| Some((guesser(lock)?, lock.until))).collect();
        self.guesses.follow(&stored, known);
        Ok(())
    }

    /// Lifts the lock of who guessed passwords; every instance counts it anew within moments.
    ///
    /// # Errors
    /// It stands no more.
    pub async fn lift_guess_lock(&self, actor: &Actor, id: i64) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        let lock = tx.lift_guess_lock(id, self.now()).await?.ok_or(Refused::NotFound("no such lock stands"))?;
        let detail = format!("{} {} on {}", lock.kind.word(), one_line(&lock.subject), lock.router_name);
        let deed = Deed { noun: "guess", subject: id, verb: "lift", detail: &detail };
        self.finish(tx, actor, deed, Ended::default()).await
    }
}
