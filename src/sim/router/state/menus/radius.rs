//! `/radius` and `/radius/incoming`.

use super::path;
use crate::sim::router::state::kind::Kind;
use crate::sim::router::state::menu::{Field, Menu, Verb, field, flag, shown, text};
use crate::sim::router::version::RosVersion;

const SERVICES: &[&str] = &["ppp", "login", "hotspot", "wireless", "dhcp", "ipsec", "dot1x"];
const PORT: Kind = Kind::Number(1, 65_535);
/// 10 ms to 1 min, as the router itself says it.
const TIMEOUT: Kind = Kind::Span(10, 60_000);

pub(super) fn menus() -> Vec<Menu> {
    vec![
        Menu::ordered(path::RADIUS, &SERVER).also(&[Verb::Monitor, Verb::ResetCounters]),
        Menu::single(path::INCOMING, &INCOMING).also(&[Verb::Monitor, Verb::ResetCounters]),
    ]
}

const SERVER: [Field; 20] = [
    field("service", Kind::AnyOf(SERVICES)).or(""),
    field("address", Kind::Address).or("0.0.0.0"),
    field("secret", Kind::Secret).or(""),
    field("authentication-port", PORT).or("1812"),
    field("accounting-port", PORT).or("1813"),
    field("timeout", TIMEOUT).or("300ms"),
    field("radsec-timeout", TIMEOUT).or("3s300ms").from(RosVersion::V7_22),
    field("protocol", Kind::OneOf(&["udp", "radsec"])).or("udp").from(RosVersion::V7_14),
    text("certificate").or("none").from(RosVersion::V7_14),
    field("require-message-auth", Kind::OneOf(&["no", "yes-for-request-resp"]))
        .or("yes-for-request-resp")
        .from(RosVersion::V7_18),
    field("src-address", Kind::Address).or("0.0.0.0"),
    text("called-id").or(""),
    text("domain").or(""),
    text("realm").or(""),
    flag("accounting-backup"),
    shown("status").from(RosVersion::V7_14),
    flag("disabled"),
    text("comment"),
    shown("dynamic"),
    shown("about").from(RosVersion::V7_14),
];

const INCOMING: [Field; 3] =
    [flag("accept"), field("port", PORT).or("3799"), text("vrf").or("main").from(RosVersion::V7_14)];
