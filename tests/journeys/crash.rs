//! radgram dies in the middle of a story, and the story goes on.

use radgram::domain::session::State;
use radgram::sim::router::Cause;

use crate::world::{ADMIN, Base, Dialled, HOME, World, hours, minutes};

on_both! {
    async fn a_start_that_was_acknowledged_is_asked_about_after_a_crash(world: World) {
        world.set("extra_protection", "on").await;
        world.request().await;
        let tunnel = world.dial().await.accepted();
        tunnel.start_delivered().await;
        // Whether or not the reaction ran before: the question comes, and comes once.
        world.restart().await;
        let question = world.ann.reads("Is it you who connected").await;
        world.ann.presses(&question, "Yes, it is me").await;
        assert_eq!(world.session().await.unwrap().state, State::Active);
    }
}

on_both! {
    async fn a_knock_survives_a_restart(world: World) {
        world.dial().await.rejected();
        let knock = world.ann.reads("Someone is connecting as ann").await;
        world.restart().await;
        world.ann.presses(&knock, "Yes, 24 h").await;
        world.dial().await.accepted();
    }
}

on_both! {
    async fn a_running_session_survives_a_restart_and_ends_in_time(world: World) {
        world.request().await;
        let tunnel = world.dial().await.accepted();
        tunnel.start_delivered().await;
        world.until_heard().await;
        world.restart().await;
        tunnel.interim().await;
        assert!(tunnel.is_up());
        world.crash().await;
        world.after(hours(25));
        world.start().await;
        world.until_over().await;
        world.ann.reads("has run out").await;
    }
}

on_both! {
    async fn a_reminder_survives_a_restart(world: World) {
        world.request().await;
        world.after(hours(23));
        let reminder = world.ann.reads("ends in 1 h").await;
        world.until_posted().await;
        world.restart().await;
        world.ann.presses(&reminder, "Extend by 6 h").await;
        world.ann.reads("is extended until").await;
        assert_eq!(world.ann.count("ends in"), 1, "nobody is reminded twice of one limit");
    }
}

on_both! {
    async fn a_press_while_radgram_is_down_is_applied_when_it_is_back(world: World) {
        world.dial().await.rejected();
        let knock = world.ann.reads("Someone is connecting as ann").await;
        world.crash().await;
        let press = world.ann.press(&knock, "Yes, 24 h");
        world.start().await;
        press.toast().await;
        world.dial().await.accepted();
    }
}

on_both! {
    async fn a_cut_that_was_wanted_is_done_after_a_crash(world: World) {
        world.request().await;
        let tunnel = world.dial().await.accepted();
        tunnel.start_delivered().await;
        world.until_heard().await;
        world.router.treat_disconnects(radgram::sim::router::DisconnectHabit::Ignore);
        let session = world.session().await.unwrap();
        world.gate().end_session(&ADMIN, session.id).await.unwrap();
        world.crash().await;
        world.router.treat_disconnects(radgram::sim::router::DisconnectHabit::Obey);
        world.start().await;
        world.after(minutes(1));
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
    }
}

#[tokio::test]
async fn a_graceful_stop_hands_over_at_once() {
    let mut world = World::with_ann(Base::Sqlite).await;
    world.request().await;
    world.stop().await;
    world.start().await;
    world.dial_from(HOME).await.accepted();
}
