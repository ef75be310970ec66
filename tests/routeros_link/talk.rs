//! Many commands at once: answers find their askers, changes are told, what nobody waits for is cancelled.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use radgram::domain::account::Switch;
use radgram::gate::router_api::{ApiFault, ApiState, RouterApi, RuleRef};
use radgram::proto::routeros::encode;
use radgram::routeros::pace::{IN_FLIGHT, Pace, QUEUE};

use crate::machine::{done, patient, row, soon, tag_of};
use crate::{RULES, assert_unreachable, look, rules, up};

#[tokio::test]
async fn interleaved_answers_in_single_bytes_find_their_askers() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let both = tokio::spawn({
        let (fleet, router) = (Arc::clone(&fleet), router.clone());
        async move { tokio::join!(fleet.rules(&router, None), fleet.leases(&router)) }
    });
    let mut heard = Vec::new();
    for _ in 0..3 {
        let command = peer.hears().await.unwrap();
        heard.push((String::from_utf8(command.first().to_vec()).unwrap(), tag_of(&command)));
    }
    let tag = |path: &str| heard.iter().find(|(heard, _)| heard == path).unwrap().1.clone();
    let (filter, v4, v6) =
        (tag(RULES), tag("/ip/firewall/address-list/print"), tag("/ipv6/firewall/address-list/print"));
    let lease = |tag: &str, address: &str| row(tag).with("list", "radgram").with("address", address);
    let mut bytes = Vec::new();
    for reply in [
        lease(&v6, "2001:db8::1/128"),
        row(&filter).with(".id", "*A").with("comment", "2FA ann"),
        lease(&v4, "10.8.0.5"),
        done(&v4),
        row(&filter).with(".id", "*B").with("comment", "2FA bob"),
        done(&filter),
        done(&v6),
    ] {
        encode(&reply, &mut bytes);
    }
    for byte in bytes {
        peer.writes(&[byte]).await;
    }
    let (rules, leases) = both.await.unwrap();
    let ids: Vec<_> = rules.unwrap().into_iter().map(|rule| rule.id).collect();
    let addresses: Vec<_> = leases.unwrap().into_iter().map(|lease| lease.address).collect();
    assert_eq!((ids, addresses), (vec!["*A".into(), "*B".into()], vec!["10.8.0.5".into(), "2001:db8::1/128".into()]));
}

#[tokio::test]
async fn twenty_thousand_rows_go_through() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let asked = rules(&fleet, &router);
    let tag = peer.hears_of(RULES).await;
    for chunk in 0..20 {
        let mut bytes = Vec::new();
        for number in 0..1000 {
            let number = chunk * 1000 + number;
            let rule = row(&tag).with(".id", format!("*{number:X}")).with("chain", "forward");
            encode(&rule.with("comment", format!("2FA {number}")).with("disabled", "true"), &mut bytes);
        }
        peer.writes(&bytes).await;
    }
    peer.done(&tag).await;
    let rules = asked.await.unwrap().unwrap();
    assert_eq!(rules.len(), 20_000);
    assert_eq!(rules[19_999].comment, b"2FA 19999");
    assert!(rules.iter().all(|rule| rule.switch == Switch::Disabled));
}

#[tokio::test]
async fn changes_wake_everyone_who_listens() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let mut first = pin!(fleet.active_changed(&router));
    let mut second = pin!(fleet.active_changed(&router));
    assert!(look(first.as_mut()).is_pending() && look(second.as_mut()).is_pending());
    let tag = peer.hears_of("/ppp/active/listen").await;
    peer.says(row(&tag).with(".id", "*9").with("name", "olga")).await;
    soon("both", async { tokio::join!(first, second) }).await;

    // One listens for all: the next who waits asks for nothing.
    let mut third = pin!(fleet.active_changed(&router));
    assert!(look(third.as_mut()).is_pending());
    peer.says(row(&tag).with(".id", "*9").with(".dead", "true")).await;
    soon("the third", third).await;
}

#[tokio::test]
async fn where_listening_is_refused_nobody_is_woken() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let mut waiting = pin!(fleet.active_changed(&router));
    assert!(look(waiting.as_mut()).is_pending());
    let tag = peer.hears_of("/ppp/active/listen").await;
    peer.refuses(&tag, "no such command").await;
    let asked = rules(&fleet, &router);
    let tag = peer.hears_of(RULES).await;
    peer.done(&tag).await;
    asked.await.unwrap().unwrap();
    assert!(look(waiting.as_mut()).is_pending());
}

#[tokio::test]
async fn a_connection_that_came_back_counts_as_a_change() {
    let (fleet, door, router, mut peer) = up(Pace { retry: Duration::from_millis(1), ..patient() }).await;
    let mut waiting = pin!(fleet.active_changed(&router));
    assert!(look(waiting.as_mut()).is_pending());
    peer.hears_of("/ppp/active/listen").await;
    drop(peer);
    let mut peer = door.admitted().await;
    soon("the change", waiting).await;
    peer.hears_of("/ppp/active/listen").await;
}

#[tokio::test]
async fn what_nobody_waits_for_is_cancelled() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let asked = rules(&fleet, &router);
    let tag = peer.hears_of(RULES).await;
    asked.abort();
    let cancel = peer.hears().await.unwrap();
    assert_eq!((cancel.first(), cancel.attribute("tag")), (&b"/cancel"[..], Some(tag.as_bytes())));
    // The rest of the answer is nobody's, and the connection goes on.
    peer.says(row(&tag).with(".id", "*A")).await;
    peer.refuses(&tag, "interrupted").await;
    peer.done(&tag_of(&cancel)).await;
    let asked = rules(&fleet, &router);
    let tag = peer.hears_of(RULES).await;
    peer.done(&tag).await;
    assert_eq!(asked.await.unwrap(), Ok(Vec::new()));
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_cancelled_and_the_connection_stays() {
    let (fleet, _door, router, mut peer) = up(Pace { call: Duration::from_secs(2), ..patient() }).await;
    let asked = rules(&fleet, &router);
    let tag = peer.hears_of(RULES).await;
    assert_unreachable(asked.await.unwrap(), "no answer within 2 s");
    let cancel = peer.hears().await.unwrap();
    assert_eq!(cancel.attribute("tag"), Some(tag.as_bytes()));
    peer.done(&tag).await;
    peer.done(&tag_of(&cancel)).await;
    assert!(matches!(fleet.state(router.id), ApiState::Up { .. }));
}

#[tokio::test]
async fn more_than_may_wait_is_told_that_the_router_is_busy() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let in_flight: Vec<_> = (0..IN_FLIGHT).map(|_| rules(&fleet, &router)).collect();
    let mut tags = Vec::new();
    for _ in 0..IN_FLIGHT {
        tags.push(peer.hears_of(RULES).await);
    }
    let mut waiting: Vec<_> = (0..QUEUE).map(|_| Box::pin(fleet.rules(&router, None))).collect();
    assert!(waiting.iter_mut().all(|call| look(call.as_mut()).is_pending()));
    assert_unreachable(fleet.rules(&router, None).await, "busy");

    // As soon as there is room it goes on.
    for (asked, tag) in in_flight.into_iter().zip(tags) {
        peer.done(&tag).await;
        assert_eq!(asked.await.unwrap(), Ok(Vec::new()));
    }
    for call in waiting {
        let answering = async {
            let tag = peer.hears_of(RULES).await;
            peer.done(&tag).await;
        };
        assert_eq!(tokio::join!(call, answering).0, Ok(Vec::new()));
    }
}

#[tokio::test]
async fn refusals_keep_their_texts_and_their_meanings() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let menu = "/ip/firewall/filter".to_owned();
    for (text, fault) in [
        ("not enough permissions (9)", ApiFault::Forbidden("not enough permissions (9)".to_owned())),
        ("no such command prefix", ApiFault::NoMenu(menu)),
        ("failure: what else", ApiFault::Refused("failure: what else".to_owned())),
    ] {
        let asked = rules(&fleet, &router);
        let tag = peer.hears_of(RULES).await;
        peer.refuses(&tag, text).await;
        assert_eq!(asked.await.unwrap(), Err(fault));
    }
}

#[tokio::test]
async fn a_rule_that_is_gone_between_look_and_change_is_told() {
    let (fleet, _door, router, mut peer) = up(patient()).await;
    let switching = tokio::spawn(async move {
        let rule = RuleRef { id: "*A".to_owned(), comment: b"2FA \xcf\xf0".to_vec() };
        fleet.switch_rule(&router, &rule, Switch::Enabled).await
    });
    let tag = peer.hears_of(RULES).await;
    peer.says(row(&tag).with(".id", "*A").with("comment", b"2FA \xcf\xf0").with("disabled", "true")).await;
    peer.done(&tag).await;
    let tag = peer.hears_of("/ip/firewall/filter/set").await;
    peer.refuses(&tag, "no such item").await;
    assert_eq!(switching.await.unwrap(), Err(ApiFault::Gone("no such item".to_owned())));
}
