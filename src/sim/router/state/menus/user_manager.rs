//! User Manager: `/user-manager` of version 7, `/tool/user-manager` of version 6 with its own names.

use super::path;
use crate::sim::router::state::kind::Kind;
use crate::sim::router::state::menu::{Field, Menu, Verb, field, flag, shown, text};
use crate::sim::router::version::RosVersion;

const PORT: Kind = Kind::Number(1, 65_535);
const SHARED_USERS: Field = field("shared-users", Kind::NumberOr(1, 65_535, "unlimited")).or("1");
const USER_TAKEN: &str = "failure: user with the same name already exists";
const TAKEN: &str = "failure: already have such entry";

pub(super) fn menus() -> Vec<Menu> {
    [version_7(), version_6()].concat()
}

fn version_7() -> Vec<Menu> {
    let menus = [
        Menu::single(path::UM, &SETTINGS),
        Menu::rows(path::UM_USER, &USER).unique(&["name"], USER_TAKEN).also(&[Verb::Monitor]),
        Menu::rows(path::UM_GROUP, &GROUP).unique(&["name"], TAKEN),
        Menu::made_by_the_router(path::UM_SESSION, &SESSION).also(&[Verb::Remove, Verb::CloseSession]),
        Menu::rows(path::UM_PROFILE, &PROFILE).unique(&["name"], TAKEN),
        Menu::rows(path::UM_USER_PROFILE, &USER_PROFILE).also(&[Verb::ActivateProfile]),
        Menu::rows("/user-manager/router", &ROUTER).unique(&["name"], TAKEN),
        Menu::rows("/user-manager/limitation", &LIMITATION).unique(&["name"], TAKEN),
    ];
    menus.into_iter().map(|menu| menu.from(RosVersion::V7_14)).collect()
}

fn version_6() -> Vec<Menu> {
    let menus = [
        Menu::rows(path::UM_V6_CUSTOMER, &CUSTOMER_V6).unique(&["login"], TAKEN),
        Menu::rows(path::UM_V6_USER, &USER_V6).unique(&["username"], USER_TAKEN).also(&[Verb::ActivateProfile]),
        // No close-session: removing the record is all there is.
        Menu::made_by_the_router(path::UM_V6_SESSION, &SESSION_V6).also(&[Verb::Remove]),
        Menu::rows(path::UM_V6_PROFILE, &PROFILE_V6).unique(&["name"], TAKEN),
        Menu::rows("/tool/user-manager/router", &ROUTER_V6).unique(&["name"], TAKEN),
    ];
    menus.into_iter().map(|menu| menu.before(RosVersion::V7_14)).collect()
}

const SETTINGS: [Field; 6] = [
    flag("enabled"),
    field("authentication-port", PORT).or("1812"),
    field("accounting-port", PORT).or("1813"),
    text("certificate").or("none"),
    flag("use-profiles"),
    field("require-message-auth", Kind::OneOf(&["no", "yes-access-request"]))
        .or("yes-access-request")
        .from(RosVersion::V7_18),
];

const USER: [Field; 9] = [
    field("name", Kind::Name).required(),
    field("password", Kind::Secret).or(""),
    field("otp-secret", Kind::Secret).or(""),
    field("group", Kind::NameIn(path::UM_GROUP)).or("default"),
    SHARED_USERS,
    text("caller-id"),
    text("attributes").or(""),
    flag("disabled"),
    text("comment"),
];

const GROUP: [Field; 6] = [
    field("name", Kind::Name).required(),
    text("outer-auths").or("pap,chap,mschap1,mschap2,eap-tls,eap-ttls,eap-peap,eap-mschap2"),
    text("inner-auths").or("ttls-pap,ttls-chap,ttls-mschap1,ttls-mschap2,peap-mschap2"),
    text("attributes").or(""),
    shown("default-name"),
    text("comment"),
];

const SESSION: [Field; 17] = [
    shown("user"),
    shown("acct-session-id"),
    shown("acct-multi-session-id"),
    shown("nas-port-type"),
    shown("nas-port-id"),
    shown("nas-ip-address"),
    shown("nas-identifier"),
    shown("calling-station-id"),
    shown("user-address"),
    shown("status"),
    shown("started"),
    shown("ended"),
    shown("terminate-cause"),
    shown("uptime"),
    shown("download"),
    shown("upload"),
    shown("active"),
];

const PROFILE: [Field; 7] = [
    field("name", Kind::Name).required(),
    text("name-for-users").or(""),
    text("validity").or("unlimited"),
    field("starts-when", Kind::OneOf(&["assigned", "first-auth"])).or("assigned"),
    text("price").or("0"),
    field("override-shared-users", Kind::NumberOr(1, 65_535, "off")).or("off"),
    text("comment"),
];

const USER_PROFILE: [Field; 4] = [
    field("user", Kind::NameIn(path::UM_USER)).required(),
    field("profile", Kind::NameIn(path::UM_PROFILE)).required(),
    shown("state").or("running-active"),
    shown("end-time"),
];

const ROUTER: [Field; 7] = [
    field("name", Kind::Name).required(),
    field("address", Kind::Address).required(),
    text("protocol").or("udp"),
    field("shared-secret", Kind::Secret).or(""),
    field("coa-port", PORT).or("3799"),
    flag("disabled"),
    text("comment"),
];

const LIMITATION: [Field; 5] = [
    field("name", Kind::Name).required(),
    text("rate-limit-rx").or("0B"),
    text("rate-limit-tx").or("0B"),
    text("uptime-limit").or("0s"),
    text("comment"),
];

const CUSTOMER_V6: [Field; 4] = [
    field("login", Kind::Name).required(),
    field("password", Kind::Secret).or(""),
    field("permissions", Kind::OneOf(&["owner", "full", "read-write", "read-only"])).or("owner"),
    flag("disabled"),
];

const USER_V6: [Field; 13] = [
    text("customer").required(),
    field("username", Kind::Name).required(),
    field("password", Kind::Secret).or(""),
    SHARED_USERS,
    text("caller-id"),
    text("ip-address"),
    shown("actual-profile"),
    shown("uptime-used").or("0s"),
    shown("download-used").or("0"),
    shown("upload-used").or("0"),
    shown("active-sessions"),
    flag("disabled"),
    text("comment"),
];

const SESSION_V6: [Field; 13] = [
    shown("customer"),
    shown("user"),
    shown("nas-port-id"),
    shown("calling-station-id"),
    shown("acct-session-id"),
    shown("user-ip"),
    shown("from-time"),
    shown("till-time"),
    shown("terminate-cause"),
    shown("uptime"),
    shown("download"),
    shown("upload"),
    shown("active"),
];

const PROFILE_V6: [Field; 4] =
    [field("name", Kind::Name).required(), text("owner").or("admin"), text("validity").or("0s"), text("price").or("0")];

const ROUTER_V6: [Field; 6] = [
    field("name", Kind::Name).required(),
    text("customer").or("admin"),
    field("ip-address", Kind::Address).required(),
    field("shared-secret", Kind::Secret).or(""),
    flag("disabled"),
    text("comment"),
];
