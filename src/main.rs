//! The program: parses the command line, runs it, and turns its end into an exit code.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use radgram::cli::{Cli, Failure, run};

/// How long threads are waited for that do not end by themselves: one may hang at a database that does not answer.
const LEAVE: Duration = Duration::from_secs(1);

/// A log-in makes dozens of small pieces and lets go of them: a sixth of its processor with the allocator of glibc.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// 0 done, 1 refused or failed with one line on standard error, 2 usage (clap's own).
fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("the runtime cannot be started: {error}")),
    };
    let done = runtime.block_on(run(cli));
    // What was to be ended in order has ended, or has had its time.
    runtime.shutdown_timeout(LEAVE);
    match done {
        Ok(()) | Err(Failure::NobodyReads) => ExitCode::SUCCESS,
        Err(Failure::Because(line)) => failed(&line),
    }
}

#[expect(clippy::print_stderr, reason = "the one line that says why")]
fn failed(line: &str) -> ExitCode {
    eprintln!("radgram: {}", line.replace('\n', "; "));
    ExitCode::FAILURE
}
