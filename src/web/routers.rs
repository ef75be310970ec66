//! Routers: add, edit, remove; their boxes; callers from unknown addresses. A secret goes in and never comes out.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::error::WebError;
use super::form::{Errors, Field, Hidden, Typed, with_errors};
use super::visit::{Owning, Shell, Viewing, Visit};
use crate::domain::id::RouterId;
use crate::domain::router::{
    COA_PORT, Demand, Router, Signs, router_name, shared_secret, shown_network, source_network,
};
use crate::gate::Stranger;
use crate::secret::Secret;
use crate::store::router::{NasLine, RouterForm};

#[derive(Template, WebTemplate)]
#[template(path = "routers/page.html")]
struct Page {
    shell: Shell,
    routers: Vec<Line>,
    boxes: Vec<NasLine>,
    strangers: Vec<Stranger>,
}

/// A router without its secret.
struct Line {
    id: RouterId,
    name: String,
    address: String,
    coa_port: u16,
    demand: &'static str,
}

impl Line {
    fn of(router: &Router) -> Self {
        Self {
            id: router.id,
            name: router.name.clone(),
            address: shown_network(router.address),
            coa_port: router.coa_port,
            demand: router.message_authenticator.word(),
        }
    }
}

#[derive(Template, WebTemplate)]
#[template(path = "routers/edit.html")]
struct EditPage {
    shell: Shell,
    known: Option<Line>,
    beside: Vec<String>,
    fields: Vec<Field>,
}

/// What was typed of a router.
#[derive(Deserialize)]
pub(super) struct Draft {
    #[serde(default)]
    name: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    secret: Hidden,
    #[serde(default)]
    coa_port: String,
    #[serde(default)]
    message_authenticator: String,
}

impl Draft {
    fn new(address: &str) -> Self {
        Self {
            name: String::new(),
            address: address.to_owned(),
            secret: Hidden::default(),
            coa_port: COA_PORT.to_string(),
            message_authenticator: Demand::Auto.word().to_owned(),
        }
    }

    fn of(line: &Line) -> Self {
        Self {
            name: line.name.clone(),
            address: line.address.clone(),
            secret: Hidden::default(),
            coa_port: line.coa_port.to_string(),
            message_authenticator: line.demand.to_owned(),
        }
    }

    /// The router as the gate takes it, or what is wrong at each field.
    fn check(&self, errors: &mut Errors) -> Option<RouterForm> {
        let name = errors.take("name", router_name(&self.name));
        let address = errors.take("address", source_network(&self.address));
        let port = self.coa_port.trim().parse::<u16>().ok().filter(|port| *port > 0);
        let coa_port = errors.take("coa_port", port.ok_or("expected a port from 1 to 65535"));
        let demand = Demand::from_word(&self.message_authenticator);
        let demand = errors.take("message_authenticator", demand.ok_or("expected auto, require or off"));
        Some(RouterForm { name: name?, address: address?, coa_port: coa_port?, message_authenticator: demand? })
    }

    /// The secret where one was typed.
    fn secret(&self, errors: &mut Errors) -> Option<Secret> {
        self.secret.given()?;
        let typed = self.secret.0.expose_str().unwrap_or_default();
        errors.take("secret", shared_secret(typed))
    }
}

fn fields(draft: &Draft, known: Option<&Line>) -> Vec<Field> {
    let secret = Field::password("secret", "RADIUS secret");
    let secret = match known {
        None => secret.help("The same as on the router: /radius add … secret=…"),
        Some(_) => secret.help("Left empty, the secret stays as it is. It is never shown.").optional(),
    };
    let demands = Demand::ALL.map(Demand::word);
    vec![
        Field::text("name", "Name", &draft.name),
        Field::text("address", "Address or network", &draft.address)
            .help("Where its packets come from: 192.0.2.1, 192.0.2.0/24 or 2001:db8::/64."),
        secret,
        Field::number("coa_port", "Port for disconnects", &draft.coa_port, 1, u32::from(u16::MAX))
            .help("On the router: /radius incoming set accept=yes port=3799"),
        Field::choice("message_authenticator", "Message-Authenticator", &draft.message_authenticator, &demands).help(
            "auto: demanded for good once the router has sent one. require: always (RouterOS 7.15 or newer with \
             require-message-auth). off: never, for older routers.",
        ),
    ]
}

async fn lines(visit: &Visit) -> Result<Vec<Line>, WebError> {
    Ok(visit.reader().routers().await?.routers.iter().map(Line::of).collect())
}

async fn line(visit: &Visit, id: i64) -> Result<Line, WebError> {
    let found = lines(visit).await?.into_iter().find(|line| line.id == RouterId(id));
    found.ok_or(WebError::NotFound("there is no such router"))
}

async fn edit(visit: &Visit, draft: &Draft, known: Option<Line>, errors: &Errors) -> Result<EditPage, WebError> {
    let fields = with_errors(fields(draft, known.as_ref()), errors);
    Ok(EditPage { shell: visit.shell("/routers").await?, known, beside: errors.beside(&fields), fields })
}

/// `GET /routers`
pub(super) async fn page(visit: Viewing) -> Result<Response, WebError> {
    let page = Page {
        shell: visit.shell("/routers").await?,
        routers: lines(&visit).await?,
        boxes: visit.reader().nas_lines().await?,
        strangers: visit.gate().strangers(),
    };
    Ok(page.into_response())
}

/// The address of an unknown caller that is to become a router.
#[derive(Deserialize)]
pub(super) struct From {
    #[serde(default)]
    address: String,
}

/// `GET /routers/new`
pub(super) async fn new_page(visit: Owning, Query(from): Query<From>) -> Result<Response, WebError> {
    let draft = Draft::new(&from.address);
    Ok(edit(&visit, &draft, None, &Errors::none()).await?.into_response())
}

/// `POST /routers`
pub(super) async fn add(visit: Owning, Typed(draft): Typed<Draft>) -> Result<Response, WebError> {
    let mut errors = Errors::none();
    let form = draft.check(&mut errors);
    let secret = draft.secret(&mut errors);
    if secret.is_none() && errors.at("secret").is_none() {
        errors.add("secret", "the secret is empty");
    }
    if let (Some(form), Some(secret), true) = (form, secret, errors.is_empty()) {
        match visit.gate().add_router(&visit.actor(), &form, &secret).await {
            Ok(_) => return visit.done(format!("{} is added and may ask at once.", form.name), "/routers").await,
            Err(refused) => errors = Errors::of(refused)?,
        }
    }
    let page = edit(&visit, &draft, None, &errors).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// `GET /routers/{id}`
pub(super) async fn edit_page(visit: Owning, Path(id): Path<i64>) -> Result<Response, WebError> {
    let known = line(&visit, id).await?;
    Ok(edit(&visit, &Draft::of(&known), Some(known), &Errors::none()).await?.into_response())
}

/// `POST /routers/{id}`
pub(super) async fn save(visit: Owning, Path(id): Path<i64>, Typed(draft): Typed<Draft>) -> Result<Response, WebError> {
    let known = line(&visit, id).await?;
    let mut errors = Errors::none();
    let form = draft.check(&mut errors);
    let secret = draft.secret(&mut errors);
    if let (Some(form), true) = (form, errors.is_empty()) {
        match store(&visit, known.id, &form, secret).await {
            Ok(()) => return visit.done(format!("{} is saved.", form.name), "/routers").await,
            Err(refused) => errors = Errors::of(refused)?,
        }
    }
    let page = edit(&visit, &draft, Some(known), &errors).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

async fn store(
    visit: &Visit,
    id: RouterId,
    form: &RouterForm,
    secret: Option<Secret>,
) -> Result<(), crate::gate::Refused> {
    visit.gate().change_router(&visit.actor(), id, form).await?;
    if let Some(secret) = secret {
        visit.gate().set_router_secret(&visit.actor(), id, &secret).await?;
    }
    Ok(())
}

/// `POST /routers/{id}/remove`
pub(super) async fn remove(visit: Owning, Path(id): Path<i64>) -> Result<Response, WebError> {
    let known = line(&visit, id).await?;
    let removed = visit.gate().remove_router(&visit.actor(), known.id).await;
    visit.report(removed, format!("{} is removed; its packets are dropped from now on.", known.name), "/routers").await
}
