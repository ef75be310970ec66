//! Connections that a router has and that are not ours: told, listed, and shut out by an operator's press.

use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;
use std::time::Duration;

use super::{Look, Memory};
use crate::clock::Timestamp;
use crate::domain::account::Switch;
use crate::domain::audit::Actor;
use crate::domain::id::RouterId;
use crate::gate::router_api::{AccountChange, Active, AdmittedBy, ApiFault, Menu, Removed};
use crate::gate::session::Ended;
use crate::gate::{Gate, Refused};
use crate::store::StoreError;
use crate::store::alarm::Raised;
use crate::store::audit::Deed;
use crate::text::{Arg, one_line};

/// Outsiders that are listed of one router; more are counted in their alarms only.
const LISTED: usize = 1_000;
/// A connection is told of once it was seen for this long: what was let in a moment ago may not be heard of yet.
const GRACE: Duration = Duration::from_secs(5);

/// A connection that a router has and that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outsider {
    /// Name, for people.
    pub name: String,
    /// Name, raw bytes.
    pub raw_name: Vec<u8>,
    /// Acct-Session-Id.
    pub acct_session_id: String,
    /// Who let it in.
    pub admitted: AdmittedBy,
    /// Where it dials from.
    pub caller: Option<String>,
    /// Since when it is up.
    pub since: Timestamp,
}

impl Outsider {
    /// How it got in, in a sentence.
    pub const fn how(&self) -> &'static str {
        how(self.admitted)
    }
}

const fn how(admitted: AdmittedBy) -> &'static str {
    match admitted {
        AdmittedBy::Secret => "a secret on the router itself lets it in",
        AdmittedBy::UserManager => "the router's User Manager lets it in",
        AdmittedBy::Radius => "another RADIUS server let it in, or radgram without having heard of it",
    }
}

/// What shutting an outsider out did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShutOut {
    /// Where an account of this name was disabled on the router.
    pub disabled: Vec<Menu>,
    /// How many of its connections were removed.
    pub removed: usize,
}

impl Gate {
    /// The connections of a router that are not ours, as they were last seen; none while the router is out of reach.
    pub fn outsiders(&self, router: RouterId) -> Vec<Outsider> {
        let outsiders = self.outsiders.lock().unwrap_or_else(PoisonError::into_inner);
        outsiders.get(&router).cloned().unwrap_or_default()
    }

    pub(super) fn forget_outsiders(&self, router: RouterId) {
        self.outsiders.lock().unwrap_or_else(PoisonError::into_inner).remove(&router);
    }

    /// Lists what is not ours, and raises an alarm about each that stays.
    pub(super) async fn tell_of_foreign(
        &self,
        look: &Look<'_>,
        foreign: &[&Active],
        memory: &mut Memory,
    ) -> Result<(), StoreError> {
        let known: HashSet<&str> = foreign.iter().map(|active| active.acct_session_id.as_str()).collect();
        memory.foreign.retain(|id, _| known.contains(id.as_str()));
        memory.told.retain(|id| known.contains(id.as_str()));
        self.list_outsiders(look, foreign);
        for active in foreign {
            let since = *memory.foreign.entry(active.acct_session_id.clone()).or_insert(look.at);
            let stays = active.uptime >= GRACE || look.at >= since + GRACE;
            if stays && memory.told.insert(active.acct_session_id.clone()) {
                self.alarm_outsider(look, active).await?;
            }
        }
        Ok(())
    }

    fn list_outsiders(&self, look: &Look<'_>, foreign: &[&Active]) {
        let listed = foreign.iter().take(LISTED).map(|active| Outsider {
            name: one_line(&String::from_utf8_lossy(&active.name)),
            raw_name: active.name.clone(),
            acct_session_id: active.acct_session_id.clone(),
            admitted: active.admitted,
            caller: active.caller.clone(),
            since: look.at - active.uptime,
        });
        let mut outsiders = self.outsiders.lock().unwrap_or_else(PoisonError::into_inner);
        outsiders.insert(look.router.id, listed.collect());
    }

    async fn alarm_outsider(&self, look: &Look<'_>, active: &Active) -> Result<(), StoreError> {
        let name = one_line(&String::from_utf8_lossy(&active.name));
        let router = look.router.name.as_str();
        let how = how(active.admitted);
        let text = format!("{name} is connected on {router} past radgram: {how}. The router's page can shut it out.");
        let subject = format!("{}/{name}", look.router.id);
        let mut tx = self.store.begin().await?;
        if tx.raise("no_session", &subject, &text, self.now()).await? == Raised::New {
            let args = [("name", Arg::Text(&name)), ("router", Arg::Text(router)), ("how", Arg::Text(how))];
            self.tell_operators(&mut tx, "operators-outsider", &args).await?;
        }
        self.commit(tx, Ended::default()).await?;
        Ok(())
    }

    /// Shuts an outsider out: accounts of its exact name on the router are disabled, then its connections are removed.
    ///
    /// # Errors
    /// No such router, nobody of this name is connected past us, or the router does not do it.
    pub async fn shut_out(&self, actor: &Actor, router: RouterId, name: &[u8]) -> Result<ShutOut, Refused> {
        let meant: Vec<Outsider> =
            self.outsiders_now(router).await?.into_iter().filter(|outsider| outsider.raw_name == name).collect();
        if meant.is_empty() {
            return Err(Refused::NotFound("nobody of this name is connected past radgram"));
        }
        let (api, router) = self.reached(router).await?;
        let mut done = ShutOut { disabled: Vec::new(), removed: 0 };
        for menu in [Menu::Secret, Menu::UserManager] {
            match api.change_account(&router, menu, name, &AccountChange::Switch(Switch::Disabled)).await {
                Ok(()) => done.disabled.push(menu),
                Err(ApiFault::Gone(_) | ApiFault::NoMenu(_)) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        for outsider in &meant {
            let removed = api.remove_active(&router, &outsider.acct_session_id, name).await?;
            done.removed += usize::from(removed == Removed::Removed);
        }
        let detail = format!("{} on {}", one_line(&String::from_utf8_lossy(name)), router.name);
        let tx = self.store.begin().await?;
        let deed = Deed { noun: "router", subject: router.id.0, verb: "shut out", detail: &detail };
        self.finish(tx, actor, deed, Ended::default()).await?;
        self.wake.watch.notify_waiters();
        Ok(done)
    }

    /// As last seen here, or where this process does not watch, as the router says now.
    async fn outsiders_now(&self, router: RouterId) -> Result<Vec<Outsider>, Refused> {
        let listed = self.outsiders(router);
        if !listed.is_empty() {
            return Ok(listed);
        }
        let (api, router) = self.reached(router).await?;
        let active = api.active(&router).await?;
        let mut tx = self.store.begin().await?;
        let open = tx.open_connections_on(router.id).await?;
        drop(tx);
        let now = self.now();
        let foreign = active.into_iter().filter(|active| {
            !open.iter().any(|known| known.session.is_some() && super::follow::is_same(known, active))
        });
        Ok(foreign
            .map(|active| Outsider {
                name: one_line(&String::from_utf8_lossy(&active.name)),
                raw_name: active.name,
                acct_session_id: active.acct_session_id,
                admitted: active.admitted,
                caller: active.caller,
                since: now - active.uptime,
            })
            .collect())
    }
}

/// The outsiders of every router, as they were last seen.
pub(in crate::gate) type Outsiders = HashMap<RouterId, Vec<Outsider>>;
