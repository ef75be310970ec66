//! The accounts that a router keeps beside radgram's: what each means, and many of them adopted or changed at once.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::error::WebError;
use super::super::form::Pairs;
use super::super::visit::{Shell, Viewing, Visit};
use super::hub::{Hub, router};
use super::trouble::Trouble;
use crate::domain::account::Switch;
use crate::domain::router::{Router, Scheme};
use crate::gate::job::{JobState, JobView};
use crate::gate::router_api::{ApiFault, Menu};
use crate::gate::{ComparedAccount, PasswordShown, Refused, RouterAccountsView, SessionHere, Verdict};

/// Lines of one page: so many can be ticked at once.
const LINES: usize = 100;

#[derive(Template, WebTemplate)]
#[template(path = "routers/accounts.html")]
struct Page {
    shell: Shell,
    hub: Hub,
    scheme: Scheme,
    asked: Asked,
    /// Why nothing can be shown.
    trouble: Option<Trouble>,
    /// Menus of the router, with which of them is shown.
    menus: Vec<MenuTab>,
    verdicts: Vec<VerdictTab>,
    lines: Vec<ComparedAccount>,
    /// Lines that the filter admits, on all pages.
    found: usize,
    /// Those of them that the router has.
    there: usize,
    pages: usize,
    jobs: Vec<JobView>,
}

/// A menu of the router.
struct MenuTab {
    label: &'static str,
    path: String,
    current: &'static str,
    /// Why it cannot be read.
    fault: Option<String>,
}

/// A verdict with how many lines have it.
struct VerdictTab {
    label: &'static str,
    path: String,
    count: usize,
    current: &'static str,
}

/// Which lines are asked for.
#[derive(Debug, Clone, Default, Deserialize)]
pub(in crate::web) struct Asked {
    #[serde(default)]
    menu: String,
    /// The word of a verdict; empty for all.
    #[serde(default)]
    pub(super) verdict: String,
    /// A part of a name, a person's or a comment.
    #[serde(default)]
    pub(super) q: String,
    /// Counted from 1.
    #[serde(default)]
    page: String,
}

impl Asked {
    /// As the page's own form says it.
    pub(super) fn of(form: &Pairs) -> Self {
        let text = |name| form.one(name).to_owned();
        Self { menu: text("menu"), verdict: text("verdict"), q: text("q"), page: String::new() }
    }

    pub(super) fn menu(&self) -> Menu {
        Menu::from_word(&self.menu).unwrap_or(Menu::Secret)
    }

    fn page(&self) -> usize {
        self.page.parse().unwrap_or(1).max(1)
    }

    /// Whether a line is of the menu: what radgram alone has is in none, and shown with each.
    fn is_of_menu(&self, line: &ComparedAccount) -> bool {
        line.there.as_ref().is_none_or(|there| there.menu == self.menu())
    }

    fn has_text(&self, line: &ComparedAccount) -> bool {
        let wanted = self.q.trim().to_lowercase();
        let person = line.here.as_ref().and_then(|here| here.person.as_deref()).unwrap_or_default();
        let comment = line.there.as_ref().map(|there| there.comment.as_str()).unwrap_or_default();
        wanted.is_empty()
            || [line.name.as_str(), person, comment].iter().any(|text| text.to_lowercase().contains(&wanted))
    }

    fn has_verdict(&self, line: &ComparedAccount) -> bool {
        self.verdict.is_empty() || line.verdict.word() == self.verdict
    }

    /// Whether the filter admits a line.
    pub(super) fn admits(&self, line: &ComparedAccount) -> bool {
        self.is_of_menu(line) && self.has_text(line) && self.has_verdict(line)
    }

    fn query(&self, menu: &str, verdict: &str, page: usize) -> String {
        let q: String =
            askama::filters::urlencode_strict(self.q.as_str()).map(|text| text.to_string()).unwrap_or_default();
        format!("menu={menu}&verdict={verdict}&q={q}&page={page}")
    }
}

const VERDICTS: [(Verdict, &str); 5] = [
    (Verdict::BothShadowing, "bypass radgram"),
    (Verdict::OnlyOnRouter, "only on the router"),
    (Verdict::Managed, "ruled by radgram"),
    (Verdict::OnlyHere, "only in radgram"),
    (Verdict::Ambiguous, "not clear"),
];

/// A verdict for people.
pub(super) fn verdict_label(verdict: &Verdict) -> &'static str {
    VERDICTS.iter().find(|(known, _)| known == verdict).map_or("", |(_, label)| label)
}

/// The name by which the router's own is found; `None` where there is none, or it cannot be named.
pub(super) fn exact(line: &ComparedAccount) -> Option<&str> {
    line.there.as_ref()?.exact.as_deref()
}

/// The class of a verdict.
const fn mood(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::BothShadowing => "bad",
        Verdict::OnlyOnRouter | Verdict::Ambiguous => "wait",
        Verdict::Managed => "good",
        Verdict::OnlyHere => "plain",
    }
}

/// What the entries of a menu are called.
pub(super) const fn menu_label(menu: Menu) -> &'static str {
    match menu {
        Menu::Secret => "PPP secrets",
        Menu::UserManager => "User Manager",
    }
}

fn menus(view: &RouterAccountsView, asked: &Asked, path: &str) -> Vec<MenuTab> {
    let tab = |menu: Menu| {
        let fault = view.unread.iter().find(|(other, _)| *other == menu).map(|(_, fault)| fault);
        if matches!(fault, Some(ApiFault::NoMenu(_))) {
            return None;
        }
        Some(MenuTab {
            label: menu_label(menu),
            path: format!("{path}?{}", asked.query(menu.word(), "", 1)),
            current: if menu == asked.menu() { "true" } else { "false" },
            fault: fault.map(super::brief),
        })
    };
    [Menu::Secret, Menu::UserManager].into_iter().filter_map(tab).collect()
}

fn verdicts(view: &RouterAccountsView, asked: &Asked, path: &str) -> Vec<VerdictTab> {
    let count = |verdict: Option<Verdict>| {
        let is_meant = |line: &&ComparedAccount| verdict.is_none_or(|verdict| line.verdict == verdict);
        view.lines.iter().filter(|line| asked.is_of_menu(line) && asked.has_text(line)).filter(is_meant).count()
    };
    let tab = |verdict: Option<Verdict>, label| {
        let word = verdict.map_or("", Verdict::word);
        VerdictTab {
            label,
            path: format!("{path}?{}", asked.query(asked.menu().word(), word, 1)),
            count: count(verdict),
            current: if word == asked.verdict { "true" } else { "false" },
        }
    };
    let all = std::iter::once(tab(None, "all"));
    all.chain(VERDICTS.iter().map(|(verdict, label)| tab(Some(*verdict), label)).filter(|tab| tab.count > 0)).collect()
}

async fn load(visit: &Visit, router: &Router, asked: Asked) -> Result<Page, WebError> {
    let hub = Hub::of(visit, router, "/accounts");
    let (view, trouble) = match visit.gate().router_accounts(router.id).await {
        Ok(view) => (Some(view), None),
        Err(Refused::Router(fault)) => (None, Some(Trouble::of(&fault, router))),
        Err(other) => return Err(other.into()),
    };
    let view = view.as_ref();
    // Out of reach, a router is so for both menus: the same is not said twice.
    let trouble = trouble.or_else(|| unreached(view?).map(|fault| Trouble::of(fault, router)));
    let path = hub.path("/accounts");
    let lines: Vec<&ComparedAccount> =
        view.map(|view| view.lines.iter().filter(|line| asked.admits(line)).collect()).unwrap_or_default();
    let pages = lines.len().div_ceil(LINES).max(1);
    let first = (asked.page().min(pages) - 1) * LINES;
    Ok(Page {
        shell: visit.shell("/routers").await?,
        menus: view.map(|view| menus(view, &asked, &path)).unwrap_or_default(),
        verdicts: view.map(|view| verdicts(view, &asked, &path)).unwrap_or_default(),
        found: lines.len(),
        there: lines.iter().filter_map(|line| exact(line)).count(),
        lines: lines.into_iter().skip(first).take(LINES).cloned().collect(),
        pages,
        jobs: visit.gate().jobs_of(router.id),
        scheme: router.scheme,
        hub,
        asked,
        trouble,
    })
}

/// Why neither menu was read, if none was.
fn unreached(view: &RouterAccountsView) -> Option<&ApiFault> {
    match view.unread.as_slice() {
        [(_, fault), (_, _)] if !matches!(fault, ApiFault::NoMenu(_)) => Some(fault),
        _ => None,
    }
}

impl Page {
    /// The path of another page of the same lines.
    fn turned(&self, page: usize) -> String {
        let query = self.asked.query(self.asked.menu().word(), &self.asked.verdict, page);
        format!("{}?{query}", self.hub.path("/accounts"))
    }

    fn number(&self) -> usize {
        self.asked.page().min(self.pages)
    }
}

/// `GET /routers/{id}/accounts`
pub(in crate::web) async fn page(
    visit: Viewing,
    Path(id): Path<i64>,
    Query(asked): Query<Asked>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    Ok(load(&visit, &router, asked).await?.into_response())
}
