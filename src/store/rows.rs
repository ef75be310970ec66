//! Statements over many rows at once: written out once for a few numbers of rows, so that each is prepared once and a
//! group of any size takes few of them.

use std::sync::LazyLock;

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::Backend;
use super::error::Result;

/// The numbers of rows that a statement is written out for; a group is cut into the largest that fit. The largest keeps
/// the places of 25 columns far below the 32,766 of SQLite, which holds a prepared statement for each size in memory.
const SIZES: [usize; 5] = [64, 16, 4, 2, 1];

/// A statement whose `{rows}` stands for the rows, written for each of the [`SIZES`].
pub(super) struct Rows {
    /// `?` for each value: SQLite looks a numbered place up in a list, and a thousand of them a thousand times.
    sqlite: [String; SIZES.len()],
    /// `$1`, `$2` and so on: PostgreSQL knows no other form.
    postgres: [String; SIZES.len()],
}

/// A [`Rows`] in a static.
pub(super) type Written = LazyLock<Rows>;

impl Rows {
    /// `row` is one row with `?` in the place of each value; nothing else in either text is a `?`.
    pub(super) fn new(statement: &str, row: &str) -> Self {
        Self::differing([statement, statement], row)
    }

    /// As [`Rows::new`], with a text for SQLite and one for PostgreSQL: only PostgreSQL knows locks of rows.
    pub(super) fn differing([sqlite, postgres]: [&str; 2], row: &str) -> Self {
        let sqlite = SIZES.map(|size| sqlite.replace("{rows}", &vec![row; size].join(", ")));
        let postgres = SIZES.map(|size| postgres.replace("{rows}", &numbered(row, size)));
        Self { sqlite, postgres }
    }

    /// The items in portions, each with its statement.
    pub(super) fn portions<'i, T>(
        &'static self,
        backend: Backend,
        mut items: &'i [T],
    ) -> impl Iterator<Item = (&'static str, &'i [T])> {
        let statements = match backend {
            Backend::Sqlite => &self.sqlite,
            Backend::Postgres => &self.postgres,
        };
        std::iter::from_fn(move || {
            let place = SIZES.iter().position(|size| *size <= items.len())?;
            let (portion, rest) = items.split_at(SIZES[place]);
            items = rest;
            Some((statements[place].as_str(), portion))
        })
    }
}

impl Rows {
    /// What a query gives for all of `ids`, each of which is a row of it.
    pub(super) async fn fetch(
        &'static self,
        sql: &mut AnyConnection,
        backend: Backend,
        ids: &[i64],
    ) -> Result<Vec<AnyRow>> {
        let mut found = Vec::new();
        for (statement, portion) in self.portions(backend, ids) {
            let query = portion.iter().fold(sqlx::query(statement), |query, id| query.bind(*id));
            found.extend(query.fetch_all(&mut *sql).await?);
        }
        Ok(found)
    }

    /// Does for all of `ids` what the statement does; gives how many rows that changed.
    pub(super) async fn execute(&'static self, sql: &mut AnyConnection, backend: Backend, ids: &[i64]) -> Result<u64> {
        let mut changed = 0;
        for (statement, portion) in self.portions(backend, ids) {
            let query = portion.iter().fold(sqlx::query(statement), |query, id| query.bind(*id));
            changed += query.execute(&mut *sql).await?.rows_affected();
        }
        Ok(changed)
    }
}

/// Each of `ids` once, in their order.
pub(super) fn distinct(ids: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut ids: Vec<i64> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn numbered(row: &str, size: usize) -> String {
    let rows = vec![row; size].join(", ");
    let mut pieces = rows.split('?');
    let first = pieces.next().unwrap_or_default().to_owned();
    (1..).zip(pieces).fold(first, |text, (place, piece)| format!("{text}${place}{piece}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    static SAID: Written = LazyLock::new(|| Rows::new("insert into said values {rows}", "(?, lower(?))"));

    #[test]
    fn places_are_written_as_each_database_wants_them() {
        let text = |backend| SAID.portions(backend, &[7, 8]).next().unwrap().0;
        assert_eq!(text(Backend::Sqlite), "insert into said values (?, lower(?)), (?, lower(?))");
        assert_eq!(text(Backend::Postgres), "insert into said values ($1, lower($2)), ($3, lower($4))");
    }

    #[test]
    fn a_group_is_cut_into_the_largest_portions_that_fit() {
        let items: Vec<usize> = (0..300).collect();
        let portions: Vec<&[usize]> = SAID.portions(Backend::Sqlite, &items).map(|(_, portion)| portion).collect();
        let sizes: Vec<usize> = portions.iter().map(|portion| portion.len()).collect();
        assert_eq!(sizes, [64, 64, 64, 64, 16, 16, 4, 4, 4]);
        assert_eq!(portions.concat(), items);
        assert_eq!(SAID.portions(Backend::Sqlite, &items[..0]).count(), 0);
    }
}
