//! The spool: accounting records on disk as they came, answered and not booked yet; a row holds many.
//!
//! A row is a list in [postcard](https://postcard.jamesmunns.com/wire-format), whose layout has a number. It lives for some
//! milliseconds, or until the next start after a crash.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;

use super::error::{Result, StoreError};
use super::field::{Fields, each};
use super::rows::{self, Rows};
use super::{Backend, LIST_ROWS, Store, Tx};
use crate::clock::Timestamp;
use crate::domain::connection::{Authentic, Notice, Record, Report, Traffic, Via};
use crate::domain::id::RouterId;
use crate::domain::router::NasKey;

/// The layout of [`Written`]; another one has another number.
const FORMAT: i64 = 1;
/// The mark up to which the file is booked; it is raised with what is booked, in the database.
pub(super) const BOOKED: &str = "spool_booked";

static UNSPOOL: rows::Written = LazyLock::new(|| Rows::new("delete from spool where id in ({rows})", "?"));

/// A notice as it is written.
#[derive(Serialize, Deserialize)]
enum Written<'a> {
    #[serde(borrow)]
    Connection(Box<WrittenRecord<'a>>),
    NasOn(#[serde(borrow)] WrittenKey<'a>, i64),
    NasOff(#[serde(borrow)] WrittenKey<'a>, i64),
}

#[derive(Serialize, Deserialize)]
struct WrittenKey<'a>(i64, IpAddr, Cow<'a, str>);

#[derive(Serialize, Deserialize)]
enum WrittenReport {
    Start,
    Interim,
    Stop(Option<u32>),
}

#[derive(Serialize, Deserialize)]
struct WrittenRecord<'a> {
    report: WrittenReport,
    #[serde(borrow)]
    nas: WrittenKey<'a>,
    acct_session_id: Cow<'a, str>,
    user_name: Cow<'a, [u8]>,
    class: Option<Cow<'a, [u8]>>,
    station: Option<Cow<'a, str>>,
    nas_ip: Option<IpAddr>,
    framed_ip: Option<IpAddr>,
    server: Option<IpAddr>,
    is_local: bool,
    arrived: i64,
    delay: Duration,
    lasted: Duration,
    /// Input and output octets, input and output packets.
    traffic: [u64; 4],
    is_by_api: bool,
}

/// Where a row of the spool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the table of the database, with its id: on PostgreSQL, and what was set aside.
    Table(i64),
    /// In the file beside a SQLite database, with its number. They are booked in their order.
    File(i64),
}

/// A row of the spool.
#[derive(Debug)]
pub struct Spooled {
    /// Where it is.
    pub place: Place,
    pub(super) format: i64,
    pub(super) records: Vec<u8>,
}

impl Spooled {
    pub(super) fn read(row: &AnyRow, place: impl Fn(i64) -> Place) -> Result<Self> {
        let fields = Fields::of("spool", row);
        Ok(Self { place: place(fields.int("id")?), format: fields.int("format")?, records: fields.bytes("records")? })
    }

    /// What it holds, in the order in which it came.
    ///
    /// # Errors
    /// It cannot be read: another version of this program wrote it.
    pub fn notices(&self) -> Result<Vec<Notice>> {
        let (Place::Table(id) | Place::File(id)) = self.place;
        if self.format != FORMAT {
            return Err(StoreError::Corrupt { table: "spool", row: id, column: "format" });
        }
        let written: Vec<Written<'_>> = postcard::from_bytes(&self.records).map_err(|_| corrupt(id))?;
        Ok(written.into_iter().map(Notice::from).collect())
    }
}

/// Notices as they are written: the number of the layout, and the bytes.
pub(super) fn written<'n>(notices: impl Iterator<Item = &'n Notice>) -> Result<(i64, Vec<u8>)> {
    let written: Vec<Written<'_>> = notices.map(Written::from).collect();
    // Whatever these types hold can be written.
    Ok((FORMAT, postcard::to_allocvec(&written).map_err(|_| corrupt(0))?))
}

impl Store {
    /// Opens what records are put down in, so that a file that cannot be written is told of at the start.
    ///
    /// # Errors
    /// The file beside the database cannot be opened.
    pub async fn open_for_records(&self) -> Result<()> {
        self.spool_file().await.map(drop)
    }

    /// Puts notices down as they came; they are on disk when this returns.
    ///
    /// # Errors
    /// The database, or the file beside it, does not answer.
    pub async fn put_down<'n>(
        &self,
        owner: &str,
        notices: impl Iterator<Item = &'n Notice>,
        now: Timestamp,
    ) -> Result<Place> {
        match self.spool_file().await? {
            Some(file) => file.put(notices, now).await,
            None => {
                let mut tx = self.begin().await?;
                let place = tx.spool(owner, notices, now).await?;
                tx.commit(now).await?;
                Ok(place)
            }
        }
    }

    /// The oldest rows, as [`Tx::spooled`]; those of the file beside the database when its table has none.
    ///
    /// # Errors
    /// As [`Tx::spooled`].
    pub async fn spooled(&self, tx: &mut Tx, owner: &str, abandoned: Timestamp, rows: i64) -> Result<Vec<Spooled>> {
        let in_table = tx.spooled(owner, abandoned, rows).await?;
        match self.spool_file().await? {
            Some(file) if in_table.is_empty() => file.after(tx.booked_of_file().await?, rows).await,
            Some(_) | None => Ok(in_table),
        }
    }

    /// Takes what is booked out of the file beside the database.
    ///
    /// # Errors
    /// The file does not answer.
    pub async fn sweep_spool(&self, booked: &[Place]) -> Result<()> {
        let last = booked.iter().filter_map(|place| if let Place::File(number) = place { Some(*number) } else { None });
        match (last.max(), self.spool_file().await?) {
            (Some(last), Some(file)) => file.forget(last).await,
            (_, _) => Ok(()),
        }
    }
}

impl Tx {
    /// Writes notices down as they came; gives the row.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn spool<'n>(
        &mut self,
        owner: &str,
        notices: impl Iterator<Item = &'n Notice>,
        now: Timestamp,
    ) -> Result<Place> {
        self.spool_row(owner, written(notices)?, now, None).await
    }

    /// Sets notices aside that cannot be booked; they are tried again when an instance starts.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_aside(&mut self, owner: &str, notices: &[&Notice], now: Timestamp) -> Result<()> {
        self.spool_row(owner, written(notices.iter().copied())?, now, Some(now)).await.map(drop)
    }

    async fn spool_row(
        &mut self,
        owner: &str,
        (format, records): (i64, Vec<u8>),
        now: Timestamp,
        refused_at: Option<Timestamp>,
    ) -> Result<Place> {
        let row = sqlx::query(
            "insert into spool (owner, at, format, records, refused_at) values ($1, $2, $3, $4, $5) returning id",
        )
        .bind(owner)
        .bind(now.millis())
        .bind(format)
        .bind(records)
        .bind(refused_at.map(Timestamp::millis))
        .fetch_one(self.sql())
        .await?;
        Fields::of("spool", &row).int("id").map(Place::Table)
    }

    /// The oldest rows of `owner`, and those of others that have lain there since `abandoned`: their instance is gone. On
    /// SQLite there is one instance, and all is its own. Whoever read a row holds it until the transaction ends; what another
    /// one holds is passed over.
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn spooled(&mut self, owner: &str, abandoned: Timestamp, rows: i64) -> Result<Vec<Spooled>> {
        let rows = match self.backend {
            Backend::Sqlite => {
                sqlx::query("select id, format, records from spool where refused_at is null order by id limit $1")
                    .bind(rows)
            }
            Backend::Postgres => sqlx::query(
                "select id, format, records from spool where refused_at is null and (owner = $1 or at < $2)
                 order by id limit $3 for update skip locked",
            )
            .bind(owner)
            .bind(abandoned.millis())
            .bind(rows),
        };
        let rows = rows.fetch_all(self.sql()).await?;
        each(&rows, |row| Spooled::read(row, Place::Table))
    }

    /// Up to which number the rows of the file are booked.
    async fn booked_of_file(&mut self) -> Result<i64> {
        Ok(self.mark(BOOKED).await?.unwrap_or(0))
    }

    /// Takes rows away: what they hold is booked, or set aside.
    ///
    /// # Errors
    /// The database does not answer, or a row is gone already ([`StoreError::Conflict`]): another instance booked it.
    pub async fn unspool(&mut self, places: &[Place]) -> Result<()> {
        let (mut ids, mut last) = (Vec::new(), None);
        for place in places {
            match place {
                Place::Table(id) => ids.push(*id),
                Place::File(number) => last = last.max(Some(*number)),
            }
        }
        if let Some(last) = last {
            self.raise_mark(BOOKED, last).await?;
        }
        let gone = UNSPOOL.execute(&mut self.inner, self.backend, &ids).await?;
        if usize::try_from(gone) == Ok(ids.len()) { Ok(()) } else { Err(StoreError::Conflict) }
    }

    /// Sets a row aside as it is: it cannot be read.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_row_aside(&mut self, owner: &str, row: &Spooled, now: Timestamp) -> Result<()> {
        match row.place {
            Place::Table(id) => {
                sqlx::query("update spool set refused_at = $1 where id = $2")
                    .bind(now.millis())
                    .bind(id)
                    .execute(self.sql())
                    .await?;
            }
            Place::File(_) => {
                self.spool_row(owner, (row.format, row.records.clone()), now, Some(now)).await?;
                self.unspool(&[row.place]).await?;
            }
        }
        Ok(())
    }

    /// Forgets what was set aside before `before`; at most [`LIST_ROWS`] rows at a time.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn prune_refused(&mut self, before: Timestamp) -> Result<u64> {
        let done = sqlx::query(
            "delete from spool where id in (select id from spool where refused_at < $1 order by id limit $2)",
        )
        .bind(before.millis())
        .bind(LIST_ROWS)
        .execute(self.sql())
        .await?;
        Ok(done.rows_affected())
    }

    /// What was set aside is tried again.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn try_refused_again(&mut self) -> Result<()> {
        sqlx::query("update spool set refused_at = null where refused_at is not null").execute(self.sql()).await?;
        Ok(())
    }
}

fn corrupt(row: i64) -> StoreError {
    StoreError::Corrupt { table: "spool", row, column: "records" }
}

impl<'a> From<&'a NasKey> for WrittenKey<'a> {
    fn from(key: &'a NasKey) -> Self {
        Self(key.router.0, key.address, Cow::Borrowed(&key.identifier))
    }
}

impl From<WrittenKey<'_>> for NasKey {
    fn from(WrittenKey(router, address, identifier): WrittenKey<'_>) -> Self {
        Self { router: RouterId(router), address, identifier: identifier.into_owned() }
    }
}

impl<'a> From<&'a Notice> for Written<'a> {
    fn from(notice: &'a Notice) -> Self {
        match notice {
            Notice::Connection(record) => Self::Connection(Box::new(WrittenRecord::from(&**record))),
            Notice::NasOn(key, at) => Self::NasOn(key.into(), at.millis()),
            Notice::NasOff(key, at) => Self::NasOff(key.into(), at.millis()),
        }
    }
}

impl From<Written<'_>> for Notice {
    fn from(written: Written<'_>) -> Self {
        match written {
            Written::Connection(record) => Self::Connection(Box::new((*record).into())),
            Written::NasOn(key, at) => Self::NasOn(key.into(), Timestamp::from_millis(at)),
            Written::NasOff(key, at) => Self::NasOff(key.into(), Timestamp::from_millis(at)),
        }
    }
}

impl<'a> From<&'a Record> for WrittenRecord<'a> {
    fn from(record: &'a Record) -> Self {
        let Traffic { input_octets, output_octets, input_packets, output_packets } = record.traffic;
        Self {
            report: match record.report {
                Report::Start => WrittenReport::Start,
                Report::Interim => WrittenReport::Interim,
                Report::Stop(cause) => WrittenReport::Stop(cause),
            },
            nas: (&record.nas).into(),
            acct_session_id: Cow::Borrowed(&record.acct_session_id),
            user_name: Cow::Borrowed(&record.user_name),
            class: record.class.as_deref().map(Cow::Borrowed),
            station: record.station.as_deref().map(Cow::Borrowed),
            nas_ip: record.nas_ip,
            framed_ip: record.framed_ip,
            server: record.server,
            is_local: record.authentic == Authentic::Local,
            arrived: record.arrived.millis(),
            delay: record.delay,
            lasted: record.lasted,
            traffic: [input_octets, output_octets, input_packets, output_packets],
            is_by_api: record.via == Via::Api,
        }
    }
}

impl From<WrittenRecord<'_>> for Record {
    fn from(written: WrittenRecord<'_>) -> Self {
        let [input_octets, output_octets, input_packets, output_packets] = written.traffic;
        Self {
            report: match written.report {
                WrittenReport::Start => Report::Start,
                WrittenReport::Interim => Report::Interim,
                WrittenReport::Stop(cause) => Report::Stop(cause),
            },
            nas: written.nas.into(),
            acct_session_id: written.acct_session_id.into_owned(),
            user_name: written.user_name.into_owned(),
            class: written.class.map(Cow::into_owned),
            station: written.station.map(Cow::into_owned),
            nas_ip: written.nas_ip,
            framed_ip: written.framed_ip,
            server: written.server,
            authentic: if written.is_local { Authentic::Local } else { Authentic::Radius },
            arrived: Timestamp::from_millis(written.arrived),
            delay: written.delay,
            lasted: written.lasted,
            traffic: Traffic { input_octets, output_octets, input_packets, output_packets },
            via: if written.is_by_api { Via::Api } else { Via::Radius },
        }
    }
}
