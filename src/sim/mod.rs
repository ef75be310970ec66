//! Simulated neighbours for tests and the demo: a RouterOS router.

pub mod router;
