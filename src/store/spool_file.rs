//! The spool of a SQLite database: a file of its own beside it, so that records are put down while others are booked.
//!
//! What is booked is said in the database, by a mark in the same transaction; here it is only taken away afterwards. So a crash
//! between the two loses nothing and books nothing twice.

use std::sync::Arc;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, SqlSafeStr};
use tokio::sync::Mutex;

use super::error::Result;
use super::field::{Fields, each};
use super::spool::{BOOKED, Place, Spooled, written};
use super::{Backend, Store, connect};
use crate::clock::Timestamp;
use crate::domain::connection::Notice;

/// The file; all that it is asked for takes turns.
pub(super) struct SpoolFile {
    sql: Mutex<AnyConnection>,
}

/// The URL of the file beside a database: its name with `-spool` behind it.
pub fn url_of_spool(database: &str) -> String {
    match database.split_once('?') {
        Some((file, options)) => format!("{file}-spool?{options}"),
        None => format!("{database}-spool"),
    }
}

impl Store {
    /// The file, opened when it is first asked for; PostgreSQL has none.
    pub(super) async fn spool_file(&self) -> Result<Option<Arc<SpoolFile>>> {
        match self.backend {
            Backend::Postgres => Ok(None),
            Backend::Sqlite => {
                let opened = self.spool.get_or_try_init(|| self.open_spool()).await?;
                Ok(Some(opened.clone()))
            }
        }
    }

    async fn open_spool(&self) -> Result<Arc<SpoolFile>> {
        let pool = connect(self.backend, &url_of_spool(&self.url), 1, self.backend.for_readers()).await?;
        let first = include_str!("../../migrations/spool/0001_first.sql").into_sql_str();
        let migration = Migration::new(1, "first".into(), MigrationType::Simple, first, false);
        Migrator::with_migrations(vec![migration]).run(&pool).await?;
        let mut sql = pool.acquire().await?.detach();
        // A number is given once, whatever became of the file: what is booked up to it would be taken for booked.
        let booked = self.reader.mark(BOOKED).await?.unwrap_or(0);
        for statement in [
            "insert into sqlite_sequence (name, seq) select 'spool', $1
             where not exists (select 1 from sqlite_sequence where name = 'spool')",
            "update sqlite_sequence set seq = max(seq, $1) where name = 'spool'",
        ] {
            sqlx::query(statement).bind(booked).execute(&mut sql).await?;
        }
        Ok(Arc::new(SpoolFile { sql: Mutex::new(sql) }))
    }
}

impl SpoolFile {
    /// Puts notices down; they are on disk when this returns.
    pub(super) async fn put(&self, notices: impl Iterator<Item = &Notice>, now: Timestamp) -> Result<Place> {
        let (format, records) = written(notices)?;
        let mut sql = self.sql.lock().await;
        // All rows, though it is one: only then is the statement at its end, and so committed.
        let rows = sqlx::query("insert into spool (at, format, records) values ($1, $2, $3) returning id")
            .bind(now.millis())
            .bind(format)
            .bind(records)
            .fetch_all(&mut *sql)
            .await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        Fields::of("spool", row).int("id").map(Place::File)
    }

    /// The oldest rows behind a number.
    pub(super) async fn after(&self, number: i64, rows: i64) -> Result<Vec<Spooled>> {
        let mut sql = self.sql.lock().await;
        let rows = sqlx::query("select id, format, records from spool where id > $1 order by id limit $2")
            .bind(number)
            .bind(rows)
            .fetch_all(&mut *sql)
            .await?;
        each(&rows, |row| Spooled::read(row, Place::File))
    }

    /// Takes the rows up to a number away.
    pub(super) async fn forget(&self, number: i64) -> Result<()> {
        let mut sql = self.sql.lock().await;
        sqlx::query("delete from spool where id <= $1").bind(number).execute(&mut *sql).await?;
        Ok(())
    }

    /// Ends the use of the file, and leaves no log beside it.
    pub(super) async fn close(&self) {
        let mut sql = self.sql.lock().await;
        let _ = sqlx::query("pragma wal_checkpoint(truncate)").execute(&mut *sql).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_lies_beside_its_database() {
        assert_eq!(url_of_spool("sqlite:radgram.db"), "sqlite:radgram.db-spool");
        assert_eq!(url_of_spool("sqlite:/var/lib/radgram.db?mode=rwc"), "sqlite:/var/lib/radgram.db-spool?mode=rwc");
    }
}
