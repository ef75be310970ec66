//! A router in memory, for tests: menus with rows, that knows which properties its version has.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::command::{Ask, Console, Row, id, is};
use crate::domain::api::{Api, ApiAddress, OldLogIn, Trust};
use crate::domain::id::RouterId;
use crate::domain::router::{COA_PORT, Demand, Leases, Router, Scheme};
use crate::gate::router_api::ApiFault;
use crate::secret::Secret;

/// A row from what it shows.
pub fn row(shown: &[(&str, &str)]) -> Row {
    shown.iter().map(|(property, value)| ((*property).to_owned(), (*value).to_owned())).collect()
}

/// The router as radgram knows it.
pub fn router() -> Router {
    Router {
        id: RouterId(1),
        name: "office".to_owned(),
        address: "192.0.2.1/32".parse().unwrap(),
        nas_identifier: None,
        old_secret: None,
        secret: Secret::new("swordfish"),
        coa_port: COA_PORT,
        message_authenticator: Demand::Auto,
        scheme: Scheme::Radius,
        api: Some(Api {
            address: ApiAddress { host: "192.0.2.1".to_owned(), port: None },
            user: "radgram".to_owned(),
            password: Secret::new("pikestaff"),
            trust: Trust::Pinned(None),
            old_log_in: OldLogIn::Refused,
        }),
        leases: Leases::On,
        version: 1,
        attributes: std::sync::Arc::default(),
        home: None,
        radsec: None,
    }
}

/// Menus of one row, with what they show at first.
const SINGLE: &[(&str, &[(&str, &str)])] = &[
    ("/system/clock", &[("date", "2024-02-05"), ("time", "10:47:44"), ("gmt-offset", "+00:00")]),
    ("/system/ntp/client", &[("enabled", "false")]),
    ("/ppp/aaa", &[("use-radius", "false"), ("accounting", "true"), ("interim-update", "0s")]),
    ("/radius/incoming", &[("accept", "false"), ("port", "3799")]),
    ("/interface/l2tp-server/server", SERVER),
    ("/interface/sstp-server/server", SERVER),
    ("/interface/pptp-server/server", SERVER),
];

const SERVER: &[(&str, &str)] = &[
    ("enabled", "false"),
    ("authentication", "mschap1,mschap2"),
    ("default-profile", "default-encryption"),
    ("certificate", "none"),
];

/// Menus of rows, with the properties that a new row may have.
const LISTS: &[(&str, &[&str])] = &[
    ("/system/package", &[]),
    ("/user", &["name", "group", "password", "address", "comment", "disabled"]),
    ("/user/group", &["name", "policy"]),
    ("/ip/service", &["name", "port", "address", "certificate", "disabled"]),
    (
        "/radius",
        &[
            "service",
            "address",
            "secret",
            "authentication-port",
            "accounting-port",
            "timeout",
            "src-address",
            "called-id",
            "domain",
            "realm",
            "accounting-backup",
            "comment",
            "disabled",
        ],
    ),
    ("/ppp/secret", &["name", "password", "service", "profile", "disabled", "comment"]),
    ("/ppp/profile", &["name", "interface-list", "change-tcp-mss", "only-one", "use-ipv6", "local-address", "comment"]),
    ("/interface/list", &["name", "comment"]),
    ("/interface/pppoe-server/server", &[]),
    ("/certificate", &["name", "common-name", "days-valid", "key-usage"]),
    (
        "/ip/firewall/filter",
        &["chain", "action", "comment", "disabled", "src-address", "src-address-list", "in-interface-list"],
    ),
    ("/ip/firewall/address-list", &["list", "address", "timeout", "comment", "disabled"]),
];

/// Rows of a new router.
const ROWS: &[(&str, &[(&str, &str)])] = &[
    ("/user/group", &[("name", "full"), ("policy", "local,ssh,api,read,write,policy,sensitive")]),
    ("/user", &[("name", "admin"), ("group", "full")]),
    ("/ip/service", &[("name", "api"), ("port", "8728"), ("address", ""), ("disabled", "false")]),
    (
        "/ip/service",
        &[("name", "api-ssl"), ("port", "8729"), ("address", ""), ("certificate", "none"), ("disabled", "false")],
    ),
    ("/ppp/profile", &[("name", "default"), ("only-one", "default")]),
    ("/ppp/profile", &[("name", "default-encryption"), ("only-one", "default")]),
];

#[derive(Debug, Default)]
struct Menu {
    known: Option<Vec<&'static str>>,
    rows: Vec<Row>,
}

/// The router.
pub struct Machine {
    menus: Mutex<BTreeMap<&'static str, Menu>>,
    /// Menus that it does not let us see.
    pub forbidden: Vec<&'static str>,
}

impl Machine {
    /// A new router of this version.
    pub fn new(version: &str) -> Self {
        let number = |at: usize| version.split(['.', ' ']).nth(at).unwrap().parse::<u32>().unwrap();
        let version_number = (number(0), number(1));
        let mut menus = BTreeMap::new();
        let resource = row(&[("version", version)]);
        menus.insert("/system/resource", Menu { known: None, rows: vec![resource] });
        for (menu, shown) in SINGLE {
            menus.insert(*menu, Menu { known: None, rows: vec![row(shown)] });
        }
        for (menu, known) in LISTS {
            menus.insert(*menu, Menu { known: Some(known.to_vec()), rows: Vec::new() });
        }
        // A list since 7.17, with one server before.
        let ovpn = match version_number >= (7, 17) {
            true => Menu { known: Some(Vec::new()), rows: Vec::new() },
            false => Menu { known: None, rows: vec![row(&[("enabled", "false"), ("default-profile", "default")])] },
        };
        menus.insert("/interface/ovpn-server/server", ovpn);
        if version_number >= (7, 15) {
            menus.get_mut("/radius").unwrap().known.as_mut().unwrap().push("require-message-auth");
        }
        let machine = Self { menus: Mutex::new(menus), forbidden: Vec::new() };
        ROWS.iter().for_each(|(menu, shown)| machine.put(menu, shown));
        machine
    }

    /// A further row.
    pub fn put(&self, menu: &str, shown: &[(&str, &str)]) {
        self.add(menu, row(shown));
    }

    /// The rows of a menu.
    pub fn rows(&self, menu: &str) -> Vec<Row> {
        self.menus.lock().unwrap_or_else(PoisonError::into_inner)[menu].rows.clone()
    }

    /// Changes the rows of a menu.
    pub fn change(&self, menu: &str, change: impl FnOnce(&mut Vec<Row>)) {
        change(&mut self.menus.lock().unwrap_or_else(PoisonError::into_inner).get_mut(menu).unwrap().rows);
    }

    /// Everything, to see whether it changed.
    pub fn all(&self) -> String {
        format!("{:?}", self.menus.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, menu: &str, mut new: Row) {
        if menu == "/radius" && self.knows(menu, "require-message-auth") {
            new.entry("require-message-auth".to_owned()).or_insert_with(|| "yes-for-request-resp".to_owned());
        }
        new.entry(".id".to_owned()).or_insert_with(|| format!("*{:X}", self.rows(menu).len() + 1));
        self.change(menu, |rows| rows.push(new));
    }

    fn knows(&self, menu: &str, property: &str) -> bool {
        let menus = self.menus.lock().unwrap_or_else(PoisonError::into_inner);
        match &menus[menu].known {
            Some(known) => known.contains(&property),
            None => menus[menu].rows[0].contains_key(property),
        }
    }

    /// What an `add` or `set` says, as it is printed afterwards.
    fn said(&self, menu: &str, ask: &Ask) -> Result<Row, ApiFault> {
        let mut said = Row::new();
        for (property, value) in ask.arguments.iter().filter(|(property, _)| property != ".id") {
            if !self.knows(menu, property) {
                return Err(ApiFault::Refused(format!("unknown parameter {property}")));
            }
            let value = match std::str::from_utf8(value).unwrap() {
                "yes" => "true",
                "no" => "false",
                other => other,
            };
            said.insert(property.clone(), value.to_owned());
        }
        Ok(said)
    }

    fn find(&self, menu: &str, wanted: &str) -> Result<usize, ApiFault> {
        let at = self.rows(menu).iter().position(|row| id(row) == Some(wanted));
        at.ok_or_else(|| ApiFault::Gone("no such item".to_owned()))
    }

    fn print(&self, menu: &str, ask: &Ask) -> Vec<Row> {
        let wanted = argument(ask, ".proplist");
        let wanted: Vec<&str> = wanted.split(',').collect();
        let asked = |row: &Row| ask.queries.iter().all(|(property, value)| row.get(property) == Some(value));
        let shown = |row: Row| row.into_iter().filter(|(name, _)| wanted.contains(&name.as_str())).collect();
        self.rows(menu).into_iter().filter(asked).map(shown).collect()
    }

    fn obey(&self, menu: &str, verb: &str, ask: &Ask) -> Result<Vec<Row>, ApiFault> {
        let meant = || self.find(menu, &argument(ask, ".id"));
        match verb {
            "print" => return Ok(self.print(menu, ask)),
            "add" => {
                let new = self.said(menu, ask)?;
                let same = |row: &Row| new.contains_key("name") && row.get("name") == new.get("name");
                if self.rows(menu).iter().any(same) {
                    return Err(ApiFault::Refused("failure: already have such entry".to_owned()));
                }
                self.add(menu, new);
            }
            "set" => {
                let said = self.said(menu, ask)?;
                let at = if SINGLE.iter().any(|(single, _)| *single == menu) { 0 } else { meant()? };
                self.change(menu, |rows| rows[at].extend(said));
            }
            "enable" | "disable" => {
                let (at, disabled) = (meant()?, (verb == "disable").to_string());
                self.change(menu, |rows| drop(rows[at].insert("disabled".to_owned(), disabled)));
            }
            "remove" => {
                let at = meant()?;
                self.change(menu, |rows| drop(rows.remove(at)));
            }
            "move" => {
                let from = self.find(menu, &argument(ask, "numbers"))?;
                let to = self.find(menu, &argument(ask, "destination"))?;
                self.change(menu, |rows| {
                    let moved = rows.remove(from);
                    rows.insert(if from < to { to - 1 } else { to }, moved);
                });
            }
            "sign" => {
                let at = self.find(menu, &argument(ask, "number"))?;
                let refused = is(&self.rows(menu)[at], "private-key");
                if refused {
                    return Err(ApiFault::Refused("failure: already signed".to_owned()));
                }
                self.change(menu, |rows| drop(rows[at].insert("private-key".to_owned(), "true".to_owned())));
            }
            "monitor" => {
                self.find(menu, &argument(ask, "numbers"))?;
                let counters =
                    [("requests", "9"), ("accepts", "4"), ("rejects", "4"), ("timeouts", "1"), ("bad-replies", "0")];
                return Ok(vec![row(&counters)]);
            }
            _ => return Err(ApiFault::Refused("no such command".to_owned())),
        }
        Ok(Vec::new())
    }
}

fn argument(ask: &Ask, name: &str) -> String {
    let value = ask.arguments.iter().find(|(argument, _)| argument == name).map(|(_, value)| value.clone());
    String::from_utf8(value.unwrap_or_default()).unwrap()
}

#[async_trait]
impl Console for Machine {
    async fn ask(&self, _: &Router, ask: &Ask) -> Result<Vec<Row>, ApiFault> {
        let (menu, verb) = ask.command.rsplit_once('/').unwrap();
        let is_known = self.menus.lock().unwrap_or_else(PoisonError::into_inner).contains_key(menu);
        if !is_known {
            return Err(ApiFault::NoMenu(menu.to_owned()));
        }
        if self.forbidden.contains(&menu) {
            return Err(ApiFault::Forbidden("not enough permissions (9)".to_owned()));
        }
        self.obey(menu, verb, ask)
    }
}
