//! The `/radius` menu as the client uses it: which servers are asked, in which order, and how.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::config::{Protocol, RADSEC_SECRET, RequireMessageAuth};
use super::dial::Dial;
use super::state::table::{Id, Row};
use super::state::value::Value;
use super::state::{State, path};
use crate::proto::radius::{Opening, SharedSecret};
use crate::secret::Secret;

/// `timeout` of an entry that has none: it cannot be.
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(300);

/// One enabled entry.
pub(super) struct Entry {
    pub(super) id: Id,
    pub(super) auth: SocketAddr,
    pub(super) acct: SocketAddr,
    pub(super) secret: SharedSecret,
    pub(super) timeout: Duration,
    pub(super) protocol: Protocol,
    require: RequireMessageAuth,
    called_id: String,
    domain: String,
    is_backup: bool,
}

impl Entry {
    fn of(id: Id, row: &Row) -> Option<Self> {
        let address: IpAddr = row.text("address").split('@').next()?.parse().ok()?;
        let port = |name| row.number(name).and_then(|port| u16::try_from(port).ok());
        let require = match row.says("require-message-auth", "yes-for-request-resp") {
            true => RequireMessageAuth::YesForRequestResp,
            false => RequireMessageAuth::No,
        };
        // The secret of an entry over TLS is that of RadSec, whatever was typed.
        let (protocol, secret) = match row.says("protocol", "radsec") {
            true => (Protocol::Radsec, Secret::new(RADSEC_SECRET)),
            false => (Protocol::Udp, secret(row, "secret")),
        };
        Some(Self {
            id,
            auth: SocketAddr::new(address, port("authentication-port")?),
            acct: SocketAddr::new(address, port("accounting-port")?),
            secret: SharedSecret::new(secret),
            protocol,
            timeout: span(row, "timeout").unwrap_or(DEFAULT_TIMEOUT),
            require,
            called_id: row.text("called-id"),
            domain: row.text("domain"),
            is_backup: row.flag("accounting-backup"),
        })
    }

    /// Whether requests open with a Message-Authenticator.
    pub(super) fn opening(&self) -> Opening {
        match self.require {
            RequireMessageAuth::YesForRequestResp => Opening::MessageAuthenticator,
            RequireMessageAuth::No => Opening::Bare,
        }
    }

    pub(super) fn require(&self) -> RequireMessageAuth {
        self.require
    }

    /// Whether it is asked about this dial: `called-id` and `domain` narrow an entry down.
    fn serves(&self, dial: &Dial) -> bool {
        let fits = |wanted: &str, given: &str| wanted.is_empty() || wanted == given;
        fits(&self.called_id, &dial.called) && fits(&self.domain, dial.domain().unwrap_or_default())
    }
}

/// The entries for PPP in their order.
fn entries(state: &State) -> impl Iterator<Item = Entry> {
    let rows = state.rows(path::RADIUS);
    let enabled = rows.filter(|(_, row)| !row.flag("disabled") && row.lists("service", "ppp"));
    enabled.filter_map(|(id, row)| Entry::of(id, row))
}

/// Who is asked about a dial.
pub(super) fn for_login(state: &State, dial: &Dial) -> Vec<Entry> {
    entries(state).filter(|entry| !entry.is_backup && entry.serves(dial)).collect()
}

/// Who is told of connections: backups come last. Nobody if accounting is off.
pub(super) fn for_accounting(state: &State) -> Vec<Entry> {
    if !(state.setting(path::AAA, "accounting") && state.setting(path::AAA, "use-radius")) {
        return Vec::new();
    }
    let (backups, others): (Vec<Entry>, Vec<Entry>) = entries(state).partition(|entry| entry.is_backup);
    others.into_iter().chain(backups).collect()
}

/// The secrets of the entries with this address: Disconnect and CoA are taken from there alone.
///
/// Whether a disabled entry counts no source says; here it does not.
pub(super) fn secrets_of(state: &State, source: IpAddr) -> Vec<SharedSecret> {
    entries(state).filter(|entry| entry.auth.ip() == source).map(|entry| entry.secret).collect()
}

/// The secret in a property; empty if there is none.
pub(super) fn secret(row: &Row, name: &str) -> Secret {
    match row.value(name) {
        Some(Value::Secret(secret)) => secret.clone(),
        _ => Secret::default(),
    }
}

/// The length of time in a property.
pub(super) fn span(row: &Row, name: &str) -> Option<Duration> {
    match row.value(name) {
        Some(Value::Span(span)) => Some(*span),
        _ => None,
    }
}
