//! Operators and groups: add, rename, remove, and who is in them.

use super::super::refused::taken_at;
use super::super::session::Ended;
use super::super::{Gate, Refused};
use crate::domain::audit::Actor;
use crate::domain::group::{Group, NO_GROUP, group_name};
use crate::domain::id::{AccountId, GroupId};
use crate::store::audit::Deed;
use crate::store::{LIST_ROWS, Tx};

/// Accounts that are put into a group at once at most: each is a line of the audit, in one transaction.
pub const PUT_AT_ONCE: usize = 1_000;

impl Gate {
    /// Adds a group.
    ///
    /// # Errors
    /// At the field `group`: a bad or taken name; or there are [`LIST_ROWS`] already.
    pub async fn add_group(&self, actor: &Actor, name: &str) -> Result<GroupId, Refused> {
        let name = group_name(name).map_err(|why| Refused::field("group", why))?;
        let mut tx = self.store.begin().await?;
        if tx.group_count().await? >= LIST_ROWS {
            return Err(Refused::field("group", format!("there are {LIST_ROWS} groups already")));
        }
        let id = tx.add_group(&name, self.now()).await.map_err(taken_at("group"))?;
        self.finish(tx, actor, Deed { noun: "group", subject: id.0, verb: "add", detail: &name }, Ended::default())
            .await?;
        Ok(id)
    }

    /// Gives a group another name; its accounts, attributes and settings stay.
    ///
    /// # Errors
    /// No such group; at the field `group`: a bad or taken name.
    pub async fn rename_group(&self, actor: &Actor, id: GroupId, name: &str) -> Result<(), Refused> {
        let name = group_name(name).map_err(|why| Refused::field("group", why))?;
        let mut tx = self.store.begin().await?;
        let group = group(&mut tx, id).await?;
        tx.rename_group(id, &name).await.map_err(taken_at("group"))?;
        let detail = format!("{}: {name}", group.name);
        self.finish(tx, actor, Deed { noun: "group", subject: id.0, verb: "rename", detail: &detail }, Ended::default())
            .await
    }

    /// Removes a group with its attributes and settings; gives how many accounts are left without a group. What is open
    /// stays open, by the policy that holds from now on.
    ///
    /// # Errors
    /// No such group.
    pub async fn remove_group(&self, actor: &Actor, id: GroupId) -> Result<u64, Refused> {
        let mut tx = self.store.begin().await?;
        let group = group(&mut tx, id).await?;
        let left = tx.delete_group(id).await?;
        // Due times were computed from the policy: the lifecycle computes them anew.
        tx.make_all_due(self.now()).await?;
        let detail = format!("{}; accounts left without a group: {left}", group.name);
        self.finish(
            tx,
            actor,
            Deed { noun: "group", subject: id.0, verb: "remove", detail: &detail },
            Ended::default(),
        )
        .await?;
        Ok(left)
    }

    /// Puts accounts into a group, or into none: all of them, or nobody if one is not there. Gives how many were not in it
    /// before. Their new policy and attributes hold from the next dial on; what is open stays open.
    ///
    /// # Errors
    /// No such group or account, or more than [`PUT_AT_ONCE`].
    pub async fn put_into_group(
        &self,
        actor: &Actor,
        accounts: &[AccountId],
        group_id: Option<GroupId>,
    ) -> Result<usize, Refused> {
        if accounts.len() > PUT_AT_ONCE {
            return Err(Refused::conflict(format!("at most {PUT_AT_ONCE} accounts at once")));
        }
        let mut tx = self.store.begin().await?;
        let name = match group_id {
            Some(id) => group(&mut tx, id).await?.name,
            None => NO_GROUP.to_owned(),
        };
        // In one order, so that two who do this at once do not wait for each other.
        let mut accounts = accounts.to_vec();
        accounts.sort_unstable();
        accounts.dedup();
        let mut moved = 0;
        for id in accounts {
            let account = self.known(&mut tx, id).await?;
            if account.group == group_id {
                continue;
            }
            moved += 1;
            tx.put_into_group(id, group_id).await?;
            tx.make_due(id, self.now()).await?;
            let detail = format!("{}: {name}", account.name);
            tx.write_down(actor, Deed { noun: "account", subject: id.0, verb: "group", detail: &detail }, self.now())
                .await?;
        }
        self.commit(tx, Ended::default()).await?;
        Ok(moved)
    }
}

async fn group(tx: &mut Tx, id: GroupId) -> Result<Group, Refused> {
    tx.group(id).await?.ok_or(Refused::NotFound("no such group"))
}
