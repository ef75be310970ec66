//! Commands that neither show nor change rows: `monitor`, `reset-counters`, `close-session`, `sign`.

use super::trap::Trap;
use super::{Command, Done, Effect, IDS, Monitored, Repeat, Reply, named_by, named_rows};
use crate::clock::Timestamp;
use crate::sim::router::state::menu::{Menu, Verb};
use crate::sim::router::state::value::Value;
use crate::sim::router::state::{State, path};

pub(super) fn monitor(state: &State, menu: &Menu, command: &Command) -> Result<Reply, Trap> {
    command.takes_only(&[&IDS[..], &["once", "interval", ".proplist"]].concat())?;
    let repeat = if command.attribute("once").is_some() { Repeat::Once } else { Repeat::UntilCancelled };
    Ok(Reply::Monitor(monitored(state, menu, command)?, repeat))
}

fn monitored(state: &State, menu: &Menu, command: &Command) -> Result<Monitored, Trap> {
    let id = named_rows(state, menu, command)?.into_iter().next().ok_or_else(Trap::no_such_item)?;
    Ok(match menu.path {
        path::RADIUS => Monitored::Server(id),
        path::INCOMING => Monitored::Incoming,
        _ => Monitored::UmUser(state.row(menu.path, id).map(|row| row.text("name")).unwrap_or_default()),
    })
}

/// Of the rows that are named, or of all.
pub(super) fn reset_counters(state: &mut State, menu: &Menu, command: &Command, verb: Verb) -> Result<Done, Trap> {
    command.takes_only(&IDS)?;
    let all = verb == Verb::ResetCountersAll || IDS.iter().all(|name| command.attribute(name).is_none());
    let ids = if all { state.ids(menu.path) } else { named_rows(state, menu, command)? };
    let mut effects = Vec::new();
    for id in ids {
        match menu.path {
            path::RADIUS => effects.push(Effect::ResetCounters(Monitored::Server(id))),
            path::INCOMING => effects.push(Effect::ResetCounters(Monitored::Incoming)),
            menu => {
                for name in ["bytes", "packets", "rx-byte", "tx-byte", "rx-packet", "tx-packet"] {
                    if state.row(menu, id).is_some_and(|row| row.value(name).is_some()) {
                        state.put(menu, id, name, Value::Number(0));
                    }
                }
            }
        }
    }
    Ok(Done { reply: Reply::Done, effects })
}

/// User Manager sends a Disconnect to the router that has the session.
pub(super) fn close_session(state: &State, menu: &Menu, command: &Command) -> Result<Done, Trap> {
    command.takes_only(&IDS)?;
    let ids = named_rows(state, menu, command)?;
    let sessions = ids.into_iter().filter_map(|id| state.row(menu.path, id));
    let effects = sessions.map(|row| Effect::UmClose(row.text("acct-session-id"))).collect();
    Ok(Done { reply: Reply::Done, effects })
}

/// `/user-manager/user-profile/activate-user-profile`, and `create-and-activate-profile` of a user in version 6.
pub(super) fn activate_profile(state: &mut State, menu: &Menu, command: &Command) -> Result<Done, Trap> {
    command.takes_only(&[&IDS[..], &["customer", "profile"]].concat())?;
    let ids = named_rows(state, menu, command)?;
    if menu.path == path::UM_V6_USER {
        let profile = command.text("profile").ok_or_else(|| Trap::missing(&["profile"]))?;
        if state.named(path::UM_V6_PROFILE, &profile).is_none() {
            return Err(Trap::unmatched("profile"));
        }
        for id in ids {
            state.put(path::UM_V6_USER, id, "actual-profile", Value::text(profile.clone()));
        }
    } else {
        for id in ids {
            state.put(path::UM_USER_PROFILE, id, "state", Value::text("running-active"));
        }
    }
    Ok(Done { reply: Reply::Done, effects: Vec::new() })
}

/// From now on the certificate can be used. What is in it is not made here: the server has its own.
pub(super) fn sign(state: &mut State, menu: &Menu, command: &Command, now: Timestamp) -> Result<Done, Trap> {
    // The command tree names its argument `number`.
    let rows = [".id", "number"];
    command.takes_only(&[&rows[..], &["name", "ca", "ca-crl-host"]].concat())?;
    for id in named_by(state, menu, command, &rows)? {
        for (name, value) in [
            ("private-key", Value::Flag(true)),
            ("issued", Value::Flag(true)),
            ("trusted", Value::text("true")),
            ("invalid-before", Value::At(now)),
        ] {
            state.put(path::CERTIFICATE, id, name, value);
        }
    }
    Ok(Done { reply: Reply::Done, effects: Vec::new() })
}
