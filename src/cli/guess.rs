//! `radgram guess`: who is refused for guessing passwords.

use clap::Subcommand;
use serde::Serialize;

use super::desk::{ACTOR, Desk, Times, rfc3339};
use super::output::{Line, bounded_list};
use super::{Failure, ListArgs};
use crate::store::guess::GuessLock;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lift a lock: its caller or name may log in again, and is counted anew.
    Lift {
        /// Its id, from the list.
        id: i64,
    },
    /// List the locks that stand, newest first.
    List(ListArgs),
}

pub(super) async fn run(desk: &Desk, command: Command) -> Result<(), Failure> {
    match command {
        Command::Lift { id } => {
            desk.gate.lift_guess_lock(&ACTOR, id).await?;
            desk.say(&format!("lock {id} is lifted"))
        }
        Command::List(args) => {
            let times = desk.times().await?;
            let locks = desk.reader().guess_locks(desk.gate.now()).await?;
            let lines: Vec<Locked> = locks.into_iter().map(|lock| Locked::of(lock, &times)).collect();
            bounded_list(&lines, args)
        }
    }
}

#[derive(Serialize)]
struct Locked {
    id: i64,
    kind: &'static str,
    subject: String,
    router: String,
    last_username: String,
    wrong: u32,
    since: String,
    until: String,
    #[serde(skip)]
    shown_since: String,
    #[serde(skip)]
    shown_until: String,
}

impl Locked {
    fn of(lock: GuessLock, times: &Times) -> Self {
        Self {
            id: lock.id,
            kind: lock.kind.word(),
            subject: lock.subject,
            router: lock.router_name,
            last_username: lock.name,
            wrong: lock.wrong,
            since: rfc3339(lock.since),
            until: rfc3339(lock.until),
            shown_since: times.show(lock.since),
            shown_until: times.show(lock.until),
        }
    }
}

impl Line for Locked {
    const HEADS: &'static [&'static str] = &["ID", "KIND", "WHO", "ROUTER", "LAST NAME", "WRONG", "SINCE", "UNTIL"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.kind.to_owned(),
            self.subject.clone(),
            self.router.clone(),
            self.last_username.clone(),
            self.wrong.to_string(),
            self.shown_since.clone(),
            self.shown_until.clone(),
        ]
    }
}
