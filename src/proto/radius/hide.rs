//! Values that travel hidden: User-Password (RFC 2865 §5.2), MS-MPPE keys and MS-CHAP-MPPE-Keys (RFC 2548 §2.4).
//!
//! All are XORed, 16 octets at a time, with `MD5(secret ‖ what came before)`: first the Request Authenticator (and, for
//! MPPE keys, the salt), then the hidden block before.
//!
//! | octets | of a hidden MPPE key of 16 octets |
//! |---|---|
//! | 2 | salt, its highest bit set, differing between the keys of one packet |
//! | 32 | hidden: length of the key (1), the key, zeros up to a multiple of 16 |

use md5::{Digest, Md5};
use zeroize::Zeroizing;

use super::sign::SharedSecret;
use crate::secret::Secret;

const BLOCK_BYTES: usize = 16;
/// The longest password that User-Password can carry, in octets.
pub const PASSWORD_MAX_BYTES: usize = 128;
/// The longest value that travels hidden with a salt: its length, itself and zeros are whole blocks, and with salt and tag
/// they fit into a vendor's attribute of 247 octets.
pub const SALTED_MAX_BYTES: usize = 239;
/// Octets of MS-MPPE-Send-Key and MS-MPPE-Recv-Key for a key of 16 octets.
pub const HIDDEN_KEY_BYTES: usize = 34;

/// Why a value cannot be hidden or revealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HideError {
    /// A password of more than 128 octets.
    #[error("the password is longer than {PASSWORD_MAX_BYTES} octets")]
    TooLong,
    /// The hidden value has not the length that its kind has.
    #[error("the hidden value has an impossible length")]
    Length,
    /// The revealed length does not fit: another secret, or another request.
    #[error("the revealed key does not make sense")]
    Nonsense,
}

/// Hides a password for User-Password: 16 to 128 octets, padded with zeros.
///
/// # Errors
/// [`HideError::TooLong`].
pub fn hide_password(
    password: &[u8],
    request_authenticator: &[u8; 16],
    secret: &SharedSecret,
) -> Result<Vec<u8>, HideError> {
    if password.len() > PASSWORD_MAX_BYTES {
        return Err(HideError::TooLong);
    }
    let mut bytes = password.to_vec();
    bytes.resize(password.len().next_multiple_of(BLOCK_BYTES).max(BLOCK_BYTES), 0);
    hide(&mut bytes, &[request_authenticator], secret);
    Ok(bytes)
}

/// Reveals the value of User-Password. Zeros at the end are padding and cut; zeros before them are kept.
///
/// A wrong secret gives a wrong password, not an error.
///
/// # Errors
/// [`HideError::Length`]: not 16, 32, … 128 octets.
pub fn reveal_password(
    hidden: &[u8],
    request_authenticator: &[u8; 16],
    secret: &SharedSecret,
) -> Result<Secret, HideError> {
    if hidden.is_empty() || hidden.len() > PASSWORD_MAX_BYTES || !hidden.len().is_multiple_of(BLOCK_BYTES) {
        return Err(HideError::Length);
    }
    let mut bytes = Zeroizing::new(hidden.to_vec());
    reveal(&mut bytes, &[request_authenticator], secret);
    let length = bytes.iter().rposition(|octet| *octet != 0).map_or(0, |last| last.saturating_add(1));
    Ok(Secret::new(bytes.get(..length).unwrap_or_default()))
}

/// Hides a 128-bit key for MS-MPPE-Send-Key or MS-MPPE-Recv-Key.
///
/// `salt` must differ between the keys of one packet; its highest bit is set here.
pub fn hide_key(
    key: &[u8; 16],
    salt: [u8; 2],
    request_authenticator: &[u8; 16],
    secret: &SharedSecret,
) -> [u8; HIDDEN_KEY_BYTES] {
    let [high, low] = salt;
    let salt = [high | 0x80, low];
    let mut plain = Zeroizing::new([0; 32]);
    for (place, octet) in plain.iter_mut().zip([16].iter().chain(key)) {
        *place = *octet;
    }
    hide(&mut *plain, &[request_authenticator, &salt], secret);
    let mut hidden = [0; HIDDEN_KEY_BYTES];
    for (place, octet) in hidden.iter_mut().zip(salt.iter().chain(&*plain)) {
        *place = *octet;
    }
    hidden
}

/// Hides a value of any length as MPPE keys are, for Tunnel-Password (RFC 2868 §3.5, behind its tag) too.
///
/// `salt` as for [`hide_key`].
///
/// # Errors
/// [`HideError::Length`]: more than [`SALTED_MAX_BYTES`].
pub fn hide_salted(
    value: &[u8],
    salt: [u8; 2],
    request_authenticator: &[u8; 16],
    secret: &SharedSecret,
) -> Result<Vec<u8>, HideError> {
    let length = u8::try_from(value.len()).map_err(|_| HideError::Length)?;
    if value.len() > SALTED_MAX_BYTES {
        return Err(HideError::Length);
    }
    let [high, low] = salt;
    let salt = [high | 0x80, low];
    let mut plain = Zeroizing::new([&[length][..], value].concat());
    let whole = plain.len().next_multiple_of(BLOCK_BYTES);
    plain.resize(whole, 0);
    hide(&mut plain, &[request_authenticator, &salt], secret);
    Ok([&salt[..], &plain].concat())
}

/// Reveals the value of MS-MPPE-Send-Key or MS-MPPE-Recv-Key, of any key length.
///
/// # Errors
/// [`HideError::Length`] if it is not a salt and whole blocks; [`HideError::Nonsense`] if the revealed length does not fit,
/// which is what a wrong secret mostly gives.
pub fn reveal_key(hidden: &[u8], request_authenticator: &[u8; 16], secret: &SharedSecret) -> Result<Secret, HideError> {
    let (salt, blocks) = hidden.split_first_chunk::<2>().ok_or(HideError::Length)?;
    if blocks.is_empty() || !blocks.len().is_multiple_of(BLOCK_BYTES) {
        return Err(HideError::Length);
    }
    let mut plain = Zeroizing::new(blocks.to_vec());
    reveal(&mut plain, &[request_authenticator, salt], secret);
    let (length, rest) = plain.split_first().ok_or(HideError::Length)?;
    let (key, padding) = rest.split_at_checked(usize::from(*length)).ok_or(HideError::Nonsense)?;
    if padding.len() >= BLOCK_BYTES || padding.iter().any(|octet| *octet != 0) {
        return Err(HideError::Nonsense);
    }
    Ok(Secret::new(key))
}

/// Hides the 32 octets of MS-CHAP-MPPE-Keys, as a password is hidden (RFC 2548 §2.4.1).
pub fn hide_chap_keys(keys: &[u8; 32], request_authenticator: &[u8; 16], secret: &SharedSecret) -> [u8; 32] {
    let mut bytes = *keys;
    hide(&mut bytes, &[request_authenticator], secret);
    bytes
}

/// Reveals the value of MS-CHAP-MPPE-Keys: LM key (8), NT key (16), padding (8).
///
/// # Errors
/// [`HideError::Length`] if it is not 32 octets.
pub fn reveal_chap_keys(
    hidden: &[u8],
    request_authenticator: &[u8; 16],
    secret: &SharedSecret,
) -> Result<Zeroizing<[u8; 32]>, HideError> {
    let mut bytes = Zeroizing::new(<[u8; 32]>::try_from(hidden).map_err(|_| HideError::Length)?);
    reveal(&mut *bytes, &[request_authenticator], secret);
    Ok(bytes)
}

/// Hides whole blocks in place: each is XORed with the hash of the hidden one before.
fn hide(bytes: &mut [u8], first: &[&[u8]], secret: &SharedSecret) {
    let mut pad = first_pad(first, secret);
    for block in bytes.as_chunks_mut::<BLOCK_BYTES>().0 {
        xor(block, &pad);
        pad = next_pad(block, secret);
    }
}

/// The reverse of [`hide`].
fn reveal(bytes: &mut [u8], first: &[&[u8]], secret: &SharedSecret) {
    let mut pad = first_pad(first, secret);
    for block in bytes.as_chunks_mut::<BLOCK_BYTES>().0 {
        let next = next_pad(block, secret);
        xor(block, &pad);
        pad = next;
    }
}

fn first_pad(first: &[&[u8]], secret: &SharedSecret) -> [u8; BLOCK_BYTES] {
    let keyed = Md5::new().chain_update(secret.expose());
    first.iter().fold(keyed, |hasher, part| hasher.chain_update(part)).finalize().into()
}

fn next_pad(hidden: &[u8; BLOCK_BYTES], secret: &SharedSecret) -> [u8; BLOCK_BYTES] {
    first_pad(&[hidden], secret)
}

fn xor(block: &mut [u8; BLOCK_BYTES], pad: &[u8; BLOCK_BYTES]) {
    for (octet, mask) in block.iter_mut().zip(pad) {
        *octet ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM: [u8; 16] = [0x5a; 16];

    fn secret() -> SharedSecret {
        SharedSecret::new(Secret::new("testing123"))
    }

    #[track_caller]
    fn check_password(password: &[u8], expected: &[u8]) {
        let hidden = hide_password(password, &RANDOM, &secret()).unwrap();
        assert!(hidden.len().is_multiple_of(16) && (16..=128).contains(&hidden.len()));
        assert_eq!(reveal_password(&hidden, &RANDOM, &secret()), Ok(Secret::new(expected)));
    }

    #[test]
    fn passwords_go_there_and_back() {
        check_password(b"", b"");
        check_password(b"0123456789abcdef", b"0123456789abcdef");
        check_password(&[b'x'; 128], &[b'x'; 128]);
        check_password(b"in\0side\0\0", b"in\0side");
    }

    #[test]
    fn impossible_lengths_are_refused() {
        assert_eq!(hide_password(&[0; 129], &RANDOM, &secret()), Err(HideError::TooLong));
        for length in [0, 1, 15, 17, 144] {
            assert_eq!(reveal_password(&vec![0; length], &RANDOM, &secret()), Err(HideError::Length));
        }
        for length in [0, 1, 2, 17, 33, 35] {
            assert_eq!(reveal_key(&vec![0; length], &RANDOM, &secret()), Err(HideError::Length));
        }
        assert_eq!(reveal_chap_keys(&[0; 31], &RANDOM, &secret()), Err(HideError::Length));
    }

    #[test]
    fn values_of_any_length_are_hidden_with_a_salt() {
        for length in [0, 1, 15, 16, 32, SALTED_MAX_BYTES] {
            let value = vec![7; length];
            let hidden = hide_salted(&value, [1, 2], &RANDOM, &secret()).unwrap();
            assert!(hidden.len() <= 242 && (hidden.len() - 2).is_multiple_of(16), "{length}");
            assert_eq!(reveal_key(&hidden, &RANDOM, &secret()), Ok(Secret::new(value)));
        }
        assert_eq!(
            hide_salted(&[3; 16], [1, 2], &RANDOM, &secret()).unwrap(),
            hide_key(&[3; 16], [1, 2], &RANDOM, &secret())
        );
        assert_eq!(hide_salted(&[0; 240], [1, 2], &RANDOM, &secret()), Err(HideError::Length));
    }

    #[test]
    fn the_salt_has_its_highest_bit() {
        let hidden = hide_key(&[3; 16], [0x01, 0x02], &RANDOM, &secret());
        assert_eq!(hidden[..2], [0x81, 0x02]);
        assert_eq!(reveal_key(&hidden, &RANDOM, &secret()), Ok(Secret::new([3; 16])));
        assert_eq!(reveal_key(&hidden, &[1; 16], &secret()), Err(HideError::Nonsense));
    }
}
