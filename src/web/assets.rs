//! Style sheets, embedded in the program and named with a hash of their content.

use std::sync::LazyLock;

use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::crypto::hex;

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

/// Bytes of the content's hash that an address carries.
const HASH_BYTES: usize = 8;

static PICO: LazyLock<String> = LazyLock::new(|| address("pico.min.css"));
static OWN: LazyLock<String> = LazyLock::new(|| address("radgram.css"));

/// The addresses of the style sheets, in their order.
pub(super) fn style_sheets() -> [&'static str; 2] {
    [&PICO, &OWN]
}

fn hash(name: &str) -> Option<String> {
    let file = Files::get(name)?;
    Some(hex::encode(file.metadata.sha256_hash().first_chunk::<HASH_BYTES>()?))
}

fn address(name: &str) -> String {
    format!("/static/{name}?{}", hash(name).unwrap_or_default())
}

/// `GET /static/{file}`: kept by browsers for good when asked for by its hash, else checked each time.
pub(super) async fn file(Path(name): Path<String>, RawQuery(asked): RawQuery, headers: HeaderMap) -> Response {
    let (Some(content_type), Some(file), Some(hash)) = (content_type(&name), Files::get(&name), hash(&name)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag = format!("\"{hash}\"");
    let keep = if asked.as_deref() == Some(&hash) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let about = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, keep.to_owned())];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, [(header::CONTENT_TYPE, content_type)], file.data.into_owned()).into_response()
}

fn content_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "md" => Some("text/plain; charset=utf-8"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_style_sheet_exists_and_has_its_hash() {
        for address in style_sheets() {
            let (_, hash) = address.split_once('?').unwrap();
            assert_eq!(hash.len(), 2 * HASH_BYTES, "{address}");
        }
    }
}
