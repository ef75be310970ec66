//! Answers: one update of Telegram in one transaction with its id; a pressed button is applied once, in time, by its owner.

use async_trait::async_trait;

use super::Gate;
use super::letter::{Label, Question};
use super::ports::{ChatKind, Incoming, NotHandled, Sender, Toast, Updates, What};
use super::session::{Case, Ended, Outcome, is_open};
use crate::clock::Timestamp;
use crate::domain::access::{Door, Reason, RouterName};
use crate::domain::audit::Actor;
use crate::domain::connection::Place;
use crate::domain::id::{AccountId, ConnectionId};
use crate::domain::prompt::{Action, Kind, Standing, State as PromptState};
use crate::domain::session::{EndReason, Event, Extender, Fate, LONGEST, Origin, Why};
use crate::domain::user::User;
use crate::store::audit::Deed;
use crate::store::prompt::{Asked, StoredButton};
use crate::store::session::NewSession;
use crate::store::{StoreError, Tx};
use crate::text::Arg;
use std::sync::PoisonError;
use std::time::Duration;

/// The mark of the last update handled, and of when.
const UPDATE: &str = "telegram_update";
const UPDATE_AT: &str = "telegram_update_at";
/// After a week without updates Telegram may begin with any number (Bot API, `Update.update_id`).
const NUMBERS_HOLD: Duration = Duration::from_secs(6 * 24 * 3600);
/// An id this far behind the last one is a new numbering, not an old update.
const OLD_IDS: i64 = 100_000;
/// An update that fails for good is passed over at this try.
const UPDATE_TRIES: u32 = 3;
/// Answers that wait for one chat; above it the person's words are not answered until some have left.
const UNREAD: i64 = 30;
/// A button of a list works this long.
const LIST_BUTTONS: Duration = Duration::from_secs(24 * 3600);
/// [Not now] is silence for this long.
const NOT_NOW: Duration = Duration::from_secs(600);
/// The window of `knocks_per_10min`.
const KNOCK_WINDOW: Duration = Duration::from_secs(600);

#[async_trait]
impl Updates for Gate {
    async fn may_poll(&self) -> bool {
        self.leads("poller").await
    }

    async fn next_update(&self) -> Result<Option<i64>, NotHandled> {
        let asked = async {
            let last = self.reader().mark(UPDATE).await?;
            let at = self.reader().mark(UPDATE_AT).await?.map(Timestamp::from_millis);
            let holds = at.is_some_and(|at| self.now() < at + NUMBERS_HOLD);
            Ok::<_, StoreError>(last.filter(|_| holds).map(|last| last + 1))
        };
        asked.await.map_err(|error| NotHandled(error.to_string()))
    }

    async fn handle(&self, update: Incoming) -> Result<Option<Toast>, NotHandled> {
        let id = update.update_id;
        let handled = match self.handle_update(update).await {
            // What fails by itself and not by the moment would keep everybody's updates waiting behind it for good.
            Err(error) if error.is_lasting() && self.fails_again(id) => self.pass_over(id, &error).await,
            handled => handled,
        };
        handled.map_err(|error| NotHandled(error.to_string()))
    }
}

/// A press as it stands in its transaction.
struct Press<'a> {
    presser: &'a User,
    token: &'a str,
}

impl Gate {
    async fn handle_update(&self, update: Incoming) -> Result<Option<Toast>, StoreError> {
        let now = self.now();
        let mut tx = self.store.begin().await?;
        // Held: two instances that fetch the same update for a moment do not both apply it.
        let last = tx.hold_mark(UPDATE).await?;
        let at = tx.mark(UPDATE_AT).await?.map(Timestamp::from_millis);
        let holds = at.is_some_and(|at| now < at + NUMBERS_HOLD);
        let id = update.update_id;
        if holds && last.is_some_and(|last| id <= last && id > last - OLD_IDS) {
            return Ok(None);
        }
        tx.set_mark(UPDATE, id).await?;
        tx.set_mark(UPDATE_AT, now.millis()).await?;
        let mut ended = Ended::default();
        let toast = match (&update.sender, update.chat) {
            (Some(sender), ChatKind::Private) => self.hear_person(&mut tx, sender, &update.what, &mut ended).await?,
            (Some(sender), ChatKind::Group) => match &update.what {
                What::Press { .. } => self.hear_person(&mut tx, sender, &update.what, &mut ended).await?,
                _ => None,
            },
            (None, _) => None,
        };
        self.commit(tx, ended).await?;
        Ok(toast.map(|text| Toast { text }))
    }

    /// Whether this update has failed so often that it is passed over.
    fn fails_again(&self, id: i64) -> bool {
        let mut stuck = self.stuck_update.lock().unwrap_or_else(PoisonError::into_inner);
        *stuck = if stuck.0 == id { (id, stuck.1 + 1) } else { (id, 1) };
        stuck.1 >= UPDATE_TRIES
    }

    /// Notes an update as handled that cannot be; operators are told.
    async fn pass_over(&self, id: i64, error: &StoreError) -> Result<Option<Toast>, StoreError> {
        let now = self.now();
        tracing::error!(update = id, %error, "an update cannot be handled: passed over");
        let mut tx = self.store.begin().await?;
        tx.set_mark(UPDATE, id).await?;
        tx.set_mark(UPDATE_AT, now.millis()).await?;
        let text = format!("Something that a person sent to the bot could not be handled: {error}.");
        tx.raise("update", "bot", &text, now).await?;
        self.commit(tx, Ended::default()).await?;
        Ok(None)
    }

    async fn hear_person(
        &self,
        tx: &mut Tx,
        sender: &Sender,
        what: &What,
        ended: &mut Ended,
    ) -> Result<Option<String>, StoreError> {
        let words = matches!(what, What::Command(_) | What::Text(_));
        if words && tx.waiting_in(sender.telegram_id).await? >= UNREAD {
            // Who writes faster than the answers leave is not answered for a while: the outbox stays bounded.
            return Ok(None);
        }
        match what {
            What::Command(command) => self.obey(tx, sender, *command, ended).await.map(|()| None),
            What::Text(text) => self.listen(tx, sender, text).await.map(|()| None),
            What::Press { token, .. } => self.press(tx, sender, token, ended).await.map(Some),
            What::Blocked => tx.mark_bot_blocked(sender.telegram_id, Some(self.now())).await.map(|()| None),
            What::Unblocked => tx.mark_bot_blocked(sender.telegram_id, None).await.map(|()| None),
            What::Other => Ok(None),
        }
    }

    /// A button was pressed; gives what the presser reads.
    async fn press(&self, tx: &mut Tx, sender: &Sender, token: &str, ended: &mut Ended) -> Result<String, StoreError> {
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
        self.settle(tx, case, asked, PromptState::Answered, Some(Action::Yes), "answer-let-in").await?;
        let actor = Actor::Person(presser.id);
        self.grant(tx, case, Origin::Knock, case.policy.session, asked.place.clone(), &actor, ended).await?;
        Ok("answer-let-in")
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
        let key = if session.connections.is_empty() { "session-extended" } else { "session-extended-redial" };
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

    async fn write_session(&self, tx: &mut Tx, case: &Case, verb: &str, actor: &Actor) -> Result<(), StoreError> {
        let Some(session) = &case.entry.session else { return Ok(()) };
        let detail = format!("account {} until {}", case.entry.account.name, session.until.millis());
        tx.write_down(actor, Deed { noun: "session", subject: session.id.0, verb, detail: &detail }, self.now()).await
    }

    pub(super) fn may_hold(&self, case: &Case) -> Result<(), Reason> {
        door(case).may_hold()
    }

    /// §3.5 as it is now, for the router and caller that a question was about.
    async fn standing_now(
        &self,
        tx: &mut Tx,
        case: &Case,
        place: Option<&Place>,
    ) -> Result<Result<(), Reason>, StoreError> {
        let routers = tx.routers().await?;
        let name = place.and_then(|place| routers.iter().find(|router| router.id == place.router));
        let name = name.map_or("", |router| router.name.as_str());
        Ok(door(case).standing(RouterName(name), place, self.now()).map(|_| ()))
    }

    /// Somebody with the right password stands at the door: the person is asked, within limits.
    pub(super) async fn knock(&self, account: AccountId, place: &Place) -> Result<(), StoreError> {
        let now = self.now();
        let mut tx = self.store.begin().await?;
        let Some(case) = self.case(&mut tx, account).await? else { return Ok(()) };
        let silent = tx.knocks_silent_until(account).await?.is_some_and(|until| now < until);
        let asked = tx.prompts_since(account, Kind::Knock, now - KNOCK_WINDOW).await?;
        if silent || asked >= i64::from(case.policy.knocks_per_10min) || self.may_hold(&case).is_err() {
            return Ok(());
        }
        let routers = tx.routers().await?;
        let router = routers.iter().find(|router| router.id == place.router).map_or("?", |router| router.name.as_str());
        let question = Question {
            kind: Kind::Knock,
            key: "knock-question",
            args: vec![
                ("account", case.entry.account.name.clone()),
                ("address", place.shown()),
                ("router", router.to_owned()),
            ],
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
        self.commit(tx, Ended::default()).await?;
        Ok(())
    }

    /// A dial from a new caller that the session admits: the caller is written, and the person is told, with [Not me].
    pub(super) async fn admit(
        &self,
        found: &super::directory::Found,
        session: crate::domain::id::SessionId,
        place: &Place,
    ) -> Result<(), StoreError> {
        let super::directory::Found::Account(known) = found else { return Ok(()) };
        let mut tx = self.store.begin().await?;
        let Some(mut case) = self.case(&mut tx, known.entry.account.id).await? else { return Ok(()) };
        if case.entry.session.as_ref().map(|open| open.id) != Some(session) {
            return Ok(());
        }
        let mut ended = Ended::default();
        // Two first callers at once: the second finds the first written, and is judged again.
        let admission = case.entry.session.as_ref().map(|open| open.admission(Some(place), case.policy.new_address));
        use crate::domain::session::Admission;
        if matches!(admission, Some(Admission::First | Admission::Alike)) {
            let event = Event::Admitted(place.clone());
            let outcome = self.apply(&mut tx, &mut case, &event, &Actor::System, &mut ended).await?;
            let presence_follows = case.policy.extra_protection == crate::domain::policy::ExtraProtection::On;
            if is_open(&outcome) && !presence_follows {
                self.tell_of_caller(&mut tx, &case, place).await?;
            }
        }
        self.commit(tx, ended).await?;
        Ok(())
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

    /// The connections that a dial replaced are cut.
    pub(super) async fn replace(&self, connections: &[ConnectionId]) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        for id in connections {
            if let Some(connection) = tx.connection(*id).await?
                && connection.ended_at.is_none()
            {
                self.cut(&mut tx, &connection, "replaced").await?;
            }
        }
        self.commit(tx, Ended::default()).await?;
        Ok(())
    }
}

fn door(case: &Case) -> Door<'_> {
    Door {
        account: &case.entry.account,
        user: case.entry.user.as_ref(),
        policy: &case.policy,
        session: case.entry.session.as_ref(),
        open: &[],
        slots: &[],
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
