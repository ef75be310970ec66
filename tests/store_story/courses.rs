//! Courses: records that are booked as one leave what they leave one by one.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use radgram::clock::Timestamp;
use radgram::domain::connection::{Authentic, Record, Report, Traffic, Via};
use radgram::domain::id::{AccountId, ConnectionId, NasId, RouterId, SessionId};
use radgram::domain::router::NasKey;
use radgram::store::booking::{Booking, Course};
use radgram::store::connection::{ClassSeen, Connection};
use radgram::store::cut::NewCut;

use super::{Story, at};

/// Connections that are told of.
const CONNECTIONS: usize = 150;
/// Records of one.
const RECORDS: usize = 6;

/// A record, without whose it is.
#[derive(Debug, Clone)]
struct Told {
    report: Report,
    /// Seconds after the one before, and how old the news is.
    after: u64,
    delay: u64,
    lasted: u64,
    octets: u64,
    framed_ip: Option<u8>,
    station: bool,
}

fn told() -> impl Strategy<Value = Told> {
    let report = prop_oneof![
        3 => Just(Report::Start),
        6 => Just(Report::Interim),
        2 => Just(Report::Stop(Some(1))),
        1 => Just(Report::Stop(None)),
    ];
    let after = prop_oneof![8 => 0..90_u64, 1 => 250..400_u64];
    let lasted = prop_oneof![3 => 0..10_u64, 3 => 50..70_u64, 1 => 200..700_u64];
    let framed_ip = prop_oneof![2 => Just(None), 3 => Just(Some(5)), 1 => Just(Some(6))];
    (report, after, 0..20_u64, lasted, 0..9_u64, framed_ip, prop::bool::weighted(0.9)).prop_map(
        |(report, after, delay, lasted, octets, framed_ip, station)| Told {
            report,
            after,
            delay,
            lasted,
            octets,
            framed_ip,
            station,
        },
    )
}

/// What is left of what was told.
struct Left {
    rows: Vec<Connection>,
    /// Of which their session has yet to hear: Acct-Session-Id, start and end.
    fresh: HashSet<(String, Timestamp, Option<Timestamp>)>,
    /// What is still to be cut.
    cuts: Vec<String>,
}

/// A router that is told it all.
struct Books {
    router: RouterId,
    nas: NasId,
    account: AccountId,
    session: SessionId,
    records: Vec<Vec<Record>>,
}

impl Books {
    async fn of(story: &Story, address: &str, name: &str, told: &[Vec<Told>]) -> Self {
        let (router, nas) = story.router(address).await;
        let (_, account) = story.account(name).await;
        let session = story.session(account).await.id;
        let address: IpAddr = address.parse().unwrap();
        let records = told.iter().enumerate().map(|(number, told)| {
            let mut arrived = at(1_000);
            let record = |told: &Told| {
                arrived = arrived + Duration::from_secs(told.after);
                Record {
                    report: told.report,
                    nas: NasKey { router, address, identifier: "office".to_owned() },
                    acct_session_id: format!("815{number:05x}"),
                    user_name: name.as_bytes().to_vec(),
                    class: None,
                    station: told.station.then(|| "203.0.113.7".to_owned()),
                    nas_ip: None,
                    framed_ip: told.framed_ip.map(|last| IpAddr::from([10, 8, 0, last])),
                    server: None,
                    authentic: Authentic::Radius,
                    arrived,
                    delay: Duration::from_secs(told.delay),
                    lasted: Duration::from_secs(told.lasted),
                    traffic: Traffic { input_octets: told.octets, output_packets: told.octets, ..Traffic::default() },
                    via: Via::Radius,
                }
            };
            told.iter().map(record).collect()
        });
        Self { router, nas, account, session, records: records.collect() }
    }

    fn booking<'r>(&self, record: &'r Record) -> Booking<'r> {
        let (account, session) = (Some(self.account), Some(self.session));
        Booking { record, nas: self.nas, account, session, class: ClassSeen::Ours }
    }

    async fn want_cuts(&self, story: &Story) {
        let mut tx = story.tx().await;
        for records in &self.records {
            let cut = NewCut {
                nas: self.nas,
                connection: None,
                session: None,
                acct_session_id: &records[0].acct_session_id,
                user_name: b"ann",
                nas_ip: None,
                framed_ip: None,
                why: "revoked",
            };
            tx.want_cut(&cut, at(0)).await.unwrap();
        }
        tx.commit(at(0)).await.unwrap();
    }

    async fn book_one_by_one(&self, story: &Story) {
        let mut tx = story.tx().await;
        for record in self.records.iter().flatten() {
            tx.book(&self.booking(record)).await.unwrap();
        }
        tx.commit(at(9_000)).await.unwrap();
    }

    /// All connections side by side, each as far as one course goes; then again with what is left. Gives how many records
    /// went into courses, and how many courses there were.
    async fn book_by_courses(&self, story: &Story) -> (usize, usize) {
        let mut left: Vec<&[Record]> = self.records.iter().map(Vec::as_slice).collect();
        let (mut records, mut all) = (0, 0);
        loop {
            let mut courses = Vec::new();
            for rest in &mut left {
                let Some((first, more)) = rest.split_first() else { continue };
                let mut course = Course::of(self.booking(first));
                let count = more.iter().take_while(|record| course.take(record)).count();
                (*rest, records) = (&more[count..], records + 1 + count);
                courses.push(course);
            }
            if courses.is_empty() {
                return (records, all);
            }
            all += courses.len();
            let mut tx = story.tx().await;
            tx.book_all(&courses).await.unwrap();
            tx.commit(at(9_000)).await.unwrap();
        }
    }

    /// What is left of it all, as far as it does not depend on the router.
    async fn left(&self, story: &Story) -> Left {
        let mut tx = story.tx().await;
        let fresh = tx.fresh_connections(Some(self.account)).await.unwrap();
        let fresh = fresh.into_iter().map(|row| (row.acct_session_id, row.started_at, row.ended_at));
        let rows = story.store.reader().connections().await.unwrap();
        let rows = rows.into_iter().filter(|row| row.router == self.router).map(|row| Connection {
            id: ConnectionId(0),
            nas: NasId(0),
            router: RouterId(0),
            user_name: Vec::new(),
            account: None,
            session: None,
            ..row
        });
        let cuts = story.store.reader().pending_cuts().await.unwrap();
        let cuts = cuts.into_iter().filter(|cut| cut.nas == self.nas).map(|cut| cut.acct_session_id);
        let (mut rows, fresh, mut cuts): (Vec<_>, _, Vec<_>) = (rows.collect(), fresh.collect(), cuts.collect());
        rows.sort_by_key(|row| (row.acct_session_id.clone(), row.started_at, row.ended_at));
        cuts.sort();
        Left { rows, fresh, cuts }
    }
}

on_both! {
    async fn a_course_leaves_what_its_records_leave_one_by_one(story: Story) {
        let mut runner = TestRunner::deterministic();
        let one = prop::collection::vec(told(), 1..=RECORDS);
        let told: Vec<Vec<Told>> = (0..CONNECTIONS).map(|_| one.new_tree(&mut runner).unwrap().current()).collect();
        let single = Books::of(story, "192.0.2.1", "ann", &told).await;
        let together = Books::of(story, "192.0.2.2", "bob", &told).await;
        for books in [&single, &together] {
            books.want_cuts(story).await;
        }
        single.book_one_by_one(story).await;
        let (records, courses) = together.book_by_courses(story).await;
        assert!(courses * 3 < records * 2, "{records} records in {courses} courses: hardly any went together");
        let (alone, as_one) = (single.left(story).await, together.left(story).await);
        assert!(alone.rows.len() >= CONNECTIONS && !alone.cuts.is_empty());
        for (alone, as_one) in alone.rows.iter().zip(&as_one.rows) {
            let number = usize::from_str_radix(&alone.acct_session_id[3..], 16).unwrap();
            assert_eq!(as_one, alone, "{:?}", told[number]);
        }
        assert_eq!((as_one.rows.len(), &as_one.cuts), (alone.rows.len(), &alone.cuts));
        // Of what came and went in one course nobody has to hear; of all else, as before.
        let unheard: Vec<_> = alone.fresh.symmetric_difference(&as_one.fresh).collect();
        assert!(!unheard.is_empty());
        assert!(unheard.iter().all(|row| alone.fresh.contains(row) && row.2.is_some()), "{unheard:?}");
        assert!(as_one.fresh.iter().any(|row| row.2.is_some()) && as_one.fresh.iter().any(|row| row.2.is_none()));
    }
}
