//! Answers: a pressed button is applied once, in time, by its owner.

use std::time::Duration;

use super::Gate;
use super::ports::Sender;
use super::session::{Case, Ended, Outcome, is_open};
use crate::domain::audit::Actor;
use crate::domain::policy::WithoutSession;
use crate::domain::prompt::{Action, Kind, Standing, State as PromptState};
use crate::domain::reason::Reason;
use crate::domain::session::{EndReason, Event, Extender, Fate, Origin, Why};
use crate::domain::user::User;
use crate::store::prompt::{Asked, StoredButton};
use crate::store::{StoreError, Tx};
use crate::text::Arg;

/// A button of a list works this long.
const LIST_BUTTONS: Duration = Duration::from_secs(24 * 3600);
/// [Not now] is silence for this long.
const NOT_NOW: Duration = Duration::from_secs(600);

/// A press as it stands in its transaction.
struct Press<'a> {
    presser: &'a User,
    token: &'a str,
}

impl Gate {
    /// A button was pressed; gives what the presser reads.
    pub(super) async fn press(
        &self,
        tx: &mut Tx,
        sender: &Sender,
        token: &str,
        ended: &mut Ended,
    ) -> Result<String, StoreError> {
        let (presser, language) = self.speaker(tx, sender).await?;
        let say = |key: &str| self.texts.plain(language, key);
        if !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            // None of ours: a client can send what it likes.
            return Ok(say("press-late"));
        }
        let Some(button) = tx.button(token).await? else { return Ok(say("press-late")) };
        let Some(presser) = presser.filter(|_| button.telegram_id == sender.telegram_id) else {
            return Ok(say("press-not-yours"));
        };
        let press = Press { presser: &presser, token };
        let key = match button.prompt {
            Some(prompt) => match tx.prompt(prompt).await? {
                Some(asked) => self.answer(tx, &press, &button, &asked, ended).await?,
                None => "press-late",
            },
            None => self.press_of_list(tx, &press, &button, ended).await?,
        };
        Ok(say(key))
    }

    /// An answer to a prompt.
    async fn answer(
        &self,
        tx: &mut Tx,
        press: &Press<'_>,
        button: &StoredButton,
        asked: &Asked,
        ended: &mut Ended,
    ) -> Result<&'static str, StoreError> {
        match asked.prompt.standing(press.presser.id, self.now()) {
            Standing::NotYours => return Ok("press-not-yours"),
            Standing::Answered => return Ok("press-answered"),
            Standing::TooLate => return Ok("press-late"),
            Standing::Open if button.used_at.is_some() => return Ok("press-answered"),
            Standing::Open => {}
        }
        let Some(mut case) = self.case(tx, asked.prompt.account).await? else { return Ok("press-late") };
        if case.entry.account.user != Some(press.presser.id) {
            return Ok("press-not-yours");
        }
        tx.use_button(press.token, self.now()).await?;
        self.hear(tx, &mut case, ended).await?;
        // Hearing of a hang-up may have withdrawn the very question.
        let pending = tx.prompt(asked.prompt.id).await?.is_some_and(|asked| asked.prompt.state == PromptState::Pending);
        if !pending {
            return Ok("press-hung-up");
        }
        let action = button.action;
        match (asked.prompt.kind, action) {
            (Kind::Knock, Action::Yes) => self.let_in(tx, &mut case, asked, press.presser, ended).await,
            (Kind::Knock, Action::NotNow) => self.not_now(tx, &case, asked).await,
            (Kind::Presence, Action::Yes) => self.confirm(tx, &mut case, asked, press.presser, ended).await,
            (Kind::Presence, Action::CutIt) => self.cut_it(tx, &mut case, asked, press.presser, ended).await,
            (Kind::Knock | Kind::Presence | Kind::Caller, Action::NotMe) => {
                self.not_me(tx, &mut case, asked, press.presser, ended).await
            }
            (Kind::Reminder, Action::Extend) => self.extend_by_person(tx, &mut case, asked, press.presser, ended).await,
            (Kind::Reminder, Action::EndNow) => {
                self.settle(tx, &case, asked, PromptState::Answered, Some(action), "answer-ended").await?;
                self.end_by_person(tx, &mut case, press.presser, Fate::Cut, ended).await
            }
            _ => Ok("press-late"),
        }
    }

    /// "Yes, let in": §3.5 once more, then the session with the caller that the knock showed.
    async fn let_in(
        &self,
        tx: &mut Tx,
        case: &mut Case,
        asked: &Asked,
        presser: &User,
        ended: &mut Ended,
    ) -> Result<&'static str, StoreError> {
        if let Err(reason) = self.standing_now(tx, case, asked.place.as_ref()).await? {
            self.settle(tx, case, asked, PromptState::Withdrawn, Some(Action::Yes), "answer-refused").await?;
            return Ok(refusal_key(reason));
        }
        // A dial that is held goes on by itself, if it still waits.
        let key = match case.policy.without_session {
            WithoutSession::Hold => "answer-let-in-held",
            WithoutSession::Knock | WithoutSession::Reject | WithoutSession::Allow => "answer-let-in",
        };
        self.settle(tx, case, asked, PromptState::Answered, Some(Action::Yes), key).await?;
        let actor = Actor::Person(presser.id);
        self.grant(tx, case, Origin::Knock, case.policy.session, asked.place.clone(), &actor, ended).await?;
        Ok(key)
    }

    async fn not_now(&self, tx: &mut Tx, case: &Case, asked: &Asked) -> Result<&'static str, StoreError> {
        self.settle(tx, case, asked, PromptState::Answered, Some(Action::NotNow), "answer-not-now").await?;
        tx.silence_knocks(case.entry.account.id, self.now() + NOT_NOW).await?;
        Ok("answer-not-now")
    }

    async fn confirm(
        &self,
        tx: &mut Tx,
        case: &mut Case,
        asked: &Asked,
        presser: &User,
        ended: &mut Ended,
    ) -> Result<&'static str, StoreError> {
        let Some(connection) = asked.connection else { return Ok("press-late") };
        if let Err(reason) = self.standing_now(tx, case, asked.place.as_ref()).await? {
            self.settle(tx, case, asked, PromptState::Withdrawn, Some(Action::Yes), "answer-refused").await?;
            return Ok(refusal_key(reason));
        }
        self.settle(tx, case, asked, PromptState::Answered, Some(Action::Yes), "answer-confirmed").await?;
        let event = Event::Confirmed(connection);
        let outcome = self.apply(tx, case, &event, &Actor::Person(presser.id), ended).await?;
        self.ask_next(tx, case).await?;
        Ok(match outcome {
            ref changed @ Outcome::Changed(_) if is_open(changed) => "answer-confirmed",
            Outcome::Unchanged(Why::HungUp) => "press-hung-up",
            Outcome::Unchanged(Why::Already) => "press-answered",
            Outcome::Changed(_) | Outcome::Unchanged(_) => "press-late",
        })
    }

    async fn cut_it(
        &self,
        tx: &mut Tx,
        case: &mut Case,
        asked: &Asked,
        presser: &User,
        ended: &mut Ended,
    ) -> Result<&'static str, StoreError> {
        let Some(connection) = asked.connection else { return Ok("press-late") };
        self.settle(tx, case, asked, PromptState::Answered, Some(Action::CutIt), "answer-cut").await?;
        self.apply(tx, case, &Event::Declined(connection), &Actor::Person(presser.id), ended).await?;
        self.ask_next(tx, case).await?;
        Ok("answer-cut")
    }

    /// "Not me": all is cut, the session is over, the account is locked; also where no session was open.
    async fn not_me(
        &self,
        tx: &mut Tx,
        case: &mut Case,
        asked: &Asked,
        presser: &User,
        ended: &mut Ended,
    ) -> Result<&'static str, StoreError> {
        self.settle(tx, case, asked, PromptState::Answered, Some(Action::NotMe), "answer-not-me").await?;
        let actor = Actor::Person(presser.id);
        let outcome = self.apply(tx, case, &Event::NotMe, &actor, ended).await?;
        let locked = matches!(&outcome, Outcome::Changed(session)
            if matches!(session.state, crate::domain::session::State::Ended { reason: EndReason::Denied, .. }));
        if !locked {
            self.lock(tx, case, &actor).await?;
        }
        for pending in tx.pending_prompts(case.entry.account.id).await? {
            self.settle(tx, case, &pending, PromptState::Withdrawn, None, "prompt-void").await?;
        }
        for connection in tx.open_connections(case.entry.account.id).await? {
            self.cut(tx, &connection, "not_me").await?;
        }
        Ok("answer-not-me")
    }

    async fn extend_by_person(
        &self,
        tx: &mut Tx,
        case: &mut Case,
        asked: &Asked,
        presser: &User,
        ended: &mut Ended,
    ) -> Result<&'static str, StoreError> {
        if self.may_hold(case).is_err() {
            return Ok("press-late");
        }
        let event = Event::Extended { by: case.policy.renewal, who: Extender::Person };
        let outcome = self.apply(tx, case, &event, &Actor::Person(presser.id), ended).await?;
        let key = match outcome {
            ref changed @ Outcome::Changed(_) if is_open(changed) => "answer-extended",
            Outcome::Unchanged(Why::NoMoreExtensions) => "answer-no-more-extensions",
            Outcome::Unchanged(Why::AtTheLimit) => "answer-at-the-limit",
            Outcome::Changed(_) | Outcome::Unchanged(_) => return Ok("press-late"),
        };
        self.settle(tx, case, asked, PromptState::Answered, Some(Action::Extend), key).await?;
        if key == "answer-extended" {
            self.announce_extension(tx, case).await?;
            self.write_session(tx, case, "extend", &Actor::Person(presser.id)).await?;
        }
        Ok(key)
    }

    /// The person hears of the new limit, and that the tunnel may be cut once at the old one.
    pub(super) async fn announce_extension(&self, tx: &mut Tx, case: &Case) -> Result<(), StoreError> {
        let Some(session) = &case.entry.session else { return Ok(()) };
        let until = self.moment(case, session.until);
        let key = if self.drops_once(tx, case).await? { "session-extended-redial" } else { "session-extended" };
        self.tell_about(tx, case, key, &[("until", Arg::Text(&until))]).await
    }

    pub(super) async fn end_by_person(
        &self,
        tx: &mut Tx,
        case: &mut Case,
        presser: &User,
        connections: Fate,
        ended: &mut Ended,
    ) -> Result<&'static str, StoreError> {
        let event = Event::Ended { reason: EndReason::ByUser, connections };
        match self.apply(tx, case, &event, &Actor::Person(presser.id), ended).await? {
            Outcome::Changed(_) => Ok("answer-ended"),
            Outcome::Unchanged(_) => Ok("press-late"),
        }
    }

    /// A button of a list: a chooser of accounts, or the end of a session.
    async fn press_of_list(
        &self,
        tx: &mut Tx,
        press: &Press<'_>,
        button: &StoredButton,
        ended: &mut Ended,
    ) -> Result<&'static str, StoreError> {
        let now = self.now();
        if button.used_at.is_some() {
            return Ok("press-answered");
        }
        if now >= button.created_at + LIST_BUTTONS {
            return Ok("press-late");
        }
        let Some(account) = button.account else { return Ok("press-late") };
        let Some(mut case) = self.case(tx, account).await? else { return Ok("press-late") };
        if case.entry.account.user != Some(press.presser.id) {
            return Ok("press-not-yours");
        }
        tx.use_button(press.token, now).await?;
        self.hear(tx, &mut case, ended).await?;
        let of_this_session =
            button.session.is_none() || case.entry.session.as_ref().map(|session| session.id) == button.session;
        match button.action {
            Action::Request => self.request(tx, &mut case, press.presser, ended).await,
            Action::EndNow if of_this_session => {
                self.end_by_person(tx, &mut case, press.presser, Fate::Cut, ended).await
            }
            Action::EndKeep if of_this_session => {
                self.end_by_person(tx, &mut case, press.presser, Fate::Kept, ended).await
            }
            _ => Ok("press-late"),
        }
    }

    /// The person asks for access with an account; gives what is said, which also stands in a message.
    pub(super) async fn request(
        &self,
        tx: &mut Tx,
        case: &mut Case,
        presser: &User,
        ended: &mut Ended,
    ) -> Result<&'static str, StoreError> {
        if let Err(reason) = self.may_hold(case) {
            let key = refusal_key(reason);
            self.tell_about(tx, case, key, &[]).await?;
            return Ok(key);
        }
        let actor = Actor::Person(presser.id);
        self.grant(tx, case, Origin::Request, case.policy.session, None, &actor, ended).await?;
        Ok("answer-granted")
    }
}

/// What a person reads when what they wanted is refused.
const fn refusal_key(reason: Reason) -> &'static str {
    match reason {
        Reason::AccountLocked => "refused-locked",
        Reason::AccountDisabled => "refused-disabled",
        Reason::OutsideHours => "refused-hours",
        Reason::OutsideNetworks | Reason::RouterNotAllowed => "refused-place",
        _ => "refused-user",
    }
}
