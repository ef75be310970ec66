//! Accounting: records are queued, committed in groups, and acknowledged only after the commit (`design` §7).
//!
//! What arrives while a commit runs shares the next one. What the sessions must hear of is marked in the rows themselves
//! (`fresh`), so a crash between the commit and the reaction loses no question.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Gate;
use super::class::Class;
use super::directory::{Found, Known};
use crate::clock::Timestamp;
use crate::domain::account::candidates;
use crate::domain::connection::{Record, Report, Via, reboot_digit};
use crate::domain::id::{AccountId, NasId, SessionId};
use crate::domain::router::{Leases, NasKey, Scheme, SecretAge, SecretSeen};
use crate::store::booking::Booking;
use crate::store::connection::ClassSeen;
use crate::store::{Noun, StoreError, Tx};

/// Records that wait for their commit. Above it a record is dropped unanswered, so the router sends it again.
pub(super) const RECORDS: usize = 8_192;
/// Records in one transaction.
const GROUP: usize = 256;
/// Sessions whose accounts are remembered, 2 MB of them; all are forgotten when there are more.
const OWNERS: usize = 65_536;

/// How long the records of a group that failed are tried alone: a bad record fails at once, a database that is away
/// takes seconds for each.
const ALONE: Duration = Duration::from_secs(10);

/// One accounting packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Start, Interim or Stop of a connection.
    Connection(Box<Record>),
    /// Accounting-On: the box begins anew.
    NasOn(NasKey, Timestamp),
    /// Accounting-Off: the box goes down.
    NasOff(NasKey, Timestamp),
}

/// The queue is full: no answer, the router sends again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the accounting queue is full")]
pub struct Full;

/// A notice and who waits for its commit.
pub(super) struct Queued {
    notice: Notice,
    done: oneshot::Sender<()>,
}

/// What the writer remembers, to spare statements.
#[derive(Default)]
struct Remembered {
    digits: HashMap<NasId, char>,
    servers: HashMap<NasId, IpAddr>,
    /// Whose sessions they are; that never changes.
    owners: HashMap<SessionId, AccountId>,
    /// The Starts of the group being written: their slots are free once it is committed.
    started: Vec<(AccountId, String)>,
}

/// What is to be booked together: records of different connections.
#[derive(Default)]
struct Together<'a> {
    bookings: Vec<Booking<'a>>,
    connections: HashSet<(NasId, &'a str)>,
    /// Connections that were heard of, on routers where a lease stands for each.
    leased: Vec<(NasId, &'a str)>,
}

impl Gate {
    /// Queues a notice; what is given back resolves after its commit, and fails if it was not committed.
    ///
    /// # Errors
    /// [`Full`].
    pub fn report(&self, notice: Notice) -> Result<oneshot::Receiver<()>, Full> {
        let (done, committed) = oneshot::channel();
        self.records.sender.try_send(Queued { notice, done }).map_err(|_| Full)?;
        Ok(committed)
    }

    /// Whether routers wait for the commit of what they reported.
    pub(super) fn has_records_waiting(&self) -> bool {
        self.records.sender.capacity() < RECORDS
    }

    /// Writes the queue in groups.
    pub(super) async fn write_records(self: Arc<Self>, cancel: CancellationToken) {
        let Some(mut records) = self.records.take() else { return };
        let mut remembered = Remembered::default();
        let mut group = Vec::with_capacity(GROUP);
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                count = records.recv_many(&mut group, GROUP) => if count == 0 { return },
            }
            match self.write_group(&group, &mut remembered).await {
                Ok(()) => self.acknowledge_records(group.drain(..)),
                Err(error) => {
                    tracing::warn!(%error, records = group.len(), "a group of accounting records was not written; trying each alone");
                    self.write_alone(&mut group, &mut remembered).await;
                }
            }
        }
    }

    /// A record that cannot be written must not keep the others of its group from being acknowledged.
    async fn write_alone(&self, group: &mut Vec<Queued>, remembered: &mut Remembered) {
        let patience = Instant::now() + ALONE;
        for queued in group.drain(..) {
            if Instant::now() >= patience {
                // It is not a record, it is the database: the rest waits at the routers.
                self.metrics.dropped("accounting_not_written");
                continue;
            }
            let alone = std::slice::from_ref(&queued);
            match self.write_group(alone, remembered).await {
                Ok(()) => self.acknowledge_records(std::iter::once(queued)),
                Err(error) => {
                    self.metrics.dropped("accounting_not_written");
                    tracing::error!(%error, "an accounting record was not written; the router will send it again");
                }
            }
        }
    }

    fn acknowledge_records(&self, written: impl Iterator<Item = Queued>) {
        for queued in written {
            self.metrics.records.inc();
            // Whoever asked may be gone; the record is written all the same.
            let _ = queued.done.send(());
        }
    }

    async fn write_group(&self, group: &[Queued], remembered: &mut Remembered) -> Result<(), StoreError> {
        let mut written = self.commit_group(group, remembered).await;
        if let Err(StoreError::Conflict) = written {
            // Another change came between: nothing is wrong with it.
            *remembered = Remembered::default();
            written = self.commit_group(group, remembered).await;
        }
        if written.is_err() {
            // Nothing of it was written, so nothing of it is known: a reboot is to be noticed again.
            *remembered = Remembered::default();
        }
        written
    }

    async fn commit_group(&self, group: &[Queued], remembered: &mut Remembered) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let mut together = Together::default();
        for queued in group {
            match &queued.notice {
                Notice::Connection(record) => self.book(&mut tx, record, &mut together, remembered).await?,
                Notice::NasOn(key, at) | Notice::NasOff(key, at) => {
                    self.book_together(&mut tx, &mut together).await?;
                    let nas = self.nas_of(&mut tx, key).await?;
                    tx.end_all_of(nas, *at, *at).await?;
                }
            }
        }
        self.book_together(&mut tx, &mut together).await?;
        let committed = tx.commit(self.now()).await?;
        self.metrics.record_groups.inc();
        self.after(&committed);
        // The connection is in the database before its slot is free: no dial finds neither.
        for (account, acct_session_id) in remembered.started.drain(..) {
            self.slots.release(account, &acct_session_id);
        }
        Ok(())
    }

    /// Adds a record to what is booked together; what was there is booked before it if their order counts.
    async fn book<'a>(
        &self,
        tx: &mut Tx,
        record: &'a Record,
        together: &mut Together<'a>,
        remembered: &mut Remembered,
    ) -> Result<(), StoreError> {
        let routers = self.directory.routers();
        let router = routers.router(record.nas.router);
        if (record.via, router.map(|router| router.scheme)) == (Via::Radius, Some(Scheme::Api)) {
            // The router's list tells of every connection there; what its accounting tells would be another one.
            return Ok(());
        }
        let nas = self.nas_of(tx, &record.nas).await?;
        if let Some(server) = record.server
            && remembered.servers.insert(nas, server) != Some(server)
        {
            tx.mark_server(nas, server).await?;
        }
        if let Some(digit) = new_digit(nas, record, remembered) {
            self.book_together(tx, together).await?;
            notice_reboot(tx, nas, record, digit).await?;
            remembered.digits.insert(nas, digit);
        }
        let class = record.class.as_ref().and_then(|class| Class::read(class, &self.class_key));
        let account = self.owner_of(tx, record, class, remembered).await?;
        if let (Some(account), Report::Start | Report::Interim) = (account, record.report) {
            remembered.started.push((account, record.acct_session_id.clone()));
        }
        let (session, class) = match (record.via, account) {
            (Via::Radius, account) => claim(class, account),
            // Where the router decides by itself, the name alone tells whose connection it is.
            (Via::Api, Some(account)) => (tx.open_session(account).await?.map(|open| open.id), ClassSeen::Ours),
            (Via::Api, None) => (None, ClassSeen::None),
        };
        if !together.connections.insert((nas, &record.acct_session_id)) {
            self.book_together(tx, together).await?;
            together.connections.insert((nas, &record.acct_session_id));
        }
        together.bookings.push(Booking { record, nas, account, session, class });
        let leases = router.map(|router| router.leases);
        if (record.report, leases) == (Report::Interim, Some(Leases::On)) {
            together.leased.push((nas, &record.acct_session_id));
        }
        Ok(())
    }

    async fn book_together(&self, tx: &mut Tx, together: &mut Together<'_>) -> Result<(), StoreError> {
        tx.book_all(&together.bookings).await?;
        for (nas, acct_session_id) in &together.leased {
            tx.renew_lease(*nas, acct_session_id, self.now()).await?;
        }
        *together = Together::default();
        Ok(())
    }

    /// Whose connection it is: by its name, unless a Class of ours knows better. After an EAP log-in a router may go on
    /// calling a person what their client gave as its identity: Windows gives its address, and any other name may stand
    /// there too. What counts is whom we let in.
    async fn owner_of(
        &self,
        tx: &mut Tx,
        record: &Record,
        class: Option<Class>,
        remembered: &mut Remembered,
    ) -> Result<Option<AccountId>, StoreError> {
        if let Some(Class::Session(session)) = class
            && let Some(owner) = self.owner_of_session(tx, record, session, remembered).await?
        {
            return Ok(Some(owner));
        }
        let named = self.account_of(tx, &record.user_name).await?;
        match class {
            Some(Class::Machine(account)) => Ok(named.or(Some(account))),
            Some(Class::Session(_)) | None => Ok(named),
        }
    }

    async fn owner_of_session(
        &self,
        tx: &mut Tx,
        record: &Record,
        session: SessionId,
        remembered: &mut Remembered,
    ) -> Result<Option<AccountId>, StoreError> {
        if let Some(owner) = remembered.owners.get(&session) {
            return Ok(Some(*owner));
        }
        let is_its = |known: &Known| known.entry.session.as_ref().is_some_and(|open| open.id == session);
        let owner = match self.directory.recall(&candidates(&record.user_name)) {
            Some(Found::Account(known)) if is_its(&known) => Some(known.entry.account.id),
            Some(_) | None => tx.session(session).await?.map(|session| session.account),
        };
        if let Some(owner) = owner {
            if remembered.owners.len() >= OWNERS {
                remembered.owners.clear();
            }
            remembered.owners.insert(session, owner);
        }
        Ok(owner)
    }

    async fn nas_of(&self, tx: &mut Tx, key: &NasKey) -> Result<NasId, StoreError> {
        if let Some(nas) = self.directory.routers().nas(key) {
            return Ok(nas.id);
        }
        let nas = tx.nas(key, self.now()).await?;
        tx.touch(Noun::Router, key.router.0);
        Ok(nas.id)
    }

    pub(super) async fn account_of(&self, tx: &mut Tx, user_name: &[u8]) -> Result<Option<AccountId>, StoreError> {
        let names = candidates(user_name);
        if let Some(found) = self.directory.recall(&names) {
            return Ok(match found {
                Found::Account(known) => Some(known.entry.account.id),
                Found::Nobody => None,
            });
        }
        for name in &names {
            if let Some(account) = tx.account_named(name).await? {
                return Ok(Some(account.id));
            }
        }
        Ok(None)
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
            nas.signs = crate::domain::router::Signs::Seen;
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

/// The session that the Class of a record names, and whether it is ours.
fn claim(class: Option<Class>, account: Option<AccountId>) -> (Option<SessionId>, ClassSeen) {
    match class {
        Some(Class::Session(session)) => (Some(session), ClassSeen::Ours),
        Some(Class::Machine(of)) if Some(of) == account => (None, ClassSeen::Ours),
        Some(Class::Machine(_)) | None => (None, ClassSeen::None),
    }
}

/// The reboot digit of a Start, if it is not the one that is remembered of its box.
fn new_digit(nas: NasId, record: &Record, remembered: &Remembered) -> Option<char> {
    if record.report != Report::Start || !record.delay.is_zero() {
        return None;
    }
    reboot_digit(&record.acct_session_id).filter(|digit| remembered.digits.get(&nas) != Some(digit))
}

/// A Start with another reboot digit than before: the older connections of the box are gone.
async fn notice_reboot(tx: &mut Tx, nas: NasId, record: &Record, digit: char) -> Result<(), StoreError> {
    let before = tx.swap_reboot_digit(nas, digit).await?;
    if before.is_some_and(|before| before != digit) {
        let count = tx.end_all_of(nas, record.started(), record.arrived).await?;
        tracing::info!(nas = %record.nas.address, count, "the router was rebooted: its older connections are closed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SettableClock};
    use crate::crypto::seal::{Keyring, MasterKey};
    use crate::domain::audit::Actor;
    use crate::domain::connection::{Authentic, Traffic, Via};
    use crate::domain::id::RouterId;
    use crate::domain::router::{Demand, source_network};
    use crate::entropy::SystemEntropy;
    use crate::secret::Secret;
    use crate::store::Store;
    use crate::store::router::RouterForm;
    use tokio_util::task::TaskTracker;

    const NOW: Timestamp = Timestamp::from_millis(1_795_428_000_000);

    fn start(router: RouterId, acct_session_id: &str) -> Notice {
        let address = IpAddr::from([192, 0, 2, 1]);
        Notice::Connection(Box::new(Record {
            report: Report::Start,
            nas: NasKey { router, address, identifier: "box".to_owned() },
            acct_session_id: acct_session_id.to_owned(),
            user_name: b"ann".to_vec(),
            class: None,
            station: None,
            nas_ip: None,
            framed_ip: None,
            server: Some(address),
            authentic: Authentic::Radius,
            arrived: NOW,
            delay: Duration::ZERO,
            lasted: Duration::ZERO,
            traffic: Traffic::default(),
            via: Via::Radius,
        }))
    }

    #[tokio::test]
    async fn a_bad_record_neither_holds_its_group_back_nor_hides_a_reboot() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SettableClock::new(NOW));
        let url = format!("sqlite:{}", dir.path().join("test.db").display());
        let ring = Keyring::new(MasterKey::new([7; 32]));
        let store = Store::open(&url, ring, Arc::new(SystemEntropy), NOW).await.unwrap();
        let gate = Gate::open(store, clock.clone(), Arc::new(SystemEntropy)).await.unwrap();
        let form = RouterForm {
            name: "office".to_owned(),
            address: source_network("192.0.2.1").unwrap(),
            nas_identifier: None,
            coa_port: 3799,
            message_authenticator: Demand::Auto,
        };
        let router = gate.add_router(&Actor::CommandLine, &form, &Secret::new("secret")).await.unwrap();
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        tracker.spawn(gate.clone().write_records(cancel.clone()));
        gate.report(start(router, "81100001")).unwrap().await.unwrap();
        clock.advance(Duration::from_secs(60));
        // Both wait before the writer runs again: they share a group.
        let Notice::Connection(mut after_reboot) = start(router, "81200001") else { unreachable!() };
        after_reboot.arrived = clock.now();
        let good = gate.report(Notice::Connection(after_reboot)).unwrap();
        let bad = gate.report(start(RouterId(999), "81200002")).unwrap();
        assert!(good.await.is_ok());
        assert!(bad.await.is_err(), "never acknowledged: the router sends it again");
        assert_eq!(gate.reader().open_connection_count().await.unwrap(), 1, "the older one went down with the reboot");
        cancel.cancel();
    }
}
