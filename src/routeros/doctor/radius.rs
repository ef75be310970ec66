//! How the router asks us, and hears us: `/ppp aaa`, `/radius`, `/radius incoming`.

use std::time::Duration;

use super::super::command::{Row, is};
use super::chart::{Chart, count_of};
use super::entry::look_at_entry;
use super::inventory::{AAA, INCOMING, Inventory, RADIUS};
use super::value::{addresses, duration, number, text, words};
use crate::domain::router::Router;
use crate::gate::router_api::{Command, Expected, Gravity, Verb};
use crate::routeros::script::entry_of;

/// Looks at `/ppp aaa`.
pub fn look_at_aaa(seen: &Inventory, expected: &Expected, chart: &mut Chart) {
    let Some(aaa) = seen.row(AAA) else { return };
    let set = |property, value: &str| vec![Command::new(AAA, Verb::Set).with(property, value)];
    if is(aaa, "use-radius") {
        chart.pass("PPP asks RADIUS");
    } else {
        chart.find(
            Gravity::Grave,
            "aaa_off",
            "PPP does not ask RADIUS.",
            "The router never asks radgram: only accounts in /ppp secret get in, and a stolen password of one is enough.",
            set("use-radius", "yes"),
        );
    }
    if is(aaa, "accounting") {
        chart.pass("PPP reports its connections");
    } else {
        chart.find(
            Gravity::Grave,
            "accounting_off",
            "PPP does not report its connections.",
            "radgram never learns that a connection is up or gone: nobody is asked whether it is them, and ends are not proven.",
            set("accounting", "yes"),
        );
    }
    match duration(text(aaa, "interim-update")) {
        // We send Acct-Interim-Interval with each Accept, which counts more.
        None | Some(Duration::ZERO) => chart.pass("the interval of reports is left to radgram"),
        Some(interim) if interim == expected.interim => chart.pass("reports come as often as expected"),
        Some(interim) => chart.find(
            Gravity::Note,
            "interim",
            format!("interim-update is {} s, here {} s are expected.", interim.as_secs(), expected.interim.as_secs()),
            "It counts only for connections that radgram did not let in; to all others it says the interval itself.",
            set("interim-update", &format!("{}s", expected.interim.as_secs())),
        ),
    }
}

/// Looks at `/radius`.
pub fn look_at_entries(seen: &Inventory, router: &Router, expected: &Expected, chart: &mut Chart) {
    let Some(entries) = seen.rows(RADIUS) else { return };
    let ours: Vec<&Row> = entries.iter().filter(|entry| addresses(entry, expected.server)).collect();
    let for_ppp: Vec<&Row> = ours.iter().copied().filter(|entry| is_for_ppp(entry)).collect();
    match (ours.as_slice(), for_ppp.as_slice(), for_ppp.iter().find(|entry| !is(entry, "disabled"))) {
        ([], ..) => chart.find(
            Gravity::Grave,
            "radius_missing",
            format!("No entry in /radius has our address, {}.", expected.server),
            "The router never asks radgram: nobody gets in, or another server decides.",
            // One over TLS needs certificates: it is made by hand.
            if router.radsec.is_some() { Vec::new() } else { vec![entry_of(router, expected)] },
        ),
        ([entry, ..], [], _) => {
            let services = [words(entry, "service"), vec!["ppp"]].concat().join(",");
            chart.find(
                Gravity::Grave,
                "radius_not_ppp",
                "The entry in /radius with our address is not for the service ppp.",
                "The router asks radgram about no VPN log-in.",
                vec![that(entries, entry, Verb::Set).with("service", &services)],
            );
        }
        (_, [entry, ..], None) => chart.find(
            Gravity::Grave,
            "radius_disabled",
            "The entry in /radius with our address is disabled.",
            "The router never asks radgram, and takes no Disconnect from it.",
            vec![that(entries, entry, Verb::Enable)],
        ),
        (_, _, Some(entry)) => {
            chart.pass("an entry in /radius has our address and serves ppp");
            look_at_entry(seen, router, expected, entry, &that(entries, entry, Verb::Set), chart);
            look_at_others(entries, expected, entry, chart);
        }
    }
}

fn is_for_ppp(entry: &Row) -> bool {
    words(entry, "service").contains(&"ppp")
}

/// A command for this entry alone: by its address, or by its id where several have it.
fn that(entries: &[Row], entry: &Row, verb: Verb) -> Command {
    let address = text(entry, "address");
    let command = Command::new(RADIUS, verb);
    match entries.iter().filter(|other| text(other, "address") == address).count() {
        0 | 1 => command.whose("address", address),
        _ => command.whose(".id", text(entry, ".id")),
    }
}

/// Other servers that are asked about VPN log-ins: those before us decide instead of us, those behind us if we are silent.
fn look_at_others(entries: &[Row], expected: &Expected, entry: &Row, chart: &mut Chart) {
    let is_other = |other: &&Row| is_for_ppp(other) && !is(other, "disabled") && !addresses(other, expected.server);
    let ours = entries.iter().position(|other| std::ptr::eq(other, entry)).unwrap_or_default();
    let (before, behind) = entries.split_at(ours);
    let shown = |others: Vec<&Row>| count_of(others.into_iter().map(|other| text(other, "address")));
    let before: Vec<&Row> = before.iter().filter(is_other).collect();
    let behind: Vec<&Row> = behind.iter().filter(is_other).collect();
    if !before.is_empty() {
        let disable = before.iter().map(|other| that(entries, other, Verb::Disable)).collect();
        chart.find(
            Gravity::Warning,
            "radius_not_first",
            format!("Before ours the router asks other servers: {}.", shown(before)),
            "What they answer counts, and radgram is not asked: a log-in that they accept needs no yes in Telegram.",
            disable,
        );
    }
    if !behind.is_empty() {
        chart.find(
            Gravity::Note,
            "radius_fallback",
            format!("If radgram does not answer in time, the router asks other servers: {}.", shown(behind)),
            "While radgram is down they decide alone. It is as it should be, if they are further addresses of radgram.",
            Vec::new(),
        );
    }
}

/// Looks at `/radius incoming`.
pub fn look_at_incoming(seen: &Inventory, expected: &Expected, chart: &mut Chart) {
    let Some(incoming) = seen.row(INCOMING) else { return };
    let why = "The router never hears our Disconnect: a connection that is ended here lives on until its time-out.";
    let port = expected.coa_port.to_string();
    let fix = vec![Command::new(INCOMING, Verb::Set).with("accept", "yes").with("port", &port)];
    if !is(incoming, "accept") {
        return chart.find(Gravity::Grave, "incoming_off", "/radius incoming accepts nothing.", why, fix);
    }
    match number(incoming, "port") {
        Some(shown) if shown == u64::from(expected.coa_port) => {
            chart.pass(format!("/radius incoming takes Disconnect on port {port}"));
        }
        Some(_) | None => {
            let shown = text(incoming, "port");
            let what = format!("/radius incoming listens on port {shown}, here the router's port is {port}.");
            chart.find(Gravity::Grave, "incoming_port", what, why, fix);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Seen;
    use super::*;

    #[test]
    fn ppp_that_does_not_ask_or_report_is_found() {
        for (property, id) in [("use-radius", "aaa_off"), ("accounting", "accounting_off")] {
            let fix = format!("/ppp aaa set {property}=yes");
            Seen::healthy().with(AAA, property, "false").finds(id, Gravity::Grave, &[&fix]);
        }
    }

    #[test]
    fn an_interval_of_its_own_is_noted() {
        Seen::healthy().with(AAA, "interim-update", "0s").finds_nothing();
        Seen::healthy().with(AAA, "interim-update", "00:01:00").finds_nothing();
        let fix = "/ppp aaa set interim-update=60s";
        Seen::healthy().with(AAA, "interim-update", "5m").finds("interim", Gravity::Note, &[fix]);
    }

    #[test]
    fn an_entry_that_is_not_there_is_found_and_its_fix_shows_no_secret() {
        let fix = "/radius add service=ppp address=192.0.2.10 secret=$radiusSecret authentication-port=1812 \
                   accounting-port=1813 timeout=3s comment=radgram";
        for seen in [Seen::healthy().no_rows(RADIUS), Seen::healthy().with(RADIUS, "address", "192.0.2.99")] {
            let report = seen.finds("radius_missing", Gravity::Grave, &[fix]);
            assert!(!format!("{report:?}").contains("swordfish"));
        }
    }

    #[test]
    fn an_entry_over_tls_is_made_by_hand() {
        use crate::domain::radsec::KnownBy;
        let known = Router { radsec: Some(KnownBy::Name("office".to_owned())), ..super::super::fixture::router() };
        Seen::healthy().no_rows(RADIUS).of(known).finds("radius_missing", Gravity::Grave, &[]);
    }

    #[test]
    fn an_entry_for_other_services_or_disabled_is_found() {
        Seen::healthy().with(RADIUS, "service", "login,hotspot").finds(
            "radius_not_ppp",
            Gravity::Grave,
            &["/radius set [find where address=192.0.2.10] service=login,hotspot,ppp"],
        );
        Seen::healthy().with(RADIUS, "disabled", "true").finds(
            "radius_disabled",
            Gravity::Grave,
            &["/radius enable [find where address=192.0.2.10]"],
        );
        Seen::healthy().with(RADIUS, "service", "login,ppp").finds_nothing();
    }

    #[test]
    fn one_of_two_entries_with_our_address_is_meant_by_its_id() {
        let other = [(".id", "*7"), ("address", "192.0.2.10"), ("service", "login")];
        Seen::healthy().with(RADIUS, "disabled", "true").first(RADIUS, &other).finds(
            "radius_disabled",
            Gravity::Grave,
            &["/radius enable [find where .id=*1]"],
        );
        Seen::healthy().first(RADIUS, &other).finds_nothing();
    }

    #[test]
    fn other_servers_are_found_where_they_stand() {
        let other = [(".id", "*7"), ("address", "198.51.100.1"), ("service", "ppp")];
        Seen::healthy().first(RADIUS, &other).finds(
            "radius_not_first",
            Gravity::Warning,
            &["/radius disable [find where address=198.51.100.1]"],
        );
        Seen::healthy().row(RADIUS, &other).finds("radius_fallback", Gravity::Note, &[]);
        let disabled = [(".id", "*7"), ("address", "198.51.100.1"), ("service", "ppp"), ("disabled", "true")];
        Seen::healthy().first(RADIUS, &disabled).finds_nothing();
        let hotspot = [(".id", "*7"), ("address", "198.51.100.1"), ("service", "hotspot")];
        Seen::healthy().first(RADIUS, &hotspot).finds_nothing();
    }

    #[test]
    fn a_router_that_does_not_hear_us_is_found() {
        let fix = "/radius incoming set accept=yes port=3799";
        Seen::healthy().with(INCOMING, "accept", "false").finds("incoming_off", Gravity::Grave, &[fix]);
        Seen::healthy().with(INCOMING, "port", "1700").finds("incoming_port", Gravity::Grave, &[fix]);
    }
}
