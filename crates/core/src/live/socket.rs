//! A websocket of a client: upgrade, login, frames with limits and deadlines. What is said over it does not belong here.

use std::{net::IpAddr, time::Duration};

use axum::body::Body;
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use komodo_api::{Code, Error, live::WsLoginMessage};
use tokio::time::timeout;
use tokio_websockets::{Config, Limits, Message, ServerBuilder, WebSocketStream};

use super::access::Login;
use crate::App;

/// Largest message that a client may send, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// How long a client may take for the upgrade, and then to sign in.
const LOGIN: Duration = Duration::from_secs(10);
/// How long a client may take to accept what is sent.
const SEND: Duration = Duration::from_secs(30);
/// How long a close may take.
const CLOSE: Duration = Duration::from_secs(2);
/// Time between two pings; a client that has sent nothing for three times that is gone.
pub(super) const PING: Duration = Duration::from_secs(30);
/// Bytes that are collected before they are written.
const FLUSH_BYTES: usize = 16 * 1024;

/// Answers an upgrade request, and gives what becomes of its connection.
pub(super) fn upgrade(
    request: &mut Request<Body>,
) -> Result<(Response<Body>, OnUpgrade), Box<Response<Body>>> {
    let accept = komodo_link::websocket_accept(request)
        .map_err(|(status, text)| Box::new(refused(status, text)))?;
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return Err(Box::new(refused(
            StatusCode::BAD_REQUEST,
            "this connection cannot be upgraded",
        )));
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(
        header::CONNECTION,
        http::HeaderValue::from_static("upgrade"),
    );
    headers.insert(header::UPGRADE, http::HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok((response, upgrade))
}

/// A refusal in plain text.
pub(super) fn refused(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        http::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

/// An open websocket.
pub(super) struct Socket {
    stream: WebSocketStream<TokioIo<Upgraded>>,
}

/// What came from the client.
pub(super) enum Frame {
    /// Text, or the same in a binary message.
    Text(Message),
    /// A sign of life.
    Pong,
    /// It is gone.
    End,
}

impl Socket {
    /// Waits for the upgrade and for the first frame, which must prove who is there; answers `LOGGED_IN`, or why not.
    pub(super) async fn login(
        app: &App,
        upgrade: OnUpgrade,
        peer: IpAddr,
    ) -> Option<(Self, Login)> {
        let upgraded = timeout(LOGIN, upgrade).await.ok()?.ok()?;
        let stream = ServerBuilder::new()
            .config(Config::default().flush_threshold(FLUSH_BYTES))
            .limits(Limits::default().max_payload_len(Some(MESSAGE_BYTES_MAX)))
            .serve(TokioIo::new(upgraded));
        let mut socket = Socket { stream };
        let first = timeout(LOGIN, socket.receive_text()).await.ok()??;
        let error = match serde_json::from_slice::<WsLoginMessage>(first.as_payload()) {
            Err(_) => Error::new(Code::BadJson, "the first frame has to be a login message"),
            Ok(message) => match Login::check(app, &message, peer) {
                Ok(login) => {
                    socket.send_text("LOGGED_IN".to_owned()).await?;
                    return Some((socket, login));
                }
                Err(error) => error,
            },
        };
        socket
            .send_text(format!("[{}]: {}", error.status(), error.error))
            .await?;
        socket.close().await;
        None
    }

    async fn receive_text(&mut self) -> Option<Message> {
        loop {
            match self.receive().await {
                Frame::Text(message) => return Some(message),
                Frame::Pong => {}
                Frame::End => return None,
            }
        }
    }

    /// The next frame. Can be dropped and called again without losing one.
    pub(super) async fn receive(&mut self) -> Frame {
        match self.stream.next().await {
            Some(Ok(message)) if message.is_text() || message.is_binary() => Frame::Text(message),
            Some(Ok(message)) if message.is_close() => Frame::End,
            Some(Ok(_)) => Frame::Pong,
            Some(Err(_)) | None => Frame::End,
        }
    }

    /// Sends text; `None` when the client is gone or does not take it in time.
    pub(super) async fn send_text(&mut self, text: String) -> Option<()> {
        self.send_all([text]).await
    }

    /// Sends several texts together.
    pub(super) async fn send_all(&mut self, texts: impl IntoIterator<Item = String>) -> Option<()> {
        let send = async {
            for text in texts {
                self.stream.feed(Message::text(text)).await?;
            }
            self.stream.flush().await
        };
        timeout(SEND, send).await.ok()?.ok()
    }

    /// Asks for a sign of life.
    pub(super) async fn ping(&mut self) -> Option<()> {
        timeout(SEND, self.stream.send(Message::ping("")))
            .await
            .ok()?
            .ok()
    }

    /// Says goodbye, so that what was sent last is not lost with the connection.
    pub(super) async fn close(mut self) {
        let close = async {
            self.stream.send(Message::close(None, "")).await.ok()?;
            // What the client still sends is read, or the kernel would cut off what it has not received yet.
            while let Frame::Text(_) | Frame::Pong = self.receive().await {}
            Some(())
        };
        let _ = timeout(CLOSE, close).await;
    }
}
