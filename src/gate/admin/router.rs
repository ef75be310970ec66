//! Operators and routers.

use std::time::Duration;

use super::super::refused::taken_at;
use super::super::session::Ended;
use super::super::{Gate, Refused};
use crate::domain::audit::Actor;
use crate::domain::id::{NasId, RouterId};
use crate::domain::router::{
    Demand, OLD_SECRET_HOURS, OldSecret, Router, Signs, nas_identifier, router_name, shown_origin,
};
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
        let detail = format!("{} {}", form.name, shown_origin(form.address, form.nas_identifier.as_deref()));
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
        let detail = format!("{} {}", form.name, shown_origin(form.address, form.nas_identifier.as_deref()));
        self.finish(
            tx,
            actor,
            Deed { noun: "router", subject: id.0, verb: "change", detail: &detail },
            Ended::default(),
        )
        .await
    }

    /// Gives a router another secret; the one before is not taken any more.
    ///
    /// # Errors
    /// No such router, or a bad secret.
    pub async fn set_router_secret(&self, actor: &Actor, id: RouterId, secret: &Secret) -> Result<(), Refused> {
        self.replace_router_secret(actor, id, secret, None).await
    }

    /// Gives a router another secret; the one before is taken beside it for so long, so that no box is shut out before its
    /// own is changed.
    ///
    /// # Errors
    /// No such router; a bad secret, or one that it has; at the field `keep_old`: longer than [`OLD_SECRET_HOURS`].
    pub async fn replace_router_secret(
        &self,
        actor: &Actor,
        id: RouterId,
        secret: &Secret,
        keep_old: Option<Duration>,
    ) -> Result<(), Refused> {
        checked_secret(secret, "secret")?;
        let mut tx = self.store.begin().await?;
        let router = router(&mut tx, id).await?;
        let now = self.now();
        tx.set_router_secret(id, secret).await?;
        let mut detail = router.name.clone();
        if let Some(keep) = keep_old {
            if keep.is_zero() || keep > Duration::from_secs(u64::from(OLD_SECRET_HOURS) * 3600) {
                let why = format!("expected at most {OLD_SECRET_HOURS} hours");
                return Err(Refused::field("keep_old", why));
            }
            if *secret == router.secret {
                return Err(Refused::field("secret", "the router has this secret already"));
            }
            let old = OldSecret { secret: router.secret, until: now + keep };
            tx.set_old_secret(id, Some((&old, now))).await?;
            detail = format!("{detail}, the old one is taken for {} min", keep.as_secs() / 60);
        }
        let deed = Deed { noun: "router", subject: id.0, verb: "secret", detail: &detail };
        self.finish(tx, actor, deed, Ended::default()).await
    }

    /// The secret that a router had before is not taken any more, from now on.
    ///
    /// # Errors
    /// No such router, or it has none.
    pub async fn drop_old_secret(&self, actor: &Actor, id: RouterId) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        let router = router(&mut tx, id).await?;
        if router.old_secret.is_none() {
            return Err(Refused::conflict("the router has no old secret"));
        }
        tx.set_old_secret(id, None).await?;
        let deed = Deed { noun: "router", subject: id.0, verb: "drop old secret", detail: &router.name };
        self.finish(tx, actor, deed, Ended::default()).await
    }

    /// Forgets that a box signs its requests: with `auto`, unsigned ones are taken from it again until it signs one.
    ///
    /// # Errors
    /// No such box, or it was not seen to sign.
    pub async fn forget_signs(&self, actor: &Actor, nas: NasId) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        let key = tx.nas_key(nas).await?.ok_or(Refused::NotFound("no such box"))?;
        if !tx.forget_signs(nas).await? {
            return Err(Refused::conflict("the box was not seen to sign its requests"));
        }
        let detail = format!("{} {}", key.address, crate::text::one_line(&key.identifier));
        let deed = Deed { noun: "router", subject: key.router.0, verb: "forget signs", detail: detail.trim_end() };
        self.finish(tx, actor, deed, Ended::default()).await
    }

    /// Demands a Message-Authenticator of every request of a router whose boxes were all seen to send one.
    ///
    /// # Errors
    /// No such router, one of its boxes was not seen to sign, or none is known.
    pub async fn require_signs(&self, actor: &Actor, id: RouterId) -> Result<(), Refused> {
        let lines = self.reader().nas_lines().await?;
        let boxes: Vec<_> = lines.iter().filter(|line| line.nas.key.router == id).collect();
        if boxes.is_empty() || boxes.iter().any(|line| line.nas.signs == Signs::NotYet) {
            return Err(Refused::conflict("not every box of the router was seen to sign its requests"));
        }
        let mut tx = self.store.begin().await?;
        let router = router(&mut tx, id).await?;
        let form = RouterForm {
            name: router.name,
            address: router.address,
            nas_identifier: router.nas_identifier,
            coa_port: router.coa_port,
            message_authenticator: Demand::Require,
        };
        tx.change_router(id, &form).await?;
        let detail = format!("{}: message_authenticator = require", form.name);
        let deed = Deed { noun: "router", subject: id.0, verb: "change", detail: &detail };
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
            if (other.address, &other.nas_identifier) == (form.address, &form.nas_identifier) {
                let why = format!(
                    "the address is that of router {}; routers behind one address are told apart by their NAS-Identifier",
                    other.name
                );
                return Err(Refused::field("address", why));
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
    let typed = form.nas_identifier.as_deref().unwrap_or_default();
    let nas_identifier = nas_identifier(typed).map_err(|why| Refused::field("nas_identifier", why))?;
    Ok(RouterForm { name, nas_identifier, ..form.clone() })
}

pub(super) fn checked_secret(secret: &Secret, field: &'static str) -> Result<(), Refused> {
    match secret.expose().len() {
        0 => Err(Refused::field(field, "the secret is empty")),
        1..=SECRET_BYTES => Ok(()),
        _ => Err(Refused::field(field, "the secret is longer than 128 bytes")),
    }
}
