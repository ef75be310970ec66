//! Whether traffic passes: `/ip/firewall/filter` as it stands.

use std::time::Duration;

use radgram::sim::router::{Cause, Dial, SimRouter, Tunnel};

use super::client::{config, start};
use super::scripted::connected;

async fn with_ann() -> (SimRouter, radgram::clock::SettableClock, Tunnel) {
    let (router, clock) = start(config()).await;
    router.local_secret("ann", radgram::secret::Secret::new("x"));
    let tunnel = connected(router.dial(Dial::new("ann", "x")).await);
    (router, clock, tunnel)
}

fn rule(router: &SimRouter, attributes: &[(&str, &str)]) -> String {
    let chain: &[(&str, &str)] =
        if attributes.iter().any(|(name, _)| *name == "chain") { &[] } else { &[("chain", "forward")] };
    router.add("/ip/firewall/filter", &[chain, attributes].concat()).unwrap()
}

#[tokio::test]
async fn without_rules_everything_passes_while_the_tunnel_is_up() {
    let (_router, _, tunnel) = with_ann().await;
    assert!(tunnel.passes());
    tunnel.hang_up(Cause::UserRequest).await;
    assert!(!tunnel.passes());
}

#[tokio::test]
async fn a_bound_rule_opens_and_shuts() {
    let (router, _, tunnel) = with_ann().await;
    let open = rule(
        &router,
        &[("action", "accept"), ("in-interface", "<l2tp-ann>"), ("disabled", "yes"), ("comment", "2FA ann")],
    );
    rule(&router, &[("action", "drop"), ("in-interface", "all-ppp")]);
    assert!(!tunnel.passes());
    router.set("/ip/firewall/filter", &open, &[("disabled", "no")]).unwrap();
    assert!(tunnel.passes());
    router.command("/ip/firewall/filter", "move", &[("numbers", &open)]).unwrap();
    assert!(!tunnel.passes(), "behind the drop it opens nothing");
}

#[tokio::test]
async fn a_lease_opens_until_it_vanishes() {
    let (router, clock, tunnel) = with_ann().await;
    rule(&router, &[("action", "accept"), ("connection-state", "established,related")]);
    rule(&router, &[("action", "accept"), ("src-address-list", "radgram")]);
    rule(&router, &[("action", "reject"), ("src-address", "10.8.0.0/16")]);
    assert!(!tunnel.passes());
    let address = tunnel.address().to_string();
    let lease = [("list", "radgram"), ("address", address.as_str()), ("timeout", "3m")];
    router.add("/ip/firewall/address-list", &lease).unwrap();
    assert!(tunnel.passes());
    clock.advance(Duration::from_secs(180));
    assert!(!tunnel.passes());
    assert!(tunnel.passes_established(), "what was opened before goes on: the rule for it comes first");
}

#[tokio::test]
async fn every_matcher_says_what_it_says() {
    for (matchers, matched) in [
        (&[("src-address", "10.8.0.2")][..], true),
        (&[("src-address", "!10.8.0.2")], false),
        (&[("src-address", "10.8.0.0-10.8.0.9")], true),
        (&[("src-address", "10.9.0.0/16")], false),
        (&[("src-address-list", "!vpn")], true),
        (&[("src-address-list", "vpn")], false),
        (&[("src-address-list", "staff")], true),
        (&[("src-address-list", "off")], false),
        (&[("in-interface", "<l2tp-ann>")], true),
        (&[("in-interface", "ether1")], false),
        (&[("in-interface", "!ether1")], true),
        (&[("in-interface-list", "dynamic")], true),
        (&[("in-interface-list", "VPN")], true),
        (&[("in-interface-list", "LAN")], false),
        (&[("connection-state", "new")], true),
        (&[("connection-state", "established,related")], false),
        (&[("protocol", "tcp"), ("dst-port", "443")], false),
        (&[("dst-address", "192.168.0.0/16")], false),
        (&[("chain", "input")], false),
        (&[("disabled", "yes")], false),
        (&[("log", "yes"), ("comment", "x")], true),
    ] {
        let (router, _, tunnel) = with_ann().await;
        router.add("/ip/firewall/address-list", &[("list", "staff"), ("address", "10.8.0.0/24")]).unwrap();
        router
            .add("/ip/firewall/address-list", &[("list", "off"), ("address", "10.8.0.2"), ("disabled", "yes")])
            .unwrap();
        router.add("/interface/list", &[("name", "VPN")]).unwrap();
        router.add("/interface/list/member", &[("list", "VPN"), ("interface", "<l2tp-ann>")]).unwrap();
        rule(&router, &[&[("action", "drop")], matchers].concat());
        assert_eq!(tunnel.address().to_string(), "10.8.0.2");
        assert_eq!(!tunnel.passes(), matched, "{matchers:?}");
    }
}

#[tokio::test]
async fn jumps_go_and_come_back() {
    let (router, _, tunnel) = with_ann().await;
    rule(&router, &[("action", "log")]);
    rule(&router, &[("action", "jump"), ("jump-target", "ppp")]);
    rule(&router, &[("action", "drop")]);
    rule(&router, &[("chain", "ppp"), ("action", "jump"), ("jump-target", "circle")]);
    rule(&router, &[("chain", "circle"), ("action", "jump"), ("jump-target", "ppp")]);
    let back = rule(&router, &[("chain", "ppp"), ("action", "return")]);
    rule(&router, &[("chain", "ppp"), ("action", "accept")]);
    assert!(!tunnel.passes());
    router.command("/ip/firewall/filter", "disable", &[("numbers", &back)]).unwrap();
    assert!(tunnel.passes());
}
