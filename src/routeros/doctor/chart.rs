//! The chart: what was found right and wrong, as it is written down.

use crate::gate::router_api::{Command, Finding, Gravity, Report};
use crate::text::one_line;

/// How many names a finding that sums up says.
const NAMES: usize = 5;

/// What was found so far.
#[derive(Debug, Default)]
pub struct Chart {
    passed: Vec<String>,
    findings: Vec<Finding>,
}

impl Chart {
    /// Something is right.
    pub fn pass(&mut self, what: impl Into<String>) {
        self.passed.push(what.into());
    }

    /// Something is not. An id that is there already gets a number, since ids are unique in a report.
    pub fn find(
        &mut self,
        gravity: Gravity,
        id: impl Into<String>,
        what: impl Into<String>,
        why: &str,
        fix: Vec<Command>,
    ) {
        let id = id.into();
        let same = |finding: &&Finding| finding.id == id || finding.id.starts_with(&format!("{id}#"));
        let id = match self.findings.iter().filter(same).count() {
            0 => id,
            others => format!("{id}#{}", others.saturating_add(1)),
        };
        self.findings.push(Finding { id, gravity, what: what.into(), why: why.to_owned(), fix });
    }

    /// The report, the gravest first; among equals in the order of looking.
    pub fn report(mut self) -> Report {
        self.findings.sort_by_key(|finding| finding.gravity);
        Report { passed: self.passed, findings: self.findings }
    }
}

/// `3 (ann, bob, eve)`; of many the first five, and dots. Names from the router are strangers' words.
pub fn count_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let first: Vec<String> = names.iter().take(NAMES).map(|name| one_line(name)).collect();
    let more = if names.len() > NAMES { ", …" } else { "" };
    format!("{} ({}{more})", names.len(), first.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_comes_first_and_ids_are_unique() {
        let mut chart = Chart::default();
        chart.find(Gravity::Note, "a", "1", "", Vec::new());
        chart.find(Gravity::Grave, "b", "2", "", Vec::new());
        chart.find(Gravity::Warning, "a", "3", "", Vec::new());
        let ids: Vec<_> = chart.report().findings.into_iter().map(|finding| finding.id).collect();
        assert_eq!(ids, ["b", "a#2", "a"]);
    }

    #[test]
    fn many_names_are_summed_up() {
        assert_eq!(count_of(["ann"]), "1 (ann)");
        assert_eq!(count_of(["a", "b", "c", "d", "e"]), "5 (a, b, c, d, e)");
        assert_eq!(count_of(["a", "b", "c", "d", "e", "f"]), "6 (a, b, c, d, e, …)");
        assert_eq!(count_of(["a\u{1b}[31m"]), "1 (a [31m)");
    }
}
