//! Scheme `api`: the router's list of connections is made into accounting, so that all that follows is the same.

use std::time::Duration;

use super::{Blind, Look, Memory};
use crate::domain::account::is_same_name;
use crate::domain::connection::{Authentic, Notice, Record, Report, Traffic, Via};
use crate::domain::router::NasKey;
use crate::gate::Gate;
use crate::gate::router_api::{Active, AdmittedBy};
use crate::gate::session::Ended;
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
                // Of the box that it was first seen on, whatever that is called by now.
                Some(known) => {
                    let Some(nas) = tx.nas_key(known.nas).await? else { continue };
                    records.push(Record { nas, lasted: lasted(known, active, look), ..record(look, active) });
                }
                // An Interim makes what is missing, and opens again what was taken for gone.
                None => records.push(record(look, active)),
            }
        }
        drop(tx);
        self.report_all(records).await?;
        self.close_gone(look, &open).await?;
        self.tell_of_foreign(look, &foreign, memory).await?;
        Ok(())
    }

    /// What the list does not have any more is gone. Nobody reported its end, so if the list was wrong, it opens again.
    async fn close_gone(&self, look: &Look<'_>, open: &[Connection]) -> Result<(), StoreError> {
        let is_gone =
            |known: &&Connection| known.via == Via::Api && !look.active.iter().any(|active| is_same(known, active));
        let mut gone = open.iter().filter(is_gone).peekable();
        if gone.peek().is_none() {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        for known in gone {
            tx.end_connection(known, "gone", look.at).await?;
        }
        self.commit(tx, Ended::default()).await?;
        Ok(())
    }

    /// Through the accounting queue, and until they are booked: the next look finds them.
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
        self.spool.settles().await;
        Ok(())
    }
}

/// A row of the router as accounting would tell of it.
pub(super) fn record(look: &Look<'_>, active: &Active) -> Record {
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
        delay: Duration::ZERO,
        lasted: active.uptime,
        traffic: Traffic { input_octets, output_octets, ..Traffic::default() },
        via: Via::Api,
    }
}

/// Whether a row of the router is this connection: same Acct-Session-Id, same name.
pub(super) fn is_same(known: &Connection, active: &Active) -> bool {
    known.acct_session_id.eq_ignore_ascii_case(&active.acct_session_id) && is_same_name(&known.user_name, &active.name)
}

/// How long a known connection lasts. What has the same number is the same connection, whatever uptime the router shows:
/// its clock and ours are set at different times, or the uptime is not understood. Ids of rows are used again.
pub(super) fn lasted(known: &Connection, active: &Active, look: &Look<'_>) -> Duration {
    if has_number(active) { look.at.since(known.started_at) } else { active.uptime }
}

/// Whether the router gives a row a number; else its id stands there.
fn has_number(active: &Active) -> bool {
    !active.acct_session_id.starts_with('*')
}

/// Whether a row of the router to which it gives no number may be this connection.
pub(super) fn may_be(known: &Connection, active: &Active) -> bool {
    !has_number(active) && is_same_name(&known.user_name, &active.name)
}
