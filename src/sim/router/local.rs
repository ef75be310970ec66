//! Local secrets: a name that is in `/ppp/secret` is let in or refused by the router alone, RADIUS is not asked.

use super::Inner;
use super::config::DisabledSecret;
use super::dial::Dial;
use super::lock;
use super::radius::{secret, span};
use super::state::table::Row;
use super::state::{State, path};
use super::tunnel::{Authentic, Grant};

/// What the local table says of a dial.
pub(super) enum Local {
    /// No such name for this service.
    Unknown,
    /// Found, and not let in.
    Refused,
    /// Let in.
    Granted(Box<Grant>),
}

/// Looks a dial up. Router and client are in one process: comparing the passwords is what every method comes to.
pub(super) fn look_up(router: &Inner, dial: &Dial) -> Local {
    let mut state = lock(&router.state);
    state.advance(router.clock.now());
    let is_for = |row: &Row| row.says("service", "any") || row.says("service", dial.service.word());
    let found = state.find(path::SECRET, |row| row.says("name", &dial.user) && is_for(row));
    let Some((_, row)) = found else { return Local::Unknown };
    if row.flag("disabled") {
        return match router.config.disabled_secret {
            DisabledSecret::Shadows => Local::Refused,
            DisabledSecret::IsNotThere => Local::Unknown,
        };
    }
    let caller = row.text("caller-id");
    let is_caller = caller.is_empty() || caller == dial.caller;
    if secret(row, "password") != dial.password || !is_caller || is_second(router, &state, row, dial) {
        return Local::Refused;
    }
    let (session_id, nas_port) = router.next_session();
    let interim = state.single(path::AAA).and_then(|row| span(row, "interim-update"));
    let mut grant = Grant::new(dial, session_id, nas_port, Authentic::Local);
    grant.interim = interim;
    grant.address = row.text("remote-address").parse().ok();
    grant.complete(&state, Some(&row.text("profile")));
    Local::Granted(Box::new(grant))
}

/// `only-one` of the profile: for local users it counts.
fn is_second(router: &Inner, state: &State, row: &Row, dial: &Dial) -> bool {
    let only_one = state.named(path::PROFILE, &row.text("profile")).is_some_and(|(_, row)| row.says("only-one", "yes"));
    only_one && router.tunnels().iter().any(|tunnel| tunnel.grant.dial.user == dial.user)
}
