//! What a router holds before anybody changed it.

use super::menu::Shape;
use super::value::Value;
use super::{State, path};
use crate::clock::Timestamp;
use crate::sim::router::version::RosVersion;

/// The services of `/ip/service` with their ports.
const SERVICES: [(&str, u64); 7] =
    [("telnet", 23), ("ftp", 21), ("www", 80), ("ssh", 22), ("api", 8728), ("winbox", 8291), ("api-ssl", 8729)];
/// Servers of VPNs that are one per router; off in reality, on here, since dialling in is what the router is for.
const SERVERS: [&str; 3] =
    ["/interface/l2tp-server/server", "/interface/sstp-server/server", "/interface/pptp-server/server"];
const OVPN: &str = "/interface/ovpn-server/server";
const PPPOE: &str = "/interface/pppoe-server/server";

pub(super) fn fill(state: &mut State, now: Timestamp) {
    singles(state);
    profiles(state);
    servers(state);
    system(state, now);
    groups(state);
    services(state);
    interfaces(state);
    user_manager(state);
}

fn singles(state: &mut State) {
    let singles: Vec<&'static str> =
        state.menus.values().filter(|menu| menu.shape == Shape::Single).map(|menu| menu.path).collect();
    for path in singles {
        state.insert(path, Vec::new());
    }
}

fn profiles(state: &mut State) {
    let named = |name| vec![("name", Value::text(name)), ("default", Value::Flag(true))];
    state.insert(path::PROFILE, named("default"));
    state.insert(path::PROFILE, [named("default-encryption"), vec![("use-encryption", Value::text("yes"))]].concat());
}

fn servers(state: &mut State) {
    for server in SERVERS {
        state.put_single(server, "enabled", Value::Flag(true));
    }
    match state.menu(OVPN).map(|menu| menu.shape) {
        Some(Shape::Single) => state.put_single(OVPN, "enabled", Value::Flag(true)),
        Some(_) => {
            state.insert(OVPN, Vec::new());
        }
        None => {}
    }
    state.insert(PPPOE, Vec::new());
}

fn system(state: &mut State, now: Timestamp) {
    let version = state.version();
    let text = |text: &'static str| Value::text(text);
    let (board, architecture) = match version {
        RosVersion::V6_49 => ("RB750GL", "mipsbe"),
        RosVersion::V7_14 | RosVersion::V7_18 | RosVersion::V7_22 => ("CHR", "x86_64"),
    };
    for (name, value) in [
        ("uptime", Value::Since(now)),
        ("version", text(version.text())),
        ("build-time", Value::At(Timestamp::from_millis(1_700_000_000_000))),
        ("free-memory", Value::Number(805_306_368)),
        ("total-memory", Value::Number(1_073_741_824)),
        ("cpu", text("Intel(R)")),
        ("cpu-count", Value::Number(2)),
        ("cpu-frequency", Value::Number(2_400)),
        ("cpu-load", Value::Number(3)),
        ("free-hdd-space", Value::Number(86_000_000)),
        ("total-hdd-space", Value::Number(128_000_000)),
        ("architecture-name", text(architecture)),
        ("board-name", text(board)),
        ("platform", text("MikroTik")),
    ] {
        state.put_single(path::RESOURCE, name, value);
    }
    state.put_single(path::CLOCK, "date", Value::Today);
    state.put_single(path::CLOCK, "time", Value::TimeOfDay);
    packages(state);
}

/// What is installed; from 7.18 also what could be.
fn packages(state: &mut State) {
    let version = state.version();
    let number = version.text().split(' ').next().unwrap_or_default();
    let installed = |name: &'static str| {
        vec![("name", Value::text(name)), ("version", Value::text(number)), ("available", Value::Flag(false))]
    };
    state.insert(path::PACKAGE, installed("routeros"));
    if state.menu(path::UM).is_some() || state.menu(path::UM_V6_USER).is_some() {
        state.insert(path::PACKAGE, installed("user-manager"));
    } else if version >= RosVersion::V7_18 {
        state.insert(path::PACKAGE, vec![("name", Value::text("user-manager")), ("available", Value::Flag(true))]);
    }
}

/// The three groups of a new router: `read` and `write` have much that their names do not say.
fn groups(state: &mut State) {
    let all = state.version().policies();
    let without =
        |missing: &[&str]| -> Vec<&str> { all.iter().copied().filter(|one| !missing.contains(one)).collect() };
    let groups = [
        ("read", without(&["ftp", "write", "policy", "romon", "dude"])),
        ("write", without(&["ftp", "policy", "romon", "dude"])),
        ("full", without(&[])),
    ];
    let Some(field) = state.menu(path::GROUP).and_then(|menu| menu.field("policy").copied()) else { return };
    for (name, policies) in groups {
        let policy = field.kind.parse(policies.join(",").as_bytes(), Timestamp::default());
        state.insert(path::GROUP, vec![("name", Value::text(name)), ("policy", policy.unwrap_or(Value::text("")))]);
    }
}

fn services(state: &mut State) {
    for (name, port) in SERVICES {
        let mut cells = vec![("name", Value::text(name)), ("port", Value::Number(port))];
        if name.ends_with("-ssl") {
            cells.push(("certificate", Value::text("none")));
            cells.push(("tls-version", Value::text("any")));
        }
        if state.version() >= RosVersion::V7_18 {
            cells.push(("proto", Value::text("tcp")));
        }
        state.insert(path::SERVICE, cells);
    }
}

fn interfaces(state: &mut State) {
    let ether = [
        ("name", Value::text("ether1")),
        ("default-name", Value::text("ether1")),
        ("type", Value::text("ether")),
        ("mtu", Value::Number(1500)),
        ("actual-mtu", Value::Number(1500)),
        ("rx-byte", Value::Number(0)),
        ("tx-byte", Value::Number(0)),
        ("running", Value::Flag(true)),
    ];
    state.insert(path::INTERFACE, ether.to_vec());
    for name in ["all", "none", "dynamic", "static"] {
        state.insert("/interface/list", vec![("name", Value::text(name)), ("builtin", Value::Flag(true))]);
    }
}

fn user_manager(state: &mut State) {
    let default = vec![("name", Value::text("default")), ("default-name", Value::text("default"))];
    state.insert(path::UM_GROUP, default);
    state.insert(path::UM_V6_CUSTOMER, vec![("login", Value::text("admin"))]);
}
