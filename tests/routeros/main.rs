//! Journeys over the RouterOS API: rules, leases, the router's own accounts, the scheme `api`, the end and its proof, on
//! each version that is simulated.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/world.rs"]
mod world;

use radgram::domain::user::UserState;
use radgram::secret::Secret;
use radgram::sim::router::RosVersion;

use world::{ADMIN, Base, PASSWORD, Plan, World};

/// A journey on each version of RouterOS (with SQLite), and on the last one with PostgreSQL. `plan` is the world's. Ann is
/// there, with an account; or, `from the application`, she has yet to apply.
macro_rules! on_versions {
    (from the application; $($journey:tt)*) => {
        on_versions! { in built: $($journey)* }
    };
    (in $world_is:ident: $(#[$doc:meta])* async fn $name:ident($world:ident: World, $plan:expr) $body:block) => {
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
                journey(crate::$world_is(crate::RosVersion::V6_49, $plan).await).await;
            }

            #[tokio::test]
            async fn on_7_14() {
                journey(crate::$world_is(crate::RosVersion::V7_14, $plan).await).await;
            }

            #[tokio::test]
            async fn on_7_18() {
                journey(crate::$world_is(crate::RosVersion::V7_18, $plan).await).await;
            }

            #[tokio::test]
            async fn on_7_22() {
                journey(crate::$world_is(crate::RosVersion::V7_22, $plan).await).await;
            }

            #[tokio::test]
            async fn on_7_22_with_postgres() {
                let base = crate::world::Base::Postgres(crate::postgres::Database::fresh().await);
                journey(crate::$world_is(base, $plan).await).await;
            }
        }
    };
    ($($journey:tt)*) => {
        on_versions! { in staffed: $($journey)* }
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
                journey(crate::staffed(crate::RosVersion::V7_22, $plan).await).await;
            }

            #[tokio::test]
            async fn with_postgres() {
                let base = crate::world::Base::Postgres(crate::postgres::Database::fresh().await);
                journey(crate::staffed(base, $plan).await).await;
            }
        }
    };
}

mod api_scheme;
mod doctor;
mod ending;
mod expiry;
mod flow;
mod hands;
mod leases;
mod many;
mod mute_line;
mod rules;
mod seeded;
mod taken_over;
mod watch;

/// Where a journey takes place.
enum Place {
    On(Base),
    With(RosVersion),
}

impl From<Base> for Place {
    fn from(base: Base) -> Self {
        Self::On(base)
    }
}

impl From<RosVersion> for Place {
    fn from(version: RosVersion) -> Self {
        Self::With(version)
    }
}

/// A world by a plan: SQLite and this version, or this database and the last one.
async fn built(place: impl Into<Place>, plan: Plan) -> World {
    match place.into() {
        Place::On(base) => World::built(base, plan).await,
        Place::With(version) => World::built(Base::Sqlite, Plan { version, ..plan }).await,
    }
}

/// The same, and Ann is approved, with the account `ann`; nobody has written to her yet.
async fn staffed(place: impl Into<Place>, plan: Plan) -> World {
    let world = built(place, plan).await;
    let gate = world.gate();
    let ann = gate.add_user(&ADMIN, 1001, "Ann Lee", UserState::Approved).await.unwrap();
    gate.add_account(&ADMIN, "ann", Some(ann), Some(Secret::new(PASSWORD))).await.unwrap();
    world
}

/// Where it cannot matter which version the router runs.
async fn any_version() -> World {
    staffed(RosVersion::V7_22, Plan::default()).await
}
