//! A stand-in for the gate that records the updates it was handed.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part of it, and fails by panicking")]

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use radgram::gate::ports::{Incoming, NotHandled, Toast, Updates};
use tokio::sync::watch;

/// Records updates; each id counts once, as in the gate.
pub struct Recorder {
    handed: watch::Sender<Vec<Incoming>>,
    seen: Mutex<HashSet<i64>>,
    leads: watch::Sender<bool>,
    failures: Mutex<u32>,
    toast: Option<String>,
}

/// A wait fails after this long.
const PATIENCE: Duration = Duration::from_secs(20);

impl Recorder {
    /// Leads, fails nothing, and answers presses with `toast`.
    pub fn new(toast: Option<&str>) -> Self {
        Self {
            handed: watch::Sender::new(Vec::new()),
            seen: Mutex::default(),
            leads: watch::Sender::new(true),
            failures: Mutex::new(0),
            toast: toast.map(str::to_owned),
        }
    }

    /// The next `n` updates are not handled.
    pub fn fails(&self, n: u32) {
        *self.failures.lock().unwrap() = n;
    }

    /// Whether it may poll.
    pub fn leads(&self, leads: Leads) {
        self.leads.send_replace(leads == Leads::Yes);
    }

    /// Every update handed over so far, in order, repeated ones and failed ones included.
    pub fn handed(&self) -> Vec<Incoming> {
        self.handed.borrow().clone()
    }

    /// Waits until `n` updates were handed over.
    pub async fn wait_for(&self, n: usize) -> Vec<Incoming> {
        let mut handed = self.handed.subscribe();
        match tokio::time::timeout(PATIENCE, handed.wait_for(|all| all.len() >= n)).await {
            Ok(all) => all.unwrap().clone(),
            Err(_) => panic!("{n} updates were awaited, these came: {:#?}", self.handed()),
        }
    }
}

/// Whether an instance leads.
#[derive(PartialEq, Eq)]
pub enum Leads {
    /// It does.
    Yes,
    /// Another one does.
    No,
}

#[async_trait]
impl Updates for Recorder {
    async fn may_poll(&self) -> bool {
        *self.leads.borrow()
    }

    async fn next_update(&self) -> Result<Option<i64>, NotHandled> {
        Ok(self.seen.lock().unwrap().iter().max().map(|id| id + 1))
    }

    async fn handle(&self, update: Incoming) -> Result<Option<Toast>, NotHandled> {
        let id = update.update_id;
        self.handed.send_modify(|all| all.push(update));
        {
            let mut failures = self.failures.lock().unwrap();
            if *failures > 0 {
                *failures -= 1;
                return Err(NotHandled("the database does not answer".to_owned()));
            }
        }
        let fresh = self.seen.lock().unwrap().insert(id);
        Ok(self.toast.clone().filter(|_| fresh).map(|text| Toast { text }))
    }
}
