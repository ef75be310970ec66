//! Booking in SQL: one accounting record after the other makes, counts and closes connections.

use std::net::IpAddr;

use super::books::tunnel_of;
use super::connection::{ClassSeen, Connection, LOST, read, select_connections};
use super::error::Result;
use super::field::each;
use super::{Noun, Tx};
use crate::clock::Timestamp;
use crate::domain::connection::{Record, Report, SAME_START};
use crate::domain::id::{AccountId, NasId, SessionId};

/// A record with what the gate knows of it.
#[derive(Debug, Clone)]
pub struct Booking<'a> {
    /// The record.
    pub record: &'a Record,
    /// The box.
    pub nas: NasId,
    /// The account of its User-Name.
    pub account: Option<AccountId>,
    /// The session that its Class names.
    pub session: Option<SessionId>,
    /// Whether its Class is ours.
    pub class: ClassSeen,
}

/// A booking, and later records of the same connection that only go on from it: they are booked as one.
#[derive(Debug, Clone)]
pub struct Course<'a> {
    pub(super) first: Booking<'a>,
    pub(super) later: Vec<&'a Record>,
}

impl<'a> Course<'a> {
    /// A booking alone.
    pub fn of(booking: Booking<'a>) -> Self {
        Self { first: booking, later: Vec::new() }
    }

    /// Takes a record in if it goes on from what is there; tells whether it does.
    pub fn take(&mut self, record: &'a Record) -> bool {
        let goes_on = record.goes_on_from(self.first.record, self.last());
        if goes_on {
            self.later.push(record);
        }
        goes_on
    }

    pub(super) fn records(&self) -> impl DoubleEndedIterator<Item = &'a Record> {
        std::iter::once(self.first.record).chain(self.later.iter().copied())
    }

    pub(super) fn last(&self) -> &'a Record {
        self.later.last().copied().unwrap_or(self.first.record)
    }

    /// Each record as a booking of its own.
    pub(super) fn bookings(&self) -> impl Iterator<Item = Booking<'a>> {
        self.records().map(|record| Booking { record, ..self.first.clone() })
    }

    /// When it was last heard of.
    pub(super) fn seen(&self) -> Timestamp {
        self.records().map(|record| record.arrived).max().unwrap_or(self.first.record.arrived)
    }

    pub(super) fn seconds(&self) -> i64 {
        self.most(|record| record.lasted.as_secs())
    }

    /// The most that any of the records says of what only grows.
    pub(super) fn most(&self, of: impl Fn(&Record) -> u64) -> i64 {
        i64::try_from(self.records().map(of).max().unwrap_or_default()).unwrap_or(i64::MAX)
    }

    /// The tunnel address that was told last.
    pub(super) fn framed_ip(&self) -> Option<IpAddr> {
        self.records().rev().find_map(|record| record.framed_ip)
    }

    pub(super) fn is_up(&self) -> bool {
        !matches!(self.last().report, Report::Stop(_))
    }

    /// When the connection that began at `started` ended, and why, as the records say; nothing if it is up.
    pub(super) fn end(&self, started: Timestamp) -> Option<(Timestamp, String)> {
        match self.last().report {
            Report::Start | Report::Interim => None,
            Report::Stop(cause) => Some((self.last().happened().max(started), cause_word(cause))),
        }
    }
}

impl Tx {
    /// Books one accounting record: creates what is missing, updates what is known, closes at a Stop. A duplicate
    /// changes nothing that counts. The connection is marked fresh where its session has to hear of it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn book(&mut self, booking: &Booking<'_>) -> Result<()> {
        let known = match self.known(booking).await? {
            Some(known) => Some(known),
            None => self.known_elsewhere(booking).await?,
        };
        let Some(known) = known else { return self.open_all(&[&Course::of(booking.clone())]).await };
        match (booking.record.report, known.ended_at, known.cause.as_deref()) {
            (Report::Start | Report::Interim, None, _) => self.renew(booking, known).await,
            // What was concluded, not reported, may have been wrong: two boxes behind one address and name look like a
            // box that is rebooted again and again.
            // What was told before the end was concluded is no news: it lay in the spool.
            (Report::Interim, Some(ended), Some(LOST | "gone" | "reboot")) if booking.record.happened() >= ended => {
                self.reopen(booking, known).await
            }
            (Report::Start | Report::Interim, Some(_), _) => Ok(()),
            (Report::Stop(_), None, _) => self.close(booking, known).await,
            (Report::Stop(cause), Some(_), Some(LOST)) => self.close_lost(booking, known, cause).await,
            (Report::Stop(_), Some(_), _) => self.count(booking, known).await,
        }
    }

    /// The connection a record belongs to: same box and Acct-Session-Id, and a start within [`SAME_START`].
    async fn known(&mut self, booking: &Booking<'_>) -> Result<Option<Connection>> {
        let Some(found) = self.known_of(std::iter::once(booking)).await?.remove(&0) else { return Ok(None) };
        if found.is_other_than(booking.record) {
            // The router uses the id again: the Stop of the older connection never came, and what was to end there has.
            self.end_connection(&found, LOST, booking.record.arrived).await?;
            self.settle_cut(found.nas, &found.acct_session_id, "proven", booking.record.arrived).await?;
            return Ok(None);
        }
        Ok(Some(found))
    }

    /// The connection of a box that is called otherwise, or has another address, since the record before: the only open one
    /// of its router with the same Acct-Session-Id, name, caller and start. A Start is that of another connection: boxes
    /// behind one entry number alike.
    async fn known_elsewhere(&mut self, booking: &Booking<'_>) -> Result<Option<Connection>> {
        let record = booking.record;
        if record.report == Report::Start {
            return Ok(None);
        }
        let started = record.started();
        let rows = sqlx::query(concat!(
            select_connections!(),
            " where nas_id in (select id from nas where router_id = $1) and acct_session_id = $2 and ended_at is null
             and user_name = $3 and coalesce(station, '') = $4 and started_at >= $5 and started_at <= $6 limit 2"
        ))
        .bind(record.nas.router.0)
        .bind(&record.acct_session_id)
        .bind(&record.user_name)
        .bind(record.station.as_deref().unwrap_or_default())
        .bind((started - SAME_START).millis())
        .bind((started + SAME_START).millis())
        .fetch_all(self.sql())
        .await?;
        let [row] = rows.as_slice() else { return Ok(None) };
        let known = read(row)?;
        self.move_to(&known, booking.nas).await?;
        Ok(Some(Connection { nas: booking.nas, ..known }))
    }

    /// The connection is that of this box from now on, and so is what is to end.
    async fn move_to(&mut self, known: &Connection, nas: NasId) -> Result<()> {
        sqlx::query("update connections set nas_id = $1 where id = $2")
            .bind(nas.0)
            .bind(known.id.0)
            .execute(self.sql())
            .await?;
        sqlx::query(
            "update cuts set nas_id = $1 where connection_id = $2 and done_at is null
             and not exists (select 1 from cuts other where other.nas_id = $1
             and other.acct_session_id = cuts.acct_session_id and other.done_at is null)",
        )
        .bind(nas.0)
        .bind(known.id.0)
        .execute(self.sql())
        .await?;
        self.touch_door(known.account);
        Ok(())
    }

    /// A running connection was heard of again.
    async fn renew(&mut self, booking: &Booking<'_>, known: Connection) -> Result<()> {
        self.place(booking, &known).await?;
        let course = Course::of(booking.clone());
        let heard = [(&course, known)];
        self.count_all(&heard).await?;
        self.look_again(&heard).await
    }

    async fn reopen(&mut self, booking: &Booking<'_>, known: Connection) -> Result<()> {
        sqlx::query("update connections set ended_at = null, cause = null, fresh = 1 where id = $1")
            .bind(known.id.0)
            .execute(self.sql())
            .await?;
        self.touch_door(known.account);
        self.count(booking, known).await
    }

    async fn close(&mut self, booking: &Booking<'_>, known: Connection) -> Result<()> {
        self.place(booking, &known).await?;
        let course = Course::of(booking.clone());
        self.close_all(&[(&course, known)]).await
    }

    /// What was taken for lost is reported as down: its session hears of a real end.
    async fn close_lost(&mut self, booking: &Booking<'_>, known: Connection, cause: Option<u32>) -> Result<()> {
        sqlx::query("update connections set ended_at = $1, cause = $2, fresh = 1 where id = $3")
            .bind(booking.record.happened().max(known.started_at).millis())
            .bind(cause_word(cause))
            .bind(known.id.0)
            .execute(self.sql())
            .await?;
        self.touch_door(known.account);
        self.count(booking, known).await
    }

    async fn count(&mut self, booking: &Booking<'_>, known: Connection) -> Result<()> {
        self.place(booking, &known).await?;
        self.count_all(&[(&Course::of(booking.clone()), known)]).await
    }

    async fn place(&mut self, booking: &Booking<'_>, known: &Connection) -> Result<()> {
        match tunnel_of(booking.record.framed_ip, known) {
            Some(address) => self.place_tunnel(known, address).await,
            None => Ok(()),
        }
    }

    /// The tunnel address of a running connection becomes known, or is another one now: what hangs on it is looked at
    /// again.
    pub(super) async fn place_tunnel(&mut self, known: &Connection, address: IpAddr) -> Result<()> {
        sqlx::query("update connections set framed_ip = $1, fresh = 1 where id = $2")
            .bind(address.to_string())
            .bind(known.id.0)
            .execute(self.sql())
            .await?;
        self.touch_door(known.account);
        Ok(())
    }

    /// Closes a connection, and settles what was wanted of it: its end is the proof. One that is only [`LOST`] may still
    /// be up, and proves nothing.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn end_connection(&mut self, known: &Connection, cause: &str, at: Timestamp) -> Result<()> {
        sqlx::query("update connections set ended_at = $1, cause = $2, fresh = 1 where id = $3 and ended_at is null")
            .bind(at.max(known.started_at).millis())
            .bind(cause)
            .bind(known.id.0)
            .execute(self.sql())
            .await?;
        if cause != LOST {
            self.settle_cut(known.nas, &known.acct_session_id, "proven", at).await?;
        }
        self.touch_door(known.account);
        Ok(())
    }

    /// Closes every open connection of a box that started before `before` (it rebooted); gives how many.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn end_all_of(&mut self, nas: NasId, before: Timestamp, at: Timestamp) -> Result<usize> {
        let rows =
            sqlx::query(concat!(select_connections!(), " where nas_id = $1 and ended_at is null and started_at < $2"))
                .bind(nas.0)
                .bind(before.millis())
                .fetch_all(self.sql())
                .await?;
        let connections = each(&rows, read)?;
        for connection in &connections {
            self.end_connection(connection, "reboot", at).await?;
        }
        Ok(connections.len())
    }

    pub(super) fn touch_door(&mut self, account: Option<AccountId>) {
        if let Some(account) = account {
            self.touch(Noun::Account, account.0);
        }
        self.touch(Noun::Work, 0);
    }
}

pub(super) fn cause_word(cause: Option<u32>) -> String {
    cause.map_or_else(|| "unknown".to_owned(), |cause| cause.to_string())
}
