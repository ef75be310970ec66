//! The connection to a router's API: log-ins, certificates, many commands at once, and everything that can break.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/machine.rs"]
mod machine;

mod greeting;
mod loss;
mod talk;
mod trust;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use machine::{Door, Peer, fleet};
use radgram::domain::router::Router;
use radgram::gate::router_api::{ApiFault, ApiState, FilterRule, RouterApi};
use radgram::routeros::Fleet;
use radgram::routeros::pace::Pace;

/// Greets in a task of its own.
fn greeting(fleet: &Arc<Fleet>, router: &Router) -> tokio::task::JoinHandle<Result<ApiState, ApiFault>> {
    let (fleet, router) = (Arc::clone(fleet), router.clone());
    tokio::spawn(async move { fleet.greet(&router).await })
}

/// Reads all rules in a task of its own.
fn rules(fleet: &Arc<Fleet>, router: &Router) -> tokio::task::JoinHandle<Result<Vec<FilterRule>, ApiFault>> {
    let (fleet, router) = (Arc::clone(fleet), router.clone());
    tokio::spawn(async move { fleet.rules(&router, None).await })
}

const RULES: &str = "/ip/firewall/filter/print";

const IDENTITY: &str = "/system/identity/print";

/// A fleet with one connection that is up.
async fn up(pace: Pace) -> (Arc<Fleet>, Door, Router, Peer) {
    let (fleet, door) = (fleet(pace), Door::open().await);
    let router = door.router();
    let greeting = greeting(&fleet, &router);
    let mut peer = door.admitted().await;
    let tag = peer.hears_of(IDENTITY).await;
    peer.done(&tag).await;
    greeting.await.unwrap().unwrap();
    (fleet, door, router, peer)
}

#[track_caller]
fn assert_unreachable<T: std::fmt::Debug>(outcome: Result<T, ApiFault>, why: &str) {
    match outcome {
        Err(ApiFault::Unreachable(text)) => assert!(text.contains(why), "{text}"),
        other => panic!("{other:?}"),
    }
}

/// Looks once how far a future is, which lets it begin.
fn look<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
