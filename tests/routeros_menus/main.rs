//! What the use cases ask of a router over its API, menu by menu, against menus that are tables.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/machine.rs"]
mod machine;
#[path = "../support/menus.rs"]
mod menus;

mod account;
mod command;
mod connection;
mod lease;
mod rule;

const ACTIVE: &str = "/ppp/active";
const FILTER: &str = "/ip/firewall/filter";
const LIST: &str = "/ip/firewall/address-list";
const LIST_V6: &str = "/ipv6/firewall/address-list";
const SECRET: &str = "/ppp/secret";
const USERS: &str = "/user-manager/user";
const SESSIONS: &str = "/user-manager/session";
const OLD_USERS: &str = "/tool/user-manager/user";
const OLD_SESSIONS: &str = "/tool/user-manager/session";
