//! Operators and the accounts that a router keeps itself: add, enable, disable, another password, remove; many at once.

use std::collections::{HashMap, HashSet};

use super::super::bulk::{BulkLine, Lines, Progress, Run, STOPPED, Watch, concerns_all, not_too_many};
use super::super::router_api::{AccountChange, ApiFault, Menu, NewRouterAccount, RouterAccount, RouterApi};
use super::super::session::Ended;
use super::super::{Gate, Refused};
use super::account::checked_password;
use super::adopt::key_of;
use crate::domain::account::{Switch, account_name, name_key};
use crate::domain::audit::Actor;
use crate::domain::id::RouterId;
use crate::domain::router::{Router, Scheme};
use crate::domain::want::{Thing, WantedState};
use crate::secret::Secret;
use crate::store::audit::Deed;
use crate::store::want::Want;
use crate::text::one_line;

/// The most characters of a profile's name or a comment: RouterOS's own limits are wider, a form needs no more.
const TEXT_CHARS: usize = 255;

/// What is done with accounts of a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountStep {
    /// They are enabled or disabled.
    Switch(Switch),
    /// They get this password.
    Password(Secret),
    /// They are removed.
    Remove,
}

impl AccountStep {
    /// The word in the audit and on pages.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Switch(Switch::Enabled) => "enable account",
            Self::Switch(Switch::Disabled) => "disable account",
            Self::Password(_) => "account password",
            Self::Remove => "remove account",
        }
    }

    fn change(&self) -> AccountChange {
        match self {
            Self::Switch(switch) => AccountChange::Switch(*switch),
            Self::Password(password) => AccountChange::Password(password.clone()),
            Self::Remove => AccountChange::Remove,
        }
    }
}

/// Several accounts of one menu, and what is done with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSteps {
    /// Where they are.
    pub menu: Menu,
    /// Their names, exactly as the router has them.
    pub names: Vec<String>,
    /// What is done.
    pub step: AccountStep,
    /// Whether it is done or only tried out.
    pub run: Run,
}

/// What the router and the store say of the names.
struct Seen {
    rows: HashMap<String, Vec<RouterAccount>>,
    wants: HashMap<String, Want>,
}

impl Gate {
    /// Makes an account on a router. It is the router's, not radgram's: where the router asks over RADIUS, who dials with it
    /// bypasses radgram, so a name that radgram has is refused there.
    ///
    /// # Errors
    /// At the field: a bad name, password, profile or comment, or a name that radgram has; no such router, or what it says.
    pub async fn add_router_account(
        &self,
        actor: &Actor,
        router: RouterId,
        new: &NewRouterAccount,
    ) -> Result<(), Refused> {
        let new = checked(new)?;
        let (api, router) = self.reached(router).await?;
        let here = self.reader().account_id(&name_key(&new.name)).await?;
        if here.is_some() && router.scheme == Scheme::Radius && new.menu == Menu::Secret {
            let message = "radgram has an account of this name; a secret on the router would bypass it";
            return Err(Refused::field("name", message));
        }
        let added = api.add_account(&router, &new).await;
        let outcome = match &added {
            Ok(()) => String::new(),
            Err(fault) => format!(": {fault}"),
        };
        let detail = format!("{}: {} {}{outcome}", router.name, new.menu.word(), one_line(&new.name));
        self.write_down_on_router(actor, &router, "add account", &detail).await?;
        Ok(added?)
    }

    /// Changes accounts of a router, one after the other: a line for each name with what the router said. What concerns one
    /// name does not stop the others; what concerns all of them does.
    ///
    /// # Errors
    /// A bad password, no such router, its API is not configured, or the names cannot be looked up there.
    pub async fn change_router_accounts(
        &self,
        actor: &Actor,
        router: RouterId,
        steps: &AccountSteps,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<BulkLine>, Refused> {
        let watch = Watch { heard: &|made, _| progress(made), stop: Default::default() };
        self.change_each(actor, router, steps, &watch).await
    }

    pub(in crate::gate) async fn change_each(
        &self,
        actor: &Actor,
        router: RouterId,
        steps: &AccountSteps,
        watch: &Watch<'_>,
    ) -> Result<Vec<BulkLine>, Refused> {
        if let AccountStep::Password(password) = &steps.step {
            checked_password(password, "password")?;
        }
        let names = unique(&steps.names);
        not_too_many(names.len())?;
        let (api, router) = self.reached(router).await?;
        let seen = tokio::select! {
            () = watch.stop.cancelled() => return Err(Refused::conflict(STOPPED)),
            seen = self.seen(api.as_ref(), &router, steps.menu, &names) => seen?,
        };
        let mut lines = Lines::of(names.len(), watch);
        let mut ended_by = None;
        for name in &names {
            if ended_by.is_none() && watch.stop.is_cancelled() {
                ended_by = Some(STOPPED.to_owned());
            }
            let line = match &ended_by {
                Some(why) => BulkLine::not_tried(&one_line(name), why),
                None => self.change_one(api.as_ref(), &router, steps, (name, &seen), &mut ended_by).await,
            };
            lines.push(line);
        }
        if steps.run == Run::Real && !names.is_empty() {
            let detail = format!("{}: {} of {} in {}", router.name, lines.done_count(), names.len(), steps.menu.word());
            if let Err(error) = self.write_down_on_router(actor, &router, steps.step.verb(), &detail).await {
                // What is done on the router is done; whoever asked hears of it in any case.
                tracing::error!(router = router.name, %error, "changes on a router could not be written down");
            }
        }
        Ok(lines.into_lines())
    }

    async fn seen(&self, api: &dyn RouterApi, router: &Router, menu: Menu, names: &[String]) -> Result<Seen, Refused> {
        if names.is_empty() {
            return Ok(Seen { rows: HashMap::new(), wants: HashMap::new() });
        }
        let mut rows: HashMap<String, Vec<RouterAccount>> = HashMap::new();
        for row in api.accounts_named(router, menu, names).await? {
            rows.entry(key_of(&row)).or_default().push(row);
        }
        let of_menu = |want: Want| match (&want.thing, menu) {
            (Thing::Secret(name), Menu::Secret) | (Thing::UserManager(name), Menu::UserManager) => {
                Some((name_key(name), want))
            }
            _ => None,
        };
        let wants = self.reader().wants_of_router(router.id).await?.into_iter().filter_map(of_menu).collect();
        Ok(Seen { rows, wants })
    }

    async fn change_one(
        &self,
        api: &dyn RouterApi,
        router: &Router,
        steps: &AccountSteps,
        (name, seen): (&str, &Seen),
        ended_by: &mut Option<String>,
    ) -> BulkLine {
        let shown = one_line(name);
        let row = match may_change(&steps.step, name, seen) {
            Ok(row) => row,
            Err(why) => return BulkLine::refused(&shown, why),
        };
        if let AccountStep::Switch(switch) = steps.step
            && row.switch == switch
        {
            return BulkLine::done(&shown, vec!["it was so already".to_owned()]);
        }
        match steps.run {
            Run::Dry => return BulkLine::done(&shown, Vec::new()),
            Run::Real => {}
        }
        match api.change_account(router, steps.menu, &row.name, &steps.step.change()).await {
            Ok(()) => BulkLine::done(&shown, Vec::new()),
            Err(ApiFault::Gone(_)) if steps.step == AccountStep::Remove => {
                BulkLine::done(&shown, vec!["somebody removed it meanwhile".to_owned()])
            }
            Err(fault) if concerns_all(&fault) => {
                *ended_by = Some(format!("not tried any more: {fault}"));
                let unknown = if fault.is_passing() { "; whether it was done is not known" } else { "" };
                BulkLine::not_tried(&shown, format!("{fault}{unknown}"))
            }
            Err(fault) => BulkLine::refused(&shown, fault.to_string()),
        }
    }

    async fn write_down_on_router(
        &self,
        actor: &Actor,
        router: &Router,
        verb: &str,
        detail: &str,
    ) -> Result<(), Refused> {
        let tx = self.store.begin().await?;
        self.finish(tx, actor, Deed { noun: "router", subject: router.id.0, verb, detail }, Ended::default()).await
    }
}

/// The row of exactly this name, if the step may be taken with it.
fn may_change<'a>(step: &AccountStep, name: &str, seen: &'a Seen) -> Result<&'a RouterAccount, String> {
    let alike = seen.rows.get(&name_key(name)).map(Vec::as_slice).unwrap_or_default();
    let exact: Vec<&RouterAccount> = alike.iter().filter(|row| row.name == name.as_bytes()).collect();
    let row = match (exact.as_slice(), alike) {
        ([row], _) => *row,
        ([], []) => return Err("the router has no such account".to_owned()),
        ([], [other, ..]) => {
            return Err(format!("the router writes it {}", one_line(&String::from_utf8_lossy(&other.name))));
        }
        (more, _) => return Err(format!("the router has {} accounts of this name", more.len())),
    };
    let want = seen.wants.get(&name_key(name)).map(|want| want.state);
    match (step, want) {
        (AccountStep::Switch(_), Some(WantedState::On | WantedState::Off)) => {
            Err("radgram switches it by itself: grant or end the session, or enable or disable radgram's account"
                .to_owned())
        }
        (AccountStep::Switch(_) | AccountStep::Password(_), Some(WantedState::Removed | WantedState::Retired)) => {
            Err("radgram has adopted it and is about to take it off the router".to_owned())
        }
        (AccountStep::Switch(_), None)
        | (AccountStep::Password(_), None | Some(WantedState::On | WantedState::Off))
        | (AccountStep::Remove, _) => Ok(row),
    }
}

fn unique(names: &[String]) -> Vec<String> {
    let mut seen = HashSet::new();
    names.iter().filter(|name| seen.insert(name.as_str())).cloned().collect()
}

fn checked(new: &NewRouterAccount) -> Result<NewRouterAccount, Refused> {
    let name = account_name(&new.name).map_err(|why| Refused::field("name", why))?;
    checked_password(&new.password, "password")?;
    let text = |text: &str, field: &'static str| {
        if text.chars().count() > TEXT_CHARS || text.chars().any(char::is_control) {
            return Err(Refused::field(field, format!("expected at most {TEXT_CHARS} characters on one line")));
        }
        Ok(text.trim().to_owned())
    };
    let profile = new.profile.as_deref().map(|profile| text(profile, "profile")).transpose()?;
    let profile = profile.filter(|profile| !profile.is_empty());
    Ok(NewRouterAccount { name, profile, comment: text(&new.comment, "comment")?, ..new.clone() })
}
