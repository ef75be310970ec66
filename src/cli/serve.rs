//! `radgram serve`: makes the configuration at the first start, says what is to be done next, and runs the server.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use tracing_subscriber::EnvFilter;

use super::output::Out;
use super::{Failure, load};
use crate::app;
use crate::clock::SystemClock;
use crate::config::{Config, EXAMPLE, Log, LogFormat};
use crate::dictionary::{Dictionary, Skipped};
use crate::domain::operator::Role;
use crate::entropy::{Entropy, SystemEntropy};
use crate::open::open_store;
use crate::store::Reader;

/// The token and the proxy's password may be written into it.
const OWNER_ONLY: u32 = 0o600;

pub(super) async fn run(file: &Path) -> Result<(), Failure> {
    let made = make(file, EXAMPLE)?;
    let config = load(file)?;
    start_log(config.log);
    tell_of_dictionaries();
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let store = open_store(&config, &SystemClock, entropy.clone()).await?;
    let mut notes: Vec<String> = made.into_iter().collect();
    notes.extend(next_steps(&config, store.reader()).await?);
    store.close().await;
    match Out::standard().text(&notes.iter().map(|note| format!("{note}\n")).collect::<String>()) {
        // A server runs on when nobody reads its words.
        Ok(()) | Err(Failure::NobodyReads) => {}
        Err(failure) => return Err(failure),
    }
    Ok(app::run(config, Arc::new(SystemClock), entropy).await?)
}

/// Writes the example where no configuration is, and says so.
pub(super) fn make(file: &Path, example: &str) -> Result<Option<String>, Failure> {
    match OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(file) {
        Ok(mut new) => {
            let written = new.write_all(example.as_bytes()).and_then(|()| new.sync_all());
            written.map_err(|error| Failure::because(format!("{}: cannot be written: {error}", file.display())))?;
            Ok(Some(format!("radgram: made {} with the defaults", file.display())))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
        // It may be there and not ours to write: reading it says what is wrong.
        Err(_) if file.exists() => Ok(None),
        Err(error) => Err(Failure::because(format!("{}: cannot be made: {error}", file.display()))),
    }
}

/// What of the operator's own dictionaries is of no use, in one line; each at the level debug.
fn tell_of_dictionaries() {
    let skipped = Dictionary::current().skipped();
    for Skipped { file, line, what, why } in skipped {
        tracing::debug!(file, line, what, why, "a line of a dictionary is passed over");
    }
    if !skipped.is_empty() {
        tracing::info!(lines = skipped.len(), "lines of dictionaries are passed over; the level debug names them");
    }
}

async fn next_steps(config: &Config, reader: &Reader) -> Result<Vec<String>, Failure> {
    let mut notes = vec![format!("radgram: web UI at http://{}/", config.web.listen)];
    let operators = reader.operators().await?;
    if !operators.iter().any(|operator| operator.role == Role::Owner) {
        notes.push(format!("radgram: nobody can log in yet; make the first owner: {} --role owner", command(config)));
    }
    if config.telegram.token.is_none() {
        let file = config.file.display();
        notes.push(format!("radgram: the Telegram bot is off: there is no [telegram] token in {file}"));
    }
    Ok(notes)
}

/// How this program is called for the configuration in use.
fn command(config: &Config) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "radgram".to_owned());
    let file = config.file.display();
    let option = if config.file == Path::new("radius.toml") { String::new() } else { format!(" --config {file}") };
    format!("{program}{option} operator add NAME")
}

/// Our own lines from the level on; of libraries only what is wrong, since they may log more than is wanted here.
fn start_log(log: Log) {
    let filter = EnvFilter::new(format!("warn,radgram={}", log.level.word()));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    // It is started once, here; a test that started its own keeps it.
    drop(started);
}
