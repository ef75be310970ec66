//! The watch: what routers say over their API about the connections and the things that we keep there.
//!
//! One task per router reads its connections: every few seconds with scheme `api`, every minute with `radius`, and at once
//! when the router says that they changed. `follow` makes accounting of them where the router decides by itself, `compare`
//! holds them against what accounting told, `keep` looks after rules, leases and accounts.

mod compare;
mod follow;
mod keep;
mod outsider;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{self, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(super) use outsider::Outsiders;
pub use outsider::{Outsider, ShutOut};

use super::Gate;
use super::router_api::{Active, ApiFault, ApiState, RouterApi};
use crate::clock::Timestamp;
use crate::domain::id::{ConnectionId, RouterId};
use crate::domain::router::{NasKey, Router, Scheme};
use crate::store::StoreError;

/// The role of the instance that watches.
const ROLE: &str = "watch";
/// How often the connections of a router with scheme `radius` are read.
const EVERY: Duration = Duration::from_secs(60);
/// How often a router that is out of reach is tried; its connection is mended by itself meanwhile.
const EVERY_FAILING: Duration = Duration::from_secs(10);
/// How often rules, leases and accounts are looked after.
const KEEP_EVERY: Duration = Duration::from_secs(15);
/// How often it is looked which routers there are to be watched.
const MUSTER_EVERY: Duration = Duration::from_millis(500);
/// Acct-Session-Ids of PPP begin so on RouterOS; other services are not in the list of PPP connections.
const PPP: &str = "81";
/// The least time between two looks, however often the router says that something changed.
const PAUSE: Duration = Duration::from_millis(100);

/// What is remembered of a router between two looks.
#[derive(Default)]
struct Memory {
    /// Whether the last look succeeded.
    reached: bool,
    /// The version of the router when what follows from who decides there, and how, was last looked at.
    settled: Option<i64>,
    /// When rules, leases and accounts were last looked after, by both clocks.
    kept_at: Option<(Timestamp, Instant)>,
    /// Connections of ours that the router did not have, and since when.
    absent: HashMap<ConnectionId, Timestamp>,
    /// Connections that are not ours, by Acct-Session-Id, and since when.
    foreign: HashMap<String, Timestamp>,
    /// Those of them that an alarm was raised for.
    told: HashSet<String>,
    /// What somebody switched on the router and was left so (`drift` = `adopt`).
    adopted: HashSet<String>,
    /// Whether the accounts were looked through once: what is found enabled before is no drift.
    accounts_known: bool,
}

/// Why a look came to nothing.
#[derive(Debug, thiserror::Error)]
enum Blind {
    #[error(transparent)]
    Router(#[from] ApiFault),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One look at a router.
struct Look<'a> {
    api: &'a dyn RouterApi,
    router: &'a Router,
    /// Its `/system/identity`.
    identity: String,
    active: Vec<Active>,
    at: Timestamp,
}

impl Look<'_> {
    /// The address that stands for the box in accounting made of its API.
    fn address(&self) -> IpAddr {
        self.router.address.addr()
    }
}

/// Whether the list of a router's API would have a connection of this box. A router entry may stand for many boxes, by
/// a network or behind one address, and many boxes are called alike; the API speaks for one, and of PPP alone.
pub(super) fn speaks_for(router: &Router, identity: &str, nas: &NasKey, acct_session_id: &str) -> bool {
    let Some(api) = &router.api else { return false };
    let is_called_so = !identity.is_empty() && nas.identifier == identity;
    let is_one_address = router.address.prefix_len() == router.address.max_prefix_len();
    let is_its_address = is_one_address || api.address.host.parse() == Ok(nas.address);
    acct_session_id.starts_with(PPP) && is_called_so && is_its_address
}

impl Gate {
    /// Watches every router that has an API.
    pub(super) async fn run_watch(self: Arc<Self>, cancel: CancellationToken) {
        let mut running = JoinSet::new();
        let mut watched: HashMap<RouterId, task::Id> = HashMap::new();
        while !cancel.is_cancelled() {
            if self.leads(ROLE).await {
                for router in self.directory.routers().routers().iter().filter(|router| router.api.is_some()) {
                    watched.entry(router.id).or_insert_with(|| {
                        let (gate, id, cancel) = (self.clone(), router.id, cancel.clone());
                        running.spawn(async move { gate.watch_router(id, &cancel).await }).id()
                    });
                }
            }
            tokio::select! {
                () = cancel.cancelled() => break,
                Some(done) = running.join_next_with_id() => match done {
                    Ok((task, ())) => watched.retain(|_, of| *of != task),
                    Err(error) => {
                        tracing::error!(%error, "the watch of a router has failed; it is begun anew");
                        // Not at once: what failed may fail again.
                        let cancel = cancel.clone();
                        let pause = async move {
                            cancel.run_until_cancelled(tokio::time::sleep(EVERY_FAILING)).await;
                        };
                        let rest = running.spawn(pause).id();
                        watched.values_mut().filter(|of| **of == error.id()).for_each(|of| *of = rest);
                    }
                },
                () = self.wake.watch.notified() => tokio::time::sleep(PAUSE).await,
                () = tokio::time::sleep(MUSTER_EVERY) => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// Until it is not configured any more, or another instance watches.
    async fn watch_router(&self, id: RouterId, cancel: &CancellationToken) {
        let mut memory = Memory::default();
        loop {
            let routers = self.directory.routers();
            let Some(router) = routers.router(id).filter(|router| router.api.is_some()) else { break };
            let Ok(api) = self.api() else { break };
            if !self.leads(ROLE).await {
                break;
            }
            let looked_at = self.now();
            let looked = tokio::select! {
                () = cancel.cancelled() => return,
                looked = self.look(api.as_ref(), router, &mut memory) => looked,
            };
            match looked {
                Ok(()) => {}
                // Another change came between: that says nothing of the router, and the next look is soon.
                Err(Blind::Store(StoreError::Conflict)) => {
                    tracing::debug!(router = router.name, "a look was overtaken")
                }
                Err(error) => {
                    if memory.reached {
                        tracing::warn!(router = router.name, %error, "a router cannot be watched; trying again");
                    }
                    memory.reached = false;
                    self.forget_outsiders(id);
                }
            }
            let every = self.look_every(router, &memory);
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.clock.sleep_until(looked_at + every) => {}
                // A clock that stands still must not blind us.
                () = tokio::time::sleep(every) => {}
                () = api.active_changed(router), if memory.reached => {}
                () = self.wake.watch.notified() => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.forget_outsiders(id);
    }

    fn look_every(&self, router: &Router, memory: &Memory) -> Duration {
        match (router.scheme, memory.reached) {
            (_, false) => EVERY_FAILING,
            (Scheme::Api, true) => self.directory.system_policy().poll,
            (Scheme::Radius, true) => EVERY.min(KEEP_EVERY),
        }
    }

    async fn look(&self, api: &dyn RouterApi, router: &Router, memory: &mut Memory) -> Result<(), Blind> {
        let active = api.active(router).await?;
        let keeps = self.is_to_keep(memory);
        if keeps {
            // What it is called may have changed since the log-in. A router that does not say it is watched all the same.
            match api.greet(router).await {
                Err(fault) if fault.is_passing() => return Err(fault.into()),
                Ok(_) | Err(_) => {}
            }
        }
        let identity = self.identity_of(router.id);
        let look = Look { api, router, identity, active, at: self.now() };
        // It may have been taken away and given back between two looks.
        let is_as_it_was = memory.settled == Some(router.version);
        if !is_as_it_was {
            self.settle_router(router.id).await?;
            memory.settled = Some(router.version);
        }
        match router.scheme {
            Scheme::Api => self.follow_list(&look, memory).await?,
            Scheme::Radius => self.compare(&look, memory).await?,
        }
        // After its list: what was wanted while nobody knew who is connected may not be wanted any more.
        if !memory.reached || !is_as_it_was {
            self.welcome_back(router).await?;
            memory.reached = true;
        }
        if keeps {
            self.keep(&look, memory).await?;
            memory.kept_at = Some((look.at, Instant::now()));
        }
        Ok(())
    }

    /// Whether rules, leases and accounts are to be looked after (again). A clock that is held stands still.
    fn is_to_keep(&self, memory: &Memory) -> bool {
        let now = self.now();
        let is_held = !self.clock.lag().is_zero();
        memory
            .kept_at
            .is_none_or(|(at, since)| now >= at + KEEP_EVERY || now < at || (is_held && since.elapsed() >= KEEP_EVERY))
    }

    /// What a router's API is called; empty while it is out of reach.
    pub(super) fn identity_of(&self, router: RouterId) -> String {
        match self.api_state(router) {
            ApiState::Up { identity, .. } => identity,
            ApiState::Off | ApiState::Connecting | ApiState::Failing { .. } => String::new(),
        }
    }

    /// A router is in reach (again): what waited for it is done now, whatever its back-off.
    async fn welcome_back(&self, router: &Router) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        tx.hasten_wants(router.id, self.now()).await?;
        tx.hasten_cuts(router.id, self.now()).await?;
        tx.hasten_orders(router.id, self.now()).await?;
        let committed = tx.commit(self.now()).await?;
        self.after(&committed);
        Ok(())
    }
}
