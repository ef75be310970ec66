//! How many connections an account may have at once, whatever is lost, rebooted or never comes.

use std::time::Duration;

use radgram::domain::router::{Leases, Scheme};
use radgram::sim::router::{Cause, StartNotice, Tunnel};

use crate::world::{Base, Dialled, ELSEWHERE, HOME, World, ann_from, hours, minutes};

const TOO_MANY: &str = "too many simultaneous connections";
const THIRD: &str = "192.0.2.3";

/// Ann has a session that admits any address, so that only the limit decides.
async fn open(world: &World) {
    world.set("new_address", "allow").await;
    world.request().await;
}

async fn connected(world: &World, caller: &str) -> Tunnel {
    let tunnel = world.dial_from(caller).await.accepted();
    tunnel.start_delivered().await;
    world.until_heard().await;
    tunnel
}

async fn connections(world: &World) -> i64 {
    world.gate().reader().open_connection_count().await.unwrap()
}

on_both! {
    async fn a_lost_stop_holds_the_place_until_the_sweep(world: World) {
        open(world).await;
        let tunnel = connected(world, HOME).await;
        world.router.faults().lose_requests(u32::MAX);
        tunnel.hang_up(Cause::UserRequest).await;
        world.router.faults().lose_requests(0);
        assert_eq!(world.dial_from(ELSEWHERE).await.rejected(), TOO_MANY);
        // Minute by minute, so that every sweep sees its minute.
        let mut waited = 0;
        while connections(world).await == 1 {
            assert!(waited < 10, "never taken for lost");
            waited += 1;
            world.after(minutes(1));
            let now = world.now().millis();
            let swept = || async { world.gate().reader().mark("clock").await.unwrap().is_some_and(|at| at >= now) };
            world.until("the minute is swept", swept).await;
        }
        connected(world, ELSEWHERE).await;
        assert_eq!(connections(world).await, 1);
    }
}

on_both! {
    async fn a_dial_of_the_same_caller_replaces_its_own_though_the_stop_was_lost(world: World) {
        open(world).await;
        let tunnel = connected(world, HOME).await;
        world.router.faults().lose_requests(u32::MAX);
        tunnel.hang_up(Cause::UserRequest).await;
        world.router.faults().lose_requests(0);
        let tunnel = connected(world, HOME).await;
        world.until("one is left", || async { connections(world).await == 1 }).await;
        assert!(tunnel.is_up());
        assert_eq!(world.dial_from(ELSEWHERE).await.rejected(), TOO_MANY);
    }
}

on_both! {
    async fn a_reboot_frees_the_places_of_its_box(world: World) {
        open(world).await;
        connected(world, HOME).await;
        world.router.reboot();
        world.after(Duration::from_secs(20));
        // The redial shows the new reboot digit: what was up before is gone.
        connected(world, HOME).await.hang_up(Cause::UserRequest).await;
        world.until_heard().await;
        connected(world, ELSEWHERE).await;
        assert_eq!(connections(world).await, 1);
    }
}

on_both! {
    async fn two_routers_share_the_limit(world: World) {
        open(world).await;
        let annex = world.annex(Scheme::Radius, Leases::Off).await;
        let tunnel = connected(world, HOME).await;
        assert_eq!(annex.dial(ann_from(HOME)).await.rejected(), TOO_MANY, "another router is another place");
        tunnel.hang_up(Cause::UserRequest).await;
        world.until_heard().await;
        let there = annex.dial(ann_from(HOME)).await.accepted();
        there.start_delivered().await;
        world.until_heard().await;
        assert_eq!(world.dial().await.rejected(), TOO_MANY);
        world.set("over_limit", "replace").await;
        let here = connected(world, HOME).await;
        assert_eq!(there.ended().await, Cause::AdminReset);
        assert!(here.is_up());
        world.until("one is left", || async { connections(world).await == 1 }).await;
    }
}

on_both! {
    async fn an_accept_whose_start_never_comes_holds_its_place_for_a_minute(world: World) {
        // Not even an Interim comes within the minute.
        world.set("interim_seconds", "3600").await;
        let followed = || async { world.gate().directory().system_policy().interim == hours(1) };
        world.until("the setting is followed", followed).await;
        open(world).await;
        let mut dial = ann_from(HOME);
        dial.start = StartNotice::Held;
        let silent = world.router.dial(dial).await.accepted();
        world.after(Duration::from_secs(59));
        assert_eq!(world.dial_from(ELSEWHERE).await.rejected(), TOO_MANY);
        world.after(Duration::from_secs(1));
        let tunnel = connected(world, ELSEWHERE).await;
        // It comes after all: one too many.
        silent.send_start().await;
        assert_eq!(silent.ended().await, Cause::AdminReset);
        assert!(tunnel.is_up());
    }
}

on_both! {
    async fn the_limit_counts_and_zero_is_none(world: World) {
        world.set("connections_per_account", "2").await;
        open(world).await;
        let tunnels = [connected(world, HOME).await, connected(world, ELSEWHERE).await];
        assert_eq!(world.dial_from(THIRD).await.rejected(), TOO_MANY);
        world.set("connections_per_account", "0").await;
        connected(world, THIRD).await;
        connected(world, "192.0.2.4").await;
        assert_eq!(connections(world).await, 4);
        assert!(tunnels.iter().all(Tunnel::is_up));
    }
}

on_both! {
    async fn replace_cuts_the_oldest(world: World) {
        world.set("connections_per_account", "2").await;
        world.set("over_limit", "replace").await;
        open(world).await;
        let (first, second) = (connected(world, HOME).await, connected(world, ELSEWHERE).await);
        let third = connected(world, THIRD).await;
        assert_eq!(first.ended().await, Cause::AdminReset);
        world.until("two are left", || async { connections(world).await == 2 }).await;
        assert!(second.is_up() && third.is_up());
    }
}

on_both! {
    async fn the_person_reads_once_why_a_connection_was_refused(world: World) {
        open(world).await;
        let tunnel = connected(world, HOME).await;
        assert_eq!(world.dial_from(ELSEWHERE).await.rejected(), TOO_MANY);
        let message = world.ann.reads("was refused: one connection at a time").await;
        assert!(message.text.contains(ELSEWHERE) && message.text.contains("office"), "{}", message.text);
        assert_eq!(world.dial_from(ELSEWHERE).await.rejected(), TOO_MANY);
        world.ann.says("/help");
        world.ann.reads("The bot opens access").await;
        assert_eq!(world.ann.count("was refused: one connection"), 1);
        world.after(minutes(10));
        assert_eq!(world.dial_from(ELSEWHERE).await.rejected(), TOO_MANY);
        world.ann.reads("was refused: one connection at a time").await;
        assert!(tunnel.is_up());
    }
}
