//! Log-ins: who is refused for guessing passwords, and the last attempts with verdict and reason.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};

use super::error::WebError;
use super::users::{Filter, limit};
use super::visit::{Deciding, Shell, Viewing};
use crate::domain::home::HomeFault;
use crate::domain::reason::Reason;
use crate::store::attempt::{AttemptLine, Verdict};
use crate::store::guess::{GuessLock, LockKind};

#[derive(Template, WebTemplate)]
#[template(path = "attempts/page.html")]
struct Page {
    shell: Shell,
    q: String,
    all: usize,
    locks: Vec<GuessLock>,
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
    let locks = visit.reader().guess_locks(visit.gate().now()).await?;
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
    Ok(Page { shell: visit.shell("/attempts").await?, q: filter.q, all, locks, lines, limit: limit() }.into_response())
}

/// `POST /guesses/{id}/lift`
pub(super) async fn lift(visit: Deciding, Path(id): Path<i64>) -> Result<Response, WebError> {
    let done = visit.gate().lift_guess_lock(&visit.actor(), id).await;
    visit.report(done, "The lock is lifted.", "/attempts").await
}
