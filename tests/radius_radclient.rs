//! The RADIUS edge asked by FreeRADIUS's radclient: a peer that was written by others.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/edge.rs"]
mod edge;

use std::net::SocketAddr;
use std::process::Stdio;

use edge::{CALLER, Edge, SECRET};
use radgram::domain::attribute::Subject;
use radgram::domain::audit::Actor;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// What radclient prints; it fails unless a reply came whose authenticators are right.
async fn radclient(server: SocketAddr, kind: &str, attributes: &str) -> String {
    let mut child = Command::new("radclient")
        .args(["-x", "-r", "1", "-t", "20", &server.to_string(), kind, SECRET])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("radclient is installed by scripts/test-deps");
    child.stdin.take().unwrap().write_all(attributes.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

fn log_in(proof: &str) -> String {
    format!(
        "User-Name = \"User\"\n{proof}\nCalling-Station-Id = \"{CALLER}\"\nNAS-Identifier = \"radclient\"\n\
         Service-Type = Framed-User\nMessage-Authenticator = 0x00\n"
    )
}

#[tokio::test]
async fn log_ins_are_answered() {
    let edge = Edge::start().await;
    for proof in
        ["User-Password = \"clientPass\"", "CHAP-Password = \"clientPass\"", "MS-CHAP-Password = \"clientPass\""]
    {
        let said = radclient(edge.auth, "auth", &log_in(proof)).await;
        assert!(said.contains("Received Access-Accept"), "{proof}: {said}");
        for expected in
            ["Message-Authenticator = 0x", "Session-Timeout = 28800", "Acct-Interim-Interval = 60", "Class = 0x"]
        {
            assert!(said.contains(expected), "{proof}: no {expected} in {said}");
        }
    }
    let said = radclient(edge.auth, "auth", &log_in("User-Password = \"wrong\"")).await;
    assert!(said.contains("Received Access-Reject") && said.contains("Access denied"), "{said}");
}

#[tokio::test]
async fn reply_attributes_are_read_as_they_were_written() {
    let edge = Edge::start().await;
    let written = [
        ("Framed-IP-Address", "10.8.0.77"),
        ("Mikrotik-Group", "staff"),
        ("Mikrotik-Rate-Limit", "10M/20M"),
        ("Mikrotik-Recv-Limit-Gigawords", "2"),
        ("Framed-Route", "10.1.0.0/24 0.0.0.0 1"),
        ("Framed-Route", "10.2.0.0/24 0.0.0.0 1"),
    ];
    let pairs = written.map(|(name, value)| (name.to_owned(), value.to_owned()));
    edge.gate.set_attributes(&Actor::CommandLine, Subject::Account(edge.user), &pairs).await.unwrap();
    let said = radclient(edge.auth, "auth", &log_in("MS-CHAP-Password = \"clientPass\"")).await;
    for (name, value) in written {
        let shown = [format!("{name} = {value}\n"), format!("{name} = \"{value}\"\n")];
        assert!(shown.iter().any(|line| said.contains(line)), "no {name} = {value} in {said}");
    }
}

#[tokio::test]
async fn accounting_and_status_are_answered() {
    let edge = Edge::start().await;
    let record = "User-Name = \"User\"\nAcct-Session-Id = \"81500001\"\nAcct-Status-Type = Start\nNAS-Identifier = \"radclient\"\n";
    let said = radclient(edge.acct, "acct", record).await;
    assert!(said.contains("Received Accounting-Response"), "{said}");
    assert_eq!(edge.gate.metrics().records.get(), 1);
    let said = radclient(edge.auth, "status", "Message-Authenticator = 0x00\n").await;
    assert!(said.contains("Received Access-Accept"), "{said}");
}
