//! Extra protection by leases: the tunnel's address is in the list of those who may pass, for a time.

use radgram::domain::router::{Leases, Scheme};
use radgram::sim::router::{Cause, ShownRow, Tunnel};

use crate::hands::{LISTED, seconds};
use crate::world::{ADMIN, Dialled, Plan, World, ann_from, hours, minutes};

/// Every connection is asked about, and shut until it has a lease.
async fn shut(world: &World) {
    world.shut_but_for_leases();
    world.reach(Scheme::Radius, Leases::On).await;
    world.set("extra_protection", "on").await;
}

impl World {
    fn lease_of(&self, tunnel: &Tunnel) -> Option<ShownRow> {
        self.lease(&tunnel.address().to_string())
    }

    /// Waits for the lease of a tunnel to be this long.
    async fn until_leased(&self, tunnel: &Tunnel, timeout: &str) {
        let what = format!("the lease is of {timeout}");
        self.until(&what, || async { self.lease_of(tunnel).is_some_and(|row| row["timeout"] == timeout) }).await;
        self.until_fulfilled().await;
    }

    async fn until_unleased(&self, tunnel: &Tunnel) {
        self.until("the lease is gone", || async { self.lease_of(tunnel).is_none() }).await;
        self.settles().await;
    }
}

on_versions! {
    async fn it_lasts_as_long_as_the_connection_is_heard_of(world: World, Plan::default()) {
        shut(world).await;
        world.request().await;
        let (tunnel, question) = world.asked().await;
        assert!(!tunnel.passes() && world.lease_of(&tunnel).is_none());
        world.ann.presses(&question, "Yes, it is me").await;
        world.until_leased(&tunnel, "3m").await;
        let row = world.lease_of(&tunnel).unwrap();
        assert_eq!((row["dynamic"].as_str(), row["comment"].as_str()), ("true", "radgram ann"));
        assert!(tunnel.passes());
        // Each report of the router renews it.
        for _ in 0..5 {
            world.after(minutes(1));
            world.until_leased(&tunnel, "3m").await;
        }
        assert_eq!(world.ann.count("Router office"), 0, "a renewal is nobody's news");
        tunnel.hang_up(Cause::UserRequest).await;
        world.until_unleased(&tunnel).await;
        let tunnel = world.dial().await.accepted();
        world.until_leased(&tunnel, "3m").await;
        world.end().await;
        tunnel.ended().await;
        world.until_unleased(&tunnel).await;
        assert_eq!(world.router.rows(LISTED).unwrap(), []);
    }
}

on_versions! {
    async fn it_is_never_longer_than_what_is_left(world: World, Plan::default()) {
        shut(world).await;
        world.request().await;
        let tunnel = world.confirmed().await;
        world.until_leased(&tunnel, "3m").await;
        world.after(hours(24) - seconds(100));
        world.until_leased(&tunnel, "1m40s").await;
        world.after(seconds(60));
        world.until_leased(&tunnel, "40s").await;
        world.after(seconds(40));
        assert!(!tunnel.passes(), "the router itself has shut it");
        tunnel.ended().await;
        world.until_unleased(&tunnel).await;
    }
}

on_versions! {
    /// Nothing is heard any more, neither over RADIUS nor over the API: the router shuts by itself.
    async fn it_runs_out_where_radgram_is_deaf(world: World, Plan::default()) {
        shut(world).await;
        world.request().await;
        let tunnel = world.confirmed().await;
        world.until_leased(&tunnel, "3m").await;
        world.reports_nothing();
        world.api_goes_down().await;
        world.after(minutes(3));
        assert!(tunnel.is_up() && !tunnel.passes());
        world.reports();
        world.api_comes_up();
        tunnel.interim().await;
        world.in_time("the way is open again", || async { tunnel.passes() }).await;
    }
}

on_versions! {
    async fn an_address_that_is_used_again_is_shut_first(world: World, Plan::default()) {
        shut(world).await;
        world.request().await;
        let (bob, _) = world.bob().await;
        let anns = world.confirmed().await;
        world.until_leased(&anns, "3m").await;
        // Her Stop is lost, and Bob gets her address.
        world.reports_nothing();
        anns.hang_up(Cause::UserRequest).await;
        world.reports();
        let mut dial = ann_from("192.0.2.1");
        dial.user = "bob".to_owned();
        let bobs = world.router.dial(dial).await.accepted();
        assert_eq!(bobs.address(), anns.address());
        bobs.start_delivered().await;
        let question = bob.reads("Is it you who connected").await;
        world.until_unleased(&bobs).await;
        assert!(!bobs.passes(), "up, and shut, before he said anything");
        bob.presses(&question, "Yes, it is me").await;
        world.until_leased(&bobs, "3m").await;
        assert_eq!(world.lease_of(&bobs).unwrap()["comment"], "radgram bob");
        // Ann's connection is found gone, and takes nothing of his with it.
        world.looks(3).await;
        let open = || async { world.gate().reader().open_connection_count().await.unwrap() };
        world.until("hers is closed", || async { open().await == 1 }).await;
        world.settles().await;
        assert!(bobs.passes());
    }
}

on_versions! {
    async fn what_is_left_over_is_swept_and_what_is_an_operators_stays(world: World, Plan::default()) {
        let own = [("list", "radgram"), ("address", "10.8.0.200"), ("comment", "printer, room 5")];
        world.router.add(LISTED, &own).unwrap();
        shut(world).await;
        world.request().await;
        let tunnel = world.confirmed().await;
        world.until_leased(&tunnel, "3m").await;
        let ghost = [("list", "radgram"), ("address", "10.8.0.99"), ("comment", "radgram ghost"), ("timeout", "1h")];
        world.router.add(LISTED, &ghost).unwrap();
        let elsewhere = [("list", "other"), ("address", "10.8.0.99"), ("comment", "radgram ghost")];
        world.router.add(LISTED, &elsewhere).unwrap();
        world.looks(1).await;
        world.until("nobody's lease is gone", || async { world.lease("10.8.0.99").is_none() }).await;
        assert!(tunnel.passes());

        // radgram dies; the connection ends, and nobody hears of it.
        world.crash().await;
        world.reports_nothing();
        tunnel.hang_up(Cause::UserRequest).await;
        world.reports();
        world.start().await;
        world.looks(3).await;
        world.until_unleased(&tunnel).await;
        assert!(world.lease("10.8.0.200").is_some());
        assert_eq!(world.router.rows(LISTED).unwrap().len(), 2, "the operator's, and that of another list");
    }
}

on_versions! {
    /// The very address that an operator put into the list: it is theirs, and stays so.
    async fn an_operators_entry_is_not_taken_over(world: World, Plan::default()) {
        shut(world).await;
        let own = [("list", "radgram"), ("address", "10.8.0.2"), ("comment", "by hand")];
        world.router.add(LISTED, &own).unwrap();
        world.request().await;
        let tunnel = world.confirmed().await;
        assert_eq!(tunnel.address().to_string(), "10.8.0.2");
        world.until_alarmed("not_done", "lease of 10.8.0.2").await;
        world.end().await;
        tunnel.ended().await;
        world.settles().await;
        world.looks(1).await;
        let row = world.lease("10.8.0.2").unwrap();
        assert_eq!((row["comment"].as_str(), row.get("timeout")), ("by hand", None));
    }
}

on_versions! {
    async fn a_reboot_empties_the_list_and_the_redial_fills_it(world: World, Plan::default()) {
        shut(world).await;
        world.request().await;
        let before = world.confirmed().await;
        world.until_leased(&before, "3m").await;
        world.router.reboot();
        assert_eq!(world.router.rows(LISTED).unwrap(), []);
        world.after(seconds(30));
        let tunnel = world.dial().await.accepted();
        world.in_time("the way is open", || async { tunnel.passes() }).await;
        world.looks(3).await;
        world.settles().await;
        assert!(tunnel.passes());
        assert_eq!(world.router.rows(LISTED).unwrap().len(), 1);
        assert_eq!(world.gate().reader().open_connection_count().await.unwrap(), 1);
    }
}

on_versions! {
    /// "Revoke only": the right is gone, the connection and what lets it pass stay until it drops.
    async fn a_connection_that_is_spared_keeps_its_lease(world: World, Plan::default()) {
        shut(world).await;
        world.request().await;
        let tunnel = world.confirmed().await;
        world.until_leased(&tunnel, "3m").await;
        world.ann.says("Disable VPN access");
        let question = world.ann.reads("Close access with ann?").await;
        world.ann.presses(&question, "Close access, keep the connection").await;
        world.until_over().await;
        world.after(minutes(2));
        world.until_leased(&tunnel, "3m").await;
        assert!(tunnel.passes());
        // An operator cuts it after all.
        let open = world.connections().await.remove(0);
        world.gate().cut_connection(&ADMIN, open.id).await.unwrap();
        tunnel.ended().await;
        world.until_unleased(&tunnel).await;
    }
}
