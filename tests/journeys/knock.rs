//! Somebody with the right password and no session stands at the door, and the person decides.

use std::time::Duration;

use radgram::domain::account::Lock;
use radgram::domain::user::UserStep;

use crate::world::{ADMIN, Base, Dialled, ELSEWHERE, HOME, Reader, World, hours, minutes};

on_both! {
    async fn a_yes_lets_the_redial_in(world: World) {
        world.dial().await.rejected();
        let knock = world.ann.reads("Someone is connecting as ann").await;
        assert!(knock.text.contains(HOME) && knock.text.contains("office"), "{}", knock.text);
        assert_eq!(world.ann.presses(&knock, "Yes, 24 h").await, "Access is open. Connect once more.");
        let tunnel = world.dial().await.accepted();
        assert_eq!(tunnel.session_timeout(), Some(hours(24)));
        world.dial_from(ELSEWHERE).await.rejected();
        assert!(tunnel.is_up());
    }
}

on_both! {
    async fn not_me_locks_the_account_and_alarms(world: World) {
        world.dial_from(ELSEWHERE).await.rejected();
        let knock = world.ann.reads("Someone is connecting as ann").await;
        let toast = world.ann.presses(&knock, "Not me").await;
        assert!(toast.contains("the account is locked"), "{toast}");
        world.operators.wait_for(|message| message.text.contains("not me")).await;
        let account = world.gate().reader().account(world.account("ann").await).await.unwrap().unwrap();
        assert_eq!(account.lock, Lock::Locked);
        assert_eq!(world.gate().reader().alarms().await.unwrap().first().map(|alarm| alarm.kind.clone()).as_deref(), Some("not_me"));
        assert!(world.dial().await.rejected().contains("locked"));
        world.ann.says("/request_vpn");
        world.ann.reads("The account is locked").await;
    }
}

on_both! {
    async fn a_yes_after_the_person_was_blocked_opens_nothing(world: World) {
        world.dial().await.rejected();
        let knock = world.ann.reads("Someone is connecting as ann").await;
        world.gate().decide_user(&ADMIN, world.user().await, UserStep::Block, None).await.unwrap();
        assert_eq!(world.ann.presses(&knock, "Yes, 24 h").await, "This button does not work any more.");
        assert!(world.session().await.is_none());
        assert!(world.dial().await.rejected().contains("blocked"));
    }
}

#[tokio::test]
async fn not_now_is_silence_for_ten_minutes() {
    let world = World::with_ann(Base::Sqlite).await;
    world.dial().await.rejected();
    let knock = world.ann.reads("Someone is connecting as ann").await;
    world.ann.presses(&knock, "Not now").await;
    world.dial().await.rejected();
    // Whatever the knock did is done before a later request is answered.
    world.request().await;
    assert_eq!(world.ann.count("Someone is connecting"), 1);
}

#[tokio::test]
async fn knocks_are_limited() {
    let world = World::with_ann(Base::Sqlite).await;
    world.set("knock_seconds", "30").await;
    for _ in 0..3 {
        world.dial().await.rejected();
        let knock = world.ann.reads("Someone is connecting as ann").await;
        // The question is open: a redial asks no second one.
        world.dial().await.rejected();
        world.after(Duration::from_secs(30));
        world.ann.sees(&knock, "The time to answer is over").await;
    }
    world.dial().await.rejected();
    world.ann.says("/help");
    world.ann.reads("The bot opens access").await;
    assert_eq!(world.ann.count("Someone is connecting"), 3);
    world.after(minutes(10));
    world.dial_from(ELSEWHERE).await.rejected();
    world.ann.reads("Someone is connecting as ann").await;
}

#[tokio::test]
async fn a_late_press_and_a_second_press_are_explained() {
    let world = World::with_ann(Base::Sqlite).await;
    world.dial().await.rejected();
    let knock = world.ann.reads("Someone is connecting as ann").await;
    world.after(minutes(5));
    world.ann.sees(&knock, "The time to answer is over").await;
    assert_eq!(world.ann.presses(&knock, "Yes, 24 h").await, "This button does not work any more.");
    assert!(world.session().await.is_none());

    world.dial().await.rejected();
    let knock = world.ann.reads("Someone is connecting as ann").await;
    world.ann.presses(&knock, "Yes, 24 h").await;
    assert_eq!(world.ann.presses(&knock, "Yes, 24 h").await, "This question was answered already.");
    assert_eq!(world.ann.presses(&knock, "Not me").await, "This question was answered already.");
    assert!(world.session().await.is_some());
}

#[tokio::test]
async fn nobody_else_can_press_it() {
    let world = World::with_ann(Base::Sqlite).await;
    let eve = Reader::new(world.telegram.person(2002, "Eve", "en"));
    world.dial().await.rejected();
    let knock = world.ann.reads("Someone is connecting as ann").await;
    assert_eq!(eve.presses(&knock, "Yes, 24 h").await, "This button is not for you.");
    let forged = eve.person.press_token(&knock, "0123456789abcdef").toast().await;
    assert_eq!(forged, "This button does not work any more.");
    assert!(world.session().await.is_none());
    world.ann.presses(&knock, "Yes, 24 h").await;
    assert!(world.session().await.is_some());
}

#[tokio::test]
async fn the_same_update_twice_is_applied_once() {
    let world = World::with_ann(Base::Sqlite).await;
    world.dial().await.rejected();
    let knock = world.ann.reads("Someone is connecting as ann").await;
    let press = world.ann.press(&knock, "Yes, 24 h");
    press.toast().await;
    let until = world.session().await.unwrap().until;
    world.after(minutes(1));
    world.telegram.redeliver(press.update_id());
    world.ann.says("/help");
    world.ann.reads("The bot opens access").await;
    assert_eq!(world.session().await.unwrap().until, until);
    assert_eq!(world.ann.count("is open until"), 1);
}
