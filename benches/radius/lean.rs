//! What the databases take alone: rows of an accounting record in a lean table, in groups, each group on disk before the next.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection, SqliteConnection};

/// Rows in one transaction.
pub const GROUPS: [usize; 2] = [64, 256];

const TABLE: &str = "create table lean (id bigint primary key, nas bigint not null, session text not null,
     name text not null, station text not null, seen bigint not null, input bigint not null, output bigint not null)";

/// One statement for a whole group, with the places of its values as each database reads them fastest.
fn statement(group: usize, place: impl Fn(usize) -> String) -> String {
    let row = |at: usize| {
        let places: Vec<String> = (1..=8).map(|number| place(at * 8 + number)).collect();
        format!("({})", places.join(","))
    };
    format!("insert into lean values {}", (0..group).map(row).collect::<Vec<_>>().join(","))
}

macro_rules! rows_per_second {
    ($sql:expr, $place:expr, $first:expr, $group:expr, $measured:expr) => {{
        let (statement, begun) = (statement($group, $place), Instant::now());
        let mut rows = 0_usize;
        while begun.elapsed() < $measured {
            let mut tx = $sql.begin().await.unwrap();
            let mut insert = sqlx::query(sqlx::AssertSqlSafe(statement.clone()));
            for row in 0..$group {
                let id = i64::try_from($first + rows + row).unwrap();
                let (session, name) = (format!("815{id:05x}"), format!("user{id:06}"));
                insert = insert.bind(id).bind(1_i64).bind(session).bind(name).bind("10.0.0.1");
                insert = insert.bind(1_700_000_000_000_i64).bind(1_000_i64).bind(2_000_i64);
            }
            insert.execute(&mut *tx).await.unwrap();
            tx.commit().await.unwrap();
            rows += $group;
        }
        (rows, rows as f64 / begun.elapsed().as_secs_f64())
    }};
}

/// A database with the lean table.
pub enum Lean {
    Sqlite(SqliteConnection, usize, #[allow(dead_code)] tempfile::TempDir),
    Postgres(PgConnection, usize),
}

impl Lean {
    pub async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}?mode=rwc", folder.path().join("lean.db").display());
        let mut sql = SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql("pragma journal_mode = wal; pragma synchronous = full").execute(&mut sql).await.unwrap();
        sqlx::raw_sql(TABLE).execute(&mut sql).await.unwrap();
        Self::Sqlite(sql, 0, folder)
    }

    pub async fn on_postgres(url: &str) -> Self {
        let mut sql = PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(TABLE).execute(&mut sql).await.unwrap();
        Self::Postgres(sql, 0)
    }

    /// Rows that it takes in a second in such groups.
    pub async fn rate(&mut self, group: usize, measured: Duration) -> f64 {
        match self {
            Self::Sqlite(sql, first, _) => {
                let (rows, rate) = rows_per_second!(sql, |_| "?".to_owned(), *first, group, measured);
                *first += rows;
                rate
            }
            Self::Postgres(sql, first) => {
                let (rows, rate) = rows_per_second!(sql, |number| format!("${number}"), *first, group, measured);
                *first += rows;
                rate
            }
        }
    }
}
