//! Connections as accounting books them, whatever comes late, twice, or not at all; and the cuts that they settle.

use std::net::IpAddr;
use std::time::Duration;

use radgram::clock::Timestamp;
use radgram::domain::connection::{Authentic, Presence, Record, Report, Traffic, Via};
use radgram::domain::id::{AccountId, ConnectionId, NasId, RouterId, SessionId};
use radgram::domain::router::NasKey;
use radgram::domain::session::{EndReason, Session, State};
use radgram::store::StoreError;
use radgram::store::booking::Booking;
use radgram::store::connection::{ClassSeen, Connection};
use radgram::store::cut::NewCut;
use radgram::store::hearing::Seen;

use super::{START, Story, at};

const ID: &str = "81500001";
const ADDRESS: &str = "192.0.2.1";
const USER_REQUEST: Report = Report::Stop(Some(1));

/// A router whose accounting is booked.
struct Books<'a> {
    story: &'a Story,
    router: RouterId,
    nas: NasId,
    account: AccountId,
    session: SessionId,
}

impl<'a> Books<'a> {
    async fn of(story: &'a Story) -> Self {
        let (router, nas) = story.router(ADDRESS).await;
        let (_, account) = story.account("ann").await;
        let session = story.session(account).await.id;
        Self { story, router, nas, account, session }
    }

    /// A record of the connection [`ID`] that lasted so many seconds, arriving now.
    fn record(&self, report: Report, arrived: Timestamp, lasted: u64) -> Record {
        let address: IpAddr = ADDRESS.parse().unwrap();
        let octets = lasted * 1_000_000_000;
        Record {
            report,
            nas: NasKey { router: self.router, address, identifier: "office".to_owned() },
            acct_session_id: ID.to_owned(),
            user_name: b"ann".to_vec(),
            class: None,
            station: Some("203.0.113.7".to_owned()),
            nas_ip: Some(address),
            framed_ip: None,
            server: None,
            authentic: Authentic::Radius,
            arrived,
            delay: Duration::ZERO,
            lasted: Duration::from_secs(lasted),
            traffic: Traffic { input_octets: octets, output_octets: octets, input_packets: 1, output_packets: 1 },
            via: Via::Radius,
        }
    }

    async fn book(&self, record: &Record) {
        let (account, session) = (Some(self.account), Some(self.session));
        let booking = Booking { record, nas: self.nas, account, session, class: ClassSeen::Ours };
        let mut tx = self.story.tx().await;
        tx.book(&booking).await.unwrap();
        tx.commit(record.arrived).await.unwrap();
    }

    /// A record is booked, and its session has heard of it.
    async fn books(&self, report: Report, arrived: Timestamp, lasted: u64) {
        self.book(&self.record(report, arrived, lasted)).await;
    }

    async fn rows(&self) -> Vec<Connection> {
        self.story.store.reader().connections().await.unwrap()
    }

    #[track_caller]
    fn only(rows: Vec<Connection>) -> Connection {
        let [row] = rows.try_into().expect("one row");
        row
    }

    async fn row(&self) -> Connection {
        Self::only(self.rows().await)
    }
}

on_both! {
    async fn a_connection_outlives_its_session_and_goes_with_its_router(story: Story) {
        let books = Books::of(story).await;
        let session = story.session_row(books.session).await;
        let ended = Session { state: State::Ended { reason: EndReason::ByOperator, at: at(10) }, ..session };
        let mut tx = story.tx().await;
        tx.save_session(&ended, at(10), at(10)).await.unwrap();
        assert_eq!(tx.prune_sessions(at(11)).await.unwrap(), 1);
        tx.commit(at(11)).await.unwrap();
        // Its Start and Stop come late: what they tell is kept, with the number of a session that is no other's.
        books.books(Report::Start, at(20), 15).await;
        let row = books.row().await;
        assert_eq!((row.account, row.session), (Some(books.account), Some(books.session)));
        let mut tx = story.tx().await;
        tx.delete_router(books.router).await.unwrap();
        tx.commit(at(30)).await.unwrap();
        assert_eq!(books.rows().await, []);
    }
}

on_both! {
    async fn what_is_open_when_its_account_is_deleted_is_nobodys_and_what_ended_keeps_its_number(story: Story) {
        let books = Books::of(story).await;
        let numbered = |number: u32| format!("8150000{number}");
        // The first has ended and its session has heard of that; of the second's end it has not; the third is open.
        for number in 1..=3 {
            let of = |report, arrived| Record { acct_session_id: numbered(number), ..books.record(report, arrived, 0) };
            books.book(&of(Report::Start, at(10))).await;
            if number < 3 {
                books.book(&of(USER_REQUEST, at(20))).await;
            }
        }
        let numbers = |rows: Vec<Connection>| {
            let mut numbers: Vec<_> = rows.into_iter().map(|row| (row.acct_session_id, row.account)).collect();
            numbers.sort_unstable();
            numbers
        };
        let first = books.rows().await.into_iter().find(|row| row.acct_session_id == numbered(1)).unwrap();
        let mut tx = story.tx().await;
        tx.mark_heard(&[first.id]).await.unwrap();
        tx.delete_account(books.account).await.unwrap();
        tx.commit(at(30)).await.unwrap();
        let deleted = [(numbered(1), Some(books.account)), (numbered(2), None), (numbered(3), None)];
        assert_eq!(numbers(books.rows().await), deleted);
        // A record that comes late is nobody's too; nobody's number is given again.
        books.book(&Record { acct_session_id: numbered(4), ..books.record(Report::Start, at(40), 0) }).await;
        assert_eq!(numbers(books.rows().await)[3], (numbered(4), None));
        let (_, next) = story.account("ann").await;
        assert!(next > books.account);
    }
}

on_both! {
    async fn a_start_opens_and_its_duplicate_changes_nothing(story: Story) {
        let books = Books::of(story).await;
        books.books(Report::Start, at(10), 0).await;
        let first = books.row().await;
        assert_eq!((first.started_at, first.ended_at, first.session), (at(10), None, Some(books.session)));
        books.books(Report::Start, at(15), 0).await;
        let again = books.row().await;
        assert_eq!(again, Connection { seen_at: at(15), ..first }, "the start is written once");
    }
}

on_both! {
    async fn an_interim_creates_what_is_missing(story: Story) {
        let books = Books::of(story).await;
        let late = Record { delay: Duration::from_secs(5), ..books.record(Report::Interim, at(125), 60) };
        books.book(&late).await;
        let row = books.row().await;
        assert_eq!((row.started_at, row.seen_at, row.ended_at), (at(60), at(125), None));
        // The Start that was thought lost comes after all.
        let start = Record { delay: Duration::from_secs(70), ..books.record(Report::Start, at(130), 0) };
        books.book(&start).await;
        assert_eq!(books.row().await.started_at, at(60));
    }
}

on_both! {
    async fn a_stop_before_its_start_is_the_whole_connection(story: Story) {
        let books = Books::of(story).await;
        books.books(USER_REQUEST, at(100), 40).await;
        let row = books.row().await;
        assert_eq!((row.started_at, row.ended_at, row.cause.as_deref()), (at(60), Some(at(100)), Some("1")));
        assert_eq!(row.traffic.input_octets, 40_000_000_000, "more than 32 bits");
        let start = Record { delay: Duration::from_secs(45), ..books.record(Report::Start, at(105), 0) };
        books.book(&start).await;
        books.books(USER_REQUEST, at(106), 40).await;
        let late = books.row().await;
        assert_eq!((late.ended_at, late.cause.as_deref()), (Some(at(100)), Some("1")), "nothing reopens it");
    }
}

on_both! {
    async fn counters_only_grow(story: Story) {
        let books = Books::of(story).await;
        books.books(Report::Start, at(0), 0).await;
        books.books(Report::Interim, at(120), 120).await;
        // The Interim of the minute before was delayed on its way.
        let older = Record { delay: Duration::from_secs(61), ..books.record(Report::Interim, at(121), 60) };
        books.book(&older).await;
        assert_eq!(books.row().await.traffic.input_octets, 120_000_000_000);
    }
}

on_both! {
    async fn a_lost_connection_is_reopened_by_its_interim(story: Story) {
        let books = Books::of(story).await;
        books.books(Report::Start, at(0), 0).await;
        let mut tx = story.tx().await;
        let silent = tx.silent_connections(at(180)).await.unwrap();
        tx.end_connection(&Books::only(silent), "lost", at(180)).await.unwrap();
        tx.commit(at(180)).await.unwrap();
        assert_eq!(books.row().await.cause.as_deref(), Some("lost"));
        books.books(Report::Interim, at(240), 240).await;
        let row = books.row().await;
        assert_eq!((row.ended_at, row.cause), (None, None));
        books.books(USER_REQUEST, at(300), 300).await;
        books.books(Report::Interim, at(301), 300).await;
        assert_eq!(books.row().await.ended_at, Some(at(300)), "what has stopped stays so");
    }
}

on_both! {
    async fn an_id_used_again_is_another_connection(story: Story) {
        let books = Books::of(story).await;
        books.books(Report::Start, at(0), 0).await;
        books.books(Report::Start, at(300), 0).await;
        assert_eq!(books.rows().await.len(), 1, "within 300 s it is the same start");
        books.books(Report::Start, at(301), 0).await;
        let [new, old] = books.rows().await.try_into().unwrap();
        assert_eq!((new.started_at, new.ended_at), (at(301), None));
        assert_eq!((old.started_at, old.cause.as_deref()), (START, Some("lost")));
        // A Stop belongs to the one whose start it tells, also when that one is closed already.
        books.books(USER_REQUEST, at(320), 19).await;
        let [new, old] = books.rows().await.try_into().unwrap();
        assert_eq!((new.cause.as_deref(), old.cause.as_deref()), (Some("1"), Some("lost")));
    }
}

on_both! {
    async fn a_reboot_closes_what_is_older(story: Story) {
        let books = Books::of(story).await;
        books.books(Report::Start, at(0), 0).await;
        let other = Record { acct_session_id: "81600001".to_owned(), ..books.record(Report::Start, at(400), 0) };
        books.book(&other).await;
        let mut tx = story.tx().await;
        assert_eq!(tx.swap_reboot_digit(books.nas, '5').await.unwrap(), None);
        assert_eq!(tx.swap_reboot_digit(books.nas, '6').await.unwrap(), Some('5'));
        assert_eq!(tx.end_all_of(books.nas, at(400), at(401)).await.unwrap(), 1);
        tx.commit(at(401)).await.unwrap();
        let [new, old] = books.rows().await.try_into().unwrap();
        assert_eq!((new.ended_at, new.acct_session_id.as_str()), (None, "81600001"));
        assert_eq!((old.ended_at, old.cause.as_deref()), (Some(at(401)), Some("reboot")));
    }
}

on_both! {
    async fn a_session_holds_its_connection_until_it_has_heard_of_the_end(story: Story) {
        let books = Books::of(story).await;
        books.books(Report::Start, at(0), 0).await;
        let id = books.row().await.id;
        let held = async || story.session_row(books.session).await.connections;
        let mut tx = story.tx().await;
        let fresh = async |after| story.store.reader().fresh_after(after).await.unwrap();
        assert_eq!(fresh(ConnectionId(0)).await, [(id, Some(books.account))]);
        assert_eq!(fresh(id).await, [], "the next are those behind it");
        tx.mark_heard(&[id]).await.unwrap();
        tx.set_presence(id, Presence::Asked { until: at(300) }, Some(at(330))).await.unwrap();
        tx.commit(at(1)).await.unwrap();
        assert_eq!(held().await.first().unwrap().presence, Presence::Asked { until: at(300) });
        assert_eq!(story.store.reader().next_unanswered().await.unwrap(), Some(at(300)));
        books.books(Report::Interim, at(60), 60).await;
        assert_eq!(story.store.reader().fresh_connection_count().await.unwrap(), 0, "an Interim is no news");
        books.books(USER_REQUEST, at(90), 90).await;
        assert_eq!(held().await.len(), 1);
        let mut tx = story.tx().await;
        assert_eq!(Books::only(tx.fresh_connections(Some(books.account)).await.unwrap()).ended_at, Some(at(90)));
        tx.mark_heard(&[id]).await.unwrap();
        tx.commit(at(91)).await.unwrap();
        assert!(held().await.is_empty());
    }
}

on_both! {
    async fn a_cut_is_wanted_once_and_until_it_is_proven(story: Story) {
        let books = Books::of(story).await;
        let cut = NewCut {
            nas: books.nas,
            connection: None,
            session: Some(books.session),
            acct_session_id: ID,
            user_name: b"ann",
            nas_ip: None,
            framed_ip: None,
            why: "late accept",
        };
        let mut tx = story.tx().await;
        tx.want_cut(&cut, at(0)).await.unwrap();
        tx.want_cut(&cut, at(1)).await.unwrap();
        tx.commit(at(1)).await.unwrap();
        let wanted = story.store.reader().due_cuts(books.router, at(1), 10).await.unwrap().pop().unwrap();
        let mut tx = story.tx().await;
        tx.retry_cut(wanted.id, "no answer", at(30)).await.unwrap();
        tx.commit(at(2)).await.unwrap();
        assert_eq!(story.store.reader().next_due_cut().await.unwrap(), Some(at(30)));
        assert_eq!(story.store.reader().routers_with_due_cuts(at(29)).await.unwrap(), []);
        assert_eq!(story.store.reader().routers_with_due_cuts(at(30)).await.unwrap(), [books.router]);

        // Its Start comes: it is tried at once, with what the Start told.
        books.books(Report::Start, at(5), 0).await;
        let id = books.row().await.id;
        let mut tx = story.tx().await;
        tx.want_cut(&NewCut { connection: Some(id), framed_ip: "10.8.0.2".parse().ok(), ..cut.clone() }, at(5)).await.unwrap();
        tx.commit(at(5)).await.unwrap();
        let [due] = story.store.reader().due_cuts(books.router, at(5), 10).await.unwrap().try_into().unwrap();
        assert_eq!((due.id, due.connection, due.tries), (wanted.id, Some(id), 1));
        assert_eq!(due.framed_ip, "10.8.0.2".parse().ok());

        books.books(USER_REQUEST, at(20), 15).await;
        assert_eq!(story.store.reader().pending_cuts().await.unwrap(), [], "the Stop proves it");
        let mut tx = story.tx().await;
        tx.want_cut(&cut, at(40)).await.unwrap();
        tx.commit(at(40)).await.unwrap();
        let [again] = story.store.reader().pending_cuts().await.unwrap().try_into().unwrap();
        assert_ne!(again.id, wanted.id, "what is done is not undone");
        let mut tx = story.tx().await;
        tx.finish_cut(again.id, "gone", at(41)).await.unwrap();
        tx.commit(at(41)).await.unwrap();
        assert_eq!(story.store.reader().next_due_cut().await.unwrap(), None);
    }
}

on_both! {
    /// A box that is called otherwise by now keeps its connections, and what is to end on it.
    async fn a_connection_goes_with_its_box(story: Story) {
        let books = Books::of(story).await;
        books.books(Report::Start, at(0), 0).await;
        let before = books.row().await;
        let mut tx = story.tx().await;
        let renamed = NasKey { router: books.router, address: ADDRESS.parse().unwrap(), identifier: "headquarters".to_owned() };
        let nas = tx.nas(&renamed, at(1)).await.unwrap().id;
        let cut = NewCut {
            nas: before.nas,
            connection: Some(before.id),
            session: Some(books.session),
            acct_session_id: ID,
            user_name: b"ann",
            nas_ip: None,
            framed_ip: None,
            why: "revoked",
        };
        tx.want_cut(&cut, at(1)).await.unwrap();
        tx.commit(at(1)).await.unwrap();

        let booked = |record: Record| {
            let account = Some(books.account);
            async move {
                let mut tx = story.tx().await;
                tx.book(&Booking { record: &record, nas, account, session: None, class: ClassSeen::None }).await.unwrap();
                tx.commit(at(60)).await.unwrap();
            }
        };
        booked(books.record(Report::Interim, at(60), 60)).await;
        let row = books.row().await;
        assert_eq!((row.id, row.nas, row.session), (before.id, nas, Some(books.session)));
        let [cut] = story.store.reader().pending_cuts().await.unwrap().try_into().unwrap();
        assert_eq!((cut.nas, cut.connection), (nas, Some(row.id)));
        booked(books.record(USER_REQUEST, at(90), 90)).await;
        assert_eq!(story.store.reader().open_connection_count().await.unwrap(), 0);
        assert_eq!(story.store.reader().pending_cuts().await.unwrap(), [], "the Stop proves it");
    }
}

on_both! {
    /// Two boxes behind one entry number alike: what may be another connection is one.
    async fn what_may_be_another_boxs_is_another_connection(story: Story) {
        let books = Books::of(story).await;
        books.books(Report::Start, at(0), 0).await;
        let unlike = [
            Record { user_name: b"bob".to_vec(), ..books.record(Report::Interim, at(60), 60) },
            Record { station: Some("203.0.113.8".to_owned()), ..books.record(Report::Interim, at(60), 60) },
            Record { acct_session_id: "81500002".to_owned(), ..books.record(Report::Interim, at(60), 60) },
            books.record(Report::Interim, at(900), 60),
            // A connection begins on the box that says so.
            books.record(Report::Start, at(60), 60),
        ];
        for (number, record) in unlike.into_iter().enumerate() {
            let mut tx = story.tx().await;
            let key = NasKey { router: books.router, address: ADDRESS.parse().unwrap(), identifier: format!("annex {number}") };
            let nas = tx.nas(&key, at(1)).await.unwrap().id;
            let account = Some(books.account);
            tx.book(&Booking { record: &record, nas, account, session: None, class: ClassSeen::None }).await.unwrap();
            let open = tx.open_connections_on(books.router).await.unwrap();
            assert_eq!(open.len(), 2, "{record:?}");
            // Dropped: the next is alone with the first again.
        }
    }
}

on_both! {
    async fn what_hearing_changes_is_written_for_many_at_once(story: Story) {
        let books = Books::of(story).await;
        books.books(Report::Start, at(0), 0).await;
        let id = books.row().await.id;
        let session = Session { state: State::Active, ends_at: Some(at(600)), ..story.session_row(books.session).await };
        let mut tx = story.tx().await;
        tx.save_heard(&[(session.clone(), at(500))], at(1)).await.unwrap();
        tx.confirm_seen(&[Seen { connection: id, at: at(1), runs_until: at(3600) }]).await.unwrap();
        tx.mark_heard(&[id]).await.unwrap();
        tx.commit(at(1)).await.unwrap();
        let written = story.session_row(books.session).await;
        assert_eq!((written.state, written.ends_at, written.until), (State::Active, Some(at(600)), session.until));
        assert_eq!(written.connections.first().unwrap().presence, Presence::Confirmed { at: at(1) });
        assert_eq!(story.store.reader().next_due_session().await.unwrap(), Some(at(500)));
        assert_eq!(story.store.reader().fresh_connection_count().await.unwrap(), 0);
        assert_eq!(books.row().await.runs_until, Some(at(3600)));
        let mut tx = story.tx().await;
        let over = Session { state: State::Ended { reason: EndReason::ByUser, at: at(2) }, ..written };
        tx.save_session(&over, at(2), at(2)).await.unwrap();
        assert!(matches!(tx.save_heard(&[(session, at(500))], at(2)).await, Err(StoreError::Conflict)));
    }
}

on_both! {
    /// A record that lay in the spool while the router's list said otherwise.
    async fn what_was_told_before_an_end_was_concluded_does_not_open_it_again(story: Story) {
        let books = Books::of(story).await;
        books.books(Report::Start, at(0), 0).await;
        let mut tx = story.tx().await;
        tx.end_connection(&books.row().await, "gone", at(100)).await.unwrap();
        tx.commit(at(100)).await.unwrap();
        books.books(Report::Interim, at(60), 60).await;
        assert_eq!(books.row().await.ended_at, Some(at(100)));
        books.books(Report::Interim, at(120), 120).await;
        assert_eq!(books.row().await.ended_at, None, "the list was wrong");
    }
}
