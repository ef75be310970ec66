//! One account: its group, and what a log-in with it gets on a router, each with whose word it is.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::attributes::{self, Lines};
use super::error::WebError;
use super::form::{Errors, Field, Typed, with_errors};
use super::settings::{in_force, sources};
use super::visit::{Deciding, Shell, Viewing, Visit};
use crate::domain::account::{Account, Source};
use crate::domain::attribute::{Holds, ReplyAttribute, ReplyAttributes, Subject, weighed};
use crate::domain::id::{AccountId, GroupId};
use crate::domain::router::Router;
use crate::domain::setting::{Levels, SETTINGS};
use crate::store::account::AccountLine;

#[derive(Template, WebTemplate)]
#[template(path = "accounts/edit.html")]
struct Page {
    shell: Shell,
    line: AccountLine,
    group: Field,
    routers: Vec<Router>,
    /// The router that the log-in is shown on, and whether the policy takes it there.
    on: Option<(Router, Taken)>,
    said: Vec<Said>,
    set: Vec<Effective>,
    defaults: Vec<Effective>,
    beside: Vec<String>,
    fields: Vec<Field>,
}

/// Whether log-ins are taken on a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Yes,
    No,
}

/// An attribute of one level, and whether an Accept says it.
struct Said {
    name: &'static str,
    value: String,
    whose: String,
    /// Where it is set, for those that have a page for it.
    path: String,
    holds: Holds,
}

/// A setting with the value that holds.
struct Effective {
    name: &'static str,
    value: String,
    whose: String,
    path: String,
}

/// On which router the log-in is looked at.
#[derive(Default, Deserialize)]
pub(super) struct Where {
    router: Option<i64>,
}

/// The group that is chosen; empty for none.
#[derive(Deserialize)]
pub(super) struct Chosen {
    #[serde(default)]
    group: String,
}

async fn known(visit: &Visit, id: i64) -> Result<AccountLine, WebError> {
    visit.reader().account_line(AccountId(id)).await?.ok_or(WebError::NotFound("there is no such account"))
}

async fn load(
    visit: &Visit,
    line: AccountLine,
    at: &Where,
    typed: Option<&Lines>,
    errors: &Errors,
) -> Result<Page, WebError> {
    let reader = visit.reader();
    let account = &line.account;
    let routers = reader.routers().await?.routers;
    let on = routers.iter().find(|router| at.router == Some(router.id.0)).or(routers.first()).cloned();
    let own = reader.attributes(Subject::Account(account.id)).await?;
    let said = said(visit, &line, &own, on.as_ref()).await?;
    let taken = match visit.gate().directory().read(account.id).await? {
        Some(known) => known.policy.routers.clone(),
        None => Vec::new(),
    };
    let is_taken = |router: &Router| taken.is_empty() || taken.contains(&router.name);
    let on = on.map(|router| (router.clone(), if is_taken(&router) { Taken::Yes } else { Taken::No }));
    let (set, defaults) = settings(visit, account).await?;
    let lines = Lines::of(&own);
    let mut fields = vec![typed.unwrap_or(&lines).field()];
    if !errors.is_empty() {
        fields = with_errors(fields, errors);
    }
    let group = group_field(visit, account.group).await?;
    let shell = visit.shell("/accounts").await?;
    Ok(Page { shell, group, routers, on, said, set, defaults, beside: errors.beside(&fields), fields, line })
}

/// What the levels say of a log-in on a router, the nearest first.
async fn said(
    visit: &Visit,
    line: &AccountLine,
    own: &ReplyAttributes,
    on: Option<&Router>,
) -> Result<Vec<Said>, WebError> {
    let groups = match line.account.group {
        Some(group) => visit.reader().attributes(Subject::Group(group)).await?,
        None => ReplyAttributes::default(),
    };
    let mut levels = vec![(Subject::Account(line.account.id), own)];
    levels.extend(line.account.group.map(|group| (Subject::Group(group), &groups)));
    levels.extend(on.map(|router| (Subject::Router(router.id), &*router.attributes)));
    let shown = |(subject, one, holds): (Subject, &ReplyAttribute, Holds)| {
        let (whose, path) = match subject {
            Subject::Account(_) => ("the account".to_owned(), String::new()),
            Subject::Group(id) => {
                (format!("the group {}", line.group_name.as_deref().unwrap_or("?")), format!("/groups/{id}"))
            }
            Subject::Router(id) => (
                format!("the router {}", on.map_or("?", |router| router.name.as_str())),
                format!("/routers/{id}/attributes"),
            ),
        };
        Said { name: one.name(), value: one.value(), whose, path, holds }
    };
    Ok(weighed(&levels).into_iter().map(shown).collect())
}

/// The settings of an account: those that are set somewhere, and those that have their default.
async fn settings(visit: &Visit, account: &Account) -> Result<(Vec<Effective>, Vec<Effective>), WebError> {
    let values = visit.reader().settings().await?;
    let sources = sources(visit, account).await?;
    let (mut set, mut defaults) = (Vec::new(), Vec::new());
    for setting in SETTINGS.iter().filter(|setting| setting.levels == Levels::Nearest) {
        let (value, source) = in_force(setting, &values, &sources);
        let value = value.to_owned();
        match source {
            Some(source) => set.push(Effective {
                name: setting.name,
                value,
                whose: source.label.clone(),
                path: format!("{}#{}", source.path, setting.name),
            }),
            None => {
                defaults.push(Effective { name: setting.name, value, whose: String::new(), path: String::new() });
            }
        }
    }
    Ok((set, defaults))
}

async fn group_field(visit: &Visit, current: Option<GroupId>) -> Result<Field, WebError> {
    let groups: Vec<(String, String)> =
        visit.reader().groups().await?.into_iter().map(|line| (line.group.id.to_string(), line.group.name)).collect();
    let mut choices = vec![("", "none")];
    choices.extend(groups.iter().map(|(id, name)| (id.as_str(), name.as_str())));
    let current = current.map(|group| group.to_string()).unwrap_or_default();
    Ok(Field::labelled("group", "Group", &current, &choices).help(
        "Its attributes and settings hold where the account, and for settings its person, have none of their own.",
    ))
}

/// `GET /accounts/{id}`
pub(super) async fn page(visit: Viewing, Path(id): Path<i64>, Query(at): Query<Where>) -> Result<Response, WebError> {
    let line = known(&visit, id).await?;
    Ok(load(&visit, line, &at, None, &Errors::none()).await?.into_response())
}

/// `POST /accounts/{id}/group`
pub(super) async fn put(
    visit: Deciding,
    Path(id): Path<i64>,
    Typed(chosen): Typed<Chosen>,
) -> Result<Response, WebError> {
    let line = known(&visit, id).await?;
    let group = match chosen.group.as_str() {
        "" => None,
        typed => Some(typed.parse().map(GroupId).map_err(|_| WebError::NotFound("there is no such group"))?),
    };
    let put = visit.gate().put_into_group(&visit.actor(), &[line.account.id], group).await;
    let text = format!(
        "{} {}.",
        line.account.name,
        if group.is_some() { "is in the group now" } else { "is in no group now" }
    );
    visit.report(put, text, &format!("/accounts/{id}")).await
}

/// `POST /accounts/{id}/attributes`
pub(super) async fn set_attributes(
    visit: Deciding,
    Path(id): Path<i64>,
    Typed(lines): Typed<Lines>,
) -> Result<Response, WebError> {
    let line = known(&visit, id).await?;
    match attributes::set(&visit, Subject::Account(line.account.id), &lines).await {
        Ok(()) => visit.done("The attributes hold from the next log-in on.", &format!("/accounts/{id}")).await,
        Err(refused) => {
            let page = load(&visit, line, &Where::default(), Some(&lines), &Errors::of(refused)?).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

/// `POST /accounts/{id}/attributes/apply`
pub(super) async fn apply_attributes(visit: Deciding, Path(id): Path<i64>) -> Result<Response, WebError> {
    let line = known(&visit, id).await?;
    attributes::apply(&visit, Subject::Account(line.account.id), &format!("/accounts/{id}")).await
}
