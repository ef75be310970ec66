//! One group: the accounts in it, and what is said of them all.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::accounts::find;
use super::attributes::{self, Lines};
use super::error::WebError;
use super::form::{Errors, Field, Pairs, Typed, with_errors};
use super::groups::Named;
use super::settings::set_at;
use super::users::Filter;
use super::visit::{Deciding, Owning, Shell, Viewing, Visit};
use crate::domain::account::name_key;
use crate::domain::attribute::{ReplyAttributes, Subject};
use crate::domain::group::Group;
use crate::domain::id::{AccountId, GroupId};
use crate::domain::setting::Level;
use crate::gate::{PUT_AT_ONCE, Refused};
use crate::store::account::AccountLine;
use crate::text::one_line;

#[derive(Template, WebTemplate)]
#[template(path = "groups/edit.html")]
struct Page {
    shell: Shell,
    group: Group,
    q: String,
    /// How many accounts are in the group.
    all: i64,
    lines: Vec<AccountLine>,
    next: Option<String>,
    attributes: ReplyAttributes,
    settings: Vec<(&'static str, String)>,
    beside: Vec<String>,
    names: Field,
    lines_field: Field,
    name: Field,
}

/// What was typed into one of the page's forms.
#[derive(Default)]
struct Draft {
    filter: Filter,
    names: String,
    attributes: Option<Lines>,
    name: Option<Named>,
}

/// The accounts that are to be in the group.
#[derive(Default, Deserialize)]
pub(super) struct Names {
    #[serde(default)]
    names: String,
}

async fn known(visit: &Visit, id: i64) -> Result<Group, WebError> {
    visit.reader().group(GroupId(id)).await?.ok_or(WebError::NotFound("there is no such group"))
}

async fn load(visit: &Visit, group: Group, draft: Draft, errors: &Errors) -> Result<Page, WebError> {
    let reader = visit.reader();
    let (lines, next) = find(visit, Some(group.id), &draft.filter).await?;
    let groups = reader.groups().await?;
    let all = groups.iter().find(|line| line.group.id == group.id).map_or(0, |line| line.accounts);
    let attributes = reader.attributes(Subject::Group(group.id)).await?;
    let settings = set_at(Level::Group(group.id.0), &reader.settings().await?);
    let typed = draft.attributes.unwrap_or_else(|| Lines::of(&attributes));
    let name = draft.name.unwrap_or_else(|| Named { group: group.name.clone() });
    let names = Field::area("names", "Accounts to put in", &draft.names)
        .help("Their names, one a line or separated by commas. One that is in another group leaves it.");
    let mut fields = vec![names, typed.field(), name.field()];
    if !errors.is_empty() {
        fields = with_errors(fields, errors);
    }
    let beside = errors.beside(&fields);
    let [names, lines_field, name] = <[Field; 3]>::try_from(fields).expect("three fields were made");
    let shell = visit.shell("/groups").await?;
    let q = draft.filter.q;
    Ok(Page { shell, group, q, all, lines, next, attributes, settings, beside, names, lines_field, name })
}

async fn again(visit: &Visit, group: Group, draft: Draft, refused: Refused) -> Result<Response, WebError> {
    let page = load(visit, group, draft, &Errors::of(refused)?).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// `GET /groups/{id}`
pub(super) async fn page(
    visit: Viewing,
    Path(id): Path<i64>,
    Query(filter): Query<Filter>,
) -> Result<Response, WebError> {
    let group = known(&visit, id).await?;
    let draft = Draft { filter, ..Draft::default() };
    Ok(load(&visit, group, draft, &Errors::none()).await?.into_response())
}

/// `POST /groups/{id}`
pub(super) async fn rename(
    visit: Owning,
    Path(id): Path<i64>,
    Typed(form): Typed<Named>,
) -> Result<Response, WebError> {
    let group = known(&visit, id).await?;
    match visit.gate().rename_group(&visit.actor(), group.id, &form.group).await {
        Ok(()) => visit.done("The group has its new name.", &format!("/groups/{id}")).await,
        Err(refused) => again(&visit, group, Draft { name: Some(form), ..Draft::default() }, refused).await,
    }
}

/// `POST /groups/{id}/put`
pub(super) async fn put(visit: Deciding, Path(id): Path<i64>, Typed(form): Typed<Names>) -> Result<Response, WebError> {
    let group = known(&visit, id).await?;
    let moved = match named(&visit, &form.names).await? {
        Ok(accounts) => visit.gate().put_into_group(&visit.actor(), &accounts, Some(group.id)).await,
        Err(refused) => Err(refused),
    };
    match moved {
        Ok(moved) => {
            let text = format!("{} put into {}.", accounts(moved), group.name);
            visit.done(text, &format!("/groups/{id}")).await
        }
        Err(refused) => again(&visit, group, Draft { names: form.names, ..Draft::default() }, refused).await,
    }
}

fn accounts(count: usize) -> String {
    if count == 1 { "1 account".to_owned() } else { format!("{count} accounts") }
}

/// The accounts of these names; refused as a whole if one is not there.
async fn named(visit: &Visit, typed: &str) -> Result<Result<Vec<AccountId>, Refused>, WebError> {
    let names: Vec<&str> = typed.split(['\n', ',']).map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return Ok(Err(Refused::field("names", "type the names of accounts")));
    }
    if names.len() > PUT_AT_ONCE {
        return Ok(Err(Refused::field("names", format!("at most {PUT_AT_ONCE} accounts at once"))));
    }
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for name in names {
        match visit.reader().account_id(&name_key(name)).await? {
            Some(id) => found.push(id),
            None => unknown.push(one_line(name)),
        }
    }
    Ok(match unknown.as_slice() {
        [] => Ok(found),
        [one] => Err(Refused::field("names", format!("no account is named {one}"))),
        [first, rest @ ..] => {
            let others = rest.len();
            Err(Refused::field("names", format!("no account is named {first}, nor are {others} more of these names")))
        }
    })
}

/// `POST /groups/{id}/take-out`
pub(super) async fn take_out(
    visit: Deciding,
    Path(id): Path<i64>,
    Typed(form): Typed<Pairs>,
) -> Result<Response, WebError> {
    let group = known(&visit, id).await?;
    let path = format!("/groups/{id}");
    let mut picked = Vec::new();
    for word in form.all("pick") {
        let account = match word.parse() {
            Ok(account) => visit.reader().account(AccountId(account)).await?,
            Err(_) => None,
        };
        // Who was put elsewhere meanwhile stays there.
        picked.extend(account.filter(|account| account.group == Some(group.id)).map(|account| account.id));
    }
    if picked.is_empty() {
        return visit.refused("tick the accounts that are meant", &path).await;
    }
    let out = visit.gate().put_into_group(&visit.actor(), &picked, None).await;
    let text =
        out.as_ref().map_or_else(|_| String::new(), |out| format!("{} taken out of {}.", accounts(*out), group.name));
    visit.report(out, text, &path).await
}

/// `POST /groups/{id}/attributes`
pub(super) async fn set_attributes(
    visit: Owning,
    Path(id): Path<i64>,
    Typed(lines): Typed<Lines>,
) -> Result<Response, WebError> {
    let group = known(&visit, id).await?;
    match attributes::set(&visit, Subject::Group(group.id), &lines).await {
        Ok(()) => visit.done("The attributes hold from the next log-in on.", &format!("/groups/{id}")).await,
        Err(refused) => again(&visit, group, Draft { attributes: Some(lines), ..Draft::default() }, refused).await,
    }
}

/// `POST /groups/{id}/attributes/apply`
pub(super) async fn apply_attributes(visit: Deciding, Path(id): Path<i64>) -> Result<Response, WebError> {
    let group = known(&visit, id).await?;
    attributes::apply(&visit, Subject::Group(group.id), &format!("/groups/{id}")).await
}

/// `POST /groups/{id}/remove`
pub(super) async fn remove(visit: Owning, Path(id): Path<i64>) -> Result<Response, WebError> {
    let group = known(&visit, id).await?;
    let removed = visit.gate().remove_group(&visit.actor(), group.id).await;
    let left = *removed.as_ref().unwrap_or(&0);
    let text = format!("{} is removed; accounts left without a group: {left}.", group.name);
    visit.report(removed, text, "/groups").await
}
