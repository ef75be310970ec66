//! The dialler's half of a log-in: the proof of a password that goes into an Access-Request, and whether the Accept proves
//! the server in turn (RFC 2865 §5.2, §5.3; RFC 2548 §2; RFC 2759; RFC 3079).

use super::attribute::{AttributeType, VendorType};
use super::build::{BuildError, PacketBuilder};
use super::hide;
use super::packet::Packet;
use super::sign::SharedSecret;
use crate::crypto::{chap, mppe, mschap, same};
use crate::secret::Secret;

/// How the password is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// In clear to the router.
    Pap,
    /// MD5 of a challenge.
    Chap,
    /// RFC 2433.
    MsChapV1,
    /// RFC 2759.
    MsChapV2,
}

/// What is random in one log-in: every transmission of it is the same.
#[derive(Debug, Clone, Copy)]
pub struct Nonces {
    /// The Request Authenticator.
    pub authenticator: [u8; 16],
    /// The identifier of the proof.
    pub identifier: u8,
    /// The router's challenge; MS-CHAPv1 takes its first half.
    pub challenge: [u8; 16],
    /// The dialler's own challenge, for MS-CHAPv2.
    pub peer_challenge: [u8; 16],
}

/// Who dials, and how.
#[derive(Debug, Clone, Copy)]
pub struct Dialer<'a> {
    /// The name as typed, perhaps `DOMAIN\name`.
    pub name: &'a [u8],
    /// The password.
    pub password: &'a Secret,
    /// How it is proven.
    pub method: Method,
    /// What is random.
    pub nonces: &'a Nonces,
}

/// What an Accept says of the one thing that was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// It is not there, and is not needed.
    Nothing,
    /// It is right.
    Right,
    /// It is not there, or only half of it.
    Missing,
    /// It is of another password or another log-in.
    Wrong,
}

impl Dialer<'_> {
    /// Appends the proof of the password.
    ///
    /// # Errors
    /// [`BuildError`]: the packet is full, or a PAP password is longer than 128 octets.
    pub fn push(&self, packet: &mut PacketBuilder, secret: &SharedSecret) -> Result<(), BuildError> {
        let Nonces { authenticator, identifier, challenge, peer_challenge } = self.nonces;
        match self.method {
            Method::Pap => {
                let hidden = hide::hide_password(self.password.expose(), authenticator, secret)
                    .map_err(|_| BuildError::ValueTooLong(AttributeType::USER_PASSWORD))?;
                packet.push(AttributeType::USER_PASSWORD, &hidden)?;
            }
            Method::Chap => {
                let response = chap::response(*identifier, self.password.expose(), challenge);
                packet.push(AttributeType::CHAP_PASSWORD, &[&[*identifier][..], &response].concat())?;
                packet.push(AttributeType::CHAP_CHALLENGE, challenge)?;
            }
            Method::MsChapV1 => {
                let response = mschap::challenge_response(&self.short_challenge(), &self.nt_hash());
                let value = [&[*identifier, 1][..], &[0; 24], &response].concat();
                packet.push_vendor(VendorType::MS_CHAP_CHALLENGE, &self.short_challenge())?;
                packet.push_vendor(VendorType::MS_CHAP_RESPONSE, &value)?;
            }
            Method::MsChapV2 => {
                let value = [&[*identifier, 0][..], peer_challenge, &[0; 8], &self.nt_response_v2()].concat();
                packet.push_vendor(VendorType::MS_CHAP_CHALLENGE, challenge)?;
                packet.push_vendor(VendorType::MS_CHAP2_RESPONSE, &value)?;
            }
        }
        if let (Method::MsChapV1 | Method::MsChapV2, (Some(domain), _)) = (self.method, self.parts()) {
            packet.push_vendor(VendorType::MS_CHAP_DOMAIN, domain)?;
        }
        Ok(())
    }

    /// Whether the server proves that it knows the password, too: MS-CHAP2-Success (RFC 2548 §2.3.3). A client hangs up if
    /// it does not.
    pub fn success(&self, accept: &Packet<'_>) -> Shown {
        if self.method != Method::MsChapV2 {
            return Shown::Nothing;
        }
        let Some(success) = accept.vendor(VendorType::MS_CHAP2_SUCCESS) else { return Shown::Missing };
        let text = mschap::authenticator_response(&self.exchange(), &self.nt_hash(), &self.nt_response_v2());
        let expected = [&[self.nonces.identifier][..], &text].concat();
        // A server may append ` M=message`.
        if same(success.get(..expected.len()).unwrap_or(success), &expected) { Shown::Right } else { Shown::Wrong }
    }

    /// Whether the keys for MPPE are those that the client makes itself.
    pub fn keys(&self, accept: &Packet<'_>, secret: &SharedSecret) -> Shown {
        match self.method {
            Method::Pap | Method::Chap => Shown::Nothing,
            Method::MsChapV1 => self.chap_keys(accept, secret),
            Method::MsChapV2 => self.start_keys(accept, secret),
        }
    }

    fn start_keys(&self, accept: &Packet<'_>, secret: &SharedSecret) -> Shown {
        let given = [VendorType::MS_MPPE_SEND_KEY, VendorType::MS_MPPE_RECV_KEY].map(|kind| accept.vendor(kind));
        let [Some(send), Some(recv)] = given else {
            return if given == [None, None] { Shown::Nothing } else { Shown::Missing };
        };
        let keys = mppe::StartKeys::new(&self.nt_hash(), &self.nt_response_v2());
        let is = |hidden, key: &[u8; 16]| {
            hide::reveal_key(hidden, &self.nonces.authenticator, secret).is_ok_and(|given| same(given.expose(), key))
        };
        if is(send, &keys.send) && is(recv, &keys.recv) { Shown::Right } else { Shown::Wrong }
    }

    fn chap_keys(&self, accept: &Packet<'_>, secret: &SharedSecret) -> Shown {
        let Some(hidden) = accept.vendor(VendorType::MS_CHAP_MPPE_KEYS) else { return Shown::Nothing };
        let expected = mppe::chap_mppe_keys(&self.nt_hash());
        let given = hide::reveal_chap_keys(hidden, &self.nonces.authenticator, secret);
        let right = given.is_ok_and(|given| same(nt_key(&given), nt_key(&expected)));
        if right { Shown::Right } else { Shown::Wrong }
    }

    /// What stands before the last backslash of the name, and after it.
    fn parts(&self) -> (Option<&[u8]>, &[u8]) {
        let Some(at) = self.name.iter().rposition(|octet| *octet == b'\\') else { return (None, self.name) };
        let (domain, rest) = self.name.split_at_checked(at).unwrap_or((self.name, &[]));
        (Some(domain), rest.get(1..).unwrap_or_default())
    }

    fn short_challenge(&self) -> [u8; 8] {
        self.nonces.challenge.first_chunk().copied().unwrap_or_default()
    }

    fn nt_hash(&self) -> [u8; 16] {
        mschap::nt_hash(self.password.expose_str().unwrap_or_default())
    }

    fn exchange(&self) -> mschap::Exchange<'_> {
        let (_, user) = self.parts();
        mschap::Exchange { peer: &self.nonces.peer_challenge, authenticator: &self.nonces.challenge, user }
    }

    fn nt_response_v2(&self) -> [u8; 24] {
        mschap::nt_response_v2(&self.exchange(), &self.nt_hash())
    }
}

/// The key of 16 octets that counts: the 8 before it are of the LM hash, which no modern server keeps.
fn nt_key(keys: &[u8; 32]) -> &[u8] {
    keys.get(8..24).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hex;
    use crate::proto::radius::{Code, Opening, sign};

    fn nonces() -> Nonces {
        let octets = |text| hex::decode(text).unwrap().try_into().unwrap();
        Nonces {
            authenticator: [7; 16],
            identifier: 0,
            challenge: octets("5b5d7c7d7b3f2f3e3c2c602132262628"),
            peer_challenge: octets("21402324255e262a28295f2b3a337c7e"),
        }
    }

    fn secret() -> SharedSecret {
        SharedSecret::new(Secret::new("testing123"))
    }

    fn request(name: &[u8], method: Method) -> Vec<u8> {
        let (nonces, password) = (nonces(), Secret::new("clientPass"));
        let mut packet = PacketBuilder::new(Code::ACCESS_REQUEST, 1, Opening::Bare);
        Dialer { name, password: &password, method, nonces: &nonces }.push(&mut packet, &secret()).unwrap();
        sign::sign_request(packet, &nonces.authenticator, &secret())
    }

    #[test]
    fn the_response_of_rfc_2759_is_made_for_a_name_with_or_without_a_domain() {
        for (name, domain) in [(&b"User"[..], None), (b"CORP\\User", Some(&b"CORP"[..]))] {
            let bytes = request(name, Method::MsChapV2);
            let packet = Packet::parse(&bytes).unwrap();
            let response = packet.vendor(VendorType::MS_CHAP2_RESPONSE).unwrap();
            // RFC 2759 §9.2
            assert_eq!(hex::encode(&response[26..]), "82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df");
            assert_eq!(packet.vendor(VendorType::MS_CHAP_DOMAIN), domain);
        }
    }

    #[test]
    fn what_an_accept_proves_is_looked_at() {
        let (nonces, password) = (nonces(), Secret::new("clientPass"));
        let dialer = |password, method| Dialer { name: b"User", password, method, nonces: &nonces };
        let ours = dialer(&password, Method::MsChapV2);
        let empty = sign::sign_reply(PacketBuilder::new(Code::ACCESS_ACCEPT, 1, Opening::Bare), &[7; 16], &secret());
        let empty = Packet::parse(&empty).unwrap();
        assert_eq!((ours.success(&empty), ours.keys(&empty, &secret())), (Shown::Missing, Shown::Nothing));
        assert_eq!(dialer(&password, Method::Pap).success(&empty), Shown::Nothing);

        let mut accept = PacketBuilder::new(Code::ACCESS_ACCEPT, 1, Opening::Bare);
        let success = b"\0S=407A5589115FD0D6209F510FE9C04566932CDA56";
        accept.push_vendor(VendorType::MS_CHAP2_SUCCESS, success).unwrap();
        let keys = mppe::StartKeys::new(&ours.nt_hash(), &ours.nt_response_v2());
        let hidden = |key, salt| hide::hide_key(key, salt, &nonces.authenticator, &secret());
        accept.push_vendor(VendorType::MS_MPPE_SEND_KEY, &hidden(&keys.send, [0, 1])).unwrap();
        accept.push_vendor(VendorType::MS_MPPE_RECV_KEY, &hidden(&keys.recv, [0, 2])).unwrap();
        let accept = sign::sign_reply(accept, &[7; 16], &secret());
        let accept = Packet::parse(&accept).unwrap();
        assert_eq!((ours.success(&accept), ours.keys(&accept, &secret())), (Shown::Right, Shown::Right));
        let other = Secret::new("otherPass");
        let theirs = dialer(&other, Method::MsChapV2);
        assert_eq!((theirs.success(&accept), theirs.keys(&accept, &secret())), (Shown::Wrong, Shown::Wrong));
    }
}
