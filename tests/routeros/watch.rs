//! The watch of a router that asks us over RADIUS: its list of connections against what its accounting told.

use std::net::{Ipv4Addr, SocketAddr};

use radgram::domain::connection::Presence;
use radgram::domain::router::{Leases, Scheme};
use radgram::gate::router_api::AdmittedBy;
use radgram::proto::radius::{Code, Opening, Packet, PacketBuilder, SharedSecret, sign};
use radgram::secret::Secret;
use radgram::sim::router::accounting::Traffic;
use radgram::sim::router::{Cause, DialOutcome, Method};
use tokio::net::UdpSocket;

use crate::hands::{SECRET, dial_as, seconds};
use crate::world::{ADMIN, Dialled, HOME, PASSWORD, Plan, ann_from};

/// Another RADIUS server, which lets everybody in.
async fn generous(secret: &'static str) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, router)) = socket.recv_from(&mut buffer).await {
            let Ok(packet) = Packet::parse(&buffer[..length]) else { continue };
            let accept = PacketBuilder::new(Code::ACCESS_ACCEPT, packet.identifier(), Opening::MessageAuthenticator);
            let accept = sign::sign_reply(accept, packet.authenticator(), &SharedSecret::new(Secret::new(secret)));
            socket.send_to(&accept, router).await.unwrap();
        }
    });
    address
}

on_versions! {
    async fn who_is_connected_past_us_is_told_listed_and_shut_out(world: World, Plan::default()) {
        world.reach(Scheme::Radius, Leases::Off).await;
        world.secret("carol");
        let other = generous("of the others").await;
        let port = other.port().to_string();
        let server = [
            ("service", "ppp"),
            ("address", "127.0.0.1"),
            ("secret", "of the others"),
            ("authentication-port", &port),
            ("domain", "OTHERS"),
        ];
        world.router.add("/radius", &server).unwrap();
        world.reports_nothing();
        let by_secret = world.router.dial(dial_as("carol")).await.accepted();
        let mut dial = dial_as("OTHERS\\dave");
        dial.method = Method::Pap;
        let ours = world.router.row("/radius", "domain", "").unwrap().unwrap();
        world.router.set("/radius", &ours[".id"], &[("disabled", "yes")]).unwrap();
        let by_other = world.router.dial(dial).await.accepted();
        world.router.set("/radius", &ours[".id"], &[("disabled", "no")]).unwrap();

        world.looks(2).await;
        world.until_alarmed("no_session", "carol is connected on office past radgram: a secret on the router").await;
        world.until_alarmed("no_session", "OTHERS\\dave is connected on office past radgram: another RADIUS").await;
        world.operators.wait_for(|message| message.text.contains("carol is connected on router office")).await;
        let router = world.router_id().await;
        let mut outsiders = world.gate().outsiders(router);
        outsiders.sort_by(|one, other| one.name.cmp(&other.name));
        let listed: Vec<_> = outsiders.iter().map(|one| (one.name.as_str(), one.admitted, one.caller.as_deref())).collect();
        assert_eq!(
            listed,
            [
                ("OTHERS\\dave", AdmittedBy::Radius, Some(HOME)),
                ("carol", AdmittedBy::Secret, Some(HOME))
            ]
        );
        assert_eq!(outsiders[1].acct_session_id, by_secret.acct_session_id());

        let done = world.gate().shut_out(&ADMIN, router, b"carol").await.unwrap();
        assert_eq!((done.disabled.len(), done.removed), (1, 1));
        assert!(!by_secret.is_up() && !world.secret_is_on("carol"));
        assert!(!matches!(world.router.dial(dial_as("carol")).await, DialOutcome::Connected(_)));
        let done = world.gate().shut_out(&ADMIN, router, b"OTHERS\\dave").await.unwrap();
        assert_eq!((done.disabled.len(), done.removed), (0, 1), "who lets it in is not ours to switch");
        assert!(!by_other.is_up());
        world.looks(1).await;
        assert_eq!(world.gate().outsiders(router), []);
        assert!(world.gate().shut_out(&ADMIN, router, b"carol").await.is_err(), "nobody of this name is there");
    }
}

on_versions! {
    async fn a_start_that_was_lost_is_made_up_for(world: World, Plan::default()) {
        world.reach(Scheme::Radius, Leases::Off).await;
        world.set("extra_protection", "on").await;
        world.request().await;
        world.reports_nothing();
        let tunnel = world.dial().await.accepted();
        tunnel.start_delivered().await;
        world.looks(2).await;
        let question = world.ann.reads("Is it you who connected").await;
        world.ann.presses(&question, "Yes, it is me").await;
        let known = world.connections().await.remove(0);
        assert_eq!((known.acct_session_id.as_str(), known.station.as_deref()), (tunnel.acct_session_id(), Some(HOME)));
        assert_eq!(known.session, world.session().await.map(|session| session.id));
        assert_eq!(known.framed_ip.map(|address| address.to_string()), Some(tunnel.address().to_string()));
        assert!(matches!(known.presence, Presence::Confirmed { .. }));
        assert!(world.alarms_of("no_session").await.is_empty(), "it was let in here");
        // Its accounting comes after all, and is of the same connection.
        world.reports();
        tunnel.interim().await;
        world.until_heard().await;
        assert_eq!(world.connections().await.len(), 1);
        world.end().await;
        tunnel.ended().await;
        world.settles().await;
    }
}

on_versions! {
    async fn a_stop_that_was_lost_is_made_up_for(world: World, Plan::default()) {
        world.reach(Scheme::Radius, Leases::Off).await;
        world.set("extra_protection", "on").await;
        world.request().await;
        let (tunnel, question) = world.asked().await;
        world.reports_nothing();
        tunnel.hang_up(Cause::UserRequest).await;
        world.in_time("it is closed", || async { world.connections().await[0].ended_at.is_some() }).await;
        assert_eq!(world.connections().await[0].cause.as_deref(), Some("gone"));
        // In the time that passed it may have been asked again, below the first one.
        let withdrawn = format!("{}\n\nThe question does not matter any more.", question.text);
        world.ann.person.wait_for(|message| message.text == withdrawn && message.buttons.is_empty()).await;
        assert!(world.session().await.is_some_and(|session| session.connections.is_empty()));
    }
}

on_versions! {
    async fn what_the_list_shows_is_neither_lost_nor_uncounted(world: World, Plan::default()) {
        world.reach(Scheme::Radius, Leases::Off).await;
        world.request().await;
        let tunnel = world.dial().await.accepted();
        tunnel.start_delivered().await;
        world.until_heard().await;
        world.reports_nothing();
        let traffic = Traffic { input_octets: 5_000_000_000, output_octets: 7, ..Traffic::default() };
        tunnel.carry(traffic);
        for _ in 0..10 {
            world.swept(1).await;
            world.looks(1).await;
            assert_eq!(world.connections().await[0].ended_at, None, "the sweep finds it silent, the list does not");
        }
        let known = world.connections().await.remove(0);
        assert_eq!((known.traffic.input_octets, known.traffic.output_octets), (5_000_000_000, 7));
        assert!(world.now().since(known.seen_at) < seconds(180));
        assert_eq!(known.cause, None);
        assert!(tunnel.is_up());
        // Where neither tells of it, it is lost in the end; and that ends no session.
        world.api_goes_down().await;
        world.swept(4).await;
        world.until("it is taken for lost", || async { world.connections().await[0].cause.as_deref() == Some("lost") })
            .await;
        world.api_comes_up();
        world.in_time("the list has it", || async { world.connections().await[0].ended_at.is_none() }).await;
        assert!(tunnel.is_up() && world.session().await.is_some());
        assert_eq!(world.connections().await.len(), 1);
    }
}

on_versions! {
    /// The name of an account of ours, let in by a secret of the router: past us all the same.
    async fn a_secret_of_our_own_name_goes_past_us_too(world: World, Plan::default()) {
        world.reach(Scheme::Radius, Leases::Off).await;
        world.request().await;
        world.router.add(SECRET, &[("name", "Ann"), ("password", PASSWORD)]).unwrap();
        let mut dial = ann_from(HOME);
        dial.user = "Ann".to_owned();
        let tunnel = world.router.dial(dial).await.accepted();
        tunnel.start_delivered().await;
        world.looks(2).await;
        world.until_alarmed("no_session", "Ann is connected on office past radgram").await;
        assert!(tunnel.is_up(), "told, and not ours to cut");
        assert!(world.session().await.is_some_and(|session| session.connections.is_empty()));
        let done = world.gate().shut_out(&ADMIN, world.router_id().await, b"Ann").await.unwrap();
        assert_eq!((done.disabled.len(), done.removed), (1, 1));
        assert!(!tunnel.is_up());
    }
}
