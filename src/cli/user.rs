//! `radgram user`: people, named by their Telegram id.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::desk::{ACTOR, Desk, Times, rfc3339};
use super::output::{Line, bounded_list};
use super::{Failure, ListArgs};
use crate::domain::user::{UserState, UserStep};
use crate::store::user::UserLine;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a person.
    Add {
        /// Telegram's id of the person, a number; the bot shows it to them at /start.
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
        telegram_id: i64,
        /// The person's full name.
        #[arg(long)]
        name: String,
        /// Approved at once; otherwise the application waits for a decision.
        #[arg(long)]
        approved: bool,
    },
    /// Give a person another name.
    Rename {
        #[command(flatten)]
        who: Who,
        /// The new full name.
        #[arg(long)]
        name: String,
    },
    /// Approve an application.
    Approve(Who),
    /// Reject an application.
    Reject {
        #[command(flatten)]
        who: Who,
        /// Why, for the person to read.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Shut an approved person out: open sessions end, connections are cut.
    Block(Who),
    /// Let a blocked person back in.
    Unblock(Who),
    /// Delete a person: open sessions end, the accounts stay, bound to nobody.
    Delete(Who),
    /// List the people, open applications first.
    List(ListArgs),
}

#[derive(Debug, Args)]
pub(super) struct Who {
    /// Telegram's id of the person.
    telegram_id: i64,
}

pub(super) async fn run(desk: &Desk, command: Command) -> Result<(), Failure> {
    match command {
        Command::Add { telegram_id, name, approved } => {
            let state = if approved { UserState::Approved } else { UserState::Pending };
            desk.gate.add_user(&ACTOR, telegram_id, &name, state).await?;
            desk.say(&format!("user {telegram_id} is added, {}", state.word()))
        }
        Command::Rename { who, name } => {
            let user = desk.user(who.telegram_id).await?;
            desk.gate.rename_user(&ACTOR, user.id, &name).await?;
            desk.say(&format!("user {} is renamed", who.telegram_id))
        }
        Command::Approve(who) => decide(desk, &who, UserStep::Approve, None).await,
        Command::Reject { who, reason } => decide(desk, &who, UserStep::Reject, reason.as_deref()).await,
        Command::Block(who) => decide(desk, &who, UserStep::Block, None).await,
        Command::Unblock(who) => decide(desk, &who, UserStep::Unblock, None).await,
        Command::Delete(who) => {
            let user = desk.user(who.telegram_id).await?;
            desk.gate.delete_user(&ACTOR, user.id).await?;
            desk.say(&format!("user {} is deleted", who.telegram_id))
        }
        Command::List(list) => {
            let times = desk.times().await?;
            let users = desk.reader().users().await?;
            let lines: Vec<Person> = users.into_iter().map(|line| Person::of(line, &times)).collect();
            bounded_list(&lines, list)
        }
    }
}

async fn decide(desk: &Desk, who: &Who, step: UserStep, reason: Option<&str>) -> Result<(), Failure> {
    let user = desk.user(who.telegram_id).await?;
    let Some(state) = user.state.after(step) else {
        let (id, state) = (user.telegram_id, user.state.word());
        return Err(Failure::because(format!("user {id} is {state}: {} does not apply", step.word())));
    };
    desk.gate.decide_user(&ACTOR, user.id, step, reason).await?;
    desk.say(&format!("user {} is {}", user.telegram_id, state.word()))
}

#[derive(Serialize)]
struct Person {
    telegram_id: i64,
    name: String,
    state: &'static str,
    accounts: Vec<String>,
    reason: Option<String>,
    language: &'static str,
    bot_blocked_at: Option<String>,
    created_at: String,
    #[serde(skip)]
    shown: String,
}

impl Person {
    fn of(line: UserLine, times: &Times) -> Self {
        Self {
            telegram_id: line.user.telegram_id,
            name: line.user.name,
            state: line.user.state.word(),
            accounts: line.accounts,
            reason: line.reason,
            language: line.user.language.tag(),
            bot_blocked_at: line.bot_blocked_at.map(rfc3339),
            created_at: rfc3339(line.created_at),
            shown: times.show(line.created_at),
        }
    }
}

impl Line for Person {
    const HEADS: &'static [&'static str] = &["TELEGRAM ID", "NAME", "STATE", "ACCOUNTS", "SINCE", "NOTE"];

    fn cells(&self) -> Vec<String> {
        let blocked = self.bot_blocked_at.as_ref().map(|_| "takes no messages from the bot");
        let note: Vec<&str> = self.reason.as_deref().into_iter().chain(blocked).collect();
        vec![
            self.telegram_id.to_string(),
            self.name.clone(),
            self.state.to_owned(),
            self.accounts.join(", "),
            self.shown.clone(),
            note.join("; "),
        ]
    }
}
