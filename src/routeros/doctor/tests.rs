//! The doctor as a whole.

use super::super::machine::Machine;
use super::fixture::{Seen, expected, router};
use super::inventory::{AAA, FILTER, RADIUS, SECRET};
use super::*;
use crate::gate::router_api::Gravity;

#[test]
fn nothing_is_found_on_a_healthy_router() {
    let report = Seen::healthy().report();
    assert!(report.findings.is_empty(), "{report:#?}");
    assert!(report.passed.len() > 15, "{report:#?}");
    assert!(report.passed.iter().all(|line| !line.is_empty()));
}

#[test]
fn a_router_with_accounts_of_its_own_is_not_asked_about_radius() {
    let seen = Seen::api().no_rows(RADIUS).with(AAA, "use-radius", "false").row(SECRET, &[("name", "ann")]);
    seen.finds("no_user_manager", Gravity::Note, &[]);
}

#[test]
fn what_may_not_be_read_is_a_finding_and_hides_nothing_else() {
    let forbidden = || Err(ApiFault::Forbidden("not enough permissions (9)".to_owned()));
    let seen = Seen::healthy().put(SECRET, forbidden()).with(AAA, "use-radius", "false");
    let report = seen.finds_all(&[("aaa_off", Gravity::Grave), ("unread:/ppp/secret", Gravity::Warning)]);
    assert!(!report.passed.iter().any(|line| line.contains("secret")), "{report:#?}");
}

#[test]
fn nothing_passes_where_nothing_was_read() {
    let report = judge(&Inventory::default(), &router(), &expected());
    assert_eq!(report, Report { passed: Vec::new(), findings: Vec::new() });
}

#[test]
fn the_gravest_is_said_first() {
    let seen = Seen::healthy().row(SECRET, &[("name", "bob")]).with(AAA, "accounting", "false");
    seen.finds_all(&[("accounting_off", Gravity::Grave), ("secret_outside", Gravity::Warning)]);
}

#[tokio::test]
async fn a_new_router_is_far_from_ready() {
    let machine = Machine::new("7.22 (stable)");
    let report = examine(&machine, &router(), &expected()).await.unwrap();
    let found: Vec<_> = report.findings.iter().map(|finding| finding.id.as_str()).collect();
    assert_eq!(found, ["aaa_off", "radius_missing", "incoming_off", "lease_unused", "api_user_remote", "api_open"]);
}

#[tokio::test]
async fn every_menu_that_may_not_be_read_is_named() {
    let mut machine = Machine::new("7.22 (stable)");
    let menus =
        ["/system/resource", "/system/clock", "/user", "/user/group", "/ip/service", AAA, RADIUS, SECRET, FILTER];
    machine.forbidden = menus.to_vec();
    let report = examine(&machine, &router(), &expected()).await.unwrap();
    for menu in menus {
        assert!(report.findings.iter().any(|finding| finding.id == format!("unread:{menu}")), "{menu}: {report:#?}");
    }
}

#[tokio::test]
async fn a_menu_that_is_empty_where_it_cannot_be_is_not_passed() {
    let machine = Machine::new("7.22 (stable)");
    machine.change(AAA, Vec::clear);
    let report = examine(&machine, &router(), &expected()).await.unwrap();
    assert!(report.findings.iter().any(|finding| finding.id == "unread:/ppp/aaa"), "{report:#?}");
}

struct Gone;

#[async_trait::async_trait]
impl Console for Gone {
    async fn ask(
        &self,
        _: &Router,
        _: &super::super::command::Ask,
    ) -> Result<Vec<super::super::command::Row>, ApiFault> {
        Err(ApiFault::Unreachable("time-out".to_owned()))
    }
}

#[tokio::test]
async fn a_router_out_of_reach_has_no_report() {
    let fault = examine(&Gone, &router(), &expected()).await.unwrap_err();
    assert!(fault.is_passing());
}

/// Asks nothing but what was listed to be asked.
struct Watched(Machine, std::sync::Mutex<Vec<String>>);

#[async_trait::async_trait]
impl Console for Watched {
    async fn ask(
        &self,
        router: &Router,
        ask: &super::super::command::Ask,
    ) -> Result<Vec<super::super::command::Row>, ApiFault> {
        let words: Vec<_> =
            ask.arguments.iter().map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect();
        self.1.lock().unwrap().push(format!("{} {}", ask.command, words.join(" ")));
        self.0.ask(router, ask).await
    }
}

#[tokio::test]
async fn only_prints_are_sent_and_never_for_secrets() {
    let machine = Machine::new("7.22 (stable)");
    machine.put(RADIUS, &[("address", "192.0.2.10"), ("service", "ppp"), ("secret", "swordfish")]);
    let watched = Watched(machine, std::sync::Mutex::default());
    examine(&watched, &router(), &expected()).await.unwrap();
    let sent = watched.1.into_inner().unwrap();
    assert!(sent.iter().any(|ask| ask.starts_with("/radius/monitor")), "{sent:#?}");
    for ask in &sent {
        let (command, words) = ask.split_once(' ').unwrap();
        assert!(command.ends_with("/print") || command == "/radius/monitor", "{ask}");
        assert!(!words.split([',', ' ']).any(|word| matches!(word, "password" | "secret" | "ipsec-secret")), "{ask}");
    }
}
