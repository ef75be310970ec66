//! `radgram group`: accounts that share reply attributes and policy.

use clap::Subcommand;
use serde::Serialize;

use super::attribute::{self, Attribute};
use super::desk::{ACTOR, Desk};
use super::output::{Line, Out};
use super::{Failure, ListArgs};
use crate::domain::attribute::Subject;
use crate::domain::setting::{Level, SETTINGS};
use crate::store::group::GroupLine;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a group; `account group` puts accounts into it.
    Add {
        /// A name for people.
        name: String,
    },
    /// Give a group another name.
    Rename {
        /// The group's name.
        name: String,
        /// Its new name.
        new_name: String,
    },
    /// Remove a group with its attributes and settings: its accounts are left without a group.
    Remove {
        /// The group's name.
        name: String,
    },
    /// What an Access-Accept says of the accounts of a group, unless an account says otherwise: list it, or change it.
    Attribute {
        /// The group's name.
        name: String,
        #[command(flatten)]
        change: attribute::Change,
    },
    /// List the groups.
    List(ListArgs),
}

pub(super) async fn run(desk: &Desk, command: Command) -> Result<(), Failure> {
    match command {
        Command::Add { name } => {
            desk.gate.add_group(&ACTOR, &name).await?;
            let name = name.trim();
            desk.say(&format!("group {name} is added; radgram account group USERNAME {name:?} puts accounts into it"))
        }
        Command::Rename { name, new_name } => {
            let group = desk.group(&name).await?;
            desk.gate.rename_group(&ACTOR, group.id, &new_name).await?;
            desk.say(&format!("group {} is {} now", group.name, new_name.trim()))
        }
        Command::Remove { name } => {
            let group = desk.group(&name).await?;
            let left = desk.gate.remove_group(&ACTOR, group.id).await?;
            desk.say(&format!("group {} is removed; accounts left without a group: {left}", group.name))
        }
        Command::Attribute { name, change } => {
            let group = desk.group(&name).await?;
            let whose = format!("group {}", group.name);
            attribute::run(desk, Subject::Group(group.id), &whose, &change).await
        }
        Command::List(args) => list(desk, args).await,
    }
}

async fn list(desk: &Desk, args: ListArgs) -> Result<(), Failure> {
    let settings = desk.reader().settings().await?;
    let mut lines = Vec::new();
    for GroupLine { group, accounts } in desk.reader().groups().await? {
        let attributes = desk.reader().attributes(Subject::Group(group.id)).await?;
        let level = Level::Group(group.id.0);
        let set = SETTINGS.iter().filter_map(|setting| Some((setting.name, settings.at(setting.name, level)?)));
        let settings = set.map(|(name, value)| Set { name, value: value.to_owned() }).collect();
        lines.push(Shown { name: group.name, accounts, attributes: attribute::lines(&attributes), settings });
    }
    Out::standard().list(&lines, args)
}

#[derive(Serialize)]
struct Shown {
    name: String,
    accounts: i64,
    attributes: Vec<Attribute>,
    settings: Vec<Set>,
}

/// A setting of the group's own.
#[derive(Serialize)]
struct Set {
    name: &'static str,
    value: String,
}

impl Line for Shown {
    const HEADS: &'static [&'static str] = &["NAME", "ACCOUNTS", "ATTRIBUTES", "SETTINGS"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.accounts.to_string(),
            self.attributes.len().to_string(),
            self.settings.iter().map(|set| format!("{} = {}", set.name, set.value)).collect::<Vec<_>>().join(", "),
        ]
    }
}
