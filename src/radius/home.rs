//! Asks home servers (RFC 2865 §2.3, RFC 5997): a bounded line to each, so that a dead one holds up nobody else.
//!
//! A server that has failed several times is not asked, but for a trial now and then; meanwhile each log-in that would
//! have gone there sends it a Status-Server, and an answer to that brings it back at once. One that does not know
//! Status-Server comes back by the trial.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::forward;
use super::home_port::{Port, Signed, Ticket};
use super::peers::Peer;
use crate::domain::account::candidates;
use crate::domain::home::{Home, HomeFault, Word};
use crate::domain::id::RouterId;
use crate::gate::Gate;
use crate::proto::radius::{Code, Opening, Packet, PacketBuilder, SharedSecret, sign};

/// Log-ins that wait for one home server at once; above it there is no answer. All fit into [`PORTS`].
const IN_FLIGHT: usize = 256;
/// Log-ins of one account that wait for it at once: passwords must not be tried faster than they are counted.
const OF_ACCOUNT: u8 = 4;
/// Ports to one home server; each has half of its 256 identifiers in flight at most.
const PORTS: usize = 4;

/// The lines to all home servers.
pub(super) struct Homes {
    gate: Arc<Gate>,
    tracker: TaskTracker,
    cancel: CancellationToken,
    lines: Mutex<HashMap<RouterId, Arc<Line>>>,
}

/// The line to one.
pub(super) struct Line {
    router: RouterId,
    home: Arc<Home>,
    signed: Signed,
    ports: Mutex<Vec<Arc<Port>>>,
    places: Arc<Semaphore>,
    accounts: Mutex<HashMap<String, u8>>,
    probing: AtomicBool,
}

impl Homes {
    pub(super) fn new(gate: Arc<Gate>, tracker: TaskTracker, cancel: CancellationToken) -> Self {
        Self { gate, tracker, cancel, lines: Mutex::default() }
    }

    /// The line to the home server of a router; another configuration is another line.
    pub(super) fn line(&self, router: RouterId, home: &Arc<Home>) -> Arc<Line> {
        let mut lines = lock(&self.lines);
        let routers = self.gate.directory().routers();
        lines.retain(|id, _| *id == router || routers.router(*id).is_some_and(|known| known.home.is_some()));
        let line = lines.entry(router).or_insert_with(|| Arc::new(Line::new(router, home.clone())));
        if line.home != *home {
            *line = Arc::new(Line::new(router, home.clone()));
        }
        line.clone()
    }

    /// Forwards a log-in, and gives what the home server says of it.
    ///
    /// # Errors
    /// It says nothing that counts; counted against it, if it is its fault.
    pub(super) async fn ask(&self, peer: &Peer, line: &Arc<Line>, asked: &[u8]) -> Result<Word, HomeFault> {
        if let Err(dead) = self.gate.may_ask_home(line.router, &line.home) {
            self.probe(line);
            return Err(dead);
        }
        let said = self.forward(peer, line, asked).await;
        match said {
            Ok(_) => self.gate.home_answered(line.router, &line.home),
            Err(fault) => {
                if matches!(fault, HomeFault::Silent | HomeFault::NotSent) {
                    // The way there may be another by now: the next one takes a new port.
                    lock(&line.ports).clear();
                }
                self.gate.home_failed(&peer.router, &line.home, fault).await;
            }
        }
        said
    }

    async fn forward(&self, peer: &Peer, line: &Line, asked: &[u8]) -> Result<Word, HomeFault> {
        let habits = self.gate.directory().habits(line.router);
        let taken = habits.home_attributes.as_ref().ok_or(HomeFault::Attributes)?;
        let asked = Packet::parse(asked).map_err(|_| HomeFault::TooLong)?;
        let authenticator = self.gate.entropy().bytes();
        let ticket = self.ticket(line, authenticator)?;
        let secret = &line.signed.secret;
        let request = forward::request(&asked, &peer.secret, secret, ticket.identifier, &authenticator);
        let request = request.map_err(|_| HomeFault::TooLong)?;
        let answer = ticket.exchange(&request, line.home.timeout).await?;
        let answer = Packet::parse(&answer).map_err(|_| HomeFault::Nonsense)?;
        let request = Packet::parse(&request).map_err(|_| HomeFault::TooLong)?;
        forward::said(&answer, &request, secret, taken).ok_or(HomeFault::Nonsense)
    }

    /// An identifier on one of the ports; another port is opened if those that there are have none.
    fn ticket(&self, line: &Line, authenticator: [u8; 16]) -> Result<Ticket, HomeFault> {
        let mut ports = lock(&line.ports);
        if let Some(ticket) = ports.iter().find_map(|port| port.take(authenticator)) {
            return Ok(ticket);
        }
        if ports.len() >= PORTS {
            return Err(HomeFault::Busy);
        }
        let port = Port::open(line.home.address, line.signed.clone(), &self.tracker, &self.cancel);
        let port = Arc::new(port.map_err(|error| {
            tracing::debug!(home = %line.home.address, %error, "no port to a home server");
            HomeFault::NotSent
        })?);
        ports.push(port.clone());
        port.take(authenticator).ok_or(HomeFault::Busy)
    }

    /// Asks a dead server whether it is there again, in the background and one question at a time.
    fn probe(&self, line: &Arc<Line>) {
        if line.probing.swap(true, Ordering::AcqRel) {
            return;
        }
        let authenticator = self.gate.entropy().bytes();
        let ticket = self.ticket(line, authenticator);
        let (gate, line, cancel) = (self.gate.clone(), line.clone(), self.cancel.clone());
        self.tracker.spawn(async move {
            if let Ok(ticket) = ticket {
                let status = status(ticket.identifier, &authenticator, &line.signed.secret);
                let answered = cancel.run_until_cancelled(ticket.exchange(&status, line.home.timeout)).await;
                if let Some(Ok(_)) = answered {
                    gate.home_answered(line.router, &line.home);
                }
            }
            line.probing.store(false, Ordering::Release);
        });
    }
}

/// Status-Server: signed, and nothing else (RFC 5997 §3).
fn status(identifier: u8, authenticator: &[u8; 16], secret: &SharedSecret) -> Vec<u8> {
    let packet = PacketBuilder::new(Code::STATUS_SERVER, identifier, Opening::MessageAuthenticator);
    sign::sign_request(packet, authenticator, secret)
}

impl Line {
    fn new(router: RouterId, home: Arc<Home>) -> Self {
        let signed = Signed {
            secret: home.secret.clone().into(),
            demand: home.message_authenticator,
            seen: Arc::new(AtomicBool::new(false)),
        };
        Self {
            router,
            home,
            signed,
            ports: Mutex::default(),
            places: Arc::new(Semaphore::new(IN_FLIGHT)),
            accounts: Mutex::default(),
            probing: AtomicBool::new(false),
        }
    }

    /// A place among the log-ins that wait, and one among those of the account.
    ///
    /// # Errors
    /// [`HomeFault::Busy`].
    pub(super) fn place(self: &Arc<Self>, user_name: &[u8]) -> Result<(OwnedSemaphorePermit, OfAccount), HomeFault> {
        let permit = self.places.clone().try_acquire_owned().map_err(|_| HomeFault::Busy)?;
        let name = candidates(user_name).into_iter().next().unwrap_or_default();
        let mut accounts = lock(&self.accounts);
        let count = accounts.entry(name.clone()).or_default();
        if *count >= OF_ACCOUNT {
            return Err(HomeFault::Busy);
        }
        *count += 1;
        Ok((permit, OfAccount { line: self.clone(), name }))
    }
}

/// One of the places of an account, free again when it is dropped.
pub(super) struct OfAccount {
    line: Arc<Line>,
    name: String,
}

impl Drop for OfAccount {
    fn drop(&mut self) {
        let mut accounts = lock(&self.line.accounts);
        if let Some(count) = accounts.get_mut(&self.name) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                accounts.remove(&self.name);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
