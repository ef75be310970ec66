//! Forms: their fields as pages show them, what was typed, and what is wrong with it.

use axum::Form;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::WebState;
use super::error::WebError;
use crate::gate::Refused;
use crate::secret::Secret;

/// A form's content; what cannot be decoded is an error page.
pub(super) struct Typed<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<WebState> for Typed<T> {
    type Rejection = WebError;

    async fn from_request(request: Request, state: &WebState) -> Result<Self, WebError> {
        match Form::<T>::from_request(request, state).await {
            Ok(Form(form)) => Ok(Self(form)),
            Err(rejection) => Err(WebError::BadForm(rejection.status())),
        }
    }
}

/// A password or secret as it was typed: never shown again.
#[derive(Debug, Clone, Default)]
pub(super) struct Hidden(pub(super) Secret);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

impl Hidden {
    /// What was typed; `None` if the field was left empty.
    pub(super) fn given(&self) -> Option<Secret> {
        (!self.0.is_empty()).then(|| self.0.clone())
    }
}

/// A form where a name may stand more than once: what is ticked in a list.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Every value of a name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a name; empty if there is none.
    pub(super) fn one<'a>(&'a self, name: &'a str) -> &'a str {
        self.all(name).next().unwrap_or_default()
    }
}

/// What is wrong with a form, by field.
#[derive(Debug, Clone, Default)]
pub(super) struct Errors(Vec<(&'static str, String)>);

impl Errors {
    /// Nothing is.
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// Adds what is wrong at a field.
    pub(super) fn add(&mut self, field: &'static str, message: impl Into<String>) {
        self.0.push((field, message.into()));
    }

    /// Takes the value, or notes what is wrong with it.
    pub(super) fn take<T, E: Into<String>>(&mut self, field: &'static str, typed: Result<T, E>) -> Option<T> {
        typed.map_err(|message| self.add(field, message)).ok()
    }

    /// Whether nothing is wrong.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong at a field.
    pub(super) fn at(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == field).map(|(_, message)| message.as_str())
    }

    /// What is wrong and belongs to none of these fields: shown above the form.
    pub(super) fn beside(&self, fields: &[Field]) -> Vec<String> {
        let shown = |name: &str| fields.iter().any(|field| field.name == name);
        self.0.iter().filter(|(name, _)| !shown(name)).map(|(_, message)| message.clone()).collect()
    }

    /// The same messages, at the fields that `place` names instead.
    pub(super) fn moved(self, place: impl Fn(&'static str) -> &'static str) -> Self {
        Self(self.0.into_iter().map(|(field, message)| (place(field), message)).collect())
    }

    /// A refusal that belongs into the form; any other is an error page.
    pub(super) fn of(refused: Refused) -> Result<Self, WebError> {
        match refused {
            Refused::Field { field, message } => Ok(Self(vec![(field, message)])),
            Refused::Conflict(message) => Ok(Self(vec![("", message)])),
            other => Err(other.into()),
        }
    }
}

/// One field of a form.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) kind: Kind,
    /// Never set for a password.
    pub(super) value: String,
    pub(super) help: String,
    pub(super) error: Option<String>,
    pub(super) need: Need,
    pub(super) focus: Focus,
    pub(super) autocomplete: &'static str,
    /// The id of a `datalist`, or nothing.
    pub(super) list: &'static str,
}

/// What a field is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Password,
    Number {
        min: u32,
        max: u32,
    },
    /// Several lines.
    Area,
    Choice(Vec<Choice>),
}

/// One of the answers to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// What is sent.
    pub(super) word: String,
    /// What is read.
    pub(super) label: String,
}

/// Whether a field may stay empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Optional,
    Required,
}

/// Whether the page opens with the cursor in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Focus {
    None,
    Here,
}

impl Field {
    fn new(name: &str, label: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            label: label.to_owned(),
            kind,
            value: String::new(),
            help: String::new(),
            error: None,
            need: Need::Required,
            focus: Focus::None,
            autocomplete: "off",
            list: "",
        }
    }

    pub(super) fn text(name: &str, label: &str, value: &str) -> Self {
        Self { value: value.to_owned(), ..Self::new(name, label, Kind::Text) }
    }

    pub(super) fn password(name: &str, label: &str) -> Self {
        Self { autocomplete: "new-password", ..Self::new(name, label, Kind::Password) }
    }

    pub(super) fn number(name: &str, label: &str, value: &str, min: u32, max: u32) -> Self {
        Self { value: value.to_owned(), ..Self::new(name, label, Kind::Number { min, max }) }
    }

    pub(super) fn area(name: &str, label: &str, value: &str) -> Self {
        Self { value: value.to_owned(), ..Self::new(name, label, Kind::Area) }
    }

    /// One of some words.
    pub(super) fn choice(name: &str, label: &str, value: &str, words: &[&str]) -> Self {
        let words: Vec<(&str, &str)> = words.iter().map(|word| (*word, *word)).collect();
        Self::labelled(name, label, value, &words)
    }

    /// One of some words, each with what it means.
    pub(super) fn labelled(name: &str, label: &str, value: &str, choices: &[(&str, &str)]) -> Self {
        let choices =
            choices.iter().map(|(word, label)| Choice { word: (*word).to_owned(), label: (*label).to_owned() });
        Self { value: value.to_owned(), ..Self::new(name, label, Kind::Choice(choices.collect())) }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: help.into(), ..self }
    }

    pub(super) fn optional(self) -> Self {
        Self { need: Need::Optional, ..self }
    }

    pub(super) fn complete(self, autocomplete: &'static str) -> Self {
        Self { autocomplete, ..self }
    }

    pub(super) fn suggest(self, list: &'static str) -> Self {
        Self { list, ..self }
    }

    /// The type of an `input`.
    pub(super) fn input_type(&self) -> &'static str {
        match self.kind {
            Kind::Text | Kind::Area | Kind::Choice(_) => "text",
            Kind::Password => "password",
            Kind::Number { .. } => "number",
        }
    }

    /// What can be chosen; nothing where something is typed.
    pub(super) fn choices(&self) -> &[Choice] {
        if let Kind::Choice(choices) = &self.kind { choices } else { &[] }
    }

    pub(super) fn is_area(&self) -> bool {
        self.kind == Kind::Area
    }

    pub(super) fn range(&self) -> Option<(u32, u32)> {
        if let Kind::Number { min, max } = self.kind { Some((min, max)) } else { None }
    }

    pub(super) fn is_required(&self) -> bool {
        self.need == Need::Required
    }

    pub(super) fn is_focused(&self) -> bool {
        self.focus == Focus::Here
    }
}

/// Puts the messages at their fields, and the cursor into the first wrong one, or else into the first.
pub(super) fn with_errors(mut fields: Vec<Field>, errors: &Errors) -> Vec<Field> {
    for field in &mut fields {
        field.error = errors.at(&field.name).map(str::to_owned);
    }
    let first = fields.iter().position(|field| field.error.is_some()).unwrap_or(0);
    if let Some(field) = fields.get_mut(first) {
        field.focus = Focus::Here;
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stand_at_their_fields_and_the_rest_above() {
        let mut errors = Errors::none();
        errors.add("b", "wrong");
        errors.add("elsewhere", "too many");
        let fields = with_errors(vec![Field::text("a", "A", ""), Field::text("b", "B", "x")], &errors);
        assert_eq!(fields[0].error, None);
        assert_eq!(fields[1].error.as_deref(), Some("wrong"));
        assert!(fields[1].is_focused() && !fields[0].is_focused());
        assert_eq!(errors.beside(&fields), ["too many"]);
    }
}
