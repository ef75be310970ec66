//! One request of a router, on its way to the gate and back (RFC 2865 §3, RFC 2866 §3, RFC 5997, `design` §3 and §7).
//!
//! In this order: who signed it, duplicates, what it says, the gate, the reply.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::decode::{self, Access, Arrival};
use super::dropped::Dropped;
use super::duplicate::{Answered, Key, Seen};
use super::listener::{Ends, Listener};
use super::peers::Peer;
use super::proof;
use super::radsec::Back;
use super::reply::Asked;
use super::server::{Port, Server};
use super::view::Logged;
use crate::clock::Timestamp;
use crate::domain::access::Request;
use crate::domain::home::{Home, HomeFault, Word};
use crate::domain::reason::Reason;
use crate::domain::router::{Demand, NasKey, Signs};
use crate::gate::access::{Answer, Mark, Refusal};
use crate::proto::radius::{AttributeType, BuildError, Forged, Packet, Signature, eap, sign};

/// A refusal before the password is proven leaves this long after its request came, if the answer was there sooner: memory
/// knows most accounts, and of an unknown name the database is asked, which must not show.
const EVEN: Duration = Duration::from_millis(50);

/// A packet whose sender is known, with all that a reply needs. Cheap to clone into a task.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) server: Arc<Server>,
    pub(super) way: Way,
    pub(super) peer: Arc<Peer>,
    pub(super) ends: Ends,
    /// The address that its box is known by: where it comes from, or came from first over RadSec.
    pub(super) source: IpAddr,
    pub(super) key: Key,
    pub(super) asked: Asked,
    /// When it was received.
    pub(super) received: Instant,
}

/// The way that a request came, and its reply goes.
#[derive(Clone)]
pub(super) enum Way {
    /// A datagram.
    Udp(Arc<Listener>, Ends),
    /// A connection over TLS.
    Radsec(Back),
}

impl Call {
    async fn send(&self, reply: &Arc<[u8]>) {
        self.send_by(&self.way, reply).await;
    }

    async fn send_by(&self, way: &Way, reply: &Arc<[u8]>) {
        tracing::trace!(to = %self.ends.from, "sent {}", Logged(reply));
        let (ends, sent) = match way {
            Way::Udp(listener, ends) => (*ends, listener.send(reply, *ends).await),
            Way::Radsec(back) => (self.ends, back.send(reply)),
        };
        if let Err(error) = sent {
            self.server.not_sent(ends, &error);
        }
    }

    pub(super) fn arrival(&self) -> Arrival {
        Arrival {
            router: self.peer.router.id,
            source: self.source,
            server: self.ends.to.map(|address| address.to_canonical()),
            at: self.server.gate.now(),
        }
    }

    /// What is known of this request; a copy is dealt with here, a new one comes back to be worked on.
    async fn first(self) -> Result<Option<InFlight>, Dropped> {
        match self.server.duplicates.see(&self.key, || self.way.clone(), Instant::now()) {
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

    async fn repeat(&self, reply: &Arc<[u8]>) {
        self.server.gate.metrics().duplicates.inc();
        self.send(reply).await;
    }

    /// An Accept goes out again only while what it speaks of is as it was; that is asked of the database.
    fn repeat_if_it_holds(self, reply: Arc<[u8]>, mark: Mark) -> Result<(), Dropped> {
        let place = self.server.place(self.peer.router.id)?;
        let server = self.server.clone();
        server.spawn(place, async move {
            if self.server.gate.still_holds(mark).await {
                self.repeat(&reply).await;
            } else {
                self.server.dismiss(Dropped::DuplicateStale, self.ends);
            }
        });
        Ok(())
    }

    /// Status-Server: it must be signed, and is answered by what the port answers with.
    pub(super) async fn status(self, packet: &Packet<'_>, port: Port) -> Result<(), Dropped> {
        if signature(packet, &self.peer)? == Signature::Absent {
            return Err(Dropped::MissingMessageAuthenticator);
        }
        let reply = self.asked.alive(port.alive(), &self.peer.secret).map_err(too_long)?;
        self.send(&reply.into()).await;
        Ok(())
    }

    /// Access-Request.
    pub(super) async fn login(self, packet: &Packet<'_>) -> Result<(), Dropped> {
        let nas = decode::nas(packet, self.peer.router.id, self.source);
        self.check_signature(packet, &nas)?;
        let Some(in_flight) = self.first().await? else { return Ok(()) };
        if let Some(message) = eap::join(packet).map_err(Dropped::BadEap)? {
            return in_flight.eap(packet, &message).await;
        }
        let call = &in_flight.call;
        let read = decode::access(packet, &call.peer.secret, nas, &call.arrival()).map_err(Dropped::Undecodable)?;
        let Access { request, flaw: None } = read else { return in_flight.refuse(read).await };
        let gate = &call.server.gate;
        if let Some(answer) = gate.access_now(&request, &call.peer.router) {
            return in_flight.reply(&request, answer).await;
        }
        let place = call.server.place(call.peer.router.id)?;
        let server = call.server.clone();
        server.spawn(place, in_flight.ask(request, packet.trimmed().to_vec()));
        Ok(())
    }

    /// Whether the request may come with the signature that it has, or has not (`design` §3.2).
    fn check_signature(&self, packet: &Packet<'_>, nas: &NasKey) -> Result<(), Dropped> {
        let demand = self.peer.router.message_authenticator;
        let signs = self.server.gate.directory().routers().signs(nas);
        let has = |kind| packet.first(kind).is_some();
        match (signature(packet, &self.peer)?, demand, signs) {
            (Signature::Present, _, Signs::Seen) => Ok(()),
            (Signature::Present, _, Signs::NotYet) => {
                self.learn(nas.clone());
                Ok(())
            }
            (Signature::Absent, ..) if has(AttributeType::EAP_MESSAGE) => Err(Dropped::MissingMessageAuthenticator),
            (Signature::Absent, Demand::Require, _) | (Signature::Absent, Demand::Auto, Signs::Seen) => {
                Err(Dropped::MissingMessageAuthenticator)
            }
            (Signature::Absent, ..) if has(AttributeType::PROXY_STATE) => Err(Dropped::ProxyStateUnsigned),
            (Signature::Absent, ..) if !proof::is_brought(packet) => Err(Dropped::NothingProven),
            (Signature::Absent, Demand::Auto, Signs::NotYet) | (Signature::Absent, Demand::Off, _) => Ok(()),
        }
    }

    /// Writes down that the box signs its requests; nothing waits for it.
    fn learn(&self, nas: NasKey) {
        let Ok(permit) = self.server.lessons.clone().try_acquire_owned() else { return };
        let gate = self.server.gate.clone();
        self.server.spawn(permit, async move { gate.learn_signs(&nas).await });
    }

    /// Accounting-Request: answered once it is on disk, booked or as it came.
    pub(super) async fn record(self, packet: &Packet<'_>) -> Result<(), Dropped> {
        let signature = sign::check_hashed_request(packet, &self.peer.secret).map_err(|forged| match forged {
            Forged::Authenticator => Dropped::BadAccountingAuthenticator,
            Forged::MessageAuthenticator => Dropped::BadMessageAuthenticator,
        })?;
        let Some(in_flight) = self.first().await? else { return Ok(()) };
        let call = &in_flight.call;
        let notice = decode::notice(packet, &call.arrival()).map_err(Dropped::Undecodable)?;
        let reply = call.asked.recorded(signature, &call.peer.secret).map_err(too_long)?;
        let permit = call.server.records.clone().try_acquire_owned().map_err(|_| Dropped::Busy)?;
        let server = call.server.clone();
        // Not written: the gate counts it, and the router sends it again.
        server.gate.report_then(notice, move || in_flight.answer_soon(reply, permit)).map_err(|_| Dropped::QueueFull)
    }

    /// A refusal in the log; those that repeat within seconds are counted only, and all are kept as attempts.
    pub(super) fn log_refusal(&self, reason: Reason, request: &Request) {
        let Some(held_back) = self.server.log.admit(reason.word(), self.ends.from.ip(), Instant::now()) else { return };
        let user = String::from_utf8_lossy(&request.user_name);
        let (router, station) = (&self.peer.router.name, request.station.as_deref().unwrap_or_default());
        tracing::info!(router, ?user, ?station, reason = reason.word(), held_back, "log-in refused");
    }
}

/// A request in flight; unless it is answered, its next copy is tried as a new one, whatever became of this one.
pub(super) struct InFlight {
    pub(super) call: Call,
    open: bool,
}

impl InFlight {
    /// Keeps the reply for the copies, and sends it the way that the newest of them came.
    pub(super) async fn answer(mut self, reply: Vec<u8>, mark: Option<Mark>) {
        let (bytes, newest) = self.keep(reply, mark);
        self.call.send_by(newest.as_ref().unwrap_or(&self.call.way), &bytes).await;
    }

    /// As [`InFlight::answer`], for many that are answered at the same time: waits for nothing, and they leave together.
    pub(super) fn answer_soon(mut self, reply: Vec<u8>, place: OwnedSemaphorePermit) {
        let (bytes, newest) = self.keep(reply, None);
        let Call { server, way, ends, .. } = &self.call;
        tracing::trace!(to = %ends.from, "sent {}", Logged(&bytes));
        match newest.as_ref().unwrap_or(way) {
            Way::Udp(listener, ends) => server.send_soon(listener, bytes, *ends, place),
            Way::Radsec(back) => {
                if let Err(error) = back.send(&bytes) {
                    server.not_sent(*ends, &error);
                }
            }
        }
    }

    fn keep(&mut self, reply: Vec<u8>, mark: Option<Mark>) -> (Arc<[u8]>, Option<Way>) {
        self.open = false;
        let answered = Answered { bytes: reply.into(), mark };
        let bytes = answered.bytes.clone();
        (bytes, self.call.server.duplicates.answer(&self.call.key, answered, Instant::now()))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.open {
            self.call.server.duplicates.forget(&self.call.key);
        }
    }
}

impl InFlight {
    /// What brings no proof that could be one is refused without asking the gate, counted, and kept as an attempt.
    async fn refuse(self, Access { request, flaw }: Access) -> Result<(), Dropped> {
        let reason = flaw.unwrap_or(Reason::NoProof);
        let answer = self.call.server.gate.refuse_unasked(&request, reason, request.arrived);
        self.reply(&request, answer).await
    }

    /// Asks the gate, which asks the database and perhaps the person, and replies; `asked` is the packet, should it have to
    /// be forwarded.
    async fn ask(self, request: Request, asked: Vec<u8>) {
        let answer = self.call.server.gate.access(&request, &self.call.peer.router).await;
        match answer {
            Answer::Forward(home) => self.forward(request, asked, &home).await,
            answer => self.settle(&request, answer).await,
        }
    }

    /// Asks the home server, in a place of its own: it may take its time, and those that wait for the database may not.
    async fn forward(self, request: Request, asked: Vec<u8>, home: &Arc<Home>) {
        let Call { server, peer, .. } = &self.call;
        let line = server.homes.line(peer.router.id, home);
        let (permit, of_account) = match line.place(&request.user_name) {
            Ok(place) => place,
            Err(busy) => return self.heard(&request, Err(busy)).await,
        };
        let server = server.clone();
        server.spawn(permit, async move {
            let said = self.call.server.homes.ask(&self.call.peer, &line, &asked).await;
            drop(of_account);
            self.heard(&request, said).await;
        });
    }

    /// The gate decides by what the home server said.
    async fn heard(self, request: &Request, said: Result<Word, HomeFault>) {
        let Call { server, peer, ends, .. } = &self.call;
        if let Err(fault) = said
            && let Some(held_back) = server.log.admit(fault.word(), ends.from.ip(), Instant::now())
        {
            tracing::warn!(
                router = peer.router.name,
                reason = fault.word(),
                held_back,
                "a log-in was not answered: {}",
                fault.text()
            );
        }
        let answer = server.gate.access_forwarded(request, &peer.router, &said).await;
        self.settle(request, answer).await;
    }

    async fn settle(self, request: &Request, answer: Answer) {
        let (server, ends) = (self.call.server.clone(), self.call.ends);
        if let Err(dropped) = self.reply(request, answer).await {
            server.dismiss(dropped, ends);
        }
    }

    async fn reply(self, request: &Request, answer: Answer) -> Result<(), Dropped> {
        let Call { server, peer, asked, .. } = &self.call;
        let entropy = &**server.gate.entropy();
        let (reply, mark) = match &answer {
            Answer::Accept(accept) => (asked.accept(accept, &peer.secret, entropy), Some(accept.mark)),
            Answer::Reject(refusal) => {
                self.call.log_refusal(refusal.reason, request);
                (asked.reject(refusal.told, request.proof.as_ref(), &peer.secret, entropy), None)
            }
            // The gate counts it; and what is to be forwarded was.
            Answer::Silence | Answer::Forward(_) => return Ok(()),
        };
        let reply = reply.map_err(too_long)?;
        match &answer {
            Answer::Reject(refusal) => self.answer_refusal(reply, refusal).await,
            Answer::Accept(_) | Answer::Silence | Answer::Forward(_) => self.answer(reply, mark).await,
        }
        Ok(())
    }

    /// A refusal; one for which passwords were guessed is kept back, if there is a place for it.
    pub(super) async fn answer_refusal(self, reply: Vec<u8>, refusal: &Refusal) {
        let server = self.call.server.clone();
        let permit = if refusal.told.is_guess() { server.refusals.clone().try_acquire_owned().ok() } else { None };
        let Some(permit) = permit else { return self.answer(reply, None).await };
        server.spawn(permit, self.answer_later(reply, refusal.until));
    }

    /// A refusal for which passwords were guessed: never sooner than any other of its kind, and later with each guess.
    async fn answer_later(self, reply: Vec<u8>, until: Option<Timestamp>) {
        tokio::time::sleep_until(self.call.received + EVEN).await;
        if let Some(until) = until {
            let gate = &self.call.server.gate;
            gate.metrics().kept_back.inc();
            gate.clock().sleep_until(until).await;
            gate.metrics().kept_back.dec();
        }
        self.answer(reply, None).await;
    }
}

fn signature(packet: &Packet<'_>, peer: &Peer) -> Result<Signature, Dropped> {
    sign::check_access_request(packet, &peer.secret).map_err(|_| Dropped::BadMessageAuthenticator)
}

pub(super) fn too_long(_: BuildError) -> Dropped {
    Dropped::ReplyTooLong
}
