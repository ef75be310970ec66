//! Journeys over the RouterOS API: rules, leases, the router's own accounts, the scheme `api`, the end and its proof, on
//! each version that is simulated.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/world.rs"]
mod world;

use radgram::sim::router::RosVersion;

use postgres::Database;
use world::{Base, Plan, World};

/// A journey on each version of RouterOS (with SQLite), and on the last one with PostgreSQL. `plan` is the world's.
macro_rules! on_versions {
    ($(#[$doc:meta])* async fn $name:ident($world:ident: World, $plan:expr) $body:block) => {
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn journey(mut $world: crate::world::World) {
                // Not every journey restarts radgram.
                let $world = &mut $world;
                $body
            }

            #[tokio::test]
            async fn on_6_49() {
                journey(crate::with_sqlite(crate::RosVersion::V6_49, $plan).await).await;
            }

            #[tokio::test]
            async fn on_7_14() {
                journey(crate::with_sqlite(crate::RosVersion::V7_14, $plan).await).await;
            }

            #[tokio::test]
            async fn on_7_18() {
                journey(crate::with_sqlite(crate::RosVersion::V7_18, $plan).await).await;
            }

            #[tokio::test]
            async fn on_7_22() {
                journey(crate::with_sqlite(crate::RosVersion::V7_22, $plan).await).await;
            }

            #[tokio::test]
            async fn on_7_22_with_postgres() {
                journey(crate::with_postgres($plan).await).await;
            }
        }
    };
}

/// The same on the last version alone, with both databases: where the version cannot matter, and what is stored may.
macro_rules! on_last {
    ($(#[$doc:meta])* async fn $name:ident($world:ident: World, $plan:expr) $body:block) => {
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn journey(mut $world: crate::world::World) {
                let $world = &mut $world;
                $body
            }

            #[tokio::test]
            async fn with_sqlite() {
                journey(crate::with_sqlite(crate::RosVersion::V7_22, $plan).await).await;
            }

            #[tokio::test]
            async fn with_postgres() {
                journey(crate::with_postgres($plan).await).await;
            }
        }
    };
}

mod api_scheme;
mod doctor;
mod flow;
mod hands;
mod leases;
mod mute_line;
mod rules;

/// Ann is registered, and her router runs this version.
async fn with_sqlite(version: RosVersion, plan: Plan) -> World {
    let world = World::built(Base::Sqlite, Plan { version, ..plan }).await;
    world.register_ann().await;
    world
}

/// The same with PostgreSQL, and the last version.
async fn with_postgres(plan: Plan) -> World {
    let world = World::built(Base::Postgres(Database::fresh().await), plan).await;
    world.register_ann().await;
    world
}
