//! One attempt: dial, prove keys, serve until the link ends.

use std::{
    convert::Infallible,
    io,
    pin::pin,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::watch,
    time::{Instant, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tower::Service;

use super::{
    AgentLinkConfig, Dial, Dialled, LinkState,
    dial::staged,
    known,
    serve::{LinkService, Phase, Progress, SessionExecutor},
    watchdog::Watchdog,
};
use crate::{
    PublicKey, Refusal, Stage, tls,
    wire::{BoxError, CLOSE_GRACE, FRAME_BYTES_MAX, with_causes},
};

/// Most requests of Core at a time.
const REQUESTS_IN_FLIGHT_MAX: u32 = 1024;

/// Most streams that Core may cancel before we have looked at them. It may cancel as often as its users do, and a stream
/// that is cancelled at once frees its place for the next.
const CANCELS_PENDING_MAX: usize = 64 * 1024;

/// Window of one request body, in bytes.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// Window of all request bodies, in bytes.
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// Most bytes of one answer that wait to be sent.
const SEND_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Largest header list of a request, in bytes.
const HEADER_LIST_BYTES_MAX: u32 = 32 * 1024;

/// Why an attempt ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No TCP connection.
    #[error("cannot reach core at {address}")]
    Dial {
        /// As configured.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The outer TLS failed.
    #[error("outer tls with {address} failed")]
    OuterTls {
        /// As configured.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No WebSocket.
    #[error("{address} did not accept the websocket upgrade")]
    Upgrade {
        /// As configured.
        address: String,
        /// Why.
        #[source]
        source: Box<tokio_websockets::Error>,
    },
    /// A stage took too long.
    #[error("{stage} took longer than {after:?}")]
    Timeout {
        /// Which one.
        stage: Stage,
        /// Its limit.
        after: Duration,
    },
    /// Core has a key that is not trusted here.
    #[error(
        "core showed the key {presented}, which is not trusted here; if core was set up anew, join it again with a new onboarding key"
    )]
    CoreKeyNotTrusted {
        /// The key it showed.
        presented: PublicKey,
    },
    /// The inner TLS failed otherwise.
    #[error("inner tls handshake with core failed")]
    Tls(#[source] io::Error),
    /// The crypto library refused its settings.
    #[error("inner tls cannot be set up")]
    Setup(#[source] rustls::Error),
    /// Core said no.
    #[error("core refuses this agent")]
    Refused(#[source] Refusal),
    /// Core closed the link in order.
    #[error("core closed the link")]
    Closed,
    /// The link broke.
    #[error("link broke")]
    Broken(#[source] BoxError),
    /// The agent is being stopped.
    #[error("the agent is being stopped")]
    Stopped,
}

/// How an attempt ended.
pub(super) struct Ended {
    pub(super) error: SessionError,
    /// How long the link was up, if it was.
    pub(super) up_for: Option<Duration>,
}

/// What all attempts share.
pub(super) struct Session<S> {
    pub(super) config: Arc<AgentLinkConfig>,
    pub(super) service: S,
    pub(super) state: watch::Sender<LinkState>,
}

impl<S, B> Session<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Dials and serves; returns when the link is gone or `cancel` has been answered with a goodbye.
    pub(super) async fn attempt<D: Dial>(&self, dialler: &D, cancel: &CancellationToken) -> Ended {
        let connect = async {
            let dialled = dialler.dial().await?;
            let (core_address, local_address) = (dialled.core_address, dialled.local_address);
            let (stream, core_key) = self.prove(dialled).await?;
            Ok((
                stream,
                LinkUp {
                    core_key,
                    core_address,
                    local_address,
                },
            ))
        };
        let connected = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(SessionError::Stopped),
            connected = connect => connected,
        };
        match connected {
            Ok((stream, up)) => self.serve(stream, up, cancel).await,
            Err(error) => Ended {
                error,
                up_for: None,
            },
        }
    }

    /// The inner TLS handshake.
    async fn prove(
        &self,
        dialled: Dialled,
    ) -> Result<(TlsStream<Box<dyn super::dial::ByteStream>>, PublicKey), SessionError> {
        let presented = Arc::new(OnceLock::new());
        let config = tls::server_config(
            &self.config.identity,
            self.config.core_keys.as_slice().into(),
            Arc::clone(&presented),
        )
        .map_err(SessionError::Setup)?;
        let handshake = async {
            let accept = TlsAcceptor::from(Arc::new(config))
                .accept(dialled.io)
                .into_fallible();
            let stream = match accept.await {
                Ok(stream) => stream,
                Err((error, io)) => {
                    linger(io).await;
                    return Err(match presented.get() {
                        Some(key) if !self.config.core_keys.contains(key) => {
                            SessionError::CoreKeyNotTrusted { presented: *key }
                        }
                        _ => SessionError::Tls(error),
                    });
                }
            };
            let (_, session) = stream.get_ref();
            tls::require_alpn(session.alpn_protocol()).map_err(SessionError::Tls)?;
            let core_key =
                tls::proven_key(session.peer_certificates()).map_err(SessionError::Tls)?;
            Ok((stream, core_key))
        };
        staged(Stage::InnerTls, self.config.timings.inner_tls, handshake).await
    }

    async fn serve<IO>(&self, stream: IO, link: LinkUp, cancel: &CancellationToken) -> Ended
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let timings = &self.config.timings;
        let (phase, mut phases) = watch::channel(Phase::New);
        let progress = Arc::new(Progress {
            config: Arc::clone(&self.config),
            phase,
            refusal: Mutex::new(None),
        });
        let handlers = Handlers::new();
        let service = LinkService {
            service: self.service.clone(),
            progress: Arc::clone(&progress),
        };
        let mut connection = pin!(
            http2::Builder::new(handlers.executor.clone())
                .timer(TokioTimer::new())
                .adaptive_window(false)
                .initial_stream_window_size(STREAM_WINDOW_BYTES)
                .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
                .max_frame_size(FRAME_BYTES_MAX as u32)
                .max_header_list_size(HEADER_LIST_BYTES_MAX)
                .max_concurrent_streams(REQUESTS_IN_FLIGHT_MAX)
                .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
                .max_pending_accept_reset_streams(CANCELS_PENDING_MAX)
                .max_local_error_reset_streams(None)
                .auto_date_header(false)
                .serve_connection(
                    TokioIo::new(Watchdog::new(stream, timings.read_silence)),
                    service
                )
        );

        let mut up_since = None;
        // For the hello, or after a refusal for Core to close.
        let mut waiting = true;
        let mut deadline = pin!(tokio::time::sleep(timings.hello));
        let ended = loop {
            tokio::select! {
                biased;
                // `Ok` is no reason to stop: Core closes links when it restarts, too. Only `cancel` ends the agent.
                ended = connection.as_mut() => break match ended {
                    Ok(()) => SessionError::Closed,
                    Err(error) => SessionError::Broken(Box::new(error)),
                },
                () = cancel.cancelled() => break SessionError::Stopped,
                Ok(()) = phases.changed() => {
                    let phase = *phases.borrow_and_update();
                    match phase {
                        Phase::New => {}
                        Phase::Up => {
                            up_since = Some(Instant::now());
                            waiting = false;
                            self.link_is_up(&link, &handlers);
                        }
                        // Core closes as soon as it has our answer.
                        Phase::Refused => {
                            waiting = true;
                            deadline.as_mut().reset(Instant::now() + CLOSE_GRACE);
                        }
                    }
                }
                () = deadline.as_mut(), if waiting => {
                    break SessionError::Timeout { stage: Stage::Hello, after: timings.hello };
                }
            }
        };
        if matches!(ended, SessionError::Stopped) {
            // Announce the end, let what is about to finish do so, then stop the rest and flush.
            connection.as_mut().graceful_shutdown();
            if timeout(timings.goodbye, connection.as_mut()).await.is_err() {
                handlers.executor.stop.cancel();
                let _ = timeout(CLOSE_GRACE, connection.as_mut()).await;
            }
        }
        handlers.stop().await;
        let error = match progress.take_refusal() {
            Some(refusal) => SessionError::Refused(refusal),
            None => ended,
        };
        Ended {
            error,
            up_for: up_since.map(|since| since.elapsed()),
        }
    }

    fn link_is_up(&self, link: &LinkUp, handlers: &Handlers) {
        tracing::info!(core.key = %link.core_key, "link with core is up");
        if let Some(path) = self.config.known_cores.clone() {
            let key = link.core_key;
            // A slow disk must not hold up the link; the end of the session waits for this.
            handlers.executor.tasks.spawn_blocking(move || {
                if let Err(error) = known::save_known_core(&path, &key) {
                    tracing::error!(
                        error = with_causes(&error),
                        "core's key cannot be kept; the onboarding key is needed at the next start"
                    );
                }
            });
        }
        self.state.send_replace(LinkState::Up {
            since: Instant::now(),
            core_key: link.core_key,
            core_address: link.core_address,
            local_address: link.local_address,
        });
    }
}

struct LinkUp {
    core_key: PublicKey,
    core_address: Option<std::net::SocketAddr>,
    local_address: Option<std::net::SocketAddr>,
}

/// The tasks of one session. Dropping this stops them.
struct Handlers {
    executor: SessionExecutor,
    _owner: DropGuard,
}

impl Handlers {
    fn new() -> Self {
        let stop = CancellationToken::new();
        Self {
            executor: SessionExecutor {
                tasks: TaskTracker::new(),
                stop: stop.clone(),
            },
            _owner: stop.drop_guard(),
        }
    }

    async fn stop(self) {
        self.executor.stop.cancel();
        self.executor.tasks.close();
        // A handler that blocks its thread cannot be waited for.
        let _ = timeout(CLOSE_GRACE, self.executor.tasks.wait()).await;
    }
}

/// Lets Core read the alert that says why: closing at once with bytes unread would reset the connection, and a reset
/// overtakes the alert.
async fn linger<IO: AsyncRead + AsyncWrite + Unpin>(mut io: IO) {
    let drain = async {
        let _ = io.flush().await;
        let _ = io.shutdown().await;
        let mut scratch = [0; 1024];
        while matches!(io.read(&mut scratch).await, Ok(length) if length > 0) {}
    };
    let _ = timeout(CLOSE_GRACE, drain).await;
}
