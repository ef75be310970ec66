//! Groups of accounts: the list, adding one, and the way to the pages of each.

use askama::Template;
use askama_web::WebTemplate;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::error::WebError;
use super::form::{Errors, Field, Typed, with_errors};
use super::settings::set_at;
use super::visit::{Owning, Shell, Viewing, Visit};
use super::{WebState, group};
use crate::domain::attribute::{ReplyAttributes, Subject};
use crate::domain::setting::Level;
use crate::store::group::GroupLine;

/// The largest body of a form that names accounts, in bytes: as many as are put into a group at once, each name as long as
/// it may be.
const NAMES_BYTES: usize = 512 * 1024;

/// The pages of groups.
pub(super) fn pages() -> Router<WebState> {
    Router::new()
        .route("/groups", get(page).post(add))
        .route("/groups/{id}", get(group::page).post(group::rename))
        .route("/groups/{id}/put", post(group::put).layer(DefaultBodyLimit::max(NAMES_BYTES)))
        .route("/groups/{id}/take-out", post(group::take_out))
        .route("/groups/{id}/attributes", post(group::set_attributes))
        .route("/groups/{id}/attributes/apply", post(group::apply_attributes))
        .route("/groups/{id}/remove", post(group::remove))
}

#[derive(Template, WebTemplate)]
#[template(path = "groups/page.html")]
struct Page {
    shell: Shell,
    lines: Vec<Line>,
    beside: Vec<String>,
    fields: Vec<Field>,
}

/// A group with what is said of it.
struct Line {
    line: GroupLine,
    attributes: ReplyAttributes,
    settings: Vec<(&'static str, String)>,
}

/// A name for a group.
#[derive(Default, Deserialize)]
pub(super) struct Named {
    #[serde(default)]
    pub(super) group: String,
}

impl Named {
    pub(super) fn field(&self) -> Field {
        Field::text("group", "Name", &self.group)
    }
}

async fn load(visit: &Visit, form: &Named, errors: &Errors) -> Result<Page, WebError> {
    let settings = visit.reader().settings().await?;
    let mut lines = Vec::new();
    for line in visit.reader().groups().await? {
        let attributes = visit.reader().attributes(Subject::Group(line.group.id)).await?;
        let settings = set_at(Level::Group(line.group.id.0), &settings);
        lines.push(Line { line, attributes, settings });
    }
    let mut fields = vec![form.field()];
    if !errors.is_empty() {
        fields = with_errors(fields, errors);
    }
    Ok(Page { shell: visit.shell("/groups").await?, lines, beside: errors.beside(&fields), fields })
}

/// `GET /groups`
async fn page(visit: Viewing) -> Result<Response, WebError> {
    Ok(load(&visit, &Named::default(), &Errors::none()).await?.into_response())
}

/// `POST /groups`
async fn add(visit: Owning, Typed(form): Typed<Named>) -> Result<Response, WebError> {
    match visit.gate().add_group(&visit.actor(), &form.group).await {
        Ok(id) => visit.done("The group is added; now put accounts into it.", &format!("/groups/{id}")).await,
        Err(refused) => {
            let page = load(&visit, &form, &Errors::of(refused)?).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}
