//! Journeys: one person's story from application to disconnect, on real packets, real SQL and a real Bot API protocol.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/authority.rs"]
mod authority;
#[path = "../support/eap.rs"]
mod eap;
#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/world.rs"]
mod world;

/// A journey on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($(#[$doc:meta])* async fn $name:ident($world:ident: World) $body:block) => {
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn journey(mut $world: World) {
                // Not every journey restarts radgram.
                let $world = &mut $world;
                $body
            }

            #[tokio::test]
            async fn on_sqlite() {
                journey(World::with_ann(Base::Sqlite).await).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                journey(World::with_ann(Base::Postgres(crate::postgres::Database::fresh().await)).await).await;
            }
        }
    };
}

mod attributes;
mod boxes;
mod coa;
mod crash;
mod doors;
mod groups;
mod guess;
mod hold;
mod ikev2;
mod knock;
mod limits;
mod moved;
mod presence;
mod radsec;
mod story;
mod trouble;
mod wire;
