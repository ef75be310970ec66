//! Journeys: one person's story from application to disconnect, on real packets, real SQL and a real Bot API protocol.

#[path = "../support/postgres.rs"]
mod postgres_support;
#[path = "../support/world.rs"]
mod world;

mod session;
