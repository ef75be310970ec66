//! Silence, losses and what is no router at all: whoever waits is told, and the connection comes back.

use std::time::Duration;

use radgram::domain::api::Trust;
use radgram::gate::router_api::{ApiFault, ApiState, RouterApi};
use radgram::proto::routeros::Sentence;
use radgram::routeros::pace::Pace;

use crate::machine::{Door, LIMIT, NOW, fleet, patient, router, row, until};
use crate::{IDENTITY, RULES, assert_unreachable, greeting, rules, up};

#[tokio::test]
async fn what_speaks_another_language_is_no_api() {
    let (fleet, door) = (fleet(patient()), Door::open().await);
    let greeting = greeting(&fleet, &door.router());
    let mut peer = door.peer().await;
    peer.hears_of("/login").await;
    peer.writes(b"\xff\xfb\x01\xff\xfb\x03").await;
    assert_unreachable(greeting.await.unwrap(), "no RouterOS API");
}

#[tokio::test]
async fn a_shut_door_is_told_at_once() {
    let fleet = fleet(patient());
    let router = Door::open().await.router();
    assert_unreachable(fleet.greet(&router).await, "refused");
}

#[tokio::test]
async fn a_router_that_does_not_end_what_was_cancelled_is_given_up() {
    let pace = Pace { sign: Duration::from_millis(100), retry: LIMIT, ..patient() };
    let (fleet, _door, router, mut peer) = up(pace).await;
    let asked = rules(&fleet, &router);
    peer.hears_of(RULES).await;
    asked.abort();
    assert_eq!(peer.hears_until_closed().await, ["/cancel"]);
    until("the state", || matches!(fleet.state(router.id), ApiState::Failing { .. })).await;
}

#[tokio::test]
async fn a_router_that_owes_an_answer_and_is_silent_is_given_up() {
    let soon = Duration::from_millis(500);
    let pace = Pace { owed: soon, sign: soon, retry: LIMIT, ..patient() };
    let (fleet, _door, router, mut peer) = up(pace).await;
    let (first, second) = (rules(&fleet, &router), rules(&fleet, &router));
    peer.hears_of(RULES).await;
    peer.hears_of(RULES).await;
    assert_unreachable(first.await.unwrap(), "does not answer any more");
    assert_unreachable(second.await.unwrap(), "does not answer any more");
    assert_eq!(peer.hears_until_closed().await, [IDENTITY]);
}

#[tokio::test]
async fn a_stall_that_ends_in_time_harms_nobody() {
    let pace = Pace { owed: Duration::from_millis(200), ..patient() };
    let (fleet, _door, router, mut peer) = up(pace).await;
    let asked = rules(&fleet, &router);
    let tag = peer.hears_of(RULES).await;
    let sign = peer.hears_of(IDENTITY).await;
    peer.says(row(&tag).with(".id", "*A").with("comment", "2FA ann")).await;
    peer.done(&tag).await;
    peer.done(&sign).await;
    assert_eq!(asked.await.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn an_idle_router_is_asked_for_a_sign_of_life() {
    let pace = Pace { idle: Duration::from_millis(50), ..patient() };
    let (fleet, _door, router, mut peer) = up(pace).await;
    for _ in 0..3 {
        let tag = peer.hears_of(IDENTITY).await;
        peer.says(row(&tag).with("name", "gw-1")).await;
        peer.done(&tag).await;
    }
    assert!(matches!(fleet.state(router.id), ApiState::Up { .. }));
}

#[tokio::test]
async fn an_idle_router_without_a_sign_of_life_is_given_up() {
    let soon = Duration::from_millis(50);
    let (fleet, _door, router, mut peer) = up(Pace { idle: soon, sign: soon, retry: LIMIT, ..patient() }).await;
    assert_eq!(peer.hears_until_closed().await, [IDENTITY]);
    until("the state", || {
        let state = fleet.state(router.id);
        matches!(state, ApiState::Failing { since: NOW, fault: ApiFault::Unreachable(_), next } if next > NOW)
    })
    .await;
}

#[tokio::test]
async fn a_door_behind_which_nobody_speaks_is_left() {
    let (fleet, door) = (fleet(Pace { connect: Duration::from_millis(100), ..patient() }), Door::open().await);
    for trust in [Trust::Plain, Trust::Pinned(None)] {
        let greeting = greeting(&fleet, &router(door.address(), trust));
        let _silent = door.stream().await;
        assert_unreachable(greeting.await.unwrap(), "no connection within 0.1 s");
    }
}

#[tokio::test]
async fn who_waits_is_told_of_a_fatal_reply() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let (first, second) = (rules(&fleet, &router), rules(&fleet, &router));
    let tag = peer.hears_of(RULES).await;
    peer.hears_of(RULES).await;
    peer.says(row(&tag).with(".id", "*A").with("comment", "half an answer")).await;
    peer.says(Sentence::reply("!fatal").with_word("session terminated")).await;
    assert_unreachable(first.await.unwrap(), "session terminated");
    assert_unreachable(second.await.unwrap(), "session terminated");
}

#[tokio::test]
async fn who_waits_is_told_of_a_lost_connection() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let asked = rules(&fleet, &router);
    let tag = peer.hears_of(RULES).await;
    peer.says(row(&tag).with(".id", "*A").with("comment", "half an answer")).await;
    drop(peer);
    assert_unreachable(asked.await.unwrap(), "");
}

#[tokio::test]
async fn a_call_does_not_wait_for_the_next_try() {
    let (fleet, door, router, peer) = up(Pace { retry: LIMIT, ..patient() }).await;
    let address = door.address();
    drop((peer, door));
    until("the loss", || matches!(fleet.state(router.id), ApiState::Failing { .. })).await;
    assert_unreachable(fleet.rules(&router, None).await, "refused");
    let door = Door::open_at(address).await;
    let asked = rules(&fleet, &router);
    let mut peer = door.admitted().await;
    let tag = peer.hears_of(RULES).await;
    peer.done(&tag).await;
    assert_eq!(asked.await.unwrap(), Ok(Vec::new()));
    assert!(matches!(fleet.state(router.id), ApiState::Up { .. }));
}

#[tokio::test]
async fn a_lost_connection_comes_back_by_itself() {
    let (fleet, door, router, peer) = up(Pace { retry: Duration::from_millis(1), ..patient() }).await;
    drop(peer);
    for _ in 0..3 {
        drop(door.peer().await);
    }
    let _peer = door.admitted().await;
    until("the connection", || matches!(fleet.state(router.id), ApiState::Up { .. })).await;
}
