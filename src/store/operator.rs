//! Operators in SQL.
