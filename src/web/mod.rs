//! The web UI: pages for operators over the use cases, health and metrics.
//!
//! A request goes down through the layers of [`router`]: headers, panics, time and size limits, CSRF, the web log-in,
//! then the extractor of its page (`visit`), which names the role that the page wants.

mod assets;
mod client;
mod cross;
mod error;
mod form;
mod listen;
mod login_store;
mod probe;
mod throttle;
mod times;
mod visit;

mod account;
mod accounts;
mod attempts;
mod attributes;
mod audit;
mod dashboard;
mod group;
mod groups;
mod log_in;
mod operators;
mod routers;
mod sessions;
mod settings;
mod user;
mod users;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware;
use axum::routing::{get, post};
use ipnet::IpNet;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::TraceLayer;

pub use self::probe::UnansweredLine;
use self::throttle::Throttle;
use crate::gate::Gate;

/// The largest body of a request, in bytes: the longest form is a page of settings.
const BODY_BYTES: usize = 64 * 1024;
/// Longest time for one request: a page reads a few lists, a log-in may wait for others' hashes.
const REQUEST: Duration = Duration::from_secs(30);
/// Longest time for a request that asks a router: what is asked over the API takes at most 30 s, and has an answer then.
const ROUTER_REQUEST: Duration = Duration::from_secs(40);

/// Nothing but our own style sheets, nothing inline, nobody may frame it. Pico draws its icons from `data:` addresses.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Nothing to other sites. Not `no-referrer`: with it browsers send `Origin: null` with our own forms, and over plain
/// HTTP, where they send no `Sec-Fetch-Site`, the origin is all that tells our forms from another site's.
const REFERRER: &str = "same-origin";

/// What the web is told by the configuration.
#[derive(Debug, Clone, Default)]
pub struct WebConfig {
    /// How browsers reach it.
    pub scheme: Scheme,
    /// Whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Who besides loopback may read `/healthz` and `/metrics`.
    pub metrics_from: Vec<IpNet>,
}

/// How browsers reach the web UI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// By plain HTTP: on loopback, or in a network that is trusted.
    #[default]
    Plain,
    /// By HTTPS: own TLS, or a proxy that has it. The cookie is then `Secure`.
    Tls,
}

/// What every page has at hand. Cheap to clone.
#[derive(Clone)]
pub struct WebState(Arc<Inner>);

struct Inner {
    gate: Arc<Gate>,
    config: WebConfig,
    throttle: Throttle,
    errands: TaskTracker,
}

impl WebState {
    /// The state over `gate`.
    pub fn new(gate: Arc<Gate>, config: WebConfig) -> Self {
        Self(Arc::new(Inner { gate, config, throttle: Throttle::new(), errands: TaskTracker::new() }))
    }

    /// Returns when what pages have begun on routers is done; at most as long as a call to a router takes.
    pub async fn settled(&self) {
        self.0.errands.close();
        self.0.errands.wait().await;
    }

    fn gate(&self) -> &Gate {
        &self.0.gate
    }

    fn config(&self) -> &WebConfig {
        &self.0.config
    }

    fn throttle(&self) -> &Throttle {
        &self.0.throttle
    }
}

/// All pages with their layers. [`serve`] tells it the peer's address.
pub fn router(state: WebState) -> Router {
    let within = |longest| middleware::from_fn_with_state(longest, error::in_time);
    let pages = pages()
        .layer(within(REQUEST))
        .merge(routers::pages().layer(within(ROUTER_REQUEST)))
        .fallback(error::no_page)
        .layer(login_store::layer(&state))
        .layer(middleware::from_fn_with_state(state.clone(), cross::guard))
        .layer(fixed(header::CACHE_CONTROL, "no-store"));
    Router::new()
        .route("/healthz", get(probe::health))
        .route("/metrics", get(probe::metrics))
        .route("/unanswered", get(probe::unanswered))
        .route("/static/{file}", get(assets::file))
        .merge(pages)
        .layer(CompressionLayer::new())
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(fixed(header::CONTENT_SECURITY_POLICY, CONTENT_POLICY))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::REFERRER_POLICY, REFERRER))
        .layer(fixed(header::X_FRAME_OPTIONS, "DENY"))
        .layer(TraceLayer::new_for_http())
        .with_state(state)
}

fn fixed(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

fn pages() -> Router<WebState> {
    Router::new()
        .route("/", get(dashboard::page))
        .route("/alarms/{id}/acknowledge", post(dashboard::acknowledge))
        .route("/log-in", get(log_in::page).post(log_in::log_in))
        .route("/log-out", post(log_in::log_out))
        .route("/password", get(log_in::password_page).post(log_in::change_password))
        .route("/users", get(users::page).post(users::add))
        .route("/users/new", get(users::new_page))
        .route("/users/{id}", get(user::page).post(user::save))
        .route("/users/{id}/{step}", post(user::step))
        .route("/accounts", get(accounts::page).post(accounts::add))
        .route("/accounts/{id}", get(account::page))
        .route("/accounts/{id}/group", post(account::put))
        .route("/accounts/{id}/attributes", post(account::set_attributes))
        .route("/accounts/{id}/attributes/apply", post(account::apply_attributes))
        .route("/accounts/{id}/{step}", post(accounts::step))
        .merge(groups::pages())
        .route("/sessions", get(sessions::page).post(sessions::grant))
        .route("/sessions/{id}/extend", post(sessions::extend))
        .route("/sessions/{id}/end", post(sessions::end))
        .route("/connections/{id}/{step}", post(sessions::connection_step))
        .route("/attempts", get(attempts::page))
        .route("/guesses/{id}/lift", post(attempts::lift))
        .merge(settings::pages())
        .route("/operators", get(operators::page).post(operators::add))
        .route("/operators/{id}", get(operators::edit_page).post(operators::save))
        .route("/operators/{id}/remove", post(operators::remove))
        .route("/audit", get(audit::page))
}

/// Serves the pages until `cancel`, then lets the requests that run end.
///
/// # Errors
/// The listener's.
pub async fn serve(listener: TcpListener, router: Router, cancel: CancellationToken) -> std::io::Result<()> {
    let service = router.into_make_service_with_connect_info::<listen::Peer>();
    axum::serve(listen::Bounded::new(listener), service).with_graceful_shutdown(cancel.cancelled_owned()).await
}
