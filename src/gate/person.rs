//! The person in the bot: registering, asking for access, looking at it, giving it up.

use super::Gate;
use super::letter::ButtonFor;
use super::ports::{Button, Command, Keyboard, Sender};
use super::session::Ended;
use crate::domain::audit::Actor;
use crate::domain::connection::Place;
use crate::domain::id::{AccountId, SessionId};
use crate::domain::policy::Policy;
use crate::domain::prompt::Action;
use crate::domain::session::{Session, State};
use crate::domain::setting::Level;
use crate::domain::user::{User, UserState, UserStep, full_name};
use crate::store::audit::Deed;
use crate::store::user::NewUser;
use crate::store::{StoreError, Tx};
use crate::text::{Arg, Language};

/// The dialogue that waits for a full name.
const NAME: &str = "name";

impl Gate {
    /// Who speaks, and in which language to answer: the person's own, else that of their client, else the setting.
    pub(super) async fn speaker(&self, tx: &mut Tx, sender: &Sender) -> Result<(Option<User>, Language), StoreError> {
        let user = tx.user_by_telegram(sender.telegram_id).await?;
        if let Some(user) = &user {
            let language = user.language;
            return Ok((Some(user.clone()), language));
        }
        let client = sender.language.as_deref().and_then(Language::from_tag);
        let language = match client {
            Some(language) => language,
            None => self.system(tx).await?.language,
        };
        Ok((None, language))
    }

    async fn system(&self, tx: &mut Tx) -> Result<Policy, StoreError> {
        Ok(tx.settings().await?.policy(&[Level::System])?)
    }

    /// A command, from its slash form or from the keyboard.
    pub(super) async fn obey(
        &self,
        tx: &mut Tx,
        sender: &Sender,
        command: Command,
        ended: &mut Ended,
    ) -> Result<(), StoreError> {
        let (user, language) = self.speaker(tx, sender).await?;
        let chat = sender.telegram_id;
        let dialogue = tx.dialogue(chat).await?;
        if dialogue.is_some() && command != Command::Unknown {
            // Another command ends the dialogue: nobody is caught in a question.
            tx.set_dialogue(chat, None, self.now()).await?;
        }
        match command {
            Command::Start | Command::Help => self.greet(tx, chat, user.as_ref(), language, command).await,
            Command::Register => self.register(tx, chat, user.as_ref(), language).await,
            Command::Cancel => {
                let key = if dialogue.is_some() { "cancelled" } else { "nothing-to-cancel" };
                self.tell_chat(tx, chat, &self.texts.plain(language, key), &Keyboard::None).await
            }
            Command::Unknown => {
                self.tell_chat(tx, chat, &self.texts.plain(language, "not-understood"), &Keyboard::None).await
            }
            Command::Status | Command::MySessions | Command::RequestVpn | Command::DisableVpn => {
                match user.filter(|user| user.state == UserState::Approved) {
                    Some(user) => self.serve(tx, &user, command, ended).await,
                    None => self.explain_standing(tx, sender, language).await,
                }
            }
        }
    }

    async fn serve(&self, tx: &mut Tx, user: &User, command: Command, ended: &mut Ended) -> Result<(), StoreError> {
        match command {
            Command::RequestVpn => self.request_vpn(tx, user, ended).await,
            Command::DisableVpn => self.disable_vpn(tx, user).await,
            Command::MySessions => self.my_sessions(tx, user).await,
            _ => self.status(tx, user).await,
        }
    }

    /// Any other text: the answer of a dialogue, or out of place.
    pub(super) async fn listen(&self, tx: &mut Tx, sender: &Sender, text: &str) -> Result<(), StoreError> {
        let (user, language) = self.speaker(tx, sender).await?;
        match tx.dialogue(sender.telegram_id).await?.as_deref() {
            Some(NAME) => self.apply_as(tx, sender, user.as_ref(), language, text).await,
            _ => {
                let text = self.texts.plain(language, "not-understood");
                self.tell_chat(tx, sender.telegram_id, &text, &Keyboard::None).await
            }
        }
    }

    async fn greet(
        &self,
        tx: &mut Tx,
        chat: i64,
        user: Option<&User>,
        language: Language,
        command: Command,
    ) -> Result<(), StoreError> {
        let approved = user.filter(|user| user.state == UserState::Approved);
        let text = match (command, approved) {
            (Command::Start, Some(user)) => {
                self.texts.render(language, "welcome-back", &[("name", Arg::Text(&user.name))])
            }
            (Command::Start, None) => self.texts.plain(language, "welcome"),
            _ => self.texts.plain(language, "help"),
        };
        let menu = if approved.is_some() { self.menu(language) } else { self.menu_for_strangers(language) };
        self.tell_chat(tx, chat, &text, &menu).await
    }

    async fn register(
        &self,
        tx: &mut Tx,
        chat: i64,
        user: Option<&User>,
        language: Language,
    ) -> Result<(), StoreError> {
        let key = match user.map(|user| user.state) {
            None | Some(UserState::Rejected) => {
                tx.set_dialogue(chat, Some(NAME), self.now()).await?;
                "ask-full-name"
            }
            Some(UserState::Pending) => "standing-pending",
            Some(UserState::Approved) => "standing-approved",
            Some(UserState::Blocked) => "standing-blocked",
        };
        self.tell_chat(tx, chat, &self.texts.plain(language, key), &Keyboard::None).await
    }

    /// The full name came: the application is written, operators are told.
    async fn apply_as(
        &self,
        tx: &mut Tx,
        sender: &Sender,
        user: Option<&User>,
        language: Language,
        typed: &str,
    ) -> Result<(), StoreError> {
        let chat = sender.telegram_id;
        let Ok(name) = full_name(typed) else {
            return self.tell_chat(tx, chat, &self.texts.plain(language, "bad-full-name"), &Keyboard::None).await;
        };
        let now = self.now();
        tx.set_dialogue(chat, None, now).await?;
        let id = match user {
            None => {
                let new = NewUser { telegram_id: chat, name: &name, state: UserState::Pending, language };
                tx.add_user(&new, now).await?
            }
            Some(user) => match user.state.after(UserStep::Apply) {
                Some(state) => {
                    tx.move_user(user, state, None, now).await?;
                    tx.describe_user(user.id, &name, language).await?;
                    user.id
                }
                None => return self.register(tx, chat, Some(user), language).await,
            },
        };
        let deed = Deed { noun: "user", subject: id.0, verb: "apply", detail: &name };
        tx.write_down(&Actor::Person(id), deed, now).await?;
        let number = chat.to_string();
        self.tell_operators(tx, "operators-application", &[("name", Arg::Text(&name)), ("id", Arg::Text(&number))])
            .await?;
        let text = self.texts.render(language, "application-sent", &[("name", Arg::Text(&name))]);
        self.tell_chat(tx, chat, &text, &self.menu_for_strangers(language)).await
    }

    /// Why somebody who is not approved cannot do this yet.
    async fn explain_standing(&self, tx: &mut Tx, sender: &Sender, language: Language) -> Result<(), StoreError> {
        let user = tx.user_by_telegram(sender.telegram_id).await?;
        let key = match user.map(|user| user.state) {
            None => "standing-unknown",
            Some(UserState::Pending) => "standing-pending",
            Some(UserState::Rejected) => "standing-rejected",
            Some(UserState::Blocked) => "standing-blocked",
            Some(UserState::Approved) => "standing-approved",
        };
        let text = self.texts.plain(language, key);
        self.tell_chat(tx, sender.telegram_id, &text, &self.menu_for_strangers(language)).await
    }

    async fn request_vpn(&self, tx: &mut Tx, user: &User, ended: &mut Ended) -> Result<(), StoreError> {
        let accounts = tx.accounts_of(user.id).await?;
        match accounts.as_slice() {
            [] => self.tell(tx, user, "no-accounts", &[]).await,
            [only] => {
                if let Some(mut case) = self.case(tx, only.id).await? {
                    self.request(tx, &mut case, user, ended).await?;
                }
                Ok(())
            }
            several => {
                let mut rows = Vec::new();
                for account in several {
                    let whom = button_for(user, account.id, None);
                    rows.push(vec![self.button(tx, Action::Request, account.name.clone(), &whom).await?]);
                }
                let text = self.texts.plain(user.language, "choose-account");
                self.tell_chat(tx, user.telegram_id, &text, &Keyboard::Buttons(rows)).await
            }
        }
    }

    async fn disable_vpn(&self, tx: &mut Tx, user: &User) -> Result<(), StoreError> {
        let open = self.open_of(tx, user).await?;
        if open.is_empty() {
            return self.tell(tx, user, "no-session", &[]).await;
        }
        for (name, session) in open {
            let whom = button_for(user, session.account, Some(session.id));
            let now = self.texts.plain(user.language, "button-end-now");
            let keep = self.texts.plain(user.language, "button-end-keep");
            let mut rows = vec![vec![self.button(tx, Action::EndNow, now, &whom).await?]];
            if !session.connections.is_empty() {
                rows.push(vec![self.button(tx, Action::EndKeep, keep, &whom).await?]);
            }
            let text = self.texts.render(user.language, "disable-question", &[("account", Arg::Text(&name))]);
            self.tell_chat(tx, user.telegram_id, &text, &Keyboard::Buttons(rows)).await?;
        }
        Ok(())
    }

    async fn my_sessions(&self, tx: &mut Tx, user: &User) -> Result<(), StoreError> {
        let open = self.open_of(tx, user).await?;
        if open.is_empty() {
            return self.tell(tx, user, "no-session", &[]).await;
        }
        let policy = self.system(tx).await?;
        for (name, session) in open {
            let text = self.session_text(user, &name, &session, &policy);
            let whom = button_for(user, session.account, Some(session.id));
            let label = self.texts.plain(user.language, "button-end-now");
            let button: Button = self.button(tx, Action::EndNow, label, &whom).await?;
            self.tell_chat(tx, user.telegram_id, &text, &Keyboard::Buttons(vec![vec![button]])).await?;
        }
        Ok(())
    }

    async fn status(&self, tx: &mut Tx, user: &User) -> Result<(), StoreError> {
        let policy = self.system(tx).await?;
        let mut lines = vec![self.texts.render(user.language, "status-title", &[("name", Arg::Text(&user.name))])];
        let accounts = tx.accounts_of(user.id).await?;
        if accounts.is_empty() {
            lines.push(self.texts.plain(user.language, "no-accounts"));
        }
        for account in accounts {
            let line = match tx.open_session(account.id).await? {
                Some(session) if session.is_valid(self.now()) => {
                    self.session_text(user, &account.name, &session, &policy)
                }
                _ => self.texts.render(user.language, "status-none", &[("account", Arg::Text(&account.name))]),
            };
            lines.push(line);
        }
        self.tell_chat(tx, user.telegram_id, &lines.join("\n"), &self.menu(user.language)).await
    }

    fn session_text(&self, user: &User, account: &str, session: &Session, policy: &Policy) -> String {
        let until = self.moment_in(user.language, session.until, policy);
        let places: Vec<String> = session
            .connections
            .iter()
            .map(|held| held.place.as_ref().map_or_else(|| "?".to_owned(), Place::shown))
            .collect();
        let args =
            [("account", Arg::Text(account)), ("until", Arg::Text(&until)), ("places", Arg::Text(&places.join(", ")))];
        let key = if session.connections.is_empty() { "session-line" } else { "session-line-connected" };
        self.texts.render(user.language, key, &args)
    }

    async fn open_of(&self, tx: &mut Tx, user: &User) -> Result<Vec<(String, Session)>, StoreError> {
        let now = self.now();
        let mut open = Vec::new();
        for account in tx.accounts_of(user.id).await? {
            let session = tx.open_session(account.id).await?;
            let valid =
                session.filter(|session| session.is_valid(now) && !matches!(session.state, State::Ended { .. }));
            open.extend(valid.map(|session| (account.name.clone(), session)));
        }
        Ok(open)
    }
}

fn button_for(user: &User, account: AccountId, session: Option<SessionId>) -> ButtonFor {
    ButtonFor { telegram_id: user.telegram_id, prompt: None, account: Some(account), session }
}
