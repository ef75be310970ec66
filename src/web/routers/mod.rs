//! Routers: the list, callers from unknown addresses, and the pages of each router.

mod account_new;
mod accounts;
mod attributes;
mod bulk;
mod doctor;
mod habits;
mod home;
mod hub;
mod jobs;
mod overview;
mod radsec;
mod reach;
mod rules;
mod scheme;
mod script;
mod settings;
mod trouble;

use std::collections::HashMap;

use askama::Template;
use askama_web::WebTemplate;
use axum::Router as Pages;
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

pub(super) use self::hub::ApiLine;
pub(super) use self::trouble::brief;
use super::WebState;
use super::error::WebError;
use super::visit::{Shell, Viewing, Visit};
use crate::domain::id::{NasId, RouterId};
use crate::domain::router::{Router, shown_origin};
use crate::gate::{Gate, Stranger, Unanswered};

/// The largest body of a form that names accounts, in bytes: a page of them, each name as long as RouterOS takes it.
const PICKED_BYTES: usize = 256 * 1024;

/// Sources and reasons of packets without an answer that the page shows; the command line lists all.
const SHOWN: usize = 50;

/// The pages of routers.
pub(super) fn pages() -> Pages<WebState> {
    Pages::new()
        .route("/routers", get(page).post(settings::add))
        .route("/routers/new", get(settings::new_page))
        .route("/routers/{id}", get(overview::page))
        .route("/routers/{id}/apply", post(attributes::apply))
        .route("/routers/{id}/require", post(overview::require_signs))
        .route("/routers/{id}/old-secret/drop", post(overview::drop_old_secret))
        .route("/routers/{id}/boxes/{nas}/forget", post(overview::forget_signs))
        .route("/routers/{id}/habits", get(habits::page))
        .route("/routers/{id}/habits/{name}", post(habits::set))
        .route("/routers/{id}/habits/{name}/clear", post(habits::clear))
        .route("/routers/{id}/greet", post(reach::greet))
        .route("/routers/{id}/shut-out", post(overview::shut_out))
        .route("/routers/{id}/settings", get(settings::page).post(settings::save))
        .route("/routers/{id}/remove", post(settings::remove))
        .route("/routers/{id}/attributes", get(attributes::page).post(attributes::save))
        .route("/routers/{id}/api", get(reach::page).post(reach::save))
        .route("/routers/{id}/api/remove", post(reach::remove))
        .route("/routers/{id}/home", get(home::page).post(home::save))
        .route("/routers/{id}/home/remove", post(home::remove))
        .route("/routers/{id}/radsec", get(radsec::page).post(radsec::save))
        .route("/routers/{id}/radsec/trust", post(radsec::trust))
        .route("/routers/{id}/radsec/remove", post(radsec::remove))
        .route("/routers/{id}/trust", post(reach::trust))
        .route("/routers/{id}/scheme", post(scheme::save))
        .route(
            "/routers/{id}/accounts",
            get(accounts::page).post(bulk::begin).layer(DefaultBodyLimit::max(PICKED_BYTES)),
        )
        .route("/routers/{id}/accounts/new", get(account_new::page).post(account_new::add))
        .route("/routers/{id}/jobs/{job}", get(jobs::page))
        .route("/routers/{id}/jobs/{job}/adopt", post(jobs::adopt))
        .route("/routers/{id}/doctor", get(doctor::page).post(doctor::examine))
        .route("/routers/{id}/doctor/mend", post(doctor::mend))
        .route("/routers/{id}/script", get(script::page).post(script::apply))
        .route("/routers/{id}/radgram.rsc", get(script::file))
        .route("/routers/{id}/rules", get(rules::page).post(rules::bind))
        .route("/routers/{id}/rules/{rule}/unbind", post(rules::unbind))
}

#[derive(Template, WebTemplate)]
#[template(path = "routers/page.html")]
struct Page {
    shell: Shell,
    lines: Vec<Line>,
    strangers: Vec<Stranger>,
    callers: Vec<radsec::Caller>,
    unanswered: Vec<(Unanswered, String)>,
}

/// A router without its secrets.
pub(super) struct Line {
    pub(super) id: RouterId,
    pub(super) name: String,
    address: String,
    scheme: &'static str,
    pub(super) api: ApiLine,
    /// What is to be done on it and is not proven.
    pub(super) pending: usize,
    /// Names that are connected past radgram.
    pub(super) outsiders: usize,
}

impl Line {
    /// Whether an operator should look at it.
    pub(super) fn needs_a_look(&self) -> bool {
        self.api.is_failing() || self.pending > 0 || self.outsiders > 0
    }
}

/// Every router with what an operator should know first.
pub(super) async fn lines(visit: &Visit) -> Result<Vec<Line>, WebError> {
    let reader = visit.reader();
    let stored = reader.routers().await?;
    let mut pending: HashMap<RouterId, usize> = HashMap::new();
    for want in reader.pending_wants().await? {
        *pending.entry(want.router).or_default() += 1;
    }
    let boxes: HashMap<NasId, RouterId> = stored.nas.iter().map(|nas| (nas.id, nas.key.router)).collect();
    for cut in reader.pending_cuts().await? {
        if let Some(router) = boxes.get(&cut.nas) {
            *pending.entry(*router).or_default() += 1;
        }
    }
    let line = |router: &Router| Line {
        id: router.id,
        name: router.name.clone(),
        address: shown_origin(router.address, router.nas_identifier.as_deref()),
        scheme: router.scheme.word(),
        api: ApiLine::of(router, visit.gate().api_state(router.id)),
        pending: pending.get(&router.id).copied().unwrap_or_default(),
        outsiders: visit.gate().outsiders(router.id).len(),
    };
    Ok(stored.routers.iter().map(line).collect())
}

/// What got no answer, each with the name of the router that its source belongs to.
pub(super) fn unanswered(gate: &Gate) -> Vec<(Unanswered, String)> {
    let routers = gate.directory().routers();
    let named = |line: Unanswered| {
        let router = routers.of(line.source).map_or_else(String::new, |router| router.name.clone());
        (line, router)
    };
    gate.unanswered().into_iter().map(named).collect()
}

/// `GET /routers`
async fn page(visit: Viewing) -> Result<Response, WebError> {
    let lines = lines(&visit).await?;
    let mut unanswered = unanswered(visit.gate());
    unanswered.truncate(SHOWN);
    let (strangers, callers) = (visit.gate().strangers(), radsec::callers(&visit));
    Ok(Page { shell: visit.shell("/routers").await?, lines, strangers, callers, unanswered }.into_response())
}
