//! The simulated router as the receiver of Disconnect and CoA.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scripted;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use radgram::clock::SettableClock;
use radgram::proto::radius::{AttributeType, Code, Opening, Packet, PacketBuilder, Signature, VendorType, sign};
use radgram::sim::router::{Cause, Dial, DisconnectHabit, IncomingConfig, RouterConfig, SimRouter};
use tokio::net::UdpSocket;

use scripted::{LOCALHOST, Scripted, accept, config, connected, integer, recorded, secret, start};

/// A server's end of Disconnect and CoA, on an address that the router knows or not.
struct Orders {
    socket: UdpSocket,
    target: SocketAddr,
    next: u8,
}

impl Orders {
    async fn from(address: [u8; 4], router: &SimRouter) -> Self {
        let socket = UdpSocket::bind((IpAddr::from(address), 0)).await.unwrap();
        Self { socket, target: router.incoming_addr().unwrap(), next: 0 }
    }

    fn order(&mut self, code: Code, fill: impl FnOnce(&mut PacketBuilder)) -> Vec<u8> {
        self.next += 1;
        let mut order = PacketBuilder::new(code, self.next, Opening::MessageAuthenticator);
        fill(&mut order);
        sign::sign_coa_request(order, &secret())
    }

    async fn send(&self, octets: &[u8]) {
        self.socket.send_to(octets, self.target).await.unwrap();
    }

    /// The code and Error-Cause of the next answer, which must answer `order`.
    async fn answer(&self, order: &[u8]) -> (Code, Option<u32>) {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).await.unwrap();
        let answer = Packet::parse(&buffer[..length]).unwrap();
        let request = Packet::parse(order).unwrap();
        assert_eq!(answer.identifier(), request.identifier());
        assert_eq!(sign::check_reply(&answer, request.authenticator(), &secret()), Ok(Signature::Present));
        (answer.code(), answer.integer(AttributeType::ERROR_CAUSE))
    }

    async fn give(&mut self, code: Code, fill: impl FnOnce(&mut PacketBuilder)) -> (Code, Option<u32>) {
        let order = self.order(code, fill);
        self.send(&order).await;
        self.answer(&order).await
    }
}

async fn with_incoming(server: &Scripted) -> (SimRouter, SettableClock) {
    start(RouterConfig { incoming: Some(IncomingConfig::new(LOCALHOST)), ..config(server) }).await
}

#[tokio::test]
async fn a_disconnect_must_match_in_all_it_says() {
    let mut server = Scripted::start(accept, recorded).await;
    let (router, _) = with_incoming(&server).await;
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    server.expect(1).await;
    let mut orders = Orders::from([127, 0, 0, 1], &router).await;
    let nak = |cause| (Code::DISCONNECT_NAK, Some(cause));
    let cut = Code::DISCONNECT_REQUEST;

    let other_user = orders.give(cut, |order| {
        order.push(AttributeType::ACCT_SESSION_ID, tunnel.acct_session_id().as_bytes()).unwrap();
        order.push(AttributeType::USER_NAME, b"Other").unwrap();
    });
    assert_eq!(other_user.await, nak(503));
    let other_router = orders.give(cut, |order| {
        order.push(AttributeType::USER_NAME, b"User").unwrap();
        order.push_address(AttributeType::NAS_IP_ADDRESS, IpAddr::from([192, 0, 2, 1])).unwrap();
    });
    assert_eq!(other_router.await, nak(503));
    let foreign = orders.give(cut, |order| {
        order.push(AttributeType::USER_NAME, b"User").unwrap();
        order.push(AttributeType::CLASS, b"SESS-1").unwrap();
    });
    assert_eq!(foreign.await, nak(401));
    assert_eq!(orders.give(cut, |_| {}).await, nak(402));
    assert!(tunnel.is_up());

    let order = orders.order(cut, |order| {
        order.push(AttributeType::ACCT_SESSION_ID, tunnel.acct_session_id().as_bytes()).unwrap();
        order.push(AttributeType::USER_NAME, b"User").unwrap();
        order.push_address(AttributeType::FRAMED_IP_ADDRESS, tunnel.address().into()).unwrap();
        order.push_address(AttributeType::NAS_IP_ADDRESS, LOCALHOST).unwrap();
    });
    for _ in 0..2 {
        orders.send(&order).await; // the second is a resend: the same answer, though the tunnel is gone
        assert_eq!(orders.answer(&order).await, (Code::DISCONNECT_ACK, None));
    }
    assert_eq!(tunnel.ended().await, Cause::AdminReset);
    let stopped = server.expect(2).await;
    assert_eq!(integer(&stopped, AttributeType::ACCT_TERMINATE_CAUSE), Some(6));
    let counters = router.incoming_counters();
    assert_eq!((counters.acks(), counters.naks(), counters.bad_requests()), (1, 4, 0));
}

#[tokio::test]
async fn strangers_and_forgers_get_no_answer() {
    let server = Scripted::start(accept, recorded).await;
    let (router, _) = with_incoming(&server).await;
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    let stranger = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let mut orders = Orders::from([127, 0, 0, 1], &router).await;
    let mut order = orders.order(Code::DISCONNECT_REQUEST, |order| {
        order.push(AttributeType::USER_NAME, b"User").unwrap();
    });
    stranger.send_to(&order, router.incoming_addr().unwrap()).await.unwrap();
    order[4] ^= 1;
    orders.send(&order).await;
    // One socket, one task: once this is answered, the two before were dropped.
    let answer = orders.give(Code::DISCONNECT_REQUEST, |order| {
        order.push(AttributeType::USER_NAME, b"Nobody").unwrap();
    });
    assert_eq!(answer.await, (Code::DISCONNECT_NAK, Some(503)));
    assert!(tunnel.is_up());
    let counters = router.incoming_counters();
    assert_eq!((counters.unknown_addresses(), counters.bad_requests(), counters.requests()), (1, 1, 2));
}

#[tokio::test]
async fn a_router_may_say_yes_and_do_nothing_or_say_nothing() {
    let server = Scripted::start(accept, recorded).await;
    let (router, _) = with_incoming(&server).await;
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    let mut orders = Orders::from([127, 0, 0, 1], &router).await;
    let user = |order: &mut PacketBuilder| {
        order.push(AttributeType::USER_NAME, b"User").unwrap();
    };
    router.treat_disconnects(DisconnectHabit::AckOnly);
    assert_eq!(orders.give(Code::DISCONNECT_REQUEST, user).await, (Code::DISCONNECT_ACK, None));
    assert!(tunnel.is_up());
    router.treat_disconnects(DisconnectHabit::Ignore);
    let ignored = orders.order(Code::DISCONNECT_REQUEST, user);
    orders.send(&ignored).await;
    // The next answer is to the next order: the one before got none.
    assert_eq!(orders.give(Code::COA_REQUEST, user).await, (Code::COA_ACK, None));
    assert!(tunnel.is_up());
}

#[tokio::test]
async fn a_change_moves_the_end_and_the_rate_but_no_address_list() {
    let server = Scripted::start(accept, recorded).await;
    let (router, clock) = with_incoming(&server).await;
    let tunnel = connected(router.dial(Dial::new("User", "clientPass")).await);
    let mut orders = Orders::from([127, 0, 0, 1], &router).await;
    let changed = orders.give(Code::COA_REQUEST, |order| {
        order.push(AttributeType::USER_NAME, b"User").unwrap();
        order.push_integer(AttributeType::SESSION_TIMEOUT, 30).unwrap();
        order.push_vendor(VendorType::MIKROTIK_RATE_LIMIT, b"5M/5M").unwrap();
    });
    assert_eq!(changed.await, (Code::COA_ACK, None));
    assert_eq!(tunnel.rate_limit().as_deref(), Some("5M/5M"));
    let refused = orders.give(Code::COA_REQUEST, |order| {
        order.push(AttributeType::USER_NAME, b"User").unwrap();
        order.push_vendor(VendorType::MIKROTIK_ADDRESS_LIST, b"vpn").unwrap();
    });
    assert_eq!(refused.await, (Code::COA_NAK, Some(401)));
    clock.advance(Duration::from_secs(30));
    assert_eq!(tunnel.ended().await, Cause::SessionTimeout);
}
