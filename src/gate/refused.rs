//! Why a change was not made, for whoever asked for it.

use super::router_api::ApiFault;
use crate::store::StoreError;

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A field of what was sent is wrong.
    #[error("{field}: {message}")]
    Field {
        /// The field's name in forms.
        field: &'static str,
        /// What is wrong, and what is expected.
        message: String,
    },
    /// What was named does not exist.
    #[error("{0}")]
    NotFound(&'static str),
    /// The state does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// The router did not do it.
    #[error("{0}")]
    Router(ApiFault),
    /// The database did not answer; nothing was changed.
    #[error("{0}")]
    Store(StoreError),
}

impl Refused {
    /// A field is wrong.
    pub fn field(field: &'static str, message: impl Into<String>) -> Self {
        Self::Field { field, message: message.into() }
    }

    /// The state does not allow it.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::Conflict(message.into())
    }
}

impl From<ApiFault> for Refused {
    fn from(fault: ApiFault) -> Self {
        Self::Router(fault)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Conflict(error.to_string()),
            StoreError::Taken(what) => Self::Conflict(format!("{what} is taken")),
            other => Self::Store(other),
        }
    }
}

/// Names the field that a taken value belongs to.
pub(super) fn taken_at(field: &'static str) -> impl Fn(StoreError) -> Refused {
    move |error| match error {
        StoreError::Taken(what) => Refused::field(field, format!("{what} is taken")),
        other => other.into(),
    }
}
