//! `print`, `get`, `find`, `listen`: rows as a log-in may see them, one at a time, so that a long list takes no memory.

use std::sync::Arc;

use tokio::sync::Notify;

use super::query::Query;
use super::rights::Rights;
use super::trap::Trap;
use super::{Command, IDS, Reply, named_rows};
use crate::clock::Timestamp;
use crate::sim::router::state::State;
use crate::sim::router::state::kind::Kind;
use crate::sim::router::state::menu::{Access, Menu, Shape};
use crate::sim::router::state::table::{Id, Row};
use crate::sim::router::state::watch::WatchId;

/// Arguments of `print` that change nothing on the wire, or nothing here.
const WITHOUT_EFFECT: [&str; 9] =
    ["detail", "stats", "brief", "terse", "value-list", "without-paging", "as-value", "show-ids", "interval"];
/// Arguments of `print` that have an effect.
const WITH_EFFECT: [&str; 5] = [".proplist", "proplist", "count-only", "follow", "follow-only"];

/// Names and values of one row, as they go out.
pub(crate) type Item = Vec<(&'static str, Vec<u8>)>;

/// What of a menu is shown, and to whom.
pub(crate) struct Rows {
    menu: Arc<Menu>,
    ids: std::vec::IntoIter<Id>,
    proplist: Option<Vec<String>>,
    query: Query,
    hidden: Vec<&'static str>,
    /// Of the hidden, those that are shown as something else where the router does so.
    veiled: Vec<&'static str>,
    shown: usize,
    watch: Option<WatchId>,
    /// Told when a watched row changes.
    pub(crate) wake: Arc<Notify>,
}

impl Rows {
    fn new(rights: &Rights, menu: Arc<Menu>, command: &Command, ids: Vec<Id>, query: Query) -> Self {
        let hidden = hidden(rights, &menu);
        let is_shown = |name: &&str| menu.field(name).is_some_and(|field| field.access != Access::WriteOnly);
        let veiled = hidden.iter().copied().filter(|name| is_shown(name)).collect();
        let listed = command.text(".proplist").or_else(|| command.text("proplist"));
        let proplist = listed.map(|names| names.split(',').map(str::to_owned).collect());
        let (ids, wake) = (ids.into_iter(), Arc::default());
        Self { menu, ids, proplist, query, hidden, veiled, shown: 0, watch: None, wake }
    }

    /// The next row that is there and passes.
    pub(crate) fn next(&mut self, state: &State, now: Timestamp) -> Option<Item> {
        loop {
            let id = self.ids.next()?;
            // What is gone since the command came is left out.
            let Some(row) = state.row(self.menu.path, id) else { continue };
            if self.admits(state, id, row, now) {
                self.shown += 1;
                return Some(self.item(state, id, row, now));
            }
        }
    }

    /// The next row that changed since.
    pub(crate) fn news(&mut self, state: &mut State, now: Timestamp) -> Option<Item> {
        loop {
            let id = state.watchers.next(self.watch?)?;
            match state.row(self.menu.path, id) {
                Some(row) if self.admits(state, id, row, now) => return Some(self.item(state, id, row, now)),
                Some(_) => {}
                None => return Some(vec![(".id", id.to_string().into_bytes()), (".dead", b"true".to_vec())]),
            }
        }
    }

    /// Whether nothing was there to be shown.
    pub(crate) fn showed_nothing(&self) -> bool {
        self.shown == 0
    }

    /// Listens no more.
    pub(crate) fn leave(&mut self, state: &mut State) {
        if let Some(watch) = self.watch.take() {
            state.watchers.leave(watch);
        }
    }

    fn admits(&self, state: &State, id: Id, row: &Row, now: Timestamp) -> bool {
        if self.query.is_empty() {
            return true;
        }
        let shown_id = crate::sim::router::state::value::Value::text(id.to_string());
        self.query.admits(&state.view(now), |name| match name {
            ".id" => Some(&shown_id),
            name if self.hidden.contains(&name) => None,
            name => row.value(name),
        })
    }

    fn item(&self, state: &State, id: Id, row: &Row, now: Timestamp) -> Item {
        let view = state.view(now);
        let wanted = |name: &str| self.proplist.as_ref().is_none_or(|names| names.iter().any(|listed| listed == name));
        let mut item = Item::new();
        if self.menu.shape != Shape::Single && wanted(".id") {
            item.push((".id", id.to_string().into_bytes()));
        }
        let cells = row.cells().filter(|(name, _)| wanted(name) && !self.hidden.contains(name));
        item.extend(cells.map(|(name, value)| (name, value.shown(&view).into_owned())));
        if let Some(veil) = state.veil {
            let veiled = self.veiled.iter().filter(|name| wanted(name) && row.value(name).is_some());
            item.extend(veiled.map(|name| (*name, veil.as_bytes().to_vec())));
        }
        item
    }
}

/// Properties that this log-in does not see.
fn hidden(rights: &Rights, menu: &Menu) -> Vec<&'static str> {
    let sees_secrets = rights.has("sensitive");
    let is_hidden = |access: Access, kind: Kind| match access {
        Access::WriteOnly => true,
        Access::Required | Access::Writable | Access::ReadOnly => matches!(kind, Kind::Secret) && !sees_secrets,
    };
    menu.fields.iter().filter(|field| is_hidden(field.access, field.kind)).map(|field| field.name).collect()
}

pub(super) fn print(
    state: &mut State,
    rights: &Rights,
    menu: Arc<Menu>,
    command: &Command,
    now: Timestamp,
) -> Result<Reply, Trap> {
    command.takes_only(&[&WITHOUT_EFFECT[..], &WITH_EFFECT].concat())?;
    let ids = state.ids(menu.path);
    let mut rows = Rows::new(rights, menu, command, ids, Query::parse(command.queries()));
    if command.attribute("count-only").is_some() {
        let mut count = 0;
        while rows.next(state, now).is_some() {
            count += 1;
        }
        return Ok(Reply::Ret(format!("{count}").into_bytes()));
    }
    let follows = command.attribute("follow").is_some();
    let follows_only = command.attribute("follow-only").is_some();
    if !follows && !follows_only {
        return Ok(Reply::Rows(rows));
    }
    if follows_only {
        rows.ids = Vec::new().into_iter();
    }
    rows.watch = Some(state.watchers.watch(rows.menu.path, rows.wake.clone()));
    Ok(Reply::Watch(rows))
}

/// Queries are not for `listen`: RouterOS has them for `print` alone.
pub(super) fn listen(state: &mut State, rights: &Rights, menu: Arc<Menu>, command: &Command) -> Result<Reply, Trap> {
    command.takes_only(&[".proplist", "proplist", "interval"])?;
    let mut rows = Rows::new(rights, menu, command, Vec::new(), Query::default());
    rows.watch = Some(state.watchers.watch(rows.menu.path, rows.wake.clone()));
    Ok(Reply::Watch(rows))
}

/// One value of one row, or all of them with semicolons between.
pub(super) fn get(
    state: &State,
    rights: &Rights,
    menu: &Arc<Menu>,
    command: &Command,
    now: Timestamp,
) -> Result<Reply, Trap> {
    command.takes_only(&[&IDS[..], &["value-name"]].concat())?;
    let ids = named_rows(state, menu, command)?;
    let mut rows = Rows::new(rights, menu.clone(), command, ids, Query::default());
    let item = rows.next(state, now).ok_or_else(Trap::no_such_item)?;
    let Some(wanted) = command.text("value-name") else {
        let all: Vec<Vec<u8>> =
            item.into_iter().map(|(name, value)| [name.as_bytes(), b"=", &value].concat()).collect();
        return Ok(Reply::Ret(all.join(&b';')));
    };
    if wanted != ".id" && menu.field(&wanted).is_none() {
        return Err(Trap::unknown_parameter(&wanted));
    }
    let value = item.into_iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    Ok(Reply::Ret(value.unwrap_or_default()))
}

/// The ids of all rows: queries are not looked at, as on a real router.
pub(super) fn find(state: &State, menu: &Menu, command: &Command) -> Result<Reply, Trap> {
    command.takes_only(&[])?;
    let ids: Vec<String> = state.ids(menu.path).iter().map(ToString::to_string).collect();
    Ok(Reply::Ret(ids.join(";").into_bytes()))
}
