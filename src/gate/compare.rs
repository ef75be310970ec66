//! What exists where: the accounts that a router keeps beside those that radgram has, line by line with a verdict.

use std::collections::{HashMap, HashSet};

use super::admin::{is_retired, key_of, shown_name};
use super::router_api::{ApiFault, Menu, RouterAccount, Seen};
use super::{Gate, Refused};
use crate::domain::account::{Source, Switch, name_key};
use crate::domain::id::{AccountId, RouterId};
use crate::domain::router::Scheme;
use crate::domain::want::{Thing, WantedState};
use crate::store::account::{AccountLine, PasswordKept};
use crate::store::want::Want;
use crate::text::one_line;

/// The accounts of one router, two-way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterAccountsView {
    /// The router's name.
    pub router: String,
    /// Who decides about a dial there.
    pub scheme: Scheme,
    /// The menus that could not be read, and why. [`ApiFault::NoMenu`] is a router without User Manager.
    pub unread: Vec<(Menu, ApiFault)>,
    /// What is there, here, or both; by name.
    pub lines: Vec<ComparedAccount>,
}

/// One name, as it is there and here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedAccount {
    /// The name as the router has it, else as radgram has it; one line of text.
    pub name: String,
    /// What the router has.
    pub there: Option<There>,
    /// What radgram has.
    pub here: Option<Here>,
    /// What that means.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub why: String,
}

/// An account as a router keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct There {
    /// Its name to the byte, to be found by; `None` if it is not UTF-8.
    pub exact: Option<String>,
    /// In which menu.
    pub menu: Menu,
    /// Whether it works.
    pub switch: Switch,
    /// PPP profile, or group of the User Manager.
    pub profile: Option<String>,
    /// Comment; one line of text.
    pub comment: String,
    /// Whether the password can be had.
    pub password: PasswordShown,
}

/// What the router shows of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordShown {
    /// It can be read.
    Readable,
    /// The API user lacks the policy `sensitive`.
    Hidden,
    /// There is none.
    Empty,
}

impl PasswordShown {
    /// The word in JSON and on pages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Readable => "readable",
            Self::Hidden => "hidden",
            Self::Empty => "empty",
        }
    }
}

/// An account as radgram has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Here {
    /// Which.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// Its person's name.
    pub person: Option<String>,
    /// Where its password lives.
    pub source: Source,
    /// Whether it may be used.
    pub switch: Switch,
    /// Which password is kept.
    pub password: PasswordKept,
    /// Whether its session is open.
    pub session: SessionHere,
}

/// Whether an account's session is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionHere {
    /// It is.
    Open,
    /// There is none.
    None,
}

/// What it means that an account is there, here, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The router alone has it.
    OnlyOnRouter,
    /// radgram alone has it.
    OnlyHere,
    /// Both have it, and the router's bypasses radgram.
    BothShadowing,
    /// Both have it, and radgram rules the router's.
    Managed,
    /// Names on the router differ by the case of letters at most: which is meant is not clear.
    Ambiguous,
}

impl Verdict {
    /// The word in JSON and on pages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::OnlyOnRouter => "only_on_router",
            Self::OnlyHere => "only_here",
            Self::BothShadowing => "both_shadowing",
            Self::Managed => "managed",
            Self::Ambiguous => "ambiguous",
        }
    }
}

/// What the comparison of one router is made from.
struct Comparison {
    scheme: Scheme,
    /// Ours, by folded name.
    here: HashMap<String, Here>,
    /// How many rows of a menu have a folded name.
    alike: HashMap<(Menu, String), usize>,
    /// What is being taken over, by menu and folded name.
    taken_over: HashMap<(Menu, String), Want>,
}

impl Gate {
    /// Every PPP secret and User Manager user of a router beside what radgram has by the same name, whatever the case of its
    /// letters; then what radgram alone has.
    ///
    /// # Errors
    /// No such router, its API is not configured, or the database does not answer. A menu that cannot be read is in the view.
    pub async fn router_accounts(&self, router: RouterId) -> Result<RouterAccountsView, Refused> {
        let (api, router) = self.reached(router).await?;
        let accounts = api.accounts(&router).await;
        let (mut rows, mut unread) = (Vec::new(), Vec::new());
        for (menu, read) in [(Menu::Secret, accounts.secrets), (Menu::UserManager, accounts.user_manager)] {
            match read {
                Ok(found) => rows.extend(found),
                Err(fault) => unread.push((menu, fault)),
            }
        }
        let comparison = Comparison {
            scheme: router.scheme,
            here: self.accounts_here().await?,
            alike: count_alike(&rows),
            taken_over: taken_over(self.reader().wants_of_router(router.id).await?),
        };
        let mut lines: Vec<ComparedAccount> = rows.iter().map(|row| comparison.line(row)).collect();
        let there: HashSet<String> = rows.iter().map(key_of).collect();
        let only_here = comparison.here.iter().filter(|(key, _)| !there.contains(*key));
        lines.extend(only_here.map(|(_, here)| comparison.only_here(here, &unread)));
        lines.sort_by_cached_key(|line| (name_key(&line.name), line.there.as_ref().map(|there| there.menu)));
        Ok(RouterAccountsView { router: router.name, scheme: router.scheme, unread, lines })
    }

    async fn accounts_here(&self) -> Result<HashMap<String, Here>, Refused> {
        let in_session = self.reader().accounts_in_session().await?;
        let here = |line: AccountLine| {
            let open = in_session.contains(&line.account.id);
            let here = Here {
                account: line.account.id,
                person: line.user_name,
                source: line.account.source,
                switch: line.account.switch,
                password: line.password,
                session: if open { SessionHere::Open } else { SessionHere::None },
                name: line.account.name,
            };
            (name_key(&here.name), here)
        };
        Ok(self.reader().every_account().await?.into_iter().map(here).collect())
    }
}

fn count_alike(rows: &[RouterAccount]) -> HashMap<(Menu, String), usize> {
    let mut alike = HashMap::new();
    for row in rows {
        *alike.entry((row.menu, key_of(row))).or_insert(0) += 1;
    }
    alike
}

fn taken_over(wants: Vec<Want>) -> HashMap<(Menu, String), Want> {
    let of = |want: Want| {
        let key = match &want.thing {
            Thing::Secret(name) => (Menu::Secret, name_key(name)),
            Thing::UserManager(name) => (Menu::UserManager, name_key(name)),
            Thing::Rule { .. } | Thing::Lease(_) => return None,
        };
        matches!(want.state, WantedState::Removed | WantedState::Retired).then_some((key, want))
    };
    wants.into_iter().filter_map(of).collect()
}

impl Comparison {
    fn line(&self, row: &RouterAccount) -> ComparedAccount {
        let here = std::str::from_utf8(&row.name).ok().and_then(|name| self.here.get(&name_key(name))).cloned();
        let (verdict, why) = self.verdict(row, here.as_ref());
        ComparedAccount { name: shown_name(row), there: Some(there(row)), here, verdict, why }
    }

    fn verdict(&self, row: &RouterAccount, here: Option<&Here>) -> (Verdict, String) {
        let key = (row.menu, key_of(row));
        if let Some(count @ 2..) = self.alike.get(&key) {
            return (Verdict::Ambiguous, format!("{count} names on the router differ by the case of letters at most"));
        }
        let Some(here) = here else { return (Verdict::OnlyOnRouter, self.only_there(row).to_owned()) };
        if let Some(want) = self.taken_over.get(&key) {
            let outcome = want.outcome.as_deref().map_or(String::new(), |outcome| format!(" ({})", one_line(outcome)));
            let why = format!("adopted; the router's own is still to be {}{outcome}", want.state.word());
            return (Verdict::BothShadowing, why);
        }
        let (verdict, why) = match (self.scheme, row.menu, here.source, row.switch) {
            (Scheme::Api, ..) => (Verdict::Managed, "the router decides by it, and radgram switches it"),
            (Scheme::Radius, Menu::UserManager, Source::UserManager, _) => {
                (Verdict::Managed, "radgram asks the User Manager for the password, and adds the question")
            }
            (Scheme::Radius, Menu::UserManager, Source::Local | Source::Adopted, _) => {
                (Verdict::BothShadowing, "where the router asks its User Manager, a dial with it bypasses radgram")
            }
            (Scheme::Radius, Menu::Secret, _, Switch::Enabled) => {
                (Verdict::BothShadowing, "a secret on the router wins over RADIUS: a dial with it bypasses radgram")
            }
            (Scheme::Radius, Menu::Secret, _, Switch::Disabled) => (
                Verdict::BothShadowing,
                "the secret is disabled; whether RouterOS then asks RADIUS is not documented: remove or rename it",
            ),
        };
        (verdict, why.to_owned())
    }

    fn only_there(&self, row: &RouterAccount) -> &'static str {
        match (self.scheme, row.menu) {
            _ if is_retired(row) => "radgram took it over and left it under this name, disabled",
            _ if std::str::from_utf8(&row.name).is_err() => "its name is not UTF-8, so radgram cannot have it",
            (Scheme::Api, _) => "the router lets it in by itself: radgram has no account of this name",
            (Scheme::Radius, Menu::Secret) => "the router lets it in by itself and never asks radgram",
            (Scheme::Radius, Menu::UserManager) => "the User Manager lets it in where the router asks it, not radgram",
        }
    }

    fn only_here(&self, here: &Here, unread: &[(Menu, ApiFault)]) -> ComparedAccount {
        let read =
            |menu: Menu| unread.iter().all(|(other, fault)| *other != menu || matches!(fault, ApiFault::NoMenu(_)));
        let why = match self.scheme {
            _ if !read(Menu::Secret) => "whether the router has one is not known: its secrets could not be read",
            _ if !read(Menu::UserManager) => "whether the User Manager has one is not known: it could not be read",
            Scheme::Radius => "radgram alone has it: the router asks radgram about every dial",
            Scheme::Api => "the router decides by its own accounts and has none of this name: nobody gets in with it",
        };
        ComparedAccount {
            name: one_line(&here.name),
            there: None,
            here: Some(here.clone()),
            verdict: Verdict::OnlyHere,
            why: why.to_owned(),
        }
    }
}

fn there(row: &RouterAccount) -> There {
    let property = match row.menu {
        Menu::Secret => "profile",
        Menu::UserManager => "group",
    };
    There {
        exact: std::str::from_utf8(&row.name).ok().map(str::to_owned),
        menu: row.menu,
        switch: row.switch,
        profile: row.properties.get(property).map(|value| one_line(value)),
        comment: one_line(&String::from_utf8_lossy(&row.comment)),
        password: match row.password {
            Seen::Password(_) => PasswordShown::Readable,
            Seen::Hidden => PasswordShown::Hidden,
            Seen::Empty => PasswordShown::Empty,
        },
    }
}
