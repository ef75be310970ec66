//! Commands for a router and the scripts made of them: typed by a person, or sent over the API.

mod apply;
mod text;

use std::fmt;

pub use text::typed;

use crate::secret::Secret;

/// A RouterOS command: shown to people as they would type it ([`fmt::Display`]), and sent as it is.
///
/// `Debug` and the text show no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The menu with slashes: `/ppp/aaa`.
    pub menu: String,
    /// What is done there.
    pub verb: Verb,
    /// Which rows are meant: those whose properties all have these values. `yes` and `no` are as good as the `true` and
    /// `false` of the wire, and a property that a row does not show is `no`. Dynamic rows are never meant: they cannot be
    /// changed. Empty for a menu without rows and for [`Verb::Add`].
    pub find: Vec<(String, String)>,
    /// Arguments.
    pub arguments: Vec<(String, Argument)>,
}

impl Command {
    /// A command for a menu without rows, or for a new row.
    pub fn new(menu: &str, verb: Verb) -> Self {
        Self { menu: menu.to_owned(), verb, find: Vec::new(), arguments: Vec::new() }
    }

    /// Only for rows whose `property` is `value`.
    #[must_use]
    pub fn whose(mut self, property: &str, value: &str) -> Self {
        self.find.push((property.to_owned(), value.to_owned()));
        self
    }

    /// With an argument.
    #[must_use]
    pub fn with(mut self, property: &str, value: &str) -> Self {
        self.arguments.push((property.to_owned(), Argument::Plain(value.to_owned())));
        self
    }

    /// With an argument that is shown as the variable `name`.
    #[must_use]
    pub fn with_secret(mut self, property: &str, name: &'static str, secret: &Secret) -> Self {
        self.arguments.push((property.to_owned(), Argument::Secret(name, secret.clone())));
        self
    }

    /// The names of the variables that stand for its secrets.
    fn variables(&self) -> impl Iterator<Item = &'static str> {
        self.arguments.iter().filter_map(|(_, argument)| match argument {
            Argument::Plain(_) => None,
            Argument::Secret(name, _) => Some(*name),
        })
    }
}

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Changes nothing: how many rows there are.
    Find,
    /// Makes a row.
    Add,
    /// Changes the menu, or each row found.
    Set,
    /// Switches each row found on.
    Enable,
    /// Switches each row found off.
    Disable,
    /// Removes each row found.
    Remove,
    /// Puts each row found before the first row of the menu that is not dynamic. For menus that have dynamic rows.
    MoveFirst,
    /// Signs a certificate by itself.
    Sign,
    /// Starts the menu's counters from zero.
    ResetCounters,
}

impl Verb {
    /// The word in RouterOS.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Find => "find",
            Self::Add => "add",
            Self::Set => "set",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Remove => "remove",
            Self::MoveFirst => "move",
            Self::Sign => "sign",
            Self::ResetCounters => "reset-counters",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// The value of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// Anybody may read it.
    Plain(String),
    /// It is sent, but shown as the name of a variable only: `$radiusSecret`. An empty one is not known to us: a person can
    /// type it, but it must never be sent.
    Secret(&'static str, Secret),
}

/// Which line of RouterOS a script is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// 6.49
    V6,
    /// 7
    V7,
}

/// A script: remarks and commands in order. Run again, it changes nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script(pub Vec<Step>);

/// A line of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// For people.
    Remark(String),
    /// To be done.
    Do(Command),
    /// To be done where this version knows it: a refusal is passed over.
    Try(Command),
    /// To be done only where nothing is found.
    Once {
        /// What is looked for, with [`Verb::Find`].
        unless: Command,
        /// What is done where it is not there.
        then: Vec<Step>,
    },
}
