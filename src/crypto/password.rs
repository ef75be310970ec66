//! Passwords of operators: argon2id, kept as a PHC string.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error as HashError, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

/// Memory of one hash, in KiB: OWASP's first choice for argon2id.
pub const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over that memory.
pub const PASSES: u32 = 2;
/// Lanes: one, a log-in uses one core.
pub const LANES: u32 = 1;
/// Octets of salt that `hash` wants.
pub const SALT_BYTES: usize = 16;
/// The longest password that is hashed, in octets: far above what a person types, far below what costs time.
pub const PASSWORD_MAX_BYTES: usize = 1024;

/// What a comparison came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The password is the one that was hashed.
    Right,
    /// It is another one.
    Wrong,
}

/// Why a password could not be hashed or compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Longer than [`PASSWORD_MAX_BYTES`].
    #[error("the password is longer than {PASSWORD_MAX_BYTES} octets")]
    TooLong,
    /// The stored text is not a PHC string of argon2.
    #[error("the stored password hash cannot be read")]
    Unreadable,
}

/// The PHC string (`$argon2id$v=19$m=19456,t=2,p=1$…`) of a password under a fresh random salt.
///
/// # Errors
/// [`PasswordError::TooLong`].
pub fn hash(password: &[u8], salt: &[u8; SALT_BYTES]) -> Result<String, PasswordError> {
    if password.len() > PASSWORD_MAX_BYTES {
        return Err(PasswordError::TooLong);
    }
    let phc: PasswordHash = hasher().hash_password_with_salt(password, salt).map_err(|_| PasswordError::TooLong)?;
    Ok(phc.to_string())
}

/// Compares a password with a PHC string, by the parameters written in it; in constant time once hashed.
///
/// # Errors
/// [`PasswordError::TooLong`]; [`PasswordError::Unreadable`] if `phc` is not a hash of argon2.
pub fn verify(password: &[u8], phc: &str) -> Result<Proof, PasswordError> {
    if password.len() > PASSWORD_MAX_BYTES {
        return Err(PasswordError::TooLong);
    }
    let parsed = PasswordHash::new(phc).map_err(|_| PasswordError::Unreadable)?;
    match hasher().verify_password(password, &parsed) {
        Ok(()) => Ok(Proof::Right),
        Err(HashError::PasswordInvalid) if parsed.hash.is_some() && parsed.salt.is_some() => Ok(Proof::Wrong),
        Err(_) => Err(PasswordError::Unreadable),
    }
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the constants above are within argon2's ranges");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_password_verifies_and_no_other() {
        let phc = hash(b"correct horse", &[7; SALT_BYTES]).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert_eq!(verify(b"correct horse", &phc), Ok(Proof::Right));
        assert_eq!(verify(b"correct Horse", &phc), Ok(Proof::Wrong));
        assert_ne!(phc, hash(b"correct horse", &[8; SALT_BYTES]).unwrap());
    }

    #[test]
    fn what_is_not_a_hash_is_said_so() {
        assert_eq!(verify(b"x", "plain text"), Err(PasswordError::Unreadable));
        assert_eq!(verify(b"x", "$argon2id$v=19$m=19456,t=2,p=1"), Err(PasswordError::Unreadable));
        assert_eq!(verify(b"x", "$scrypt$ln=1$aaaaaaaaaaa$aaaaaaaaaaaaaaaa"), Err(PasswordError::Unreadable));
        assert_eq!(verify(&[b'x'; PASSWORD_MAX_BYTES + 1], ""), Err(PasswordError::TooLong));
    }
}
