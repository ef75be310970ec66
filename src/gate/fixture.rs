//! A gate with a router on a database of its own, for unit tests of what its workers do.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Gate;
use crate::clock::{SettableClock, Timestamp};
use crate::crypto::seal::{Keyring, MasterKey};
use crate::domain::audit::Actor;
use crate::domain::connection::{Authentic, Notice, Record, Report, Traffic, Via};
use crate::domain::id::RouterId;
use crate::domain::router::{Demand, NasKey, source_network};
use crate::entropy::SystemEntropy;
use crate::secret::Secret;
use crate::store::Store;
use crate::store::router::RouterForm;

/// When it begins.
pub const NOW: Timestamp = Timestamp::from_millis(1_795_428_000_000);

/// A gate on a database of its own, with a router; its workers do not run.
pub struct Site {
    folder: tempfile::TempDir,
    pub clock: Arc<SettableClock>,
    pub gate: Arc<Gate>,
    pub router: RouterId,
    pub cancel: CancellationToken,
}

impl Site {
    pub async fn new() -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(SettableClock::new(NOW)));
        let gate = gate(&folder, &clock).await;
        let form = RouterForm {
            name: "office".to_owned(),
            address: source_network("192.0.2.1").unwrap(),
            nas_identifier: None,
            coa_port: 3799,
            message_authenticator: Demand::Auto,
        };
        let router = gate.add_router(&Actor::CommandLine, &form, &Secret::new("secret")).await.unwrap();
        Self { folder, clock, gate, router, cancel: CancellationToken::new() }
    }

    pub fn start(&self) {
        self.gate.start_accounting(&TaskTracker::new(), &self.cancel);
    }

    /// As if the process had been killed and started again.
    pub async fn start_again(&mut self) {
        self.cancel.cancel();
        (self.gate, self.cancel) = (gate(&self.folder, &self.clock).await, CancellationToken::new());
        self.start();
    }

    pub fn told(&self, report: Report, number: usize) -> Record {
        Record { report, ..started(self.router, &format!("811{number:05x}")) }
    }

    pub fn report(&self, record: Record) -> oneshot::Receiver<()> {
        self.gate.report(Notice::Connection(Box::new(record))).unwrap()
    }

    pub async fn open(&self) -> i64 {
        self.gate.reader().open_connection_count().await.unwrap()
    }

    pub async fn opens(&self, count: i64) {
        let all = async {
            while self.open().await != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), all).await.expect("they are booked");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

async fn gate(folder: &tempfile::TempDir, clock: &Arc<SettableClock>) -> Arc<Gate> {
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let ring = Keyring::new(MasterKey::new([7; 32]));
    let store = Store::open(&url, ring, Arc::new(SystemEntropy), NOW).await.unwrap();
    Gate::open(store, clock.clone(), Arc::new(SystemEntropy)).await.unwrap()
}

pub fn started(router: RouterId, acct_session_id: &str) -> Record {
    let address = IpAddr::from([192, 0, 2, 1]);
    Record {
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
    }
}
