//! Why the store gives no answer: driver, corrupt row, conflict, sealed value.

use crate::crypto::seal::SealError;

/// The store's result.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Why the store gives no answer. "Not found" is `None`, never an error.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database URL is of neither kind. The URL itself may hold a password and is not repeated.
    #[error("[database] url: expected sqlite:FILE or postgres://USER@HOST/NAME")]
    Url,
    /// The database did not answer, or refused the statement.
    #[error("database: {0}")]
    Driver(#[source] sqlx::Error),
    /// A unique value exists already.
    #[error("{0} is taken")]
    Taken(&'static str),
    /// The row was changed by somebody else meanwhile.
    #[error("changed by somebody else meanwhile; look again")]
    Conflict,
    /// A row that cannot be understood.
    #[error("{table} {row}: column {column} cannot be understood")]
    Corrupt {
        /// Its table.
        table: &'static str,
        /// Its id, 0 if that is what cannot be read.
        row: i64,
        /// Its column.
        column: &'static str,
    },
    /// A reply attribute that no dictionary has any more.
    #[error(
        "a reply attribute {0} is stored that no dictionary defines; put the file that defined it back into the folder of \
         [radius] dictionaries, or into the folder that it now names"
    )]
    UnknownAttribute(String),
    /// A stored setting that its definition does not take.
    #[error("settings: {0}")]
    Setting(#[from] crate::domain::setting::BadValue),
    /// A sealed value that does not open.
    #[error("{table} {row}: {source}")]
    Sealed {
        /// Its table.
        table: &'static str,
        /// Its id.
        row: i64,
        /// Why.
        source: SealError,
    },
    /// The master key is not the one that this database was made with.
    #[error(
        "the master key is not the one this database was sealed with; restore the key file, or start with an empty database"
    )]
    WrongKey,
    /// The migrations did not run.
    #[error("migrations: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if is_unique(&error) || is_overtaken(&error) { Self::Conflict } else { Self::Driver(error) }
    }
}

fn is_unique(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}

/// Two transactions waited for each other, and PostgreSQL gave this one up (`deadlock_detected`, `serialization_failure`).
fn is_overtaken(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code == "40P01" || code == "40001")
}

impl StoreError {
    /// Whether the same thing tried again fails again: the row or the value is bad, not the moment.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Corrupt { .. } | Self::UnknownAttribute(_) | Self::Setting(_) | Self::Sealed { .. } => true,
            Self::Driver(error) => error.as_database_error().is_some_and(|error| {
                // PostgreSQL's class 22: a value that a column does not take.
                let refused = error.code().is_some_and(|code| code.len() == 5 && code.starts_with("22"));
                refused || error.is_foreign_key_violation() || error.is_check_violation()
            }),
            Self::Url | Self::Taken(_) | Self::Conflict | Self::WrongKey | Self::Migrate(_) => false,
        }
    }

    /// Names what a unique violation of an insert or update means.
    pub(super) fn taken(what: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
        move |error| if is_unique(&error) { StoreError::Taken(what) } else { error.into() }
    }
}
