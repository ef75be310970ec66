//! The operator at the router's console: the same commands as over the API, with every right and without a log-in.

use std::collections::BTreeMap;

use super::SimRouter;
use super::command::rights::Rights;
use super::command::trap::Trap;
use super::command::{Command, Reply};
use super::lock;
use crate::proto::routeros::Sentence;

/// A row as it is shown: properties that are not set are absent.
pub type ShownRow = BTreeMap<String, String>;

impl SimRouter {
    /// Adds a row to a menu (`/ip/firewall/filter`); gives its id (`*1A`).
    ///
    /// # Errors
    /// What RouterOS says of it.
    pub fn add(&self, menu: &str, attributes: &[(&str, &str)]) -> Result<String, Trap> {
        self.command(menu, "add", attributes).map(Option::unwrap_or_default)
    }

    /// Changes a row, named by its id or name; `""` for a menu with exactly one row.
    ///
    /// # Errors
    /// What RouterOS says of it.
    pub fn set(&self, menu: &str, row: &str, attributes: &[(&str, &str)]) -> Result<(), Trap> {
        let named = if row.is_empty() { Vec::new() } else { vec![(".id", row)] };
        self.command(menu, "set", &[&named, attributes].concat()).map(drop)
    }

    /// Removes a row, named by its id or name.
    ///
    /// # Errors
    /// What RouterOS says of it.
    pub fn remove(&self, menu: &str, row: &str) -> Result<(), Trap> {
        self.command(menu, "remove", &[(".id", row)]).map(drop)
    }

    /// Does any command; gives what stands in `=ret=`.
    ///
    /// # Errors
    /// What RouterOS says of it.
    pub fn command(&self, menu: &str, verb: &str, attributes: &[(&str, &str)]) -> Result<Option<String>, Trap> {
        let sentence = attributes
            .iter()
            .fold(Sentence::command(format!("{menu}/{verb}")), |sentence, (name, value)| sentence.with(name, value));
        let reply = self.inner.execute(&Rights::All, &Command::of(&sentence))?;
        Ok(match reply {
            Reply::Ret(ret) => Some(String::from_utf8_lossy(&ret).into_owned()),
            Reply::Watch(mut rows) => {
                rows.leave(&mut lock(&self.inner.state));
                None
            }
            Reply::Done | Reply::Rows(_) | Reply::Monitor(..) => None,
        })
    }

    /// The rows of a menu, with their ids as `.id`; passwords are among them.
    ///
    /// # Errors
    /// What RouterOS says of it: the version may not have the menu.
    pub fn rows(&self, menu: &str) -> Result<Vec<ShownRow>, Trap> {
        let command = Command::of(&Sentence::command(format!("{menu}/print")));
        let mut found = Vec::new();
        if let Reply::Rows(mut rows) = self.inner.execute(&Rights::All, &command)? {
            let now = self.inner.clock.now();
            let state = lock(&self.inner.state);
            while let Some(item) = rows.next(&state, now) {
                let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
                found.push(item.into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect());
            }
        }
        Ok(found)
    }

    /// The first row whose property has this value.
    ///
    /// # Errors
    /// As for [`SimRouter::rows`].
    pub fn row(&self, menu: &str, property: &str, value: &str) -> Result<Option<ShownRow>, Trap> {
        let is_it = |row: &ShownRow| row.get(property).is_some_and(|found| found == value);
        Ok(self.rows(menu)?.into_iter().find(is_it))
    }
}
