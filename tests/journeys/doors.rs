//! Two at the door: another caller, a second dial, an Accept in flight.

use radgram::sim::router::{Cause, StartNotice};

use crate::world::{ADMIN, Base, Dialled, ELSEWHERE, HOME, World, ann_from};

on_both! {
    async fn a_stolen_password_gets_nobody_in_while_the_owner_is_connected(world: World) {
        world.request().await;
        let tunnel = world.dial().await.accepted();
        tunnel.start_delivered().await;
        world.until_heard().await;
        assert_eq!(world.dial_from(ELSEWHERE).await.rejected(), "the session is for another address");
        let knock = world.ann.reads("Someone is connecting as ann").await;
        assert!(knock.text.contains(ELSEWHERE));
        assert!(tunnel.is_up());
        world.ann.presses(&knock, "Not now").await;
        assert!(tunnel.is_up());
        world.dial_from(ELSEWHERE).await.rejected();
    }
}

on_both! {
    async fn a_second_dial_before_the_first_start_is_refused(world: World) {
        world.set("new_address", "allow").await;
        world.request().await;
        let mut first = ann_from(HOME);
        first.start = StartNotice::Held;
        let tunnel = world.router.dial(first).await.accepted();
        assert_eq!(world.dial_from(ELSEWHERE).await.rejected(), "too many simultaneous connections");
        tunnel.send_start().await;
        world.until_heard().await;
        assert_eq!(world.dial_from(ELSEWHERE).await.rejected(), "too many simultaneous connections");
    }
}

on_both! {
    async fn a_redial_of_the_same_caller_replaces_its_dead_connection(world: World) {
        world.request().await;
        let dead = world.dial().await.accepted();
        dead.start_delivered().await;
        world.until_heard().await;
        let alive = world.dial().await.accepted();
        alive.start_delivered().await;
        assert_eq!(dead.ended().await, Cause::AdminReset);
        world.until("one connection is left", || async { world.session().await.unwrap().connections.len() == 1 }).await;
        assert!(alive.is_up());
    }
}

on_both! {
    async fn an_accept_in_flight_does_not_outlive_the_session(world: World) {
        world.request().await;
        let mut dial = ann_from(HOME);
        dial.start = StartNotice::Held;
        let tunnel = world.router.dial(dial).await.accepted();
        let session = world.session().await.unwrap();
        world.gate().end_session(&ADMIN, session.id).await.unwrap();
        // It is disconnected by the Acct-Session-Id of its request, before any Start.
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
    }
}

on_both! {
    async fn the_closing_rule_cuts_a_start_that_comes_after_the_end(world: World) {
        world.request().await;
        let mut dial = ann_from(HOME);
        dial.start = StartNotice::Held;
        let tunnel = world.router.dial(dial).await.accepted();
        world.router.treat_disconnects(radgram::sim::router::DisconnectHabit::Ignore);
        let session = world.session().await.unwrap();
        world.gate().end_session(&ADMIN, session.id).await.unwrap();
        world.restart().await;
        world.router.treat_disconnects(radgram::sim::router::DisconnectHabit::Obey);
        tunnel.send_start().await;
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
    }
}

#[tokio::test]
async fn a_local_secret_on_the_router_raises_an_alarm() {
    let world = World::with_ann(Base::Sqlite).await;
    world.router.local_secret("ann", radgram::secret::Secret::new("local"));
    let mut dial = ann_from(HOME);
    dial.password = radgram::secret::Secret::new("local");
    let tunnel = world.router.dial(dial).await.accepted();
    tunnel.start_delivered().await;
    world.operators.wait_for(|message| message.text.contains("past radgram")).await;
    assert!(tunnel.is_up());
}

#[tokio::test]
async fn a_reboot_closes_the_older_connections() {
    let world = World::with_ann(Base::Sqlite).await;
    world.request().await;
    let tunnel = world.dial().await.accepted();
    tunnel.start_delivered().await;
    world.until_heard().await;
    world.router.reboot();
    world.after(std::time::Duration::from_secs(20));
    let tunnel = world.dial().await.accepted();
    tunnel.start_delivered().await;
    world.until("one connection is left", || async { world.session().await.unwrap().connections.len() == 1 }).await;
}
