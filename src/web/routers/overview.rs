//! One router: how it stands, what is still to be done on it, and who is connected past radgram.

use std::collections::HashSet;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::error::WebError;
use super::super::form::Typed;
use super::super::visit::{Deciding, Shell, Viewing, Visit};
use super::home::HomeLine;
use super::hub::{Hub, router};
use super::radsec::Standing;
use crate::clock::Timestamp;
use crate::crypto::hex;
use crate::domain::id::NasId;
use crate::domain::router::{Router, Signs, shown_network};
use crate::domain::want::{Thing, WantedState};
use crate::gate::router_api::{ApiState, Menu};
use crate::gate::watch::{Outsider, ShutOut};
use crate::store::cut::Cut;
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
            address: shown_network(router.address),
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
            what: one_line(&format!(
                "connection of {} ({})",
                String::from_utf8_lossy(&cut.user_name),
                cut.acct_session_id
            )),
            wanted: "cut",
            since: cut.created_at,
            tries: cut.tries,
            outcome: cut.outcome.as_deref().map(one_line).unwrap_or_default(),
            next: None,
        }
    }
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
        boxes,
    };
    Ok(page.into_response())
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
