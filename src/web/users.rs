//! Users: the list, pending applications first, and adding one by hand.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::error::WebError;
use super::form::{Errors, Field, Typed, with_errors};
use super::visit::{Deciding, Shell, Viewing, Visit};
use crate::domain::user::UserState;
use crate::store::LIST_ROWS;
use crate::store::user::UserLine;

#[derive(Template, WebTemplate)]
#[template(path = "users/page.html")]
struct Page {
    shell: Shell,
    q: String,
    all: i64,
    lines: Vec<UserLine>,
}

/// What a list is filtered by.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Filter {
    #[serde(default)]
    pub(super) q: String,
    /// The name that a list goes on after.
    #[serde(default)]
    pub(super) after: String,
}

impl Filter {
    /// Whether nothing was typed.
    pub(super) fn is_empty(&self) -> bool {
        self.q.trim().is_empty()
    }

    /// Whether one of the texts has what was typed, whatever its case.
    pub(super) fn admits<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        let wanted = self.q.trim().to_lowercase();
        wanted.is_empty() || texts.into_iter().any(|text| text.to_lowercase().contains(&wanted))
    }
}

/// Rows that a list shows at most, as pages say it.
pub(super) fn limit() -> usize {
    usize::try_from(LIST_ROWS).unwrap_or(usize::MAX)
}

/// `GET /users`
pub(super) async fn page(visit: Viewing, Query(filter): Query<Filter>) -> Result<Response, WebError> {
    let reader = visit.reader();
    let all = reader.user_count().await?;
    let lines =
        if filter.is_empty() { reader.users().await? } else { reader.find_users(|line| admits(&filter, line)).await? };
    Ok(Page { shell: visit.shell("/users").await?, q: filter.q, all, lines }.into_response())
}

fn admits(filter: &Filter, line: &UserLine) -> bool {
    let telegram = line.user.telegram_id.to_string();
    let own = [line.user.name.as_str(), telegram.as_str(), line.user.state.word()];
    filter.admits(own.into_iter().chain(line.accounts.iter().map(String::as_str)))
}

#[derive(Template, WebTemplate)]
#[template(path = "users/new.html")]
struct NewPage {
    shell: Shell,
    beside: Vec<String>,
    fields: Vec<Field>,
}

/// A person to be added.
#[derive(Default, Deserialize)]
pub(super) struct NewUser {
    #[serde(default)]
    name: String,
    #[serde(default)]
    telegram_id: String,
}

async fn new_form(visit: &Visit, form: &NewUser, errors: &Errors) -> Result<NewPage, WebError> {
    let fields = vec![
        Field::text("name", "Full name", &form.name),
        Field::text("telegram_id", "Telegram id", &form.telegram_id)
            .help("The number, not the @name. The person sees it when they write /start to the bot."),
    ];
    let fields = with_errors(fields, errors);
    Ok(NewPage { shell: visit.shell("/users").await?, beside: errors.beside(&fields), fields })
}

/// `GET /users/new`
pub(super) async fn new_page(visit: Deciding) -> Result<Response, WebError> {
    Ok(new_form(&visit, &NewUser::default(), &Errors::none()).await?.into_response())
}

/// `POST /users`
pub(super) async fn add(visit: Deciding, Typed(form): Typed<NewUser>) -> Result<Response, WebError> {
    let mut errors = Errors::none();
    let typed = form.telegram_id.trim().parse::<i64>().ok().filter(|id| *id > 0);
    let telegram_id = errors.take("telegram_id", typed.ok_or("a Telegram id is a number like 123456789"));
    if let Some(telegram_id) = telegram_id {
        match visit.gate().add_user(&visit.actor(), telegram_id, &form.name, UserState::Approved).await {
            Ok(id) => {
                let text = "The user is added and approved. Now bind an account.";
                return visit.done(text, &format!("/users/{id}")).await;
            }
            Err(refused) => errors = Errors::of(refused)?,
        }
    }
    Ok((StatusCode::UNPROCESSABLE_ENTITY, new_form(&visit, &form, &errors).await?).into_response())
}
