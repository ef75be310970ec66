//! radgram dies in the middle of a story, and the story goes on.

use radgram::domain::session::State;
use radgram::domain::user::UserStep;
use radgram::sim::router::{Cause, StartNotice};

use crate::world::{ADMIN, Base, Dialled, ELSEWHERE, HOME, World, ann_from, hours, minutes};

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

on_both! {
    async fn not_me_is_heard_after_a_restart(world: World) {
        world.dial_from(ELSEWHERE).await.rejected();
        let knock = world.ann.reads("Someone is connecting as ann").await;
        world.restart().await;
        world.ann.presses(&knock, "Not me").await;
        assert!(world.dial().await.rejected().contains("locked"));
    }
}

on_both! {
    async fn an_unanswered_question_cuts_after_a_restart(world: World) {
        world.set("extra_protection", "on").await;
        world.request().await;
        let tunnel = world.dial().await.accepted();
        tunnel.start_delivered().await;
        let question = world.ann.reads("Is it you who connected").await;
        world.until_posted().await;
        world.restart().await;
        world.after(minutes(5));
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
        world.until_over().await;
        assert_eq!(world.ann.presses(&question, "Yes, it is me").await, "This button does not work any more.");
    }
}

on_both! {
    async fn a_stranger_stays_out_after_a_restart(world: World) {
        world.request().await;
        let tunnel = world.dial().await.accepted();
        tunnel.start_delivered().await;
        world.until_heard().await;
        world.restart().await;
        assert_eq!(world.dial_from(ELSEWHERE).await.rejected(), "the session is for another address");
        assert!(tunnel.is_up());
    }
}

on_both! {
    async fn a_surplus_start_is_cut_when_its_slot_was_forgotten(world: World) {
        world.set("new_address", "allow").await;
        world.request().await;
        let mut first = ann_from(HOME);
        first.start = StartNotice::Held;
        let first = world.router.dial(first).await.accepted();
        world.restart().await;
        // The slot was in memory only: the second dial finds room, and whoever starts second is one too many.
        let second = world.dial_from(ELSEWHERE).await.accepted();
        second.start_delivered().await;
        world.until_heard().await;
        first.send_start().await;
        assert_eq!(first.ended().await, Cause::AdminReset);
        assert!(second.is_up());
    }
}

on_both! {
    async fn an_update_handled_before_the_crash_is_not_applied_after_it(world: World) {
        world.dial().await.rejected();
        let knock = world.ann.reads("Someone is connecting as ann").await;
        let press = world.ann.press(&knock, "Yes, 24 h");
        press.toast().await;
        let until = world.session().await.unwrap().until;
        world.until_posted().await;
        world.crash().await;
        world.telegram.redeliver(press.update_id());
        world.start().await;
        world.ann.says("/help");
        world.ann.reads("The bot opens access").await;
        assert_eq!(world.session().await.unwrap().until, until);
        assert_eq!(world.ann.count("is open until"), 1);
    }
}

on_both! {
    async fn a_yes_of_a_blocked_person_opens_nothing_after_a_restart(world: World) {
        world.dial().await.rejected();
        let knock = world.ann.reads("Someone is connecting as ann").await;
        world.gate().decide_user(&ADMIN, world.user().await, UserStep::Block, None).await.unwrap();
        world.restart().await;
        assert_eq!(world.ann.presses(&knock, "Yes, 24 h").await, "This button does not work any more.");
        assert!(world.session().await.is_none());
    }
}
