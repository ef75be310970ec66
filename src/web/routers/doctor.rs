//! The doctor's page: what is wrong on a router, why it matters, what mends it; and repairs that an owner has read first.

use std::collections::HashSet;
use std::net::IpAddr;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::error::WebError;
use super::super::form::{Errors, Field, Pairs, Typed, with_errors};
use super::super::visit::{Owning, Shell, Viewing, Visit};
use super::hub::{Hub, router};
use super::trouble::{Trouble, brief};
use crate::clock::Timestamp;
use crate::domain::router::Router;
use crate::gate::router_api::{Argument, Finding, Gravity, Report, typed};
use crate::gate::{Examination, Mended, Refused};
use crate::text::one_line;

/// Findings of one gravity that are shown: a router may have a secret for each of thousands of accounts.
const SHOWN: usize = 200;
/// Repairs that are named when they were not done; the findings are there still.
const NAMED: usize = 5;

#[derive(Template, WebTemplate)]
#[template(path = "routers/doctor.html")]
struct Page {
    shell: Shell,
    hub: Hub,
    /// Our address, where it is not known by itself.
    server: Field,
    last: Option<Last>,
}

/// What was seen last.
struct Last {
    at: Timestamp,
    /// Why nothing was seen.
    trouble: Option<Trouble>,
    groups: Vec<Group>,
    passed: Vec<String>,
}

/// Findings of one gravity.
struct Group {
    gravity: Gravity,
    title: &'static str,
    /// Up to [`SHOWN`].
    findings: Vec<Shown>,
    in_all: usize,
}

/// A finding as it is shown.
struct Shown {
    id: String,
    what: String,
    why: String,
    /// As they are typed; empty where only a person can mend it.
    commands: String,
    repair: Repair,
}

/// Whether a finding can be mended from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repair {
    /// Over the API.
    Here,
    /// By typing: a secret in it is not known to radgram, or there is no command.
    ByHand,
}

#[derive(Template, WebTemplate)]
#[template(path = "routers/mend.html")]
struct SurePage {
    shell: Shell,
    hub: Hub,
    /// Which examination they are of.
    at: i64,
    findings: Vec<Shown>,
}

impl Shown {
    fn of(finding: &Finding) -> Self {
        Self {
            id: finding.id.clone(),
            what: one_line(&finding.what),
            why: one_line(&finding.why),
            commands: typed(&finding.fix),
            repair: repair(finding),
        }
    }
}

fn repair(finding: &Finding) -> Repair {
    let unknown = |argument: &Argument| matches!(argument, Argument::Secret(_, secret) if secret.is_empty());
    let by_hand = finding.fix.iter().flat_map(|command| &command.arguments).any(|(_, argument)| unknown(argument));
    if finding.fix.is_empty() || by_hand { Repair::ByHand } else { Repair::Here }
}

impl Last {
    fn of(examination: &Examination, router: &Router) -> Self {
        let (trouble, report) = match &examination.seen {
            Ok(report) => (None, Some(report)),
            Err(fault) => (Some(Trouble::of(fault, router)), None),
        };
        Self {
            at: examination.at,
            trouble,
            groups: report.map(groups).unwrap_or_default(),
            passed: report.map(|report| report.passed.clone()).unwrap_or_default(),
        }
    }

    fn can_mend(&self) -> bool {
        self.groups.iter().flat_map(|group| &group.findings).any(|finding| finding.repair == Repair::Here)
    }
}

fn groups(report: &Report) -> Vec<Group> {
    let titles = [
        (Gravity::Grave, "Grave: somebody gets in who should not, or nobody gets in"),
        (Gravity::Warning, "Warnings: something will not work as expected"),
        (Gravity::Note, "Worth knowing"),
    ];
    let group = |(gravity, title)| {
        let own: Vec<&Finding> = report.findings.iter().filter(|finding| finding.gravity == gravity).collect();
        let findings = own.iter().take(SHOWN).map(|finding| Shown::of(finding)).collect();
        Group { gravity, title, findings, in_all: own.len() }
    };
    titles.into_iter().map(group).filter(|group| !group.findings.is_empty()).collect()
}

impl Group {
    /// The class of its gravity.
    const fn mood(&self) -> &'static str {
        match self.gravity {
            Gravity::Grave => "bad",
            Gravity::Warning => "wait",
            Gravity::Note => "plain",
        }
    }
}

/// Our address as an operator types it; nothing where radgram is to find out.
pub(super) fn server(typed: &str) -> Result<Option<IpAddr>, &'static str> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Ok(None);
    }
    typed.parse().map(Some).map_err(|_| "expected an address: 192.0.2.10 or 2001:db8::10")
}

async fn load(visit: &Visit, router: &Router, server: &str, errors: &Errors) -> Result<Page, WebError> {
    let last = visit.gate().last_examination(router.id);
    let field = Field::text("server", "radgram’s address, as the router reaches it", server)
        .help("Empty where the router was heard of: radgram then knows it.")
        .optional();
    let mut fields = vec![field];
    if !errors.is_empty() {
        fields = with_errors(fields, errors);
    }
    Ok(Page {
        shell: visit.shell("/routers").await?,
        hub: Hub::of(visit, router, "/doctor"),
        server: fields.remove(0),
        last: last.map(|last| Last::of(&last, router)),
    })
}

/// `GET /routers/{id}/doctor`
pub(in crate::web) async fn page(visit: Viewing, Path(id): Path<i64>) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let server = visit.gate().last_examination(router.id).and_then(|last| last.server);
    let server = server.map(|server| server.to_string()).unwrap_or_default();
    Ok(load(&visit, &router, &server, &Errors::none()).await?.into_response())
}

/// Our address, where it is given.
#[derive(Deserialize)]
pub(in crate::web) struct Seen {
    #[serde(default)]
    server: String,
}

/// `POST /routers/{id}/doctor`: it reads only.
pub(in crate::web) async fn examine(
    visit: Viewing,
    Path(id): Path<i64>,
    Typed(seen): Typed<Seen>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let path = format!("/routers/{id}/doctor");
    let mut errors = Errors::none();
    if let Some(server) = errors.take("server", server(&seen.server)) {
        match visit.gate().examine_router(router.id, server).await {
            Ok(report) => return visit.done(summary(&report), &path).await,
            // The page says it.
            Err(Refused::Router(fault)) => return visit.refused(&brief(&fault), &path).await,
            Err(refused) => errors = Errors::of(refused)?,
        }
    }
    let page = load(&visit, &router, &seen.server, &errors).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

fn summary(report: &Report) -> String {
    match report.findings.len() {
        0 => "Examined: nothing to be mended.".to_owned(),
        1 => "Examined: 1 finding.".to_owned(),
        count => format!("Examined: {count} findings."),
    }
}

/// `POST /routers/{id}/doctor/mend`: first the commands of each `finding` are shown, then, with `at`, they are run.
pub(in crate::web) async fn mend(
    visit: Owning,
    Path(id): Path<i64>,
    Typed(form): Typed<Pairs>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let path = format!("/routers/{id}/doctor");
    let chosen: HashSet<&str> = form.all("finding").collect();
    let last = visit.gate().last_examination(router.id);
    let Some((last, report)) = last.and_then(|last| last.seen.clone().ok().map(|report| (last, report))) else {
        return visit.refused("examine the router first", &path).await;
    };
    let mut findings = report.findings;
    findings.retain(|finding| chosen.contains(finding.id.as_str()) && repair(finding) == Repair::Here);
    if findings.is_empty() {
        return visit.refused("tick what is to be mended", &path).await;
    }
    let at: Option<i64> = form.one("at").parse().ok();
    let Some(at) = at else {
        let (shell, hub) = (visit.shell("/routers").await?, Hub::of(&visit, &router, "/doctor"));
        let findings = findings.iter().map(Shown::of).collect();
        return Ok(SurePage { shell, hub, at: last.at.millis(), findings }.into_response());
    };
    if at != last.at.millis() || findings.len() != chosen.len() {
        return visit.refused("the router was examined again meanwhile: read its findings again", &path).await;
    }
    let server = last.server;
    let done = visit
        .carry_through(|gate, actor| async move {
            let done = gate.mend_router_as_shown(&actor, router.id, &findings, server).await;
            if done.is_ok() {
                // What is found now; if it cannot be seen, the page says why.
                let _seen = gate.examine_router(router.id, server).await;
            }
            done
        })
        .await;
    match done {
        Ok(lines) => told(&visit, &lines, &path).await,
        refused => visit.report(refused, "", &path).await,
    }
}

async fn told(visit: &Visit, lines: &[Mended], path: &str) -> Result<Response, WebError> {
    let failed: Vec<String> = lines
        .iter()
        .filter_map(|line| Some((&line.finding.id, line.outcome.as_ref().err()?)))
        .map(|(id, fault)| format!("{}: {}", one_line(id), brief(fault)))
        .collect();
    let done = format!("{} of {} repairs are done", lines.len() - failed.len(), lines.len());
    if failed.is_empty() {
        return visit.done(format!("{done}; the router was examined again."), path).await;
    }
    let more = if failed.len() > NAMED { "; and others" } else { "" };
    let named: Vec<String> = failed.into_iter().take(NAMED).collect();
    visit.refused(&format!("{done}. Not done: {}{more}", named.join("; ")), path).await
}
