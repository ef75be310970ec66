//! Holding: a dial with the right password and no session waits for the person's answer, as long as its router does
//! (`design` §3.6).
//!
//! Who waits is only woken here, by a commit that touched the account, and then reads the rows again: the answer is made
//! of what the database says by then, as for a new dial. So nothing is lost with what waits: the question is stored, a
//! late yes leaves a session, and the next copy of a dial that was forgotten waits anew for the same question.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::Gate;
use super::access::{Answer, Reached};
use super::directory::{Found, Known};
use super::door::Knocker;
use super::home::By;
use crate::clock::Timestamp;
use crate::domain::access::Request;
use crate::domain::connection::Place;
use crate::domain::id::{AccountId, PromptId, RouterId};
use crate::domain::prompt::State as PromptState;
use crate::domain::reason::Reason;
use crate::domain::router::Router;
use crate::store::StoreError;

/// Dials that are held at once. Above it they are refused like a knock: the person is asked all the same.
pub const HELD: usize = 1_024;
/// Those of one router: half of the 256 identifiers that RouterOS has for one server, so that its other log-ins go on.
pub const HELD_PER_ROUTER: usize = 128;
/// A refusal leaves this long before the router gives up, so that it is still heard there.
const MARGIN: Duration = Duration::from_secs(1);

/// How long a dial is held on a router that waits for `wait`: a second less, and of a short wait a quarter less.
fn patience(wait: Duration) -> Duration {
    wait - MARGIN.min(wait / 4)
}

/// The dials that are held.
#[derive(Default)]
pub(super) struct Holds(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    waiters: HashMap<AccountId, Vec<Waiter>>,
    of_router: HashMap<RouterId, usize>,
    count: usize,
}

struct Waiter {
    place: Place,
    signal: Arc<Signal>,
}

#[derive(Default)]
struct Signal {
    woken: Notify,
    redialled: AtomicBool,
}

/// A place among the dials that are held; free again when dropped.
pub(super) struct Seat {
    held: Arc<Mutex<Held>>,
    account: AccountId,
    signal: Arc<Signal>,
}

/// Why a dial that is held is looked at.
enum Call {
    /// Something about its account was committed.
    Changed,
    /// The router gives up in a moment.
    Late,
    /// The same caller has dialled anew.
    Redialled,
    /// This instance stops.
    Stopping,
}

impl Holds {
    /// A place for a dial; `None` if there is none. The same caller's older dial was given up, and gives its place.
    fn take(&self, account: AccountId, place: &Place) -> Option<Seat> {
        let mut held = lock(&self.0);
        held.give_up(account, place);
        let of_router = held.of_router.get(&place.router).copied().unwrap_or(0);
        if held.count >= HELD || of_router >= HELD_PER_ROUTER {
            return None;
        }
        let signal = Arc::<Signal>::default();
        held.of_router.insert(place.router, of_router + 1);
        held.count += 1;
        held.waiters.entry(account).or_default().push(Waiter { place: place.clone(), signal: signal.clone() });
        Some(Seat { held: self.0.clone(), account, signal })
    }

    /// Something about an account was committed.
    pub(super) fn wake(&self, account: AccountId) {
        for waiter in lock(&self.0).waiters.get(&account).into_iter().flatten() {
            waiter.signal.woken.notify_one();
        }
    }

    /// Something about every account may have changed.
    pub(super) fn wake_all(&self) {
        for waiter in lock(&self.0).waiters.values().flatten() {
            waiter.signal.woken.notify_one();
        }
    }

    fn count(&self) -> usize {
        lock(&self.0).count
    }
}

impl Held {
    fn give_up(&mut self, account: AccountId, place: &Place) {
        let older = self.waiters.get(&account).into_iter().flatten().find(|waiter| waiter.place == *place);
        let Some(signal) = older.map(|waiter| waiter.signal.clone()) else { return };
        signal.redialled.store(true, Ordering::Release);
        signal.woken.notify_one();
        self.leave(account, &signal);
    }

    fn leave(&mut self, account: AccountId, signal: &Arc<Signal>) {
        let Some(waiters) = self.waiters.get_mut(&account) else { return };
        let Some(at) = waiters.iter().position(|waiter| Arc::ptr_eq(&waiter.signal, signal)) else { return };
        let router = waiters.swap_remove(at).place.router;
        if waiters.is_empty() {
            self.waiters.remove(&account);
        }
        self.count -= 1;
        if let Some(of_router) = self.of_router.get_mut(&router) {
            *of_router -= 1;
            if *of_router == 0 {
                self.of_router.remove(&router);
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.held).leave(self.account, &self.signal);
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gate {
    /// Asks the person about a dial and waits for what comes of it; gives the answer, counted and written down.
    ///
    /// # Errors
    /// The database does not answer: silence, and the router's next copy waits anew.
    pub(super) async fn hold(
        &self,
        request: &Request,
        (router, by): (&Router, By<'_>),
        known: Arc<Known>,
        (reason, place): (Reason, Place),
    ) -> Result<Answer, StoreError> {
        let account = known.entry.account.id;
        let patience = patience(self.directory.habits(router.id).hold);
        // Taken before the question is asked: no answer is missed.
        let seat = self.directory.holds().take(account, &place);
        let found = Found::Account(known);
        let Some(seat) = seat else {
            self.knock_later(&found, Some(place));
            return Ok(self.settled(request, &found, reason.into()));
        };
        let Some(prompt) = self.knock(account, &place, Knocker::Waits(patience)).await? else {
            // Nobody is asked about it: [Not now] was pressed, too many knocks, or a question about another caller is open.
            return Ok(self.settled(request, &found, reason.into()));
        };
        self.metrics.held.set(self.held_now());
        let answer = self.wait_for(request, (router, by), (&seat, prompt), request.arrived + patience).await;
        drop(seat);
        self.metrics.held.set(self.held_now());
        answer
    }

    fn held_now(&self) -> i64 {
        i64::try_from(self.directory.holds().count()).unwrap_or(i64::MAX)
    }

    async fn wait_for(
        &self,
        request: &Request,
        (router, by): (&Router, By<'_>),
        (seat, prompt): (&Seat, PromptId),
        deadline: Timestamp,
    ) -> Result<Answer, StoreError> {
        loop {
            let call = self.next_call(seat, deadline).await;
            if let Call::Stopping = call {
                return Ok(Answer::Silence);
            }
            // The question before the rest: once it is answered, what it was answered with is there to be read.
            let asked = self.reader().prompt(prompt).await?;
            // From now on it is a dial of this moment: its slot and its attempt are looked for by their time.
            let request = Request { arrived: self.now(), ..request.clone() };
            let (known, reason) = match self.access_by_database(&request, router, by).await? {
                Reached::Answer(found, answer) => return Ok(self.settled(&request, &found, answer)),
                Reached::Hold(known, ..) => match still_out(asked.map(|prompt| prompt.state), &call) {
                    Some(reason) => (known, reason),
                    None => continue,
                },
            };
            return Ok(self.settled(&request, &Found::Account(known), reason.into()));
        }
    }

    async fn next_call(&self, seat: &Seat, deadline: Timestamp) -> Call {
        let stopping = async {
            match self.tasks.get() {
                Some((_, cancel)) => cancel.cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stopping => Call::Stopping,
            () = seat.signal.woken.notified() => {
                if seat.signal.redialled.load(Ordering::Acquire) { Call::Redialled } else { Call::Changed }
            }
            () = self.clock.sleep_until(deadline) => Call::Late,
        }
    }
}

/// Why a dial that still has no session is refused; `None` while it waits on.
fn still_out(asked: Option<PromptState>, call: &Call) -> Option<Reason> {
    match (asked, call) {
        (_, Call::Redialled) => Some(Reason::Redialled),
        (Some(PromptState::Answered), _) => Some(Reason::NotLetIn),
        (Some(PromptState::Pending), Call::Changed) => None,
        (Some(PromptState::Pending | PromptState::Withdrawn | PromptState::Lapsed) | None, _) => {
            Some(Reason::Unanswered)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(router: i64, station: &str) -> Place {
        Place { router: RouterId(router), station: station.to_owned() }
    }

    #[test]
    fn a_router_has_its_share_of_the_places_and_all_have_an_end() {
        let holds = Holds::default();
        let station = |number: usize| place(i64::try_from(number / 200).unwrap(), "home");
        let account = |number: usize| AccountId(i64::try_from(number).unwrap());
        let seats: Vec<_> = (0..200).filter_map(|number| holds.take(account(number), &station(number))).collect();
        assert_eq!((seats.len(), holds.count()), (HELD_PER_ROUTER, HELD_PER_ROUTER));
        let others: Vec<_> = (200..3_000).filter_map(|number| holds.take(account(number), &station(number))).collect();
        assert_eq!((others.len(), holds.count()), (HELD - HELD_PER_ROUTER, HELD));
        drop(seats);
        assert!(holds.take(account(1), &station(1)).is_some());
        drop(others);
        let held = lock(&holds.0);
        assert_eq!((held.count, held.waiters.len(), held.of_router.len()), (0, 0, 0));
    }

    #[test]
    fn the_same_caller_has_one_place() {
        let holds = Holds::default();
        let older = holds.take(AccountId(1), &place(1, "home")).unwrap();
        let elsewhere = holds.take(AccountId(1), &place(1, "elsewhere")).unwrap();
        let newer = holds.take(AccountId(1), &place(1, "home")).unwrap();
        let is_redialled = |seat: &Seat| seat.signal.redialled.load(Ordering::Acquire);
        assert_eq!([&older, &elsewhere, &newer].map(is_redialled), [true, false, false]);
        assert_eq!(holds.count(), 2);
        drop(older);
        assert_eq!(holds.count(), 2, "its place was given already");
        drop((elsewhere, newer));
        assert_eq!(holds.count(), 0);
    }

    #[test]
    fn the_refusal_leaves_before_the_router_gives_up() {
        assert_eq!(patience(Duration::from_secs(60)), Duration::from_secs(59));
        assert_eq!(patience(Duration::from_secs(1)), Duration::from_millis(750));
    }
}
