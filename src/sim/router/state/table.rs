//! Rows by their ids, in the order in which they stand.

use std::collections::HashMap;
use std::fmt;

use super::value::Value;

/// The id of a row, shown as `*` and upper-case hexadecimal digits. Never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(pub(crate) u32);

impl Id {
    /// Reads `*1A`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        u32::from_str_radix(text.strip_prefix('*')?, 16).ok().map(Self)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "*{:X}", self.0)
    }
}

/// The properties of a row by their names; few, so a list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    cells: Vec<(&'static str, Value)>,
}

impl Row {
    pub(crate) fn new(cells: Vec<(&'static str, Value)>) -> Self {
        Self { cells }
    }

    pub(crate) fn cells(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.cells.iter().map(|(name, value)| (*name, value))
    }

    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.cells.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// A text as it stands, lossily where it is no UTF-8; empty where there is none.
    pub(crate) fn text(&self, name: &str) -> String {
        match self.value(name) {
            Some(Value::Text(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        }
    }

    /// Whether a text is this one.
    pub(crate) fn says(&self, name: &str, text: &str) -> bool {
        matches!(self.value(name), Some(Value::Text(bytes)) if bytes == text.as_bytes())
    }

    /// Whether one of the words between commas is this one.
    pub(crate) fn lists(&self, name: &str, word: &str) -> bool {
        self.text(name).split(',').any(|listed| listed == word)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Flag(true)))
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        match self.value(name) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn put(&mut self, name: &'static str, value: Value) -> Option<Value> {
        match self.cells.iter_mut().find(|(found, _)| *found == name) {
            Some((_, there)) => Some(std::mem::replace(there, value)),
            None => {
                self.cells.push((name, value));
                None
            }
        }
    }

    pub(crate) fn clear(&mut self, name: &str) -> Option<Value> {
        let place = self.cells.iter().position(|(found, _)| *found == name)?;
        Some(self.cells.remove(place).1)
    }
}

/// The rows of one menu.
#[derive(Debug, Default)]
pub(crate) struct Table {
    order: Vec<Id>,
    rows: HashMap<Id, Row>,
    last: u32,
}

impl Table {
    /// A table whose ids begin behind `last`.
    pub(crate) fn behind(last: u32) -> Self {
        Self { last, ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Adds a row before another, or at the end.
    pub(crate) fn insert(&mut self, row: Row, before: Option<Id>) -> Id {
        self.last = self.last.wrapping_add(1);
        let id = Id(self.last);
        let place = before.and_then(|before| self.place(before)).unwrap_or(self.order.len());
        self.order.insert(place, id);
        self.rows.insert(id, row);
        id
    }

    pub(crate) fn remove(&mut self, id: Id) -> Option<Row> {
        let row = self.rows.remove(&id)?;
        self.order.retain(|found| *found != id);
        Some(row)
    }

    /// Puts a row before another, or at the end.
    pub(crate) fn shift(&mut self, id: Id, before: Option<Id>) {
        if before == Some(id) {
            return;
        }
        self.order.retain(|found| *found != id);
        let place = before.and_then(|before| self.place(before)).unwrap_or(self.order.len());
        self.order.insert(place, id);
    }

    pub(crate) fn row(&self, id: Id) -> Option<&Row> {
        self.rows.get(&id)
    }

    pub(crate) fn row_mut(&mut self, id: Id) -> Option<&mut Row> {
        self.rows.get_mut(&id)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> {
        self.order.iter().copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, &Row)> {
        self.order.iter().filter_map(|id| Some((*id, self.rows.get(id)?)))
    }

    pub(crate) fn find(&self, is_it: impl Fn(&Row) -> bool) -> Option<(Id, &Row)> {
        self.iter().find(|(_, row)| is_it(row))
    }

    /// Whether there is such a row, in whatever place.
    pub(crate) fn any(&self, is_it: impl Fn(Id, &Row) -> bool) -> bool {
        self.rows.iter().any(|(id, row)| is_it(*id, row))
    }

    /// Lets `count` ids go by unused: after a restart rows that are made anew have others.
    pub(crate) fn skip(&mut self, count: u32) {
        self.last = self.last.wrapping_add(count);
    }

    fn place(&self, id: Id) -> Option<usize> {
        self.order.iter().position(|found| *found == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str) -> Row {
        Row::new(vec![("name", Value::text(name))])
    }

    fn names(table: &Table) -> Vec<String> {
        table.iter().map(|(_, row)| row.text("name")).collect()
    }

    #[test]
    fn ids_are_never_given_twice_and_rows_keep_their_order() {
        let mut table = Table::default();
        let a = table.insert(row("a"), None);
        let b = table.insert(row("b"), None);
        let c = table.insert(row("c"), Some(b));
        assert_eq!(names(&table), ["a", "c", "b"]);
        assert!(table.remove(c).is_some());
        assert!(table.remove(c).is_none());
        let d = table.insert(row("d"), Some(c));
        assert_eq!([a, b, c, d].map(|id| id.to_string()), ["*1", "*2", "*3", "*4"]);
        table.shift(d, Some(a));
        table.shift(a, None);
        assert_eq!(names(&table), ["d", "b", "a"]);
        assert_eq!(Id::parse("*1a"), Some(Id(26)));
        assert_eq!(Id(0x8000_000A).to_string(), "*8000000A");
        assert_eq!(Id::parse("1a"), None);
    }
}
