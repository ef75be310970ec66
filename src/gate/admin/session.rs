//! Operators and sessions: grant, extend, end; and single connections: confirm, cut.

use std::time::Duration;

use super::super::session::{Case, Ended, Outcome, is_open};
use super::super::{Gate, Refused};
use crate::domain::audit::Actor;
use crate::domain::id::{AccountId, ConnectionId, SessionId};
use crate::domain::prompt::{Action, Kind, State as PromptState};
use crate::domain::session::{EndReason, Event, Extender, Fate, LONGEST, Origin};
use crate::store::Tx;
use crate::store::audit::Deed;

impl Gate {
    /// Grants a session, or moves the limit of the open one to the later time.
    ///
    /// # Errors
    /// No such account, its person is not approved, it is disabled or locked, or a length out of 1 to 168 hours.
    pub async fn grant_session(
        &self,
        actor: &Actor,
        account: AccountId,
        length: Duration,
    ) -> Result<SessionId, Refused> {
        checked_length(length)?;
        let mut tx = self.store.begin().await?;
        let mut case = self.case_or_refuse(&mut tx, account).await?;
        let mut ended = Ended::default();
        self.hear(&mut tx, &mut case, &mut ended).await?;
        self.may_hold(&case).map_err(|reason| Refused::conflict(reason.text()))?;
        self.grant(&mut tx, &mut case, Origin::Grant, length, None, actor, &mut ended).await?;
        let session =
            case.entry.session.as_ref().map(|session| session.id).ok_or(Refused::NotFound("no such session"))?;
        self.commit(tx, ended).await?;
        Ok(session)
    }

    /// Moves the limit of an open session.
    ///
    /// # Errors
    /// No such open session, or it may not last longer.
    pub async fn extend_session(&self, actor: &Actor, session: SessionId, by: Duration) -> Result<(), Refused> {
        checked_length(by)?;
        let mut tx = self.store.begin().await?;
        let mut ended = Ended::default();
        let mut case = self.case_of_session(&mut tx, session, &mut ended).await?;
        let event = Event::Extended { by, who: Extender::Operator };
        match self.apply(&mut tx, &mut case, &event, actor, &mut ended).await? {
            ref outcome @ Outcome::Changed(_) if is_open(outcome) => self.announce_extension(&mut tx, &case).await?,
            Outcome::Changed(_) => {
                self.commit(tx, ended).await?;
                return Err(Refused::conflict("the session is over"));
            }
            Outcome::Unchanged(why) => return Err(Gate::unchanged(why)),
        }
        let detail = format!("by {} h", by.as_secs() / 3600);
        let deed = Deed { noun: "session", subject: session.0, verb: "extend", detail: &detail };
        self.finish(tx, actor, deed, ended).await
    }

    /// Ends an open session and cuts its connections.
    ///
    /// # Errors
    /// No such open session.
    pub async fn end_session(&self, actor: &Actor, session: SessionId) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        let mut ended = Ended::default();
        let mut case = self.case_of_session(&mut tx, session, &mut ended).await?;
        let event = Event::Ended { reason: EndReason::ByOperator, connections: Fate::Cut };
        match self.apply(&mut tx, &mut case, &event, actor, &mut ended).await? {
            Outcome::Changed(_) => {
                self.commit(tx, ended).await?;
                Ok(())
            }
            Outcome::Unchanged(why) => Err(Gate::unchanged(why)),
        }
    }

    /// Confirms a connection for the person: "it is them".
    ///
    /// # Errors
    /// No such open connection, or it is not asked about.
    pub async fn confirm_connection(&self, actor: &Actor, id: ConnectionId) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        let connection = tx.connection(id).await?.ok_or(Refused::NotFound("no such connection"))?;
        let session = connection.session.ok_or(Refused::NotFound("the connection has no session"))?;
        let mut ended = Ended::default();
        let mut case = self.case_of_session(&mut tx, session, &mut ended).await?;
        self.may_hold(&case).map_err(|reason| Refused::conflict(reason.text()))?;
        for asked in tx.pending_prompts(case.entry.account.id).await? {
            if asked.prompt.kind == Kind::Presence && asked.connection == Some(id) {
                self.settle(&mut tx, &case, &asked, PromptState::Answered, Some(Action::Yes), "answer-by-operator")
                    .await?;
            }
        }
        match self.apply(&mut tx, &mut case, &Event::Confirmed(id), actor, &mut ended).await? {
            Outcome::Changed(_) => {}
            Outcome::Unchanged(why) => return Err(Gate::unchanged(why)),
        }
        self.ask_next(&mut tx, &case).await?;
        let deed = Deed { noun: "connection", subject: id.0, verb: "confirm", detail: "" };
        self.finish(tx, actor, deed, ended).await
    }

    /// Cuts one connection; its session stays, so the person may redial.
    ///
    /// # Errors
    /// No such open connection.
    pub async fn cut_connection(&self, actor: &Actor, id: ConnectionId) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        let connection = tx.connection(id).await?.ok_or(Refused::NotFound("no such connection"))?;
        if connection.ended_at.is_some() {
            return Err(Refused::conflict("the connection is down"));
        }
        self.cut(&mut tx, &connection, "operator").await?;
        let deed = Deed { noun: "connection", subject: id.0, verb: "cut", detail: &connection.acct_session_id };
        self.finish(tx, actor, deed, Ended::default()).await
    }

    /// The case of an open session, which has heard of all its connections.
    async fn case_of_session(&self, tx: &mut Tx, session: SessionId, ended: &mut Ended) -> Result<Case, Refused> {
        let account = tx.session(session).await?.ok_or(Refused::NotFound("no such session"))?.account;
        let mut case = self.case_or_refuse(tx, account).await?;
        self.hear(tx, &mut case, ended).await?;
        if case.entry.session.as_ref().map(|open| open.id) != Some(session) {
            return Err(Refused::conflict("the session is over"));
        }
        Ok(case)
    }
}

fn checked_length(length: Duration) -> Result<(), Refused> {
    let hour = Duration::from_secs(3600);
    if (hour..=LONGEST).contains(&length) { Ok(()) } else { Err(Refused::field("hours", "expected 1 to 168 hours")) }
}
