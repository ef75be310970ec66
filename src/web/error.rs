//! What a page answers when it cannot do what was asked: status and plain words.

use std::any::Any;
use std::time::Duration;

use askama::Template;
use askama_web::WebTemplate;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response as HttpResponse, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::visit::Shell;
use crate::domain::operator::Role;
use crate::gate::Refused;
use crate::store::StoreError;

/// Why there is no page.
#[derive(Debug)]
pub(super) enum WebError {
    /// Nobody is logged in; where to go on after the log-in.
    LoggedOut(Option<String>),
    /// The operator's role is not enough; the role that is.
    Forbidden(Role),
    /// Another site made the browser send this.
    OtherSite,
    /// No such page, or no such row.
    NotFound(&'static str),
    /// A form that cannot be decoded.
    BadForm(StatusCode),
    /// The state does not allow it.
    Conflict(String),
    /// It took longer than a page may take.
    TooSlow(Duration),
    /// The database gives no answer.
    Store(StoreError),
    /// The web log-in could not be read or written.
    Login(tower_sessions::session::Error),
}

impl From<Refused> for WebError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Field { message, .. } | Refused::Conflict(message) => Self::Conflict(message),
            Refused::NotFound(what) => Self::NotFound(what),
            Refused::Router(fault) => Self::Conflict(fault.to_string()),
            Refused::Store(error) => Self::Store(error),
        }
    }
}

impl From<StoreError> for WebError {
    fn from(error: StoreError) -> Self {
        match error {
            // Nothing is out of order: another change came between.
            StoreError::Conflict => Self::Conflict(error.to_string()),
            error => Self::Store(error),
        }
    }
}

impl From<tower_sessions::session::Error> for WebError {
    fn from(error: tower_sessions::session::Error) -> Self {
        Self::Login(error)
    }
}

#[derive(Template, WebTemplate)]
#[template(path = "error.html")]
struct ErrorPage {
    shell: Shell,
    title: &'static str,
    message: String,
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        let (status, title, message) = match self {
            Self::LoggedOut(next) => return to_log_in(next.as_deref()),
            Self::Forbidden(role) => {
                let message = format!("This needs the role {}. Ask an owner for it.", role.word());
                (StatusCode::FORBIDDEN, "Not allowed", message)
            }
            Self::OtherSite => {
                let message = "Your browser says that another site sent this request, so nothing was changed. \
                    Open the page here and try again; behind a proxy, let it pass the Host header on.";
                (StatusCode::FORBIDDEN, "Refused", message.to_owned())
            }
            Self::NotFound(what) => (StatusCode::NOT_FOUND, "Not found", sentence(what)),
            Self::BadForm(status) => (status, "Not understood", "The form could not be read.".to_owned()),
            Self::Conflict(message) => (StatusCode::CONFLICT, "Not done", sentence(&message)),
            Self::TooSlow(longest) => {
                let message = format!(
                    "There was no answer within {} s. What was asked for may still be done: look before you try again.",
                    longest.as_secs()
                );
                (StatusCode::SERVICE_UNAVAILABLE, "Too slow", message)
            }
            Self::Store(error) => {
                tracing::error!(%error, "a page got no answer from the database");
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Out of order",
                    format!("{} Try again.", sentence(&error.to_string())),
                )
            }
            Self::Login(error) => {
                tracing::error!(%error, "a web log-in could not be read or written");
                let message = "Your log-in could not be looked up: the database does not answer. Try again.";
                (StatusCode::SERVICE_UNAVAILABLE, "Out of order", message.to_owned())
            }
        };
        (status, ErrorPage { shell: Shell::stranger(), title, message }).into_response()
    }
}

fn to_log_in(next: Option<&str>) -> Response {
    match next {
        None | Some("/") => Redirect::to("/log-in").into_response(),
        Some(next) => {
            let next: String = askama::filters::urlencode_strict(next).map(|text| text.to_string()).unwrap_or_default();
            Redirect::to(&format!("/log-in?next={next}")).into_response()
        }
    }
}

/// A message of the inner layers as a sentence.
pub(super) fn sentence(message: &str) -> String {
    let end = if message.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{}{end}", capital(message))
}

/// Words of the inner layers as a heading.
pub(super) fn capital(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}", letters.as_str())
}

/// Ends a request that takes longer than this.
pub(super) async fn in_time(State(longest): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(longest, next.run(request)).await {
        Ok(response) => response,
        Err(_) => WebError::TooSlow(longest).into_response(),
    }
}

/// The fallback of all pages.
pub(super) async fn no_page(_: Uri) -> WebError {
    WebError::NotFound("there is no such page")
}

/// The answer when a page panics.
pub(super) fn panicked(_: Box<dyn Any + Send>) -> HttpResponse<Body> {
    tracing::error!("a page panicked");
    let message = "Something went wrong here; the log has more. Nothing was half done.".to_owned();
    let page = ErrorPage { shell: Shell::stranger(), title: "Out of order", message };
    (StatusCode::INTERNAL_SERVER_ERROR, page).into_response()
}

#[cfg(test)]
mod tests {
    use axum::handler::Handler;
    use axum::middleware;

    use super::*;

    #[tokio::test]
    async fn a_page_that_takes_too_long_says_so() {
        let limit = |longest| middleware::from_fn_with_state(longest, in_time);
        let endless = std::future::pending::<&'static str>;
        let response = endless.layer(limit(Duration::from_millis(1))).call(Request::default(), ()).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let at_once = || async { "here" };
        let response = at_once.layer(limit(Duration::from_secs(3600))).call(Request::default(), ()).await;
        assert_eq!(response.status(), StatusCode::OK);
    }

    #[test]
    fn a_change_that_was_overtaken_is_nothing_out_of_order() {
        for error in [WebError::from(StoreError::Conflict), WebError::from(Refused::from(StoreError::Conflict))] {
            assert_eq!(error.into_response().status(), StatusCode::CONFLICT);
        }
    }

    #[test]
    fn messages_become_sentences() {
        assert_eq!(sentence("no such user"), "No such user.");
        assert_eq!(sentence("Really?"), "Really?");
        assert_eq!(capital("adopt from secret"), "Adopt from secret");
    }
}
