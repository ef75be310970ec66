//! A visit of an operator: who it is, what they may do, and the frame that every page stands in.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tower_sessions::Session;

use super::WebState;
use super::error::{WebError, sentence};
use super::routers::brief;
use super::times::{Times, When};
use crate::clock::Timestamp;
use crate::domain::audit::Actor;
use crate::domain::id::OperatorId;
use crate::domain::operator::{Operator, Role};
use crate::domain::setting::Level;
use crate::gate::Gate;
use crate::gate::Refused;
use crate::store::Reader;

/// A log-in that is not used for this long is over.
pub(super) const IDLE: Duration = Duration::from_secs(2 * 3600);
/// A log-in is over after this long, however it is used.
const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// How often its last use is written.
const SEEN_EVERY: Duration = Duration::from_secs(300);
const FLASH: &str = "flash";

/// What a web log-in keeps of its operator.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LoggedIn {
    /// The row.
    pub(super) operator: i64,
    /// Its version at the log-in: a change of role or password ends the log-in.
    pub(super) version: i64,
    /// When, in Unix milliseconds.
    pub(super) at: i64,
    /// When it was last used, more or less.
    pub(super) seen: i64,
}

impl LoggedIn {
    /// Where it stands in the web log-in.
    pub(super) const KEY: &str = "operator";

    fn is_over(&self, operator: &Operator, now: Timestamp) -> bool {
        self.version != operator.version || now >= Timestamp::from_millis(self.at) + LONGEST
    }
}

/// What the next page says of what was done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Flash {
    pub(super) mood: Mood,
    pub(super) text: String,
}

/// Whether it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mood {
    Done,
    Refused,
}

/// A logged-in operator at a page.
pub(super) struct Visit {
    state: WebState,
    session: Session,
    pub(super) operator: Operator,
}

/// A page for every role.
pub(super) struct Viewing(Visit);
/// A page for operators and owners.
pub(super) struct Deciding(Visit);
/// A page for owners.
pub(super) struct Owning(Visit);

macro_rules! for_role {
    ($($name:ident = $role:expr;)*) => {$(
        impl FromRequestParts<WebState> for $name {
            type Rejection = WebError;

            async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, WebError> {
                let visit = Visit::of(parts, state).await?;
                if visit.operator.role >= $role { Ok(Self(visit)) } else { Err(WebError::Forbidden($role)) }
            }
        }

        impl Deref for $name {
            type Target = Visit;

            fn deref(&self) -> &Visit {
                &self.0
            }
        }
    )*};
}

for_role! {
    Viewing = Role::Viewer;
    Deciding = Role::Operator;
    Owning = Role::Owner;
}

impl Visit {
    async fn of(parts: &mut Parts, state: &WebState) -> Result<Self, WebError> {
        let next = (parts.method == Method::GET).then(|| parts.uri.path().to_owned());
        let logged_out = || WebError::LoggedOut(next);
        let Some(session) = parts.extensions.get::<Session>().cloned() else { return Err(logged_out()) };
        let Some(mut login) = session.get::<LoggedIn>(LoggedIn::KEY).await? else { return Err(logged_out()) };
        let now = state.gate().now();
        let operator = state.gate().reader().operator(OperatorId(login.operator)).await?;
        let Some(operator) = operator.filter(|operator| !login.is_over(operator, now)) else {
            session.flush().await?;
            return Err(logged_out());
        };
        if now >= Timestamp::from_millis(login.seen) + SEEN_EVERY {
            login.seen = now.millis();
            session.insert(LoggedIn::KEY, &login).await?;
        }
        Ok(Self { state: state.clone(), session, operator })
    }

    /// The use cases.
    pub(super) fn gate(&self) -> &Gate {
        self.state.gate()
    }

    /// The use cases, for what goes on after the page.
    pub(super) fn shared_gate(&self) -> &Arc<Gate> {
        &self.state.0.gate
    }

    /// Does something on a router to its end, even if the browser goes away meanwhile or the page is given up.
    pub(super) async fn carry_through<T, W>(&self, work: impl FnOnce(Arc<Gate>, Actor) -> W) -> T
    where
        T: Send + 'static,
        W: Future<Output = T> + Send + 'static,
    {
        let running = self.state.0.errands.spawn(work(self.state.0.gate.clone(), self.actor()));
        match running.await {
            Ok(done) => done,
            // Nobody stops it: it has panicked, and so does the page.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// What is stored.
    pub(super) fn reader(&self) -> &Reader {
        self.state.gate().reader()
    }

    /// Who does what this page does.
    pub(super) fn actor(&self) -> Actor {
        Actor::Operator(self.operator.id, self.operator.name.clone())
    }

    /// The web log-in itself.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// The frame of the page, with what was done before it.
    pub(super) async fn shell(&self, here: &'static str) -> Result<Shell, WebError> {
        let values = self.reader().settings().await?;
        let zone = values.at("time_zone", Level::System).and_then(|name| TimeZone::get(name).ok());
        let times = Times { now: self.gate().now(), zone: zone.unwrap_or(TimeZone::UTC) };
        let alarms = self.reader().alarms().await?.len();
        // Only a log-in that keeps a flash is written.
        let kept = self.session.get_value(FLASH).await?.is_some();
        let flash = if kept { self.session.remove(FLASH).await? } else { None };
        Ok(Shell { operator: Some(self.operator.clone()), here, flash, times, alarms })
    }

    /// Goes to `path`, whose page will say that it was done.
    pub(super) async fn done(&self, text: impl Into<String>, path: &str) -> Result<Response, WebError> {
        self.go(Flash { mood: Mood::Done, text: text.into() }, path).await
    }

    /// Goes to `path`, whose page will say that it was done, or why not.
    pub(super) async fn report<T>(
        &self,
        result: Result<T, Refused>,
        text: impl Into<String>,
        path: &str,
    ) -> Result<Response, WebError> {
        match result {
            Ok(_) => self.done(text, path).await,
            Err(Refused::Conflict(message) | Refused::Field { message, .. }) => self.refused(&message, path).await,
            Err(Refused::Router(fault)) => self.refused(&brief(&fault), path).await,
            Err(other) => Err(other.into()),
        }
    }

    /// Goes to `path`, whose page will say why it was not done.
    pub(super) async fn refused(&self, message: &str, path: &str) -> Result<Response, WebError> {
        self.go(Flash { mood: Mood::Refused, text: sentence(message) }, path).await
    }

    async fn go(&self, flash: Flash, path: &str) -> Result<Response, WebError> {
        self.session.insert(FLASH, flash).await?;
        Ok(Redirect::to(path).into_response())
    }
}

/// The frame of a page.
#[derive(Debug, Clone)]
pub(super) struct Shell {
    pub(super) operator: Option<Operator>,
    here: &'static str,
    pub(super) flash: Option<Flash>,
    times: Times,
    alarms: usize,
}

/// A place to go to.
pub(super) struct Link {
    pub(super) path: &'static str,
    pub(super) label: &'static str,
    /// For `aria-current`.
    pub(super) current: &'static str,
}

const LINKS: &[(&str, &str, Role)] = &[
    ("/", "Overview", Role::Viewer),
    ("/users", "Users", Role::Viewer),
    ("/accounts", "Accounts", Role::Viewer),
    ("/groups", "Groups", Role::Viewer),
    ("/sessions", "Sessions", Role::Viewer),
    ("/attempts", "Log-ins", Role::Viewer),
    ("/routers", "Routers", Role::Viewer),
    ("/settings", "Settings", Role::Viewer),
    ("/audit", "Audit", Role::Viewer),
    ("/operators", "Operators", Role::Owner),
];

impl Shell {
    /// The frame for whoever is not logged in.
    pub(super) fn stranger() -> Self {
        let times = Times { now: Timestamp::default(), zone: TimeZone::UTC };
        Self { operator: None, here: "", flash: None, times, alarms: 0 }
    }

    pub(super) fn style_sheets(&self) -> [&'static str; 2] {
        super::assets::style_sheets()
    }

    pub(super) fn links(&self) -> Vec<Link> {
        LINKS
            .iter()
            .filter(|(_, _, role)| self.may(*role))
            .map(|(path, label, _)| Link { path, label, current: if *path == self.here { "page" } else { "false" } })
            .collect()
    }

    pub(super) fn alarms(&self) -> usize {
        self.alarms
    }

    fn may(&self, role: Role) -> bool {
        self.operator.as_ref().is_some_and(|operator| operator.role >= role)
    }

    /// Whether to show what operators do.
    pub(super) fn may_decide(&self) -> bool {
        self.may(Role::Operator)
    }

    /// Whether to show what owners do.
    pub(super) fn may_own(&self) -> bool {
        self.may(Role::Owner)
    }

    pub(super) fn when(&self, at: &Timestamp) -> When {
        self.times.when(at)
    }
}
