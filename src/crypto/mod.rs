//! Pure algorithms, one file per family of RFCs: no clock, no randomness, no I/O; random bytes are arguments.

pub mod chap;
pub mod hex;
pub mod mppe;
pub mod mschap;
pub mod password;
pub mod seal;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Whether two byte strings are equal, in a time that depends on their lengths only.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// The first eight octets of HMAC-SHA256: a tag on what we hand out and get back.
pub fn tag(key: &[u8; 32], message: &[u8]) -> [u8; 8] {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    let whole = mac.chain_update(message).finalize().into_bytes();
    let mut tag = [0; 8];
    tag.copy_from_slice(&whole[..8]);
    tag
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn same_looks_at_length_and_content() {
        assert!(same(b"", b""));
        assert!(same(b"abc", b"abc"));
        assert!(!same(b"abc", b"abd"));
        assert!(!same(b"abc", b"abcd"));
    }
}
