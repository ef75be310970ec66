//! Journeys over the RouterOS API: rules, leases, the router's own accounts, the scheme `api`, the end and its proof, on
//! each version that is simulated.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/world.rs"]
mod world;

/// A journey on each version of RouterOS (with SQLite), and on the last one with PostgreSQL. `plan` is the world's.
macro_rules! on_versions {
    ($(#[$doc:meta])* async fn $name:ident($world:ident: World, $plan:expr) $body:block) => {
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn journey(mut $world: World) {
                // Not every journey restarts radgram.
                let $world = &mut $world;
                $body
            }

            async fn on(base: Base, version: RosVersion) {
                let world = World::built(base, Plan { version, ..$plan }).await;
                world.register_ann().await;
                journey(world).await;
            }

            #[tokio::test]
            async fn on_6_49() {
                on(Base::Sqlite, RosVersion::V6_49).await;
            }

            #[tokio::test]
            async fn on_7_14() {
                on(Base::Sqlite, RosVersion::V7_14).await;
            }

            #[tokio::test]
            async fn on_7_18() {
                on(Base::Sqlite, RosVersion::V7_18).await;
            }

            #[tokio::test]
            async fn on_7_22() {
                on(Base::Sqlite, RosVersion::V7_22).await;
            }

            #[tokio::test]
            async fn on_7_22_with_postgres() {
                on(Base::Postgres(crate::postgres::Database::fresh().await), RosVersion::V7_22).await;
            }
        }
    };
}

mod doctor;
mod flow;
