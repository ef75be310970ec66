//! `radgram account`: VPN log-ins, named by their user name.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::attribute::{self, Attribute};
use super::desk::{ACTOR, Desk};
use super::output::{Line, Out};
use super::{Failure, ListArgs, import, input};
use crate::domain::account::{Holder, Lock, Source, Switch};
use crate::domain::attribute::{ReplyAttributes, Subject};
use crate::domain::group::NO_GROUP;
use crate::domain::id::AccountId;
use crate::gate::PUT_AT_ONCE;
use crate::store::account::{AccountLine, PasswordKept};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add an account, enabled and without a password; `account password` gives it one.
    Add {
        /// The user name that the VPN client sends.
        username: String,
        /// The person it is bound to.
        #[arg(long, value_name = "TELEGRAM_ID")]
        user: Option<i64>,
    },
    /// Bind an account to a person.
    Bind {
        #[command(flatten)]
        which: Which,
        /// The person.
        #[arg(long, value_name = "TELEGRAM_ID")]
        user: i64,
    },
    /// Bind an account to nobody: its open session ends.
    Unbind(Which),
    /// Let an account be used.
    Enable(Which),
    /// Refuse an account: its open session ends, its connections are cut.
    Disable(Which),
    /// Unlock an account that was locked by "Not me". Change its password first.
    Unlock(Which),
    /// Set an account's password, one line on standard input: its open session ends.
    Password(Which),
    /// Say where an account's password is kept: its open session ends. `user_manager`: each log-in is forwarded to the home
    /// server of its router (`router home`).
    Source {
        #[command(flatten)]
        which: Which,
        /// Where.
        #[arg(value_enum)]
        source: SourceWord,
    },
    /// Mark an account as having no person behind it (site-to-site, monitoring), or not.
    Machine {
        #[command(flatten)]
        which: Which,
        /// Whether it is a machine's.
        mark: Mark,
    },
    /// Put accounts into a group, whose attributes and settings they take where they have none of their own.
    Group {
        /// The accounts' user names.
        #[arg(required = true, value_name = "USERNAME")]
        usernames: Vec<String>,
        /// The group's name; `none` takes them out of the one they are in.
        #[arg(required = true)]
        group: String,
    },
    /// What an Access-Accept says of an account: list it, or change it.
    Attribute {
        #[command(flatten)]
        which: Which,
        /// List what a log-in on this router gets in all, and whose word each is: the account's, its group's or the router's.
        #[arg(long, value_name = "ROUTER", conflicts_with_all = ["pairs", "clear"])]
        on: Option<String>,
        #[command(flatten)]
        change: attribute::Change,
    },
    /// Delete an account.
    Delete(Which),
    /// Add accounts and approved people from a CSV file: all lines, or nothing if one is wrong.
    Import {
        /// The file, with the header username,password,telegram_id,name; `-` is standard input.
        file: PathBuf,
        /// Check the file and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// List the accounts.
    List(ListArgs),
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The account's user name.
    username: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Mark {
    /// No person behind it.
    On,
    /// A person's.
    Off,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum SourceWord {
    /// By radgram.
    Local,
    /// By the home server of the router that is dialled.
    UserManager,
}

pub(super) async fn run(desk: &Desk, command: Command) -> Result<(), Failure> {
    match command {
        Command::Add { username, user } => add(desk, &username, user).await,
        Command::Bind { which, user } => bind(desk, &which, user).await,
        Command::Unbind(which) => {
            let account = desk.account(&which.username).await?;
            desk.gate.bind_account(&ACTOR, account.id, None).await?;
            desk.say(&format!("account {} is bound to nobody", account.name))
        }
        Command::Enable(which) => switch(desk, &which, Switch::Enabled, "enabled").await,
        Command::Disable(which) => switch(desk, &which, Switch::Disabled, "disabled").await,
        Command::Unlock(which) => {
            let account = desk.account(&which.username).await?;
            desk.gate.unlock_account(&ACTOR, account.id).await?;
            desk.say(&format!("account {} is unlocked", account.name))
        }
        Command::Password(which) => {
            let account = desk.account(&which.username).await?;
            desk.gate.set_password(&ACTOR, account.id, input::secret("password")?).await?;
            desk.say(&format!("account {} has the new password", account.name))
        }
        Command::Source { which, source } => set_source(desk, &which, source).await,
        Command::Machine { which, mark } => machine(desk, &which, mark).await,
        Command::Group { usernames, group } => put(desk, &usernames, &group).await,
        Command::Attribute { which, on: Some(router), change } => {
            let account = desk.account(&which.username).await?;
            attribute::in_all(desk, &account, &desk.router(&router).await?, &change).await
        }
        Command::Attribute { which, on: None, change } => {
            let account = desk.account(&which.username).await?;
            let whose = format!("account {}", account.name);
            attribute::run(desk, Subject::Account(account.id), &whose, &change).await
        }
        Command::Delete(which) => {
            let account = desk.account(&which.username).await?;
            desk.gate.delete_account(&ACTOR, account.id).await?;
            desk.say(&format!("account {} is deleted", account.name))
        }
        Command::Import { file, dry_run } => import::run(desk, &file, dry_run.into()).await,
        Command::List(args) => list(desk, args).await,
    }
}

async fn add(desk: &Desk, username: &str, user: Option<i64>) -> Result<(), Failure> {
    let user = match user {
        Some(telegram_id) => Some(desk.user(telegram_id).await?.id),
        None => None,
    };
    desk.gate.add_account(&ACTOR, username, user, None).await?;
    desk.say(&format!("account {} is added; radgram account password sets its password", username.trim()))
}

async fn bind(desk: &Desk, which: &Which, telegram_id: i64) -> Result<(), Failure> {
    let account = desk.account(&which.username).await?;
    let user = desk.user(telegram_id).await?;
    desk.gate.bind_account(&ACTOR, account.id, Some(user.id)).await?;
    desk.say(&format!("account {} is bound to {telegram_id}, {}", account.name, user.name))
}

async fn switch(desk: &Desk, which: &Which, to: Switch, word: &str) -> Result<(), Failure> {
    let account = desk.account(&which.username).await?;
    if account.switch == to {
        return Err(Failure::because(format!("account {} is {word} already", account.name)));
    }
    desk.gate.switch_account(&ACTOR, account.id, to).await?;
    desk.say(&format!("account {} is {word}", account.name))
}

async fn machine(desk: &Desk, which: &Which, mark: Mark) -> Result<(), Failure> {
    let account = desk.account(&which.username).await?;
    let (holder, word) = match mark {
        Mark::On => (Holder::Machine, "marked as having no person"),
        Mark::Off => (Holder::Person, "a person's"),
    };
    desk.gate.mark_holder(&ACTOR, account.id, holder).await?;
    desk.say(&format!("account {} is {word}", account.name))
}

async fn set_source(desk: &Desk, which: &Which, word: SourceWord) -> Result<(), Failure> {
    let account = desk.account(&which.username).await?;
    let (source, said) = match word {
        SourceWord::Local => (Source::Local, "is kept by radgram; radgram account password sets it"),
        SourceWord::UserManager => (Source::UserManager, "is kept by the home server of the router that is dialled"),
    };
    desk.gate.set_source(&ACTOR, account.id, source).await?;
    desk.say(&format!("the password of account {} {said}", account.name))
}

async fn put(desk: &Desk, usernames: &[String], name: &str) -> Result<(), Failure> {
    let mut accounts = Vec::with_capacity(usernames.len());
    for username in usernames {
        accounts.push(desk.account(username).await?);
    }
    let group = if name.trim() == NO_GROUP { None } else { Some(desk.group(name).await?) };
    let ids: Vec<AccountId> = accounts.iter().map(|account| account.id).collect();
    let mut moved = 0;
    for some in ids.chunks(PUT_AT_ONCE) {
        moved += desk.gate.put_into_group(&ACTOR, some, group.as_ref().map(|group| group.id)).await?;
    }
    let whereto = group.map_or_else(|| "in no group".to_owned(), |group| format!("in group {}", group.name));
    match accounts.as_slice() {
        [one] if moved == 0 => Err(Failure::because(format!("account {} is {whereto} already", one.name))),
        [one] => desk.say(&format!("account {} is {whereto}", one.name)),
        many => desk.say(&format!("{} accounts are {whereto}, {moved} of them newly", many.len())),
    }
}

async fn list(desk: &Desk, args: ListArgs) -> Result<(), Failure> {
    let mut attributes = desk.reader().account_attributes().await?;
    let mut login = |line: AccountLine| {
        let own = attributes.remove(&line.account.id).unwrap_or_default();
        Login::of(line, &own)
    };
    let lines: Vec<Login> = desk.reader().every_account().await?.into_iter().map(&mut login).collect();
    Out::standard().list(&lines, args)
}

#[derive(Serialize)]
struct Login {
    username: String,
    telegram_id: Option<i64>,
    name: Option<String>,
    group: Option<String>,
    enabled: bool,
    locked: bool,
    machine: bool,
    source: &'static str,
    password: &'static str,
    comment: String,
    attributes: Vec<Attribute>,
}

impl Login {
    fn of(line: AccountLine, attributes: &ReplyAttributes) -> Self {
        Self {
            username: line.account.name,
            telegram_id: line.telegram_id,
            name: line.user_name,
            group: line.group_name,
            enabled: line.account.switch == Switch::Enabled,
            locked: line.account.lock == Lock::Locked,
            machine: line.account.holder == Holder::Machine,
            source: line.account.source.word(),
            password: match (line.account.source, line.password) {
                (Source::UserManager, _) => "home server",
                (Source::Local | Source::Adopted, PasswordKept::Password) => "set",
                (Source::Local | Source::Adopted, PasswordKept::NtHash) => "nt hash only",
                (Source::Local | Source::Adopted, PasswordKept::None) => "none",
            },
            comment: line.comment,
            attributes: attribute::lines(attributes),
        }
    }
}

impl Line for Login {
    const HEADS: &'static [&'static str] = &["USERNAME", "TELEGRAM ID", "NAME", "GROUP", "STATE", "PASSWORD"];

    fn cells(&self) -> Vec<String> {
        let marks = [(!self.enabled, "disabled"), (self.locked, "locked"), (self.machine, "machine")];
        let marks: Vec<&str> = marks.into_iter().filter(|(holds, _)| *holds).map(|(_, word)| word).collect();
        vec![
            self.username.clone(),
            self.telegram_id.map(|id| id.to_string()).unwrap_or_default(),
            self.name.clone().unwrap_or_default(),
            self.group.clone().unwrap_or_default(),
            if marks.is_empty() { "enabled".to_owned() } else { marks.join(", ") },
            self.password.to_owned(),
        ]
    }
}
