//! Who decides about a dial on a router, and whether its firewall asks for leases. A switch that cuts people is confirmed.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::error::WebError;
use super::super::form::{Field, Typed};
use super::super::visit::{Owning, Shell};
use super::hub::{Hub, router};
use crate::domain::api::Api;
use crate::domain::router::{Leases, Router, Scheme};
use crate::gate::{ApiForm, ReachForm};

const SCHEMES: [(&str, &str); 2] = [
    ("radius", "radius: the router asks radgram at every dial"),
    ("api", "api: the router's own accounts, switched by radgram"),
];

const LEASES: [(&str, &str); 2] =
    [("off", "off"), ("on", "on: confirmed connections stand in the address list radgram")];

#[derive(Template, WebTemplate)]
#[template(path = "routers/scheme.html")]
struct Page {
    shell: Shell,
    hub: Hub,
    to: Scheme,
    leases: &'static str,
    /// Accounts that may not be connected now.
    shut: usize,
    /// Accounts in all.
    all: usize,
}

/// What was chosen.
#[derive(Deserialize)]
pub(in crate::web) struct Chosen {
    #[serde(default)]
    scheme: String,
    #[serde(default)]
    leases: String,
    /// `yes` once the consequences were read.
    #[serde(default)]
    sure: String,
}

/// What can be chosen, as it is now.
pub(super) fn fields(router: &Router) -> Vec<Field> {
    vec![
        Field::labelled("scheme", "Who decides about a dial", router.scheme.word(), &SCHEMES).help(
            "With api, radgram enables an account on the router while its person has a session, and disables it else. It \
             asks nothing of RADIUS, so the person cannot knock.",
        ),
        Field::labelled("leases", "Leases", router.leases.word(), &LEASES).help(
            "For extra protection: the router's firewall lets through only what stands in that list (the set-up script adds \
             the rules).",
        ),
    ]
}

/// `POST /routers/{id}/scheme`
pub(in crate::web) async fn save(
    visit: Owning,
    Path(id): Path<i64>,
    Typed(chosen): Typed<Chosen>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let path = format!("/routers/{id}/api");
    let Some(to) = Scheme::from_word(&chosen.scheme) else {
        return visit.refused("expected radius or api", &path).await;
    };
    let leases = if chosen.leases == Leases::On.word() { Leases::On } else { Leases::Off };
    if to != router.scheme && chosen.sure != "yes" && router.api.is_some() {
        let standings = visit.reader().standings().await?;
        let shut = standings.iter().filter(|standing| !standing.may_have_right).count();
        let (shell, hub) = (visit.shell("/routers").await?, Hub::of(&visit, &router, "/api"));
        return Ok(Page { shell, hub, to, leases: leases.word(), shut, all: standings.len() }.into_response());
    }
    let form = ReachForm { scheme: to, leases, api: router.api.as_ref().map(kept) };
    let saved = visit.gate().set_router_reach(&visit.actor(), router.id, &form).await;
    visit.report(saved, format!("Saved: {} decides, leases {}.", to.word(), leases.word()), &path).await
}

/// The log-in as it is.
fn kept(api: &Api) -> ApiForm {
    ApiForm {
        address: api.address.clone(),
        user: api.user.clone(),
        password: None,
        trust: api.trust.clone(),
        old_log_in: api.old_log_in,
    }
}
