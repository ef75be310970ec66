//! `radgram operator`: who works in the web UI.

use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use serde::Serialize;

use super::desk::{ACTOR, Desk};
use super::output::{Line, bounded_list};
use super::{Failure, ListArgs, input};
use crate::domain::operator::{Operator, Role};
use crate::gate::login::OperatorChange;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add an operator; the password is one line on standard input.
    Add {
        /// The name to log in with.
        name: String,
        /// What the operator may do: viewers read, operators decide about people, owners also rule settings and routers.
        #[arg(long, value_parser = roles())]
        role: String,
    },
    /// Change an operator's role or password.
    #[command(group = clap::ArgGroup::new("change").required(true).multiple(true).args(["role", "password"]))]
    Set {
        /// The operator's name.
        name: String,
        /// The new role.
        #[arg(long, value_parser = roles())]
        role: Option<String>,
        /// Read a new password, one line on standard input.
        #[arg(long)]
        password: bool,
    },
    /// Remove an operator.
    Remove {
        /// The operator's name.
        name: String,
    },
    /// List the operators.
    List(ListArgs),
}

fn roles() -> PossibleValuesParser {
    PossibleValuesParser::new(Role::ALL.map(Role::word))
}

fn role(word: &str) -> Result<Role, Failure> {
    let role = Role::ALL.into_iter().find(|role| role.word() == word);
    role.ok_or_else(|| Failure::because(format!("{word:?} is not a role")))
}

pub(super) async fn run(desk: &Desk, command: Command) -> Result<(), Failure> {
    let logins = desk.gate.logins();
    match command {
        Command::Add { name, role: word } => {
            let password = input::secret("password")?;
            logins.add_operator(&ACTOR, &name, role(&word)?, &password).await?;
            desk.say(&format!("{name} may log in to the web UI as {word}"))
        }
        Command::Set { name, role: word, password } => {
            let operator = named(desk, &name).await?;
            let change = OperatorChange {
                role: word.as_deref().map(role).transpose()?,
                password: if password { Some(input::secret("password")?) } else { None },
            };
            logins.set_operator(&ACTOR, operator.id, &change).await?;
            desk.say(&format!("{} is changed", operator.name))
        }
        Command::Remove { name } => {
            let operator = named(desk, &name).await?;
            logins.remove_operator(&ACTOR, operator.id).await?;
            desk.say(&format!("{} is removed", operator.name))
        }
        Command::List(list) => {
            let operators = desk.reader().operators().await?;
            let lines: Vec<OperatorLine> = operators
                .into_iter()
                .map(|operator| OperatorLine { name: operator.name, role: operator.role.word() })
                .collect();
            bounded_list(&lines, list)
        }
    }
}

async fn named(desk: &Desk, name: &str) -> Result<Operator, Failure> {
    let operator = desk.reader().operator_named(name.trim()).await?;
    operator.ok_or_else(|| Failure::because(format!("no operator is named {name:?}; see radgram operator list")))
}

#[derive(Serialize)]
struct OperatorLine {
    name: String,
    role: &'static str,
}

impl Line for OperatorLine {
    const HEADS: &'static [&'static str] = &["NAME", "ROLE"];

    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), self.role.to_owned()]
    }
}
