//! Accounting: records are queued, and acknowledged only when they are on disk (`design` §7).
//!
//! Few at a time are booked first. When more come than can be booked one group after the other, they are put down as they came
//! (`spool`), acknowledged, and booked from there, many at once.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Gate;
use crate::domain::connection::Notice;
use crate::domain::router::{NasKey, SecretAge, SecretSeen, Signs};
use crate::store::StoreError;

/// Records that wait to be put on disk. Above it a record is dropped unanswered, so the router sends it again.
pub(super) const RECORDS: usize = 8_192;
/// Records in one transaction.
const GROUP: usize = 256;
/// Records that are booked before they are acknowledged, if no more than these wait.
const FEW: usize = 32;

/// The queue is full: no answer, the router sends again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the accounting queue is full")]
pub struct Full;

/// A notice, and what is done when it is on disk.
pub(super) struct Queued {
    pub(super) notice: Notice,
    then: Box<dyn FnOnce() + Send + Sync>,
}

impl Gate {
    /// Queues a notice; what is given back resolves when it is on disk, and fails if it was not written.
    ///
    /// # Errors
    /// [`Full`].
    pub fn report(&self, notice: Notice) -> Result<oneshot::Receiver<()>, Full> {
        let (done, written) = oneshot::channel();
        self.report_then(notice, move || {
            // Whoever asked may be gone; it is written all the same.
            let _ = done.send(());
        })?;
        Ok(written)
    }

    /// Queues a notice; `then` is done when it is on disk, and dropped if it was not written. It must not wait for anything:
    /// others of its group follow.
    ///
    /// # Errors
    /// [`Full`].
    pub fn report_then(&self, notice: Notice, then: impl FnOnce() + Send + Sync + 'static) -> Result<(), Full> {
        self.records.sender.try_send(Queued { notice, then: Box::new(then) }).map_err(|_| Full)
    }

    /// Whether routers wait for what they reported, or it waits to be booked.
    pub(super) fn has_records_waiting(&self) -> bool {
        self.records.sender.capacity() < RECORDS || !self.spool.is_empty()
    }

    /// Starts what takes records from the queue, and what books them.
    pub(super) fn start_accounting(self: &Arc<Self>, tracker: &TaskTracker, cancel: &CancellationToken) {
        // One group waits for the one that is being booked.
        let (few, direct) = mpsc::channel(1);
        tracker.spawn(self.clone().take_records(few, cancel.clone()));
        // A thread of its own: among the tasks that receive, each of its hundred statements would wait for its turn, and in a
        // flood routers for all of them.
        let (runtime, books) = (Handle::current(), self.clone().keep_books(direct, cancel.clone()));
        tracker.spawn_blocking(move || runtime.block_on(books));
    }

    async fn take_records(self: Arc<Self>, few: mpsc::Sender<Vec<Queued>>, cancel: CancellationToken) {
        let Some(mut records) = self.records.take() else { return };
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                more = self.take_group(&mut records, &few) => if more.is_none() { return },
            }
        }
    }

    /// Takes what waits, for the bookkeeper or into the spool; `None` if nothing comes any more.
    async fn take_group(&self, records: &mut mpsc::Receiver<Queued>, few: &mpsc::Sender<Vec<Queued>>) -> Option<()> {
        self.spool.room().await;
        let mut group = Vec::new();
        let mut count = records.recv_many(&mut group, GROUP).await;
        // Nothing overtakes what is spooled.
        while count > 0 && group.len() <= FEW && self.spool.is_empty() {
            let room = GROUP - group.len();
            tokio::select! {
                biased;
                free = few.reserve() => {
                    free.ok()?.send(group);
                    return Some(());
                }
                more = records.recv_many(&mut group, room) => count = more,
            }
        }
        if group.is_empty() {
            return None;
        }
        self.put_down(group).await;
        Some(())
    }

    async fn put_down(&self, group: Vec<Queued>) {
        let notices = group.iter().map(|queued| &queued.notice);
        match self.store.put_down(&self.instance, notices, self.now()).await {
            Ok(place) => {
                self.spool.put(place, group.len());
                self.metrics.spooled.set(i64::try_from(self.spool.records()).unwrap_or(i64::MAX));
                self.metrics.record_groups.inc();
                self.acknowledge_records(group);
            }
            Err(error) => {
                tracing::warn!(%error, records = group.len(), "accounting records were not written; routers will send them again");
                group.iter().for_each(|_| self.metrics.dropped("accounting_not_written"));
            }
        }
    }

    pub(super) fn acknowledge_records(&self, written: impl IntoIterator<Item = Queued>) {
        for queued in written {
            self.metrics.records.inc();
            (queued.then)();
        }
    }

    /// Remembers which of its router's two secrets a box was seen to use; not if the router was changed since it was, as of
    /// `version`.
    pub async fn learn_secret(&self, key: &NasKey, age: SecretAge, version: i64) {
        let written = async {
            let now = self.now();
            let mut tx = self.store.begin().await?;
            let mut nas = tx.nas(key, now).await?;
            let seen = SecretSeen { age, at: now };
            if !tx.mark_secret(nas.id, seen, version).await? {
                return Ok(None);
            }
            let committed = tx.commit(now).await?;
            nas.secret = Some(seen);
            Ok::<_, StoreError>(Some((nas, committed)))
        };
        match written.await {
            Ok(Some((nas, committed))) => {
                tracing::info!(nas = %key.address, identifier = key.identifier, secret = age.word(), "which secret it uses");
                self.directory.learn_nas(nas);
                self.after(&committed);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "which secret a box uses could not be remembered; its next request tries again")
            }
        }
    }

    /// Remembers for good that a box signs its Access-Requests.
    pub async fn learn_signs(&self, key: &NasKey) {
        let written = async {
            let now = self.now();
            let mut tx = self.store.begin().await?;
            let mut nas = tx.nas(key, now).await?;
            tx.mark_signs(nas.id, now).await?;
            let committed = tx.commit(now).await?;
            nas.signs = Signs::Seen;
            Ok::<_, StoreError>((nas, committed))
        };
        match written.await {
            Ok((nas, committed)) => {
                tracing::info!(nas = %key.address, identifier = key.identifier, "signs its requests: demanded from now on");
                self.directory.learn_nas(nas);
                self.after(&committed);
            }
            Err(error) => {
                tracing::warn!(%error, "a signing router could not be remembered; its next request tries again")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;
    use crate::domain::connection::{Record, Report};
    use crate::domain::id::RouterId;
    use crate::gate::bookkeeper::Remembered;
    use crate::gate::fixture::{NOW, Site, started};
    use crate::gate::spool::AT_ONCE;

    /// More than are booked before they are acknowledged, and more than one row of the spool takes.
    const MANY: usize = GROUP + FEW + 1;

    #[tokio::test]
    async fn a_bad_record_neither_holds_its_group_back_nor_hides_a_reboot() {
        let site = Site::new().await;
        site.start();
        site.report(started(site.router, "81100001")).await.unwrap();
        site.clock.advance(Duration::from_secs(60));
        // Both wait before the writer runs again: they share a group.
        let good = site.report(Record { arrived: site.clock.now(), ..started(site.router, "81200001") });
        let bad = site.report(started(RouterId(999), "81200002"));
        assert!(good.await.is_ok());
        assert!(bad.await.is_err(), "never acknowledged: the router sends it again");
        assert_eq!(site.open().await, 1, "the older one went down with the reboot");
    }

    #[tokio::test]
    async fn an_old_start_says_nothing_of_a_reboot() {
        let site = Site::new().await;
        site.start();
        let late = Record { arrived: NOW - Duration::from_secs(60), ..started(site.router, "81200001") };
        for record in [started(site.router, "81100001"), late] {
            site.report(record).await.unwrap();
        }
        site.clock.advance(Duration::from_secs(1));
        site.report(Record { arrived: site.clock.now(), ..started(site.router, "81100002") }).await.unwrap();
        assert_eq!(site.open().await, 3, "the box was not rebooted twice");
    }

    #[tokio::test]
    async fn few_are_booked_when_they_are_acknowledged() {
        let site = Site::new().await;
        site.start();
        let written: Vec<_> = (0..FEW).map(|number| site.report(site.told(Report::Start, number))).collect();
        for written in written {
            written.await.unwrap();
        }
        assert_eq!(site.open().await, FEW as i64);
    }

    #[tokio::test]
    async fn what_was_acknowledged_and_not_booked_is_booked_after_a_crash() {
        let mut site = Site::new().await;
        // Nobody keeps books.
        let (few, _direct) = mpsc::channel(1);
        let written: Vec<_> = (0..MANY).map(|number| site.report(site.told(Report::Start, number))).collect();
        let taking = tokio::spawn(site.gate.clone().take_records(few, site.cancel.clone()));
        for written in written {
            written.await.unwrap();
        }
        assert!(!site.gate.spool.is_empty());
        assert_eq!(site.open().await, 0, "on disk as they came");
        taking.abort();
        site.start_again().await;
        site.opens(MANY as i64).await;
        // Booked once: what ended stays so after another start.
        for stopped in (0..MANY).map(|number| site.report(site.told(Report::Stop(None), number))).collect::<Vec<_>>() {
            stopped.await.unwrap();
        }
        site.opens(0).await;
        site.start_again().await;
        site.report(site.told(Report::Start, MANY)).await.unwrap();
        site.opens(1).await;
    }

    #[tokio::test]
    async fn what_another_instance_booked_holds_nothing_up() {
        let site = Site::new().await;
        let (few, direct) = mpsc::channel(1);
        let written: Vec<_> = (0..MANY).map(|number| site.report(site.told(Report::Start, number))).collect();
        tokio::spawn(site.gate.clone().take_records(few, site.cancel.clone()));
        for written in written {
            written.await.unwrap();
        }
        let mut tx = site.gate.store.begin().await.unwrap();
        let rows = site.gate.store.spooled(&mut tx, &site.gate.instance, NOW, 100).await.unwrap();
        tx.unspool(&rows.into_iter().map(|row| row.place).collect::<Vec<_>>()).await.unwrap();
        tx.commit(NOW).await.unwrap();
        assert!(!site.gate.spool.is_empty());
        tokio::spawn(site.gate.clone().keep_books(direct, site.cancel.clone()));
        site.gate.spool.settles().await;
        assert!(site.gate.spool.is_empty(), "what is not there is not waited for");
        site.report(site.told(Report::Start, MANY)).await.unwrap();
        assert_eq!(site.open().await, 1);
    }

    #[tokio::test]
    async fn what_is_too_much_for_one_transaction_waits_for_the_next() {
        let site = Site::new().await;
        for group in 0..=AT_ONCE / GROUP {
            let told = (0..GROUP).map(|number| site.told(Report::Start, group * GROUP + number));
            let queued = |record| Queued { notice: Notice::Connection(Box::new(record)), then: Box::new(|| {}) };
            site.gate.put_down(told.map(queued).collect()).await;
        }
        let mut remembered = Remembered::default();
        site.gate.book_ripe(&mut remembered).await;
        assert_eq!((site.open().await, site.gate.spool.records()), (AT_ONCE as i64, GROUP));
        site.gate.book_ripe(&mut remembered).await;
        assert_eq!((site.open().await, site.gate.spool.records()), ((AT_ONCE + GROUP) as i64, 0));
    }

    #[tokio::test]
    async fn what_waits_is_booked_at_a_stop() {
        let site = Site::new().await;
        site.start();
        let written: Vec<_> = (0..MANY).map(|number| site.report(site.told(Report::Start, number))).collect();
        for written in written {
            written.await.unwrap();
        }
        site.gate.spool.settles().await;
        // The stop comes before this is ripe, and before the bookkeeper runs again: this test has one thread.
        let notice = Notice::Connection(Box::new(site.told(Report::Start, MANY)));
        site.gate.put_down(vec![Queued { notice, then: Box::new(|| {}) }]).await;
        site.cancel.cancel();
        site.opens(MANY as i64 + 1).await;
    }

    #[tokio::test]
    async fn what_cannot_be_booked_is_set_aside_and_seen() {
        let mut site = Site::new().await;
        let mut told: Vec<Record> = (0..MANY).map(|number| site.told(Report::Start, number)).collect();
        told[7].nas.router = RouterId(999);
        let written: Vec<_> = told.into_iter().map(|record| site.report(record)).collect();
        site.start();
        for written in written {
            written.await.unwrap();
        }
        site.opens(MANY as i64 - 1).await;
        let alarms = || async { site.gate.reader().alarms().await.unwrap() };
        while alarms().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(alarms().await[0].kind, "set_aside");
        let refused = |site: &Site| {
            let store = site.gate.store.clone();
            async move {
                let mut tx = store.begin().await.unwrap();
                tx.try_refused_again().await.unwrap();
                tx.spooled("", NOW, 10).await.unwrap().pop().map(|row| row.notices().unwrap().len())
            }
        };
        assert_eq!(refused(&site).await, Some(1), "the others are not kept with it");
        site.start_again().await;
        site.report(site.told(Report::Start, MANY)).await.unwrap();
        site.opens(MANY as i64).await;
        assert_eq!(refused(&site).await, Some(1), "a start does not make it good");
    }
}
