//! Floods at the RADIUS edge: a good log-in is answered all the same, what is kept stays within its limits, everything is
//! counted, and operators see it. How long a good log-in takes meanwhile is measured by `benches/flood.rs`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/edge.rs"]
mod edge;
#[path = "support/flood.rs"]
mod flood;

use std::time::Duration;

use edge::{CALLER, Client, Edge, LOCALHOST, checked, pap, secret};
use flood::{Account, Flood, GoodLogIns};
use radgram::proto::radius::{Code, Opening};
use radgram::secret::Secret;

/// More than every table of the edge holds for one source.
const COUNT: u64 = 20_000;
const RATE: u64 = 50_000;
/// Longer than anything takes; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(60);

fn account(name: &'static str) -> Account {
    Account { name, caller: CALLER, password: Secret::new("clientPass"), secret: secret() }
}

/// A flood, and good log-ins beside it; those are answered, during it or at the latest when it is over.
async fn flooded(edge: &Edge, kind: Flood) {
    let server = edge.auth;
    let fared = tokio::task::spawn_blocking(move || {
        let good = GoodLogIns::begin(server, &account("User"), 1, Duration::from_millis(20));
        kind.send(server, &account("Nobody"), RATE, COUNT);
        good.end()
    });
    let fared = fared.await.unwrap();
    assert!(!fared.micros.is_empty(), "{kind:?}: no good log-in was answered");
    let good = pap(Opening::MessageAuthenticator, "User", "clientPass", |_| ());
    let reply = Client::new(LOCALHOST).await.ask(edge.auth, &good).await;
    assert_eq!(checked(&reply, &good).0, Code::ACCESS_ACCEPT, "{kind:?}");
}

/// The sum of all lines of a counter.
fn counted(metrics: &str, name: &str) -> u64 {
    let lines = metrics.lines().filter(|line| line.starts_with(name));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// Waits until each datagram that came has ended in exactly one way.
async fn all_is_counted(edge: &Edge) -> u64 {
    let ends =
        ["accepts_total", "rejects_total", "duplicates_total", "dropped_total"].map(|end| format!("radgram_{end}"));
    let settled = async {
        loop {
            let metrics = edge.gate.metrics().render();
            let ended: u64 = ends.iter().map(|end| counted(&metrics, end)).sum();
            let came = counted(&metrics, "radgram_datagrams_total");
            if ended == came {
                return came;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.unwrap_or_else(|_| panic!("{}", edge.gate.metrics().render()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_counted_shown_and_told_of() {
    let edge = Edge::start().await;
    flooded(&edge, Flood::Garbage).await;
    assert!(all_is_counted(&edge).await > COUNT / 10, "the flood did not come through");
    for reason in ["short", "truncated", "attribute_too_short", "bad_message_authenticator"] {
        assert!(edge.drops(reason) > 0, "{reason}");
        let shown = edge.gate.unanswered();
        let line = shown.iter().find(|line| line.reason == reason).unwrap();
        assert_eq!((line.source.to_string().as_str(), line.count), ("127.0.0.3", edge.drops(reason)));
        assert!(!line.hint.is_empty());
    }
    // A minute later operators have an alarm.
    edge.clock.advance(Duration::from_secs(61));
    let told = async {
        loop {
            let alarms = edge.gate.reader().alarms().await.unwrap();
            if let Some(alarm) = alarms.into_iter().find(|alarm| alarm.kind == "flood") {
                return alarm.text;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let text = tokio::time::timeout(PATIENCE, told).await.expect("no alarm was raised");
    assert!(text.contains("127.0.0.3"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_cost_one_line() {
    let edge = Edge::start().await;
    flooded(&edge, Flood::Stranger).await;
    all_is_counted(&edge).await;
    let strangers = edge.gate.strangers();
    assert_eq!(strangers.len(), 1);
    assert_eq!(
        (strangers[0].address.to_string().as_str(), strangers[0].count),
        ("127.0.0.66", edge.drops("unknown_router"))
    );
    assert!(edge.gate.unanswered().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_lock_their_caller_and_fill_no_table() {
    let edge = Edge::start().await;
    flooded(&edge, Flood::Wrong).await;
    all_is_counted(&edge).await;
    assert!(edge.gate.metrics().refusals("guessing") > 0);
    let locks = edge.gate.reader().guess_locks(edge.gate.now()).await.unwrap();
    assert!((1..=2).contains(&locks.len()), "the caller and the name: {locks:?}");
    few_attempts_are_kept(&edge).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn right_passwords_without_a_session_do_not_keep_others_out() {
    let edge = Edge::start().await;
    flooded(&edge, Flood::Right).await;
    all_is_counted(&edge).await;
    assert_eq!(edge.gate.metrics().refusals("guessing"), 0);
    few_attempts_are_kept(&edge).await;
}

/// Of one name on one router at most 60 a minute; the clock stands still.
async fn few_attempts_are_kept(edge: &Edge) {
    let attempts = edge.gate.reader().attempt_count().await.unwrap();
    assert!((1..=120).contains(&attempts), "{attempts} attempts of two names");
    assert!(edge.gate.metrics().attempts_lost.get() > 0);
}
