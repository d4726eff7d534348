//! Core's end of a link that is up: requests to one agent.
//!
//! Built on `h2` itself rather than on hyper's client: a real ping, the true reason of an end, and 9 KB less per link.

mod body;
mod drive;
mod send;

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Limited};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Semaphore, mpsc, oneshot, watch},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use body::{BodyError, LinkBody};

use crate::{PublicKey, accept::CoreTimings};
use drive::{Liveness, Metered};

/// Most requests and streams that may be open on one link; more are refused at once instead of queued.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 1024;

/// Stream window, in bytes: what a stalled reader may hold up, and the speed limit at a given round trip time.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;

/// Connection window, in bytes: room for every stream that may be open, so that stalled ones never block the others.
const CONNECTION_WINDOW_BYTES: u32 = STREAM_WINDOW_BYTES * REQUESTS_IN_FLIGHT_MAX as u32;

/// What small unread frames may cost before h2 ends the connection, in bytes of overhead. By default this would follow
/// from the connection window; it is what protects Core from an agent that floods it.
const SMALL_FRAMES_BUDGET_BYTES: usize = 64 * 1024 * 1024;

/// Most bytes of one request body that wait to be sent.
const SEND_BUFFER_BYTES_MAX: usize = 256 * 1024;

/// Cancelled streams whose late frames are still recognised, and for how long.
const CANCELLED_REMEMBERED_MAX: usize = 1024;
const CANCELLED_REMEMBERED: Duration = Duration::from_secs(10);

/// Largest header list that is accepted, in bytes.
const HEADER_LIST_BYTES_MAX: u32 = 32 * 1024;

/// Pings that stand in line on one link; further callers wait for a place.
const PINGS_WAITING_MAX: usize = 16;

/// How long a failed request waits to learn why the link as a whole failed.
const REASON_WAIT: Duration = Duration::from_millis(500);

/// Who is on the other end.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The key that the agent proved.
    pub key: PublicKey,
    /// Where it dialled from, as far as Core's listener knows.
    pub address: Option<SocketAddr>,
    /// The name that it wants to have; a wish, not a proof.
    pub connect_as: String,
}

/// Why a link ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// [`LinkClient::close`] was called, or every handle was dropped.
    #[error("link closed by core")]
    ByCore,
    /// The agent said goodbye.
    #[error("link closed by the agent")]
    ByAgent,
    /// The agent does not trust Core's key.
    #[error("the agent does not trust core's key; it may have joined another core")]
    CoreKeyRefused,
    /// Nothing came for too long after a ping.
    #[error("the agent was silent for {after:?} after a ping")]
    Silent {
        /// The timeout that was exceeded.
        after: Duration,
    },
    /// The connection broke.
    #[error("connection to the agent lost: {cause}")]
    Lost {
        /// What broke it.
        cause: String,
    },
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The link is down, or went down meanwhile.
    #[error("the link is down")]
    Closed(#[source] Closed),
    /// The deadline passed; the agent was told to stop.
    #[error("no answer from the agent within {after:?}")]
    Deadline {
        /// The deadline as it was given.
        after: Duration,
    },
    /// Too many requests at once.
    #[error("more than {REQUESTS_IN_FLIGHT_MAX} requests are open on this link")]
    Busy,
    /// The answer is larger than the caller wants to hold.
    #[error("the answer is larger than {bytes_max} bytes")]
    TooLarge {
        /// The limit as it was given.
        bytes_max: usize,
    },
    /// The agent ended the stream.
    #[error("the agent ended the request")]
    Stream(#[source] h2::Error),
    /// The answer ended early.
    #[error("the answer ended early")]
    Body(#[source] BodyError),
    /// The request cannot be sent as it is.
    #[error("the request is not valid")]
    Invalid(#[source] http::Error),
}

/// Requests to one agent. Cheap to clone; the link ends when the last clone and the last response body are gone.
#[derive(Clone)]
pub struct LinkClient {
    link: Arc<Link>,
}

struct Link {
    peer: Peer,
    /// Gone once the link is being closed, which is how h2 learns that nothing more will come.
    send: Mutex<Option<SendRequest<Bytes>>>,
    open: Arc<Semaphore>,
    pings: mpsc::Sender<oneshot::Sender<()>>,
    liveness: Arc<Liveness>,
    closed: watch::Receiver<Option<Closed>>,
    close: CancellationToken,
    /// Ends the task that drives the connection, at the latest when the last handle is dropped.
    _owner: DropGuard,
}

impl LinkClient {
    /// Speaks the HTTP/2 preface on `io` and starts to drive the connection.
    pub(crate) async fn start<IO>(
        io: IO,
        peer: Peer,
        timings: &CoreTimings,
    ) -> Result<Self, h2::Error>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let liveness = Arc::new(Liveness::new());
        let (send, mut connection) = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .data_frame_budget(SMALL_FRAMES_BUDGET_BYTES)
            .max_frame_size(crate::wire::FRAME_BYTES_MAX as u32)
            .max_header_list_size(HEADER_LIST_BYTES_MAX)
            .max_send_buffer_size(SEND_BUFFER_BYTES_MAX)
            .max_concurrent_reset_streams(CANCELLED_REMEMBERED_MAX)
            .reset_stream_duration(CANCELLED_REMEMBERED)
            // Every late frame of a cancelled stream that is forgotten counts, for the life of the link: with a limit
            // each link would die of the cancels that its users make.
            .max_local_error_reset_streams(None)
            .enable_push(false)
            .handshake(Metered::new(io, Arc::clone(&liveness)))
            .await?;
        let ping_pong = connection.ping_pong().expect("taken for the first time");
        let (pings, ping_requests) = mpsc::channel(PINGS_WAITING_MAX);
        let (closed_sender, closed) = watch::channel(None);
        let close = CancellationToken::new();
        let drive = drive::Drive {
            ping_pong,
            ping_requests,
            liveness: Arc::clone(&liveness),
            close: close.clone(),
            // Without the spread the pings of all links would fall together after a storm of reconnects.
            interval: timings
                .keep_alive_interval
                .mul_f64(0.8 + 0.4 * fastrand::f64()),
            timeout: timings.keep_alive_timeout,
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "owned by `_owner`: ends on `close` within its grace, or with the connection"
        )]
        tokio::spawn(async move {
            let reason = drive.run(connection).await;
            closed_sender.send_replace(Some(reason));
        });
        Ok(Self {
            link: Arc::new(Link {
                peer,
                send: Mutex::new(Some(send)),
                open: Arc::new(Semaphore::new(REQUESTS_IN_FLIGHT_MAX)),
                pings,
                liveness,
                closed,
                _owner: close.clone().drop_guard(),
                close,
            }),
        })
    }

    /// Who is on the other end.
    pub fn peer(&self) -> &Peer {
        &self.link.peer
    }

    /// Sends a request and waits at most `deadline` for the head of the answer. The body then streams without a
    /// deadline; dropping it, or this future, stops the handler on the agent.
    ///
    /// Only the path and query of the URI matter.
    pub async fn request<B>(
        &self,
        request: Request<B>,
        deadline: Duration,
    ) -> Result<Response<LinkBody>, RequestError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        match timeout(deadline, self.send(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(RequestError::Deadline { after: deadline }),
        }
    }

    /// Like [`LinkClient::request`] for an answer of at most `bytes_max` bytes, all of it within `deadline`.
    pub async fn request_whole<B>(
        &self,
        request: Request<B>,
        deadline: Duration,
        bytes_max: usize,
    ) -> Result<Response<Bytes>, RequestError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let whole = async {
            let (head, body) = self.send(request).await?.into_parts();
            match Limited::new(body, bytes_max).collect().await {
                Ok(collected) => Ok(Response::from_parts(head, collected.to_bytes())),
                Err(error) => Err(match error.downcast::<BodyError>() {
                    Ok(error) => self.explain_body(*error).await,
                    Err(_) => RequestError::TooLarge { bytes_max },
                }),
            }
        };
        match timeout(deadline, whole).await {
            Ok(answer) => answer,
            Err(_) => Err(RequestError::Deadline { after: deadline }),
        }
    }

    /// Asks for a sign of life and returns how long it took. Fails when none comes within `deadline`.
    pub async fn ping(&self, deadline: Duration) -> Result<Duration, RequestError> {
        let asked = Instant::now();
        let (pong, ponged) = oneshot::channel();
        let answer = async {
            self.link.pings.send(pong).await.map_err(drop)?;
            ponged.await.map_err(drop)
        };
        match timeout_at(asked + deadline, answer).await {
            Ok(Ok(())) => Ok(asked.elapsed()),
            Ok(Err(())) => Err(RequestError::Closed(self.closed().await)),
            // The pong may stand in line behind a large transfer or other pings; whatever arrived since is life as well.
            Err(_) if self.link.liveness.last_read() > asked => Ok(asked.elapsed()),
            Err(_) => Err(RequestError::Deadline { after: deadline }),
        }
    }

    /// How long ago something was last heard of the agent.
    pub fn silent_for(&self) -> Duration {
        self.link.liveness.last_read().elapsed()
    }

    /// Waits for the end of the link and says why it ended.
    pub async fn closed(&self) -> Closed {
        let mut closed = self.link.closed.clone();
        // A sender that is gone without a word means that the task was torn down with its runtime.
        match closed.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(Closed::ByCore),
            Err(_) => Closed::ByCore,
        }
    }

    /// Why the link has ended, if it has.
    pub fn is_closed(&self) -> Option<Closed> {
        self.link.closed.borrow().clone()
    }

    /// Ends the link: no new requests, a short grace for those that are about to end, then the connection goes.
    pub fn close(&self) {
        // In this order, so that the end cannot look like the agent's.
        self.link.close.cancel();
        self.link
            .send
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    fn closed_reason(&self) -> Closed {
        self.is_closed().unwrap_or(Closed::ByCore)
    }

    async fn send<B>(&self, request: Request<B>) -> Result<Response<LinkBody>, RequestError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let permit = Arc::clone(&self.link.open)
            .try_acquire_owned()
            .map_err(|_| RequestError::Busy)?;
        let send = self
            .link
            .send
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let send = send.ok_or_else(|| RequestError::Closed(self.closed_reason()))?;
        let (head, body) = with_authority(request)?.into_parts();
        match send::send(send, Request::from_parts(head, ()), body).await {
            Ok((response, upload)) => {
                Ok(response.map(|stream| LinkBody::new(stream, upload, permit, self.clone())))
            }
            Err(error) => Err(self.explain(error).await),
        }
    }

    /// An error of one stream, or the reason of the whole link when that is what failed.
    async fn explain(&self, error: h2::Error) -> RequestError {
        match self.link_reason(&error).await {
            Some(reason) => RequestError::Closed(reason),
            None => RequestError::Stream(error),
        }
    }

    async fn explain_body(&self, error: BodyError) -> RequestError {
        match self.link_reason(&error.0).await {
            Some(reason) => RequestError::Closed(reason),
            None => RequestError::Body(error),
        }
    }

    async fn link_reason(&self, error: &h2::Error) -> Option<Closed> {
        if error.is_reset() {
            return None;
        }
        timeout(REASON_WAIT, self.closed()).await.ok()
    }
}

impl fmt::Debug for LinkClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LinkClient")
            .field("peer", &self.link.peer)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// HTTP/2 wants a scheme and an authority; the agent looks at neither.
fn with_authority<B>(mut request: Request<B>) -> Result<Request<B>, RequestError> {
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = Uri::builder()
        .scheme("http")
        .authority("agent")
        .path_and_query(path.map_or_else(|| "/".to_owned(), |path| path.to_string()))
        .build()
        .map_err(RequestError::Invalid)?;
    *request.version_mut() = http::Version::HTTP_2;
    Ok(request)
}
