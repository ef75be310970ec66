//! Trouble with one row, one person or one moment, which must stay with that one.

use radgram::domain::user::UserState;
use radgram::secret::Secret;

use crate::world::{ADMIN, Base, Dialled, World, hours};

/// Somebody else with a session, whose rows are then made unreadable.
async fn somebody_broken(world: &World) {
    let gate = world.gate();
    let bob = gate.add_user(&ADMIN, 2002, "Bob", UserState::Approved).await.unwrap();
    let account = gate.add_account(&ADMIN, "bob", Some(bob), Some(Secret::new("Korrekt-Horse-2"))).await.unwrap();
    gate.grant_session(&ADMIN, account, hours(1)).await.unwrap();
    world.sql(&format!("update sessions set extensions = -1 where account_id = {}", account.0)).await;
}

on_both! {
    async fn a_row_that_cannot_be_read_keeps_nobody_elses_session_from_its_end(world: World) {
        somebody_broken(world).await;
        world.request().await;
        let tunnel = world.dial().await.accepted();
        tunnel.start_delivered().await;
        world.until_heard().await;
        world.after(hours(25));
        world.until_over().await;
        world.ann.reads("has run out").await;
    }
}

on_both! {
    async fn changes_of_one_session_at_once_are_all_kept(world: World) {
        world.request().await;
        let session = world.session().await.unwrap();
        let (id, until) = (session.id, session.until);
        let extensions: Vec<_> = (0..12)
            .map(|_| {
                let gate = world.gate().clone();
                tokio::spawn(async move { gate.extend_session(&ADMIN, id, hours(1)).await })
            })
            .collect();
        for extension in extensions {
            extension.await.unwrap().unwrap();
        }
        assert_eq!(world.session().await.unwrap().until, until + hours(12));
    }
}
