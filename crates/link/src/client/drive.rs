//! The one task of a link on Core: drives HTTP/2, pings, and finds out why it ended.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::{Ping, PingPong, client::Connection};
use rustls::AlertDescription;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::Closed;
use crate::wire::{CLOSE_GRACE, ENDED_WITHOUT_GOODBYE, with_causes};

pub(super) struct Drive {
    pub(super) ping_pong: PingPong,
    pub(super) ping_requests: mpsc::Receiver<oneshot::Sender<()>>,
    pub(super) liveness: Arc<Liveness>,
    pub(super) close: CancellationToken,
    /// Time between two pings.
    pub(super) interval: Duration,
    /// Longest silence after a ping.
    pub(super) timeout: Duration,
}

impl Drive {
    pub(super) async fn run<IO>(self, connection: Connection<IO, Bytes>) -> Closed
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let Self {
            mut ping_pong,
            mut ping_requests,
            liveness,
            close,
            interval,
            timeout: silence,
        } = self;
        let mut connection = std::pin::pin!(connection);
        let keep_alive = keep_alive(
            &mut ping_pong,
            &mut ping_requests,
            &liveness,
            interval,
            silence,
        );
        tokio::select! {
            biased;
            ended = &mut connection => match close.is_cancelled() {
                true => Closed::ByCore,
                false => reason(ended, &liveness),
            },
            silent = keep_alive => silent,
            () = close.cancelled() => {
                // Streams that do not end within the grace are cut with the connection.
                let _ = timeout(CLOSE_GRACE, &mut connection).await;
                Closed::ByCore
            }
        }
    }
}

/// Pings in turn; returns only when the agent stays silent.
async fn keep_alive(
    ping_pong: &mut PingPong,
    requests: &mut mpsc::Receiver<oneshot::Sender<()>>,
    liveness: &Liveness,
    interval: Duration,
    silence: Duration,
) -> Closed {
    let mut next = Instant::now() + interval;
    loop {
        let asker = tokio::select! {
            () = sleep_until(next) => None,
            asker = requests.recv() => asker,
        };
        let sent = Instant::now();
        let mut pong = std::pin::pin!(ping_pong.ping(Ping::opaque()));
        let mut deadline = sent + silence;
        loop {
            match timeout_at(deadline, &mut pong).await {
                Ok(Ok(_)) => break,
                // The connection failed, and its own future knows why.
                Ok(Err(_)) => std::future::pending().await,
                Err(_) => {
                    // A pong may stand in line behind a large transfer; only silence means death.
                    let heard = liveness.last_read() + silence;
                    if heard <= deadline {
                        return Closed::Silent { after: silence };
                    }
                    deadline = heard;
                }
            }
        }
        if let Some(asker) = asker {
            // Whoever asked may have given up.
            let _ = asker.send(());
        }
        next = sent + interval;
    }
}

fn reason(ended: Result<(), h2::Error>, liveness: &Liveness) -> Closed {
    let lost = |cause: String| Closed::Lost { cause };
    match (liveness.failure.get(), ended) {
        (Some(Failure::CoreKeyRefused), _) => Closed::CoreKeyRefused,
        (Some(Failure::Other(cause)), _) => lost(cause.clone()),
        (None, Err(error)) => lost(with_causes(&error)),
        (None, Ok(())) => Closed::ByAgent,
    }
}

/// What the transport knows and h2 does not tell: when bytes last came, and what really broke.
pub(super) struct Liveness {
    started: Instant,
    last_read_ms: AtomicU64,
    failure: OnceLock<Failure>,
}

#[derive(Debug)]
enum Failure {
    CoreKeyRefused,
    Other(String),
}

impl Liveness {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            last_read_ms: AtomicU64::new(0),
            failure: OnceLock::new(),
        }
    }

    /// When bytes last came from the agent.
    pub(super) fn last_read(&self) -> Instant {
        self.started + Duration::from_millis(self.last_read_ms.load(Ordering::Relaxed))
    }

    fn read(&self) {
        let elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_read_ms.store(elapsed_ms, Ordering::Relaxed);
    }

    fn failed(&self, error: &io::Error) {
        let failure = match crate::tls::cause(error) {
            Some(rustls::Error::AlertReceived(AlertDescription::AccessDenied)) => {
                Failure::CoreKeyRefused
            }
            _ if error.kind() == io::ErrorKind::UnexpectedEof => {
                Failure::Other(ENDED_WITHOUT_GOODBYE.to_owned())
            }
            _ => Failure::Other(with_causes(error)),
        };
        // The first failure is the cause, all others follow from it.
        let _ = self.failure.set(failure);
    }
}

/// Passes bytes through and keeps [`Liveness`] up to date.
pub(super) struct Metered<IO> {
    io: IO,
    liveness: Arc<Liveness>,
}

impl<IO> Metered<IO> {
    pub(super) fn new(io: IO, liveness: Arc<Liveness>) -> Self {
        Self { io, liveness }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Metered<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = ready!(Pin::new(&mut self.io).poll_read(context, buffer));
        if buffer.filled().len() > before {
            self.liveness.read();
        }
        // Only what reading says counts: a write that fails is a consequence, and the cause may still be unread.
        if let Err(error) = &result {
            self.liveness.failed(error);
        }
        Poll::Ready(result)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Metered<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
