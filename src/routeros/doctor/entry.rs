//! Our entry in `/radius`: its ports, its time-out, its address, and its counters.

use std::net::IpAddr;
use std::time::Duration;

use super::super::command::{Row, is};
use super::chart::Chart;
use super::inventory::{Inventory, MONITOR, RADIUS};
use super::system::{SIGNING, version};
use super::value::{duration, number, text};
use crate::domain::radsec;
use crate::domain::router::{Demand, Router};
use crate::gate::router_api::{Command, Expected, Gravity, Verb};
use crate::routeros::script::RADIUS_SECRET;
use crate::text::one_line;

/// The router sends a log-in three times, this far apart; a log-in that needs the database takes some hundred milliseconds.
const SHORT: Duration = Duration::from_secs(1);
/// The router sends a log-in over TLS once.
const LONG: Duration = Duration::from_secs(3);
/// Fewer unanswered requests than this say nothing: radgram was started anew.
const FEW: u64 = 10;
/// More than one unanswered request of so many is not a matter of starting anew.
const ONE_OF: u64 = 10;

/// Looks at our entry; `set` changes it.
pub fn look_at_entry(
    seen: &Inventory,
    router: &Router,
    expected: &Expected,
    entry: &Row,
    set: &Command,
    chart: &mut Chart,
) {
    look_at_transport(router, expected, entry, set, chart);
    look_at_timeout(entry, set, chart);
    look_at_source(router, entry, set, chart);
    look_at_choice(entry, set, chart);
    look_at_signing(seen, router, entry, set, chart);
    look_at_counters(seen, router, entry, set, chart);
}

fn look_at_signing(seen: &Inventory, router: &Router, entry: &Row, set: &Command, chart: &mut Chart) {
    if version(seen).is_some_and(|version| version < SIGNING) {
        return;
    }
    let is_off = text(entry, "require-message-auth") == "no";
    if is_off && router.message_authenticator == Demand::Require {
        return chart.find(
            Gravity::Grave,
            "radius_unsigned_required",
            "The router does not sign its log-ins (require-message-auth=no), and here that is required of it.",
            "Every log-in is dropped.",
            vec![set.clone().with("require-message-auth", "yes-for-request-resp")],
        );
    }
    if is_off {
        chart.find(
            Gravity::Warning,
            "radius_unsigned",
            "The router takes answers that are not signed (require-message-auth=no).",
            "Somebody between the router and here can forge an answer and let anybody in (BlastRADIUS, CVE-2024-3596). \
             radgram signs every answer.",
            vec![set.clone().with("require-message-auth", "yes-for-request-resp")],
        );
    } else {
        chart.pass("the router takes only signed answers");
    }
}

fn look_at_transport(router: &Router, expected: &Expected, entry: &Row, set: &Command, chart: &mut Chart) {
    if speaks_radsec(entry) {
        return look_at_radsec(router, expected, entry, set, chart);
    }
    let ports =
        [("authentication-port", expected.auth_port, "log-ins"), ("accounting-port", expected.acct_port, "reports")];
    for (property, port, what) in ports {
        match number(entry, property) {
            Some(shown) if shown == u64::from(port) => chart.pass(format!("{what} go to port {port}")),
            Some(_) | None => chart.find(
                Gravity::Grave,
                format!("radius_port:{property}"),
                format!(
                    "The entry in /radius sends {what} to port {}, radgram listens on {port}.",
                    text(entry, property)
                ),
                "What is sent there is lost: without log-ins nobody gets in, without reports no connection is known.",
                vec![set.clone().with(property, &port.to_string())],
            ),
        }
    }
}

fn speaks_radsec(entry: &Row) -> bool {
    text(entry, "protocol") == "radsec"
}

/// Whether RADIUS over TLS is what both ends are prepared for.
fn look_at_radsec(router: &Router, expected: &Expected, entry: &Row, set: &Command, chart: &mut Chart) {
    match expected.radsec_port {
        None => {
            return chart.find(
                Gravity::Grave,
                "radius_radsec",
                "The entry in /radius speaks RadSec, and radgram does not listen for it.",
                "Nobody gets in. Set [radius] radsec_listen in radius.toml here, or let the router ask over UDP.",
                vec![set.clone().with("protocol", "udp").with_secret("secret", RADIUS_SECRET, &router.secret)],
            );
        }
        Some(radsec::PORT) => chart.pass("the entry speaks RadSec, and radgram listens for it"),
        Some(port) => chart.find(
            Gravity::Warning,
            "radius_radsec_port",
            format!("The entry in /radius speaks RadSec, and radgram listens for it on port {port}."),
            "RouterOS calls port 2083 only: unless that is translated on the way, nobody gets in.",
            Vec::new(),
        ),
    }
    match &router.radsec {
        Some(known_by) => {
            chart.pass(format!("the router is known by the {} of its certificate", one_line(&known_by.shown())))
        }
        None => chart.find(
            Gravity::Grave,
            "radius_radsec_unknown",
            "The entry in /radius speaks RadSec, and here the router is known by no certificate.",
            "Its connection is refused: nobody gets in. Say on its page RadSec, or with radgram router radsec, which \
             certificate it has.",
            Vec::new(),
        ),
    }
    if matches!(text(entry, "certificate"), "" | "none") {
        chart.find(
            Gravity::Grave,
            "radius_radsec_certificate",
            "The entry in /radius speaks RadSec without a certificate.",
            "radgram takes only routers that show one: nobody gets in.",
            Vec::new(),
        );
    }
}

/// The wait for an answer: over TLS there is one, else there are three.
fn look_at_timeout(entry: &Row, set: &Command, chart: &mut Chart) {
    if speaks_radsec(entry) {
        return match duration(text(entry, "radsec-timeout")) {
            Some(timeout) if timeout < LONG => chart.find(
                Gravity::Warning,
                "radius_radsec_timeout",
                format!("The router waits {} for an answer over RadSec.", one_line(text(entry, "radsec-timeout"))),
                "An answer that comes later is lost, and a right password is refused. 3.3 s leave room.",
                vec![set.clone().with("radsec-timeout", "3s300ms")],
            ),
            // Before 7.19.3 there is no such property.
            Some(_) | None => chart.pass("the router waits long enough for an answer"),
        };
    }
    match duration(text(entry, "timeout")) {
        Some(timeout) if timeout >= SHORT => chart.pass("the router waits long enough for an answer"),
        Some(_) | None => chart.find(
            Gravity::Warning,
            "radius_timeout",
            format!("The router waits {} for an answer before it asks again.", one_line(text(entry, "timeout"))),
            "It asks three times and gives up; an answer that comes later is lost, and a right password is refused. 3 s leave \
             room.",
            vec![set.clone().with("timeout", "3s")],
        ),
    }
}

fn look_at_source(router: &Router, entry: &Row, set: &Command, chart: &mut Chart) {
    let Ok(source) = text(entry, "src-address").parse::<IpAddr>() else { return };
    // Over TLS it is the certificate that counts.
    if speaks_radsec(entry) || source.is_unspecified() || router.address.contains(&source.to_canonical()) {
        return;
    }
    chart.find(
        Gravity::Warning,
        "radius_source",
        format!(
            "The router sends from {source}, here its address is {}.",
            crate::domain::router::shown_network(router.address)
        ),
        "Unless the address is translated on the way, radgram knows no router of that address and answers nothing.",
        vec![set.clone().with("src-address", "0.0.0.0")],
    );
}

/// What makes the router ask us about some log-ins only.
fn look_at_choice(entry: &Row, set: &Command, chart: &mut Chart) {
    for property in ["called-id", "domain"] {
        if text(entry, property).is_empty() {
            continue;
        }
        chart.find(
            Gravity::Warning,
            format!("radius_choice:{property}"),
            format!("The entry in /radius is only for {property} {}.", one_line(text(entry, property))),
            "About all other log-ins radgram is not asked.",
            vec![set.clone().with(property, "")],
        );
    }
    if is(entry, "accounting-backup") {
        chart.find(
            Gravity::Warning,
            "radius_backup",
            "The entry in /radius is a backup for reports (accounting-backup=yes).",
            "While another server takes the reports, radgram learns of no connection.",
            vec![set.clone().with("accounting-backup", "no")],
        );
    }
}

fn look_at_counters(seen: &Inventory, router: &Router, entry: &Row, set: &Command, chart: &mut Chart) {
    let Some(counters) = seen.rows(MONITOR) else { return };
    let sum = |property| counters.iter().filter_map(|row| number(row, property)).fold(0, u64::saturating_add);
    let answered = sum("accepts").saturating_add(sum("rejects"));
    let (requests, timeouts, bad) = (sum("requests"), sum("timeouts"), sum("bad-replies"));
    let reset = Command::new(RADIUS, Verb::ResetCounters);
    if bad > 0 {
        chart.find(
            if bad >= answered { Gravity::Grave } else { Gravity::Warning },
            "bad_replies",
            format!("The router threw away {bad} answers as bad (it took {answered})."),
            "The secret there is not the one here, or somebody else answers: log-ins fail. After mending it, start the \
             counters from zero.",
            match speaks_radsec(entry) {
                // Its secret cannot be another one.
                true => vec![reset],
                false => vec![set.clone().with_secret("secret", RADIUS_SECRET, &router.secret), reset],
            },
        );
    } else if timeouts >= FEW && timeouts.saturating_mul(ONE_OF) > requests {
        chart.find(
            Gravity::Warning,
            "timeouts",
            format!("{timeouts} of {requests} requests of the router got no answer."),
            "Our answers do not reach it, or radgram drops its requests: see the log here, a firewall between, and whether \
             the router's address here is the one that it sends from.",
            vec![reset],
        );
    } else {
        chart.pass("the router understands our answers");
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Seen, expected, router};
    use super::super::inventory::RESOURCE;
    use super::*;
    use crate::domain::radsec::KnownBy;

    const SET: &str = "/radius set [find where address=192.0.2.10]";

    #[track_caller]
    fn check(property: &str, value: &str, id: &str, gravity: Gravity, fix: &str) {
        Seen::healthy().with(RADIUS, property, value).finds(id, gravity, &[&format!("{SET} {fix}")]);
    }

    #[test]
    fn wrong_ports_are_found() {
        for (property, right) in [("authentication-port", "1812"), ("accounting-port", "1813")] {
            let id = format!("radius_port:{property}");
            check(property, "1645", &id, Gravity::Grave, &format!("{property}={right}"));
        }
    }

    #[test]
    fn radsec_is_found() {
        check("protocol", "radsec", "radius_radsec", Gravity::Grave, "protocol=udp secret=$radiusSecret");
        let listening = |port| Expected { radsec_port: Some(port), ..expected() };
        let over_tls = Seen::healthy().with(RADIUS, "protocol", "radsec").expecting(listening(radsec::PORT));
        let bare = [("radius_radsec_unknown", Gravity::Grave), ("radius_radsec_certificate", Gravity::Grave)];
        over_tls.finds_all(&bare);
        let known = || Router { radsec: Some(KnownBy::Name("office".to_owned())), ..router() };
        over_tls.clone().of(known()).finds("radius_radsec_certificate", Gravity::Grave, &[]);
        let certified = over_tls.with(RADIUS, "certificate", "office").of(known());
        certified.clone().finds_nothing();
        certified.clone().with(RADIUS, "authentication-port", "1645").with(RADIUS, "timeout", "300ms").finds_nothing();
        certified.clone().with(RADIUS, "src-address", "10.9.9.9").finds_nothing();
        certified.clone().expecting(listening(2084)).finds("radius_radsec_port", Gravity::Warning, &[]);
        let short = certified.clone().with(RADIUS, "radsec-timeout", "300ms");
        let fix = format!("{SET} radsec-timeout=3s300ms");
        short.finds("radius_radsec_timeout", Gravity::Warning, &[&fix]);
        certified.with(MONITOR, "bad-replies", "1").finds("bad_replies", Gravity::Warning, &["/radius reset-counters"]);
    }

    #[test]
    fn a_short_timeout_is_found() {
        for timeout in ["300ms", "999ms", ""] {
            check("timeout", timeout, "radius_timeout", Gravity::Warning, "timeout=3s");
        }
        Seen::healthy().with(RADIUS, "timeout", "1s100ms").finds_nothing();
    }

    #[test]
    fn unsigned_answers_are_found_where_the_version_can_do_better() {
        let fix = "require-message-auth=yes-for-request-resp";
        check("require-message-auth", "no", "radius_unsigned", Gravity::Warning, fix);
        let required = Router { message_authenticator: Demand::Require, ..router() };
        Seen::healthy().with(RADIUS, "require-message-auth", "no").of(required.clone()).finds(
            "radius_unsigned_required",
            Gravity::Grave,
            &[&format!("{SET} {fix}")],
        );
        Seen::healthy().of(required).finds_nothing();
        Seen::healthy()
            .with(RESOURCE, "version", "7.14.3 (stable)")
            .with(RADIUS, "require-message-auth", "no")
            .finds_not("radius_unsigned");
    }

    #[test]
    fn a_source_that_we_do_not_know_is_found() {
        check("src-address", "10.9.9.9", "radius_source", Gravity::Warning, "src-address=0.0.0.0");
        for source in ["", "0.0.0.0", "192.0.2.1"] {
            Seen::healthy().with(RADIUS, "src-address", source).finds_nothing();
        }
        let wide = Router { address: "10.0.0.0/8".parse().unwrap(), ..router() };
        Seen::healthy().with(RADIUS, "src-address", "10.9.9.9").of(wide).finds_nothing();
    }

    #[test]
    fn an_entry_for_some_log_ins_only_is_found() {
        check("called-id", "office", "radius_choice:called-id", Gravity::Warning, "called-id=\"\"");
        check("domain", "CORP", "radius_choice:domain", Gravity::Warning, "domain=\"\"");
        check("accounting-backup", "true", "radius_backup", Gravity::Warning, "accounting-backup=no");
    }

    #[test]
    fn answers_that_the_router_throws_away_are_found() {
        let secret = format!("{SET} secret=$radiusSecret");
        let fix = [secret.as_str(), "/radius reset-counters"];
        let none = Seen::healthy().with(MONITOR, "accepts", "0").with(MONITOR, "rejects", "0");
        none.with(MONITOR, "bad-replies", "1").finds("bad_replies", Gravity::Grave, &fix);
        Seen::healthy().with(MONITOR, "bad-replies", "1").finds("bad_replies", Gravity::Warning, &fix);
    }

    #[test]
    fn many_timeouts_are_found_and_few_are_not() {
        let counted = |timeouts| Seen::healthy().with(MONITOR, "requests", "100").with(MONITOR, "timeouts", timeouts);
        counted("11").finds("timeouts", Gravity::Warning, &["/radius reset-counters"]);
        counted("10").finds_nothing();
        Seen::healthy().with(MONITOR, "requests", "9").with(MONITOR, "timeouts", "9").finds_nothing();
    }
}
