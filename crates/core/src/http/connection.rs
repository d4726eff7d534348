//! Connections: how many, how slow, and how they end.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::Router;
use http::{HeaderName, HeaderValue};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{client_address, request_id, routes};
use crate::App;

/// Open connections; more wait to be accepted.
const CONNECTIONS_MAX: usize = 16 * 1024;
/// How long a client may take to send the head of a request, and how long an idle connection is kept, in milliseconds.
const HEAD_DEADLINE_MS: u64 = 60_000;
/// How long requests that run may take to end when Core ends, in milliseconds.
const GRACE_MS: u64 = 5_000;
/// Pause after the system refused to accept, as it does without free file descriptors, in milliseconds.
const ACCEPT_PAUSE_MS: u64 = 50;

/// Socket address of the other side of a connection; an extension of every request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerAddress(pub(crate) SocketAddr);

/// What is known of a request before it is read; an extension of every request.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Id of the request.
    pub(crate) request_id: Arc<str>,
    /// Address of the client.
    pub(crate) peer: IpAddr,
}

impl Seen {
    /// What is known of this request.
    pub(crate) fn of<B>(request: &http::Request<B>) -> Self {
        request
            .extensions()
            .get::<Seen>()
            .cloned()
            .unwrap_or_else(|| Seen {
                request_id: "unknown".into(),
                peer: IpAddr::from([0, 0, 0, 0]),
            })
    }
}

/// Serves until `end` is cancelled, then lets running requests end.
pub async fn serve(app: Arc<App>, listener: TcpListener, end: CancellationToken) {
    let shared = Arc::new(Shared {
        router: routes::router(&app),
        headers: security_headers(&app),
        requests: AtomicU64::new(0),
        app,
    });
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = end.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, peer, place)) = accepted else {
            continue;
        };
        let shared = Arc::clone(&shared);
        let end = end.clone();
        connections.spawn(async move {
            serve_connection(shared, stream, peer, end).await;
            drop(place);
        });
    }
    drop(listener);
    let rest = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(Duration::from_millis(GRACE_MS), rest)
        .await
        .is_err()
    {
        tracing::info!("connections that would not end are closed");
    }
    connections.shutdown().await;
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, place)),
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            None
        }
    }
}

struct Shared {
    app: Arc<App>,
    router: Router,
    headers: Vec<(HeaderName, HeaderValue)>,
    requests: AtomicU64,
}

async fn serve_connection(
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    end: CancellationToken,
) {
    // Small frames of the live feed must not wait for more.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| answer(Arc::clone(&shared), request, peer));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(HEAD_DEADLINE_MS))
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = end.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%peer, %error, "a connection broke off");
    }
}

async fn answer(
    shared: Arc<Shared>,
    mut request: http::Request<Incoming>,
    peer: SocketAddr,
) -> Result<axum::response::Response, Infallible> {
    let number = shared.requests.fetch_add(1, Ordering::Relaxed);
    let seen = Seen {
        request_id: request_id(shared.app.store.epoch(), number),
        peer: client_address(
            peer.ip(),
            &shared.app.config.trusted_proxies,
            request.headers(),
        ),
    };
    request.extensions_mut().insert(seen);
    request.extensions_mut().insert(PeerAddress(peer));
    let mut response = shared
        .router
        .clone()
        .oneshot(request.map(axum::body::Body::new))
        .await?;
    for (name, value) in &shared.headers {
        if !response.headers().contains_key(name) {
            response.headers_mut().insert(name.clone(), value.clone());
        }
    }
    Ok(response)
}

/// Headers of every answer; those that are set to nothing, or to what is no header, are left out.
fn security_headers(app: &App) -> Vec<(HeaderName, HeaderValue)> {
    let config = &app.config;
    [
        ("x-content-type-options", &config.x_content_type_options),
        ("x-frame-options", &config.x_frame_options),
        ("x-xss-protection", &config.x_xss_protection),
        ("referrer-policy", &config.referrer_policy),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .filter_map(|(name, value)| {
        Some((
            HeaderName::from_static(name),
            HeaderValue::from_str(value).ok()?,
        ))
    })
    .collect()
}
