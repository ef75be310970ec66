//! MS-CHAPv1 and MS-CHAPv2 arithmetic: RFC 2433 appendix A, RFC 2759 §8.
//!
//! | value | made of | bytes |
//! |---|---|---|
//! | NT hash | MD4(UTF-16LE password) | 16 |
//! | NT hash hash | MD4(NT hash) | 16 |
//! | challenge hash (v2) | SHA-1(peer ‖ authenticator ‖ user name), first 8 | 8 |
//! | NT response | DES of the challenge under the NT hash cut in three keys of 7 octets | 24 |
//! | authenticator response (v2) | `S=` and 40 upper-case digits | 42 |

use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit};
use md4::Md4;
use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

use super::{hex, same};

const SIGNING_MAGIC: &[u8; 39] = b"Magic server to client signing constant";
const PADDING_MAGIC: &[u8; 41] = b"Pad to make it do more than one iteration";

/// NtPasswordHash, RFC 2433 A.3: MD4 over the password in UTF-16LE, without a terminating NUL.
pub fn nt_hash(password: &str) -> [u8; 16] {
    let utf16: Zeroizing<Vec<u8>> = Zeroizing::new(password.encode_utf16().flat_map(u16::to_le_bytes).collect());
    Md4::digest(&*utf16).into()
}

/// HashNtPasswordHash, RFC 2759 §8.4: MD4 over the NT hash.
pub fn nt_hash_hash(nt_hash: &[u8; 16]) -> [u8; 16] {
    Md4::digest(nt_hash).into()
}

/// ChallengeResponse, RFC 2759 §8.5: the challenge encrypted three times, each under seven octets of the hash.
pub fn challenge_response(challenge: &[u8; 8], nt_hash: &[u8; 16]) -> [u8; 24] {
    let mut padded = Zeroizing::new([0; 21]);
    padded[..16].copy_from_slice(nt_hash);
    let (keys, _) = padded.as_chunks::<7>();
    let mut response = [0; 24];
    for (key, block) in keys.iter().zip(response.as_chunks_mut::<8>().0) {
        *block = encrypt(challenge, key);
    }
    response
}

/// ChallengeHash, RFC 2759 §8.2. `user` is the name as the client sent it, without a leading `DOMAIN\`.
pub fn challenge_hash(peer: &[u8; 16], authenticator: &[u8; 16], user: &[u8]) -> [u8; 8] {
    let digest = Sha1::new().chain_update(peer).chain_update(authenticator).chain_update(user).finalize();
    let mut hash = [0; 8];
    hash.copy_from_slice(&digest[..8]);
    hash
}

/// The two challenges of one MS-CHAPv2 log-in and the user name that is hashed with them.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// The challenge that the client made.
    pub peer: &'a [u8; 16],
    /// The challenge that the router made.
    pub authenticator: &'a [u8; 16],
    /// The user name as hashed by the client: without a leading `DOMAIN\`.
    pub user: &'a [u8],
}

impl Exchange<'_> {
    fn hash(&self) -> [u8; 8] {
        challenge_hash(self.peer, self.authenticator, self.user)
    }
}

/// GenerateNTResponse, RFC 2759 §8.1: what a client that knows the password sends.
pub fn nt_response_v2(exchange: &Exchange<'_>, nt_hash: &[u8; 16]) -> [u8; 24] {
    challenge_response(&exchange.hash(), nt_hash)
}

/// GenerateAuthenticatorResponse, RFC 2759 §8.7: the server's proof for the client, `S=` and 40 upper-case digits.
pub fn authenticator_response(exchange: &Exchange<'_>, nt_hash: &[u8; 16], nt_response: &[u8; 24]) -> [u8; 42] {
    let hash_hash = Zeroizing::new(nt_hash_hash(nt_hash));
    let inner = Sha1::new().chain_update(*hash_hash).chain_update(nt_response).chain_update(SIGNING_MAGIC).finalize();
    let digest = Sha1::new().chain_update(inner).chain_update(exchange.hash()).chain_update(PADDING_MAGIC).finalize();
    let mut text = *b"S=0000000000000000000000000000000000000000";
    for (byte, place) in digest.iter().zip(text[2..].as_chunks_mut::<2>().0) {
        *place = hex::digits(*byte, b"0123456789ABCDEF");
    }
    text
}

/// Whether an MS-CHAPv1 NT response proves knowledge of the password; compared in constant time.
pub fn proves_v1(challenge: &[u8; 8], nt_hash: &[u8; 16], given: &[u8; 24]) -> bool {
    same(&challenge_response(challenge, nt_hash), given)
}

/// Whether an MS-CHAPv2 NT response proves knowledge of the password; compared in constant time.
pub fn proves_v2(exchange: &Exchange<'_>, nt_hash: &[u8; 16], given: &[u8; 24]) -> bool {
    same(&nt_response_v2(exchange, nt_hash), given)
}

fn encrypt(challenge: &[u8; 8], key: &[u8; 7]) -> [u8; 8] {
    let cipher = Des::new(&expand_key(key).into());
    let mut block = (*challenge).into();
    cipher.encrypt_block(&mut block);
    block.into()
}

/// Seven octets as a DES key of eight: seven bits each, then a bit of odd parity (RFC 2759 §8.6).
pub fn expand_key(key: &[u8; 7]) -> [u8; 8] {
    let bits = key.iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
    let mut expanded = [0; 8];
    for (place, octet) in expanded.iter_mut().rev().enumerate() {
        let seven = (bits >> (7 * place)) as u8 & 0x7f;
        *octet = seven << 1 | (!seven.count_ones() & 1) as u8;
    }
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &[u8; 16] = b"!@#$%^&*()_+:3|~";
    const AUTHENTICATOR: &[u8; 16] = b"[]|}{?/><,+-`!2&";

    #[test]
    fn a_changed_bit_or_user_is_refused() {
        let hash = nt_hash("clientPass");
        let exchange = Exchange { peer: PEER, authenticator: AUTHENTICATOR, user: b"User" };
        let mut given = nt_response_v2(&exchange, &hash);
        assert!(proves_v2(&exchange, &hash, &given));
        assert!(!proves_v2(&Exchange { user: b"user", ..exchange }, &hash, &given));
        given[23] ^= 1;
        assert!(!proves_v2(&exchange, &hash, &given));
    }

    #[test]
    fn the_last_block_uses_the_last_two_octets_of_the_hash() {
        let challenge = [7; 8];
        let mut hash = nt_hash("x");
        let before = challenge_response(&challenge, &hash);
        hash[15] ^= 0x80;
        let after = challenge_response(&challenge, &hash);
        assert_eq!(before[..16], after[..16]);
        assert_ne!(before[16..], after[16..]);
    }

    #[test]
    fn keys_have_odd_parity() {
        for octet in expand_key(&[0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde]) {
            assert_eq!(octet.count_ones() % 2, 1);
        }
    }
}
