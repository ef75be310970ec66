//! The audit: who changed what, when.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::Query;
use axum::response::{IntoResponse, Response};

use super::error::WebError;
use super::users::{Filter, limit};
use super::visit::{Shell, Viewing};
use crate::store::audit::AuditLine;

#[derive(Template, WebTemplate)]
#[template(path = "audit/page.html")]
struct Page {
    shell: Shell,
    q: String,
    all: usize,
    lines: Vec<AuditLine>,
    limit: usize,
}

/// `GET /audit`
pub(super) async fn page(visit: Viewing, Query(filter): Query<Filter>) -> Result<Response, WebError> {
    let lines = visit.reader().audit().await?;
    let all = lines.len();
    let admitted = |line: &AuditLine| filter.admits([line.actor.as_str(), &line.action, &line.detail]);
    let lines = lines.into_iter().filter(admitted).collect();
    Ok(Page { shell: visit.shell("/audit").await?, q: filter.q, all, lines, limit: limit() }.into_response())
}
