//! Reply attributes on the wire: the nearest wins, they hold from the next dial on, and a Reject has none.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/edge.rs"]
mod edge;

use std::sync::Arc;

use edge::{Client, Edge, LOCALHOST, checked, pap};
use radgram::domain::attribute::{LEVEL_BYTES, ReplyAttributes, Subject};
use radgram::domain::audit::Actor;
use radgram::domain::setting::Level;
use radgram::gate::Refused;
use radgram::proto::radius::{AttributeType, Code, Opening, Packet, VendorType};
use radgram::radius::view::View;
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
async fn between_the_account_and_the_router_stands_the_group_name_by_name() {
    let edge = Edge::start().await;
    let group = edge.gate.add_group(&Actor::CommandLine, "staff").await.unwrap();
    edge.gate.put_into_group(&Actor::CommandLine, &[edge.user], Some(group)).await.unwrap();
    set_router(
        &edge,
        &[
            ("Mikrotik-Group", "of-router"),
            ("Filter-Id", "router.in"),
            ("Idle-Timeout", "60"),
            ("Framed-Pool", "router"),
        ],
    )
    .await;
    let of_group = [
        ("Mikrotik-Group", "of-group"),
        ("Filter-Id", "group.in"),
        ("Filter-Id", "group.out"),
        ("Idle-Timeout", "600"),
        ("Tunnel-Type:1", "L2TP"),
        ("Tunnel-Type:2", "GRE"),
        ("Delegated-IPv6-Prefix", "2001:db8:7::/56"),
        ("Framed-Interface-Id", "0:0:0:1"),
        ("Framed-IPv6-Prefix", "2001:db8:8::/64"),
    ];
    set(&edge, Subject::Group(group), &of_group).await;
    set(&edge, Subject::Account(edge.user), &[("Mikrotik-Group", "of-account")]).await;
    let bytes = reply(&edge, "clientPass").await;
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.vendor_all(VendorType::MIKROTIK_GROUP).collect::<Vec<_>>(), [b"of-account"]);
    assert_eq!(packet.all(AttributeType::FILTER_ID).collect::<Vec<_>>(), [&b"group.in"[..], b"group.out"]);
    let all = |number| packet.all(AttributeType(number)).collect::<Vec<_>>();
    assert_eq!(all(28), [600_u32.to_be_bytes()], "Idle-Timeout, of the group");
    assert_eq!(all(88), [b"router"], "Framed-Pool, which only the router has");
    assert_eq!(all(64), [[1, 0, 0, 3], [2, 0, 0, 10]], "Tunnel-Type with its tags, RFC 2868 §3.1");
    assert_eq!(all(123), [[0, 56, 0x20, 1, 0x0d, 0xb8, 0, 7, 0]], "Delegated-IPv6-Prefix, RFC 4818 §3");
    assert_eq!(all(96), [[0, 0, 0, 0, 0, 0, 0, 1]], "Framed-Interface-Id, RFC 3162 §2.2");
    assert_eq!(all(97), [[0, 64, 0x20, 1, 0x0d, 0xb8, 0, 8, 0, 0]], "Framed-IPv6-Prefix, RFC 3162 §2.3");
    let shown = View::of(&packet).to_string();
    for line in ["Tunnel-Type = :1:L2TP", "Delegated-IPv6-Prefix = 2001:db8:7::/56", "Mikrotik-Group = \"of-account\""]
    {
        assert!(shown.contains(line), "{shown}");
    }

    // Out of the group, the router's word is heard again.
    edge.gate.put_into_group(&Actor::CommandLine, &[edge.user], None).await.unwrap();
    let bytes = reply(&edge, "clientPass").await;
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.vendor_all(VendorType::MIKROTIK_GROUP).collect::<Vec<_>>(), [b"of-account"]);
    assert_eq!(packet.all(AttributeType::FILTER_ID).collect::<Vec<_>>(), [b"router.in"]);
    assert!(packet.first(AttributeType(64)).is_none());
}

#[tokio::test]
async fn accounts_of_a_group_share_what_is_said_of_them_all() {
    let edge = Edge::start().await;
    let (gate, actor) = (&edge.gate, Actor::CommandLine);
    let group = gate.add_group(&actor, "staff").await.unwrap();
    let mut accounts = vec![edge.user];
    for name in ["ann", "bob", "carl"] {
        accounts.push(gate.add_account(&actor, name, None, None).await.unwrap());
    }
    gate.put_into_group(&actor, &accounts, Some(group)).await.unwrap();
    set(&edge, Subject::Group(group), &[("Mikrotik-Group", "staff")]).await;
    set(&edge, Subject::Account(accounts[3]), &[("Mikrotik-Group", "vip")]).await;
    gate.set_setting(&actor, "session_hours", Level::Group(group.0), "2").await.unwrap();
    gate.set_setting(&actor, "session_hours", Level::Account(accounts[2].0), "1").await.unwrap();
    let read = async |at: usize| gate.directory().read(accounts[at]).await.unwrap().unwrap();
    let (first, second, hasty, vip) = (read(0).await, read(1).await, read(2).await, read(3).await);
    assert!(Arc::ptr_eq(&first.entry.attributes, &second.entry.attributes));
    assert!(Arc::ptr_eq(&second.entry.attributes, &hasty.entry.attributes));
    assert!(Arc::ptr_eq(&first.policy, &second.policy) && Arc::ptr_eq(&second.policy, &vip.policy));
    assert_eq!((first.policy.session.as_secs(), hasty.policy.session.as_secs()), (7200, 3600));
    assert_eq!(vip.entry.attributes.iter().map(|one| one.value()).collect::<Vec<_>>(), ["vip"]);
    // A value that is not understood keeps its group out, and nobody else.
    let mut tx = edge.store.begin().await.unwrap();
    tx.set_setting("session_hours", Level::Group(group.0), "never", edge.gate.now()).await.unwrap();
    tx.commit(edge.gate.now()).await.unwrap();
    let other = gate.add_account(&actor, "dora", None, None).await.unwrap();
    while gate.directory().read(accounts[0]).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(gate.directory().read(other).await.unwrap().is_some());
    gate.clear_setting(&actor, "session_hours", Level::Group(group.0)).await.unwrap();
    // What was said of the group is said no more.
    set(&edge, Subject::Group(group), &[("Mikrotik-Group", "others")]).await;
    assert_eq!(read(1).await.entry.attributes.iter().map(|one| one.value()).collect::<Vec<_>>(), ["others"]);
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
async fn three_full_levels_leave_room_for_proxies() {
    let edge = Edge::start().await;
    let group = edge.gate.add_group(&Actor::CommandLine, "staff").await.unwrap();
    edge.gate.put_into_group(&Actor::CommandLine, &[edge.user], Some(group)).await.unwrap();
    let over_v4 = full("Framed-Route", |n| format!("10.{n}.0.0/24 0.0.0.0"));
    let over_v6 = full("Framed-IPv6-Route", |n| format!("2001:db8:{n}::/64 ::"));
    let pages: Vec<_> = (0..9).map(|n| ("Reply-Message".to_owned(), format!("{n}{}", "x".repeat(110)))).collect();
    let said =
        [(Subject::Account(edge.user), over_v4), (Subject::Group(group), pages), (Subject::Router(edge.hq), over_v6)];
    for (subject, written) in said {
        edge.gate.set_attributes(&Actor::CommandLine, subject, &written).await.unwrap();
    }
    while edge.gate.directory().routers().of(LOCALHOST).unwrap().attributes.is_empty() {
        tokio::task::yield_now().await;
    }
    let router = edge.router().await;
    let dial = Dial { method: Method::MsChapV2, ..Dial::new("User", "clientPass") };
    let DialOutcome::Connected(tunnel) = router.dial(dial).await else { panic!("not connected") };
    let length = tunnel.accept().len();
    assert!((3 * LEVEL_BYTES - 192..4096 - 128).contains(&length), "{length} octets");
}
