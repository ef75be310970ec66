//! What is said of a router: added, changed, removed. A secret goes in and never comes out.

use std::time::Duration;

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::error::WebError;
use super::super::form::{Errors, Field, Hidden, Typed, with_errors};
use super::super::visit::{Owning, Shell, Visit};
use super::hub::{Hub, router};
use crate::domain::id::RouterId;
use crate::domain::router::{
    COA_PORT, Demand, OLD_SECRET_HOURS, Router, nas_identifier, router_name, shared_secret, shown_network,
    source_network,
};
use crate::gate::Refused;
use crate::secret::Secret;
use crate::store::router::RouterForm;

#[derive(Template, WebTemplate)]
#[template(path = "routers/new.html")]
struct NewPage {
    shell: Shell,
    beside: Vec<String>,
    fields: Vec<Field>,
}

#[derive(Template, WebTemplate)]
#[template(path = "routers/settings.html")]
struct Page {
    shell: Shell,
    hub: Hub,
    beside: Vec<String>,
    fields: Vec<Field>,
}

/// What was typed of a router.
#[derive(Deserialize)]
pub(in crate::web) struct Draft {
    #[serde(default)]
    name: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    secret: Hidden,
    #[serde(default)]
    keep_old: String,
    #[serde(default)]
    nas_identifier: String,
    #[serde(default)]
    coa_port: String,
    #[serde(default)]
    message_authenticator: String,
}

/// Whether the router is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Not,
    Already,
}

impl Draft {
    fn new(address: &str) -> Self {
        Self {
            name: String::new(),
            address: address.to_owned(),
            secret: Hidden::default(),
            keep_old: String::new(),
            nas_identifier: String::new(),
            coa_port: COA_PORT.to_string(),
            message_authenticator: Demand::Auto.word().to_owned(),
        }
    }

    fn of(router: &Router) -> Self {
        Self {
            name: router.name.clone(),
            address: shown_network(router.address),
            secret: Hidden::default(),
            keep_old: String::new(),
            nas_identifier: router.nas_identifier.clone().unwrap_or_default(),
            coa_port: router.coa_port.to_string(),
            message_authenticator: router.message_authenticator.word().to_owned(),
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
        let nas_identifier = errors.take("nas_identifier", nas_identifier(&self.nas_identifier));
        Some(RouterForm {
            name: name?,
            address: address?,
            nas_identifier: nas_identifier?,
            coa_port: coa_port?,
            message_authenticator: demand?,
        })
    }

    /// For how long the secret that it had is taken, too; `None`: not at all.
    fn keep_old(&self, errors: &mut Errors) -> Option<Duration> {
        let typed = self.keep_old.trim();
        if typed.is_empty() || typed == "0" {
            return None;
        }
        let hours = typed.parse::<u32>().ok().filter(|hours| *hours <= OLD_SECRET_HOURS);
        let expected = format!("expected a whole number of hours from 0 to {OLD_SECRET_HOURS}");
        errors.take("keep_old", hours.ok_or(expected)).map(|hours| Duration::from_secs(u64::from(hours) * 3600))
    }

    /// The secret where one was typed.
    fn secret(&self, errors: &mut Errors) -> Option<Secret> {
        self.secret.given()?;
        let typed = self.secret.0.expose_str().unwrap_or_default();
        errors.take("secret", shared_secret(typed))
    }
}

fn fields(draft: &Draft, kept: Kept) -> Vec<Field> {
    let secret = Field::password("secret", "RADIUS secret");
    let secret = match kept {
        Kept::Not => secret.help("The same as on the router: /radius add … secret=…"),
        Kept::Already => secret.help("Left empty, the secret stays as it is. It is never shown.").optional(),
    };
    let demands = Demand::ALL.map(Demand::word);
    let mut fields = vec![
        Field::text("name", "Name", &draft.name),
        Field::text("address", "Address or network", &draft.address)
            .help("Where its packets come from: 192.0.2.1, 192.0.2.0/24 or 2001:db8::/64."),
        Field::text("nas_identifier", "NAS-Identifier", &draft.nas_identifier)
            .help("Only where several routers share the address, behind one NAT: its /system identity, exactly.")
            .optional(),
        secret,
        Field::number("coa_port", "Port for disconnects", &draft.coa_port, 1, u32::from(u16::MAX))
            .help("On the router: /radius incoming set accept=yes port=3799"),
        Field::choice("message_authenticator", "Message-Authenticator", &draft.message_authenticator, &demands).help(
            "auto: demanded for good once the router has sent one. require: always (RouterOS 7.15 or newer with \
             require-message-auth). off: never demanded, for RouterOS before 7.15. With off, whoever can change packets on \
             the way between router and radgram can turn a refusal into a yes (BlastRADIUS): keep that way in a VPN or a \
             network of its own, and update the router.",
        ),
    ];
    if kept == Kept::Already {
        let keep =
            Field::number("keep_old", "Hours that the old secret is taken, too", &draft.keep_old, 0, OLD_SECRET_HOURS);
        let keep = keep.help("With a new secret: until its boxes have it, the old one works. Empty: it stops at once.");
        fields.insert(4, keep.optional());
    }
    fields
}

async fn new_form(visit: &Visit, draft: &Draft, errors: &Errors) -> Result<NewPage, WebError> {
    let fields = with_errors(fields(draft, Kept::Not), errors);
    Ok(NewPage { shell: visit.shell("/routers").await?, beside: errors.beside(&fields), fields })
}

async fn load(visit: &Visit, router: &Router, draft: &Draft, errors: &Errors) -> Result<Page, WebError> {
    let fields = with_errors(fields(draft, Kept::Already), errors);
    let hub = Hub::of(visit, router, "/settings");
    Ok(Page { shell: visit.shell("/routers").await?, hub, beside: errors.beside(&fields), fields })
}

/// The address of an unknown caller that is to become a router.
#[derive(Deserialize)]
pub(in crate::web) struct From {
    #[serde(default)]
    address: String,
}

/// `GET /routers/new`
pub(in crate::web) async fn new_page(visit: Owning, Query(from): Query<From>) -> Result<Response, WebError> {
    Ok(new_form(&visit, &Draft::new(&from.address), &Errors::none()).await?.into_response())
}

/// `POST /routers`
pub(in crate::web) async fn add(visit: Owning, Typed(draft): Typed<Draft>) -> Result<Response, WebError> {
    let mut errors = Errors::none();
    let form = draft.check(&mut errors);
    let secret = draft.secret(&mut errors);
    if secret.is_none() && errors.at("secret").is_none() {
        errors.add("secret", "the secret is empty");
    }
    if let (Some(form), Some(secret), true) = (form, secret, errors.is_empty()) {
        match visit.gate().add_router(&visit.actor(), &form, &secret).await {
            Ok(id) => {
                let text = format!("{} is added and may ask at once. The script below prepares it.", form.name);
                return visit.done(text, &format!("/routers/{id}/script")).await;
            }
            Err(refused) => errors = Errors::of(refused)?,
        }
    }
    Ok((StatusCode::UNPROCESSABLE_ENTITY, new_form(&visit, &draft, &errors).await?).into_response())
}

/// `GET /routers/{id}/settings`
pub(in crate::web) async fn page(visit: Owning, Path(id): Path<i64>) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    Ok(load(&visit, &router, &Draft::of(&router), &Errors::none()).await?.into_response())
}

/// `POST /routers/{id}/settings`
pub(in crate::web) async fn save(
    visit: Owning,
    Path(id): Path<i64>,
    Typed(draft): Typed<Draft>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let mut errors = Errors::none();
    let form = draft.check(&mut errors);
    let secret = draft.secret(&mut errors);
    let keep_old = draft.keep_old(&mut errors);
    if keep_old.is_some() && secret.is_none() && errors.at("secret").is_none() {
        errors.add("secret", "to keep the old secret for a while, type the new one");
    }
    if let (Some(form), true) = (form, errors.is_empty()) {
        match store(&visit, router.id, &form, secret.map(|secret| (secret, keep_old))).await {
            Ok(()) => return visit.done(format!("{} is saved.", form.name), &format!("/routers/{id}")).await,
            Err(refused) => errors = Errors::of(refused)?,
        }
    }
    let page = load(&visit, &router, &draft, &errors).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

async fn store(
    visit: &Visit,
    id: RouterId,
    form: &RouterForm,
    secret: Option<(Secret, Option<Duration>)>,
) -> Result<(), Refused> {
    visit.gate().change_router(&visit.actor(), id, form).await?;
    if let Some((secret, keep_old)) = secret {
        visit.gate().replace_router_secret(&visit.actor(), id, &secret, keep_old).await?;
    }
    Ok(())
}

/// `POST /routers/{id}/remove`
pub(in crate::web) async fn remove(visit: Owning, Path(id): Path<i64>) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let removed = visit.gate().remove_router(&visit.actor(), router.id).await;
    visit.report(removed, format!("{} is removed; its packets are dropped from now on.", router.name), "/routers").await
}
