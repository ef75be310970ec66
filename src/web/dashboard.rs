//! The overview: what stands, what waits, what runs.

use std::collections::HashMap;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};

use super::error::WebError;
use super::routers::{self, Line};
use super::visit::{Deciding, Shell, Viewing};
use crate::domain::id::{NasId, RouterId};
use crate::domain::user::UserState;
use crate::gate::{BotState, Stranger};
use crate::store::alarm::Alarm;
use crate::store::cut::Cut;
use crate::store::user::UserLine;

#[derive(Template, WebTemplate)]
#[template(path = "dashboard/page.html")]
struct Page {
    shell: Shell,
    alarms: Vec<(Alarm, Option<RouterId>)>,
    pending: Vec<UserLine>,
    sessions: i64,
    connections: i64,
    users: i64,
    routers: usize,
    /// Those that an operator should look at.
    troubled: Vec<Line>,
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
    let lines = routers::lines(&visit).await?;
    let alarms = reader.alarms().await?;
    let page = Page {
        shell: visit.shell("/").await?,
        alarms: alarms.into_iter().map(|alarm| (place(&alarm, &lines), alarm)).map(|(at, alarm)| (alarm, at)).collect(),
        pending: users.into_iter().filter(|line| line.user.state == UserState::Pending).collect(),
        sessions: reader.open_session_count().await?,
        connections: reader.open_connection_count().await?,
        users: reader.user_count().await?,
        routers: lines.len(),
        troubled: lines.into_iter().filter(Line::needs_a_look).collect(),
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

/// The router whose page tells more of an alarm.
fn place(alarm: &Alarm, lines: &[Line]) -> Option<RouterId> {
    let found = match alarm.kind.as_str() {
        "guessing" | "no_session" | "drift" | "not_done" | "home" => {
            let id: i64 = alarm.subject.split('/').next()?.parse().ok()?;
            lines.iter().find(|line| line.id == RouterId(id))
        }
        "kept_on_router" | "left_on" | "old_secret" => lines.iter().find(|line| line.name == alarm.subject),
        _ => None,
    };
    found.map(|line| line.id)
}

/// `POST /alarms/{id}/acknowledge`
pub(super) async fn acknowledge(visit: Deciding, Path(id): Path<i64>) -> Result<Response, WebError> {
    let done = visit.gate().acknowledge_alarm(&visit.actor(), id).await;
    visit.report(done, "The alarm is acknowledged.", "/").await
}
