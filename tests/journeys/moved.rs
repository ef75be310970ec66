//! A router whose entry is a network moves to another address of it while Ann is connected: her connection goes on as it
//! was, and what is asked of the router goes where it is now.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use radgram::domain::id::RouterId;
use radgram::domain::router::{Demand, source_network};
use radgram::proto::radius::{AttributeType, Code, Packet};
use radgram::secret::Secret;
use radgram::sim::router::accounting::Traffic;
use radgram::sim::router::tunnel::Tunnel;
use radgram::sim::router::{Cause, IncomingConfig, RouterConfig, Server, SimRouter};
use radgram::store::connection::Connection;
use radgram::store::router::RouterForm;
use tokio::net::UdpSocket;

use crate::wire::Wire;
use crate::world::{ADMIN, Base, Dialled, HOME, SECRET, World, ann_from};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// What the provider of the branch gives its addresses out of.
const NETWORK: &str = "127.0.1.0/24";
const BEFORE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 1, 1));
const AFTER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 1, 2));
/// A third of what the router waits that is not answered at all.
const TIMEOUT: Duration = Duration::from_secs(3);
/// What a router is tried again after, at the first failure.
const AGAIN: Duration = Duration::from_secs(5);

/// The router `branch` at one address of its network, and what leads to it and from it once it has another.
struct Branch {
    id: RouterId,
    router: SimRouter,
    /// Log-ins and accounting, as they leave from the address before and from the one after.
    out: [[Wire; 2]; 2],
    /// Where each address takes Disconnects.
    was_at: Wire,
    is_at: Wire,
}

impl Branch {
    async fn open(world: &World) -> Self {
        let out = [leave_from(world, BEFORE).await, leave_from(world, AFTER).await];
        let [login, accounting] = &out[0];
        let server = Server::new(login.near(), accounting.near(), Secret::new(SECRET));
        let mut config = RouterConfig::new("branch", LOCALHOST, server);
        config.timeout = TIMEOUT;
        config.incoming = Some(IncomingConfig::new(LOCALHOST));
        let router = SimRouter::start(config, Arc::new(world.clock.clone())).await.unwrap();
        let inside = router.incoming_addr().unwrap();
        let (before, after) = at_one_port().await;
        let (was_at, is_at) = (Wire::lay(before, LOCALHOST, inside).await, Wire::lay(after, LOCALHOST, inside).await);
        let form = RouterForm {
            name: "branch".to_owned(),
            address: source_network(NETWORK).unwrap(),
            nas_identifier: None,
            coa_port: was_at.near().port(),
            message_authenticator: Demand::Auto,
        };
        let id = world.gate().add_router(&ADMIN, &form, &Secret::new(SECRET)).await.unwrap();
        let known = || async { world.gate().directory().routers().router(id).is_some() };
        world.until("the branch is known", known).await;
        Self { id, router, out, was_at, is_at }
    }

    async fn connected(&self, world: &World) -> Tunnel {
        world.request().await;
        let tunnel = self.router.dial(ann_from(HOME)).await.accepted();
        tunnel.start_delivered().await;
        world.until_heard().await;
        tunnel
    }

    /// From now on whatever it sends comes from its other address.
    fn moves(&self) {
        let entry = self.router.rows("/radius").unwrap().remove(0);
        let [login, accounting] = self.out[1].each_ref().map(|wire| wire.near().port().to_string());
        let ports = [("authentication-port", login.as_str()), ("accounting-port", accounting.as_str())];
        self.router.set("/radius", &entry[".id"], &ports).unwrap();
    }
}

async fn leave_from(world: &World, address: IpAddr) -> [Wire; 2] {
    let (auth, acct) = world.radius();
    [lay(address, auth).await, lay(address, acct).await]
}

async fn lay(from: IpAddr, to: SocketAddr) -> Wire {
    Wire::lay(UdpSocket::bind((LOCALHOST, 0)).await.unwrap(), from, to).await
}

/// The same port at both addresses: a router has one for Disconnects, wherever it is.
async fn at_one_port() -> (UdpSocket, UdpSocket) {
    loop {
        let before = UdpSocket::bind((BEFORE, 0)).await.unwrap();
        // Somebody else may have it there.
        if let Ok(after) = UdpSocket::bind((AFTER, before.local_addr().unwrap().port())).await {
            return (before, after);
        }
    }
}

impl World {
    /// The one connection there ever was.
    async fn only_connection(&self) -> Connection {
        let mut rows = self.gate().reader().connections().await.unwrap();
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.remove(0)
    }

    /// Where the box of a connection is, and what it is called.
    async fn whereabouts(&self, row: &Connection) -> (IpAddr, String) {
        let lines = self.gate().reader().nas_lines().await.unwrap();
        let line = lines.into_iter().find(|line| line.nas.id == row.nas).unwrap();
        (line.nas.key.address, line.nas.key.identifier)
    }
}

on_both! {
    async fn a_router_that_moves_within_its_network_keeps_the_connection_and_is_told_of_its_end_where_it_is(world: World) {
        let branch = Branch::open(world).await;
        let tunnel = branch.connected(world).await;
        let before = world.only_connection().await;
        assert_eq!((before.router, before.nas_ip, before.ended_at), (branch.id, Some(LOCALHOST), None));
        assert_eq!(world.whereabouts(&before).await, (BEFORE, "branch".to_owned()));

        // It reports from its new address, for longer than a connection of which nobody hears is kept open.
        branch.moves();
        for report in 1..=5 {
            tunnel.carry(Traffic { input_octets: 1_000, ..Traffic::default() });
            world.after(tunnel.interim_interval().unwrap());
            let booked = || async { world.only_connection().await.traffic.input_octets == report * 1_000 };
            world.until("the Interim is booked", booked).await;
        }
        let moved = world.only_connection().await;
        assert_eq!((moved.id, moved.session, moved.started_at), (before.id, before.session, before.started_at));
        assert_eq!((moved.seen_at, moved.ended_at), (world.now(), None));
        assert_eq!(world.whereabouts(&moved).await, (AFTER, "branch".to_owned()));
        let held = world.session().await.unwrap().connections;
        assert_eq!(held.iter().map(|held| held.id).collect::<Vec<_>>(), [before.id]);
        assert!(tunnel.is_up());

        // The end is told where it is now, and nowhere else; its Stop from there proves it.
        let session = world.session().await.unwrap();
        world.gate().end_session(&ADMIN, session.id).await.unwrap();
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
        let told = branch.is_at.take();
        let told = Packet::parse(&told[0]).unwrap();
        assert_eq!(told.code(), Code::DISCONNECT_REQUEST);
        assert_eq!(told.text(AttributeType::ACCT_SESSION_ID), Some(tunnel.acct_session_id()));
        assert!(branch.was_at.take().is_empty());
        world
            .until("the Stop proves it", || async { world.gate().reader().pending_cuts().await.unwrap().is_empty() })
            .await;
        let ended = world.only_connection().await;
        assert_eq!((ended.id, ended.ended_at, ended.cause.as_deref()), (before.id, Some(world.now()), Some("6")));
    }
}

on_both! {
    async fn what_was_to_end_before_a_router_moved_ends_where_it_is(world: World) {
        let branch = Branch::open(world).await;
        let tunnel = branch.connected(world).await;
        // It is on its way already: nothing that is sent to its old address arrives.
        branch.router.faults().lose_incoming_requests(3);
        let session = world.session().await.unwrap();
        world.gate().end_session(&ADMIN, session.id).await.unwrap();
        let cut = async || world.gate().reader().pending_cuts().await.unwrap().pop();
        world.until("it was tried in vain", || async { cut().await.is_some_and(|cut| cut.tries == 1) }).await;
        assert_eq!((cut().await.unwrap().outcome.as_deref(), branch.was_at.take().len()), (Some("no answer"), 3));

        branch.moves();
        tunnel.interim().await;
        let there = || async { world.whereabouts(&world.only_connection().await).await.0 == AFTER };
        world.until("the Interim is booked", there).await;
        world.after(AGAIN);
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
        assert_eq!((branch.was_at.take().len(), branch.is_at.take().len()), (0, 1));
        world.until("the Stop proves it", || async { cut().await.is_none() }).await;
        assert!(world.only_connection().await.ended_at.is_some());
    }
}
