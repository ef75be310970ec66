//! Many accounts of a router at once: what is to be done is read once more, then it runs as a job.

use askama::Template;
use askama_web::WebTemplate;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::super::error::WebError;
use super::super::form::{Errors, Field, Pairs, Typed, with_errors};
use super::super::visit::{Deciding, Shell, Visit};
use super::accounts::{Asked, exact, menu_label};
use super::hub::{Hub, router};
use crate::domain::account::Switch;
use crate::domain::operator::Role;
use crate::domain::router::{Router, Scheme};
use crate::gate::bulk::Run;
use crate::gate::router_api::Menu;
use crate::gate::{AccountStep, AccountSteps, Adoption, Afterwards, Names, Refused};
use crate::secret::Secret;

#[derive(Template, WebTemplate)]
#[template(path = "routers/bulk.html")]
struct Page {
    shell: Shell,
    hub: Hub,
    step: Step,
    menu: Menu,
    names: Vec<String>,
    /// The filter, where all that it admits are meant.
    filter: Option<Asked>,
    beside: Vec<String>,
    fields: Vec<Field>,
}

/// What is to be done with accounts of a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Adopt,
    Enable,
    Disable,
    Password,
    Remove,
}

impl Step {
    const ALL: [Self; 5] = [Self::Adopt, Self::Enable, Self::Disable, Self::Password, Self::Remove];

    /// The word in forms.
    const fn word(self) -> &'static str {
        match self {
            Self::Adopt => "adopt",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Password => "password",
            Self::Remove => "remove",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.word() == word)
    }

    /// Who may do it.
    const fn role(self) -> Role {
        match self {
            Self::Enable | Self::Disable => Role::Operator,
            Self::Adopt | Self::Password | Self::Remove => Role::Owner,
        }
    }

    /// What the page asks.
    const fn question(self) -> &'static str {
        match self {
            Self::Adopt => "Adopt",
            Self::Enable => "Enable on the router",
            Self::Disable => "Disable on the router",
            Self::Password => "Set the password on the router",
            Self::Remove => "Remove from the router",
        }
    }

    /// What it means.
    const fn meaning(self) -> &'static str {
        match self {
            Self::Adopt => {
                "radgram reads name, password, profile, addresses and limits, and keeps them; from then on the log-in needs a \
                 session. First it is tried out: nothing is changed, and every name gets its line."
            }
            Self::Enable => {
                "Who knows the password gets in with it from then on. What radgram switches by itself is left alone."
            }
            Self::Disable => "Nobody gets in with it from then on; who is connected stays until they are cut.",
            Self::Password => "Who is connected stays. The person must be told the new one.",
            Self::Remove => {
                "It cannot be taken back: the router forgets name and password. radgram's own accounts stay."
            }
        }
    }

    /// What the button says.
    const fn button(self) -> &'static str {
        match self {
            Self::Adopt => "Try it out",
            Self::Enable => "Enable",
            Self::Disable => "Disable",
            Self::Password => "Set the password",
            Self::Remove => "Remove",
        }
    }
}

const AFTERWARDS: [(&str, &str); 3] = [
    ("removed", "removed; radgram has the sealed copy"),
    ("renamed", "renamed and disabled"),
    ("kept", "kept: they bypass radgram"),
];

/// Which accounts are meant, and what is to be done.
struct Chosen {
    step: Step,
    menu: Menu,
    names: Vec<String>,
    filter: Option<Asked>,
}

async fn chosen(visit: &Visit, router: &Router, form: &Pairs) -> Result<Result<Chosen, Refused>, WebError> {
    let Some(step) = Step::from_word(form.one("step")) else {
        return Ok(Err(Refused::conflict("choose what is to be done")));
    };
    if visit.operator.role < step.role() {
        return Err(WebError::Forbidden(step.role()));
    }
    let asked = Asked::of(form);
    let menu = asked.menu();
    if form.one("scope") != "all" {
        let names: Vec<String> = form.all("pick").map(str::to_owned).collect();
        if names.is_empty() {
            return Ok(Err(Refused::conflict("tick the accounts that are meant")));
        }
        return Ok(Ok(Chosen { step, menu, names, filter: None }));
    }
    let view = match visit.gate().router_accounts(router.id).await {
        Ok(view) => view,
        Err(refused) => return Ok(Err(refused)),
    };
    let meant = view.lines.iter().filter(|line| asked.admits(line)).filter_map(exact);
    let names: Vec<String> = meant.map(str::to_owned).collect();
    if names.is_empty() {
        return Ok(Err(Refused::conflict("the filter admits no account of the router")));
    }
    Ok(Ok(Chosen { step, menu, names, filter: Some(asked) }))
}

fn fields(step: Step, router: &Router, form: &Pairs) -> Vec<Field> {
    match step {
        Step::Adopt => {
            let choices = match router.scheme {
                // The router decides by them.
                Scheme::Api => AFTERWARDS.get(2..).unwrap_or_default(),
                Scheme::Radius => &AFTERWARDS,
            };
            let value = form.one("afterwards");
            vec![Field::labelled("afterwards", "What becomes of them on the router", value, choices).help(
                "A secret of the same name on the router wins over RADIUS, so it should go. It goes only after radgram's copy \
                 is stored.",
            )]
        }
        Step::Password => vec![Field::password("password", "New password")],
        Step::Enable | Step::Disable | Step::Remove => Vec::new(),
    }
}

/// `POST /routers/{id}/accounts`: first it is shown what is meant, then, with `sure`, it is begun.
pub(in crate::web) async fn begin(
    visit: Deciding,
    Path(id): Path<i64>,
    Typed(form): Typed<Pairs>,
) -> Result<Response, WebError> {
    let router = router(&visit, id).await?;
    let path = format!("/routers/{id}/accounts");
    let chosen = match chosen(&visit, &router, &form).await? {
        Ok(chosen) => chosen,
        Err(refused) => return visit.report::<()>(Err(refused), "", &path).await,
    };
    if chosen.step == Step::Password && chosen.names.len() > 1 {
        return visit.refused("a password is set for one account at a time", &path).await;
    }
    let mut errors = Errors::none();
    if form.one("sure") == "yes" {
        match start(&visit, &router, &chosen, &form).await {
            Ok(place) => return Ok(Redirect::to(&place).into_response()),
            Err(Refused::Router(fault)) => return visit.report::<()>(Err(fault.into()), "", &path).await,
            Err(refused) => errors = Errors::of(refused)?,
        }
    }
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let fields = with_errors(fields(chosen.step, &router, &form), &errors);
    let page = Page {
        shell: visit.shell("/routers").await?,
        hub: Hub::of(&visit, &router, "/accounts"),
        step: chosen.step,
        menu: chosen.menu,
        names: chosen.names,
        filter: chosen.filter,
        beside: errors.beside(&fields),
        fields,
    };
    Ok((status, page).into_response())
}

/// Begins the job; gives the path of its page.
async fn start(visit: &Visit, router: &Router, chosen: &Chosen, form: &Pairs) -> Result<String, Refused> {
    let step = match chosen.step {
        Step::Adopt => {
            let expected = || Refused::field("afterwards", "expected removed, renamed or kept");
            let afterwards = Afterwards::from_word(form.one("afterwards")).ok_or_else(expected)?;
            let names = Names::Names(chosen.names.clone());
            let adoption = Adoption { menu: chosen.menu, names, afterwards, run: Run::Dry };
            let job = visit.shared_gate().start_adoption(visit.actor(), router.id, adoption).await?;
            let then = afterwards.word();
            return Ok(format!("/routers/{}/jobs/{job}?menu={}&then={then}", router.id, chosen.menu.word()));
        }
        Step::Enable => AccountStep::Switch(Switch::Enabled),
        Step::Disable => AccountStep::Switch(Switch::Disabled),
        Step::Password if form.one("password").is_empty() => {
            return Err(Refused::field("password", "the password is empty"));
        }
        Step::Password => AccountStep::Password(Secret::new(form.one("password"))),
        Step::Remove => AccountStep::Remove,
    };
    let steps = AccountSteps { menu: chosen.menu, names: chosen.names.clone(), step, run: Run::Real };
    let job = visit.shared_gate().start_account_changes(visit.actor(), router.id, steps).await?;
    Ok(format!("/routers/{}/jobs/{job}", router.id))
}
