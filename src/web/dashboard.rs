//! The overview: what stands, what waits, what runs.

use std::collections::HashMap;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};

use super::error::WebError;
use super::visit::{Deciding, Shell, Viewing};
use crate::domain::id::NasId;
use crate::domain::user::UserState;
use crate::gate::{BotState, Stranger};
use crate::store::alarm::Alarm;
use crate::store::cut::Cut;
use crate::store::user::UserLine;

#[derive(Template, WebTemplate)]
#[template(path = "dashboard/page.html")]
struct Page {
    shell: Shell,
    alarms: Vec<Alarm>,
    pending: Vec<UserLine>,
    sessions: i64,
    connections: i64,
    users: i64,
    routers: usize,
    health: Result<(), String>,
    cuts: Vec<(Cut, String)>,
    strangers: Vec<Stranger>,
    bot: BotState,
}

/// `GET /`
pub(super) async fn page(visit: Viewing) -> Result<Response, WebError> {
    let reader = visit.reader();
    let users = reader.users().await?;
    let boxes: HashMap<NasId, String> =
        reader.nas_lines().await?.into_iter().map(|line| (line.nas.id, line.router)).collect();
    let cuts = reader.pending_cuts().await?;
    let page = Page {
        shell: visit.shell("/").await?,
        alarms: reader.alarms().await?,
        pending: users.into_iter().filter(|line| line.user.state == UserState::Pending).collect(),
        sessions: reader.open_session_count().await?,
        connections: reader.open_connection_count().await?,
        users: reader.user_count().await?,
        routers: reader.routers().await?.routers.len(),
        health: visit.gate().health().await,
        cuts: cuts
            .into_iter()
            .map(|cut| {
                let router = boxes.get(&cut.nas).cloned().unwrap_or_default();
                (cut, router)
            })
            .collect(),
        strangers: visit.gate().strangers(),
        bot: visit.gate().bot_state(),
    };
    Ok(page.into_response())
}

/// `POST /alarms/{id}/acknowledge`
pub(super) async fn acknowledge(visit: Deciding, Path(id): Path<i64>) -> Result<Response, WebError> {
    let done = visit.gate().acknowledge_alarm(&visit.actor(), id).await;
    visit.report(done, "The alarm is acknowledged.", "/").await
}
