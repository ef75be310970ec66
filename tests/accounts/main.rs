//! Accounts that a router keeps itself: seen beside ours, adopted, changed where they are, at once or as a job.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/router_api.rs"]
mod router_api;
#[path = "../support/shop.rs"]
mod shop;

mod adopt;
mod change;
mod compare;
mod job;

use radgram::gate::bulk::{BulkLine, Outcome, Run};
use radgram::gate::router_api::Menu;
use radgram::gate::{Adoption, Afterwards, Names};

const PASSWORD: &str = "Korrekt-Horse-1";

/// These secrets, for real.
fn adoption(names: &[&str], afterwards: Afterwards) -> Adoption {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Adoption { menu: Menu::Secret, names: Names::Names(names), afterwards, run: Run::Real }
}

/// All secrets, for real.
fn all(afterwards: Afterwards) -> Adoption {
    Adoption { menu: Menu::Secret, names: Names::All, afterwards, run: Run::Real }
}

/// Each name with what became of it: `ann done`.
fn said(lines: &[BulkLine]) -> Vec<String> {
    lines.iter().map(|line| format!("{} {}", line.name, line.outcome.word())).collect()
}

/// Why the one line says that it was not done.
#[track_caller]
fn why(lines: &[BulkLine]) -> &str {
    let [line] = lines else { panic!("not one line: {lines:?}") };
    assert!(matches!(line.outcome, Outcome::Refused(_)), "{line:?}");
    line.outcome.why()
}
