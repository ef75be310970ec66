//! Reading columns: a value that cannot be understood is an error with table, row and column, never a default.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::error::{Result, StoreError};
use crate::clock::Timestamp;

/// A row of a table, for reading.
pub(super) struct Fields<'r> {
    row: &'r AnyRow,
    table: &'static str,
}

impl<'r> Fields<'r> {
    pub(super) fn of(table: &'static str, row: &'r AnyRow) -> Self {
        Self { row, table }
    }

    /// The error for a column that cannot be understood.
    pub(super) fn corrupt(&self, column: &'static str) -> StoreError {
        StoreError::Corrupt { table: self.table, row: self.row.try_get("id").unwrap_or(0), column }
    }

    pub(super) fn int(&self, column: &'static str) -> Result<i64> {
        self.row.try_get(column).map_err(|_| self.corrupt(column))
    }

    pub(super) fn maybe_int(&self, column: &'static str) -> Result<Option<i64>> {
        self.row.try_get(column).map_err(|_| self.corrupt(column))
    }

    pub(super) fn unsigned(&self, column: &'static str) -> Result<u64> {
        u64::try_from(self.int(column)?).map_err(|_| self.corrupt(column))
    }

    pub(super) fn small(&self, column: &'static str) -> Result<u32> {
        u32::try_from(self.int(column)?).map_err(|_| self.corrupt(column))
    }

    pub(super) fn flag(&self, column: &'static str) -> Result<bool> {
        match self.int(column)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.corrupt(column)),
        }
    }

    pub(super) fn time(&self, column: &'static str) -> Result<Timestamp> {
        self.int(column).map(Timestamp::from_millis)
    }

    pub(super) fn maybe_time(&self, column: &'static str) -> Result<Option<Timestamp>> {
        Ok(self.maybe_int(column)?.map(Timestamp::from_millis))
    }

    pub(super) fn text(&self, column: &'static str) -> Result<String> {
        self.row.try_get(column).map_err(|_| self.corrupt(column))
    }

    pub(super) fn maybe_text(&self, column: &'static str) -> Result<Option<String>> {
        self.row.try_get(column).map_err(|_| self.corrupt(column))
    }

    pub(super) fn bytes(&self, column: &'static str) -> Result<Vec<u8>> {
        self.row.try_get(column).map_err(|_| self.corrupt(column))
    }

    pub(super) fn maybe_bytes(&self, column: &'static str) -> Result<Option<Vec<u8>>> {
        self.row.try_get(column).map_err(|_| self.corrupt(column))
    }

    /// A word of one of our enums.
    pub(super) fn word<T>(&self, column: &'static str, read: impl Fn(&str) -> Option<T>) -> Result<T> {
        read(&self.text(column)?).ok_or_else(|| self.corrupt(column))
    }

    /// A text that parses, where there is one.
    pub(super) fn maybe_parsed<T: std::str::FromStr>(&self, column: &'static str) -> Result<Option<T>> {
        match self.maybe_text(column)? {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| self.corrupt(column)),
        }
    }
}

/// The rows of a queue that can be read. One that cannot is logged and left where it is: it must not keep the others from
/// their turn.
pub(super) fn readable<T>(rows: &[AnyRow], read: impl Fn(&AnyRow) -> Result<T>) -> Vec<T> {
    let told = |error: StoreError| tracing::error!(%error, "a row is passed over");
    rows.iter().filter_map(|row| read(row).map_err(told).ok()).collect()
}

/// Every row of `rows`, read by `read`.
pub(super) fn each<T>(rows: &[AnyRow], read: impl Fn(&AnyRow) -> Result<T>) -> Result<Vec<T>> {
    rows.iter().map(read).collect()
}
