//! Scheme `radius`: the router's list of connections is held against what its accounting told.

use std::time::Duration;

use super::follow::{is_same, may_be};
use super::{Blind, Look, Memory, speaks_for};
use crate::domain::connection::{Authentic, Record, Report, Traffic, Via};
use crate::domain::router::NasKey;
use crate::gate::Gate;
use crate::gate::class::Class;
use crate::gate::router_api::{Active, AdmittedBy};
use crate::gate::session::Ended;
use crate::store::attempt::LostStart;
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
                None => {
                    match tx.lost_start(look.router.id, &active.acct_session_id, accepted_about(look, active)).await? {
                        Some(accept) => records.push(self.late_start(active, look, &accept)),
                        None => foreign.push(active),
                    }
                }
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
        Ok(Some(reported(active, nas, None, look)))
    }

    /// The Start of a connection that we accepted was lost.
    fn late_start(&self, active: &Active, look: &Look<'_>, accept: &LostStart) -> Record {
        let nas =
            NasKey { router: look.router.id, address: accept.nas_address, identifier: accept.nas_identifier.clone() };
        let named = match (accept.session, accept.account) {
            (Some(session), _) => Some(Class::Session(session)),
            (None, Some(account)) => Some(Class::Machine(account)),
            (None, None) => None,
        };
        let class = named.map(|class| class.write(&self.class_key));
        reported(active, nas, class, look)
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
    let (input_octets, output_octets) = active.octets.unwrap_or_default();
    Record {
        report: Report::Interim,
        nas,
        acct_session_id: active.acct_session_id.clone(),
        user_name: active.name.clone(),
        class,
        station: active.caller.clone().filter(|caller| !caller.is_empty()),
        nas_ip: None,
        framed_ip: active.address,
        server: None,
        authentic: match active.admitted {
            AdmittedBy::Secret => Authentic::Local,
            AdmittedBy::Radius | AdmittedBy::UserManager => Authentic::Radius,
        },
        arrived: look.at,
        delay: Duration::ZERO,
        lasted: active.uptime,
        traffic: Traffic { input_octets, output_octets, ..Traffic::default() },
        via: Via::Radius,
    }
}
