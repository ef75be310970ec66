//! Bulk operations on the command line: progress on standard error, a line for each name on standard output.

use std::io::{self, IsTerminal};

use serde::Serialize;

use super::output::{Line, Out};
use super::{Failure, ListArgs};
use crate::gate::bulk::{BulkLine, Outcome, Progress, Run};

/// Whether a command is only tried.
pub(super) const fn run_of(dry_run: bool) -> Run {
    if dry_run { Run::Dry } else { Run::Real }
}

/// Says how far an operation is, each time that `step` more are done.
pub(super) fn tell(done: usize, all: usize, step: usize) {
    if done == all || done.is_multiple_of(step) {
        let end = if io::stderr().is_terminal() && done < all { "\r" } else { "\n" };
        eprint!("radgram: {done} of {all}{end}");
    }
}

/// Progress is told each time this many names are done: each is a command to a router, or a transaction.
const STEP: usize = 100;

/// The same, for names of a router.
pub(super) fn tell_progress(progress: Progress) {
    tell(progress.done, progress.total, STEP);
}

/// Prints the lines, and says how many were done: `verb` is `adopted`, `removed`.
pub(super) fn report(lines: &[BulkLine], args: ListArgs, run: Run, verb: &str) -> Result<(), Failure> {
    let shown: Vec<Shown> = lines.iter().map(Shown::of).collect();
    Out::standard().list(&shown, args)?;
    let done = lines.iter().filter(|line| line.outcome == Outcome::Done).count();
    let (all, left) = (lines.len(), lines.len() - done);
    match (run, left) {
        (Run::Dry, 0) => eprintln!("radgram: {done} of {all} would be {verb}; nothing was changed"),
        (Run::Real, 0) => eprintln!("radgram: {done} of {all} {verb}"),
        (Run::Dry, _) => {
            return Err(Failure::because(format!("{left} of {all} could not be {verb}; nothing was changed")));
        }
        (Run::Real, _) => return Err(Failure::because(format!("{left} of {all} were not {verb}; the list says why"))),
    }
    Ok(())
}

#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    result: &'static str,
    why: &'a str,
    carried: &'a [String],
    notes: &'a [String],
}

impl<'a> Shown<'a> {
    fn of(line: &'a BulkLine) -> Self {
        let BulkLine { name, outcome, carried, notes } = line;
        Self { name, result: outcome.word(), why: outcome.why(), carried, notes }
    }
}

impl Line for Shown<'_> {
    const HEADS: &'static [&'static str] = &["NAME", "RESULT", "TAKEN ALONG", "NOTES"];

    fn cells(&self) -> Vec<String> {
        let notes = if self.why.is_empty() { self.notes.join("; ") } else { self.why.to_owned() };
        vec![self.name.to_owned(), self.result.replace('_', " "), self.carried.join(", "), notes]
    }
}
