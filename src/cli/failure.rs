//! How a command ends without being done: one line for standard error.

use std::fmt;
use std::io;

use crate::config::ConfigError;
use crate::gate::Refused;
use crate::store::StoreError;

/// Why a command was not done.
#[derive(Debug)]
pub enum Failure {
    /// Refused or failed: the line says why.
    Because(String),
    /// Whoever reads standard output went away (`radgram … | head`): nothing to say, nobody to say it to.
    NobodyReads,
}

impl Failure {
    /// With this line.
    pub(super) fn because(line: impl Into<String>) -> Self {
        Self::Because(line.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Because(line) => formatter.write_str(line),
            Self::NobodyReads => Ok(()),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::because(error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::because(error.to_string())
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::because(match refused {
            // The message says what was expected; the names of form fields are for pages.
            Refused::Field { message, .. } => message,
            other => other.to_string(),
        })
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::because(format!("{error:#}"))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::because(format!("standard output: {error}")),
        }
    }
}
