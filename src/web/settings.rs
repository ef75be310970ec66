//! Settings: one form for each, made from the same description as the command line's; for everybody, or for one group,
//! person or account.

use askama::Template;
use askama_web::WebTemplate;
use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::WebState;
use super::error::WebError;
use super::form::{Errors, Field, Typed, with_errors};
use super::visit::{Owning, Shell, Viewing, Visit};
use crate::domain::account::Account;
use crate::domain::id::{AccountId, GroupId, UserId};
use crate::domain::policy::Values;
use crate::domain::setting::{Kind, Level, SETTINGS, Setting};

#[derive(Template, WebTemplate)]
#[template(path = "settings/page.html")]
struct Page {
    shell: Shell,
    whose: Whose,
    rows: Vec<Row>,
}

/// For whom settings are shown.
struct Whose {
    level: Level,
    name: String,
    /// The page of whom; empty for the system.
    path: String,
    /// The place in the menu.
    here: &'static str,
    /// What holds for them, the nearest last, each with what it is called.
    sources: Vec<Source>,
}

/// A level that holds for somebody, and what it is called.
pub(super) struct Source {
    pub(super) level: Level,
    pub(super) label: String,
    /// Where it is set.
    pub(super) path: String,
}

/// One setting with its form.
struct Row {
    setting: &'static Setting,
    current: String,
    standing: Standing,
    field: Field,
}

/// Where the value that holds is stored.
#[derive(PartialEq, Eq)]
enum Standing {
    /// Nowhere.
    Default,
    /// At a wider level, of this name.
    Wider(String),
    /// Here.
    Own,
}

/// Who may have settings of their own, beside the system and routers.
#[derive(Debug, Clone, Copy)]
enum Whom {
    Group,
    User,
    Account,
}

impl Whom {
    const ALL: [Self; 3] = [Self::Group, Self::User, Self::Account];

    const fn pages(self) -> &'static str {
        match self {
            Self::Group => "/groups",
            Self::User => "/users",
            Self::Account => "/accounts",
        }
    }
}

/// What was typed.
#[derive(Deserialize)]
pub(super) struct Typing {
    #[serde(default)]
    pub(super) value: String,
}

/// What was typed for one setting, and what is wrong with it.
struct Draft<'a> {
    setting: &'static Setting,
    value: &'a str,
    errors: Errors,
}

pub(super) fn field(setting: &Setting, value: &str) -> Field {
    let field = match setting.kind {
        Kind::Number { min, max, .. } => Field::number("value", setting.name, value, min, max),
        Kind::Choice(words) => Field::choice("value", setting.name, value, words),
        Kind::NumberOr { .. }
        | Kind::Hours
        | Kind::Networks
        | Kind::Routers
        | Kind::Zone
        | Kind::Chat
        | Kind::Attributes => Field::text("value", setting.name, value),
    };
    field.help(setting.help)
}

async fn load(visit: &Visit, whose: Whose, draft: Option<Draft<'_>>) -> Result<Page, WebError> {
    let values = visit.reader().settings().await?;
    let rows = SETTINGS.iter().filter(|setting| setting.levels.take(whose.level)).map(|setting| {
        let (current, source) = in_force(setting, &values, &whose.sources);
        let standing = match source {
            None => Standing::Default,
            Some(source) if source.level == whose.level => Standing::Own,
            Some(source) => Standing::Wider(source.label.clone()),
        };
        let current = current.to_owned();
        let field = match draft.as_ref().filter(|draft| draft.setting.name == setting.name) {
            None => vec![field(setting, &current)],
            Some(draft) => with_errors(vec![field(setting, draft.value)], &draft.errors),
        };
        let field = field.into_iter().next().expect("one field was made");
        Row { setting, current, standing, field }
    });
    let rows = rows.collect();
    Ok(Page { shell: visit.shell(whose.here).await?, whose, rows })
}

/// The value that holds for these levels, and which of them has it; the default if none has.
pub(super) fn in_force<'a>(
    setting: &Setting,
    values: &'a Values,
    sources: &'a [Source],
) -> (&'a str, Option<&'a Source>) {
    let stored = |source: &'a Source| Some((values.at(setting.name, source.level)?, Some(source)));
    sources.iter().rev().find_map(stored).unwrap_or((setting.default, None))
}

/// What is set at exactly this level, in the order of the settings' page.
pub(super) fn set_at(level: Level, values: &Values) -> Vec<(&'static str, String)> {
    let set = |setting: &'static Setting| Some((setting.name, values.at(setting.name, level)?.to_owned()));
    SETTINGS.iter().filter_map(set).collect()
}

/// The levels that hold for an account, the nearest last.
pub(super) async fn sources(visit: &Visit, account: &Account) -> Result<Vec<Source>, WebError> {
    let mut sources = vec![system()];
    if let Some(group) = account.group
        && let Some(group) = visit.reader().group(group).await?
    {
        sources.push(of_group(group.id, &group.name));
    }
    if let Some(user) = account.user
        && let Some(user) = visit.reader().user(user).await?
    {
        sources.push(of_user(user.id, &user.name));
    }
    let own = format!("/accounts/{}/settings", account.id);
    sources.push(Source { level: Level::Account(account.id.0), label: "the account".to_owned(), path: own });
    Ok(sources)
}

fn system() -> Source {
    Source { level: Level::System, label: "the system".to_owned(), path: "/settings".to_owned() }
}

fn of_group(id: GroupId, name: &str) -> Source {
    Source { level: Level::Group(id.0), label: format!("the group {name}"), path: format!("/groups/{id}/settings") }
}

fn of_user(id: UserId, name: &str) -> Source {
    Source { level: Level::User(id.0), label: format!("the person {name}"), path: format!("/users/{id}/settings") }
}

fn everybody() -> Whose {
    Whose { level: Level::System, name: String::new(), path: String::new(), here: "/settings", sources: vec![system()] }
}

/// Whose settings a path means.
async fn whose(visit: &Visit, whom: Whom, id: i64) -> Result<Whose, WebError> {
    let reader = visit.reader();
    let (level, name, sources) = match whom {
        Whom::Group => {
            let group = reader.group(GroupId(id)).await?.ok_or(WebError::NotFound("there is no such group"))?;
            let sources = vec![system(), of_group(group.id, &group.name)];
            (Level::Group(id), group.name, sources)
        }
        Whom::User => {
            let user = reader.user(UserId(id)).await?.ok_or(WebError::NotFound("there is no such user"))?;
            let sources = vec![system(), of_user(user.id, &user.name)];
            (Level::User(id), user.name, sources)
        }
        Whom::Account => {
            let account = reader.account(AccountId(id)).await?.ok_or(WebError::NotFound("there is no such account"))?;
            let sources = sources(visit, &account).await?;
            (Level::Account(id), account.name, sources)
        }
    };
    Ok(Whose { level, name, path: format!("{}/{id}", whom.pages()), here: whom.pages(), sources })
}

/// The setting of this name, if it may be set at the level.
pub(super) fn named(name: &str, level: Level) -> Result<&'static Setting, WebError> {
    let found = Setting::named(name).filter(|setting| setting.levels.take(level));
    found.ok_or(WebError::NotFound("there is no such setting here"))
}

/// The pages: of the system, and of each whom.
pub(super) fn pages() -> Router<WebState> {
    let of_system = Router::new()
        .route("/settings", get(page))
        .route("/settings/{name}", post(set))
        .route("/settings/{name}/clear", post(clear));
    Whom::ALL.into_iter().fold(of_system, |pages, whom| {
        let place = format!("{}/{{id}}/settings", whom.pages());
        pages
            .route(
                &place,
                get(move |visit: Viewing, Path(id): Path<i64>| async move {
                    let whose = whose(&visit, whom, id).await?;
                    Ok::<_, WebError>(load(&visit, whose, None).await?.into_response())
                }),
            )
            .route(
                &format!("{place}/{{name}}"),
                post(move |visit: Owning, Path((id, name)): Path<(i64, String)>, Typed(typed): Typed<Typing>| async move {
                    let whose = whose(&visit, whom, id).await?;
                    set_for(&visit, whose, &name, &typed).await
                }),
            )
            .route(
                &format!("{place}/{{name}}/clear"),
                post(move |visit: Owning, Path((id, name)): Path<(i64, String)>| async move {
                    let whose = whose(&visit, whom, id).await?;
                    clear_for(&visit, &whose, &name).await
                }),
            )
    })
}

/// `GET /settings`
async fn page(visit: Viewing) -> Result<Response, WebError> {
    Ok(load(&visit, everybody(), None).await?.into_response())
}

/// `POST /settings/{name}`
async fn set(visit: Owning, Path(name): Path<String>, Typed(typed): Typed<Typing>) -> Result<Response, WebError> {
    set_for(&visit, everybody(), &name, &typed).await
}

/// `POST /settings/{name}/clear`
async fn clear(visit: Owning, Path(name): Path<String>) -> Result<Response, WebError> {
    clear_for(&visit, &everybody(), &name).await
}

impl Whose {
    fn place(&self, setting: &Setting) -> String {
        format!("{}/settings#{}", self.path, setting.name)
    }

    fn is_system(&self) -> bool {
        self.level == Level::System
    }

    /// What the button says that forgets a value.
    fn undo(&self) -> &'static str {
        if self.is_system() { "Back to the default" } else { "Take away here" }
    }
}

async fn set_for(visit: &Visit, whose: Whose, name: &str, typed: &Typing) -> Result<Response, WebError> {
    let setting = named(name, whose.level)?;
    match visit.gate().set_setting(&visit.actor(), setting.name, whose.level, &typed.value).await {
        Ok(()) => visit.done(format!("{name} is saved and holds from now on."), &whose.place(setting)).await,
        Err(refused) => {
            let errors = Errors::of(refused)?;
            let page = load(visit, whose, Some(Draft { setting, value: &typed.value, errors })).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

async fn clear_for(visit: &Visit, whose: &Whose, name: &str) -> Result<Response, WebError> {
    let setting = named(name, whose.level)?;
    let cleared = visit.gate().clear_setting(&visit.actor(), setting.name, whose.level).await;
    let done = if whose.is_system() {
        format!("{name} has its default again.")
    } else {
        format!("{name} is no longer set here.")
    };
    visit.report(cleared, done, &whose.place(setting)).await
}
