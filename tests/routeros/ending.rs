//! The end on the router, three times over: the Disconnect, the API, and the proof; and how long it takes.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use radgram::domain::router::{Demand, Leases, Scheme, source_network};
use radgram::secret::Secret;
use radgram::sim::router::{
    Cause, DisconnectHabit, IncomingConfig, RouterConfig, Server, SimRouter, StartNotice, Tunnel,
};
use radgram::store::cut::Cut;
use radgram::store::router::RouterForm;
use tokio::time::Instant;

use crate::hands::seconds;
use crate::world::{ADMIN, Dialled, HOME, Plan, SECRET, World, ann_from, hours};

/// Ann's connection on a router with an API.
async fn connected(world: &World) -> Tunnel {
    world.reach(Scheme::Radius, Leases::Off).await;
    world.request().await;
    let tunnel = world.dial().await.accepted();
    tunnel.start_delivered().await;
    world.until_heard().await;
    tunnel
}

impl World {
    async fn pending_cut(&self) -> Option<Cut> {
        self.gate().reader().pending_cuts().await.unwrap().pop()
    }

    async fn until_the_cut_says(&self, words: &str) -> Cut {
        let what = format!("what is pending says \"{words}\"");
        self.until(&what, || async {
            self.pending_cut().await.and_then(|cut| cut.outcome).is_some_and(|outcome| outcome.contains(words))
        })
        .await;
        self.pending_cut().await.unwrap()
    }

    async fn until_proven(&self) {
        self.until("it is proven", || async { self.pending_cut().await.is_none() }).await;
    }
}

/// Nobody answers on the port of Disconnects: 8 s of waiting, which no version shortens.
#[tokio::test]
async fn a_disconnect_that_is_ignored_is_done_over_the_api() {
    let world = crate::any_version().await;
    let tunnel = connected(&world).await;
    world.router.treat_disconnects(DisconnectHabit::Ignore);
    world.end().await;
    tunnel.ended().await;
    world.until_proven().await;
    assert!(world.traced(0, &["-> /ppp/active/remove"]).is_some());
    world.dial().await.rejected();
}

on_versions! {
    async fn an_ack_alone_is_no_proof(world: World, Plan::default()) {
        let tunnel = connected(world).await;
        world.router.treat_disconnects(DisconnectHabit::AckOnly);
        world.end().await;
        let cut = world.until_the_cut_says("acknowledged, waiting for the Stop").await;
        assert_eq!(cut.created_at, world.now());
        assert!(tunnel.is_up());
        world.after(seconds(5));
        tunnel.ended().await;
        world.until_proven().await;
        let removed = world.traced(0, &["-> /ppp/active/remove"]).unwrap();
        assert!(world.traced(removed, &["-> /ppp/active/print"]).is_some(), "and it was looked again");
    }
}

on_versions! {
    async fn what_cannot_be_done_is_seen_and_done_when_the_router_is_back(world: World, Plan::default()) {
        let tunnel = connected(world).await;
        world.router.treat_disconnects(DisconnectHabit::AckOnly);
        world.api_goes_down().await;
        let ended_at = world.now();
        world.end().await;
        world.until_the_cut_says("acknowledged").await;
        world.after(seconds(5));
        world.until_the_cut_says("out of reach").await;
        world.after(hours(1));
        let cut = world.until_the_cut_says("out of reach").await;
        assert!(tunnel.is_up() && cut.created_at == ended_at, "since when it is pending can be seen");
        world.dial_from(HOME).await.rejected();
        world.api_comes_up();
        world.in_time("it is cut", || async { !tunnel.is_up() }).await;
        world.until_proven().await;
    }
}

/// The Disconnect goes to another box, which has no such connection. That one's word is not the router's.
#[tokio::test]
async fn no_such_connection_is_believed_of_the_right_box_only() {
    let world = crate::any_version().await;
    let tunnel = connected(&world).await;
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let nowhere = (here, 9).into();
    let mut config = RouterConfig::new("other", here, Server::new(nowhere, nowhere, Secret::new(SECRET)));
    config.incoming = Some(IncomingConfig::new(here));
    let other = SimRouter::start(config, Arc::new(world.clock.clone())).await.unwrap();
    let form = RouterForm {
        name: "office".to_owned(),
        address: source_network("127.0.0.1").unwrap(),
        nas_identifier: None,
        coa_port: other.incoming_addr().unwrap().port(),
        message_authenticator: Demand::Auto,
    };
    world.gate().change_router(&ADMIN, world.router_id().await, &form).await.unwrap();
    world
        .until("the other port is known", || async {
            world.gate().directory().routers().routers()[0].coa_port == form.coa_port
        })
        .await;
    world.end().await;
    tunnel.ended().await;
    world.until_proven().await;
    assert_eq!((other.incoming_counters().naks(), world.router.incoming_counters().requests()), (1, 0));
}

on_versions! {
    /// The Accept is given, its Start has not come: it is found by the Acct-Session-Id of its request.
    async fn an_accept_in_flight_is_cut_over_the_api(world: World, Plan::default()) {
        world.reach(Scheme::Radius, Leases::Off).await;
        world.request().await;
        let mut dial = ann_from(HOME);
        dial.start = StartNotice::Held;
        let tunnel = world.router.dial(dial).await.accepted();
        world.router.treat_disconnects(DisconnectHabit::AckOnly);
        world.end().await;
        world.until_the_cut_says("acknowledged").await;
        assert!(tunnel.is_up());
        world.after(seconds(5));
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
        world.until_proven().await;
    }
}

/// From the operator's press to the proof, by the clock on the wall. What is said here is the figure of the machine; what
/// is asserted holds on any.
#[tokio::test]
async fn how_long_an_end_takes() {
    let up = tokio::join!(median(Scheme::Radius), median(Scheme::Api));
    let (slow, down) = tokio::join!(async { tokio::join!(slow(Scheme::Radius), slow(Scheme::Api)) }, async {
        tokio::join!(down(Scheme::Radius), down(Scheme::Api))
    },);
    for (scheme, up, slow, down) in [("radius", up.0, slow.0, down.0), ("api", up.1, slow.1, down.1)] {
        eprintln!(
            "scheme {scheme}: up {up:?} (median of 5); stalled for 10 s: {slow:?}; down for an hour: {down:?} after it is back"
        );
        assert!(up < seconds(10) && slow < seconds(30) && down < seconds(30));
    }
}

async fn with_connection(scheme: Scheme) -> (World, Tunnel) {
    let world = crate::any_version().await;
    if scheme == Scheme::Api {
        world.secret("ann");
    }
    world.reach(scheme, Leases::Off).await;
    let tunnel = again(&world).await;
    (world, tunnel)
}

async fn again(world: &World) -> Tunnel {
    let account = world.account("ann").await;
    world.gate().grant_session(&ADMIN, account, hours(24)).await.unwrap();
    world.settles().await;
    let tunnel = world.dial().await.accepted();
    world
        .until("the connection is known", || async {
            world.gate().reader().open_connection_count().await.unwrap() == 1
        })
        .await;
    world.until_heard().await;
    tunnel
}

async fn proven(world: &World, tunnel: &Tunnel) -> Duration {
    let began = Instant::now();
    world.end().await;
    world.until_fulfilled().await;
    assert!(!tunnel.is_up());
    began.elapsed()
}

async fn median(scheme: Scheme) -> Duration {
    let (world, mut tunnel) = with_connection(scheme).await;
    let mut took = Vec::new();
    for _ in 0..5 {
        took.push(proven(&world, &tunnel).await);
        tunnel = again(&world).await;
    }
    took.sort_unstable();
    took[2]
}

/// The API is stalled for 10 s, and no Disconnect is heard.
async fn slow(scheme: Scheme) -> Duration {
    let (world, tunnel) = with_connection(scheme).await;
    world.router.treat_disconnects(DisconnectHabit::Ignore);
    world.router.api_faults().stall_for(seconds(10));
    proven(&world, &tunnel).await
}

/// Nothing of the router is heard for an hour; how long it takes once it is back.
async fn down(scheme: Scheme) -> Duration {
    let (world, tunnel) = with_connection(scheme).await;
    world.router.treat_disconnects(DisconnectHabit::Ignore);
    world.api_goes_down().await;
    world.end().await;
    world.until_the_cut_says("out of reach").await;
    world.swept(60).await;
    world.until_the_cut_says("out of reach").await;
    assert!(tunnel.is_up());
    world.api_comes_up();
    let began = Instant::now();
    let mut last = began;
    world
        .until("it is proven", || {
            // From here on the clock goes as that on the wall.
            world.after(last.elapsed());
            last = Instant::now();
            async {
                world.pending_cut().await.is_none() && world.gate().reader().pending_wants().await.unwrap().is_empty()
            }
        })
        .await;
    assert!(!tunnel.is_up());
    began.elapsed()
}
