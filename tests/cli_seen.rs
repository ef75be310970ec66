//! What the command line changes while the server runs is seen on the wire within two seconds.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/program.rs"]
mod program;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use program::{Office, Server};
use radgram::clock::SystemClock;
use radgram::secret::Secret;
use radgram::sim::router::{self, Dial, DialOutcome, RouterConfig, SimRouter, StartNotice};
use tokio::time::Instant;

const SECRET: &str = "a shared secret";
const PASSWORD: &str = "Korrekt-Horse-1";
/// A change is seen this long after the command that made it has ended, at the latest.
const SEEN_WITHIN: Duration = Duration::from_secs(2);
/// Between two dials that look whether it is.
const PAUSE: Duration = Duration::from_millis(10);
/// The other router calls from here.
const ANNEX: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

#[tokio::test]
async fn changes_are_seen_on_sqlite() {
    changes_are_seen(Office::on_sqlite()).await;
}

#[tokio::test]
async fn changes_are_seen_on_postgres() {
    changes_are_seen(Office::on_postgres().await).await;
}

async fn changes_are_seen(office: Office) {
    office.done_with("router add office --address 127.0.0.1", &format!("{SECRET}\n")).await;
    office.done("setting set without_session reject").await;
    office.done("user add --telegram-id 1001 --name Ann --approved").await;
    office.done("account add ann --user 1001").await;
    office.done_with("account password ann", &format!("{PASSWORD}\n")).await;
    let server = office.serve().await;
    let router = router(&server, Ipv4Addr::LOCALHOST, SECRET).await;
    let annex = self::router(&server, ANNEX, SECRET).await;
    assert_eq!(dial(&router).await, Heard::Reject);

    for (command, heard) in [
        ("session grant ann --hours 2", Heard::Accept),
        ("session end ann", Heard::Reject),
        ("session grant ann --hours 2", Heard::Accept),
        ("account disable ann", Heard::Reject),
        ("account enable ann", Heard::Reject),
        ("session grant ann --hours 2", Heard::Accept),
        ("setting set source_networks 192.0.2.0/24 --account ann", Heard::Reject),
        ("setting clear source_networks --account ann", Heard::Accept),
        ("group add staff", Heard::Accept),
        ("setting set source_networks 192.0.2.0/24 --group staff", Heard::Accept),
        ("account group ann staff", Heard::Reject),
        ("setting set source_networks any --user 1001", Heard::Accept),
        ("setting clear source_networks --user 1001", Heard::Reject),
        ("account group ann none", Heard::Accept),
        ("account group ann staff", Heard::Reject),
        ("group rename staff team", Heard::Reject),
        ("group remove team", Heard::Accept),
        ("user block 1001", Heard::Reject),
        ("user unblock 1001", Heard::Reject),
        ("session grant --all --hours 2", Heard::Accept),
        ("account unbind ann", Heard::Reject),
        ("account bind ann --user 1001", Heard::Reject),
        ("session grant ann --hours 2", Heard::Accept),
    ] {
        seen(&office, (command, ""), &router, heard).await;
    }

    assert_eq!(dial(&annex).await, Heard::Nothing);
    let secret = format!("{SECRET}\n");
    seen(&office, ("router add annex --address 127.0.0.2", &secret), &annex, Heard::Reject).await;
    seen(&office, ("setting set connections_per_account 0", ""), &annex, Heard::Reject).await;
    seen(&office, ("setting set new_address allow", ""), &annex, Heard::Accept).await;
    seen(&office, ("router secret annex", "another secret\n"), &annex, Heard::Nothing).await;
    seen(&office, ("router secret annex", &secret), &annex, Heard::Accept).await;
    seen(&office, ("router remove annex", ""), &annex, Heard::Nothing).await;
    seen(&office, ("account password ann", "another password\n"), &router, Heard::Reject).await;
}

/// Runs a command and waits for what dials hear from then on; holds the time between to the limit.
async fn seen(office: &Office, (command, input): (&str, &str), router: &SimRouter, expected: Heard) {
    office.done_with(command, input).await;
    let done = Instant::now();
    let mut heard = dial(router).await;
    let mut asked_at = done;
    while heard != expected {
        assert!(asked_at.duration_since(done) < SEEN_WITHIN, "{command}: {heard:?} after {SEEN_WITHIN:?}");
        tokio::time::sleep(PAUSE).await;
        asked_at = Instant::now();
        heard = dial(router).await;
    }
    assert!(asked_at.duration_since(done) < SEEN_WITHIN, "{command}: seen after {:?}", asked_at.duration_since(done));
    assert_eq!(dial(router).await, expected, "{command}: what was seen is seen again");
}

/// What a dial hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Accept,
    Reject,
    Nothing,
}

/// Ann's client dials with her first password; the tunnel never reports, so the next dial takes its place.
async fn dial(router: &SimRouter) -> Heard {
    let mut dial = Dial::new("ann", PASSWORD);
    dial.start = StartNotice::Held;
    match router.dial(dial).await {
        DialOutcome::Connected(_) => Heard::Accept,
        DialOutcome::Rejected { .. } => Heard::Reject,
        DialOutcome::Timeout => Heard::Nothing,
        other => panic!("the dial ended otherwise: {other:?}"),
    }
}

async fn router(server: &Server, address: Ipv4Addr, secret: &str) -> SimRouter {
    let address = IpAddr::V4(address);
    let server = router::Server::new(server.auth, server.acct, Secret::new(secret));
    SimRouter::start(RouterConfig::new("office", address, server), Arc::new(SystemClock)).await.unwrap()
}
