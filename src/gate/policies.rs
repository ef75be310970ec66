//! Policies of many accounts: those without values of their own share that of their group, or of the system.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::id::GroupId;
use crate::domain::policy::{Policy, Values};
use crate::domain::setting::{BadValue, Level};
use crate::store::StoreError;
use crate::store::entry::Entry;

/// The stored values, with what is shared made once.
pub(super) struct Policies {
    values: Values,
    system: Arc<Policy>,
    /// Of groups with values of their own.
    groups: HashMap<GroupId, Arc<Policy>>,
}

impl Policies {
    /// # Errors
    /// A value of the system that its setting does not take.
    pub(super) fn of(values: Values) -> Result<Self, BadValue> {
        let system = Arc::new(values.policy(&[Level::System])?);
        // A value that is not understood keeps out the accounts of its group, not everybody.
        let of_group = |level| match level {
            Level::Group(id) => Some((GroupId(id), Arc::new(values.policy(&[Level::System, level]).ok()?))),
            Level::System | Level::User(_) | Level::Account(_) | Level::Router(_) => None,
        };
        let groups = values.levels().filter_map(of_group).collect();
        Ok(Self { values, system, groups })
    }

    /// What holds for the system.
    pub(super) fn system(&self) -> &Arc<Policy> {
        &self.system
    }

    /// What holds for an account.
    ///
    /// # Errors
    /// A value that its setting does not take.
    pub(super) fn of_entry(&self, entry: &Entry) -> Result<Arc<Policy>, StoreError> {
        let own = [entry.account.user.map(|user| Level::User(user.0)), Some(Level::Account(entry.account.id.0))];
        let has_own = own.into_iter().flatten().any(|level| self.values.has(level));
        let group = entry.account.group.filter(|group| self.values.has(Level::Group(group.0)));
        let shared = match group {
            _ if has_own => None,
            Some(group) => self.groups.get(&group),
            None => Some(&self.system),
        };
        match shared {
            Some(shared) => Ok(shared.clone()),
            None => Ok(Arc::new(self.values.policy(&levels(entry))?)),
        }
    }
}

/// The levels that hold for an account, the nearest last.
pub(super) fn levels(entry: &Entry) -> Vec<Level> {
    let mut levels = vec![Level::System];
    levels.extend(entry.account.group.map(|group| Level::Group(group.0)));
    levels.extend(entry.account.user.map(|user| Level::User(user.0)));
    levels.push(Level::Account(entry.account.id.0));
    levels
}
