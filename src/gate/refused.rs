//! Why a use case changed nothing.

use crate::store::StoreError;

/// Why a use case changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// What was typed in this field is not taken.
    #[error("{message}")]
    Field {
        /// The field's name in forms.
        field: &'static str,
        /// What is wrong, for whoever typed it.
        message: String,
    },
    /// There is no such row: "no such user".
    #[error("{0}")]
    NotFound(&'static str),
    /// The state changed meanwhile, or does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// The database gives no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refused {
    /// A message at a field.
    pub fn field(field: &'static str, message: impl Into<String>) -> Self {
        Self::Field { field, message: message.into() }
    }
}
