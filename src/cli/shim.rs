//! Stands in for the gate until it lands.
#![allow(missing_docs, clippy::unused_async)]

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::account::{Holder, Switch};
use crate::domain::audit::Actor;
use crate::domain::id::*;
use crate::domain::setting::Level;
use crate::domain::user::{UserState, UserStep};
use crate::entropy::Entropy;
use crate::secret::Secret;
use crate::store::router::RouterForm;
use crate::store::{Store, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("{field}: {message}")]
    Field { field: &'static str, message: String },
    #[error("{0}")]
    NotFound(&'static str),
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Store(StoreError),
}

pub struct Gate;

pub struct ImportRow {
    pub line: usize,
    pub username: String,
    pub password: Secret,
    pub telegram_id: i64,
    pub name: String,
}

pub struct ImportReport;

macro_rules! stub {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {
        impl Gate {$(
            pub async fn $name(&self, _actor: &Actor, $($arg: $ty),*) -> Result<$out, Refused> {
                $(let _ = &$arg;)*
                Err(Refused::Conflict("not wired yet".to_owned()))
            }
        )*}
    };
}

stub! {
    add_user(telegram_id: i64, name: &str, state: UserState) -> UserId;
    decide_user(id: UserId, step: UserStep, reason: Option<&str>) -> ();
    rename_user(id: UserId, name: &str) -> ();
    delete_user(id: UserId) -> ();
    add_account(name: &str, user: Option<UserId>, password: Option<Secret>) -> AccountId;
    bind_account(id: AccountId, user: Option<UserId>) -> ();
    switch_account(id: AccountId, switch: Switch) -> ();
    unlock_account(id: AccountId) -> ();
    set_password(id: AccountId, password: Secret) -> ();
    delete_account(id: AccountId) -> ();
    mark_holder(id: AccountId, holder: Holder) -> ();
    add_router(form: &RouterForm, secret: &Secret) -> RouterId;
    change_router(id: RouterId, form: &RouterForm) -> ();
    set_router_secret(id: RouterId, secret: &Secret) -> ();
    remove_router(id: RouterId) -> ();
    set_setting(name: &str, level: Level, value: &str) -> ();
    clear_setting(name: &str, level: Level) -> ();
    grant_session(id: AccountId, duration: Duration) -> SessionId;
    extend_session(id: SessionId, duration: Duration) -> ();
    end_session(id: SessionId) -> ();
    cut_connection(id: ConnectionId) -> ();
    acknowledge_alarm(id: i64) -> ();
    import(rows: &[ImportRow], progress: &mut (dyn FnMut(usize, usize) + Send)) -> ImportReport;
}

impl Gate {
    pub async fn open(_: Store, _: Arc<dyn Clock>, _: Arc<dyn Entropy>) -> Result<Arc<Gate>, StoreError> {
        Ok(Arc::new(Gate))
    }

    pub async fn check_import(&self, _: &[ImportRow]) -> Result<Vec<(usize, String)>, Refused> {
        Ok(Vec::new())
    }
}

pub struct Logins;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Viewer,
    Operator,
    Owner,
}

impl Role {
    pub const ALL: [Role; 3] = [Self::Owner, Self::Operator, Self::Viewer];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Owner => "owner",
        }
    }
}

#[derive(Debug, Clone, Default)]
pub struct OperatorChange {
    pub role: Option<Role>,
    pub password: Option<Secret>,
}

pub struct Operator {
    pub id: OperatorId,
    pub name: String,
    pub role: Role,
}

impl Logins {
    pub fn new(_: Store, _: Arc<dyn Clock>, _: Arc<dyn Entropy>) -> Self {
        Self
    }

    pub async fn add_operator(&self, _: &Actor, _: &str, _: Role, _: &Secret) -> Result<OperatorId, Refused> {
        Err(Refused::Conflict("not wired yet".to_owned()))
    }

    pub async fn set_operator(&self, _: &Actor, _: OperatorId, _: &OperatorChange) -> Result<(), Refused> {
        Err(Refused::Conflict("not wired yet".to_owned()))
    }

    pub async fn remove_operator(&self, _: &Actor, _: OperatorId) -> Result<(), Refused> {
        Err(Refused::Conflict("not wired yet".to_owned()))
    }
}

impl crate::store::Reader {
    pub async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        Ok(Vec::new())
    }

    pub async fn operator_named(&self, _: &str) -> Result<Option<Operator>, StoreError> {
        Ok(None)
    }
}
