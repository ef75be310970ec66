//! Where a value comes from: the environment, else the file, else the example; and the messages that name the place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::EXAMPLE;
use super::error::ConfigError;
use super::parse::Kind;

const PREFIX: &str = "RADGRAM_";
/// Between section and key in a variable's name; variables without it are not keys.
const BETWEEN: &str = "__";
/// The most characters of a wrong value that a message repeats.
const SHOWN_CHARS: usize = 80;

/// The variables that are keys of the configuration: those named `RADGRAM_SECTION__KEY`.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Of this process. The one place that reads the environment.
    ///
    /// # Errors
    /// A variable of ours is not UTF-8.
    pub fn of_process() -> Result<Self, ConfigError> {
        let mut found = BTreeMap::new();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| is_ours(name)) else { continue };
            let value = value.into_string().map_err(|_| ConfigError::NotText(name.to_owned()))?;
            found.insert(name.to_owned(), value);
        }
        Ok(Self(found))
    }

    /// Of these variables.
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let ours = variables.into_iter().filter(|(name, _)| is_ours(name));
        Self(ours.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX) && name.contains(BETWEEN)
}

/// Whether a message may repeat a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// It may.
    Plain,
    /// It may hold a secret.
    Hidden,
}

/// File, environment and defaults, all keys known to exist.
pub(super) struct Source {
    file: PathBuf,
    given: Table,
    defaults: Table,
    environment: Environment,
}

/// One value as it was found.
enum Found<'a> {
    Variable(&'a str),
    Toml(&'a Value),
}

impl Source {
    pub(super) fn new(file: &Path, text: &str, environment: Environment) -> Result<Self, ConfigError> {
        let given: Table = text.parse().map_err(|error| syntax(file, text, &error))?;
        let defaults: Table = EXAMPLE.parse().expect("the example is TOML: a test reads it");
        let source = Self { file: file.to_owned(), given, defaults, environment };
        source.check_file()?;
        source.check_environment()?;
        Ok(source)
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Where relative paths begin.
    pub(super) fn directory(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }

    /// One value.
    pub(super) fn one<T>(&self, section: &str, key: &str, kind: Kind<T>) -> Result<T, ConfigError> {
        let read = match self.found(section, key) {
            Found::Variable(text) => (kind.read)(text),
            Found::Toml(Value::String(text)) => (kind.read)(text),
            Found::Toml(_) => None,
        };
        read.ok_or_else(|| self.refuse(section, key, kind.shown, kind.expected))
    }

    /// A list of values, in a variable with commas between.
    pub(super) fn many<T>(&self, section: &str, key: &str, kind: Kind<T>) -> Result<Vec<T>, ConfigError> {
        let read = match self.found(section, key) {
            Found::Variable(text) => {
                text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(kind.read).collect()
            }
            Found::Toml(Value::Array(values)) => values.iter().map(|value| (kind.read)(value.as_str()?)).collect(),
            Found::Toml(_) => None,
        };
        let read: Option<Vec<T>> = read;
        read.ok_or_else(|| self.refuse(section, key, kind.shown, kind.expected))
    }

    /// As [`many`](Self::many), and not empty.
    pub(super) fn some<T>(&self, section: &str, key: &str, kind: Kind<T>) -> Result<Vec<T>, ConfigError> {
        let values = self.many(section, key, kind)?;
        if values.is_empty() {
            let place = self.place(section, key);
            return Err(ConfigError::Value { place, value: String::new(), expected: "at least one value" });
        }
        Ok(values)
    }

    /// The message that the key does not take its value.
    pub(super) fn refuse(&self, section: &str, key: &str, shown: Shown, expected: &'static str) -> ConfigError {
        let value = match (shown, self.found(section, key)) {
            (Shown::Hidden, _) => "(hidden)".to_owned(),
            (Shown::Plain, Found::Variable(text)) => format!("{text:?}"),
            (Shown::Plain, Found::Toml(value)) => written(value),
        };
        let value: String = value.chars().take(SHOWN_CHARS).collect();
        ConfigError::Value { place: self.place(section, key), value: format!(" = {value}"), expected }
    }

    fn found(&self, section: &str, key: &str) -> Found<'_> {
        if let Some(text) = self.environment.0.get(&variable(section, key)) {
            return Found::Variable(text);
        }
        let value = [&self.given, &self.defaults].into_iter().find_map(|table| table.get(section)?.get(key));
        Found::Toml(value.expect("every key asked for is in the example: a test reads them all"))
    }

    fn place(&self, section: &str, key: &str) -> String {
        let variable = variable(section, key);
        if self.environment.0.contains_key(&variable) {
            return variable;
        }
        format!("{}: [{section}] {key}", self.file.display())
    }

    fn check_file(&self) -> Result<(), ConfigError> {
        for (section, keys) in &self.given {
            let known = self.defaults.get(section).and_then(Value::as_table);
            let (Some(known), Some(keys)) = (known, keys.as_table()) else {
                let place = format!("{}: [{section}]", self.file.display());
                return Err(ConfigError::Unknown { place, what: "section", known: names(&self.defaults) });
            };
            if let Some(key) = keys.keys().find(|key| !known.contains_key(*key)) {
                let place = format!("{}: [{section}] {key}", self.file.display());
                return Err(ConfigError::Unknown { place, what: "key", known: names(known) });
            }
        }
        Ok(())
    }

    fn check_environment(&self) -> Result<(), ConfigError> {
        let keys =
            |section: &String| self.defaults.get(section).and_then(Value::as_table).into_iter().flat_map(Table::keys);
        let known: Vec<String> =
            self.defaults.keys().flat_map(|section| keys(section).map(move |key| variable(section, key))).collect();
        match self.environment.0.keys().find(|name| !known.contains(name)) {
            None => Ok(()),
            Some(name) => Err(ConfigError::Unknown { place: name.clone(), what: "key", known: known.join(", ") }),
        }
    }
}

fn variable(section: &str, key: &str) -> String {
    format!("{PREFIX}{section}{BETWEEN}{key}").to_uppercase()
}

fn names(table: &Table) -> String {
    table.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn syntax(file: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    ConfigError::Syntax {
        file: file.to_owned(),
        line: before.matches('\n').count() + 1,
        message: error.message().replace('\n', "; "),
    }
}

fn written(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(word) => word.to_string(),
        Value::Datetime(at) => at.to_string(),
        Value::Array(values) => format!("[{}]", values.iter().map(written).collect::<Vec<_>>().join(", ")),
        Value::Table(_) => "{…}".to_owned(),
    }
}
