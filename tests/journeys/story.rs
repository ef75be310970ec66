//! The whole story: apply, be approved, ask, dial, be reminded, extend, run out, be cut.

use std::time::Duration;

use radgram::clock::Clock;
use radgram::domain::session::State;
use radgram::gate::UserForm;
use radgram::sim::router::{Cause, Method};

use crate::world::{ADMIN, Base, Dialled, HOME, World, ann_from, hours, minutes};

on_both! {
    async fn from_the_application_to_the_disconnect(world: World) {
        assert_eq!(world.dial_from("192.0.2.1").await.rejected(), "no session: the person has not asked for access");
        world.ann.reads("Someone is connecting as ann").await;

        world.request().await;
        let tunnel = world.dial().await.accepted();
        assert_eq!(tunnel.session_timeout(), Some(hours(24)));
        assert_eq!(tunnel.interim_interval(), Some(minutes(1)));
        world.ann.reads("ann is connecting").await;
        tunnel.start_delivered().await;
        world.until_heard().await;
        assert_eq!(world.session().await.unwrap().state, State::Active);

        world.after(hours(23));
        let reminder = world.ann.reads("ends in 1 h").await;
        world.ann.presses(&reminder, "Extend by 6 h").await;
        world.ann.reads("is extended until").await;
        let session = world.session().await.unwrap();
        assert_eq!(session.until, session.created_at + hours(30));

        // The tunnel still has the old Session-Timeout: the router cuts it, and the redial is accepted unasked.
        world.after(hours(1));
        assert_eq!(tunnel.ended().await, Cause::SessionTimeout);
        world.until("the Stop is heard", || async { world.session().await.is_some_and(|open| open.connections.is_empty()) })
            .await;
        let tunnel = world.dial().await.accepted();
        assert_eq!(tunnel.session_timeout(), Some(hours(6)));
        tunnel.start_delivered().await;
        world.until_heard().await;

        // A longer Session-Timeout than the session: radgram itself must cut. The operator shortens nothing; time passes
        // for radgram's end first, since the router counts from its Accept.
        world.after(hours(5));
        world.ann.reads("ends in 1 h").await;
        world.after(hours(1));
        world.until_over().await;
        world.ann.reads("has run out").await;
        tunnel.ended().await;
        world.dial().await.rejected();
    }
}

on_both! {
    async fn the_person_ends_it_and_the_tunnel_is_cut(world: World) {
        world.request().await;
        let tunnel = world.dial().await.accepted();
        tunnel.start_delivered().await;
        world.until_heard().await;
        world.ann.says("/disable_vpn");
        let question = world.ann.reads("Close access with ann?").await;
        assert_eq!(world.ann.presses(&question, "Disconnect now").await, "Access is closed.");
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
        world.until("the cut is proven", || async { world.gate().reader().pending_cuts().await.unwrap().is_empty() }).await;
        world.ann.reads("closed, as you asked").await;
        assert_eq!(world.router.incoming_counters().acks(), 1);
        world.dial().await.rejected();
    }
}

on_both! {
    async fn revoke_only_lets_the_tunnel_run_and_stops_the_redial(world: World) {
        world.request().await;
        let tunnel = world.dial().await.accepted();
        tunnel.start_delivered().await;
        world.until_heard().await;
        world.ann.says("Disable VPN access");
        let question = world.ann.reads("Close access with ann?").await;
        world.ann.presses(&question, "Close access, keep the connection").await;
        world.until_over().await;
        tunnel.interim().await;
        world.until_heard().await;
        assert!(world.gate().reader().pending_cuts().await.unwrap().is_empty(), "the closing rule spares it");
        assert!(tunnel.is_up());
        world.dial_from("192.0.2.1").await.rejected();
    }
}

on_both! {
    async fn an_operator_ends_it_and_the_cut_is_retried_until_proven(world: World) {
        world.request().await;
        let tunnel = world.dial().await.accepted();
        tunnel.start_delivered().await;
        world.until_heard().await;
        world.router.treat_disconnects(radgram::sim::router::DisconnectHabit::AckOnly);
        let session = world.session().await.unwrap();
        world.gate().end_session(&ADMIN, session.id).await.unwrap();
        world.ann.reads("closed by an operator").await;
        world
            .until("the router has acknowledged", || async {
                let cuts = world.gate().reader().pending_cuts().await.unwrap();
                cuts.first().and_then(|cut| cut.outcome.clone()).is_some_and(|outcome| outcome.contains("acknowledged"))
            })
            .await;
        assert!(tunnel.is_up(), "an ACK is no proof");
        world.router.treat_disconnects(radgram::sim::router::DisconnectHabit::Obey);
        world.after(Duration::from_secs(5));
        tunnel.ended().await;
        world.until("the Stop proves it", || async { world.gate().reader().pending_cuts().await.unwrap().is_empty() }).await;
    }
}

#[tokio::test]
async fn every_method_is_accepted() {
    let world = World::with_ann(Base::Sqlite).await;
    world.request().await;
    for method in [Method::Pap, Method::Chap, Method::MsChapV1, Method::MsChapV2] {
        let mut dial = ann_from(HOME);
        dial.method = method;
        let tunnel = world.router.dial(dial).await.accepted();
        tunnel.start_delivered().await;
        tunnel.hang_up(Cause::UserRequest).await;
    }
}

#[tokio::test]
async fn a_rejected_applicant_hears_why_and_may_apply_again() {
    let world = World::sqlite().await;
    world.ann.says("/register");
    world.ann.reads("Write your full name").await;
    world.ann.says("Ann Lee");
    world.ann.reads("application is sent").await;
    let ann = world.user().await;
    let reject = radgram::domain::user::UserStep::Reject;
    world.gate().decide_user(&ADMIN, ann, reject, Some("wrong team")).await.unwrap();
    world.ann.reads("rejected: wrong team").await;
    world.ann.says("/request_vpn");
    world.ann.reads("You can send a new one").await;
    world.ann.says("/register");
    world.ann.reads("Write your full name").await;
    world.ann.says("/cancel");
    world.ann.reads("Cancelled").await;
    world.ann.says("Ann Lee");
    world.ann.reads("I do not understand").await;
}

#[tokio::test]
async fn several_accounts_are_chosen_from() {
    let world = World::with_ann(Base::Sqlite).await;
    let account = |name: &str| radgram::gate::AccountField { name: name.to_owned(), password: None };
    let form = UserForm { name: "Ann Lee".to_owned(), accounts: vec![account("ann"), account("ann-phone")] };
    world.gate().edit_user(&ADMIN, world.user().await, &form).await.unwrap();
    world.ann.says("Request VPN");
    let chooser = world.ann.reads("Access with which account?").await;
    assert_eq!(world.ann.presses(&chooser, "ann").await, "Access is open.");
    world.ann.reads("Access with ann is open").await;
    assert_eq!(world.ann.presses(&chooser, "ann").await, "This question was answered already.");
    world.ann.says("/status");
    let status = world.ann.reads("ann-phone: access is closed").await;
    assert!(status.text.contains("ann: open until"), "{}", status.text);
}

#[tokio::test]
async fn the_reminder_lapses_and_says_so() {
    let world = World::with_ann(Base::Sqlite).await;
    world.request().await;
    world.after(hours(23));
    let reminder = world.ann.reads("ends in 1 h").await;
    world.after(minutes(10));
    let lapsed = world.ann.sees(&reminder, "The time to answer is over").await;
    assert!(lapsed.buttons.is_empty());
    assert_eq!(world.ann.presses(&reminder, "Extend by 6 h").await, "This button does not work any more.");
    let now = world.clock.now();
    assert_eq!(world.session().await.unwrap().until, now + minutes(50));
}
