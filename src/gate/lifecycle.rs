//! Due times: sessions hear of their connections, end, are reminded of; prompts lapse; what is silent is swept.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::door::door;
use super::letter::{Label, Question};
use super::patience::written;
use super::session::{Case, Ended, Outcome};
use super::{Gate, LEAD_EVERY, next_look};
use crate::clock::Timestamp;
use crate::domain::access::Reason;
use crate::domain::audit::Actor;
use crate::domain::connection::{Authentic, Presence, Via};
use crate::domain::id::{AccountId, ConnectionId, PromptId};
use crate::domain::policy::OverLimit;
use crate::domain::prompt::{Action, Kind, State as PromptState};
use crate::domain::session::{Event, Passed, Why};
use crate::store::alarm::Raised;
use crate::store::connection::{ClassSeen, Connection, Kept, LOST};
use crate::store::prompt::Asked;
use crate::store::{StoreError, Tx};
use crate::text::{Arg, one_line};

/// The lifecycle looks at least this often, whatever the due times say.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// What could not be done is tried again after this.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// Accounts that hear of their connections in one transaction on SQLite, where nobody else writes meanwhile. Elsewhere it is one:
/// who holds the rows of several, and the records of a group, in another order, would wait for each other.
const HEARD_AT_ONCE: usize = 8;
/// While records wait for their commit they have this long to themselves before the next accounts hear: routers wait for
/// them, and send them again.
const RECORDS_FIRST: Duration = Duration::from_millis(20);
/// The role of the instance that keeps the due times.
const ROLE: &str = "lifecycle";

impl Gate {
    /// Does what is due, then sleeps to the next due time or to a wake-up.
    pub(super) async fn run_lifecycle(self: Arc<Self>, cancel: CancellationToken) {
        while !cancel.is_cancelled() {
            let looked_at = self.now();
            let leads = self.leads(ROLE).await;
            let next = if leads { self.do_what_is_due(looked_at).await } else { Ok(None) };
            let longest = if leads { LOOK_AGAIN } else { LEAD_EVERY };
            let at = next_look(looked_at, next, "due times cannot be kept; trying again", longest);
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.wake.lifecycle.notified() => {}
                () = self.clock.sleep_until(at) => {}
                // A clock that stands still must not keep a failed round from being tried again.
                () = tokio::time::sleep(longest) => {}
            }
        }
    }

    /// One round over everything that is due. What cannot be done stops nothing else: it is tried again soon.
    async fn do_what_is_due(&self, looked_at: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let failed = self.hear_everything().await?
            + self.end_and_remind().await?
            + self.lapse_prompts().await?
            + self.cut_unanswered().await?;
        let reader = self.reader();
        let due = [reader.next_due_session().await?, reader.next_due_prompt().await?, reader.next_unanswered().await?];
        let again = (failed > 0).then(|| self.now() + TRY_AGAIN);
        // What was due then has failed: it must not hide when the next one is due. What fell due since was not seen.
        Ok(due.into_iter().flatten().filter(|at| *at > looked_at).chain(again).min())
    }

    /// Every session hears of its fresh connections; gives how many could not.
    async fn hear_everything(&self) -> Result<usize, StoreError> {
        let mut tx = self.store.begin().await?;
        let accounts = tx.fresh_accounts().await?;
        drop(tx);
        let mut failed = 0;
        let at_once = if self.store.has_one_writer() { HEARD_AT_ONCE } else { 1 };
        for some in accounts.chunks(at_once) {
            if self.has_records_waiting() {
                tokio::time::sleep(RECORDS_FIRST).await;
            }
            if some.len() > 1 && self.hear_some(some).await.is_ok() {
                continue;
            }
            // Each alone: what cannot be heard of one keeps no other back.
            for account in some {
                let done = written(|| self.hear_some(std::slice::from_ref(account))).await;
                failed += missed("an account cannot hear of its connections", *account, done);
            }
        }
        Ok(failed)
    }

    async fn hear_some(&self, accounts: &[Option<AccountId>]) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let mut ended = Ended::default();
        for account in accounts {
            let case = match account {
                Some(account) => self.case(&mut tx, *account).await?,
                None => None,
            };
            match case {
                Some(mut case) => {
                    self.hear(&mut tx, &mut case, &mut ended).await?;
                    // What hangs on its connections on routers is looked at, whatever its session makes of them.
                    self.settle_wants(&mut tx, case.entry.account.id).await?;
                }
                None => self.hear_nobodys(&mut tx, *account).await?,
            }
        }
        self.commit(tx, ended).await?;
        Ok(())
    }

    /// The session of a case hears of the fresh connections of its account, in the order in which they were reported.
    pub(super) async fn hear(&self, tx: &mut Tx, case: &mut Case, ended: &mut Ended) -> Result<(), StoreError> {
        for connection in tx.fresh_connections(Some(case.entry.account.id)).await? {
            let its_own = case.entry.session.as_ref().is_some_and(|session| Some(session.id) == connection.session);
            if its_own {
                self.hear_of(tx, case, &connection, ended).await?;
            }
            let still_its_own =
                case.entry.session.as_ref().is_some_and(|session| Some(session.id) == connection.session);
            if connection.ended_at.is_none() && !still_its_own {
                self.close_or_alarm(tx, case, &connection).await?;
            }
            tx.mark_heard(connection.id).await?;
        }
        self.ask_next(tx, case).await
    }

    /// The session hears of one connection of its own.
    async fn hear_of(
        &self,
        tx: &mut Tx,
        case: &mut Case,
        connection: &Connection,
        ended: &mut Ended,
    ) -> Result<(), StoreError> {
        let id = connection.id;
        let event = match connection.ended_at {
            Some(_) if connection.cause.as_deref() == Some(LOST) => Event::Lost(id),
            Some(_) => Event::Stopped(id),
            None if self.make_room(tx, case, connection).await? == Room::None => return Ok(()),
            None => match self.let_in_by_router(tx, case, connection, ended).await? {
                Ok(door) => Event::Seen { connection: id, place: connection.place(), door },
                Err(reason) => return self.cut(tx, connection, reason.word()).await,
            },
        };
        self.apply(tx, case, &event, &Actor::System, ended).await?;
        Ok(())
    }

    /// A connection of a router that decides by itself never stood at our door: it is judged now.
    async fn let_in_by_router(
        &self,
        tx: &mut Tx,
        case: &mut Case,
        connection: &Connection,
        ended: &mut Ended,
    ) -> Result<Result<Passed, Reason>, StoreError> {
        if connection.via == Via::Radius {
            return Ok(Ok(Passed::Admitted));
        }
        let place = connection.place();
        if let (Presence::NotAsked, Err(reason)) =
            (connection.presence, self.standing_now(tx, case, place.as_ref()).await?)
        {
            return Ok(Err(reason));
        }
        self.welcome(tx, case, place.as_ref(), ended).await.map(Ok)
    }

    /// A connection is up: those that it replaces are cut, or it is itself one too many and cut.
    async fn make_room(&self, tx: &mut Tx, case: &Case, connection: &Connection) -> Result<Room, StoreError> {
        let Some(limit) = door(case).most_connections() else { return Ok(Room::Made) };
        if connection.presence != Presence::NotAsked {
            return Ok(Room::Made);
        }
        let place = connection.place();
        let open = tx.open_connections(case.entry.account.id).await?;
        let (own, others): (Vec<&Connection>, Vec<&Connection>) = open
            .iter()
            .filter(|other| other.id != connection.id && other.id < connection.id)
            .partition(|other| place.is_some() && other.place() == place);
        let surplus = (own.len() + others.len() + 1).saturating_sub(limit);
        for replaced in own.iter().take(surplus) {
            self.cut(tx, replaced, "replaced").await?;
        }
        let surplus = surplus.saturating_sub(own.len());
        if surplus == 0 {
            return Ok(Room::Made);
        }
        if case.policy.over_limit == OverLimit::Replace {
            for replaced in others.iter().take(surplus) {
                self.cut(tx, replaced, "replaced").await?;
            }
            return Ok(Room::Made);
        }
        self.cut(tx, connection, "surplus").await?;
        Ok(Room::None)
    }

    /// The closing rule: a running connection whose Class names no open session is cut; one that never was ours raises
    /// an alarm.
    async fn close_or_alarm(&self, tx: &mut Tx, case: &Case, connection: &Connection) -> Result<(), StoreError> {
        if connection.kept == Kept::Yes {
            return Ok(());
        }
        if connection.class == ClassSeen::Ours && connection.session.is_none() && door(case).lets_machine_in() {
            return self.judge_machine(tx, case, connection).await;
        }
        // A router that decides by itself has let somebody in whose account was to be off there.
        let by_router = connection.via == Via::Api && connection.session.is_none();
        if connection.class == ClassSeen::None || by_router {
            self.alarm_no_session(tx, connection, None).await?;
        }
        if connection.class == ClassSeen::None && connection.authentic == Authentic::Local {
            return Ok(());
        }
        self.cut(tx, connection, "no_session").await
    }

    /// A machine's connection may be up without a session. One that a router let in by itself is judged now, and as long
    /// as it is up: its account is enabled there for whoever has its password.
    async fn judge_machine(&self, tx: &mut Tx, case: &Case, connection: &Connection) -> Result<(), StoreError> {
        if connection.via == Via::Radius {
            return Ok(());
        }
        match self.standing_now(tx, case, connection.place().as_ref()).await? {
            Ok(()) => Ok(()),
            Err(reason) => {
                self.alarm_no_session(tx, connection, Some(reason)).await?;
                self.cut(tx, connection, reason.word()).await
            }
        }
    }

    async fn hear_nobodys(&self, tx: &mut Tx, account: Option<AccountId>) -> Result<(), StoreError> {
        for connection in tx.fresh_connections(account).await? {
            if connection.ended_at.is_none() {
                self.void_lease(tx, &connection).await?;
                self.alarm_no_session(tx, &connection, None).await?;
                if connection.class == ClassSeen::Ours {
                    self.cut(tx, &connection, "no_session").await?;
                }
            }
            tx.mark_heard(connection.id).await?;
        }
        Ok(())
    }

    async fn alarm_no_session(
        &self,
        tx: &mut Tx,
        connection: &Connection,
        refused: Option<Reason>,
    ) -> Result<(), StoreError> {
        let name = one_line(&String::from_utf8_lossy(&connection.user_name));
        let routers = tx.routers().await?;
        let router =
            routers.iter().find(|router| router.id == connection.router).map_or("?", |router| router.name.as_str());
        let how = match (refused, connection.via, connection.authentic) {
            (Some(reason), _, _) => reason.text(),
            (None, Via::Api, _) => "its account is enabled on the router, and was not to be",
            (None, Via::Radius, Authentic::Local) => "a secret on the router itself lets it in",
            (None, Via::Radius, Authentic::Radius) => "it was not accepted here",
        };
        let text = format!("{name} is connected on {router} without a session: {how}.");
        let subject = format!("{}/{name}", connection.router);
        if tx.raise("no_session", &subject, &text, self.now()).await? == Raised::New {
            let args = [("name", Arg::Text(&name)), ("router", Arg::Text(router))];
            self.tell_operators(tx, "operators-no-session", &args).await?;
        }
        Ok(())
    }

    /// A connection that waits for its question is asked about when the one before is answered.
    pub(super) async fn ask_next(&self, tx: &mut Tx, case: &Case) -> Result<(), StoreError> {
        let Some(session) = &case.entry.session else { return Ok(()) };
        let waiting: Vec<ConnectionId> = session
            .connections
            .iter()
            .filter(|held| matches!(held.presence, Presence::Asked { .. }))
            .map(|held| held.id)
            .collect();
        if waiting.is_empty() {
            return Ok(());
        }
        let pending = tx.pending_prompts(session.account).await?;
        if pending.iter().any(|asked| asked.prompt.kind == Kind::Presence) {
            return Ok(());
        }
        match waiting.first() {
            Some(connection) => self.ask_presence(tx, case, *connection).await,
            None => Ok(()),
        }
    }

    /// Sessions that are due end, or their person is reminded; gives how many could not.
    async fn end_and_remind(&self) -> Result<usize, StoreError> {
        let mut tx = self.store.begin().await?;
        let due = tx.due_sessions(self.now()).await?;
        drop(tx);
        let mut failed = 0;
        for account in due {
            let done = written(|| self.end_or_remind(account)).await;
            failed += missed("a due session cannot be ended", Some(account), done);
        }
        Ok(failed)
    }

    async fn end_or_remind(&self, account: AccountId) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let mut ended = Ended::default();
        if let Some(mut case) = self.case(&mut tx, account).await? {
            let outcome = self.apply(&mut tx, &mut case, &Event::Due, &Actor::System, &mut ended).await?;
            if let Outcome::Unchanged(_) = outcome {
                self.remind(&mut tx, &mut case).await?;
            }
        }
        self.commit(tx, ended).await?;
        Ok(())
    }

    async fn remind(&self, tx: &mut Tx, case: &mut Case) -> Result<(), StoreError> {
        let now = self.now();
        let Some(mut session) = case.entry.session.clone() else { return Ok(()) };
        if session.remind_at(&case.policy).is_some_and(|at| at <= now) {
            session.reminded_for = Some(session.until);
            self.ask_reminder(tx, case, &session).await?;
        }
        tx.save_session(&session, session.next_due(&case.policy), now).await?;
        case.entry.session = Some(session);
        Ok(())
    }

    async fn ask_reminder(
        &self,
        tx: &mut Tx,
        case: &Case,
        session: &crate::domain::session::Session,
    ) -> Result<(), StoreError> {
        for asked in tx.pending_prompts(session.account).await? {
            if asked.prompt.kind == Kind::Reminder {
                self.settle(tx, case, &asked, PromptState::Lapsed, None, "prompt-late").await?;
            }
        }
        let now = self.now();
        let language = case.entry.user.as_ref().map_or(case.policy.language, |user| user.language);
        let mut row = vec![(Action::EndNow, "button-end-now".into())];
        if case.policy.max_extensions.is_none_or(|most| session.extensions < most) {
            row.insert(0, (Action::Extend, Label::hours("button-extend", case.policy.renewal)));
        }
        let question = Question {
            kind: Kind::Reminder,
            key: "reminder-question",
            args: vec![
                ("account", case.entry.account.name.clone()),
                ("left", self.texts.span_after(language, session.until.since(now))),
                ("until", self.moment(case, session.until)),
            ],
            actions: vec![row],
            session: Some(session.id),
            connection: None,
            place: None,
            deadline: (now + case.policy.renewal_answer).min(session.until),
            resend_at: None,
        };
        self.ask(tx, case, &question).await
    }

    /// Prompts whose deadline passed lapse; those to be sent again are. Gives how many could not.
    async fn lapse_prompts(&self) -> Result<usize, StoreError> {
        let mut tx = self.store.begin().await?;
        let due = tx.due_prompts(self.now()).await?;
        drop(tx);
        let mut failed = 0;
        for (prompt, account) in due {
            let done = written(|| self.lapse_one(prompt, account)).await;
            failed += missed("a question cannot lapse or be sent again", Some(account), done);
        }
        Ok(failed)
    }

    async fn lapse_one(&self, prompt: PromptId, account: AccountId) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let mut ended = Ended::default();
        // The account first: what is read after it is held by this transaction.
        if let Some(mut case) = self.case(&mut tx, account).await?
            && let Some(asked) = tx.prompt(prompt).await?
        {
            self.lapse_or_repeat(&mut tx, &mut case, &asked, &mut ended).await?;
        }
        self.commit(tx, ended).await?;
        Ok(())
    }

    async fn lapse_or_repeat(
        &self,
        tx: &mut Tx,
        case: &mut Case,
        asked: &Asked,
        ended: &mut Ended,
    ) -> Result<(), StoreError> {
        let now = self.now();
        if asked.prompt.state != PromptState::Pending {
            return Ok(());
        }
        if now < asked.prompt.deadline {
            let more = asked.resends + 1 < case.policy.prompt_resends;
            let next = (now + case.policy.prompt_resend).min(asked.prompt.deadline);
            tx.mark_resent(asked.prompt.id, more.then_some(next)).await?;
            return self.ask_again(tx, case, asked).await;
        }
        self.settle(tx, case, asked, PromptState::Lapsed, None, "prompt-late").await?;
        if let (Kind::Presence, Some(connection)) = (asked.prompt.kind, asked.connection) {
            self.hear(tx, case, ended).await?;
            self.apply(tx, case, &Event::Unanswered(connection), &Actor::System, ended).await?;
            self.ask_next(tx, case).await?;
        }
        Ok(())
    }

    /// A connection whose question ran out is cut, even if the question never left; gives how many could not be.
    async fn cut_unanswered(&self) -> Result<usize, StoreError> {
        let mut tx = self.store.begin().await?;
        let due = tx.unanswered_connections(self.now()).await?;
        drop(tx);
        let mut failed = 0;
        for (account, connection) in due {
            let done = written(|| self.cut_if_unanswered(account, connection)).await;
            failed += missed("an unanswered connection cannot be cut", Some(account), done);
        }
        Ok(failed)
    }

    async fn cut_if_unanswered(&self, account: AccountId, connection: ConnectionId) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let mut ended = Ended::default();
        if let Some(mut case) = self.case(&mut tx, account).await? {
            self.hear(&mut tx, &mut case, &mut ended).await?;
            let event = Event::Unanswered(connection);
            let outcome = self.apply(&mut tx, &mut case, &event, &Actor::System, &mut ended).await?;
            if let Outcome::Unchanged(Why::Over | Why::HungUp) = outcome {
                // Its session is over already: the connection waits for its cut, not for an answer.
                tx.set_presence(connection, Presence::NotAsked, None).await?;
            }
        }
        self.commit(tx, ended).await?;
        Ok(())
    }
}

/// Whether one of many could not be done (1) or was (0): logged here, so that the others go on.
fn missed(what: &'static str, account: Option<AccountId>, done: Result<(), StoreError>) -> usize {
    let Err(error) = done else { return 0 };
    tracing::error!(account = account.map(|account| account.0), %error, "{what}; trying again");
    1
}

/// Whether a new connection may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// It may.
    Made,
    /// It is one too many.
    None,
}
