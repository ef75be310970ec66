//! What is wanted on routers over their API, derived from an account as a transaction leaves it and stored with it.
//!
//! Nothing here asks a router: `gate::fulfil` does what is stored, and proves it (`design` §5, §6).

use std::collections::HashSet;

use super::Gate;
use super::door::door;
use super::session::Case;
use crate::domain::access::Through;
use crate::domain::connection::{Presence, Via};
use crate::domain::hours;
use crate::domain::id::{AccountId, ConnectionId, RouterId};
use crate::domain::policy::OnExpiry;
use crate::domain::router::{Leases, Scheme};
use crate::domain::want::{Thing, WantedState};
use crate::store::connection::{ClassSeen, Connection, Kept};
use crate::store::router::Reached;
use crate::store::want::{NewWant, Want};
use crate::store::{Noun, StoreError, Tx};

impl Gate {
    /// What follows on routers for every account that a transaction touched.
    pub(super) async fn settle_touched(&self, tx: &mut Tx) -> Result<(), StoreError> {
        for account in tx.touched(Noun::Account) {
            self.settle_wants(tx, AccountId(account)).await?;
        }
        Ok(())
    }

    /// What follows on routers from an account as it is now.
    pub(super) async fn settle_wants(&self, tx: &mut Tx, account: AccountId) -> Result<(), StoreError> {
        // As the transaction sees them: what memory has of them may be a moment old, and what is missed now is missed.
        let routers = tx.reached_routers().await?;
        if routers.is_empty() && tx.wants_of(account).await?.is_empty() {
            return Ok(());
        }
        // The account first: what is read after it is held by this transaction.
        let Some(case) = self.case(tx, account).await? else { return Ok(()) };
        let stored = tx.wants_of(account).await?;
        let mut wanted = Vec::new();
        self.want_of_connections(tx, &case, &routers, &mut wanted).await?;
        self.want_of_accounts(&case, &routers, &stored, &mut wanted);
        let now = self.now();
        for new in &wanted {
            tx.want(new, now).await?;
        }
        for gone in stored.iter().filter(|want| !wanted.iter().any(|new| is_about(new, want))) {
            self.let_go(tx, &case, &routers, gone).await?;
        }
        Ok(())
    }

    /// How a router is reached, or who decides there, is another thing than before: what follows from that for whoever has
    /// something open on it.
    pub(super) async fn settle_router(&self, router: RouterId) -> Result<(), StoreError> {
        for account in self.reader().accounts_on(router).await? {
            let mut tx = self.store.begin().await?;
            self.settle_wants(&mut tx, account).await?;
            let committed = tx.commit(self.now()).await?;
            self.after(&committed);
        }
        Ok(())
    }

    /// An account is about to be deleted: nothing of it stays open on a router.
    pub(super) async fn want_nothing(&self, tx: &mut Tx, account: AccountId) -> Result<(), StoreError> {
        for want in tx.wants_of(account).await? {
            if want.state == WantedState::On {
                tx.want(&turned_off(&want), self.now()).await?;
            }
        }
        Ok(())
    }

    /// The tunnel address of a connection that is nobody's may have had a lease.
    pub(super) async fn void_lease(&self, tx: &mut Tx, connection: &Connection) -> Result<(), StoreError> {
        let leases = leases_of(&tx.reached_routers().await?, connection.router);
        let (Some(Leases::On), Some(address)) = (leases, connection.framed_ip) else { return Ok(()) };
        let void = NewWant {
            router: connection.router,
            thing: Thing::Lease(address),
            state: WantedState::Off,
            // One that it names may be gone: a connection that ended keeps the number, and may be up after all.
            account: None,
            connection: Some(connection.id),
        };
        tx.want(&void, self.now()).await
    }

    /// Rules and leases: on for confirmed connections that are to stay, off for all others.
    async fn want_of_connections(
        &self,
        tx: &mut Tx,
        case: &Case,
        routers: &[Reached],
        wanted: &mut Vec<NewWant>,
    ) -> Result<(), StoreError> {
        let account = case.entry.account.id;
        let open = tx.open_connections(account).await?;
        let cut = tx.connections_to_cut(account).await?;
        for rule in tx.rules_of(account).await? {
            let holds = |connection: &&Connection| {
                connection.router == rule.router && self.is_let((case, routers), connection, &cut)
            };
            let holder = open.iter().find(holds).map(|connection| connection.id);
            wanted.push(NewWant {
                router: rule.router,
                thing: Thing::Rule { comment: rule.comment, id: rule.rule_id },
                state: if holder.is_some() { WantedState::On } else { WantedState::Off },
                account: Some(account),
                connection: None,
            });
        }
        for connection in &open {
            let leases = leases_of(routers, connection.router);
            let (Some(Leases::On), Some(address)) = (leases, connection.framed_ip) else { continue };
            // Addresses of a pool are used again: the newest connection with it is the one that has it.
            if tx.newest_with(connection.router, address).await? != Some(connection.id) {
                continue;
            }
            let is_let = self.is_let((case, routers), connection, &cut);
            wanted.push(NewWant {
                router: connection.router,
                thing: Thing::Lease(address),
                state: if is_let { WantedState::On } else { WantedState::Off },
                account: Some(account),
                connection: Some(connection.id),
            });
        }
        Ok(())
    }

    /// Whether the traffic of a connection is to be let through.
    fn is_let(
        &self,
        (case, routers): (&Case, &[Reached]),
        connection: &Connection,
        cut: &HashSet<ConnectionId>,
    ) -> bool {
        if cut.contains(&connection.id) {
            return false;
        }
        let machines = connection.class == ClassSeen::Ours && connection.session.is_none();
        if machines {
            return door(case).lets_machine_in() && self.stands(case, routers, connection);
        }
        let session = case.entry.session.as_ref().filter(|session| session.is_valid(self.now()));
        let its_own = session.is_some_and(|session| Some(session.id) == connection.session);
        let confirmed = matches!(connection.presence, Presence::Confirmed { .. });
        confirmed && (its_own || connection.kept == Kept::Yes)
    }

    /// Whether a machine's connection is where and when it may be. What came by RADIUS was judged at its Accept; what a
    /// router let in by itself never stood at our door.
    fn stands(&self, case: &Case, routers: &[Reached], connection: &Connection) -> bool {
        match connection.via {
            Via::Radius => true,
            Via::Api => routers.iter().find(|router| router.id == connection.router).is_some_and(|router| {
                let through = Through { id: router.id, name: &router.name, leases: router.leases };
                door(case).standing(through, connection.place().as_ref(), self.now()).is_ok()
            }),
        }
    }

    /// Accounts that routers keep themselves: enabled while there is a right to be connected, disabled otherwise. Whether a
    /// router has one is found out when it is done.
    fn want_of_accounts(&self, case: &Case, routers: &[Reached], stored: &[Want], wanted: &mut Vec<NewWant>) {
        let (account, name) = (case.entry.account.id, case.entry.name_key.clone());
        for router in routers.iter().filter(|router| keeps_accounts(case, router.scheme)) {
            let state = if self.may_be_on(case, &router.name) { WantedState::On } else { WantedState::Off };
            for thing in [Thing::Secret(name.clone()), Thing::UserManager(name.clone())] {
                let taken_over = stored.iter().any(|want| {
                    want.router == router.id
                        && same_kind(&want.thing, &thing)
                        && matches!(want.state, WantedState::Removed | WantedState::Retired)
                });
                if !taken_over {
                    wanted.push(NewWant { router: router.id, thing, state, account: Some(account), connection: None });
                }
            }
        }
        // One that is being taken over stays wanted as it is.
        for want in stored.iter().filter(|want| matches!(want.state, WantedState::Removed | WantedState::Retired)) {
            wanted.push(NewWant { state: want.state, ..turned_off(want) });
        }
    }

    /// Whether the account may be enabled on a router now.
    pub(super) fn may_be_on(&self, case: &Case, router: &str) -> bool {
        let now = self.now();
        let door = door(case);
        let session = case.entry.session.as_ref().is_some_and(|session| session.is_valid(now));
        let policy = &case.policy;
        let here = policy.routers.is_empty() || policy.routers.iter().any(|name| name == router);
        let hours = policy.allowed_hours.at(now, &policy.time_zone) != hours::Gate::Shut;
        here && hours && (door.lets_machine_in() || (session && door.may_hold().is_ok()))
    }

    /// Something is not wanted on account of this account any more.
    async fn let_go(&self, tx: &mut Tx, case: &Case, routers: &[Reached], want: &Want) -> Result<(), StoreError> {
        let router = routers.iter().find(|router| router.id == want.router);
        let has_right = || router.is_some_and(|router| self.may_be_on(case, &router.name));
        match (&want.thing, want.state) {
            // The router's own accounts are not ours to keep there any more. One that we enabled for a right is shut with
            // that right all the same; after that they stay as they are.
            (Thing::Secret(_) | Thing::UserManager(_), WantedState::On) if has_right() => Ok(()),
            (_, WantedState::On) => tx.turn_off_want(want, self.now()).await,
            (_, _) if want.proven_at.is_some() => tx.forget_want(want).await,
            // The worker is at it.
            (_, _) => Ok(()),
        }
    }
}

/// Whether more than what is wanted already may be to do on routers for an account, whatever its session and connections are.
pub(super) fn hangs_on_routers(case: &Case, routers: &[Reached]) -> bool {
    let keeps = |router: &Reached| router.leases == Leases::On || keeps_accounts(case, router.scheme);
    !case.entry.rules.is_empty() || routers.iter().any(keeps)
}

/// Whether we keep the accounts of a router with an API that has some itself.
pub(super) fn keeps_accounts(case: &Case, scheme: Scheme) -> bool {
    scheme == Scheme::Api || case.policy.on_expiry == OnExpiry::DisableOnRouter
}

fn leases_of(routers: &[Reached], router: RouterId) -> Option<Leases> {
    routers.iter().find(|known| known.id == router).map(|known| known.leases)
}

fn is_about(new: &NewWant, want: &Want) -> bool {
    new.router == want.router
        && new.thing.parts().0 == want.thing.parts().0
        && new.thing.parts().1 == want.thing.parts().1
}

fn same_kind(one: &Thing, other: &Thing) -> bool {
    one.parts().0 == other.parts().0
}

/// The thing of a want, off.
pub(super) fn turned_off(want: &Want) -> NewWant {
    NewWant {
        router: want.router,
        thing: want.thing.clone(),
        state: WantedState::Off,
        account: want.account,
        connection: want.connection,
    }
}
