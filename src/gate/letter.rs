//! Letters: what people and operators are told and asked, put into the outbox of the transaction that causes it.

use serde::{Deserialize, Serialize};

use super::Gate;
use super::ports::{Button, Keyboard};
use super::session::Case;
use crate::clock::Timestamp;
use crate::crypto::hex;
use crate::domain::connection::Place;
use crate::domain::id::{AccountId, ConnectionId, PromptId, SessionId};
use crate::domain::policy::Policy;
use crate::domain::prompt::{Action, Kind};
use crate::domain::user::User;
use crate::store::outbox::{NewMessage, Urgency};
use crate::store::prompt::{Asked, NewPrompt, StoredButton};
use crate::store::{StoreError, Tx};
use crate::text::{Arg, Language};

/// A question to a person.
pub(super) struct Question {
    /// What it asks.
    pub(super) kind: Kind,
    /// The text's key.
    pub(super) key: &'static str,
    /// The text's variables.
    pub(super) args: Vec<(&'static str, String)>,
    /// The buttons: what each does, and its label.
    pub(super) actions: Vec<Vec<(Action, Label)>>,
    pub(super) session: Option<SessionId>,
    pub(super) connection: Option<ConnectionId>,
    pub(super) place: Option<Place>,
    pub(super) deadline: Timestamp,
    pub(super) resend_at: Option<Timestamp>,
}

/// The label of a button: a text key, and the whole hours it speaks of, if any.
pub(super) struct Label {
    key: &'static str,
    hours: Option<i64>,
}

impl From<&'static str> for Label {
    fn from(key: &'static str) -> Self {
        Self { key, hours: None }
    }
}

impl Label {
    pub(super) fn hours(key: &'static str, duration: std::time::Duration) -> Self {
        Self { key, hours: i64::try_from(duration.as_secs() / 3600).ok() }
    }
}

/// A keyboard as it is stored in the outbox.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredKeyboard {
    None,
    Buttons(Vec<Vec<(String, String)>>),
    Menu(Vec<Vec<String>>),
}

pub(super) fn keyboard_to_text(keyboard: &Keyboard) -> String {
    let stored = match keyboard {
        Keyboard::None => StoredKeyboard::None,
        Keyboard::Menu(rows) => StoredKeyboard::Menu(rows.clone()),
        Keyboard::Buttons(rows) => StoredKeyboard::Buttons(
            rows.iter()
                .map(|row| row.iter().map(|button| (button.label.clone(), button.token.clone())).collect())
                .collect(),
        ),
    };
    serde_json::to_string(&stored).expect("strings in lists are JSON")
}

pub(super) fn keyboard_from_text(text: &str) -> Option<Keyboard> {
    Some(match serde_json::from_str(text).ok()? {
        StoredKeyboard::None => Keyboard::None,
        StoredKeyboard::Menu(rows) => Keyboard::Menu(rows),
        StoredKeyboard::Buttons(rows) => Keyboard::Buttons(
            rows.into_iter()
                .map(|row| row.into_iter().map(|(label, token)| Button { label, token }).collect())
                .collect(),
        ),
    })
}

/// Whom a button is for and what it is about.
pub(super) struct ButtonFor {
    pub(super) telegram_id: i64,
    pub(super) prompt: Option<PromptId>,
    pub(super) account: Option<AccountId>,
    pub(super) session: Option<SessionId>,
}

impl Gate {
    /// Tells a chat something.
    pub(super) async fn tell_chat(
        &self,
        tx: &mut Tx,
        chat_id: i64,
        text: &str,
        keyboard: &Keyboard,
    ) -> Result<(), StoreError> {
        let keyboard = keyboard_to_text(keyboard);
        let message = NewMessage {
            chat_id,
            prompt: None,
            edits: None,
            text,
            keyboard: &keyboard,
            urgency: Urgency::Notice,
            expires_at: None,
        };
        tx.send(&message, self.now()).await
    }

    /// Tells a person something, in their language.
    pub(super) async fn tell(
        &self,
        tx: &mut Tx,
        user: &User,
        key: &str,
        args: &[(&str, Arg<'_>)],
    ) -> Result<(), StoreError> {
        let text = self.texts.render(user.language, key, args);
        self.tell_chat(tx, user.telegram_id, &text, &Keyboard::None).await
    }

    /// Tells the person of an account something about it; `account` is among the variables.
    pub(super) async fn tell_about(
        &self,
        tx: &mut Tx,
        case: &Case,
        key: &str,
        args: &[(&str, Arg<'_>)],
    ) -> Result<(), StoreError> {
        let Some(user) = &case.entry.user else { return Ok(()) };
        let mut all = vec![("account", Arg::Text(&case.entry.account.name))];
        all.extend_from_slice(args);
        self.tell(tx, user, key, &all).await
    }

    /// Tells the operators' chat something, if there is one.
    pub(super) async fn tell_operators(
        &self,
        tx: &mut Tx,
        key: &str,
        args: &[(&str, Arg<'_>)],
    ) -> Result<(), StoreError> {
        let policy = tx.settings().await?.policy(&[crate::domain::setting::Level::System])?;
        let Some(chat_id) = policy.operators_chat else { return Ok(()) };
        let text = self.texts.render(policy.language, key, args);
        self.tell_chat(tx, chat_id, &text, &Keyboard::None).await
    }

    /// Asks the person of the account, unless a question of the kind is open. An account without a person is not asked.
    pub(super) async fn ask(&self, tx: &mut Tx, case: &Case, question: &Question) -> Result<(), StoreError> {
        let Some(user) = &case.entry.user else { return Ok(()) };
        let now = self.now();
        let args: Vec<(&str, Arg<'_>)> = question.args.iter().map(|(name, value)| (*name, Arg::Text(value))).collect();
        let text = self.texts.render(user.language, question.key, &args);
        let new = NewPrompt {
            user: user.id,
            account: case.entry.account.id,
            kind: question.kind,
            session: question.session,
            connection: question.connection,
            place: question.place.as_ref(),
            deadline: question.deadline,
            resend_at: question.resend_at.filter(|at| *at < question.deadline),
            chat_id: user.telegram_id,
            question: &text,
        };
        let Some(prompt) = tx.add_prompt(&new, now).await? else { return Ok(()) };
        let whom = ButtonFor {
            telegram_id: user.telegram_id,
            prompt: Some(prompt),
            account: Some(case.entry.account.id),
            session: question.session,
        };
        let keyboard = self.buttons(tx, user.language, &question.actions, &whom).await?;
        self.post_question(tx, (user.telegram_id, prompt), &text, &keyboard, question.deadline).await
    }

    /// Sends a pending question again, with new buttons below it.
    pub(super) async fn ask_again(&self, tx: &mut Tx, case: &Case, asked: &Asked) -> Result<(), StoreError> {
        let Some(user) = &case.entry.user else { return Ok(()) };
        let whom = ButtonFor {
            telegram_id: user.telegram_id,
            prompt: Some(asked.prompt.id),
            account: Some(asked.prompt.account),
            session: asked.session,
        };
        let keyboard = self.buttons(tx, user.language, &presence_actions(), &whom).await?;
        self.close_message(tx, asked, "").await?;
        self.post_question(tx, (user.telegram_id, asked.prompt.id), &asked.question, &keyboard, asked.prompt.deadline)
            .await
    }

    async fn post_question(
        &self,
        tx: &mut Tx,
        (chat_id, prompt): (i64, PromptId),
        text: &str,
        keyboard: &Keyboard,
        deadline: Timestamp,
    ) -> Result<(), StoreError> {
        let keyboard = keyboard_to_text(keyboard);
        let message = NewMessage {
            chat_id,
            prompt: Some(prompt),
            edits: None,
            text,
            keyboard: &keyboard,
            urgency: Urgency::Prompt,
            expires_at: Some(deadline),
        };
        tx.send(&message, self.now()).await
    }

    /// Inline buttons, each with a token of its own.
    pub(super) async fn buttons(
        &self,
        tx: &mut Tx,
        language: Language,
        rows: &[Vec<(Action, Label)>],
        whom: &ButtonFor,
    ) -> Result<Keyboard, StoreError> {
        let mut keyboard = Vec::new();
        for row in rows {
            let mut buttons = Vec::new();
            for (action, label) in row {
                let label = match label.hours {
                    Some(hours) => self.texts.render(language, label.key, &[("hours", Arg::Number(hours))]),
                    None => self.texts.plain(language, label.key),
                };
                buttons.push(self.button(tx, *action, label, whom).await?);
            }
            keyboard.push(buttons);
        }
        Ok(Keyboard::Buttons(keyboard))
    }

    /// One button with its token.
    pub(super) async fn button(
        &self,
        tx: &mut Tx,
        action: Action,
        label: String,
        whom: &ButtonFor,
    ) -> Result<Button, StoreError> {
        let token = hex::encode(&self.entropy.bytes::<16>());
        let stored = StoredButton {
            telegram_id: whom.telegram_id,
            action,
            prompt: whom.prompt,
            account: whom.account,
            session: whom.session,
            used_at: None,
            created_at: self.now(),
        };
        tx.add_button(&token, &stored).await?;
        Ok(Button { label, token })
    }

    /// What stands below a settled question.
    pub(super) fn outcome_text(&self, case: &Case, key: &str) -> String {
        let language = case.entry.user.as_ref().map_or(case.policy.language, |user| user.language);
        self.texts.plain(language, key)
    }

    /// Takes the buttons of a question away, and says below it what came of it. One that has not left never does.
    pub(super) async fn close_message(&self, tx: &mut Tx, asked: &Asked, outcome: &str) -> Result<(), StoreError> {
        tx.unsend(asked.prompt.id, self.now()).await?;
        let Some(message_id) = asked.message_id else { return Ok(()) };
        let text = settled_text(&asked.question, outcome);
        let message = NewMessage {
            chat_id: asked.chat_id,
            prompt: None,
            edits: Some(message_id),
            text: &text,
            keyboard: &keyboard_to_text(&Keyboard::None),
            urgency: Urgency::Notice,
            expires_at: None,
        };
        tx.send(&message, self.now()).await
    }

    /// A point in time for the person of a case.
    pub(super) fn moment(&self, case: &Case, at: Timestamp) -> String {
        let language = case.entry.user.as_ref().map_or(case.policy.language, |user| user.language);
        self.moment_in(language, at, &case.policy)
    }

    /// A point in time, in the policy's zone.
    pub(super) fn moment_in(&self, language: Language, at: Timestamp, policy: &Policy) -> String {
        self.texts.moment(language, at, &policy.time_zone)
    }

    /// The persistent keyboard of a registered person.
    pub(super) fn menu(&self, language: Language) -> Keyboard {
        let label = |key| self.texts.plain(language, key);
        Keyboard::Menu(vec![
            vec![label("menu-request"), label("menu-disable")],
            vec![label("menu-sessions"), label("menu-status")],
        ])
    }

    /// The persistent keyboard of everybody else.
    pub(super) fn menu_for_strangers(&self, language: Language) -> Keyboard {
        Keyboard::Menu(vec![vec![self.texts.plain(language, "menu-register")]])
    }
}

/// A question with what came of it.
pub(super) fn settled_text(question: &str, outcome: &str) -> String {
    if outcome.is_empty() { question.to_owned() } else { format!("{question}\n\n{outcome}") }
}

/// The buttons of "is it you?".
pub(super) fn presence_actions() -> Vec<Vec<(Action, Label)>> {
    vec![
        vec![(Action::Yes, "button-yes-me".into())],
        vec![(Action::CutIt, "button-cut-it".into()), (Action::NotMe, "button-not-me".into())],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyboard_comes_back_as_it_was_stored() {
        for keyboard in [
            Keyboard::None,
            Keyboard::Menu(vec![vec!["A \"quoted\" label".into()]]),
            Keyboard::Buttons(vec![vec![Button { label: "Да".into(), token: "00ff".into() }]]),
        ] {
            assert_eq!(keyboard_from_text(&keyboard_to_text(&keyboard)), Some(keyboard));
        }
        assert_eq!(keyboard_from_text("garbage"), None);
    }
}
