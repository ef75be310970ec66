//! What is wanted on routers, done over their API: tried until it is proven, and seen by operators meanwhile.
//!
//! One router that does not answer costs one try for all that waits for it, and keeps no other one waiting.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::patience::written;
use super::router_api::{AccountChange, ApiFault, LEASE_COMMENT, Menu, RouterAccount, RouterApi, RuleRef};
use super::under_way::{LOOK_AHEAD, UnderWay};
use super::wanted::turned_off;
use super::{Gate, LEAD_EVERY, next_look};
use crate::clock::Timestamp;
use crate::domain::account::{Switch, name_key};
use crate::domain::id::{AccountId, RouterId, WantId};
use crate::domain::router::Router;
use crate::domain::session::{LONGEST, Session};
use crate::domain::want::{RETIRED, Thing, WantedState};
use crate::store::alarm::Raised;
use crate::store::want::{Still, Want};
use crate::store::{StoreError, Tx};
use crate::text::Arg;

/// The role of the instance that does what is wanted.
const ROLE: &str = "fulfil";
/// First wait before the next try; doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// Longest wait. A router that comes back is not waited for: see `gate::watch`.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A lease outlives this many Interims that do not come.
const INTERIMS: u32 = 3;

/// What became of a want.
enum Fulfilled {
    /// The router has it so.
    Proven,
    /// The router has no such thing, and none is needed.
    Nothing,
    /// It was changed or withdrawn meanwhile: looked at again.
    Outdated,
}

impl Gate {
    /// Does on routers what is wanted there, until it is proven.
    pub(super) async fn run_fulfil(self: Arc<Self>, cancel: CancellationToken) {
        let mut running = JoinSet::new();
        let mut under_way = UnderWay::default();
        while !cancel.is_cancelled() {
            let looked_at = self.now();
            let leads = self.leads(ROLE).await;
            let next = if leads { self.begin_due_wants(&mut running, &mut under_way).await } else { Ok(None) };
            let longest = if leads { LONGEST_WAIT } else { LEAD_EVERY };
            let at = next_look(looked_at, next, "wants cannot be read; trying again", longest);
            tokio::select! {
                () = cancel.cancelled() => return,
                Some(done) = running.join_next() => if let Ok(done) = done { under_way.end(done) },
                () = self.wake.fulfil.notified() => {}
                () = self.until_next_look(looked_at, at) => {}
            }
            if running.is_empty() {
                // Whatever happened to a task, nothing is under way any more.
                under_way = UnderWay::default();
            }
        }
    }

    async fn begin_due_wants(
        self: &Arc<Self>,
        running: &mut JoinSet<(WantId, RouterId)>,
        under_way: &mut UnderWay<WantId>,
    ) -> Result<Option<Timestamp>, StoreError> {
        let due = self.due_until();
        // Router by router: one that hangs with a thousand wants leaves the others their turn.
        let routers = self.reader().routers_with_due_wants(due).await?;
        under_way.share_among(routers.len());
        for router in routers {
            if under_way.is_full(router) {
                continue;
            }
            for want in self.reader().due_wants(router, due, LOOK_AHEAD).await? {
                if under_way.begin(want.id, router) {
                    let gate = self.clone();
                    running.spawn(async move {
                        let ids = (want.id, want.router);
                        gate.fulfil_and_note(want).await;
                        ids
                    });
                }
            }
        }
        self.reader().next_due_want().await
    }

    async fn fulfil_and_note(&self, want: Want) {
        let noted = async {
            let Some(want) = written(|| self.still_wanted(&want)).await? else { return Ok(Duration::ZERO) };
            let outcome = self.fulfil(&want).await?;
            written(|| self.note_want(&want, &outcome)).await
        };
        match noted.await {
            // No longer: by then something else may be wanted of it.
            Ok(rest) => self.rest(rest.min(FIRST_WAIT)).await,
            Err(error) => {
                tracing::error!(%error, "what came of a want cannot be written; it is tried again");
                // It is still due: without a pause it would be tried without end.
                tokio::time::sleep(FIRST_WAIT).await;
            }
        }
    }

    /// What is enabled needs a right at this very moment, not only when it was stored.
    async fn still_wanted(&self, want: &Want) -> Result<Option<Want>, StoreError> {
        let mut tx = self.store.begin().await?;
        if let (WantedState::On, Some(account)) = (want.state, want.account) {
            self.settle_wants(&mut tx, account).await?;
        }
        let now = tx.want_about(want.router, &want.thing).await?;
        let committed = tx.commit(self.now()).await?;
        self.after(&committed);
        Ok(now)
    }

    async fn fulfil(&self, want: &Want) -> Result<Result<Fulfilled, ApiFault>, StoreError> {
        let routers = self.directory.routers();
        let Some(router) = routers.router(want.router) else { return Ok(Err(ApiFault::Off)) };
        let api = match self.api() {
            Ok(api) => api.as_ref(),
            Err(fault) => return Ok(Err(fault)),
        };
        if router.api.is_none() {
            return Ok(Err(ApiFault::Off));
        }
        match (&want.thing, want.state) {
            (Thing::Rule { comment, id }, state) => self.fulfil_rule(api, router, (id, comment), state).await,
            (Thing::Lease(_), WantedState::On) => self.fulfil_lease(api, router, want).await,
            (Thing::Lease(address), _) => Ok(api.drop_lease(router, *address).await.map(|()| Fulfilled::Proven)),
            (Thing::Secret(name), state) => Ok(fulfil_account(api, router, (Menu::Secret, name), state).await),
            (Thing::UserManager(name), state) => {
                Ok(fulfil_account(api, router, (Menu::UserManager, name), state).await)
            }
        }
    }

    async fn fulfil_rule(
        &self,
        api: &dyn RouterApi,
        router: &Router,
        (id, comment): (&str, &[u8]),
        state: WantedState,
    ) -> Result<Result<Fulfilled, ApiFault>, StoreError> {
        let rule = RuleRef { id: id.to_owned(), comment: comment.to_vec() };
        match api.switch_rule(router, &rule, switch(state)).await {
            Ok(found) => {
                if found.id != id {
                    let mut tx = self.store.begin().await?;
                    tx.mark_rule_id(router.id, comment, &found.id).await?;
                    tx.commit(self.now()).await?;
                }
                Ok(Ok(Fulfilled::Proven))
            }
            // What is not there lets nobody through.
            Err(ApiFault::Gone(_)) if state != WantedState::On => Ok(Ok(Fulfilled::Proven)),
            Err(fault) => Ok(Err(fault)),
        }
    }

    async fn fulfil_lease(
        &self,
        api: &dyn RouterApi,
        router: &Router,
        want: &Want,
    ) -> Result<Result<Fulfilled, ApiFault>, StoreError> {
        let (Thing::Lease(address), Some(account)) = (&want.thing, want.account) else {
            return Ok(Ok(Fulfilled::Outdated));
        };
        let Some((timeout, name)) = self.left_for(account).await? else { return Ok(Ok(Fulfilled::Outdated)) };
        let comment = format!("{LEASE_COMMENT}{name}");
        Ok(api.put_lease(router, *address, timeout, &comment).await.map(|()| Fulfilled::Proven))
    }

    /// How long a lease of an account may last from now on, and the account's name.
    async fn left_for(&self, account: AccountId) -> Result<Option<(Duration, String)>, StoreError> {
        let mut tx = self.store.begin().await?;
        let Some(case) = self.case(&mut tx, account).await? else { return Ok(None) };
        let now = self.now();
        // A connection that the end of its session spared, and a machine's, last until they drop.
        let end = case.entry.session.as_ref().map_or(now + LONGEST, Session::end);
        let left = end.since(now).min(case.policy.interim * INTERIMS);
        Ok((!left.is_zero()).then_some((left, case.entry.account.name)))
    }

    /// Writes down what came of a try; gives how long whoever tried is to rest.
    async fn note_want(&self, want: &Want, outcome: &Result<Fulfilled, ApiFault>) -> Result<Duration, StoreError> {
        let now = self.now();
        let mut tx = self.store.begin().await?;
        self.tell_of_delay(&mut tx, want, outcome).await?;
        let touched = match outcome {
            Ok(Fulfilled::Proven) => true,
            Err(fault) => fault.is_passing(),
            Ok(Fulfilled::Nothing | Fulfilled::Outdated) => false,
        };
        let again = self.again_in(match outcome {
            Ok(Fulfilled::Proven | Fulfilled::Nothing) => Duration::ZERO,
            Ok(Fulfilled::Outdated) => FIRST_WAIT,
            Err(fault) if fault.is_passing() => FIRST_WAIT.saturating_mul(1 << want.tries.min(6)).min(LONGEST_WAIT),
            Err(_) => LONGEST_WAIT,
        });
        let still = match outcome {
            Ok(Fulfilled::Proven) if self.is_over(&mut tx, want).await? => tx.finish_want(want).await?,
            Ok(Fulfilled::Proven) => tx.prove_want(want, now, None).await?,
            Ok(Fulfilled::Nothing) => tx.finish_want(want).await?,
            Ok(Fulfilled::Outdated) => tx.retry_want(want, "looked at again", again.at).await?,
            Err(fault) if fault.is_passing() => {
                let still = tx.retry_want(want, &fault.to_string(), again.at).await?;
                tx.postpone_wants(want.router, &fault.to_string(), (now, again.at)).await?;
                still
            }
            Err(fault) => {
                let still = tx.retry_want(want, &fault.to_string(), again.at).await?;
                self.alarm_not_done(&mut tx, want, fault).await?;
                still
            }
        };
        if still == Still::Changed && touched {
            self.overtaken(&mut tx, want).await?;
        }
        let committed = tx.commit(now).await?;
        self.after(&committed);
        Ok(again.rest)
    }

    /// Whether nothing is left to be kept once a want is proven.
    async fn is_over(&self, tx: &mut Tx, want: &Want) -> Result<bool, StoreError> {
        Ok(match (&want.thing, want.state) {
            (Thing::Lease(_), WantedState::Off) | (_, WantedState::Removed | WantedState::Retired) => true,
            (_, WantedState::Off) if want.account.is_none() => true,
            (Thing::Rule { comment, .. }, WantedState::Off) => !tx.is_bound(want.router, comment).await?,
            (Thing::Secret(_) | Thing::UserManager(_), WantedState::Off) | (_, WantedState::On) => false,
        })
    }

    /// While we were at it, the word changed, and somebody (another instance, whoever cuts) may have done the new one
    /// before our command came through: whatever they proved is looked at once more.
    async fn overtaken(&self, tx: &mut Tx, want: &Want) -> Result<(), StoreError> {
        let now = self.now();
        match tx.want_about(want.router, &want.thing).await? {
            Some(newer) if newer.state == want.state => Ok(()),
            Some(newer) => tx.reopen_want(newer.id, now).await,
            // It was off for good; with its router gone, nobody can do it any more.
            None if want.state == WantedState::On && self.directory.routers().router(want.router).is_some() => {
                tx.want(&turned_off(want), now).await
            }
            None => Ok(()),
        }
    }

    /// Nobody is told that the way is open while a router does not open it: the person hears of the first try that fails,
    /// and of the one that succeeds after it.
    async fn tell_of_delay(
        &self,
        tx: &mut Tx,
        want: &Want,
        outcome: &Result<Fulfilled, ApiFault>,
    ) -> Result<(), StoreError> {
        let (WantedState::On, None, Some(account)) = (want.state, want.proven_at, want.account) else { return Ok(()) };
        let key = match (outcome, want.tries, &want.thing) {
            // The same is wanted of both places where the router may keep the account: told once.
            (Err(_), 0, Thing::UserManager(_)) => return Ok(()),
            (Err(_), 0, Thing::Rule { .. } | Thing::Lease(_) | Thing::Secret(_)) => "router-not-ready",
            (Ok(Fulfilled::Proven), 1.., _) => "router-ready",
            (Ok(_) | Err(_), _, _) => return Ok(()),
        };
        let Some(case) = self.case(tx, account).await? else { return Ok(()) };
        let routers = self.directory.routers();
        let router = routers.router(want.router).map_or("?", |router| router.name.as_str());
        self.tell_about(tx, &case, key, &[("router", Arg::Text(router))]).await
    }

    /// The router refuses: somebody has to do something there.
    async fn alarm_not_done(&self, tx: &mut Tx, want: &Want, fault: &ApiFault) -> Result<(), StoreError> {
        let routers = self.directory.routers();
        let router = routers.router(want.router).map_or("?", |router| router.name.as_str());
        let thing = want.thing.shown();
        let text = format!("On {router}, {thing} is to be {}, and is not: {fault}.", want.state.word());
        let subject = format!("{}/{thing}", want.router);
        if tx.raise("not_done", &subject, &text, self.now()).await? == Raised::New {
            let reason = fault.to_string();
            let args = [("router", Arg::Text(router)), ("thing", Arg::Text(&thing)), ("reason", Arg::Text(&reason))];
            self.tell_operators(tx, "operators-not-done", &args).await?;
        }
        Ok(())
    }

    /// Does at once what is wanted of the router's own accounts of an account: they are shut before a connection is cut, so
    /// that a redial does not slip in.
    pub(super) async fn shut_first(&self, router: &Router, account: AccountId) -> Result<(), StoreError> {
        if router.api.is_none() {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        let wants = tx.wants_of(account).await?;
        drop(tx);
        let shut = wants.into_iter().filter(|want| {
            want.router == router.id
                && want.proven_at.is_none()
                && want.state != WantedState::On
                && matches!(want.thing, Thing::Secret(_) | Thing::UserManager(_))
        });
        for want in shut {
            let outcome = self.fulfil(&want).await?;
            // Whoever cuts does not rest: what is still to be done is the worker's.
            written(|| self.note_want(&want, &outcome)).await?;
        }
        Ok(())
    }
}

const fn switch(state: WantedState) -> Switch {
    match state {
        WantedState::On => Switch::Enabled,
        WantedState::Off | WantedState::Retired | WantedState::Removed => Switch::Disabled,
    }
}

async fn fulfil_account(
    api: &dyn RouterApi,
    router: &Router,
    (menu, name): (Menu, &str),
    state: WantedState,
) -> Result<Fulfilled, ApiFault> {
    let found = match api.accounts_named(router, menu, &[name.to_owned()]).await {
        Ok(found) => found,
        Err(ApiFault::NoMenu(_)) => return Ok(Fulfilled::Nothing),
        Err(fault) => return Err(fault),
    };
    let alike = alike(&found, name);
    let names: HashSet<&[u8]> = alike.iter().map(|account| account.name.as_slice()).collect();
    match (names.len(), state) {
        (0, _) => Ok(Fulfilled::Nothing),
        // Names on a router differ by the case of their letters, ours do not: all that could be meant are shut.
        (1, _) | (_, WantedState::Off) => {
            for account in alike {
                change_account(api, router, account, state).await?;
            }
            Ok(Fulfilled::Proven)
        }
        (more, _) => {
            Err(ApiFault::Ambiguous(format!("{more} accounts are called {name}, in letters of different case")))
        }
    }
}

async fn change_account(
    api: &dyn RouterApi,
    router: &Router,
    account: &RouterAccount,
    state: WantedState,
) -> Result<(), ApiFault> {
    let change = match state {
        WantedState::On | WantedState::Off if account.switch == switch(state) => return Ok(()),
        WantedState::On | WantedState::Off => AccountChange::Switch(switch(state)),
        WantedState::Retired => {
            AccountChange::Retire { name: format!("{RETIRED}{}", String::from_utf8_lossy(&account.name)) }
        }
        WantedState::Removed => AccountChange::Remove,
    };
    match api.change_account(router, account.menu, &account.name, &change).await {
        // Removed by somebody between two commands.
        Ok(()) | Err(ApiFault::Gone(_)) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// The router's accounts that a name of ours may mean.
fn alike<'a>(found: &'a [RouterAccount], name: &str) -> Vec<&'a RouterAccount> {
    let key = name_key(name);
    found.iter().filter(|account| name_key(&String::from_utf8_lossy(&account.name)) == key).collect()
}
