//! `/ppp`: secrets, profiles, what is up, and whether RADIUS is asked.

use super::path;
use crate::sim::router::state::kind::Kind;
use crate::sim::router::state::menu::{Field, Menu, Verb, field, flag, shown, text};
use crate::sim::router::version::RosVersion;

/// Words of `service=`; what is up has one of all but the first.
const SERVICES: &[&str] = &["any", "async", "l2tp", "ovpn", "pppoe", "pptp", "sstp"];
const DEFAULT_OR: &[&str] = &["default", "no", "yes"];
const ENCRYPTION: &[&str] = &["default", "no", "required", "yes"];
/// Ids of what is up count from here in reality, so that they are not taken for those of secrets.
const ACTIVE_IDS_BEHIND: u32 = 0x7FFF_FFFF;
/// A day, a hundred times: no interval is longer.
const SPAN_MAX_MS: u64 = 8_640_000_000;
const ANY_NUMBER: Kind = Kind::Number(0, u64::MAX);

pub(super) fn menus() -> Vec<Menu> {
    vec![
        Menu::rows(path::SECRET, &SECRET)
            .unique(&["name", "service"], "failure: secret with the same name already exists"),
        Menu::rows(path::PROFILE, &PROFILE).unique(&["name"], "failure: profile with the same name already exists"),
        // No set: what is up can be looked at and hung up.
        Menu::made_by_the_router(path::ACTIVE, &ACTIVE).also(&[Verb::Remove]).ids_behind(ACTIVE_IDS_BEHIND),
        Menu::single(path::AAA, &AAA),
        Menu::rows(path::POOL, &POOL).unique(&["name"], "failure: pool with such name exists"),
    ]
}

const SECRET: [Field; 17] = [
    field("name", Kind::Name).required(),
    field("service", Kind::OneOf(SERVICES)).or("any"),
    text("caller-id").or(""),
    field("password", Kind::Secret).or(""),
    field("profile", Kind::NameIn(path::PROFILE)).or("default"),
    field("local-address", Kind::Text),
    field("remote-address", Kind::Text),
    text("routes").or(""),
    text("ipv6-routes").or("").from(RosVersion::V7_14),
    text("remote-ipv6-prefix"),
    field("limit-bytes-in", ANY_NUMBER).or("0"),
    field("limit-bytes-out", ANY_NUMBER).or("0"),
    shown("last-logged-out"),
    flag("disabled"),
    text("comment"),
    shown("last-caller-id"),
    shown("last-disconnect-reason"),
];

const PROFILE: [Field; 24] = [
    field("name", Kind::Name).required(),
    text("local-address"),
    text("remote-address"),
    text("dns-server"),
    text("wins-server"),
    field("session-timeout", Kind::Span(0, SPAN_MAX_MS)),
    field("idle-timeout", Kind::Span(0, SPAN_MAX_MS)),
    text("rate-limit"),
    field("only-one", Kind::OneOf(DEFAULT_OR)).or("default"),
    field("use-encryption", Kind::OneOf(ENCRYPTION)).or("default"),
    field("use-compression", Kind::OneOf(DEFAULT_OR)).or("default"),
    field("change-tcp-mss", Kind::OneOf(DEFAULT_OR)).or("default"),
    field("use-ipv6", Kind::OneOf(&["default", "no", "required", "yes"])).or("yes"),
    field("use-mpls", Kind::OneOf(&["default", "no", "required", "yes"])).or("default"),
    field("use-upnp", Kind::OneOf(DEFAULT_OR)).or("default"),
    text("address-list").or(""),
    text("incoming-filter"),
    text("outgoing-filter"),
    field("interface-list", Kind::NameIn("/interface/list")),
    text("on-up").or(""),
    text("on-down").or(""),
    text("remote-ipv6-prefix-pool"),
    text("comment"),
    shown("default"),
];

const ACTIVE: [Field; 11] = [
    shown("name"),
    shown("service"),
    shown("caller-id"),
    shown("address"),
    shown("uptime"),
    shown("encoding"),
    shown("session-id"),
    shown("limit-bytes-in"),
    shown("limit-bytes-out"),
    shown("radius"),
    shown("comment"),
];

const AAA: [Field; 5] = [
    flag("use-radius"),
    field("accounting", Kind::Flag).or("yes"),
    field("interim-update", Kind::Span(0, SPAN_MAX_MS)).or("0s"),
    flag("use-circuit-id-in-nas-port-id"),
    flag("enable-ipv6-accounting").from(RosVersion::V7_14),
];

const POOL: [Field; 4] =
    [field("name", Kind::Name).required(), text("ranges").required(), text("next-pool"), text("comment")];
