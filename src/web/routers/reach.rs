//! The log-in to a router's API: given, tested, taken away; and the certificate that an operator has compared.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::error::WebError;
use super::super::form::{Errors, Field, Hidden, Typed, with_errors};
use super::super::visit::{Deciding, Owning, Shell, Visit};
use super::hub::{Hub, router};
use super::scheme;
use super::trouble::brief;
use crate::domain::api::{Api, ApiAddress, Fingerprint, OldLogIn, Trust};
use crate::domain::id::RouterId;
use crate::domain::router::Router;
use crate::gate::router_api::ApiState;
use crate::gate::{ApiForm, ReachForm, Refused};
use crate::text::one_line;

#[derive(Template, WebTemplate)]
#[template(path = "routers/reach.html")]
struct Page {
    shell: Shell,
    hub: Hub,
    beside: Vec<String>,
    fields: Vec<Field>,
    has_api: bool,
    /// Who decides, and leases.
    scheme: Vec<Field>,
}

/// What was typed of the log-in.
#[derive(Default, Deserialize)]
pub(in crate::web) struct Draft {
    #[serde(default)]
    api_address: String,
    #[serde(default)]
    api_user: String,
    #[serde(default)]
    api_password: Hidden,
    #[serde(default)]
    api_trust: String,
    #[serde(default)]
    api_fingerprint: String,
    #[serde(default)]
    api_authority: String,
    #[serde(default)]
    api_old_log_in: String,
}

const TRUSTS: [(&str, &str); 3] = [
    ("pinned", "TLS; its own certificate, which you compare once"),
    ("authority", "TLS; a certificate of your authority"),
    ("plain", "no TLS: anybody on the way can read the password"),
];

const OLD_LOG_INS: [(&str, &str); 2] = [("refused", "refused"), ("allowed", "allowed: for RouterOS before 6.43 only")];

impl Draft {
    fn of(router: &Router) -> Self {
        let Some(api) = &router.api else {
            // Most routers are reached where their packets come from.
            let address = if router.address.prefix_len() == router.address.max_prefix_len() {
                router.address.addr().to_string()
            } else {
                String::new()
            };
            let api_user = "radgram".to_owned();
            return Self { api_address: address, api_user, api_trust: "pinned".to_owned(), ..Self::default() };
        };
        let (fingerprint, authority) = match &api.trust {
            Trust::Pinned(fingerprint) => (fingerprint.map(|known| known.to_string()), None),
            Trust::Authority(pem) => (None, Some(pem.clone())),
            Trust::Plain => (None, None),
        };
        Self {
            api_address: api.address.to_string(),
            api_user: api.user.clone(),
            api_password: Hidden::default(),
            api_trust: api.trust.word().to_owned(),
            api_fingerprint: fingerprint.unwrap_or_default(),
            api_authority: authority.unwrap_or_default(),
            api_old_log_in: old_word(api.old_log_in).to_owned(),
        }
    }

    fn check(&self, errors: &mut Errors) -> Option<ApiForm> {
        let address = errors.take("api_address", self.api_address.parse::<ApiAddress>());
        let trust = self.trust(errors);
        let old_log_in = if self.api_old_log_in == "allowed" { OldLogIn::Allowed } else { OldLogIn::Refused };
        let (user, password) = (self.api_user.clone(), self.api_password.given());
        Some(ApiForm { address: address?, user, password, trust: trust?, old_log_in })
    }

    fn trust(&self, errors: &mut Errors) -> Option<Trust> {
        match self.api_trust.as_str() {
            "plain" => Some(Trust::Plain),
            "authority" => Some(Trust::Authority(self.api_authority.trim().to_owned())),
            "pinned" if self.api_fingerprint.trim().is_empty() => Some(Trust::Pinned(None)),
            "pinned" => {
                let known = errors.take("api_fingerprint", self.api_fingerprint.parse::<Fingerprint>());
                known.map(|known| Trust::Pinned(Some(known)))
            }
            _ => {
                errors.add("api_trust", "expected pinned, authority or plain");
                None
            }
        }
    }
}

const fn old_word(old: OldLogIn) -> &'static str {
    match old {
        OldLogIn::Refused => "refused",
        OldLogIn::Allowed => "allowed",
    }
}

fn fields(draft: &Draft, known: Option<&Api>) -> Vec<Field> {
    let password = Field::password("api_password", "Password");
    let password = match known {
        None => password.help("Of that user. It is sealed, and never shown again."),
        Some(_) => password
            .help("Left empty, it stays as it is, unless the address or the user changes. It is never shown.")
            .optional(),
    };
    vec![
        Field::text("api_address", "Address", &draft.api_address)
            .help("Of the router's API, with a port if it is not 8729 (TLS) or 8728: 192.0.2.1, router.example:8729."),
        Field::text("api_user", "User", &draft.api_user)
            .help("In /user on the router, with the policies api, read, write; and sensitive to adopt accounts."),
        password,
        Field::labelled("api_trust", "How the router is known", &draft.api_trust, &TRUSTS).help(
            "With its own certificate, radgram shows the fingerprint, and sends nothing before you have compared it.",
        ),
        Field::text("api_fingerprint", "Fingerprint", &draft.api_fingerprint)
            .help("SHA-256 of its own certificate, if you have it at hand; else it is shown when you test.")
            .optional(),
        Field::area("api_authority", "Certificates of the authority", &draft.api_authority)
            .help("In PEM, for a certificate of your authority. It must name the address above.")
            .optional(),
        Field::labelled("api_old_log_in", "Log-in of RouterOS before 6.43", &draft.api_old_log_in, &OLD_LOG_INS),
    ]
}

async fn load(visit: &Visit, router: &Router, draft: &Draft, errors: &Errors) -> Result<Page, WebError> {
    let mut fields = fields(draft, router.api.as_ref());
    if !errors.is_empty() {
        fields = with_errors(fields, errors);
    }
    let page = Page {
        shell: visit.shell("/routers").await?,
        hub: Hub::of(visit, router, "/api"),
        beside: errors.beside(&fields),
        fields,
        has_api: router.api.is_some(),
        scheme: scheme::fields(router),
    };
    Ok(page)
}

/// `GET /routers/{id}/api`
pub(in crate::web) async fn page(visit: Owning, Path(id): Path<i64>) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    Ok(load(&visit, &router, &Draft::of(&router), &Errors::none()).await?.into_response())
}

/// `POST /routers/{id}/api`
pub(in crate::web) async fn save(
    visit: Owning,
    Path(id): Path<i64>,
    Typed(draft): Typed<Draft>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let mut errors = Errors::none();
    if let (Some(api), true) = (draft.check(&mut errors), errors.is_empty()) {
        let form = ReachForm { scheme: router.scheme, leases: router.leases, api: Some(api) };
        match visit.gate().set_router_reach(&visit.actor(), router.id, &form).await {
            Ok(()) => return tested(&visit, router.id, "Saved.").await,
            Err(refused) => errors = Errors::of(refused)?,
        }
    }
    let page = load(&visit, &router, &draft, &errors).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// `POST /routers/{id}/api/remove`
pub(in crate::web) async fn remove(visit: Owning, Path(id): Path<i64>) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let form = ReachForm { scheme: router.scheme, leases: router.leases, api: None };
    let path = format!("/routers/{id}/api");
    let removed = visit.gate().set_router_reach(&visit.actor(), router.id, &form).await;
    visit.report(removed, "The log-in is taken away; the router is asked over RADIUS alone.", &path).await
}

/// The certificate that was compared.
#[derive(Deserialize)]
pub(in crate::web) struct Compared {
    #[serde(default)]
    fingerprint: String,
}

/// `POST /routers/{id}/trust`
pub(in crate::web) async fn trust(
    visit: Owning,
    Path(id): Path<i64>,
    Typed(compared): Typed<Compared>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let trusted = match compared.fingerprint.parse::<Fingerprint>() {
        Ok(fingerprint) => visit.gate().trust_router(&visit.actor(), router.id, fingerprint).await,
        Err(why) => Err(Refused::field("fingerprint", why)),
    };
    match trusted {
        Ok(()) => tested(&visit, router.id, "The certificate is trusted.").await,
        refused => visit.report(refused, "", &format!("/routers/{id}")).await,
    }
}

/// `POST /routers/{id}/greet`
pub(in crate::web) async fn greet(visit: Deciding, Path(id): Path<i64>) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    tested(&visit, router.id, "").await
}

/// Connects now, and says what came of it behind what was done before.
async fn tested(visit: &Visit, id: RouterId, done: &str) -> Result<Response, WebError> {
    let path = format!("/routers/{id}");
    match visit.gate().greet_router(id).await {
        Ok(state) => visit.done(format!("{done} {}", answered(&state)).trim(), &path).await,
        Err(Refused::Router(fault)) => {
            let text = format!("{done} It does not work yet: {}", brief(&fault));
            visit.refused(text.trim(), &path).await
        }
        Err(other) => Err(other.into()),
    }
}

fn answered(state: &ApiState) -> String {
    match state {
        ApiState::Up { version, identity, .. } => {
            one_line(&format!("The router answers: {identity}, RouterOS {version}."))
        }
        ApiState::Off | ApiState::Connecting | ApiState::Failing { .. } => "The router is being connected.".to_owned(),
    }
}
