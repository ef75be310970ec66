//! Many bookings at once: what is usual takes a few statements for all of them, what is not goes one by one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::LazyLock;

use sqlx::Any;
use sqlx::any::AnyArguments;
use sqlx::query::Query;

use super::booking::{Booking, Course};
use super::connection::{ClassSeen, Connection, read};
use super::error::Result;
use super::field::Fields;
use super::rows::{Rows, Written};
use super::{Noun, Tx};
use crate::clock::Timestamp;
use crate::domain::connection::{Authentic, Record, Report, SAME_START};
use crate::domain::id::NasId;

macro_rules! known {
    ($connections:literal) => {
        concat!(
            "with asked (place, nas_id, acct_session_id, earliest, latest) as (values {rows})
             select a.place, c.id, c.nas_id, c.router_id, c.acct_session_id, c.user_name, c.account_id, c.session_id,
             c.station, c.nas_ip, c.framed_ip, c.authentic, c.classed, c.started_at, c.seen_at, c.presence, c.presence_at,
             c.kept, c.input_octets, c.output_octets, c.input_packets, c.output_packets, c.ended_at, c.cause, c.via,
             c.runs_until
             from asked a cross join ",
            $connections
        )
    };
}

static KNOWN: Written = LazyLock::new(|| {
    Rows::differing(
        [
            // SQLite keeps to the order of a cross join: the asked ones first, each by its index.
            known!(
                "connections c where c.nas_id = a.nas_id and c.acct_session_id = a.acct_session_id
                 and (c.ended_at is null or (c.started_at >= a.earliest and c.started_at <= a.latest))"
            ),
            // PostgreSQL does not take a subquery with an offset apart. Free to choose, it goes by what it thinks is in the
            // table, and reads a new one whole long after it has grown.
            known!(
                "lateral (select * from connections c where c.nas_id = a.nas_id and c.acct_session_id = a.acct_session_id
                 and (c.ended_at is null or (c.started_at >= a.earliest and c.started_at <= a.latest)) offset 0) c"
            ),
        ],
        "(?, ?, ?, ?, ?)",
    )
});

static OPEN: Written = LazyLock::new(|| {
    Rows::new(
        // An account that is gone by now is none. Joined: PostgreSQL plans a subquery in each row by itself.
        "with told (place, nas_id, router_id, acct_session_id, user_name, account_id, session_id, station, nas_ip, framed_ip,
         authentic, classed, started_at, seen_at, seconds, input_octets, output_octets, input_packets, output_packets, fresh,
         ended_at, cause, via) as (values {rows})
         insert into connections (nas_id, router_id, acct_session_id, user_name, account_id, session_id, station, nas_ip,
         framed_ip, authentic, classed, started_at, seen_at, seconds, input_octets, output_octets, input_packets,
         output_packets, fresh, ended_at, cause, via)
         select t.nas_id, t.router_id, t.acct_session_id, t.user_name, a.id, t.session_id, t.station, t.nas_ip, t.framed_ip,
         t.authentic, t.classed, t.started_at, t.seen_at, t.seconds, t.input_octets, t.output_octets, t.input_packets,
         t.output_packets, t.fresh, t.ended_at, t.cause, t.via
         from told t left join accounts a on a.id = t.account_id
         order by t.place",
        "(?, ?, ?, ?, ?, cast(? as bigint), cast(? as bigint), cast(? as text), cast(? as text), cast(? as text), ?, ?, ?, ?,
          ?, ?, ?, ?, ?, cast(? as bigint), cast(? as bigint), cast(? as text), ?)",
    )
});

/// What a record sets. Counters only grow: a packet that was delayed on its way does not turn them back.
macro_rules! counted {
    () => {
        "seen_at = case when connections.seen_at < h.seen_at then h.seen_at else connections.seen_at end,
         seconds = case when connections.seconds < h.seconds then h.seconds else connections.seconds end,
         input_octets = case when connections.input_octets < h.input_octets then h.input_octets
         else connections.input_octets end,
         output_octets = case when connections.output_octets < h.output_octets then h.output_octets
         else connections.output_octets end,
         input_packets = case when connections.input_packets < h.input_packets then h.input_packets
         else connections.input_packets end,
         output_packets = case when connections.output_packets < h.output_packets then h.output_packets
         else connections.output_packets end"
    };
}

static COUNT: Written = LazyLock::new(|| {
    Rows::new(
        concat!(
            "with heard (id, seen_at, seconds, input_octets, output_octets, input_packets, output_packets)
             as (values {rows}) update connections set ",
            counted!(),
            " from heard h where connections.id = h.id"
        ),
        "(?, ?, ?, ?, ?, ?, ?)",
    )
});

static LOOK_AGAIN: Written = LazyLock::new(|| {
    Rows::new(
        "update connections set fresh = 1 where id in ({rows}) and kept = 0 and fresh is null and classed = 1
         and not exists (select 1 from sessions s where s.id = connections.session_id and s.ended_at is null)",
        "?",
    )
});

static CLOSE: Written = LazyLock::new(|| {
    Rows::new(
        concat!(
            "with heard (id, seen_at, seconds, input_octets, output_octets, input_packets, output_packets, ended_at, cause)
             as (values {rows}) update connections set ended_at = h.ended_at, cause = h.cause, fresh = 1, ",
            counted!(),
            " from heard h where connections.id = h.id and connections.ended_at is null"
        ),
        "(?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
});

static SETTLE: Written = LazyLock::new(|| {
    Rows::differing(
        [
            "with gone (nas_id, acct_session_id, at) as (values {rows})
             update cuts set outcome = 'proven', done_at = g.at from gone g
             where cuts.nas_id = g.nas_id and cuts.acct_session_id = g.acct_session_id and cuts.done_at is null",
            // As in `KNOWN`.
            "with gone (nas_id, acct_session_id, at) as (values {rows})
             update cuts set outcome = 'proven', done_at = open.at
             from (select c.id, g.at from gone g cross join lateral (select id from cuts
             where nas_id = g.nas_id and acct_session_id = g.acct_session_id and done_at is null offset 0) c) open
             where cuts.id = open.id",
        ],
        "(?, ?, ?)",
    )
});

/// What is told of a connection that is known.
pub(super) type Heard<'c, 'r> = (&'c Course<'r>, Connection);

/// A connection that ended, by its box and Acct-Session-Id, and when.
type Settled<'c> = (NasId, &'c str, Timestamp);

/// The courses of a group by what they do.
#[derive(Default)]
struct Sorted<'c, 'r> {
    opened: Vec<&'c Course<'r>>,
    renewed: Vec<Heard<'c, 'r>>,
    closed: Vec<Heard<'c, 'r>>,
}

impl Tx {
    /// Books what is told of connections that all differ, in box or Acct-Session-Id; each record as [`Tx::book`] would.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn book_all(&mut self, courses: &[Course<'_>]) -> Result<()> {
        let mut known = self.known_of(courses.iter().map(|course| &course.first)).await?;
        let mut sorted = Sorted::default();
        for (place, course) in courses.iter().enumerate() {
            match known.remove(&place) {
                None if course.first.record.report == Report::Start => sorted.opened.push(course),
                Some(known) if known.ended_at.is_none() && !course.records().any(|told| known.is_other_than(told)) => {
                    if let Some(address) = tunnel_of(course.framed_ip(), &known) {
                        self.place_tunnel(&known, address).await?;
                    }
                    match course.last().report {
                        Report::Start | Report::Interim => sorted.renewed.push((course, known)),
                        Report::Stop(_) => sorted.closed.push((course, known)),
                    }
                }
                // It has ended, it is another one, or its box may be called otherwise since.
                None | Some(_) => {
                    for booking in course.bookings() {
                        self.book(&booking).await?;
                    }
                }
            }
        }
        self.open_all(&sorted.opened).await?;
        self.count_all(&sorted.renewed).await?;
        self.look_again(&sorted.renewed).await?;
        self.close_all(&sorted.closed).await
    }

    /// The connections that the records belong to, by the places of those.
    pub(super) async fn known_of<'b>(
        &mut self,
        bookings: impl Iterator<Item = &'b Booking<'b>>,
    ) -> Result<HashMap<usize, Connection>> {
        let mut known: HashMap<usize, Connection> = HashMap::new();
        let placed: Vec<(usize, &Booking<'_>)> = bookings.enumerate().collect();
        for (statement, portion) in KNOWN.portions(self.backend, &placed) {
            let ask = portion.iter().fold(sqlx::query(statement), |ask, (place, booking)| {
                let started = booking.record.started();
                ask.bind(i64::try_from(*place).unwrap_or(i64::MAX))
                    .bind(booking.nas.0)
                    .bind(&booking.record.acct_session_id)
                    .bind((started - SAME_START).millis())
                    .bind((started + SAME_START).millis())
            });
            for row in ask.fetch_all(self.sql()).await? {
                let fields = Fields::of("connections", &row);
                let place = usize::try_from(fields.int("place")?).map_err(|_| fields.corrupt("place"))?;
                let found = read(&row)?;
                // The open one first, then the one that began last.
                let is_nearer = |other: &Connection| {
                    (found.ended_at.is_none(), found.started_at) > (other.ended_at.is_none(), other.started_at)
                };
                if known.get(&place).is_none_or(is_nearer) {
                    known.insert(place, found);
                }
            }
        }
        Ok(known)
    }

    /// Opens connections. One that is over already is nobody's news: its session has never heard of it, and to that an end is
    /// nothing.
    pub(super) async fn open_all(&mut self, opened: &[&Course<'_>]) -> Result<()> {
        for (statement, portion) in OPEN.portions(self.backend, opened) {
            let open = (0_i64..).zip(portion).fold(sqlx::query(statement), |open, (place, course)| {
                let Booking { record, nas, account, session, class } = &course.first;
                let (ended_at, cause) = course.end(record.started()).unzip();
                let open = open
                    .bind(place)
                    .bind(nas.0)
                    .bind(record.nas.router.0)
                    .bind(&record.acct_session_id)
                    .bind(&record.user_name)
                    .bind(account.map(|account| account.0))
                    .bind(session.map(|session| session.0))
                    .bind(&record.station)
                    .bind(record.nas_ip.map(|address| address.to_string()))
                    .bind(course.framed_ip().map(|address| address.to_string()))
                    .bind(if record.authentic == Authentic::Local { "local" } else { "radius" })
                    .bind(i64::from(*class == ClassSeen::Ours))
                    .bind(record.started().millis());
                counted(open, course)
                    .bind(ended_at.is_none().then_some(1_i64))
                    .bind(ended_at.map(|at| at.millis()))
                    .bind(cause)
                    .bind(record.via.word())
            });
            open.execute(self.sql()).await?;
        }
        let ended: Vec<Settled<'_>> = opened
            .iter()
            .filter(|course| !course.is_up())
            .map(|course| (course.first.nas, course.last().acct_session_id.as_str(), course.last().happened()))
            .collect();
        self.settle_all(&ended).await?;
        opened.iter().filter(|course| course.is_up()).for_each(|course| self.touch_door(course.first.account));
        Ok(())
    }

    pub(super) async fn count_all(&mut self, heard: &[Heard<'_, '_>]) -> Result<()> {
        for (statement, portion) in COUNT.portions(self.backend, heard) {
            let count = portion
                .iter()
                .fold(sqlx::query(statement), |count, (course, known)| counted(count.bind(known.id.0), course));
            count.execute(self.sql()).await?;
        }
        Ok(())
    }

    /// Running connections whose session is over, or that never had one (a machine's): the gate looks at them once more
    /// (closing rule).
    pub(super) async fn look_again(&mut self, renewed: &[Heard<'_, '_>]) -> Result<()> {
        let mut fresh = 0;
        for (statement, portion) in LOOK_AGAIN.portions(self.backend, renewed) {
            let look = portion.iter().fold(sqlx::query(statement), |look, (_, known)| look.bind(known.id.0));
            fresh += look.execute(self.sql()).await?.rows_affected();
        }
        if fresh > 0 {
            self.touch(Noun::Work, 0);
        }
        Ok(())
    }

    /// Counts and closes connections, and settles what was wanted of them: their end is the proof.
    pub(super) async fn close_all(&mut self, closed: &[Heard<'_, '_>]) -> Result<()> {
        for (statement, portion) in CLOSE.portions(self.backend, closed) {
            let close = portion.iter().fold(sqlx::query(statement), |close, (course, known)| {
                let (ended_at, cause) = course.end(known.started_at).unzip();
                counted(close.bind(known.id.0), course).bind(ended_at.map(|at| at.millis())).bind(cause)
            });
            close.execute(self.sql()).await?;
        }
        let ended: Vec<Settled<'_>> = closed
            .iter()
            .map(|(course, known)| (known.nas, known.acct_session_id.as_str(), course.last().happened()))
            .collect();
        self.settle_all(&ended).await?;
        closed.iter().for_each(|(_, known)| self.touch_door(known.account));
        Ok(())
    }

    async fn settle_all(&mut self, ended: &[Settled<'_>]) -> Result<()> {
        for (statement, portion) in SETTLE.portions(self.backend, ended) {
            let settle = portion.iter().fold(sqlx::query(statement), |settle, (nas, acct_session_id, at)| {
                settle.bind(nas.0).bind(*acct_session_id).bind(at.millis())
            });
            settle.execute(self.sql()).await?;
        }
        Ok(())
    }
}

/// The values of what a record counts, in the order of `counted!`.
fn counted<'q>(query: Query<'q, Any, AnyArguments>, course: &Course<'_>) -> Query<'q, Any, AnyArguments> {
    query
        .bind(course.seen().millis())
        .bind(course.seconds())
        .bind(course.most(|record| record.traffic.input_octets))
        .bind(course.most(|record| record.traffic.output_octets))
        .bind(course.most(|record| record.traffic.input_packets))
        .bind(course.most(|record| record.traffic.output_packets))
}

impl Connection {
    /// Whether the router uses the number of this one again: the record is of one that began at another time.
    pub(super) fn is_other_than(&self, record: &Record) -> bool {
        let started = record.started();
        self.ended_at.is_none() && self.started_at.since(started).max(started.since(self.started_at)) > SAME_START
    }
}

/// The tunnel address that is told, if it is news.
pub(super) fn tunnel_of(told: Option<IpAddr>, known: &Connection) -> Option<IpAddr> {
    told.filter(|address| Some(*address) != known.framed_ip)
}
