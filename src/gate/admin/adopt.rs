//! Adoption: accounts that a router keeps itself become radgram's. What the router has goes only after our copy of it is
//! committed, and by a want that outlives a crash.

use std::collections::{HashMap, HashSet};

use super::super::bulk::{BulkLine, Lines, Progress, Run, STOPPED, Watch, not_too_many};
use super::super::router_api::{Menu, RouterAccount, Seen};
use super::super::session::Ended;
use super::super::{Gate, Refused};
use super::account::checked_password;
use super::attribute::shown;
use super::carry::{Carried, carry};
use crate::domain::account::{Account, Source, Switch, account_name, name_key};
use crate::domain::attribute::Subject;
use crate::domain::audit::Actor;
use crate::domain::credential::Credential;
use crate::domain::id::{AccountId, RouterId};
use crate::domain::router::{Router, Scheme};
use crate::domain::setting::Level;
use crate::domain::want::{RETIRED, Thing, WantedState};
use crate::secret::Secret;
use crate::store::Tx;
use crate::store::audit::Deed;
use crate::store::want::NewWant;
use crate::text::one_line;

/// What is to be adopted, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    /// From where on the router.
    pub menu: Menu,
    /// Which accounts.
    pub names: Names,
    /// What becomes of them on the router.
    pub afterwards: Afterwards,
    /// Whether it is done or only tried out.
    pub run: Run,
}

/// Which accounts of a router are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// All of the menu, but those that were taken over and renamed.
    All,
    /// These. A name that the router writes in another case is found as long as no other one is like it.
    Names(Vec<String>),
}

/// What becomes of an account on the router once radgram has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    /// It is removed: the sealed copy is the only one.
    Removed,
    /// It is renamed and disabled.
    Renamed,
    /// It stays, and bypasses radgram: an alarm says so.
    Kept,
}

impl Afterwards {
    /// All, in the order of forms.
    pub const ALL: [Self; 3] = [Self::Removed, Self::Renamed, Self::Kept];

    /// The word in forms.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Renamed => "renamed",
            Self::Kept => "kept",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|afterwards| afterwards.word() == word)
    }

    const fn wanted(self) -> Option<WantedState> {
        match self {
            Self::Removed => Some(WantedState::Removed),
            Self::Renamed => Some(WantedState::Retired),
            Self::Kept => None,
        }
    }
}

/// One account to be adopted, or why it cannot be.
struct Candidate<'a> {
    /// As people read it.
    shown: String,
    found: Result<&'a RouterAccount, String>,
}

/// What is written of an account that can be adopted.
struct Adoptee<'a> {
    row: &'a RouterAccount,
    name: &'a str,
    password: &'a Secret,
    /// Whether it works, as far as others than radgram say so.
    switch: Switch,
    carried: Carried,
}

impl Gate {
    /// Adopts accounts of a router: name, password and what can be carried over. Each is one transaction with what is then
    /// wanted on the router, so that nothing is lost wherever it ends. A line for each name, in the order of the names.
    ///
    /// # Errors
    /// No such router, its API is not configured or does not answer, its menu cannot be read, or (at `afterwards`) the
    /// router decides by its own accounts. What concerns one name is in its line.
    pub async fn adopt_accounts(
        &self,
        actor: &Actor,
        router: RouterId,
        adoption: &Adoption,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<BulkLine>, Refused> {
        let watch = Watch { heard: &|made, _| progress(made), stop: Default::default() };
        self.adopt(actor, router, adoption, &watch).await
    }

    pub(in crate::gate) async fn adopt(
        &self,
        actor: &Actor,
        router: RouterId,
        adoption: &Adoption,
        watch: &Watch<'_>,
    ) -> Result<Vec<BulkLine>, Refused> {
        let (api, router) = self.reached(router).await?;
        if router.scheme == Scheme::Api && adoption.afterwards != Afterwards::Kept {
            let message = "the router decides by its own accounts (scheme api): they must be kept there";
            return Err(Refused::field("afterwards", message));
        }
        let accounts = tokio::select! {
            () = watch.stop.cancelled() => return Err(Refused::conflict(STOPPED)),
            accounts = api.accounts(&router) => accounts,
        };
        let rows = match adoption.menu {
            Menu::Secret => accounts.secrets?,
            Menu::UserManager => accounts.user_manager?,
        };
        let candidates = candidates(&rows, &adoption.names);
        not_too_many(candidates.len())?;
        let mut lines = Lines::of(candidates.len(), watch);
        let mut ended_by = None;
        for candidate in candidates {
            if ended_by.is_none() && watch.stop.is_cancelled() {
                ended_by = Some(STOPPED.to_owned());
            }
            let line = match (&ended_by, candidate.found) {
                (Some(why), _) => BulkLine::not_tried(&candidate.shown, why),
                (None, Err(why)) => BulkLine::refused(&candidate.shown, why),
                (None, Ok(row)) => match self.adopt_one(actor, &router, adoption, row).await {
                    Ok(line) => line,
                    Err(Refused::Store(error)) => {
                        ended_by = Some("the database did not answer".to_owned());
                        BulkLine::not_tried(&candidate.shown, error.to_string())
                    }
                    Err(refused) => BulkLine::refused(&candidate.shown, refused.to_string()),
                },
            };
            lines.push(line);
        }
        if let Err(error) = self.write_down_adoption(actor, &router, adoption, &lines).await {
            // Each account is written down by itself already.
            tracing::error!(router = router.name, %error, "an adoption could not be written down as a whole");
        }
        Ok(lines.into_lines())
    }

    async fn adopt_one(
        &self,
        actor: &Actor,
        router: &Router,
        adoption: &Adoption,
        row: &RouterAccount,
    ) -> Result<BulkLine, Refused> {
        let shown = shown_name(row);
        let (name, password) = match (router_name(row), password(row)) {
            (Ok(name), Ok(password)) => (name, password),
            (Err(why), _) | (_, Err(why)) => return Ok(BulkLine::refused(&shown, why)),
        };
        let carried = carry(row, &self.directory.system_policy());
        let mut tx = self.store.begin().await?;
        let switch = self.switch_by_others(&mut tx, router, (row, name)).await?;
        let adoptee = Adoptee { row, name, password, switch, carried };
        let mut line = BulkLine::done(&shown, Vec::new());
        let mut ended = Ended::default();
        let id = match tx.account_named(name).await? {
            None => tx.add_account(name, None, self.now()).await?,
            Some(account) => match self.completed(&mut tx, actor, &account, (&adoptee, &mut line), &mut ended).await? {
                Ok(()) => account.id,
                Err(why) => return Ok(BulkLine::refused(&shown, why)),
            },
        };
        self.write_adoptee(&mut tx, id, &adoptee, &mut line).await?;
        self.settle_with_router(&mut tx, router, (id, adoption.afterwards), (&adoptee, &mut line)).await?;
        match adoption.run {
            // Dropped, the transaction leaves nothing.
            Run::Dry => {}
            Run::Real => {
                let detail = format!("{shown} from {} of {}", adoption.menu.word(), router.name);
                let deed = Deed { noun: "account", subject: id.0, verb: "adopt", detail: &detail };
                self.finish(tx, actor, deed, ended).await?;
            }
        }
        Ok(line)
    }

    /// What radgram keeps disabled on a router itself, for want of a session, is not disabled by its admin.
    async fn switch_by_others(
        &self,
        tx: &mut Tx,
        router: &Router,
        (row, name): (&RouterAccount, &str),
    ) -> Result<Switch, Refused> {
        let key = name_key(name);
        let thing = match row.menu {
            Menu::Secret => Thing::Secret(key.clone()),
            Menu::UserManager => Thing::UserManager(key.clone()),
        };
        let is_off = tx.want_about(router.id, &thing).await?.is_some_and(|want| want.state == WantedState::Off);
        let is_kept = router.scheme == Scheme::Api && tx.account_named(&key).await?.is_some();
        Ok(if is_off || is_kept { Switch::Enabled } else { row.switch })
    }

    /// An account of the name is here already: it is completed if it has no password; else why not.
    async fn completed(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        account: &Account,
        (adoptee, line): (&Adoptee<'_>, &mut BulkLine),
        ended: &mut Ended,
    ) -> Result<Result<(), String>, Refused> {
        let entry = tx.entry(account.id).await?.ok_or(Refused::NotFound("no such account"))?;
        if entry.credential != Credential::None {
            return Ok(Err(match account.source {
                Source::Adopted => "it was adopted already".to_owned(),
                Source::Local => "an account of this name is here already, with a password of its own".to_owned(),
                Source::UserManager => "an account of this name is here already".to_owned(),
            }));
        }
        line.notes.push("an account of this name was here without a password: it is completed".to_owned());
        if adoptee.switch == Switch::Disabled && account.switch == Switch::Enabled {
            self.revoke(tx, account.id, actor, ended).await?;
        }
        if adoptee.switch == Switch::Enabled && account.switch == Switch::Disabled {
            line.notes.push("it stays disabled here".to_owned());
        }
        Ok(Ok(()))
    }

    /// Password, source, comment, switch, attributes and settings.
    async fn write_adoptee(
        &self,
        tx: &mut Tx,
        id: AccountId,
        adoptee: &Adoptee<'_>,
        line: &mut BulkLine,
    ) -> Result<(), Refused> {
        let own = tx.attributes(Subject::Account(id)).await?;
        let attributes =
            adoptee.carried.behind(&own).map_err(|refused| Refused::field("attributes", refused.to_string()))?;
        if !own.is_empty() {
            line.notes.push(format!("reply attributes that were set here stay: {}", shown(&own)));
        }
        tx.set_password(id, adoptee.password).await?;
        tx.set_source(id, Source::Adopted).await?;
        let comment = one_line(&String::from_utf8_lossy(&adoptee.row.comment));
        if !comment.is_empty() {
            tx.set_first_comment(id, &comment).await?;
        }
        if adoptee.switch == Switch::Disabled {
            tx.switch_account(id, Switch::Disabled).await?;
            line.notes.push("it is disabled, as on the router".to_owned());
        }
        tx.set_attributes(Subject::Account(id), &attributes).await?;
        line.carried = adoptee.carried.shown();
        line.notes.extend(adoptee.carried.left.iter().cloned());
        if adoptee.carried.settings.is_empty() {
            return Ok(());
        }
        let level = Level::Account(id.0);
        let stored = tx.settings_at(&[level]).await?;
        for (name, value) in &adoptee.carried.settings {
            match stored.at(name, level) {
                Some(own) => line.notes.push(format!("{name} = {own} was set here and stays")),
                None => tx.set_setting(name, level, value, self.now()).await?,
            }
        }
        Ok(())
    }

    /// What is wanted of the router's own account from now on; or the alarm that it stays.
    async fn settle_with_router(
        &self,
        tx: &mut Tx,
        router: &Router,
        (account, afterwards): (AccountId, Afterwards),
        (adoptee, line): (&Adoptee<'_>, &mut BulkLine),
    ) -> Result<(), Refused> {
        let now = self.now();
        let name = adoptee.name.to_owned();
        if let Some(state) = afterwards.wanted() {
            let thing = match adoptee.row.menu {
                Menu::Secret => Thing::Secret(name),
                Menu::UserManager => Thing::UserManager(name),
            };
            let want = NewWant { router: router.id, thing, state, account: Some(account), connection: None };
            tx.want(&want, now).await?;
        } else if router.scheme == Scheme::Radius {
            let shown = shown_name(adoptee.row);
            let (what, when) = match adoptee.row.menu {
                Menu::Secret => ("PPP secret", "who dials with it bypasses radgram"),
                Menu::UserManager => {
                    ("User Manager user", "who dials with it bypasses radgram where the router asks its User Manager")
                }
            };
            line.notes.push(format!("the {what} stays on the router: {when}"));
            let text = format!(
                "Router {} keeps accounts that radgram has adopted, the last is the {what} {shown}: {when}.",
                router.name
            );
            tx.raise("kept_on_router", &router.name, &text, now).await?;
        }
        Ok(())
    }

    async fn write_down_adoption(
        &self,
        actor: &Actor,
        router: &Router,
        adoption: &Adoption,
        lines: &Lines<'_>,
    ) -> Result<(), Refused> {
        if adoption.run == Run::Dry || lines.done_count() == 0 {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        let detail = format!(
            "{}: {} of {} adopted from {}, then {}",
            router.name,
            lines.done_count(),
            lines.total(),
            adoption.menu.word(),
            adoption.afterwards.word()
        );
        let deed = Deed { noun: "router", subject: router.id.0, verb: "adopt", detail: &detail };
        tx.write_down(actor, deed, self.now()).await?;
        self.commit(tx, Ended::default()).await?;
        Ok(())
    }
}

/// A router's account's name for people.
pub(in crate::gate) fn shown_name(row: &RouterAccount) -> String {
    one_line(&String::from_utf8_lossy(&row.name))
}

/// The key under which a router's account meets ours.
pub(in crate::gate) fn key_of(row: &RouterAccount) -> String {
    name_key(&String::from_utf8_lossy(&row.name))
}

/// Whether it is what radgram left of an account that it took over.
pub(in crate::gate) fn is_retired(row: &RouterAccount) -> bool {
    row.switch == Switch::Disabled && row.name.starts_with(RETIRED.as_bytes())
}

/// The accounts that are meant, each found or not.
fn candidates<'a>(rows: &'a [RouterAccount], names: &Names) -> Vec<Candidate<'a>> {
    let mut alike: HashMap<String, Vec<&RouterAccount>> = HashMap::new();
    for row in rows {
        alike.entry(key_of(row)).or_default().push(row);
    }
    let single = |row: &'a RouterAccount, key: &str| match alike.get(key).map_or(0, Vec::len) {
        0 | 1 => Ok(row),
        count => Err(format!("the router has {count} accounts whose names differ by the case of letters at most")),
    };
    match names {
        Names::All => rows
            .iter()
            .filter(|row| !is_retired(row))
            .map(|row| Candidate { shown: shown_name(row), found: single(row, &key_of(row)) })
            .collect(),
        Names::Names(names) => {
            let mut seen = HashSet::new();
            let wanted = names.iter().filter(|name| seen.insert(name_key(name)));
            let found = |name: &String| {
                let key = name_key(name);
                let rows = alike.get(&key).map(Vec::as_slice).unwrap_or_default();
                match rows {
                    [] => Err("the router has no such account".to_owned()),
                    [row, ..] => single(row, &key),
                }
            };
            wanted.map(|name| Candidate { shown: one_line(name), found: found(name) }).collect()
        }
    }
}

/// The name as it is looked up at a dial, or why it cannot be.
fn router_name(row: &RouterAccount) -> Result<&str, String> {
    let name = std::str::from_utf8(&row.name).map_err(|_| "its name is not UTF-8".to_owned())?;
    match account_name(name) {
        Ok(trimmed) if trimmed == name => Ok(name),
        Ok(_) => Err("its name begins or ends with a blank".to_owned()),
        Err(why) => Err(why.to_owned()),
    }
}

fn password(row: &RouterAccount) -> Result<&Secret, String> {
    match &row.password {
        Seen::Password(password) => {
            checked_password(password, "password").map_err(|refused| match refused {
                Refused::Field { message, .. } => message,
                other => other.to_string(),
            })?;
            Ok(password)
        }
        Seen::Hidden => {
            Err("the router hides its password: give the group of the API user the policy sensitive, or add \
                             the account here and set its password"
                .to_owned())
        }
        Seen::Empty => Err("it has no password on the router: add the account here and set one".to_owned()),
    }
}
