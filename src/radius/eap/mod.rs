//! EAP over RADIUS (RFC 3579): one log-in over several requests, of which the one with the proof goes to the gate.
//!
//! | the client says | the gate | we say |
//! |---|---|---|
//! | Identity | is not asked: every name gets a challenge, also one that is no account's | Access-Challenge: Challenge |
//! | Response | decides, as for any other log-in: counts guesses, knocks, keeps the attempt | Access-Challenge: Success or Failure |
//! | Success seen | is asked whether what it granted still stands | Access-Accept with EAP-Success and keys |
//! | Failure seen | – | Access-Reject with EAP-Failure |
//!
//! **Names.** There are three: User-Name of the requests, the EAP identity, and the name in the Response. Only the last one
//! counts: its account is looked up, its password proven (the name is part of what is hashed), its person asked, and the
//! Accept gives it as User-Name. The identity is not looked at, since Windows puts its address there; routers copy it into
//! User-Name, which must merely stay the same from one request to the next. So whoever gives another's name as identity gains
//! nothing: accounting is booked on whom the Class names, not on User-Name.

mod reply;
mod table;

use std::sync::Arc;

use tokio::time::Instant;

pub(super) use self::table::Conversations;
use self::table::{Bound, Turn};
use super::call::{InFlight, too_long};
use super::decode::{self, Access};
use super::dropped::Dropped;
use crate::domain::access::Request;
use crate::domain::credential::{Proof, Proven};
use crate::domain::reason::Reason;
use crate::gate::access::{Accept, Answer, Refusal};
use crate::proto::radius::eap::{self, Challenged, Conversation, Failing, Heard, Unheard, conversation};
use crate::proto::radius::{AttributeType, BuildError, Packet};

/// A log-in under way.
type Talk = Conversation<Arc<Granted>, Reason>;
type Said = Heard<Arc<Granted>, Reason>;

/// What the gate granted at the proof, for the end of the conversation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Granted {
    /// The request with the proof; its name is the one that was proven.
    request: Request,
    accept: Accept,
}

/// One request of an EAP log-in. Dropped without an answer, its State is good again before its copies are new ones again:
/// the fields are dropped in this order.
struct Round {
    turn: Option<Turn>,
    in_flight: InFlight,
    /// As it came: User-Name is what the router says, and there is no proof.
    request: Request,
}

impl InFlight {
    /// A request with EAP-Message; `message` is what those hold together.
    pub(super) async fn eap(self, packet: &Packet<'_>, message: &[u8]) -> Result<(), Dropped> {
        let call = &self.call;
        let server = call.server.clone();
        let nas = decode::nas(packet, call.peer.router.id, call.source);
        let read = decode::access(packet, &call.peer.secret, nas, &call.arrival()).map_err(Dropped::Undecodable)?;
        let Access { request, flaw } = read;
        let challenge = server.gate.entropy().bytes();
        let mut round = Round { turn: None, in_flight: self, request };
        if let Some(reason) = flaw {
            return round.refuse(reason, &conversation::failure_for(message)).await;
        }
        let Some(state) = packet.first(AttributeType::STATE) else {
            return match Talk::open(message, challenge) {
                Ok(said) => round.go_on(said).await,
                Err(Unheard::OutOfTurn) => round.unknown(message).await,
                Err(Unheard::Malformed(malformed)) => Err(Dropped::BadEap(malformed)),
            };
        };
        round.turn = server.conversations.take(state, &Bound::to(&round.request), Instant::now());
        match round.turn.as_ref().and_then(Turn::talk).map(|talk| talk.hear(message, challenge)) {
            Some(Ok(said)) => round.go_on(said).await,
            Some(Err(Unheard::Malformed(malformed))) => Err(Dropped::BadEap(malformed)),
            Some(Err(Unheard::OutOfTurn)) => Err(Dropped::EapOutOfTurn),
            None => round.unknown(message).await,
        }
    }
}

impl Round {
    async fn go_on(self, said: Said) -> Result<(), Dropped> {
        match said {
            Heard::Ask(talk, eap) => self.ask(talk, &eap).await,
            Heard::Proof(challenged, response) => {
                let eap::Response { name, ident, challenge, peer_challenge, nt_response } = response;
                let proof = Proof::EapMsChap2 { ident, challenge, peer_challenge, nt_response };
                let proven = Request { user_name: name, proof: Some(proof), ..self.request.clone() };
                self.judge(challenged, proven).await
            }
            Heard::Granted(granted, eap) => self.later(|round| async move { round.finish(&granted, &eap).await }),
            Heard::Unwilling(granted, eap) => {
                let at = self.request.arrived;
                self.in_flight.call.server.gate.give_up(&granted.request, &granted.accept, Reason::EapUnwilling, at);
                self.reject(Reason::EapUnwilling, &eap).await
            }
            // The gate has counted and kept it when it decided.
            Heard::Refused(reason, eap) => self.reject(reason, &eap).await,
            Heard::Failed(failing, eap) => {
                let reason = match failing {
                    Failing::Method => Reason::EapMethod,
                    Failing::Proof => Reason::BadEapProof,
                };
                self.refuse(reason, &eap).await
            }
        }
    }

    /// The proof, before the gate: by memory at once, else in a task of its own.
    async fn judge(self, challenged: Challenged, proven: Request) -> Result<(), Dropped> {
        let call = &self.in_flight.call;
        match call.server.gate.access_now(&proven, &call.peer.router) {
            Some(answer) => self.tell(challenged, proven, answer).await,
            None => self.later(move |round| async move {
                let call = &round.in_flight.call;
                let answer = call.server.gate.access(&proven, &call.peer.router).await;
                round.tell(challenged, proven, answer).await
            }),
        }
    }

    /// What the gate decided, told the client. It is not in yet: that is said only when it has seen our proof.
    async fn tell(self, challenged: Challenged, proven: Request, answer: Answer) -> Result<(), Dropped> {
        match answer {
            Answer::Accept(accept) => match accept.proven {
                Proven::MsChap2 { success, .. } => {
                    let granted = Arc::new(Granted { request: proven, accept: *accept });
                    let (talk, eap) = challenged.succeed(granted, &success);
                    self.ask(talk, &eap).await
                }
                // No other proof was given.
                Proven::Plain | Proven::MsChap1(_) | Proven::ByHome(_) => Err(Dropped::EapOutOfTurn),
            },
            Answer::Reject(refusal) => self.tell_refusal(challenged, &proven, &refusal).await,
            // The gate counts it.
            Answer::Silence => Ok(()),
            // No home server is asked about EAP.
            Answer::Forward(_) => Err(Dropped::EapOutOfTurn),
        }
    }

    /// The client learns here that it is refused, so here it waits; the Access-Reject is no news.
    async fn tell_refusal(self, challenged: Challenged, proven: &Request, refusal: &Refusal) -> Result<(), Dropped> {
        let call = &self.in_flight.call;
        call.log_refusal(refusal.reason, proven);
        let error = reply::error(refusal.told, &**call.server.gate.entropy());
        let (talk, eap) = challenged.fail(refusal.told, error.as_bytes());
        let reply = self.challenge(talk, &eap).map_err(too_long)?;
        self.spent().answer_refusal(reply, refusal).await;
        Ok(())
    }

    /// The client has seen our proof: it is let in if what was granted still stands.
    async fn finish(self, granted: &Granted, success: &[u8]) -> Result<(), Dropped> {
        let call = &self.in_flight.call;
        let gate = &call.server.gate;
        match gate.conclude(&granted.request, &granted.accept, self.request.arrived).await {
            Answer::Accept(accept) => {
                let reply =
                    call.asked.eap_accept(&accept, &granted.request, success, &call.peer.secret, &**gate.entropy());
                self.answer(reply, Some(&accept)).await
            }
            Answer::Reject(refusal) => {
                call.log_refusal(refusal.reason, &granted.request);
                self.reject(refusal.told, &conversation::failure_for(success)).await
            }
            // The gate counts it; and nothing else is its word on what it granted.
            Answer::Silence | Answer::Forward(_) => Ok(()),
        }
    }

    /// There is no such log-in, or none any more.
    async fn unknown(self, message: &[u8]) -> Result<(), Dropped> {
        self.refuse(Reason::EapState, &conversation::failure_for(message)).await
    }

    /// Refused without the gate's having been asked.
    async fn refuse(self, reason: Reason, failure: &[u8]) -> Result<(), Dropped> {
        let call = &self.in_flight.call;
        call.log_refusal(reason, &self.request);
        call.server.gate.refuse_unasked(&self.request, reason, self.request.arrived);
        self.reject(reason, failure).await
    }

    async fn reject(self, reason: Reason, failure: &[u8]) -> Result<(), Dropped> {
        let call = &self.in_flight.call;
        let reply = call.asked.eap_reject(reason, failure, &call.peer.secret);
        self.answer(reply, None).await
    }

    async fn ask(self, talk: Talk, eap: &[u8]) -> Result<(), Dropped> {
        let reply = self.challenge(talk, eap);
        self.answer(reply, None).await
    }

    /// An Access-Challenge by which the log-in goes on.
    fn challenge(&self, talk: Talk, eap: &[u8]) -> Result<Vec<u8>, BuildError> {
        let call = &self.in_flight.call;
        let (server, bound) = (&call.server, Bound::to(&self.request));
        let state = server.conversations.put(bound, talk, &**server.gate.entropy(), Instant::now());
        call.asked.eap_challenge(eap, &state, &call.peer.secret)
    }

    async fn answer(self, reply: Result<Vec<u8>, BuildError>, accept: Option<&Accept>) -> Result<(), Dropped> {
        let reply = reply.map_err(too_long)?;
        self.spent().answer(reply, accept.map(|accept| accept.mark)).await;
        Ok(())
    }

    /// It is answered: its State is no longer good.
    fn spent(self) -> InFlight {
        if let Some(turn) = self.turn {
            turn.spent();
        }
        self.in_flight
    }

    /// Does what waits for the database in a task of its own, of which there is a limit.
    fn later<F>(self, work: impl FnOnce(Self) -> F + Send + 'static) -> Result<(), Dropped>
    where
        F: Future<Output = Result<(), Dropped>> + Send + 'static,
    {
        let call = &self.in_flight.call;
        let place = call.server.place(call.peer.router.id)?;
        let (server, ends) = (call.server.clone(), call.ends);
        let told = server.clone();
        let work = work(self);
        server.spawn(place, async move {
            if let Err(dropped) = work.await {
                told.dismiss(dropped, ends);
            }
        });
        Ok(())
    }
}
