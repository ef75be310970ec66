//! Scheme `api`: the router's list of connections is made into accounting, so that all that follows is the same.

use super::{Blind, Look, Memory};
use crate::domain::account::is_same_name;
use crate::domain::connection::{Authentic, Record, Report, Traffic, Via};
use crate::domain::router::NasKey;
use crate::gate::Gate;
use crate::gate::accounting::Notice;
use crate::gate::router_api::{Active, AdmittedBy};
use crate::store::StoreError;
use crate::store::connection::Connection;

impl Gate {
    /// Reports what is new, what goes on and what is gone; tells of what is nobody's.
    pub(super) async fn follow_list(&self, look: &Look<'_>, memory: &mut Memory) -> Result<(), Blind> {
        let mut tx = self.store.begin().await?;
        let open = tx.open_connections_on(look.router.id).await?;
        let mut foreign = Vec::new();
        let mut records = Vec::new();
        for active in &look.active {
            if self.account_of(&mut tx, &active.name).await?.is_none() {
                foreign.push(active);
                continue;
            }
            match open.iter().find(|known| is_same(known, active)) {
                Some(known) if look.at.since(known.seen_at) < self.directory.system_policy().interim => {}
                // An Interim makes what is missing, and opens again what was taken for lost.
                Some(_) | None => records.push(self.record(look, active)),
            }
        }
        drop(tx);
        for known in open.iter().filter(|known| known.via == Via::Api) {
            if !look.active.iter().any(|active| is_same(known, active)) {
                records.push(gone(look, known));
            }
        }
        self.report_all(records).await?;
        self.tell_of_foreign(look, &foreign, memory).await?;
        Ok(())
    }

    /// Through the accounting queue, and until they are committed: the next look finds them.
    pub(super) async fn report_all(&self, records: Vec<Record>) -> Result<(), StoreError> {
        let mut waiting = Vec::with_capacity(records.len());
        for record in records {
            // A full queue is met again at the next look: the router's list still says it.
            let Ok(committed) = self.report(Notice::Connection(Box::new(record))) else { break };
            waiting.push(committed);
        }
        for committed in waiting {
            if committed.await.is_err() {
                return Err(StoreError::Conflict);
            }
        }
        Ok(())
    }

    fn record(&self, look: &Look<'_>, active: &Active) -> Record {
        let (input_octets, output_octets) = active.octets.unwrap_or_default();
        Record {
            report: Report::Interim,
            nas: NasKey { router: look.router.id, address: look.address(), identifier: look.identity.clone() },
            acct_session_id: active.acct_session_id.clone(),
            user_name: active.name.clone(),
            class: None,
            station: active.caller.clone().filter(|caller| !caller.is_empty()),
            nas_ip: None,
            framed_ip: active.address,
            server: None,
            authentic: match active.admitted {
                AdmittedBy::Secret => Authentic::Local,
                AdmittedBy::Radius | AdmittedBy::UserManager => Authentic::Radius,
            },
            arrived: look.at,
            delay: std::time::Duration::ZERO,
            lasted: active.uptime,
            traffic: Traffic { input_octets, output_octets, ..Traffic::default() },
            via: Via::Api,
        }
    }
}

/// A connection that the list does not have any more.
fn gone(look: &Look<'_>, known: &Connection) -> Record {
    Record {
        report: Report::Stop(None),
        nas: NasKey { router: look.router.id, address: look.address(), identifier: look.identity.clone() },
        acct_session_id: known.acct_session_id.clone(),
        user_name: known.user_name.clone(),
        class: None,
        station: known.station.clone(),
        nas_ip: None,
        framed_ip: known.framed_ip,
        server: None,
        authentic: known.authentic,
        arrived: look.at,
        delay: std::time::Duration::ZERO,
        lasted: look.at.since(known.started_at),
        traffic: known.traffic,
        via: Via::Api,
    }
}

/// Whether a row of the router is this connection: same Acct-Session-Id, same name.
pub(super) fn is_same(known: &Connection, active: &Active) -> bool {
    known.acct_session_id.eq_ignore_ascii_case(&active.acct_session_id) && is_same_name(&known.user_name, &active.name)
}

/// Whether a row of the router to which it gives no number may be this connection: then its id stands there.
pub(super) fn may_be(known: &Connection, active: &Active) -> bool {
    active.acct_session_id.starts_with('*') && is_same_name(&known.user_name, &active.name)
}
