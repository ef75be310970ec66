//! A log-in on its way to a home server and back (RFC 2865 §2.3): our request in place of the router's, its answer read
//! with its secret, and what is taken of that hidden again for the router (RFC 2548 §2.4, RFC 2868 §3.5).
//!
//! | of the router's request | goes on |
//! |---|---|
//! | User-Password | hidden by our authenticator and the home server's secret |
//! | CHAP-Password without CHAP-Challenge | with one: the router's authenticator is the challenge (RFC 2865 §2.2) |
//! | Message-Authenticator | ours, always, first |
//! | Proxy-State, State, EAP-Message | no: they are between the router and us, and EAP is not forwarded |
//! | everything else | as it is |

use std::time::Duration;

use crate::dictionary::{Dictionary, Hiding, Tagging};
use crate::domain::home::{Granted, HomeAttribute, HomeValue, Taken, Word};
use crate::entropy::Entropy;
use crate::gate::access::Said;
use crate::proto::radius::hide::{self, HideError};
use crate::proto::radius::{
    Attribute, AttributeType, BuildError, Code, Opening, Packet, PacketBuilder, SharedSecret, VendorId, VendorType,
    sign,
};
use crate::secret::Secret;

/// What MS-CHAP needs of an Access-Accept: its proof, the keys, and what they are for. Ours is not said then.
const OF_MS_CHAP: [VendorType; 6] = [
    VendorType::MS_MPPE_ENCRYPTION_POLICY,
    VendorType::MS_MPPE_ENCRYPTION_TYPES,
    VendorType::MS_CHAP_MPPE_KEYS,
    VendorType::MS_MPPE_SEND_KEY,
    VendorType::MS_MPPE_RECV_KEY,
    VendorType::MS_CHAP2_SUCCESS,
];

/// Why the router's request cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unfit;

impl From<BuildError> for Unfit {
    fn from(_: BuildError) -> Self {
        Self
    }
}

impl From<HideError> for Unfit {
    fn from(_: HideError) -> Self {
        Self
    }
}

/// Our request in place of the router's, with our `identifier` and `authenticator`.
///
/// # Errors
/// Its password cannot be read, or what is added to it makes it too long.
pub(super) fn request(
    asked: &Packet<'_>,
    router: &SharedSecret,
    home: &SharedSecret,
    identifier: u8,
    authenticator: &[u8; 16],
) -> Result<Vec<u8>, Unfit> {
    let mut packet = PacketBuilder::new(Code::ACCESS_REQUEST, identifier, Opening::MessageAuthenticator);
    for Attribute { kind, value } in asked.attributes() {
        match kind {
            AttributeType::MESSAGE_AUTHENTICATOR
            | AttributeType::PROXY_STATE
            | AttributeType::STATE
            | AttributeType::EAP_MESSAGE => {}
            AttributeType::USER_PASSWORD => {
                let password = hide::reveal_password(value, asked.authenticator(), router)?;
                packet.push(kind, &hide::hide_password(password.expose(), authenticator, home)?)?;
            }
            _ => {
                packet.push(kind, value)?;
            }
        }
    }
    let has = |kind| asked.first(kind).is_some();
    if has(AttributeType::CHAP_PASSWORD) && !has(AttributeType::CHAP_CHALLENGE) {
        packet.push(AttributeType::CHAP_CHALLENGE, asked.authenticator())?;
    }
    Ok(sign::sign_request(packet, authenticator, home))
}

/// What a home server's answer to `request` says; `None` if it cannot be used. Its signature was checked.
pub(super) fn said(answer: &Packet<'_>, request: &Packet<'_>, home: &SharedSecret, taken: &Taken) -> Option<Word> {
    match answer.code() {
        Code::ACCESS_ACCEPT => Reading::of(request, home, taken).granted(answer).map(Word::Right),
        Code::ACCESS_REJECT => Some(Word::Wrong),
        Code::ACCESS_CHALLENGE => Some(Word::More),
        _ => None,
    }
}

/// The MS-CHAP version by which the password is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MsChap {
    None,
    First,
    Second,
}

/// What an Access-Accept is read with.
struct Reading<'a> {
    authenticator: &'a [u8; 16],
    ms_chap: MsChap,
    home: &'a SharedSecret,
    taken: &'a Taken,
}

impl<'a> Reading<'a> {
    fn of(request: &Packet<'a>, home: &'a SharedSecret, taken: &'a Taken) -> Self {
        let has = |kind| request.vendor(kind).is_some();
        let ms_chap = match (has(VendorType::MS_CHAP2_RESPONSE), has(VendorType::MS_CHAP_RESPONSE)) {
            (true, _) => MsChap::Second,
            (false, true) => MsChap::First,
            (false, false) => MsChap::None,
        };
        Self { authenticator: request.authenticator(), ms_chap, home, taken }
    }

    fn granted(&self, accept: &Packet<'_>) -> Option<Granted> {
        // Without the proof the client hangs up, and a server that did not make it has not looked at the response.
        if self.ms_chap == MsChap::Second && accept.vendor(VendorType::MS_CHAP2_SUCCESS).is_none() {
            return None;
        }
        let mut attributes = Vec::new();
        for attribute in accept.attributes() {
            if attribute.kind != AttributeType::VENDOR_SPECIFIC {
                attributes.extend(self.read(None, attribute.kind.0, attribute.value).ok()?);
            }
            for (kind, value) in attribute.vendor_attributes() {
                attributes.extend(self.read(Some(kind), kind.number, value).ok()?);
            }
        }
        // RouterOS takes 0 for no limit at all.
        let timeout = accept.integer(AttributeType::SESSION_TIMEOUT).filter(|seconds| *seconds > 0);
        Some(Granted { timeout: timeout.map(|seconds| Duration::from_secs(seconds.into())), attributes })
    }

    /// One attribute in clear, if it is taken.
    fn read(&self, vendor: Option<VendorType>, number: u8, value: &[u8]) -> Result<Option<HomeAttribute>, HideError> {
        let of_ms_chap = vendor.is_some_and(|kind| OF_MS_CHAP.contains(&kind));
        let vendor = vendor.map(|kind| kind.vendor.0);
        let taken = if of_ms_chap { self.ms_chap != MsChap::None } else { self.taken.has(vendor, number) };
        let Some(definition) = Dictionary::current().numbered(vendor, number).filter(|_| taken) else {
            return Ok(None);
        };
        let value = match (definition.hiding, definition.tagging) {
            (Hiding::Open, _) => HomeValue::Open(value.to_vec()),
            (Hiding::Password, _) if of_ms_chap => {
                HomeValue::Keys(Secret::new(*hide::reveal_chap_keys(value, self.authenticator, self.home)?))
            }
            (Hiding::Password, _) => HomeValue::Password(hide::reveal_password(value, self.authenticator, self.home)?),
            (Hiding::Salted, Tagging::Untagged) => {
                HomeValue::Salted(None, hide::reveal_key(value, self.authenticator, self.home)?)
            }
            (Hiding::Salted, Tagging::Tagged) => {
                let (tag, hidden) = value.split_first().ok_or(HideError::Length)?;
                HomeValue::Salted(Some(*tag), hide::reveal_key(hidden, self.authenticator, self.home)?)
            }
        };
        Ok(Some(HomeAttribute { vendor, number, value }))
    }
}

/// Says in `reply` what a home server granted, but for the names that operators have set here; hidden by the
/// `authenticator` of the router's request and the router's secret.
///
/// # Errors
/// The reply becomes too long.
pub(super) fn push(
    reply: &mut PacketBuilder,
    granted: &Granted,
    ours: &Said,
    (authenticator, router): (&[u8; 16], &SharedSecret),
    entropy: &dyn Entropy,
) -> Result<(), BuildError> {
    // Salts of one packet differ: they are counted on from a random one (RFC 2548 §2.4.2).
    let mut salt = u16::from_be_bytes(entropy.bytes());
    for attribute in &granted.attributes {
        let HomeAttribute { vendor, number, value } = attribute;
        let too_long = |_: HideError| BuildError::ValueTooLong(AttributeType(*number));
        if ours.iter().any(|set| (set.vendor(), set.number()) == (*vendor, *number)) {
            continue;
        }
        let octets = match value {
            HomeValue::Open(octets) => octets.clone(),
            HomeValue::Keys(keys) => match keys.expose().try_into() {
                Ok(keys) => hide::hide_chap_keys(keys, authenticator, router).to_vec(),
                Err(_) => return Err(BuildError::ValueTooLong(AttributeType(*number))),
            },
            HomeValue::Password(value) => {
                hide::hide_password(value.expose(), authenticator, router).map_err(too_long)?
            }
            HomeValue::Salted(tag, value) => {
                salt = salt.wrapping_add(1);
                let hidden = hide::hide_salted(value.expose(), salt.to_be_bytes(), authenticator, router);
                let hidden = hidden.map_err(too_long)?;
                tag.iter().copied().chain(hidden).collect()
            }
        };
        match vendor {
            Some(vendor) => {
                reply.push_vendor(VendorType { vendor: VendorId(*vendor), number: *number }, &octets)?;
            }
            None => {
                reply.push(AttributeType(*number), &octets)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use crate::proto::radius::Signature;

    const THEIRS: [u8; 16] = [0x5a; 16];
    const OURS: [u8; 16] = [0xa5; 16];
    const TUNNEL_PASSWORD: AttributeType = AttributeType(69);

    fn router() -> SharedSecret {
        SharedSecret::new(Secret::new("testing123"))
    }

    fn home() -> SharedSecret {
        SharedSecret::new(Secret::new("between-us-and-home"))
    }

    /// The router's request with what `fill` adds, forwarded.
    fn forwarded(fill: impl FnOnce(&mut PacketBuilder)) -> Result<Vec<u8>, Unfit> {
        let mut asked = PacketBuilder::new(Code::ACCESS_REQUEST, 1, Opening::Bare);
        asked.push(AttributeType::USER_NAME, b"ann").unwrap();
        fill(&mut asked);
        let asked = sign::sign_request(asked, &THEIRS, &router());
        request(&Packet::parse(&asked).unwrap(), &router(), &home(), 9, &OURS)
    }

    #[test]
    fn a_password_is_hidden_anew_and_what_is_between_two_stays_there() {
        let bytes = forwarded(|packet| {
            let hidden = hide::hide_password(b"secret", &THEIRS, &router()).unwrap();
            packet.push(AttributeType::USER_PASSWORD, &hidden).unwrap();
            packet.push(AttributeType::PROXY_STATE, b"theirs").unwrap();
            packet.push(AttributeType::STATE, b"theirs").unwrap();
            packet.push_vendor(VendorType::MIKROTIK_REALM, b"office").unwrap();
        })
        .unwrap();
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((packet.identifier(), packet.authenticator()), (9, &OURS));
        assert_eq!(sign::check_access_request(&packet, &home()), Ok(Signature::Present));
        let hidden = packet.first(AttributeType::USER_PASSWORD).unwrap();
        assert_eq!(hide::reveal_password(hidden, &OURS, &home()), Ok(Secret::new("secret")));
        assert_eq!((packet.first(AttributeType::PROXY_STATE), packet.first(AttributeType::STATE)), (None, None));
        assert_eq!(packet.vendor(VendorType::MIKROTIK_REALM), Some(&b"office"[..]));
    }

    #[test]
    fn a_challenge_of_its_own_is_kept_and_a_missing_one_is_added() {
        let challenge = |own: Option<&'static [u8]>| {
            let bytes = forwarded(|packet| {
                packet.push(AttributeType::CHAP_PASSWORD, &[7; 17]).unwrap();
                own.map(|own| packet.push(AttributeType::CHAP_CHALLENGE, own).unwrap());
            });
            let bytes = bytes.unwrap();
            let packet = Packet::parse(&bytes).unwrap();
            packet.all(AttributeType::CHAP_CHALLENGE).map(<[u8]>::to_vec).collect::<Vec<_>>()
        };
        assert_eq!(challenge(None), [THEIRS]);
        assert_eq!(challenge(Some(b"challenge")), [b"challenge"]);
    }

    #[test]
    fn what_does_not_fit_is_not_forwarded() {
        assert_eq!(forwarded(|packet| drop(packet.push(AttributeType::USER_PASSWORD, &[0; 15]))), Err(Unfit));
        let full = forwarded(|packet| while packet.push(AttributeType::FILTER_ID, &[1; 253]).is_ok() {});
        assert_eq!(full.map(|bytes| bytes.len() <= 4096), Ok(true));
        let fuller = forwarded(|packet| {
            while packet.push(AttributeType::FILTER_ID, &[1; 253]).is_ok() {}
            while packet.push(AttributeType::FILTER_ID, &[1; 1]).is_ok() {}
        });
        assert_eq!(fuller, Err(Unfit), "no room for our signature");
    }

    /// What an Access-Accept says, to a log-in by MS-CHAPv2 or PAP.
    fn granted(response: Option<VendorType>, taken: &str, fill: impl FnOnce(&mut PacketBuilder)) -> Option<Granted> {
        let request = forwarded(|packet| {
            response.map(|response| packet.push_vendor(response, &[1; 50]).unwrap());
        });
        let request = request.unwrap();
        let request = Packet::parse(&request).unwrap();
        let mut accept = PacketBuilder::new(Code::ACCESS_ACCEPT, 9, Opening::MessageAuthenticator);
        fill(&mut accept);
        let accept = sign::sign_reply(accept, &OURS, &home());
        match said(&Packet::parse(&accept).unwrap(), &request, &home(), &Taken::parse(taken).unwrap()) {
            Some(Word::Right(granted)) => Some(granted),
            None => None,
            other => panic!("{other:?}"),
        }
    }

    fn keys_and_more(packet: &mut PacketBuilder) {
        packet.push_vendor(VendorType::MS_CHAP2_SUCCESS, b"\x01S=proof").unwrap();
        let (send, recv) = ([1; 16], [2; 16]);
        packet.push_vendor(VendorType::MS_MPPE_SEND_KEY, &hide::hide_key(&send, [1, 1], &OURS, &home())).unwrap();
        packet.push_vendor(VendorType::MS_MPPE_RECV_KEY, &hide::hide_key(&recv, [1, 2], &OURS, &home())).unwrap();
        let hidden = hide::hide_salted(b"tunnelled", [1, 3], &OURS, &home()).unwrap();
        packet.push(TUNNEL_PASSWORD, &[&[3][..], &hidden].concat()).unwrap();
        packet.push(AttributeType::FRAMED_POOL, b"vpn").unwrap();
        packet.push_integer(AttributeType::SESSION_TIMEOUT, 600).unwrap();
    }

    #[test]
    fn keys_are_taken_out_and_hidden_for_the_router() {
        let granted = granted(Some(VendorType::MS_CHAP2_RESPONSE), "Tunnel-Password", keys_and_more).unwrap();
        assert_eq!(granted.timeout, Some(Duration::from_secs(600)));
        let mut reply = PacketBuilder::new(Code::ACCESS_ACCEPT, 1, Opening::Bare);
        push(&mut reply, &granted, &Said::default(), (&THEIRS, &router()), &SystemEntropy).unwrap();
        let bytes = sign::sign_reply(reply, &THEIRS, &router());
        let packet = Packet::parse(&bytes).unwrap();
        let key = |kind| hide::reveal_key(packet.vendor(kind).unwrap(), &THEIRS, &router()).unwrap();
        assert_eq!(key(VendorType::MS_MPPE_SEND_KEY), Secret::new([1; 16]));
        assert_eq!(key(VendorType::MS_MPPE_RECV_KEY), Secret::new([2; 16]));
        assert_eq!(packet.vendor(VendorType::MS_CHAP2_SUCCESS), Some(&b"\x01S=proof"[..]));
        let (tag, hidden) = packet.first(TUNNEL_PASSWORD).unwrap().split_first().unwrap();
        assert_eq!((*tag, hide::reveal_key(hidden, &THEIRS, &router())), (3, Ok(Secret::new("tunnelled"))));
        assert_eq!(packet.first(AttributeType::FRAMED_POOL), None);
    }

    #[test]
    fn what_an_own_dictionary_defines_is_taken_and_hidden_as_it_says() {
        // One for the whole program: no other test here meets this vendor, or brings another dictionary.
        let text = "VENDOR Ours 32473\nBEGIN-VENDOR Ours\nATTRIBUTE Our-Floor 1 byte\n\
                    ATTRIBUTE Our-Pin 2 string encrypt=1\nATTRIBUTE Our-Key 3 string encrypt=2\nEND-VENDOR Ours\n";
        let own = Dictionary::embedded().clone().with("own", &|_| Some(text.to_owned())).unwrap();
        Dictionary::install(own).unwrap();
        let ours = |number| VendorType { vendor: VendorId(32_473), number };
        let granted = granted(None, "Our-Floor, our-pin, Our-Key", |packet| {
            packet.push_vendor(ours(1), &[3]).unwrap();
            packet.push_vendor(ours(2), &hide::hide_password(b"1234", &OURS, &home()).unwrap()).unwrap();
            packet.push_vendor(ours(3), &hide::hide_salted(b"a key", [1, 1], &OURS, &home()).unwrap()).unwrap();
            packet.push_vendor(ours(4), b"in no dictionary").unwrap();
        });
        let mut reply = PacketBuilder::new(Code::ACCESS_ACCEPT, 1, Opening::Bare);
        push(&mut reply, &granted.unwrap(), &Said::default(), (&THEIRS, &router()), &SystemEntropy).unwrap();
        let bytes = sign::sign_reply(reply, &THEIRS, &router());
        let packet = Packet::parse(&bytes).unwrap();
        let said = |number| packet.vendor(ours(number));
        assert_eq!((said(1), said(4)), (Some(&[3][..]), None));
        assert_eq!(hide::reveal_password(said(2).unwrap(), &THEIRS, &router()), Ok(Secret::new("1234")));
        assert_eq!(hide::reveal_key(said(3).unwrap(), &THEIRS, &router()), Ok(Secret::new("a key")));
    }

    #[test]
    fn what_belongs_to_ms_chap_is_not_taken_without_it() {
        let granted = granted(None, "Framed-Pool", keys_and_more).unwrap();
        let value = HomeValue::Open(b"vpn".to_vec());
        assert_eq!(granted.attributes, [HomeAttribute { vendor: None, number: 88, value }]);
        assert!(!format!("{granted:?}").contains("tunnelled"));
    }

    #[test]
    fn an_accept_that_cannot_be_used_is_none() {
        let second = Some(VendorType::MS_CHAP2_RESPONSE);
        assert_eq!(granted(second, "none", |_| ()), None, "no proof");
        let nonsense = |packet: &mut PacketBuilder| {
            packet.push_vendor(VendorType::MS_CHAP2_SUCCESS, b"\x01S=proof").unwrap();
            packet.push_vendor(VendorType::MS_MPPE_SEND_KEY, &[0; 33]).unwrap();
        };
        assert_eq!(granted(second, "none", nonsense), None, "a key that does not open");
        assert_eq!(granted(None, "none", |_| ()), Some(Granted::default()));
        let no_limit = |packet: &mut PacketBuilder| {
            packet.push_integer(AttributeType::SESSION_TIMEOUT, 0).unwrap();
        };
        assert_eq!(granted(None, "none", no_limit), Some(Granted::default()));
    }
}
