//! `/system`, `/user`, `/ip/service`, `/certificate`, `/log`: the router itself and who may use it.

use super::path;
use crate::sim::router::state::kind::Kind;
use crate::sim::router::state::menu::{Field, Menu, Verb, field, flag, shown, text};
use crate::sim::router::version::RosVersion;

const SERVICE_VERBS: [Verb; 3] = [Verb::Set, Verb::Enable, Verb::Disable];

pub(super) fn menus(version: RosVersion) -> Vec<Menu> {
    let policy = field("policy", Kind::Policies(version.policies())).or("");
    let group = [field("name", Kind::Name).required(), policy, text("skin").or("default"), text("comment")];
    vec![
        Menu::bare("/system", &[Verb::Reboot]),
        Menu::single(path::IDENTITY, &[text("name")]),
        Menu::single(path::RESOURCE, &RESOURCE).without(Verb::Set),
        Menu::single(path::CLOCK, &CLOCK),
        Menu::single("/system/ntp/client", &NTP),
        Menu::made_by_the_router(path::PACKAGE, &PACKAGE).also(&[Verb::Enable, Verb::Disable]),
        Menu::rows(path::USER, &USER).unique(&["name"], "failure: user with the same name already exists"),
        Menu::rows(path::GROUP, &group).unique(&["name"], "failure: group with the same name already exists"),
        Menu::made_by_the_router(path::USER_ACTIVE, &USER_ACTIVE).also(&[Verb::Remove]),
        Menu::made_by_the_router(path::SERVICE, &SERVICE).also(&SERVICE_VERBS),
        Menu::rows(path::CERTIFICATE, &CERTIFICATE)
            .unique(&["name"], "failure: certificate with the same name already exists")
            .also(&[Verb::Sign]),
        Menu::made_by_the_router(path::LOG, &LOG),
    ]
}

const RESOURCE: [Field; 20] = [
    shown("uptime"),
    shown("version"),
    shown("build-time"),
    shown("factory-software"),
    shown("free-memory"),
    shown("total-memory"),
    shown("cpu"),
    shown("cpu-count"),
    shown("cpu-frequency"),
    shown("cpu-load"),
    shown("free-hdd-space"),
    shown("total-hdd-space"),
    shown("write-sect-since-reboot"),
    shown("write-sect-total"),
    shown("bad-blocks"),
    shown("architecture-name"),
    shown("board-name"),
    shown("platform"),
    shown("license-id"),
    shown("board-id"),
];

const CLOCK: [Field; 6] = [
    shown("date"),
    shown("time"),
    field("time-zone-autodetect", Kind::Flag).or("yes"),
    text("time-zone-name").or("UTC"),
    shown("gmt-offset").or("+00:00"),
    shown("dst-active"),
];

const PACKAGE: [Field; 8] = [
    shown("name"),
    shown("version"),
    shown("build-time"),
    shown("scheduled").or(""),
    shown("size"),
    shown("bundle").or(""),
    shown("available").from(RosVersion::V7_18),
    flag("disabled"),
];

const NTP: [Field; 6] = [
    flag("enabled"),
    text("mode").or("unicast"),
    text("servers").or("").from(RosVersion::V7_14),
    text("primary-ntp").or("0.0.0.0").before(RosVersion::V7_14),
    text("secondary-ntp").or("0.0.0.0").before(RosVersion::V7_14),
    text("server-dns-names").or("").before(RosVersion::V7_14),
];

const USER: [Field; 9] = [
    field("name", Kind::Name).required(),
    field("group", Kind::NameIn(path::GROUP)).required(),
    text("address").or(""),
    field("password", Kind::Secret).or("").never_shown(),
    shown("last-logged-in"),
    shown("expired").from(RosVersion::V7_14),
    text("inactivity-timeout").or("10m").from(RosVersion::V7_18),
    flag("disabled"),
    text("comment"),
];

const USER_ACTIVE: [Field; 7] =
    [shown("when"), shown("name"), shown("address"), shown("via"), shown("group"), shown("radius"), shown("by-romon")];

const SERVICE: [Field; 15] = [
    shown("name"),
    field("port", Kind::Number(1, 65_535)),
    text("address").or(""),
    field("certificate", Kind::NameInOr(path::CERTIFICATE, "none")),
    field("tls-version", Kind::OneOf(&["any", "only-1.2"])),
    text("vrf").or("main").from(RosVersion::V7_14),
    field("max-sessions", Kind::Number(1, 1000)).or("20").from(RosVersion::V7_18),
    shown("proto").from(RosVersion::V7_18),
    shown("dynamic").from(RosVersion::V7_22),
    shown("connection").from(RosVersion::V7_22),
    shown("local").from(RosVersion::V7_22),
    shown("remote").from(RosVersion::V7_22),
    shown("invalid"),
    flag("disabled"),
    text("comment").from(RosVersion::V7_22),
];

const CERTIFICATE: [Field; 14] = [
    field("name", Kind::Name).required(),
    text("common-name").or(""),
    text("subject-alt-name").or(""),
    text("key-usage")
        .or("digital-signature,key-encipherment,data-encipherment,key-cert-sign,crl-sign,tls-server,tls-client"),
    text("key-size").or("2048"),
    text("days-valid").or("365"),
    text("trusted").or("false"),
    shown("private-key"),
    shown("fingerprint"),
    shown("issued"),
    shown("invalid-before"),
    shown("invalid-after"),
    shown("serial-number"),
    shown("expired"),
];

const LOG: [Field; 5] = [
    shown("time"),
    shown("topics"),
    shown("message"),
    shown("buffer").or("memory").from(RosVersion::V7_14),
    shown("extra-info").from(RosVersion::V7_14),
];
