//! Requests that another site makes a browser send (CSRF) are refused.

use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::client::{Client, Way};
use super::error::WebError;

/// Lets a request pass that changes nothing, or that comes from our own pages.
pub(super) async fn guard(client: Client, request: Request, next: Next) -> Response {
    if is_safe(request.method()) || is_own(request.headers(), client.way) {
        return next.run(request).await;
    }
    WebError::OtherSite.into_response()
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Browsers say where a request comes from by `Sec-Fetch-Site`, older ones by `Origin`. Neither: no browser, so no
/// cookie that somebody else could use.
fn is_own(headers: &HeaderMap, way: Way) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Some(host) = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host) else {
        return false;
    };
    let is = |name: &str| headers.get(name).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(host.as_bytes()));
    is("host") || (way == Way::Trusted && is("x-forwarded-host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], expected: bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        assert_eq!(is_own(&map, Way::Direct), expected, "{headers:?}");
    }

    #[test]
    fn only_our_own_pages_may_change_something() {
        check(&[], true);
        check(&[("sec-fetch-site", "same-origin")], true);
        check(&[("sec-fetch-site", "none")], true);
        check(&[("sec-fetch-site", "same-site")], false);
        check(&[("sec-fetch-site", "cross-site")], false);
        check(&[("sec-fetch-site", "cross-site"), ("origin", "http://a:1"), ("host", "a:1")], false);
        check(&[("origin", "http://radgram:8080"), ("host", "radgram:8080")], true);
        check(&[("origin", "http://evil"), ("host", "radgram:8080")], false);
        check(&[("origin", "http://evil"), ("host", "radgram"), ("x-forwarded-host", "evil")], false);
        check(&[("origin", "null"), ("host", "radgram")], false);
    }
}
