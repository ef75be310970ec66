//! Many at once: how far a bulk operation is, and what became of each name.

use tokio_util::sync::CancellationToken;

use super::Refused;
use super::router_api::ApiFault;

/// The most names of one operation: what a page and a job hold in memory.
pub const MOST_NAMES: usize = 20_000;

/// Whether something is done or only tried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// It is done.
    Real,
    /// Nothing is changed; the lines are those of a real run.
    Dry,
}

/// How far a bulk operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Names in all.
    pub total: usize,
    /// Names that have their line.
    pub done: usize,
}

/// What became of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done, or as good as done in a dry run.
    Done,
    /// Not done; nothing was changed. Why, in a sentence.
    Refused(String),
    /// Not tried, or nobody knows whether it was done: the operation ended early. Why, in a sentence.
    NotTried(String),
}

impl Outcome {
    /// The word in JSON and on pages.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused(_) => "refused",
            Self::NotTried(_) => "not_tried",
        }
    }

    /// Why it was not done; nothing if it was.
    pub fn why(&self) -> &str {
        match self {
            Self::Done => "",
            Self::Refused(why) | Self::NotTried(why) => why,
        }
    }
}

/// One name of a bulk operation. No text in it has a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkLine {
    /// The name, as the router has it (or as it was asked for); one line of text.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What was taken along: `Mikrotik-Group = staff`.
    pub carried: Vec<String>,
    /// What else is to be known: what could not be taken along, what is to be done next.
    pub notes: Vec<String>,
}

impl BulkLine {
    /// A name that is done.
    pub(super) fn done(name: &str, notes: Vec<String>) -> Self {
        Self { name: name.to_owned(), outcome: Outcome::Done, carried: Vec::new(), notes }
    }

    /// A name that is not done.
    pub(super) fn refused(name: &str, why: impl Into<String>) -> Self {
        let outcome = Outcome::Refused(why.into());
        Self { name: name.to_owned(), outcome, carried: Vec::new(), notes: Vec::new() }
    }

    /// A name that was not tried.
    pub(super) fn not_tried(name: &str, why: impl Into<String>) -> Self {
        let outcome = Outcome::NotTried(why.into());
        Self { name: name.to_owned(), outcome, carried: Vec::new(), notes: Vec::new() }
    }
}

/// Whoever watches a bulk operation: hears each line, and may stop it between two names.
pub(super) struct Watch<'a> {
    pub(super) heard: &'a (dyn Fn(Progress, &BulkLine) + Sync),
    pub(super) stop: CancellationToken,
}

/// Why what is left of an operation is not tried.
pub(super) const STOPPED: &str = "radgram is being stopped; start it again for the names that are left";

/// The lines of an operation, as they come.
pub(super) struct Lines<'a> {
    watch: &'a Watch<'a>,
    total: usize,
    lines: Vec<BulkLine>,
}

impl<'a> Lines<'a> {
    pub(super) fn of(total: usize, watch: &'a Watch<'a>) -> Self {
        Self { watch, total, lines: Vec::with_capacity(total) }
    }

    pub(super) fn push(&mut self, line: BulkLine) {
        (self.watch.heard)(Progress { total: self.total, done: self.lines.len() + 1 }, &line);
        self.lines.push(line);
    }

    pub(super) const fn total(&self) -> usize {
        self.total
    }

    pub(super) fn done_count(&self) -> usize {
        self.lines.iter().filter(|line| line.outcome == Outcome::Done).count()
    }

    pub(super) fn into_lines(self) -> Vec<BulkLine> {
        self.lines
    }
}

/// Refuses more names than an operation takes.
pub(super) fn not_too_many(names: usize) -> Result<(), Refused> {
    if names > MOST_NAMES {
        return Err(Refused::field("names", format!("{names} names at once; expected at most {MOST_NAMES}")));
    }
    Ok(())
}

/// Whether a fault concerns every name alike, so that the others need not be tried.
pub(super) const fn concerns_all(fault: &ApiFault) -> bool {
    match fault {
        ApiFault::Off
        | ApiFault::Unreachable(_)
        | ApiFault::NoCertificate
        | ApiFault::NotTrusted(_)
        | ApiFault::LogIn(_)
        | ApiFault::OldLogIn
        | ApiFault::Forbidden(_)
        | ApiFault::NoMenu(_) => true,
        ApiFault::Gone(_) | ApiFault::Ambiguous(_) | ApiFault::Refused(_) => false,
    }
}
