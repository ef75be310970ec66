//! The log-in in both its forms, and whose connection it is.

use std::pin::pin;

use radgram::domain::api::OldLogIn;
use radgram::domain::id::RouterId;
use radgram::gate::router_api::{ApiFault, ApiState, RouterApi};
use radgram::proto::routeros::Sentence;
use radgram::routeros::pace::Pace;
use radgram::secret::Secret;

use crate::machine::{Door, LIMIT, NOW, done, fleet, patient, soon, tag_of, with_api};
use crate::{IDENTITY, RULES, assert_unreachable, greeting, look, rules, up};

#[tokio::test]
async fn a_greeting_logs_in_and_says_who_it_is() {
    let (fleet, _door, router, _peer) = up(patient()).await;
    let expected = ApiState::Up {
        since: NOW,
        version: "7.22.3 (stable)".to_owned(),
        identity: "gw-1".to_owned(),
        local: Some([127, 0, 0, 1].into()),
    };
    assert_eq!(fleet.state(router.id), expected);
    assert_eq!(fleet.state(RouterId(2)), ApiState::Off);
}

#[tokio::test]
async fn a_router_without_an_api_is_off() {
    let fleet = fleet(patient());
    let mut router = Door::open().await.router();
    router.api = None;
    assert_eq!(fleet.greet(&router).await, Err(ApiFault::Off));
    assert_eq!(fleet.active(&router).await, Err(ApiFault::Off));
    assert_eq!(fleet.accounts(&router).await.secrets, Err(ApiFault::Off));
}

#[tokio::test]
async fn a_refused_log_in_is_told_and_not_repeated_by_what_runs_by_itself() {
    let (fleet, door) = (fleet(Pace { refused: LIMIT, retry: LIMIT, ..patient() }), Door::open().await);
    let router = door.router();
    let refused = || ApiFault::LogIn("invalid user name or password (6)".to_owned());
    for _ in 0..2 {
        let greeting = greeting(&fleet, &router);
        let mut peer = door.peer().await;
        let tag = peer.hears_of("/login").await;
        peer.refuses(&tag, "invalid user name or password (6)").await;
        assert_eq!(greeting.await.unwrap(), Err(refused()));
        assert_eq!(peer.hears_until_closed().await, [""; 0]);
        // No connection is made for these: nobody answers at the door, and they would wait.
        assert_eq!(fleet.rules(&router, None).await, Err(refused()));
        assert!(matches!(fleet.state(router.id), ApiState::Failing { since: NOW, fault, .. } if fault == refused()));
    }
}

#[tokio::test]
async fn a_refusal_without_a_tag_is_that_of_the_log_in() {
    let (fleet, door) = (fleet(patient()), Door::open().await);
    let greeting = greeting(&fleet, &door.router());
    let mut peer = door.peer().await;
    peer.hears_of("/login").await;
    peer.says(Sentence::reply("!trap").with("message", "cannot log in")).await;
    peer.says(Sentence::reply("!done")).await;
    assert_eq!(greeting.await.unwrap(), Err(ApiFault::LogIn("cannot log in".to_owned())));
}

const CHALLENGE: &str = "ebddd18303a54111e2dea05a92ab46b4";

#[tokio::test]
async fn the_old_log_in_is_not_taken_unless_it_is_allowed() {
    let (fleet, door) = (fleet(patient()), Door::open().await);
    let greeting = greeting(&fleet, &door.router());
    let mut peer = door.peer().await;
    let tag = peer.hears_of("/login").await;
    peer.says(done(&tag).with("ret", CHALLENGE)).await;
    assert_eq!(greeting.await.unwrap(), Err(ApiFault::OldLogIn));
    assert_eq!(peer.hears_until_closed().await, [""; 0]);
}

#[tokio::test]
async fn the_old_log_in_proves_the_password_by_md5() {
    let (fleet, door) = (fleet(patient()), Door::open().await);
    let router = with_api(&door.router(), |api| api.old_log_in = OldLogIn::Allowed);
    let greeting = greeting(&fleet, &router);
    let mut peer = door.peer().await;
    let tag = peer.hears_of("/login").await;
    peer.says(done(&tag).with("ret", CHALLENGE)).await;
    let second = peer.hears().await.unwrap();
    assert_eq!(second.attribute("response"), Some(&b"00e33bb013fc72f53a8dc2a561d4fcd31d"[..]));
    assert_eq!(second.attribute("password"), None);
    peer.done(&tag_of(&second)).await;
    peer.says_who_it_is().await;
    let tag = peer.hears_of(IDENTITY).await;
    peer.done(&tag).await;
    assert!(matches!(greeting.await.unwrap(), Ok(ApiState::Up { .. })));
}

#[tokio::test]
async fn a_fatal_reply_to_the_log_in_is_told() {
    let (fleet, door) = (fleet(patient()), Door::open().await);
    let greeting = greeting(&fleet, &door.router());
    let mut peer = door.peer().await;
    peer.says(Sentence::reply("!fatal").with_word("too many sessions")).await;
    assert_unreachable(greeting.await.unwrap(), "too many sessions");
}

#[tokio::test]
async fn a_router_that_lets_us_read_nothing_is_told_when_greeted() {
    let (fleet, door) = (fleet(patient()), Door::open().await);
    let greeting = greeting(&fleet, &door.router());
    let mut peer = door.peer().await;
    let tag = peer.hears_of("/login").await;
    peer.done(&tag).await;
    let tag = peer.hears_of("/system/resource/print").await;
    peer.refuses(&tag, "not enough permissions (9)").await;
    assert_eq!(greeting.await.unwrap(), Err(ApiFault::Forbidden("not enough permissions (9)".to_owned())));
}

#[tokio::test]
async fn calls_while_it_connects_are_answered_when_it_has() {
    let (fleet, door) = (fleet(patient()), Door::open().await);
    let router = door.router();
    let asked = [rules(&fleet, &router), rules(&fleet, &router)];
    let mut peer = door.peer().await;
    assert_eq!(fleet.state(router.id), ApiState::Connecting);
    peer.admits().await;
    for asked in asked {
        let tag = peer.hears_of(RULES).await;
        peer.done(&tag).await;
        assert_eq!(asked.await.unwrap(), Ok(Vec::new()));
    }
}

#[tokio::test]
async fn another_log_in_makes_another_connection() {
    let (fleet, door, router, mut peer) = up(patient()).await;
    let asked = rules(&fleet, &router);
    peer.hears_of(RULES).await;
    let changed = with_api(&router, |api| api.password = Secret::new("another"));
    let greeting = greeting(&fleet, &changed);
    assert_unreachable(asked.await.unwrap(), "let go");
    assert_eq!(peer.hears_until_closed().await, [""; 0]);
    let login = door.peer().await.hears().await.unwrap();
    assert_eq!(login.attribute("password"), Some(&b"another"[..]));
    greeting.abort();
}

#[tokio::test]
async fn a_forgotten_router_is_let_go() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let mut listening = pin!(fleet.active_changed(&router));
    assert!(look(listening.as_mut()).is_pending());
    peer.hears_of("/ppp/active/listen").await;
    let asked = rules(&fleet, &router);
    peer.hears_of(RULES).await;
    fleet.forget(router.id);
    assert_unreachable(asked.await.unwrap(), "let go");
    assert_eq!(fleet.state(router.id), ApiState::Off);
    assert_eq!(peer.hears_until_closed().await, [""; 0]);
    soon("who listens is woken", listening).await;
}

#[tokio::test]
async fn a_closed_fleet_asks_nobody() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let asked = rules(&fleet, &router);
    peer.hears_of(RULES).await;
    soon("the end", fleet.close()).await;
    assert_unreachable(asked.await.unwrap(), "let go");
    assert_unreachable(fleet.rules(&router, None).await, "stopping");
    assert_eq!(peer.hears_until_closed().await, [""; 0]);
}
