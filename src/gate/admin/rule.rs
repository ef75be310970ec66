//! Operators and firewall rules with `2FA` in their comment: what a router has, and whose each is.

use super::super::router_api::{ApiFault, FilterRule};
use super::super::session::Ended;
use super::super::{Gate, Refused};
use crate::domain::audit::Actor;
use crate::domain::id::{AccountId, RouterId, RuleId};
use crate::store::audit::Deed;
use crate::store::rule::Rule;
use crate::text::one_line;

/// What a rule's comment must contain to be bound.
pub const RULE_MARK: &str = "2FA";

/// A rule of a router, or a binding whose rule the router does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleLine {
    /// The comment, for people.
    pub comment: String,
    /// The rule as the router has it; `None` if it is not there.
    pub rule: Option<FilterRule>,
    /// The binding, with the account's name.
    pub bound: Option<(Rule, String)>,
    /// Whether it can be told from all others.
    pub identity: RuleIdentity,
}

/// Whether a rule can be told from all others by its comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleIdentity {
    /// It can.
    Unique,
    /// Another rule has the same comment: neither can be bound.
    Shared,
    /// The router has no rule with this comment.
    Missing,
}

impl Gate {
    /// The rules of a router whose comment contains [`RULE_MARK`], and the bindings that miss theirs.
    ///
    /// # Errors
    /// No such router, or it cannot be asked.
    pub async fn router_rules(&self, router: RouterId) -> Result<Vec<RuleLine>, Refused> {
        let (api, router) = self.reached(router).await?;
        let found = marked(api.rules(&router, None).await?);
        let bound: Vec<Rule> =
            self.reader().rules().await?.into_iter().filter(|rule| rule.router == router.id).collect();
        let mut lines = Vec::with_capacity(found.len());
        for rule in &found {
            let shared = found.iter().filter(|other| other.comment == rule.comment).count() > 1;
            let binding = bound.iter().find(|bound| bound.comment == rule.comment);
            lines.push(RuleLine {
                comment: shown(&rule.comment),
                bound: self.with_name(binding).await?,
                rule: Some(rule.clone()),
                identity: if shared { RuleIdentity::Shared } else { RuleIdentity::Unique },
            });
        }
        for missing in bound.iter().filter(|bound| !found.iter().any(|rule| rule.comment == bound.comment)) {
            lines.push(RuleLine {
                comment: shown(&missing.comment),
                rule: None,
                bound: self.with_name(Some(missing)).await?,
                identity: RuleIdentity::Missing,
            });
        }
        Ok(lines)
    }

    async fn with_name(&self, rule: Option<&Rule>) -> Result<Option<(Rule, String)>, Refused> {
        let Some(rule) = rule else { return Ok(None) };
        let account = self.reader().account(rule.account).await?;
        Ok(Some((rule.clone(), account.map_or_else(String::new, |account| account.name))))
    }

    /// Binds a rule to an account: it is on only while a confirmed connection of the account is up on this router, and such
    /// an account has one connection. Else it is switched off at once.
    ///
    /// The rule is meant by its id and by its comment as it was shown: the router may have made the id another rule's since.
    ///
    /// # Errors
    /// No such router, rule or account; the comment lacks the mark, two rules have it, or one of them is bound already.
    pub async fn bind_rule(
        &self,
        actor: &Actor,
        router: RouterId,
        (rule_id, comment): (&str, &str),
        account: AccountId,
    ) -> Result<RuleId, Refused> {
        let (api, router) = self.reached(router).await?;
        let found = marked(api.rules(&router, None).await?);
        let rule = found.iter().find(|rule| rule.id == rule_id && shown(&rule.comment) == comment);
        let rule = rule.ok_or(Refused::NotFound("the router has no such rule with 2FA in its comment any more"))?;
        if found.iter().filter(|other| other.comment == rule.comment).count() > 1 {
            let comment = shown(&rule.comment);
            return Err(ApiFault::Ambiguous(format!("more than one rule has the comment \"{comment}\"")).into());
        }
        let mut tx = self.store.begin().await?;
        let case = self.case_or_refuse(&mut tx, account).await?;
        let id = tx.bind_rule(router.id, account, (&rule.id, &rule.comment), self.now()).await?;
        let detail = format!("{} on {} to account {}", shown(&rule.comment), router.name, case.entry.account.name);
        let deed = Deed { noun: "rule", subject: id.0, verb: "bind", detail: &detail };
        self.finish(tx, actor, deed, Ended::default()).await?;
        Ok(id)
    }

    /// Unbinds a rule; it is switched off on the router, and not touched after that.
    ///
    /// # Errors
    /// No such binding.
    pub async fn unbind_rule(&self, actor: &Actor, rule: RuleId) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        let rule = tx.rule(rule).await?.ok_or(Refused::NotFound("no such binding"))?;
        tx.unbind_rule(&rule).await?;
        let detail = shown(&rule.comment);
        let deed = Deed { noun: "rule", subject: rule.id.0, verb: "unbind", detail: &detail };
        self.finish(tx, actor, deed, Ended::default()).await
    }
}

fn marked(mut rules: Vec<FilterRule>) -> Vec<FilterRule> {
    rules.retain(|rule| rule.comment.windows(RULE_MARK.len()).any(|window| window == RULE_MARK.as_bytes()));
    rules
}

fn shown(comment: &[u8]) -> String {
    one_line(&String::from_utf8_lossy(comment))
}
