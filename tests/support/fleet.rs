//! Routers that live in memory: what the use cases ask over the port is answered from what a test says they are.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part of it, and fails by panicking")]

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use radgram::clock::Timestamp;
use radgram::domain::account::Switch;
use radgram::domain::id::RouterId;
use radgram::domain::router::Router;
use radgram::gate::router_api::{
    AccountChange, Active, AdmittedBy, ApiFault, ApiState, Command, Expected, FilterRule, Generation, LeaseEntry, Menu,
    NewRouterAccount, Removed, Report, RouterAccount, RouterAccounts, RouterApi, RuleRef, Script, Seen, Step, Verb,
};
use radgram::secret::Secret;

/// How often it is looked whether a router answers again.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What one router is like.
#[derive(Clone)]
pub struct Unit {
    pub state: ApiState,
    /// What everything is answered with, if anything.
    pub fault: Option<ApiFault>,
    /// What a change is answered with, if it is refused.
    pub read_only: Option<ApiFault>,
    /// Whether it gives no answer for now.
    pub hangs: bool,
    pub active: Vec<Active>,
    pub rules: Vec<FilterRule>,
    pub accounts: Vec<RouterAccount>,
    pub has_user_manager: bool,
    pub leases: Vec<LeaseEntry>,
    pub report: Report,
    /// The commands that were run, as they are typed.
    pub ran: Vec<String>,
    /// The command that is refused, as it is typed.
    pub refuses: Option<String>,
    /// How often it was let go.
    pub forgotten: usize,
}

impl Default for Unit {
    fn default() -> Self {
        Self {
            state: ApiState::Off,
            fault: None,
            read_only: None,
            hangs: false,
            active: Vec::new(),
            rules: Vec::new(),
            accounts: Vec::new(),
            has_user_manager: false,
            leases: Vec::new(),
            report: Report { passed: Vec::new(), findings: Vec::new() },
            ran: Vec::new(),
            refuses: None,
            forgotten: 0,
        }
    }
}

/// The API of routers in memory.
#[derive(Default)]
pub struct FakeFleet(Mutex<HashMap<RouterId, Unit>>);

impl FakeFleet {
    pub fn new() -> Arc<FakeFleet> {
        Arc::default()
    }

    /// Looks at a router, or makes it other than it is.
    pub fn with<T>(&self, router: RouterId, change: impl FnOnce(&mut Unit) -> T) -> T {
        change(self.0.lock().unwrap().entry(router).or_default())
    }

    async fn change<T>(
        &self,
        router: &Router,
        answer: impl FnOnce(&mut Unit) -> Result<T, ApiFault>,
    ) -> Result<T, ApiFault> {
        self.ask(router, |asked| match &asked.read_only {
            Some(fault) => Err(fault.clone()),
            None => answer(asked),
        })
        .await
    }

    async fn ask<T>(
        &self,
        router: &Router,
        answer: impl FnOnce(&mut Unit) -> Result<T, ApiFault>,
    ) -> Result<T, ApiFault> {
        while self.with(router.id, |asked| asked.hangs) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.with(router.id, |asked| match &asked.fault {
            Some(fault) => Err(fault.clone()),
            None => answer(asked),
        })
    }
}

/// A connection of this name that came in by this way.
pub fn active(name: &[u8], acct_session_id: &str, admitted: AdmittedBy) -> Active {
    Active {
        acct_session_id: acct_session_id.to_owned(),
        name: name.to_vec(),
        service: "l2tp".to_owned(),
        caller: Some("203.0.113.7".to_owned()),
        address: "10.8.0.9".parse().ok(),
        uptime: Duration::from_secs(90),
        admitted,
        octets: None,
    }
}

/// A filter rule with this id and comment.
pub fn rule(id: &str, comment: &[u8], switch: Switch) -> FilterRule {
    FilterRule { id: id.to_owned(), comment: comment.to_vec(), switch, what: "forward accept".to_owned() }
}

/// An account of a router.
pub fn account(menu: Menu, name: &[u8], password: &str) -> RouterAccount {
    RouterAccount {
        menu,
        id: "*1".to_owned(),
        name: name.to_vec(),
        password: if password.is_empty() { Seen::Empty } else { Seen::Password(Secret::new(password)) },
        switch: Switch::Enabled,
        comment: Vec::new(),
        properties: BTreeMap::from([("profile".to_owned(), "default-encryption".to_owned())]),
    }
}

/// Logged in since then, as `office` with RouterOS 7.22.
pub fn up(since: Timestamp) -> ApiState {
    ApiState::Up {
        since,
        version: "7.22 (stable)".to_owned(),
        identity: "office".to_owned(),
        local: "198.51.100.2".parse().ok(),
    }
}

#[async_trait]
impl RouterApi for FakeFleet {
    fn state(&self, router: RouterId) -> ApiState {
        self.with(router, |asked| asked.state.clone())
    }

    fn forget(&self, router: RouterId) {
        self.with(router, |asked| asked.forgotten += 1);
    }

    async fn greet(&self, router: &Router) -> Result<ApiState, ApiFault> {
        self.ask(router, |asked| Ok(asked.state.clone())).await
    }

    async fn active(&self, router: &Router) -> Result<Vec<Active>, ApiFault> {
        self.ask(router, |asked| Ok(asked.active.clone())).await
    }

    async fn active_changed(&self, _: &Router) {
        std::future::pending().await
    }

    async fn remove_active(&self, router: &Router, acct_session_id: &str, name: &[u8]) -> Result<Removed, ApiFault> {
        self.change(router, |asked| {
            let before = asked.active.len();
            asked.active.retain(|active| active.acct_session_id != acct_session_id || active.name != name);
            Ok(if asked.active.len() < before { Removed::Removed } else { Removed::Absent })
        })
        .await
    }

    async fn rules(&self, router: &Router, ids: Option<&[String]>) -> Result<Vec<FilterRule>, ApiFault> {
        self.ask(router, |asked| {
            let meant = |rule: &&FilterRule| ids.is_none_or(|ids| ids.contains(&rule.id));
            Ok(asked.rules.iter().filter(meant).cloned().collect())
        })
        .await
    }

    async fn switch_rule(&self, router: &Router, rule: &RuleRef, to: Switch) -> Result<FilterRule, ApiFault> {
        self.change(router, |asked| {
            let found = asked.rules.iter_mut().find(|found| found.comment == rule.comment);
            let found = found.ok_or_else(|| ApiFault::Gone("no rule with this comment".to_owned()))?;
            found.switch = to;
            Ok(found.clone())
        })
        .await
    }

    async fn leases(&self, router: &Router) -> Result<Vec<LeaseEntry>, ApiFault> {
        self.ask(router, |asked| Ok(asked.leases.clone())).await
    }

    async fn put_lease(&self, router: &Router, _: IpAddr, _: Duration, _: &str) -> Result<(), ApiFault> {
        self.change(router, |_| Ok(())).await
    }

    async fn drop_lease(&self, router: &Router, _: IpAddr) -> Result<(), ApiFault> {
        self.change(router, |_| Ok(())).await
    }

    async fn accounts(&self, router: &Router) -> RouterAccounts {
        let of = |asked: &Unit, menu| asked.accounts.iter().filter(|row| row.menu == menu).cloned().collect();
        let secrets = self.ask(router, |asked| Ok(of(asked, Menu::Secret))).await;
        let user_manager = self.ask(router, |asked| {
            if asked.has_user_manager {
                Ok(of(asked, Menu::UserManager))
            } else {
                Err(ApiFault::NoMenu("/user-manager/user".to_owned()))
            }
        });
        RouterAccounts { secrets, user_manager: user_manager.await }
    }

    async fn accounts_named(
        &self,
        router: &Router,
        menu: Menu,
        names: &[String],
    ) -> Result<Vec<RouterAccount>, ApiFault> {
        let key = |row: &RouterAccount| String::from_utf8_lossy(&row.name).to_lowercase();
        self.ask(router, |asked| {
            let meant = |row: &&RouterAccount| row.menu == menu && names.contains(&key(row));
            Ok(asked.accounts.iter().filter(meant).cloned().collect())
        })
        .await
    }

    async fn add_account(&self, router: &Router, new: &NewRouterAccount) -> Result<(), ApiFault> {
        self.change(router, |asked| {
            if asked.accounts.iter().any(|row| row.menu == new.menu && row.name == new.name.as_bytes()) {
                return Err(ApiFault::Refused("failure: secret with the same name already exists".to_owned()));
            }
            let password = new.password.expose_str().unwrap().to_owned();
            asked
                .accounts
                .push(RouterAccount { switch: new.switch, ..account(new.menu, new.name.as_bytes(), &password) });
            Ok(())
        })
        .await
    }

    async fn change_account(
        &self,
        router: &Router,
        menu: Menu,
        name: &[u8],
        change: &AccountChange,
    ) -> Result<(), ApiFault> {
        self.change(router, |asked| {
            let at = asked.accounts.iter().position(|row| row.menu == menu && row.name == name);
            let at = at.ok_or_else(|| ApiFault::Gone("no such account".to_owned()))?;
            let row = &mut asked.accounts[at];
            match change {
                AccountChange::Switch(switch) => row.switch = *switch,
                AccountChange::Password(password) => row.password = Seen::Password(password.clone()),
                AccountChange::Retire { name } => {
                    row.name = name.clone().into_bytes();
                    row.switch = Switch::Disabled;
                }
                AccountChange::Remove => {
                    asked.accounts.remove(at);
                }
            }
            Ok(())
        })
        .await
    }

    async fn examine(&self, router: &Router, _: &Expected) -> Result<Report, ApiFault> {
        self.ask(router, |asked| Ok(asked.report.clone())).await
    }

    fn script(&self, router: &Router, expected: &Expected, generation: Generation) -> Script {
        let entry = Command::new("/radius", Verb::Add).with("service", "ppp");
        let entry = entry.with("address", &expected.server.to_string());
        let line = match generation {
            Generation::V6 => "for RouterOS 6.49",
            Generation::V7 => "for RouterOS 7",
        };
        Script(vec![
            Step::Remark(line.to_owned()),
            Step::Do(entry.with_secret("secret", "radiusSecret", &router.secret)),
            Step::Do(Command::new("/ppp/aaa", Verb::Set).with("use-radius", "yes")),
        ])
    }

    async fn run(&self, router: &Router, command: &Command) -> Result<usize, ApiFault> {
        let typed = command.to_string();
        self.change(router, |asked| {
            if asked.refuses.as_deref() == Some(typed.as_str()) {
                return Err(ApiFault::Refused("not enough permissions (9)".to_owned()));
            }
            asked.ran.push(typed);
            Ok(1)
        })
        .await
    }
}
