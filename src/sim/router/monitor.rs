//! The numbers of `monitor`.

use super::command::Monitored;
use super::state::path;
use super::{Inner, lock};

impl Inner {
    /// Names and values, as they go out.
    pub(super) fn numbers(&self, what: &Monitored) -> Vec<(&'static str, String)> {
        match what {
            Monitored::Server(id) => {
                let counters = self.transport.counters_of(*id);
                let ended = counters.accepts + counters.rejects + counters.timeouts;
                vec![
                    ("pending", counters.requests.saturating_sub(ended).to_string()),
                    ("requests", counters.requests.to_string()),
                    ("accepts", counters.accepts.to_string()),
                    ("rejects", counters.rejects.to_string()),
                    ("resends", counters.resends.to_string()),
                    ("timeouts", counters.timeouts.to_string()),
                    ("bad-replies", counters.bad_replies.to_string()),
                    ("last-request-rtt", "0ms".to_owned()),
                ]
            }
            Monitored::Incoming => {
                let counters = &self.incoming.counters;
                vec![
                    ("requests", counters.requests().to_string()),
                    ("bad-requests", counters.bad_requests().to_string()),
                    ("acks", counters.acks().to_string()),
                    ("naks", counters.naks().to_string()),
                ]
            }
            Monitored::UmUser(name) => self.user_numbers(name),
        }
    }

    /// Of a user of User Manager, over all its sessions.
    fn user_numbers(&self, name: &str) -> Vec<(&'static str, String)> {
        let state = lock(&self.state);
        let sessions: Vec<_> =
            state.rows(path::UM_SESSION).map(|(_, row)| row).filter(|row| row.says("user", name)).collect();
        let sum = |property| sessions.iter().filter_map(|row| row.number(property)).sum::<u64>();
        let active = sessions.iter().filter(|row| row.flag("active")).count();
        vec![
            ("total-download", sum("download").to_string()),
            ("total-upload", sum("upload").to_string()),
            ("active-sessions", active.to_string()),
            ("active-sub-sessions", "0".to_owned()),
            ("actual-profile", String::new()),
            ("attributes-details", String::new()),
        ]
    }
}
