//! Who sent it: Request and Response Authenticators (RFC 2865 §3, RFC 2866 §3, RFC 5176 §2.3) and the
//! Message-Authenticator (RFC 3579 §3.2, RFC 5176 §3.4).
//!
//! | packet | Authenticator | in its place for the Message-Authenticator |
//! |---|---|---|
//! | Access-Request, Status-Server | random | itself |
//! | Accounting-, Disconnect-, CoA-Request | MD5(packet with 16 zero octets ‖ secret) | 16 zero octets |
//! | every reply | MD5(packet with the Request Authenticator ‖ secret) | the Request Authenticator |
//!
//! The Message-Authenticator is HMAC-MD5 over the packet with its own value zero, made before the Authenticator.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};

use super::build::{MESSAGE_AUTHENTICATOR_AT, Opening, PacketBuilder};
use super::packet::{MESSAGE_AUTHENTICATOR_BYTES, Packet};
use crate::crypto::same;
use crate::secret::Secret;

const ZERO: [u8; 16] = [0; 16];
const AUTHENTICATOR_AT: usize = 4;
const ATTRIBUTES_AT: usize = 20;

/// The secret that router and server share, with the HMAC key schedule made once.
#[derive(Clone)]
pub struct SharedSecret {
    secret: Secret,
    keyed: Hmac<Md5>,
}

impl SharedSecret {
    /// Makes the key schedule. An empty secret protects nothing: refuse it where it is configured.
    pub fn new(secret: Secret) -> Self {
        let keyed = Hmac::new_from_slice(secret.expose()).expect("HMAC takes a key of any length");
        Self { secret, keyed }
    }

    pub(super) fn expose(&self) -> &[u8] {
        self.secret.expose()
    }

    fn message_authenticator(&self, bytes: &[u8], authenticator: &[u8; 16], value_at: usize) -> Option<[u8; 16]> {
        let mut mac = self.keyed.clone();
        mac.update(bytes.get(..AUTHENTICATOR_AT)?);
        mac.update(authenticator);
        mac.update(bytes.get(ATTRIBUTES_AT..value_at)?);
        mac.update(&ZERO);
        mac.update(bytes.get(value_at.checked_add(MESSAGE_AUTHENTICATOR_BYTES)?..)?);
        Some(mac.finalize().into_bytes().into())
    }

    fn hashed_authenticator(&self, bytes: &[u8], authenticator: &[u8; 16]) -> Option<[u8; 16]> {
        let hasher = Md5::new()
            .chain_update(bytes.get(..AUTHENTICATOR_AT)?)
            .chain_update(authenticator)
            .chain_update(bytes.get(ATTRIBUTES_AT..)?)
            .chain_update(self.expose());
        Some(hasher.finalize().into())
    }
}

impl From<Secret> for SharedSecret {
    fn from(secret: Secret) -> Self {
        Self::new(secret)
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SharedSecret(…)")
    }
}

/// Whether a packet carries a Message-Authenticator. If it does, it was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// It does, and it is right.
    Present,
    /// It does not; whether that is enough is the reader's rule.
    Absent,
}

/// What is wrong with a packet that was not made with our secret, or was changed. Silently discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Forged {
    /// The Request or Response Authenticator.
    #[error("the authenticator is wrong")]
    Authenticator,
    /// The Message-Authenticator.
    #[error("the Message-Authenticator is wrong")]
    MessageAuthenticator,
}

/// Verifies the Message-Authenticator of an Access-Request or Status-Server, if there is one.
///
/// # Errors
/// [`Forged::MessageAuthenticator`].
pub fn check_access_request(request: &Packet<'_>, secret: &SharedSecret) -> Result<Signature, Forged> {
    check_message_authenticator(request, request.authenticator(), secret)
}

/// Verifies an Accounting-, Disconnect- or CoA-Request: its Authenticator, and a Message-Authenticator if there is one.
///
/// # Errors
/// [`Forged`]: whichever is wrong.
pub fn check_hashed_request(request: &Packet<'_>, secret: &SharedSecret) -> Result<Signature, Forged> {
    check_authenticator(request, &ZERO, secret)?;
    check_message_authenticator(request, &ZERO, secret)
}

/// Verifies any reply against the Authenticator of the request that it answers.
///
/// The caller has matched identifier, source address and port before.
///
/// # Errors
/// [`Forged`]: whichever is wrong.
pub fn check_reply(
    reply: &Packet<'_>,
    request_authenticator: &[u8; 16],
    secret: &SharedSecret,
) -> Result<Signature, Forged> {
    check_authenticator(reply, request_authenticator, secret)?;
    check_message_authenticator(reply, request_authenticator, secret)
}

/// Finishes an Access-Request or Status-Server. `authenticator` must be random and fresh: passwords are hidden by it.
pub fn sign_request(builder: PacketBuilder, authenticator: &[u8; 16], secret: &SharedSecret) -> Vec<u8> {
    let mut bytes = fill_message_authenticator(builder, authenticator, secret);
    put(&mut bytes, AUTHENTICATOR_AT, authenticator);
    bytes
}

/// Finishes a reply of any kind to the request with `request_authenticator`.
pub fn sign_reply(builder: PacketBuilder, request_authenticator: &[u8; 16], secret: &SharedSecret) -> Vec<u8> {
    hash_in(fill_message_authenticator(builder, request_authenticator, secret), request_authenticator, secret)
}

/// Finishes an Accounting-Request.
pub fn sign_accounting_request(builder: PacketBuilder, secret: &SharedSecret) -> Vec<u8> {
    hash_in(fill_message_authenticator(builder, &ZERO, secret), &ZERO, secret)
}

/// Finishes a Disconnect- or CoA-Request: signed like an Accounting-Request (RFC 5176 §2.3).
pub fn sign_coa_request(builder: PacketBuilder, secret: &SharedSecret) -> Vec<u8> {
    sign_accounting_request(builder, secret)
}

fn check_authenticator(packet: &Packet<'_>, in_place: &[u8; 16], secret: &SharedSecret) -> Result<(), Forged> {
    let expected = secret.hashed_authenticator(packet.trimmed(), in_place).ok_or(Forged::Authenticator)?;
    if same(&expected, packet.authenticator()) { Ok(()) } else { Err(Forged::Authenticator) }
}

fn check_message_authenticator(
    packet: &Packet<'_>,
    in_place: &[u8; 16],
    secret: &SharedSecret,
) -> Result<Signature, Forged> {
    let Some((value_at, given)) = packet.message_authenticator() else {
        return Ok(Signature::Absent);
    };
    let expected =
        secret.message_authenticator(packet.trimmed(), in_place, value_at).ok_or(Forged::MessageAuthenticator)?;
    if same(&expected, given) { Ok(Signature::Present) } else { Err(Forged::MessageAuthenticator) }
}

fn fill_message_authenticator(builder: PacketBuilder, in_place: &[u8; 16], secret: &SharedSecret) -> Vec<u8> {
    let opening = builder.opening();
    let mut bytes = builder.into_bytes();
    if opening == Opening::MessageAuthenticator
        && let Some(value) = secret.message_authenticator(&bytes, in_place, MESSAGE_AUTHENTICATOR_AT)
    {
        put(&mut bytes, MESSAGE_AUTHENTICATOR_AT, &value);
    }
    bytes
}

fn hash_in(mut bytes: Vec<u8>, in_place: &[u8; 16], secret: &SharedSecret) -> Vec<u8> {
    if let Some(value) = secret.hashed_authenticator(&bytes, in_place) {
        put(&mut bytes, AUTHENTICATOR_AT, &value);
    }
    bytes
}

fn put(bytes: &mut [u8], at: usize, value: &[u8; 16]) {
    if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<16>()) {
        *place = *value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::radius::{AttributeType, Code};

    const RANDOM: [u8; 16] = [0x5a; 16];

    fn secret(text: &str) -> SharedSecret {
        SharedSecret::new(Secret::new(text))
    }

    fn builder(code: Code, opening: Opening) -> PacketBuilder {
        let mut builder = PacketBuilder::new(code, 3, opening);
        builder.push(AttributeType::USER_NAME, b"ann").unwrap();
        builder
    }

    type Sign = fn(PacketBuilder, &SharedSecret) -> Vec<u8>;
    type Check = fn(&Packet<'_>, &SharedSecret) -> Result<Signature, Forged>;

    #[track_caller]
    fn check(code: Code, sign: Sign, verify: Check) {
        let ours = secret("ours");
        for (opening, signature) in
            [(Opening::MessageAuthenticator, Signature::Present), (Opening::Bare, Signature::Absent)]
        {
            let bytes = sign(builder(code, opening), &ours);
            assert_eq!(verify(&Packet::parse(&bytes).unwrap(), &ours), Ok(signature));
            if opening == Opening::Bare && code == Code::ACCESS_REQUEST {
                continue; // nothing protects it: that is what the Message-Authenticator is for
            }
            assert!(verify(&Packet::parse(&bytes).unwrap(), &secret("theirs")).is_err());
            for place in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[place] ^= 1;
                if let Ok(packet) = Packet::parse(&changed) {
                    assert_ne!(verify(&packet, &ours), Ok(Signature::Present), "octet {place}");
                    assert!(opening == Opening::MessageAuthenticator || verify(&packet, &ours).is_err());
                }
            }
        }
    }

    #[test]
    fn access_requests_are_held_by_their_message_authenticator() {
        check(Code::ACCESS_REQUEST, |builder, secret| sign_request(builder, &RANDOM, secret), check_access_request);
    }

    #[test]
    fn hashed_requests_are_held_by_both() {
        check(Code::ACCOUNTING_REQUEST, sign_accounting_request, check_hashed_request);
        check(Code::DISCONNECT_REQUEST, sign_coa_request, check_hashed_request);
    }

    #[test]
    fn replies_are_held_by_both() {
        check(
            Code::ACCESS_ACCEPT,
            |builder, secret| sign_reply(builder, &RANDOM, secret),
            |packet, secret| check_reply(packet, &RANDOM, secret),
        );
    }

    #[test]
    fn a_reply_to_another_request_is_refused() {
        let ours = secret("ours");
        let bytes = sign_reply(builder(Code::ACCESS_ACCEPT, Opening::Bare), &RANDOM, &ours);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(check_reply(&packet, &[1; 16], &ours), Err(Forged::Authenticator));
    }

    #[test]
    fn padding_does_not_matter() {
        let ours = secret("ours");
        let mut bytes = sign_accounting_request(builder(Code::ACCOUNTING_REQUEST, Opening::Bare), &ours);
        bytes.extend_from_slice(b"padding");
        assert_eq!(check_hashed_request(&Packet::parse(&bytes).unwrap(), &ours), Ok(Signature::Absent));
    }

    #[test]
    fn is_not_printed() {
        assert_eq!(format!("{:?}", secret("hunter2")), "SharedSecret(…)");
    }
}
