//! What we keep on a router is looked after: rules and accounts that somebody switched, leases that were left over.

use std::collections::HashMap;
use std::net::IpAddr;

use super::{Blind, Look, Memory};
use crate::domain::account::{Switch, name_key};
use crate::domain::connection::Via;
use crate::domain::policy::Drift;
use crate::domain::router::{Leases, Scheme};
use crate::domain::want::{Thing, WantedState};
use crate::gate::Gate;
use crate::gate::router_api::{ApiFault, FilterRule, LEASE_COMMENT, Menu, RouterAccount};
use crate::gate::session::Ended;
use crate::store::account::Standing;
use crate::store::alarm::Raised;
use crate::store::connection::{Connection, Kept};
use crate::store::want::{NewWant, Want};
use crate::store::{StoreError, Tx};
use crate::text::Arg;

impl Gate {
    pub(super) async fn keep(&self, look: &Look<'_>, memory: &mut Memory) -> Result<(), Blind> {
        let wants = self.reader().wants_of_router(look.router.id).await?;
        self.keep_rules(look, &wants, memory).await?;
        if look.router.leases == Leases::On {
            self.keep_leases(look).await?;
        }
        let kept_there = wants.iter().any(|want| matches!(want.thing, Thing::Secret(_) | Thing::UserManager(_)));
        if look.router.scheme == Scheme::Api || kept_there {
            self.keep_accounts(look, &wants, memory).await?;
        }
        Ok(())
    }

    /// Rules that are not as we left them.
    async fn keep_rules(&self, look: &Look<'_>, wants: &[Want], memory: &mut Memory) -> Result<(), Blind> {
        let proven: Vec<(&Want, &Vec<u8>, &String)> = wants
            .iter()
            .filter(|want| want.proven_at.is_some())
            .filter_map(|want| match &want.thing {
                Thing::Rule { comment, id } => Some((want, comment, id)),
                Thing::Lease(_) | Thing::Secret(_) | Thing::UserManager(_) => None,
            })
            .collect();
        if proven.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = proven.iter().map(|(_, _, id)| (*id).clone()).collect();
        let found = look.api.rules(look.router, Some(&ids)).await?;
        for (want, comment, id) in proven {
            let rule = found.iter().find(|rule| rule.id == *id && rule.comment == *comment);
            self.keep_rule(look, want, rule, memory).await?;
        }
        Ok(())
    }

    async fn keep_rule(
        &self,
        look: &Look<'_>,
        want: &Want,
        rule: Option<&FilterRule>,
        memory: &mut Memory,
    ) -> Result<(), StoreError> {
        match rule {
            // Moved to another id, or gone: found again by its comment, or told.
            None => self.reopen(want).await,
            Some(rule) if rule.switch == shall_be(want.state) => {
                memory.adopted.remove(&want.thing.shown());
                Ok(())
            }
            Some(_) => self.drifted(look, want, memory).await,
        }
    }

    /// Somebody switched what we keep: switched back, or left so, by the setting `drift`.
    async fn drifted(&self, look: &Look<'_>, want: &Want, memory: &mut Memory) -> Result<(), StoreError> {
        let shown = want.thing.shown();
        let drift = self.directory.system_policy().drift;
        let done = match drift {
            Drift::Revert => "reverted",
            Drift::Adopt => "adopted",
        };
        if drift == Drift::Adopt && !memory.adopted.insert(shown.clone()) {
            return Ok(());
        }
        let router = look.router.name.as_str();
        let text = match drift {
            Drift::Revert => format!("On {router}, somebody switched {shown}; it is switched back."),
            Drift::Adopt => format!("On {router}, somebody switched {shown}; it stays so until the next change."),
        };
        let mut tx = self.store.begin().await?;
        let now = self.now();
        if tx.want_about(want.router, &want.thing).await?.as_ref() != Some(want) {
            // We changed it ourselves since it was looked at.
            memory.adopted.remove(&shown);
            return Ok(());
        }
        if drift == Drift::Revert {
            tx.reopen_want(want.id, now).await?;
        }
        let subject = format!("{}/{shown}", look.router.id);
        if tx.raise("drift", &subject, &text, now).await? == Raised::New {
            let args = [("router", Arg::Text(router)), ("thing", Arg::Text(&shown)), ("done", Arg::Text(done))];
            self.tell_operators(&mut tx, "operators-drift", &args).await?;
        }
        let committed = tx.commit(now).await?;
        self.after(&committed);
        Ok(())
    }

    async fn reopen(&self, want: &Want) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        tx.reopen_want(want.id, self.now()).await?;
        let committed = tx.commit(self.now()).await?;
        self.after(&committed);
        Ok(())
    }

    /// Entries of ours that nobody wants are removed; wanted ones that are missing are made again.
    async fn keep_leases(&self, look: &Look<'_>) -> Result<(), Blind> {
        let found = look.api.leases(look.router).await?;
        // Read after the list: whatever was put into it is among them, or is not wanted any more.
        let wants = self.reader().wants_of_router(look.router.id).await?;
        let wanted: HashMap<String, &Want> = wants
            .iter()
            .filter(|want| want.state == WantedState::On)
            .filter_map(|want| match &want.thing {
                Thing::Lease(address) => Some((address.to_string(), want)),
                Thing::Rule { .. } | Thing::Secret(_) | Thing::UserManager(_) => None,
            })
            .collect();
        for entry in found.iter().filter(|entry| entry.comment.starts_with(LEASE_COMMENT.as_bytes())) {
            let address = entry.address.split('/').next().unwrap_or_default();
            if let (false, Ok(left_over)) = (wanted.contains_key(address), address.parse()) {
                self.sweep_lease(look, left_over).await?;
            }
        }
        for (address, want) in wanted {
            let there = found.iter().any(|entry| entry.address.split('/').next() == Some(address.as_str()));
            if !there && want.proven_at.is_some() && self.is_heard_of(want).await? {
                self.reopen(want).await?;
            }
        }
        Ok(())
    }

    /// A lease that nobody wants is to go: not at once, but by the worker, lest one goes that was granted a moment ago.
    async fn sweep_lease(&self, look: &Look<'_>, address: IpAddr) -> Result<(), StoreError> {
        tracing::info!(router = look.router.name, %address, "a lease that was left over is removed");
        let mut tx = self.store.begin().await?;
        let (router, thing) = (look.router.id, Thing::Lease(address));
        let gone = NewWant { router, thing, state: WantedState::Off, account: None, connection: None };
        tx.want_unless_wanted(&gone, self.now()).await?;
        let committed = tx.commit(self.now()).await?;
        self.after(&committed);
        Ok(())
    }

    /// Whether accounting still tells of the connection behind a lease.
    async fn is_heard_of(&self, want: &Want) -> Result<bool, StoreError> {
        let Some(connection) = want.connection else { return Ok(false) };
        let row = self.reader().connection_row(connection).await?;
        let interim = self.directory.system_policy().interim;
        Ok(row.is_some_and(|row| row.ended_at.is_none() && self.now().since(row.seen_at) < interim * 2))
    }

    /// The router's own accounts of our names: enabled where there is a right to be connected, disabled otherwise.
    async fn keep_accounts(&self, look: &Look<'_>, wants: &[Want], memory: &mut Memory) -> Result<(), Blind> {
        let standings = self.reader().standings().await?;
        let ours: HashMap<&str, &Standing> =
            standings.iter().map(|standing| (standing.name_key.as_str(), standing)).collect();
        let names: Vec<String> = standings.iter().map(|standing| standing.name_key.clone()).collect();
        for menu in [Menu::Secret, Menu::UserManager] {
            let found = match look.api.accounts_named(look.router, menu, &names).await {
                Ok(found) => found,
                Err(ApiFault::NoMenu(_)) => continue,
                Err(fault) => return Err(fault.into()),
            };
            for account in &found {
                let key = name_key(&String::from_utf8_lossy(&account.name));
                if let Some(standing) = ours.get(key.as_str()) {
                    self.keep_account(look, (account, standing), wants, memory).await?;
                }
            }
        }
        memory.accounts_known = true;
        Ok(())
    }

    async fn keep_account(
        &self,
        look: &Look<'_>,
        (account, standing): (&RouterAccount, &Standing),
        wants: &[Want],
        memory: &mut Memory,
    ) -> Result<(), StoreError> {
        let shall_be = self.keep_switch(look, (account, standing), wants, memory).await?;
        let ends_here = look.router.scheme == Scheme::Api && standing.may_have_right;
        if ends_here && shall_be == Some(WantedState::Off) {
            self.cut_unallowed(look, standing).await?;
        }
        Ok(())
    }

    /// Gives how the account shall be on this router; `None` where we do not keep it there. `wants` are those from before
    /// the router was asked.
    async fn keep_switch(
        &self,
        look: &Look<'_>,
        (account, standing): (&RouterAccount, &Standing),
        wants: &[Want],
        memory: &mut Memory,
    ) -> Result<Option<WantedState>, StoreError> {
        let thing = match account.menu {
            Menu::Secret => Thing::Secret(standing.name_key.clone()),
            Menu::UserManager => Thing::UserManager(standing.name_key.clone()),
        };
        let mut tx = self.store.begin().await?;
        let Some(state) = self.shall_be_there(&mut tx, look, standing).await? else { return Ok(None) };
        let before = wanted_of(wants, standing, &thing);
        let now = tx.wants_of(standing.account).await?;
        let stored = wanted_of(now.iter().filter(|want| want.router == look.router.id), standing, &thing);
        if stored != before {
            // Changed (adopted, granted, done) since the router was asked: what it said is old, and the next look is soon.
            return Ok(None);
        }
        let is_right = account.switch == shall_be(state);
        match stored {
            Some(want) if matches!(want.state, WantedState::Removed | WantedState::Retired) => return Ok(None),
            Some(want) if want.state == state => {
                drop(tx);
                match (want.proven_at, is_right) {
                    // The worker is at it.
                    (None, _) => {}
                    (Some(_), true) => drop(memory.adopted.remove(&want.thing.shown())),
                    (Some(_), false) => self.drifted(look, want, memory).await?,
                }
            }
            None if is_right => {}
            Some(_) | None => {
                let new = NewWant {
                    router: look.router.id,
                    thing: thing.clone(),
                    state,
                    account: Some(standing.account),
                    connection: None,
                };
                tx.want(&new, self.now()).await?;
                if stored.is_none() && memory.accounts_known {
                    self.tell_of_new_account(&mut tx, look, &thing).await?;
                }
                self.commit(tx, Ended::default()).await?;
            }
        }
        Ok(Some(state))
    }

    /// How the account shall be on this router; `None` where we do not keep it there.
    async fn shall_be_there(
        &self,
        tx: &mut Tx,
        look: &Look<'_>,
        standing: &Standing,
    ) -> Result<Option<WantedState>, StoreError> {
        if look.router.scheme == Scheme::Api && !standing.may_have_right {
            return Ok(Some(WantedState::Off));
        }
        let Some(case) = self.case(tx, standing.account).await? else { return Ok(None) };
        if !crate::gate::wanted::keeps_accounts(&case, look.router.scheme) {
            return Ok(None);
        }
        let on = self.may_be_on(&case, &look.router.name);
        Ok(Some(if on { WantedState::On } else { WantedState::Off }))
    }

    /// The hours have shut, or the router is not for this account any more, though its session goes on: what is up here
    /// ends. Its account is shut by now, or is to be before anything is cut.
    async fn cut_unallowed(&self, look: &Look<'_>, standing: &Standing) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        if self.shall_be_there(&mut tx, look, standing).await? != Some(WantedState::Off) {
            return Ok(());
        }
        let cut = tx.connections_to_cut(standing.account).await?;
        let mut open = tx.open_connections(standing.account).await?;
        let is_here = |open: &Connection| open.router == look.router.id && open.via == Via::Api;
        open.retain(|open| is_here(open) && open.kept == Kept::No && !cut.contains(&open.id));
        for connection in &open {
            self.cut(&mut tx, connection, "not_allowed_now").await?;
        }
        if !open.is_empty() {
            self.commit(tx, Ended::default()).await?;
        }
        Ok(())
    }

    /// Somebody made or enabled an account on the router that we keep shut.
    async fn tell_of_new_account(&self, tx: &mut Tx, look: &Look<'_>, thing: &Thing) -> Result<(), StoreError> {
        let (router, shown) = (look.router.name.as_str(), thing.shown());
        let text = format!("On {router}, somebody switched {shown}; it is switched back.");
        let subject = format!("{}/{shown}", look.router.id);
        if tx.raise("drift", &subject, &text, self.now()).await? == Raised::New {
            let args = [("router", Arg::Text(router)), ("thing", Arg::Text(&shown)), ("done", Arg::Text("reverted"))];
            self.tell_operators(tx, "operators-drift", &args).await?;
        }
        Ok(())
    }
}

/// What is wanted of an account in the menu of this thing. A name that was adopted is kept as the router writes it.
fn wanted_of<'a>(wants: impl IntoIterator<Item = &'a Want>, standing: &Standing, thing: &Thing) -> Option<&'a Want> {
    let kind = thing.parts().0;
    let of_it = wants.into_iter().filter(|want| want.account == Some(standing.account) && want.thing.parts().0 == kind);
    of_it.min_by_key(|want| !matches!(want.state, WantedState::Removed | WantedState::Retired))
}

const fn shall_be(state: WantedState) -> Switch {
    match state {
        WantedState::On => Switch::Enabled,
        WantedState::Off | WantedState::Retired | WantedState::Removed => Switch::Disabled,
    }
}
