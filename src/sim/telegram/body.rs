//! The parameters of a Bot API request: query string, JSON, form or multipart body, all alike afterwards.

use axum::extract::Query;
use axum::http::{HeaderMap, Uri, header};
use serde_json::{Map, Value};

/// The parameters by name. Forms carry nested values as JSON text.
pub(super) struct Parameters(Map<String, Value>);

impl Parameters {
    /// Reads the query string, then the body by its content type.
    pub(super) fn read(uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<Self, String> {
        let mut all = Map::new();
        all.extend(pairs(uri.query().unwrap_or_default())?);
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let text = || std::str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned());
        if kind.starts_with("application/json") {
            let object: Map<String, Value> = serde_json::from_slice(body).map_err(|_| "can't parse JSON object")?;
            all.extend(object);
        } else if kind.starts_with("application/x-www-form-urlencoded") {
            all.extend(pairs(text()?)?);
        } else if let Some((_, boundary)) = kind.split_once("boundary=") {
            all.extend(parts(text()?, boundary.trim_matches('"')));
        }
        Ok(Self(all))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        match self.0.get(name)? {
            Value::String(text) => text.parse().ok(),
            value => value.as_i64(),
        }
    }

    /// A nested value, whether it came as JSON or as JSON text in a form.
    pub(super) fn value(&self, name: &str) -> Option<Value> {
        match self.0.get(name)? {
            Value::String(text) => serde_json::from_str(text).ok(),
            value => Some(value.clone()),
        }
    }
}

type Pairs = Vec<(String, Value)>;

fn pairs(encoded: &str) -> Result<Pairs, String> {
    let uri: Uri = format!("/?{encoded}").parse().map_err(|_| "the form cannot be read".to_owned())?;
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&uri).map_err(|_| "the form cannot be read")?;
    Ok(pairs.into_iter().map(|(name, text)| (name, Value::String(text))).collect())
}

/// The text fields of a multipart body (RFC 7578); files are not needed.
fn parts(body: &str, boundary: &str) -> Pairs {
    body.split(&format!("--{boundary}"))
        .filter_map(|part| {
            let (head, content) = part.split_once("\r\n\r\n")?;
            let (_, rest) = head.split_once("name=\"")?;
            let (name, _) = rest.split_once('"')?;
            let content = content.strip_suffix("\r\n").unwrap_or(content);
            Some((name.to_owned(), Value::String(content.to_owned())))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, body: &str) -> Parameters {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        Parameters::read(&Uri::from_static("/bot1:a/sendMessage?limit=7"), &headers, body.as_bytes()).unwrap()
    }

    #[track_caller]
    fn check(kind: &str, body: &str) {
        let parameters = read(kind, body);
        assert_eq!(parameters.integer("limit"), Some(7));
        assert_eq!(parameters.integer("chat_id"), Some(-5));
        assert_eq!(parameters.text("text"), Some("да & нет"));
        assert_eq!(parameters.value("reply_markup"), Some(serde_json::json!({ "a": [1] })));
    }

    #[test]
    fn every_kind_of_body_gives_the_same_parameters() {
        check("application/json", r#"{"chat_id":-5,"text":"да & нет","reply_markup":{"a":[1]}}"#);
        check(
            "application/x-www-form-urlencoded",
            "chat_id=-5&text=%D0%B4%D0%B0+%26+%D0%BD%D0%B5%D1%82&reply_markup=%7B%22a%22%3A%5B1%5D%7D",
        );
        let part = |name: &str, text: &str| {
            format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
        };
        let body = part("chat_id", "-5") + &part("text", "да & нет") + &part("reply_markup", "{\"a\":[1]}") + "--XX--";
        check("multipart/form-data; boundary=XX", &body);
    }
}
