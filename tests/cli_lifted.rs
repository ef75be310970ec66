//! What a running server has learnt of somebody is taken back on the command line: the lock of who guessed passwords,
//! and that a box signs its requests. The program itself is the router and the client.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/program.rs"]
mod program;

use std::time::Duration;

use program::{Office, Server};
use serde_json::Value;

const SECRET: &str = "hunter2-hunter2";
const PASSWORD: &str = "Korrekt-Horse-1";
/// Longer than anything takes; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than a refusal is kept back, on a slow machine too.
const PATIENT: &str = "--timeout 20";

/// A server that runs, and the program at the router `desk`, from where Ann dials.
struct Desk {
    office: Office,
    server: Server,
}

impl Desk {
    /// Ann may connect; these lines are run before the server is.
    async fn open(lines: &[&str]) -> Self {
        let office = Office::on_sqlite();
        office.done_with("router add desk --address 127.0.0.1", SECRET).await;
        office.done("user add --telegram-id 1001 --name Ann --approved").await;
        office.done("account add ann --user 1001").await;
        office.done_with("account password ann", PASSWORD).await;
        office.done("session grant ann --hours 2").await;
        for line in lines {
            office.done(line).await;
        }
        let server = office.serve().await;
        Self { office, server }
    }

    /// Ann's client dials once, as `how` says; the exit code, and what is said.
    async fn dial(&self, how: &str, password: &str) -> (Option<i32>, String) {
        let line = format!(
            "radius test log-in ann --router desk --caller 203.0.113.7 --session 81a00001 --server {} --tries 1 {how}",
            self.server.auth
        );
        self.office.ran_with(&line, password).await
    }

    async fn list(&self, noun: &str) -> Vec<Value> {
        serde_json::from_str(&self.office.done(&format!("{noun} list --json")).await).unwrap()
    }

    /// Waits until it is so; a failure names it.
    async fn until(&self, what: &str, so: impl AsyncFn() -> bool) {
        let waiting = async {
            while !so().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "never came true: {what}");
    }
}

#[tokio::test]
async fn a_lock_for_guessing_is_lifted_and_the_person_gets_in() {
    let desk = Desk::open(&["setting set guess_limit 1"]).await;
    let (code, said) = desk.dial(PATIENT, "a guess").await;
    assert!(code == Some(1) && said.contains("the answer is Access-Reject"), "{said}");
    desk.until("caller and name are locked", async || desk.list("guess").await.len() == 2).await;
    let (code, said) = desk.dial(PATIENT, PASSWORD).await;
    assert!(code == Some(1) && said.contains("Access denied"), "the right password does not help: {said}");
    let mut subjects = Vec::new();
    for lock in desk.list("guess").await {
        subjects.push(lock["subject"].as_str().unwrap().to_owned());
        let lift = format!("guess lift {}", lock["id"]);
        assert_eq!(desk.office.done(&lift).await, format!("lock {} is lifted\n", lock["id"]));
        assert!(desk.office.refused(&lift).await.1.contains("no such lock stands"));
    }
    subjects.sort();
    assert_eq!(subjects, ["203.0.113.7", "ann"]);
    assert_eq!(desk.list("guess").await, [] as [Value; 0]);
    // Locks last ten minutes: nothing but this has ended them.
    desk.until("Ann is let in", async || desk.dial(PATIENT, PASSWORD).await.0 == Some(0)).await;
}

#[tokio::test]
async fn that_a_box_signs_is_forgotten_and_it_may_go_without_again() {
    const UNSIGNED: &str = "--unsigned --timeout 1";
    let desk = Desk::open(&[]).await;
    let signs = async || desk.list("router nas").await[0]["signs_since"].is_string();
    let (code, said) = desk.dial(PATIENT, PASSWORD).await;
    assert_eq!(code, Some(0), "{said}");
    desk.until("the box is seen to sign", &signs).await;
    let (code, said) = desk.dial(UNSIGNED, PASSWORD).await;
    assert!(code == Some(1) && said.contains("no answer after 1 transmissions"), "{said}");
    let reset = format!("router nas reset {}", desk.list("router nas").await[0]["id"]);
    assert!(desk.office.done(&reset).await.starts_with("unsigned requests are taken from box "));
    assert!(!signs().await);
    desk.until("it is let in unsigned", async || desk.dial(UNSIGNED, PASSWORD).await.0 == Some(0)).await;
    assert!(desk.office.refused(&reset).await.1.contains("was not seen to sign"));
    // It signs again, and is held to it.
    assert_eq!(desk.dial(PATIENT, PASSWORD).await.0, Some(0));
    desk.until("the box is seen to sign again", &signs).await;
    desk.until("unsigned it is not answered", async || desk.dial(UNSIGNED, PASSWORD).await.0 == Some(1)).await;
}
