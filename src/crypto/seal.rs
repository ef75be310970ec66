//! Sealing of secrets at rest: XChaCha20-Poly1305 under a master key, bound to the place where they are stored.
//!
//! | octets | of a sealed value |
//! |---|---|
//! | 4 | id of the master key, big endian |
//! | 24 | nonce, random |
//! | n + 16 | ciphertext and tag |
//!
//! The associated data is `table ‖ 0 ‖ column ‖ 0 ‖ row (i64, big endian)`, so a value copied to another row does not open.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::hex;
use crate::secret::Secret;

/// Octets of a nonce; so long that random ones never meet.
pub const NONCE_BYTES: usize = 24;
/// Octets of a master key.
pub const KEY_BYTES: usize = 32;
const KEY_ID_BYTES: usize = 4;
const KEY_ID_LABEL: &str = "radgram master key id";

/// Where a sealed value is stored; the value opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Name of the SQL table.
    pub table: &'static str,
    /// Id of the row.
    pub row: i64,
    /// Name of the column.
    pub column: &'static str,
}

impl Place {
    fn associated_data(&self) -> Vec<u8> {
        // Names of tables and columns have no NUL, so no two places share one text.
        [self.table.as_bytes(), &[0], self.column.as_bytes(), &[0], &self.row.to_be_bytes()].concat()
    }
}

/// Why a sealed value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Shorter than key id, nonce and tag.
    #[error("the sealed value is cut short")]
    Short,
    /// Sealed with a master key that is not here.
    #[error("sealed with another master key (id {id:08x})")]
    UnknownKey {
        /// Id of the key that is wanted.
        id: u32,
    },
    /// Changed, or moved from another place.
    #[error("the sealed value was changed or moved")]
    Broken,
}

/// The text of a key file is not one line of 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a master key is one line of 64 hexadecimal digits")]
pub struct KeyTextError;

/// One master key: 32 random octets, known by an id that is derived from them.
#[derive(Clone)]
pub struct MasterKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    id: u32,
}

impl MasterKey {
    /// From 32 random octets.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        let bytes = Zeroizing::new(bytes);
        let [a, b, c, d, ..] = hmac(&bytes, KEY_ID_LABEL);
        Self { bytes, id: u32::from_be_bytes([a, b, c, d]) }
    }

    /// Reads the text of a key file: 64 hexadecimal digits, white space around them allowed.
    ///
    /// # Errors
    /// [`KeyTextError`] for any other text; it does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, KeyTextError> {
        let bytes = Zeroizing::new(hex::decode(text.trim()).ok_or(KeyTextError)?);
        Ok(Self::new(bytes.as_slice().try_into().map_err(|_| KeyTextError)?))
    }

    /// The text of a key file: 64 lower-case digits and a line end.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = hex::encode(&*self.bytes);
        text.push('\n');
        Zeroizing::new(text)
    }

    /// The id that stands in front of every value sealed with this key; says nothing about the key.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// A key for one purpose, told apart by `label`: HMAC-SHA256(master key, label). The same each time.
    pub fn derive(&self, label: &str) -> [u8; 32] {
        hmac(&self.bytes, label)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&(*self.bytes).into())
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MasterKey({:08x})", self.id)
    }
}

/// The master key in use, and the ones before it that still open what they sealed.
#[derive(Debug, Clone)]
pub struct Keyring {
    current: MasterKey,
    former: Vec<MasterKey>,
}

impl Keyring {
    /// A ring of one key.
    pub fn new(current: MasterKey) -> Self {
        Self { current, former: Vec::new() }
    }

    /// Adds a key that only opens: what it sealed stays readable while everything is sealed anew.
    #[must_use]
    pub fn with_former(mut self, key: MasterKey) -> Self {
        self.former.push(key);
        self
    }

    /// The key that seals.
    pub fn current(&self) -> &MasterKey {
        &self.current
    }

    /// A key for one purpose out of the current master key; see [`MasterKey::derive`].
    pub fn derive(&self, label: &str) -> [u8; 32] {
        self.current.derive(label)
    }

    /// Seals `plaintext` for `place` under the current key. `nonce` must be random and fresh.
    pub fn seal(&self, plaintext: &[u8], place: &Place, nonce: [u8; NONCE_BYTES]) -> Vec<u8> {
        let payload = Payload { msg: plaintext, aad: &place.associated_data() };
        let ciphertext = self
            .current
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a secret is far shorter than the cipher's limit of 256 GiB");
        [&self.current.id.to_be_bytes()[..], &nonce, &ciphertext].concat()
    }

    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    /// [`SealError`]: cut short, sealed with a key that is not on the ring, changed or moved.
    pub fn open(&self, sealed: &[u8], place: &Place) -> Result<Secret, SealError> {
        let (id, rest) = sealed.split_first_chunk::<KEY_ID_BYTES>().ok_or(SealError::Short)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Short)?;
        let id = u32::from_be_bytes(*id);
        let key = self.key(id).ok_or(SealError::UnknownKey { id })?;
        let payload = Payload { msg: ciphertext, aad: &place.associated_data() };
        let plaintext = key.cipher().decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError::Broken)?;
        Ok(Secret::new(plaintext))
    }

    /// Whether `sealed` should be sealed again: it names another key than the current one.
    pub fn is_outdated(&self, sealed: &[u8]) -> bool {
        !sealed.starts_with(&self.current.id.to_be_bytes())
    }

    fn key(&self, id: u32) -> Option<&MasterKey> {
        std::iter::once(&self.current).chain(&self.former).find(|key| key.id == id)
    }
}

fn hmac(key: &[u8; KEY_BYTES], label: &str) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(label.as_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { table: "account", row: 7, column: "password" };

    fn ring(byte: u8) -> Keyring {
        Keyring::new(MasterKey::new([byte; KEY_BYTES]))
    }

    #[test]
    fn opens_only_at_its_place_and_unchanged() {
        let ring = ring(1);
        let mut sealed = ring.seal(b"hunter2", &PLACE, [9; NONCE_BYTES]);
        assert_eq!(ring.open(&sealed, &PLACE), Ok(Secret::new("hunter2")));
        for elsewhere in
            [Place { row: 8, ..PLACE }, Place { column: "secret", ..PLACE }, Place { table: "router", ..PLACE }]
        {
            assert_eq!(ring.open(&sealed, &elsewhere), Err(SealError::Broken));
        }
        *sealed.last_mut().unwrap() ^= 1;
        assert_eq!(ring.open(&sealed, &PLACE), Err(SealError::Broken));
        assert_eq!(ring.open(&sealed[..27], &PLACE), Err(SealError::Short));
        assert_eq!(ring.open(&sealed[..30], &PLACE), Err(SealError::Broken));
    }

    #[test]
    fn a_former_key_still_opens() {
        let sealed = ring(1).seal(b"x", &PLACE, [9; NONCE_BYTES]);
        let id = MasterKey::new([1; KEY_BYTES]).id();
        assert_eq!(ring(2).open(&sealed, &PLACE), Err(SealError::UnknownKey { id }));
        let both = ring(2).with_former(MasterKey::new([1; KEY_BYTES]));
        assert_eq!(both.open(&sealed, &PLACE), Ok(Secret::new("x")));
        assert!(both.is_outdated(&sealed));
        assert!(!ring(1).is_outdated(&sealed));
    }

    #[test]
    fn key_text_goes_there_and_back() {
        let key = MasterKey::new([0xab; KEY_BYTES]);
        let text = key.to_text();
        assert_eq!(text.len(), 65);
        assert_eq!(MasterKey::parse(&text).unwrap().id(), key.id());
        for wrong in ["", "ab", &"g".repeat(64), &"a".repeat(66)] {
            assert_eq!(MasterKey::parse(wrong).unwrap_err(), KeyTextError);
        }
    }

    #[test]
    fn keys_are_not_printed_and_labels_tell_them_apart() {
        let key = MasterKey::new([0xab; KEY_BYTES]);
        assert!(!format!("{key:?}").contains("abab"));
        assert_ne!(key.derive("a"), key.derive("b"));
    }
}
