//! The door: a right is granted, somebody knocks, a caller is admitted, a connection is replaced.

use std::time::Duration;

use super::Gate;
use super::directory::Found;
use super::letter::{Label, Question};
use super::session::{Case, Ended, is_open};
use crate::domain::access::{Door, Through};
use crate::domain::audit::Actor;
use crate::domain::connection::Place;
use crate::domain::id::{AccountId, ConnectionId, PromptId, RouterId, SessionId};
use crate::domain::policy::ExtraProtection;
use crate::domain::prompt::{Action, Kind, State as PromptState};
use crate::domain::reason::Reason;
use crate::domain::router::Leases;
use crate::domain::session::{Admission, Event, LONGEST, Origin, Passed};
use crate::store::audit::Deed;
use crate::store::prompt::Asked;
use crate::store::session::NewSession;
use crate::store::{StoreError, Tx};
use crate::text::Arg;

/// Accounts remembered as told of a surplus connection; the least seen ones are forgotten first, and are told again.
pub(super) const SURPLUS_TOLD: u64 = 10_000;
/// Connections remembered as replaced.
pub(super) const REPLACED: u64 = 10_000;
/// How long a connection that a dial replaced is not cut once more for the next dial: its cut is under way, and goes on by itself.
const UNDER_WAY: Duration = Duration::from_secs(10);
/// The window of `knocks_per_10min`, and between two words about surplus connections.
const KNOCK_WINDOW: Duration = Duration::from_secs(600);

/// What becomes of a dial whose person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Knocker {
    /// It was refused; the next one may be let in.
    Left,
    /// It is held for so long.
    Waits(Duration),
}

impl Gate {
    /// Opens a session, or moves the limit of the open one; the person is told until when.
    #[expect(clippy::too_many_arguments, reason = "each is one fact of the grant")]
    pub(super) async fn grant(
        &self,
        tx: &mut Tx,
        case: &mut Case,
        origin: Origin,
        length: Duration,
        caller: Option<Place>,
        actor: &Actor,
        ended: &mut Ended,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let until = now + length.min(LONGEST);
        let event = Event::Renewed { until, caller: caller.clone() };
        // A session that is over by its time is ended first; then a new one is opened.
        self.apply(tx, case, &event, actor, ended).await?;
        if case.entry.session.is_none() {
            let user = case.entry.account.user;
            let new = NewSession { account: case.entry.account.id, user, origin, until, caller, due: now };
            let session = tx.add_session(&new, now).await?;
            tx.save_session(&session, session.next_due(&case.policy), now).await?;
            case.entry.session = Some(session);
        }
        self.write_session(tx, case, origin.word(), actor).await?;
        let until = case.entry.session.as_ref().map_or(until, |session| session.until);
        let until = self.moment(case, until);
        self.tell_about(tx, case, "session-granted", &[("until", Arg::Text(&until))]).await
    }

    pub(super) async fn write_session(
        &self,
        tx: &mut Tx,
        case: &Case,
        verb: &str,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let Some(session) = &case.entry.session else { return Ok(()) };
        let detail = format!("account {} until {}", case.entry.account.name, session.until.millis());
        tx.write_down(actor, Deed { noun: "session", subject: session.id.0, verb, detail: &detail }, self.now()).await
    }

    pub(super) fn may_hold(&self, case: &Case) -> Result<(), Reason> {
        door(case).may_hold()
    }

    /// §3.5 as it is now, for the router and caller that a question was about.
    pub(super) async fn standing_now(
        &self,
        tx: &mut Tx,
        case: &Case,
        place: Option<&Place>,
    ) -> Result<Result<(), Reason>, StoreError> {
        let routers = tx.routers().await?;
        let known = place.and_then(|place| routers.iter().find(|router| router.id == place.router));
        let nowhere = Through { id: RouterId(0), name: "", leases: Leases::Off };
        Ok(door(case).standing(known.map_or(nowhere, Through::of), place, self.now()).map(|_| ()))
    }

    /// Somebody with the right password stands at the door: the person is asked, within limits. Gives the question about
    /// this very caller that is open now; `None` if there is none.
    pub(super) async fn knock(
        &self,
        account: AccountId,
        place: &Place,
        knocker: Knocker,
    ) -> Result<Option<PromptId>, StoreError> {
        let now = self.now();
        let mut tx = self.store.begin().await?;
        let Some(case) = self.case(&mut tx, account).await? else { return Ok(None) };
        if let Some(asked) = pending_knock(&mut tx, account).await? {
            return Ok((asked.place.as_ref() == Some(place)).then_some(asked.prompt.id));
        }
        let silent = tx.knocks_silent_until(account).await?.is_some_and(|until| now < until);
        let asked = tx.prompts_since(account, Kind::Knock, now - KNOCK_WINDOW).await?;
        if silent || asked >= i64::from(case.policy.knocks_per_10min) || self.may_hold(&case).is_err() {
            return Ok(None);
        }
        let routers = tx.routers().await?;
        let router = routers.iter().find(|router| router.id == place.router).map_or("?", |router| router.name.as_str());
        let mut args = vec![
            ("account", case.entry.account.name.clone()),
            ("address", place.shown()),
            ("router", router.to_owned()),
        ];
        let key = match knocker {
            Knocker::Left => "knock-question",
            Knocker::Waits(patience) => {
                args.push(("seconds", patience.as_secs().to_string()));
                "hold-question"
            }
        };
        let question = Question {
            kind: Kind::Knock,
            key,
            args,
            actions: vec![
                vec![(Action::Yes, Label::hours("button-yes-hours", case.policy.session))],
                vec![(Action::NotNow, "button-not-now".into()), (Action::NotMe, "button-not-me".into())],
            ],
            session: None,
            connection: None,
            place: Some(place.clone()),
            deadline: now + case.policy.knock,
            resend_at: None,
        };
        self.ask(&mut tx, &case, &question).await?;
        let asked = pending_knock(&mut tx, account).await?;
        self.commit(tx, Ended::default()).await?;
        Ok(asked.map(|asked| asked.prompt.id))
    }

    /// A dial from a new caller that the session admits: the caller is written, and the person is told, with [Not me].
    pub(super) async fn admit(&self, found: &Found, session: SessionId, place: &Place) -> Result<(), StoreError> {
        let Found::Account(known) = found else { return Ok(()) };
        let mut tx = self.store.begin().await?;
        let Some(mut case) = self.case(&mut tx, known.entry.account.id).await? else { return Ok(()) };
        if case.entry.session.as_ref().map(|open| open.id) != Some(session) {
            return Ok(());
        }
        let mut ended = Ended::default();
        self.welcome(&mut tx, &mut case, Some(place), &mut ended).await?;
        self.commit(tx, ended).await?;
        Ok(())
    }

    /// Whether the open session admits a caller. One that is new to it is written, and the person is told of it.
    pub(super) async fn welcome(
        &self,
        tx: &mut Tx,
        case: &mut Case,
        place: Option<&Place>,
        ended: &mut Ended,
    ) -> Result<Passed, StoreError> {
        // Two first callers at once: the second finds the first written, and is judged again.
        let admission = case.entry.session.as_ref().map(|open| open.admission(place, case.policy.new_address));
        match (admission, place) {
            (None | Some(Admission::Stranger), _) => return Ok(Passed::Unasked),
            (Some(Admission::Known(_)), _) | (Some(Admission::First | Admission::Alike), None) => {}
            (Some(Admission::First | Admission::Alike), Some(place)) => {
                let outcome = self.apply(tx, case, &Event::Admitted(place.clone()), &Actor::System, ended).await?;
                let presence_follows = case.policy.extra_protection == ExtraProtection::On;
                if is_open(&outcome) && !presence_follows {
                    self.tell_of_caller(tx, case, place).await?;
                }
            }
        }
        Ok(Passed::Admitted)
    }

    async fn tell_of_caller(&self, tx: &mut Tx, case: &Case, place: &Place) -> Result<(), StoreError> {
        let Some(session) = &case.entry.session else { return Ok(()) };
        let routers = tx.routers().await?;
        let router = routers.iter().find(|router| router.id == place.router).map_or("?", |router| router.name.as_str());
        let question = Question {
            kind: Kind::Caller,
            key: "caller-notice",
            args: vec![
                ("account", case.entry.account.name.clone()),
                ("address", place.shown()),
                ("router", router.to_owned()),
                ("time", self.moment(case, self.now())),
            ],
            actions: vec![vec![(Action::NotMe, "button-not-me".into())]],
            session: Some(session.id),
            connection: None,
            place: Some(place.clone()),
            deadline: session.until,
            resend_at: None,
        };
        for asked in tx.pending_prompts(case.entry.account.id).await? {
            if asked.prompt.kind == Kind::Caller {
                self.settle(tx, case, &asked, PromptState::Lapsed, None, "prompt-late").await?;
            }
        }
        self.ask(tx, case, &question).await
    }

    /// A dial was one too many: its person hears why, at most once in ten minutes.
    pub(super) async fn tell_surplus(&self, account: AccountId, place: Option<&Place>) -> Result<(), StoreError> {
        let now = self.now();
        if self.surplus_told.get(&account).is_some_and(|told| now < told + KNOCK_WINDOW) {
            return Ok(());
        }
        self.surplus_told.insert(account, now);
        let mut tx = self.store.begin().await?;
        let Some(case) = self.case(&mut tx, account).await? else { return Ok(()) };
        let routers = tx.routers().await?;
        let router = place.and_then(|place| routers.iter().find(|router| router.id == place.router));
        let address = place.map_or_else(|| "?".to_owned(), Place::shown);
        let most = door(&case).most_connections().and_then(|most| i64::try_from(most).ok()).unwrap_or_default();
        let args = [
            ("address", Arg::Text(&address)),
            ("router", Arg::Text(router.map_or("?", |router| router.name.as_str()))),
            ("count", Arg::Number(most)),
        ];
        self.tell_about(&mut tx, &case, "refused-too-many", &args).await?;
        self.commit(tx, Ended::default()).await?;
        Ok(())
    }

    /// Those of the connections that no dial has replaced just now.
    pub(super) fn not_yet_replaced(&self, mut connections: Vec<ConnectionId>) -> Vec<ConnectionId> {
        connections.retain(|id| self.replaced.get(id).is_none_or(|since| self.now() >= since + UNDER_WAY));
        connections
    }

    /// The connections that a dial replaced are cut.
    pub(super) async fn replace(&self, connections: Vec<ConnectionId>) -> Result<(), StoreError> {
        // Many dials may have waited with the same ones.
        let connections = self.not_yet_replaced(connections);
        if connections.is_empty() {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        for id in &connections {
            if let Some(connection) = tx.connection(*id).await?
                && connection.ended_at.is_none()
            {
                self.cut(&mut tx, &connection, "replaced").await?;
            }
        }
        self.commit(tx, Ended::default()).await?;
        connections.into_iter().for_each(|id| self.replaced.insert(id, self.now()));
        Ok(())
    }
}

async fn pending_knock(tx: &mut Tx, account: AccountId) -> Result<Option<Asked>, StoreError> {
    let pending = tx.pending_prompts(account).await?;
    Ok(pending.into_iter().find(|asked| asked.prompt.kind == Kind::Knock))
}

/// The door of a case, for its rules: connections and slots do not count.
pub(super) fn door(case: &Case) -> Door<'_> {
    Door {
        account: &case.entry.account,
        user: case.entry.user.as_ref(),
        policy: &case.policy,
        session: case.entry.session.as_ref(),
        open: &[],
        slots: &[],
        rules: &case.entry.rules,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::connection::Report;
    use crate::gate::fixture::Site;

    #[tokio::test]
    async fn a_connection_is_replaced_once_in_ten_seconds() {
        let site = Site::new().await;
        site.start();
        site.report(site.told(Report::Start, 1)).await.unwrap();
        let id = site.gate.reader().fresh_after(ConnectionId(0)).await.unwrap()[0].0;
        assert_eq!(site.gate.not_yet_replaced(vec![id]), [id]);
        site.gate.replace(vec![id]).await.unwrap();
        assert_eq!(site.gate.not_yet_replaced(vec![id]), []);
        site.clock.advance(UNDER_WAY);
        assert_eq!(site.gate.not_yet_replaced(vec![id]), [id]);
    }
}
