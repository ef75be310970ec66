//! Operators and routers.

use super::super::refused::taken_at;
use super::super::session::Ended;
use super::super::{Gate, Refused};
use crate::domain::audit::Actor;
use crate::domain::id::RouterId;
use crate::domain::router::{Router, router_name, shown_network};
use crate::secret::Secret;
use crate::store::Tx;
use crate::store::audit::Deed;
use crate::store::router::RouterForm;

/// The most bytes of a shared secret.
const SECRET_BYTES: usize = 128;

impl Gate {
    /// Adds a router.
    ///
    /// # Errors
    /// At the field: a bad or taken name or address, a bad secret.
    pub async fn add_router(&self, actor: &Actor, form: &RouterForm, secret: &Secret) -> Result<RouterId, Refused> {
        let form = checked(form)?;
        checked_secret(secret, "secret")?;
        let mut tx = self.store.begin().await?;
        self.is_free(&mut tx, None, &form).await?;
        let id = tx.add_router(&form, secret, self.now()).await.map_err(taken_at("name"))?;
        let detail = format!("{} {}", form.name, shown_network(form.address));
        self.finish(tx, actor, Deed { noun: "router", subject: id.0, verb: "add", detail: &detail }, Ended::default())
            .await?;
        Ok(id)
    }

    /// Changes what is said of a router; its secret stays.
    ///
    /// # Errors
    /// As [`Gate::add_router`], or no such router.
    pub async fn change_router(&self, actor: &Actor, id: RouterId, form: &RouterForm) -> Result<(), Refused> {
        let form = checked(form)?;
        let mut tx = self.store.begin().await?;
        router(&mut tx, id).await?;
        self.is_free(&mut tx, Some(id), &form).await?;
        tx.change_router(id, &form).await.map_err(taken_at("name"))?;
        let detail = format!("{} {}", form.name, shown_network(form.address));
        self.finish(
            tx,
            actor,
            Deed { noun: "router", subject: id.0, verb: "change", detail: &detail },
            Ended::default(),
        )
        .await
    }

    /// Gives a router another secret.
    ///
    /// # Errors
    /// No such router, or a bad secret.
    pub async fn set_router_secret(&self, actor: &Actor, id: RouterId, secret: &Secret) -> Result<(), Refused> {
        checked_secret(secret, "secret")?;
        let mut tx = self.store.begin().await?;
        let router = router(&mut tx, id).await?;
        tx.set_router_secret(id, secret).await?;
        let deed = Deed { noun: "router", subject: id.0, verb: "secret", detail: &router.name };
        self.finish(tx, actor, deed, Ended::default()).await
    }

    /// Removes a router; what runs on it is not heard of any more, and an alarm names what is on there.
    ///
    /// # Errors
    /// No such router.
    pub async fn remove_router(&self, actor: &Actor, id: RouterId) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        let router = router(&mut tx, id).await?;
        self.tell_of_what_stays_on(&mut tx, &router, "the router was removed").await?;
        tx.delete_router(id).await?;
        let deed = Deed { noun: "router", subject: id.0, verb: "remove", detail: &router.name };
        self.finish(tx, actor, deed, Ended::default()).await?;
        self.forget_examination(id);
        if let Ok(api) = self.api() {
            api.forget(id);
        }
        Ok(())
    }

    async fn is_free(&self, tx: &mut Tx, own: Option<RouterId>, form: &RouterForm) -> Result<(), Refused> {
        for other in tx.routers().await?.iter().filter(|router| Some(router.id) != own) {
            if other.name.to_lowercase() == form.name.to_lowercase() {
                return Err(Refused::field("name", "the router's name is taken"));
            }
            if other.address == form.address {
                return Err(Refused::field("address", format!("the address is that of router {}", other.name)));
            }
        }
        Ok(())
    }
}

pub(super) async fn router(tx: &mut Tx, id: RouterId) -> Result<Router, Refused> {
    let routers = tx.routers().await?;
    routers.into_iter().find(|router| router.id == id).ok_or(Refused::NotFound("no such router"))
}

fn checked(form: &RouterForm) -> Result<RouterForm, Refused> {
    let name = router_name(&form.name).map_err(|why| Refused::field("name", why))?;
    if form.coa_port == 0 {
        return Err(Refused::field("coa_port", "expected a port from 1 to 65535"));
    }
    Ok(RouterForm { name, ..form.clone() })
}

pub(super) fn checked_secret(secret: &Secret, field: &'static str) -> Result<(), Refused> {
    match secret.expose().len() {
        0 => Err(Refused::field(field, "the secret is empty")),
        1..=SECRET_BYTES => Ok(()),
        _ => Err(Refused::field(field, "the secret is longer than 128 bytes")),
    }
}
