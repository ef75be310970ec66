//! An account that is made on a router itself.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::error::WebError;
use super::super::form::{Errors, Field, Hidden, Typed, with_errors};
use super::super::visit::{Owning, Shell, Visit};
use super::hub::{Hub, router};
use crate::domain::account::Switch;
use crate::domain::router::{Router, Scheme};
use crate::gate::Refused;
use crate::gate::router_api::{Menu, NewRouterAccount};

#[derive(Template, WebTemplate)]
#[template(path = "routers/account_new.html")]
struct Page {
    shell: Shell,
    hub: Hub,
    scheme: Scheme,
    beside: Vec<String>,
    fields: Vec<Field>,
}

/// What was typed.
#[derive(Default, Deserialize)]
pub(in crate::web) struct Draft {
    #[serde(default)]
    menu: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: Hidden,
    #[serde(default)]
    profile: String,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    switch: String,
}

const MENUS: [(&str, &str); 2] = [("secret", "PPP secrets"), ("user_manager", "User Manager")];
const SWITCHES: [&str; 2] = ["disabled", "enabled"];

fn fields(draft: &Draft) -> Vec<Field> {
    vec![
        Field::labelled("menu", "Where", &draft.menu, &MENUS),
        Field::text("name", "Name", &draft.name),
        Field::password("password", "Password"),
        Field::text("profile", "Profile", &draft.profile)
            .help("PPP profile, or group of the User Manager; empty for the router's default.")
            .optional(),
        Field::text("comment", "Comment", &draft.comment).optional(),
        Field::choice("switch", "State", &draft.switch, &SWITCHES)
            .help("Where the router decides by its own accounts, radgram switches one that it has, too."),
    ]
}

async fn load(visit: &Visit, router: &Router, draft: &Draft, errors: &Errors) -> Result<Page, WebError> {
    let fields = with_errors(fields(draft), errors);
    Ok(Page {
        shell: visit.shell("/routers").await?,
        hub: Hub::of(visit, router, "/accounts"),
        scheme: router.scheme,
        beside: errors.beside(&fields),
        fields,
    })
}

/// `GET /routers/{id}/accounts/new`
pub(in crate::web) async fn page(visit: Owning, Path(id): Path<i64>) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    Ok(load(&visit, &router, &Draft::default(), &Errors::none()).await?.into_response())
}

/// `POST /routers/{id}/accounts/new`
pub(in crate::web) async fn add(
    visit: Owning,
    Path(id): Path<i64>,
    Typed(draft): Typed<Draft>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let path = format!("/routers/{id}/accounts?menu={}", Menu::from_word(&draft.menu).unwrap_or(Menu::Secret).word());
    let mut errors = Errors::none();
    let menu = errors.take("menu", Menu::from_word(&draft.menu).ok_or("expected secret or user_manager"));
    let password = errors.take("password", draft.password.given().ok_or("the password is empty"));
    if let (Some(menu), Some(password)) = (menu, password) {
        let new = NewRouterAccount {
            menu,
            name: draft.name.clone(),
            password,
            profile: Some(draft.profile.clone()),
            comment: draft.comment.clone(),
            switch: if draft.switch == "enabled" { Switch::Enabled } else { Switch::Disabled },
        };
        let (id, name) = (router.id, draft.name.trim().to_owned());
        let added =
            visit.carry_through(|gate, actor| async move { gate.add_router_account(&actor, id, &new).await }).await;
        match added {
            Ok(()) => return visit.done(format!("{name} is made on the router."), &path).await,
            Err(Refused::Router(fault)) => errors.add("", super::brief(&fault)),
            Err(refused) => errors = Errors::of(refused)?,
        }
    }
    let page = load(&visit, &router, &draft, &errors).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}
