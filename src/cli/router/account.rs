//! `radgram router account`: the accounts that a router keeps itself, changed there.

use clap::{Args, Subcommand};

use super::super::bulk::{report, run_of, tell_progress};
use super::super::desk::{ACTOR, Desk};
use super::super::{Failure, ListArgs, input};
use super::accounts::MenuWord;
use crate::domain::account::Switch;
use crate::gate::bulk::Run;
use crate::gate::router_api::NewRouterAccount;
use crate::gate::{AccountStep, AccountSteps};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Make an account on the router; its password is one line on standard input.
    Add {
        #[command(flatten)]
        which: One,
        /// PPP profile, or User Manager group.
        #[arg(long, value_name = "NAME")]
        profile: Option<String>,
        /// A comment.
        #[arg(long, value_name = "TEXT", default_value = "")]
        comment: String,
        /// Make it disabled.
        #[arg(long)]
        disabled: bool,
    },
    /// Let accounts of the router be used.
    Enable(Several),
    /// Refuse accounts of the router. What runs with them is not cut.
    Disable(Several),
    /// Remove accounts from the router.
    Remove(Several),
    /// Set the password of an account of the router, one line on standard input.
    Password(One),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct One {
    /// The router's name.
    name: String,
    /// The account, exactly as the router names it.
    username: String,
    /// Where the router keeps it.
    #[arg(long = "in", value_enum, value_name = "MENU", default_value = "secret")]
    menu: MenuWord,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Several {
    /// The router's name.
    name: String,
    /// The accounts, exactly as the router names them.
    #[arg(value_name = "USERNAME", required = true)]
    usernames: Vec<String>,
    /// Where the router keeps them.
    #[arg(long = "in", value_enum, value_name = "MENU", default_value = "secret")]
    menu: MenuWord,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    list: ListArgs,
}

pub(super) async fn run(desk: &Desk, command: Command) -> Result<(), Failure> {
    match command {
        Command::Add { which, profile, comment, disabled } => {
            let router = desk.router(&which.name).await?;
            let new = NewRouterAccount {
                menu: which.menu.into(),
                name: which.username,
                password: input::secret("password")?,
                profile,
                comment,
                switch: if disabled { Switch::Disabled } else { Switch::Enabled },
            };
            desk.gate.add_router_account(&ACTOR, router.id, &new).await?;
            desk.say(&format!("router {} has the account {}", router.name, new.name.trim()))
        }
        Command::Enable(which) => change(desk, which, AccountStep::Switch(Switch::Enabled), "enabled").await,
        Command::Disable(which) => change(desk, which, AccountStep::Switch(Switch::Disabled), "disabled").await,
        Command::Remove(which) => change(desk, which, AccountStep::Remove, "removed").await,
        Command::Password(which) => password(desk, which).await,
    }
}

async fn change(desk: &Desk, which: Several, step: AccountStep, verb: &str) -> Result<(), Failure> {
    let router = desk.router(&which.name).await?;
    let steps = AccountSteps { menu: which.menu.into(), names: which.usernames, step, run: run_of(which.dry_run) };
    let lines = desk.gate.change_router_accounts(&ACTOR, router.id, &steps, &tell_progress).await?;
    report(&lines, which.list, steps.run, verb)
}

async fn password(desk: &Desk, which: One) -> Result<(), Failure> {
    let router = desk.router(&which.name).await?;
    let step = AccountStep::Password(input::secret("password")?);
    let steps = AccountSteps { menu: which.menu.into(), names: vec![which.username], step, run: Run::Real };
    let lines = desk.gate.change_router_accounts(&ACTOR, router.id, &steps, &|_| ()).await?;
    match lines.first() {
        Some(line) if line.outcome.why().is_empty() => {
            desk.say(&format!("router {}: {} has the new password", router.name, line.name))
        }
        Some(line) => Err(Failure::because(format!("{}: {}", line.name, line.outcome.why()))),
        None => Ok(()),
    }
}
