//! The server: sockets, and what all requests share. A datagram is a router's packet here, or is dropped; what becomes of
//! it then is in `call` (RFC 2865 §3, `design` §3.1 and §3.2).
//!
//! What memory can answer is answered in the task that received it; all else has a task of its own, and of those there is
//! a limit.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::call::{Call, Way};
use super::dropped::{Dropped, Log};
use super::duplicate::{Duplicates, Key};
use super::eap::Conversations;
use super::home::Homes;
use super::listener::{Batch, Ends, Listener};
use super::peers::Peers;
use super::reply::Asked;
use crate::gate::Gate;
use crate::gate::hold::HELD;
use crate::proto::radius::{Code, Packet};

/// Log-ins that wait for the database at once. Above it they are dropped: the router asks again, or asks the next server.
const LOGINS: usize = 1_024;
/// Accounting records that wait for their commit at once; as many as the gate's queue holds, and a group beside it.
const RECORDS: usize = 8_448;
/// Refusals that are kept back at once because passwords are guessed. Above it they go without waiting.
const REFUSALS: usize = 1_024;
/// Boxes that are written down at once as signing their requests; the next packet of another tries again.
const LESSONS: usize = 4;
/// After a socket's own failure it is tried again this much later, so that a lasting one does not burn a processor.
const PAUSE: Duration = Duration::from_millis(20);
/// What is being worked on when the server stops has this long to be answered.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// Access-Requests.
    Auth,
    /// Accounting-Requests.
    Acct,
}

impl Port {
    /// What Status-Server is answered with (RFC 5997 §3).
    pub(super) const fn alive(self) -> Code {
        match self {
            Self::Auth => Code::ACCESS_ACCEPT,
            Self::Acct => Code::ACCOUNTING_RESPONSE,
        }
    }
}

/// What all sockets share.
pub(super) struct Server {
    pub(super) gate: Arc<Gate>,
    peers: Peers,
    pub(super) duplicates: Duplicates<Way>,
    pub(super) conversations: Arc<Conversations>,
    pub(super) log: Log,
    /// Places for log-ins that wait for the database, and beside them for those that wait for their person: however many
    /// are held, they take nobody else's place.
    pub(super) logins: Arc<Semaphore>,
    /// Places for records that wait for their commit.
    pub(super) records: Arc<Semaphore>,
    /// Places for refusals that are kept back.
    pub(super) refusals: Arc<Semaphore>,
    /// Places for boxes that are written down.
    pub(super) lessons: Arc<Semaphore>,
    /// The lines to home servers.
    pub(super) homes: Homes,
    tracker: TaskTracker,
    cancel: CancellationToken,
}

/// Serves the sockets until `cancel`; every task is one of `tracker`.
pub fn serve(
    gate: &Arc<Gate>,
    auth: Vec<Listener>,
    acct: Vec<Listener>,
    tracker: &TaskTracker,
    cancel: &CancellationToken,
) {
    let server = Arc::new(Server {
        gate: gate.clone(),
        peers: Peers::default(),
        duplicates: Duplicates::default(),
        conversations: Arc::default(),
        log: Log::default(),
        logins: Arc::new(Semaphore::new(LOGINS + HELD)),
        records: Arc::new(Semaphore::new(RECORDS)),
        refusals: Arc::new(Semaphore::new(REFUSALS)),
        lessons: Arc::new(Semaphore::new(LESSONS)),
        homes: Homes::new(gate.clone(), tracker.clone(), cancel.clone()),
        tracker: tracker.clone(),
        cancel: cancel.clone(),
    });
    let auth = auth.into_iter().map(|listener| (listener, Port::Auth));
    for (listener, port) in auth.chain(acct.into_iter().map(|listener| (listener, Port::Acct))) {
        let receive = receive(server.clone(), Arc::new(listener), port);
        let cancel = cancel.clone();
        tracker.spawn(async move { cancel.run_until_cancelled(receive).await });
    }
}

async fn receive(server: Arc<Server>, listener: Arc<Listener>, port: Port) {
    let mut batch = Batch::new();
    loop {
        if let Err(error) = listener.receive(&mut batch).await {
            tracing::warn!(address = %listener.local_addr(), %error, "nothing can be received; trying again");
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        listener.hold_back();
        for (datagram, ends) in batch.datagrams() {
            server.gate.metrics().datagrams.inc();
            if let Err(dropped) = handle(&server, &listener, port, datagram, ends).await {
                server.dismiss(dropped, ends);
            }
        }
        for (ends, error) in listener.let_go().await {
            server.not_sent(ends, &error);
        }
        // Others have their turn, however fast the next batch is there.
        tokio::task::coop::consume_budget().await;
    }
}

async fn handle(
    server: &Arc<Server>,
    listener: &Arc<Listener>,
    port: Port,
    datagram: &[u8],
    ends: Ends,
) -> Result<(), Dropped> {
    let source = ends.from.ip().to_canonical();
    let Some(peer) = server.peers.of(&server.gate.directory().routers(), source) else {
        server.gate.note_stranger(source);
        return Err(Dropped::UnknownRouter);
    };
    let packet = Packet::parse(datagram).map_err(Dropped::Malformed)?;
    let (identifier, authenticator) = (packet.identifier(), *packet.authenticator());
    let key = Key { source: ends.from, identifier, authenticator };
    let (server, listener) = (server.clone(), listener.clone());
    let call = Call { server, listener, peer, ends, key, asked: Asked::by(&packet), received: Instant::now() };
    match (port, packet.code()) {
        (_, Code::STATUS_SERVER) => call.status(&packet, port).await,
        (Port::Auth, Code::ACCESS_REQUEST) => call.login(&packet).await,
        (Port::Acct, Code::ACCOUNTING_REQUEST) => call.record(&packet).await,
        _ => Err(Dropped::WrongCode),
    }
}

impl Server {
    /// A datagram gets no answer: counted, and told the operator.
    pub(super) fn dismiss(&self, dropped: Dropped, ends: Ends) {
        self.gate.metrics().dropped(dropped.word());
        self.log.write(dropped, ends.from.ip(), Instant::now());
    }

    /// A reply did not leave this machine.
    pub(super) fn not_sent(&self, ends: Ends, error: &io::Error) {
        tracing::debug!(to = %ends.from, from = ?ends.to, %error, "a reply was not sent");
        self.dismiss(Dropped::NotSent, ends);
    }

    /// Runs what waits for the database; when the server stops it may end what it began.
    pub(super) fn spawn(&self, permit: OwnedSemaphorePermit, work: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.cancel.clone();
        self.tracker.spawn(async move {
            let stopped = async {
                cancel.cancelled().await;
                tokio::time::sleep(FAREWELL).await;
            };
            tokio::select! {
                () = work => {}
                () = stopped => {}
            }
            drop(permit);
        });
    }
}
