//! Leases: made, renewed, dropped, and nobody else's entry touched.

use std::net::IpAddr;
use std::time::Duration;

use radgram::gate::router_api::{ApiFault, RouterApi};

use crate::menus::{Bench, refusal};
use crate::{LIST, LIST_V6};

const ANN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 8, 0, 5));

async fn lease(bench: &Bench, address: IpAddr, seconds: u64) -> Result<(), ApiFault> {
    let timeout = Duration::from_secs(seconds);
    bench.fleet.put_lease(&bench.router, address, timeout, "radgram ann").await
}

#[tokio::test]
async fn a_lease_is_made_then_renewed_then_dropped() {
    let bench = Bench::new(|menus| {
        menus.menu(LIST);
    })
    .await;
    lease(&bench, ANN, 180).await.unwrap();
    lease(&bench, "::ffff:10.8.0.5".parse().unwrap(), 240).await.unwrap();
    let leases = bench.fleet.leases(&bench.router).await.unwrap();
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0].timeout, Some(Duration::from_secs(240)));
    assert_eq!((leases[0].address.as_str(), leases[0].comment.as_slice()), ("10.8.0.5", &b"radgram ann"[..]));
    bench.fleet.drop_lease(&bench.router, ANN).await.unwrap();
    bench.fleet.drop_lease(&bench.router, ANN).await.unwrap();
    assert_eq!(
        bench.changes(),
        [
            "/ip/firewall/address-list/add =list=radgram =address=10.8.0.5 =timeout=3m =comment=radgram ann",
            "/ip/firewall/address-list/set =.id=*3 =timeout=4m",
            "/ip/firewall/address-list/remove =.id=*3",
        ]
    );
}

#[tokio::test]
async fn an_operators_entry_is_not_touched() {
    let bench = Bench::new(|menus| {
        menus.put(LIST, &[("list", "radgram"), ("address", "10.8.0.5"), ("comment", "printer")]);
        menus.put(LIST, &[("list", "other"), ("address", "10.8.0.6"), ("comment", "radgram ann")]);
    })
    .await;
    assert!(matches!(lease(&bench, ANN, 60).await, Err(ApiFault::Refused(_))));
    bench.fleet.drop_lease(&bench.router, ANN).await.unwrap();
    bench.fleet.drop_lease(&bench.router, "10.8.0.6".parse().unwrap()).await.unwrap();
    assert_eq!(bench.changes(), [""; 0]);
    assert_eq!(bench.fleet.leases(&bench.router).await.unwrap().len(), 1);
}

#[tokio::test]
async fn leases_of_ipv6_have_their_own_list() {
    let bench = Bench::new(|menus| {
        menus.menu(LIST);
        menus.put(
            LIST_V6,
            &[("list", "radgram"), ("address", "2001:db8::1/128"), ("comment", "radgram x"), ("timeout", "1m")],
        );
    })
    .await;
    lease(&bench, "2001:db8::1".parse().unwrap(), 60).await.unwrap();
    lease(&bench, "2001:db8::2".parse().unwrap(), 60).await.unwrap();
    assert_eq!(
        bench.changes(),
        [
            "/ipv6/firewall/address-list/set =.id=*3 =timeout=1m =comment=radgram ann",
            "/ipv6/firewall/address-list/add =list=radgram =address=2001:db8::2 =timeout=1m =comment=radgram ann",
        ]
    );
    assert_eq!(bench.fleet.leases(&bench.router).await.unwrap().len(), 2);
}

#[tokio::test]
async fn without_ipv6_there_is_nothing_to_drop_there() {
    let bench = Bench::new(|menus| {
        menus.menu(LIST);
    })
    .await;
    bench.fleet.drop_lease(&bench.router, "2001:db8::1".parse().unwrap()).await.unwrap();
    let outcome = lease(&bench, "2001:db8::1".parse().unwrap(), 60).await;
    assert_eq!(outcome, Err(ApiFault::NoMenu("/ipv6/firewall/address-list".to_owned())));
}

#[tokio::test]
async fn a_lease_that_comes_or_goes_meanwhile_is_looked_at_again() {
    let mut race = vec!["comes", "goes"];
    let bench = Bench::with(
        |menus| {
            menus.menu(LIST);
        },
        move |command, menus| match (command.first(), race.first()) {
            (b"/ip/firewall/address-list/add", Some(&"comes")) => {
                race.remove(0);
                menus.put(
                    LIST,
                    &[("list", "radgram"), ("address", "10.8.0.5"), ("comment", "radgram old"), ("timeout", "1s")],
                );
                Some(refusal("failure: already have such entry"))
            }
            (b"/ip/firewall/address-list/set", Some(&"goes")) => {
                race.remove(0);
                menus.menu(LIST).clear();
                Some(refusal("no such item"))
            }
            _ => None,
        },
    )
    .await;
    lease(&bench, ANN, 60).await.unwrap();
    assert_eq!(bench.at(|menus| menus.of(LIST, "*4", "comment")).as_deref(), Some("radgram ann"));
}

#[tokio::test]
async fn our_entry_without_a_timeout_is_made_anew_if_it_cannot_get_one() {
    let bench = Bench::with(
        |menus| {
            menus.put(LIST, &[("list", "radgram"), ("address", "10.8.0.5"), ("comment", "radgram ann")]);
        },
        |command, _| (command.first() == b"/ip/firewall/address-list/set").then(|| refusal("failure: static entry")),
    )
    .await;
    lease(&bench, ANN, 60).await.unwrap();
    assert_eq!(bench.at(|menus| menus.of(LIST, "*4", "timeout")).as_deref(), Some("1m"));
    assert_eq!(bench.at(|menus| menus.len(LIST)), 1);
}

#[tokio::test]
async fn a_lease_is_never_for_ever() {
    let bench = Bench::new(|menus| {
        menus.menu(LIST);
    })
    .await;
    bench.fleet.put_lease(&bench.router, ANN, Duration::ZERO, "radgram ann").await.unwrap();
    bench.fleet.put_lease(&bench.router, ANN, Duration::MAX, "radgram ann").await.unwrap();
    let changes = bench.changes();
    assert!(changes[0].contains("=timeout=1s"), "{changes:?}");
    assert!(changes[1].contains("=timeout=35w3d13h13m56s"), "{changes:?}");
}
