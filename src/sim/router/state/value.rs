//! What stands in one property of one row, and how RouterOS shows and compares it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::time::Duration;

use super::time::{DateForm, clock_text, date_text, moment_text, parse_span, span_text};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// What stands in a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// Any bytes: RouterOS keeps what it was given, UTF-8 or not.
    Text(Vec<u8>),
    /// A password or a shared secret.
    Secret(Secret),
    /// Shown `true` or `false`, whatever was written.
    Flag(bool),
    /// A count.
    Number(u64),
    /// A length of time that stands.
    Span(Duration),
    /// A length of time that grows from here: an uptime.
    Since(Timestamp),
    /// A length of time that shrinks until here: the timeout of a list entry.
    Until(Timestamp),
    /// A point in time.
    At(Timestamp),
    /// The date of today.
    Today,
    /// The time of day.
    TimeOfDay,
}

/// When and how a value is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// The time now, by which lengths of time run.
    pub(crate) now: Timestamp,
    /// What the router takes for the time now: differs where its clock is wrong.
    pub(crate) believed_ms: i64,
    /// How dates are written.
    pub(crate) dates: DateForm,
}

impl View {
    /// How far the router's clock is ahead.
    fn believed(&self, at: Timestamp) -> Timestamp {
        Timestamp::from_millis(at.millis().saturating_add(self.believed_ms))
    }
}

impl Value {
    pub(crate) fn text(text: impl Into<Vec<u8>>) -> Self {
        Self::Text(text.into())
    }

    /// As it stands on the wire.
    pub(crate) fn shown(&self, view: &View) -> Cow<'_, [u8]> {
        let text = |text: String| Cow::Owned(text.into_bytes());
        match self {
            Self::Text(bytes) => Cow::Borrowed(bytes),
            Self::Secret(secret) => Cow::Borrowed(secret.expose()),
            Self::Flag(true) => Cow::Borrowed(b"true"),
            Self::Flag(false) => Cow::Borrowed(b"false"),
            Self::Number(number) => text(number.to_string()),
            Self::Span(span) => text(span_text(*span)),
            Self::Since(_) | Self::Until(_) => text(span_text(self.span(view.now))),
            Self::At(at) => text(moment_text(view.believed(*at), view.dates)),
            Self::Today => text(date_text(view.believed(view.now), view.dates)),
            Self::TimeOfDay => text(clock_text(view.believed(view.now))),
        }
    }

    /// The length of time, in whole seconds if it runs: what shrinks never shows zero while it is there.
    fn span(&self, now: Timestamp) -> Duration {
        match self {
            Self::Span(span) => *span,
            Self::Since(from) => Duration::from_secs(now.since(*from).as_secs()),
            Self::Until(to) => Duration::from_secs(to.since(now).as_millis().div_ceil(1000) as u64),
            Self::Text(_)
            | Self::Secret(_)
            | Self::Flag(_)
            | Self::Number(_)
            | Self::At(_)
            | Self::Today
            | Self::TimeOfDay => Duration::ZERO,
        }
    }

    /// How it compares with what a query says; by its own type where it has an order, else by text.
    pub(crate) fn compare(&self, said: &[u8], view: &View) -> Option<Ordering> {
        let text = std::str::from_utf8(said).ok();
        match self {
            Self::Flag(flag) => Some(flag.cmp(&parse_flag(text?)?)),
            Self::Number(number) => Some(number.cmp(&text?.parse().ok()?)),
            Self::Span(_) | Self::Since(_) | Self::Until(_) => Some(self.span(view.now).cmp(&parse_span(text?)?)),
            Self::Text(_) | Self::Secret(_) | Self::At(_) | Self::Today | Self::TimeOfDay => {
                let shown = self.shown(view);
                Some(compare_as_numbers(&shown, said).unwrap_or_else(|| (*shown).cmp(said)))
            }
        }
    }
}

/// Texts of digits alone are compared as numbers when asked which is greater; equal text is equal anyhow.
fn compare_as_numbers(one: &[u8], other: &[u8]) -> Option<Ordering> {
    if one == other {
        return Some(Ordering::Equal);
    }
    let number = |bytes| std::str::from_utf8(bytes).ok()?.parse::<u64>().ok();
    let ordering = number(one)?.cmp(&number(other)?);
    // `007` and `7` are different names.
    (ordering != Ordering::Equal).then_some(ordering)
}

/// `yes`, `no`, `true`, `false`.
pub(crate) fn parse_flag(text: &str) -> Option<bool> {
    match text {
        "yes" | "true" => Some(true),
        "no" | "false" => Some(false),
        _ => None,
    }
}
