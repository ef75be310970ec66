//! One router: how it stands, what is still to be done on it, and who is connected past radgram.

use std::collections::HashSet;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::error::WebError;
use super::super::form::Typed;
use super::super::visit::{Deciding, Owning, Shell, Viewing, Visit};
use super::home::HomeLine;
use super::hub::{Hub, router};
use super::radsec::Standing;
use crate::clock::Timestamp;
use crate::crypto::hex;
use crate::domain::id::NasId;
use crate::domain::order::OrderState;
use crate::domain::router::{Demand, Router, SecretAge, Signs, shown_origin};
use crate::domain::want::{Thing, WantedState};
use crate::gate::router_api::{ApiState, Menu};
use crate::gate::watch::{Outsider, ShutOut};
use crate::store::connection::Connection;
use crate::store::cut::Cut;
use crate::store::order::Order;
use crate::store::router::NasLine;
use crate::store::want::Want;
use crate::text::one_line;

#[derive(Template, WebTemplate)]
#[template(path = "routers/overview.html")]
struct Page {
    shell: Shell,
    hub: Hub,
    facts: Facts,
    home: Option<HomeLine>,
    radsec: Option<Standing>,
    pending: Vec<Pending>,
    outsiders: Vec<Past>,
    boxes: Vec<NasLine>,
    signing: Signing,
    old_secret: Option<OldSecretLine>,
}

/// What is to be said of how its requests are signed.
#[derive(PartialEq, Eq)]
enum Signing {
    /// Nothing.
    Fine,
    /// Nobody looks whether they are.
    Off,
    /// Every box was seen to sign, and may be held to it.
    Ripe,
}

impl Signing {
    fn of(router: &Router, boxes: &[NasLine]) -> Self {
        let all = !boxes.is_empty() && boxes.iter().all(|line| line.nas.signs == Signs::Seen);
        match (router.message_authenticator, all) {
            (Demand::Off, _) => Self::Off,
            (Demand::Auto, true) => Self::Ripe,
            (Demand::Auto, false) | (Demand::Require, _) => Self::Fine,
        }
    }
}

/// The secret that it had before, while that is taken.
struct OldSecretLine {
    until: Timestamp,
    /// The boxes that were last seen to use it.
    users: Vec<String>,
}

impl OldSecretLine {
    fn of(router: &Router, boxes: &[NasLine], now: Timestamp) -> Option<Self> {
        let until = router.old_secret_at(now)?.until;
        let uses = |line: &&NasLine| line.nas.secret.is_none_or(|seen| seen.age == SecretAge::Old);
        Some(Self { until, users: boxes.iter().filter(uses).map(NasLine::shown).collect() })
    }
}

/// What is said of the router.
struct Facts {
    address: String,
    coa_port: u16,
    demand: &'static str,
    scheme: &'static str,
    leases: &'static str,
    /// Our address as the router sees it over its API.
    local: Option<String>,
}

/// Something that is to be done on the router and is not proven.
struct Pending {
    what: String,
    /// How it shall be.
    wanted: &'static str,
    since: Timestamp,
    tries: u32,
    outcome: String,
    /// When it is tried again, where that is known.
    next: Option<Timestamp>,
}

/// A connection past radgram.
struct Past {
    outsider: Outsider,
    /// Its name for the form: names need not be text.
    hex: String,
}

impl Facts {
    fn of(router: &Router, state: &ApiState) -> Self {
        let local = match state {
            ApiState::Up { local, .. } => local.map(|local| local.to_string()),
            ApiState::Off | ApiState::Connecting | ApiState::Failing { .. } => None,
        };
        Self {
            address: shown_origin(router.address, router.nas_identifier.as_deref()),
            coa_port: router.coa_port,
            demand: router.message_authenticator.word(),
            scheme: router.scheme.word(),
            leases: router.leases.word(),
            local,
        }
    }
}

impl Pending {
    fn want(want: &Want) -> Self {
        Self {
            what: want.thing.shown(),
            wanted: wanted(&want.thing, want.state),
            since: want.since,
            tries: want.tries,
            outcome: want.outcome.as_deref().map(one_line).unwrap_or_default(),
            next: want.due_at,
        }
    }

    fn cut(cut: &Cut) -> Self {
        Self {
            what: connection_named(&cut.user_name, &cut.acct_session_id),
            wanted: "cut",
            since: cut.created_at,
            tries: cut.tries,
            outcome: cut.outcome.as_deref().map(one_line).unwrap_or_default(),
            next: None,
        }
    }
}

impl Pending {
    fn order(order: &Order, connection: &Connection) -> Self {
        Self {
            what: connection_named(&connection.user_name, &connection.acct_session_id),
            wanted: if order.until.is_some() { "told its time" } else { "told its attributes" },
            since: order.created_at,
            tries: order.tries,
            outcome: order.outcome.as_deref().map(one_line).unwrap_or_default(),
            next: order.due_at,
        }
    }
}

fn connection_named(user_name: &[u8], acct_session_id: &str) -> String {
    one_line(&format!("connection of {} ({acct_session_id})", String::from_utf8_lossy(user_name)))
}

/// How a thing shall be, as people say it.
pub(in crate::web) const fn wanted(thing: &Thing, state: WantedState) -> &'static str {
    match (thing, state) {
        (Thing::Rule { .. }, WantedState::On) => "on",
        (Thing::Rule { .. }, WantedState::Off) => "off",
        (Thing::Lease(_), WantedState::On) => "there",
        (Thing::Lease(_), WantedState::Off) => "gone",
        (Thing::Secret(_) | Thing::UserManager(_), WantedState::On) => "enabled",
        (Thing::Secret(_) | Thing::UserManager(_), WantedState::Off) => "disabled",
        (_, WantedState::Retired) => "renamed and disabled",
        (_, WantedState::Removed) => "removed",
    }
}

async fn pending(visit: &Visit, router: &Router, boxes: &[NasLine]) -> Result<Vec<Pending>, WebError> {
    let reader = visit.reader();
    let boxes: HashSet<NasId> = boxes.iter().map(|line| line.nas.id).collect();
    let wants = reader.wants_of_router(router.id).await?;
    let mut pending: Vec<Pending> = wants.iter().filter(|want| want.proven_at.is_none()).map(Pending::want).collect();
    pending.extend(reader.pending_cuts().await?.iter().filter(|cut| boxes.contains(&cut.nas)).map(Pending::cut));
    let orders = reader.orders().await?;
    let orders = orders.iter().filter(|order| order.state == OrderState::Pending);
    for order in orders {
        let row = reader.connection_row(order.connection).await?.filter(|row| row.router == router.id);
        pending.extend(row.map(|row| Pending::order(order, &row)));
    }
    pending.sort_by_key(|pending| pending.since);
    Ok(pending)
}

/// `GET /routers/{id}`
pub(in crate::web) async fn page(visit: Viewing, Path(id): Path<i64>) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let mut boxes = visit.reader().nas_lines().await?;
    boxes.retain(|line| line.nas.key.router == router.id);
    let past = |outsider: Outsider| Past { hex: hex::encode(&outsider.raw_name), outsider };
    let page = Page {
        shell: visit.shell("/routers").await?,
        hub: Hub::of(&visit, &router, ""),
        facts: Facts::of(&router, &visit.gate().api_state(router.id)),
        home: HomeLine::of(&visit, &router),
        radsec: Standing::of(&visit, &router),
        pending: pending(&visit, &router, &boxes).await?,
        outsiders: visit.gate().outsiders(router.id).into_iter().map(past).collect(),
        signing: Signing::of(&router, &boxes),
        old_secret: OldSecretLine::of(&router, &boxes, visit.gate().now()),
        boxes,
    };
    Ok(page.into_response())
}

/// `POST /routers/{id}/boxes/{nas}/forget`
pub(in crate::web) async fn forget_signs(
    visit: Owning,
    Path((id, nas)): Path<(i64, i64)>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let lines = visit.reader().nas_lines().await?;
    let is_here = lines.iter().any(|line| line.nas.id == NasId(nas) && line.nas.key.router == router.id);
    if !is_here {
        return Err(WebError::NotFound("the router has no such box"));
    }
    let forgotten = visit.gate().forget_signs(&visit.actor(), NasId(nas)).await;
    let text = "Forgotten: what it does not sign is taken again, until it signs something.";
    visit.report(forgotten, text, &format!("/routers/{id}#boxes")).await
}

/// `POST /routers/{id}/require`
pub(in crate::web) async fn require_signs(visit: Owning, Path(id): Path<i64>) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let required = visit.gate().require_signs(&visit.actor(), router.id).await;
    visit.report(required, "Signed requests are required from now on.", &format!("/routers/{id}")).await
}

/// `POST /routers/{id}/old-secret/drop`
pub(in crate::web) async fn drop_old_secret(visit: Owning, Path(id): Path<i64>) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let dropped = visit.gate().drop_old_secret(&visit.actor(), router.id).await;
    visit.report(dropped, "The old secret is not taken any more.", &format!("/routers/{id}")).await
}

/// Who is to be shut out.
#[derive(Deserialize)]
pub(in crate::web) struct Meant {
    #[serde(default)]
    name: String,
}

/// `POST /routers/{id}/shut-out`
pub(in crate::web) async fn shut_out(
    visit: Deciding,
    Path(id): Path<i64>,
    Typed(meant): Typed<Meant>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let path = format!("/routers/{id}");
    let Some(name) = hex::decode(&meant.name) else { return visit.refused("nobody is named", &path).await };
    let shown = one_line(&String::from_utf8_lossy(&name));
    let done = visit.carry_through(|gate, actor| async move { gate.shut_out(&actor, router.id, &name).await }).await;
    let text = done.as_ref().map(|done| told(&shown, done)).unwrap_or_default();
    visit.report(done, text, &path).await
}

fn told(name: &str, done: &ShutOut) -> String {
    let places: Vec<&str> = done
        .disabled
        .iter()
        .map(|menu| match menu {
            Menu::Secret => "in /ppp secret",
            Menu::UserManager => "in the User Manager",
        })
        .collect();
    let cut = match done.removed {
        0 => "its connection was gone already".to_owned(),
        1 => "its connection is cut".to_owned(),
        count => format!("its {count} connections are cut"),
    };
    if places.is_empty() {
        return format!("{name} has no account on the router to be disabled; {cut}. It may dial again.");
    }
    format!("{name} is disabled {} and {cut}.", places.join(" and "))
}
