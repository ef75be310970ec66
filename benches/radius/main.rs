//! radgram beside its peers, in one run: `make bench` (`docs/performance.md` says what is measured, and how).
//!
//! Every server and the load are processes of their own; they take turns, round by round, and the medians are told. All
//! speak over the loopback interface alone; the run is bounded, and takes away what it made.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark prints, fails by panicking, and asks the time itself"
)]

mod floor;
mod lean;
mod load;
mod ours;
mod part;
#[path = "../../tests/support/postgres.rs"]
mod postgres;
mod process;
mod rows;
mod slow;
mod table;
mod target;
mod theirs;
mod wire;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use floor::Does;
use part::Part;

/// Measure radgram beside its peers.
#[derive(Debug, Parser)]
struct Options {
    /// What is measured; all if none is named.
    parts: Vec<Part>,
    /// Rounds; each server has its turn in each.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each turn is measured, in milliseconds.
    #[arg(long, default_value_t = 2_000)]
    milliseconds: u64,
    /// Accounts.
    #[arg(long, default_value_t = 10_000)]
    accounts: usize,
    /// Servers to leave out, as the table names them.
    #[arg(long, value_delimiter = ',')]
    without: Vec<String>,
    /// Another build of radgram.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_radgram"))]
    program: PathBuf,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The parts of a run that are processes of their own.
#[derive(Debug, Parser)]
struct Role {
    #[command(subcommand)]
    role: Own,
}

#[derive(Debug, Subcommand)]
enum Own {
    Floor { accounts: usize },
    Arithmetic { accounts: usize },
    Load { job: String },
}

#[tokio::main]
async fn main() {
    if let Ok(Role { role }) = Role::try_parse() {
        return act(role);
    }
    let options = Options::parse();
    part::run(&options).await;
}

fn act(role: Own) {
    match role {
        Own::Floor { accounts } => floor::serve(Does::Nothing, accounts),
        Own::Arithmetic { accounts } => floor::serve(Does::Arithmetic, accounts),
        Own::Load { job } => {
            let outcome = load::run(&serde_json::from_str(&job).unwrap());
            println!("{}", serde_json::to_string(&outcome).unwrap());
        }
    }
}
