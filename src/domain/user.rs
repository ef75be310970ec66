//! The person: known by a Telegram id, applying, approved, rejected or blocked.

use super::id::UserId;
use crate::text::Language;

/// The most characters of a person's full name.
pub const NAME_CHARS: usize = 100;

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The row.
    pub id: UserId,
    /// Telegram's id of the person; unique.
    pub telegram_id: i64,
    /// Full name as the person or an operator gave it.
    pub name: String,
    /// Where the application stands.
    pub state: UserState,
    /// The language of messages to this person.
    pub language: Language,
}

/// Where a person stands: pending → approved or rejected; approved ↔ blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserState {
    /// Applied, not yet decided.
    Pending,
    /// May hold sessions.
    Approved,
    /// Refused; may apply again.
    Rejected,
    /// Was approved, is shut out.
    Blocked,
}

impl UserState {
    /// Every one.
    pub const ALL: [UserState; 4] = [Self::Pending, Self::Approved, Self::Rejected, Self::Blocked];

    /// The word in SQL, URLs and logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Blocked => "blocked",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// What `step` makes of this state; `None` where the step does not apply.
    pub const fn after(self, step: UserStep) -> Option<UserState> {
        match (self, step) {
            (Self::Pending | Self::Rejected, UserStep::Approve) => Some(Self::Approved),
            (Self::Pending, UserStep::Reject) => Some(Self::Rejected),
            (Self::Approved, UserStep::Block) => Some(Self::Blocked),
            (Self::Blocked, UserStep::Unblock) => Some(Self::Approved),
            (Self::Rejected, UserStep::Apply) => Some(Self::Pending),
            _ => None,
        }
    }
}

/// A decision about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserStep {
    /// Applies (again).
    Apply,
    /// An operator lets the person in.
    Approve,
    /// An operator refuses the application.
    Reject,
    /// An operator shuts an approved person out.
    Block,
    /// An operator lets a blocked person back in.
    Unblock,
}

impl UserStep {
    /// The word in the audit and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Block => "block",
            Self::Unblock => "unblock",
        }
    }
}

/// A person's name, trimmed and checked: 1 to [`NAME_CHARS`] characters, no control characters.
///
/// # Errors
/// What is wrong, for whoever typed it.
pub fn full_name(typed: &str) -> Result<String, &'static str> {
    let name = typed.split_whitespace().collect::<Vec<_>>().join(" ");
    if name.is_empty() {
        return Err("the name is empty");
    }
    if name.chars().count() > NAME_CHARS {
        return Err("the name is longer than 100 characters");
    }
    if name.chars().any(char::is_control) {
        return Err("the name has control characters");
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_drawn_steps_exist() {
        use UserState::*;
        assert_eq!(Pending.after(UserStep::Approve), Some(Approved));
        assert_eq!(Approved.after(UserStep::Block), Some(Blocked));
        assert_eq!(Blocked.after(UserStep::Approve), None);
        assert_eq!(Approved.after(UserStep::Reject), None);
        assert_eq!(Blocked.after(UserStep::Apply), None);
    }

    #[test]
    fn names_are_folded_and_bounded() {
        assert_eq!(full_name("  Ann   Lee "), Ok("Ann Lee".to_owned()));
        assert!(full_name(" ").is_err());
        assert!(full_name(&"x".repeat(101)).is_err());
    }
}
