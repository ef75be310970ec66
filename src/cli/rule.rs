//! `radgram rule`: firewall rules with `2FA` in their comment, each bound to one account.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::desk::{ACTOR, Desk};
use super::output::{Line, Out};
use super::{Failure, ListArgs};
use crate::domain::account::Switch;
use crate::gate::{RuleIdentity, RuleLine};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Bind a rule to an account: it works only while a confirmed connection of the account is up on this router.
    Bind {
        /// The router's name.
        router: String,
        /// The rule's comment, or its id on the router, from the list: "2FA ann" or *A
        rule: String,
        /// The account.
        username: String,
    },
    /// Unbind the rule of an account; it is switched off on the router.
    Unbind {
        /// The router's name.
        router: String,
        /// The account.
        username: String,
    },
    /// List the rules of a router, as it says them now.
    List(OfRouter),
}

#[derive(Debug, Args)]
pub(super) struct OfRouter {
    /// The router's name.
    router: String,
    #[command(flatten)]
    list: ListArgs,
}

pub(super) async fn run(desk: &Desk, command: Command) -> Result<(), Failure> {
    match command {
        Command::Bind { router, rule, username } => {
            let (router, account) = (desk.router(&router).await?, desk.account(&username).await?);
            let lines = desk.gate.router_rules(router.id).await?;
            let meant = lines.iter().find_map(|line| {
                let id = line.rule.as_ref()?.id.as_str();
                (id == rule || line.comment == rule).then_some((id, line.comment.as_str()))
            });
            let (id, comment) = meant.ok_or_else(|| {
                Failure::because(format!(
                    "{} has no rule {rule} with 2FA in its comment; see radgram rule list",
                    router.name
                ))
            })?;
            desk.gate.bind_rule(&ACTOR, router.id, (id, comment), account.id).await?;
            desk.say(&format!("rule \"{comment}\" on {} is bound to {}", router.name, account.name))
        }
        Command::Unbind { router, username } => {
            let (router, account) = (desk.router(&router).await?, desk.account(&username).await?);
            let rules = desk.reader().rules().await?;
            let bound = rules.into_iter().find(|rule| rule.router == router.id && rule.account == account.id);
            let rule = bound.ok_or_else(|| {
                Failure::because(format!("no rule on {} is bound to {}; see radgram rule list", router.name, username))
            })?;
            desk.gate.unbind_rule(&ACTOR, rule.id).await?;
            desk.say(&format!(
                "the rule of {} on {} is unbound; the running server switches it off",
                username, router.name
            ))
        }
        Command::List(args) => {
            let router = desk.router(&args.router).await?;
            let lines: Vec<Shown> = desk.gate.router_rules(router.id).await?.into_iter().map(Shown::of).collect();
            Out::standard().list(&lines, args.list)
        }
    }
}

#[derive(Serialize)]
struct Shown {
    id: Option<String>,
    comment: String,
    what: Option<String>,
    enabled: Option<bool>,
    username: Option<String>,
    state: &'static str,
}

impl Shown {
    fn of(line: RuleLine) -> Self {
        Self {
            state: match (line.identity, &line.bound) {
                (RuleIdentity::Missing, _) => "missing on the router",
                (RuleIdentity::Shared, _) => "another rule has the same comment",
                (RuleIdentity::Unique, Some(_)) => "bound",
                (RuleIdentity::Unique, None) => "not bound",
            },
            enabled: line.rule.as_ref().map(|rule| rule.switch == Switch::Enabled),
            what: line.rule.as_ref().map(|rule| rule.what.clone()),
            id: line.rule.map(|rule| rule.id),
            username: line.bound.map(|(_, name)| name),
            comment: line.comment,
        }
    }
}

impl Line for Shown {
    const HEADS: &'static [&'static str] = &["ID", "COMMENT", "RULE", "ON", "ACCOUNT", "STATE"];

    fn cells(&self) -> Vec<String> {
        let enabled = self.enabled.map(|enabled| if enabled { "yes" } else { "no" });
        vec![
            self.id.clone().unwrap_or_default(),
            self.comment.clone(),
            self.what.clone().unwrap_or_default(),
            enabled.unwrap_or_default().to_owned(),
            self.username.clone().unwrap_or_default(),
            self.state.to_owned(),
        ]
    }
}
