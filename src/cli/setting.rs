//! `radgram setting`: the values that rule, for everybody or for one group, person, account or router.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::desk::{ACTOR, Desk};
use super::output::{Line, Out};
use super::{Failure, ListArgs};
use crate::domain::policy::Values;
use crate::domain::setting::{Level, SETTINGS, Setting};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the settings with their values.
    List {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Set a setting; a running server follows within two seconds.
    Set {
        /// The setting's name.
        name: String,
        /// Its value; `radgram setting list` says what is allowed.
        #[arg(allow_hyphen_values = true)]
        value: String,
        #[command(flatten)]
        at: At,
    },
    /// Forget a stored value: the wider level's, or the default, holds again.
    Clear {
        /// The setting's name.
        name: String,
        #[command(flatten)]
        at: At,
    },
}

/// For whom; without any for everybody.
#[derive(Debug, Args)]
pub(super) struct At {
    /// For the accounts of this group.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["user", "account"])]
    group: Option<String>,
    /// For the accounts of this person.
    #[arg(long, value_name = "TELEGRAM_ID", conflicts_with = "account")]
    user: Option<i64>,
    /// For this account.
    #[arg(long, value_name = "USERNAME")]
    account: Option<String>,
    /// For this router.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["group", "user", "account"])]
    router: Option<String>,
}

pub(super) async fn run(desk: &Desk, command: Command) -> Result<(), Failure> {
    match command {
        Command::List { at, list } => {
            let levels = levels(desk, &at).await?;
            let values = desk.reader().settings().await?;
            let lines: Vec<SettingLine> = SETTINGS.iter().map(|setting| line(setting, &values, &levels)).collect();
            Out::standard().list(&lines, list)
        }
        Command::Set { name, value, at } => {
            let setting = named(&name)?;
            let value = setting.accept(&value).map_err(|bad| Failure::because(bad.to_string()))?;
            let level = level(desk, setting, &at).await?;
            desk.gate.set_setting(&ACTOR, setting.name, level, &value).await?;
            desk.say(&format!("{} is {value}", setting.name))
        }
        Command::Clear { name, at } => {
            let setting = named(&name)?;
            let level = level(desk, setting, &at).await?;
            desk.gate.clear_setting(&ACTOR, setting.name, level).await?;
            desk.say(&format!("{} is no longer set here", setting.name))
        }
    }
}

fn named(name: &str) -> Result<&'static Setting, Failure> {
    Setting::named(name)
        .ok_or_else(|| Failure::because(format!("no setting is named {name:?}; radgram setting list names them all")))
}

/// The levels that hold for whoever is named, the nearest last.
async fn levels(desk: &Desk, at: &At) -> Result<Vec<Level>, Failure> {
    let mut levels = vec![Level::System];
    if let Some(name) = &at.group {
        levels.push(Level::Group(desk.group(name).await?.id.0));
    }
    if let Some(telegram_id) = at.user {
        levels.push(Level::User(desk.user(telegram_id).await?.id.0));
    }
    if let Some(name) = &at.account {
        let account = desk.account(name).await?;
        levels.extend(account.group.map(|group| Level::Group(group.0)));
        levels.extend(account.user.map(|user| Level::User(user.0)));
        levels.push(Level::Account(account.id.0));
    }
    if let Some(name) = &at.router {
        levels.push(Level::Router(desk.router(name).await?.id.0));
    }
    Ok(levels)
}

/// The one level that is named.
async fn level(desk: &Desk, setting: &Setting, at: &At) -> Result<Level, Failure> {
    let level = levels(desk, at).await?.pop().unwrap_or(Level::System);
    if !setting.levels.take(level) {
        return Err(Failure::because(format!("{} can be set {}", setting.name, setting.levels.text())));
    }
    Ok(level)
}

#[derive(Serialize)]
struct SettingLine {
    name: &'static str,
    value: String,
    set_for: &'static str,
    default: &'static str,
    allowed: String,
    help: &'static str,
}

fn line(setting: &'static Setting, values: &Values, levels: &[Level]) -> SettingLine {
    let stored = values.nearest(setting.name, levels).map(|(level, value)| (value, level.word()));
    let (value, set_for) = stored.unwrap_or((setting.default, "default"));
    SettingLine {
        name: setting.name,
        value: value.to_owned(),
        set_for,
        default: setting.default,
        allowed: setting.expected(),
        help: setting.help,
    }
}

impl Line for SettingLine {
    const HEADS: &'static [&'static str] = &["NAME", "VALUE", "SET FOR", "DEFAULT", "ALLOWED"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.to_owned(),
            self.value.clone(),
            self.set_for.to_owned(),
            self.default.to_owned(),
            self.allowed.clone(),
        ]
    }
}
