//! Ways in and ways out that races and odd routers could open: the use cases with their workers over a router in memory,
//! which does one thing at a time and lies as a test says.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/router_api.rs"]
mod router_api;
#[path = "../support/shop.rs"]
mod shop;

mod absent;
mod adopted;
mod away;
mod deaf;
mod endless;
mod held;
mod list;
mod machine;
mod overtaken;
mod reach;
mod renamed;
mod silence;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use radgram::clock::Clock;
use radgram::domain::connection::{Authentic, Notice, Record, Report, Traffic, Via};
use radgram::domain::id::AccountId;
use radgram::domain::router::NasKey;
use radgram::domain::user::UserState;
use radgram::gate::ports::{Amendment, CutOutcome, Cutter, Target};
use radgram::gate::router_api::{Active, AdmittedBy};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use shop::{ADMIN, Shop};

/// Where Ann dials from.
const HOME: &str = "203.0.113.7";

/// A router that hears no Disconnect.
struct Deaf;

#[async_trait]
impl Cutter for Deaf {
    async fn disconnect(&self, _: &Target) -> CutOutcome {
        CutOutcome::Silent
    }

    async fn change(&self, _: &Target, _: &Amendment) -> CutOutcome {
        CutOutcome::Silent
    }
}

/// The workers of a shop; they end with it.
struct Staff(#[allow(dead_code, reason = "dropped, it ends them")] DropGuard);

impl Shop {
    /// Everything runs, but RADIUS and Telegram.
    fn opens(&self) -> Staff {
        self.opens_with(Arc::new(Deaf))
    }

    /// The same with another way to cut.
    fn opens_with(&self, cutter: Arc<dyn Cutter>) -> Staff {
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        self.gate.start(&tracker, &cancel);
        self.gate.start_reaching(Arc::new(self.api.clone()), &tracker, &cancel);
        self.gate.start_enforcing(cutter, &tracker, &cancel);
        Staff(cancel.drop_guard())
    }

    /// Ann, approved, with the account `ann`.
    async fn hires_ann(&self) -> AccountId {
        let user = self.gate.add_user(&ADMIN, 1001, "Ann Lee", UserState::Approved).await.unwrap();
        self.gate.add_account(&ADMIN, "ann", Some(user), None).await.unwrap()
    }

    async fn grants(&self, account: AccountId) {
        self.gate.grant_session(&ADMIN, account, Duration::from_secs(3600)).await.unwrap();
    }

    async fn ends(&self, account: AccountId) {
        let session = self.store.reader().open_session(account).await.unwrap().unwrap();
        self.gate.end_session(&ADMIN, session.id).await.unwrap();
    }

    /// Waits until what is asked of the store is so.
    async fn waits<F: Future<Output = bool>>(&self, what: &str, mut so: impl FnMut() -> F) {
        let patience = tokio::time::Instant::now() + Duration::from_secs(30);
        while !so().await {
            assert!(tokio::time::Instant::now() < patience, "never came true: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until nothing is pending on the router.
    async fn settles(&self) {
        self.waits("nothing is pending on the router", || async {
            let reader = self.store.reader();
            reader.pending_wants().await.unwrap().is_empty() && reader.pending_cuts().await.unwrap().is_empty()
        })
        .await;
    }

    /// So much time passes, and a quarter of a minute more; the router is looked at meanwhile and afterwards.
    async fn passes(&self, seconds: u64) {
        for seconds in [seconds, 15] {
            let looks = self.api.looks();
            self.clock.advance(Duration::from_secs(seconds));
            self.until("the router is looked at", || self.api.looks() > looks).await;
        }
    }

    /// Accounting tells of a connection of the account `ann` that brings no Class.
    async fn hears(&self, nas: NasKey, acct_session_id: &str, authentic: Authentic) {
        let record = Record {
            report: Report::Start,
            nas,
            acct_session_id: acct_session_id.to_owned(),
            user_name: b"ann".to_vec(),
            class: None,
            station: Some(HOME.to_owned()),
            nas_ip: None,
            framed_ip: None,
            server: None,
            authentic,
            arrived: self.clock.now(),
            delay: Duration::ZERO,
            lasted: Duration::ZERO,
            traffic: Traffic::default(),
            via: Via::Radius,
        };
        self.gate.report(Notice::Connection(Box::new(record))).unwrap().await.unwrap();
    }

    /// A box behind the router `office`.
    fn nas(&self, address: [u8; 4], identifier: &str) -> NasKey {
        NasKey { router: self.office, address: address.into(), identifier: identifier.to_owned() }
    }

    async fn open_connections(&self) -> i64 {
        self.store.reader().open_connection_count().await.unwrap()
    }
}

/// A row of `/ppp/active`, up for a minute.
fn active(name: &str, acct_session_id: &str) -> Active {
    Active {
        acct_session_id: acct_session_id.to_owned(),
        name: name.as_bytes().to_vec(),
        service: "l2tp".to_owned(),
        caller: Some(HOME.to_owned()),
        address: Some([10, 8, 0, 5].into()),
        uptime: Duration::from_secs(60),
        admitted: AdmittedBy::Secret,
        octets: None,
    }
}
