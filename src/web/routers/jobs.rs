//! A job on a router's accounts: how far it is, and what became of each name.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::super::error::WebError;
use super::super::form::Typed;
use super::super::visit::{Owning, Shell, Viewing, Visit};
use super::hub::{Hub, router};
use crate::domain::id::RouterId;
use crate::gate::bulk::{BulkLine, Outcome, Run};
use crate::gate::job::{JobId, JobState, JobView};
use crate::gate::router_api::Menu;
use crate::gate::{Adoption, Afterwards, Names};

/// Lines of one kind that are shown; an operation may have twenty times as many.
const LINES: usize = 1_000;

#[derive(Template, WebTemplate)]
#[template(path = "routers/job.html")]
struct Page {
    shell: Shell,
    hub: Hub,
    job: JobView,
    done: usize,
    /// What was not done, up to [`LINES`].
    left: Vec<BulkLine>,
    left_in_all: usize,
    /// What was done, up to [`LINES`].
    lines: Vec<BulkLine>,
    /// What a trial is followed by.
    follow: Option<Follow>,
}

/// How an adoption goes on that was tried out.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::web) struct Follow {
    #[serde(default)]
    menu: String,
    #[serde(default)]
    then: String,
}

impl Follow {
    fn parts(&self) -> Option<(Menu, Afterwards)> {
        Some((Menu::from_word(&self.menu)?, Afterwards::from_word(&self.then)?))
    }
}

fn job(visit: &Visit, router: RouterId, id: u64) -> Result<JobView, WebError> {
    let job = visit.gate().job(JobId(id)).filter(|job| job.router == router);
    job.ok_or(WebError::NotFound("there is no such job (any more): one that is finished is kept for an hour"))
}

/// `GET /routers/{id}/jobs/{job}`
pub(in crate::web) async fn page(
    visit: Viewing,
    Path((id, number)): Path<(i64, u64)>,
    Query(follow): Query<Follow>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let mut job = job(&visit, router.id, number)?;
    let (lines, left): (Vec<BulkLine>, Vec<BulkLine>) =
        std::mem::take(&mut job.lines).into_iter().partition(|line| line.outcome == Outcome::Done);
    let is_trial = job.run == Run::Dry && matches!(job.state, JobState::Finished { .. });
    let follow = Some(follow).filter(|follow| is_trial && follow.parts().is_some() && !lines.is_empty());
    let page = Page {
        shell: visit.shell("/routers").await?,
        hub: Hub::of(&visit, &router, "/accounts"),
        done: lines.len(),
        left_in_all: left.len(),
        left: left.into_iter().take(LINES).collect(),
        lines: lines.into_iter().take(LINES).collect(),
        follow,
        job,
    };
    Ok(page.into_response())
}

impl Page {
    fn is_running(&self) -> bool {
        self.job.state == JobState::Running
    }
}

/// `POST /routers/{id}/jobs/{job}/adopt`: what a trial found to be possible is done.
pub(in crate::web) async fn adopt(
    visit: Owning,
    Path((id, number)): Path<(i64, u64)>,
    Typed(follow): Typed<Follow>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let job = job(&visit, router.id, number)?;
    let path = format!("/routers/{id}/jobs/{number}?menu={}&then={}", follow.menu, follow.then);
    let Some((menu, afterwards)) = follow.parts().filter(|_| job.run == Run::Dry) else {
        return visit.refused("only what was tried out is adopted here", &format!("/routers/{id}/accounts")).await;
    };
    let names = job.lines.iter().filter(|line| line.outcome == Outcome::Done).map(|line| line.name.clone());
    let adoption = Adoption { menu, names: Names::Names(names.collect()), afterwards, run: Run::Real };
    match visit.shared_gate().start_adoption(visit.actor(), router.id, adoption).await {
        Ok(begun) => Ok(Redirect::to(&format!("/routers/{id}/jobs/{begun}")).into_response()),
        refused => visit.report(refused, "", &path).await,
    }
}
