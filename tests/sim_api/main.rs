//! The API of the simulated router, by a client that speaks sentences.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../scripted/mod.rs"]
mod scripted;

mod changes;
mod client;
mod entrance;
mod faults;
mod listen;
mod one_state;
mod rows;
mod shut;
mod versions;
