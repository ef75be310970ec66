//! The usual log-in touches no database: counted in the log of the database driver itself.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/edge.rs"]
mod edge;

use std::fmt;
use std::sync::{Arc, Mutex};

use edge::{Client, Edge, LOCALHOST, checked, pap};
use radgram::domain::id::AccountId;
use radgram::gate::directory::Found;
use radgram::proto::radius::{Code, Opening};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Keeps every statement that the driver logs.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<Vec<String>>>);

/// The text of one statement: `summary` has its first words, `db.statement` all of it if it is longer.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if matches!(field.name(), "summary" | "db.statement") && value.len() > self.0.len() {
            self.0 = value.to_owned();
        }
    }
}

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            let mut text = Text(String::new());
            event.record(&mut text);
            self.0.lock().unwrap().push(text.0);
        }
    }
}

impl Statements {
    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// What was logged after the first `seen`.
    fn after(&self, seen: usize) -> Vec<String> {
        self.0.lock().unwrap()[seen..].to_vec()
    }
}

#[tokio::test]
async fn a_hundred_log_ins_are_answered_from_memory() {
    const LOG_INS: usize = 100;
    const ROUNDS: usize = 5;
    let statements = Statements::default();
    tracing_subscriber::registry().with(statements.clone()).init();
    let edge = Edge::start().await;
    edge.gate.directory().warm(AccountId(0), 100).await.unwrap();
    let seen = statements.len();
    edge.gate.directory().read(edge.user).await.unwrap().unwrap();
    let reads_an_account = |statement: &String| statement.contains("from accounts");
    assert!(statements.after(seen).iter().any(reads_an_account), "the driver logs nothing");

    let client = Client::new(LOCALHOST).await;
    // The first round teaches that the box signs, and wakes the workers once. Whatever a log-in itself asked the database
    // for would be asked in every round.
    let mut others = Vec::new();
    for round in 1..=ROUNDS {
        let seen = statements.len();
        for _ in 0..LOG_INS {
            let request = pap(Opening::MessageAuthenticator, "User", "clientPass", |_| ());
            let reply = client.ask(edge.auth, &request).await;
            assert_eq!(checked(&reply, &request).0, Code::ACCESS_ACCEPT);
        }
        // Of one name only the first of a minute are written down; the others are counted.
        while written(&edge).await + edge.gate.metrics().attempts_lost.get() < u64::try_from(round * LOG_INS).unwrap() {
            tokio::task::yield_now().await;
        }
        others = statements.after(seen).into_iter().filter(|statement| !is_behind_the_replies(statement)).collect();
        if others.is_empty() {
            break;
        }
    }
    assert!(others.is_empty(), "the log-ins of the last round asked the database: {others:#?}");
    assert!(written(&edge).await >= 60, "the first of a minute are written down");
}

#[tokio::test]
async fn the_start_reads_the_first_accounts_and_the_rest_follows() {
    let edge = Edge::start().await;
    let directory = edge.gate.directory();
    let is_known = |name: &str| matches!(directory.recall(&[name.to_owned()]), Some(Found::Account(_)));
    let first = directory.warm(AccountId(0), 1).await.unwrap();
    assert_eq!(first, Some(edge.user));
    assert!(is_known("user") && !is_known("nobody"));
    directory.warm_rest(edge.user).await;
    assert!(is_known("user") && is_known("nobody"));
    assert_eq!(directory.warm(edge.nobody, 1).await.unwrap(), None, "there are no more");
}

async fn written(edge: &Edge) -> u64 {
    edge.gate.reader().attempt_count().await.unwrap().try_into().unwrap()
}

/// The grouped write of the attempts, the poll of the changes, and this test's own count.
fn is_behind_the_replies(statement: &str) -> bool {
    [
        "insert into attempts",
        "from meta where name = 'change'",
        "from changes where",
        "from attempts",
        "begin",
        "commit",
    ]
    .iter()
    .any(|known| statement.to_lowercase().contains(known))
}
