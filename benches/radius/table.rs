//! Medians of several rounds, and the table of `docs/performance.md`.

use std::collections::BTreeMap;

/// What was measured: figures by what they say and of whom, one for each round.
#[derive(Default)]
pub struct Figures(BTreeMap<(String, String), Vec<f64>>);

impl Figures {
    pub fn add(&mut self, what: impl Into<String>, whose: impl Into<String>, figure: f64) {
        self.0.entry((what.into(), whose.into())).or_default().push(figure);
    }

    pub fn median(&self, what: &str, whose: &str) -> Option<f64> {
        self.0.get(&(what.to_owned(), whose.to_owned())).map(|figures| median(figures))
    }

    /// The median of the ratios of each round: what disturbed a round disturbed both.
    pub fn ratio(&self, what: &str, whose: &str, of: &str) -> Option<f64> {
        let one = self.0.get(&(what.to_owned(), whose.to_owned()))?;
        let other = self.0.get(&(what.to_owned(), of.to_owned()))?;
        Some(median(&one.iter().zip(other).map(|(one, other)| one / other).collect::<Vec<_>>()))
    }
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    (low + high) / 2.0
}

/// A row of the table.
pub fn row(first: &str, cells: impl IntoIterator<Item = Option<String>>) {
    let cells: Vec<String> = cells.into_iter().map(Option::unwrap_or_default).collect();
    println!("| {first} | {} |", cells.join(" | "));
}

/// The head of a table.
pub fn head(first: &str, columns: &[&str]) {
    println!("\n| {first} | {} |", columns.join(" | "));
    println!("|---|{}", "--:|".repeat(columns.len()));
}

/// A figure with three digits that count.
pub fn shown(figure: f64) -> String {
    match figure {
        figure if figure >= 100.0 => format!("{figure:.0}"),
        figure if figure >= 10.0 => format!("{figure:.1}"),
        figure => format!("{figure:.2}"),
    }
}

/// What must be reached, and whether it is.
pub enum Goal {
    Most(f64),
    Least(f64),
}

pub fn verdict(what: &str, figure: Option<f64>, goal: &Goal) {
    let Some(figure) = figure else { return };
    let (met, word, bound) = match goal {
        Goal::Most(bound) => (figure <= *bound, "at most", bound),
        Goal::Least(bound) => (figure >= *bound, "at least", bound),
    };
    let met = if met { "reached" } else { "MISSED" };
    println!("- {what}: {} ({word} {bound}): {met}", shown(figure));
}
