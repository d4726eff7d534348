//! Requests of the API as they come over HTTP: envelope and path form, one way into the [table](crate::dispatch::Table).

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Limited};
use komodo_api::{Code, Error, Module, Needs};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    REQUEST_BYTES_MAX, Seen,
    respond::{error, json},
};
use crate::{
    App,
    dispatch::{Cx, Entry, parse},
};

/// How long a client may take to send a body, in milliseconds.
const BODY_DEADLINE_MS: u64 = 30_000;
/// How much of a refused body is still read so that the client gets to see why, in bytes.
const DISCARD_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    name: String,
    params: Box<RawValue>,
}

/// `POST /{module}` with `{"type", "params"}`. With several modules the first that knows the request takes it.
pub(super) async fn envelope(
    app: Arc<App>,
    modules: &'static [Module],
    request: Request,
) -> Response {
    let seen = Seen::of(&request);
    let find = |app: &App, body: &[u8]| {
        let Envelope { name, params } = parse(body)?;
        Ok((
            find_in(app, modules, &name)?,
            Bytes::copy_from_slice(params.get().as_bytes()),
        ))
    };
    let answer = run(&app, &seen, request, find, Entrance::of(modules)).await;
    respond(answer, &seen)
}

/// Of several refusals the one that says that a request is still to come is the true one.
fn find_in(app: &App, modules: &[Module], name: &str) -> Result<Arc<Entry>, Error> {
    let mut refused = Error::new(Code::Unprocessable, "there is no such request");
    for &module in modules {
        match app.table.find(module, name) {
            Ok(entry) => return Ok(Arc::clone(entry)),
            Err(error) if refused.code != Code::NotBuilt => refused = error,
            Err(_) => {}
        }
    }
    Err(refused)
}

/// `POST /{module}/{Name}` with the parameters alone.
pub(super) async fn named(
    State(app): State<Arc<App>>,
    module: Module,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let seen = Seen::of(&request);
    let answer = match app.table.find(module, &name).cloned() {
        Ok(entry) => {
            let entrance = Entrance::for_entry(&entry);
            run(
                &app,
                &seen,
                request,
                |_, body| Ok((entry, Bytes::copy_from_slice(body))),
                entrance,
            )
            .await
        }
        Err(unknown) => {
            // Who is not signed in does not get to know what exists.
            let entrance = Entrance::of(std::slice::from_ref(&module));
            let refused = entrance
                .let_in(&app, &seen, request.headers())
                .err()
                .unwrap_or(unknown);
            discard(request).await;
            Err(refused)
        }
    };
    respond(answer, &seen)
}

fn respond(answer: crate::dispatch::Answer, seen: &Seen) -> Response {
    match answer {
        Ok((body, headers)) => json(body, headers),
        Err(refusal) => error(refusal, &seen.request_id),
    }
}

/// Whether credentials are asked for before anything else is looked at.
#[derive(Clone, Copy)]
enum Entrance {
    Open,
    Credentials,
}

impl Entrance {
    fn of(modules: &[Module]) -> Self {
        match modules.contains(&Module::AuthLogin) {
            true => Entrance::Open,
            false => Entrance::Credentials,
        }
    }

    fn for_entry(entry: &Entry) -> Self {
        match entry.spec.needs {
            Needs::Nothing => Entrance::Open,
            _ => Entrance::Credentials,
        }
    }

    fn let_in(self, app: &App, seen: &Seen, headers: &HeaderMap) -> Result<Cx, Error> {
        let state = app.desired.snapshot();
        let caller = match self {
            Entrance::Open => None,
            Entrance::Credentials => {
                Some(
                    app.auth
                        .authenticate(&state, headers, seen.peer, app.clock.now())?,
                )
            }
        };
        Ok(Cx {
            request_id: Arc::clone(&seen.request_id),
            caller,
            peer: seen.peer,
            state,
        })
    }
}

async fn run(
    app: &Arc<App>,
    seen: &Seen,
    request: Request,
    find: impl FnOnce(&App, &[u8]) -> Result<(Arc<Entry>, Bytes), Error>,
    entrance: Entrance,
) -> crate::dispatch::Answer {
    let mut cx = match entrance.let_in(app, seen, request.headers()) {
        Ok(cx) => cx,
        Err(refused) => {
            discard(request).await;
            return Err(refused);
        }
    };
    if let Err(refused) = check_content_type(request.headers()) {
        discard(request).await;
        return Err(refused);
    }
    let (parts, body) = request.into_parts();
    let body = read(body).await?;
    let (entry, params) = find(app, &body)?;
    drop(body);
    if cx.caller.is_none() && !matches!(entry.spec.needs, Needs::Nothing) {
        cx = Entrance::Credentials.let_in(app, seen, &parts.headers)?;
    }
    (entry.run)(Arc::clone(app), cx, params).await
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Error> {
    let given = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = given
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let is_json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    match is_json {
        true => Ok(()),
        false => Err(Error::new(
            Code::UnsupportedMediaType,
            "the body must be JSON: send Content-Type: application/json",
        )),
    }
}

async fn read(body: axum::body::Body) -> Result<Bytes, Error> {
    let collect = async {
        let mut body = Limited::new(body, DISCARD_BYTES_MAX);
        let mut kept = Vec::new();
        let mut total = 0;
        while let Some(frame) = body.frame().await {
            let Ok(bytes) = frame.map_err(unread)?.into_data() else {
                continue;
            };
            total += bytes.len();
            if total <= REQUEST_BYTES_MAX {
                kept.extend_from_slice(&bytes);
            } else {
                // Read on, so that the client gets to see the answer, but keep nothing.
                kept = Vec::new();
            }
        }
        match total > REQUEST_BYTES_MAX {
            true => Err(too_large()),
            false => Ok(Bytes::from(kept)),
        }
    };
    match tokio::time::timeout(Duration::from_millis(BODY_DEADLINE_MS), collect).await {
        Ok(read) => read,
        Err(_) => Err(Error::new(Code::BadJson, "the body did not arrive in time")),
    }
}

fn unread(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    match error.is::<http_body_util::LengthLimitError>() {
        true => too_large(),
        false => Error::new(Code::BadJson, "the body broke off").cause(error),
    }
}

fn too_large() -> Error {
    Error::new(
        Code::BodyTooLarge,
        format!(
            "the body is larger than {} MiB",
            REQUEST_BYTES_MAX / 1024 / 1024
        ),
    )
    .param("bytes_max", REQUEST_BYTES_MAX)
}

/// Reads what is left of a refused request: closing on unread bytes would take the answer from the client.
async fn discard(request: Request) {
    let _ = read(request.into_body()).await;
}
