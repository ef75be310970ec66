//! Operators and reply attributes: what an Access-Accept says of a router, a group or an account.

use super::super::session::Ended;
use super::super::{Gate, Refused};
use crate::domain::attribute::{ReplyAttributes, Subject};
use crate::domain::audit::Actor;
use crate::store::StoreError;
use crate::store::audit::Deed;

impl Gate {
    /// Sets the reply attributes of a router, a group or an account; those that it had go. They hold from the next dial on;
    /// and of running connections at once, where the router's habit `coa_attributes` is so.
    ///
    /// # Errors
    /// No such subject; at the field `attributes`: a name or value that is not taken, or all are too long.
    pub async fn set_attributes(
        &self,
        actor: &Actor,
        subject: Subject,
        written: &[(String, String)],
    ) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        let name = tx.subject_name(subject).await?.ok_or(match subject {
            Subject::Router(_) => Refused::NotFound("no such router"),
            Subject::Group(_) => Refused::NotFound("no such group"),
            Subject::Account(_) => Refused::NotFound("no such account"),
        })?;
        let before = match tx.attributes(subject).await {
            // What cannot be read can still be written over.
            Err(StoreError::Corrupt { .. } | StoreError::UnknownAttribute(_)) => ReplyAttributes::default(),
            read => read?,
        };
        let attributes =
            before.changed(written).map_err(|refused| Refused::field("attributes", refused.to_string()))?;
        tx.set_attributes(subject, &attributes).await?;
        self.order_at_once(&mut tx, subject).await?;
        let detail = format!("{name}: {}", shown(&attributes));
        let deed = Deed { noun: subject.level(), subject: subject.row(), verb: "attributes", detail: &detail };
        self.finish(tx, actor, deed, Ended::default()).await
    }
}

/// On one line, for the audit: `Framed-IP-Address = 10.8.0.5, Mikrotik-Group = staff`.
pub(super) fn shown(attributes: &ReplyAttributes) -> String {
    if attributes.is_empty() {
        return "none".to_owned();
    }
    let each: Vec<String> =
        attributes.iter().map(|attribute| format!("{} = {}", attribute.name(), attribute.value())).collect();
    each.join(", ")
}
