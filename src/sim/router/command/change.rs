//! `add`, `set`, `remove`, `enable`, `disable`, `comment`, `unset`, `move`.
//!
//! Everything is looked at before anything is changed: a command is done whole or not at all.

use std::sync::Arc;

use super::trap::Trap;
use super::{Command, Done, Effect, IDS, Reply, named_rows, row_of};
use crate::clock::Timestamp;
use crate::sim::router::state::kind::{Kind, Unfit};
use crate::sim::router::state::menu::{Access, Field, Menu, Shape};
use crate::sim::router::state::table::{Id, Row};
use crate::sim::router::state::value::Value;
use crate::sim::router::state::{State, path};

/// A command that changes rows of one menu.
pub(super) struct Change<'a> {
    pub(super) menu: Arc<Menu>,
    pub(super) command: &'a Command,
    pub(super) now: Timestamp,
}

/// What is to be written: `None` takes the property away.
type Written = Vec<(&'static str, Option<Value>)>;

impl Change<'_> {
    pub(super) fn add(&self, state: &mut State) -> Result<Done, Trap> {
        let is_ordered = self.menu.shape == Shape::Ordered;
        let places: &[&str] = if is_ordered { &["place-before"] } else { &[] };
        let written = self.written(state, places)?;
        let before = match self.command.text("place-before") {
            Some(word) => Some(self.place(state, &word)?),
            None => None,
        };
        let mut cells: Vec<(&'static str, Value)> =
            written.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let is_given = |field: &&Field| cells.iter().any(|(name, _)| *name == field.name);
        let required = self.menu.fields.iter().filter(|field| field.access == Access::Required);
        let missing: Vec<&str> = required.filter(|field| !is_given(field)).map(|field| field.name).collect();
        if !missing.is_empty() {
            return Err(Trap::missing(&missing));
        }
        cells.extend(self.made_by_adding(&cells));
        self.refuse_second(state, &Row::new(cells.clone()), None)?;
        let id = state.insert_before(self.menu.path, cells, before).ok_or_else(Trap::no_such_prefix)?;
        let effects = self.effects(state, id);
        Ok(Done { reply: Reply::Ret(id.to_string().into_bytes()), effects })
    }

    pub(super) fn set(&self, state: &mut State) -> Result<Done, Trap> {
        let known: &[&str] = if self.menu.shape == Shape::Single { &[] } else { &IDS };
        let written = self.written(state, known)?;
        let ids = named_rows(state, &self.menu, self.command)?;
        self.write(state, &ids, &written)
    }

    pub(super) fn toggle(&self, state: &mut State, disabled: &str) -> Result<Done, Trap> {
        self.command.takes_only(&IDS)?;
        let ids = named_rows(state, &self.menu, self.command)?;
        let value = Kind::Flag.parse(disabled.as_bytes(), self.now).map_err(|_| Trap::invalid("disabled"))?;
        self.write(state, &ids, &vec![("disabled", Some(value))])
    }

    pub(super) fn comment(&self, state: &mut State) -> Result<Done, Trap> {
        if self.menu.field("comment").is_none() {
            return Err(Trap::no_such_command());
        }
        self.command.takes_only(&[&IDS[..], &["comment"]].concat())?;
        let ids = named_rows(state, &self.menu, self.command)?;
        let comment = self.command.attribute("comment").unwrap_or_default();
        self.write(state, &ids, &vec![("comment", (!comment.is_empty()).then(|| Value::text(comment)))])
    }

    pub(super) fn unset(&self, state: &mut State) -> Result<Done, Trap> {
        self.command.takes_only(&[&IDS[..], &["value-name"]].concat())?;
        let name = self.command.text("value-name").ok_or_else(|| Trap::missing(&["value-name"]))?;
        let ids = named_rows(state, &self.menu, self.command)?;
        let field =
            self.menu.field(&name).filter(|field| field.is_writable()).ok_or_else(|| Trap::unmatched("value-name"))?;
        let value = field.default.and_then(|default| field.kind.parse(default.as_bytes(), self.now).ok());
        self.write(state, &ids, &vec![(field.name, value)])
    }

    /// Before the row `destination`, or to the end.
    pub(super) fn shift(&self, state: &mut State) -> Result<Done, Trap> {
        self.command.takes_only(&[&IDS[..], &["destination"]].concat())?;
        let ids = named_rows(state, &self.menu, self.command)?;
        let before = match self.command.text("destination").filter(|word| !word.is_empty()) {
            Some(word) => Some(self.place(state, &word)?),
            None => None,
        };
        for id in &ids {
            self.refuse_made(state, *id)?;
        }
        for id in ids {
            state.shift(self.menu.path, id, before);
        }
        Ok(Done { reply: Reply::Done, effects: Vec::new() })
    }

    /// A row that others may be put before: not one that the router put on top. In which words it refuses that no source says.
    fn place(&self, state: &State, word: &str) -> Result<Id, Trap> {
        let id = row_of(state, &self.menu, word).ok_or_else(Trap::no_such_item)?;
        self.refuse_made(state, id)?;
        Ok(id)
    }

    pub(super) fn remove(&self, state: &mut State) -> Result<Done, Trap> {
        self.command.takes_only(&IDS)?;
        let ids = named_rows(state, &self.menu, self.command)?;
        for id in &ids {
            self.refuse_made(state, *id)?;
            let is_default =
                state.row(self.menu.path, *id).is_some_and(|row| row.flag("default") || row.flag("builtin"));
            if is_default {
                return Err(Trap::plain("failure: can not remove default item"));
            }
        }
        let mut effects = Vec::new();
        for id in ids {
            effects.extend(self.effects_of_removal(state, id));
            match self.menu.path {
                // The row goes when the connection, or the log-in, has ended.
                path::ACTIVE | path::USER_ACTIVE => {}
                menu => {
                    state.remove(menu, id);
                }
            }
        }
        Ok(Done { reply: Reply::Done, effects })
    }

    /// Writes the same into every one of these rows.
    fn write(&self, state: &mut State, ids: &[Id], written: &Written) -> Result<Done, Trap> {
        for id in ids {
            self.refuse_made(state, *id)?;
            let mut row = state.row(self.menu.path, *id).cloned().ok_or_else(Trap::no_such_item)?;
            for (name, value) in written {
                match value {
                    Some(value) => row.put(name, value.clone()),
                    None => row.clear(name),
                };
            }
            self.refuse_second(state, &row, Some(*id))?;
        }
        for id in ids {
            for (name, value) in written {
                match value {
                    Some(value) => state.put(self.menu.path, *id, name, value.clone()),
                    None => state.clear(self.menu.path, *id, name),
                }
                // An entry with a timeout lives in memory alone.
                if matches!(value, Some(Value::Until(_))) {
                    state.put(self.menu.path, *id, "dynamic", Value::Flag(true));
                }
            }
        }
        let effects = ids.iter().flat_map(|id| self.effects(state, *id)).collect();
        Ok(Done { reply: Reply::Done, effects })
    }

    /// Reads all attributes but those that are `known` to mean something else.
    fn written(&self, state: &State, known: &[&str]) -> Result<Written, Trap> {
        let attributes = self.command.attributes().filter(|(name, _)| !known.contains(name));
        attributes.map(|(name, text)| self.value(state, name, text)).collect()
    }

    fn value(&self, state: &State, name: &str, text: &[u8]) -> Result<(&'static str, Option<Value>), Trap> {
        let field = self.menu.field(name).filter(|field| field.is_writable());
        let field = field.ok_or_else(|| Trap::unknown_parameter(name))?;
        if text.is_empty() && field.default.is_none() && field.access != Access::Required {
            return Ok((field.name, None));
        }
        let value = field.kind.parse(text, self.now).map_err(|unfit| match unfit {
            Unfit::Invalid => Trap::invalid(name),
            Unfit::Unmatched => Trap::unmatched(name),
        })?;
        let named = String::from_utf8_lossy(text);
        let is_there = match field.kind {
            Kind::NameIn(menu) => state.named(menu, &named).is_some(),
            Kind::NameInOr(menu, word) => named == word || state.named(menu, &named).is_some(),
            Kind::Text
            | Kind::Name
            | Kind::Secret
            | Kind::Flag
            | Kind::Number(..)
            | Kind::NumberOr(..)
            | Kind::Span(..)
            | Kind::Lease(_)
            | Kind::OneOf(_)
            | Kind::AnyOf(_)
            | Kind::Policies(_)
            | Kind::Address
            | Kind::Network
            | Kind::Member => true,
        };
        is_there.then_some((field.name, Some(value))).ok_or_else(|| Trap::unmatched(name))
    }

    /// What the router itself writes into a new row.
    fn made_by_adding(&self, cells: &[(&'static str, Value)]) -> Vec<(&'static str, Value)> {
        let has_lease = cells.iter().any(|(_, value)| matches!(value, Value::Until(_)));
        let mut made = Vec::new();
        if has_lease {
            made.push(("dynamic", Value::Flag(true)));
        }
        if self.menu.field("creation-time").is_some() {
            made.push(("creation-time", Value::At(self.now)));
        }
        made
    }

    /// What no two rows may share is not in another row.
    fn refuse_second(&self, state: &State, row: &Row, id: Option<Id>) -> Result<(), Trap> {
        let Some(unique) = self.menu.unique else { return Ok(()) };
        // A property that is left out has its default.
        let value = |row: &Row, name: &str| {
            let default = || self.menu.field(name)?.default.map(Value::text);
            row.value(name).cloned().or_else(default)
        };
        let key: Vec<Option<Value>> = unique.fields.iter().map(|name| value(row, name)).collect();
        let is_same =
            |other: &Row| unique.fields.iter().zip(&key).all(|(name, wanted)| other.value(name) == wanted.as_ref());
        let taken = state.any(self.menu.path, |other, row| Some(other) != id && is_same(row));
        if taken { Err(Trap::plain(unique.trap)) } else { Ok(()) }
    }

    /// Rules that the router made are not for changing.
    fn refuse_made(&self, state: &State, id: Id) -> Result<(), Trap> {
        let is_rule = matches!(self.menu.path, path::FILTER | "/ipv6/firewall/filter");
        let is_made = state.row(self.menu.path, id).is_some_and(|row| row.flag("dynamic"));
        if is_rule && is_made { Err(Trap::plain("failure: cannot change builtin")) } else { Ok(()) }
    }

    fn effects(&self, state: &State, id: Id) -> Vec<Effect> {
        let row = state.row(self.menu.path, id);
        let is_off = row.is_some_and(|row| row.flag("disabled"));
        match self.menu.path {
            path::INCOMING => vec![Effect::Incoming],
            path::SERVICE => vec![Effect::Services],
            path::UM_USER | path::UM_V6_USER if is_off => um_user(row).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn effects_of_removal(&self, state: &State, id: Id) -> Option<Effect> {
        let row = state.row(self.menu.path, id);
        match self.menu.path {
            path::ACTIVE => row.map(|row| Effect::HangUp(row.text("session-id"))),
            path::USER_ACTIVE => Some(Effect::LogOut(id)),
            path::UM_USER | path::UM_V6_USER => um_user(row),
            _ => None,
        }
    }
}

fn um_user(row: Option<&Row>) -> Option<Effect> {
    let row = row?;
    let name = if row.value("username").is_some() { "username" } else { "name" };
    Some(Effect::UmUserOff(row.text(name)))
}
