//! Stands in for the log-ins of operators until they land.
#![allow(missing_docs, dead_code, clippy::unused_async)]

use std::sync::Arc;

use crate::clock::Clock;
use crate::domain::audit::Actor;
use crate::domain::id::OperatorId;
use crate::entropy::Entropy;
use crate::gate::Refused;
use crate::secret::Secret;
use crate::store::{Store, StoreError};

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
        Err(Refused::conflict("not wired yet"))
    }

    pub async fn set_operator(&self, _: &Actor, _: OperatorId, _: &OperatorChange) -> Result<(), Refused> {
        Err(Refused::conflict("not wired yet"))
    }

    pub async fn remove_operator(&self, _: &Actor, _: OperatorId) -> Result<(), Refused> {
        Err(Refused::conflict("not wired yet"))
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
