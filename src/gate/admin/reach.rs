//! Operators and the API of routers: how it is reached, who decides about a dial, and whether the firewall asks for leases.

use std::sync::Arc;

use super::super::router_api::{ApiFault, ApiState, RouterApi};
use super::super::session::Ended;
use super::super::{Gate, Refused};
use super::router::router;
use crate::domain::api::{Api, ApiAddress, Fingerprint, OldLogIn, Trust, api_user};
use crate::domain::audit::Actor;
use crate::domain::id::RouterId;
use crate::domain::router::{Leases, Router, Scheme};
use crate::secret::Secret;
use crate::store::Tx;
use crate::store::audit::Deed;
use crate::store::router::Reach;

/// The most bytes of a password on a router.
const PASSWORD_BYTES: usize = 256;
/// What an alarm names one by one; the rest is counted.
const NAMED: usize = 10;
/// The most bytes of an authority's certificates.
const AUTHORITY_BYTES: usize = 32 * 1024;

/// What an operator says of a router's API.
#[derive(Debug, Clone)]
pub struct ReachForm {
    /// Who decides about a dial.
    pub scheme: Scheme,
    /// Whether confirmed connections get a lease.
    pub leases: Leases,
    /// The log-in; `None` takes it away.
    pub api: Option<ApiForm>,
}

/// The log-in to a router's API as an operator gives it.
#[derive(Debug, Clone)]
pub struct ApiForm {
    /// Where.
    pub address: ApiAddress,
    /// Name in `/user` on the router.
    pub user: String,
    /// Its password; `None` keeps what there is.
    pub password: Option<Secret>,
    /// Plain, or TLS and whose certificate is taken.
    pub trust: Trust,
    /// Whether the log-in of RouterOS before 6.43 is taken.
    pub old_log_in: OldLogIn,
}

impl Gate {
    /// Says how a router's API is reached, and what it is for.
    ///
    /// # Errors
    /// No such router; at the field: scheme `api` or leases without a log-in, no password, a bad name or certificate.
    pub async fn set_router_reach(&self, actor: &Actor, id: RouterId, form: &ReachForm) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        let before = router(&mut tx, id).await?;
        let api = form.api.as_ref().map(|api| checked_api(api, before.api.as_ref())).transpose()?;
        if form.scheme == Scheme::Api && api.is_none() {
            return Err(Refused::field("scheme", "the scheme api needs the log-in to the router's API"));
        }
        if form.leases == Leases::On && api.is_none() {
            return Err(Refused::field("leases", "leases need the log-in to the router's API"));
        }
        let reach = Reach { scheme: form.scheme, api, leases: form.leases };
        if reach.api.is_none() {
            self.tell_of_what_stays_on(&mut tx, &before, "its API was taken away").await?;
        }
        tx.set_router_reach(id, &reach).await?;
        let detail = match &reach.api {
            Some(api) => format!(
                "{}: scheme {}, leases {}, API {}@{} {}",
                before.name,
                reach.scheme.word(),
                reach.leases.word(),
                api.user,
                api.address,
                api.trust.word()
            ),
            None => format!("{}: scheme {}, no API", before.name, reach.scheme.word()),
        };
        let deed = Deed { noun: "router", subject: id.0, verb: "reach", detail: &detail };
        self.finish(tx, actor, deed, Ended::default()).await?;
        self.reach_anew(id).await;
        Ok(())
    }

    /// An operator has compared the certificate that a router shows: it is taken from now on.
    ///
    /// # Errors
    /// No such router, or its API is not one whose certificate is pinned.
    pub async fn trust_router(&self, actor: &Actor, id: RouterId, fingerprint: Fingerprint) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        let before = router(&mut tx, id).await?;
        let Some(Api { trust: Trust::Pinned(_), .. }) = before.api else {
            return Err(Refused::conflict("the router's API is not reached by a pinned certificate"));
        };
        let api = before.api.map(|api| Api { trust: Trust::Pinned(Some(fingerprint)), ..api });
        tx.set_router_reach(id, &Reach { scheme: before.scheme, api, leases: before.leases }).await?;
        let detail = format!("{}: certificate {fingerprint}", before.name);
        let deed = Deed { noun: "router", subject: id.0, verb: "trust", detail: &detail };
        self.finish(tx, actor, deed, Ended::default()).await?;
        self.reach_anew(id).await;
        Ok(())
    }

    /// The log-in is another: the old connection goes, and whoever watches the router begins again, with the new one.
    async fn reach_anew(&self, id: RouterId) {
        if let Err(error) = self.directory.read_routers().await {
            // What follows the changes reads them, too, a moment later.
            tracing::warn!(%error, "the routers cannot be read again");
        }
        if let Ok(api) = self.api() {
            api.forget(id);
        }
        self.wake.watch.notify_waiters();
    }

    /// Nobody can switch off there any more what is on: operators are told to.
    pub(super) async fn tell_of_what_stays_on(&self, tx: &mut Tx, router: &Router, why: &str) -> Result<(), Refused> {
        let left = tx.wants_left_on(router.id).await?;
        if left.is_empty() {
            return Ok(());
        }
        let named: Vec<String> = left.iter().take(NAMED).map(|want| want.thing.shown()).collect();
        let more = match left.len().saturating_sub(named.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let named = named.join(", ");
        let text = format!(
            "On {}, {named}{more} may be on still, and {why}: switch off there what is to be off.",
            router.name
        );
        tx.raise("left_on", &router.name, &text, self.now()).await?;
        Ok(())
    }

    /// Connects to a router's API, now.
    ///
    /// # Errors
    /// No such router, or why it cannot be reached.
    pub async fn greet_router(&self, id: RouterId) -> Result<ApiState, Refused> {
        let (api, router) = self.reached(id).await?;
        Ok(api.greet(&router).await?)
    }

    /// A router as it is stored now, and what talks to it.
    pub(in crate::gate) async fn reached(&self, id: RouterId) -> Result<(Arc<dyn RouterApi>, Router), Refused> {
        let routers = self.reader().routers().await?.routers;
        let router = routers.into_iter().find(|router| router.id == id).ok_or(Refused::NotFound("no such router"))?;
        if router.api.is_none() {
            return Err(ApiFault::Off.into());
        }
        Ok((self.api()?.clone(), router))
    }
}

fn checked_api(form: &ApiForm, before: Option<&Api>) -> Result<Api, Refused> {
    let user = api_user(&form.user).map_err(|why| Refused::field("api_user", why))?;
    let password = match (&form.password, before) {
        (Some(password), _) => password.clone(),
        // A password that was given for one place is not sent to another.
        (None, Some(before)) if before.address == form.address && before.user == user => before.password.clone(),
        (None, _) => return Err(Refused::field("api_password", "the password of the API user is missing")),
    };
    if password.expose().len() > PASSWORD_BYTES {
        return Err(Refused::field("api_password", "the password is longer than 256 bytes"));
    }
    if let Trust::Authority(pem) = &form.trust
        && (pem.len() > AUTHORITY_BYTES || !pem.contains("-----BEGIN CERTIFICATE-----"))
    {
        return Err(Refused::field("api_authority", "expected certificates in PEM, at most 32 KiB"));
    }
    Ok(Api { address: form.address.clone(), user, password, trust: form.trust.clone(), old_log_in: form.old_log_in })
}
