//! IKEv2 from the client to the cut, with strongSwan as both ends: the gateway asks radgram by EAP over RADIUS, accounts to it
//! and is told to disconnect by it.
//!
//! It needs a kernel with user and network namespaces and TUN devices. Where there are none, the test says so in one line that
//! nextest shows (`.config/nextest.toml`), and proves nothing.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says why it proves nothing"
)]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/program.rs"]
mod program;
#[path = "support/strongswan.rs"]
mod strongswan;

use std::time::Duration;

use program::Office;
use serde_json::Value;
use strongswan::{Charon, DAE_PORT, NoYard, Yard};

const SECRET: &str = "between-gateway-and-radgram";
const PASSWORD: &str = "Korrekt-Horse-1";
/// Longer than anything takes; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(60);

async fn list(office: &Office, noun: &str) -> Vec<Value> {
    serde_json::from_str(&office.done(&format!("{noun} list --json")).await).unwrap()
}

/// Waits until `holds`; `what` is said if it never does.
async fn until(what: &str, gateway: &Charon, holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let came = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(came.is_ok(), "never: {what}\n{}", gateway.log());
}

#[tokio::test]
async fn an_ikev2_tunnel_lives_as_long_as_its_session() {
    let yard = match Yard::new().await {
        Ok(yard) => yard,
        Err(NoYard(why)) => return eprintln!("NOT PROVEN, IKEv2 with strongSwan: {why}"),
    };
    let office = Office::on_sqlite().inside(yard.on_gateway());
    office.done_with(&format!("router add gateway --address 127.0.0.1 --coa-port {DAE_PORT}"), SECRET).await;
    office.done("user add --telegram-id 1001 --name Ann --approved").await;
    office.done("account add ann --user 1001").await;
    office.done_with("account password ann", PASSWORD).await;
    let server = office.serve().await;
    let gateway = yard.gateway(server.auth, server.acct, SECRET).await;
    let ann = yard.client("ann", PASSWORD).await;

    // The password is right, and there is no session.
    let (said, is_up) = ann.dial().await;
    assert!(!is_up && gateway.established().await == 0, "{said}");
    let attempt = list(&office, "attempt").await.remove(0);
    assert_eq!((&attempt["method"], &attempt["reason"]), (&"eap-mschapv2".into(), &"no_session".into()), "{attempt}");

    // With one it is up: both ends have made the same MSK of the keys in the Accept, else IKE_AUTH had failed.
    office.done("session grant ann --hours 1").await;
    let (said, is_up) = ann.dial().await;
    assert!(is_up, "{said}\n{}", gateway.log());
    assert_eq!((gateway.established().await, ann.established().await), (1, 1));
    assert!(yard.is_through().await, "no packet goes through the tunnel\n{}", gateway.log());
    until("the Start", &gateway, async || list(&office, "connection").await.len() == 1).await;

    // The session ends, and so does the tunnel, by a Disconnect-Request; the Stop proves it.
    office.done("session end ann").await;
    until("the cut", &gateway, async || gateway.established().await == 0).await;
    assert!(gateway.log().contains("received RADIUS DAE Disconnect-Request"), "{}", gateway.log());
    assert!(!yard.is_through().await);
    until("the Stop", &gateway, async || {
        list(&office, "connection").await.iter().all(|line| !line["ended_at"].is_null())
    })
    .await;
    assert!(list(&office, "pending").await.is_empty());
    let (said, is_up) = ann.dial().await;
    assert!(!is_up, "{said}");
}

#[tokio::test]
async fn a_wrong_password_opens_nothing() {
    let yard = match Yard::new().await {
        Ok(yard) => yard,
        Err(NoYard(why)) => return eprintln!("NOT PROVEN, IKEv2 with strongSwan: {why}"),
    };
    let office = Office::on_sqlite().inside(yard.on_gateway());
    office.done_with("router add gateway --address 127.0.0.1", SECRET).await;
    office.done("user add --telegram-id 1001 --name Ann --approved").await;
    office.done("account add ann --user 1001").await;
    office.done_with("account password ann", PASSWORD).await;
    office.done("session grant ann --hours 1").await;
    let server = office.serve().await;
    let gateway = yard.gateway(server.auth, server.acct, SECRET).await;
    let thief = yard.client("ann", "guessed").await;
    let (said, is_up) = thief.dial().await;
    assert!(!is_up && gateway.established().await == 0, "{said}");
    let attempt = list(&office, "attempt").await.remove(0);
    assert_eq!(attempt["reason"], "wrong_password", "{attempt}");
}
