//! The wiring: builds everything from the configuration, runs it, stops it.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::entropy::Entropy;

/// Runs the server until it is told to stop.
///
/// # Errors
/// Something could not be built, or broke.
pub async fn run(config: Config, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> anyhow::Result<()> {
    let _ = (config, clock, entropy);
    anyhow::bail!("the server is not wired yet")
}
