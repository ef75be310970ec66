//! The prompt: one question in Telegram with buttons, bound to a person, a kind and a deadline, answered once.

use super::id::{AccountId, PromptId, UserId};
use crate::clock::Timestamp;

/// What a prompt asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// "Someone is connecting as X. Let in?"
    Knock,
    /// "Is it you who connected?"
    Presence,
    /// "Your session ends soon. Extend?"
    Reminder,
    /// "Somebody connected with your session" with [Not me].
    Caller,
}

impl Kind {
    /// The word in SQL.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Knock => "knock",
            Self::Presence => "presence",
            Self::Reminder => "reminder",
            Self::Caller => "caller",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Knock, Self::Presence, Self::Reminder, Self::Caller].into_iter().find(|kind| kind.word() == word)
    }
}

/// Where a prompt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Can be answered.
    Pending,
    /// Was answered.
    Answered,
    /// Is void: what it asked about is gone.
    Withdrawn,
    /// Its deadline passed.
    Lapsed,
}

impl State {
    /// The word in SQL.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Answered => "answered",
            Self::Withdrawn => "withdrawn",
            Self::Lapsed => "lapsed",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Pending, Self::Answered, Self::Withdrawn, Self::Lapsed].into_iter().find(|state| state.word() == word)
    }
}

/// What a button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Knock: let in. Presence: it is me.
    Yes,
    /// Knock: silence for a while.
    NotNow,
    /// Presence: cut this connection.
    CutIt,
    /// It is somebody else: shut everything.
    NotMe,
    /// Reminder: more time.
    Extend,
    /// Reminder or list: end the session now and cut it.
    EndNow,
    /// List: end the session, let its connections run out.
    EndKeep,
    /// Account chooser: ask for access with this account.
    Request,
}

impl Action {
    /// The word in SQL.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::NotNow => "not_now",
            Self::CutIt => "cut_it",
            Self::NotMe => "not_me",
            Self::Extend => "extend",
            Self::EndNow => "end_now",
            Self::EndKeep => "end_keep",
            Self::Request => "request",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Yes, Self::NotNow, Self::CutIt, Self::NotMe, Self::Extend, Self::EndNow, Self::EndKeep, Self::Request]
            .into_iter()
            .find(|action| action.word() == word)
    }
}

/// A prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The row.
    pub id: PromptId,
    /// Who may answer.
    pub user: UserId,
    /// About which account.
    pub account: AccountId,
    /// What it asks.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// Until when it can be answered.
    pub deadline: Timestamp,
}

/// Whether a prompt takes an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Open,
    /// The presser is not the one who was asked.
    NotYours,
    /// It was answered before.
    Answered,
    /// Too late, or void.
    TooLate,
}

impl Prompt {
    /// Whether `presser` may answer at `now`.
    pub fn standing(&self, presser: UserId, now: Timestamp) -> Standing {
        if presser != self.user {
            return Standing::NotYours;
        }
        match self.state {
            State::Pending if now < self.deadline => Standing::Open,
            State::Answered => Standing::Answered,
            State::Pending | State::Withdrawn | State::Lapsed => Standing::TooLate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_one_answer_of_the_one_who_was_asked_in_time() {
        let at = Timestamp::from_millis;
        let prompt = |state| Prompt {
            id: PromptId(1),
            user: UserId(1),
            account: AccountId(1),
            kind: Kind::Knock,
            state,
            deadline: at(10),
        };
        assert_eq!(prompt(State::Pending).standing(UserId(1), at(9)), Standing::Open);
        assert_eq!(prompt(State::Pending).standing(UserId(1), at(10)), Standing::TooLate);
        assert_eq!(prompt(State::Pending).standing(UserId(2), at(9)), Standing::NotYours);
        assert_eq!(prompt(State::Answered).standing(UserId(1), at(9)), Standing::Answered);
        assert_eq!(prompt(State::Withdrawn).standing(UserId(1), at(9)), Standing::TooLate);
    }
}
