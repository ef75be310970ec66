//! What a command wants of the rest of the router once the state is changed: connections end, ports open and close.

use std::sync::Arc;

use super::accounting::Cause;
use super::command::rights::Rights;
use super::command::trap::Trap;
use super::command::{Command, Effect, Monitored, Reply, execute};
use super::user_manager::{self, Kicked};
use super::{Inner, api, incoming, lock, tunnel};

impl Inner {
    /// Does a command and what follows from it.
    pub(super) fn execute(self: &Arc<Self>, rights: &Rights, command: &Command) -> Result<Reply, Trap> {
        let done = execute(&mut lock(&self.state), rights, command, self.clock.now())?;
        for effect in &done.effects {
            self.take_effect(effect);
        }
        Ok(done.reply)
    }

    fn take_effect(self: &Arc<Self>, effect: &Effect) {
        match effect {
            Effect::HangUp(session) => self.hang_up(session),
            Effect::Incoming => incoming::follow(self),
            Effect::Services => api::follow(self),
            Effect::LogOut(id) => self.api.log_out(*id),
            Effect::UmUserOff(name) => user_manager::kick(self, &Kicked::User(name)),
            Effect::UmClose(session) => user_manager::kick(self, &Kicked::Session(session)),
            Effect::ResetCounters(Monitored::Server(id)) => self.transport.reset_counters(*id),
            Effect::ResetCounters(Monitored::Incoming | Monitored::UmUser(_)) => self.incoming.counters.reset(),
            Effect::Reboot => self.reboot(),
        }
    }

    /// Hangs up what `/ppp/active` shows as `0x81A00001`. An operator did it, so the Stop says Admin-Reset (6), which
    /// RFC 2866 §5.10 has for it; NAS-Request (10) is for ends without an error that nobody asked for.
    fn hang_up(self: &Arc<Self>, session: &str) {
        let id = session.trim_start_matches("0x").to_lowercase();
        let tunnel = lock(&self.tunnels).get(&id).cloned();
        if let Some(tunnel) = tunnel {
            tunnel::end(self, &tunnel, Cause::AdminReset);
        }
    }
}
