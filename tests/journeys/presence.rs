//! Extra protection: the tunnel is up, and "is it you?" decides.

use radgram::domain::connection::Presence;
use radgram::domain::session::State;
use radgram::sim::router::Cause;

use crate::world::{Base, Dialled, World, hours, minutes};
use std::time::Duration;

async fn connected(world: &World) -> (radgram::sim::router::Tunnel, radgram::sim::telegram::SimMessage) {
    world.set("extra_protection", "on").await;
    world.request().await;
    let tunnel = world.dial().await.accepted();
    assert_eq!(tunnel.session_timeout(), Some(Duration::from_secs(330)), "it ends even if radgram dies");
    tunnel.start_delivered().await;
    let question = world.ann.reads("Is it you who connected").await;
    (tunnel, question)
}

on_both! {
    async fn a_yes_confirms_and_the_redial_is_not_asked(world: World) {
        let (tunnel, question) = connected(world).await;
        assert_eq!(world.ann.presses(&question, "Yes, it is me").await, "Confirmed.");
        let session = world.session().await.unwrap();
        assert_eq!(session.state, State::Active);
        assert!(matches!(session.connections.first().unwrap().presence, Presence::Confirmed { .. }));
        world.after(Duration::from_secs(330));
        assert_eq!(tunnel.ended().await, Cause::SessionTimeout);
        let tunnel = world.dial().await.accepted();
        assert_eq!(tunnel.session_timeout(), Some(hours(24) - Duration::from_secs(330)));
        tunnel.start_delivered().await;
        world.until_heard().await;
        assert_eq!(world.ann.count("Is it you who connected"), 1);
    }
}

on_both! {
    async fn cut_it_cuts_and_ends_the_session(world: World) {
        let (tunnel, question) = connected(world).await;
        world.ann.presses(&question, "Cut it").await;
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
        world.until_over().await;
        world.ann.reads("was not confirmed").await;
        world.dial().await.rejected();
    }
}

on_both! {
    async fn not_me_cuts_and_locks(world: World) {
        let (tunnel, question) = connected(world).await;
        world.ann.presses(&question, "Not me").await;
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
        assert!(world.dial().await.rejected().contains("locked"));
        world.operators.wait_for(|message| message.text.contains("not me")).await;
    }
}

on_both! {
    async fn no_answer_cuts(world: World) {
        let (tunnel, question) = connected(world).await;
        world.after(minutes(1));
        let again = world.ann.reads("Is it you who connected").await;
        assert_ne!(again.message_id, question.message_id);
        world.after(minutes(4));
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
        world.until_over().await;
        world.ann.reads("stayed without an answer").await;
        assert_eq!(world.ann.presses(&again, "Yes, it is me").await, "This button does not work any more.");
    }
}

on_both! {
    async fn a_hang_up_withdraws_the_question(world: World) {
        let (tunnel, question) = connected(world).await;
        tunnel.hang_up(Cause::UserRequest).await;
        world.ann.sees(&question, "does not matter any more").await;
        assert_eq!(world.ann.presses(&question, "Yes, it is me").await, "This button does not work any more.");
        assert_eq!(world.session().await.unwrap().state, State::Granted);
    }
}

#[tokio::test]
async fn the_deadline_runs_while_telegram_is_down() {
    let world = World::with_ann(Base::Sqlite).await;
    world.set("extra_protection", "on").await;
    world.request().await;
    world.telegram.outage(radgram::sim::telegram::Outage::BadGateway);
    let tunnel = world.dial().await.accepted();
    tunnel.start_delivered().await;
    world.until_heard().await;
    world.after(minutes(5));
    assert_eq!(tunnel.ended().await, Cause::AdminReset);
    world.until_over().await;
}

#[tokio::test]
async fn an_operator_confirms_for_the_person() {
    let world = World::with_ann(Base::Sqlite).await;
    let (_tunnel, question) = connected(&world).await;
    let connection = world.session().await.unwrap().connections.first().unwrap().id;
    world.gate().confirm_connection(&crate::world::ADMIN, connection).await.unwrap();
    world.ann.sees(&question, "Confirmed by an operator").await;
    assert_eq!(world.session().await.unwrap().state, State::Active);
}
