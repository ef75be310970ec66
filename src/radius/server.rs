//! One datagram, from the socket to the gate and back (RFC 2865 §3, RFC 2866 §3, RFC 5997, `design` §3).
//!
//! In this order: router by source, length and attributes, who signed it, duplicates, what it says, the gate, the reply.
//! What memory can answer is answered in the task that received it; all else has a task of its own, and of those there is
//! a limit.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::decode::{self, Arrival};
use super::dropped::{Dropped, Log};
use super::duplicate::{Answered, Duplicates, Key, Seen};
use super::listener::{Batch, Ends, Listener};
use super::peers::{Peer, Peers};
use super::reply::Asked;
use crate::domain::access::Request;
use crate::domain::router::{Demand, NasKey, Signs};
use crate::gate::Gate;
use crate::gate::access::{Answer, Mark};
use crate::proto::radius::{AttributeType, BuildError, Code, Forged, Packet, Signature, sign};

/// Log-ins that wait for the database at once. Above it they are dropped: the router asks again, or asks the next server.
const LOGINS: usize = 1_024;
/// Accounting records that wait for their commit at once; as many as the gate's queue holds, and a group beside it.
const RECORDS: usize = 8_448;
/// Boxes that are written down at once as signing their requests; the next packet of another tries again.
const LESSONS: usize = 4;
/// After a socket's own failure it is tried again this much later, so that a lasting one does not burn a processor.
const PAUSE: Duration = Duration::from_millis(20);
/// What is being worked on when the server stops has this long to be answered.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    /// Access-Requests.
    Auth,
    /// Accounting-Requests.
    Acct,
}

impl Port {
    /// What Status-Server is answered with (RFC 5997 §3).
    const fn alive(self) -> Code {
        match self {
            Self::Auth => Code::ACCESS_ACCEPT,
            Self::Acct => Code::ACCOUNTING_RESPONSE,
        }
    }
}

/// What all sockets share.
struct Server {
    gate: Arc<Gate>,
    peers: Peers,
    duplicates: Duplicates,
    log: Log,
    logins: Arc<Semaphore>,
    records: Arc<Semaphore>,
    lessons: Arc<Semaphore>,
    tracker: TaskTracker,
    cancel: CancellationToken,
}

/// A packet whose sender is known, with all that a reply needs. Cheap to clone into a task.
#[derive(Clone)]
struct Call {
    server: Arc<Server>,
    listener: Arc<Listener>,
    peer: Arc<Peer>,
    ends: Ends,
    key: Key,
    asked: Asked,
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
        log: Log::default(),
        logins: Arc::new(Semaphore::new(LOGINS)),
        records: Arc::new(Semaphore::new(RECORDS)),
        lessons: Arc::new(Semaphore::new(LESSONS)),
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
        for (datagram, ends) in batch.datagrams() {
            server.gate.metrics().datagrams.inc();
            if let Err(dropped) = handle(&server, &listener, port, datagram, ends).await {
                server.dismiss(dropped, ends);
            }
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
    let call = Call { server, listener, peer, ends, key, asked: Asked::by(&packet) };
    match (port, packet.code()) {
        (_, Code::STATUS_SERVER) => call.status(&packet, port).await,
        (Port::Auth, Code::ACCESS_REQUEST) => call.login(&packet).await,
        (Port::Acct, Code::ACCOUNTING_REQUEST) => call.record(&packet).await,
        _ => Err(Dropped::WrongCode),
    }
}

impl Server {
    /// A datagram gets no answer: counted, and told the operator.
    fn dismiss(&self, dropped: Dropped, ends: Ends) {
        self.gate.metrics().dropped(dropped.word());
        self.log.write(dropped, ends.from.ip(), Instant::now());
    }

    /// Runs what waits for the database; when the server stops it may end what it began.
    fn spawn(&self, permit: OwnedSemaphorePermit, work: impl Future<Output = ()> + Send + 'static) {
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

/// A request in flight; unless it is answered, its next copy is tried as a new one, whatever became of this one.
struct InFlight {
    call: Call,
    open: bool,
}

impl InFlight {
    /// Keeps the reply for the copies, and sends it.
    async fn answer(mut self, reply: Vec<u8>, mark: Option<Mark>) {
        self.open = false;
        let answered = Answered { bytes: reply.into(), mark };
        self.call.server.duplicates.answer(&self.call.key, answered.clone(), Instant::now());
        self.call.send(&answered.bytes).await;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.open {
            self.call.server.duplicates.forget(&self.call.key);
        }
    }
}

impl Call {
    async fn send(&self, reply: &[u8]) {
        if let Err(error) = self.listener.send(reply, self.ends).await {
            tracing::debug!(to = %self.ends.from, from = ?self.ends.to, %error, "a reply was not sent");
            self.server.dismiss(Dropped::NotSent, self.ends);
        }
    }

    fn arrival(&self) -> Arrival {
        Arrival {
            router: self.peer.router.id,
            source: self.key.source.ip().to_canonical(),
            server: self.ends.to.map(|address| address.to_canonical()),
            at: self.server.gate.now(),
        }
    }

    /// What is known of this request; a copy is dealt with here, a new one comes back to be worked on.
    async fn first(self) -> Result<Option<InFlight>, Dropped> {
        match self.server.duplicates.see(&self.key, Instant::now()) {
            Seen::New => Ok(Some(InFlight { call: self, open: true })),
            Seen::InFlight => Err(Dropped::DuplicateInFlight),
            Seen::Answered(answered) => {
                match answered.mark {
                    None => self.repeat(&answered.bytes).await,
                    Some(mark) => self.repeat_if_it_holds(answered.bytes, mark)?,
                }
                Ok(None)
            }
        }
    }

    async fn repeat(&self, reply: &[u8]) {
        self.server.gate.metrics().duplicates.inc();
        self.send(reply).await;
    }

    /// An Accept goes out again only while what it speaks of is as it was; that is asked of the database.
    fn repeat_if_it_holds(self, reply: Arc<[u8]>, mark: Mark) -> Result<(), Dropped> {
        let permit = self.server.logins.clone().try_acquire_owned().map_err(|_| Dropped::Busy)?;
        let server = self.server.clone();
        server.spawn(permit, async move {
            if self.server.gate.still_holds(mark).await {
                self.repeat(&reply).await;
            } else {
                self.server.dismiss(Dropped::DuplicateStale, self.ends);
            }
        });
        Ok(())
    }

    /// Status-Server: it must be signed, and is answered by what the port answers with.
    async fn status(self, packet: &Packet<'_>, port: Port) -> Result<(), Dropped> {
        if signature(packet, &self.peer)? == Signature::Absent {
            return Err(Dropped::MissingMessageAuthenticator);
        }
        let reply = self.asked.alive(port.alive(), &self.peer.secret).map_err(too_long)?;
        self.send(&reply).await;
        Ok(())
    }

    /// Access-Request.
    async fn login(self, packet: &Packet<'_>) -> Result<(), Dropped> {
        let source = self.key.source.ip().to_canonical();
        let nas = decode::nas(packet, self.peer.router.id, source);
        self.check_signature(packet, nas)?;
        let Some(in_flight) = self.first().await? else { return Ok(()) };
        let call = &in_flight.call;
        let request = decode::access(packet, &call.peer.secret, &call.arrival()).map_err(Dropped::Undecodable)?;
        let gate = &call.server.gate;
        if let Some(answer) = gate.access_now(&request, &call.peer.router) {
            return in_flight.reply(&request, answer).await;
        }
        let permit = call.server.logins.clone().try_acquire_owned().map_err(|_| Dropped::Busy)?;
        let server = call.server.clone();
        server.spawn(permit, in_flight.ask(request));
        Ok(())
    }

    /// Whether the request may come with the signature that it has, or has not (`design` §3.2).
    fn check_signature(&self, packet: &Packet<'_>, nas: NasKey) -> Result<(), Dropped> {
        let demand = self.peer.router.message_authenticator;
        let signs = self.server.gate.directory().routers().signs(&nas);
        let has = |kind| packet.first(kind).is_some();
        match (signature(packet, &self.peer)?, demand, signs) {
            (Signature::Present, _, Signs::Seen) => Ok(()),
            (Signature::Present, _, Signs::NotYet) => {
                self.learn(nas);
                Ok(())
            }
            (Signature::Absent, ..) if has(AttributeType::EAP_MESSAGE) => Err(Dropped::MissingMessageAuthenticator),
            (Signature::Absent, Demand::Require, _) | (Signature::Absent, Demand::Auto, Signs::Seen) => {
                Err(Dropped::MissingMessageAuthenticator)
            }
            (Signature::Absent, ..) if has(AttributeType::PROXY_STATE) => Err(Dropped::ProxyStateUnsigned),
            (Signature::Absent, Demand::Auto, Signs::NotYet) | (Signature::Absent, Demand::Off, _) => Ok(()),
        }
    }

    /// Writes down that the box signs its requests; nothing waits for it.
    fn learn(&self, nas: NasKey) {
        let Ok(permit) = self.server.lessons.clone().try_acquire_owned() else { return };
        let gate = self.server.gate.clone();
        self.server.spawn(permit, async move { gate.learn_signs(&nas).await });
    }

    /// Accounting-Request: answered once it is committed.
    async fn record(self, packet: &Packet<'_>) -> Result<(), Dropped> {
        let signature = sign::check_hashed_request(packet, &self.peer.secret).map_err(|forged| match forged {
            Forged::Authenticator => Dropped::BadAccountingAuthenticator,
            Forged::MessageAuthenticator => Dropped::BadMessageAuthenticator,
        })?;
        let Some(in_flight) = self.first().await? else { return Ok(()) };
        let call = &in_flight.call;
        let notice = decode::notice(packet, &call.arrival()).map_err(Dropped::Undecodable)?;
        let reply = call.asked.recorded(signature, &call.peer.secret).map_err(too_long)?;
        let permit = call.server.records.clone().try_acquire_owned().map_err(|_| Dropped::Busy)?;
        let committed = call.server.gate.report(notice).map_err(|_| Dropped::QueueFull)?;
        let server = call.server.clone();
        server.spawn(permit, async move {
            // Not committed: the gate counts it, and the router sends it again.
            if committed.await.is_ok() {
                in_flight.answer(reply, None).await;
            }
        });
        Ok(())
    }
}

impl InFlight {
    /// Asks the gate, which asks the database, and replies.
    async fn ask(self, request: Request) {
        let answer = self.call.server.gate.access(&request, &self.call.peer.router).await;
        let (server, ends) = (self.call.server.clone(), self.call.ends);
        if let Err(dropped) = self.reply(&request, answer).await {
            server.dismiss(dropped, ends);
        }
    }

    async fn reply(self, request: &Request, answer: Answer) -> Result<(), Dropped> {
        let Call { server, peer, asked, .. } = &self.call;
        let entropy = &**server.gate.entropy();
        let (reply, mark) = match &answer {
            Answer::Accept(accept) => (asked.accept(accept, &peer.secret, entropy), Some(accept.mark)),
            Answer::Reject(reason) => (asked.reject(*reason, request.proof.as_ref(), &peer.secret, entropy), None),
            // The gate counts it.
            Answer::Silence => return Ok(()),
        };
        let reply = reply.map_err(too_long)?;
        self.answer(reply, mark).await;
        Ok(())
    }
}

fn signature(packet: &Packet<'_>, peer: &Peer) -> Result<Signature, Dropped> {
    sign::check_access_request(packet, &peer.secret).map_err(|_| Dropped::BadMessageAuthenticator)
}

fn too_long(_: BuildError) -> Dropped {
    Dropped::ReplyTooLong
}
