//! What goes wrong with the API, and with the router behind it, when a test says so. All of it works on a running router.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use super::{End, follow};
use crate::sim::router::{Inner, lock};

/// Whether bytes move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Flow {
    #[default]
    Runs,
    /// Nothing is read, done or written.
    Stalled,
    /// Everything is read, nothing is done or written.
    Deaf,
}

/// What happens to one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    /// The connection goes before the command is done.
    DropBefore,
    /// The command is done, then the connection goes without an answer.
    DropAfter,
    /// `!fatal` where the answer would have gone on.
    Fatal,
    /// The answer waits until another command was answered.
    AnswerLate,
    /// The rows that it names are gone when it comes to them.
    RowsVanish,
}

/// What is to go wrong.
#[derive(Default)]
pub(super) struct Plans {
    pub(super) flow: watch::Sender<Flow>,
    down: AtomicBool,
    mishaps: Mutex<Vec<(String, Mishap)>>,
    pub(super) hidden: Mutex<BTreeSet<String>>,
    pub(super) taken: Mutex<BTreeSet<String>>,
}

impl Plans {
    pub(super) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// What happens to a command, by its words; each mishap happens once.
    pub(super) fn mishap(&self, words: &str) -> Option<Mishap> {
        let mut mishaps = lock(&self.mishaps);
        let place = mishaps.iter().position(|(text, _)| words.contains(text))?;
        Some(mishaps.remove(place).1)
    }

    /// Whether a menu is made to be missing.
    pub(super) fn hides(&self, menu: &str) -> bool {
        lock(&self.hidden)
            .iter()
            .any(|hidden| menu.strip_prefix(hidden).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }
}

/// The switches. A command is named by any part of its words: `/ppp/secret/set`, `=.id=*3`, `=disabled=yes`.
#[derive(Clone)]
pub struct ApiFaults {
    pub(in crate::sim::router) router: Arc<Inner>,
}

impl ApiFaults {
    fn plans(&self) -> &Plans {
        &self.router.api.plans
    }

    fn plan(&self, command: &str, mishap: Mishap) {
        lock(&self.plans().mishaps).push((command.to_owned(), mishap));
    }

    /// Closes both ports and every connection, until [`ApiFaults::come_up`].
    pub fn go_down(&self) {
        self.plans().down.store(true, Ordering::Relaxed);
        follow(&self.router);
        self.router.api.end_lines(End::Closed);
    }

    /// Opens the same ports again.
    pub fn come_up(&self) {
        self.plans().down.store(false, Ordering::Relaxed);
        follow(&self.router);
    }

    /// Ends every connection by a TCP reset.
    pub fn reset_connections(&self) {
        self.router.api.end_lines(End::Reset);
    }

    /// From now on nothing is read, done or answered on any connection, until [`ApiFaults::release`].
    pub fn stall(&self) {
        self.plans().flow.send_replace(Flow::Stalled);
    }

    /// The same for so long by the clock of the machine.
    pub fn stall_for(&self, time: Duration) {
        self.stall();
        let faults = self.clone();
        self.router.spawn(async move {
            tokio::time::sleep(time).await;
            faults.release();
        });
    }

    /// From now on commands are read and neither done nor answered, as through a half-open connection, until
    /// [`ApiFaults::release`].
    pub fn go_deaf(&self) {
        self.plans().flow.send_replace(Flow::Deaf);
    }

    /// Ends [`ApiFaults::stall`] and [`ApiFaults::go_deaf`].
    pub fn release(&self) {
        self.plans().flow.send_replace(Flow::Runs);
    }

    /// The next such command loses its connection before it is done.
    pub fn drop_before(&self, command: &str) {
        self.plan(command, Mishap::DropBefore);
    }

    /// The next such command is done; its connection is lost before the answer.
    pub fn drop_after(&self, command: &str) {
        self.plan(command, Mishap::DropAfter);
    }

    /// The next such command is done; `!fatal` comes in the middle of its answer.
    pub fn fatal_during(&self, command: &str) {
        self.plan(command, Mishap::Fatal);
    }

    /// The answer to the next such command comes after that to another one on the same connection.
    pub fn answer_late(&self, command: &str) {
        self.plan(command, Mishap::AnswerLate);
    }

    /// The rows that the next such command names are gone when it comes to them.
    pub fn vanish_before(&self, command: &str) {
        self.plan(command, Mishap::RowsVanish);
    }

    /// Makes a menu and all below it missing: `/user-manager`.
    pub fn hide_menu(&self, menu: &str) {
        lock(&self.plans().hidden).insert(menu.to_owned());
    }

    /// Ends [`ApiFaults::hide_menu`].
    pub fn show_menu(&self, menu: &str) {
        lock(&self.plans().hidden).remove(menu);
    }

    /// Takes a policy from everyone: `write`.
    pub fn take_right(&self, policy: &str) {
        lock(&self.plans().taken).insert(policy.to_owned());
    }

    /// Ends [`ApiFaults::take_right`].
    pub fn give_right(&self, policy: &str) {
        lock(&self.plans().taken).remove(policy);
    }

    /// Sets the router's clock so many seconds ahead, or behind: dates are shown wrong, lengths of time stay right.
    pub fn skew_clock(&self, seconds: i64) {
        lock(&self.router.state).skew_ms = seconds.saturating_mul(1000);
    }
}
