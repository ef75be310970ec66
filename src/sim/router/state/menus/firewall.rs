//! `/ip/firewall` and `/ipv6/firewall`: filter rules and address lists.

use super::path;
use crate::sim::router::state::kind::Kind;
use crate::sim::router::state::menu::{Field, Menu, Verb, field, flag, shown, text};

/// 35w3d13h13m56s, the longest timeout of a list entry.
const LEASE_MAX_MS: u64 = 21_474_836_000;
const SUCH_ENTRY: &str = "failure: already have such entry";

pub(super) fn menus() -> Vec<Menu> {
    let counters = &[Verb::ResetCounters, Verb::ResetCountersAll];
    vec![
        Menu::ordered(path::FILTER, &FILTER).also(counters),
        Menu::ordered("/ipv6/firewall/filter", &FILTER).also(counters),
        Menu::rows(path::ADDRESS_LIST, &ENTRY).unique(&["list", "address"], SUCH_ENTRY),
        Menu::rows("/ipv6/firewall/address-list", &ENTRY).unique(&["list", "address"], SUCH_ENTRY),
    ]
}

const FILTER: [Field; 36] = [
    field("chain", Kind::Name).required(),
    field("action", Kind::OneOf(ACTIONS)).or("accept"),
    text("jump-target"),
    text("reject-with"),
    field("src-address", Kind::Network),
    field("dst-address", Kind::Network),
    text("src-address-list"),
    text("dst-address-list"),
    text("src-address-type"),
    text("dst-address-type"),
    text("in-interface"),
    text("out-interface"),
    text("in-interface-list"),
    text("out-interface-list"),
    text("protocol"),
    text("src-port"),
    text("dst-port"),
    text("any-port"),
    text("connection-state"),
    text("connection-nat-state"),
    text("connection-mark"),
    text("packet-mark"),
    text("ipsec-policy"),
    text("limit"),
    text("time"),
    text("address-list"),
    text("address-list-timeout"),
    text("hw-offload"),
    flag("log"),
    text("log-prefix").or(""),
    shown("bytes").or("0"),
    shown("packets").or("0"),
    shown("invalid"),
    shown("dynamic"),
    flag("disabled"),
    text("comment"),
];

const ACTIONS: &[&str] = &[
    "accept",
    "add-dst-to-address-list",
    "add-src-to-address-list",
    "drop",
    "fasttrack-connection",
    "jump",
    "log",
    "passthrough",
    "reject",
    "return",
    "tarpit",
];

const ENTRY: [Field; 7] = [
    field("list", Kind::Name).required(),
    field("address", Kind::Member).required(),
    field("timeout", Kind::Lease(LEASE_MAX_MS)),
    shown("dynamic"),
    shown("creation-time"),
    flag("disabled"),
    text("comment"),
];
