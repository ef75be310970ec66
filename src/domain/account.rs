//! The account: a VPN log-in by its name, and where its password lives.

use super::id::{AccountId, GroupId, UserId};

/// The most bytes of a User-Name (RFC 2865 §5.1: an attribute holds 253).
pub const NAME_BYTES: usize = 253;

/// A VPN log-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The row.
    pub id: AccountId,
    /// The name as the operator wrote it.
    pub name: String,
    /// The person it is bound to.
    pub user: Option<UserId>,
    /// The group whose policy and attributes it takes.
    pub group: Option<GroupId>,
    /// Whether it may be used at all.
    pub switch: Switch,
    /// Locked after "Not me"; only an operator unlocks it.
    pub lock: Lock,
    /// Where its password lives.
    pub source: Source,
    /// Whether an owner marked it as having no person (site-to-site, monitoring): `without_session = allow` needs it.
    pub holder: Holder,
}

/// Switched on or off by an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Usable.
    Enabled,
    /// Refused.
    Disabled,
}

/// Locked by an answer, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Not locked.
    Open,
    /// Somebody else has the password: refused until an operator unlocks it.
    Locked,
}

/// Whether a person stands behind the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// The usual case.
    Person,
    /// Marked by an owner as a machine's account.
    Machine,
}

/// Where the password lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Set in the UI or on the command line.
    Local,
    /// Read from a router's PPP secret.
    Adopted,
    /// Known to the home server of the router that is dialled, mostly its User Manager: each log-in is forwarded there.
    UserManager,
}

impl Source {
    /// All, in the order of forms.
    pub const ALL: [Source; 3] = [Self::Local, Self::Adopted, Self::UserManager];

    /// The word in SQL.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Adopted => "adopted",
            Self::UserManager => "user_manager",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.word() == word)
    }
}

/// The key under which a name is unique: lower case by Unicode, so that `Ivan` and `ivan` are one account.
pub fn name_key(name: &str) -> String {
    name.to_lowercase()
}

/// A name as an operator types it: 1 to 253 bytes, no control characters, no blanks at its ends.
///
/// # Errors
/// What is wrong, for whoever typed it.
pub fn account_name(typed: &str) -> Result<String, &'static str> {
    let name = typed.trim();
    if name.is_empty() {
        return Err("the account name is empty");
    }
    if name.len() > NAME_BYTES {
        return Err("the account name is longer than 253 bytes");
    }
    if name.chars().any(char::is_control) {
        return Err("the account name has control characters");
    }
    Ok(name.to_owned())
}

/// The names under which a User-Name is looked up, in order: without `DOMAIN\`, then as it is. Not UTF-8: none.
pub fn candidates(user_name: &[u8]) -> Vec<String> {
    let Ok(text) = std::str::from_utf8(user_name) else { return Vec::new() };
    let whole = name_key(text);
    match text.split_once('\\') {
        Some((_, bare)) if !bare.is_empty() => vec![name_key(bare), whole],
        _ => vec![whole],
    }
}

/// Whether two names that a router says are one: it may write `DOMAIN\name` in one place and `name` in another.
pub fn is_same_name(one: &[u8], other: &[u8]) -> bool {
    match (candidates(one).first(), candidates(other).first()) {
        (Some(one), Some(other)) => one == other,
        (None, _) | (_, None) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_written_in_several_ways() {
        assert!(is_same_name(b"CORP\\Ann", b"ann"));
        assert!(is_same_name(b"\xff", b"\xff"));
        assert!(!is_same_name(b"\xff", b"\xfe"));
        assert!(!is_same_name(b"ann", b"anna"));
        assert!(!is_same_name(b"ann", b"\xff"));
    }

    #[test]
    fn a_domain_is_stripped_first() {
        assert_eq!(candidates(b"CORP\\Ann"), ["ann", "corp\\ann"]);
        assert_eq!(candidates(b"Ann"), ["ann"]);
        assert_eq!(candidates("Иван".as_bytes()), ["иван"]);
        assert_eq!(candidates(b"ann\\"), ["ann\\"]);
        assert!(candidates(b"\xff\xfe").is_empty());
    }

    #[test]
    fn names_are_checked() {
        assert_eq!(account_name(" vpn_user_ivan ").as_deref(), Ok("vpn_user_ivan"));
        assert!(account_name("").is_err());
        assert!(account_name("a\0b").is_err());
        assert!(account_name(&"x".repeat(254)).is_err());
    }
}
