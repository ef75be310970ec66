//! What a connection leaves in the router's menus while it is up: `/ppp/active`, its interface, queue, list entries, rules.

use std::net::Ipv4Addr;

use super::accounting::{Cause, Traffic};
use super::dial::Service;
use super::profile;
use super::state::table::{Id, Row};
use super::state::value::Value;
use super::state::{State, path};
use super::tunnel::{Authentic, Grant};
use super::user_manager;
use crate::clock::Timestamp;

/// The rows of one connection.
#[derive(Debug, Default)]
pub(super) struct Footprint {
    interface: String,
    rows: Vec<(&'static str, Id)>,
    rules: Vec<(&'static str, Id)>,
    um_session: Option<Id>,
}

/// The first free name of a dynamic interface: `<l2tp-ivan>`, then `<l2tp-ivan-1>`.
fn free_name(state: &State, grant: &Grant) -> String {
    let base = format!("{}-{}", grant.dial.service.word(), grant.dial.user);
    let first = format!("<{base}>");
    let more = (1..).map(|number| format!("<{base}-{number}>"));
    let is_free = |name: &String| state.named(path::INTERFACE, name).is_none();
    std::iter::once(first).chain(more).find(is_free).unwrap_or_default()
}

impl Footprint {
    /// Writes the rows of a connection that comes up.
    pub(super) fn appear(state: &mut State, grant: &Grant, address: Ipv4Addr, now: Timestamp) -> Self {
        let mut footprint = Self { interface: free_name(state, grant), ..Self::default() };
        footprint.show_active(state, grant, address, now);
        footprint.show_interface(state, grant, now);
        footprint.show_queue(state, grant);
        for list in &grant.lists {
            footprint.list(state, list, address, now);
        }
        footprint.set_filters(state, &grant.filters);
        match grant.authentic {
            Authentic::UserManager => footprint.um_session = user_manager::started(state, grant, address, now),
            Authentic::Local => remember(state, grant, "last-caller-id", Value::text(grant.dial.caller.clone())),
            Authentic::Radius => {}
        }
        state.log(now, "l2tp,ppp,info,account", format!("{} logged in, {address}", grant.dial.user));
        footprint
    }

    fn insert(&mut self, state: &mut State, menu: &'static str, cells: Vec<(&'static str, Value)>) {
        self.rows.extend(state.insert(menu, cells).map(|id| (menu, id)));
    }

    fn show_active(&mut self, state: &mut State, grant: &Grant, address: Ipv4Addr, now: Timestamp) {
        let is_radius = match grant.authentic {
            Authentic::Radius | Authentic::UserManager => true,
            Authentic::Local => false,
        };
        let cells = vec![
            ("name", Value::text(grant.dial.user.clone())),
            ("service", Value::text(grant.dial.service.word())),
            ("caller-id", Value::text(grant.dial.caller.clone())),
            ("address", Value::text(address.to_string())),
            ("uptime", Value::Since(now)),
            ("encoding", Value::text(grant.dial.service.encoding())),
            ("session-id", Value::text(shown_session(&grant.session_id))),
            ("limit-bytes-in", Value::Number(0)),
            ("limit-bytes-out", Value::Number(0)),
            ("radius", Value::Flag(is_radius)),
        ];
        self.insert(state, path::ACTIVE, cells);
    }

    fn show_interface(&mut self, state: &mut State, grant: &Grant, now: Timestamp) {
        let name = || Value::text(self.interface.clone());
        let interface = vec![
            ("name", name()),
            ("type", Value::text(format!("{}-in", grant.dial.service.word()))),
            ("mtu", Value::Number(1450)),
            ("actual-mtu", Value::Number(1450)),
            ("last-link-up-time", Value::At(now)),
            ("rx-byte", Value::Number(0)),
            ("tx-byte", Value::Number(0)),
            ("rx-packet", Value::Number(0)),
            ("tx-packet", Value::Number(0)),
            ("dynamic", Value::Flag(true)),
            ("running", Value::Flag(true)),
        ];
        let binding = vec![
            ("name", name()),
            ("user", Value::text(grant.dial.user.clone())),
            ("mtu", Value::Number(1450)),
            ("client-address", Value::text(grant.dial.caller.clone())),
            ("uptime", Value::Since(now)),
            ("encoding", Value::text(grant.dial.service.encoding())),
            ("running", Value::Flag(true)),
            ("dynamic", Value::Flag(true)),
        ];
        let member = grant.interface_list.clone().map(|list| {
            vec![("list", Value::text(list)), ("interface", name()), ("dynamic", Value::Flag(true))] //
        });
        self.insert(state, path::INTERFACE, interface);
        self.insert(state, grant.dial.service.bindings(), binding);
        if let Some(member) = member {
            self.insert(state, path::LIST_MEMBER, member);
        }
    }

    fn show_queue(&mut self, state: &mut State, grant: &Grant) {
        if let Some(rate) = &grant.rate_limit {
            self.set_rate(state, rate);
        }
    }

    /// Puts the client into an address list; who is in it already stays as it is.
    fn list(&mut self, state: &mut State, list: &str, address: Ipv4Addr, now: Timestamp) {
        let address = address.to_string();
        let is_there = |row: &Row| row.says("list", list) && row.says("address", &address);
        if state.find(path::ADDRESS_LIST, is_there).is_some() {
            return;
        }
        let cells = vec![
            ("list", Value::text(list)),
            ("address", Value::text(address)),
            ("dynamic", Value::Flag(true)),
            ("creation-time", Value::At(now)),
        ];
        self.insert(state, path::ADDRESS_LIST, cells);
    }

    /// Filter-Id: a jump from chain `ppp` to the chain that is named, for what comes in (`.in`, or no suffix) or goes out
    /// (`.out`); the last of each direction counts.
    pub(super) fn set_filters(&mut self, state: &mut State, filters: &[String]) {
        for (menu, id) in self.rules.drain(..) {
            state.remove(menu, id);
        }
        let is_out = |filter: &&String| filter.ends_with(".out");
        let last = [filters.iter().rfind(|filter| !is_out(filter)), filters.iter().rfind(is_out)];
        for (filter, side) in last.into_iter().zip(["in-interface", "out-interface"]) {
            let Some(filter) = filter else { continue };
            let chain = filter.trim_end_matches(".in").trim_end_matches(".out");
            let cells = vec![
                ("chain", Value::text("ppp")),
                ("action", Value::text("jump")),
                ("jump-target", Value::text(chain)),
                (side, Value::text(self.interface.clone())),
                ("dynamic", Value::Flag(true)),
            ];
            self.rules.extend(state.insert(path::FILTER, cells).map(|id| (path::FILTER, id)));
        }
    }

    /// The name of the dynamic interface.
    pub(super) fn interface(&self) -> &str {
        &self.interface
    }

    /// Shows a rate in the dynamic queue, which has the name of the interface.
    pub(super) fn set_rate(&mut self, state: &mut State, rate: &str) {
        let shown = profile::max_limit(rate);
        match self.rows.iter().find(|(menu, _)| *menu == path::QUEUE) {
            Some((menu, id)) => state.put(menu, *id, "max-limit", Value::text(shown)),
            None => {
                let cells = vec![
                    ("name", Value::text(self.interface.clone())),
                    ("target", Value::text(self.interface.clone())),
                    ("max-limit", Value::text(shown)),
                    ("dynamic", Value::Flag(true)),
                ];
                self.insert(state, path::QUEUE, cells);
            }
        }
    }

    /// Shows the counters: what the router received is what the client sent.
    pub(super) fn count(&self, state: &mut State, traffic: &Traffic) {
        if let Some((menu, id)) = self.rows.iter().find(|(menu, _)| *menu == path::INTERFACE) {
            for (name, number) in [
                ("rx-byte", traffic.input_octets),
                ("tx-byte", traffic.output_octets),
                ("rx-packet", u64::from(traffic.input_packets)),
                ("tx-packet", u64::from(traffic.output_packets)),
            ] {
                state.put(menu, *id, name, Value::Number(number));
            }
        }
        user_manager::counted(state, self.um_session, traffic);
    }

    /// Takes the rows away when the connection has ended.
    pub(super) fn vanish(&mut self, state: &mut State, grant: &Grant, cause: Cause, now: Timestamp) {
        for (menu, id) in self.rows.drain(..).chain(self.rules.drain(..)) {
            state.remove(menu, id);
        }
        match grant.authentic {
            Authentic::UserManager => user_manager::ended(state, self.um_session, cause, now),
            Authentic::Local => {
                remember(state, grant, "last-logged-out", Value::At(now));
                remember(state, grant, "last-disconnect-reason", Value::text(cause.word()));
            }
            Authentic::Radius => {}
        }
        state.log(now, "l2tp,ppp,info,account", format!("{} logged out", grant.dial.user));
    }
}

/// Writes down in the user's `/ppp/secret` what became of it.
fn remember(state: &mut State, grant: &Grant, name: &'static str, value: Value) {
    if let Some((id, _)) = state.named(path::SECRET, &grant.dial.user) {
        state.put(path::SECRET, id, name, value);
    }
}

/// `81a00001` as `/ppp/active` shows it.
fn shown_session(session_id: &str) -> String {
    format!("0x{}", session_id.to_uppercase())
}

impl Service {
    /// As menus and names of interfaces have it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::L2tp => "l2tp",
            Self::Pptp => "pptp",
            Self::Sstp => "sstp",
            Self::Ovpn => "ovpn",
            Self::Pppoe => "pppoe",
        }
    }

    /// What `/ppp/active` says of the cipher.
    const fn encoding(self) -> &'static str {
        match self {
            Self::L2tp => "cbc(aes) + hmac(sha1)",
            Self::Pptp => "MPPE128 stateless",
            Self::Sstp => "AES256-GCM-SHA384",
            Self::Ovpn => "AES-256-GCM/[null-digest]",
            Self::Pppoe => "",
        }
    }

    const fn bindings(self) -> &'static str {
        match self {
            Self::L2tp => "/interface/l2tp-server",
            Self::Pptp => "/interface/pptp-server",
            Self::Sstp => "/interface/sstp-server",
            Self::Ovpn => "/interface/ovpn-server",
            Self::Pppoe => "/interface/pppoe-server",
        }
    }

    /// The menu of the server that takes its dials.
    pub(super) const fn server(self) -> &'static str {
        match self {
            Self::L2tp => "/interface/l2tp-server/server",
            Self::Pptp => "/interface/pptp-server/server",
            Self::Sstp => "/interface/sstp-server/server",
            Self::Ovpn => "/interface/ovpn-server/server",
            Self::Pppoe => "/interface/pppoe-server/server",
        }
    }
}
