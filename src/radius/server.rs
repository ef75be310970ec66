//! The server: sockets, and what all requests share. A datagram is a router's packet here, or is dropped; what becomes of
//! it then is in `call` (RFC 2865 §3, `design` §3.1 and §3.2).
//!
//! What memory can answer is answered in the task that received it; all else has a task of its own, and of those there is
//! a limit.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::call::{Call, Way};
use super::crowd::Crowd;
use super::decode;
use super::dropped::{Dropped, Log};
use super::duplicate::{Duplicates, Key};
use super::eap::Conversations;
use super::home::Homes;
use super::listener::{Batch, Ends, Listener};
use super::peers::{Peer, Peers, Seen};
use super::reply::Asked;
use super::view::Logged;
use crate::domain::id::RouterId;
use crate::domain::router::{NasKey, SecretAge};
use crate::gate::Gate;
use crate::gate::hold::HELD;
use crate::proto::radius::packet::PACKET_MAX_BYTES;
use crate::proto::radius::{Code, Packet};

/// Log-ins that wait for the database at once. Above it they are dropped: the router asks again, or asks the next server.
const LOGINS: usize = 1_024;
/// Of those, log-ins of one router: a flood that the database must be asked about leaves places for others.
const LOGINS_OF_ONE: usize = (LOGINS + HELD) / 2;
/// Accounting records that wait for their commit at once; as many as the gate's queue holds, and a group beside it.
const RECORDS: usize = 8_448;
/// Refusals that are kept back at once because passwords are guessed. Above it they go without waiting.
const REFUSALS: usize = 1_024;
/// Boxes that are written down at once as signing their requests; the next packet of another tries again.
const LESSONS: usize = 4;
/// A box that still uses the old secret is written down again after this long, so that operators see that it does.
const OLD_SECRET_SEEN: Duration = Duration::from_secs(300);
/// After a socket's own failure it is tried again this much later, so that a lasting one does not burn a processor.
const PAUSE: Duration = Duration::from_millis(20);
/// Datagrams that are handled in turn before the socket is looked at again, and batches that are taken out of it then: at most
/// sixteen times as many come in as go out, so nobody's flood keeps the others from being handled.
const TURN: usize = 32;
const BATCHES: usize = 16;
/// What is being worked on when the server stops has this long to be answered.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// Access-Requests.
    Auth,
    /// Accounting-Requests.
    Acct,
    /// Both, over TLS.
    Radsec,
}

impl Port {
    /// What Status-Server is answered with (RFC 5997 §3).
    pub(super) const fn alive(self) -> Code {
        match self {
            Self::Auth | Self::Radsec => Code::ACCESS_ACCEPT,
            Self::Acct => Code::ACCOUNTING_RESPONSE,
        }
    }
}

/// What all sockets share.
pub struct Server {
    pub(super) gate: Arc<Gate>,
    peers: Peers,
    pub(super) duplicates: Duplicates<Way>,
    pub(super) conversations: Arc<Conversations>,
    pub(super) log: Log,
    /// Places for log-ins that wait for the database, and beside them for those that wait for their person: however many
    /// are held, they take nobody else's place.
    logins: Arc<Semaphore>,
    /// The share of each router in them; one for every router that ever needed it since the start.
    shares: Mutex<HashMap<RouterId, Arc<Semaphore>>>,
    /// Places for records that wait for their commit.
    pub(super) records: Arc<Semaphore>,
    /// Places for refusals that are kept back.
    pub(super) refusals: Arc<Semaphore>,
    /// Places for boxes that are written down.
    pub(super) lessons: Arc<Semaphore>,
    /// The lines to home servers.
    pub(super) homes: Homes,
    pub(super) tracker: TaskTracker,
    pub(super) cancel: CancellationToken,
}

/// Serves the sockets until `cancel`; every task is one of `tracker`. Gives what RadSec is to be served by, too.
pub fn serve(
    gate: &Arc<Gate>,
    auth: Vec<Listener>,
    acct: Vec<Listener>,
    tracker: &TaskTracker,
    cancel: &CancellationToken,
) -> Arc<Server> {
    let server = Arc::new(Server {
        gate: gate.clone(),
        peers: Peers::default(),
        duplicates: Duplicates::default(),
        conversations: Arc::default(),
        log: Log::default(),
        logins: Arc::new(Semaphore::new(LOGINS + HELD)),
        shares: Mutex::default(),
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
    server
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
        if batch.is_full() {
            serve_in_turn(&server, &listener, port, &mut batch).await;
        } else {
            for (datagram, ends) in batch.datagrams() {
                match server.known(datagram, ends) {
                    Ok(peer) => handle(&server, &listener, port, peer, (datagram, ends)).await,
                    Err(dropped) => server.dismiss(dropped, ends),
                }
            }
        }
        let_go(&server, &listener).await;
        // Others have their turn, however fast the next batch is there.
        tokio::task::coop::consume_budget().await;
    }
}

/// More has come than a batch takes. Behind a flood the socket's queue would be one line for all routers, and what it loses it
/// cannot tell apart; so what waits there is brought into a line for each router, again and again until nobody waits.
async fn serve_in_turn(server: &Arc<Server>, listener: &Arc<Listener>, port: Port, batch: &mut Batch) {
    let mut crowd = Crowd::default();
    server.line_up(batch, &mut crowd);
    let mut served: usize = 0;
    while let Some((peer, datagram, ends)) = crowd.take() {
        handle(server, listener, port, peer, (&datagram, ends)).await;
        served = served.wrapping_add(1);
        if served.is_multiple_of(TURN) {
            let_go(server, listener).await;
            for _ in 0..BATCHES {
                if !listener.receive_now(batch) {
                    break;
                }
                server.line_up(batch, &mut crowd);
            }
            tokio::task::coop::consume_budget().await;
            // Only now: whoever stops the server here must not leave what is answered afterwards held back for good.
            listener.hold_back();
        }
    }
}

/// Sends the replies that were held back for a batch.
async fn let_go(server: &Server, listener: &Listener) {
    for (ends, error) in listener.let_go().await {
        server.not_sent(ends, &error);
    }
}

/// A datagram of a router: answered at once or by a task of its own, or not at all, which is counted.
async fn handle(
    server: &Arc<Server>,
    listener: &Arc<Listener>,
    port: Port,
    peer: Arc<Peer>,
    (datagram, ends): (&[u8], Ends),
) {
    tracing::trace!(from = %ends.from, "received {}", Logged(datagram));
    let handled = match Packet::parse(datagram) {
        Ok(packet) => {
            let peer = if peer.is_alone() { peer } else { server.sender(peer, &packet, ends) };
            let (identifier, authenticator) = (packet.identifier(), *packet.authenticator());
            let key = Key { source: ends.from, identifier, authenticator };
            let (server, way) = (server.clone(), Way::Udp(listener.clone(), ends));
            let (source, asked, received) = (ends.from.ip().to_canonical(), Asked::by(&packet), Instant::now());
            let call = Call { server, way, peer, ends, source, key, asked, received };
            call.take(&packet, port).await
        }
        Err(malformed) => Err(Dropped::Malformed(malformed)),
    };
    if let Err(dropped) = handled {
        server.dismiss(dropped, ends);
    }
}

impl Call {
    /// What the packet is, if its port takes that.
    pub(super) async fn take(self, packet: &Packet<'_>, port: Port) -> Result<(), Dropped> {
        match (port, packet.code()) {
            (_, Code::STATUS_SERVER) => self.status(packet, port).await,
            (Port::Auth | Port::Radsec, Code::ACCESS_REQUEST) => self.login(packet).await,
            (Port::Acct | Port::Radsec, Code::ACCOUNTING_REQUEST) => self.record(packet).await,
            _ => Err(Dropped::WrongCode),
        }
    }
}

impl Server {
    /// Whose packet it is: asked first, so that strangers cost nothing else.
    fn known(&self, datagram: &[u8], ends: Ends) -> Result<Arc<Peer>, Dropped> {
        self.gate.metrics().datagrams.inc();
        let source = ends.from.ip().to_canonical();
        let claimed = || decode::claimed_identifier(datagram);
        self.peers.of(&self.gate.directory().routers(), source, claimed).ok_or_else(|| {
            self.gate.note_stranger(source);
            Dropped::UnknownRouter
        })
    }

    /// Brings each datagram of a batch into its router's line.
    fn line_up(&self, batch: &Batch, crowd: &mut Crowd<(Arc<Peer>, Vec<u8>, Ends)>) {
        for (datagram, ends) in batch.datagrams() {
            match self.known(datagram, ends) {
                Ok(peer) => {
                    // Octets beyond the longest packet are padding, or it is none.
                    let kept = datagram.get(..PACKET_MAX_BYTES).unwrap_or(datagram).to_vec();
                    if let Some((_, _, ends)) = crowd.put(peer.router.id, (peer, kept, ends)) {
                        self.dismiss(Dropped::Crowded, ends);
                    }
                }
                Err(dropped) => self.dismiss(dropped, ends),
            }
        }
    }
}

impl Server {
    /// Which secret of a router that has two a packet was made with; what a signature tells of it is remembered of the box.
    fn sender(self: &Arc<Self>, peer: Arc<Peer>, packet: &Packet<'_>, ends: Ends) -> Arc<Peer> {
        let nas = decode::nas(packet, peer.router.id, ends.from.ip().to_canonical());
        let now = self.gate.now();
        let known = self.gate.directory().routers().nas(&nas).and_then(|nas| nas.secret);
        let sender = peer.sender(packet, known.map(|known| known.age), now);
        let age = sender.peer.age;
        let is_known = known
            .is_some_and(|known| known.age == age && (age == SecretAge::Current || now < known.at + OLD_SECRET_SEEN));
        if sender.seen == Seen::Proven && !is_known {
            self.learn_secret(nas, age, sender.peer.router.version);
        }
        sender.peer
    }

    /// Writes down which secret a box uses; nothing waits for it.
    fn learn_secret(&self, nas: NasKey, age: SecretAge, version: i64) {
        let Ok(permit) = self.lessons.clone().try_acquire_owned() else { return };
        let gate = self.gate.clone();
        self.spawn(permit, async move { gate.learn_secret(&nas, age, version).await });
    }

    /// A datagram gets no answer: counted, and told the operator.
    pub(super) fn dismiss(&self, dropped: Dropped, ends: Ends) {
        self.log.dismiss(&self.gate, dropped, ends.from.ip().to_canonical());
    }

    /// A place for a log-in of a router that waits for the database.
    ///
    /// # Errors
    /// [`Dropped::Busy`].
    pub(super) fn place(&self, router: RouterId) -> Result<[OwnedSemaphorePermit; 2], Dropped> {
        let share = {
            let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
            shares.entry(router).or_insert_with(|| Arc::new(Semaphore::new(LOGINS_OF_ONE))).clone()
        };
        let of_router = share.try_acquire_owned().map_err(|_| Dropped::Busy)?;
        let of_all = self.logins.clone().try_acquire_owned().map_err(|_| Dropped::Busy)?;
        Ok([of_router, of_all])
    }

    /// A reply did not leave this machine.
    pub(super) fn not_sent(&self, ends: Ends, error: &io::Error) {
        tracing::debug!(to = %ends.from, from = ?ends.to, %error, "a reply was not sent");
        self.dismiss(Dropped::NotSent, ends);
    }

    /// Sends a reply with those that are due at the same time.
    pub(super) fn send_soon(
        self: &Arc<Self>,
        listener: &Arc<Listener>,
        reply: Arc<[u8]>,
        ends: Ends,
        place: OwnedSemaphorePermit,
    ) {
        if listener.put_off(reply, ends, place) {
            let (server, listener) = (self.clone(), listener.clone());
            self.tracker.spawn(async move {
                for (ends, error) in listener.send_put_off().await {
                    server.not_sent(ends, &error);
                }
            });
        }
    }

    /// Runs what waits for the database, in its place; when the server stops it may end what it began.
    pub(super) fn spawn(&self, place: impl Send + 'static, work: impl Future<Output = ()> + Send + 'static) {
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
            drop(place);
        });
    }
}
