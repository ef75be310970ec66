//! Firewall filter rules: found by id and whole comment, switched, and looked at again.

use super::link::Link;
use super::value;
use crate::domain::account::Switch;
use crate::gate::router_api::{ApiFault, FilterRule, RuleRef};
use crate::proto::routeros::{Row, Sentence};

const MENU: &str = "/ip/firewall/filter";
/// Ids that are asked for by name in one command. With more, the whole list is read: it is shorter than the question.
const IDS: usize = 50;

/// The rules with these ids, whatever their comments; else all that have a comment. Dynamic ones are not ours to switch.
pub(super) async fn list(link: &Link, ids: Option<&[String]>) -> Result<Vec<FilterRule>, ApiFault> {
    match ids {
        Some([]) => Ok(Vec::new()),
        Some(ids) if ids.len() <= IDS => {
            let ids_or = ids.iter().fold(print(), |print, id| print.query(format!("?.id={id}")));
            let any = (1..ids.len()).fold(ids_or, |print, _| print.query("?#|"));
            link.rows(any, of).await
        }
        Some(ids) => {
            let wanted: std::collections::BTreeSet<String> = ids.iter().cloned().collect();
            link.rows(print(), move |row| of(row).filter(|rule| wanted.contains(&rule.id))).await
        }
        None => link.rows(print().query("?comment"), |row| of(row).filter(|rule| !rule.comment.is_empty())).await,
    }
}

fn print() -> Sentence {
    Sentence::command(format!("{MENU}/print")).with(".proplist", ".id,chain,action,comment,disabled,dynamic")
}

fn of(row: &Row) -> Option<FilterRule> {
    let chain = value::text(row, "chain").unwrap_or_default();
    // What is not said is the action that rules have by default.
    let action = value::text(row, "action").unwrap_or_else(|| "accept".to_owned());
    let rule = FilterRule {
        id: value::id(row),
        comment: value::bytes(row, "comment"),
        switch: value::switch(row),
        what: format!("{chain} {action}"),
    };
    (!row.is("dynamic")).then_some(rule)
}

/// Switches a rule; gives it as it is then.
pub(super) async fn switch(link: &Link, wanted: &RuleRef, to: Switch) -> Result<FilterRule, ApiFault> {
    let rule = find(link, wanted).await?;
    if rule.switch == to {
        return Ok(rule);
    }
    let set = Sentence::command(format!("{MENU}/set")).with(".id", &rule.id).with("disabled", value::disabled(to));
    link.act(set).await?;
    let now = by_id(link, &rule.id).await?.filter(|now| now.comment == wanted.comment).ok_or_else(|| gone(wanted))?;
    if now.switch != to {
        return Err(ApiFault::Refused("the rule is as it was after it was switched".to_owned()));
    }
    Ok(now)
}

/// The id is only a hint: a rule that was removed and made again has another, and the comment decides.
async fn find(link: &Link, wanted: &RuleRef) -> Result<FilterRule, ApiFault> {
    if wanted.comment.is_empty() {
        return Err(gone(wanted));
    }
    if let Some(rule) = by_id(link, &wanted.id).await?.filter(|rule| rule.comment == wanted.comment) {
        return Ok(rule);
    }
    let comment = wanted.comment.clone();
    let same = print().query([b"?comment=", comment.as_slice()].concat());
    let mut found = link.rows(same, move |row| of(row).filter(|rule| rule.comment == comment)).await?;
    match (found.pop(), found.is_empty()) {
        (Some(rule), true) => Ok(rule),
        (Some(_), false) => Err(ApiFault::Ambiguous(shown(wanted))),
        (None, _) => Err(gone(wanted)),
    }
}

async fn by_id(link: &Link, id: &str) -> Result<Option<FilterRule>, ApiFault> {
    let (one, wanted) = (print().query(format!("?.id={id}")), id.to_owned());
    Ok(link.rows(one, move |row| of(row).filter(|rule| rule.id == wanted)).await?.pop())
}

fn gone(wanted: &RuleRef) -> ApiFault {
    ApiFault::Gone(shown(wanted))
}

fn shown(wanted: &RuleRef) -> String {
    super::fault::short(&format!("the firewall rule with the comment \"{}\"", String::from_utf8_lossy(&wanted.comment)))
}
