//! `GET /healthz`, `GET /metrics` and `GET /unanswered`: for loopback and the networks of `[web] metrics_from` only.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::WebState;
use super::client::Client;
use super::routers;
use crate::gate::Gate;

/// 200 while RADIUS, database and web serve; else 503 with the reason.
pub(super) async fn health(State(state): State<WebState>, client: Client) -> Response {
    if !client.may_probe(&state.config().metrics_from) {
        return StatusCode::NOT_FOUND.into_response();
    }
    match state.gate().health().await {
        Ok(()) => "ok\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

/// The counters as Prometheus text.
pub(super) async fn metrics(State(state): State<WebState>, client: Client) -> Response {
    if !client.may_probe(&state.config().metrics_from) {
        return StatusCode::NOT_FOUND.into_response();
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.gate().metrics().render())
        .into_response()
}

/// Packets of one source that got no answer for one reason, for the command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnansweredLine {
    /// The address they came from.
    pub source: String,
    /// The router that it belongs to; empty for none.
    pub router: String,
    /// The word of `docs/radius.md`.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// The first, in ms since 1970.
    pub first_ms: i64,
    /// The last, in ms since 1970.
    pub last_ms: i64,
    /// What an operator can do about it.
    pub hint: String,
}

/// What got no answer since the start, as JSON, the last first; strangers too.
pub(super) async fn unanswered(State(state): State<WebState>, client: Client) -> Response {
    if !client.may_probe(&state.config().metrics_from) {
        return StatusCode::NOT_FOUND.into_response();
    }
    Json(lines(state.gate())).into_response()
}

fn lines(gate: &Gate) -> Vec<UnansweredLine> {
    const OF_STRANGERS: &str = "no router has this address: add it, or look at the router's src-address";
    let known = routers::unanswered(gate).into_iter().map(|(line, router)| UnansweredLine {
        source: line.source.to_string(),
        router,
        reason: line.reason.to_owned(),
        count: line.count,
        first_ms: line.first_at.millis(),
        last_ms: line.last_at.millis(),
        hint: line.hint.to_owned(),
    });
    let strangers = gate.strangers().into_iter().map(|stranger| UnansweredLine {
        source: stranger.address.to_string(),
        router: String::new(),
        reason: "unknown_router".to_owned(),
        count: stranger.count,
        first_ms: stranger.first_at.millis(),
        last_ms: stranger.last_at.millis(),
        hint: OF_STRANGERS.to_owned(),
    });
    let mut lines: Vec<UnansweredLine> = known.chain(strangers).collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.last_ms));
    lines
}
