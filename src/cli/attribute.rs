//! `radgram account attribute`, `group attribute`, `router attribute`: what an Access-Accept says beside what radgram says
//! itself.

use clap::Args;
use serde::Serialize;

use super::desk::{ACTOR, Desk};
use super::output::{Line, Out};
use super::{Failure, ListArgs};
use crate::domain::account::Account;
use crate::domain::attribute::{Holds, ReplyAttribute, ReplyAttributes, Subject, bare_name, weighed};
use crate::domain::router::Router;
use crate::gate::Refused;
use crate::store::order::Whose;

/// What is to be set; without anything, what is set is listed.
#[derive(Debug, Args)]
pub(super) struct Change {
    /// Set this; other values of the same name go. A name without a value takes it away. A name may stand several times.
    #[arg(value_name = "NAME=VALUE")]
    pairs: Vec<String>,
    /// Take away all that is not given here.
    #[arg(long)]
    clear: bool,
    /// Tell the routers of running connections, too, as far as it can be changed while they run; the rest holds from the
    /// next dial on.
    #[arg(long)]
    apply: bool,
    #[command(flatten)]
    list: ListArgs,
}

/// One attribute, for programs.
#[derive(Debug, Serialize)]
pub(super) struct Attribute {
    name: &'static str,
    value: String,
}

impl Line for Attribute {
    const HEADS: &'static [&'static str] = &["NAME", "VALUE"];

    fn cells(&self) -> Vec<String> {
        vec![self.name.to_owned(), self.value.clone()]
    }
}

/// All of them, for programs.
pub(super) fn lines(attributes: &ReplyAttributes) -> Vec<Attribute> {
    attributes.iter().map(|one| Attribute { name: one.name(), value: one.value() }).collect()
}

/// Lists or changes the reply attributes of what is called `whose`.
pub(super) async fn run(desk: &Desk, subject: Subject, whose: &str, change: &Change) -> Result<(), Failure> {
    let set = desk.reader().attributes(subject).await?;
    if change.pairs.is_empty() && !change.clear {
        return match change.apply {
            true => apply(desk, subject).await,
            false => Out::standard().list(&lines(&set), change.list),
        };
    }
    let before = if change.clear { Vec::new() } else { lines(&set) };
    let written = changed(&before, &change.pairs)?;
    desk.gate.set_attributes(&ACTOR, subject, &written).await?;
    let now: Vec<String> = desk
        .reader()
        .attributes(subject)
        .await?
        .iter()
        .map(|one| format!("{} = {}", one.name(), one.value()))
        .collect();
    match now.as_slice() {
        [] => desk.say(&format!("{whose} has no reply attributes"))?,
        some => desk.say(&format!("{whose}: {}", some.join(", ")))?,
    }
    if change.apply { apply(desk, subject).await } else { Ok(()) }
}

/// The routers of running connections are told, if there are any.
async fn apply(desk: &Desk, subject: Subject) -> Result<(), Failure> {
    match desk.gate.apply_attributes(&ACTOR, Whose::Of(subject)).await {
        Ok(count) => desk.say(&format!("{count} running connections are to be changed; see radgram connection list")),
        Err(Refused::Conflict(why)) => desk.say(&why),
        Err(refused) => Err(refused.into()),
    }
}

/// An attribute of one level, for programs.
#[derive(Serialize)]
struct Weighed {
    name: &'static str,
    value: String,
    of: &'static str,
    said: bool,
}

impl Line for Weighed {
    const HEADS: &'static [&'static str] = &["NAME", "VALUE", "OF", "SAID"];

    fn cells(&self) -> Vec<String> {
        let said = if self.said { "yes" } else { "no: a nearer level has the name" };
        vec![self.name.to_owned(), self.value.clone(), self.of.to_owned(), said.to_owned()]
    }
}

/// Lists what a log-in of an account on a router gets in all, and by whose word.
pub(super) async fn in_all(desk: &Desk, account: &Account, router: &Router, change: &Change) -> Result<(), Failure> {
    let own = desk.reader().attributes(Subject::Account(account.id)).await?;
    let groups = match account.group {
        Some(group) => desk.reader().attributes(Subject::Group(group)).await?,
        None => ReplyAttributes::default(),
    };
    let levels = [("account", &own), ("group", &groups), ("router", &*router.attributes)];
    let line = |(of, one, holds): (&'static str, &ReplyAttribute, Holds)| Weighed {
        name: one.name(),
        value: one.value(),
        of,
        said: holds == Holds::Said,
    };
    Out::standard().list(&weighed(&levels).into_iter().map(line).collect::<Vec<_>>(), change.list)
}

/// What is set, with what was typed in place of what has the same name.
fn changed(set: &[Attribute], typed: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let pair = |typed: &String| match typed.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => Err(Failure::because(format!("{typed:?}: expected NAME=VALUE, or NAME= to take it away"))),
    };
    let typed = typed.iter().map(pair).collect::<Result<Vec<_>, _>>()?;
    // Attributes of all tags have one name: what is typed of it takes the place of all.
    let same = |one: &str, other: &str| bare_name(one).0.eq_ignore_ascii_case(bare_name(other).0);
    let is_typed = |name: &str| typed.iter().any(|(other, _)| same(other, name));
    let is_set = |name: &str| set.iter().any(|one| same(one.name, name));
    if let Some((name, _)) = typed.iter().find(|(name, value)| value.is_empty() && !is_set(name)) {
        return Err(Failure::because(format!("{name} is not set")));
    }
    let kept = set.iter().filter(|one| !is_typed(one.name)).map(|one| (one.name.to_owned(), one.value.clone()));
    let given = typed.iter().filter(|(_, value)| !value.is_empty()).cloned();
    Ok(kept.chain(given).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(typed: &[&str]) -> Result<Vec<(String, String)>, String> {
        let set = [("Mikrotik-Group", "staff"), ("Filter-Id", "a.in"), ("Filter-Id", "b.out")]
            .map(|(name, value)| Attribute { name, value: value.to_owned() });
        let typed: Vec<String> = typed.iter().map(|typed| (*typed).to_owned()).collect();
        changed(&set, &typed).map_err(|failure| failure.to_string())
    }

    #[track_caller]
    fn check(typed: &[&str], expected: &[(&str, &str)]) {
        let expected: Vec<(String, String)> =
            expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(of(typed), Ok(expected));
    }

    #[test]
    fn what_is_typed_takes_the_place_of_its_name_alone() {
        check(&["filter-id=c.in"], &[("Mikrotik-Group", "staff"), ("filter-id", "c.in")]);
        check(&["Filter-Id="], &[("Mikrotik-Group", "staff")]);
        check(&["Filter-Id:1="], &[("Mikrotik-Group", "staff")]);
        check(
            &["Mikrotik-Group=x=y", "Idle-Timeout=60"],
            &[("Filter-Id", "a.in"), ("Filter-Id", "b.out"), ("Mikrotik-Group", "x=y"), ("Idle-Timeout", "60")],
        );
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        for typed in ["Mikrotik-Group", "=staff", ""] {
            assert!(of(&[typed]).unwrap_err().contains("expected NAME=VALUE"));
        }
        assert_eq!(of(&["Idle-Timeout="]).unwrap_err(), "Idle-Timeout is not set");
    }
}
