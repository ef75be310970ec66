//! What RouterOS says when it does not do a command, word for word.

use std::fmt;

use crate::proto::routeros::Category;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    /// Often absent.
    pub category: Option<Category>,
    /// The text that clients go by.
    pub message: String,
}

impl Trap {
    /// With no category.
    pub(crate) fn plain(message: impl Into<String>) -> Self {
        Self { category: None, message: message.into() }
    }

    fn of(category: Category, message: impl Into<String>) -> Self {
        Self { category: Some(category), message: message.into() }
    }

    pub(crate) fn no_such_prefix() -> Self {
        Self::plain("no such command prefix")
    }

    pub(crate) fn no_such_command() -> Self {
        Self::of(Category::MISSING, "no such command")
    }

    pub(crate) fn no_such_item() -> Self {
        Self::of(Category::MISSING, "no such item")
    }

    pub(crate) fn unknown_parameter(name: &str) -> Self {
        Self::plain(format!("unknown parameter {name}"))
    }

    pub(crate) fn invalid(name: &str) -> Self {
        Self::plain(format!("invalid value for argument {name}"))
    }

    pub(crate) fn unmatched(name: &str) -> Self {
        Self::of(Category::ARGUMENT, format!("input does not match any value of {name}"))
    }

    /// The text is that of the console; no source says whether the API says the same.
    pub(crate) fn missing(names: &[&str]) -> Self {
        Self::plain(format!("missing value(s) of argument(s) {}", names.join(" ")))
    }

    pub(crate) fn not_permitted() -> Self {
        Self::plain("not enough permissions (9)")
    }

    pub(crate) fn interrupted() -> Self {
        Self::of(Category::INTERRUPTED, "interrupted")
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Trap {}
