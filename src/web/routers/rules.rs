//! The rules of a router with `2FA` in their comment: whose each is, how it is, and how it shall be.

use std::collections::HashSet;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::error::WebError;
use super::super::form::{Errors, Typed};
use super::super::visit::{Deciding, Shell, Viewing, Visit};
use super::hub::{Hub, router};
use super::overview::wanted;
use super::trouble::Trouble;
use crate::clock::Timestamp;
use crate::domain::account::{Switch, name_key};
use crate::domain::id::RuleId;
use crate::domain::router::Router;
use crate::domain::want::Thing;
use crate::gate::router_api::ApiFault;
use crate::gate::{RULE_MARK, Refused, RuleIdentity, RuleLine};
use crate::store::want::Want;
use crate::text::one_line;

#[derive(Template, WebTemplate)]
#[template(path = "routers/rules.html")]
struct Page {
    shell: Shell,
    hub: Hub,
    rows: Vec<Row>,
    /// Why the router's own rules are not shown.
    trouble: Option<Trouble>,
    /// Names to choose from.
    accounts: Vec<String>,
}

/// A rule, or a binding whose rule was not found.
struct Row {
    comment: String,
    /// Its id on the router; `None` if it is not there, or the router was not asked.
    id: Option<String>,
    /// Chain and action.
    what: String,
    /// Whether it works, as the router has it.
    switch: Option<Switch>,
    identity: Identity,
    bound: Option<Bound>,
    /// What is wanted of it.
    wanted: Option<Wanted>,
    /// What was typed, or what could be meant.
    typed: String,
    error: Option<String>,
}

/// Whose a rule is.
struct Bound {
    id: RuleId,
    account: String,
}

/// How a rule shall be.
struct Wanted {
    word: &'static str,
    /// Since when it is not so yet.
    pending: Option<Timestamp>,
}

/// Whether a rule can be told from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Identity {
    Unique,
    Shared,
    Missing,
    /// The router could not be asked.
    Unknown,
}

/// What was typed to bind a rule.
#[derive(Default, Deserialize)]
pub(in crate::web) struct Binding {
    /// The rule's id on the router.
    #[serde(default)]
    rule: String,
    /// Its comment as the page showed it.
    #[serde(default)]
    comment: String,
    #[serde(default)]
    account: String,
}

impl Row {
    fn of(line: RuleLine, wants: &[Want]) -> Self {
        let raw = line.rule.as_ref().map(|rule| rule.comment.as_slice());
        let raw = raw.or(line.bound.as_ref().map(|(bound, _)| bound.comment.as_slice())).unwrap_or_default();
        let bound = line.bound.as_ref().map(|(bound, account)| Bound { id: bound.id, account: account.clone() });
        Self {
            wanted: Wanted::of(raw, wants),
            comment: line.comment,
            identity: match line.identity {
                RuleIdentity::Unique => Identity::Unique,
                RuleIdentity::Shared => Identity::Shared,
                RuleIdentity::Missing => Identity::Missing,
            },
            bound,
            id: line.rule.as_ref().map(|rule| rule.id.clone()),
            switch: line.rule.as_ref().map(|rule| rule.switch),
            what: line.rule.map(|rule| one_line(&rule.what)).unwrap_or_default(),
            typed: String::new(),
            error: None,
        }
    }

    fn can_be_bound(&self) -> bool {
        self.bound.is_none() && self.identity == Identity::Unique
    }
}

impl Wanted {
    fn of(comment: &[u8], wants: &[Want]) -> Option<Self> {
        let is_meant = |want: &&Want| matches!(&want.thing, Thing::Rule { comment: known, .. } if known == comment);
        let want = wants.iter().find(is_meant)?;
        let pending = want.proven_at.is_none().then_some(want.since);
        Some(Self { word: wanted(&want.thing, want.state), pending })
    }
}

async fn load(visit: &Visit, router: &Router, typed: &Binding, errors: &Errors) -> Result<Page, WebError> {
    let reader = visit.reader();
    let wants = reader.wants_of_router(router.id).await?;
    let (mut rows, trouble) = match visit.gate().router_rules(router.id).await {
        Ok(lines) => (lines.into_iter().map(|line| Row::of(line, &wants)).collect(), None),
        Err(Refused::Router(fault)) => (stored(visit, router, &wants).await?, Some(fault)),
        Err(other) => return Err(other.into()),
    };
    // Without an API the page says how rules come about, and needs no other trouble.
    let trouble = trouble.filter(|fault| *fault != ApiFault::Off || router.api.is_some());
    let accounts: Vec<String> = reader.accounts("").await?.into_iter().map(|line| line.account.name).collect();
    suggest(&mut rows, &accounts);
    for row in rows.iter_mut().filter(|row| row.id.as_deref() == Some(typed.rule.as_str())) {
        row.typed = typed.account.clone();
        row.error = errors.at("account").or(errors.at("")).map(str::to_owned);
    }
    let (shell, hub) = (visit.shell("/routers").await?, Hub::of(visit, router, "/rules"));
    Ok(Page { shell, hub, rows, trouble: trouble.map(|fault| Trouble::of(&fault, router)), accounts })
}

/// The bindings alone, where the router cannot be asked.
async fn stored(visit: &Visit, router: &Router, wants: &[Want]) -> Result<Vec<Row>, WebError> {
    let mut rows = Vec::new();
    for rule in visit.reader().rules().await?.into_iter().filter(|rule| rule.router == router.id) {
        let account = visit.reader().account(rule.account).await?.map_or_else(String::new, |account| account.name);
        rows.push(Row {
            comment: one_line(&String::from_utf8_lossy(&rule.comment)),
            id: None,
            what: String::new(),
            switch: None,
            identity: Identity::Unknown,
            wanted: Wanted::of(&rule.comment, wants),
            bound: Some(Bound { id: rule.id, account }),
            typed: String::new(),
            error: None,
        });
    }
    Ok(rows)
}

/// A comment that is the mark and the name of an account names it: the operator still says so.
fn suggest(rows: &mut [Row], accounts: &[String]) {
    let taken: HashSet<String> =
        rows.iter().filter_map(|row| row.bound.as_ref()).map(|bound| name_key(&bound.account)).collect();
    for row in rows.iter_mut().filter(|row| row.can_be_bound()) {
        let rest = name_key(row.comment.replace(RULE_MARK, " ").trim_matches(|c: char| !c.is_alphanumeric()));
        let named = accounts.iter().find(|account| name_key(account) == rest && !taken.contains(&rest));
        row.typed = named.cloned().unwrap_or_default();
    }
}

/// `GET /routers/{id}/rules`
pub(in crate::web) async fn page(visit: Viewing, Path(id): Path<i64>) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    Ok(load(&visit, &router, &Binding::default(), &Errors::none()).await?.into_response())
}

/// `POST /routers/{id}/rules`
pub(in crate::web) async fn bind(
    visit: Deciding,
    Path(id): Path<i64>,
    Typed(typed): Typed<Binding>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let path = format!("/routers/{id}/rules");
    let mut errors = Errors::none();
    let account = visit.reader().account_id(&name_key(typed.account.trim())).await?;
    if let Some(account) = errors.take("account", account.ok_or("no account has this name")) {
        match visit.gate().bind_rule(&visit.actor(), router.id, (&typed.rule, &typed.comment), account).await {
            Ok(_) => {
                let text =
                    format!("The rule is bound to {}; it is on only while they are confirmed.", typed.account.trim());
                return visit.done(text, &path).await;
            }
            Err(Refused::Router(fault)) => return visit.report::<()>(Err(fault.into()), "", &path).await,
            Err(Refused::NotFound(why)) => return visit.refused(why, &path).await,
            Err(refused) => errors = Errors::of(refused)?,
        }
    }
    let page = load(&visit, &router, &typed, &errors).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// `POST /routers/{id}/rules/{rule}/unbind`
pub(in crate::web) async fn unbind(visit: Deciding, Path((id, rule)): Path<(i64, i64)>) -> Result<Response, WebError> {
    let path = format!("/routers/{id}/rules");
    let known = visit.reader().rules().await?.into_iter().any(|known| known.id.0 == rule && known.router.0 == id);
    if !known {
        return visit.refused("the rule is bound to nobody any more", &path).await;
    }
    let unbound = visit.gate().unbind_rule(&visit.actor(), RuleId(rule)).await;
    visit
        .report(unbound, "The rule is unbound; it is switched off on the router, and left alone after that.", &path)
        .await
}
