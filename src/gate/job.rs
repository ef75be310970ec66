//! Jobs: bulk operations that run on while pages ask how far they are. Kept in memory alone: what a job did is in the
//! database and on the router, whatever becomes of its lines.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::admin::{AccountSteps, Adoption};
use super::bulk::{BulkLine, Progress, Run, STOPPED, Watch};
use super::{Gate, Refused};
use crate::clock::Timestamp;
use crate::domain::audit::Actor;
use crate::domain::id::RouterId;

/// Jobs in memory; above it the oldest that is finished goes, and if none is, no new one begins.
const JOBS: usize = 32;
/// How long a finished job can be looked at.
const KEPT: Duration = Duration::from_secs(3600);

/// Which job. The number is not used again while the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// It is at work.
    Running,
    /// Every name has its line.
    Finished {
        /// Since when.
        at: Timestamp,
    },
    /// It came to nothing, or was broken off; the lines tell how far it came.
    Failed {
        /// Since when.
        at: Timestamp,
        /// Why, in a sentence.
        why: String,
    },
}

/// A job, for pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobView {
    /// Which.
    pub id: JobId,
    /// On which router.
    pub router: RouterId,
    /// What it does, in words: `adopt from secret`.
    pub what: String,
    /// Whether it does it, or only tries it out.
    pub run: Run,
    /// Who began it.
    pub actor: String,
    /// When.
    pub started: Timestamp,
    /// How it stands.
    pub state: JobState,
    /// How far it is.
    pub progress: Progress,
    /// The lines so far.
    pub lines: Vec<BulkLine>,
}

/// The jobs of this instance.
#[derive(Default)]
pub(super) struct Jobs(Mutex<Table>);

#[derive(Default)]
struct Table {
    last: u64,
    jobs: BTreeMap<JobId, JobView>,
}

impl Jobs {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, router: RouterId, what: String, run: Run, actor: &Actor, now: Timestamp) -> Result<JobId, Refused> {
        let mut table = self.table();
        table.forget_old(now);
        let running = |job: &&JobView| job.state == JobState::Running;
        if table.jobs.values().any(|job| job.router == router && running(&job)) {
            return Err(Refused::conflict("a job is at work on this router's accounts already; wait for its end"));
        }
        if table.jobs.len() >= JOBS {
            let Some(oldest) = table.jobs.values().find(|job| !running(job)).map(|job| job.id) else {
                return Err(Refused::conflict(format!("{JOBS} jobs are at work; wait for one to end")));
            };
            table.jobs.remove(&oldest);
        }
        table.last += 1;
        let id = JobId(table.last);
        let job = JobView {
            id,
            router,
            what,
            run,
            actor: actor.label(),
            started: now,
            state: JobState::Running,
            progress: Progress::default(),
            lines: Vec::new(),
        };
        table.jobs.insert(id, job);
        Ok(id)
    }

    fn hear(&self, id: JobId, progress: Progress, line: &BulkLine) {
        if let Some(job) = self.table().jobs.get_mut(&id) {
            job.progress = progress;
            job.lines.push(line.clone());
        }
    }

    fn end(&self, id: JobId, state: JobState) {
        if let Some(job) = self.table().jobs.get_mut(&id) {
            job.state = state;
        }
    }

    fn of(&self, router: RouterId, now: Timestamp) -> Vec<JobView> {
        let mut table = self.table();
        table.forget_old(now);
        let own = table.jobs.values().rev().filter(|job| job.router == router);
        own.map(|job| JobView {
            what: job.what.clone(),
            actor: job.actor.clone(),
            lines: Vec::new(),
            state: job.state.clone(),
            ..*job
        })
        .collect()
    }

    fn view(&self, id: JobId, now: Timestamp) -> Option<JobView> {
        let mut table = self.table();
        table.forget_old(now);
        table.jobs.get(&id).cloned()
    }
}

impl Table {
    fn forget_old(&mut self, now: Timestamp) {
        self.jobs.retain(|_, job| match job.state {
            JobState::Running => true,
            JobState::Finished { at } | JobState::Failed { at, .. } => now < at + KEPT,
        });
    }
}

/// What a job does.
enum Work {
    Adopt(Adoption),
    Change(AccountSteps),
}

/// A job at work; dropped without an end (its task died), it is over all the same.
struct AtWork {
    gate: Arc<Gate>,
    id: JobId,
    end: Option<JobState>,
}

impl AtWork {
    fn ends(&mut self, state: JobState) {
        self.end = Some(state);
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let at = self.gate.now();
        let broken = || JobState::Failed { at, why: "it broke off; the log says why".to_owned() };
        self.gate.jobs.end(self.id, self.end.take().unwrap_or_else(broken));
    }
}

impl Gate {
    /// Begins an adoption as a job.
    ///
    /// # Errors
    /// No such router, its API is not configured, a job is at work on it already, or the server is not running.
    pub async fn start_adoption(
        self: &Arc<Self>,
        actor: Actor,
        router: RouterId,
        adoption: Adoption,
    ) -> Result<JobId, Refused> {
        let what = format!("adopt from {}", adoption.menu.word());
        let run = adoption.run;
        self.start_job(actor, router, (what, run), Work::Adopt(adoption)).await
    }

    /// Begins a change of several accounts of a router as a job.
    ///
    /// # Errors
    /// As [`Gate::start_adoption`].
    pub async fn start_account_changes(
        self: &Arc<Self>,
        actor: Actor,
        router: RouterId,
        steps: AccountSteps,
    ) -> Result<JobId, Refused> {
        let what = format!("{} in {}", steps.step.verb(), steps.menu.word());
        let run = steps.run;
        self.start_job(actor, router, (what, run), Work::Change(steps)).await
    }

    /// A job of this instance, if it is at work or ended within the last hour.
    pub fn job(&self, id: JobId) -> Option<JobView> {
        self.jobs.view(id, self.now())
    }

    /// The jobs of a router, the newest first, without their lines.
    pub fn jobs_of(&self, router: RouterId) -> Vec<JobView> {
        self.jobs.of(router, self.now())
    }

    async fn start_job(
        self: &Arc<Self>,
        actor: Actor,
        router: RouterId,
        (what, run): (String, Run),
        work: Work,
    ) -> Result<JobId, Refused> {
        self.reached(router).await?;
        let (tracker, cancel) = self.tasks.get().ok_or_else(|| Refused::conflict("the server is not running"))?;
        if cancel.is_cancelled() {
            return Err(Refused::conflict(STOPPED));
        }
        let id = self.jobs.begin(router, what, run, &actor, self.now())?;
        let mut at_work = AtWork { gate: self.clone(), id, end: None };
        let stop = cancel.clone();
        tracker.spawn(async move {
            let gate = at_work.gate.clone();
            let watch = Watch { heard: &|progress, line| gate.jobs.hear(id, progress, line), stop };
            let done = match &work {
                Work::Adopt(adoption) => gate.adopt(&actor, router, adoption, &watch).await,
                Work::Change(steps) => gate.change_each(&actor, router, steps, &watch).await,
            };
            let at = gate.now();
            at_work.ends(match done {
                Ok(_) => JobState::Finished { at },
                Err(refused) => JobState::Failed { at, why: refused.to_string() },
            });
        });
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFICE: RouterId = RouterId(1);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn begin(jobs: &Jobs, router: RouterId, seconds: i64) -> Result<JobId, Refused> {
        jobs.begin(router, "adopt".to_owned(), Run::Real, &Actor::CommandLine, at(seconds))
    }

    #[test]
    fn a_router_has_one_job_at_a_time() {
        let jobs = Jobs::default();
        let first = begin(&jobs, OFFICE, 0).unwrap();
        assert!(matches!(begin(&jobs, OFFICE, 1), Err(Refused::Conflict(_))));
        assert!(begin(&jobs, RouterId(2), 1).is_ok());
        jobs.end(first, JobState::Finished { at: at(2) });
        assert_ne!(begin(&jobs, OFFICE, 3).unwrap(), first);
    }

    #[test]
    fn a_finished_job_can_be_looked_at_for_an_hour() {
        let jobs = Jobs::default();
        let id = begin(&jobs, OFFICE, 0).unwrap();
        jobs.hear(id, Progress { total: 2, done: 1 }, &BulkLine::done("ann", Vec::new()));
        assert_eq!(jobs.view(id, at(100_000)).unwrap().lines.len(), 1, "it runs as long as it takes");
        jobs.end(id, JobState::Finished { at: at(100_000) });
        assert_eq!(jobs.view(id, at(103_599)).unwrap().progress, Progress { total: 2, done: 1 });
        assert_eq!(jobs.view(id, at(103_600)), None);
    }

    #[test]
    fn finished_jobs_make_room_and_running_ones_do_not() {
        let jobs = Jobs::default();
        let all: Vec<JobId> = (0..32).map(|n| begin(&jobs, RouterId(n), 0).unwrap()).collect();
        assert!(begin(&jobs, RouterId(99), 0).is_err());
        jobs.end(all[7], JobState::Failed { at: at(1), why: "no".to_owned() });
        assert!(begin(&jobs, RouterId(99), 2).is_ok());
        assert_eq!(jobs.view(all[7], at(2)), None);
        assert!(jobs.view(all[0], at(2)).is_some());
    }
}
