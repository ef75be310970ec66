//! Log-ins: the last attempts with verdict and reason.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::Query;
use axum::response::{IntoResponse, Response};

use super::error::WebError;
use super::users::{Filter, limit};
use super::visit::{Shell, Viewing};
use crate::domain::access::Reason;
use crate::domain::home::HomeFault;
use crate::store::attempt::{AttemptLine, Verdict};

#[derive(Template, WebTemplate)]
#[template(path = "attempts/page.html")]
struct Page {
    shell: Shell,
    q: String,
    all: usize,
    lines: Vec<(AttemptLine, String)>,
    limit: usize,
}

/// The sentence of a reason's word; a word of a newer program stays as it is.
fn reason_text(line: &AttemptLine) -> String {
    let Some(word) = &line.reason else { return String::new() };
    let known = Reason::from_word(word).map(Reason::text).or_else(|| HomeFault::from_word(word).map(HomeFault::text));
    known.map_or_else(|| word.clone(), str::to_owned)
}

fn verdict_text(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "accepted",
        Verdict::Reject => "refused",
        Verdict::Silence => "no answer",
    }
}

/// `GET /attempts`
pub(super) async fn page(visit: Viewing, Query(filter): Query<Filter>) -> Result<Response, WebError> {
    let lines = visit.reader().attempts().await?;
    let all = lines.len();
    let lines = lines.into_iter().map(|line| {
        let reason = reason_text(&line);
        (line, reason)
    });
    let lines = lines.filter(|(line, reason)| {
        filter.admits([
            line.user_name.as_str(),
            line.person.as_deref().unwrap_or_default(),
            line.station.as_deref().unwrap_or_default(),
            line.router.as_deref().unwrap_or_default(),
            line.nas_address.as_str(),
            verdict_text(line.verdict),
            reason.as_str(),
        ])
    });
    let lines = lines.collect();
    Ok(Page { shell: visit.shell("/attempts").await?, q: filter.q, all, lines, limit: limit() }.into_response())
}
