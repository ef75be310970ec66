//! `Bot`: one call of the Bot API over HTTP, straight, through an HTTP proxy or through SOCKS5.
//!
//! The payloads are teloxide's, the transport is ours: teloxide's own waits 10 s inside every answer of a failing
//! server, its `Bot` prints the token, and its errors carry the URL with the token in it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Proxy, Response, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use teloxide::requests::Payload;

use crate::secret::Secret;

/// Opening a connection takes at most this long, proxy and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
/// Any call but a long poll ends within this time: below the 30 s that a delivery may take.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// The largest answer that is read: 100 updates of the longest texts with room to spare.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// The longest description of a refusal that is kept, in characters.
const MAX_DESCRIPTION_CHARS: usize = 300;

/// The access data do not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAccess {
    /// Not `<digits>:<letters, digits, _ and ->`.
    #[error("the telegram token does not have the form 123456:letters")]
    Token,
    /// Not an http or https URL.
    #[error("the telegram api_url is not an http or https address")]
    ApiUrl,
    /// Not empty and not http, https, socks5 or socks5h.
    #[error("the telegram proxy is not an address like socks5h://user:password@host:port or http://host:port")]
    Proxy,
    /// The HTTP client cannot be built.
    #[error("the http client cannot be built: {0}")]
    Client(String),
}

/// Why a call gave no result. No text in it carries the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallError {
    /// Telegram refused.
    #[error("{code} {description}")]
    Refused {
        /// The error code, like an HTTP status.
        code: u16,
        /// In Telegram's words.
        description: String,
        /// How long to wait, with 429.
        retry_after: Option<Duration>,
    },
    /// No answer, or none of the Bot API.
    #[error("{0}")]
    Unreachable(String),
}

/// The way to the Bot API. Cheap to clone; prints neither the token nor the proxy's password.
#[derive(Clone)]
pub struct Bot {
    client: Client,
    api_url: Url,
    token: Secret,
}

impl fmt::Debug for Bot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Bot").field("host", &self.api_url.host_str()).field("token", &self.token).finish()
    }
}

/// `{"ok":…}` around every answer.
#[derive(Deserialize)]
struct Envelope<R> {
    ok: bool,
    result: Option<R>,
    error_code: Option<u16>,
    description: Option<String>,
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
}

impl Bot {
    /// The way to the bot of `token` at `api_url`, through `proxy`: `""` for none, else `http://`, `https://`,
    /// `socks5://` (names are looked up here) or `socks5h://` (names are looked up by the proxy), with
    /// `user:password@` where the proxy wants it. Nothing is sent yet.
    ///
    /// # Errors
    /// When one of the three does not have its form.
    pub fn new(token: &Secret, api_url: &str, proxy: &str) -> Result<Self, BadAccess> {
        check_token(token)?;
        let api_url = Url::parse(api_url.trim_end_matches('/')).map_err(|_| BadAccess::ApiUrl)?;
        if !matches!(api_url.scheme(), "http" | "https") || !api_url.has_host() {
            return Err(BadAccess::ApiUrl);
        }
        // The environment's proxies are not asked: the configuration says it all.
        let mut builder = Client::builder().no_proxy().connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true);
        if !proxy.is_empty() {
            builder = builder.proxy(proxy_of(proxy)?);
            if api_url.scheme() == "http" && proxy.starts_with("http") {
                // Such a proxy forwards request by request, and small ones (tinyproxy) hang up after each without
                // saying so: a kept connection would lose the next request. A tunnel to https has no such trouble.
                builder = builder.pool_max_idle_per_host(0);
            }
        }
        let client = builder.build().map_err(|error| BadAccess::Client(words_of(error)))?;
        Ok(Self { client, api_url, token: token.clone() })
    }

    /// Carries `payload` out; gives its result read as `R`.
    pub(super) async fn call<P, R>(&self, payload: &P, timeout: Duration) -> Result<R, CallError>
    where
        P: Payload + Serialize + Sync,
        R: DeserializeOwned,
    {
        self.post(P::NAME, payload, timeout).await
    }

    /// Carries `method` out with these parameters.
    pub(super) async fn post<R: DeserializeOwned>(
        &self,
        method: &str,
        parameters: &(impl Serialize + Sync),
        timeout: Duration,
    ) -> Result<R, CallError> {
        let body = serde_json::to_vec(parameters).map_err(|error| CallError::Unreachable(error.to_string()))?;
        let request = self
            .client
            .post(self.method_url(method)?)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .timeout(timeout)
            .body(body);
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = response.status().as_u16();
        let answer = self.read(response).await?;
        opened(status, &answer)
    }

    fn method_url(&self, method: &str) -> Result<Url, CallError> {
        let no_token = || CallError::Unreachable("the token is not text".to_owned());
        let token = self.token.expose_str().ok_or_else(no_token)?;
        let mut url = self.api_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(&format!("bot{token}")).push(method);
        }
        Ok(url)
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, CallError> {
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            if answer.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(CallError::Unreachable(format!("the answer is longer than {MAX_ANSWER_BYTES} bytes")));
            }
            answer.extend_from_slice(&chunk);
        }
        Ok(answer)
    }

    fn unreachable(&self, error: reqwest::Error) -> CallError {
        let words = words_of(error);
        // The URL is gone already; this holds whatever a library puts into its words tomorrow.
        let token = self.token.expose_str().unwrap_or_default();
        CallError::Unreachable(if token.is_empty() { words } else { words.replace(token, "…") })
    }
}

/// Takes an answer out of its envelope.
fn opened<R: DeserializeOwned>(status: u16, answer: &[u8]) -> Result<R, CallError> {
    let Ok(envelope) = serde_json::from_slice::<Envelope<R>>(answer) else {
        return Err(CallError::Unreachable(format!("status {status} with an answer that is not the Bot API's")));
    };
    match envelope {
        Envelope { ok: true, result: Some(result), .. } => Ok(result),
        Envelope { error_code, description, parameters, .. } => Err(CallError::Refused {
            code: error_code.unwrap_or(status),
            description: description.unwrap_or_default().chars().take(MAX_DESCRIPTION_CHARS).collect(),
            retry_after: parameters.and_then(|parameters| parameters.retry_after).map(Duration::from_secs),
        }),
    }
}

fn check_token(token: &Secret) -> Result<(), BadAccess> {
    let (id, key) = token.expose_str().and_then(|text| text.split_once(':')).ok_or(BadAccess::Token)?;
    let id_fits = !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
    let key_fits = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if id_fits && key_fits { Ok(()) } else { Err(BadAccess::Token) }
}

fn proxy_of(proxy: &str) -> Result<Proxy, BadAccess> {
    let url = Url::parse(proxy).map_err(|_| BadAccess::Proxy)?;
    if !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") || !url.has_host() {
        return Err(BadAccess::Proxy);
    }
    Proxy::all(url).map_err(|_| BadAccess::Proxy)
}

/// The words of an error and of what caused it, without the URL, which carries the token.
fn words_of(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "1:SECRET-token";

    fn bot(api_url: &str, proxy: &str) -> Result<Bot, BadAccess> {
        Bot::new(&Secret::new(TOKEN), api_url, proxy)
    }

    #[test]
    fn takes_the_addresses_that_it_names() {
        let api = "https://api.telegram.org";
        for proxy in ["", "http://127.0.0.1:8888", "socks5://u:p@host:1080", "socks5h://host:1080"] {
            assert!(bot(api, proxy).is_ok(), "{proxy}");
        }
        for proxy in ["host:1080", "ftp://host", "socks5://", "socks4://host:1"] {
            assert_eq!(bot(api, proxy).unwrap_err(), BadAccess::Proxy, "{proxy}");
        }
        for api_url in ["", "api.telegram.org", "ftp://host", "mailto:a@b"] {
            assert_eq!(bot(api_url, "").unwrap_err(), BadAccess::ApiUrl, "{api_url}");
        }
        for token in ["", "1:", ":a", "1:a/b", "x:a", "1:a\n"] {
            assert_eq!(Bot::new(&Secret::new(token), api, "").unwrap_err(), BadAccess::Token, "{token}");
        }
    }

    #[test]
    fn builds_the_path_below_its_own_address() {
        let url = bot("http://host:81/telegram/", "").unwrap().method_url("getMe").unwrap();
        assert_eq!(url.as_str(), "http://host:81/telegram/bot1:SECRET-token/getMe");
    }

    #[tokio::test]
    async fn no_word_of_it_carries_the_token() {
        // Nobody listens on the port once the listener is gone.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let bot = bot(&format!("http://127.0.0.1:{port}"), "").unwrap();
        let call: Result<bool, CallError> = bot.post("getMe", &(), CALL_TIMEOUT).await;
        let error = call.unwrap_err();
        let words = format!("{error} {error:?} {bot:?}");
        assert!(!words.contains("SECRET"), "{words}");
        assert!(matches!(error, CallError::Unreachable(_)));
    }

    #[test]
    fn opens_every_envelope() {
        assert_eq!(opened::<i64>(200, br#"{"ok":true,"result":7}"#), Ok(7));
        let wait = opened::<i64>(
            429,
            br#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 3","parameters":{"retry_after":3}}"#,
        );
        let retry_after = Some(Duration::from_secs(3));
        let description = "Too Many Requests: retry after 3".to_owned();
        assert_eq!(wait, Err(CallError::Refused { code: 429, description, retry_after }));
        for answer in [&b"<html>"[..], b"", b"[]", b"{\"ok\":\"yes\"}"] {
            assert!(matches!(opened::<i64>(502, answer), Err(CallError::Unreachable(_))));
        }
    }
}
