//! A healthy router as the doctor sees it, to be made ill one way at a time.

use std::time::Duration;

use super::super::machine::row;
use super::super::script::DROP_RULE;
use super::inventory::{
    AAA, ADDRESS_LIST, CLOCK, FILTER, GROUP, INCOMING, Inventory, MONITOR, NTP, PACKAGE, PROFILE, RADIUS, RESOURCE,
    SECRET, SERVERS, SERVICE, USER,
};
use super::judge;
use crate::clock::Timestamp;
use crate::domain::router::{COA_PORT, Router, Scheme};
use crate::gate::router_api::{Expected, Gravity, Report, typed};

pub use super::super::machine::router;

/// What is expected of it.
pub fn expected() -> Expected {
    Expected {
        server: "192.0.2.10".parse().unwrap(),
        auth_port: 1812,
        acct_port: 1813,
        radsec_port: None,
        coa_port: COA_PORT,
        interim: Duration::from_secs(60),
        accounts: vec!["ann".to_owned()],
        rules: Vec::new(),
        api_user: "radgram".to_owned(),
        // 2024-02-05 10:47:44 UTC
        now: Timestamp::from_millis(1_707_130_064_000),
    }
}

/// What admins read.
const GUIDE: &str = include_str!("../../../docs/routers.md");

/// A menu's rows, as they are shown.
type Shown = (&'static str, &'static [&'static [(&'static str, &'static str)]]);

/// What a router shows on which everything is right, but for its servers.
const HEALTHY: &[Shown] = &[
    (RESOURCE, &[&[("version", "7.22 (stable)")]]),
    (CLOCK, &[&[("date", "2024-02-05"), ("time", "10:47:44"), ("gmt-offset", "+00:00")]]),
    (NTP, &[&[("enabled", "true")]]),
    (USER, &[&[("name", "radgram"), ("group", "radgram")]]),
    (GROUP, &[&[("name", "radgram"), ("policy", "api,read,write,!ftp,!policy")]]),
    (
        SERVICE,
        &[
            &[("name", "api"), ("address", ""), ("disabled", "false")],
            &[("name", "api-ssl"), ("address", "192.0.2.10/32"), ("disabled", "false")],
        ],
    ),
    (AAA, &[&[("use-radius", "true"), ("accounting", "true"), ("interim-update", "1m")]]),
    (
        RADIUS,
        &[&[
            (".id", "*1"),
            ("service", "ppp"),
            ("address", "192.0.2.10"),
            ("authentication-port", "1812"),
            ("accounting-port", "1813"),
            ("timeout", "3s"),
            ("protocol", "udp"),
            ("require-message-auth", "yes-for-request-resp"),
            ("disabled", "false"),
        ]],
    ),
    (MONITOR, &[&[("requests", "20"), ("accepts", "12"), ("rejects", "8"), ("timeouts", "0"), ("bad-replies", "0")]]),
    (INCOMING, &[&[("accept", "true"), ("port", "3799")]]),
    (SECRET, &[]),
    (
        PROFILE,
        &[
            &[("name", "default"), ("only-one", "default")],
            &[("name", "default-encryption"), ("only-one", "default")],
            &[("name", "radgram"), ("only-one", "default"), ("interface-list", "radgram")],
        ],
    ),
    (ADDRESS_LIST, &[&[("list", "radgram"), ("address", "10.8.0.5"), ("dynamic", "true")]]),
    (
        FILTER,
        &[
            &[("chain", "forward"), ("action", "accept"), ("src-address-list", "radgram")],
            &[("chain", "forward"), ("action", "drop"), ("in-interface-list", "radgram"), ("comment", DROP_RULE)],
        ],
    ),
];

/// What is seen, of which router, against what is expected.
#[derive(Clone)]
pub struct Seen {
    inventory: Inventory,
    router: Router,
    expected: Expected,
}

impl Seen {
    /// A router of 7.22 on which everything is right, with leases on.
    pub fn healthy() -> Self {
        let mut inventory = Inventory::default();
        for (menu, rows) in HEALTHY {
            inventory.put(menu, Ok(rows.iter().map(|shown| row(shown)).collect()));
        }
        for (menu, kind) in SERVERS {
            let enabled = if kind == "l2tp" { "true" } else { "false" };
            let one = row(&[("enabled", enabled), ("authentication", "mschap2"), ("default-profile", "radgram")]);
            inventory.put(menu, Ok(if matches!(kind, "pppoe" | "ovpn") { Vec::new() } else { vec![one] }));
        }
        Self { inventory, router: router(), expected: expected() }
    }

    /// One that decides by its own accounts.
    pub fn api() -> Self {
        let mut seen = Self::healthy().of(Router { scheme: Scheme::Api, ..router() });
        seen.inventory.put(PACKAGE, Ok(vec![row(&[("name", "routeros")])]));
        seen
    }

    /// The same as another router.
    #[must_use]
    pub fn of(self, router: Router) -> Self {
        Self { router, ..self }
    }

    /// The same with other expectations.
    #[must_use]
    pub fn expecting(self, expected: Expected) -> Self {
        Self { expected, ..self }
    }

    /// With another value in the first row of a menu.
    #[must_use]
    pub fn with(self, menu: &'static str, property: &str, value: &str) -> Self {
        self.rows(menu, |rows| drop(rows[0].insert(property.to_owned(), value.to_owned())))
    }

    /// With another value in the row that has this one.
    #[must_use]
    pub fn with_where(self, menu: &'static str, key: &str, name: &str, property: &str, value: &str) -> Self {
        self.rows(menu, |rows| {
            let row = rows.iter_mut().find(|row| row[key] == name).unwrap();
            row.insert(property.to_owned(), value.to_owned());
        })
    }

    /// With a row at the end.
    #[must_use]
    pub fn row(self, menu: &'static str, shown: &[(&str, &str)]) -> Self {
        self.rows(menu, |rows| rows.push(row(shown)))
    }

    /// With a row at the beginning.
    #[must_use]
    pub fn first(self, menu: &'static str, shown: &[(&str, &str)]) -> Self {
        self.rows(menu, |rows| rows.insert(0, row(shown)))
    }

    /// Without the rows that have this value.
    #[must_use]
    pub fn without(self, menu: &'static str, key: &str, name: &str) -> Self {
        self.rows(menu, |rows| rows.retain(|row| row[key] != name))
    }

    /// With an empty menu.
    #[must_use]
    pub fn no_rows(self, menu: &'static str) -> Self {
        self.rows(menu, Vec::clear)
    }

    /// With something else for a menu.
    #[must_use]
    pub fn put(mut self, menu: &'static str, read: Result<Vec<super::super::command::Row>, super::ApiFault>) -> Self {
        self.inventory.put(menu, read);
        self
    }

    fn rows(mut self, menu: &'static str, change: impl FnOnce(&mut Vec<super::super::command::Row>)) -> Self {
        let mut rows = self.inventory.rows(menu).unwrap().to_vec();
        change(&mut rows);
        self.inventory.put(menu, Ok(rows));
        self
    }

    /// What the doctor says.
    pub fn report(&self) -> Report {
        judge(&self.inventory, &self.router, &self.expected)
    }

    /// It finds this alone, with these repairs as they are typed.
    #[track_caller]
    pub fn finds(&self, id: &str, gravity: Gravity, fix: &[&str]) -> Report {
        let report = self.finds_all(&[(id, gravity)]);
        let lines: Vec<String> = report.findings[0].fix.iter().map(ToString::to_string).collect();
        assert_eq!(lines, fix);
        assert!(!typed(&report.findings[0].fix).contains("swordfish"));
        report
    }

    /// It finds these alone.
    #[track_caller]
    pub fn finds_all(&self, expected: &[(&str, Gravity)]) -> Report {
        let report = self.report();
        let found: Vec<_> = report.findings.iter().map(|finding| (finding.id.as_str(), finding.gravity)).collect();
        assert_eq!(found, expected, "{report:#?}");
        for finding in &report.findings {
            assert!(finding.what.ends_with('.') && finding.why.ends_with('.'), "{finding:?}");
            let word = finding.id.split([':', '#']).next().unwrap();
            assert!(GUIDE.contains(&format!("`{word}")), "docs/routers.md does not say what {word} means");
        }
        report
    }

    /// It does not find this.
    #[track_caller]
    pub fn finds_not(&self, id: &str) {
        let report = self.report();
        assert!(report.findings.iter().all(|finding| finding.id != id), "{report:#?}");
    }

    /// It finds nothing.
    #[track_caller]
    pub fn finds_nothing(&self) {
        self.finds_all(&[]);
    }
}
