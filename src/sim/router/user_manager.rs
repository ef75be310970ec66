//! The router's own User Manager: who is let in, and its sessions.
//!
//! It is a RADIUS server of its own in reality, which the router asks as `/radius address=127.0.0.1`; what goes between
//! the two is not simulated, only what comes of it. It cuts by Disconnect-Requests, so only with `/radius/incoming accept=yes`.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use super::accounting::{Cause, Traffic};
use super::config::UserManager;
use super::dial::Dial;
use super::radius::secret;
use super::state::table::{Id, Row};
use super::state::value::Value;
use super::state::{State, path};
use super::tunnel::{self, Authentic, Grant, TunnelState};
use super::{Inner, lock};
use crate::clock::Timestamp;

/// What User Manager says of a dial.
pub(super) enum Verdict {
    /// It is not asked.
    NotAsked,
    /// Access-Reject.
    Refused,
    /// Access-Accept.
    Granted(Box<Grant>),
}

/// Which menus and names a version has.
struct Names {
    user: &'static str,
    user_name: &'static str,
    session: &'static str,
}

/// `None` where User Manager is not installed.
fn names(state: &State) -> Option<Names> {
    if state.menu(path::UM_USER).is_some() {
        return Some(Names { user: path::UM_USER, user_name: "name", session: path::UM_SESSION });
    }
    let names = Names { user: path::UM_V6_USER, user_name: "username", session: path::UM_V6_SESSION };
    state.menu(path::UM_V6_USER).map(|_| names)
}

/// Looks a dial up.
pub(super) fn look_up(router: &Inner, dial: &Dial) -> Verdict {
    match router.config.user_manager {
        UserManager::Absent | UserManager::Idle => return Verdict::NotAsked,
        UserManager::AnswersPpp => {}
    }
    let mut state = lock(&router.state);
    state.advance(router.clock.now());
    let Some(names) = names(&state) else { return Verdict::NotAsked };
    let is_off = state.single(path::UM).is_some_and(|row| !row.flag("enabled"));
    if is_off {
        return Verdict::NotAsked;
    }
    let found = state.find(names.user, |row| row.says(names.user_name, &dial.user));
    let Some((id, row)) = found.map(|(id, row)| (id, row.clone())) else { return Verdict::Refused };
    let caller = row.text("caller-id");
    let is_caller = caller.is_empty() || caller == "bind" || caller == dial.caller;
    let has_room = row.number("shared-users").is_none_or(|most| active_sessions(&state, &names, dial) < most);
    if row.flag("disabled") || secret(&row, "password") != dial.password || !is_caller || !has_room {
        return Verdict::Refused;
    }
    if caller == "bind" {
        state.put(names.user, id, "caller-id", Value::text(dial.caller.clone()));
    }
    let (session_id, nas_port) = router.next_session();
    let mut grant = Grant::new(dial, session_id, nas_port, Authentic::UserManager);
    let profile = apply(&mut grant, &row);
    grant.complete(&state, profile.as_deref());
    Verdict::Granted(Box::new(grant))
}

fn active_sessions(state: &State, names: &Names, dial: &Dial) -> u64 {
    let active = state.rows(names.session).filter(|(_, row)| row.says("user", &dial.user) && row.flag("active"));
    active.count() as u64
}

/// Gives what the user's `attributes` say, `Name:value` between commas; the name of a profile comes back.
fn apply(grant: &mut Grant, row: &Row) -> Option<String> {
    let mut profile = None;
    grant.address = row.text("ip-address").parse().ok();
    for (name, value) in row.text("attributes").split(',').filter_map(|pair| pair.split_once(':')) {
        match name.trim() {
            "Framed-IP-Address" => grant.address = value.parse().ok(),
            "Session-Timeout" => grant.session_timeout = value.parse().ok().map(Duration::from_secs),
            "Mikrotik-Group" => profile = Some(value.to_owned()),
            "Mikrotik-Rate-Limit" => grant.rate_limit = Some(value.to_owned()),
            "Mikrotik-Address-List" => grant.lists.push(value.to_owned()),
            _ => {}
        }
    }
    profile
}

/// Writes the row of a session that begins.
pub(super) fn started(state: &mut State, grant: &Grant, address: Ipv4Addr, now: Timestamp) -> Option<Id> {
    let names = names(state)?;
    let cells = vec![
        ("customer", Value::text("admin")),
        ("user", Value::text(grant.dial.user.clone())),
        ("acct-session-id", Value::text(grant.session_id.clone())),
        ("nas-port-type", Value::text("virtual")),
        ("nas-ip-address", Value::text("127.0.0.1")),
        ("nas-identifier", Value::text(state.single(path::IDENTITY).map(|row| row.text("name")).unwrap_or_default())),
        ("calling-station-id", Value::text(grant.dial.caller.clone())),
        ("user-address", Value::text(address.to_string())),
        ("user-ip", Value::text(address.to_string())),
        ("status", Value::text("start")),
        ("started", Value::At(now)),
        ("from-time", Value::At(now)),
        ("uptime", Value::Since(now)),
        ("download", Value::Number(0)),
        ("upload", Value::Number(0)),
        ("active", Value::Flag(true)),
    ];
    state.insert(names.session, cells)
}

/// Shows how much went through.
pub(super) fn counted(state: &mut State, session: Option<Id>, traffic: &Traffic) {
    let (Some(names), Some(id)) = (names(state), session) else { return };
    state.put(names.session, id, "download", Value::Number(traffic.output_octets));
    state.put(names.session, id, "upload", Value::Number(traffic.input_octets));
}

/// Writes the end of a session; its record stays.
pub(super) fn ended(state: &mut State, session: Option<Id>, cause: Cause, now: Timestamp) {
    let (Some(names), Some(id)) = (names(state), session) else { return };
    let uptime = match state.row(names.session, id).and_then(|row| row.value("uptime")) {
        Some(Value::Since(from)) => now.since(*from),
        _ => Duration::ZERO,
    };
    let uptime = Duration::from_secs(uptime.as_secs());
    for (name, value) in [
        ("status", Value::text("start,stop")),
        ("ended", Value::At(now)),
        ("till-time", Value::At(now)),
        ("uptime", Value::Span(uptime)),
        ("terminate-cause", Value::text(if cause == Cause::NasReboot { "um-nas-rebooted" } else { cause.word() })),
        ("active", Value::Flag(false)),
    ] {
        state.put(names.session, id, name, value);
    }
}

/// Which of its connections User Manager disconnects.
pub(super) enum Kicked<'a> {
    /// Those of a user.
    User(&'a str),
    /// The one with this Acct-Session-Id.
    Session(&'a str),
}

/// Sends Disconnects to the router itself: they count there, and do nothing unless it takes them.
pub(super) fn kick(router: &Arc<Inner>, kicked: &Kicked<'_>) {
    if !lock(&router.state).setting(path::INCOMING, "accept") {
        return;
    }
    let is_meant = |tunnel: &Arc<TunnelState>| {
        tunnel.grant.authentic == Authentic::UserManager
            && match kicked {
                Kicked::User(name) => tunnel.grant.dial.user == *name,
                Kicked::Session(id) => tunnel.grant.session_id == *id,
            }
    };
    let cause = match kicked {
        Kicked::User(_) => "um-user-disabled",
        Kicked::Session(_) => "um-admin-request",
    };
    for tunnel in router.tunnels().into_iter().filter(is_meant) {
        router.incoming.counters.acked();
        tunnel::end(router, &tunnel, router.incoming.habits.cut_cause);
        say_why(router, &tunnel.grant.session_id, cause);
    }
}

fn say_why(router: &Inner, session_id: &str, cause: &'static str) {
    let mut state = lock(&router.state);
    let Some(names) = names(&state) else { return };
    let is_it = |row: &Row| row.says("acct-session-id", session_id);
    if let Some((id, _)) = state.rows(names.session).filter(|(_, row)| is_it(row)).last() {
        state.put(names.session, id, "terminate-cause", Value::text(cause));
        state.put(names.session, id, "status", Value::text("start,stop,close-acked"));
    }
}
