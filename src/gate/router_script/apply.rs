//! A script, run over a router's API.

use super::super::router_api::{ApiFault, RouterApi};
use super::{Script, Step};
use crate::domain::router::Router;

impl Script {
    /// Runs the script over the API, step by step, and stops at the first refusal that is not passed over. Run again, it
    /// goes on where it stopped.
    ///
    /// # Errors
    /// As [`RouterApi::run`].
    pub async fn apply(&self, api: &dyn RouterApi, router: &Router) -> Result<(), ApiFault> {
        apply(&self.0, api, router).await
    }
}

async fn apply(steps: &[Step], api: &dyn RouterApi, router: &Router) -> Result<(), ApiFault> {
    for step in steps {
        match step {
            Step::Remark(_) => {}
            Step::Do(command) => {
                api.run(router, command).await?;
            }
            Step::Try(command) => match api.run(router, command).await {
                Err(ApiFault::Refused(_) | ApiFault::NoMenu(_)) | Ok(_) => {}
                Err(fault) => return Err(fault),
            },
            Step::Once { unless, then } => {
                if api.run(router, unless).await? == 0 {
                    Box::pin(apply(then, api, router)).await?;
                }
            }
        }
    }
    Ok(())
}
