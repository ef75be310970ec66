//! `radgram router accounts` and `adopt`: the accounts that a router keeps beside ours, and taking them over.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::super::bulk::{report, run_of, tell_progress};
use super::super::desk::{ACTOR, Desk};
use super::super::output::{Line, Out};
use super::super::{Failure, ListArgs};
use crate::domain::account::Switch;
use crate::gate::bulk::{Outcome, Run};
use crate::gate::router_api::{ApiFault, Menu};
use crate::gate::{Adoption, Afterwards, ComparedAccount, Names, SessionHere};
use crate::store::account::PasswordKept;

/// Where a router keeps accounts.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum MenuWord {
    /// /ppp/secret
    Secret,
    /// /user-manager/user
    UserManager,
}

impl From<MenuWord> for Menu {
    fn from(word: MenuWord) -> Self {
        match word {
            MenuWord::Secret => Self::Secret,
            MenuWord::UserManager => Self::UserManager,
        }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Adopt {
    /// The router's name.
    name: String,
    /// The accounts, as the router names them.
    #[arg(value_name = "USERNAME", required_unless_present = "all", conflicts_with = "all")]
    usernames: Vec<String>,
    /// All accounts of the router.
    #[arg(long)]
    all: bool,
    /// Where the router keeps them.
    #[arg(long, value_enum, default_value = "secret")]
    from: MenuWord,
    /// What becomes of them on the router: remove them, rename and disable them, or keep them, which bypasses radgram.
    #[arg(long, value_enum, default_value = "remove")]
    then: Then,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Then {
    Remove,
    Rename,
    Keep,
}

pub(super) async fn adopt(desk: &Desk, adopt: Adopt) -> Result<(), Failure> {
    let router = desk.router(&adopt.name).await?;
    let adoption = Adoption {
        menu: adopt.from.into(),
        names: if adopt.all { Names::All } else { Names::Names(adopt.usernames) },
        afterwards: match adopt.then {
            Then::Remove => Afterwards::Removed,
            Then::Rename => Afterwards::Renamed,
            Then::Keep => Afterwards::Kept,
        },
        run: run_of(adopt.dry_run),
    };
    let lines = desk.gate.adopt_accounts(&ACTOR, router.id, &adoption, &tell_progress).await?;
    if adoption.run == Run::Real && lines.iter().any(|line| line.outcome == Outcome::Done) {
        eprintln!("radgram: bind adopted accounts to people: radgram account bind USERNAME --user TELEGRAM_ID");
    }
    report(&lines, adopt.list, adoption.run, "adopted")
}

pub(super) async fn accounts(desk: &Desk, name: &str, args: ListArgs) -> Result<(), Failure> {
    let router = desk.router(name).await?;
    let view = desk.gate.router_accounts(router.id).await?;
    // A router without User Manager has nothing to say there.
    let unread: Vec<&(Menu, ApiFault)> =
        view.unread.iter().filter(|(menu, fault)| !is_without_user_manager(*menu, fault)).collect();
    if let [(Menu::Secret, fault), (Menu::UserManager, _)] = unread.as_slice() {
        return Err(Failure::because(format!("router {}: {fault}", router.name)));
    }
    let lines: Vec<Compared> = view.lines.iter().map(Compared::of).collect();
    Out::standard().list(&lines, args)?;
    match unread.first() {
        None => Ok(()),
        Some((Menu::Secret, fault)) => Err(Failure::because(format!("its PPP secrets cannot be read: {fault}"))),
        Some((Menu::UserManager, fault)) => Err(Failure::because(format!("its User Manager cannot be read: {fault}"))),
    }
}

fn is_without_user_manager(menu: Menu, fault: &ApiFault) -> bool {
    menu == Menu::UserManager && matches!(fault, ApiFault::NoMenu(_))
}

#[derive(Serialize)]
struct Compared<'a> {
    name: &'a str,
    verdict: &'static str,
    why: &'a str,
    router: Option<There<'a>>,
    radgram: Option<Here<'a>>,
}

#[derive(Serialize)]
struct There<'a> {
    menu: &'static str,
    enabled: bool,
    profile: Option<&'a str>,
    comment: &'a str,
    password: &'static str,
}

#[derive(Serialize)]
struct Here<'a> {
    username: &'a str,
    person: Option<&'a str>,
    source: &'static str,
    enabled: bool,
    password: &'static str,
    session_open: bool,
}

impl<'a> Compared<'a> {
    fn of(line: &'a ComparedAccount) -> Self {
        let router = line.there.as_ref().map(|there| There {
            menu: there.menu.word(),
            enabled: there.switch == Switch::Enabled,
            profile: there.profile.as_deref(),
            comment: &there.comment,
            password: there.password.word(),
        });
        let radgram = line.here.as_ref().map(|here| Here {
            username: &here.name,
            person: here.person.as_deref(),
            source: here.source.word(),
            enabled: here.switch == Switch::Enabled,
            password: match here.password {
                PasswordKept::Password => "set",
                PasswordKept::NtHash => "nt hash only",
                PasswordKept::None => "none",
            },
            session_open: here.session == SessionHere::Open,
        });
        Self { name: &line.name, verdict: line.verdict.word(), why: &line.why, router, radgram }
    }
}

impl Line for Compared<'_> {
    const HEADS: &'static [&'static str] = &["NAME", "ON THE ROUTER", "PROFILE", "IN RADGRAM", "VERDICT", "WHY"];

    fn cells(&self) -> Vec<String> {
        let there = self.router.as_ref().map_or(String::new(), |there| {
            let mark = if there.enabled { "" } else { ", disabled" };
            format!("{}{mark}", there.menu.replace('_', " "))
        });
        let here = self.radgram.as_ref().map_or(String::new(), |here| {
            let session = if here.session_open { ", session open" } else { "" };
            format!("{}{session}", here.person.unwrap_or("nobody's"))
        });
        let profile = self.router.as_ref().and_then(|there| there.profile).unwrap_or_default();
        vec![self.name.to_owned(), there, profile.to_owned(), here, self.verdict.replace('_', " "), self.why.to_owned()]
    }
}
