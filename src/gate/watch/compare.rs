//! Scheme `radius`: the router's list of connections is held against what its accounting told.

use std::time::Duration;

use super::follow::{is_same, lasted, may_be, record};
use super::{Blind, Look, Memory, speaks_for};
use crate::domain::account::is_same_name;
use crate::domain::connection::{Record, Via};
use crate::domain::router::NasKey;
use crate::gate::Gate;
use crate::gate::class::Class;
use crate::gate::router_api::Active;
use crate::gate::session::Ended;
use crate::store::connection::{ClassSeen, Connection};
use crate::store::{StoreError, Tx};

/// A Start that is younger than this may still be on its way.
const GRACE: Duration = Duration::from_secs(20);
/// A connection that the router's list lacks for this long is gone, whether its Stop came or not.
const ABSENT: Duration = Duration::from_secs(10);
/// How far apart an Accept and the start that the router counts may be.
const APART: Duration = Duration::from_secs(120);

impl Gate {
    /// What runs and was not heard of lately is counted as heard of; what was never heard of is looked up among our Accepts,
    /// or told; what is not there any more is closed.
    pub(super) async fn compare(&self, look: &Look<'_>, memory: &mut Memory) -> Result<(), Blind> {
        let mut tx = self.store.begin().await?;
        let open = tx.open_connections_on(look.router.id).await?;
        let mut records = Vec::new();
        let mut foreign = Vec::new();
        for active in &look.active {
            match open.iter().find(|known| is_same(known, active)) {
                Some(known) if known.class == ClassSeen::None && known.session.is_none() => foreign.push(active),
                Some(known) => records.extend(self.late_interim(&mut tx, look, (known, active)).await?),
                None if active.uptime < GRACE || open.iter().any(|known| may_be(known, active)) => {}
                None => match self.late_start(&mut tx, active, look).await? {
                    Some(record) => records.push(record),
                    None => foreign.push(active),
                },
            }
        }
        drop(tx);
        self.report_all(records).await?;
        self.close_absent(look, &open, memory).await?;
        self.tell_of_foreign(look, &foreign, memory).await?;
        Ok(())
    }

    /// Accounting is silent, and yet the connection is up: the list counts as an Interim.
    async fn late_interim(
        &self,
        tx: &mut Tx,
        look: &Look<'_>,
        (known, active): (&Connection, &Active),
    ) -> Result<Option<Record>, StoreError> {
        if look.at.since(known.seen_at) < self.directory.system_policy().interim * 2 {
            return Ok(None);
        }
        let Some(nas) = tx.nas_key(known.nas).await? else { return Ok(None) };
        let lasted = lasted(known, active, look);
        Ok(Some(Record { lasted, ..reported(active, nas, None, look) }))
    }

    /// The Start of a connection that this box asked us about, and that we accepted, was lost.
    async fn late_start(&self, tx: &mut Tx, active: &Active, look: &Look<'_>) -> Result<Option<Record>, StoreError> {
        let accepts =
            tx.lost_starts(look.router.id, &active.acct_session_id, accepted_about(look, active)).await?.into_iter();
        let of_this_box = accepts.filter(|accept| is_same_name(&accept.user_name, &active.name)).find_map(|accept| {
            let (address, identifier) = (accept.nas_address, accept.nas_identifier.clone());
            let nas = NasKey { router: look.router.id, address, identifier };
            speaks_for(look.router, &look.identity, &nas, &active.acct_session_id).then_some((accept, nas))
        });
        let Some((accept, nas)) = of_this_box else { return Ok(None) };
        let named = match (accept.session, accept.account) {
            (Some(session), _) => Some(Class::Session(session)),
            (None, Some(account)) => Some(Class::Machine(account)),
            (None, None) => None,
        };
        let class = named.map(|class| class.write(&self.class_key));
        Ok(Some(reported(active, nas, class, look)))
    }

    /// What the list lacks in two looks is gone: its Stop was lost.
    async fn close_absent(&self, look: &Look<'_>, open: &[Connection], memory: &mut Memory) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let mut still = std::collections::HashMap::new();
        for known in open {
            let listed = look.active.iter().any(|active| is_same(known, active) || may_be(known, active));
            let young = look.at.since(known.started_at) < GRACE;
            if listed || young || !self.is_of_this_box(&mut tx, look, known).await? {
                continue;
            }
            let since = memory.absent.get(&known.id).copied().unwrap_or(look.at);
            if look.at >= since + ABSENT {
                tracing::info!(acct_session_id = known.acct_session_id, "not on the router any more: closed as gone");
                tx.end_connection(known, "gone", look.at).await?;
            } else {
                still.insert(known.id, since);
            }
        }
        memory.absent = still;
        self.commit(tx, Ended::default()).await?;
        Ok(())
    }

    async fn is_of_this_box(&self, tx: &mut Tx, look: &Look<'_>, known: &Connection) -> Result<bool, StoreError> {
        let nas = tx.nas_key(known.nas).await?;
        Ok(nas.is_some_and(|nas| speaks_for(look.router, &look.identity, &nas, &known.acct_session_id)))
    }
}

/// The time of the Accept that let a connection in, as its uptime implies it, with room on both sides.
fn accepted_about(look: &Look<'_>, active: &Active) -> (crate::clock::Timestamp, crate::clock::Timestamp) {
    let started = look.at - active.uptime;
    (started - APART, started + APART)
}

fn reported(active: &Active, nas: NasKey, class: Option<Vec<u8>>, look: &Look<'_>) -> Record {
    Record { nas, class, via: Via::Radius, ..record(look, active) }
}
