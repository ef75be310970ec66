//! Operators and people: applications, names, and the whole edit form.

use super::super::refused::taken_at;
use super::super::session::Ended;
use super::super::{Gate, Refused};
use super::account::has_no_machine;
use crate::domain::account::{Account, account_name, name_key};
use crate::domain::audit::Actor;
use crate::domain::id::{AccountId, UserId};
use crate::domain::setting::Level;
use crate::domain::user::{User, UserState, UserStep, full_name};
use crate::secret::Secret;
use crate::store::Tx;
use crate::store::audit::Deed;
use crate::store::user::NewUser;
use crate::text::Arg;

/// The edit form of a person.
#[derive(Debug, Clone)]
pub struct UserForm {
    /// Full name.
    pub name: String,
    /// The accounts that the person has afterwards; those that are missing are unbound.
    pub accounts: Vec<AccountField>,
}

/// One account of the form.
#[derive(Debug, Clone)]
pub struct AccountField {
    /// Its name.
    pub name: String,
    /// Its new password; `None` keeps what there is.
    pub password: Option<Secret>,
}

/// The names of the account fields of the form, in their order; a person never has more (`accounts_per_user`).
pub const ACCOUNT_FIELDS: [&str; 10] = [
    "account1",
    "account2",
    "account3",
    "account4",
    "account5",
    "account6",
    "account7",
    "account8",
    "account9",
    "account10",
];

fn field_of(at: usize) -> &'static str {
    ACCOUNT_FIELDS.get(at).copied().unwrap_or("account")
}

impl Gate {
    /// Adds a person, pending or approved.
    ///
    /// # Errors
    /// A bad name, or a Telegram id that is taken.
    pub async fn add_user(
        &self,
        actor: &Actor,
        telegram_id: i64,
        name: &str,
        state: UserState,
    ) -> Result<UserId, Refused> {
        let name = full_name(name).map_err(|why| Refused::field("name", why))?;
        if telegram_id <= 0 {
            return Err(Refused::field("telegram_id", "a Telegram id of a person is a positive number"));
        }
        let mut tx = self.store.begin().await?;
        let language = tx.settings().await?.policy(&[Level::System]).map_err(crate::store::StoreError::from)?.language;
        let new = NewUser { telegram_id, name: &name, state, language };
        let id = tx.add_user(&new, self.now()).await.map_err(taken_at("telegram_id"))?;
        let detail = format!("{name}, {}", state.word());
        self.finish(tx, actor, Deed { noun: "user", subject: id.0, verb: "add", detail: &detail }, Ended::default())
            .await?;
        Ok(id)
    }

    /// Approves, rejects, blocks or unblocks a person, who is told. Blocking revokes every session.
    ///
    /// # Errors
    /// No such user, or the step does not apply to their state.
    pub async fn decide_user(
        &self,
        actor: &Actor,
        id: UserId,
        step: UserStep,
        reason: Option<&str>,
    ) -> Result<(), Refused> {
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        if reason.is_some_and(|reason| reason.chars().count() > 300) {
            return Err(Refused::field("reason", "the reason is longer than 300 characters"));
        }
        if reason.is_some_and(|reason| reason.contains('\0')) {
            return Err(Refused::field("reason", "the reason has control characters"));
        }
        let now = self.now();
        let mut tx = self.store.begin().await?;
        let user = tx.user(id).await?.ok_or(Refused::NotFound("no such user"))?;
        let Some(state) = user.state.after(step) else {
            return Err(Refused::conflict(format!("the person is {}: cannot {}", user.state.word(), step.word())));
        };
        tx.move_user(&user, state, reason, now).await?;
        let mut ended = Ended::default();
        if state != UserState::Approved {
            for account in tx.accounts_of(id).await? {
                self.revoke(&mut tx, account.id, actor, &mut ended).await?;
            }
        }
        self.tell_decision(&mut tx, &user, step, reason).await?;
        let deed = Deed { noun: "user", subject: id.0, verb: step.word(), detail: reason.unwrap_or("") };
        self.finish(tx, actor, deed, ended).await
    }

    async fn tell_decision(
        &self,
        tx: &mut Tx,
        user: &User,
        step: UserStep,
        reason: Option<&str>,
    ) -> Result<(), Refused> {
        let (key, menu) = match step {
            UserStep::Approve => ("decided-approved", self.menu(user.language)),
            UserStep::Unblock => ("decided-unblocked", self.menu(user.language)),
            UserStep::Reject if reason.is_some() => {
                ("decided-rejected-because", self.menu_for_strangers(user.language))
            }
            UserStep::Reject => ("decided-rejected", self.menu_for_strangers(user.language)),
            UserStep::Block => ("decided-blocked", self.menu_for_strangers(user.language)),
            UserStep::Apply => return Ok(()),
        };
        let args = [("name", Arg::Text(&user.name)), ("reason", Arg::Text(reason.unwrap_or("")))];
        let text = self.texts.render(user.language, key, &args);
        Ok(self.tell_chat(tx, user.telegram_id, &text, &menu).await?)
    }

    /// Gives a person another name.
    ///
    /// # Errors
    /// No such user, or a bad name.
    pub async fn rename_user(&self, actor: &Actor, id: UserId, name: &str) -> Result<(), Refused> {
        let name = full_name(name).map_err(|why| Refused::field("name", why))?;
        let mut tx = self.store.begin().await?;
        let user = tx.user(id).await?.ok_or(Refused::NotFound("no such user"))?;
        tx.describe_user(id, &name, user.language).await?;
        let deed = Deed { noun: "user", subject: id.0, verb: "rename", detail: &name };
        self.finish(tx, actor, deed, Ended::default()).await
    }

    /// Deletes a person; their sessions are revoked, their accounts stay, bound to nobody.
    ///
    /// # Errors
    /// No such user.
    pub async fn delete_user(&self, actor: &Actor, id: UserId) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        let user = tx.user(id).await?.ok_or(Refused::NotFound("no such user"))?;
        let mut ended = Ended::default();
        for account in tx.accounts_of(id).await? {
            self.revoke(&mut tx, account.id, actor, &mut ended).await?;
        }
        tx.delete_user(id).await?;
        let detail = format!("{} ({})", user.name, user.telegram_id);
        self.finish(tx, actor, Deed { noun: "user", subject: id.0, verb: "delete", detail: &detail }, ended).await
    }

    /// The whole edit form in one transaction: name, and the accounts that the person has afterwards.
    ///
    /// # Errors
    /// At the field that is wrong: a bad name, an account of somebody else, the same account twice, one too many.
    pub async fn edit_user(&self, actor: &Actor, id: UserId, form: &UserForm) -> Result<(), Refused> {
        let name = full_name(&form.name).map_err(|why| Refused::field("name", why))?;
        let mut tx = self.store.begin().await?;
        let user = tx.user(id).await?.ok_or(Refused::NotFound("no such user"))?;
        let policy = tx.settings().await?.policy(&[Level::System]).map_err(crate::store::StoreError::from)?;
        let most = policy.accounts_per_user as usize;
        if form.accounts.len() > most {
            return Err(Refused::field(
                field_of(most),
                format!("a person may have {most} accounts (accounts_per_user)"),
            ));
        }
        tx.describe_user(id, &name, user.language).await?;
        let mut ended = Ended::default();
        let mut kept: Vec<AccountId> = Vec::new();
        for (at, field) in form.accounts.iter().enumerate() {
            let account = self.account_for(&mut tx, actor, id, (field_of(at), field), &mut ended).await?;
            if kept.contains(&account) {
                return Err(Refused::field(field_of(at), "the same account twice"));
            }
            kept.push(account);
            if let Some(password) = &field.password {
                self.write_password(&mut tx, actor, account, password, &mut ended).await?;
            }
        }
        let dropped: Vec<Account> =
            tx.accounts_of(id).await?.into_iter().filter(|account| !kept.contains(&account.id)).collect();
        for account in dropped {
            self.write_binding(&mut tx, actor, &account, None, &mut ended).await?;
        }
        self.finish(tx, actor, Deed { noun: "user", subject: id.0, verb: "edit", detail: &name }, ended).await
    }

    /// The account that a field names: the person's own, one bound to nobody, or a new one.
    async fn account_for(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        user: UserId,
        (at, field): (&'static str, &AccountField),
        ended: &mut Ended,
    ) -> Result<AccountId, Refused> {
        let name = account_name(&field.name).map_err(|why| Refused::field(at, why))?;
        let now = self.now();
        match tx.account_named(&name_key(&name)).await? {
            None => {
                let account = tx.add_account(&name, Some(user), now).await.map_err(taken_at(at))?;
                let deed = Deed { noun: "account", subject: account.0, verb: "add", detail: &name };
                tx.write_down(actor, deed, now).await?;
                Ok(account)
            }
            Some(account) if account.user == Some(user) => Ok(account.id),
            Some(account) if account.user.is_none() => {
                has_no_machine(&account).map_err(|why| Refused::field(at, why))?;
                self.write_binding(tx, actor, &account, Some(user), ended).await?;
                Ok(account.id)
            }
            Some(_) => Err(Refused::field(at, "the account is bound to somebody else")),
        }
    }
}
