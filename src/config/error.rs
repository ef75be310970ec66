//! Mistakes in the configuration: one line with place, value and what is allowed.

use std::io::ErrorKind;
use std::path::PathBuf;

use crate::dictionary::DictionaryError;

/// A mistake in the configuration. No text of it has a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {why}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        why: ErrorKind,
    },
    /// The file is not TOML.
    #[error("{}: line {line}: {message}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// In the parser's words, which do not repeat the file's.
        message: String,
    },
    /// A section or key that does not exist.
    #[error("{place}: no such {what}; there are {known}")]
    Unknown {
        /// File and key, or variable.
        place: String,
        /// `section` or `key`.
        what: &'static str,
        /// The ones that exist.
        known: String,
    },
    /// A value that the key does not take.
    #[error("{place}{value}: expected {expected}")]
    Value {
        /// File and key, or variable.
        place: String,
        /// ` = "the value"`, hidden where it may hold a secret.
        value: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// A dictionary of the operator's own.
    #[error("{}: {error}", folder.display())]
    Dictionary {
        /// The folder.
        folder: PathBuf,
        /// File, line, and what is wrong there.
        error: DictionaryError,
    },
    /// The file named by `token_file` has no token.
    #[error("{}: expected one line with a bot token like 123456:ABC-def", file.display())]
    TokenFile {
        /// The file.
        file: PathBuf,
    },
    /// A variable of ours is not UTF-8.
    #[error("{0}: expected text in UTF-8")]
    NotText(String),
}
