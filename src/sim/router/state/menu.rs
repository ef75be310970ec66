//! What a menu is: its path, its properties, its commands, and what may not be there twice.

use super::kind::Kind;
use crate::sim::router::version::RosVersion;

/// What may be done with a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Written; `add` does not go without it.
    Required,
    /// Written.
    Writable,
    /// Shown alone.
    ReadOnly,
    /// Written, never shown.
    WriteOnly,
}

/// One property of a menu.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) access: Access,
    /// What a new row has; `None`: the property is not there until it is written.
    pub(crate) default: Option<&'static str>,
    versions: Versions,
}

/// From this version on, and before that one.
#[derive(Debug, Clone, Copy)]
struct Versions {
    from: RosVersion,
    before: Option<RosVersion>,
}

impl Versions {
    const ALL: Self = Self { from: RosVersion::V6_49, before: None };

    fn has(self, version: RosVersion) -> bool {
        self.from <= version && self.before.is_none_or(|before| version < before)
    }
}

/// A property that may be written, and is not there until then.
pub(crate) const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, access: Access::Writable, default: None, versions: Versions::ALL }
}

/// A text that may be written.
pub(crate) const fn text(name: &'static str) -> Field {
    field(name, Kind::Text)
}

/// Yes or no, no until it is written.
pub(crate) const fn flag(name: &'static str) -> Field {
    field(name, Kind::Flag).or("no")
}

/// A property that is shown alone.
pub(crate) const fn shown(name: &'static str) -> Field {
    Field { access: Access::ReadOnly, ..field(name, Kind::Text) }
}

impl Field {
    /// With what a new row has.
    pub(crate) const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    pub(crate) const fn required(self) -> Self {
        Self { access: Access::Required, ..self }
    }

    pub(crate) const fn never_shown(self) -> Self {
        Self { access: Access::WriteOnly, ..self }
    }

    pub(crate) const fn from(self, version: RosVersion) -> Self {
        Self { versions: Versions { from: version, ..self.versions }, ..self }
    }

    pub(crate) const fn before(self, version: RosVersion) -> Self {
        Self { versions: Versions { before: Some(version), ..self.versions }, ..self }
    }

    pub(crate) fn is_writable(&self) -> bool {
        match self.access {
            Access::Required | Access::Writable | Access::WriteOnly => true,
            Access::ReadOnly => false,
        }
    }
}

/// How many rows a menu has, and whether their order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Exactly one, without an id.
    Single,
    /// Any number.
    Rows,
    /// Any number; `place-before` and `move` say where.
    Ordered,
    /// None: the menu has commands alone.
    Bare,
}

/// A command of a menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Print,
    Get,
    Find,
    Listen,
    Add,
    Set,
    Remove,
    Enable,
    Disable,
    Comment,
    Unset,
    Move,
    Monitor,
    ResetCounters,
    ResetCountersAll,
    CloseSession,
    ActivateProfile,
    Sign,
    Reboot,
}

impl Verb {
    /// The name on the wire; `getall` is an old name of `print`.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "print" | "getall" => Self::Print,
            "get" => Self::Get,
            "find" => Self::Find,
            "listen" => Self::Listen,
            "add" => Self::Add,
            "set" => Self::Set,
            "remove" => Self::Remove,
            "enable" => Self::Enable,
            "disable" => Self::Disable,
            "comment" => Self::Comment,
            "unset" => Self::Unset,
            "move" => Self::Move,
            "monitor" => Self::Monitor,
            "reset-counters" => Self::ResetCounters,
            "reset-counters-all" => Self::ResetCountersAll,
            "close-session" => Self::CloseSession,
            "activate-user-profile" | "create-and-activate-profile" => Self::ActivateProfile,
            "sign" => Self::Sign,
            "reboot" => Self::Reboot,
            _ => return None,
        })
    }
}

/// Properties that no two rows may share, and the trap for who tries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unique {
    pub(crate) fields: &'static [&'static str],
    pub(crate) trap: &'static str,
}

/// A menu.
#[derive(Debug, Clone)]
pub(crate) struct Menu {
    pub(crate) path: &'static str,
    pub(crate) shape: Shape,
    pub(crate) fields: Vec<Field>,
    pub(crate) verbs: Vec<Verb>,
    pub(crate) unique: Option<Unique>,
    /// Ids of its rows come behind this one.
    pub(crate) ids_behind: u32,
    versions: Versions,
}

const READ: &[Verb] = &[Verb::Print, Verb::Get, Verb::Find, Verb::Listen];
const WRITE: &[Verb] = &[Verb::Add, Verb::Set, Verb::Remove, Verb::Comment, Verb::Unset];
const TOGGLE: &[Verb] = &[Verb::Enable, Verb::Disable];

impl Menu {
    fn new(path: &'static str, shape: Shape, verbs: &[&[Verb]], fields: &[Field]) -> Self {
        Self {
            path,
            shape,
            fields: fields.to_vec(),
            verbs: verbs.concat(),
            unique: None,
            ids_behind: 0,
            versions: Versions::ALL,
        }
    }

    /// Rows that can be added, changed and removed; with `disabled` and `comment` if it says so among its properties.
    pub(crate) fn rows(path: &'static str, fields: &[Field]) -> Self {
        let toggle = if fields.iter().any(|field| field.name == "disabled") { TOGGLE } else { &[] };
        Self::new(path, Shape::Rows, &[READ, WRITE, toggle], fields)
    }

    /// The same, and their order counts.
    pub(crate) fn ordered(path: &'static str, fields: &[Field]) -> Self {
        let menu = Self { shape: Shape::Ordered, ..Self::rows(path, fields) };
        menu.also(&[Verb::Move])
    }

    /// One row that is always there.
    pub(crate) fn single(path: &'static str, fields: &[Field]) -> Self {
        Self::new(path, Shape::Single, &[&[Verb::Print, Verb::Get, Verb::Set]], fields)
    }

    /// Rows that the router makes.
    pub(crate) fn made_by_the_router(path: &'static str, fields: &[Field]) -> Self {
        Self::new(path, Shape::Rows, &[READ], fields)
    }

    /// Commands alone.
    pub(crate) fn bare(path: &'static str, verbs: &[Verb]) -> Self {
        Self::new(path, Shape::Bare, &[verbs], &[])
    }

    /// With more commands.
    pub(crate) fn also(mut self, verbs: &[Verb]) -> Self {
        self.verbs.extend(verbs);
        self
    }

    /// Without a command.
    pub(crate) fn without(mut self, verb: Verb) -> Self {
        self.verbs.retain(|found| *found != verb);
        self
    }

    pub(crate) fn unique(self, fields: &'static [&'static str], trap: &'static str) -> Self {
        Self { unique: Some(Unique { fields, trap }), ..self }
    }

    pub(crate) fn ids_behind(self, last: u32) -> Self {
        Self { ids_behind: last, ..self }
    }

    pub(crate) fn from(self, version: RosVersion) -> Self {
        Self { versions: Versions { from: version, ..self.versions }, ..self }
    }

    pub(crate) fn before(self, version: RosVersion) -> Self {
        Self { versions: Versions { before: Some(version), ..self.versions }, ..self }
    }

    /// As a version has it; `None` if it has not.
    pub(crate) fn of(mut self, version: RosVersion) -> Option<Self> {
        self.fields.retain(|field| field.versions.has(version));
        self.versions.has(version).then_some(self)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}
