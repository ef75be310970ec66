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
        Menu::ordered(path::FILTER, &filter()).also(counters),
        Menu::ordered("/ipv6/firewall/filter", &filter()).also(counters),
        Menu::rows(path::ADDRESS_LIST, &ENTRY).unique(&["list", "address"], SUCH_ENTRY),
        Menu::rows("/ipv6/firewall/address-list", &ENTRY).unique(&["list", "address"], SUCH_ENTRY),
    ]
}

/// The properties of a rule.
fn filter() -> Vec<Field> {
    [&RULE[..], &MATCHERS.map(text), &MADE].concat()
}

const RULE: [Field; 9] = [
    field("chain", Kind::Name).required(),
    field("action", Kind::OneOf(ACTIONS)).or("accept"),
    text("jump-target"),
    text("reject-with"),
    text("address-list"),
    text("address-list-timeout"),
    text("hw-offload"),
    field("src-address", Kind::Network),
    field("dst-address", Kind::Network),
];

/// What a rule may ask of a packet, besides the two addresses.
const MATCHERS: [&str; 52] = [
    "src-address-list",
    "dst-address-list",
    "src-address-type",
    "dst-address-type",
    "in-interface",
    "out-interface",
    "in-interface-list",
    "out-interface-list",
    "in-bridge-port",
    "out-bridge-port",
    "in-bridge-port-list",
    "out-bridge-port-list",
    "protocol",
    "src-port",
    "dst-port",
    "port",
    "connection-state",
    "connection-nat-state",
    "connection-type",
    "connection-mark",
    "connection-bytes",
    "connection-limit",
    "connection-rate",
    "packet-mark",
    "packet-size",
    "packet-length",
    "routing-mark",
    "routing-table",
    "ipsec-policy",
    "ipv4-options",
    "icmp-options",
    "tcp-flags",
    "tcp-mss",
    "tls-host",
    "ttl",
    "dscp",
    "priority",
    "ingress-priority",
    "layer7-protocol",
    "content",
    "fragment",
    "hotspot",
    "limit",
    "dst-limit",
    "nth",
    "per-connection-classifier",
    "psd",
    "random",
    "realm",
    "src-mac-address",
    "time",
    "p2p",
];

const MADE: [Field; 8] = [
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
