//! The address list of leases: whether the firewall asks for it, and whether somebody is in it for good.

use super::super::command::{Row, is};
use super::super::script::{ACCEPT_RULE, DROP_RULE};
use super::chart::{Chart, count_of};
use super::inventory::{ADDRESS_LIST, FILTER, Inventory, PROFILE};
use super::rule::{is_working, shuts};
use super::server::servers;
use super::value::text;
use crate::domain::router::{Leases, Router};
use crate::gate::router_api::{Command, Gravity, LEASE_LIST, Verb};

/// The most commands of one repair: a longer list is looked through by a person.
const REPAIRS: usize = 20;

/// Looks at the list and at the rules that use it, where leases are on.
pub fn look(seen: &Inventory, router: &Router, chart: &mut Chart) {
    match router.leases {
        Leases::Off => {}
        Leases::On => {
            look_at_rules(seen, chart);
            look_at_entries(seen, chart);
            look_at_profiles(seen, chart);
        }
    }
}

/// Whether a rule asks for being in the list, or for not being in it.
fn asks_for_list(rule: &Row) -> bool {
    let lists = ["src-address-list", "dst-address-list"].map(|property| text(rule, property));
    lists.iter().any(|list| list.strip_prefix('!').unwrap_or(list) == LEASE_LIST)
}

fn look_at_rules(seen: &Inventory, chart: &mut Chart) {
    let Some(all) = seen.rows(FILTER) else { return };
    let rules: Vec<&Row> = all.iter().filter(|rule| is_working(rule)).collect();
    let Some(first) = rules.iter().position(|rule| asks_for_list(rule)) else {
        return chart.find(
            Gravity::Warning,
            "lease_unused",
            format!("No rule that works asks for the address list {LEASE_LIST}."),
            "Leases open nothing and shut nothing: traffic flows before anybody said yes. The set-up script has the two rules.",
            ours_on(all),
        );
    };
    let (before, rest) = rules.split_at(first);
    // A jump may lead to what shuts.
    if !rest.iter().any(|rule| shuts(rule) || text(rule, "action") == "jump") {
        chart.find(
            Gravity::Warning,
            "lease_open",
            format!("Behind the rule that asks for the address list {LEASE_LIST} nothing is dropped."),
            "Who has no lease gets through all the same. The set-up script has the rule that drops.",
            Vec::new(),
        );
    } else {
        chart.pass(format!("the firewall asks for the address list {LEASE_LIST}"));
    }
    if before.iter().any(|rule| text(rule, "action") == "fasttrack-connection") {
        chart.find(
            Gravity::Note,
            "lease_fasttrack",
            "A fasttrack rule stands before the rules of the leases.",
            "What was open goes on past the firewall until it pauses: if only the lease ends and not the connection, running \
             downloads do not stop at once.",
            Vec::new(),
        );
    }
}

/// Switches on the rules of the set-up script, where they are there and off.
fn ours_on(rules: &[Row]) -> Vec<Command> {
    let is_off = |comment: &&str| rules.iter().any(|rule| text(rule, "comment") == *comment && is(rule, "disabled"));
    let enable = |comment| Command::new(FILTER, Verb::Enable).whose("comment", comment);
    [ACCEPT_RULE, DROP_RULE].into_iter().filter(is_off).map(enable).collect()
}

fn look_at_entries(seen: &Inventory, chart: &mut Chart) {
    let Some(entries) = seen.rows(ADDRESS_LIST) else { return };
    let is_for_good =
        |entry: &&Row| text(entry, "list") == LEASE_LIST && !is(entry, "dynamic") && !is(entry, "disabled");
    let addresses: Vec<&str> = entries.iter().filter(is_for_good).map(|entry| text(entry, "address")).collect();
    if addresses.is_empty() {
        return chart.pass(format!("nobody is in the address list {LEASE_LIST} for good"));
    }
    let remove = |address: &&str| {
        let remove = Command::new(ADDRESS_LIST, Verb::Remove);
        remove.whose("list", LEASE_LIST).whose("address", address).whose("dynamic", "no")
    };
    let fix = addresses.iter().take(REPAIRS).map(remove).collect();
    chart.find(
        Gravity::Warning,
        "lease_static",
        format!("Entries of the address list {LEASE_LIST} without an end: {}.", count_of(addresses)),
        "Whoever gets such an address passes without a yes, for good.",
        fix,
    );
}

/// Whether the connections are in the interface list that our rule shuts.
fn look_at_profiles(seen: &Inventory, chart: &mut Chart) {
    let (Some(rules), Some(profiles)) = (seen.rows(FILTER), seen.rows(PROFILE)) else { return };
    let ours = rules.iter().find(|rule| is_working(rule) && text(rule, "comment") == DROP_RULE);
    let Some(list) = ours.map(|rule| text(rule, "in-interface-list")).filter(|list| !list.is_empty()) else { return };
    for server in servers(seen) {
        let used = profiles.iter().find(|profile| text(profile, "name") == server.profile());
        let Some(profile) = used.filter(|profile| text(profile, "interface-list") != list) else { continue };
        let set = Command::new(PROFILE, Verb::Set).whose("name", server.profile()).with("interface-list", list);
        let is_free = text(profile, "interface-list").is_empty();
        chart.find(
            Gravity::Warning,
            format!("lease_profile:{}", server.kind),
            format!("Connections of the server {} are not in the interface list {list}.", server.kind),
            "The rule that drops what has no lease is not for them, so their traffic flows before anybody said yes, unless \
             RADIUS names another profile for each account.",
            if is_free { vec![set] } else { Vec::new() },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Seen, router};
    use super::*;

    const ACCEPT: [(&str, &str); 3] = [("chain", "forward"), ("action", "accept"), ("src-address-list", "radgram")];
    const DROP: [(&str, &str); 3] = [("chain", "forward"), ("action", "drop"), ("in-interface-list", "vpn")];

    fn with_rules(rules: &[&[(&str, &str)]]) -> Seen {
        rules.iter().fold(Seen::healthy().no_rows(FILTER), |seen, rule| seen.row(FILTER, rule))
    }

    #[test]
    fn a_list_that_nothing_asks_for_is_found() {
        let disabled =
            [("chain", "forward"), ("action", "accept"), ("src-address-list", "radgram"), ("disabled", "true")];
        let other = [("chain", "forward"), ("action", "accept"), ("src-address-list", "radgram2")];
        for accept in [&disabled as &[_], &other, &DROP] {
            with_rules(&[accept, &DROP]).finds("lease_unused", Gravity::Warning, &[]);
        }
    }

    #[test]
    fn a_list_behind_which_nothing_is_dropped_is_found() {
        with_rules(&[&ACCEPT]).finds("lease_open", Gravity::Warning, &[]);
        with_rules(&[&DROP, &ACCEPT]).finds("lease_open", Gravity::Warning, &[]);
        with_rules(&[&ACCEPT, &DROP]).finds_nothing();
        with_rules(&[&ACCEPT, &[("chain", "forward"), ("action", "jump")]]).finds_nothing();
        with_rules(&[&[("chain", "forward"), ("action", "drop"), ("src-address-list", "!radgram")]]).finds_nothing();
    }

    #[test]
    fn fasttrack_before_the_list_is_noted() {
        let fasttrack = [("chain", "forward"), ("action", "fasttrack-connection")];
        with_rules(&[&fasttrack, &ACCEPT, &DROP]).finds("lease_fasttrack", Gravity::Note, &[]);
        with_rules(&[&ACCEPT, &fasttrack, &DROP]).finds_nothing();
    }

    #[test]
    fn whoever_is_in_the_list_for_good_is_found() {
        let entry = |address: &'static str, dynamic| {
            Seen::healthy().row(ADDRESS_LIST, &[("list", "radgram"), ("address", address), ("dynamic", dynamic)])
        };
        entry("10.0.0.9", "false").finds(
            "lease_static",
            Gravity::Warning,
            &["/ip firewall address-list remove [find where list=\"radgram\" and address=10.0.0.9 and dynamic=no]"],
        );
        entry("10.0.0.9", "true").finds_nothing();
    }

    #[test]
    fn a_server_past_the_rule_is_found() {
        let fix = "/ppp profile set [find where name=\"default-encryption\"] interface-list=radgram";
        let other = Seen::healthy().with("/interface/l2tp-server/server", "default-profile", "default-encryption");
        other.finds("lease_profile:l2tp", Gravity::Warning, &[fix]);
        let taken = other.with_where(PROFILE, "name", "default-encryption", "interface-list", "LAN");
        taken.finds("lease_profile:l2tp", Gravity::Warning, &[]);
    }

    #[test]
    fn nothing_is_asked_where_leases_are_off() {
        let off = Router { leases: Leases::Off, ..router() };
        with_rules(&[]).of(off).finds_nothing();
    }
}
