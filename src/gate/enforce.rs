//! The end on the router: what is wanted is stored, tried until it is proven, and seen by operators meanwhile (`design` §6).
//!
//! Orders (`gate::order`) share the worker: to a router they are the same kind of request.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::order::{ASTRAY, refused};
use super::patience::written;
use super::ports::{CutOutcome, Cutter, OverRadsec, Target};
use super::router_api::{ApiFault, Removed};
use super::session::Ended;
use super::under_way::{LOOK_AHEAD, UnderWay};
use super::watch::speaks_for;
use super::{Gate, LEAD_EVERY, next_look};
use crate::clock::Timestamp;
use crate::domain::connection::Via;
use crate::domain::habits::{Habits, NotFound};
use crate::domain::id::{OrderId, RouterId};
use crate::domain::radsec;
use crate::domain::router::{NasKey, Router, Scheme};
use crate::domain::session::LONGEST;
use crate::secret::Secret;
use crate::store::StoreError;
use crate::store::connection::{Connection, LOST};
use crate::store::cut::Cut;
use crate::store::order::Order;
use crate::store::router::NasLine;

/// The role of the instance that cuts.
const ROLE: &str = "enforce";
/// First wait before the next try; doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// Longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Session-Context-Not-Found, RFC 5176 §3.5.
const NO_SUCH_CONNECTION: u32 = 503;
/// An Accept whose Start never came is given up after this: no connection came of it.
const LATE_ACCEPT: Duration = Duration::from_secs(120);

/// What is under way on a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Task {
    /// A cut, by its row.
    Cut(i64),
    /// An order.
    Order(OrderId),
}

impl Gate {
    /// Ends on routers what is to end, and changes what is to be changed, until it is proven. A router that does not answer
    /// keeps no other one waiting.
    pub(super) async fn run_enforce(self: Arc<Self>, cutter: Arc<dyn Cutter>, cancel: CancellationToken) {
        let mut running = JoinSet::new();
        let mut under_way = UnderWay::default();
        while !cancel.is_cancelled() {
            let looked_at = self.now();
            let leads = self.leads(ROLE).await;
            let next = if leads { self.begin_due_tasks(&cutter, &mut running, &mut under_way).await } else { Ok(None) };
            let longest = if leads { LONGEST_WAIT } else { LEAD_EVERY };
            let at = next_look(looked_at, next, "cuts and orders cannot be read; trying again", longest);
            tokio::select! {
                () = cancel.cancelled() => return,
                Some(done) = running.join_next() => if let Ok(done) = done { under_way.end(done) },
                () = self.wake.enforce.notified() => {}
                () = self.until_next_look(looked_at, at) => {}
            }
            if running.is_empty() {
                // Whatever happened to a task, nothing is under way any more.
                under_way = UnderWay::default();
            }
        }
    }

    async fn begin_due_tasks(
        self: &Arc<Self>,
        cutter: &Arc<dyn Cutter>,
        running: &mut JoinSet<(Task, RouterId)>,
        under_way: &mut UnderWay<Task>,
    ) -> Result<Option<Timestamp>, StoreError> {
        let due = self.due_until();
        // Router by router: one that is dead with a thousand cuts leaves the others their turn.
        let mut routers = self.reader().routers_with_due_cuts(due).await?;
        let with_orders = self.reader().routers_with_due_orders(due).await?;
        routers.extend(with_orders.into_iter().filter(|router| !routers.contains(router)).collect::<Vec<_>>());
        under_way.share_among(routers.len());
        for router in routers {
            if under_way.is_full(router) {
                continue;
            }
            for cut in self.reader().due_cuts(router, due, LOOK_AHEAD).await? {
                if under_way.begin(Task::Cut(cut.id), router) {
                    let (gate, cutter) = (self.clone(), cutter.clone());
                    running.spawn(async move {
                        let task = (Task::Cut(cut.id), router);
                        gate.cut_one(cut, cutter).await;
                        task
                    });
                }
            }
            for order in self.reader().due_orders(router, due, LOOK_AHEAD).await? {
                if under_way.begin(Task::Order(order.id), router) {
                    let (gate, cutter) = (self.clone(), cutter.clone());
                    running.spawn(async move {
                        gate.order_one(&order, cutter).await;
                        (Task::Order(order.id), router)
                    });
                }
            }
        }
        let (cut, order) = (self.reader().next_due_cut().await?, self.reader().next_due_order().await?);
        Ok([cut, order].into_iter().flatten().min())
    }

    async fn order_one(&self, order: &Order, cutter: Arc<dyn Cutter>) {
        match self.carry_out(order, cutter.as_ref()).await {
            // No longer: by then something else may be wanted.
            Ok(rest) => self.rest(rest.min(FIRST_WAIT)).await,
            Err(error) => {
                tracing::error!(%error, "what came of an order cannot be written; it is tried again");
                // It is still due: without a pause it would be tried without end.
                tokio::time::sleep(FIRST_WAIT).await;
            }
        }
    }

    async fn cut_one(self: Arc<Self>, cut: Cut, cutter: Arc<dyn Cutter>) {
        let tried = match self.try_cut(&cut, cutter.as_ref()).await {
            Ok(tried) => tried,
            Err(error) => {
                tracing::error!(%error, "a cut cannot be prepared; trying again");
                // It is still due: without a pause it would be tried without end.
                return tokio::time::sleep(FIRST_WAIT).await;
            }
        };
        match written(|| self.note_cut(&cut, &tried)).await {
            // No longer: by then its Start may have come.
            Ok(rest) => self.rest(rest.min(FIRST_WAIT)).await,
            Err(error) => {
                tracing::error!(%error, "the outcome of a cut cannot be written; it is tried again");
                tokio::time::sleep(FIRST_WAIT).await;
            }
        }
    }

    async fn try_cut(&self, cut: &Cut, cutter: &dyn Cutter) -> Result<Tried, StoreError> {
        let lines = self.reader().nas_lines().await?;
        let Some(line) = lines.into_iter().find(|line| line.nas.id == cut.nas) else { return Ok(Tried::NoRouter) };
        let routers = self.directory.routers();
        let Some(router) = routers.router(line.nas.key.router) else { return Ok(Tried::NoRouter) };
        if let Some(connection) = cut.connection
            && let Some(account) = self.reader().connection_row(connection).await?.and_then(|row| row.account)
        {
            self.shut_first(router, account).await?;
        }
        match router.scheme {
            Scheme::Radius => {
                self.metrics.disconnects.inc();
                let habits = self.directory.habits(router.id);
                let named = Named::by(cut);
                let outcome = cutter.disconnect(&target(&named, &line, router, (&habits, self.now()))).await;
                let outcome = match (outcome, habits.coa.not_found) {
                    (CutOutcome::Gone, NotFound::Unsure) => CutOutcome::Refused(Some(NO_SUCH_CONNECTION)),
                    (outcome, NotFound::Gone | NotFound::Unsure) => outcome,
                };
                self.cross_check(cut, router, &line.nas.key, outcome).await
            }
            Scheme::Api => Ok(match self.remove_over_api(cut, router).await {
                Ok(removed) => Tried::Removed(removed),
                Err(fault) => Tried::Said(fault.to_string()),
            }),
        }
    }

    /// A Disconnect that was not clearly done is done over the API, where there is one; and what the router says of it is
    /// looked up there.
    async fn cross_check(
        &self,
        cut: &Cut,
        router: &Router,
        nas: &NasKey,
        outcome: CutOutcome,
    ) -> Result<Tried, StoreError> {
        let word = match outcome {
            // The Stop follows at once, or was lost: then the next try asks.
            CutOutcome::Acknowledged if router.api.is_none() || cut.tries == 0 => return Ok(Tried::Acknowledged),
            CutOutcome::Gone if router.api.is_none() => return Ok(Tried::Removed(Removed::Absent)),
            CutOutcome::Acknowledged => "acknowledged, and no Stop came".to_owned(),
            CutOutcome::Gone => "the router has no such connection".to_owned(),
            CutOutcome::Refused(cause) => refused(cause),
            CutOutcome::Silent => "no answer".to_owned(),
            CutOutcome::Astray => ASTRAY.to_owned(),
        };
        if router.api.is_none() {
            return Ok(Tried::Said(word));
        }
        let speaks = speaks_for(router, &self.identity_of(router.id), nas, &cut.acct_session_id);
        let of_another_box = format!("{word}; the router's API does not speak for the box {}", nas.identifier);
        // A number is one box's own: over the API of another it may be somebody else's connection.
        if !speaks && self.reader().has_twin(router.id, cut.nas, &cut.acct_session_id).await? {
            return Ok(Tried::Said(of_another_box));
        }
        Ok(match (self.remove_over_api(cut, router).await, outcome) {
            (Ok(Removed::Removed), _) => Tried::Removed(Removed::Removed),
            (Ok(Removed::Absent) | Err(_), CutOutcome::Gone) => Tried::Removed(Removed::Absent),
            (Ok(Removed::Absent), _) if speaks => Tried::Removed(Removed::Absent),
            (Ok(Removed::Absent), _) => Tried::Said(of_another_box),
            (Err(fault), _) => Tried::Said(format!("{word}; {fault}")),
        })
    }

    async fn remove_over_api(&self, cut: &Cut, router: &Router) -> Result<Removed, ApiFault> {
        self.api()?.remove_active(router, &cut.acct_session_id, &cut.user_name).await
    }

    /// Writes down what came of a try; gives how long whoever tried is to rest.
    async fn note_cut(&self, cut: &Cut, tried: &Tried) -> Result<Duration, StoreError> {
        let mut tx = self.store.begin().await?;
        let now = self.now();
        let connection = match cut.connection {
            Some(id) => tx.connection(id).await?,
            None => None,
        };
        let mut rest = Duration::ZERO;
        match (proof(cut, tried, connection.as_ref(), now), connection) {
            // The router says it is gone: closed as such; an Interim would open it again and be cut again.
            (Proof::Gone, Some(connection)) => tx.end_connection(&connection, "gone", now).await?,
            (Proof::Gone, None) => tx.finish_cut(cut.id, "proven", now).await?,
            (Proof::Over(why), _) => tx.finish_cut(cut.id, why, now).await?,
            (Proof::None(outcome), _) => {
                tracing::info!(acct_session_id = cut.acct_session_id, outcome, "a connection is to end");
                let again = self.again_in(FIRST_WAIT.saturating_mul(1 << cut.tries.min(6)).min(LONGEST_WAIT));
                tx.retry_cut(cut.id, outcome, again.at).await?;
                rest = again.rest;
            }
        }
        self.commit(tx, Ended::default()).await?;
        Ok(rest)
    }
}

/// What a try proves.
enum Proof<'a> {
    /// The connection is not on the router any more, and nobody knew.
    Gone,
    /// Nothing is left to be done, and why.
    Over(&'static str),
    /// Nothing; what was seen.
    None(&'a str),
}

fn proof<'a>(cut: &Cut, tried: &'a Tried, connection: Option<&Connection>, now: Timestamp) -> Proof<'a> {
    let word = match (tried, connection) {
        (Tried::NoRouter, _) => return Proof::Over("the router is not configured any more"),
        (Tried::Removed(_), Some(connection)) if connection.ended_at.is_none() => return Proof::Gone,
        (Tried::Removed(_), Some(_)) | (Tried::Removed(Removed::Removed), None) => return Proof::Over("proven"),
        // An Accept in flight: until its Start comes, the connection is not there yet.
        (Tried::Removed(Removed::Absent), None) => "the router has no such connection",
        (Tried::Acknowledged, _) => "acknowledged, waiting for the Stop",
        (Tried::Said(word), _) => word,
    };
    match connection {
        Some(connection) if connection.ended_at.is_some() && !is_lost(connection) => Proof::Over("proven"),
        // No Accept says a longer Session-Timeout: the router has ended it by itself.
        Some(connection) if connection.via == Via::Radius && now >= cut.created_at + LONGEST => {
            Proof::Over("its Session-Timeout has passed")
        }
        // Its Start may still come; then the closing rule names the connection here.
        None if now >= cut.created_at + LATE_ACCEPT => Proof::Over("no connection came of it"),
        Some(_) | None => Proof::None(word),
    }
}

/// Whether nothing was heard of a connection for long, and that is all that is known of its end.
fn is_lost(connection: &Connection) -> bool {
    connection.cause.as_deref() == Some(LOST)
}

/// What came of one try.
enum Tried {
    /// The router is not configured any more.
    NoRouter,
    /// Disconnect-ACK: the Stop is the proof.
    Acknowledged,
    /// The connection is not on the router (any more).
    Removed(Removed),
    /// It is still there, or nobody knows; why, in words.
    Said(String),
}

/// A connection in the router's own words.
pub(super) struct Named<'a> {
    nas_ip: Option<IpAddr>,
    user_name: &'a [u8],
    acct_session_id: &'a str,
    framed_ip: Option<IpAddr>,
}

impl<'a> Named<'a> {
    fn by(cut: &'a Cut) -> Self {
        Self {
            nas_ip: cut.nas_ip,
            user_name: &cut.user_name,
            acct_session_id: &cut.acct_session_id,
            framed_ip: cut.framed_ip,
        }
    }

    pub(super) fn of(row: &'a Connection) -> Self {
        Self {
            nas_ip: row.nas_ip,
            user_name: &row.user_name,
            acct_session_id: &row.acct_session_id,
            framed_ip: row.framed_ip,
        }
    }
}

pub(super) fn target(
    named: &Named<'_>,
    line: &NasLine,
    router: &Router,
    (habits, now): (&Habits, Timestamp),
) -> Target {
    // A box that calls over RadSec takes them with its secret, by UDP, too, and where it called from last.
    let called = line.radsec.as_ref().filter(|_| router.radsec.is_some());
    Target {
        router: SocketAddr::new(called.map_or(line.nas.key.address, |called| called.address), router.coa_port),
        server: line.server,
        secret: called.map_or_else(|| router.secret_of(&line.nas, now).clone(), |_| Secret::new(radsec::SECRET)),
        radsec: called.map(|_| OverRadsec { nas: line.nas.key.clone(), orders: habits.orders }),
        habits: habits.coa,
        nas_ip: named.nas_ip,
        user_name: named.user_name.to_vec(),
        acct_session_id: named.acct_session_id.to_owned(),
        framed_ip: named.framed_ip,
    }
}
