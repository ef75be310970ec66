//! Operators and the doctor: what is wrong on a router, the commands that mend it, and the set-up script.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::PoisonError;

use super::super::router_api::{ApiFault, ApiState, Expected, Finding, Generation, Report, RouterApi, RuleRef, Script};
use super::super::session::Ended;
use super::super::{Gate, Listens, Refused};
use crate::clock::Timestamp;
use crate::domain::audit::Actor;
use crate::domain::id::RouterId;
use crate::domain::router::Router;
use crate::store::audit::Deed;

/// What the doctor last saw on a router.
#[derive(Debug, Clone)]
pub struct Examination {
    /// When.
    pub at: Timestamp,
    /// Our address as the router reaches it, where an operator gave it.
    pub server: Option<IpAddr>,
    /// What was seen, or why nothing was.
    pub seen: Result<Report, ApiFault>,
}

/// The last examination of each router, as long as the program runs.
pub(in crate::gate) type Examinations = HashMap<RouterId, Examination>;

/// What came of mending one finding.
#[derive(Debug)]
pub struct Mended {
    /// The finding.
    pub finding: Finding,
    /// How many rows its commands were for, or why it was not done.
    pub outcome: Result<usize, ApiFault>,
}

impl Gate {
    /// Our address as a router reaches it: as its packets or its API name it; `None` before anything was heard of it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn server_address(&self, router: RouterId) -> Result<Option<IpAddr>, Refused> {
        let lines = self.reader().nas_lines().await?;
        let told = lines.into_iter().filter(|line| line.nas.key.router == router).find_map(|line| line.server);
        let local = match self.api_state(router) {
            ApiState::Up { local, .. } => local,
            ApiState::Off | ApiState::Connecting | ApiState::Failing { .. } => None,
        };
        Ok(told.or(local))
    }

    /// Looks at everything on a router that radgram depends on; changes nothing. `server` is our address as the router
    /// reaches it, where an operator knows better than [`Gate::server_address`].
    ///
    /// # Errors
    /// No such router, it cannot be asked, or nobody knows our address.
    pub async fn examine_router(&self, router: RouterId, server: Option<IpAddr>) -> Result<Report, Refused> {
        let (api, router) = self.reached(router).await?;
        let seen = match self.look_over(api.as_ref(), &router, server).await {
            Ok(report) => Ok(report),
            Err(Refused::Router(fault)) => Err(fault),
            Err(other) => return Err(other),
        };
        let examination = Examination { at: self.now(), server, seen: seen.clone() };
        self.examinations.lock().unwrap_or_else(PoisonError::into_inner).insert(router.id, examination);
        Ok(seen?)
    }

    async fn look_over(&self, api: &dyn RouterApi, router: &Router, server: Option<IpAddr>) -> Result<Report, Refused> {
        if server.is_none() {
            // The first word with a router tells our own address.
            api.greet(router).await?;
        }
        let expected = self.expected(router, server).await?;
        Ok(api.examine(router, &expected).await?)
    }

    /// What was seen when a router was last examined by this program, however it was asked for.
    pub fn last_examination(&self, router: RouterId) -> Option<Examination> {
        self.examinations.lock().unwrap_or_else(PoisonError::into_inner).get(&router).cloned()
    }

    pub(super) fn forget_examination(&self, router: RouterId) {
        self.examinations.lock().unwrap_or_else(PoisonError::into_inner).remove(&router);
    }

    /// The set-up script of a router. Asks the router nothing.
    ///
    /// # Errors
    /// No such router, or nobody knows our address.
    pub async fn router_script(
        &self,
        router: RouterId,
        generation: Generation,
        server: Option<IpAddr>,
    ) -> Result<Script, Refused> {
        let routers = self.reader().routers().await?.routers;
        let router = routers.into_iter().find(|known| known.id == router).ok_or(Refused::NotFound("no such router"))?;
        let expected = self.expected(&router, server).await?;
        Ok(self.api()?.script(&router, &expected, generation))
    }

    /// Runs the set-up script over the router's API; stops at the first refusal.
    ///
    /// # Errors
    /// No such router, nobody knows our address, or what the router said. What was done before stays done: run again, it
    /// goes on.
    pub async fn apply_router_script(
        &self,
        actor: &Actor,
        router: RouterId,
        generation: Generation,
        server: Option<IpAddr>,
    ) -> Result<(), Refused> {
        let script = self.router_script(router, generation, server).await?;
        let (api, router) = self.reached(router).await?;
        let done = script.apply(api.as_ref(), &router).await;
        let detail = match &done {
            Ok(()) => format!("{}: set-up script", router.name),
            Err(fault) => format!("{}: set-up script, stopped: {fault}", router.name),
        };
        let tx = self.store.begin().await?;
        let deed = Deed { noun: "router", subject: router.id.0, verb: "script", detail: &detail };
        self.finish(tx, actor, deed, Ended::default()).await?;
        Ok(done?)
    }

    /// Examines the router and runs the commands of the findings that are named, as they are then.
    ///
    /// # Errors
    /// As [`Gate::examine_router`]; a command that is refused stands in its line.
    pub async fn mend_router(
        &self,
        actor: &Actor,
        router: RouterId,
        findings: &[String],
        server: Option<IpAddr>,
    ) -> Result<Vec<Mended>, Refused> {
        let mut report = self.examine_router(router, server).await?;
        report.findings.retain(|found| findings.contains(&found.id));
        let mut lines = Vec::new();
        for finding in report.findings {
            lines.push(self.mend(actor, router, finding).await?);
        }
        Ok(lines)
    }

    /// The same, with the very commands that somebody has read: a finding whose commands are others by now is left alone,
    /// and one that is not found any more has nothing left to be done.
    ///
    /// # Errors
    /// As [`Gate::mend_router`].
    pub async fn mend_router_as_shown(
        &self,
        actor: &Actor,
        router: RouterId,
        shown: &[Finding],
        server: Option<IpAddr>,
    ) -> Result<Vec<Mended>, Refused> {
        let report = self.examine_router(router, server).await?;
        let mut lines = Vec::new();
        for finding in shown {
            let outcome = match report.findings.iter().find(|found| found.id == finding.id) {
                Some(found) if found.fix == finding.fix => {
                    lines.push(self.mend(actor, router, finding.clone()).await?);
                    continue;
                }
                Some(_) => Err(ApiFault::Refused("its commands are others by now: look at them again".to_owned())),
                None => Ok(0),
            };
            lines.push(Mended { finding: finding.clone(), outcome });
        }
        Ok(lines)
    }

    /// Runs the commands of a finding, up to the first that is refused.
    async fn mend(&self, actor: &Actor, router: RouterId, finding: Finding) -> Result<Mended, Refused> {
        let (api, router) = self.reached(router).await?;
        let mut outcome = Ok(0);
        for command in &finding.fix {
            match (api.run(&router, command).await, &mut outcome) {
                (Ok(rows), Ok(sum)) => *sum += rows,
                (Err(fault), _) => {
                    outcome = Err(fault);
                    break;
                }
                (Ok(_), Err(_)) => break,
            }
        }
        let detail = match &outcome {
            Ok(_) => format!("{}: {}", router.name, finding.id),
            Err(fault) => format!("{}: {}, not done: {fault}", router.name, finding.id),
        };
        let tx = self.store.begin().await?;
        let deed = Deed { noun: "router", subject: router.id.0, verb: "mend", detail: &detail };
        self.finish(tx, actor, deed, Ended::default()).await?;
        Ok(Mended { finding, outcome })
    }

    /// What radgram expects of a router.
    async fn expected(&self, router: &Router, server: Option<IpAddr>) -> Result<Expected, Refused> {
        let server = match server {
            Some(server) => server,
            None => self.server_address(router.id).await?.ok_or_else(|| {
                Refused::field("server", "nothing was heard of this router yet: give our address as it reaches it")
            })?,
        };
        let Listens { auth, acct, radsec } = self.listens.get().copied().unwrap_or_default();
        let rules = self.reader().rules().await?.into_iter().filter(|rule| rule.router == router.id);
        Ok(Expected {
            server,
            auth_port: auth,
            acct_port: acct,
            radsec_port: radsec,
            coa_port: router.coa_port,
            interim: self.directory.system_policy().interim,
            accounts: self.reader().names_with_passwords().await?,
            rules: rules.map(|rule| RuleRef { id: rule.rule_id, comment: rule.comment }).collect(),
            api_user: router.api.as_ref().map_or_else(|| "radgram".to_owned(), |api| api.user.clone()),
            now: self.now(),
        })
    }
}
