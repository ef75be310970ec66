//! One router's connection as the rest of this edge sees it: ask, and wait for the answer.
//!
//! The socket belongs to a task ([`super::task`]); commands go there through a queue, and an asker that goes away has its
//! command cancelled on the router.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::fault::unreachable;
use super::hello::unfinished_fault;
use super::pace::{Pace, QUEUE};
use super::user_manager::Generation;
use crate::domain::api::Api;
use crate::gate::router_api::{ApiFault, ApiState};
use crate::proto::routeros::{Row, Sentence, Unfinished};

/// What was made of the rows, and what stood in `=ret=`.
pub(super) type Answer<T> = (Vec<T>, Option<Vec<u8>>);

/// How soon an order wants a connection where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Haste {
    /// Somebody waits who may have mended a refused log-in a moment ago.
    Now,
    /// Not sooner than a refused log-in may be tried again.
    Usual,
}

/// One command on its way to the task, with what becomes of its answer.
pub(super) struct Order {
    pub(super) command: Sentence,
    pub(super) sink: Box<dyn Sink>,
    pub(super) haste: Haste,
}

/// Where an answer goes.
pub(super) trait Sink: Send {
    /// Takes a row.
    fn row(&mut self, row: Row);
    /// Takes the end of the command.
    fn finish(self: Box<Self>, end: Result<Option<Vec<u8>>, Unfinished>);
    /// Takes that there will be no answer.
    fn fail(self: Box<Self>, fault: ApiFault);
    /// Whether nobody waits any more.
    fn is_closed(&self) -> bool;
}

/// What the task and those who ask it share.
pub(super) struct Shared {
    pub(super) state: watch::Sender<ApiState>,
    /// How often the router said that its connections changed.
    pub(super) changes: watch::Sender<u64>,
    /// Whether somebody wants to know when connections change.
    pub(super) listen: AtomicBool,
    /// An asker went away, or wants to listen.
    pub(super) look: Notify,
    /// What was learnt of the router on this connection.
    pub(super) known: Mutex<Known>,
    pub(super) stop: CancellationToken,
}

/// What is learnt of a router once for each connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Which User Manager it has: not looked yet, none, or this.
    pub(super) user_manager: Option<Option<Generation>>,
    /// The customer to whom accounts of an old User Manager belong.
    pub(super) customer: Option<String>,
}

impl Shared {
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self {
            state: watch::Sender::new(ApiState::Connecting),
            changes: watch::Sender::new(0),
            listen: AtomicBool::new(false),
            look: Notify::new(),
            known: Mutex::default(),
            stop,
        }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A router's connection.
pub(super) struct Link {
    pub(super) api: Api,
    pub(super) pace: Pace,
    pub(super) shared: Arc<Shared>,
    pub(super) orders: mpsc::Sender<Order>,
}

impl Link {
    /// A link and the queue that its task is to work on.
    pub(super) fn new(api: Api, pace: Pace, stop: CancellationToken) -> (Self, mpsc::Receiver<Order>) {
        let (orders, queue) = mpsc::channel(QUEUE);
        (Self { api, pace, shared: Arc::new(Shared::new(stop)), orders }, queue)
    }

    /// How the connection stands.
    pub(super) fn state(&self) -> ApiState {
        self.shared.state.borrow().clone()
    }

    /// The router is called so by now.
    pub(super) fn is_called(&self, name: String) {
        self.shared.state.send_if_modified(|state| match state {
            ApiState::Up { identity, .. } if *identity != name => {
                *identity = name;
                true
            }
            ApiState::Up { .. } | ApiState::Off | ApiState::Connecting | ApiState::Failing { .. } => false,
        });
    }

    /// What `read` makes of each row of an answer, as the rows come.
    pub(super) async fn rows<T: Send + 'static>(
        &self,
        command: Sentence,
        read: impl FnMut(&Row) -> Option<T> + Send + 'static,
    ) -> Result<Vec<T>, ApiFault> {
        Ok(self.ask(command, Haste::Usual, read).await?.0)
    }

    /// Every row of an answer as text. No password is among what is asked for, or it would be text.
    pub(super) async fn texts(&self, command: Sentence) -> Result<Vec<BTreeMap<String, String>>, ApiFault> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.rows(command, move |row| Some(row.values().map(|(name, value)| (text(name), text(value))).collect())).await
    }

    /// Does something; gives what stands in `=ret=`.
    pub(super) async fn act(&self, command: Sentence) -> Result<Option<Vec<u8>>, ApiFault> {
        Ok(self.ask(command, Haste::Usual, |_| None::<()>).await?.1)
    }

    /// Asks. Ends when the router's answer does, when the connection does, or never: the caller limits the wait, and its
    /// going away cancels the command.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        command: Sentence,
        haste: Haste,
        read: impl FnMut(&Row) -> Option<T> + Send + 'static,
    ) -> Result<Answer<T>, ApiFault> {
        let (answer, end) = oneshot::channel();
        let menu = menu_of(&command);
        let sink = Box::new(Collected { read, menu, found: Vec::new(), answer });
        self.orders.try_send(Order { command, sink, haste }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => unreachable("busy: too many commands wait for it"),
            mpsc::error::TrySendError::Closed(_) => let_go(),
        })?;
        let mut leaving = Leaving { shared: &self.shared, answered: false };
        let answer = end.await;
        leaving.answered = true;
        answer.unwrap_or_else(|_| Err(let_go()))
    }

    /// Waits until the router says that its connections changed, or this link is let go.
    pub(super) async fn changed(&self) {
        let mut changes = self.shared.changes.subscribe();
        self.shared.listen.store(true, Ordering::Relaxed);
        self.shared.look.notify_one();
        tokio::select! {
            _ = changes.changed() => {}
            () = self.shared.stop.cancelled() => {}
        }
    }
}

fn let_go() -> ApiFault {
    unreachable("the connection was let go")
}

/// The command's path without its verb.
fn menu_of(command: &Sentence) -> String {
    let path = String::from_utf8_lossy(command.first());
    path.rsplit_once('/').map_or_else(|| path.to_string(), |(menu, _)| menu.to_owned())
}

/// Lets the task look for askers that are gone, when one goes without its answer.
struct Leaving<'a> {
    shared: &'a Shared,
    answered: bool,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.shared.look.notify_one();
        }
    }
}

/// What is kept of an answer: each row as it is read, not the row.
struct Collected<T, F> {
    read: F,
    menu: String,
    found: Vec<T>,
    answer: oneshot::Sender<Result<Answer<T>, ApiFault>>,
}

impl<T: Send, F: FnMut(&Row) -> Option<T> + Send> Sink for Collected<T, F> {
    fn row(&mut self, row: Row) {
        self.found.extend((self.read)(&row));
    }

    fn finish(self: Box<Self>, end: Result<Option<Vec<u8>>, Unfinished>) {
        let Self { menu, found, answer, .. } = *self;
        // Who does not wait any more needs no answer.
        let _ = answer.send(end.map(|ret| (found, ret)).map_err(|unfinished| unfinished_fault(&menu, unfinished)));
    }

    fn fail(self: Box<Self>, fault: ApiFault) {
        let _ = self.answer.send(Err(fault));
    }

    fn is_closed(&self) -> bool {
        self.answer.is_closed()
    }
}
