//! Opening the database with the master key, alike for the server and the command line.

use std::sync::Arc;

use anyhow::Context;

use crate::clock::Clock;
use crate::config::{Config, KeyFile, load_or_make_key};
use crate::crypto::seal::Keyring;
use crate::entropy::Entropy;
use crate::store::{Store, StoreError};

/// Opens the database that the configuration names, and makes the master key if there is none.
///
/// # Errors
/// The key cannot be had, is another one, or the database does not answer. No text has a secret.
pub async fn open_store(config: &Config, clock: &dyn Clock, entropy: Arc<dyn Entropy>) -> anyhow::Result<Store> {
    let file = &config.secrets.master_key_file;
    let (key, made) = load_or_make_key(file, entropy.as_ref())?;
    let opened = Store::open(config.database.url.expose(), Keyring::new(key), entropy, clock.now()).await;
    if made == KeyFile::Made && matches!(opened, Err(StoreError::WrongKey)) {
        // The database has a key already, which was lost or lies elsewhere: a new one beside it would only mislead.
        let _ = std::fs::remove_file(file);
        anyhow::bail!(
            "{}: no such file, and the database {} was sealed with the key that it held; restore it",
            file.display(),
            config.database.url
        );
    }
    opened.with_context(|| format!("{}", config.database.url))
}
