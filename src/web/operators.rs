//! Operators: who works here, with which role; for owners.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::error::WebError;
use super::form::{Errors, Field, Hidden, Typed, with_errors};
use super::visit::{Owning, Shell, Visit};
use crate::domain::id::OperatorId;
use crate::domain::operator::{Operator, Role};
use crate::gate::login::OperatorChange;

#[derive(Template, WebTemplate)]
#[template(path = "operators/page.html")]
struct Page {
    shell: Shell,
    operators: Vec<Operator>,
    beside: Vec<String>,
    fields: Vec<Field>,
}

#[derive(Template, WebTemplate)]
#[template(path = "operators/edit.html")]
struct EditPage {
    shell: Shell,
    operator: Operator,
    beside: Vec<String>,
    fields: Vec<Field>,
}

/// What was typed of an operator.
#[derive(Default, Deserialize)]
pub(super) struct Draft {
    #[serde(default)]
    name: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    password: Hidden,
}

fn role_field(role: &str) -> Field {
    Field::choice("role", "Role", role, &Role::ALL.map(Role::word)).help(
        "viewer reads; operator also decides about users, accounts and sessions; owner also settings, routers, operators.",
    )
}

fn role(draft: &Draft, errors: &mut Errors) -> Option<Role> {
    errors.take("role", Role::from_word(&draft.role).ok_or("expected owner, operator or viewer"))
}

async fn load(visit: &Visit, draft: &Draft, errors: &Errors) -> Result<Page, WebError> {
    let typed_role = if draft.role.is_empty() { Role::Operator.word() } else { &draft.role };
    let mut fields = vec![
        Field::text("name", "Name", &draft.name),
        role_field(typed_role),
        Field::password("password", "Password").help("At least 8 characters."),
    ];
    if !errors.is_empty() {
        fields = with_errors(fields, errors);
    }
    let operators = visit.reader().operators().await?;
    Ok(Page { shell: visit.shell("/operators").await?, operators, beside: errors.beside(&fields), fields })
}

/// `GET /operators`
pub(super) async fn page(visit: Owning) -> Result<Response, WebError> {
    Ok(load(&visit, &Draft::default(), &Errors::none()).await?.into_response())
}

/// `POST /operators`
pub(super) async fn add(visit: Owning, Typed(draft): Typed<Draft>) -> Result<Response, WebError> {
    let mut errors = Errors::none();
    if let Some(role) = role(&draft, &mut errors) {
        let logins = visit.gate().logins();
        match logins.add_operator(&visit.actor(), &draft.name, role, &draft.password.0).await {
            Ok(_) => return visit.done(format!("{} may log in now.", draft.name.trim()), "/operators").await,
            Err(refused) => errors = Errors::of(refused)?,
        }
    }
    Ok((StatusCode::UNPROCESSABLE_ENTITY, load(&visit, &draft, &errors).await?).into_response())
}

async fn operator(visit: &Visit, id: i64) -> Result<Operator, WebError> {
    visit.reader().operator(OperatorId(id)).await?.ok_or(WebError::NotFound("there is no such operator"))
}

async fn edit(visit: &Visit, operator: Operator, draft: &Draft, errors: &Errors) -> Result<EditPage, WebError> {
    let fields = vec![
        role_field(&draft.role),
        Field::password("password", "New password").help("Left empty, the password stays as it is.").optional(),
    ];
    let fields = with_errors(fields, errors);
    Ok(EditPage { shell: visit.shell("/operators").await?, operator, beside: errors.beside(&fields), fields })
}

/// `GET /operators/{id}`
pub(super) async fn edit_page(visit: Owning, Path(id): Path<i64>) -> Result<Response, WebError> {
    let operator = operator(&visit, id).await?;
    let draft = Draft { role: operator.role.word().to_owned(), ..Draft::default() };
    Ok(edit(&visit, operator, &draft, &Errors::none()).await?.into_response())
}

/// `POST /operators/{id}`
pub(super) async fn save(visit: Owning, Path(id): Path<i64>, Typed(draft): Typed<Draft>) -> Result<Response, WebError> {
    let operator = operator(&visit, id).await?;
    let mut errors = Errors::none();
    if let Some(role) = role(&draft, &mut errors) {
        let change = OperatorChange { role: Some(role), password: draft.password.given() };
        match visit.gate().logins().set_operator(&visit.actor(), operator.id, &change).await {
            Ok(()) => return visit.done(format!("{} is saved.", operator.name), "/operators").await,
            Err(refused) => errors = Errors::of(refused)?,
        }
    }
    Ok((StatusCode::UNPROCESSABLE_ENTITY, edit(&visit, operator, &draft, &errors).await?).into_response())
}

/// `POST /operators/{id}/remove`
pub(super) async fn remove(visit: Owning, Path(id): Path<i64>) -> Result<Response, WebError> {
    let operator = operator(&visit, id).await?;
    let removed = visit.gate().logins().remove_operator(&visit.actor(), operator.id).await;
    visit.report(removed, format!("{} is removed.", operator.name), "/operators").await
}
