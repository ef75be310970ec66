//! One UDP port towards a home server: 256 identifiers, and a task that gives each answer to who waits for it
//! (RFC 2865 §3; RFC 5080 §2.1.1: a copy of a request has its identifier and authenticator).
//!
//! Only an answer that is signed with the home server's secret ends a wait; anything else is noted beside it.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::domain::home::HomeFault;
use crate::domain::router::Demand;
use crate::proto::radius::packet::PACKET_MAX_BYTES;
use crate::proto::radius::{Packet, SharedSecret, Signature, sign};

/// Requests of one port in flight: half of the identifiers, so that one that is free again rests a while.
const IN_FLIGHT: usize = 128;
/// How often the same bytes are sent.
const TRIES: usize = 2;
/// After a failure of the socket itself (the echo of a closed port, mostly) it is read again this much later.
const PAUSE: Duration = Duration::from_millis(20);

/// Whose answers a port takes.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    /// The home server's secret.
    pub(super) secret: SharedSecret,
    /// Whether a Message-Authenticator is demanded.
    pub(super) demand: Demand,
    /// Whether an answer of the server ever had one; with [`Demand::Auto`] it is demanded from then on.
    pub(super) seen: Arc<AtomicBool>,
}

impl Signed {
    fn check(&self, answer: &Packet<'_>, authenticator: &[u8; 16]) -> Result<(), HomeFault> {
        let signature = sign::check_reply(answer, authenticator, &self.secret).map_err(|_| HomeFault::Forged)?;
        match (signature, self.demand) {
            (Signature::Present, _) => {
                self.seen.store(true, Ordering::Relaxed);
                Ok(())
            }
            (Signature::Absent, Demand::Require) => Err(HomeFault::Unsigned),
            (Signature::Absent, Demand::Auto) if self.seen.load(Ordering::Relaxed) => Err(HomeFault::Unsigned),
            (Signature::Absent, Demand::Auto | Demand::Off) => Ok(()),
        }
    }
}

/// An open port; its task ends with it.
pub(super) struct Port {
    desk: Arc<Desk>,
    _stop: DropGuard,
}

struct Desk {
    socket: UdpSocket,
    signed: Signed,
    waits: Mutex<Waits>,
}

#[derive(Default)]
struct Waits {
    by_identifier: HashMap<u8, Wait>,
    next: u8,
}

struct Wait {
    authenticator: [u8; 16],
    answer: oneshot::Sender<Vec<u8>>,
    /// What is wrong with an answer that was not taken.
    fault: Option<HomeFault>,
}

impl Port {
    /// Opens a port; must be called inside the runtime.
    ///
    /// # Errors
    /// There is no way to the server, or no port is left.
    pub(super) fn open(
        server: SocketAddr,
        signed: Signed,
        tracker: &TaskTracker,
        cancel: &CancellationToken,
    ) -> io::Result<Self> {
        let any = match server.ip() {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        // Connected, so that the kernel hands in what comes from the server alone.
        let socket = std::net::UdpSocket::bind((any, 0))?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        let desk = Arc::new(Desk { socket: UdpSocket::from_std(socket)?, signed, waits: Mutex::default() });
        let stop = cancel.child_token();
        let (reading, stopped) = (desk.clone(), stop.clone());
        tracker.spawn(async move { stopped.run_until_cancelled(reading.read()).await });
        Ok(Self { desk, _stop: stop.drop_guard() })
    }

    /// An identifier for a request with this authenticator; `None` if as many are in flight as may.
    pub(super) fn take(self: &Arc<Self>, authenticator: [u8; 16]) -> Option<Ticket> {
        let mut waits = self.desk.lock();
        if waits.by_identifier.len() >= IN_FLIGHT {
            return None;
        }
        while waits.by_identifier.contains_key(&waits.next) {
            waits.next = waits.next.wrapping_add(1);
        }
        let identifier = waits.next;
        waits.next = identifier.wrapping_add(1);
        let (answer, answered) = oneshot::channel();
        waits.by_identifier.insert(identifier, Wait { authenticator, answer, fault: None });
        Some(Ticket { port: self.clone(), identifier, answered })
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self) {
        let mut buffer = vec![0; PACKET_MAX_BYTES];
        loop {
            match self.socket.recv(&mut buffer).await {
                Ok(length) => self.hand_in(buffer.get(..length).unwrap_or_default()),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    fn hand_in(&self, datagram: &[u8]) {
        let mut waits = self.lock();
        let Ok(answer) = Packet::parse(datagram) else {
            // Whoever waits may have been meant.
            waits.by_identifier.values_mut().for_each(|wait| wait.fault = Some(HomeFault::Nonsense));
            return;
        };
        let Some(wait) = waits.by_identifier.get_mut(&answer.identifier()) else { return };
        if let Err(fault) = self.signed.check(&answer, &wait.authenticator) {
            wait.fault = Some(fault);
            return;
        }
        if let Some(wait) = waits.by_identifier.remove(&answer.identifier()) {
            // Who waited may have given up a moment ago.
            let _ = wait.answer.send(answer.trimmed().to_vec());
        }
    }
}

/// An identifier of a port, free again when it is dropped.
pub(super) struct Ticket {
    port: Arc<Port>,
    /// The identifier.
    pub(super) identifier: u8,
    answered: oneshot::Receiver<Vec<u8>>,
}

impl Ticket {
    /// Sends a request of this identifier, twice if need be, and gives its answer, whose signature is right.
    ///
    /// # Errors
    /// None came in time; or what came was not signed as it must be.
    pub(super) async fn exchange(mut self, request: &[u8], wait: Duration) -> Result<Vec<u8>, HomeFault> {
        let mut fault = HomeFault::NotSent;
        for _ in 0..TRIES {
            match self.port.desk.socket.send(request).await {
                Ok(_) => fault = HomeFault::Silent,
                Err(error) => tracing::debug!(%error, "a home server was not sent to"),
            }
            if let Ok(Ok(answer)) = tokio::time::timeout(wait, &mut self.answered).await {
                return Ok(answer);
            }
        }
        let noted = self.port.desk.lock().by_identifier.get(&self.identifier).and_then(|wait| wait.fault);
        Err(noted.unwrap_or(fault))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.answered.close();
        let mut waits = self.port.desk.lock();
        // An answer frees the identifier at once, and another may have taken it since.
        if waits.by_identifier.get(&self.identifier).is_some_and(|wait| wait.answer.is_closed()) {
            waits.by_identifier.remove(&self.identifier);
        }
    }
}
