//! Queries: words that push onto and work on a stack of yes and no; a row passes if no "no" is left.

use std::cmp::Ordering;

use crate::sim::router::state::value::{Value, View};

/// The words of a query, read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<Step>);

#[derive(Debug, Clone)]
enum Step {
    Has(String),
    Lacks(String),
    Is(String, Ordering, Vec<u8>),
    /// What stands behind `?#`.
    Operations(Vec<u8>),
}

impl Query {
    pub(crate) fn parse<'a>(words: impl Iterator<Item = &'a [u8]>) -> Self {
        Self(words.filter_map(|word| parse_step(word.strip_prefix(b"?")?)).collect())
    }

    /// Whether it lets everything pass.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a row passes, whose properties `value` gives.
    pub(crate) fn admits<'a>(&self, view: &View, value: impl Fn(&str) -> Option<&'a Value>) -> bool {
        let mut stack: Vec<bool> = Vec::new();
        for step in &self.0 {
            match step {
                Step::Has(name) => stack.push(value(name).is_some()),
                Step::Lacks(name) => stack.push(value(name).is_none()),
                Step::Is(name, order, said) => {
                    stack.push(value(name).and_then(|value| value.compare(said, view)) == Some(*order));
                }
                Step::Operations(operations) => operate(operations, &mut stack),
            }
        }
        stack.iter().all(|passed| *passed)
    }
}

/// `name`, `-name`, `name=v`, `=name=v`, `<name=v`, `>name=v`, `#operations`.
fn parse_step(step: &[u8]) -> Option<Step> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let compared = |rest: &[u8], order| {
        let place = rest.iter().position(|byte| *byte == b'=')?;
        let (name, value) = rest.split_at(place);
        Some(Step::Is(text(name), order, value.get(1..)?.to_vec()))
    };
    match step.split_first()? {
        (b'#', operations) => Some(Step::Operations(operations.to_vec())),
        (b'-', name) => Some(Step::Lacks(text(name))),
        (b'<', rest) => compared(rest, Ordering::Less),
        (b'>', rest) => compared(rest, Ordering::Greater),
        (b'=', rest) => compared(rest, Ordering::Equal),
        _ if step.contains(&b'=') => compared(step, Ordering::Equal),
        _ => Some(Step::Has(text(step))),
    }
}

/// Digits are an index from the top: something behind them pushes a copy of what is there, the end of the word keeps it
/// alone. `!` turns the top over, `&` and `|` join the two on top, `.` copies the top unless it ends an index.
fn operate(operations: &[u8], stack: &mut Vec<bool>) {
    let mut index: Option<usize> = None;
    for byte in operations {
        if byte.is_ascii_digit() {
            let digit = usize::from(byte - b'0');
            index = Some(index.unwrap_or(0).saturating_mul(10).saturating_add(digit));
            continue;
        }
        let named = index.take();
        if let Some(value) = named.and_then(|index| from_top(stack, index)) {
            stack.push(value);
        }
        match byte {
            b'!' => {
                if let Some(top) = stack.last_mut() {
                    *top = !*top;
                }
            }
            b'&' => join(stack, |one, other| one && other),
            b'|' => join(stack, |one, other| one || other),
            b'.' if named.is_none() => stack.extend(stack.last().copied()),
            _ => {}
        }
    }
    if let Some(value) = index.and_then(|index| from_top(stack, index)) {
        *stack = vec![value];
    }
}

fn from_top(stack: &[bool], index: usize) -> Option<bool> {
    stack.iter().rev().nth(index).copied()
}

fn join(stack: &mut Vec<bool>, how: fn(bool, bool) -> bool) {
    if let (Some(one), Some(other)) = (stack.pop(), stack.pop()) {
        stack.push(how(one, other));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::sim::router::state::time::DateForm;

    #[track_caller]
    fn check(words: &[&str], expected: bool) {
        let view = View { now: Timestamp::from_millis(120_000), believed_ms: 0, dates: DateForm::Iso };
        let row = [
            ("name", Value::text("ether1")),
            ("type", Value::text("ether")),
            ("mtu", Value::Number(1500)),
            ("disabled", Value::Flag(false)),
            ("uptime", Value::Since(Timestamp::from_millis(0))),
            ("comment", Value::text("")),
        ];
        let value = |name: &str| row.iter().find(|(found, _)| *found == name).map(|(_, value)| value);
        let query = Query::parse(words.iter().map(|word| word.as_bytes()));
        assert_eq!(query.admits(&view, value), expected, "{words:?}");
    }

    #[test]
    fn words_without_operations_must_all_be_so() {
        check(&[], true);
        check(&["?name"], true);
        check(&["?nope"], false);
        check(&["?-nope"], true);
        check(&["?-name"], false);
        check(&["?name=ether1", "?type=ether"], true);
        check(&["?=name=ether1", "?type=vlan"], false);
        check(&["?comment="], true);
        check(&["?nope="], false);
        check(&["?name=ether"], false);
    }

    #[test]
    fn comparison_is_by_type() {
        check(&["?disabled=false"], true);
        check(&["?=disabled=no"], true);
        check(&["?disabled=yes"], false);
        check(&["?disabled=0"], false);
        check(&["?>mtu=999"], true);
        check(&["?<mtu=20000"], true);
        check(&["?mtu=1500"], true);
        check(&["?mtu=x"], false);
        check(&["?uptime=2m"], true);
        check(&["?>uptime=00:01:00"], true);
        check(&["?>name=ether0"], true);
    }

    #[test]
    fn operations_work_on_the_stack() {
        check(&["?type=ether", "?type=vlan", "?#|"], true);
        check(&["?type=ether", "?type=vlan", "?#&"], false);
        check(&["?type=vlan", "?#!"], true);
        check(&["?type=ether", "?type=vlan", "?#|!"], false);
        check(&["?type=ether", "?type=vlan", "?type=bridge", "?#||"], true);
        check(&["?type=ether", "?type=vlan", "?#1"], true);
        check(&["?type=ether", "?type=vlan", "?#0"], false);
        // The copy of the lower on top, joined with the upper by or; the lower itself is still there.
        check(&["?type=ether", "?type=vlan", "?#1|"], true);
        check(&["?type=vlan", "?#.!|"], true);
        check(&["?type=vlan", "?#0.!|"], true);
        // More than there is does nothing.
        check(&["?type=ether", "?#|&9"], true);
    }
}
