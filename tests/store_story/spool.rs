//! The spool: what was put down is read as it was, by its owner, and once.

use std::net::IpAddr;
use std::time::Duration;

use radgram::domain::connection::{Authentic, Notice, Record, Report, Traffic, Via};
use radgram::domain::id::RouterId;
use radgram::domain::router::NasKey;
use radgram::store::spool::Place;
use radgram::store::{Store, StoreError};
use sqlx::AnyPool;

use super::{KEY, Story, at, open};

fn key() -> NasKey {
    NasKey { router: RouterId(3), address: "2001:db8::1".parse().unwrap(), identifier: "Büro\u{1F512}".to_owned() }
}

/// One of each kind, with everything and with nothing in it.
fn notices() -> Vec<Notice> {
    let bare = Record {
        report: Report::Start,
        nas: key(),
        acct_session_id: String::new(),
        user_name: vec![0, 0xff, b'a'],
        class: None,
        station: None,
        nas_ip: None,
        framed_ip: None,
        server: None,
        authentic: Authentic::Radius,
        arrived: at(10),
        delay: Duration::ZERO,
        lasted: Duration::ZERO,
        traffic: Traffic::default(),
        via: Via::Radius,
    };
    let full = Record {
        report: Report::Stop(Some(u32::MAX)),
        acct_session_id: "81500001".to_owned(),
        class: Some(vec![1, 0, 2]),
        station: Some("AA:BB:CC:00:11:22".to_owned()),
        nas_ip: Some(IpAddr::from([192, 0, 2, 1])),
        framed_ip: Some("2001:db8::7".parse().unwrap()),
        server: Some(IpAddr::from([127, 0, 0, 1])),
        authentic: Authentic::Local,
        delay: Duration::from_secs(7),
        lasted: Duration::from_secs(u64::from(u32::MAX)),
        traffic: Traffic { input_octets: u64::MAX, output_octets: 1, input_packets: 2, output_packets: u64::MAX },
        via: Via::Api,
        ..bare.clone()
    };
    let more = [Report::Interim, Report::Stop(None)].map(|report| Record { report, ..bare.clone() });
    let records = [bare, full].into_iter().chain(more).map(|record| Notice::Connection(Box::new(record)));
    records.chain([Notice::NasOn(key(), at(1)), Notice::NasOff(key(), at(2))]).collect()
}

impl Story {
    async fn spool(&self, owner: &str, notices: &[Notice], seconds: u64) -> Place {
        let mut tx = self.tx().await;
        let row = tx.spool(owner, notices.iter(), at(seconds)).await.unwrap();
        tx.commit(at(seconds)).await.unwrap();
        row
    }

    /// The rows that `owner` finds.
    async fn spooled(&self, owner: &str, abandoned: u64) -> Vec<Place> {
        let mut tx = self.tx().await;
        let rows = tx.spooled(owner, at(abandoned), 10).await.unwrap();
        // What it held is free when this returns, not some time later.
        tx.commit(at(abandoned)).await.unwrap();
        rows.into_iter().map(|row| row.place).collect()
    }
}

fn id(place: Place) -> i64 {
    let (Place::Table(id) | Place::File(id)) = place;
    id
}

on_both! {
    async fn what_is_put_down_is_read_as_it_was_and_taken_away_once(story: Story) {
        let row = story.spool("one", &notices(), 0).await;
        let mut tx = story.tx().await;
        let found = tx.spooled("one", at(0), 10).await.unwrap().pop().unwrap();
        assert_eq!((found.place, found.notices().unwrap()), (row, notices()));
        tx.unspool(&[row]).await.unwrap();
        tx.commit(at(1)).await.unwrap();
        assert!(story.spooled("one", 0).await.is_empty());
        let again = story.tx().await.unspool(&[row]).await;
        assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
    }
}

on_both! {
    async fn what_is_set_aside_waits_for_the_next_start(story: Story) {
        let mut tx = story.tx().await;
        tx.set_aside("one", &notices().iter().collect::<Vec<_>>(), at(0)).await.unwrap();
        tx.commit(at(0)).await.unwrap();
        assert!(story.spooled("one", 60).await.is_empty());
        let mut tx = story.tx().await;
        tx.try_refused_again().await.unwrap();
        tx.commit(at(1)).await.unwrap();
        let mut tx = story.tx().await;
        let [row] = tx.spooled("one", at(60), 10).await.unwrap().try_into().unwrap();
        tx.set_row_aside("one", &row, at(2)).await.unwrap();
        tx.commit(at(2)).await.unwrap();
        assert!(story.spooled("one", 60).await.is_empty());
    }
}

on_both! {
    /// As after a step back to an older version.
    async fn what_cannot_be_read_is_told_apart_and_hides_nothing(story: Story) {
        let unknown = story.spool("one", &notices(), 0).await;
        let broken = story.spool("one", &notices(), 0).await;
        let good = story.spool("one", &notices(), 0).await;
        let sql = AnyPool::connect(&story.url).await.unwrap();
        sqlx::query("update spool set format = 99 where id = $1").bind(id(unknown)).execute(&sql).await.unwrap();
        sqlx::query("update spool set records = $1 where id = $2").bind(vec![9_u8, 9]).bind(id(broken)).execute(&sql).await.unwrap();
        let rows = story.tx().await.spooled("one", at(0), 10).await.unwrap();
        let read: Vec<_> = rows.iter().map(|row| (row.place, row.notices().is_ok())).collect();
        assert_eq!(read, [(unknown, false), (broken, false), (good, true)]);
    }
}

on_both! {
    async fn what_another_instance_left_is_taken_when_it_must_be_gone(story: Story) {
        let (mine, others) = (story.spool("one", &notices(), 10).await, story.spool("two", &notices(), 10).await);
        // A SQLite file has one instance at a time: the other one is gone.
        let is_shared = story.url.starts_with("postgres");
        let at_once = if is_shared { vec![mine] } else { vec![mine, others] };
        assert_eq!(story.spooled("one", 10).await, at_once);
        assert_eq!(story.spooled("one", 11).await, [mine, others]);
        if is_shared {
            let mut booking = story.tx().await;
            assert_eq!(booking.spooled("two", at(0), 10).await.unwrap().len(), 1);
            assert_eq!(story.spooled("one", 11).await, [mine], "who books it holds it");
        }
    }
}

on_both! {
    async fn what_was_put_down_is_there_after_a_restart_until_it_is_booked(story: Story) {
        let put_down = async || story.store.put_down("one", notices().iter(), at(0)).await.unwrap();
        let (first, second) = (put_down().await, put_down().await);
        let found = async |store: &Store| {
            let mut tx = store.begin().await.unwrap();
            let rows = store.spooled(&mut tx, "one", at(0), 10).await.unwrap();
            tx.commit(at(0)).await.unwrap();
            rows.into_iter().map(|row| (row.place, row.notices().unwrap())).collect::<Vec<_>>()
        };
        let again = open(&story.url, KEY).await.unwrap();
        assert_eq!(found(&again).await, [(first, notices()), (second, notices())]);
        // Booked, and the crash comes before it is taken away.
        let mut tx = again.begin().await.unwrap();
        tx.unspool(&[first, second]).await.unwrap();
        tx.commit(at(1)).await.unwrap();
        assert_eq!(found(&open(&story.url, KEY).await.unwrap()).await, []);
        again.sweep_spool(&[first, second]).await.unwrap();
        // What lies beside the database is empty now; its numbers are not given again.
        let later = open(&story.url, KEY).await.unwrap();
        let third = later.put_down("one", notices().iter(), at(2)).await.unwrap();
        assert!(third > second, "{third:?}");
        assert_eq!(found(&later).await, [(third, notices())]);
    }
}

#[tokio::test]
async fn a_file_beside_the_database_that_cannot_be_opened_is_told_at_the_start() {
    let story = Story::on_sqlite().await;
    let file = format!("{}-spool", story.url.strip_prefix("sqlite:").unwrap());
    std::fs::create_dir(&file).unwrap();
    assert!(story.store.open_for_records().await.is_err());
    std::fs::remove_dir(&file).unwrap();
    story.store.open_for_records().await.unwrap();
}
