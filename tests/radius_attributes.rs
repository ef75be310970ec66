//! Reply attributes on the wire: the nearest wins, they hold from the next dial on, and a Reject has none.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/edge.rs"]
mod edge;

use edge::{Client, Edge, LOCALHOST, checked, pap};
use radgram::domain::attribute::{LEVEL_BYTES, ReplyAttributes, Subject};
use radgram::domain::audit::Actor;
use radgram::gate::Refused;
use radgram::proto::radius::{AttributeType, Code, Opening, Packet, VendorType};
use radgram::sim::router::{Dial, DialOutcome, Method};

const SIGNED: Opening = Opening::MessageAuthenticator;

fn pairs(written: &[(&str, &str)]) -> Vec<(String, String)> {
    written.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn set(edge: &Edge, subject: Subject, written: &[(&str, &str)]) {
    edge.gate.set_attributes(&Actor::CommandLine, subject, &pairs(written)).await.unwrap();
}

/// Sets what holds on a router and waits until it does: routers are followed by the poll.
async fn set_router(edge: &Edge, written: &[(&str, &str)]) {
    set(edge, Subject::Router(edge.hq), written).await;
    let expected = ReplyAttributes::parse(&pairs(written)).unwrap();
    while *edge.gate.directory().routers().of(LOCALHOST).unwrap().attributes != expected {
        tokio::task::yield_now().await;
    }
}

/// The reply to a log-in of `User` with this password.
async fn reply(edge: &Edge, password: &str) -> Vec<u8> {
    let client = Client::new(LOCALHOST).await;
    let request = pap(SIGNED, "User", password, |_| ());
    let reply = client.ask(edge.auth, &request).await;
    checked(&reply, &request);
    reply
}

#[tokio::test]
async fn the_account_wins_over_the_router_name_by_name() {
    let edge = Edge::start().await;
    set_router(&edge, &[("Mikrotik-Group", "everybody"), ("Filter-Id", "office.in"), ("Filter-Id", "office.out")])
        .await;
    let first = reply(&edge, "clientPass").await;
    let packet = Packet::parse(&first).unwrap();
    assert_eq!(packet.vendor(VendorType::MIKROTIK_GROUP), Some(&b"everybody"[..]));

    set(&edge, Subject::Account(edge.user), &[("Mikrotik-Group", "staff"), ("Framed-IP-Address", "10.8.0.77")]).await;
    let second = reply(&edge, "clientPass").await;
    let packet = Packet::parse(&second).unwrap();
    assert_eq!(packet.code(), Code::ACCESS_ACCEPT);
    assert_eq!(packet.vendor_all(VendorType::MIKROTIK_GROUP).collect::<Vec<_>>(), [b"staff"]);
    assert_eq!(packet.all(AttributeType::FRAMED_IP_ADDRESS).collect::<Vec<_>>(), [[10, 8, 0, 77]]);
    assert_eq!(packet.all(AttributeType::FILTER_ID).collect::<Vec<_>>(), [&b"office.in"[..], b"office.out"]);
    assert_eq!(second[20], AttributeType::MESSAGE_AUTHENTICATOR.0, "still the first");

    set(&edge, Subject::Account(edge.user), &[]).await;
    let third = reply(&edge, "clientPass").await;
    let packet = Packet::parse(&third).unwrap();
    assert_eq!(packet.vendor(VendorType::MIKROTIK_GROUP), Some(&b"everybody"[..]));
    assert_eq!(packet.first(AttributeType::FRAMED_IP_ADDRESS), None);
}

#[tokio::test]
async fn a_reject_says_nothing_of_them() {
    let edge = Edge::start().await;
    set_router(&edge, &[("Filter-Id", "office.in")]).await;
    set(&edge, Subject::Account(edge.user), &[("Mikrotik-Group", "staff"), ("Framed-IP-Address", "10.8.0.77")]).await;
    let bytes = reply(&edge, "wrong").await;
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.code(), Code::ACCESS_REJECT);
    assert_eq!(packet.vendor(VendorType::MIKROTIK_GROUP), None);
    assert!(
        packet.first(AttributeType::FRAMED_IP_ADDRESS).is_none() && packet.first(AttributeType::FILTER_ID).is_none()
    );
}

#[tokio::test]
async fn what_is_not_taken_changes_nothing_and_what_is_taken_is_audited() {
    let edge = Edge::start().await;
    let account = Subject::Account(edge.user);
    set(&edge, account, &[("Mikrotik-Group", "staff")]).await;
    for (written, says) in [
        (pairs(&[("Mikrotik-Group", "x"), ("Session-Timeout", "60")]), "session_hours"),
        (pairs(&[("Framed-IP-Address", "here")]), "expected an address"),
        (pairs(&[("Mikrotik-Rate-Limit", "fast")]), "Mikrotik-Rate-Limit: expected"),
    ] {
        let refused = edge.gate.set_attributes(&Actor::CommandLine, account, &written).await.unwrap_err();
        assert!(matches!(&refused, Refused::Field { field: "attributes", .. }), "{refused:?}");
        assert!(refused.to_string().contains(says), "{refused}");
    }
    let kept = edge.gate.reader().attributes(account).await.unwrap();
    assert_eq!(kept.iter().map(|one| one.value()).collect::<Vec<_>>(), ["staff"]);
    let line = edge.gate.reader().audit().await.unwrap().into_iter().next().unwrap();
    assert_eq!((line.action.as_str(), line.detail.as_str()), ("account.attributes", "User: Mikrotik-Group = staff"));
    let gone = Subject::Account(radgram::domain::id::AccountId(999));
    assert!(matches!(edge.gate.set_attributes(&Actor::CommandLine, gone, &[]).await, Err(Refused::NotFound(_))));
}

/// As many attributes as a level holds.
fn full(name: &str, route: impl Fn(usize) -> String) -> Vec<(String, String)> {
    let mut written = Vec::new();
    for n in 0..100 {
        written.push((name.to_owned(), format!("{} {}1", route(n), "1 ".repeat(15))));
        if ReplyAttributes::parse(&written).is_err() {
            written.pop();
        }
    }
    written
}

#[tokio::test]
async fn full_levels_leave_room_for_a_third_and_for_proxies() {
    let edge = Edge::start().await;
    let over_v4 = full("Framed-Route", |n| format!("10.{n}.0.0/24 0.0.0.0"));
    let over_v6 = full("Framed-IPv6-Route", |n| format!("2001:db8:{n}::/64 ::"));
    for (subject, written) in [(Subject::Account(edge.user), over_v4), (Subject::Router(edge.hq), over_v6)] {
        edge.gate.set_attributes(&Actor::CommandLine, subject, &written).await.unwrap();
    }
    while edge.gate.directory().routers().of(LOCALHOST).unwrap().attributes.is_empty() {
        tokio::task::yield_now().await;
    }
    let router = edge.router().await;
    let dial = Dial { method: Method::MsChapV2, ..Dial::new("User", "clientPass") };
    let DialOutcome::Connected(tunnel) = router.dial(dial).await else { panic!("not connected") };
    let length = tunnel.accept().len();
    assert!((2 * LEVEL_BYTES - 128..4096 - LEVEL_BYTES - 512).contains(&length), "{length} octets");
}
