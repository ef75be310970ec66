//! `GET /healthz` and `GET /metrics`: for loopback and the networks of `[web] metrics_from` only.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::WebState;
use super::client::Client;

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
