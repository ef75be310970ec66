//! A router's API in memory: accounts as the router would keep them, with the faults that a test asks for.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part of it, and fails by panicking")]

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use radgram::clock::Timestamp;
use radgram::domain::account::Switch;
use radgram::domain::id::RouterId;
use radgram::domain::router::Router;
use radgram::gate::router_api::{
    AccountChange, Active, ApiFault, ApiState, Command, Expected, FilterRule, Generation, LeaseEntry, Menu,
    NewRouterAccount, Removed, Report, RouterAccount, RouterAccounts, RouterApi, RuleRef, Script, Seen,
};
use radgram::secret::Secret;
use tokio::sync::Semaphore;

/// A router in memory. Clones are the same router.
#[derive(Clone, Default)]
pub struct FakeRouter(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    /// If set, each change waits for a permit.
    turnstile: Mutex<Option<Arc<Semaphore>>>,
    /// Changes that wait for one.
    waiting: AtomicUsize,
    /// The same for looks at the leases.
    before_leases: Mutex<Option<Arc<Semaphore>>>,
    /// How often the connections were read.
    looks: AtomicUsize,
}

#[derive(Default)]
struct State {
    accounts: Vec<RouterAccount>,
    rules: Vec<FilterRule>,
    leases: BTreeMap<IpAddr, Duration>,
    active: Vec<Active>,
    next_id: u32,
    identity: Option<String>,
    breaks: bool,
    hidden: bool,
    away: bool,
    up_since: Timestamp,
    unread: HashMap<Menu, ApiFault>,
    refusals: HashMap<Vec<u8>, ApiFault>,
    /// Changes that still get through before the router is out of reach.
    reach: Option<usize>,
    calls: Vec<String>,
}

impl FakeRouter {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// Keeps an account.
    pub fn keep(&self, menu: Menu, name: impl AsRef<[u8]>, password: &str, properties: &[(&str, &str)]) {
        let mut state = self.state();
        state.next_id += 1;
        let account = RouterAccount {
            menu,
            id: format!("*{:X}", state.next_id),
            name: name.as_ref().to_vec(),
            password: if password.is_empty() { Seen::Empty } else { Seen::Password(Secret::new(password)) },
            switch: Switch::Enabled,
            comment: Vec::new(),
            properties: properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        state.accounts.push(account);
    }

    /// Keeps a PPP secret.
    pub fn secret(&self, name: &str, password: &str, properties: &[(&str, &str)]) {
        self.keep(Menu::Secret, name, password, properties);
    }

    /// Changes what is kept of a name.
    pub fn alter(&self, name: &str, change: impl FnOnce(&mut RouterAccount)) {
        change(self.state().accounts.iter_mut().find(|account| account.name == name.as_bytes()).unwrap());
    }

    /// The API user lacks `sensitive`.
    pub fn hide_passwords(&self) {
        self.state().hidden = true;
    }

    /// A menu cannot be read.
    pub fn cannot_read(&self, menu: Menu, fault: ApiFault) {
        self.state().unread.insert(menu, fault);
    }

    /// Changes of this name are refused.
    pub fn refuses(&self, name: &str, fault: ApiFault) {
        self.state().refusals.insert(name.as_bytes().to_vec(), fault);
    }

    /// After this many changes the router is out of reach.
    pub fn lost_after(&self, changes: usize) {
        self.state().reach = Some(changes);
    }

    /// It is in reach again.
    pub fn comes_back(&self) {
        self.state().reach = None;
    }

    /// The addresses that have a lease.
    pub fn leased(&self) -> Vec<String> {
        self.state().leases.keys().map(ToString::to_string).collect()
    }

    /// Has a filter rule, disabled.
    pub fn filters(&self, id: &str, comment: &str) {
        let comment = comment.as_bytes().to_vec();
        let what = "forward accept".to_owned();
        let rule = FilterRule { id: id.to_owned(), comment, switch: Switch::Disabled, what };
        self.state().rules.push(rule);
    }

    /// Whether the rule is enabled.
    pub fn rule_is_on(&self, id: &str) -> bool {
        self.state().rules.iter().any(|rule| rule.id == id && rule.switch == Switch::Enabled)
    }

    /// A connection is up.
    pub fn connects(&self, active: Active) {
        self.state().active.push(active);
    }

    /// It is called otherwise than `office` from now on.
    pub fn is_called(&self, identity: &str) {
        self.state().identity = Some(identity.to_owned());
    }

    /// The next look at its connections ends in a panic.
    pub fn breaks_once(&self) {
        self.state().breaks = true;
    }

    /// Whether it has not broken yet.
    pub fn is_to_break(&self) -> bool {
        self.state().breaks
    }

    /// Every connection is down.
    pub fn hangs_up(&self) {
        self.state().active.clear();
    }

    /// From now on each change waits until it is let through.
    pub fn hold_changes(&self) -> Arc<Semaphore> {
        let turnstile = Arc::new(Semaphore::new(0));
        *self.0.turnstile.lock().unwrap() = Some(turnstile.clone());
        turnstile
    }

    /// From now on each look at its leases waits until it is let through; it counts among those that wait.
    pub fn hold_leases(&self) -> Arc<Semaphore> {
        let turnstile = Arc::new(Semaphore::new(0));
        *self.0.before_leases.lock().unwrap() = Some(turnstile.clone());
        turnstile
    }

    /// It answers nothing from now on.
    pub fn goes_away(&self) {
        self.state().away = true;
    }

    /// It answers again, since `at`.
    pub fn is_back(&self, at: Timestamp) {
        let mut state = self.state();
        (state.away, state.up_since) = (false, at);
    }

    /// How many changes wait to be let through.
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::SeqCst)
    }

    /// How often the connections were read so far.
    pub fn looks(&self) -> usize {
        self.0.looks.load(Ordering::SeqCst)
    }

    /// The names in a menu, with `-` before those that are disabled.
    pub fn names(&self, menu: Menu) -> Vec<String> {
        let shown = |account: &RouterAccount| {
            let mark = if account.switch == Switch::Disabled { "-" } else { "" };
            format!("{mark}{}", String::from_utf8_lossy(&account.name))
        };
        self.state().accounts.iter().filter(|account| account.menu == menu).map(shown).collect()
    }

    /// What the router has for a name.
    pub fn account(&self, name: &str) -> Option<RouterAccount> {
        self.state().accounts.iter().find(|account| account.name == name.as_bytes()).cloned()
    }

    /// What was asked that changes something, in order.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    async fn pass_turnstile(&self) {
        self.pass(&self.0.turnstile).await;
    }

    async fn pass(&self, turnstile: &Mutex<Option<Arc<Semaphore>>>) {
        let turnstile = turnstile.lock().unwrap().clone();
        if let Some(turnstile) = turnstile {
            self.0.waiting.fetch_add(1, Ordering::SeqCst);
            turnstile.acquire().await.unwrap().forget();
            self.0.waiting.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Whether a change of this name gets through.
    fn admit(&self, call: String, name: &[u8]) -> Result<MutexGuard<'_, State>, ApiFault> {
        let mut state = self.state();
        state.answers()?;
        match &mut state.reach {
            Some(0) => return Err(ApiFault::Unreachable("timed out".to_owned())),
            Some(left) => *left -= 1,
            None => {}
        }
        state.calls.push(call);
        match state.refusals.get(name) {
            Some(fault) => Err(fault.clone()),
            None => Ok(state),
        }
    }
}

impl State {
    fn answers(&self) -> Result<(), ApiFault> {
        if self.away { Err(ApiFault::Unreachable("timed out".to_owned())) } else { Ok(()) }
    }

    fn menu(&self, menu: Menu) -> Result<Vec<RouterAccount>, ApiFault> {
        if let Some(fault) = self.unread.get(&menu) {
            return Err(fault.clone());
        }
        let seen = |account: &RouterAccount| RouterAccount {
            password: if self.hidden { Seen::Hidden } else { account.password.clone() },
            ..account.clone()
        };
        Ok(self.accounts.iter().filter(|account| account.menu == menu).map(seen).collect())
    }
}

#[async_trait]
impl RouterApi for FakeRouter {
    fn state(&self, _: RouterId) -> ApiState {
        let state = self.state();
        if let Err(fault) = state.answers() {
            return ApiState::Failing { since: state.up_since, fault, next: state.up_since };
        }
        ApiState::Up {
            since: state.up_since,
            version: "7.22 (stable)".to_owned(),
            identity: state.identity.clone().unwrap_or_else(|| "office".to_owned()),
            local: None,
        }
    }

    fn forget(&self, _: RouterId) {}

    async fn greet(&self, router: &Router) -> Result<ApiState, ApiFault> {
        Ok(RouterApi::state(self, router.id))
    }

    async fn active(&self, _: &Router) -> Result<Vec<Active>, ApiFault> {
        let breaks = std::mem::take(&mut self.state().breaks);
        assert!(!breaks, "a test asked for this");
        self.0.looks.fetch_add(1, Ordering::SeqCst);
        self.state().answers()?;
        Ok(self.state().active.clone())
    }

    async fn active_changed(&self, _: &Router) {
        std::future::pending().await
    }

    async fn remove_active(&self, _: &Router, acct_session_id: &str, name: &[u8]) -> Result<Removed, ApiFault> {
        let mut state = self.admit(format!("remove connection {acct_session_id}"), name)?;
        let before = state.active.len();
        state.active.retain(|active| active.acct_session_id != acct_session_id || active.name != name);
        Ok(if state.active.len() < before { Removed::Removed } else { Removed::Absent })
    }

    async fn rules(&self, _: &Router, ids: Option<&[String]>) -> Result<Vec<FilterRule>, ApiFault> {
        let wanted = |rule: &&FilterRule| ids.is_none_or(|ids| ids.contains(&rule.id));
        Ok(self.state().rules.iter().filter(wanted).cloned().collect())
    }

    async fn switch_rule(&self, _: &Router, rule: &RuleRef, to: Switch) -> Result<FilterRule, ApiFault> {
        let mut state = self.admit(format!("switch rule {}", rule.id), &rule.comment)?;
        let found = state.rules.iter_mut().find(|found| found.comment == rule.comment);
        let found = found.ok_or_else(|| ApiFault::Gone(rule.id.clone()))?;
        found.switch = to;
        Ok(found.clone())
    }

    async fn leases(&self, _: &Router) -> Result<Vec<LeaseEntry>, ApiFault> {
        self.pass(&self.0.before_leases).await;
        let entry = |(address, timeout): (&IpAddr, &Duration)| LeaseEntry {
            id: format!("*{address}"),
            address: address.to_string(),
            timeout: Some(*timeout),
            comment: b"radgram".to_vec(),
        };
        Ok(self.state().leases.iter().map(entry).collect())
    }

    async fn put_lease(&self, _: &Router, address: IpAddr, timeout: Duration, comment: &str) -> Result<(), ApiFault> {
        self.admit(format!("lease {address}"), comment.as_bytes())?.leases.insert(address, timeout);
        Ok(())
    }

    async fn drop_lease(&self, _: &Router, address: IpAddr) -> Result<(), ApiFault> {
        self.admit(format!("drop lease {address}"), b"")?.leases.remove(&address);
        Ok(())
    }

    async fn accounts(&self, _: &Router) -> RouterAccounts {
        let state = self.state();
        RouterAccounts { secrets: state.menu(Menu::Secret), user_manager: state.menu(Menu::UserManager) }
    }

    async fn accounts_named(&self, _: &Router, menu: Menu, names: &[String]) -> Result<Vec<RouterAccount>, ApiFault> {
        let keys: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        let mut found = self.state().menu(menu)?;
        found.retain(|account| keys.contains(&String::from_utf8_lossy(&account.name).to_lowercase()));
        for account in &mut found {
            account.password = Seen::Hidden;
        }
        Ok(found)
    }

    async fn add_account(&self, _: &Router, new: &NewRouterAccount) -> Result<(), ApiFault> {
        self.pass_turnstile().await;
        let state = self.admit(format!("add {}", new.name), new.name.as_bytes())?;
        if state.accounts.iter().any(|account| account.menu == new.menu && account.name == new.name.as_bytes()) {
            return Err(ApiFault::Refused("failure: secret with the same name already exists".to_owned()));
        }
        drop(state);
        let profile = new.profile.as_deref().unwrap_or("default");
        let property = if new.menu == Menu::Secret { "profile" } else { "group" };
        self.keep(new.menu, &new.name, new.password.expose_str().unwrap(), &[(property, profile)]);
        self.alter(&new.name, |account| {
            account.switch = new.switch;
            account.comment = new.comment.clone().into_bytes();
        });
        Ok(())
    }

    async fn change_account(
        &self,
        _: &Router,
        menu: Menu,
        name: &[u8],
        change: &AccountChange,
    ) -> Result<(), ApiFault> {
        self.pass_turnstile().await;
        let shown = String::from_utf8_lossy(name);
        let mut state = self.admit(format!("{} {shown}", word(change)), name)?;
        let at = state.accounts.iter().position(|account| account.menu == menu && account.name == name);
        let at = at.ok_or_else(|| ApiFault::Gone(shown.into_owned()))?;
        match change {
            AccountChange::Switch(switch) => state.accounts[at].switch = *switch,
            AccountChange::Password(password) => state.accounts[at].password = Seen::Password(password.clone()),
            AccountChange::Retire { name } => {
                state.accounts[at].name = name.clone().into_bytes();
                state.accounts[at].switch = Switch::Disabled;
            }
            AccountChange::Remove => {
                state.accounts.remove(at);
            }
        }
        Ok(())
    }

    async fn examine(&self, _: &Router, _: &Expected) -> Result<Report, ApiFault> {
        Ok(Report { passed: Vec::new(), findings: Vec::new() })
    }

    fn script(&self, _: &Router, _: &Expected, _: Generation) -> Script {
        Script(Vec::new())
    }

    async fn run(&self, _: &Router, _: &Command) -> Result<usize, ApiFault> {
        Ok(0)
    }
}

fn word(change: &AccountChange) -> &'static str {
    match change {
        AccountChange::Switch(Switch::Enabled) => "enable",
        AccountChange::Switch(Switch::Disabled) => "disable",
        AccountChange::Password(_) => "password",
        AccountChange::Retire { .. } => "retire",
        AccountChange::Remove => "remove",
    }
}
