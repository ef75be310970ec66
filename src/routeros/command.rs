//! Commands as sentences of the API: which rows are meant, and what is said to each.
//!
//! | command | sentence (manual, API) |
//! |---|---|
//! | a menu without rows | `/ppp/aaa/set =use-radius=yes` |
//! | rows | print, then for each `/ppp/secret/disable =.id=*3` |
//! | first | `/ip/firewall/filter/move =numbers=*A =destination=*1` |
//! | certificate | `/certificate/sign =number=*1` |

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;

use crate::domain::router::Router;
use crate::gate::router_api::{ApiFault, Argument, Command, Verb};

/// A row as the router prints it: property and value, both as text.
pub type Row = BTreeMap<String, String>;

/// The most rows that one command may be for: more is an accident, not a repair.
const ROWS: usize = 1_000;

/// What is needed of a connection to a router.
#[async_trait]
pub trait Console: Send + Sync {
    /// Sends one sentence, and gives the rows of its answer.
    ///
    /// # Errors
    /// What the router, or the way to it, says.
    async fn ask(&self, router: &Router, sentence: &Ask) -> Result<Vec<Row>, ApiFault>;
}

/// A sentence to a router. `Debug` shows its command only: an argument may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    /// `/ppp/secret/print`
    pub command: String,
    /// `=name=value`
    pub arguments: Vec<(String, Vec<u8>)>,
    /// `?name=value`, all of which must hold.
    pub queries: Vec<(String, String)>,
}

impl fmt::Debug for Ask {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Ask").field("command", &self.command).finish_non_exhaustive()
    }
}

impl Ask {
    /// A command without arguments.
    pub fn new(menu: &str, verb: &str) -> Self {
        Self { command: format!("{menu}/{verb}"), arguments: Vec::new(), queries: Vec::new() }
    }

    /// These properties, with commas between, of every row of a menu.
    pub fn print(menu: &str, properties: &str) -> Self {
        Self::new(menu, "print").with(".proplist", properties)
    }

    /// With an argument.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.arguments.push((name.to_owned(), value.into()));
        self
    }

    /// Only rows whose property is this text.
    #[must_use]
    pub fn only(mut self, name: &str, value: &str) -> Self {
        self.queries.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Runs a command; `Ok` with how many rows it was for.
///
/// # Errors
/// What the router says; [`ApiFault::Refused`] for a command that must not be sent: with a secret that is not known, for
/// rows without saying which, or for more than 1 000.
pub async fn run(console: &dyn Console, router: &Router, command: &Command) -> Result<usize, ApiFault> {
    let arguments = arguments(command)?;
    let ask = |extra: &[(&str, &str)]| {
        let mut ask = Ask::new(&command.menu, command.verb.word());
        ask.arguments.extend(extra.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())));
        ask.arguments.extend(arguments.iter().cloned());
        ask
    };
    match command.verb {
        Verb::Add => {}
        Verb::Set | Verb::ResetCounters if command.find.is_empty() => {}
        Verb::Find
        | Verb::Set
        | Verb::Enable
        | Verb::Disable
        | Verb::Remove
        | Verb::MoveFirst
        | Verb::Sign
        | Verb::ResetCounters => {
            let asks = for_rows(&rows(console, router, command).await?, command, ask)?;
            for ask in &asks.sent {
                console.ask(router, ask).await?;
            }
            return Ok(asks.rows);
        }
    }
    console.ask(router, &ask(&[])).await?;
    Ok(1)
}

/// What is sent for the rows that a command means, and how many they are.
struct ForRows {
    rows: usize,
    sent: Vec<Ask>,
}

fn for_rows(rows: &[Row], command: &Command, ask: impl Fn(&[(&str, &str)]) -> Ask) -> Result<ForRows, ApiFault> {
    let meant: Vec<&str> = rows.iter().filter(|row| is_meant(command, row)).filter_map(|row| id(row)).collect();
    if meant.len() > ROWS {
        return Err(ApiFault::Refused(format!("{} rows are more than one command is for", meant.len())));
    }
    let sent = match command.verb {
        Verb::Find | Verb::Add => Vec::new(),
        Verb::Set | Verb::Enable | Verb::Disable | Verb::Remove | Verb::ResetCounters => {
            meant.iter().map(|id| ask(&[(".id", id)])).collect()
        }
        Verb::Sign => meant.iter().map(|id| ask(&[("number", id)])).collect(),
        Verb::MoveFirst => {
            let others = rows.iter().filter(|row| !is(row, "dynamic")).filter_map(id);
            match others.into_iter().find(|id| !meant.contains(id)) {
                Some(first) => meant.iter().map(|id| ask(&[("numbers", id), ("destination", first)])).collect(),
                None => Vec::new(),
            }
        }
    };
    Ok(ForRows { rows: meant.len(), sent })
}

/// The rows among which those of the command are.
async fn rows(console: &dyn Console, router: &Router, command: &Command) -> Result<Vec<Row>, ApiFault> {
    if command.find.is_empty() && command.verb != Verb::Find {
        return Err(ApiFault::Refused(format!("{} {} names no row", command.menu, command.verb)));
    }
    let mut properties = vec![".id", "dynamic"];
    properties.extend(command.find.iter().map(|(property, _)| property.as_str()));
    let mut ask = Ask::print(&command.menu, &properties.join(","));
    // Other lists in the same menu may have a hundred thousand entries; the name of a list is plain text, which the
    // router compares as we do.
    if let Some((list, name)) = command.find.iter().find(|(property, _)| property == "list") {
        ask = ask.only(list, name);
    }
    console.ask(router, &ask).await
}

/// The arguments as they are sent.
fn arguments(command: &Command) -> Result<Vec<(String, Vec<u8>)>, ApiFault> {
    let value = |argument: &Argument| match argument {
        Argument::Plain(value) => Ok(value.as_bytes().to_vec()),
        Argument::Secret(name, secret) if secret.is_empty() => {
            Err(ApiFault::Refused(format!("{name} is not known here; type the command on the router")))
        }
        Argument::Secret(_, secret) => Ok(secret.expose().to_vec()),
    };
    command.arguments.iter().map(|(name, argument)| Ok((name.clone(), value(argument)?))).collect()
}

/// Whether a command means this row.
pub fn is_meant(command: &Command, row: &Row) -> bool {
    !is(row, "dynamic") && command.find.iter().all(|(property, wanted)| has(row, property, wanted))
}

fn has(row: &Row, property: &str, wanted: &str) -> bool {
    match (row.get(property).map(String::as_str), wanted) {
        (None | Some("false" | "no"), "no" | "false") | (Some("true" | "yes"), "yes" | "true") => true,
        (shown, wanted) => shown.unwrap_or_default() == wanted,
    }
}

/// Whether a property is `true` (or `yes`); one that is not shown is not.
pub fn is(row: &Row, property: &str) -> bool {
    has(row, property, "yes")
}

/// The row's id.
pub fn id(row: &Row) -> Option<&str> {
    row.get(".id").map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routeros::machine::{Machine, router, row};
    use crate::secret::Secret;

    fn rules() -> Machine {
        let machine = Machine::new("7.22 (stable)");
        for (chain, comment) in [("input", "a"), ("forward", "b"), ("forward", "c")] {
            machine.put("/ip/firewall/filter", &[("chain", chain), ("comment", comment), ("disabled", "false")]);
        }
        machine
    }

    fn comments(machine: &Machine) -> Vec<String> {
        machine.rows("/ip/firewall/filter").iter().map(|row| row["comment"].clone()).collect()
    }

    fn rule(verb: Verb) -> Command {
        Command::new("/ip/firewall/filter", verb)
    }

    #[tokio::test]
    async fn a_command_is_for_every_row_that_it_means() {
        let machine = rules();
        let disable = rule(Verb::Disable).whose("chain", "forward").whose("disabled", "no");
        assert_eq!(run(&machine, &router(), &disable).await, Ok(2));
        assert_eq!(run(&machine, &router(), &disable).await, Ok(0));
        let found = rule(Verb::Find).whose("disabled", "yes");
        assert_eq!(run(&machine, &router(), &found).await, Ok(2));
        assert_eq!(run(&machine, &router(), &rule(Verb::Find)).await, Ok(3));
    }

    #[tokio::test]
    async fn rows_are_moved_before_the_first_that_can_be() {
        let machine = rules();
        machine.change("/ip/firewall/filter", |rows| {
            rows[0].insert("dynamic".to_owned(), "true".to_owned());
        });
        assert_eq!(run(&machine, &router(), &rule(Verb::MoveFirst).whose("comment", "c")).await, Ok(1));
        assert_eq!(comments(&machine), ["a", "c", "b"]);
        assert_eq!(run(&machine, &router(), &rule(Verb::MoveFirst).whose("chain", "forward")).await, Ok(2));
        assert_eq!(comments(&machine), ["a", "c", "b"]);
    }

    #[tokio::test]
    async fn a_command_that_names_no_row_is_not_sent() {
        for verb in [Verb::Remove, Verb::Enable, Verb::Disable, Verb::MoveFirst, Verb::Sign] {
            assert!(matches!(run(&rules(), &router(), &rule(verb)).await, Err(ApiFault::Refused(_))), "{verb}");
        }
    }

    #[tokio::test]
    async fn a_secret_that_is_not_known_is_not_sent() {
        let machine = Machine::new("7.22 (stable)");
        let add =
            |secret| Command::new("/user", Verb::Add).with("name", "x").with_secret("password", "apiPassword", &secret);
        let refused = run(&machine, &router(), &add(Secret::default())).await.unwrap_err();
        assert!(refused.to_string().contains("apiPassword"), "{refused}");
        assert_eq!(run(&machine, &router(), &add(Secret::new("swordfish"))).await, Ok(1));
        assert_eq!(machine.rows("/user").last().unwrap()["password"], "swordfish");
    }

    #[test]
    fn yes_is_true_and_what_is_not_shown_is_no() {
        let shown = row(&[("disabled", "true"), ("name", "ann")]);
        let command = |property, value| rule(Verb::Find).whose(property, value);
        assert!(is_meant(&command("disabled", "yes"), &shown));
        assert!(is_meant(&command("invalid", "no"), &shown));
        assert!(!is_meant(&command("disabled", "no"), &shown));
        assert!(is_meant(&command("comment", ""), &shown));
        assert!(!is_meant(&command("name", "an"), &shown));
        assert!(!is_meant(&command("name", "ann"), &row(&[("name", "ann"), ("dynamic", "true")])));
    }

    #[test]
    fn a_sentence_does_not_print_its_arguments() {
        let ask = Ask::new("/user", "add").with("password", "swordfish");
        assert!(!format!("{ask:?}").contains("swordfish"));
    }
}
