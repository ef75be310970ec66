//! One user: name, the accounts bound to them, their sessions, and what may be decided about them.

use std::collections::HashMap;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::error::WebError;
use super::form::{Errors, Field, Hidden, Typed, with_errors};
use super::settings::set_at;
use super::visit::{Deciding, Shell, Viewing, Visit};
use crate::domain::account::{Account, Lock, Source, Switch};
use crate::domain::credential::Credential;
use crate::domain::id::UserId;
use crate::domain::policy::ExtraProtection;
use crate::domain::router::{Leases, Router};
use crate::domain::session::{Session, State};
use crate::domain::setting::{Level, Setting};
use crate::domain::user::UserStep;
use crate::gate::directory::Known;
use crate::gate::{ACCOUNT_FIELDS, AccountField, UserForm};
use crate::store::user::UserLine;

/// Sessions of a person that their page shows.
const SESSIONS: i64 = 20;

#[derive(Template, WebTemplate)]
#[template(path = "users/edit.html")]
struct Page {
    shell: Shell,
    line: UserLine,
    accounts: Vec<AccountState>,
    sessions: Vec<(Session, String)>,
    /// Settings of their own.
    own: Vec<(&'static str, String)>,
    beside: Vec<String>,
    fields: Vec<Field>,
}

/// An account of the person with what stands behind it.
struct AccountState {
    account: Account,
    password: &'static str,
    session: Option<Session>,
    connections: usize,
    protection: Option<Protection>,
}

/// What extra protection comes to, router by router.
#[derive(Default)]
struct Protection {
    /// Where the traffic is shut until the yes: the router, and by what.
    shut: Vec<(String, &'static str)>,
    /// Where it flows until the answer.
    open: Vec<String>,
}

impl Protection {
    fn of(known: &Known, routers: &[Router]) -> Option<Self> {
        if known.policy.extra_protection == ExtraProtection::Off {
            return None;
        }
        let mut protection = Self::default();
        for router in routers {
            if known.entry.rules.contains(&router.id) {
                protection.shut.push((router.name.clone(), "its rule"));
            } else if router.leases == Leases::On {
                protection.shut.push((router.name.clone(), "a lease"));
            } else {
                protection.open.push(router.name.clone());
            }
        }
        Some(protection)
    }
}

/// What was typed into the form.
struct Draft {
    name: String,
    accounts: Vec<AccountDraft>,
}

#[derive(Default)]
struct AccountDraft {
    name: String,
    password: Hidden,
}

impl Draft {
    fn of(mut form: HashMap<String, String>) -> Self {
        let mut text = |name: &str| form.remove(name).unwrap_or_default();
        let name = text("name");
        let accounts = (1..=ACCOUNT_FIELDS.len()).map(|number| {
            let password = Hidden(crate::secret::Secret::new(text(&format!("password{number}"))));
            AccountDraft { name: text(&format!("account{number}")), password }
        });
        Self { name, accounts: accounts.collect() }
    }

    /// The field where the person typed what the gate, which gets no empty fields, counts as this one.
    fn typed_at(&self, field: &'static str) -> &'static str {
        if field == "password" {
            let given = PASSWORDS.iter().zip(&self.accounts).filter(|(_, account)| account.password.given().is_some());
            let given: Vec<&'static str> = given.map(|(name, _)| *name).collect();
            return if let [only] = given[..] { only } else { field };
        }
        let Some(counted) = ACCOUNT_FIELDS.iter().position(|name| *name == field) else { return field };
        let filled = ACCOUNT_FIELDS.iter().zip(&self.accounts).filter(|(_, account)| !account.name.trim().is_empty());
        filled.map(|(name, _)| *name).nth(counted).unwrap_or(field)
    }
}

async fn load(visit: &Visit, id: UserId, draft: Option<Draft>, errors: &Errors) -> Result<Page, WebError> {
    let reader = visit.reader();
    let line = reader.user_line(id).await?.ok_or(WebError::NotFound("there is no such user"))?;
    let routers = reader.routers().await?.routers;
    let mut accounts = Vec::new();
    for account in reader.accounts_of(id).await? {
        let Some(known) = visit.gate().directory().read(account.id).await? else { continue };
        let entry = &known.entry;
        accounts.push(AccountState {
            account,
            password: match entry.credential {
                _ if entry.account.source == Source::UserManager => "on the home server",
                Credential::None => "none: nobody can log in",
                Credential::NtHash(_) => "NT hash only",
                _ => "set",
            },
            session: entry.session.clone(),
            connections: entry.open.len(),
            protection: Protection::of(&known, &routers),
        });
    }
    let draft = draft.unwrap_or_else(|| Draft {
        name: line.user.name.clone(),
        accounts: accounts
            .iter()
            .map(|state| AccountDraft { name: state.account.name.clone(), password: Hidden::default() })
            .collect(),
    });
    let mut fields = fields(&draft, allowed(visit).await?);
    if !errors.is_empty() {
        fields = with_errors(fields, errors);
    }
    let sessions = reader.sessions_of(id, SESSIONS).await?;
    let shell = visit.shell("/users").await?;
    let own = set_at(Level::User(id.0), &reader.settings().await?);
    Ok(Page { shell, line, accounts, sessions, own, beside: errors.beside(&fields), fields })
}

/// How many accounts a person may have.
async fn allowed(visit: &Visit) -> Result<usize, WebError> {
    let values = visit.reader().settings().await?;
    let fallback = Setting::named("accounts_per_user").map_or("2", |setting| setting.default);
    let text = values.at("accounts_per_user", Level::System).unwrap_or(fallback);
    Ok(text.parse().unwrap_or(2))
}

/// As many pairs of fields as are allowed, and as many as were typed.
fn fields(draft: &Draft, allowed: usize) -> Vec<Field> {
    let typed = draft.accounts.iter().rposition(|account| !account.name.is_empty()).map_or(0, |last| last + 1);
    let mut fields = vec![Field::text("name", "Full name", &draft.name)];
    for number in 1..=allowed.max(typed).min(ACCOUNT_FIELDS.len()) {
        let name = draft.accounts.get(number - 1).map_or("", |account| account.name.as_str());
        fields.push(
            Field::text(&format!("account{number}"), &format!("Account {number}"), name)
                .help("The VPN log-in name. A new name makes the account; empty unbinds it.")
                .optional(),
        );
        fields.push(
            Field::password(&format!("password{number}"), &format!("Password of account {number}"))
                .help("Left empty, the password stays as it is.")
                .optional(),
        );
    }
    fields
}

/// `GET /users/{id}`
pub(super) async fn page(visit: Viewing, Path(id): Path<i64>) -> Result<Response, WebError> {
    Ok(load(&visit, UserId(id), None, &Errors::none()).await?.into_response())
}

/// `POST /users/{id}`
pub(super) async fn save(
    visit: Deciding,
    Path(id): Path<i64>,
    Typed(form): Typed<HashMap<String, String>>,
) -> Result<Response, WebError> {
    let draft = Draft::of(form);
    let mut errors = Errors::none();
    for (account, field) in draft.accounts.iter().zip(ACCOUNT_FIELDS) {
        if account.name.trim().is_empty() && account.password.given().is_some() {
            errors.add(field, "the account's name is missing");
        }
    }
    if errors.is_empty() {
        let accounts = draft.accounts.iter().filter(|account| !account.name.trim().is_empty());
        let accounts = accounts
            .map(|account| AccountField { name: account.name.trim().to_owned(), password: account.password.given() });
        let form = UserForm { name: draft.name.clone(), accounts: accounts.collect() };
        match visit.gate().edit_user(&visit.actor(), UserId(id), &form).await {
            Ok(()) => return visit.done("Saved.", &format!("/users/{id}")).await,
            Err(refused) => errors = Errors::of(refused)?.moved(|field| draft.typed_at(field)),
        }
    }
    let page = load(&visit, UserId(id), Some(draft), &errors).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// The names of their password fields.
const PASSWORDS: [&str; ACCOUNT_FIELDS.len()] = [
    "password1",
    "password2",
    "password3",
    "password4",
    "password5",
    "password6",
    "password7",
    "password8",
    "password9",
    "password10",
];

/// Why, where a decision takes a reason.
#[derive(Deserialize)]
pub(super) struct Why {
    #[serde(default)]
    reason: String,
}

/// `POST /users/{id}/approve|reject|block|unblock|delete`
pub(super) async fn step(
    visit: Deciding,
    Path((id, word)): Path<(i64, String)>,
    Typed(why): Typed<Why>,
) -> Result<Response, WebError> {
    let line = visit.reader().user_line(UserId(id)).await?.ok_or(WebError::NotFound("there is no such user"))?;
    let name = line.user.name;
    let own = format!("/users/{id}");
    let (step, text, path) = match word.as_str() {
        "approve" => (UserStep::Approve, format!("{name} is approved. Now bind an account."), own),
        "reject" => (UserStep::Reject, format!("{name} is rejected."), "/users".to_owned()),
        "block" => (UserStep::Block, format!("{name} is blocked; what ran is ended."), own),
        "unblock" => (UserStep::Unblock, format!("{name} is no longer blocked."), own),
        "delete" => {
            let deleted = visit.gate().delete_user(&visit.actor(), UserId(id)).await;
            let path = if deleted.is_ok() { "/users" } else { &own };
            return visit.report(deleted, format!("{name} is deleted."), path).await;
        }
        _ => return Err(WebError::NotFound("there is no such step")),
    };
    let reason = Some(why.reason.trim()).filter(|reason| !reason.is_empty());
    let decided = visit.gate().decide_user(&visit.actor(), UserId(id), step, reason).await;
    visit.report(decided, text, &path).await
}
