//! `radgram unanswered list` tells what the running server dropped, and says so where there is none.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/program.rs"]
mod program;

use std::net::UdpSocket;
use std::time::Duration;

use program::Office;
use serde_json::Value;

/// Longer than anything takes; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn packets_without_an_answer_are_listed_by_source_and_reason() {
    let office = Office::on_sqlite();
    office.done_with("router add office --address 127.0.0.1", "a shared secret").await;
    let server = office.serve().await;
    let (_, said) = office.refused("unanswered list").await;
    assert!(said.contains("no running server answers at http://127.0.0.1:0/unanswered"), "{said}");

    office.knows(&server);
    assert_eq!(office.done("unanswered list --json").await.trim(), "[]");
    let (router, stranger) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.66:0").unwrap());
    for socket in [&router, &router, &stranger] {
        socket.send_to(b"no packet", server.auth).unwrap();
    }
    let listed = async {
        loop {
            let lines: Vec<Value> = serde_json::from_str(&office.done("unanswered list --json").await).unwrap();
            if lines.iter().filter_map(|line| line["count"].as_u64()).sum::<u64>() == 3 {
                return lines;
            }
        }
    };
    let lines = tokio::time::timeout(PATIENCE, listed).await.expect("three packets are counted");
    let of = |source: &str| lines.iter().find(|line| line["source"] == source).unwrap();
    let ours = of("127.0.0.1");
    assert_eq!((&ours["router"], &ours["reason"], &ours["count"]), (&"office".into(), &"short".into(), &2.into()));
    assert_eq!(of("127.0.0.66")["reason"], "unknown_router");
    assert!(office.done("unanswered list").await.contains("WHAT TO DO"));
}
