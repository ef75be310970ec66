//! The schema: migrations embedded in the program, run at start; and the check of the master key.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyPool, SqlSafeStr, SqlStr};

use super::error::{Result, StoreError};
use super::field::Fields;
use super::{Backend, Store, Tx};
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
    Step {
        version: 3,
        name: "routeros",
        sqlite: include_str!("../../migrations/sqlite/0003_routeros.sql"),
        postgres: include_str!("../../migrations/postgres/0003_routeros.sql"),
    },
    Step {
        version: 4,
        name: "habits",
        sqlite: include_str!("../../migrations/sqlite/0004_habits.sql"),
        postgres: include_str!("../../migrations/postgres/0004_habits.sql"),
    },
    Step {
        version: 5,
        name: "home",
        sqlite: include_str!("../../migrations/sqlite/0005_home.sql"),
        postgres: include_str!("../../migrations/postgres/0005_home.sql"),
    },
    Step {
        version: 7,
        name: "limits",
        sqlite: include_str!("../../migrations/sqlite/0007_limits.sql"),
        postgres: include_str!("../../migrations/postgres/0007_limits.sql"),
    },
    Step {
        version: 9,
        name: "radsec",
        sqlite: include_str!("../../migrations/sqlite/0009_radsec.sql"),
        postgres: include_str!("../../migrations/postgres/0009_radsec.sql"),
    },
    Step {
        version: 10,
        name: "orders",
        sqlite: include_str!("../../migrations/sqlite/0010_orders.sql"),
        postgres: include_str!("../../migrations/postgres/0010_orders.sql"),
    },
    Step {
        version: 11,
        name: "fewer_indexes",
        sqlite: include_str!("../../migrations/sqlite/0011_fewer_indexes.sql"),
        postgres: include_str!("../../migrations/postgres/0011_fewer_indexes.sql"),
    },
    Step {
        version: 12,
        name: "spool",
        sqlite: include_str!("../../migrations/sqlite/0012_spool.sql"),
        postgres: include_str!("../../migrations/postgres/0012_spool.sql"),
    },
    Step {
        version: 13,
        name: "ended",
        sqlite: include_str!("../../migrations/sqlite/0013_ended.sql"),
        postgres: include_str!("../../migrations/postgres/0013_ended.sql"),
    },
    Step {
        version: 14,
        name: "fewer_keys",
        sqlite: include_str!("../../migrations/sqlite/0014_fewer_keys.sql"),
        postgres: include_str!("../../migrations/postgres/0014_fewer_keys.sql"),
    },
    Step {
        version: 15,
        name: "open_by_account",
        sqlite: include_str!("../../migrations/sqlite/0015_open_by_account.sql"),
        postgres: include_str!("../../migrations/postgres/0015_open_by_account.sql"),
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
    let mut tx = store.begin().await?;
    let mut found = remembered(&mut tx).await?;
    if found == Remembered::Nothing {
        // Two instances may open a new database at once: the second waits here, and finds what the first remembers.
        sqlx::query("update meta set value = value where name = 'change'").execute(tx.sql()).await?;
        found = remembered(&mut tx).await?;
    }
    match found {
        Remembered::This => Ok(()),
        Remembered::Another => Err(StoreError::WrongKey),
        Remembered::Nothing => {
            remember(&mut tx, now).await?;
            tx.commit(now).await?;
            Ok(())
        }
    }
}

/// Which master key a database was sealed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remembered {
    Nothing,
    This,
    Another,
}

const fn place(id: i64) -> Place {
    Place { table: "keys", row: id, column: "sealed_check" }
}

async fn remembered(tx: &mut Tx) -> Result<Remembered> {
    let keys = tx.keys.clone();
    let rows = sqlx::query("select id, sealed_check from keys").fetch_all(tx.sql()).await?;
    for row in &rows {
        let fields = Fields::of("keys", row);
        if fields.int("id")? == keys.id() {
            let opened = keys.open(&fields.bytes("sealed_check")?, place(keys.id()));
            let same = opened.is_ok_and(|opened| opened.expose() == CHECK);
            return Ok(if same { Remembered::This } else { Remembered::Another });
        }
    }
    Ok(if rows.is_empty() { Remembered::Nothing } else { Remembered::Another })
}

async fn remember(tx: &mut Tx, now: Timestamp) -> Result<()> {
    let keys = tx.keys.clone();
    sqlx::query("insert into keys (id, created_at, sealed_check) values ($1, $2, $3)")
        .bind(keys.id())
        .bind(now.millis())
        .bind(keys.seal(&Secret::new(CHECK), place(keys.id())))
        .execute(tx.sql())
        .await?;
    Ok(())
}
