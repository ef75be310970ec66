//! The router itself: its version, its clock, its User Manager.

use std::time::Duration;

use super::super::command::{Row, is};
use super::chart::Chart;
use super::inventory::{CLOCK, Inventory, NTP, PACKAGE, RESOURCE};
use super::value::{Version, clock, text};
use crate::clock::Timestamp;
use crate::domain::router::{Demand, Router, Scheme};
use crate::gate::router_api::{Command, Gravity, Verb};
use crate::text::one_line;

/// The last version that sends PAP passwords wrongly is 6.45.1 (changelog of 6.45.2).
const SOUND: Version = Version(6, 45, 2);
/// From here on a router signs its log-ins with a Message-Authenticator, and takes answers only with one.
pub const SIGNING: Version = Version(7, 15, 0);
/// Further apart, logs and certificates of the two machines do not fit together.
const APART: Duration = Duration::from_secs(60);

/// The router's version, if it says one that is understood.
pub fn version(seen: &Inventory) -> Option<Version> {
    Version::parse(text(seen.row(RESOURCE)?, "version"))
}

/// Looks at the version.
pub fn look_at_version(seen: &Inventory, router: &Router, chart: &mut Chart) {
    let Some(row) = seen.row(RESOURCE) else { return };
    let shown = one_line(text(row, "version"));
    let Some(version) = Version::parse(text(row, "version")) else {
        return chart.find(
            Gravity::Warning,
            "version_unknown",
            format!("The router's version is not understood: {shown}."),
            "What depends on the version was judged as for a new one.",
            Vec::new(),
        );
    };
    if version < SOUND {
        chart.find(
            Gravity::Warning,
            "version_old",
            format!("RouterOS {shown} is older than 6.45.2."),
            "Up to 6.45.1 passwords of PAP log-ins can arrive garbled, so right passwords are refused; and holes that are \
             known to everybody are open. Update the router.",
            Vec::new(),
        );
    } else {
        chart.pass(format!("RouterOS {shown}"));
    }
    match (router.scheme, router.message_authenticator) {
        (Scheme::Radius, demand) if version < SIGNING => look_at_signing(&shown, demand, chart),
        (Scheme::Radius, Demand::Off) => chart.find(
            Gravity::Warning,
            "demand_off",
            format!("RouterOS {shown} can sign its log-ins, and here nobody looks whether it does."),
            "Somebody between the router and here can forge log-ins and turn a refusal into a yes (BlastRADIUS, \
             CVE-2024-3596). Set Message-Authenticator to auto for it here, and to require once all its boxes sign.",
            Vec::new(),
        ),
        (Scheme::Radius, Demand::Auto | Demand::Require) | (Scheme::Api, _) => {}
    }
}

/// What a version that does not sign its log-ins means, by what is demanded of it.
fn look_at_signing(shown: &str, demand: Demand, chart: &mut Chart) {
    match demand {
        Demand::Require => chart.find(
            Gravity::Grave,
            "unsigned_required",
            format!("RouterOS {shown} sends no Message-Authenticator, and here one is required of this router."),
            "Every log-in is dropped. Update the router to 7.15 or later, or set Message-Authenticator to auto for it.",
            Vec::new(),
        ),
        Demand::Auto => chart.find(
            Gravity::Warning,
            "unsigned",
            format!("RouterOS {shown} sends no Message-Authenticator."),
            "Somebody between the router and here can forge answers (BlastRADIUS, CVE-2024-3596). Update the router to \
             7.15 or later, then require Message-Authenticator for it. If it cannot be updated, lead RADIUS through a \
             tunnel, and set Message-Authenticator to off here to say that this is known.",
            Vec::new(),
        ),
        Demand::Off => chart.pass("log-ins are not signed, as is set for this router"),
    }
}

/// Looks at the clock.
pub fn look_at_clock(seen: &Inventory, now: Timestamp, chart: &mut Chart) {
    let Some(row) = seen.row(CLOCK) else { return };
    let Some(time) = clock(row) else {
        return chart.find(
            Gravity::Note,
            "clock_unknown",
            "The router's time is not understood.",
            "It was not compared with ours.",
            Vec::new(),
        );
    };
    let apart = time.since(now).max(now.since(time));
    if apart <= APART {
        return chart.pass("the clock is right");
    }
    let ntp = seen.row(NTP).is_some_and(|client| is(client, "enabled"));
    chart.find(
        Gravity::Warning,
        "clock",
        format!(
            "The router's clock is {} s {} ours{}.",
            apart.as_secs(),
            if time < now { "behind" } else { "ahead of" },
            if ntp { "" } else { ", and its NTP client is off" }
        ),
        "Times in the two logs do not fit together, certificates may count as not yet valid, and so may scripts of your own.",
        if ntp { Vec::new() } else { ntp_on(version(seen)) },
    );
}

/// The two lines name the servers differently.
fn ntp_on(version: Option<Version>) -> Vec<Command> {
    let servers = match version {
        Some(version) if version < Version(7, 1, 0) => "server-dns-names",
        Some(_) | None => "servers",
    };
    vec![Command::new(NTP, Verb::Set).with("enabled", "yes").with(servers, "pool.ntp.org")]
}

/// Looks whether there is a User Manager, where the router decides by its own accounts.
pub fn look_at_user_manager(seen: &Inventory, router: &Router, chart: &mut Chart) {
    // From 7.18 packages that could be installed are listed, too.
    let installed = |row: &&Row| text(row, "name") == "user-manager" && !is(row, "available") && !is(row, "disabled");
    match router.scheme {
        Scheme::Radius => {}
        Scheme::Api => {
            let Some(packages) = seen.rows(PACKAGE) else { return };
            if packages.iter().any(|row| installed(&row)) {
                return chart.pass("the User Manager is installed");
            }
            chart.find(
                Gravity::Note,
                "no_user_manager",
                "The router has no User Manager.",
                "Only accounts in /ppp secret can be ruled on it. That is enough, if those are all.",
                Vec::new(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Seen, router};
    use super::*;

    #[test]
    fn an_old_version_is_found() {
        let (old, unsigned) = (("version_old", Gravity::Warning), ("unsigned", Gravity::Warning));
        for (version, found) in [
            ("6.45.1 (stable)", &[old, unsigned] as &[_]),
            ("6.42 (bugfix)", &[old, unsigned]),
            ("6.45.2 (stable)", &[unsigned]),
            ("6.49.10 (long-term)", &[unsigned]),
            ("7.14.3 (stable)", &[unsigned]),
            ("7.15 (stable)", &[]),
            ("new", &[("version_unknown", Gravity::Warning)]),
        ] {
            Seen::healthy().with(RESOURCE, "version", version).finds_all(found);
        }
    }

    #[test]
    fn what_is_not_signed_is_judged_by_what_is_demanded() {
        let old = || Seen::healthy().with(RESOURCE, "version", "6.49.10 (long-term)");
        let demanding = |demand| Router { message_authenticator: demand, ..router() };
        old().of(demanding(Demand::Require)).finds("unsigned_required", Gravity::Grave, &[]);
        old().of(demanding(Demand::Off)).finds_nothing();
        Seen::healthy().of(demanding(Demand::Off)).finds("demand_off", Gravity::Warning, &[]);
    }

    #[test]
    fn a_wrong_clock_is_found() {
        let right = Seen::healthy().with(CLOCK, "time", "10:48:44");
        right.finds_nothing();
        Seen::healthy().with(CLOCK, "time", "10:48:45").finds("clock", Gravity::Warning, &[]);
        let off = Seen::healthy().with(CLOCK, "time", "10:46:43").with(NTP, "enabled", "false");
        off.finds("clock", Gravity::Warning, &["/system ntp client set enabled=yes servers=pool.ntp.org"]);
        let unsigned = Router { message_authenticator: Demand::Off, ..router() };
        let old = off.of(unsigned).with(RESOURCE, "version", "6.49.10 (long-term)");
        old.finds("clock", Gravity::Warning, &["/system ntp client set enabled=yes server-dns-names=pool.ntp.org"]);
        Seen::healthy().with(CLOCK, "date", "soon").finds("clock_unknown", Gravity::Note, &[]);
    }

    #[test]
    fn the_user_manager_counts_where_the_router_decides() {
        let package = |name, more| Seen::api().row(PACKAGE, &[("name", name), more]);
        Seen::api().finds("no_user_manager", Gravity::Note, &[]);
        package("user-manager", ("disabled", "true")).finds("no_user_manager", Gravity::Note, &[]);
        package("user-manager", ("available", "true")).finds("no_user_manager", Gravity::Note, &[]);
        package("user-manager", ("disabled", "false")).finds_not("no_user_manager");
    }
}
