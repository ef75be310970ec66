//! The VPN servers that are on: how people prove who they are, and with which profile.

use std::collections::BTreeSet;

use super::super::command::{Row, id, is};
use super::chart::Chart;
use super::inventory::{Inventory, PROFILE, SERVERS};
use super::value::{text, words};
use crate::gate::router_api::{Command, Gravity, Verb};
use crate::text::one_line;

/// A server that is on.
pub struct Server<'a> {
    /// Its menu.
    menu: &'static str,
    /// `l2tp`, `sstp`, …
    pub kind: &'static str,
    row: &'a Row,
}

impl<'a> Server<'a> {
    /// The profile of its connections, where nothing else says another.
    pub fn profile(&self) -> &'a str {
        text(self.row, "default-profile")
    }

    /// `l2tp`, or `pppoe office` where there may be several.
    fn name(&self) -> String {
        let own = [text(self.row, "name"), text(self.row, "service-name")].into_iter().find(|name| !name.is_empty());
        own.map_or_else(|| self.kind.to_owned(), |own| format!("{} {}", self.kind, one_line(own)))
    }

    fn set(&self) -> Command {
        let set = Command::new(self.menu, Verb::Set);
        if self.is_only_one() { set } else { set.whose(".id", id(self.row).unwrap_or_default()) }
    }

    /// Whether its menu has one server, with a switch `enabled`; else it is a row with a switch `disabled`. The ovpn
    /// server is a row from 7.17.
    fn is_only_one(&self) -> bool {
        self.row.contains_key("enabled")
    }
}

/// The servers that are on.
pub fn servers(seen: &Inventory) -> Vec<Server<'_>> {
    let all = SERVERS
        .into_iter()
        .flat_map(|(menu, kind)| seen.rows(menu).unwrap_or_default().iter().map(move |row| Server { menu, kind, row }));
    let is_on = |server: &Server<'_>| {
        if server.is_only_one() { is(server.row, "enabled") } else { !is(server.row, "disabled") }
    };
    all.filter(is_on).collect()
}

/// Looks at the servers and at the profiles that they use.
pub fn look(seen: &Inventory, chart: &mut Chart) {
    let servers = servers(seen);
    for server in &servers {
        look_at_methods(server, chart);
        look_at_kind(server, chart);
    }
    let Some(profiles) = seen.rows(PROFILE) else { return };
    let used: BTreeSet<&str> = servers.iter().map(Server::profile).filter(|name| !name.is_empty()).collect();
    for name in used {
        look_at_profile(profiles, name, chart);
    }
}

fn look_at_methods(server: &Server<'_>, chart: &mut Chart) {
    let (name, methods) = (server.name(), words(server.row, "authentication"));
    // The ovpn server says no methods: it takes PAP inside TLS.
    if methods.is_empty() {
        return chart.pass(format!("the server {name} is on"));
    }
    let fix = || vec![server.set().with("authentication", "mschap2")];
    if !methods.contains(&"mschap2") {
        chart.find(
            Gravity::Warning,
            format!("no_mschap2:{name}"),
            format!("The server {name} does not take MS-CHAPv2, only {}.", one_line(&methods.join(", "))),
            "Windows and most other clients offer it first; with what is left, passwords or keys are weaker.",
            fix(),
        );
    } else if methods.contains(&"pap") {
        chart.find(
            Gravity::Warning,
            format!("pap:{name}"),
            format!("The server {name} takes PAP."),
            "A client can be led to send its password as it is; whoever plays the server, or listens, has it.",
            fix(),
        );
    } else {
        chart.pass(format!("the server {name} is on, with {}", one_line(&methods.join(", "))));
    }
}

fn look_at_kind(server: &Server<'_>, chart: &mut Chart) {
    match server.kind {
        "pptp" => chart.find(
            Gravity::Note,
            "pptp",
            "The server pptp is on.",
            "Its encryption is broken: who listens can read the traffic, and in time learn the password. Use l2tp with IPsec, \
             or sstp.",
            vec![server.set().with("enabled", "no")],
        ),
        "sstp" if matches!(text(server.row, "certificate"), "" | "none") => chart.find(
            Gravity::Warning,
            "sstp_certificate",
            "The server sstp has no certificate.",
            "Windows does not connect, and other clients cannot tell the router from an impostor. Give it a certificate whose \
             name is the one that people dial.",
            Vec::new(),
        ),
        _ => {}
    }
}

fn look_at_profile(profiles: &[Row], name: &str, chart: &mut Chart) {
    let shown = one_line(name);
    let Some(profile) = profiles.iter().find(|profile| text(profile, "name") == name) else {
        return chart.find(
            Gravity::Warning,
            format!("profile:{name}"),
            format!("A server uses the profile {shown}, which does not exist."),
            "Connections get no addresses.",
            Vec::new(),
        );
    };
    if text(profile, "only-one") == "yes" {
        chart.find(
            Gravity::Note,
            format!("only_one:{name}"),
            format!("The profile {shown} has only-one=yes."),
            "The router does not heed it for people whom a RADIUS server lets in; the setting connections_per_account does \
             what it says.",
            Vec::new(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Seen;
    use super::*;

    const L2TP: &str = "/interface/l2tp-server/server";
    const SSTP: &str = "/interface/sstp-server/server";
    const PPTP: &str = "/interface/pptp-server/server";
    const OVPN: &str = "/interface/ovpn-server/server";
    const PPPOE: &str = "/interface/pppoe-server/server";

    #[test]
    fn weak_methods_are_found() {
        let fix = "/interface l2tp-server server set authentication=mschap2";
        let l2tp = |methods| Seen::healthy().with(L2TP, "authentication", methods);
        l2tp("pap,chap,mschap1,mschap2").finds("pap:l2tp", Gravity::Warning, &[fix]);
        l2tp("chap,mschap1").finds("no_mschap2:l2tp", Gravity::Warning, &[fix]);
        l2tp("mschap1,mschap2").finds_nothing();
        l2tp("pap").with(L2TP, "enabled", "false").finds_nothing();
    }

    #[test]
    fn a_server_among_several_is_meant_by_its_id() {
        let row = [(".id", "*4"), ("service-name", "office"), ("disabled", "false"), ("authentication", "pap,mschap2")];
        Seen::healthy().row(PPPOE, &row).finds(
            "pap:pppoe office",
            Gravity::Warning,
            &["/interface pppoe-server server set [find where .id=*4] authentication=mschap2"],
        );
        let off = [(".id", "*4"), ("service-name", "office"), ("disabled", "true"), ("authentication", "pap")];
        Seen::healthy().row(PPPOE, &off).finds_nothing();
    }

    #[test]
    fn pptp_is_noted_and_sstp_needs_a_certificate() {
        let pptp = Seen::healthy().with(PPTP, "enabled", "true");
        pptp.finds("pptp", Gravity::Note, &["/interface pptp-server server set enabled=no"]);
        let sstp = Seen::healthy().with(SSTP, "enabled", "true");
        for certificate in ["", "none"] {
            sstp.clone().with(SSTP, "certificate", certificate).finds("sstp_certificate", Gravity::Warning, &[]);
        }
        sstp.with(SSTP, "certificate", "vpn").finds_nothing();
    }

    #[test]
    fn profiles_are_looked_at_where_they_are_used() {
        Seen::healthy().with(L2TP, "default-profile", "gone").finds("profile:gone", Gravity::Warning, &[]);
        let one = |name| Seen::healthy().with_where(PROFILE, "name", name, "only-one", "yes");
        one("radgram").finds("only_one:radgram", Gravity::Note, &[]);
        one("default").finds_nothing();
    }

    #[test]
    fn the_ovpn_server_is_one_or_a_row() {
        let row = [(".id", "*4"), ("name", "ovpn1"), ("disabled", "false"), ("default-profile", "gone")];
        Seen::healthy().no_rows(OVPN).row(OVPN, &row).finds("profile:gone", Gravity::Warning, &[]);
        let one = [("enabled", "true"), ("default-profile", "gone")];
        Seen::healthy().no_rows(OVPN).row(OVPN, &one).finds("profile:gone", Gravity::Warning, &[]);
        let off = [("enabled", "false"), ("default-profile", "gone")];
        Seen::healthy().no_rows(OVPN).row(OVPN, &off).finds_nothing();
    }
}
