//! A day of an operator in a real browser: Debian's Chromium, driven by playwright-core.

#[path = "support/site.rs"]
mod site;

use std::time::Duration;

use radgram::domain::credential::Credential;
use radgram::domain::session::{EndReason, State};
use radgram::domain::user::UserState;
use tokio::process::Command;

use site::{PASSWORD, Site};

/// A browser on a busy machine is slow; this only ends a test that hangs.
const LONGEST: Duration = Duration::from_secs(180);

async fn run(script: &str, arguments: &[&str]) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");
    let started = Command::new("node").arg(script).args(arguments).current_dir(folder).kill_on_drop(true).output();
    let output = tokio::time::timeout(LONGEST, started).await.expect("the browser ends in time");
    let output = output.expect("node runs; scripts/test-deps installs what is missing");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} (scripts/test-deps installs what is missing):\n{said}");
}

#[tokio::test]
async fn an_operator_approves_binds_grants_and_ends() {
    let site = Site::start().await;
    let boris = site.user(1, "Boris", UserState::Pending).await;
    // By a name over plain HTTP, as in an office network: there browsers send less than on loopback.
    let address = site.address.replace("127.0.0.1", "radgram.example");
    run("operator.mjs", &[&address, "root", PASSWORD]).await;
    let reader = site.store.reader();
    assert_eq!(reader.user(boris).await.unwrap().unwrap().state, UserState::Approved);
    let accounts = reader.accounts_of(boris).await.unwrap();
    assert_eq!(accounts[0].name, "boris");
    let entry = reader.entry(accounts[0].id).await.unwrap().unwrap();
    assert!(!matches!(entry.credential, Credential::None));
    let (session, _) = reader.sessions_of(boris, 1).await.unwrap().remove(0);
    assert!(matches!(session.state, State::Ended { reason: EndReason::ByOperator, .. }), "{session:?}");
}
