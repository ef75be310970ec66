//! RadSec of a router: by which certificate it is known, how its connections stand, and callers that may be it.

use std::net::IpAddr;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::error::WebError;
use super::super::form::{Errors, Field, Typed, with_errors};
use super::super::visit::{Owning, Shell, Visit};
use super::hub::{Hub, router};
use super::trouble::groups;
use crate::clock::Timestamp;
use crate::domain::api::Fingerprint;
use crate::domain::radsec::{KnownBy, certificate_name};
use crate::domain::router::Router;
use crate::gate::radsec::{RadsecLine, RadsecTrouble, Refusal};
use crate::text::one_line;

/// The words of the choice.
const BY: [&str; 2] = ["name", "fingerprint"];

#[derive(Template, WebTemplate)]
#[template(path = "routers/radsec.html")]
struct Page {
    shell: Shell,
    hub: Hub,
    standing: Option<Standing>,
    listens: bool,
    callers: Vec<Caller>,
    beside: Vec<String>,
    fields: Vec<Field>,
}

/// How a router that is known by a certificate stands on this instance.
pub(in crate::web) struct Standing {
    pub(in crate::web) known_by: String,
    pub(in crate::web) lines: Vec<RadsecLine>,
    pub(in crate::web) trouble: Option<RadsecTrouble>,
}

impl Standing {
    pub(in crate::web) fn of(visit: &Visit, router: &Router) -> Option<Self> {
        let known_by = router.radsec.as_ref()?.shown();
        let gate = visit.gate();
        Some(Self { known_by, lines: gate.radsec_lines(router.id), trouble: gate.radsec_trouble(router.id) })
    }
}

/// A caller over TLS that is not taken. Its words are a stranger's.
pub(in crate::web) struct Caller {
    pub(in crate::web) address: IpAddr,
    pub(in crate::web) certificate: Option<ShownCertificate>,
    pub(in crate::web) why: String,
    /// Whether its certificate is of the client authority, so that it can be taken for a router.
    pub(in crate::web) is_proven: bool,
    pub(in crate::web) first_at: Timestamp,
    pub(in crate::web) last_at: Timestamp,
    pub(in crate::web) count: u64,
}

/// A certificate that was shown.
pub(in crate::web) struct ShownCertificate {
    pub(in crate::web) name: String,
    pub(in crate::web) fingerprint: Fingerprint,
    pub(in crate::web) groups: Vec<String>,
}

/// Who called over TLS and was not taken, the last callers first.
pub(in crate::web) fn callers(visit: &Visit) -> Vec<Caller> {
    let strangers = visit.gate().radsec_strangers().into_iter();
    let caller = strangers.map(|stranger| Caller {
        address: stranger.address,
        certificate: stranger.certificate.map(|shown| ShownCertificate {
            name: one_line(shown.name()),
            fingerprint: shown.fingerprint,
            groups: groups(&shown.fingerprint),
        }),
        why: one_line(stranger.why.text()),
        is_proven: matches!(stranger.why, Refusal::NoRouter(_)),
        first_at: stranger.first_at,
        last_at: stranger.last_at,
        count: stranger.count,
    });
    caller.collect()
}

/// What was typed of a certificate.
#[derive(Default, Deserialize)]
pub(in crate::web) struct Draft {
    #[serde(default)]
    by: String,
    #[serde(default)]
    radsec: String,
}

impl Draft {
    fn of(router: &Router) -> Self {
        let (by, radsec) = match &router.radsec {
            Some(KnownBy::Fingerprint(fingerprint)) => ("fingerprint", fingerprint.to_string()),
            Some(KnownBy::Name(name)) => ("name", name.clone()),
            None => ("name", String::new()),
        };
        Self { by: by.to_owned(), radsec }
    }

    fn check(&self, errors: &mut Errors) -> Option<KnownBy> {
        match self.by.as_str() {
            "name" => errors.take("radsec", certificate_name(&self.radsec)).map(KnownBy::Name),
            "fingerprint" => errors.take("radsec", self.radsec.parse()).map(KnownBy::Fingerprint),
            _ => errors.take("by", Err("expected name or fingerprint")),
        }
    }
}

fn fields(draft: &Draft) -> Vec<Field> {
    vec![
        Field::choice("by", "Known by", &draft.by, &BY).help(
            "name: every certificate of the client authority that has it, so that a renewed one needs no change here. \
             fingerprint: one certificate alone.",
        ),
        Field::text("radsec", "Name or fingerprint", &draft.radsec).help(
            "The common name or a subject-alt-name; or the SHA-256 fingerprint that /certificate print detail shows.",
        ),
    ]
}

async fn load(visit: &Visit, router: &Router, draft: &Draft, errors: &Errors) -> Result<Page, WebError> {
    let fields = with_errors(fields(draft), errors);
    Ok(Page {
        shell: visit.shell("/routers").await?,
        hub: Hub::of(visit, router, "/radsec"),
        standing: Standing::of(visit, router),
        listens: visit.gate().listens_for_radsec(),
        callers: callers(visit).into_iter().filter(|caller| caller.is_proven && caller.certificate.is_some()).collect(),
        beside: errors.beside(&fields),
        fields,
    })
}

/// `GET /routers/{id}/radsec`
pub(in crate::web) async fn page(visit: Owning, Path(id): Path<i64>) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    Ok(load(&visit, &router, &Draft::of(&router), &Errors::none()).await?.into_response())
}

/// `POST /routers/{id}/radsec`
pub(in crate::web) async fn save(
    visit: Owning,
    Path(id): Path<i64>,
    Typed(draft): Typed<Draft>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let mut errors = Errors::none();
    if let (Some(known_by), true) = (draft.check(&mut errors), errors.is_empty()) {
        match visit.gate().set_router_radsec(&visit.actor(), router.id, Some(&known_by)).await {
            Ok(()) => {
                let text = format!("{} is known over RadSec by the {}.", router.name, known_by.shown());
                return visit.done(text, &format!("/routers/{id}/radsec")).await;
            }
            Err(refused) => errors = Errors::of(refused)?,
        }
    }
    let page = load(&visit, &router, &draft, &errors).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// A certificate that was compared.
#[derive(Deserialize)]
pub(in crate::web) struct Compared {
    #[serde(default)]
    fingerprint: String,
}

/// `POST /routers/{id}/radsec/trust`
pub(in crate::web) async fn trust(
    visit: Owning,
    Path(id): Path<i64>,
    Typed(compared): Typed<Compared>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let path = format!("/routers/{id}/radsec");
    let Ok(fingerprint) = compared.fingerprint.parse::<Fingerprint>() else {
        return visit.refused("no certificate is named", &path).await;
    };
    let known_by = KnownBy::Fingerprint(fingerprint);
    let taken = visit.gate().set_router_radsec(&visit.actor(), router.id, Some(&known_by)).await;
    visit.report(taken, format!("{} is known by this certificate; its next call is taken.", router.name), &path).await
}

/// `POST /routers/{id}/radsec/remove`
pub(in crate::web) async fn remove(visit: Owning, Path(id): Path<i64>) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let removed = visit.gate().set_router_radsec(&visit.actor(), router.id, None).await;
    let text = format!("{} is not taken over RadSec any more; its connections are closed.", router.name);
    visit.report(removed, text, &format!("/routers/{id}/radsec")).await
}
