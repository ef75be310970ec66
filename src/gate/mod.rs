//! The use cases: every change of state, and the outward ports that they call.

pub mod login;
pub mod ports;
mod refused;

pub use refused::Refused;
