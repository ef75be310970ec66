//! The home server of a router: given, changed, taken away. Its secret goes in and never comes out.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::error::WebError;
use super::super::form::{Errors, Field, Hidden, Typed, with_errors};
use super::super::visit::{Owning, Shell, Visit};
use super::hub::{Hub, router};
use crate::clock::Timestamp;
use crate::domain::home::{Health, TRY, TRY_MS, home_address, home_timeout};
use crate::domain::router::{Demand, Router};
use crate::gate::HomeForm;

#[derive(Template, WebTemplate)]
#[template(path = "routers/home.html")]
struct Page {
    shell: Shell,
    hub: Hub,
    line: Option<HomeLine>,
    beside: Vec<String>,
    fields: Vec<Field>,
}

/// How the home server of a router stands, in words and a colour.
pub(in crate::web) struct HomeLine {
    pub(in crate::web) address: String,
    pub(in crate::web) word: &'static str,
    /// The class of the word.
    pub(in crate::web) mood: &'static str,
    /// Why it fails; may be empty.
    pub(in crate::web) detail: &'static str,
    /// When it answered last, or since when it fails.
    pub(in crate::web) since: Option<Timestamp>,
}

impl HomeLine {
    pub(in crate::web) fn of(visit: &Visit, router: &Router) -> Option<Self> {
        let address = router.home.as_ref()?.address.to_string();
        let line = |word, mood, detail, since| Self { address, word, mood, detail, since };
        Some(match visit.gate().home_health(router)? {
            Health::Unknown => line("not asked yet", "wait", "", None),
            Health::Up(at) => line("up", "good", "", Some(at)),
            Health::Failing { since, fault, .. } => line("failing", "bad", fault.text(), Some(since)),
            Health::Dead { since, fault, .. } => line("dead", "bad", fault.text(), Some(since)),
        })
    }
}

/// What was typed of a home server.
#[derive(Default, Deserialize)]
pub(in crate::web) struct Draft {
    #[serde(default)]
    home_address: String,
    #[serde(default)]
    home_secret: Hidden,
    #[serde(default)]
    home_timeout_ms: String,
    #[serde(default)]
    home_demand: String,
}

impl Draft {
    fn of(router: &Router) -> Self {
        let home = router.home.as_deref();
        Self {
            home_address: home.map_or_else(String::new, |home| home.address.to_string()),
            home_secret: Hidden::default(),
            home_timeout_ms: home.map_or(TRY, |home| home.timeout).as_millis().to_string(),
            home_demand: home.map_or(Demand::Auto, |home| home.message_authenticator).word().to_owned(),
        }
    }

    fn check(&self, errors: &mut Errors) -> Option<HomeForm> {
        let address = errors.take("home_address", home_address(&self.home_address));
        let timeout = errors.take("home_timeout_ms", home_timeout(&self.home_timeout_ms));
        let demand = Demand::from_word(&self.home_demand);
        let demand = errors.take("home_demand", demand.ok_or("expected auto, require or off"));
        let secret = self.home_secret.given();
        Some(HomeForm { address: address?, secret, timeout: timeout?, message_authenticator: demand? })
    }
}

fn fields(draft: &Draft, router: &Router) -> Vec<Field> {
    let secret = Field::password("home_secret", "Secret");
    let secret = match router.home {
        None => secret.help("The same as on the router: /user-manager router add … shared-secret=…"),
        Some(_) => {
            secret.help("Left empty, it stays as it is, unless the address changes. It is never shown.").optional()
        }
    };
    vec![
        Field::text("home_address", "Address", &draft.home_address)
            .help("Of the RADIUS server, with a port if it is not 1812: the router itself for its User Manager."),
        secret,
        Field::number("home_timeout_ms", "Wait of a try, ms", &draft.home_timeout_ms, *TRY_MS.start(), *TRY_MS.end())
            .help("There are two tries; together they should be shorter than three times the timeout in /radius."),
        Field::choice("home_demand", "Message-Authenticator", &draft.home_demand, &Demand::ALL.map(Demand::word)).help(
            "Of its answers. auto: demanded once one had it. require: always (User Manager since 7.15). off: never.",
        ),
    ]
}

async fn load(visit: &Visit, router: &Router, draft: &Draft, errors: &Errors) -> Result<Page, WebError> {
    let fields = with_errors(fields(draft, router), errors);
    Ok(Page {
        shell: visit.shell("/routers").await?,
        hub: Hub::of(visit, router, "/home"),
        line: HomeLine::of(visit, router),
        beside: errors.beside(&fields),
        fields,
    })
}

/// `GET /routers/{id}/home`
pub(in crate::web) async fn page(visit: Owning, Path(id): Path<i64>) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    Ok(load(&visit, &router, &Draft::of(&router), &Errors::none()).await?.into_response())
}

/// `POST /routers/{id}/home`
pub(in crate::web) async fn save(
    visit: Owning,
    Path(id): Path<i64>,
    Typed(draft): Typed<Draft>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let mut errors = Errors::none();
    if let (Some(form), true) = (draft.check(&mut errors), errors.is_empty()) {
        match visit.gate().set_router_home(&visit.actor(), router.id, Some(&form)).await {
            Ok(()) => {
                let text = "Saved. Log-ins of accounts whose password it keeps are forwarded to it.";
                return visit.done(text, &format!("/routers/{id}/home")).await;
            }
            Err(refused) => errors = Errors::of(refused)?,
        }
    }
    let page = load(&visit, &router, &draft, &errors).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// `POST /routers/{id}/home/remove`
pub(in crate::web) async fn remove(visit: Owning, Path(id): Path<i64>) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let removed = visit.gate().set_router_home(&visit.actor(), router.id, None).await;
    let text = "The router has no home server any more; accounts whose password it kept cannot log in there.";
    visit.report(removed, text, &format!("/routers/{id}/home")).await
}
