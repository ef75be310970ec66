//! The throw-away PostgreSQL of the tests: databases of one cluster do not see one another.

#[path = "support/postgres.rs"]
mod postgres;

use postgres::Database;
use sqlx::{AnyPool, PgPool};

#[tokio::test]
async fn every_test_has_a_database_of_its_own() {
    let (one, other) = (Database::fresh().await, Database::fresh().await);
    let (one_pool, other_pool) =
        (PgPool::connect(one.url()).await.unwrap(), PgPool::connect(other.url()).await.unwrap());
    sqlx::query("create table account (id bigint)").execute(&one_pool).await.unwrap();
    sqlx::query("create table account (name text)").execute(&other_pool).await.unwrap();
}

#[tokio::test]
async fn its_address_serves_a_pool_of_any_database() {
    sqlx::any::install_default_drivers();
    let database = Database::fresh().await;
    let pool = AnyPool::connect(database.url()).await.unwrap();
    let (one,): (i64,) = sqlx::query_as("select cast(1 as bigint)").fetch_one(&pool).await.unwrap();
    assert_eq!(one, 1);
}
