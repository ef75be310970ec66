//! `/interface`: what packets come in by, and the servers of VPNs.

use super::path;
use crate::sim::router::state::kind::Kind;
use crate::sim::router::state::menu::{Field, Menu, Verb, field, flag, shown, text};
use crate::sim::router::version::RosVersion;

const METHODS: &[&str] = &["pap", "chap", "mschap1", "mschap2"];
const AUTHENTICATION: Field = field("authentication", Kind::AnyOf(METHODS)).or("pap,chap,mschap1,mschap2");
const ENABLED: Field = flag("enabled");
const PROFILE: Field = field("default-profile", Kind::NameIn(path::PROFILE)).or("default-encryption");
const MTU: Field = field("max-mtu", Kind::Number(68, 65_535)).or("1450");
const MRU: Field = field("max-mru", Kind::Number(68, 65_535)).or("1450");
const KEEPALIVE: Field = field("keepalive-timeout", Kind::NumberOr(0, 86_400, "disabled")).or("30");
const MAX_SESSIONS: Field = field("max-sessions", Kind::NumberOr(1, 65_535, "unlimited")).or("unlimited");

pub(super) fn menus() -> Vec<Menu> {
    let mut menus = vec![
        Menu::made_by_the_router(path::INTERFACE, &INTERFACE).also(&[
            Verb::Set,
            Verb::Enable,
            Verb::Disable,
            Verb::Comment,
            Verb::ResetCounters,
        ]),
        Menu::rows("/interface/list", &LIST)
            .unique(&["name"], "failure: interface list with the same name already exists"),
        Menu::rows(path::LIST_MEMBER, &MEMBER).unique(&["list", "interface"], "failure: already have such member"),
        Menu::ordered(path::QUEUE, &QUEUE).unique(&["name"], "failure: already have such name"),
        Menu::single("/interface/l2tp-server/server", &L2TP),
        Menu::single("/interface/sstp-server/server", &SSTP),
        Menu::single("/interface/pptp-server/server", &PPTP),
        Menu::single("/interface/ovpn-server/server", &OVPN_SINGLE).before(RosVersion::V7_18),
        Menu::rows("/interface/ovpn-server/server", &OVPN_ROWS).from(RosVersion::V7_18),
        Menu::rows("/interface/pppoe-server/server", &PPPOE),
    ];
    let bindings = [
        "/interface/l2tp-server",
        "/interface/sstp-server",
        "/interface/pptp-server",
        "/interface/ovpn-server",
        "/interface/pppoe-server",
    ];
    menus.extend(bindings.map(|path| Menu::rows(path, &BINDING)));
    menus
}

const INTERFACE: [Field; 17] = [
    field("name", Kind::Name),
    shown("default-name"),
    shown("type"),
    field("mtu", Kind::NumberOr(68, 65_535, "auto")),
    shown("actual-mtu"),
    shown("mac-address"),
    shown("last-link-up-time"),
    shown("link-downs"),
    shown("rx-byte"),
    shown("tx-byte"),
    shown("rx-packet"),
    shown("tx-packet"),
    shown("dynamic"),
    shown("running"),
    shown("slave"),
    flag("disabled"),
    text("comment"),
];

const LIST: [Field; 6] = [
    field("name", Kind::Name).required(),
    text("include").or(""),
    text("exclude").or(""),
    shown("builtin"),
    shown("dynamic"),
    text("comment"),
];

const MEMBER: [Field; 5] = [
    field("list", Kind::NameIn("/interface/list")).required(),
    field("interface", Kind::NameIn(path::INTERFACE)).required(),
    shown("dynamic"),
    flag("disabled"),
    text("comment"),
];

const QUEUE: [Field; 6] = [
    field("name", Kind::Name),
    text("target").required(),
    text("max-limit").or("0/0"),
    shown("dynamic"),
    flag("disabled"),
    text("comment"),
];

const BINDING: [Field; 12] = [
    field("name", Kind::Name),
    text("user").or(""),
    shown("mtu"),
    shown("mru"),
    shown("client-address"),
    shown("caller-id"),
    shown("uptime"),
    shown("encoding"),
    shown("running"),
    shown("dynamic"),
    flag("disabled"),
    text("comment"),
];

const L2TP: [Field; 16] = [
    ENABLED,
    MTU,
    MRU,
    text("mrru").or("disabled"),
    AUTHENTICATION,
    KEEPALIVE,
    MAX_SESSIONS,
    PROFILE,
    field("use-ipsec", Kind::OneOf(&["no", "required", "yes"])).or("no"),
    field("ipsec-secret", Kind::Secret).or(""),
    field("caller-id-type", Kind::OneOf(&["ip-address", "number"])).or("ip-address"),
    flag("one-session-per-host"),
    flag("allow-fast-path"),
    field("accept-proto-version", Kind::OneOf(&["all", "l2tpv2", "l2tpv3"])).or("all").from(RosVersion::V7_14),
    field("accept-pseudowire-type", Kind::OneOf(&["all", "ether", "ppp"])).or("all").from(RosVersion::V7_14),
    text("l2tpv3-circuit-id").or("").from(RosVersion::V7_14),
];

const SSTP: [Field; 13] = [
    ENABLED,
    field("port", Kind::Number(1, 65_535)).or("443"),
    MTU,
    MRU,
    text("mrru").or("disabled"),
    AUTHENTICATION,
    KEEPALIVE,
    PROFILE,
    text("certificate").or("none"),
    flag("verify-client-certificate"),
    field("tls-version", Kind::OneOf(&["any", "only-1.2"])).or("any"),
    flag("pfs"),
    text("ciphers").or("aes256-sha,aes256-gcm-sha384").from(RosVersion::V7_18),
];

const PPTP: [Field; 7] = [ENABLED, MTU, MRU, text("mrru").or("disabled"), AUTHENTICATION, KEEPALIVE, PROFILE];

const OVPN_SINGLE: [Field; 7] = [
    ENABLED,
    field("port", Kind::Number(1, 65_535)).or("1194"),
    field("mode", Kind::OneOf(&["ip", "ethernet"])).or("ip"),
    field("default-profile", Kind::NameIn(path::PROFILE)).or("default"),
    text("certificate").or("none"),
    flag("require-client-certificate"),
    field("protocol", Kind::OneOf(&["tcp", "udp"])).or("tcp").from(RosVersion::V7_14),
];

const OVPN_ROWS: [Field; 10] = [
    field("name", Kind::Name).or("ovpn-server1"),
    field("port", Kind::Number(1, 65_535)).or("1194"),
    field("mode", Kind::OneOf(&["ip", "ethernet"])).or("ip"),
    field("protocol", Kind::OneOf(&["tcp", "udp"])).or("tcp"),
    field("default-profile", Kind::NameIn(path::PROFILE)).or("default"),
    text("certificate").or("none"),
    flag("require-client-certificate"),
    field("user-auth-method", Kind::OneOf(&["pap", "mschap2"])).or("pap"),
    flag("disabled"),
    text("comment"),
];

const PPPOE: [Field; 8] = [
    text("service-name").or("service1"),
    text("interface").or("ether1"),
    AUTHENTICATION,
    field("default-profile", Kind::NameIn(path::PROFILE)).or("default"),
    flag("one-session-per-host"),
    MAX_SESSIONS,
    flag("disabled"),
    text("comment"),
];
