//! Log in, log out, change the own password.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use tower_sessions::Session;

use super::WebState;
use super::client::Client;
use super::error::WebError;
use super::form::{Errors, Field, Hidden, Typed, with_errors};
use super::throttle::Turn;
use super::visit::{LoggedIn, Shell, Viewing, Visit};
use crate::domain::operator::Operator;
use crate::gate::Refused;
use crate::gate::login::OperatorChange;

#[derive(Template, WebTemplate)]
#[template(path = "log_in/page.html")]
struct Page {
    shell: Shell,
    start: Start,
    next: String,
    beside: Vec<String>,
    fields: Vec<Field>,
}

/// Whether somebody can log in at all.
#[derive(PartialEq, Eq)]
enum Start {
    /// There are operators.
    Usual,
    /// There is none yet.
    First,
}

/// Where to go on, as the page of the log-in was asked.
#[derive(Deserialize)]
pub(super) struct Next {
    #[serde(default)]
    next: String,
}

/// The log-in form.
#[derive(Deserialize)]
pub(super) struct LogIn {
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: Hidden,
    #[serde(default)]
    next: String,
}

/// `GET /log-in`
pub(super) async fn page(State(state): State<WebState>, Query(next): Query<Next>) -> Result<Response, WebError> {
    let start = if state.gate().reader().operator_count().await? == 0 { Start::First } else { Start::Usual };
    let fields = with_errors(fields(""), &Errors::none());
    Ok(Page { shell: Shell::stranger(), start, next: own_path(&next.next), beside: Vec::new(), fields }.into_response())
}

fn fields(name: &str) -> Vec<Field> {
    vec![
        Field::text("name", "Name", name).complete("username"),
        Field::password("password", "Password").complete("current-password"),
    ]
}

/// A path of ours, else the first page: the log-in sends nobody to another site.
fn own_path(next: &str) -> String {
    let own = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n', '\t']);
    if own && next.len() <= 200 { next.to_owned() } else { "/".to_owned() }
}

/// `POST /log-in`
pub(super) async fn log_in(
    State(state): State<WebState>,
    client: Client,
    session: Session,
    Typed(form): Typed<LogIn>,
) -> Result<Response, WebError> {
    if state.throttle().count(client.address, &form.name) == Turn::Later {
        tracing::warn!(client = %client.address, "log-ins are tried too often");
        let message = "Too many log-ins from your address or for this name. Wait a minute and try again.";
        return Ok(again(StatusCode::TOO_MANY_REQUESTS, &form, message));
    }
    match state.gate().logins().verify(&form.name, &form.password.0).await {
        Ok(Some(operator)) => {
            start(&state, &session, &operator).await?;
            tracing::info!(operator = %operator.name, client = %client.address, "logged in");
            Ok(Redirect::to(&own_path(&form.next)).into_response())
        }
        Ok(None) => {
            tracing::warn!(client = %client.address, "a log-in was refused");
            Ok(again(StatusCode::UNPROCESSABLE_ENTITY, &form, "The name or the password is wrong."))
        }
        Err(Refused::Conflict(message)) => {
            Ok(again(StatusCode::SERVICE_UNAVAILABLE, &form, &super::error::sentence(&message)))
        }
        Err(other) => Err(other.into()),
    }
}

fn again(status: StatusCode, form: &LogIn, message: &str) -> Response {
    let fields = with_errors(fields(&form.name), &Errors::none());
    let beside = vec![message.to_owned()];
    let next = own_path(&form.next);
    (status, Page { shell: Shell::stranger(), start: Start::Usual, next, beside, fields }).into_response()
}

/// A new token for what is now somebody's: one that was planted before the log-in opens nothing.
async fn start(state: &WebState, session: &Session, operator: &Operator) -> Result<(), WebError> {
    session.flush().await?;
    let now = state.gate().now().millis();
    let login = LoggedIn { operator: operator.id.0, version: operator.version, at: now, seen: now };
    session.insert(LoggedIn::KEY, login).await?;
    Ok(())
}

/// `POST /log-out`
pub(super) async fn log_out(session: Session) -> Result<Redirect, WebError> {
    session.flush().await?;
    Ok(Redirect::to("/log-in"))
}

#[derive(Template, WebTemplate)]
#[template(path = "log_in/password.html")]
struct PasswordPage {
    shell: Shell,
    beside: Vec<String>,
    fields: Vec<Field>,
}

/// The form of the own password.
#[derive(Deserialize)]
pub(super) struct NewPassword {
    #[serde(default)]
    current: Hidden,
    #[serde(default)]
    password: Hidden,
}

/// `GET /password`
pub(super) async fn password_page(visit: Viewing) -> Result<Response, WebError> {
    Ok(own_password(&visit, &Errors::none()).await?.into_response())
}

async fn own_password(visit: &Visit, errors: &Errors) -> Result<PasswordPage, WebError> {
    let fields = vec![
        Field::password("current", "Current password").complete("current-password"),
        Field::password("password", "New password").help("At least 8 characters."),
    ];
    let fields = with_errors(fields, errors);
    Ok(PasswordPage { shell: visit.shell("/password").await?, beside: errors.beside(&fields), fields })
}

/// `POST /password`
pub(super) async fn change_password(
    State(state): State<WebState>,
    client: Client,
    visit: Viewing,
    Typed(form): Typed<NewPassword>,
) -> Result<Response, WebError> {
    let mut errors = Errors::none();
    if state.throttle().count(client.address, &visit.operator.name) == Turn::Later {
        errors.add("current", "tried too often; wait a minute and try again");
    } else if visit.gate().logins().verify(&visit.operator.name, &form.current.0).await?.is_none() {
        errors.add("current", "this is not your password");
    } else {
        let change = OperatorChange { role: None, password: Some(form.password.0) };
        match visit.gate().logins().set_operator(&visit.actor(), visit.operator.id, &change).await {
            Ok(()) => {
                // The version grew, which ends every log-in of this operator; this one goes on under a new token.
                let operator = visit.reader().operator(visit.operator.id).await?;
                let operator = operator.ok_or(WebError::NotFound("no such operator"))?;
                start(&state, visit.session(), &operator).await?;
                return visit.done("Your password is changed; other log-ins of yours have ended.", "/").await;
            }
            Err(refused) => errors = Errors::of(refused)?,
        }
    }
    Ok((StatusCode::UNPROCESSABLE_ENTITY, own_password(&visit, &errors).await?).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_goes_on_here_only() {
        assert_eq!(own_path("/users/7"), "/users/7");
        for elsewhere in ["", "https://evil", "//evil", "/\\evil", "/\tevil", "users"] {
            assert_eq!(own_path(elsewhere), "/", "{elsewhere}");
        }
    }
}
