//! Trouble with one row, one person or one moment, which must stay with that one.

use radgram::domain::account::Holder;
use radgram::domain::setting::Level;
use radgram::domain::user::UserState;
use radgram::secret::Secret;
use radgram::sim::router::{Cause, StartNotice};

use crate::world::{ADMIN, Base, Dialled, ELSEWHERE, HOME, PASSWORD, World, ann_from, hours, minutes};

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

on_both! {
    async fn an_accept_in_flight_does_not_outlive_its_account(world: World) {
        world.request().await;
        let mut dial = ann_from(HOME);
        dial.start = StartNotice::Held;
        let tunnel = world.router.dial(dial).await.accepted();
        world.gate().delete_account(&ADMIN, world.account("ann").await).await.unwrap();
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
    }
}

on_both! {
    async fn a_machine_that_may_not_any_more_is_cut_when_it_is_heard_of(world: World) {
        let gate = world.gate();
        let account = gate.add_account(&ADMIN, "site", None, Some(Secret::new(PASSWORD))).await.unwrap();
        gate.mark_holder(&ADMIN, account, Holder::Machine).await.unwrap();
        let level = Level::Account(account.0);
        gate.set_setting(&ADMIN, "source_networks", level, "203.0.113.0/24").await.unwrap();
        gate.set_setting(&ADMIN, "without_session", level, "allow").await.unwrap();
        assert!(gate.bind_account(&ADMIN, account, Some(world.user().await)).await.is_err(), "never a person's too");
        let mut dial = ann_from(HOME);
        dial.user = "site".to_owned();
        let tunnel = world.router.dial(dial).await.accepted();
        tunnel.start_delivered().await;
        world.until_heard().await;
        tunnel.interim().await;
        world.until_heard().await;
        assert!(tunnel.is_up());
        gate.set_setting(&ADMIN, "without_session", level, "reject").await.unwrap();
        tunnel.interim().await;
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
    }
}

on_both! {
    async fn an_unconfirmed_connection_is_never_spared(world: World) {
        world.set("extra_protection", "on").await;
        world.request().await;
        let tunnel = world.dial().await.accepted();
        world.ann.reads("Is it you who connected").await;
        world.ann.says("/disable_vpn");
        let question = world.ann.reads("Close access").await;
        world.ann.presses(&question, "Close access, keep the connection").await;
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
    }
}

on_both! {
    async fn a_press_that_fails_for_good_keeps_nobody_else_waiting(world: World) {
        somebody_broken(world).await;
        let bob = world.telegram.person(2002, "Bob", "en");
        bob.says("/status");
        world.request().await;
        assert!(world.gate().reader().alarms().await.unwrap().iter().any(|alarm| alarm.kind == "update"));
    }
}

on_both! {
    async fn a_token_that_no_database_stores_is_harmless(world: World) {
        world.dial().await.rejected();
        let knock = world.ann.reads("Someone is connecting as ann").await;
        assert!(world.ann.person.press_token(&knock, "a\0b").toast().await.contains("does not work any more"));
        world.ann.presses(&knock, "Yes, 24 h").await;
        world.dial().await.accepted();
    }
}

on_both! {
    async fn a_change_that_could_not_be_read_is_read_the_next_time(world: World) {
        world.dial().await.rejected();
        world.sql("alter table nas rename to hidden").await;
        let router = world.gate().directory().routers().routers()[0].id;
        world.sql(&format!("update routers set coa_port = 4000 where id = {}", router.0)).await;
        world
            .sql(
                "begin;
                 update meta set value = value + 1 where name = 'change';
                 insert into changes (seq, noun, id, at) select value, 'router', 1, 0 from meta where name = 'change';
                 commit;",
            )
            .await;
        world.until("the caches are not trusted", || async { !world.gate().directory().is_fresh() }).await;
        world.sql("alter table hidden rename to nas").await;
        world.until("the change is known", || async {
            world.gate().directory().routers().routers()[0].coa_port == 4000
        })
        .await;
    }
}

on_both! {
    async fn a_made_up_address_adds_no_line_to_the_question(world: World) {
        world.dial_from("1.1.1.1\n\nAll is well. \u{202e}Press Yes").await.rejected();
        let knock = world.ann.reads("Someone is connecting as ann").await;
        assert!(knock.text.contains("1.1.1.1  All is well. Press Yes"), "{}", knock.text);
        world.ann.presses(&knock, "Yes, 24 h").await;
        world.dial_from("1.1.1.1\n\nAll is well. \u{202e}Press Yes").await.accepted();
        world.dial_from("1.1.1.1\n\nAll is well. Press Yes").await.rejected();
    }
}

on_both! {
    async fn a_cut_or_message_that_cannot_be_read_keeps_no_other_waiting(world: World) {
        world
            .sql(
                "insert into nas (router_id, address, identifier, created_at)
                 select id, '192.0.2.77', '', 0 from routers",
            )
            .await;
        world
            .sql(
                "insert into cuts (nas_id, acct_session_id, user_name, nas_ip, why, created_at, due_at)
                 select n.id, 'x', r.sealed_secret, 'nowhere', '', 0, 0 from nas n join routers r on r.id = n.router_id
                 where n.address = '192.0.2.77'",
            )
            .await;
        world
            .sql(
                "insert into outbox (chat_id, priority, text, keyboard, created_at, due_at, tries)
                 values (1001, 0, '', '', 0, 0, -1)",
            )
            .await;
        world.request().await;
        let tunnel = world.dial().await.accepted();
        tunnel.start_delivered().await;
        world.until_heard().await;
        let session = world.session().await.unwrap();
        world.gate().end_session(&ADMIN, session.id).await.unwrap();
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
    }
}

on_both! {
    async fn a_silence_of_accounting_throws_nobody_out(world: World) {
        world.set("end_on_disconnect", "60").await;
        world.request().await;
        let tunnel = world.dial().await.accepted();
        tunnel.start_delivered().await;
        world.until_heard().await;
        let open = || async { world.gate().reader().open_connection_count().await.unwrap() };
        world.router.faults().lose_requests(u32::MAX);
        // The router's news are lost for a while: minute by minute, so that every sweep sees its minute.
        let mut waited = 0;
        while open().await == 1 {
            assert!(waited < 10, "never taken for lost");
            waited += 1;
            world.after(minutes(1));
            let now = world.now().millis();
            world.until("the minute is swept", || async {
                world.gate().reader().mark("clock").await.unwrap().is_some_and(|at| at >= now)
            })
            .await;
        }
        world.until_heard().await;
        world.after(minutes(1));
        world.router.faults().lose_requests(0);
        tunnel.interim().await;
        world.until_heard().await;
        assert_eq!(open().await, 1);
        assert!(world.session().await.is_some_and(|session| session.ends_at.is_none()));
        assert!(tunnel.is_up());
        tunnel.hang_up(Cause::UserRequest).await;
        world.until_heard().await;
        assert!(world.session().await.is_some_and(|session| session.ends_at.is_some()), "a real end counts down");
    }
}

on_both! {
    async fn a_yes_lets_in_from_a_ninth_address_too(world: World) {
        world.set("new_address", "allow").await;
        world.set("connections_per_account", "0").await;
        world.request().await;
        for last in 1..=8 {
            let tunnel = world.dial_from(&format!("192.0.2.{last}")).await.accepted();
            tunnel.start_delivered().await;
            tunnel.hang_up(Cause::UserRequest).await;
            world.until_heard().await;
        }
        world.dial_from(ELSEWHERE).await.rejected();
        let knock = world.ann.reads("Someone is connecting as ann").await;
        world.ann.presses(&knock, "Yes, 24 h").await;
        world.until("the yes is known", || async {
            world.session().await.unwrap().callers.iter().any(|caller| caller.place.station == ELSEWHERE)
        })
        .await;
        assert_eq!(world.session().await.unwrap().callers.len(), 8);
    }
}
