//! The command line: one file per noun, over the same use cases and the same database as the server.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the command line speaks to standard output and error")]

mod account;
mod attribute;
mod bulk;
mod connection;
mod desk;
mod failure;
mod group;
mod guess;
mod history;
mod import;
mod input;
mod operator;
mod output;
mod pending;
mod radius;
mod router;
mod rule;
mod serve;
mod session;
mod setting;
mod sim;
mod table;
mod unanswered;
mod user;

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

pub use self::failure::Failure;

use self::desk::Desk;
use self::output::Out;
use crate::config::{Config, with_own_dictionaries};
use crate::dictionary::Dictionary;

/// RADIUS server that lets a MikroTik VPN log-in through only after a yes in Telegram.
#[derive(Debug, Parser)]
#[command(name = "radgram", version, about, max_term_width = 120)]
pub struct Cli {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = "radius.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve,
    /// Print the effective configuration, secrets hidden.
    Check,
    /// Settings.
    #[command(subcommand)]
    Setting(setting::Command),
    /// Operators of the web UI.
    #[command(subcommand)]
    Operator(operator::Command),
    /// People, named by their Telegram id.
    #[command(subcommand)]
    User(user::Command),
    /// VPN log-ins, named by their user name.
    #[command(subcommand)]
    Account(account::Command),
    /// Groups of accounts, named by their name.
    #[command(subcommand)]
    Group(group::Command),
    /// Routers, named by their name.
    #[command(subcommand)]
    Router(router::Command),
    /// Firewall rules with 2FA in their comment, bound to accounts.
    #[command(subcommand)]
    Rule(rule::Command),
    /// What is wanted on routers and not proven yet.
    #[command(subcommand)]
    Pending(pending::Command),
    /// The right to be connected, named by the account's user name.
    #[command(subcommand)]
    Session(session::Command),
    /// Connections as routers report them.
    #[command(subcommand)]
    Connection(connection::Command),
    /// Log-in attempts.
    #[command(subcommand)]
    Attempt(history::AttemptCommand),
    /// Who is refused for guessing passwords.
    #[command(subcommand)]
    Guess(guess::Command),
    /// Packets that got no answer, as the running server counts them.
    #[command(subcommand)]
    Unanswered(unanswered::Command),
    /// What operators must see.
    #[command(subcommand)]
    Alarm(history::AlarmCommand),
    /// Who changed what.
    #[command(subcommand)]
    Audit(history::AuditCommand),
    /// Ask a RADIUS server, or a router, by hand.
    #[command(subcommand)]
    Radius(radius::Command),
    /// Simulated neighbours, to try things by hand.
    #[command(subcommand)]
    Sim(sim::Command),
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, Args)]
struct ListArgs {
    /// One JSON array instead of a table.
    #[arg(long)]
    json: bool,
}

/// Runs one command.
///
/// # Errors
/// [`Failure`]: one clear line, or a reader of standard output that went away.
pub async fn run(cli: Cli) -> Result<(), Failure> {
    if let Command::Serve = cli.command {
        return serve::run(&cli.config).await;
    }
    if let Command::Sim(command) = &cli.command {
        return sim::run(command, &cli.config).await;
    }
    if let Command::Radius(command) = &cli.command {
        return radius::run(command, &cli.config).await;
    }
    let config = load(&cli.config)?;
    if let Command::Check = cli.command {
        return Out::standard().text(&config.to_string());
    }
    let desk = Desk::open(&config).await?;
    let done = match cli.command {
        Command::Unanswered(command) => unanswered::run(&desk, config.web.listen, command).await,
        command => at(&desk, command).await,
    };
    desk.close().await;
    done
}

/// The configuration, with its dictionaries in force.
fn load(file: &Path) -> Result<Config, Failure> {
    let config = Config::load(file)?;
    if let Some(folder) = &config.radius.dictionaries {
        // Nobody else installs one in this program.
        let _first = Dictionary::install(with_own_dictionaries(folder)?);
    }
    Ok(config)
}

async fn at(desk: &Desk, command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve | Command::Check | Command::Sim(_) | Command::Radius(_) | Command::Unanswered(_) => Ok(()),
        Command::Setting(command) => setting::run(desk, command).await,
        Command::Operator(command) => operator::run(desk, command).await,
        Command::User(command) => user::run(desk, command).await,
        Command::Account(command) => account::run(desk, command).await,
        Command::Group(command) => group::run(desk, command).await,
        Command::Router(command) => router::run(desk, command).await,
        Command::Rule(command) => rule::run(desk, command).await,
        Command::Pending(command) => pending::run(desk, command).await,
        Command::Session(command) => session::run(desk, command).await,
        Command::Connection(command) => connection::run(desk, command).await,
        Command::Attempt(command) => history::attempts(desk, command).await,
        Command::Guess(command) => guess::run(desk, command).await,
        Command::Alarm(command) => history::alarms(desk, command).await,
        Command::Audit(command) => history::audit(desk, command).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
