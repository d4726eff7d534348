//! Answers: JSON bodies and errors.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use komodo_api::{Code, Error};

/// Status 200 with JSON that is written already.
pub(crate) fn json(body: Bytes, mut headers: HeaderMap) -> Response {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (headers, body).into_response()
}

/// An error as clients get it, and as the log remembers it: what is wrong with Core loudly, what is wrong with a server or
/// a request quietly.
pub(crate) fn error(mut error: Error, request_id: &str) -> Response {
    let status = error.status();
    match error.code {
        Code::Internal | Code::StorageFull => {
            tracing::error!(request.id = request_id, code = ?error.code, trace = ?error.trace, "{}", error.error);
        }
        _ => {
            tracing::debug!(request.id = request_id, code = ?error.code, trace = ?error.trace, "{}", error.error)
        }
    }
    error.request_id = Some(request_id.to_owned());
    let body = serde_json::to_vec(&error)
        .unwrap_or_else(|_| br#"{"error":"internal error","trace":[]}"#.to_vec());
    let mut response = (status, [(CONTENT_TYPE, "application/json")], body).into_response();
    if let Some(seconds) = error
        .params
        .get("retry_after_seconds")
        .and_then(serde_json::Value::as_i64)
    {
        response
            .headers_mut()
            .insert(http::header::RETRY_AFTER, seconds.max(1).into());
    }
    response
}
