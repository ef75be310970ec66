//! Firewall rules that are bound to accounts, and those that look as if they ought to be.

use super::super::command::{Row, is};
use super::super::script::{DROP_RULE, EXAMPLE_RULE};
use super::chart::{Chart, count_of};
use super::inventory::{FILTER, Inventory, NOT_MATCHERS};
use super::value::text;
use crate::gate::router_api::{Command, Expected, Gravity, RuleRef, Verb};
use crate::text::one_line;

/// What marks a rule as meant for an account.
const MARK: &str = "2FA";

/// Looks at the rules of `/ip firewall filter`.
pub fn look(seen: &Inventory, expected: &Expected, chart: &mut Chart) {
    let Some(rules) = seen.rows(FILTER) else { return };
    let bound: Vec<String> = expected.rules.iter().map(comment).collect();
    for comment in &bound {
        look_at_bound(rules, comment, chart);
    }
    let is_example = |rule: &Row| text(rule, "comment") == EXAMPLE_RULE && is(rule, "disabled");
    let is_unbound = |rule: &&Row| {
        let comment = text(rule, "comment");
        comment.contains(MARK) && !bound.iter().any(|bound| bound == comment) && !is_example(rule)
    };
    let unbound: Vec<&str> = rules.iter().filter(is_unbound).map(|rule| text(rule, "comment")).collect();
    if unbound.is_empty() {
        chart.pass("every rule with 2FA in its comment belongs to an account");
    } else {
        chart.find(
            Gravity::Note,
            "rule_unbound",
            format!("Rules with 2FA in their comment that belong to no account: {}.", count_of(unbound)),
            "radgram does not switch them: they stay as they are, on or off. Bind each to its account, or change its comment.",
            Vec::new(),
        );
    }
}

/// The comment as the rows show it.
fn comment(rule: &RuleRef) -> String {
    String::from_utf8_lossy(&rule.comment).into_owned()
}

fn look_at_bound(rules: &[Row], comment: &str, chart: &mut Chart) {
    let shown = one_line(comment);
    let same: Vec<(usize, &Row)> =
        rules.iter().enumerate().filter(|(_, rule)| text(rule, "comment") == comment).collect();
    let (at, rule) = match same.as_slice() {
        [] => {
            return chart.find(
                Gravity::Warning,
                format!("rule_missing:{comment}"),
                format!("The rule \"{shown}\" is not on the router."),
                "It is bound to an account, whose yes opens nothing now. Make the rule again with exactly this comment, or \
                 bind another.",
                Vec::new(),
            );
        }
        [one] => *one,
        _ => {
            return chart.find(
                Gravity::Warning,
                format!("rule_twice:{comment}"),
                format!("{} rules have the comment \"{shown}\".", same.len()),
                "radgram cannot tell which one is meant, and switches neither unless its id is the bound one. Give each a \
                 comment of its own.",
                Vec::new(),
            );
        }
    };
    if is(rule, "invalid") {
        return chart.find(
            Gravity::Warning,
            format!("rule_invalid:{comment}"),
            format!("The router calls the rule \"{shown}\" invalid."),
            "It does nothing, on or off: it names an interface or a list that is not there.",
            Vec::new(),
        );
    }
    let first_drop =
        rules.iter().take(at).find(|earlier| is_working(earlier) && shuts(earlier) && covers(earlier, rule));
    match first_drop {
        Some(_) => chart.find(
            Gravity::Warning,
            format!("rule_shadowed:{comment}"),
            format!("The rule \"{shown}\" stands behind a rule that drops all that it is for."),
            "A yes opens nothing: the router takes the first rule that fits.",
            vec![Command::new(FILTER, Verb::MoveFirst).whose("comment", comment)],
        ),
        None => chart.pass(format!("the rule \"{shown}\" is there")),
    }
}

/// Whether a rule does anything.
pub fn is_working(rule: &Row) -> bool {
    !is(rule, "disabled") && !is(rule, "invalid")
}

/// Whether a rule lets nothing through that fits.
pub fn shuts(rule: &Row) -> bool {
    matches!(text(rule, "action"), "drop" | "reject" | "tarpit")
}

/// Whether every packet that fits `rule` fits `earlier`, too: same chain, and nothing asked that `rule` does not ask in the
/// same words. Where this says no, it may be so all the same. Our own rule is for every VPN connection, whether `rule` says
/// that it is for one or not.
fn covers(earlier: &Row, rule: &Row) -> bool {
    let is_ours = text(earlier, "comment") == DROP_RULE;
    let asked =
        earlier.iter().filter(|(property, value)| !NOT_MATCHERS.contains(&property.as_str()) && !value.is_empty());
    text(earlier, "chain") == text(rule, "chain")
        && (is_ours || asked.into_iter().all(|(property, value)| rule.get(property) == Some(value)))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Seen, expected};
    use super::*;

    const RULE: [(&str, &str); 5] = [
        (".id", "*A"),
        ("chain", "forward"),
        ("action", "accept"),
        ("src-address", "10.8.0.5"),
        ("comment", "2FA ann"),
    ];

    fn bound() -> Expected {
        Expected { rules: vec![RuleRef { id: "*A".to_owned(), comment: b"2FA ann".to_vec() }], ..expected() }
    }

    fn with_rule() -> Seen {
        Seen::healthy().first(FILTER, &RULE).expecting(bound())
    }

    #[test]
    fn a_bound_rule_is_looked_for_by_its_whole_comment() {
        with_rule().finds_nothing();
        Seen::healthy().expecting(bound()).finds("rule_missing:2FA ann", Gravity::Warning, &[]);
        let longer = [("chain", "forward"), ("action", "accept"), ("comment", "2FA annabel"), ("disabled", "true")];
        let seen = Seen::healthy().first(FILTER, &longer).expecting(bound());
        seen.finds_all(&[("rule_missing:2FA ann", Gravity::Warning), ("rule_unbound", Gravity::Note)]);
    }

    #[test]
    fn two_rules_with_one_comment_are_found() {
        with_rule().first(FILTER, &RULE).finds("rule_twice:2FA ann", Gravity::Warning, &[]);
    }

    #[test]
    fn an_invalid_rule_is_found() {
        with_rule().with(FILTER, "invalid", "true").finds("rule_invalid:2FA ann", Gravity::Warning, &[]);
    }

    #[test]
    fn a_rule_behind_a_drop_of_all_that_it_is_for_is_found() {
        let fix = "/ip firewall filter move [find where comment=\"2FA ann\"] \
                   destination=[:pick [/ip firewall filter find where dynamic=no] 0]";
        for drop in [
            vec![("chain", "forward"), ("action", "drop")],
            vec![("chain", "forward"), ("action", "reject"), ("src-address", "10.8.0.5")],
        ] {
            with_rule().first(FILTER, &drop).finds("rule_shadowed:2FA ann", Gravity::Warning, &[fix]);
        }
        Seen::healthy().row(FILTER, &RULE).expecting(bound()).finds("rule_shadowed:2FA ann", Gravity::Warning, &[fix]);
        for other in [
            vec![("chain", "input"), ("action", "drop")],
            vec![("chain", "forward"), ("action", "drop"), ("disabled", "true")],
            vec![("chain", "forward"), ("action", "drop"), ("connection-state", "invalid")],
            vec![("chain", "forward"), ("action", "drop"), ("src-address", "10.8.0.6")],
            vec![("chain", "forward"), ("action", "log")],
        ] {
            with_rule().first(FILTER, &other).finds_nothing();
        }
    }

    #[test]
    fn rules_that_look_bound_are_noted() {
        let report = Seen::healthy().first(FILTER, &RULE).finds("rule_unbound", Gravity::Note, &[]);
        assert!(report.findings[0].what.contains("1 (2FA ann)"), "{report:?}");
    }

    #[test]
    fn the_example_of_the_script_is_no_finding_while_it_is_off() {
        let example = |disabled| {
            let rule = [("chain", "forward"), ("action", "accept"), ("comment", EXAMPLE_RULE), ("disabled", disabled)];
            Seen::healthy().no_rows(FILTER).first(FILTER, &rule)
        };
        example("true").finds_not("rule_unbound");
        example("false").finds_not("rule_missing");
        assert!(example("false").report().findings.iter().any(|finding| finding.id == "rule_unbound"));
    }
}
