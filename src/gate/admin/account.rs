//! Operators and accounts: add, bind, switch, unlock, password, delete.

use super::super::refused::taken_at;
use super::super::session::Ended;
use super::super::{Gate, Refused};
use crate::domain::account::{Account, Holder, Lock, Source, Switch, account_name};
use crate::domain::audit::Actor;
use crate::domain::id::{AccountId, UserId};
use crate::domain::setting::Level;
use crate::secret::Secret;
use crate::store::audit::Deed;
use crate::store::{StoreError, Tx};

/// The most bytes of a password (RFC 2865 §5.2: User-Password carries 128).
const PASSWORD_BYTES: usize = 128;

/// A password of an account: 1 to 128 bytes of UTF-8.
pub(super) fn checked_password(password: &Secret, field: &'static str) -> Result<(), Refused> {
    match password.expose().len() {
        0 => Err(Refused::field(field, "the password is empty")),
        1..=PASSWORD_BYTES if password.expose_str().is_some() => Ok(()),
        1..=PASSWORD_BYTES => Err(Refused::field(field, "the password is not UTF-8")),
        _ => Err(Refused::field(field, "the password is longer than 128 bytes")),
    }
}

/// A machine's account gets in without anybody's yes, so it is never a person's at the same time.
pub(super) fn has_no_machine(account: &Account) -> Result<(), &'static str> {
    match account.holder {
        Holder::Machine => Err("the account is marked as having no person; unmark it first"),
        Holder::Person => Ok(()),
    }
}

impl Gate {
    /// Adds an account.
    ///
    /// # Errors
    /// A bad or taken name, a bad password, no such user, or the user has as many accounts as they may.
    pub async fn add_account(
        &self,
        actor: &Actor,
        name: &str,
        user: Option<UserId>,
        password: Option<Secret>,
    ) -> Result<AccountId, Refused> {
        let name = account_name(name).map_err(|why| Refused::field("account", why))?;
        let mut tx = self.store.begin().await?;
        if let Some(user) = user {
            self.has_room(&mut tx, user).await?;
        }
        let id = tx.add_account(&name, user, self.now()).await.map_err(taken_at("account"))?;
        if let Some(password) = &password {
            checked_password(password, "password")?;
            tx.set_password(id, password).await?;
        }
        let deed = Deed { noun: "account", subject: id.0, verb: "add", detail: &name };
        self.finish(tx, actor, deed, Ended::default()).await?;
        Ok(id)
    }

    async fn has_room(&self, tx: &mut Tx, user: UserId) -> Result<(), Refused> {
        tx.user(user).await?.ok_or(Refused::NotFound("no such user"))?;
        let policy = tx.settings().await?.policy(&[Level::System]).map_err(StoreError::from)?;
        let most = policy.accounts_per_user as usize;
        if tx.accounts_of(user).await?.len() >= most {
            return Err(Refused::field(
                "account",
                format!("the person has {most} accounts already (accounts_per_user)"),
            ));
        }
        Ok(())
    }

    pub(super) async fn known(&self, tx: &mut Tx, id: AccountId) -> Result<Account, Refused> {
        tx.hold_account(id).await?;
        tx.account(id).await?.ok_or(Refused::NotFound("no such account"))
    }

    /// Binds an account to a person or to nobody; its session is revoked.
    ///
    /// # Errors
    /// No such account or user, it is bound to somebody else, or the user has as many accounts as they may.
    pub async fn bind_account(&self, actor: &Actor, id: AccountId, user: Option<UserId>) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        let account = self.known(&mut tx, id).await?;
        if account.user == user {
            return Err(Refused::conflict(if user.is_some() {
                "it is bound so already"
            } else {
                "it is bound to nobody"
            }));
        }
        if let Some(user) = user {
            has_no_machine(&account).map_err(Refused::conflict)?;
            if account.user.is_some() {
                return Err(Refused::conflict("the account is bound to somebody else; unbind it first"));
            }
            self.has_room(&mut tx, user).await?;
        }
        let mut ended = Ended::default();
        self.write_binding(&mut tx, actor, &account, user, &mut ended).await?;
        self.commit(tx, ended).await?;
        Ok(())
    }

    pub(super) async fn write_binding(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        account: &Account,
        user: Option<UserId>,
        ended: &mut Ended,
    ) -> Result<(), Refused> {
        self.revoke(tx, account.id, actor, ended).await?;
        tx.bind_account(account.id, user).await?;
        let verb = if user.is_some() { "bind" } else { "unbind" };
        let deed = Deed { noun: "account", subject: account.id.0, verb, detail: &account.name };
        tx.write_down(actor, deed, self.now()).await?;
        Ok(())
    }

    /// Switches an account on or off; off revokes its session.
    ///
    /// # Errors
    /// No such account, or it is so already.
    pub async fn switch_account(&self, actor: &Actor, id: AccountId, switch: Switch) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        let account = self.known(&mut tx, id).await?;
        if account.switch == switch {
            return Err(Refused::conflict("it is so already"));
        }
        let mut ended = Ended::default();
        if switch == Switch::Disabled {
            self.revoke(&mut tx, id, actor, &mut ended).await?;
        }
        tx.switch_account(id, switch).await?;
        let verb = if switch == Switch::Enabled { "enable" } else { "disable" };
        self.finish(tx, actor, Deed { noun: "account", subject: id.0, verb, detail: &account.name }, ended).await
    }

    /// Unlocks an account that was locked by "not me".
    ///
    /// # Errors
    /// No such account, or it is not locked.
    pub async fn unlock_account(&self, actor: &Actor, id: AccountId) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        let account = self.known(&mut tx, id).await?;
        if account.lock == Lock::Open {
            return Err(Refused::conflict("the account is not locked"));
        }
        tx.lock_account(id, Lock::Open, self.now()).await?;
        let deed = Deed { noun: "account", subject: id.0, verb: "unlock", detail: &account.name };
        self.finish(tx, actor, deed, Ended::default()).await
    }

    /// Sets the password of an account by force; its session is revoked.
    ///
    /// # Errors
    /// No such account, or a bad password.
    pub async fn set_password(&self, actor: &Actor, id: AccountId, password: Secret) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        self.known(&mut tx, id).await?;
        let mut ended = Ended::default();
        self.write_password(&mut tx, actor, id, &password, &mut ended).await?;
        self.commit(tx, ended).await?;
        Ok(())
    }

    pub(super) async fn write_password(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        id: AccountId,
        password: &Secret,
        ended: &mut Ended,
    ) -> Result<(), Refused> {
        checked_password(password, "password")?;
        if tx.account(id).await?.is_some_and(|account| account.source == Source::UserManager) {
            return Err(Refused::field("password", "it is kept by the home server (User Manager): change it there"));
        }
        self.revoke(tx, id, actor, ended).await?;
        tx.set_password(id, password).await?;
        let deed = Deed { noun: "account", subject: id.0, verb: "password", detail: "" };
        tx.write_down(actor, deed, self.now()).await?;
        Ok(())
    }

    /// Marks an account as a person's or a machine's.
    ///
    /// # Errors
    /// No such account, or a machine's account that is bound to a person.
    pub async fn mark_holder(&self, actor: &Actor, id: AccountId, holder: Holder) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        let account = self.known(&mut tx, id).await?;
        if holder == Holder::Machine && account.user.is_some() {
            return Err(Refused::conflict("the account is bound to a person; unbind it first"));
        }
        let mut ended = Ended::default();
        if holder == Holder::Person {
            self.revoke(&mut tx, id, actor, &mut ended).await?;
        }
        tx.mark_holder(id, holder).await?;
        let verb = if holder == Holder::Machine { "mark as machine" } else { "mark as person" };
        self.finish(tx, actor, Deed { noun: "account", subject: id.0, verb, detail: &account.name }, ended).await
    }

    /// Deletes an account; its session is revoked.
    ///
    /// # Errors
    /// No such account.
    pub async fn delete_account(&self, actor: &Actor, id: AccountId) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        let account = self.known(&mut tx, id).await?;
        let mut ended = Ended::default();
        self.revoke(&mut tx, id, actor, &mut ended).await?;
        self.want_nothing(&mut tx, id).await?;
        tx.delete_account(id).await?;
        self.finish(tx, actor, Deed { noun: "account", subject: id.0, verb: "delete", detail: &account.name }, ended)
            .await
    }
}
