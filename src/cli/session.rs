//! `radgram session`: the right to be connected, named by the account's user name.

use std::time::Duration;

use clap::{ArgGroup, Subcommand};
use serde::Serialize;

use super::desk::{ACTOR, Desk, Times, rfc3339};
use super::output::{Line, bounded_list};
use super::{Failure, ListArgs};
use crate::domain::account::{Account, Lock, Switch};
use crate::domain::id::AccountId;
use crate::domain::session::State;
use crate::store::session::SessionLine;

/// The most hours of one session: Session-Timeout never says more.
const MOST_HOURS: i64 = 168;
/// Refusals of `grant --all` that are written out; the others are counted.
const SHOWN_REFUSALS: usize = 20;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Grant a session; one that is open gets the later end.
    #[command(group = ArgGroup::new("whose").required(true).args(["username", "all"]))]
    Grant {
        /// The account's user name.
        username: Option<String>,
        /// Every account that is enabled, unlocked and bound to somebody.
        #[arg(long)]
        all: bool,
        /// For how long.
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..=MOST_HOURS))]
        hours: i64,
    },
    /// Extend an open session.
    Extend {
        /// The account's user name.
        username: String,
        /// By how much.
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..=MOST_HOURS))]
        hours: i64,
    },
    /// End an open session; its connections are cut.
    End {
        /// The account's user name.
        username: String,
    },
    /// List the open sessions, the first to end first.
    List(ListArgs),
}

pub(super) async fn run(desk: &Desk, command: Command) -> Result<(), Failure> {
    match command {
        Command::Grant { username: Some(name), hours, all: _ } => {
            let account = desk.account(&name).await?;
            desk.gate.grant_session(&ACTOR, account.id, length(hours)).await?;
            tell(desk, &account).await
        }
        Command::Grant { username: None, hours, all: _ } => grant_all(desk, hours).await,
        Command::Extend { username, hours } => {
            let account = desk.account(&username).await?;
            let session = open_of(desk, &account).await?;
            desk.gate.extend_session(&ACTOR, session, length(hours)).await?;
            tell(desk, &account).await
        }
        Command::End { username } => {
            let account = desk.account(&username).await?;
            let session = open_of(desk, &account).await?;
            desk.gate.end_session(&ACTOR, session).await?;
            desk.say(&format!("the session of {} is ended", account.name))
        }
        Command::List(args) => {
            let times = desk.times().await?;
            let sessions = desk.reader().open_sessions().await?;
            let lines: Vec<Open> = sessions.into_iter().map(|line| Open::of(line, &times)).collect();
            bounded_list(&lines, args)
        }
    }
}

fn length(hours: i64) -> Duration {
    Duration::from_secs(hours.unsigned_abs() * 3600)
}

async fn open_of(desk: &Desk, account: &Account) -> Result<crate::domain::id::SessionId, Failure> {
    let session = desk.reader().open_session(account.id).await?;
    let session = session.ok_or_else(|| Failure::because(format!("account {} has no open session", account.name)))?;
    Ok(session.id)
}

async fn tell(desk: &Desk, account: &Account) -> Result<(), Failure> {
    let times = desk.times().await?;
    match desk.reader().open_session(account.id).await? {
        Some(session) => desk.say(&format!("{} may connect until {}", account.name, times.show(session.until))),
        None => Err(Failure::because(format!("the session of {} ended meanwhile", account.name))),
    }
}

/// One by one: who cannot have a session keeps nobody else from it.
async fn grant_all(desk: &Desk, hours: i64) -> Result<(), Failure> {
    let mut granted: usize = 0;
    let mut refused: usize = 0;
    for (id, name) in eligible(desk).await? {
        match desk.gate.grant_session(&ACTOR, id, length(hours)).await {
            Ok(_) => granted += 1,
            Err(because) => {
                refused += 1;
                if refused <= SHOWN_REFUSALS {
                    eprintln!("radgram: {name}: {}", Failure::from(because));
                }
            }
        }
    }
    desk.say(&format!("{granted} granted for {hours} h"))?;
    if refused > 0 { Err(Failure::because(format!("{refused} refused"))) } else { Ok(()) }
}

async fn eligible(desk: &Desk) -> Result<Vec<(AccountId, String)>, Failure> {
    let accounts = desk.reader().every_account().await?.into_iter().map(|line| line.account);
    let usable = accounts
        .filter(|account| account.user.is_some() && account.switch == Switch::Enabled && account.lock == Lock::Open);
    Ok(usable.map(|account| (account.id, account.name)).collect())
}

#[derive(Serialize)]
struct Open {
    username: String,
    name: Option<String>,
    state: &'static str,
    origin: &'static str,
    created_at: String,
    until: String,
    stations: Vec<String>,
    #[serde(skip)]
    shown_until: String,
}

impl Open {
    fn of(line: SessionLine, times: &Times) -> Self {
        let session = line.session;
        let ends = session.ends_at.map_or(session.until, |at| at.min(session.until));
        Self {
            username: line.account_name,
            name: line.user_name,
            state: match session.state {
                State::Granted => "granted",
                State::Active => "active",
                State::Ended { .. } => "ended",
            },
            origin: session.origin.word(),
            created_at: rfc3339(session.created_at),
            until: rfc3339(ends),
            stations: line.stations,
            shown_until: times.show(ends),
        }
    }
}

impl Line for Open {
    const HEADS: &'static [&'static str] = &["USERNAME", "NAME", "STATE", "ORIGIN", "UNTIL", "CONNECTED FROM"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.username.clone(),
            self.name.clone().unwrap_or_default(),
            self.state.to_owned(),
            self.origin.to_owned(),
            self.shown_until.clone(),
            self.stations.join(", "),
        ]
    }
}
