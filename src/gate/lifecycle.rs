//! Due times: sessions hear of their connections, end, are reminded of; prompts lapse.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::letter::{Label, Question};
use super::patience::written;
use super::session::{Case, Ended, Outcome};
use super::{Gate, LEAD_EVERY, next_look};
use crate::clock::Timestamp;
use crate::domain::audit::Actor;
use crate::domain::connection::Presence;
use crate::domain::id::{AccountId, ConnectionId, PromptId};
use crate::domain::prompt::{Action, Kind, State as PromptState};
use crate::domain::session::{Event, Why};
use crate::store::prompt::Asked;
use crate::store::{StoreError, Tx};

/// The lifecycle looks at least this often, whatever the due times say.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// What could not be done is tried again after this.
const TRY_AGAIN: Duration = Duration::from_secs(5);
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
        let heard = self.hear_everything().await?;
        if heard.more {
            self.wake.lifecycle.notify_one();
        }
        let failed =
            heard.failed + self.end_and_remind().await? + self.lapse_prompts().await? + self.cut_unanswered().await?;
        let reader = self.reader();
        let due = [reader.next_due_session().await?, reader.next_due_prompt().await?, reader.next_unanswered().await?];
        let again = (failed > 0).then(|| self.now() + TRY_AGAIN);
        // What was due then has failed: it must not hide when the next one is due. What fell due since was not seen.
        Ok(due.into_iter().flatten().filter(|at| *at > looked_at).chain(again).min())
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
        let due = self.reader().due_sessions(self.now()).await?;
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
        let due = self.reader().due_prompts(self.now()).await?;
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
        let due = self.reader().unanswered_connections(self.now()).await?;
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
pub(super) fn missed(what: &'static str, account: Option<AccountId>, done: Result<(), StoreError>) -> usize {
    let Err(error) = done else { return 0 };
    tracing::error!(account = account.map(|account| account.0), %error, "{what}; trying again");
    1
}
