//! A router's habits: what is peculiar to it, as settings of its own before those of all routers.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::super::error::WebError;
use super::super::form::{Errors, Field, Typed, with_errors};
use super::super::settings::{Typing, field, named};
use super::super::visit::{Owning, Shell, Viewing, Visit};
use super::hub::{Hub, router};
use crate::domain::router::Router;
use crate::domain::setting::{Level, Levels, SETTINGS, Setting};

#[derive(Template, WebTemplate)]
#[template(path = "routers/habits.html")]
struct Page {
    shell: Shell,
    hub: Hub,
    rows: Vec<Row>,
}

/// One setting of the router with its form.
struct Row {
    setting: &'static Setting,
    current: String,
    /// The value of all routers.
    of_all: String,
    standing: Standing,
    field: Field,
}

/// Whose value it is.
#[derive(PartialEq, Eq)]
enum Standing {
    /// That of all routers.
    Common,
    /// The router's own.
    Own,
}

/// What was typed for one setting, and what is wrong with it.
struct Draft<'a> {
    setting: &'static Setting,
    value: &'a str,
    errors: Errors,
}

async fn load(visit: &Visit, router: &Router, draft: Option<Draft<'_>>) -> Result<Page, WebError> {
    let values = visit.reader().settings().await?;
    let rows = SETTINGS.iter().filter(|setting| setting.levels == Levels::Router).map(|setting| {
        let of_all = values.at(setting.name, Level::System).unwrap_or(setting.default).to_owned();
        let own = values.at(setting.name, Level::Router(router.id.0));
        let current = own.unwrap_or(&of_all).to_owned();
        let field = match draft.as_ref().filter(|draft| draft.setting.name == setting.name) {
            None => vec![field(setting, &current)],
            Some(draft) => with_errors(vec![field(setting, draft.value)], &draft.errors),
        };
        let field = field.into_iter().next().expect("one field was made");
        let standing = if own.is_some() { Standing::Own } else { Standing::Common };
        Row { setting, current, of_all, standing, field }
    });
    let rows = rows.collect();
    let hub = Hub::of(visit, router, "/habits");
    Ok(Page { shell: visit.shell("/routers").await?, hub, rows })
}

fn place(router: &Router, setting: &Setting) -> String {
    format!("/routers/{}/habits#{}", router.id, setting.name)
}

/// `GET /routers/{id}/habits`
pub(in crate::web) async fn page(visit: Viewing, Path(id): Path<i64>) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    Ok(load(&visit, &router, None).await?.into_response())
}

/// `POST /routers/{id}/habits/{name}`
pub(in crate::web) async fn set(
    visit: Owning,
    Path((id, name)): Path<(i64, String)>,
    Typed(typed): Typed<Typing>,
) -> Result<Response, WebError> {
    let (router, setting) = (router(&visit, id).await?, named(&name, Level::Router(id))?);
    match visit.gate().set_setting(&visit.actor(), setting.name, Level::Router(router.id.0), &typed.value).await {
        Ok(()) => visit.done(format!("{name} is saved for {}.", router.name), &place(&router, setting)).await,
        Err(refused) => {
            let errors = Errors::of(refused)?;
            let page = load(&visit, &router, Some(Draft { setting, value: &typed.value, errors })).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

/// `POST /routers/{id}/habits/{name}/clear`
pub(in crate::web) async fn clear(visit: Owning, Path((id, name)): Path<(i64, String)>) -> Result<Response, WebError> {
    let (router, setting) = (router(&visit, id).await?, named(&name, Level::Router(id))?);
    let cleared = visit.gate().clear_setting(&visit.actor(), setting.name, Level::Router(router.id.0)).await;
    visit.report(cleared, format!("{name} is as for all routers again."), &place(&router, setting)).await
}
