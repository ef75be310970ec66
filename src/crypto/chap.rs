//! CHAP with MD5: RFC 1994 §4.1 as RADIUS carries it, RFC 2865 §5.3.
//!
//! The response is `MD5(identifier ‖ password ‖ challenge)`.

use md5::{Digest, Md5};

use super::same;

/// The response to `challenge` that somebody who knows `password` gives.
pub fn response(identifier: u8, password: &[u8], challenge: &[u8]) -> [u8; 16] {
    Md5::new().chain_update([identifier]).chain_update(password).chain_update(challenge).finalize().into()
}

/// Whether `given` proves knowledge of `password`; compared in constant time.
///
/// `challenge` is CHAP-Challenge or, where that attribute is absent, the Request Authenticator (RFC 2865 §5.3).
pub fn proves(identifier: u8, password: &[u8], challenge: &[u8], given: &[u8; 16]) -> bool {
    same(&response(identifier, password, challenge), given)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hex;

    #[test]
    fn verifies_the_example_of_rfc_2865() {
        let challenge = hex::decode("2aee86f08d0d55969ca5978e0d3367a2").unwrap();
        let given: [u8; 16] = hex::decode("e97557c316185895f293ff6344077275").unwrap().try_into().unwrap();
        assert!(proves(0x16, b"arctangent", &challenge, &given));
        assert!(!proves(0x17, b"arctangent", &challenge, &given));
        assert!(!proves(0x16, b"arctangens", &challenge, &given));
    }
}
