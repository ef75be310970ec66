//! The script, run on a router in memory and looked at by the doctor.

use async_trait::async_trait;

use super::*;
use crate::clock::Timestamp;
use crate::domain::account::Switch;
use crate::domain::api::Trust;
use crate::domain::id::RouterId;
use crate::domain::router::{Demand, Leases};
use crate::gate::router_api::{
    AccountChange, Active, ApiFault, ApiState, FilterRule, LeaseEntry, Menu, NewRouterAccount, Removed, Report,
    RouterAccount, RouterAccounts, RouterApi, RuleRef,
};
use crate::routeros::command;
use crate::routeros::doctor::examine;
use crate::routeros::machine::{Machine, router};

const FILTER: &str = "/ip/firewall/filter";
const VERSIONS: [&str; 4] = ["6.49.10 (long-term)", "7.14.3 (stable)", "7.18.2 (stable)", "7.22 (stable)"];

fn expected() -> Expected {
    Expected {
        server: "192.0.2.10".parse().unwrap(),
        auth_port: 1812,
        acct_port: 1813,
        radsec_port: None,
        coa_port: 3799,
        interim: std::time::Duration::from_secs(60),
        accounts: vec!["ann".to_owned()],
        rules: Vec::new(),
        api_user: "radgram".to_owned(),
        now: Timestamp::from_millis(1_707_130_064_000),
    }
}

fn generation(version: &str) -> Generation {
    if version.starts_with('6') { Generation::V6 } else { Generation::V7 }
}

/// A router as it is after an admin ran the script and did what its remarks say of VPN servers.
async fn prepared(machine: Machine, router: &Router, version: &str) -> Machine {
    let api = OverApi(machine);
    script(router, &expected(), generation(version)).apply(&api, router).await.unwrap();
    api.0.change("/interface/l2tp-server/server", |rows| {
        rows[0]
            .extend([("enabled", "true"), ("default-profile", "radgram")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    });
    api.0
}

/// As the router is to be set here: what cannot sign is known not to.
fn known(version: &str, leases: Leases) -> Router {
    let demand = if version < "7.15" { Demand::Off } else { Demand::Auto };
    Router { message_authenticator: demand, leases, ..router() }
}

#[tokio::test]
async fn the_doctor_finds_nothing_on_a_router_that_the_script_made() {
    for version in VERSIONS {
        for leases in [Leases::Off, Leases::On] {
            let router = known(version, leases);
            let machine = prepared(Machine::new(version), &router, version).await;
            let report = examine(&machine, &router, &expected()).await.unwrap();
            assert!(report.findings.is_empty(), "{version}: {report:#?}");
        }
    }
}

#[tokio::test]
async fn an_old_version_is_the_one_thing_that_the_script_cannot_mend() {
    for version in VERSIONS {
        let machine = prepared(Machine::new(version), &router(), version).await;
        let report = examine(&machine, &router(), &expected()).await.unwrap();
        let found: Vec<_> = report.findings.iter().map(|finding| finding.id.as_str()).collect();
        assert_eq!(found, if version < "7.15" { vec!["unsigned"] } else { vec![] }, "{version}");
    }
}

#[tokio::test]
async fn a_second_run_changes_nothing() {
    for version in VERSIONS {
        let machine = prepared(Machine::new(version), &router(), version).await;
        let before = machine.all();
        let machine = prepared(machine, &router(), version).await;
        assert_eq!(machine.all(), before, "{version}");
    }
}

#[tokio::test]
async fn a_second_run_brings_secret_and_address_up_to_date_and_leaves_what_an_admin_chose() {
    let machine = prepared(Machine::new("7.22 (stable)"), &router(), "7.22").await;
    machine.change("/radius", |rows| {
        for (property, value) in
            [("secret", "old"), ("address", "198.51.100.1"), ("timeout", "20s"), ("disabled", "true")]
        {
            rows[0].insert(property.to_owned(), value.to_owned());
        }
    });
    machine.change("/user/group", |rows| {
        rows[1].insert("policy".to_owned(), "api,read,write,sensitive".to_owned());
    });
    let machine = prepared(machine, &router(), "7.22").await;
    let entry = &machine.rows("/radius")[0];
    assert_eq!((entry["secret"].as_str(), entry["address"].as_str()), ("swordfish", "192.0.2.10"));
    assert_eq!((entry["timeout"].as_str(), entry["disabled"].as_str()), ("20s", "false"));
    assert_eq!(machine.rows("/user/group")[1]["policy"], "api,read,write,sensitive");
}

#[tokio::test]
async fn another_user_of_that_name_keeps_its_password() {
    let machine = Machine::new("7.22 (stable)");
    machine.put("/user", &[("name", "radgram"), ("group", "full"), ("password", "own")]);
    let machine = prepared(machine, &router(), "7.22").await;
    let user = machine.rows("/user").into_iter().find(|user| user["name"] == "radgram").unwrap();
    assert_eq!((user["password"].as_str(), user["group"].as_str()), ("own", "full"));
}

#[tokio::test]
async fn the_rules_come_to_stand_before_what_accepts_everything() {
    let machine = Machine::new("7.22 (stable)");
    machine.put(FILTER, &[("chain", "forward"), ("comment", "dummy"), ("dynamic", "true")]);
    machine.put(FILTER, &[("chain", "forward"), ("action", "accept"), ("comment", "all")]);
    let machine = prepared(machine, &router(), "7.22").await;
    let comments: Vec<_> = machine.rows(FILTER).iter().map(|rule| rule["comment"].clone()).collect();
    assert_eq!(comments, ["dummy", EXAMPLE_RULE, ACCEPT_RULE, DROP_RULE, "all"]);
}

#[tokio::test]
async fn without_leases_nothing_is_shut() {
    let router = known("7.22", Leases::Off);
    let machine = prepared(Machine::new("7.22 (stable)"), &router, "7.22").await;
    assert!(machine.rows(FILTER).iter().all(|rule| rule["disabled"] == "true"));
}

#[tokio::test]
async fn the_rules_follow_the_leases_when_the_script_is_run_again() {
    let off = known("7.22", Leases::Off);
    let machine = prepared(Machine::new("7.22 (stable)"), &off, "7.22").await;
    let report = examine(&machine, &router(), &expected()).await.unwrap();
    let [unused] = report.findings.as_slice() else { panic!("{report:#?}") };
    assert_eq!((unused.id.as_str(), unused.fix.len()), ("lease_unused", 2));
    for command in &unused.fix {
        assert_eq!(command::run(&machine, &router(), command).await, Ok(1));
    }
    assert_eq!(examine(&machine, &router(), &expected()).await.unwrap().findings, []);
    let mended = machine.all();
    let machine = prepared(prepared(machine, &off, "7.22").await, &router(), "7.22").await;
    assert_eq!(machine.all(), mended);
}

#[tokio::test]
async fn a_router_with_accounts_of_its_own_is_not_made_to_ask() {
    let router = Router { scheme: Scheme::Api, ..router() };
    let machine = prepared(Machine::new("7.22 (stable)"), &router, "7.22").await;
    assert!(machine.rows("/radius").is_empty());
    assert_eq!(machine.rows("/ppp/aaa")[0]["use-radius"], "false");
    let report = examine(&machine, &router, &expected()).await.unwrap();
    let found: Vec<_> = report.findings.iter().map(|finding| finding.id.as_str()).collect();
    assert_eq!(found, ["no_user_manager"]);
}

#[tokio::test]
async fn an_entry_over_tls_is_left_to_the_admin() {
    use crate::domain::radsec::KnownBy;
    let router = Router { radsec: Some(KnownBy::Name("office".to_owned())), ..router() };
    let machine = prepared(Machine::new("7.22 (stable)"), &router, "7.22").await;
    assert!(machine.rows("/radius").is_empty());
    assert_eq!(machine.rows("/ppp/aaa")[0]["use-radius"], "true");
    assert!(script(&router, &expected(), Generation::V7).text().contains("docs/radsec.md"));
}

#[tokio::test]
async fn the_service_is_the_one_that_radgram_uses() {
    let api = |trust| router().api.map(|api| crate::domain::api::Api { trust, ..api });
    for (trust, service, certificate) in [
        (Trust::Plain, "api", false),
        (Trust::Pinned(None), "api-ssl", true),
        (Trust::Authority(String::new()), "api-ssl", false),
    ] {
        let router = Router { api: api(trust), ..router() };
        let machine = prepared(Machine::new("7.22 (stable)"), &router, "7.22").await;
        for row in machine.rows("/ip/service") {
            assert_eq!(row["address"] == "192.0.2.10/32", row["name"] == service, "{row:?}");
        }
        assert_eq!(!machine.rows("/certificate").is_empty(), certificate);
    }
}

#[tokio::test]
async fn a_password_that_is_not_known_is_typed_and_never_sent() {
    let router = Router { api: None, ..router() };
    let script = script(&router, &expected(), Generation::V7);
    assert!(script.text().contains(":local apiPassword \"PASTE-THE-SECRET\""));
    let fault = script.apply(&OverApi(Machine::new("7.22 (stable)")), &router).await.unwrap_err();
    assert!(matches!(fault, ApiFault::Refused(_)), "{fault}");
}

#[test]
fn the_text_is_what_it_was_checked_to_be() {
    for (generation, expected_text) in
        [(Generation::V6, include_str!("v6.rsc")), (Generation::V7, include_str!("v7.rsc"))]
    {
        let text = script(&router(), &expected(), generation).text();
        assert!(text == expected_text, "{generation:?}:\n{text}");
    }
}

#[test]
fn the_text_survives_a_terminal_and_shows_no_secret() {
    let quoted = Expected { api_user: "tg\"; /user remove [find]; :put \"?\u{e9}".to_owned(), ..expected() };
    for generation in [Generation::V6, Generation::V7] {
        let text = script(&router(), &quoted, generation).text();
        assert!(text.contains(r#"/user add name="tg\"; /user remove [find]; :put \"\3F\C3\A9" group"#), "{text}");
        assert!(text.bytes().all(|byte| byte == b'\n' || matches!(byte, b' '..=b'~')), "{text}");
        assert!(!text.contains('?') && !text.contains("swordfish") && !text.contains("pikestaff"), "{text}");
        // A terminal counts them in remarks, too.
        for (open, close) in [('{', '}'), ('[', ']'), ('(', ')')] {
            assert_eq!(text.matches(open).count(), text.matches(close).count(), "{open}");
        }
        assert!(text.lines().all(|line| line.replace("\\\"", "").matches('"').count() % 2 == 0), "{text}");
        assert!(text.lines().filter(|line| line.trim_start().starts_with('#')).all(|line| line.len() <= 160), "{text}");
        let slashes = text.lines().filter(|line| line.starts_with('/')).all(|line| !line[1..].contains("/set"));
        assert!(slashes, "{text}");
    }
    assert!(!script(&router(), &expected(), Generation::V6).text().contains("require-message-auth"));
}

/// Only [`RouterApi::run`] is asked by a script.
struct OverApi(Machine);

#[async_trait]
impl RouterApi for OverApi {
    async fn run(&self, router: &Router, command: &Command) -> Result<usize, ApiFault> {
        command::run(&self.0, router, command).await
    }

    fn state(&self, _: RouterId) -> ApiState {
        unreachable!()
    }

    fn forget(&self, _: RouterId) {
        unreachable!()
    }

    async fn greet(&self, _: &Router) -> Result<ApiState, ApiFault> {
        unreachable!()
    }

    async fn active(&self, _: &Router) -> Result<Vec<Active>, ApiFault> {
        unreachable!()
    }

    async fn active_changed(&self, _: &Router) {
        unreachable!()
    }

    async fn remove_active(&self, _: &Router, _: &str, _: &[u8]) -> Result<Removed, ApiFault> {
        unreachable!()
    }

    async fn rules(&self, _: &Router, _: Option<&[String]>) -> Result<Vec<FilterRule>, ApiFault> {
        unreachable!()
    }

    async fn switch_rule(&self, _: &Router, _: &RuleRef, _: Switch) -> Result<FilterRule, ApiFault> {
        unreachable!()
    }

    async fn leases(&self, _: &Router) -> Result<Vec<LeaseEntry>, ApiFault> {
        unreachable!()
    }

    async fn put_lease(&self, _: &Router, _: IpAddr, _: std::time::Duration, _: &str) -> Result<(), ApiFault> {
        unreachable!()
    }

    async fn drop_lease(&self, _: &Router, _: IpAddr) -> Result<(), ApiFault> {
        unreachable!()
    }

    async fn accounts(&self, _: &Router) -> RouterAccounts {
        unreachable!()
    }

    async fn accounts_named(&self, _: &Router, _: Menu, _: &[String]) -> Result<Vec<RouterAccount>, ApiFault> {
        unreachable!()
    }

    async fn add_account(&self, _: &Router, _: &NewRouterAccount) -> Result<(), ApiFault> {
        unreachable!()
    }

    async fn change_account(&self, _: &Router, _: Menu, _: &[u8], _: &AccountChange) -> Result<(), ApiFault> {
        unreachable!()
    }

    async fn examine(&self, _: &Router, _: &Expected) -> Result<Report, ApiFault> {
        unreachable!()
    }

    fn script(&self, _: &Router, _: &Expected, _: Generation) -> Script {
        unreachable!()
    }
}
