//! The spool: records that are on disk and acknowledged, and wait to be booked.
//!
//! Booked many at once, Start, Interims and Stop of a connection are one row that is written once. They are read from the
//! database again for that, so what a crash left is booked as what waits is.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Gate;
use super::bookkeeper::Remembered;
use crate::domain::connection::Notice;
use crate::store::spool::{Place, Spooled};
use crate::store::{StoreError, Tx};

/// Records that wait at most; above it routers wait for their answers.
const RECORDS: usize = 16_384;
/// How long one waits before no more are taken. While booking goes on, that is less than a slot lives
/// ([`crate::domain::access::SLOT`]), so that a second dial finds the slot of an Accept, or the connection that it became.
pub(super) const OLDEST: Duration = Duration::from_secs(10);
/// How long records are let gather before they are booked.
const RIPE: Duration = Duration::from_millis(50);
/// Records that are booked in one transaction, and rows that are read for it at most: on SQLite nobody else writes meanwhile.
pub(super) const AT_ONCE: usize = 4_096;
const ROWS: i64 = 64;
/// How often it is looked for what an instance left that is gone.
const EVERY: Duration = Duration::from_secs(5);
/// After this time a row of another instance is taken for left: that instance books its own within [`OLDEST`]. If it only was
/// slow, nothing is lost or booked twice.
const ABANDONED: Duration = Duration::from_secs(15);
/// How long is booked at a stop; what is left then is booked at the next start.
const FAREWELL: Duration = Duration::from_secs(5);
/// The pause after a database that did not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a transaction is tried that another one overtook.
const TRIES: u32 = 5;

/// What this instance has in the spool.
#[derive(Default)]
pub(super) struct Spool {
    waiting: Mutex<Waiting>,
    put: Notify,
    /// There may be room.
    taken: Notify,
    /// For those who wait until something is booked.
    booked: Notify,
}

#[derive(Default)]
struct Waiting {
    rows: VecDeque<Row>,
    records: usize,
    /// When it was last looked for what others left.
    looked_at: Option<Instant>,
}

struct Row {
    place: Place,
    records: usize,
    since: Instant,
}

impl Spool {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting().rows.is_empty()
    }

    /// How many records wait.
    pub(super) fn records(&self) -> usize {
        self.waiting().records
    }

    /// A row was written.
    pub(super) fn put(&self, place: Place, records: usize) {
        let mut waiting = self.waiting();
        waiting.rows.push_back(Row { place, records, since: Instant::now() });
        waiting.records += records;
        self.put.notify_one();
    }

    /// Rows were booked, whoever wrote them.
    fn take(&self, places: &[Place]) {
        let mut waiting = self.waiting();
        waiting.rows.retain(|row| !places.contains(&row.place));
        waiting.records = waiting.rows.iter().map(|row| row.records).sum();
        self.taken.notify_one();
        self.booked.notify_waiters();
    }

    /// How many rows are read for one transaction: those that it takes, as far as that is known.
    fn rows_at_once(&self) -> i64 {
        let waiting = self.waiting();
        let mut records = 0;
        let enough = waiting.rows.iter().position(|row| {
            records += row.records;
            records >= AT_ONCE
        });
        enough.and_then(|place| i64::try_from(place).ok()).map_or(ROWS, |place| ROWS.min(place + 1))
    }

    /// The rows that wait.
    fn rows(&self) -> Vec<Place> {
        self.waiting().rows.iter().map(|row| row.place).collect()
    }

    /// Waits until what is spooled now is booked; no longer than [`OLDEST`].
    pub(super) async fn settles(&self) {
        let Some(last) = self.waiting().rows.back().map(|row| row.place) else { return };
        let booked = async {
            loop {
                let booked = self.booked.notified();
                if self.waiting().rows.front().is_none_or(|row| row.place > last) {
                    return;
                }
                booked.await;
            }
        };
        // Whoever waits looks again later.
        let _ = tokio::time::timeout(OLDEST, booked).await;
    }

    /// Waits until more may be put down.
    pub(super) async fn room(&self) {
        while !self.waiting().has_room() {
            self.taken.notified().await;
        }
    }

    /// Waits until there is something to book.
    pub(super) async fn ripe(&self) {
        loop {
            let Some(at) = self.waiting().ripe_at() else { return };
            tokio::select! {
                () = self.put.notified() => {}
                () = sleep_until(at) => return,
            }
        }
    }
}

impl Waiting {
    fn has_room(&self) -> bool {
        self.records < RECORDS && self.rows.front().is_none_or(|oldest| oldest.since.elapsed() < OLDEST)
    }

    /// When there will be something to book if nothing comes any more; `None` if there is now.
    fn ripe_at(&self) -> Option<Instant> {
        let look_at = self.looked_at? + EVERY;
        match self.rows.front() {
            Some(_) if self.records >= AT_ONCE => None,
            Some(oldest) => Some(look_at.min(oldest.since + RIPE)),
            None => Some(look_at),
        }
    }
}

/// Rows of the spool that are booked together.
struct Batch {
    rows: Vec<Place>,
    notices: Vec<Notice>,
    /// Whether there may be more in the spool.
    more: bool,
}

impl Gate {
    /// What was set aside is tried again, once for each start: it may be another version that does.
    async fn try_refused_again(&self) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        tx.try_refused_again().await?;
        tx.commit(self.now()).await.map(drop)
    }

    /// Books what an earlier run left, before anything that comes now.
    pub(super) async fn book_what_was_left(&self, remembered: &mut Remembered) {
        let left = async {
            self.try_refused_again().await?;
            while self.book_spooled(remembered).await? {}
            Ok::<_, StoreError>(())
        };
        if let Err(error) = left.await {
            tracing::warn!(%error, "accounting records of an earlier run are booked later");
        }
    }

    /// Books what waits, at a stop.
    pub(super) async fn book_to_the_end(&self, remembered: &mut Remembered) {
        let rest = async {
            while !self.spool.is_empty() {
                self.book_ripe(remembered).await;
            }
        };
        if tokio::time::timeout(FAREWELL, rest).await.is_err() {
            tracing::info!(
                records = self.spool.records(),
                "accounting records are left to be booked at the next start"
            );
        }
    }

    /// Books the oldest of what is spooled.
    pub(super) async fn book_ripe(&self, remembered: &mut Remembered) {
        match self.book_spooled(remembered).await {
            // Of what this instance put down it is known when it is ripe; what more there is does not wait.
            Ok(more) => {
                let mut waiting = self.spool.waiting();
                waiting.looked_at = if more && waiting.rows.is_empty() { None } else { Some(Instant::now()) };
            }
            Err(error) => {
                tracing::warn!(%error, "accounting records wait to be booked; trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Tells whether there is more.
    async fn book_spooled(&self, remembered: &mut Remembered) -> Result<bool, StoreError> {
        for _ in 1..TRIES {
            match self.book_batch(remembered).await {
                Err(StoreError::Conflict) => {}
                done => return done,
            }
        }
        self.book_batch(remembered).await
    }

    async fn book_batch(&self, remembered: &mut Remembered) -> Result<bool, StoreError> {
        let (known, limit) = (self.spool.rows(), self.spool.rows_at_once());
        let mut tx = self.store.begin().await?;
        let spooled = self.store.spooled(&mut tx, &self.instance, self.now() - ABANDONED, limit).await?;
        let Batch { mut rows, notices, more } = match batch(spooled, limit) {
            Ok(batch) => batch,
            Err((row, error)) => {
                self.set_row_aside(tx, &row, &error).await?;
                return Ok(true);
            }
        };
        if !rows.is_empty() {
            self.book_rows(tx, &notices, &rows, remembered).await?;
            self.store.sweep_spool(&rows).await?;
        }
        if !more {
            // These were in the spool before all of it was read: what is not in it any more, somebody else has.
            rows.extend(known);
        }
        self.taken(&rows);
        Ok(more)
    }

    async fn book_rows(
        &self,
        tx: Tx,
        notices: &[Notice],
        rows: &[Place],
        remembered: &mut Remembered,
    ) -> Result<(), StoreError> {
        let told: Vec<&Notice> = notices.iter().collect();
        match self.book_in(tx, &told, rows, remembered).await {
            Err(error) if error.is_lasting() => {
                tracing::warn!(%error, records = told.len(), "accounting records are not booked together; trying fewer at once");
                self.book_piece_by_piece(&told, rows, remembered).await
            }
            done => done,
        }
    }

    /// What cannot be booked keeps no other record back: it is looked for by halves. If that is broken off, those that are
    /// booked are so again.
    async fn book_piece_by_piece(
        &self,
        notices: &[&Notice],
        rows: &[Place],
        remembered: &mut Remembered,
    ) -> Result<(), StoreError> {
        let (mut refused, mut pieces) = (Vec::new(), vec![notices]);
        while let Some(piece) = pieces.pop() {
            match (self.book_group(piece, remembered).await, piece) {
                (Err(error), [notice]) if error.is_lasting() => {
                    tracing::error!(%error, "an accounting record cannot be booked; it is set aside");
                    refused.push(*notice);
                }
                (Err(error), _) if error.is_lasting() => {
                    let (first, second) = piece.split_at(piece.len() / 2);
                    pieces.extend([second, first]);
                }
                (done, _) => done?,
            }
        }
        let mut tx = self.store.begin().await?;
        tx.unspool(rows).await?;
        if !refused.is_empty() {
            tx.set_aside(&self.instance, &refused, self.now()).await?;
            self.alarm_set_aside(&mut tx).await?;
        }
        let committed = tx.commit(self.now()).await?;
        self.after(&committed);
        Ok(())
    }

    async fn set_row_aside(&self, mut tx: Tx, row: &Spooled, error: &StoreError) -> Result<(), StoreError> {
        tracing::error!(%error, "accounting records cannot be read; they are set aside");
        tx.set_row_aside(&self.instance, row, self.now()).await?;
        self.alarm_set_aside(&mut tx).await?;
        let committed = tx.commit(self.now()).await?;
        self.after(&committed);
        self.store.sweep_spool(&[row.place]).await?;
        self.taken(&[row.place]);
        Ok(())
    }

    fn taken(&self, rows: &[Place]) {
        self.spool.take(rows);
        self.metrics.spooled.set(i64::try_from(self.spool.records()).unwrap_or(i64::MAX));
    }

    async fn alarm_set_aside(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let text = "Accounting records could not be booked and are set aside; the log says why. They are tried again at the \
                    next start.";
        tx.raise("set_aside", "accounting", text, self.now()).await.map(drop)
    }
}

/// As many of the rows as are booked in one transaction; or the first one, if it cannot be read.
fn batch(rows: Vec<Spooled>, limit: i64) -> Result<Batch, (Spooled, StoreError)> {
    let count = rows.len();
    let mut batch = Batch { rows: Vec::new(), notices: Vec::new(), more: false };
    for row in rows {
        if batch.notices.len() >= AT_ONCE {
            break;
        }
        match row.notices() {
            Ok(notices) => {
                batch.notices.extend(notices);
                batch.rows.push(row.place);
            }
            Err(error) if batch.rows.is_empty() => return Err((row, error)),
            Err(_) => break,
        }
    }
    batch.more = batch.rows.len() < count || i64::try_from(count) == Ok(limit);
    Ok(batch)
}
