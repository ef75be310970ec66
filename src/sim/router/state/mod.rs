//! What a router holds: one table per menu, behind one lock, for the RADIUS client, the firewall and the API alike.
//!
//! | module | is |
//! |---|---|
//! | [`menu`] `menus` | what menus, properties and commands there are in which version |
//! | [`kind`] [`value`] [`time`] | what may be written into a property, and how it is shown |
//! | [`table`] | rows by id, in their order |
//! | [`watch`] | who listens to what |
//! | `fresh` | what a router holds before anybody changed it |

mod fresh;
pub(super) mod kind;
pub(super) mod menu;
mod menus;
pub(super) mod table;
pub(super) mod time;
pub(super) mod value;
pub(super) mod watch;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::Notify;

pub(super) use menus::{Package, path};

use self::menu::{Menu, Shape};
use self::table::{Id, Row, Table};
use self::time::DateForm;
use self::value::{Value, View};
use self::watch::Watchers;
use super::version::RosVersion;
use crate::clock::Timestamp;

/// Lines that `/log` keeps in memory, as RouterOS does by default.
const LOG_LINES_MAX: usize = 1000;
/// How many ids a restart leaves out.
const SKIPPED_IDS: u32 = 16;
/// The one row of a menu that has exactly one; never shown.
const SINGLE: Id = Id(1);

/// All tables.
pub(crate) struct State {
    version: RosVersion,
    menus: HashMap<&'static str, Arc<Menu>>,
    tables: HashMap<&'static str, Table>,
    /// When which row vanishes.
    due: BTreeSet<(Timestamp, &'static str, Id)>,
    /// Told when something vanishes earlier than before.
    due_changed: Arc<Notify>,
    pub(crate) watchers: Watchers,
    /// How far the router's clock is ahead, in milliseconds.
    pub(crate) skew_ms: i64,
    /// What is shown for what a log-in may not see; `None`: nothing.
    pub(crate) veil: Option<&'static str>,
}

impl State {
    pub(crate) fn new(version: RosVersion, user_manager: Package, now: Timestamp) -> Self {
        let menus = menus::menus(version, user_manager);
        let mut state = Self {
            version,
            tables: menus.iter().map(|menu| (menu.path, Table::behind(menu.ids_behind))).collect(),
            menus: menus.into_iter().map(|menu| (menu.path, Arc::new(menu))).collect(),
            due: BTreeSet::new(),
            due_changed: Arc::default(),
            watchers: Watchers::default(),
            skew_ms: 0,
            veil: None,
        };
        fresh::fill(&mut state, now);
        state
    }

    pub(crate) fn version(&self) -> RosVersion {
        self.version
    }

    #[cfg(test)]
    pub(super) fn menus(&self) -> impl Iterator<Item = &Arc<Menu>> {
        self.menus.values()
    }

    pub(crate) fn menu(&self, path: &str) -> Option<Arc<Menu>> {
        self.menus.get(path).cloned()
    }

    /// Whether there are menus below this path.
    pub(crate) fn is_prefix(&self, path: &str) -> bool {
        self.menus.keys().any(|menu| menu.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
    }

    /// How values are looked at now.
    pub(crate) fn view(&self, now: Timestamp) -> View {
        let dates = if self.version.has_iso_dates() { DateForm::Iso } else { DateForm::MonthFirst };
        View { now, believed_ms: self.skew_ms, dates }
    }

    /// The rows of a menu; none for one that the version has not.
    pub(crate) fn rows(&self, path: &str) -> impl Iterator<Item = (Id, &Row)> {
        self.tables.get(path).into_iter().flat_map(Table::iter)
    }

    pub(crate) fn ids(&self, path: &str) -> Vec<Id> {
        self.tables.get(path).map(|table| table.ids().collect()).unwrap_or_default()
    }

    pub(crate) fn row(&self, path: &str, id: Id) -> Option<&Row> {
        self.tables.get(path)?.row(id)
    }

    pub(crate) fn find(&self, path: &str, is_it: impl Fn(&Row) -> bool) -> Option<(Id, &Row)> {
        self.tables.get(path)?.find(is_it)
    }

    /// Whether there is such a row.
    pub(crate) fn any(&self, path: &str, is_it: impl Fn(Id, &Row) -> bool) -> bool {
        self.tables.get(path).is_some_and(|table| table.any(is_it))
    }

    /// The row of this name.
    pub(crate) fn named(&self, path: &str, name: &str) -> Option<(Id, &Row)> {
        self.find(path, |row| row.says("name", name))
    }

    /// The row of a menu that has exactly one.
    pub(crate) fn single(&self, path: &str) -> Option<&Row> {
        self.row(path, SINGLE)
    }

    pub(crate) fn single_id(&self) -> Id {
        SINGLE
    }

    /// A flag of a menu that has exactly one row.
    pub(crate) fn setting(&self, path: &str, name: &str) -> bool {
        self.single(path).is_some_and(|row| row.flag(name))
    }

    pub(crate) fn put_single(&mut self, path: &'static str, name: &'static str, value: Value) {
        self.put(path, SINGLE, name, value);
    }

    /// Adds a row at the end, with the menu's defaults where nothing is given.
    pub(crate) fn insert(&mut self, path: &str, cells: Vec<(&'static str, Value)>) -> Option<Id> {
        self.insert_before(path, cells, None)
    }

    /// The same before another row; `None` for a menu that the version has not.
    pub(crate) fn insert_before(
        &mut self,
        path: &str,
        cells: Vec<(&'static str, Value)>,
        before: Option<Id>,
    ) -> Option<Id> {
        let menu = self.menu(path)?;
        let row = with_defaults(&menu, cells);
        let due = lease(&row);
        let id = self.tables.get_mut(path)?.insert(row, before);
        if let Some(due) = due {
            self.falls_due(due, menu.path, id);
        }
        self.watchers.changed(menu.path, id);
        Some(id)
    }

    /// Writes a property; nothing happens if the version has not got it.
    pub(crate) fn put(&mut self, path: &'static str, id: Id, name: &'static str, value: Value) {
        if self.menus.get(path).is_none_or(|menu| menu.field(name).is_none()) {
            return;
        }
        let Some(row) = self.tables.get_mut(path).and_then(|table| table.row_mut(id)) else { return };
        let due = match value {
            Value::Until(due) => Some(due),
            _ => None,
        };
        if let Some(Value::Until(before)) = row.put(name, value) {
            self.due.remove(&(before, path, id));
        }
        if let Some(due) = due {
            self.falls_due(due, path, id);
        }
        self.watchers.changed(path, id);
    }

    /// Takes a property away.
    pub(crate) fn clear(&mut self, path: &'static str, id: Id, name: &str) {
        let Some(row) = self.tables.get_mut(path).and_then(|table| table.row_mut(id)) else { return };
        if let Some(Value::Until(before)) = row.clear(name) {
            self.due.remove(&(before, path, id));
        }
        self.watchers.changed(path, id);
    }

    pub(crate) fn remove(&mut self, path: &'static str, id: Id) -> Option<Row> {
        let row = self.tables.get_mut(path)?.remove(id)?;
        if let Some(due) = lease(&row) {
            self.due.remove(&(due, path, id));
        }
        self.watchers.changed(path, id);
        Some(row)
    }

    pub(crate) fn shift(&mut self, path: &'static str, id: Id, before: Option<Id>) {
        if let Some(table) = self.tables.get_mut(path) {
            table.shift(id, before);
            self.watchers.changed(path, id);
        }
    }

    /// Lets vanish what has lived its time.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        while let Some((due, path, id)) = self.due.first().copied()
            && due <= now
        {
            self.due.pop_first();
            self.remove(path, id);
        }
    }

    /// When the next row vanishes.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, ..)| *due)
    }

    pub(crate) fn due_changed(&self) -> Arc<Notify> {
        self.due_changed.clone()
    }

    /// Adds a line to `/log`; the oldest goes when there are too many.
    pub(crate) fn log(&mut self, now: Timestamp, topics: &'static str, message: String) {
        let cells = vec![
            ("time", Value::At(now)),
            ("topics", Value::text(topics)),
            ("message", Value::text(message)), //
        ];
        self.insert(path::LOG, cells);
        let full = self.tables.get(path::LOG).filter(|log| log.len() > LOG_LINES_MAX);
        let oldest = full.and_then(|log| log.ids().next());
        if let Some(id) = oldest {
            self.remove(path::LOG, id);
        }
    }

    /// Power off and on: what lives in memory alone is gone, and what is made anew has other ids.
    pub(crate) fn restart(&mut self, now: Timestamp) {
        let mut forgotten: Vec<(&'static str, Id)> = Vec::new();
        for (path, table) in &self.tables {
            let is_made = [path::LOG, path::ACTIVE, path::USER_ACTIVE].contains(path);
            let lost = table.iter().filter(|(_, row)| is_made || row.flag("dynamic"));
            forgotten.extend(lost.map(|(id, _)| (*path, id)));
        }
        for (path, id) in forgotten {
            self.remove(path, id);
        }
        for table in self.tables.values_mut() {
            table.skip(SKIPPED_IDS);
        }
        self.put_single(path::RESOURCE, "uptime", Value::Since(now));
        self.log(now, "system,info", "router rebooted".to_owned());
    }

    fn falls_due(&mut self, due: Timestamp, path: &'static str, id: Id) {
        let is_first = self.next_due().is_none_or(|first| due < first);
        self.due.insert((due, path, id));
        if is_first {
            self.due_changed.notify_one();
        }
    }
}

fn lease(row: &Row) -> Option<Timestamp> {
    row.cells().find_map(|(_, value)| match value {
        Value::Until(due) => Some(*due),
        _ => None,
    })
}

/// Properties that say how a row came to be and whether it works; no unless the router says otherwise.
const MADE: [&str; 2] = ["dynamic", "invalid"];

/// A row of what the version knows of these cells, and the defaults of the rest.
fn with_defaults(menu: &Menu, mut cells: Vec<(&'static str, Value)>) -> Row {
    cells.retain(|(name, _)| menu.field(name).is_some());
    let mut row = Row::new(cells);
    for field in &menu.fields {
        if row.value(field.name).is_some() {
            continue;
        }
        let default = field.default.and_then(|text| field.kind.parse(text.as_bytes(), Timestamp::default()).ok());
        if let Some(value) = default {
            row.put(field.name, value);
        } else if MADE.contains(&field.name) && menu.shape != Shape::Single {
            row.put(field.name, Value::Flag(false));
        }
    }
    row
}
