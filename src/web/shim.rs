//! Stands in for the gate until it lands.
#![allow(missing_docs)]
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::domain::account::Switch;
use crate::domain::audit::Actor;
use crate::domain::id::{AccountId, ConnectionId, RouterId, SessionId, UserId};
use crate::domain::router::router_name;
use crate::domain::setting::{Level, Setting};
use crate::domain::user::{UserState, UserStep, full_name};
use crate::entropy::Entropy;
use crate::gate::Refused;
use crate::gate::login::Logins;
use crate::secret::Secret;
use crate::store::router::RouterForm;
use crate::store::user::NewUser;
use crate::store::{Reader, Store, StoreError};

pub struct Gate {
    store: Store,
    clock: Arc<dyn Clock>,
    logins: Logins,
}

pub struct UserForm {
    pub name: String,
    pub accounts: Vec<AccountField>,
}

pub struct AccountField {
    pub name: String,
    pub password: Option<Secret>,
}

#[derive(Debug, Clone)]
pub struct Stranger {
    pub address: IpAddr,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub count: u64,
}

fn later<T>() -> Result<T, Refused> {
    Err(Refused::Conflict("not wired yet".to_owned()))
}

impl Gate {
    pub fn new(store: Store, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let logins = Logins::new(store.clone(), clock.clone(), entropy);
        Self { store, clock, logins }
    }
    pub fn reader(&self) -> &Reader {
        self.store.reader()
    }
    pub fn logins(&self) -> &Logins {
        &self.logins
    }
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
    pub fn strangers(&self) -> Vec<Stranger> {
        Vec::new()
    }
    pub fn health(&self) -> Result<(), String> {
        Ok(())
    }
    pub fn metrics_text(&self) -> String {
        String::new()
    }
    pub async fn add_user(&self, _: &Actor, id: i64, name: &str, state: UserState) -> Result<UserId, Refused> {
        let name = full_name(name).map_err(|message| Refused::field("name", message))?;
        let mut tx = self.store.begin().await?;
        let new = NewUser { telegram_id: id, name: &name, state, language: Default::default() };
        let id = match tx.add_user(&new, self.now()).await {
            Err(StoreError::Taken(_)) => return Err(Refused::field("telegram_id", "this Telegram id is taken")),
            other => other?,
        };
        tx.commit(self.now()).await?;
        Ok(id)
    }
    pub async fn decide_user(&self, _: &Actor, id: UserId, step: UserStep, why: Option<&str>) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        let user = tx.user(id).await?.ok_or(Refused::NotFound("no such user"))?;
        let Some(to) = user.state.after(step) else { return Err(Refused::Conflict("does not apply".to_owned())) };
        tx.move_user(&user, to, why, self.now()).await?;
        tx.commit(self.now()).await?;
        Ok(())
    }
    pub async fn delete_user(&self, _: &Actor, _: UserId) -> Result<(), Refused> {
        later()
    }
    pub async fn edit_user(&self, _: &Actor, id: UserId, form: &UserForm) -> Result<(), Refused> {
        let name = full_name(&form.name).map_err(|message| Refused::field("name", message))?;
        if form.accounts.len() > 2 {
            return Err(Refused::field("account2", "a user has at most 2 accounts"));
        }
        let mut tx = self.store.begin().await?;
        let user = tx.user(id).await?.ok_or(Refused::NotFound("no such user"))?;
        tx.describe_user(id, &name, user.language).await?;
        for (at, field) in form.accounts.iter().enumerate() {
            let known = tx.account_named(&field.name).await?;
            let account = match known {
                Some(account) if account.user.is_some_and(|user| user != id) => {
                    return Err(Refused::field(["account1", "account2"][at], "this account is bound to somebody else"));
                }
                Some(account) => account.id,
                None => tx.add_account(&field.name, Some(id), self.now()).await?,
            };
            tx.bind_account(account, Some(id)).await?;
            if let Some(password) = &field.password {
                tx.set_password(account, password).await?;
            }
        }
        tx.commit(self.now()).await?;
        Ok(())
    }
    pub async fn add_account(
        &self,
        _: &Actor,
        _: &str,
        _: Option<UserId>,
        _: Option<Secret>,
    ) -> Result<AccountId, Refused> {
        later()
    }
    pub async fn switch_account(&self, _: &Actor, _: AccountId, _: Switch) -> Result<(), Refused> {
        later()
    }
    pub async fn unlock_account(&self, _: &Actor, _: AccountId) -> Result<(), Refused> {
        later()
    }
    pub async fn delete_account(&self, _: &Actor, _: AccountId) -> Result<(), Refused> {
        later()
    }
    pub async fn add_router(&self, _: &Actor, form: &RouterForm, secret: &Secret) -> Result<RouterId, Refused> {
        router_name(&form.name).map_err(|message| Refused::field("name", message))?;
        let mut tx = self.store.begin().await?;
        let id = match tx.add_router(form, secret, self.now()).await {
            Err(StoreError::Taken(_)) => return Err(Refused::field("name", "this name is taken")),
            other => other?,
        };
        tx.commit(self.now()).await?;
        Ok(id)
    }
    pub async fn change_router(&self, _: &Actor, id: RouterId, form: &RouterForm) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        tx.change_router(id, form).await?;
        tx.commit(self.now()).await?;
        Ok(())
    }
    pub async fn set_router_secret(&self, _: &Actor, _: RouterId, _: &Secret) -> Result<(), Refused> {
        later()
    }
    pub async fn remove_router(&self, _: &Actor, _: RouterId) -> Result<(), Refused> {
        later()
    }
    pub async fn set_setting(&self, _: &Actor, name: &str, level: Level, value: &str) -> Result<(), Refused> {
        let setting = Setting::named(name).ok_or(Refused::NotFound("no such setting"))?;
        let value = setting.accept(value).map_err(|bad| Refused::field("value", bad.to_string()))?;
        let mut tx = self.store.begin().await?;
        tx.set_setting(name, level, &value, self.now()).await?;
        tx.commit(self.now()).await?;
        Ok(())
    }
    pub async fn clear_setting(&self, _: &Actor, name: &str, level: Level) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        tx.clear_setting(name, level).await?;
        tx.commit(self.now()).await?;
        Ok(())
    }
    pub async fn grant_session(&self, _: &Actor, _: AccountId, _: Duration) -> Result<SessionId, Refused> {
        later()
    }
    pub async fn extend_session(&self, _: &Actor, _: SessionId, _: Duration) -> Result<(), Refused> {
        later()
    }
    pub async fn end_session(&self, _: &Actor, _: SessionId) -> Result<(), Refused> {
        later()
    }
    pub async fn cut_connection(&self, _: &Actor, _: ConnectionId) -> Result<(), Refused> {
        later()
    }
    pub async fn confirm_connection(&self, _: &Actor, _: ConnectionId) -> Result<(), Refused> {
        later()
    }
    pub async fn acknowledge_alarm(&self, _: &Actor, _: i64) -> Result<(), Refused> {
        later()
    }
}
