//! Many bookings at once: what is usual takes a few statements for all of them, what is not goes one by one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::LazyLock;

use super::booking::{Booking, big, cause_word, whole_seconds};
use super::connection::{ClassSeen, Connection, read};
use super::error::Result;
use super::field::Fields;
use super::rows::{Rows, Written};
use super::{Noun, Tx};
use crate::domain::connection::{Authentic, Report, SAME_START};

static KNOWN: Written = LazyLock::new(|| {
    Rows::new(
        // SQLite keeps to the order of a cross join: the asked ones first, each by its index.
        "with asked (place, nas_id, acct_session_id, earliest, latest) as (values {rows})
         select a.place, c.id, c.nas_id, c.router_id, c.acct_session_id, c.user_name, c.account_id, c.session_id, c.station,
         c.nas_ip, c.framed_ip, c.authentic, c.classed, c.started_at, c.seen_at, c.presence, c.presence_at, c.kept,
         c.input_octets, c.output_octets, c.input_packets, c.output_packets, c.ended_at, c.cause, c.via,
         c.runs_until
         from asked a cross join connections c
         where c.nas_id = a.nas_id and c.acct_session_id = a.acct_session_id
         and (c.ended_at is null or (c.started_at >= a.earliest and c.started_at <= a.latest))",
        "(?, ?, ?, ?, ?)",
    )
});

static OPEN: Written = LazyLock::new(|| {
    Rows::new(
        "insert into connections (nas_id, router_id, acct_session_id, user_name, account_id, session_id, station, nas_ip,
         framed_ip, authentic, classed, started_at, seen_at, seconds, input_octets, output_octets, input_packets,
         output_packets, fresh, ended_at, cause, via) values {rows}",
        "(?, ?, ?, ?, (select id from accounts where id = ?), (select id from sessions where id = ?), ?, ?, ?, ?, ?, ?, ?,
          ?, ?, ?, ?, ?, 1, ?, ?, ?)",
    )
});

static COUNT: Written = LazyLock::new(|| {
    Rows::new(
        // Counters only grow: a packet that was delayed on its way does not turn them back.
        "with heard (id, seen_at, seconds, input_octets, output_octets, input_packets, output_packets)
         as (values {rows})
         update connections set
         seen_at = case when connections.seen_at < h.seen_at then h.seen_at else connections.seen_at end,
         seconds = case when connections.seconds < h.seconds then h.seconds else connections.seconds end,
         input_octets = case when connections.input_octets < h.input_octets then h.input_octets
         else connections.input_octets end,
         output_octets = case when connections.output_octets < h.output_octets then h.output_octets
         else connections.output_octets end,
         input_packets = case when connections.input_packets < h.input_packets then h.input_packets
         else connections.input_packets end,
         output_packets = case when connections.output_packets < h.output_packets then h.output_packets
         else connections.output_packets end
         from heard h where connections.id = h.id",
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
        "with gone (id, ended_at, cause) as (values {rows})
         update connections set ended_at = g.ended_at, cause = g.cause, fresh = 1
         from gone g where connections.id = g.id and connections.ended_at is null",
        "(?, ?, ?)",
    )
});

static SETTLE: Written = LazyLock::new(|| {
    Rows::new(
        "with gone (nas_id, acct_session_id, at) as (values {rows})
         update cuts set outcome = 'proven', done_at = g.at from gone g
         where cuts.nas_id = g.nas_id and cuts.acct_session_id = g.acct_session_id and cuts.done_at is null",
        "(?, ?, ?)",
    )
});

/// A record of a connection that is known.
pub(super) type Heard<'b, 'r> = (&'b Booking<'r>, Connection);

/// The records of a group by what they do.
#[derive(Default)]
struct Sorted<'b, 'r> {
    opened: Vec<&'b Booking<'r>>,
    renewed: Vec<Heard<'b, 'r>>,
    closed: Vec<Heard<'b, 'r>>,
}

impl Tx {
    /// Books records of connections that all differ, in box or Acct-Session-Id; each as [`Tx::book`] would.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn book_all(&mut self, bookings: &[Booking<'_>]) -> Result<()> {
        let mut known = self.known_of(bookings).await?;
        let mut sorted = Sorted::default();
        for (place, booking) in bookings.iter().enumerate() {
            let Some(known) = known.remove(&place) else {
                match booking.record.report {
                    Report::Start => sorted.opened.push(booking),
                    // Its box may be called otherwise since.
                    Report::Interim | Report::Stop(_) => self.book(booking).await?,
                }
                continue;
            };
            if known.ended_at.is_some() || known.is_other_than(booking) {
                self.book(booking).await?;
                continue;
            }
            if let Some(address) = tunnel_of(booking, &known) {
                self.place_tunnel(&known, address).await?;
            }
            match booking.record.report {
                Report::Start | Report::Interim => sorted.renewed.push((booking, known)),
                Report::Stop(_) => sorted.closed.push((booking, known)),
            }
        }
        self.open_all(&sorted.opened).await?;
        self.count_all(&sorted.renewed).await?;
        self.look_again(&sorted.renewed).await?;
        self.count_all(&sorted.closed).await?;
        self.close_all(&sorted.closed).await
    }

    /// The connections that the records belong to, by the places of those.
    pub(super) async fn known_of(&mut self, bookings: &[Booking<'_>]) -> Result<HashMap<usize, Connection>> {
        let mut known: HashMap<usize, Connection> = HashMap::new();
        let placed: Vec<(usize, &Booking<'_>)> = bookings.iter().enumerate().collect();
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

    pub(super) async fn open_all(&mut self, opened: &[&Booking<'_>]) -> Result<()> {
        for (statement, portion) in OPEN.portions(self.backend, opened) {
            let open = portion.iter().fold(sqlx::query(statement), |open, booking| {
                let record = booking.record;
                let (ended_at, cause) = booking.end();
                open.bind(booking.nas.0)
                    .bind(record.nas.router.0)
                    .bind(&record.acct_session_id)
                    .bind(&record.user_name)
                    .bind(booking.account.map(|account| account.0))
                    .bind(booking.session.map(|session| session.0))
                    .bind(&record.station)
                    .bind(record.nas_ip.map(|address| address.to_string()))
                    .bind(record.framed_ip.map(|address| address.to_string()))
                    .bind(if record.authentic == Authentic::Local { "local" } else { "radius" })
                    .bind(i64::from(booking.class == ClassSeen::Ours))
                    .bind(record.started().millis())
                    .bind(record.arrived.millis())
                    .bind(whole_seconds(record))
                    .bind(big(record.traffic.input_octets))
                    .bind(big(record.traffic.output_octets))
                    .bind(big(record.traffic.input_packets))
                    .bind(big(record.traffic.output_packets))
                    .bind(ended_at)
                    .bind(cause)
                    .bind(record.via.word())
            });
            open.execute(self.sql()).await?;
        }
        opened.iter().for_each(|booking| self.touch_door(booking.account));
        Ok(())
    }

    pub(super) async fn count_all(&mut self, heard: &[Heard<'_, '_>]) -> Result<()> {
        for (statement, portion) in COUNT.portions(self.backend, heard) {
            let count = portion.iter().fold(sqlx::query(statement), |count, (booking, known)| {
                let record = booking.record;
                count
                    .bind(known.id.0)
                    .bind(record.arrived.millis())
                    .bind(whole_seconds(record))
                    .bind(big(record.traffic.input_octets))
                    .bind(big(record.traffic.output_octets))
                    .bind(big(record.traffic.input_packets))
                    .bind(big(record.traffic.output_packets))
            });
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

    /// Closes connections, and settles what was wanted of them: their end is the proof.
    pub(super) async fn close_all(&mut self, closed: &[Heard<'_, '_>]) -> Result<()> {
        for (statement, portion) in CLOSE.portions(self.backend, closed) {
            let close = portion.iter().fold(sqlx::query(statement), |close, (booking, known)| {
                let at = booking.record.happened().max(known.started_at);
                close.bind(known.id.0).bind(at.millis()).bind(booking.end().1)
            });
            close.execute(self.sql()).await?;
        }
        for (statement, portion) in SETTLE.portions(self.backend, closed) {
            let settle = portion.iter().fold(sqlx::query(statement), |settle, (booking, known)| {
                let at = booking.record.happened().millis();
                settle.bind(known.nas.0).bind(&known.acct_session_id).bind(at)
            });
            settle.execute(self.sql()).await?;
        }
        closed.iter().for_each(|(_, known)| self.touch_door(known.account));
        Ok(())
    }
}

impl Connection {
    /// Whether the router uses the number of this one again: the record is of one that began at another time.
    pub(super) fn is_other_than(&self, booking: &Booking<'_>) -> bool {
        let started = booking.record.started();
        self.ended_at.is_none() && self.started_at.since(started).max(started.since(self.started_at)) > SAME_START
    }
}

/// The tunnel address that a record brings, if it is news.
pub(super) fn tunnel_of(booking: &Booking<'_>, known: &Connection) -> Option<IpAddr> {
    booking.record.framed_ip.filter(|address| Some(*address) != known.framed_ip)
}

impl Booking<'_> {
    /// When the connection ended and why, as the record says; nothing if it is up.
    pub(super) fn end(&self) -> (Option<i64>, Option<String>) {
        match self.record.report {
            Report::Start | Report::Interim => (None, None),
            Report::Stop(cause) => (Some(self.record.happened().millis()), Some(cause_word(cause))),
        }
    }
}
