//! Settings: one form for each, made from the same description as the command line's.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::error::WebError;
use super::form::{Errors, Field, Typed, with_errors};
use super::visit::{Owning, Shell, Viewing, Visit};
use crate::domain::setting::{Kind, Level, SETTINGS, Setting};

#[derive(Template, WebTemplate)]
#[template(path = "settings/page.html")]
struct Page {
    shell: Shell,
    rows: Vec<Row>,
}

/// One setting with its form.
struct Row {
    setting: &'static Setting,
    current: String,
    standing: Standing,
    field: Field,
}

/// Whether a value is stored.
#[derive(PartialEq, Eq)]
enum Standing {
    Default,
    Changed,
}

/// What was typed.
#[derive(Deserialize)]
pub(super) struct Typing {
    #[serde(default)]
    pub(super) value: String,
}

/// What was typed for one setting, and what is wrong with it.
struct Draft<'a> {
    setting: &'static Setting,
    value: &'a str,
    errors: Errors,
}

pub(super) fn field(setting: &Setting, value: &str) -> Field {
    let field = match setting.kind {
        Kind::Number { min, max, .. } => Field::number("value", setting.name, value, min, max),
        Kind::Choice(words) => Field::choice("value", setting.name, value, words),
        Kind::NumberOr { .. }
        | Kind::Hours
        | Kind::Networks
        | Kind::Routers
        | Kind::Zone
        | Kind::Chat
        | Kind::Attributes => Field::text("value", setting.name, value),
    };
    field.help(setting.help)
}

async fn load(visit: &Visit, draft: Option<Draft<'_>>) -> Result<Page, WebError> {
    let values = visit.reader().settings().await?;
    let rows = SETTINGS.iter().map(|setting| {
        let stored = values.at(setting.name, Level::System);
        let current = stored.unwrap_or(setting.default).to_owned();
        let field = match draft.as_ref().filter(|draft| draft.setting.name == setting.name) {
            None => vec![field(setting, &current)],
            Some(draft) => with_errors(vec![field(setting, draft.value)], &draft.errors),
        };
        let field = field.into_iter().next().expect("one field was made");
        let standing = if stored.is_some() { Standing::Changed } else { Standing::Default };
        Row { setting, current, standing, field }
    });
    let rows = rows.collect();
    Ok(Page { shell: visit.shell("/settings").await?, rows })
}

pub(super) fn named(name: &str) -> Result<&'static Setting, WebError> {
    Setting::named(name).ok_or(WebError::NotFound("there is no such setting"))
}

fn place(setting: &Setting) -> String {
    format!("/settings#{}", setting.name)
}

/// `GET /settings`
pub(super) async fn page(visit: Viewing) -> Result<Response, WebError> {
    Ok(load(&visit, None).await?.into_response())
}

/// `POST /settings/{name}`
pub(super) async fn set(
    visit: Owning,
    Path(name): Path<String>,
    Typed(typed): Typed<Typing>,
) -> Result<Response, WebError> {
    let setting = named(&name)?;
    match visit.gate().set_setting(&visit.actor(), setting.name, Level::System, &typed.value).await {
        Ok(()) => visit.done(format!("{name} is saved and holds from now on."), &place(setting)).await,
        Err(refused) => {
            let errors = Errors::of(refused)?;
            let page = load(&visit, Some(Draft { setting, value: &typed.value, errors })).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

/// `POST /settings/{name}/clear`
pub(super) async fn clear(visit: Owning, Path(name): Path<String>) -> Result<Response, WebError> {
    let setting = named(&name)?;
    let cleared = visit.gate().clear_setting(&visit.actor(), setting.name, Level::System).await;
    visit.report(cleared, format!("{name} has its default again."), &place(setting)).await
}
