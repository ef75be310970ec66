//! Accounts: every VPN log-in, whose it is, and what keeps it from being used.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::error::WebError;
use super::form::{Errors, Field, Hidden, Typed, with_errors};
use super::users::{Filter, limit};
use super::visit::{Deciding, Shell, Viewing, Visit};
use crate::domain::account::{Holder, Lock, Source, Switch, name_key};
use crate::domain::id::{AccountId, GroupId};
use crate::domain::operator::Role;
use crate::store::account::{AccountLine, PasswordKept};

#[derive(Template, WebTemplate)]
#[template(path = "accounts/page.html")]
struct Page {
    shell: Shell,
    q: String,
    all: i64,
    lines: Vec<AccountLine>,
    next: Option<String>,
    beside: Vec<String>,
    fields: Vec<Field>,
}

/// An account to be added.
#[derive(Default, Deserialize)]
pub(super) struct NewAccount {
    #[serde(default)]
    account: String,
    #[serde(default)]
    password: Hidden,
}

async fn load(visit: &Visit, filter: Filter, form: &NewAccount, errors: &Errors) -> Result<Page, WebError> {
    let all = visit.reader().account_count().await?;
    let (lines, next) = find(visit, None, &filter).await?;
    let mut fields = vec![
        Field::text("account", "Account", &form.account).help("The VPN log-in name, as the person types it."),
        Field::password("password", "Password").optional(),
    ];
    if !errors.is_empty() {
        fields = with_errors(fields, errors);
    }
    let shell = visit.shell("/accounts").await?;
    Ok(Page { shell, q: filter.q, all, lines, next, beside: errors.beside(&fields), fields })
}

/// The accounts, or those of a group, after a name that the filter admits, and the name to go on after if there may be more.
pub(super) async fn find(
    visit: &Visit,
    group: Option<GroupId>,
    filter: &Filter,
) -> Result<(Vec<AccountLine>, Option<String>), WebError> {
    let (mut found, mut after) = (Vec::new(), filter.after.clone());
    loop {
        let stretch = match group {
            Some(group) => visit.reader().accounts_in(group, &after).await?,
            None => visit.reader().accounts(&after).await?,
        };
        let whole = stretch.len() >= limit();
        let Some(last) = stretch.last().map(|line| name_key(&line.account.name)) else { return Ok((found, None)) };
        after = last;
        found.extend(stretch.into_iter().filter(|line| {
            let others = [&line.user_name, &line.group_name].map(|name| name.as_deref().unwrap_or_default());
            filter.admits(std::iter::once(line.account.name.as_str()).chain(others))
        }));
        if !whole {
            return Ok((found, None));
        }
        if found.len() >= limit() {
            return Ok((found, Some(after)));
        }
    }
}

/// `GET /accounts`
pub(super) async fn page(visit: Viewing, Query(filter): Query<Filter>) -> Result<Response, WebError> {
    Ok(load(&visit, filter, &NewAccount::default(), &Errors::none()).await?.into_response())
}

/// `POST /accounts`
pub(super) async fn add(visit: Deciding, Typed(form): Typed<NewAccount>) -> Result<Response, WebError> {
    match visit.gate().add_account(&visit.actor(), &form.account, None, form.password.given()).await {
        Ok(_) => visit.done("The account is added; bind it on a user's page.", "/accounts").await,
        Err(refused) => {
            let errors = Errors::of(refused)?;
            let page = load(&visit, Filter::default(), &form, &errors).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

/// Where to go on.
#[derive(Deserialize)]
pub(super) struct Back {
    user: Option<i64>,
}

/// `POST /accounts/{id}/enable|disable|unlock|machine|person|user_manager|local|delete`
pub(super) async fn step(
    visit: Deciding,
    Path((id, word)): Path<(i64, String)>,
    Typed(back): Typed<Back>,
) -> Result<Response, WebError> {
    let id = AccountId(id);
    let account = visit.reader().account(id).await?.ok_or(WebError::NotFound("there is no such account"))?;
    let (gate, actor, name) = (visit.gate(), visit.actor(), account.name);
    let (done, text) = match word.as_str() {
        "enable" => (gate.switch_account(&actor, id, Switch::Enabled).await, format!("{name} is enabled.")),
        "disable" => {
            (gate.switch_account(&actor, id, Switch::Disabled).await, format!("{name} is disabled; what ran is ended."))
        }
        "unlock" => (gate.unlock_account(&actor, id).await, format!("{name} is unlocked.")),
        "machine" | "person" if visit.operator.role < Role::Owner => return Err(WebError::Forbidden(Role::Owner)),
        "machine" => {
            (gate.mark_holder(&actor, id, Holder::Machine).await, format!("{name} is marked as having no person."))
        }
        "person" => (gate.mark_holder(&actor, id, Holder::Person).await, format!("{name} needs a person again.")),
        "user_manager" => (
            gate.set_source(&actor, id, Source::UserManager).await,
            format!("The password of {name} is kept by the home server of the router that is dialled."),
        ),
        "local" => (
            gate.set_source(&actor, id, Source::Local).await,
            format!("The password of {name} is kept here; set one if none is shown."),
        ),
        "delete" => (gate.delete_account(&actor, id).await, format!("{name} is deleted.")),
        _ => return Err(WebError::NotFound("there is no such step")),
    };
    let path = back.user.map_or_else(|| "/accounts".to_owned(), |user| format!("/users/{user}"));
    visit.report(done, text, &path).await
}
