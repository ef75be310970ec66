//! Attempts: every dial with its verdict, written in groups behind the replies (`design` §3).
//!
//! A log-in never waits for them. A flood is kept in part: what goes beyond the queue, or beyond the pace that a disk and a
//! list bear for ninety days, is counted as lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Gate;
use super::directory::Found;
use super::patience::written;
use crate::domain::access::Request;
use crate::domain::id::SessionId;
use crate::store::StoreError;
use crate::store::attempt::{Attempt, Verdict};

/// Attempts that wait to be written: everybody of a large site at once, after a power cut. Above it they are counted as
/// lost, never waited for.
pub(super) const ATTEMPTS: usize = 12_288;
/// Places in the queue that refusals leave to the others: whoever guesses must not hide whom we let in, for an Accept whose
/// Start got lost is found by its attempt.
const FOR_ACCEPTS: usize = ATTEMPTS / 2;
/// Attempts in one transaction: about 3 ms, in which nobody else writes to SQLite.
const GROUP: usize = 512;
/// The pace in the long run: 2,000 attempts a second, each about 20 µs of a processor with its indexes. A flood that is
/// kept whole would fill the disk at megabytes a second, and take the processor from the log-ins.
const EACH: Duration = Duration::from_micros(500);
/// What was left unused for so long may be written at once: 2,000 attempts. Everybody at once is written within 6 s.
const SAVED: Duration = Duration::from_secs(1);
/// The least rest after a group. What comes meanwhile shares a commit.
const GATHERED: Duration = Duration::from_millis(50);

/// When the writer may go on.
struct Pace {
    paid_until: Instant,
}

impl Pace {
    /// So many were written; gives until when the writer rests.
    fn spend(&mut self, attempts: usize, now: Instant) -> Instant {
        let saved = now.checked_sub(SAVED).unwrap_or(self.paid_until);
        let cost = EACH.saturating_mul(u32::try_from(attempts).unwrap_or(u32::MAX));
        self.paid_until = self.paid_until.max(saved) + cost;
        self.paid_until.max(now + GATHERED)
    }
}

impl Gate {
    pub(super) fn write_attempt(
        &self,
        request: &Request,
        found: &Found,
        (verdict, reason): (Verdict, Option<&'static str>),
        session: Option<SessionId>,
    ) {
        if !self.tempo.admits(request.nas.router, &request.user_name, request.arrived) {
            self.metrics.attempts_lost.inc();
            return;
        }
        let queue = &self.attempts.sender;
        let has_place = verdict == Verdict::Accept || queue.capacity() > FOR_ACCEPTS;
        let Some(place) = has_place.then(|| queue.try_reserve().ok()).flatten() else {
            self.metrics.attempts_lost.inc();
            return;
        };
        let known = match found {
            Found::Account(known) => Some(known),
            Found::Nobody => None,
        };
        place.send(Attempt {
            at: request.arrived,
            router: request.nas.router,
            nas_address: request.nas.address,
            nas_identifier: request.nas.identifier.clone(),
            nas_ip: request.nas_ip,
            server: request.server,
            user_name: request.user_name.clone(),
            account: known.map(|known| known.entry.account.id),
            user: known.and_then(|known| known.entry.account.user),
            session,
            station: request.station.clone(),
            method: request.proof.as_ref().map_or("none", |proof| proof.method()),
            verdict,
            reason,
            acct_session_id: request.acct_session_id.clone(),
        });
    }

    /// Writes the attempts in groups, behind the replies.
    pub(super) async fn write_attempts(self: Arc<Self>, cancel: CancellationToken) {
        let Some(mut attempts) = self.attempts.take() else { return };
        let mut group = Vec::with_capacity(GROUP);
        let mut pace = Pace { paid_until: Instant::now() };
        loop {
            tokio::select! {
                biased;
                count = attempts.recv_many(&mut group, GROUP) => if count == 0 { return },
                // Biased: what waits is written before the end.
                () = cancel.cancelled() => return,
            }
            if let Err(error) = written(|| self.write_attempt_group(&group)).await {
                self.metrics.attempts_lost.inc_by(u64::try_from(group.len()).unwrap_or(u64::MAX));
                tracing::error!(%error, lost = group.len(), "log-in attempts could not be written");
            }
            let rests_until = pace.spend(group.len(), Instant::now());
            group.clear();
            tokio::select! {
                () = cancel.cancelled() => {}
                () = tokio::time::sleep_until(rests_until) => {}
            }
        }
    }

    async fn write_attempt_group(&self, group: &[Attempt]) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        tx.add_attempts(group).await?;
        tx.commit(self.now()).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_written_at_once_and_a_flood_at_its_pace() {
        let start = Instant::now() + SAVED;
        let mut pace = Pace { paid_until: start - SAVED };
        assert_eq!(pace.spend(GROUP, start), start + GATHERED, "the least rest");
        assert_eq!(pace.spend(3_488, start), start + Duration::from_secs(1));
        let later = start + Duration::from_secs(100);
        assert_eq!(pace.spend(4_000, later), later + Duration::from_secs(1), "no more is saved than that");
    }
}
