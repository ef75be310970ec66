//! The session in the store: where an event is applied, and everything that must follow is written with it. Where nothing
//! follows, `gate::hear` applies it for many at once.

use std::sync::Arc;

use super::letter::{Question, presence_actions};
use super::patience::written;
use super::policies::levels;
use super::{Gate, Refused};
use crate::domain::access::SLOT;
use crate::domain::account::Lock;
use crate::domain::audit::Actor;
use crate::domain::connection::{Place, Presence};
use crate::domain::id::{AccountId, ConnectionId, SessionId};
use crate::domain::policy::{OnExpiry, Policy};
use crate::domain::prompt::{Action, Kind, State as PromptState};
use crate::domain::session::{Applied, Effect, EndReason, Event, Fate, Session, State, Why};
use crate::store::alarm::Raised;
use crate::store::audit::Deed;
use crate::store::connection::{ClassSeen, Connection, Kept};
use crate::store::cut::NewCut;
use crate::store::entry::Entry;
use crate::store::prompt::Asked;
use crate::store::{Committed, Noun, StoreError, Tx};
use crate::text::Arg;

/// An account as one transaction sees it, with its policy.
pub(super) struct Case {
    pub(super) entry: Entry,
    pub(super) policy: Arc<Policy>,
}

/// What an event came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The session as it is now.
    Changed(Box<Session>),
    /// Nothing, because.
    Unchanged(Why),
}

/// The sessions that a transaction ended: their Accepts in flight are cut once it is committed.
#[derive(Debug, Default)]
pub(super) struct Ended(Vec<(AccountId, SessionId)>);

impl Gate {
    /// The account as this transaction sees it.
    pub(super) async fn case(&self, tx: &mut Tx, account: AccountId) -> Result<Option<Case>, StoreError> {
        let Some(entry) = tx.entry(account).await? else { return Ok(None) };
        let levels = levels(&entry);
        let policy = Arc::new(tx.settings_at(&levels).await?.policy(&levels)?);
        Ok(Some(Case { entry, policy }))
    }

    /// Applies `event` to the open session of the case and writes everything that follows.
    pub(super) async fn apply(
        &self,
        tx: &mut Tx,
        case: &mut Case,
        event: &Event,
        actor: &Actor,
        ended: &mut Ended,
    ) -> Result<Outcome, StoreError> {
        let now = self.now();
        let Some(session) = case.entry.session.clone() else { return Ok(Outcome::Unchanged(Why::Over)) };
        let (next, effects) = match session.apply(event, &case.policy, now) {
            Applied::Unchanged(why) => return Ok(Outcome::Unchanged(why)),
            Applied::Changed(next, effects) => (next, effects),
        };
        tx.save_session(&next, next.next_due(&case.policy), now).await?;
        for gone in session.callers.iter().filter(|caller| !next.callers.iter().any(|kept| kept.place == caller.place))
        {
            tx.forget_caller(next.id, &gone.place).await?;
        }
        for held in &next.connections {
            let before = session.connections.iter().find(|other| other.id == held.id).map(|other| other.presence);
            if before != Some(held.presence) {
                let is_first = matches!(before, None | Some(Presence::NotAsked));
                let runs_until = is_first.then(|| self.first_limit(case, &next, held));
                tx.set_presence(held.id, held.presence, runs_until).await?;
            }
        }
        if next.is_open() {
            self.order_limits(tx, case, (&session, &next), event).await?;
        }
        for effect in &effects {
            self.follow(tx, case, &next, *effect, actor, ended).await?;
        }
        case.entry.session = next.is_open().then(|| (*next).clone());
        Ok(Outcome::Changed(next))
    }

    async fn follow(
        &self,
        tx: &mut Tx,
        case: &Case,
        session: &Session,
        effect: Effect,
        actor: &Actor,
        ended: &mut Ended,
    ) -> Result<(), StoreError> {
        match effect {
            Effect::Ask { connection, .. } => self.ask_presence(tx, case, connection).await,
            Effect::Withdraw(connection) => self.withdraw_about(tx, case, connection).await,
            Effect::Cut(connection) => match tx.connection(connection).await? {
                Some(connection) => self.cut(tx, &connection, "cut_it").await,
                None => Ok(()),
            },
            Effect::Lock => self.lock(tx, case, actor).await,
            Effect::Over { reason, connections } => {
                ended.0.push((session.account, session.id));
                self.wind_up(tx, case, session, (reason, connections), actor).await
            }
        }
    }

    /// A session is over: its prompts are void, its connections are cut (or spared), the person is told.
    async fn wind_up(
        &self,
        tx: &mut Tx,
        case: &Case,
        session: &Session,
        (reason, connections): (EndReason, Fate),
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let now = self.now();
        for prompt in tx.pending_prompts(session.account).await? {
            // A knock is about a session that is not there yet; it stays unless the right itself is gone.
            if prompt.prompt.kind != Kind::Knock || reason == EndReason::Revoked || reason == EndReason::Denied {
                self.settle(tx, case, &prompt, PromptState::Withdrawn, None, "prompt-void").await?;
            }
        }
        if connections == Fate::Kept {
            tx.keep_connections(session.id).await?;
        }
        for connection in tx.open_connections(session.account).await? {
            // Nobody has said whose an unconfirmed one is: it is never spared.
            let its_own = connection.session == Some(session.id) && connection.kept == Kept::No;
            if its_own || (connections == Fate::Cut && is_of_routers_account(case, &connection)) {
                self.cut(tx, &connection, reason.word()).await?;
            }
        }
        match connections {
            Fate::Kept => {}
            Fate::Cut => {
                for accept in tx.late_accepts(session.id, now - SLOT).await? {
                    let cut = NewCut {
                        nas: accept.nas,
                        connection: None,
                        session: Some(session.id),
                        acct_session_id: &accept.acct_session_id,
                        user_name: &accept.user_name,
                        nas_ip: accept.nas_ip,
                        framed_ip: None,
                        why: reason.word(),
                    };
                    tx.want_cut(&cut, now).await?;
                }
            }
        }
        let deed = Deed { noun: "session", subject: session.id.0, verb: "end", detail: reason.word() };
        tx.write_down(actor, deed, now).await?;
        let key = match reason {
            EndReason::Expired => "session-expired",
            EndReason::ByUser => "session-by-user",
            EndReason::ByOperator => "session-by-operator",
            EndReason::Denied => "session-denied",
            EndReason::Unanswered => "session-unanswered",
            EndReason::Unused => "session-unused",
            EndReason::Disconnected => "session-disconnected",
            EndReason::Revoked => "session-revoked",
        };
        self.tell_about(tx, case, key, &[]).await
    }

    /// What is wanted on the router is stored; the worker does it and proves it.
    pub(super) async fn cut(&self, tx: &mut Tx, connection: &Connection, why: &str) -> Result<(), StoreError> {
        if let Some(account) = connection.account {
            // Its traffic is shut before its end is proven.
            tx.touch(Noun::Account, account.0);
        }
        let cut = NewCut {
            nas: connection.nas,
            connection: Some(connection.id),
            session: connection.session,
            acct_session_id: &connection.acct_session_id,
            user_name: &connection.user_name,
            nas_ip: connection.nas_ip,
            framed_ip: connection.framed_ip,
            why,
        };
        tx.want_cut(&cut, self.now()).await
    }

    /// "Not me": the account is locked, and operators hear of it.
    pub(super) async fn lock(&self, tx: &mut Tx, case: &Case, actor: &Actor) -> Result<(), StoreError> {
        let now = self.now();
        let account = &case.entry.account;
        tx.lock_account(account.id, Lock::Locked, now).await?;
        let deed = Deed { noun: "account", subject: account.id.0, verb: "lock", detail: "not me" };
        tx.write_down(actor, deed, now).await?;
        let name = case.entry.user.as_ref().map_or("", |user| user.name.as_str());
        let text =
            format!("{name} says of a connection with the account {}: not me. The account is locked.", account.name);
        let raised = tx.raise("not_me", &account.name, &text, now).await?;
        if raised == Raised::New {
            let args = [("name", Arg::Text(name)), ("account", Arg::Text(&account.name))];
            self.tell_operators(tx, "operators-not-me", &args).await?;
        }
        Ok(())
    }

    pub(super) async fn ask_presence(
        &self,
        tx: &mut Tx,
        case: &Case,
        connection: ConnectionId,
    ) -> Result<(), StoreError> {
        let Some(row) = tx.connection(connection).await? else { return Ok(()) };
        let session = case.entry.session.as_ref().map(|session| session.id);
        let place = row.place();
        let routers = tx.routers().await?;
        let router = routers.iter().find(|router| router.id == row.router).map_or("?", |router| router.name.as_str());
        let now = self.now();
        let question = Question {
            kind: Kind::Presence,
            key: "presence-question",
            args: vec![
                ("account", case.entry.account.name.clone()),
                ("address", place.as_ref().map_or_else(|| "?".to_owned(), Place::shown)),
                ("router", router.to_owned()),
                ("time", self.moment(case, row.started_at)),
            ],
            actions: presence_actions(),
            session,
            connection: Some(connection),
            place,
            deadline: match row.presence {
                Presence::Asked { until } => until,
                Presence::NotAsked | Presence::Confirmed { .. } => now + case.policy.confirm,
            },
            resend_at: (case.policy.prompt_resends > 0).then(|| now + case.policy.prompt_resend),
        };
        self.ask(tx, case, &question).await
    }

    async fn withdraw_about(&self, tx: &mut Tx, case: &Case, connection: ConnectionId) -> Result<(), StoreError> {
        for prompt in tx.pending_prompts(case.entry.account.id).await? {
            if prompt.connection == Some(connection) {
                self.settle(tx, case, &prompt, PromptState::Withdrawn, None, "prompt-void").await?;
            }
        }
        Ok(())
    }

    /// Settles a pending prompt and takes its buttons away; `key` says in the message what came of it.
    pub(super) async fn settle(
        &self,
        tx: &mut Tx,
        case: &Case,
        asked: &Asked,
        state: PromptState,
        answer: Option<Action>,
        key: &'static str,
    ) -> Result<(), StoreError> {
        let outcome = self.outcome_text(case, key);
        tx.settle_prompt(asked.prompt.id, state, (answer, &outcome), self.now()).await?;
        if asked.prompt.kind == Kind::Knock {
            // A dial may be held for the answer, here or on another instance.
            tx.touch(Noun::Account, asked.prompt.account.0);
        }
        self.close_message(tx, asked, &outcome).await
    }

    /// Ends the open session of an account, if there is one, and everything that hangs on the account's right: pending
    /// prompts of every kind.
    pub(super) async fn revoke(
        &self,
        tx: &mut Tx,
        account: AccountId,
        actor: &Actor,
        ended: &mut Ended,
    ) -> Result<(), StoreError> {
        let Some(mut case) = self.case(tx, account).await? else { return Ok(()) };
        let event = Event::Ended { reason: EndReason::Revoked, connections: Fate::Cut };
        self.apply(tx, &mut case, &event, actor, ended).await?;
        for prompt in tx.pending_prompts(account).await? {
            self.settle(tx, &case, &prompt, PromptState::Withdrawn, None, "prompt-void").await?;
        }
        // Connections of ended sessions that were spared, and those of a machine's account.
        for connection in tx.open_connections(account).await? {
            self.cut(tx, &connection, "revoked").await?;
        }
        Ok(())
    }

    /// Commits, makes the commit known, and cuts the Accepts in flight of the sessions that it ended.
    pub(super) async fn commit(&self, mut tx: Tx, ended: Ended) -> Result<Committed, StoreError> {
        self.settle_touched(&mut tx).await?;
        let committed = tx.commit(self.now()).await?;
        self.after(&committed);
        self.cut_in_flight(ended).await;
        Ok(committed)
    }

    /// The closing rule's first half: an Accept that no Start has confirmed yet is disconnected with its session.
    async fn cut_in_flight(&self, ended: Ended) {
        for (account, session) in ended.0 {
            let slots = self.slots.drain(account, session);
            if slots.is_empty() {
                continue;
            }
            let now = self.now();
            let cut = || async {
                let mut tx = self.store.begin().await?;
                for slot in &slots {
                    let Some(acct_session_id) = &slot.acct_session_id else { continue };
                    let nas = tx.nas(&slot.nas, now).await?;
                    if let Some(server) = slot.server {
                        tx.mark_server(nas.id, server).await?;
                    }
                    let cut = NewCut {
                        nas: nas.id,
                        connection: None,
                        session: Some(session),
                        acct_session_id,
                        user_name: &slot.user_name,
                        nas_ip: slot.nas_ip,
                        framed_ip: None,
                        why: "in_flight",
                    };
                    tx.want_cut(&cut, now).await?;
                    tx.touch(crate::store::Noun::Router, 0);
                }
                tx.commit(now).await
            };
            match written(cut).await {
                Ok(committed) => self.after(&committed),
                // Their Start names no open session: the closing rule cuts them then.
                Err(error) => tracing::error!(%error, "accepts in flight could not be cut; their start will be"),
            }
        }
    }

    /// What an event that did nothing means for an operator.
    pub(super) fn unchanged(why: Why) -> Refused {
        Refused::conflict(match why {
            Why::Over => "the session is over",
            Why::HungUp => "the connection is down",
            Why::Already => "it is so already",
            Why::NoMoreExtensions => "the session may not be extended any more",
            Why::AtTheLimit => "the session already lasts as long as it may: 168 hours from now",
            Why::NotDue => "nothing is due",
            Why::TooManyCallers => "the session has as many callers as it may have",
        })
    }
}

/// Whether a router let a connection in by an account of its own, which is ours to disable at the end.
fn is_of_routers_account(case: &Case, connection: &Connection) -> bool {
    case.policy.on_expiry == OnExpiry::DisableOnRouter && connection.class == ClassSeen::None
}

/// Whether an outcome left the session open.
pub(super) fn is_open(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Changed(session) => !matches!(session.state, State::Ended { .. }),
        Outcome::Unchanged(_) => false,
    }
}
