//! Operators and RadSec: by which certificate a router is known.

use super::super::session::Ended;
use super::super::{Gate, Refused};
use super::router::router;
use crate::domain::audit::Actor;
use crate::domain::id::RouterId;
use crate::domain::radsec::KnownBy;
use crate::store::audit::Deed;

impl Gate {
    /// Says by which certificate a router is known over RadSec, or that it is not taken there (any more): its connections
    /// are closed then.
    ///
    /// # Errors
    /// No such router; at the field: another router is known by it.
    pub async fn set_router_radsec(
        &self,
        actor: &Actor,
        id: RouterId,
        known_by: Option<&KnownBy>,
    ) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        let before = router(&mut tx, id).await?;
        if known_by.is_none() && before.radsec.is_none() {
            return Err(Refused::conflict("the router is known by no certificate"));
        }
        if let Some(known_by) = known_by {
            let same = |other: &&crate::domain::router::Router| other.radsec.as_ref() == Some(known_by);
            if let Some(other) = tx.routers().await?.iter().filter(|other| other.id != id).find(same) {
                return Err(Refused::field("radsec", format!("router {} is known by it", other.name)));
            }
        }
        tx.set_router_radsec(id, known_by).await?;
        let detail = match known_by {
            Some(known_by) => format!("{}: RadSec by {}", before.name, known_by.shown()),
            None => format!("{}: no RadSec", before.name),
        };
        let deed = Deed { noun: "router", subject: id.0, verb: "radsec", detail: &detail };
        self.finish(tx, actor, deed, Ended::default()).await?;
        if let Err(error) = self.directory.read_routers().await {
            // What follows the changes reads them, too, a moment later.
            tracing::warn!(%error, "the routers cannot be read again");
        }
        Ok(())
    }
}
