//! What an Access-Accept says on a router, unless the account or its group says otherwise.

use std::sync::Arc;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::super::attributes::{Lines, apply as apply_to, set};
use super::super::error::WebError;
use super::super::form::{Errors, Field, Typed, with_errors};
use super::super::visit::{Deciding, Owning, Shell, Viewing, Visit};
use super::hub::{Hub, router};
use crate::domain::attribute::{ReplyAttributes, Subject};
use crate::domain::router::Router;

#[derive(Template, WebTemplate)]
#[template(path = "routers/attributes.html")]
struct Page {
    shell: Shell,
    hub: Hub,
    attributes: Arc<ReplyAttributes>,
    beside: Vec<String>,
    fields: Vec<Field>,
}

async fn load(visit: &Visit, router: &Router, typed: &Lines, errors: &Errors) -> Result<Page, WebError> {
    let fields = with_errors(vec![typed.field()], errors);
    let hub = Hub::of(visit, router, "/attributes");
    let shell = visit.shell("/routers").await?;
    Ok(Page { shell, hub, attributes: router.attributes.clone(), beside: errors.beside(&fields), fields })
}

/// `GET /routers/{id}/attributes`
pub(in crate::web) async fn page(visit: Viewing, Path(id): Path<i64>) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    Ok(load(&visit, &router, &Lines::of(&router.attributes), &Errors::none()).await?.into_response())
}

/// `POST /routers/{id}/attributes`
pub(in crate::web) async fn save(
    visit: Owning,
    Path(id): Path<i64>,
    Typed(lines): Typed<Lines>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    match set(&visit, Subject::Router(router.id), &lines).await {
        Ok(()) => {
            let text = "The attributes hold from the next log-in on.";
            visit.done(text, &format!("/routers/{id}/attributes")).await
        }
        Err(refused) => {
            let page = load(&visit, &router, &lines, &Errors::of(refused)?).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

/// `POST /routers/{id}/apply`
pub(in crate::web) async fn apply(visit: Deciding, Path(id): Path<i64>) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    apply_to(&visit, Subject::Router(router.id), &format!("/routers/{id}/attributes")).await
}
