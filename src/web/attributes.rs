//! Reply attributes in forms: a line for each, `NAME = VALUE`.

use axum::response::Response;
use serde::Deserialize;

use super::error::WebError;
use super::form::Field;
use super::visit::Visit;
use crate::domain::attribute::{ReplyAttributes, Subject};
use crate::gate::Refused;
use crate::store::order::Whose;

/// The name of the field, here and in what the gate refuses.
const FIELD: &str = "attributes";

/// What was typed.
#[derive(Default, Deserialize)]
pub(super) struct Lines {
    #[serde(default)]
    pub(super) attributes: String,
}

impl Lines {
    /// As they are set.
    pub(super) fn of(attributes: &ReplyAttributes) -> Self {
        let line = |name: &str, value: String| format!("{name} = {value}\n");
        Self { attributes: attributes.iter().map(|one| line(one.name(), one.value())).collect() }
    }

    /// The field that takes them.
    pub(super) fn field(&self) -> Field {
        Field::area(FIELD, "Attributes", &self.attributes)
            .help("One a line, like Mikrotik-Rate-Limit = 10M/20M. A name may stand several times. What is not here is not set.")
            .optional()
    }

    /// Names and values.
    ///
    /// # Errors
    /// A line that is neither empty nor a pair.
    fn pairs(&self) -> Result<Vec<(String, String)>, Refused> {
        let lines = self.attributes.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let pair = |(at, line): (usize, &str)| match line.split_once('=') {
            Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
            None => Err(Refused::field(FIELD, format!("line {}: expected NAME = VALUE", at + 1))),
        };
        lines.map(pair).collect()
    }
}

/// Sets what was typed.
///
/// # Errors
/// At the field `attributes`: what is not taken. Or there is no such subject.
pub(super) async fn set(visit: &Visit, subject: Subject, lines: &Lines) -> Result<(), Refused> {
    visit.gate().set_attributes(&visit.actor(), subject, &lines.pairs()?).await
}

/// Running connections get their attributes as they are now; then the page behind `path` tells how many.
pub(super) async fn apply(visit: &Visit, subject: Subject, path: &str) -> Result<Response, WebError> {
    let applied = visit.gate().apply_attributes(&visit.actor(), Whose::Of(subject)).await;
    let text = match &applied {
        Ok(1) => "One running connection is being changed; the page Sessions shows what the router says.".to_owned(),
        Ok(count) => {
            format!("{count} running connections are being changed; the page Sessions shows what the routers say.")
        }
        Err(_) => String::new(),
    };
    visit.report(applied.map(drop), text, path).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_pairs_and_back() {
        let set = ReplyAttributes::parse(&[("Filter-Id", "a.in"), ("Tunnel-Type:1", "L2TP")]).unwrap();
        let lines = Lines::of(&set);
        assert_eq!(lines.attributes, "Filter-Id = a.in\nTunnel-Type = :1:L2TP\n");
        assert_eq!(ReplyAttributes::parse(&lines.pairs().unwrap()), Ok(set));
        let typed = Lines { attributes: "\r\n A=b=c \n\nFilter-Id\n".to_owned() };
        assert_eq!(typed.pairs().unwrap_err().to_string(), "attributes: line 4: expected NAME = VALUE");
    }
}
