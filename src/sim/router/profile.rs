//! `/ppp/profile`: what a connection has where neither RADIUS nor the secret says otherwise.

use super::dial::{Method, Service};
use super::radius::span;
use super::state::table::Row;
use super::state::{State, path};
use super::tunnel::Grant;

impl Grant {
    /// Fills what is missing from the profile that is named, else from the one of the VPN server.
    pub(super) fn complete(&mut self, state: &State, named: Option<&str>) {
        let default = server(state, self.dial.service).map(|row| row.text("default-profile")).unwrap_or_default();
        let profile = state.named(path::PROFILE, named.unwrap_or(&default));
        // What RouterOS does with a name that is no profile no source says: here the server's is used.
        let profile = profile.or_else(|| state.named(path::PROFILE, &default));
        let Some((_, profile)) = profile else { return };
        let text = |name: &str| Some(profile.text(name)).filter(|text| !text.is_empty());
        self.session_timeout = self.session_timeout.or(span(profile, "session-timeout")).filter(|span| !span.is_zero());
        self.rate_limit = self.rate_limit.take().or_else(|| text("rate-limit"));
        self.interface_list = text("interface-list");
        self.pool = self.pool.take().or_else(|| text("remote-address"));
        self.lists.extend(text("address-list").into_iter().flat_map(words));
    }
}

/// The rate of a profile, if it has one.
pub(super) fn rate_limit(state: &State, name: &str) -> Option<String> {
    let (_, profile) = state.named(path::PROFILE, name)?;
    Some(profile.text("rate-limit")).filter(|rate| !rate.is_empty())
}

fn words(text: String) -> Vec<String> {
    text.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The row of the server that takes dials of this service; `None` if none is on.
pub(super) fn server(state: &State, service: Service) -> Option<&Row> {
    let is_on = |row: &Row| if row.value("enabled").is_some() { row.flag("enabled") } else { !row.flag("disabled") };
    state.find(service.server(), is_on).map(|(_, row)| row)
}

/// Whether a server takes this proof of a password. An OpenVPN server has one method, older ones PAP.
pub(super) fn takes(row: &Row, service: Service, method: Method) -> bool {
    let word = match method {
        Method::Pap => "pap",
        Method::Chap => "chap",
        Method::MsChapV1 => "mschap1",
        Method::MsChapV2 => "mschap2",
    };
    match service {
        // The simulated client is not of one kind: what it brings is taken unless the server says what it takes.
        Service::Ovpn => row.value("user-auth-method").is_none() || row.says("user-auth-method", word),
        Service::L2tp | Service::Pptp | Service::Sstp | Service::Pppoe => row.lists("authentication", word),
    }
}

/// Mikrotik-Rate-Limit as a queue shows it: of `rx/tx burst …` the first word, with both directions.
pub(super) fn max_limit(rate: &str) -> String {
    let first = rate.split(' ').next().unwrap_or_default();
    if first.contains('/') { first.to_owned() } else { format!("{first}/{first}") }
}
