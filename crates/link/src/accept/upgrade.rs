//! The HTTP upgrade in front of a link, answered by hand: a WebSocket library's own extractor would give every idle
//! link a large buffer.

use std::net::SocketAddr;

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use tokio::time::timeout;
use tokio_websockets::ServerBuilder;

use super::{Acceptor, EstablishError, Link, Origin, Policy, turns::Turn};
use crate::{
    Stage,
    wire::{CONNECT_AS_BYTES_MAX, CONNECT_AS_PARAMETER},
    wsio::{self, WsIo},
};

/// Appended to the key of the client before hashing (RFC 6455, section 1.3).
const ACCEPT_GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Seconds that an agent is asked to wait when Core is overloaded.
const RETRY_AFTER_S: u16 = 5;

/// What [`Acceptor::accept`] answers to an upgrade request.
pub struct Answer<P> {
    /// To be sent to the dialler, whatever it says.
    pub response: Response<Full<Bytes>>,
    /// The link to come, when the response is 101. Drive it in a task of its own: it goes on after the response.
    pub link: Option<PendingLink<P>>,
}

/// A link between the upgrade and the hello. Dropping it ends the connection.
pub struct PendingLink<P> {
    acceptor: Acceptor<P>,
    upgrade: OnUpgrade,
    origin: Origin,
    turn: Turn,
}

impl<P: Policy> Acceptor<P> {
    /// Answers an upgrade request, from `axum` or `hyper` over HTTP/1.1; the body is not read.
    ///
    /// Waits for a turn when many links are being established. Never fails: what is wrong with the request is in the
    /// response.
    pub async fn accept<B>(
        &self,
        mut request: Request<B>,
        address: Option<SocketAddr>,
    ) -> Answer<P> {
        let key = match upgrade_key(&request) {
            Ok(key) => key,
            Err((status, text)) => return Answer::refused(status, text),
        };
        let Some(connect_as) = connect_as(request.uri().query()) else {
            return Answer::refused(
                StatusCode::BAD_REQUEST,
                "connect_as is too long or not valid UTF-8",
            );
        };
        let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
            return Answer::refused(
                StatusCode::UPGRADE_REQUIRED,
                "this connection cannot be upgraded",
            );
        };
        let busy = || {
            let mut answer = Answer::refused(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many agents connect at once, try again",
            );
            answer
                .response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
            answer
        };
        let Ok(_waiting) = self.shared.waiting.try_acquire() else {
            return busy();
        };
        let turn = self.shared.turns.take(address);
        let Ok(Some(turn)) = timeout(self.shared.timings.turn, turn).await else {
            return busy();
        };
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept_value(&key));
        let link = PendingLink {
            acceptor: self.clone(),
            upgrade,
            origin: Origin {
                address,
                connect_as,
            },
            turn,
        };
        Answer {
            response,
            link: Some(link),
        }
    }
}

impl<P> Answer<P> {
    fn refused(status: StatusCode, text: &'static str) -> Self {
        let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = status;
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        Self {
            response,
            link: None,
        }
    }
}

impl<P: Policy> PendingLink<P> {
    /// Brings the link up; bounded by [`CoreTimings::establish`](super::CoreTimings::establish).
    pub async fn establish(self) -> Result<Link<P::Identity>, EstablishError> {
        let Self {
            acceptor,
            upgrade,
            origin,
            turn,
        } = self;
        let after = acceptor.shared.timings.establish;
        let upgraded = timeout(after, upgrade)
            .await
            .map_err(|_| EstablishError::Timeout {
                stage: Stage::Upgrade,
                after,
            })?
            .map_err(EstablishError::Upgrade)?;
        // `Upgraded` replays what was read behind the request head; taking it apart would lose those bytes.
        let socket = ServerBuilder::new()
            .config(wsio::config())
            .limits(wsio::limits())
            .serve(TokioIo::new(upgraded));
        let link = acceptor.establish(WsIo::new(socket), origin).await;
        drop(turn);
        link
    }
}

/// Checks the head of any WebSocket upgrade, and returns the `sec-websocket-accept` of its answer.
///
/// # Errors
/// Status and text of a refusal.
pub fn websocket_accept<B>(
    request: &Request<B>,
) -> Result<HeaderValue, (StatusCode, &'static str)> {
    upgrade_key(request).map(|key| accept_value(&key))
}

fn upgrade_key<B>(request: &Request<B>) -> Result<HeaderValue, (StatusCode, &'static str)> {
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err((
            StatusCode::METHOD_NOT_ALLOWED,
            "a WebSocket starts with GET",
        ));
    }
    if !has_token(headers, header::CONNECTION, "upgrade")
        || !has_token(headers, header::UPGRADE, "websocket")
    {
        return Err((
            StatusCode::UPGRADE_REQUIRED,
            "this address takes WebSocket upgrades over HTTP/1.1 only",
        ));
    }
    if headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version != "13")
    {
        return Err((
            StatusCode::BAD_REQUEST,
            "only WebSocket version 13 is spoken here",
        ));
    }
    match headers.get(header::SEC_WEBSOCKET_KEY) {
        Some(key) if STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16) => Ok(key.clone()),
        _ => Err((
            StatusCode::BAD_REQUEST,
            "sec-websocket-key is missing or not 16 bytes in base64",
        )),
    }
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

fn accept_value(key: &HeaderValue) -> HeaderValue {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key.as_bytes());
    hash.update(ACCEPT_GUID.as_bytes());
    HeaderValue::try_from(STANDARD.encode(hash.finish())).expect("base64 is a valid header value")
}

/// The wished name in the query; empty when there is none, `None` when it is not usable.
fn connect_as(query: Option<&str>) -> Option<String> {
    let value = query
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| *name == CONNECT_AS_PARAMETER)
        .map_or("", |(_, value)| value);
    let name = percent_decode_str(value).decode_utf8().ok()?;
    (name.len() <= CONNECT_AS_BYTES_MAX && !name.contains(char::is_control))
        .then(|| name.into_owned())
}
