//! All routes.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header::CONTENT_TYPE};
use komodo_api::{Code, Error, Module, operations};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use super::{
    PeerAddress, Seen, api, page,
    respond::{error, json},
};
use crate::{App, openapi};

/// All routes of a Core.
pub(super) fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    for module in Module::ALL {
        let modules: &'static [Module] = match module {
            Module::AuthLogin => &[Module::AuthLogin],
            Module::AuthManage => &[Module::AuthManage],
            Module::Read => &[Module::Read],
            Module::Write => &[Module::Write],
            Module::Execute => &[Module::Execute],
        };
        router = router.route(module.path(), envelope(modules)).route(
            &format!("{}/{{name}}", module.path()),
            post(
                move |app: State<Arc<App>>, name: Path<String>, request: Request| {
                    api::named(app, module, name, request)
                },
            ),
        );
    }
    router
        .route("/auth", envelope(&[Module::AuthLogin, Module::AuthManage]))
        .route("/user", get(user))
        .route("/version", get(async || komodo_api::core::API_VERSION))
        .route("/health", get(health))
        .route("/docs/openapi.json", get(openapi_document))
        .route(komodo_link::UPGRADE_PATH, get(link))
        .route("/ws/update", get(ws_update))
        .route("/ws/live", get(ws_live))
        .route("/ws/periphery", any(foreign_agent))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(anything_else)
        .with_state(Arc::clone(app))
        .layer(cors(app))
}

fn envelope(modules: &'static [Module]) -> axum::routing::MethodRouter<Arc<App>> {
    post(move |State(app): State<Arc<App>>, request: Request| api::envelope(app, modules, request))
}

/// Who is signed in; for disabled accounts too, so that they get to know why nothing else works.
async fn user(State(app): State<Arc<App>>, request: Request) -> Response {
    let seen = Seen::of(&request);
    let state = app.desired.snapshot();
    let account = app
        .auth
        .authenticate(&state, request.headers(), seen.peer, app.clock.now());
    match account.and_then(|account| {
        serde_json::to_vec(&account.user)
            .map_err(|error| Error::new(Code::Internal, "the user cannot be written").cause(error))
    }) {
        Ok(body) => json(body.into(), HeaderMap::new()),
        Err(refused) => error(refused, &seen.request_id),
    }
}

/// For load balancers: 200 while Core can do its work, 503 while it cannot.
async fn health(State(app): State<Arc<App>>) -> Response {
    let database = app.store.ping().await.is_ok();
    let status = if database {
        http::StatusCode::OK
    } else {
        http::StatusCode::SERVICE_UNAVAILABLE
    };
    let word = if database { "ok" } else { "unavailable" };
    let body = serde_json::json!({ "status": word, "database": word, "version": env!("CARGO_PKG_VERSION") });
    (
        status,
        [(CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}

async fn openapi_document() -> Response {
    json(openapi::document_text().into(), HeaderMap::new())
}

/// An agent that links.
async fn link(State(app): State<Arc<App>>, request: Request) -> Response {
    let seen = Seen::of(&request);
    let socket = request.extensions().get::<PeerAddress>().map(|peer| peer.0);
    // Behind a trusted proxy the agent's own address, so that agents do not share the turns of one.
    let address = socket.map(|socket| SocketAddr::new(seen.peer, socket.port()));
    app.links().accept(request, address).await
}

async fn ws_update(State(app): State<Arc<App>>, request: Request) -> Response {
    let peer = Seen::of(&request).peer;
    app.sockets.ws_update(&app, request, peer)
}

async fn ws_live(State(app): State<Arc<App>>, request: Request) -> Response {
    let peer = Seen::of(&request).peer;
    app.sockets.ws_live(&app, request, peer)
}

/// Agents of other implementations speak another protocol.
async fn foreign_agent(request: Request) -> Response {
    let seen = Seen::of(&request);
    tracing::warn!(peer = %seen.peer, "an agent of another Komodo asked to connect; it has to be replaced by this one's");
    let refused = Error::new(
        Code::Invalid,
        "this Core works with its own agent: replace the Periphery on this host by the one of this version and join it with \
         an onboarding key; existing agents cannot be reused",
    );
    error(refused, &seen.request_id)
}

async fn method_not_allowed(request: Request) -> Response {
    let seen = Seen::of(&request);
    let text = format!(
        "{} is not allowed on {}",
        request.method(),
        request.uri().path()
    );
    error(Error::new(Code::MethodNotAllowed, text), &seen.request_id)
}

/// The page, or a file of it; nothing else can be sent anywhere.
async fn anything_else(State(app): State<Arc<App>>, request: Request) -> Response {
    let seen = Seen::of(&request);
    let path = request.uri().path();
    let is_page = matches!(*request.method(), Method::GET | Method::HEAD) && !is_reserved(path);
    if !is_page {
        return error(no_such_path(request.method(), path), &seen.request_id);
    }
    let policy = match app.config.content_security_policy.as_str() {
        "" => page::CONTENT_SECURITY_POLICY,
        own => own,
    };
    page::serve(request.uri().path(), request.headers(), policy)
        .unwrap_or_else(|missing| error(missing, &seen.request_id))
}

/// Whether a path lies where the page never has anything: a client that calls something there wants no page.
fn is_reserved(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next();
    matches!(
        first,
        Some(
            "api"
                | "ws"
                | "auth"
                | "read"
                | "write"
                | "execute"
                | "client"
                | "listener"
                | "terminal"
        )
    )
}

/// 404 that names the right path, where the last part of the wrong one is a request.
fn no_such_path(method: &Method, path: &str) -> Error {
    let shown: String = path.chars().take(200).collect();
    let name = path.rsplit('/').next().unwrap_or_default();
    let meant = operations()
        .into_iter()
        .find(|spec| spec.name == name || spec.aliases.contains(&name));
    let refused = Error::new(
        Code::NotFound,
        match &meant {
            Some(spec) => {
                let meant = format!("{}/{}", spec.module.path(), spec.name);
                format!("there is nothing at {method} {shown}; did you mean POST {meant}?")
            }
            None => format!(
                "there is nothing at {method} {shown}; /docs/openapi.json lists what there is"
            ),
        },
    );
    match meant {
        Some(spec) => refused.param("meant", format!("{}/{}", spec.module.path(), spec.name)),
        None => refused,
    }
}

/// Browsers on other origins may call only where the settings say so.
fn cors(app: &App) -> CorsLayer {
    let config = &app.config;
    let any = config
        .cors_allowed_origins
        .iter()
        .any(|origin| origin == "*");
    let origins = config
        .cors_allowed_origins
        .iter()
        .filter_map(|origin| HeaderValue::from_str(origin).ok());
    // With credentials a browser takes no `*`, and any origin with credentials would be a hole.
    let origin = if any {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins)
    };
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .allow_credentials(config.cors_allow_credentials && !any)
        .expose_headers(["x-total-count", "x-as-of"].map(HeaderName::from_static))
}
