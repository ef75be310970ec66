//! The server's side of one EAP log-in by EAP-MSCHAPv2, as a pure state machine (RFC 3748 §4.1, §5.3.1;
//! draft-kamath-pppext-eap-mschapv2 §2).
//!
//! ```text
//! start ─► Identity? ─► Challenge ─► Response ─► (the caller decides) ─┬► Success ─► seen ─► let in
//!                          ▲ └ NAK that wants 26, once                 └► Failure ─► seen ─► not let in
//!                          └─┘ any other NAK: not let in
//! ```
//!
//! What was decided rides in the state: a conversation that reached Success holds what was granted, and only that one can
//! end by it. Names are nobody's business here but the caller's, who reads the one of the Response.

use super::mschapv2::MsChapV2;
use super::{Eap, Malformed, Method};

/// The name that the server gives itself in a challenge.
const SERVER_NAME: &[u8] = b"radgram";
/// The longest name of a Response that is read: what User-Name holds (RFC 2865 §5.1).
const NAME_MAX_BYTES: usize = 253;
/// The number of the first request, if the peer's own first word gave none.
const FIRST_IDENTIFIER: u8 = 1;

/// A conversation in which it is the peer's turn. `G` is what is granted, `R` why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation<G, R> {
    /// The number of our last request.
    identifier: u8,
    stage: Stage<G, R>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage<G, R> {
    Identity,
    Challenge(Challenged, Offer),
    Success(G),
    Failure(R),
}

/// How often EAP-MSCHAPv2 was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offer {
    First,
    /// After a NAK; a second one ends it.
    Again,
}

/// A challenge that was answered: its proof is to be judged, and then the peer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenged {
    /// Of the last request, and MS-CHAPv2-ID of the challenge.
    identifier: u8,
    challenge: [u8; 16],
}

/// The proof in a Response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The name that is logged in with, raw: 1 to 253 octets without NUL.
    pub name: Vec<u8>,
    /// MS-CHAPv2-ID.
    pub ident: u8,
    /// What the server asked.
    pub challenge: [u8; 16],
    /// What the peer added.
    pub peer_challenge: [u8; 16],
    /// The proof.
    pub nt_response: [u8; 24],
}

/// What becomes of what a peer said. Octets are an EAP packet to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard<G, R> {
    /// The next request.
    Ask(Conversation<G, R>, Vec<u8>),
    /// The proof: somebody else judges it.
    Proof(Challenged, Response),
    /// The peer has seen the success: EAP-Success.
    Granted(G, Vec<u8>),
    /// The peer does not like our proof, or says anything else: EAP-Failure.
    Unwilling(G, Vec<u8>),
    /// The peer has heard why not: EAP-Failure.
    Refused(R, Vec<u8>),
    /// The peer does not talk in a way that leads anywhere: EAP-Failure.
    Failed(Failing, Vec<u8>),
}

/// Why there was no proof to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// The peer wants other methods.
    Method,
    /// What it sent as its proof is none.
    Proof,
}

/// What a peer said that changes nothing: it is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unheard {
    /// It is no EAP packet.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It is no response, or one to another request than the last (RFC 3748 §4.1).
    #[error("an EAP packet that is no response to the last request")]
    OutOfTurn,
}

/// EAP-Failure for a peer whose conversation is not known.
pub fn failure_for(message: &[u8]) -> Vec<u8> {
    let identifier = match Eap::parse(message) {
        Ok(Eap::Response { identifier, .. } | Eap::Request { identifier, .. }) => identifier,
        Ok(Eap::Success { identifier } | Eap::Failure { identifier }) => identifier,
        Err(_) => 0,
    };
    Eap::Failure { identifier }.to_bytes()
}

impl<G: Clone, R: Clone> Conversation<G, R> {
    /// A peer's first word: empty (EAP-Start) is asked for its identity, an identity is challenged with `challenge`.
    ///
    /// # Errors
    /// [`Unheard`]: it is neither.
    pub fn open(message: &[u8], challenge: [u8; 16]) -> Result<Heard<G, R>, Unheard> {
        if message.is_empty() {
            let asked = Eap::Request { identifier: FIRST_IDENTIFIER, method: Method::IDENTITY, data: &[] };
            let conversation = Self { identifier: FIRST_IDENTIFIER, stage: Stage::Identity };
            return Ok(Heard::Ask(conversation, asked.to_bytes()));
        }
        match Eap::parse(message)? {
            Eap::Response { identifier, method: Method::IDENTITY, .. } => {
                Ok(Self::offer(identifier.wrapping_add(1), challenge, Offer::First))
            }
            _ => Err(Unheard::OutOfTurn),
        }
    }

    /// The peer's answer to the last request; `challenge` is for the case that there is to be a new one.
    ///
    /// # Errors
    /// [`Unheard`].
    pub fn hear(&self, message: &[u8], challenge: [u8; 16]) -> Result<Heard<G, R>, Unheard> {
        let Eap::Response { identifier, method, data } = Eap::parse(message)? else { return Err(Unheard::OutOfTurn) };
        if identifier != self.identifier {
            return Err(Unheard::OutOfTurn);
        }
        let failure = Eap::Failure { identifier }.to_bytes();
        let next = identifier.wrapping_add(1);
        Ok(match (&self.stage, method) {
            (Stage::Identity, Method::IDENTITY) => Self::offer(next, challenge, Offer::First),
            (Stage::Identity, _) => Heard::Failed(Failing::Method, failure),
            (Stage::Challenge(challenged, _), Method::MSCHAPV2) => match response(data, challenged) {
                Some(response) => Heard::Proof(*challenged, response),
                None => Heard::Failed(Failing::Proof, failure),
            },
            (Stage::Challenge(_, Offer::First), Method::NAK) if data.contains(&Method::MSCHAPV2.0) => {
                Self::offer(next, challenge, Offer::Again)
            }
            (Stage::Challenge(..), _) => Heard::Failed(Failing::Method, failure),
            (Stage::Success(granted), Method::MSCHAPV2) if is_seen(data) => {
                Heard::Granted(granted.clone(), Eap::Success { identifier }.to_bytes())
            }
            (Stage::Success(granted), _) => Heard::Unwilling(granted.clone(), failure),
            (Stage::Failure(why), _) => Heard::Refused(why.clone(), failure),
        })
    }

    fn offer(identifier: u8, challenge: [u8; 16], offer: Offer) -> Heard<G, R> {
        let said = MsChapV2::Challenge { ident: identifier, challenge, name: SERVER_NAME };
        let stage = Stage::Challenge(Challenged { identifier, challenge }, offer);
        Heard::Ask(Self { identifier, stage }, request(identifier, &said))
    }
}

impl Challenged {
    /// The proof fits and the peer is let in: it is shown ours, `S=` and forty digits.
    pub fn succeed<G, R>(self, granted: G, message: &[u8]) -> (Conversation<G, R>, Vec<u8>) {
        let identifier = self.identifier.wrapping_add(1);
        let said = MsChapV2::Success { ident: self.identifier, message };
        (Conversation { identifier, stage: Stage::Success(granted) }, request(identifier, &said))
    }

    /// The peer is not let in, and told `message`.
    pub fn fail<G, R>(self, why: R, message: &[u8]) -> (Conversation<G, R>, Vec<u8>) {
        let identifier = self.identifier.wrapping_add(1);
        let said = MsChapV2::Failure { ident: self.identifier, message };
        (Conversation { identifier, stage: Stage::Failure(why) }, request(identifier, &said))
    }
}

fn request(identifier: u8, said: &MsChapV2<'_>) -> Vec<u8> {
    Eap::Request { identifier, method: Method::MSCHAPV2, data: &said.to_bytes() }.to_bytes()
}

fn response(data: &[u8], challenged: &Challenged) -> Option<Response> {
    let Some(MsChapV2::Response { ident, peer_challenge, nt_response, name }) = MsChapV2::parse(data) else {
        return None;
    };
    let is_name = !name.is_empty() && name.len() <= NAME_MAX_BYTES && !name.contains(&0);
    let challenge = challenged.challenge;
    is_name.then(|| Response { name: name.to_vec(), ident, challenge, peer_challenge, nt_response })
}

/// Whether the peer says that our proof fits. The op-code counts, whatever some peers put behind it.
fn is_seen(data: &[u8]) -> bool {
    matches!(MsChapV2::parse(data), Some(MsChapV2::SuccessSeen | MsChapV2::Success { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Talk = Conversation<&'static str, &'static str>;

    fn said(identifier: u8, method: Method, data: &[u8]) -> Vec<u8> {
        Eap::Response { identifier, method, data }.to_bytes()
    }

    fn ask(heard: Result<Heard<&'static str, &'static str>, Unheard>) -> (Talk, Vec<u8>) {
        match heard {
            Ok(Heard::Ask(talk, octets)) => (talk, octets),
            other => panic!("{other:?}"),
        }
    }

    fn challenged() -> Talk {
        ask(Talk::open(&said(7, Method::IDENTITY, b"ann"), [9; 16])).0
    }

    fn proof(name: &[u8]) -> Vec<u8> {
        let data = MsChapV2::Response { ident: 8, peer_challenge: [1; 16], nt_response: [2; 24], name }.to_bytes();
        said(8, Method::MSCHAPV2, &data)
    }

    fn judged() -> Challenged {
        match challenged().hear(&proof(b"ann"), [0; 16]) {
            Ok(Heard::Proof(challenged, response)) => {
                assert_eq!((response.name.as_slice(), response.challenge), (&b"ann"[..], [9; 16]));
                challenged
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_start_is_asked_for_its_identity() {
        let (talk, asked) = ask(Talk::open(b"", [9; 16]));
        assert_eq!(asked, [1, 1, 0, 5, 1]);
        let (_, challenge) = ask(talk.hear(&said(1, Method::IDENTITY, b"192.0.2.7"), [9; 16]));
        assert_eq!(challenge[..10], [1, 2, 0, 33, 26, 1, 2, 0, 28, 16]);
        assert_eq!(Talk::open(&said(1, Method::MSCHAPV2, b"\x03"), [9; 16]), Err(Unheard::OutOfTurn));
    }

    #[test]
    fn a_success_that_was_seen_lets_in() {
        let (talk, asked): (Talk, _) = judged().succeed("granted", b"S=00");
        assert_eq!(asked, b"\x01\x09\0\x0d\x1a\x03\x08\0\x08S=00");
        let seen = talk.hear(&said(9, Method::MSCHAPV2, &[3]), [0; 16]);
        assert_eq!(seen, Ok(Heard::Granted("granted", vec![3, 9, 0, 4])));
        for other in [said(9, Method::MSCHAPV2, &[4]), said(9, Method::NAK, &[13]), said(9, Method::MSCHAPV2, &[])] {
            assert_eq!(talk.hear(&other, [0; 16]), Ok(Heard::Unwilling("granted", vec![4, 9, 0, 4])), "{other:?}");
        }
    }

    #[test]
    fn nothing_but_a_success_lets_in() {
        let (talk, _): (Talk, _) = judged().fail("wrong", b"E=691");
        for data in [&[3][..], &[4], b"\x02"] {
            let heard = talk.hear(&said(9, Method::MSCHAPV2, data), [0; 16]);
            assert_eq!(heard, Ok(Heard::Refused("wrong", vec![4, 9, 0, 4])));
        }
        let heard = challenged().hear(&said(8, Method::MSCHAPV2, &[3]), [0; 16]);
        assert_eq!(heard, Ok(Heard::Failed(Failing::Proof, vec![4, 8, 0, 4])));
    }

    #[test]
    fn a_nak_is_offered_the_method_once_more_if_it_wants_it() {
        let nak = |identifier, wanted: &[u8]| said(identifier, Method::NAK, wanted);
        let (talk, again) = ask(challenged().hear(&nak(8, &[25, 26]), [5; 16]));
        assert_eq!(again[..10], [1, 9, 0, 33, 26, 1, 9, 0, 28, 16]);
        assert_eq!(again[10..26], [5; 16]);
        let failed = |identifier| Ok(Heard::Failed(Failing::Method, vec![4, identifier, 0, 4]));
        assert_eq!(talk.hear(&nak(9, &[26]), [5; 16]), failed(9));
        for wanted in [&[][..], &[0], &[4], &[25, 13]] {
            assert_eq!(challenged().hear(&nak(8, wanted), [5; 16]), failed(8), "{wanted:?}");
        }
    }

    #[test]
    fn an_answer_to_another_request_is_not_heard() {
        let talk = challenged();
        assert_eq!(talk.hear(&said(7, Method::MSCHAPV2, &[3]), [0; 16]), Err(Unheard::OutOfTurn));
        let request = Eap::Request { identifier: 8, method: Method::MSCHAPV2, data: &[3] }.to_bytes();
        assert_eq!(talk.hear(&request, [0; 16]), Err(Unheard::OutOfTurn));
        assert_eq!(talk.hear(&[2], [0; 16]), Err(Unheard::Malformed(Malformed::Short)));
    }

    #[test]
    fn names_are_like_those_of_user_name() {
        for name in [&b""[..], b"an\0n", &[b'a'; 254]] {
            let heard = challenged().hear(&proof(name), [0; 16]);
            assert_eq!(heard, Ok(Heard::Failed(Failing::Proof, vec![4, 8, 0, 4])));
        }
        assert!(matches!(challenged().hear(&proof(&[b'a'; 253]), [0; 16]), Ok(Heard::Proof(..))));
    }
}
