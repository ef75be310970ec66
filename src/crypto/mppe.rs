//! Keys for MPPE out of an MS-CHAP log-in: RFC 3079 §3 (MS-CHAPv2) and RFC 2548 §2.4.1 (MS-CHAPv1).

use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

use super::mschap;

const MASTER_MAGIC: &[u8; 27] = b"This is the MPPE Master Key";
const SERVER_RECEIVES_MAGIC: &[u8; 84] =
    b"On the client side, this is the send key; on the server side, it is the receive key.";
const SERVER_SENDS_MAGIC: &[u8; 84] =
    b"On the client side, this is the receive key; on the server side, it is the send key.";
const FIRST_PAD: [u8; 40] = [0x00; 40];
const SECOND_PAD: [u8; 40] = [0xf2; 40];

/// The two 128-bit start keys of one tunnel, seen from the server (which for RADIUS is the router).
///
/// They are the plaintexts of MS-MPPE-Send-Key and MS-MPPE-Recv-Key (RFC 2548 §2.4.2, §2.4.3).
pub struct StartKeys {
    /// For what the server sends and the client receives: MS-MPPE-Send-Key.
    pub send: Zeroizing<[u8; 16]>,
    /// For what the client sends and the server receives: MS-MPPE-Recv-Key.
    pub recv: Zeroizing<[u8; 16]>,
}

impl StartKeys {
    /// From the hash of the password and the NT response of the log-in (RFC 3079 §3.4).
    pub fn new(nt_hash: &[u8; 16], nt_response: &[u8; 24]) -> Self {
        let master = master_key(nt_hash, nt_response);
        Self { send: start_key(&master, SERVER_SENDS_MAGIC), recv: start_key(&master, SERVER_RECEIVES_MAGIC) }
    }
}

impl std::fmt::Debug for StartKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("StartKeys(…)")
    }
}

/// GetMasterKey, RFC 3079 §3.4.
pub fn master_key(nt_hash: &[u8; 16], nt_response: &[u8; 24]) -> Zeroizing<[u8; 16]> {
    let hash_hash = Zeroizing::new(mschap::nt_hash_hash(nt_hash));
    first_16(Sha1::new().chain_update(*hash_hash).chain_update(nt_response).chain_update(MASTER_MAGIC))
}

/// The plaintext of MS-CHAP-MPPE-Keys for an MS-CHAPv1 log-in: LM key (8, zero: no LM hash is kept) ‖
/// MD4(NT hash) (16) ‖ padding (8, zero). RFC 2548 §2.4.1.
pub fn chap_mppe_keys(nt_hash: &[u8; 16]) -> Zeroizing<[u8; 32]> {
    let mut keys = Zeroizing::new([0; 32]);
    keys[8..24].copy_from_slice(&mschap::nt_hash_hash(nt_hash));
    keys
}

fn start_key(master: &[u8; 16], magic: &[u8; 84]) -> Zeroizing<[u8; 16]> {
    first_16(Sha1::new().chain_update(master).chain_update(FIRST_PAD).chain_update(magic).chain_update(SECOND_PAD))
}

fn first_16(hasher: Sha1) -> Zeroizing<[u8; 16]> {
    let mut key = Zeroizing::new([0; 16]);
    key.copy_from_slice(&hasher.finalize()[..16]);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_not_printed() {
        let keys = StartKeys::new(&[1; 16], &[2; 24]);
        assert_eq!(format!("{keys:?}"), "StartKeys(…)");
        assert_ne!(keys.send, keys.recv);
    }

    #[test]
    fn the_v1_plaintext_has_no_lm_key() {
        let keys = chap_mppe_keys(&mschap::nt_hash("bob"));
        assert_eq!(keys[..8], [0; 8]);
        assert_eq!(keys[24..], [0; 8]);
    }
}
