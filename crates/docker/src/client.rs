//! One HTTP request to the Engine on one connection of its own: no pool, so no request ever meets a connection that
//! went stale, and dropping an answer closes the connection, which ends the request at the Engine.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpStream, UnixStream},
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use tokio_util::either::Either;

use crate::{
    Endpoint,
    error::{EngineError, MESSAGE_CHARS_MAX, UnreachableWhy},
};

/// Time to connect.
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
/// Bytes of a refusal that are read.
const REFUSAL_BYTES_MAX: usize = 16 * 1024;

/// A point in time, with the length it came from for the error text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    length: Duration,
}

impl Deadline {
    pub(crate) fn after(length: Duration) -> Self {
        Deadline {
            at: Instant::now() + length,
            length,
        }
    }

    pub(crate) async fn run<T>(
        self,
        work: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        timeout_at(self.at, work)
            .await
            .unwrap_or(Err(EngineError::NoAnswer(self.length)))
    }
}

/// The task that drives a connection; it ends with whatever holds this.
#[derive(Debug)]
pub(crate) struct Connection(JoinHandle<()>);

impl Connection {
    /// Drives a connection.
    #[expect(
        clippy::disallowed_methods,
        reason = "ends with what holds the connection"
    )]
    pub(crate) fn drive(
        connection: impl Future<Output = Result<(), hyper::Error>> + Send + 'static,
    ) -> Self {
        Connection(tokio::spawn(async move {
            // Whatever ends the connection reaches the one who reads the answer.
            let _ = connection.await;
        }))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a request carries.
pub(crate) struct Payload {
    kind: &'static str,
    body: UnsyncBoxBody<Bytes, EngineError>,
}

impl Payload {
    /// A document.
    pub(crate) fn json(document: &serde_json::Value) -> Self {
        Payload::whole("application/json", document.to_string().into())
    }

    /// The body of an answer, sent on as it comes; it breaks off where that is longer than `bytes_max`.
    pub(crate) fn archive(answer: Answer, bytes_max: u64) -> Self {
        let parts = futures_util::stream::try_unfold(
            (answer, 0_u64),
            move |(mut answer, sent)| async move {
                let Some(part) = answer.part().await? else {
                    return Ok(None);
                };
                let sent = sent + part.len() as u64;
                match sent > bytes_max {
                    true => Err(EngineError::TooLarge(
                        usize::try_from(bytes_max).unwrap_or(usize::MAX),
                    )),
                    false => Ok(Some((Frame::data(part), (answer, sent)))),
                }
            },
        );
        Payload {
            kind: "application/x-tar",
            body: StreamBody::new(parts).boxed_unsync(),
        }
    }

    fn whole(kind: &'static str, bytes: Bytes) -> Self {
        let body = Full::new(bytes).map_err(|never| match never {});
        Payload {
            kind,
            body: body.boxed_unsync(),
        }
    }
}

/// An answer whose body is yet to be read.
#[derive(Debug)]
pub(crate) struct Answer {
    response: Response<Incoming>,
    _connection: Connection,
}

/// Connections to one endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    endpoint: Arc<Endpoint>,
    /// Address at the other end of the last TCP connection.
    peer: Arc<Mutex<Option<SocketAddr>>>,
}

impl Client {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Client {
            endpoint: Arc::new(endpoint),
            peer: Arc::default(),
        }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        *self.peer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request without a body and waits for the head of the answer; refusals are errors.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        deadline: Deadline,
    ) -> Result<Answer, EngineError> {
        self.send_with(method, path, None, deadline).await
    }

    /// As [`Client::send`], with a body.
    pub(crate) async fn send_with(
        &self,
        method: Method,
        path: &str,
        payload: Option<Payload>,
        deadline: Deadline,
    ) -> Result<Answer, EngineError> {
        deadline
            .run(async {
                let answer = match &*self.endpoint {
                    Endpoint::Unix(socket) => {
                        let connected = self.connect(UnixStream::connect(socket)).await?;
                        self.exchange(TokioIo::new(connected), method, path, payload)
                            .await?
                    }
                    Endpoint::Tcp { host, port } => {
                        let connected = self
                            .connect(TcpStream::connect((host.as_str(), *port)))
                            .await?;
                        *self.peer.lock().unwrap_or_else(PoisonError::into_inner) =
                            connected.peer_addr().ok();
                        self.exchange(TokioIo::new(connected), method, path, payload)
                            .await?
                    }
                };
                let status = answer.response.status();
                if status.is_success() || status == http::StatusCode::NOT_MODIFIED {
                    return Ok(answer);
                }
                Err(EngineError::Status {
                    status: status.as_u16(),
                    message: answer.refusal().await,
                })
            })
            .await
    }

    /// A connection of its own.
    pub(crate) async fn open(&self) -> Result<Either<UnixStream, TcpStream>, EngineError> {
        Ok(match &*self.endpoint {
            Endpoint::Unix(socket) => {
                Either::Left(self.connect(UnixStream::connect(socket)).await?)
            }
            Endpoint::Tcp { host, port } => {
                let connecting = TcpStream::connect((host.as_str(), *port));
                Either::Right(self.connect(connecting).await?)
            }
        })
    }

    async fn connect<S>(
        &self,
        connecting: impl Future<Output = io::Result<S>>,
    ) -> Result<S, EngineError> {
        let result = match tokio::time::timeout(CONNECT_DEADLINE, connecting).await {
            Ok(result) => result,
            Err(_) => return Err(EngineError::NoAnswer(CONNECT_DEADLINE)),
        };
        result.map_err(|error| {
            let why = match (&*self.endpoint, error.kind()) {
                (Endpoint::Unix(path), io::ErrorKind::NotFound) => {
                    UnreachableWhy::Absent(path.clone())
                }
                (Endpoint::Unix(path), io::ErrorKind::PermissionDenied) => {
                    UnreachableWhy::Forbidden(path.clone())
                }
                (endpoint, io::ErrorKind::ConnectionRefused) => {
                    UnreachableWhy::Refused(endpoint.to_string())
                }
                (endpoint, _) => UnreachableWhy::Other(endpoint.to_string(), error),
            };
            EngineError::Unreachable(why)
        })
    }

    async fn exchange<IO>(
        &self,
        io: IO,
        method: Method,
        path: &str,
        payload: Option<Payload>,
    ) -> Result<Answer, EngineError>
    where
        IO: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io)
            .await
            .map_err(EngineError::Broken)?;
        let connection = Connection::drive(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "docker");
        if let Some(payload) = &payload {
            request = request.header(header::CONTENT_TYPE, payload.kind);
        }
        let payload = payload.unwrap_or_else(|| Payload::whole("", Bytes::new()));
        let request = request
            .body(payload.body)
            .expect("paths are made of checked references and literals");
        let response = sender
            .send_request(request)
            .await
            .map_err(EngineError::Broken)?;
        Ok(Answer {
            response,
            _connection: connection,
        })
    }
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The whole body, up to a limit.
    pub(crate) async fn bytes(
        mut self,
        max: usize,
        deadline: Deadline,
    ) -> Result<Bytes, EngineError> {
        deadline
            .run(async {
                let mut whole = BytesMut::new();
                while let Some(part) = self.part().await? {
                    if whole.len() + part.len() > max {
                        return Err(EngineError::TooLarge(max));
                    }
                    whole.extend_from_slice(&part);
                }
                Ok(whole.freeze())
            })
            .await
    }

    /// The next part of the body, `None` at its end.
    pub(crate) async fn part(&mut self) -> Result<Option<Bytes>, EngineError> {
        while let Some(frame) = self.response.body_mut().frame().await {
            if let Ok(part) = frame.map_err(EngineError::Broken)?.into_data() {
                return Ok(Some(part));
            }
        }
        Ok(None)
    }

    async fn refusal(mut self) -> String {
        #[derive(serde::Deserialize)]
        struct Refusal {
            message: String,
        }
        let status = self.response.status();
        let mut text = Vec::new();
        while text.len() < REFUSAL_BYTES_MAX {
            match self.part().await {
                Ok(Some(part)) => text.extend_from_slice(&part),
                Ok(None) | Err(_) => break,
            }
        }
        let message = match serde_json::from_slice::<Refusal>(&text) {
            Ok(refusal) => refusal.message,
            Err(_) => String::from_utf8_lossy(&text).trim().to_owned(),
        };
        if message.is_empty() {
            return format!("the Engine answered {status}");
        }
        message.chars().take(MESSAGE_CHARS_MAX).collect()
    }
}
