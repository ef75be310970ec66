//! What shall be so on a router: the thing, and its state.

use std::net::IpAddr;

/// What an account of a router that was taken over and renamed is called from then on: this, and its name before.
pub const RETIRED: &str = "radgram-";

/// A thing of a router that we keep in a state.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Thing {
    /// A firewall rule, by its whole comment (raw bytes); the id is a hint.
    Rule {
        /// The whole comment.
        comment: Vec<u8>,
        /// `.id` when it was last seen.
        id: String,
    },
    /// The entry of a tunnel address in the address list `radgram`.
    Lease(IpAddr),
    /// A PPP secret, by the name of the account, whatever the case of its letters.
    Secret(String),
    /// A user of the User Manager, likewise.
    UserManager(String),
}

impl Thing {
    /// Kind, target and hint as they are stored.
    pub fn parts(&self) -> (&'static str, Vec<u8>, Option<String>) {
        match self {
            Self::Rule { comment, id } => ("rule", comment.clone(), Some(id.clone())),
            Self::Lease(address) => ("lease", address.to_string().into_bytes(), None),
            Self::Secret(name) => ("secret", name.clone().into_bytes(), None),
            Self::UserManager(name) => ("user_manager", name.clone().into_bytes(), None),
        }
    }

    /// From what is stored.
    pub fn from_parts(kind: &str, target: Vec<u8>, hint: Option<String>) -> Option<Self> {
        if kind == "rule" {
            return Some(Self::Rule { comment: target, id: hint? });
        }
        let text = String::from_utf8(target).ok()?;
        match kind {
            "lease" => text.parse().ok().map(Self::Lease),
            "secret" => Some(Self::Secret(text)),
            "user_manager" => Some(Self::UserManager(text)),
            _ => None,
        }
    }

    /// In words, for operators: `rule "2FA ann"`.
    pub fn shown(&self) -> String {
        let text = match self {
            Self::Rule { comment, .. } => format!("rule \"{}\"", String::from_utf8_lossy(comment)),
            Self::Lease(address) => format!("lease of {address}"),
            Self::Secret(name) => format!("secret {name}"),
            Self::UserManager(name) => format!("User Manager user {name}"),
        };
        crate::text::one_line(&text)
    }
}

/// How a thing shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WantedState {
    /// A rule or an account enabled, a lease there.
    On,
    /// A rule or an account disabled, no lease.
    Off,
    /// An account of the router renamed and disabled: radgram has taken it over.
    Retired,
    /// An account of the router removed: radgram has taken it over.
    Removed,
}

impl WantedState {
    /// The word in SQL and on pages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Retired => "retired",
            Self::Removed => "removed",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::On, Self::Off, Self::Retired, Self::Removed].into_iter().find(|state| state.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_read_as_it_was_stored() {
        for thing in [
            Thing::Rule { comment: b"2FA \xef\xe8\xe2".to_vec(), id: "*A".to_owned() },
            Thing::Lease("10.8.0.5".parse().unwrap()),
            Thing::Secret("ann".to_owned()),
            Thing::UserManager("ann".to_owned()),
        ] {
            let (kind, target, hint) = thing.parts();
            assert_eq!(Thing::from_parts(kind, target, hint), Some(thing));
        }
        assert_eq!(Thing::from_parts("lease", b"nowhere".to_vec(), None), None);
    }

    #[test]
    fn a_thing_is_shown_on_one_line() {
        let rule = Thing::Rule { comment: b"2FA\nann".to_vec(), id: "*A".to_owned() };
        assert!(!rule.shown().contains('\n'));
    }
}
