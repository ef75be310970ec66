//! What stands above every page of one router: its name, how its API stands, and the way to its other pages.

use super::super::error::WebError;
use super::super::visit::Visit;
use super::trouble::{Trouble, brief};
use crate::clock::Timestamp;
use crate::domain::id::RouterId;
use crate::domain::operator::Role;
use crate::domain::router::Router;
use crate::gate::router_api::{ApiFault, ApiState};

/// The head of a router's pages.
pub(in crate::web) struct Hub {
    pub(in crate::web) id: RouterId,
    pub(in crate::web) name: String,
    pub(in crate::web) api: ApiLine,
    tabs: Vec<Tab>,
}

/// The way to a page of the router.
pub(in crate::web) struct Tab {
    pub(in crate::web) path: String,
    pub(in crate::web) label: &'static str,
    /// For `aria-current`.
    pub(in crate::web) current: &'static str,
}

/// A page of a router: behind its path, its label, and who may see it.
const PAGES: [(&str, &str, Role); 11] = [
    ("", "Overview", Role::Viewer),
    ("/rules", "Rules", Role::Viewer),
    ("/accounts", "Accounts", Role::Viewer),
    ("/attributes", "Attributes", Role::Viewer),
    ("/doctor", "Doctor", Role::Viewer),
    ("/script", "Set-up", Role::Viewer),
    ("/api", "API", Role::Owner),
    ("/home", "Home server", Role::Owner),
    ("/radsec", "RadSec", Role::Owner),
    ("/habits", "Habits", Role::Viewer),
    ("/settings", "Settings", Role::Owner),
];

impl Hub {
    /// The head of this router's pages, for the page behind `here`.
    pub(in crate::web) fn of(visit: &Visit, router: &Router, here: &str) -> Self {
        let pages = PAGES.iter().filter(|(_, _, role)| visit.operator.role >= *role);
        let tabs = pages.map(|(page, label, _)| Tab {
            path: format!("/routers/{}{page}", router.id),
            label,
            current: if *page == here { "page" } else { "false" },
        });
        let api = ApiLine::of(router, visit.gate().api_state(router.id));
        Self { id: router.id, name: router.name.clone(), api, tabs: tabs.collect() }
    }

    pub(in crate::web) fn tabs(&self) -> &[Tab] {
        &self.tabs
    }

    /// The path of one of its pages.
    pub(in crate::web) fn path(&self, page: &str) -> String {
        format!("/routers/{}{page}", self.id)
    }
}

/// The router of this row.
pub(in crate::web) async fn router(visit: &Visit, id: i64) -> Result<Router, WebError> {
    let found = visit.reader().routers().await?.routers.into_iter().find(|router| router.id == RouterId(id));
    found.ok_or(WebError::NotFound("there is no such router"))
}

/// How the API of a router stands, in a word and a colour.
pub(in crate::web) struct ApiLine {
    pub(in crate::web) word: &'static str,
    /// The class of the word.
    pub(in crate::web) mood: &'static str,
    /// Which version, or why not; may be empty.
    pub(in crate::web) detail: String,
    pub(in crate::web) since: Option<Timestamp>,
    /// When it is tried again.
    pub(in crate::web) next: Option<Timestamp>,
    /// Why it does not work.
    pub(in crate::web) trouble: Option<Trouble>,
}

impl ApiLine {
    pub(in crate::web) fn of(router: &Router, state: ApiState) -> Self {
        let line = |word, mood, detail| Self { word, mood, detail, since: None, next: None, trouble: None };
        if router.api.is_none() {
            return line("off", "plain", String::new());
        }
        match state {
            ApiState::Off => line("not asked yet", "wait", String::new()),
            ApiState::Connecting => line("connecting", "wait", String::new()),
            ApiState::Up { since, version, identity, local: _ } => {
                let detail = crate::text::one_line(&format!("{identity}, RouterOS {version}"));
                Self { since: Some(since), ..line("up", "good", detail) }
            }
            ApiState::Failing { since, fault, next } => Self::failing(router, since, &fault, next),
        }
    }

    fn failing(router: &Router, since: Timestamp, fault: &ApiFault, next: Timestamp) -> Self {
        Self {
            word: "failing",
            mood: "bad",
            detail: brief(fault),
            since: Some(since),
            next: Some(next),
            trouble: Some(Trouble::of(fault, router)),
        }
    }

    /// Whether somebody has to look.
    pub(in crate::web) fn is_failing(&self) -> bool {
        self.trouble.is_some()
    }
}
