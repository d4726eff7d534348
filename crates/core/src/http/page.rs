//! The web page: files that were put into the binary when it was built. Nothing is read from disk.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{
        ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
    },
};
use komodo_api::{Code, Error};

/// A file of the page, with its compressed forms where they are smaller.
struct Asset {
    path: &'static str,
    etag: &'static str,
    plain: &'static [u8],
    br: Option<&'static [u8]>,
    gz: Option<&'static [u8]>,
}

const ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// What pages may load: nothing from elsewhere but pictures.
pub(super) const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data: https:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Answers a GET of any path that is no part of the API: a file of the page, or the page itself, which then finds its
/// own way (200, since it is the right answer). A missing file below `assets/` is missing.
pub(super) fn serve(path: &str, headers: &HeaderMap, policy: &str) -> Result<Response, Error> {
    let path = path.trim_start_matches('/');
    let asset = find(path).or_else(|| {
        if path.starts_with("assets/") {
            None
        } else {
            find("index.html")
        }
    });
    let Some(asset) = asset else {
        return Err(Error::new(Code::NotFound, "there is no such file"));
    };
    let mut answer = HeaderMap::new();
    answer.insert(ETAG, HeaderValue::from_static(asset.etag));
    answer.insert(VARY, HeaderValue::from_static("accept-encoding"));
    // Names below `assets/` hold a hash of the content.
    let cache = match asset.path.starts_with("assets/") {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    answer.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    if headers
        .get(IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == asset.etag.as_bytes())
    {
        return Ok((StatusCode::NOT_MODIFIED, answer).into_response());
    }
    answer.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(content_type(asset.path)),
    );
    if asset.path.ends_with(".html")
        && let Ok(policy) = HeaderValue::from_str(policy)
    {
        answer.insert("content-security-policy", policy);
    }
    let accepted = headers
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let body = match (asset.br, asset.gz) {
        (Some(br), _) if accepts(accepted, "br") => {
            answer.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
            br
        }
        (_, Some(gz)) if accepts(accepted, "gzip") => {
            answer.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            gz
        }
        _ => asset.plain,
    };
    Ok((answer, Bytes::from_static(body)).into_response())
}

fn find(path: &str) -> Option<&'static Asset> {
    // The table is sorted by path components, not by text.
    ASSETS.iter().find(|asset| asset.path == path)
}

/// Whether a client takes an encoding: named, and not with a weight of zero.
fn accepts(header: &str, encoding: &str) -> bool {
    header.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        named
            && !parts.any(|part| {
                matches!(
                    part.strip_prefix("q="),
                    Some("0" | "0.0" | "0.00" | "0.000")
                )
            })
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}
