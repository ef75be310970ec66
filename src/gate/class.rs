//! The Class attribute of our Accepts: which session a connection belongs to, with a tag that only we can make.
//!
//! `rg1:s<session>:<tag>` for a session, `rg1:a<account>:<tag>` for an account without a person; the tag is 16 hex digits
//! of HMAC-SHA256 over what stands before it (RFC 2865 §5.25: the router gives it back in accounting, unread).

use crate::crypto;
use crate::domain::id::{AccountId, SessionId};

/// What a Class of ours names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// A session.
    Session(SessionId),
    /// An account without a person, let in by `without_session = allow`.
    Machine(AccountId),
}

impl Class {
    pub(super) fn write(self, key: &[u8; 32]) -> Vec<u8> {
        let name = match self {
            Self::Session(session) => format!("rg1:s{session}"),
            Self::Machine(account) => format!("rg1:a{account}"),
        };
        let tag = crypto::hex::encode(&crypto::tag(key, name.as_bytes()));
        format!("{name}:{tag}").into_bytes()
    }

    /// Reads a Class; `None` if it is not ours.
    pub(super) fn read(bytes: &[u8], key: &[u8; 32]) -> Option<Class> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (name, tag) = text.rsplit_once(':')?;
        let expected = crypto::hex::encode(&crypto::tag(key, name.as_bytes()));
        if !crypto::same(expected.as_bytes(), tag.as_bytes()) {
            return None;
        }
        let name = name.strip_prefix("rg1:")?;
        let number = |digits: &str| digits.parse::<i64>().ok();
        match name.split_at_checked(1)? {
            ("s", digits) => number(digits).map(|id| Self::Session(SessionId(id))),
            ("a", digits) => number(digits).map(|id| Self::Machine(AccountId(id))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_class_is_read() {
        let class = Class::Session(SessionId(42));
        let bytes = class.write(&[7; 32]);
        assert_eq!(Class::read(&bytes, &[7; 32]), Some(class));
        assert_eq!(Class::read(&bytes, &[8; 32]), None);
        let forged = String::from_utf8(bytes).unwrap().replace("s42", "s43");
        assert_eq!(Class::read(forged.as_bytes(), &[7; 32]), None);
        assert_eq!(Class::read(b"", &[7; 32]), None);
    }
}
