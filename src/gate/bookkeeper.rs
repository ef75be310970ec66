//! The bookkeeper: what accounting records tell becomes connections, in groups.
//!
//! What the sessions must hear of is marked in the rows themselves (`fresh`), so a crash between the commit and the reaction
//! loses no question.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Gate;
use super::accounting::Queued;
use super::class::Class;
use super::directory::{Found, Known};
use super::spool::OLDEST;
use crate::clock::Timestamp;
use crate::domain::account::candidates;
use crate::domain::connection::{Notice, Record, Report, Via, reboot_digit};
use crate::domain::id::{AccountId, NasId, SessionId};
use crate::domain::router::{Leases, NasKey, Scheme};
use crate::store::booking::{Booking, Course};
use crate::store::connection::ClassSeen;
use crate::store::spool::Place;
use crate::store::{Noun, StoreError, Tx};

/// Sessions whose accounts are remembered, 2 MB of them; all are forgotten when there are more.
const OWNERS: usize = 65_536;
/// How long the records of a group that failed are tried alone: a bad record fails at once, a database that is away
/// takes seconds for each.
const ALONE: Duration = Duration::from_secs(10);

/// What the bookkeeper remembers, to spare statements.
#[derive(Default)]
pub(super) struct Remembered {
    digits: HashMap<NasId, char>,
    servers: HashMap<NasId, IpAddr>,
    /// Whose sessions they are; that never changes.
    owners: HashMap<SessionId, AccountId>,
    /// The Starts of the group being written: their slots are free once it is committed.
    started: Vec<(AccountId, String)>,
}

/// What is to be booked together: what is told of different connections.
#[derive(Default)]
struct Together<'a> {
    courses: Vec<Course<'a>>,
    /// Where the course of each is.
    places: HashMap<(NasId, &'a str), usize>,
    /// Connections that were heard of, on routers where a lease stands for each.
    leased: HashSet<(NasId, &'a str)>,
}

impl Gate {
    /// Books what comes directly, and what is spooled.
    pub(super) async fn keep_books(
        self: Arc<Self>,
        mut direct: mpsc::Receiver<Vec<Queued>>,
        cancel: CancellationToken,
    ) {
        let mut remembered = Remembered::default();
        self.book_what_was_left(&mut remembered).await;
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                Some(group) = direct.recv() => self.book_queued(group, &mut remembered).await,
                () = self.spool.ripe() => self.book_ripe(&mut remembered).await,
            }
        }
        self.book_to_the_end(&mut remembered).await;
    }

    async fn book_queued(&self, mut group: Vec<Queued>, remembered: &mut Remembered) {
        match self.write_group(&group, remembered).await {
            Ok(()) => self.acknowledge_records(group),
            Err(error) => {
                tracing::warn!(%error, records = group.len(), "a group of accounting records was not written; trying each alone");
                self.write_alone(&mut group, remembered).await;
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

    async fn write_group(&self, group: &[Queued], remembered: &mut Remembered) -> Result<(), StoreError> {
        let notices: Vec<&Notice> = group.iter().map(|queued| &queued.notice).collect();
        let mut written = self.book_group(&notices, remembered).await;
        if let Err(StoreError::Conflict) = written {
            // Another change came between: nothing is wrong with it.
            written = self.book_group(&notices, remembered).await;
        }
        written
    }

    pub(super) async fn book_group(&self, notices: &[&Notice], remembered: &mut Remembered) -> Result<(), StoreError> {
        let tx = self.store.begin().await?;
        self.book_in(tx, notices, &[], remembered).await
    }

    /// Books, takes the rows of the spool away that it came from, and commits.
    pub(super) async fn book_in(
        &self,
        mut tx: Tx,
        notices: &[&Notice],
        rows: &[Place],
        remembered: &mut Remembered,
    ) -> Result<(), StoreError> {
        let booked = async {
            self.book_notices(&mut tx, notices, remembered).await?;
            tx.unspool(rows).await?;
            tx.commit(self.now()).await
        };
        let committed = match booked.await {
            Ok(committed) => committed,
            Err(error) => {
                // Nothing of it was written, so nothing of it is known: a reboot is to be noticed again.
                *remembered = Remembered::default();
                return Err(error);
            }
        };
        self.metrics.record_groups.inc();
        self.after(&committed);
        // The connection is in the database before its slot is free: no dial finds neither.
        for (account, acct_session_id) in remembered.started.drain(..) {
            self.slots.release(account, &acct_session_id);
        }
        Ok(())
    }

    async fn book_notices(
        &self,
        tx: &mut Tx,
        notices: &[&Notice],
        remembered: &mut Remembered,
    ) -> Result<(), StoreError> {
        let mut together = Together::default();
        for notice in notices {
            match notice {
                Notice::Connection(record) => self.book(tx, record, &mut together, remembered).await?,
                Notice::NasOn(key, at) | Notice::NasOff(key, at) => {
                    self.book_together(tx, &mut together).await?;
                    let nas = self.nas_of(tx, key).await?;
                    tx.end_all_of(nas, *at, *at).await?;
                }
            }
        }
        self.book_together(tx, &mut together).await
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
        if let Some(digit) = new_digit(nas, record, remembered, self.now()) {
            self.book_together(tx, together).await?;
            notice_reboot(tx, nas, record, digit).await?;
            remembered.digits.insert(nas, digit);
        }
        let connection = (nas, record.acct_session_id.as_str());
        let course = together.places.get(&connection).and_then(|place| together.courses.get_mut(*place));
        let is_leased = router.is_some_and(|router| router.leases == Leases::On) && record.report == Report::Interim;
        match course.map(|course| course.take(record)) {
            Some(true) => {}
            Some(false) => {
                self.book_together(tx, together).await?;
                self.begin_course(tx, record, nas, together, remembered).await?;
            }
            None => self.begin_course(tx, record, nas, together, remembered).await?,
        }
        if is_leased {
            together.leased.insert(connection);
        }
        Ok(())
    }

    /// What is first told of a connection in this group.
    async fn begin_course<'a>(
        &self,
        tx: &mut Tx,
        record: &'a Record,
        nas: NasId,
        together: &mut Together<'a>,
        remembered: &mut Remembered,
    ) -> Result<(), StoreError> {
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
        together.places.insert((nas, &record.acct_session_id), together.courses.len());
        together.courses.push(Course::of(Booking { record, nas, account, session, class }));
        Ok(())
    }

    async fn book_together(&self, tx: &mut Tx, together: &mut Together<'_>) -> Result<(), StoreError> {
        tx.book_all(&together.courses).await?;
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
}

/// The session that the Class of a record names, and whether it is ours.
fn claim(class: Option<Class>, account: Option<AccountId>) -> (Option<SessionId>, ClassSeen) {
    match class {
        Some(Class::Session(session)) => (Some(session), ClassSeen::Ours),
        Some(Class::Machine(of)) if Some(of) == account => (None, ClassSeen::Ours),
        Some(Class::Machine(_)) | None => (None, ClassSeen::None),
    }
}

/// The reboot digit of a Start, if it is not the one that is remembered of its box. A Start that lay in the spool, perhaps from
/// before that reboot, says nothing of it.
fn new_digit(nas: NasId, record: &Record, remembered: &Remembered, now: Timestamp) -> Option<char> {
    if record.report != Report::Start || !record.delay.is_zero() || now.since(record.arrived) > OLDEST {
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
