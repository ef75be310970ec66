//! Sessions and connections: the open ones, who, from where, until when; grant, extend, end, cut, confirm.

use std::collections::HashMap;
use std::time::Duration;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::error::WebError;
use super::form::{Errors, Field, Typed, with_errors};
use super::users::{Filter, limit};
use super::visit::{Deciding, Shell, Viewing, Visit};
use crate::clock::Timestamp;
use crate::domain::account::name_key;
use crate::domain::connection::{Presence, shown_cause};
use crate::domain::id::{ConnectionId, NasId, SessionId};
use crate::domain::order::OrderState;
use crate::domain::setting::{Level, Setting};
use crate::store::connection::Connection;
use crate::store::order::{Order, Whose};
use crate::store::session::SessionLine;

/// The longest session that can be granted, in hours.
const HOURS: u32 = 168;
/// Ended connections that the page shows.
const ENDED: usize = 20;
const HOUR: Duration = Duration::from_secs(3600);

#[derive(Template, WebTemplate)]
#[template(path = "sessions/page.html")]
struct Page {
    shell: Shell,
    q: String,
    all: usize,
    sessions: Vec<SessionLine>,
    open: Vec<Tunnel>,
    ended: Vec<Tunnel>,
    limit: usize,
    hours: String,
    accounts: Vec<String>,
    beside: Vec<String>,
    fields: Vec<Field>,
}

/// A connection with the names that belong to it.
struct Tunnel {
    connection: Connection,
    name: String,
    router: String,
    received: String,
    sent: String,
    /// Why it ended; empty while it runs.
    cause: String,
    /// What it is to be changed to, and what its router said of it.
    order: Option<Order>,
}

impl Tunnel {
    /// When the router hangs up by itself, where that is known.
    fn hangs_up(&self) -> Option<Timestamp> {
        self.connection.runs_until.filter(|_| self.connection.ended_at.is_none())
    }

    fn is_refused(&self) -> bool {
        self.order.as_ref().is_some_and(|order| order.state == OrderState::Refused)
    }
}

/// A session to be granted.
#[derive(Default, Deserialize)]
pub(super) struct Grant {
    #[serde(default)]
    account: String,
    #[serde(default)]
    hours: String,
}

/// How much longer.
#[derive(Deserialize)]
pub(super) struct More {
    #[serde(default)]
    hours: String,
}

async fn load(visit: &Visit, filter: Filter, form: &Grant, errors: &Errors) -> Result<Page, WebError> {
    let reader = visit.reader();
    let sessions = reader.open_sessions().await?;
    let all = sessions.len();
    let sessions = sessions
        .into_iter()
        .filter(|line| {
            let own = [line.account_name.as_str(), line.user_name.as_deref().unwrap_or_default()];
            filter.admits(own.into_iter().chain(line.stations.iter().map(String::as_str)))
        })
        .collect();
    let (open, mut ended): (Vec<Tunnel>, Vec<Tunnel>) =
        tunnels(visit, &filter).await?.into_iter().partition(|tunnel| tunnel.connection.ended_at.is_none());
    ended.truncate(ENDED);
    let hours = usual_hours(visit, "session_hours").await?;
    let typed = if form.hours.is_empty() { &hours } else { &form.hours };
    let mut fields = vec![
        Field::text("account", "Account", &form.account).suggest("names"),
        Field::number("hours", "Hours", typed, 1, HOURS).help("From 1 to 168."),
    ];
    if !errors.is_empty() {
        fields = with_errors(fields, errors);
    }
    let beside = errors.beside(&fields);
    let accounts = reader.accounts("").await?.into_iter().map(|line| line.account.name).collect();
    let hours = usual_hours(visit, "renewal_hours").await?;
    let shell = visit.shell("/sessions").await?;
    Ok(Page { shell, q: filter.q, all, sessions, open, ended, limit: limit(), hours, accounts, beside, fields })
}

async fn tunnels(visit: &Visit, filter: &Filter) -> Result<Vec<Tunnel>, WebError> {
    let routers: HashMap<NasId, String> =
        visit.reader().nas_lines().await?.into_iter().map(|line| (line.nas.id, line.router)).collect();
    let mut orders: HashMap<ConnectionId, Order> =
        visit.reader().orders().await?.into_iter().map(|order| (order.connection, order)).collect();
    let tunnels = visit.reader().connections().await?.into_iter().map(|connection| Tunnel {
        order: orders.remove(&connection.id),
        name: String::from_utf8_lossy(&connection.user_name).into_owned(),
        router: routers.get(&connection.nas).cloned().unwrap_or_default(),
        received: octets(connection.traffic.input_octets),
        sent: octets(connection.traffic.output_octets),
        cause: connection.cause.as_deref().map(shown_cause).unwrap_or_default(),
        connection,
    });
    let admitted = |tunnel: &Tunnel| {
        filter.admits([tunnel.name.as_str(), &tunnel.router, tunnel.connection.station.as_deref().unwrap_or_default()])
    };
    Ok(tunnels.filter(admitted).collect())
}

async fn usual_hours(visit: &Visit, name: &str) -> Result<String, WebError> {
    let values = visit.reader().settings().await?;
    let fallback = Setting::named(name).map_or("6", |setting| setting.default);
    Ok(values.at(name, Level::System).unwrap_or(fallback).to_owned())
}

/// Octets as people read them.
fn octets(count: u64) -> String {
    const UNITS: [&str; 5] = ["KB", "MB", "GB", "TB", "PB"];
    let (mut scaled, mut shown) = (count, format!("{count} B"));
    for unit in UNITS {
        if scaled < 1000 {
            break;
        }
        let tenths = scaled / 100;
        shown = format!("{}.{} {unit}", tenths / 10, tenths % 10);
        scaled /= 1000;
    }
    shown
}

/// `GET /sessions`
pub(super) async fn page(visit: Viewing, Query(filter): Query<Filter>) -> Result<Response, WebError> {
    Ok(load(&visit, filter, &Grant::default(), &Errors::none()).await?.into_response())
}

fn hours(typed: &str) -> Result<Duration, String> {
    let hours = typed.trim().parse::<u32>().ok().filter(|hours| (1..=HOURS).contains(hours));
    hours.map(|hours| HOUR * hours).ok_or_else(|| format!("expected a whole number of hours from 1 to {HOURS}"))
}

/// `POST /sessions`
pub(super) async fn grant(visit: Deciding, Typed(form): Typed<Grant>) -> Result<Response, WebError> {
    let mut errors = Errors::none();
    let id = visit.reader().account_id(&name_key(form.account.trim())).await?;
    let id = errors.take("account", id.ok_or("no account has this name"));
    let length = errors.take("hours", hours(&form.hours));
    if let (Some(id), Some(length)) = (id, length) {
        match visit.gate().grant_session(&visit.actor(), id, length).await {
            Ok(_) => return visit.done("The session is granted; the person is told.", "/sessions").await,
            Err(refused) => errors = Errors::of(refused)?,
        }
    }
    let page = load(&visit, Filter::default(), &form, &errors).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// `POST /sessions/{id}/extend`
pub(super) async fn extend(
    visit: Deciding,
    Path(id): Path<i64>,
    Typed(more): Typed<More>,
) -> Result<Response, WebError> {
    let extended = match hours(&more.hours) {
        Ok(length) => visit.gate().extend_session(&visit.actor(), SessionId(id), length).await.map(|_| ()),
        Err(message) => Err(crate::gate::Refused::field("hours", format!("not extended: {message}"))),
    };
    visit.report(extended, "The session is extended.", "/sessions").await
}

/// `POST /sessions/{id}/end`
pub(super) async fn end(visit: Deciding, Path(id): Path<i64>) -> Result<Response, WebError> {
    let ended = visit.gate().end_session(&visit.actor(), SessionId(id)).await;
    visit.report(ended, "The session is ended; its connections are being cut.", "/sessions").await
}

/// `POST /connections/{id}/cut|confirm|apply`
pub(super) async fn connection_step(
    visit: Deciding,
    Path((id, word)): Path<(i64, String)>,
) -> Result<Response, WebError> {
    let (gate, actor, id) = (visit.gate(), visit.actor(), ConnectionId(id));
    match word.as_str() {
        "cut" => {
            let cut = gate.cut_connection(&actor, id).await;
            visit.report(cut, "The connection is being cut.", "/sessions").await
        }
        "apply" => {
            let applied = gate.apply_attributes(&actor, Whose::Connection(id)).await;
            visit.report(applied.map(drop), "The router is being told the attributes.", "/sessions").await
        }
        "confirm" => {
            let confirmed = gate.confirm_connection(&actor, id).await;
            visit.report(confirmed, "The connection is confirmed.", "/sessions").await
        }
        _ => Err(WebError::NotFound("there is no such step")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_readable() {
        assert_eq!(octets(0), "0 B");
        assert_eq!(octets(999), "999 B");
        assert_eq!(octets(1_234), "1.2 KB");
        assert_eq!(octets(5_678_901), "5.6 MB");
        assert_eq!(octets(u64::MAX), "18446.7 PB");
    }

    #[test]
    fn hours_are_whole_and_bounded() {
        assert_eq!(hours(" 8 "), Ok(HOUR * 8));
        for typed in ["", "0", "169", "-1", "1.5", "x"] {
            assert!(hours(typed).is_err(), "{typed}");
        }
    }
}
