//! The RouterOS edge: one connection per router to its API, and what the use cases ask over it.
//!
//! | module | is |
//! |---|---|
//! | `transport`, `tls` | the way to a router, and whose certificate is taken |
//! | `hello` | the log-in, in both its forms |
//! | `session` | commands and answers on one connection; silence is noticed |
//! | `task` | connects, and tries again |
//! | `link` | how the rest of this edge asks |
//! | [`pace`] | how long is waited, and how much is taken on |
//! | `active`, `rule`, `lease`, `account` | the menus |
//! | `user_manager` | which of the two User Managers a router has |
//! | `value`, `fault` | values as RouterOS writes them, and what its refusals mean |
//! | [`command`] | commands as people type them, sent |
//! | [`doctor`], [`script`] | what a router must be like, looked at and as commands |

mod account;
mod active;
pub mod command;
pub mod doctor;
mod fault;
mod hello;
mod lease;
mod link;
#[cfg(test)]
mod machine;
pub mod pace;
mod rule;
pub mod script;
mod session;
mod task;
mod tls;
mod transport;
mod user_manager;
mod value;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::domain::account::Switch;
use crate::domain::id::RouterId;
use crate::domain::router::Router;
use crate::entropy::Entropy;
use crate::gate::router_api::{
    AccountChange, Active, ApiFault, ApiState, Command, Expected, FilterRule, Generation, LeaseEntry, Menu,
    NewRouterAccount, Removed, Report, RouterAccount, RouterAccounts, RouterApi, RuleRef, Script,
};
use crate::proto::routeros::Sentence;
use command::{Ask, Console, Row};
use fault::unreachable;
use link::{Haste, Link};
use pace::Pace;
use task::Task;

/// The connections to the API of every router that was asked something.
pub struct Fleet {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    pace: Pace,
    /// One for each router with an API: as many as are configured, and no more.
    links: Mutex<HashMap<RouterId, Arc<Link>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Fleet {
    /// A fleet without connections: each is made when its router is first asked something. `clock` dates what
    /// [`RouterApi::state`] says, `entropy` spreads tries; waits are real time.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Arc<Self> {
        Self::with_pace(clock, entropy, Pace::default())
    }

    /// The same with other waits.
    pub fn with_pace(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, pace: Pace) -> Arc<Self> {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        Arc::new(Self { clock, entropy, pace, links: Mutex::default(), tasks, stop })
    }

    /// Lets every connection go and waits for their tasks; whoever waits for an answer is told. Nothing connects after.
    pub async fn close(&self) {
        self.stop.cancel();
        self.links().clear();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// All rows of a menu (or the only one of a menu without rows) as text: these properties of them, where they are set.
    ///
    /// # Errors
    /// As every call: see [`ApiFault`].
    pub async fn print(
        &self,
        router: &Router,
        menu: &str,
        properties: &[&str],
    ) -> Result<Vec<BTreeMap<String, String>>, ApiFault> {
        let print = Sentence::command(format!("{menu}/print")).with(".proplist", properties.join(","));
        self.say(router, print).await
    }

    /// Any command; the rows of its answer as text.
    ///
    /// # Errors
    /// As every call: see [`ApiFault`].
    pub async fn say(&self, router: &Router, command: Sentence) -> Result<Vec<BTreeMap<String, String>>, ApiFault> {
        self.within(async { self.link(router)?.texts(command).await }).await
    }

    fn links(&self) -> MutexGuard<'_, HashMap<RouterId, Arc<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The link of a router; another than before if its log-in is another.
    fn link(&self, router: &Router) -> Result<Arc<Link>, ApiFault> {
        let Some(api) = &router.api else {
            self.forget(router.id);
            return Err(ApiFault::Off);
        };
        let mut links = self.links();
        if self.stop.is_cancelled() {
            return Err(unreachable("radgram is stopping"));
        }
        if let Some(link) = links.get(&router.id).filter(|link| link.api == *api) {
            return Ok(Arc::clone(link));
        }
        let (link, orders) = Link::new(api.clone(), self.pace, self.stop.child_token());
        let (clock, entropy) = (Arc::clone(&self.clock), Arc::clone(&self.entropy));
        self.tasks.spawn(Task::new(router.name.clone(), &link, orders, clock, entropy).run());
        let link = Arc::new(link);
        if let Some(before) = links.insert(router.id, Arc::clone(&link)) {
            before.shared.stop.cancel();
        }
        Ok(link)
    }

    /// No call of the port takes longer, whatever it consists of.
    async fn within<T>(&self, work: impl Future<Output = Result<T, ApiFault>>) -> Result<T, ApiFault> {
        let late = || unreachable(format_args!("no answer within {} s", self.pace.call.as_secs_f32()));
        tokio::time::timeout(self.pace.call, work).await.unwrap_or_else(|_| Err(late()))
    }
}

#[async_trait]
impl RouterApi for Fleet {
    fn state(&self, router: RouterId) -> ApiState {
        self.links().get(&router).map(|link| link.state()).unwrap_or_default()
    }

    fn forget(&self, router: RouterId) {
        if let Some(link) = self.links().remove(&router) {
            link.shared.stop.cancel();
        }
    }

    async fn greet(&self, router: &Router) -> Result<ApiState, ApiFault> {
        self.within(async {
            let link = self.link(router)?;
            let sign = Sentence::command("/system/identity/print").with(".proplist", "name");
            let (names, _) = link.ask(sign, Haste::Now, |row| row.text("name").map(|name| fault::short(&name))).await?;
            // It may be called otherwise than at the log-in.
            names.into_iter().take(1).for_each(|name| link.is_called(name));
            Ok(link.state())
        })
        .await
    }

    async fn active(&self, router: &Router) -> Result<Vec<Active>, ApiFault> {
        self.within(async { active::list(&*self.link(router)?).await }).await
    }

    async fn active_changed(&self, router: &Router) {
        match self.link(router) {
            Ok(link) => link.changed().await,
            Err(_) => std::future::pending().await,
        }
    }

    async fn remove_active(&self, router: &Router, acct_session_id: &str, name: &[u8]) -> Result<Removed, ApiFault> {
        self.within(async { active::remove(&*self.link(router)?, acct_session_id, name).await }).await
    }

    async fn rules(&self, router: &Router, ids: Option<&[String]>) -> Result<Vec<FilterRule>, ApiFault> {
        self.within(async { rule::list(&*self.link(router)?, ids).await }).await
    }

    async fn switch_rule(&self, router: &Router, rule: &RuleRef, to: Switch) -> Result<FilterRule, ApiFault> {
        self.within(async { rule::switch(&*self.link(router)?, rule, to).await }).await
    }

    async fn leases(&self, router: &Router) -> Result<Vec<LeaseEntry>, ApiFault> {
        self.within(async { lease::list(&*self.link(router)?).await }).await
    }

    async fn put_lease(
        &self,
        router: &Router,
        address: IpAddr,
        timeout: Duration,
        comment: &str,
    ) -> Result<(), ApiFault> {
        self.within(async { lease::put(&*self.link(router)?, address, timeout, comment).await }).await
    }

    async fn drop_lease(&self, router: &Router, address: IpAddr) -> Result<(), ApiFault> {
        self.within(async { lease::drop_of(&*self.link(router)?, address).await }).await
    }

    async fn accounts(&self, router: &Router) -> RouterAccounts {
        let all = |menu| self.within(async move { account::all(&*self.link(router)?, menu).await });
        let (secrets, user_manager) = tokio::join!(all(Menu::Secret), all(Menu::UserManager));
        RouterAccounts { secrets, user_manager }
    }

    async fn accounts_named(
        &self,
        router: &Router,
        menu: Menu,
        names: &[String],
    ) -> Result<Vec<RouterAccount>, ApiFault> {
        self.within(async { account::named(&*self.link(router)?, menu, names).await }).await
    }

    async fn add_account(&self, router: &Router, new: &NewRouterAccount) -> Result<(), ApiFault> {
        self.within(async { account::add(&*self.link(router)?, new).await }).await
    }

    async fn change_account(
        &self,
        router: &Router,
        menu: Menu,
        name: &[u8],
        change: &AccountChange,
    ) -> Result<(), ApiFault> {
        self.within(async { account::change(&*self.link(router)?, menu, name, change).await }).await
    }

    async fn examine(&self, router: &Router, expected: &Expected) -> Result<Report, ApiFault> {
        self.within(doctor::examine(self, router, expected)).await
    }

    fn script(&self, router: &Router, expected: &Expected, generation: Generation) -> Script {
        script::script(router, expected, generation)
    }

    async fn run(&self, router: &Router, command: &Command) -> Result<usize, ApiFault> {
        self.within(async { command::run(self, router, command).await }).await
    }
}

#[async_trait]
impl Console for Fleet {
    async fn ask(&self, router: &Router, ask: &Ask) -> Result<Vec<Row>, ApiFault> {
        let start = Sentence::command(ask.command.as_str());
        let told = ask.arguments.iter().fold(start, |sentence, (name, value)| sentence.with(name, value));
        let asked = ask.queries.iter().fold(told, |sentence, (name, value)| sentence.query(format!("?{name}={value}")));
        self.say(router, asked).await
    }
}
