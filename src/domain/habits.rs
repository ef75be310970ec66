//! Habits: what is peculiar to one router, as settings that hold for the system or for a router.

use std::time::Duration;

use super::home::Taken;
use super::policy::Found;

/// What holds for a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Habits {
    /// How long it waits for an answer: so long a held Access-Request may take.
    pub hold: Duration,
    /// What is taken of the answers of its home server.
    pub home_attributes: Taken,
}

impl Habits {
    pub(super) fn of(found: &Found) -> Self {
        Self {
            hold: found.seconds("hold_seconds", 1),
            home_attributes: Taken::parse(found.text("home_attributes")).expect("the setting accepted the names"),
        }
    }
}
