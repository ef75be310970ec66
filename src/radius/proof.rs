//! The proof of the password that an Access-Request brings: one, in the shape of its kind (RFC 2865 §5.2, §5.3, §5.40;
//! RFC 2548 §2.1, §2.3).
//!
//! | octets | of MS-CHAP-Response | of MS-CHAP2-Response |
//! |---|---|---|
//! | 1 | identifier | identifier |
//! | 1 | flags: 1, the NT response counts | flags, reserved |
//! | 24 | LM response, not looked at | peer challenge (16), reserved (8) |
//! | 24 | NT response | NT response |
//!
//! What is in no such shape is refused, not dropped: RFC 2865 §5 wants an Access-Reject for an attribute of an impossible
//! length, and RouterOS would ask its next server on silence. The refusal comes before the name is looked up.

use crate::domain::credential::Proof;
use crate::domain::reason::Reason;
use crate::proto::radius::{Attribute, AttributeType, Packet, SharedSecret, VendorId, VendorType, hide};

/// The shortest CHAP-Challenge, RFC 2865 §5.40.
const CHAP_CHALLENGE_MIN_BYTES: usize = 5;
/// The flag of an MS-CHAP-Response whose NT response counts.
const USE_NT_RESPONSE: u8 = 1;
/// The shortest value of a Vendor-Specific attribute: the vendor, and an octet of its own (RFC 2865 §5.26).
const VENDOR_SPECIFIC_MIN_BYTES: usize = 5;

/// What stands in a request at most once.
#[derive(Default)]
struct Brought<'a> {
    user_name: Option<&'a [u8]>,
    state: Option<&'a [u8]>,
    pap: Option<&'a [u8]>,
    chap: Option<&'a [u8]>,
    chap_challenge: Option<&'a [u8]>,
    ms_chap_1: Option<&'a [u8]>,
    ms_chap_2: Option<&'a [u8]>,
    ms_chap_challenge: Option<&'a [u8]>,
    /// EAP-Message, of which there may be several.
    eap: bool,
}

/// The proof in a request; `None` if it brings none that we know, or one of EAP, which takes several requests.
///
/// # Errors
/// Why what it brings cannot be one.
pub(super) fn read(packet: &Packet<'_>, secret: &SharedSecret) -> Result<Option<Proof>, Reason> {
    let brought = Brought::by(packet)?;
    match (brought.pap, brought.chap, brought.ms_chap_1, brought.ms_chap_2) {
        (None, None, None, None) => Ok(None),
        _ if brought.eap => Err(Reason::SeveralProofs),
        (Some(hidden), None, None, None) => {
            let password = hide::reveal_password(hidden, packet.authenticator(), secret);
            password.map(|password| Some(Proof::Pap(password))).map_err(|_| Reason::BadPassword)
        }
        (None, Some(value), None, None) => {
            chap(value, brought.chap_challenge.unwrap_or(packet.authenticator())).map(Some)
        }
        (None, None, Some(value), None) => ms_chap_1(value, brought.ms_chap_challenge).map(Some),
        (None, None, None, Some(value)) => ms_chap_2(value, brought.ms_chap_challenge).map(Some),
        _ => Err(Reason::SeveralProofs),
    }
}

/// Whether a request brings anything by which somebody could be let in, of whatever shape: one that does not, and is not
/// signed, has nothing in it that could be held against the secret (RFC 3579 §3.3, note 1).
pub(super) fn is_brought(packet: &Packet<'_>) -> bool {
    packet.attributes().any(|attribute| match attribute.kind {
        AttributeType::USER_PASSWORD | AttributeType::CHAP_PASSWORD | AttributeType::EAP_MESSAGE => true,
        _ => attribute.vendor().is_some_and(|(vendor, _)| vendor == VendorId::MICROSOFT),
    })
}

impl<'a> Brought<'a> {
    fn by(packet: &Packet<'a>) -> Result<Self, Reason> {
        let mut brought = Self::default();
        for attribute in packet.attributes() {
            let place = match attribute.kind {
                AttributeType::USER_NAME => &mut brought.user_name,
                AttributeType::STATE => &mut brought.state,
                AttributeType::USER_PASSWORD => &mut brought.pap,
                AttributeType::CHAP_PASSWORD => &mut brought.chap,
                AttributeType::CHAP_CHALLENGE => &mut brought.chap_challenge,
                AttributeType::EAP_MESSAGE => {
                    brought.eap = true;
                    continue;
                }
                AttributeType::VENDOR_SPECIFIC => {
                    brought.of_vendor(&attribute)?;
                    continue;
                }
                _ => continue,
            };
            put(place, attribute.value)?;
        }
        Ok(brought)
    }

    fn of_vendor(&mut self, attribute: &Attribute<'a>) -> Result<(), Reason> {
        let (vendor, rest) = attribute.vendor().ok_or(Reason::VendorShort)?;
        if attribute.value.len() < VENDOR_SPECIFIC_MIN_BYTES {
            return Err(Reason::VendorShort);
        }
        let mut octets = 0;
        for (kind, value) in attribute.vendor_attributes() {
            octets += 2 + value.len();
            match kind {
                VendorType::MS_CHAP_RESPONSE => put(&mut self.ms_chap_1, value)?,
                VendorType::MS_CHAP2_RESPONSE => put(&mut self.ms_chap_2, value)?,
                VendorType::MS_CHAP_CHALLENGE => put(&mut self.ms_chap_challenge, value)?,
                _ => {}
            }
        }
        // Others may have a layout of their own, which RFC 2865 §5.26 only recommends against.
        let has_the_common_layout = matches!(vendor, VendorId::MICROSOFT | VendorId::MIKROTIK);
        if has_the_common_layout && octets != rest.len() { Err(Reason::VendorOverrun) } else { Ok(()) }
    }
}

fn put<'a>(place: &mut Option<&'a [u8]>, value: &'a [u8]) -> Result<(), Reason> {
    if place.replace(value).is_some() { Err(Reason::Repeated) } else { Ok(()) }
}

fn chap(value: &[u8], challenge: &[u8]) -> Result<Proof, Reason> {
    if challenge.len() < CHAP_CHALLENGE_MIN_BYTES {
        return Err(Reason::BadChapChallenge);
    }
    let (ident, response) = value.split_first().ok_or(Reason::BadChapPassword)?;
    let response = response.try_into().map_err(|_| Reason::BadChapPassword)?;
    Ok(Proof::Chap { ident: *ident, challenge: challenge.to_vec(), response })
}

/// The parts of either response.
struct Response<'a> {
    ident: u8,
    flags: u8,
    /// The LM response, or the peer challenge.
    differing: &'a [u8; 24],
    nt_response: [u8; 24],
}

fn response(value: &[u8]) -> Result<Response<'_>, Reason> {
    let parts = value.split_first_chunk::<2>().and_then(|(&[ident, flags], rest)| {
        let (differing, nt_response) = rest.split_first_chunk::<24>()?;
        Some(Response { ident, flags, differing, nt_response: nt_response.try_into().ok()? })
    });
    parts.ok_or(Reason::BadMsChapResponse)
}

fn challenge<const BYTES: usize>(challenge: Option<&[u8]>) -> Result<[u8; BYTES], Reason> {
    let challenge = challenge.ok_or(Reason::NoMsChapChallenge)?;
    challenge.try_into().map_err(|_| Reason::BadMsChapChallenge)
}

fn ms_chap_1(value: &[u8], asked: Option<&[u8]>) -> Result<Proof, Reason> {
    let challenge = challenge(asked)?;
    let Response { ident, flags, nt_response, .. } = response(value)?;
    if flags == USE_NT_RESPONSE {
        Ok(Proof::MsChap1 { ident, challenge, nt_response })
    } else {
        Err(Reason::LmResponse)
    }
}

fn ms_chap_2(value: &[u8], asked: Option<&[u8]>) -> Result<Proof, Reason> {
    let challenge = challenge(asked)?;
    let Response { ident, differing, nt_response, .. } = response(value)?;
    let (peer_challenge, _reserved) = differing.split_first_chunk::<16>().ok_or(Reason::BadMsChapResponse)?;
    Ok(Proof::MsChap2 { ident, challenge, peer_challenge: *peer_challenge, nt_response })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::radius::{Code, Opening, PacketBuilder, sign};
    use crate::secret::Secret;

    const AUTHENTICATOR: [u8; 16] = [0x5a; 16];

    fn secret() -> SharedSecret {
        SharedSecret::new(Secret::new("testing123"))
    }

    /// The proof in a request with a User-Name and what `fill` adds.
    fn read_of(fill: impl FnOnce(&mut PacketBuilder)) -> Result<Option<Proof>, Reason> {
        let mut builder = PacketBuilder::new(Code::ACCESS_REQUEST, 1, Opening::Bare);
        builder.push(AttributeType::USER_NAME, b"ann").unwrap();
        fill(&mut builder);
        let bytes = sign::sign_request(builder, &AUTHENTICATOR, &secret());
        read(&Packet::parse(&bytes).unwrap(), &secret())
    }

    #[test]
    fn a_chap_challenge_is_the_attribute_or_the_authenticator() {
        let with = |challenge: Option<&'static [u8]>| {
            let proof = read_of(|packet| {
                packet.push(AttributeType::CHAP_PASSWORD, &[&[5][..], &[7; 16]].concat()).unwrap();
                challenge.map(|challenge| packet.push(AttributeType::CHAP_CHALLENGE, challenge).unwrap());
            });
            proof.map(|proof| match proof {
                Some(Proof::Chap { ident: 5, challenge, response }) if response == [7; 16] => challenge,
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(with(None), Ok(AUTHENTICATOR.to_vec()));
        assert_eq!(with(Some(b"challenge")), Ok(b"challenge".to_vec()));
        assert_eq!(with(Some(b"chal")), Err(Reason::BadChapChallenge));
        assert_eq!(with(Some(b"")), Err(Reason::BadChapChallenge));
    }

    #[test]
    fn passwords_have_the_length_of_their_kind() {
        let of = |kind, length| read_of(|packet| _ = packet.push(kind, &vec![7; length]).unwrap()).err();
        for length in [0, 15, 17, 144] {
            assert_eq!(of(AttributeType::USER_PASSWORD, length), Some(Reason::BadPassword), "{length}");
        }
        assert_eq!(of(AttributeType::USER_PASSWORD, 128), None);
        for length in [0, 1, 16, 18] {
            assert_eq!(of(AttributeType::CHAP_PASSWORD, length), Some(Reason::BadChapPassword), "{length}");
        }
        assert_eq!(of(AttributeType::CHAP_PASSWORD, 17), None);
    }

    /// The method that a challenge and a response of these lengths lead to.
    fn method(kind: VendorType, challenge: usize, length: usize, flags: u8) -> Result<&'static str, Reason> {
        let mut value = vec![9; length];
        if let Some(place) = value.get_mut(1) {
            *place = flags;
        }
        let proof = read_of(|packet| {
            packet.push_vendor(VendorType::MS_CHAP_CHALLENGE, &vec![1; challenge]).unwrap();
            packet.push_vendor(kind, &value).unwrap();
        });
        proof.map(|proof| proof.unwrap().method())
    }

    #[test]
    fn ms_chap_is_taken_in_its_own_shape_only() {
        let (first, second) = (VendorType::MS_CHAP_RESPONSE, VendorType::MS_CHAP2_RESPONSE);
        assert_eq!(method(first, 8, 50, 1), Ok("mschapv1"));
        assert_eq!(method(first, 8, 50, 0), Err(Reason::LmResponse));
        assert_eq!(method(first, 16, 50, 1), Err(Reason::BadMsChapChallenge));
        assert_eq!(method(first, 8, 49, 1), Err(Reason::BadMsChapResponse));
        assert_eq!(method(second, 16, 50, 0), Ok("mschapv2"));
        assert_eq!(method(second, 8, 50, 0), Err(Reason::BadMsChapChallenge));
        for length in [0, 1, 2, 26, 49, 51] {
            assert_eq!(method(second, 16, length, 0), Err(Reason::BadMsChapResponse), "{length}");
        }
        let alone = read_of(|packet| _ = packet.push_vendor(second, &[9; 50]).unwrap());
        assert_eq!(alone, Err(Reason::NoMsChapChallenge));
    }

    #[test]
    fn two_proofs_are_too_many_and_eap_is_none_yet() {
        type Part = (AttributeType, &'static [u8]);
        let of = |parts: &[Part]| {
            read_of(|packet| parts.iter().for_each(|(kind, value)| _ = packet.push(*kind, value).unwrap()))
        };
        let (pap, chap) = ((AttributeType::USER_PASSWORD, &[7; 16][..]), (AttributeType::CHAP_PASSWORD, &[7; 17][..]));
        let eap: Part = (AttributeType::EAP_MESSAGE, &[2, 1, 0, 5, 1]);
        assert_eq!(of(&[pap, chap]), Err(Reason::SeveralProofs));
        assert_eq!(of(&[pap, eap]), Err(Reason::SeveralProofs));
        assert_eq!(of(&[pap, pap]), Err(Reason::Repeated));
        assert_eq!(of(&[(AttributeType::USER_NAME, b"bob"), pap]), Err(Reason::Repeated));
        assert_eq!(of(&[eap, eap]), Ok(None));
        assert_eq!(of(&[]), Ok(None));
    }

    #[test]
    fn vendors_attributes_fill_their_place() {
        let of = |value: &[u8]| read_of(|packet| _ = packet.push(AttributeType::VENDOR_SPECIFIC, value).unwrap()).err();
        assert_eq!(of(&[0, 0, 1]), Some(Reason::VendorShort));
        assert_eq!(of(&[0, 0, 0, 9]), Some(Reason::VendorShort));
        assert_eq!(of(&[0, 0, 1, 0x37, 1, 4, 0]), Some(Reason::VendorOverrun));
        assert_eq!(of(&[0, 0, 0x3a, 0x8c, 8, 1]), Some(Reason::VendorOverrun));
        assert_eq!(of(&[0, 0, 0x3a, 0x8c, 8]), Some(Reason::VendorOverrun));
        assert_eq!(of(&[0, 0, 0, 9, 77]), None, "of a vendor with a layout of its own");
        assert_eq!(of(&[0, 0, 1, 0x37, 11, 4, 0, 0]), None);
    }
}
