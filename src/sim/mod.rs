//! Simulated neighbours for tests and the demo: they speak the real protocols on loopback ports.

pub mod router;
pub mod telegram;
