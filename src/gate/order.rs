//! Running connections are changed on their routers by CoA-Requests: to run longer, or to have other reply attributes.
//!
//! What is wanted is stored in the transaction that causes it, and tried until the router has answered or it does not matter
//! any more. What cannot be changed while a connection runs holds from the redial on (`design` §3, §6).

use std::sync::Arc;
use std::time::Duration;

use super::access::Said;
use super::enforce::{Named, target};
use super::ports::{Amendment, CutOutcome, Cutter};
use super::session::{Case, Ended};
use super::{Gate, Refused};
use crate::clock::Timestamp;
use crate::domain::account::Source;
use crate::domain::attribute::Subject;
use crate::domain::audit::Actor;
use crate::domain::connection::{Presence, Via};
use crate::domain::habits::{SessionTimeout, Telling};
use crate::domain::hours;
use crate::domain::order::{OrderState, error_cause, may_pass, session_timeout};
use crate::domain::router::Scheme;
use crate::domain::session::{Event, Held, Session};
use crate::domain::setting::Level;
use crate::store::audit::Deed;
use crate::store::connection::{ClassSeen, Connection};
use crate::store::order::{Order, Told, Whose};
use crate::store::{StoreError, Tx};
use crate::text::Arg;

/// First wait before the next try; doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// Longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// After this long without a word the router is taken for one that does not do it.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// A router that has not answered so long before it hangs up: the person is told that it may.
const WARNING: Duration = Duration::from_secs(600);

/// A router did not answer, and why it could not.
pub(super) const ASTRAY: &str =
    "no answer: this machine has not the address that the router knows as its RADIUS server, and it takes no other";

/// What came of one try.
enum Tried {
    /// The router has it so; the limit that it was told.
    Done(Option<Timestamp>),
    /// It does not do it; why, in words.
    Refused(String),
    /// There is nothing (more) to be done; why.
    Void(&'static str),
    /// To be tried again; why.
    Again(String),
}

impl Gate {
    /// Until when the connections of a session may run.
    fn limit_of(&self, case: &Case, session: &Session) -> Timestamp {
        match case.policy.allowed_hours.at(self.now(), &case.policy.time_zone) {
            hours::Gate::OpenUntil(end) => session.until.min(end),
            hours::Gate::Always | hours::Gate::Shut => session.until,
        }
    }

    /// Until when the router lets a connection run that is seen for the first time: its Accept said so a moment ago.
    pub(super) fn first_limit(&self, case: &Case, session: &Session, held: &Held) -> Timestamp {
        let limit = self.limit_of(case, session);
        let Presence::Asked { .. } = held.presence else { return limit };
        let routers = self.directory.routers();
        let router = held.place.as_ref().and_then(|place| routers.router(place.router));
        let longest = super::door::door(case).longest_unconfirmed(router.map(|router| (router.id, router.leases)));
        limit.min(self.now() + longest)
    }

    /// The session lasts longer, or a connection that was let in for a moment is confirmed: the routers are to let them run,
    /// or the person hears that they do not.
    pub(super) async fn order_limits(
        &self,
        tx: &mut Tx,
        case: &Case,
        (before, next): (&Session, &Session),
        event: &Event,
    ) -> Result<(), StoreError> {
        let is_moved = next.until > before.until;
        // Whoever extends is told so with the extension.
        let is_renewed = is_moved && matches!(event, Event::Renewed { .. });
        let was_asked = |held: &Held| {
            let then = before.connections.iter().find(|other| other.id == held.id);
            then.is_some_and(|then| matches!(then.presence, Presence::Asked { .. }))
        };
        for held in next.connections.iter().filter(|held| matches!(held.presence, Presence::Confirmed { .. })) {
            let is_confirmed_now = was_asked(held);
            if !is_moved && !is_confirmed_now {
                continue;
            }
            let limit = self.limit_of(case, next);
            let Some(row) = tx.connection(held.id).await?.filter(|row| is_shorter(row, limit)) else { continue };
            if self.is_told(tx, case, &row).await? {
                let why = if is_moved { "extended" } else { "confirmed" };
                tx.order_limit(row.id, limit, why, self.now()).await?;
            } else if is_confirmed_now || is_renewed {
                self.tell_of_the_drop(tx, case, &row).await?;
            }
        }
        Ok(())
    }

    /// Whether a connection of the session ends at a limit that was moved meanwhile, and its router is not told so.
    pub(super) async fn drops_once(&self, tx: &mut Tx, case: &Case) -> Result<bool, StoreError> {
        let Some(session) = &case.entry.session else { return Ok(false) };
        let limit = self.limit_of(case, session);
        for held in &session.connections {
            let Some(row) = tx.connection(held.id).await?.filter(|row| is_shorter(row, limit)) else { continue };
            if !self.is_told(tx, case, &row).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the router of a connection is told how long it may run. Where a home server knows the password, its own limit
    /// may be the nearer one, and is not known any more.
    async fn is_told(&self, tx: &mut Tx, case: &Case, row: &Connection) -> Result<bool, StoreError> {
        if case.entry.account.source == Source::UserManager {
            return Ok(false);
        }
        let values = tx.settings_at(&[Level::System, Level::Router(row.router.0)]).await?;
        Ok(values.habits(Some(row.router))?.coa.session_timeout != SessionTimeout::Off)
    }

    async fn tell_of_the_drop(&self, tx: &mut Tx, case: &Case, row: &Connection) -> Result<(), StoreError> {
        let Some(at) = row.runs_until else { return Ok(()) };
        let time = self.moment(case, at);
        self.tell_about(tx, case, "connection-drops-once", &[("time", Arg::Text(&time))]).await
    }

    /// Open connections get their reply attributes as they are now, as far as that can be changed while they run; gives how
    /// many are to get them.
    ///
    /// # Errors
    /// No such open connection or subject, or there is none that radgram let in by RADIUS.
    pub async fn apply_attributes(&self, actor: &Actor, whose: Whose) -> Result<u64, Refused> {
        let mut tx = self.store.begin().await?;
        let (noun, subject, detail) = match whose {
            Whose::Connection(id) => {
                let row = tx.connection(id).await?.ok_or(Refused::NotFound("no such connection"))?;
                if row.ended_at.is_some() {
                    return Err(Refused::conflict("the connection is down"));
                }
                ("connection", id.0, row.acct_session_id)
            }
            Whose::Of(subject) | Whose::On(subject, _) => {
                let name = tx.subject_name(subject).await?.ok_or(Refused::NotFound("there is no such thing"))?;
                (subject.level(), subject.row(), name)
            }
        };
        let count = tx.order_attributes(whose, "operator", self.now()).await?;
        if count == 0 {
            return Err(Refused::conflict("no connection runs there that radgram let in over RADIUS"));
        }
        let detail = format!("{detail}: {count} connections");
        self.finish(tx, actor, Deed { noun, subject, verb: "apply", detail: &detail }, Ended::default()).await?;
        Ok(count)
    }

    /// Reply attributes were changed: they go to running connections of the routers whose habit is so.
    pub(super) async fn order_at_once(&self, tx: &mut Tx, subject: Subject) -> Result<(), StoreError> {
        let values = self.reader().settings().await?;
        for router in self.directory.routers().routers() {
            if values.habits(Some(router.id))?.coa.attributes == Telling::AtOnce {
                tx.order_attributes(Whose::On(subject, router.id), "changed", self.now()).await?;
            }
        }
        Ok(())
    }

    /// Tells the router what is wanted of a connection, and writes down what it says; gives how long whoever tried is to
    /// rest.
    pub(super) async fn carry_out(&self, order: &Order, cutter: &dyn Cutter) -> Result<Duration, StoreError> {
        let row = self.reader().connection_row(order.connection).await?;
        let tried = match &row {
            Some(row) => self.try_order(order, row, cutter).await?,
            None => Tried::Void("the connection is forgotten"),
        };
        super::patience::written(|| self.note_order(order, &tried)).await
    }

    async fn try_order(&self, order: &Order, row: &Connection, cutter: &dyn Cutter) -> Result<Tried, StoreError> {
        if row.ended_at.is_some() {
            return Ok(Tried::Void("the connection has ended"));
        }
        let lines = self.reader().nas_lines().await?;
        let routers = self.directory.routers();
        let line = lines.into_iter().find(|line| line.nas.id == row.nas);
        let router = routers.router(row.router).filter(|router| router.scheme == Scheme::Radius);
        let (Some(line), Some(router), Via::Radius) = (line, router, row.via) else {
            return Ok(Tried::Void("the router does not ask radgram any more"));
        };
        // As the database has them: what memory has may be older than the order.
        let habits = self.reader().settings().await?.habits(Some(router.id))?;
        let now = self.now();
        let timeout =
            order.until.and_then(|until| session_timeout(habits.coa.session_timeout, row.started_at, until, now));
        let attributes = match (order.attributes, row.account) {
            (Told::Attributes, Some(account)) => match self.reader().entry(account).await? {
                Some(entry) => {
                    let of_router = self.reader().attributes(Subject::Router(router.id)).await?;
                    Said { account: entry.attributes, router: Arc::new(of_router) }
                }
                None => Said::default(),
            },
            (Told::Attributes | Told::Nothing, _) => Said::default(),
        };
        let attributes = attributes.iter().filter(|attribute| attribute.is_changeable()).cloned().collect();
        let amendment = Amendment { timeout, attributes };
        if amendment.timeout.is_none() && amendment.attributes.is_empty() {
            return Ok(match order.until {
                Some(until) if until > now => Tried::Refused("coa_session_timeout is off for the router".to_owned()),
                Some(_) => Tried::Void("its time is over"),
                None => Tried::Void("nothing is set that can be changed while a connection runs"),
            });
        }
        self.metrics.amendments.inc();
        let named = Named::of(row);
        let outcome = cutter.change(&target(&named, &line, router, (&habits, now)), &amendment).await;
        Ok(self.tried(outcome, order.until.filter(|_| timeout.is_some())))
    }

    fn tried(&self, outcome: CutOutcome, limit: Option<Timestamp>) -> Tried {
        let (word, tried) = match outcome {
            CutOutcome::Acknowledged => ("ack", Tried::Done(limit)),
            CutOutcome::Gone => (error_cause(503), Tried::Refused("the router has no such connection".to_owned())),
            CutOutcome::Refused(cause) => {
                let said = refused(cause);
                let tried = if may_pass(cause) { Tried::Again(said) } else { Tried::Refused(said) };
                (cause.map_or("no cause", error_cause), tried)
            }
            CutOutcome::Silent => ("silence", Tried::Again("no answer".to_owned())),
            CutOutcome::Astray => ("silence", Tried::Again(ASTRAY.to_owned())),
        };
        self.metrics.amended(word);
        tried
    }

    async fn note_order(&self, order: &Order, tried: &Tried) -> Result<Duration, StoreError> {
        let mut tx = self.store.begin().await?;
        let now = self.now();
        let mut rest = Duration::ZERO;
        let is_given_up = now >= order.created_at + PATIENCE;
        match tried {
            Tried::Done(limit) => {
                // What the router was told holds, whatever was wanted since.
                if let Some(limit) = limit {
                    tx.set_runs_until(order.connection, *limit).await?;
                }
                tx.finish_order(order, OrderState::Acknowledged, "acknowledged", now).await?;
            }
            Tried::Void(why) => {
                tx.finish_order(order, OrderState::Void, why, now).await?;
            }
            Tried::Refused(said) => self.give_up_order(&mut tx, order, said, now).await?,
            Tried::Again(said) if is_given_up => self.give_up_order(&mut tx, order, said, now).await?,
            Tried::Again(said) => {
                tracing::info!(connection = order.connection.0, outcome = said, "a connection is to be changed");
                let wait = FIRST_WAIT.saturating_mul(1 << order.tries.min(6)).min(LONGEST_WAIT);
                let again = self.again_in(wait);
                if order.until.is_some() {
                    self.warn_in_time(&mut tx, order, again.at).await?;
                }
                tx.retry_order(order, said, again.at).await?;
                rest = again.rest;
            }
        }
        self.commit(tx, Ended::default()).await?;
        Ok(rest)
    }

    /// The router does not do it. If it would have let the connection run on, the person hears that it does not.
    async fn give_up_order(&self, tx: &mut Tx, order: &Order, said: &str, now: Timestamp) -> Result<(), StoreError> {
        tracing::warn!(connection = order.connection.0, outcome = said, "a connection is not changed by its router");
        if tx.finish_order(order, OrderState::Refused, said, now).await? && order.until.is_some() {
            self.warn(tx, order).await?;
        }
        Ok(())
    }

    /// A router that says nothing hangs up before the next try but one: the person hears of it once.
    async fn warn_in_time(&self, tx: &mut Tx, order: &Order, again: Timestamp) -> Result<(), StoreError> {
        let Some(row) = tx.connection(order.connection).await? else { return Ok(()) };
        if row.runs_until.is_some_and(|at| again + WARNING >= at) {
            self.warn(tx, order).await?;
        }
        Ok(())
    }

    async fn warn(&self, tx: &mut Tx, order: &Order) -> Result<(), StoreError> {
        let row = tx.connection(order.connection).await?.filter(|row| row.ended_at.is_none());
        let Some((row, account)) = row.and_then(|row| row.account.map(|account| (row, account))) else { return Ok(()) };
        if !tx.mark_warned(order, self.now()).await? {
            return Ok(());
        }
        match self.case(tx, account).await? {
            Some(case) => self.tell_of_the_drop(tx, &case, &row).await,
            None => Ok(()),
        }
    }
}

/// Whether a router hangs a connection up before this limit, by what its Accept said.
fn is_shorter(row: &Connection, limit: Timestamp) -> bool {
    let is_ours = row.via == Via::Radius && row.class == ClassSeen::Ours && row.ended_at.is_none();
    // Whole seconds were told.
    is_ours && row.runs_until.is_none_or(|until| until + Duration::from_secs(1) < limit)
}

/// What a NAK says, in words.
pub(super) fn refused(cause: Option<u32>) -> String {
    match cause {
        Some(cause) => format!("refused with Error-Cause {cause} ({})", error_cause(cause)),
        None => "refused without a cause".to_owned(),
    }
}
