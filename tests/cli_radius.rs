//! `radgram radius test`: the program asks a server and a router, and says what came back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/edge.rs"]
mod edge;

use std::process::Stdio;

use edge::{CALLER, Edge, LOCALHOST, SECRET};
use radgram::sim::router::{Dial, DialOutcome, IncomingConfig};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Runs it with these lines on standard input: whether it succeeded, and all that it said.
async fn test(line: &str, input: &str) -> (bool, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_radgram"))
        .args(["radius", "test"])
        .args(line.split_whitespace())
        .env_clear()
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

#[track_caller]
fn says(said: &(bool, String), succeeds: Succeeds, parts: &[&str]) {
    let (success, text) = said;
    assert_eq!(*success, succeeds == Succeeds::Yes, "{text}");
    for part in parts {
        assert!(text.contains(part), "no {part} in {text}");
    }
    for secret in [SECRET, "clientPass", "wrongPass"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[derive(PartialEq, Eq)]
enum Succeeds {
    Yes,
    No,
}

#[tokio::test]
async fn each_method_logs_in_and_the_servers_proofs_are_looked_at() {
    let edge = Edge::start().await;
    for method in ["pap", "chap", "mschapv1", "mschapv2"] {
        let line = format!("log-in User --method {method} --caller {CALLER} --server {}", edge.auth);
        let said = test(&line, "testing123\nclientPass\n").await;
        let parts = ["Access-Request", "User-Name = \"User\"", "Access-Accept", "Session-Timeout = 28800", "<hidden"];
        says(&said, Succeeds::Yes, &parts);
        let keys = if method.starts_with("ms") { "MPPE keys: right." } else { "The Message-Authenticator is right." };
        says(&said, Succeeds::Yes, &[keys]);
        assert_eq!(said.1.contains("MS-CHAP2-Success: right."), method == "mschapv2");
        let said = test(&line, "testing123\nwrongPass\n").await;
        says(
            &said,
            Succeeds::No,
            &["Access-Reject", "Reply-Message = \"Access denied\"", "the answer is Access-Reject"],
        );
    }
}

#[tokio::test]
async fn what_else_a_server_is_asked() {
    let edge = Edge::start().await;
    let said = test(&format!("status --server {}", edge.auth), "testing123\n").await;
    says(&said, Succeeds::Yes, &["Status-Server", "Access-Accept"]);
    let start = format!(
        "accounting start User --session 81a00001 --caller {CALLER} --nas-identifier desk --server {} \
         --attribute Framed-IP-Address=10.8.0.5",
        edge.acct
    );
    let said = test(&start, "testing123\n").await;
    says(&said, Succeeds::Yes, &["Acct-Status-Type = Start", "Framed-IP-Address = 10.8.0.5", "Accounting-Response"]);
    assert_eq!(edge.gate.reader().open_connection_count().await.unwrap(), 1);
    let silent = format!("status --timeout 1 --tries 1 --server {}", edge.auth);
    says(&test(&silent, "another\n").await, Succeeds::No, &["no answer after 1 transmissions"]);
}

#[tokio::test]
async fn a_router_is_told_to_change_and_to_end_a_connection() {
    let edge = Edge::start().await;
    let router = edge.router_that(|config| config.incoming = Some(IncomingConfig::new(LOCALHOST))).await;
    let DialOutcome::Connected(tunnel) = router.dial(Dial::new("User", "clientPass")).await else {
        panic!("not connected")
    };
    let (at, session) = (router.incoming_addr().unwrap(), tunnel.acct_session_id().to_owned());
    let change = format!("change User --session {session} --server {at} --attribute Mikrotik-Rate-Limit=5M/5M");
    let said = test(&change, "testing123\n").await;
    says(&said, Succeeds::Yes, &["CoA-Request", "Mikrotik-Rate-Limit = \"5M/5M\"", "CoA-ACK"]);
    assert_eq!(tunnel.rate_limit().as_deref(), Some("5M/5M"));
    let nobody = format!("disconnect User --session 81fffff0 --server {at}");
    says(&test(&nobody, "testing123\n").await, Succeeds::No, &["Disconnect-NAK", "Error-Cause = "]);
    let said = test(&format!("disconnect User --session {session} --server {at}"), "testing123\n").await;
    says(&said, Succeeds::Yes, &["Disconnect-ACK"]);
    tunnel.ended().await;
}

#[tokio::test]
async fn what_is_typed_wrong_is_said() {
    for (line, part) in [
        ("status --server nowhere", "--server nowhere: expected"),
        ("status --attribute Session-Timeout", "expected NAME=VALUE"),
        ("status --attribute No-Such=1", "no such attribute"),
        ("status --attribute Session-Timeout=soon", "Session-Timeout takes a number"),
    ] {
        says(&test(line, "testing123\n").await, Succeeds::No, &[part]);
    }
    says(&test("status", "").await, Succeeds::No, &["the shared secret is one line on standard input"]);
}
