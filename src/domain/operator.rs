//! The operator: who works in the web UI, and what each role may do.

use super::id::OperatorId;
use crate::secret::Secret;

/// The most characters of an operator's name.
pub const NAME_CHARS: usize = 64;
/// The fewest characters of an operator's password (NIST SP 800-63B §5.1.1).
pub const PASSWORD_CHARS: usize = 8;
/// The most bytes of an operator's password.
pub const PASSWORD_BYTES: usize = 1024;

/// Somebody who works in the web UI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The row.
    pub id: OperatorId,
    /// The name they log in with; unique whatever its case.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Grows with each change of role or password: a log-in made before is over.
    pub version: i64,
}

/// What an operator may do; each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Decides about people, accounts and sessions.
    Operator,
    /// Also settings, routers and operators.
    Owner,
}

impl Role {
    /// All, in the order of forms.
    pub const ALL: [Role; 3] = [Self::Owner, Self::Operator, Self::Viewer];

    /// The word in SQL, forms and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Owner => "owner",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}

/// An operator's name, trimmed and checked: 1 to [`NAME_CHARS`] characters, no control characters.
///
/// # Errors
/// What is wrong, for whoever typed it.
pub fn operator_name(typed: &str) -> Result<String, &'static str> {
    let name = typed.trim();
    if name.is_empty() {
        return Err("the operator's name is empty");
    }
    if name.chars().count() > NAME_CHARS || name.chars().any(char::is_control) {
        return Err("the operator's name must have at most 64 characters and no control characters");
    }
    Ok(name.to_owned())
}

/// Whether a password is one that an operator may have: [`PASSWORD_CHARS`] characters to [`PASSWORD_BYTES`] bytes.
///
/// # Errors
/// What is wrong, for whoever typed it.
pub fn check_password(password: &Secret) -> Result<(), &'static str> {
    let Some(text) = password.expose_str() else { return Err("the password is not UTF-8 text") };
    if text.chars().count() < PASSWORD_CHARS {
        return Err("the password has fewer than 8 characters");
    }
    if text.len() > PASSWORD_BYTES {
        return Err("the password is longer than 1024 bytes");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_by_what_they_may_do() {
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Owner);
        for role in Role::ALL {
            assert_eq!(Role::from_word(role.word()), Some(role));
        }
    }

    #[test]
    fn names_and_passwords_are_checked() {
        assert_eq!(operator_name(" root ").as_deref(), Ok("root"));
        assert!(operator_name("\t").is_err());
        assert!(check_password(&Secret::new("seven77")).is_err());
        assert!(check_password(&Secret::new("восемь88")).is_ok());
        assert!(check_password(&Secret::new(vec![0xff; 20])).is_err());
    }
}
