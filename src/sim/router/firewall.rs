//! `/ip/firewall/filter` as far as it shuts and opens: what happens to a packet that a client sends through the router.
//!
//! The packet goes from the client's address to anywhere, by no protocol in particular: a rule that asks for more than the
//! client's address, its interface and the state of the connection does not match it.

use std::net::Ipv4Addr;

use super::state::kind::mask_32;
use super::state::table::Row;
use super::state::value::Value;
use super::state::{State, path};

/// Chains that jump into one another further than this are a circle.
const JUMPS_MAX: usize = 16;
/// Matchers that are looked at; `out-interface` cannot be known, the rest is of no packet in particular.
const KNOWN: [&str; 4] = ["src-address", "src-address-list", "in-interface", "in-interface-list"];
/// The rule that the router shows on top while a rule has fasttrack; it decides nothing, and cannot be touched.
const DUMMY: &str = "special dummy rule to show fasttrack counters";
/// Properties of a rule that match nothing.
const NO_MATCHERS: [&str; 17] = [
    "chain",
    "action",
    "jump-target",
    "reject-with",
    "address-list",
    "address-list-timeout",
    "hw-offload",
    "log",
    "log-prefix",
    "bytes",
    "packets",
    "invalid",
    "dynamic",
    "disabled",
    "comment",
    "connection-state",
    "connection-nat-state",
];

/// Whether the connection that a packet belongs to was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    New,
    Established,
}

/// A packet that comes out of a tunnel.
pub(super) struct Packet<'a> {
    pub(super) source: Ipv4Addr,
    pub(super) interface: &'a str,
    pub(super) flow: Flow,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Accepted,
    Dropped,
    /// The chain ended, or said `return`.
    GoesOn,
}

/// Whether chain `forward` lets a packet through; what no rule decides passes.
pub(super) fn forwards(state: &State, packet: &Packet<'_>) -> bool {
    walk(state, packet, "forward", 0) != Fate::Dropped
}

fn walk(state: &State, packet: &Packet<'_>, chain: &str, depth: usize) -> Fate {
    if depth > JUMPS_MAX {
        return Fate::GoesOn;
    }
    let rules = state.rows(path::FILTER).map(|(_, row)| row);
    for rule in rules.filter(|rule| rule.says("chain", chain) && !rule.flag("disabled") && matches(state, packet, rule))
    {
        match rule.text("action").as_str() {
            "accept" => return Fate::Accepted,
            "drop" | "reject" | "tarpit" => return Fate::Dropped,
            "return" => return Fate::GoesOn,
            "jump" => match walk(state, packet, &rule.text("jump-target"), depth + 1) {
                Fate::GoesOn => {}
                decided => return decided,
            },
            _ => {} // log, passthrough, add-…-to-address-list, fasttrack-connection: the next rule decides
        }
    }
    Fate::GoesOn
}

fn matches(state: &State, packet: &Packet<'_>, rule: &Row) -> bool {
    let asks_for_more = rule.cells().any(|(name, _)| !KNOWN.contains(&name) && !NO_MATCHERS.contains(&name));
    !asks_for_more
        && is_so(rule, "src-address", |network| holds(network, packet.source))
        && is_so(rule, "src-address-list", |list| is_listed(state, list, packet.source))
        && is_so(rule, "in-interface", |name| name == packet.interface || name == "all-ppp")
        && is_so(rule, "in-interface-list", |list| is_member(state, list, packet.interface))
        && is_so(rule, "connection-state", |states| has_state(states, packet.flow))
}

/// Shows the rule on top, or takes it away, as there are rules with fasttrack or none.
pub(super) fn show_fasttrack(state: &mut State) {
    let is_wanted = state.any(path::FILTER, |_, row| row.says("action", "fasttrack-connection"));
    let dummy = state.find(path::FILTER, |row| row.flag("dynamic") && row.says("comment", DUMMY)).map(|(id, _)| id);
    match (is_wanted, dummy) {
        (true, None) => {
            let first = state.ids(path::FILTER).first().copied();
            let cells = vec![
                ("chain", Value::text("forward")),
                ("action", Value::text("passthrough")),
                ("dynamic", Value::Flag(true)),
                ("comment", Value::text(DUMMY)),
            ];
            state.insert_before(path::FILTER, cells, first);
        }
        (false, Some(id)) => {
            state.remove(path::FILTER, id);
        }
        (true, Some(_)) | (false, None) => {}
    }
}

/// Whether a matcher holds; `!` before it turns it over, and one that is not there always holds.
fn is_so(rule: &Row, name: &str, holds: impl Fn(&str) -> bool) -> bool {
    let wanted = rule.text(name);
    match wanted.strip_prefix('!') {
        Some(unwanted) => !holds(unwanted),
        None => wanted.is_empty() || holds(&wanted),
    }
}

fn has_state(states: &str, flow: Flow) -> bool {
    let wanted = match flow {
        Flow::New => "new",
        Flow::Established => "established",
    };
    states.split(',').any(|state| state == wanted)
}

fn is_listed(state: &State, list: &str, source: Ipv4Addr) -> bool {
    let entries = state.rows(path::ADDRESS_LIST).map(|(_, row)| row);
    entries.filter(|row| !row.flag("disabled") && row.says("list", list)).any(|row| holds(&row.text("address"), source))
}

fn is_member(state: &State, list: &str, interface: &str) -> bool {
    match list {
        "all" | "dynamic" => true,
        "none" | "static" => false,
        list => {
            let members = state.rows(path::LIST_MEMBER).map(|(_, row)| row);
            members
                .filter(|row| !row.flag("disabled") && row.says("list", list))
                .any(|row| row.says("interface", interface))
        }
    }
}

/// Whether an address, a network or a range has this address in it.
fn holds(network: &str, address: Ipv4Addr) -> bool {
    if let Some((first, last)) = network.split_once('-') {
        let (first, last): (Option<Ipv4Addr>, Option<Ipv4Addr>) = (first.parse().ok(), last.parse().ok());
        return first.is_some_and(|first| first <= address) && last.is_some_and(|last| address <= last);
    }
    let (base, bits) = network.split_once('/').unwrap_or((network, "32"));
    let mask = bits.parse().ok().and_then(mask_32);
    let base: Option<Ipv4Addr> = base.parse().ok();
    mask.zip(base).is_some_and(|(mask, base)| u32::from(base) & mask == u32::from(address) & mask)
}
