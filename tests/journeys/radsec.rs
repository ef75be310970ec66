//! A router that asks over TLS: RadSec from the dial to the cut, whatever happens to the connection.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use radgram::clock::SettableClock;
use radgram::domain::id::RouterId;
use radgram::domain::radsec::KnownBy;
use radgram::domain::setting::Level;
use radgram::sim::router::{
    Cause, Delivery, IncomingConfig, RadsecClient, RadsecOrders, RouterConfig, Server, SimRouter, StartNotice, Tunnel,
};
use radgram::store::router::NasLine;

use crate::authority::{Authority, Issued};
use crate::postgres::Database;
use crate::world::{ADMIN, Base, Dialled, ELSEWHERE, Furnish, HOME, Plan, World, ann_from, hours, minutes};

/// Where radgram is.
const RADGRAM: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Where the router calls from; it is known under another address.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 5);
/// Where it calls from later.
const LATER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);

/// A world that listens for RadSec, and the authority of its routers.
struct Tls {
    world: World,
    authority: Arc<Authority>,
}

impl Tls {
    async fn on(base: Base) -> Self {
        let authority = Arc::new(Authority::new("office authority"));
        let furnishing = authority.clone();
        let furnish: Furnish = Box::new(move |folder| furnishing.furnish(folder));
        let world = World::built(base, Plan { radsec: Some(furnish), ..Plan::default() }).await;
        world.register_ann().await;
        Self { world, authority }
    }

    /// A router with this certificate, which calls from `from`.
    async fn router(&self, identity: &str, from: Ipv4Addr, certificate: &Issued, orders: RadsecOrders) -> SimRouter {
        self.router_by(&self.world.clock, identity, from, certificate, orders).await
    }

    /// The same with a clock of its own.
    async fn router_by(
        &self,
        clock: &SettableClock,
        identity: &str,
        from: Ipv4Addr,
        certificate: &Issued,
        orders: RadsecOrders,
    ) -> SimRouter {
        let mut config = RouterConfig::new(identity, from.into(), Server::over_radsec(RADGRAM));
        config.incoming = Some(IncomingConfig::new(from.into()));
        let mut client = RadsecClient::new(self.authority.pem().as_bytes(), certificate.on_router());
        // On a busy machine its 3.3 s may be short.
        client.timeout = std::time::Duration::from_secs(30);
        client.port = self.world.radsec().port();
        client.orders = orders;
        config.radsec = Some(client);
        SimRouter::start(config, Arc::new(clock.clone())).await.unwrap()
    }

    /// The router `cafe`, known by the name in its certificate, with this habit of sending Disconnects.
    async fn cafe(&self, orders: RadsecOrders, disconnects: &str) -> (SimRouter, RouterId) {
        self.cafe_by(&self.world.clock, orders, disconnects).await
    }

    async fn cafe_by(&self, clock: &SettableClock, orders: RadsecOrders, disconnects: &str) -> (SimRouter, RouterId) {
        let router = self.router_by(clock, "cafe-box", FIRST, &self.authority.client("cafe"), orders).await;
        // No packet comes from there: it is the certificate that counts.
        let id = self.world.add_router_at("cafe", "192.0.2.55", &router).await;
        self.known(id, KnownBy::Name("cafe".to_owned())).await;
        self.world.gate().set_setting(&ADMIN, "radsec_disconnects", Level::Router(id.0), disconnects).await.unwrap();
        (router, id)
    }

    async fn known(&self, id: RouterId, known_by: KnownBy) {
        self.world.gate().set_router_radsec(&ADMIN, id, Some(&known_by)).await.unwrap();
    }

    /// The boxes of a router.
    async fn boxes(&self, id: RouterId) -> Vec<NasLine> {
        let mut boxes = self.world.gate().reader().nas_lines().await.unwrap();
        boxes.retain(|line| line.nas.key.router == id);
        boxes
    }

    async fn end(&self) {
        let session = self.world.session().await.expect("a session is open");
        self.world.gate().end_session(&ADMIN, session.id).await.unwrap();
    }

    async fn until_cut_is_proven(&self) {
        let pending = || async { self.world.gate().reader().pending_cuts().await.unwrap().is_empty() };
        self.world.until("no cut is pending", pending).await;
    }
}

async fn connected(world: &World, router: &SimRouter, caller: &str) -> Tunnel {
    let tunnel = router.dial(ann_from(caller)).await.accepted();
    assert_eq!(tunnel.start_delivered().await, Delivery::Answered);
    world.until_heard().await;
    tunnel
}

/// A journey on SQLite and on PostgreSQL, with TLS.
macro_rules! on_both_with_tls {
    ($(#[$doc:meta])* async fn $name:ident($tls:ident: Tls) $body:block) => {
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn journey(mut $tls: Tls) {
                // Not every journey restarts radgram.
                let $tls = &mut $tls;
                $body
            }

            #[tokio::test]
            async fn on_sqlite() {
                journey(Tls::on(Base::Sqlite).await).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                journey(Tls::on(Base::Postgres(Database::fresh().await)).await).await;
            }
        }
    };
}

on_both_with_tls! {
    async fn a_dial_is_asked_accounted_and_cut_over_one_connection(tls: Tls) {
        let (router, id) = tls.cafe(RadsecOrders::Taken, "connection").await;
        let world = &tls.world;
        // A right password alone opens nothing here, too.
        router.dial(ann_from(HOME)).await.rejected();
        let question = world.ann.reads("Let in").await;
        assert!(question.text.contains("Router: cafe"), "{}", question.text);
        world.ann.presses(&question, "Yes, 24 h").await;
        let tunnel = connected(world, &router, HOME).await;
        assert_eq!(tunnel.interim().await, Delivery::Answered);
        let lines = world.gate().radsec_lines(id);
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].certificate.name(), lines[0].from.ip()), ("cafe", FIRST.into()));
        let boxes = tls.boxes(id).await;
        assert_eq!((boxes.len(), boxes[0].nas.key.identifier.as_str()), (1, "cafe-box"));
        tls.end().await;
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
        tls.until_cut_is_proven().await;
        assert_eq!((router.incoming_counters().requests(), router.incoming_counters().acks()), (1, 1));
        assert_eq!(world.gate().metrics().radsec_connections.get(), 1);
    }
}

on_both_with_tls! {
    async fn a_session_that_runs_out_is_cut_over_the_connection(tls: Tls) {
        // Its clock stands still, so that it is not its Session-Timeout that ends the tunnel.
        let stopped = SettableClock::new(tls.world.now());
        let (router, _) = tls.cafe_by(&stopped, RadsecOrders::Taken, "connection").await;
        let world = &tls.world;
        world.request().await;
        let tunnel = connected(world, &router, HOME).await;
        world.after(hours(25));
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
        world.until_over().await;
        tls.until_cut_is_proven().await;
    }
}

on_both_with_tls! {
    async fn a_router_that_takes_no_disconnect_there_gets_it_by_udp(tls: Tls) {
        let (router, id) = tls.cafe(RadsecOrders::Ignored, "connection_then_udp").await;
        let world = &tls.world;
        world.request().await;
        let tunnel = connected(world, &router, HOME).await;
        world.until("it is known where the box is", || async {
            tls.boxes(id).await.iter().any(|line| line.radsec.as_ref().is_some_and(|call| call.address == IpAddr::V4(FIRST)))
        })
        .await;
        tls.end().await;
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
        tls.until_cut_is_proven().await;
        let counters = router.incoming_counters();
        assert_eq!((counters.requests(), counters.bad_requests(), counters.unknown_addresses()), (1, 0, 0));
    }
}

on_both_with_tls! {
    async fn a_box_stays_the_same_wherever_it_calls_from_and_after_a_restart(tls: Tls) {
        let (router, id) = tls.cafe(RadsecOrders::Taken, "connection").await;
        tls.world.request().await;
        let tunnel = connected(&tls.world, &router, HOME).await;
        tls.world.until("the box is known", || async { !tls.boxes(id).await.is_empty() }).await;
        tls.world.restart().await;
        let world = &tls.world;
        router.call_over_radsec_from(LATER.into()).await;
        assert_eq!(tunnel.interim().await, Delivery::Answered);
        world.until_heard().await;
        world.until("it is known where the box is now", || async {
            let boxes = tls.boxes(id).await;
            assert_eq!(boxes.len(), 1, "{boxes:?}");
            boxes[0].radsec.as_ref().is_some_and(|call| call.address == IpAddr::V4(LATER))
        })
        .await;
        assert_eq!(world.gate().reader().open_connection_count().await.unwrap(), 1);
        tls.end().await;
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
        tls.until_cut_is_proven().await;
    }
}

on_both_with_tls! {
    async fn a_connection_that_breaks_before_the_answer_asks_nobody_twice(tls: Tls) {
        let (router, _) = tls.cafe(RadsecOrders::Taken, "connection").await;
        let world = &tls.world;
        router.break_radsec_before_answers(1);
        router.dial(ann_from(HOME)).await.rejected();
        let question = world.ann.reads("Let in").await;
        world.ann.presses(&question, "Yes, 24 h").await;
        router.break_radsec_before_answers(1);
        let tunnel = router.dial(ann_from(HOME)).await.accepted();
        assert_eq!(tunnel.start_delivered().await, Delivery::Answered);
        router.break_radsec_before_answers(1);
        assert_eq!(tunnel.interim().await, Delivery::Answered);
        world.until_heard().await;
        world.until_posted().await;
        assert_eq!(world.ann.count("Let in"), 1);
        assert_eq!(world.gate().reader().open_connection_count().await.unwrap(), 1);
        assert_eq!(router.counters().resends, 3, "{:?}", router.counters());
        assert_eq!(world.gate().metrics().duplicates.get(), 3);
    }
}

on_both_with_tls! {
    async fn two_boxes_of_one_router_are_two(tls: Tls) {
        let (one, id) = tls.cafe(RadsecOrders::Taken, "connection").await;
        // Another box with another certificate of the same name, behind the same address.
        let two = tls.router("cafe-two", FIRST, &tls.authority.client("cafe"), RadsecOrders::Taken).await;
        let world = &tls.world;
        world.set("connections_per_account", "2").await;
        world.set("new_address", "allow").await;
        world.request().await;
        let (at_one, at_two) = (connected(world, &one, HOME).await, connected(world, &two, ELSEWHERE).await);
        assert_eq!(world.gate().radsec_lines(id).len(), 2);
        let names: Vec<String> = tls.boxes(id).await.into_iter().map(|line| line.nas.key.identifier).collect();
        assert_eq!(names, ["cafe-box", "cafe-two"]);
        let connections = world.gate().reader().connections().await.unwrap();
        let second = connections.iter().find(|row| row.station.as_deref() == Some(ELSEWHERE)).unwrap().id;
        world.gate().cut_connection(&ADMIN, second).await.unwrap();
        assert_eq!(at_two.ended().await, Cause::AdminReset);
        assert!(at_one.is_up());
        assert_eq!((one.incoming_counters().requests(), two.incoming_counters().requests()), (0, 1));
    }
}

on_both_with_tls! {
    async fn only_a_certificate_that_is_a_routers_is_taken(tls: Tls) {
        let (cafe, id) = tls.cafe(RadsecOrders::Taken, "connection").await;
        let world = &tls.world;
        world.request().await;
        let tunnel = connected(world, &cafe, HOME).await;
        tunnel.hang_up(Cause::UserRequest).await;

        // Of the right authority, and no router is known by it.
        let unknown = tls.authority.client("bar");
        let bar = Arc::new(tls.router("bar-box", LATER, &unknown, RadsecOrders::Taken).await);
        let dialling = bar.clone();
        let dialled = tokio::spawn(async move { dialling.dial(ann_from(HOME)).await });
        world.until("the unknown certificate is shown", || async {
            world.gate().radsec_strangers().iter().any(|stranger| {
                stranger.certificate.as_ref().is_some_and(|shown| shown.fingerprint == unknown.fingerprint)
            })
        })
        .await;
        assert_eq!(world.gate().radsec_lines(id).len(), 1);
        // An operator takes it for the router's: the same dial goes through.
        tls.known(id, KnownBy::Fingerprint(unknown.fingerprint)).await;
        let tunnel = dialled.await.unwrap().accepted();
        assert!(tunnel.is_up());
        // And the certificate of before is the router's no longer: its connection is closed.
        world.until("the old connection is closed", || async {
            let lines = world.gate().radsec_lines(id);
            lines.len() == 1 && lines[0].certificate.fingerprint == unknown.fingerprint
        })
        .await;
        assert!(world.gate().metrics().radsec_ends("unknown_certificate") >= 2);

        // The right name, and another authority.
        let forged = Authority::new("another authority").client("cafe");
        let thief = tls.router("cafe-box", LATER, &forged, RadsecOrders::Taken).await;
        let dial = tokio::spawn(async move { thief.dial(ann_from(HOME)).await });
        world.until("the forged certificate is shown", || async {
            world.gate().radsec_strangers().iter().any(|stranger| {
                stranger.certificate.as_ref().is_some_and(|shown| shown.fingerprint == forged.fingerprint)
                    && stranger.why.text().contains("UnknownIssuer")
            })
        })
        .await;
        dial.abort();
    }
}

on_both_with_tls! {
    async fn a_router_without_a_connection_is_tried_until_it_has_one(tls: Tls) {
        let (router, id) = tls.cafe(RadsecOrders::Taken, "connection").await;
        tls.world.request().await;
        let mut dial = ann_from(HOME);
        dial.start = StartNotice::AtOnce;
        let tunnel = router.dial(dial).await.accepted();
        tunnel.start_delivered().await;
        tls.world.until_heard().await;
        tls.world.until("the box is known", || async { !tls.boxes(id).await.is_empty() }).await;
        // radgram starts anew, the router has no reason to call, and the session ends.
        tls.world.restart().await;
        let world = &tls.world;
        tls.end().await;
        world.until("a try came to nothing", || async {
            world.gate().reader().pending_cuts().await.unwrap().iter().any(|cut| cut.tries > 0)
        })
        .await;
        assert!(tunnel.is_up());
        // It calls, and the next try finds it.
        assert_eq!(tunnel.interim().await, Delivery::Answered);
        world.after(minutes(1));
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
        tls.until_cut_is_proven().await;
    }
}
