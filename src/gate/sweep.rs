//! The sweep, every minute: silent connections are closed as lost, old history is forgotten, the clock is watched.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Gate;
use super::router_api::ApiState;
use super::session::Ended;
use crate::clock::Timestamp;
use crate::domain::router::{Router, Scheme, SecretAge};
use crate::domain::setting::Level;
use crate::store::connection::LOST;
use crate::store::router::NasLine;
use crate::store::{StoreError, Tx};

/// How often.
const EVERY: Duration = Duration::from_secs(60);
/// A minute that took longer than this was not listened through: the machine slept, or the clock was set.
const GAP: Duration = Duration::from_secs(150);
/// Silent for this many interim intervals is lost.
const INTERVALS: u32 = 3;
/// History is forgotten this often.
const PRUNE_EVERY: Duration = Duration::from_secs(24 * 3600);
/// How long changes and delivered messages are kept.
const KEEP_WORK: Duration = Duration::from_secs(3600);
/// How long settled prompts and old buttons are kept.
const KEEP_PROMPTS: Duration = Duration::from_secs(7 * 24 * 3600);
/// The role of the instance that sweeps.
const ROLE: &str = "sweep";

impl Gate {
    /// Sweeps every minute.
    pub(super) async fn run_sweep(self: Arc<Self>, cancel: CancellationToken) {
        let mut listening_since = self.now();
        let mut last = self.now();
        let mut pruned_at = None;
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.clock.sleep_until(last + EVERY) => {}
                // A clock that is held stands still, and is to be told of.
                () = tokio::time::sleep(EVERY) => {}
            }
            let now = self.now();
            if now.since(last) > GAP || now < last {
                listening_since = now;
            }
            last = now;
            self.slots.sweep(now);
            if let Err(error) = self.tell_of_floods().await {
                tracing::error!(%error, "a flood could not be told of");
            }
            if !self.leads(ROLE).await {
                continue;
            }
            if let Err(error) = self.sweep(listening_since).await {
                tracing::error!(%error, "the sweep failed; the next minute tries again");
                // Where nothing can be written, nothing was listened to either; but for what was overtaken by another change.
                if !matches!(error, StoreError::Conflict) {
                    listening_since = now;
                }
            }
            if pruned_at.is_none_or(|at| now >= at + PRUNE_EVERY) {
                match self.prune().await {
                    Ok(()) => pruned_at = Some(now),
                    Err(error) => {
                        tracing::error!(%error, "old history cannot be forgotten; the next minute tries again")
                    }
                }
            }
        }
    }

    /// Closes what was silent for three intervals of time in which this instance listened. Lost never ends a session.
    async fn sweep(&self, listening_since: Timestamp) -> Result<(), StoreError> {
        let now = self.now();
        let silence = self.directory.system_policy().interim * INTERVALS;
        let mut tx = self.store.begin().await?;
        tx.raise_mark("clock", now.millis()).await?;
        let lag = self.clock.lag();
        if !lag.is_zero() {
            let text =
                format!("The clock of the server is {} s behind a time seen before; it is held there.", lag.as_secs());
            tx.raise("clock", "server", &text, now).await?;
        }
        tx.prune_changes(now - KEEP_WORK).await?;
        tx.prune_outbox(now - KEEP_WORK).await?;
        if listening_since + silence <= now {
            self.close_silent(&mut tx, silence).await?;
        }
        self.wipe_old_secrets(&mut tx).await?;
        self.commit(tx, Ended::default()).await?;
        self.metrics.connections.set(self.reader().open_connection_count().await?);
        Ok(())
    }

    /// Secrets that were to be taken for a while only are wiped; boxes that still use one are shut out by that.
    async fn wipe_old_secrets(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let now = self.now();
        let is_over = |router: &Router| router.old_secret.is_some() && router.old_secret_at(now).is_none();
        if !self.directory.routers().routers().iter().any(|router| is_over(router)) {
            return Ok(());
        }
        let boxes = self.reader().nas_lines().await?;
        for router in tx.routers().await?.iter().filter(|router| is_over(router)) {
            let behind = |line: &&NasLine| {
                line.nas.key.router == router.id && line.nas.secret.is_some_and(|seen| seen.age == SecretAge::Old)
            };
            let behind: Vec<String> = boxes.iter().filter(behind).map(NasLine::shown).collect();
            if !behind.is_empty() {
                let text = format!(
                    "The old secret of router {} is not taken any more, and was the last that was seen of: {}. Give them the \
                     new one.",
                    router.name,
                    behind.join(", ")
                );
                tx.raise("old_secret", &router.name, &text, now).await?;
            }
            tx.set_old_secret(router.id, None).await?;
        }
        Ok(())
    }

    /// Closes what was silent for so long. What only a router's list tells of is silent while the router is out of reach, and
    /// its list is read first when it is back.
    async fn close_silent(&self, tx: &mut Tx, silence: Duration) -> Result<(), StoreError> {
        let since = self.now() - silence;
        let mut silent = tx.silent_connections(since).await?;
        for router in self.directory.routers().routers() {
            if self.tells_of_its_connections(router, silence) {
                silent.extend(tx.silent_connections_on(router.id, since).await?);
            }
        }
        for connection in silent {
            tracing::info!(acct_session_id = connection.acct_session_id, "silent for three intervals: closed as lost");
            tx.end_connection(&connection, LOST, connection.seen_at).await?;
        }
        Ok(())
    }

    /// Whether silence about the connections that a router's list told of means something: the list could be read for so
    /// long, or nobody reads it any more.
    fn tells_of_its_connections(&self, router: &Router, silence: Duration) -> bool {
        if router.scheme == Scheme::Radius || router.api.is_none() {
            return true;
        }
        match self.api_state(router.id) {
            ApiState::Up { since, .. } => self.now().since(since) >= silence,
            ApiState::Off | ApiState::Connecting | ApiState::Failing { .. } => false,
        }
    }

    /// Forgets history by the settings, a thousand rows at a time so that no log-in waits for it.
    async fn prune(&self) -> Result<(), StoreError> {
        let values = self.reader().settings().await?;
        let days = |name: &str| {
            let stored = values.at(name, Level::System).and_then(|days| days.parse::<u64>().ok());
            let default = crate::domain::setting::Setting::named(name).and_then(|setting| setting.default.parse().ok());
            Duration::from_secs(stored.or(default).unwrap_or(3650) * 24 * 3600)
        };
        let now = self.now();
        let (sessions, connections) = (now - days("history_sessions_days"), now - days("history_connections_days"));
        let (attempts, prompts) = (now - days("history_attempts_days"), now - KEEP_PROMPTS);
        loop {
            let mut tx = self.store.begin().await?;
            let forgotten = tx.prune_sessions(sessions).await?
                + tx.prune_connections(connections).await?
                + tx.prune_attempts(attempts).await?
                + tx.prune_prompts(prompts).await?
                + tx.prune_cuts(connections).await?
                + tx.prune_refused(connections).await?;
            tx.commit(now).await?;
            if forgotten == 0 {
                return Ok(());
            }
        }
    }
}
