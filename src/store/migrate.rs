//! The schema: migrations embedded in the program, run at start; and the check of the master key.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyPool, SqlSafeStr, SqlStr};

use super::error::{Result, StoreError};
use super::field::Fields;
use super::{Backend, Store};
use crate::clock::Timestamp;
use crate::crypto::seal::Place;
use crate::secret::Secret;

struct Step {
    version: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

const STEPS: &[Step] = &[
    Step {
        version: 1,
        name: "first",
        sqlite: include_str!("../../migrations/sqlite/0001_first.sql"),
        postgres: include_str!("../../migrations/postgres/0001_first.sql"),
    },
    Step {
        version: 2,
        name: "indexes",
        sqlite: include_str!("../../migrations/sqlite/0002_indexes.sql"),
        postgres: include_str!("../../migrations/postgres/0002_indexes.sql"),
    },
];

const CHECK: &[u8] = b"radgram";

pub(super) async fn run(pool: &AnyPool, backend: Backend) -> Result<()> {
    let migrations = STEPS.iter().map(|step| {
        let sql: SqlStr = match backend {
            Backend::Sqlite => step.sqlite.into_sql_str(),
            Backend::Postgres => step.postgres.into_sql_str(),
        };
        Migration::new(step.version, Cow::Borrowed(step.name), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(migrations.collect()).run(pool).await?;
    Ok(())
}

/// Remembers the master key by a sealed constant, or checks that it is the remembered one.
pub(super) async fn check_key(store: &Store, now: Timestamp) -> Result<()> {
    let keys = store.reader.keys.clone();
    let place = Place { table: "keys", row: keys.id(), column: "sealed_check" };
    let mut tx = store.begin().await?;
    let rows = sqlx::query("select id, sealed_check from keys").fetch_all(tx.sql()).await?;
    if rows.is_empty() {
        sqlx::query("insert into keys (id, created_at, sealed_check) values ($1, $2, $3)")
            .bind(keys.id())
            .bind(now.millis())
            .bind(keys.seal(&Secret::new(CHECK), place))
            .execute(tx.sql())
            .await?;
        tx.commit(now).await?;
        return Ok(());
    }
    for row in &rows {
        let fields = Fields::of("keys", row);
        if fields.int("id")? == keys.id() {
            let opened = keys.open(&fields.bytes("sealed_check")?, place).map_err(|_| StoreError::WrongKey)?;
            return if opened.expose() == CHECK { Ok(()) } else { Err(StoreError::WrongKey) };
        }
    }
    Err(StoreError::WrongKey)
}
