//! Pure algorithms, one file per family of RFCs: no clock, no randomness, no I/O; random bytes are arguments.

pub mod chap;
pub mod hex;
pub mod mppe;
pub mod mschap;
pub mod password;
pub mod seal;

use subtle::ConstantTimeEq;

/// Whether two byte strings are equal, in a time that depends on their lengths only.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
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
