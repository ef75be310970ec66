//! What a log-in may do: the policies of its group, looked up anew for each command.

use std::collections::BTreeSet;

use crate::sim::router::state::menu::Verb;
use crate::sim::router::state::{State, path};

/// The policies of a log-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rights {
    /// The operator at the console.
    All,
    /// Of a group.
    Of(BTreeSet<String>),
}

impl Rights {
    /// Those of a user's group; none if either is gone.
    pub(crate) fn of_user(state: &State, user: &str) -> Self {
        let group = state.named(path::USER, user).map(|(_, row)| row.text("group"));
        let policy = group.and_then(|group| Some(state.named(path::GROUP, &group)?.1.text("policy")));
        let granted = policy.unwrap_or_default();
        Self::Of(granted.split(',').filter(|one| !one.is_empty() && !one.starts_with('!')).map(str::to_owned).collect())
    }

    /// Without these policies.
    #[must_use]
    pub(crate) fn without(self, taken: &BTreeSet<String>) -> Self {
        match self {
            Self::All => Self::All,
            Self::Of(policies) => Self::Of(policies.difference(taken).cloned().collect()),
        }
    }

    pub(crate) fn has(&self, policy: &str) -> bool {
        match self {
            Self::All => true,
            Self::Of(policies) => policies.contains(policy),
        }
    }

    /// Whether a command of a menu may be used.
    pub(crate) fn allow(&self, path: &str, verb: Verb) -> bool {
        self.has(match verb {
            Verb::Print | Verb::Get | Verb::Find | Verb::Listen | Verb::Monitor => "read",
            Verb::Reboot => "reboot",
            Verb::Add
            | Verb::Set
            | Verb::Remove
            | Verb::Enable
            | Verb::Disable
            | Verb::Comment
            | Verb::Unset
            | Verb::Move
            | Verb::ResetCounters
            | Verb::ResetCountersAll
            | Verb::CloseSession
            | Verb::ActivateProfile
            | Verb::Sign => match path {
                path::USER | path::GROUP | path::USER_ACTIVE => "policy",
                _ => "write",
            },
        })
    }
}
