//! The set-up script of a router: read, downloaded, or run over the API by an owner who has read it.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::{Path, Query};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::error::WebError;
use super::super::form::{Errors, Field, Typed, with_errors};
use super::super::visit::{Owning, Shell, Viewing, Visit};
use super::doctor;
use super::hub::{Hub, router};
use crate::domain::router::Router;
use crate::gate::Refused;
use crate::gate::router_api::{ApiState, Generation};

#[derive(Template, WebTemplate)]
#[template(path = "routers/script.html")]
struct Page {
    shell: Shell,
    hub: Hub,
    fields: Vec<Field>,
    beside: Vec<String>,
    /// The script; `None` until radgram's address is known.
    text: Option<String>,
    version: &'static str,
    server: String,
}

#[derive(Template, WebTemplate)]
#[template(path = "routers/script_sure.html")]
struct SurePage {
    shell: Shell,
    hub: Hub,
    text: String,
    version: &'static str,
    server: String,
}

const VERSIONS: [(&str, &str); 2] = [("7", "7"), ("6", "6.49")];

/// For which version, and where radgram is.
#[derive(Default, Deserialize)]
pub(in crate::web) struct Asked {
    #[serde(default)]
    version: String,
    #[serde(default)]
    server: String,
    /// `yes` once the commands were read.
    #[serde(default)]
    sure: String,
}

impl Asked {
    /// What was asked for; else the version that the router says it has.
    fn generation(&self, state: &ApiState) -> Generation {
        match self.version.as_str() {
            "6" => Generation::V6,
            "7" => Generation::V7,
            _ => match state {
                ApiState::Up { version, .. } if version.starts_with("6.") => Generation::V6,
                ApiState::Up { .. } | ApiState::Off | ApiState::Connecting | ApiState::Failing { .. } => Generation::V7,
            },
        }
    }
}

const fn word(generation: Generation) -> &'static str {
    match generation {
        Generation::V6 => "6",
        Generation::V7 => "7",
    }
}

/// The script, or what is wrong with what was asked.
async fn text(visit: &Visit, router: &Router, asked: &Asked, server: &str) -> Result<Result<String, Errors>, WebError> {
    let mut errors = Errors::none();
    let generation = asked.generation(&visit.gate().api_state(router.id));
    let Some(server) = errors.take("server", doctor::server(server)) else { return Ok(Err(errors)) };
    match visit.gate().router_script(router.id, generation, server).await {
        Ok(script) => Ok(Ok(script.text())),
        Err(refused @ (Refused::Field { .. } | Refused::Conflict(_))) => Ok(Err(Errors::of(refused)?)),
        Err(other) => Err(other.into()),
    }
}

/// What was typed, or where the router reaches radgram as far as is known.
async fn server(visit: &Visit, router: &Router, asked: &Asked) -> Result<String, WebError> {
    if !asked.server.trim().is_empty() {
        return Ok(asked.server.trim().to_owned());
    }
    Ok(visit.gate().server_address(router.id).await?.map(|known| known.to_string()).unwrap_or_default())
}

/// `GET /routers/{id}/script`
pub(in crate::web) async fn page(
    visit: Viewing,
    Path(id): Path<i64>,
    Query(asked): Query<Asked>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let server = server(&visit, &router, &asked).await?;
    let (text, errors) = match text(&visit, &router, &asked, &server).await? {
        Ok(text) => (Some(text), Errors::none()),
        Err(errors) => (None, errors),
    };
    let version = word(asked.generation(&visit.gate().api_state(router.id)));
    let mut fields = vec![
        Field::labelled("version", "RouterOS", version, &VERSIONS),
        Field::text("server", "radgram’s address", &server).help("As the router reaches it."),
    ];
    if !errors.is_empty() {
        fields = with_errors(fields, &errors);
    }
    let (shell, hub) = (visit.shell("/routers").await?, Hub::of(&visit, &router, "/script"));
    let beside = errors.beside(&fields);
    Ok(Page { shell, hub, fields, beside, text, version, server }.into_response())
}

/// `GET /routers/{id}/radgram.rsc`
pub(in crate::web) async fn file(
    visit: Viewing,
    Path(id): Path<i64>,
    Query(asked): Query<Asked>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let server = server(&visit, &router, &asked).await?;
    match text(&visit, &router, &asked, &server).await? {
        Ok(text) => {
            let headers = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::CONTENT_DISPOSITION, "attachment; filename=\"radgram.rsc\""),
            ];
            Ok((headers, text).into_response())
        }
        Err(_) => visit.refused("say where the router reaches radgram", &format!("/routers/{id}/script")).await,
    }
}

/// `POST /routers/{id}/script`: first it is shown, then it is run.
pub(in crate::web) async fn apply(
    visit: Owning,
    Path(id): Path<i64>,
    Typed(asked): Typed<Asked>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let path = format!("/routers/{id}/script");
    let server = server(&visit, &router, &asked).await?;
    let text = match text(&visit, &router, &asked, &server).await? {
        Ok(text) => text,
        Err(_) => return visit.refused("say where the router reaches radgram", &path).await,
    };
    let generation = asked.generation(&visit.gate().api_state(router.id));
    if asked.sure != "yes" {
        let (shell, hub) = (visit.shell("/routers").await?, Hub::of(&visit, &router, "/script"));
        return Ok(SurePage { shell, hub, text, version: word(generation), server }.into_response());
    }
    let server = server.parse().ok();
    let applied = visit
        .carry_through(|gate, actor| async move {
            let applied = gate.apply_router_script(&actor, router.id, generation, server).await;
            if applied.is_ok() {
                // What is left to be done; if it cannot be seen, the page says why.
                let _seen = gate.examine_router(router.id, server).await;
            }
            applied
        })
        .await;
    match applied {
        Ok(()) => {
            let text = "The script has run. This is what is left.";
            visit.done(text, &format!("/routers/{id}/doctor")).await
        }
        Err(refused) => {
            let refused = match refused {
                Refused::Router(fault) => {
                    Refused::conflict(format!("{fault}. What stood before it is done; run it again to go on"))
                }
                other => other,
            };
            visit.report::<()>(Err(refused), "", &path).await
        }
    }
}
