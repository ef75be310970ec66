//! `radgram sim router`: a simulated RouterOS router in a terminal, to try things by hand.
//!
//! What goes over its lines is printed; what is typed makes clients dial and hang up.

mod file;
mod typed;

use std::io::{self, BufRead};
use std::path::Path;
use std::sync::Arc;

use clap::Subcommand;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use self::typed::{Next, Typed};
use super::Failure;
use super::output::Out;
use super::serve::make;
use crate::clock::SystemClock;
use crate::sim::router::SimRouter;

/// Lines that were typed ahead.
const TYPED_MAX: usize = 64;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// A RouterOS router: RADIUS client, Disconnect and CoA, API. `--config` is a file of its own kind, made if there is none.
    Router,
}

/// Runs it until `quit`, or for ever once standard input has ended.
pub(super) async fn run(command: &Command, config: &Path) -> Result<(), Failure> {
    match command {
        Command::Router => router(config).await,
    }
}

async fn router(config: &Path) -> Result<(), Failure> {
    if let Some(made) = make(config, file::EXAMPLE)? {
        say(&made)?;
    }
    let start = file::read(config)?;
    let clock = Arc::new(SystemClock);
    let router = SimRouter::start(start.config, clock).await;
    let router = Arc::new(router.map_err(|error| Failure::because(format!("the router cannot be started: {error}")))?);
    start.rows.iter().try_for_each(|row| row.add(&router))?;
    let mut lines = router.follow_trace();
    introduce(&router)?;
    let (answers, mut answered) = mpsc::channel::<String>(TYPED_MAX);
    let mut input = type_in();
    let mut is_typing = true;
    loop {
        tokio::select! {
            // What is typed is never kept waiting; an answer comes behind what led to it.
            biased;
            line = input.recv(), if is_typing => match line.as_deref().map(Typed::parse) {
                Some(Ok(typed)) => match typed.start(&router, &answers) {
                    Next::GoOn => {}
                    Next::Quit => return Ok(()),
                },
                Some(Err(help)) => say(&help)?,
                // Nothing is typed any more: it runs until it is interrupted.
                None => is_typing = false,
            },
            line = lines.recv() => match line {
                Ok(line) => say(&line)?,
                Err(RecvError::Lagged(missed)) => say(&format!("… {missed} lines were too fast"))?,
                Err(RecvError::Closed) => return Ok(()),
            },
            Some(answer) = answered.recv() => say(&answer)?,
        }
    }
}

fn introduce(router: &SimRouter) -> Result<(), Failure> {
    let shown = |address: Option<std::net::SocketAddr>| address.map_or("off".to_owned(), |address| address.to_string());
    say(&format!("radius from {}", router.local_addr()))?;
    say(&format!("incoming at {}", shown(router.incoming_addr())))?;
    say(&format!("api at {}", shown(router.api_addr())))?;
    say(&format!("api-ssl at {}", shown(router.api_tls_addr())))?;
    say(typed::HELP)
}

fn say(line: &str) -> Result<(), Failure> {
    Out::standard().text(&format!("{line}\n"))
}

/// The lines of standard input, read by a thread of its own: nothing else can wait for a terminal.
fn type_in() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(TYPED_MAX);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
