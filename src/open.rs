//! Opening the database with the master key, alike for the server and the command line.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

use anyhow::Context;

use crate::clock::Clock;
use crate::config::{Config, KeyFile, load_or_make_key};
use crate::crypto::seal::Keyring;
use crate::entropy::Entropy;
use crate::store::{Store, StoreError, url_of_spool};

/// Opens the database that the configuration names, and makes the master key if there is none.
///
/// # Errors
/// The key cannot be had, is another one, or the database does not answer. No text has a secret.
pub async fn open_store(config: &Config, clock: &dyn Clock, entropy: Arc<dyn Entropy>) -> anyhow::Result<Store> {
    let file = &config.secrets.master_key_file;
    let (key, made) = load_or_make_key(file, entropy.as_ref())?;
    let url = config.database.url.expose();
    make_private(url);
    make_private(&url_of_spool(url));
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

/// A SQLite file that is new is made here, empty, so that it and the files that SQLite puts beside it are its owner's
/// alone. If it cannot be made, opening it says why. A path with an encoded character or with options is left to the driver.
fn make_private(url: &str) {
    let Some(path) = url.strip_prefix("sqlite:").filter(|path| !path.contains(['%', '?'])) else { return };
    drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(path));
}
