//! Who did something: every change is written down with its actor.

use super::id::{OperatorId, UserId};

/// Who causes a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// radgram itself: a limit, a deadline, a rule.
    System,
    /// A person in Telegram.
    Person(UserId),
    /// An operator in the web UI.
    Operator(OperatorId, String),
    /// Whoever may run the command line on the server.
    CommandLine,
}

impl Actor {
    /// The kind's word in SQL.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Person(_) => "person",
            Self::Operator(..) => "operator",
            Self::CommandLine => "command line",
        }
    }

    /// The row behind the actor, where there is one.
    pub const fn id(&self) -> Option<i64> {
        match self {
            Self::Person(user) => Some(user.0),
            Self::Operator(operator, _) => Some(operator.0),
            Self::System | Self::CommandLine => None,
        }
    }

    /// How lists name the actor.
    pub fn label(&self) -> String {
        match self {
            Self::Operator(_, name) => format!("operator {name}"),
            other => other.kind().to_owned(),
        }
    }
}
