//! The agent's end: dials Core, proves its key, serves requests, and does so again for ever.
//!
//! [`run`] is the whole of it. What the agent can do is the service that the caller brings.

mod address;
mod backoff;
mod dial;
mod known;
mod serve;
mod session;
mod watchdog;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tower::Service;

pub use address::{AddressError, CoreAddress};
pub use dial::{ByteStream, CoreDialler, Dial, Dialled, DiallerError, OuterTls};
pub use known::{KnownCoresError, load_known_cores, save_known_core};
pub use session::SessionError;

use crate::{
    Identity, JoinToken, PublicKey, Refusal,
    wire::{BoxError, CONNECT_AS_BYTES_MAX, with_causes},
};
use backoff::Backoff;
use session::{Ended, Session};

/// Durations of the agent's end. The defaults are measured; tests shorten them.
#[derive(Clone, Debug)]
pub struct AgentTimings {
    /// Name lookup and TCP connect, all addresses together.
    pub dial: Duration,
    /// The outer TLS handshake.
    pub outer_tls: Duration,
    /// The HTTP upgrade. Core answers it when it is our turn, so this exceeds Core's own limit.
    pub upgrade: Duration,
    /// The inner TLS handshake.
    pub inner_tls: Duration,
    /// From the inner TLS to the answer of the hello.
    pub hello: Duration,
    /// Longest time without a byte from Core before the link is given up. Core pings every 12 to 18 s.
    pub read_silence: Duration,
    /// How long running requests may take to end when the agent stops.
    pub goodbye: Duration,
    /// Shortest wait before the next attempt.
    pub reconnect_floor: Duration,
    /// Spread of the first wait on top of the floor; doubles with every failure.
    pub reconnect_base: Duration,
    /// Largest spread.
    pub reconnect_cap: Duration,
    /// A link that was up for so long resets the waits.
    pub reconnect_reset: Duration,
}

impl Default for AgentTimings {
    fn default() -> Self {
        Self {
            dial: Duration::from_secs(10),
            outer_tls: Duration::from_secs(10),
            upgrade: Duration::from_secs(15),
            inner_tls: Duration::from_secs(10),
            hello: Duration::from_secs(15),
            read_silence: Duration::from_secs(40),
            goodbye: Duration::from_secs(2),
            reconnect_floor: Duration::from_millis(100),
            reconnect_base: Duration::from_millis(500),
            reconnect_cap: Duration::from_secs(10),
            reconnect_reset: Duration::from_secs(10),
        }
    }
}

/// Who the agent is and whom it trusts.
#[derive(Clone, Debug)]
pub struct AgentLinkConfig {
    /// The agent's own key.
    pub identity: Identity,
    /// The name it wants to have at Core.
    pub connect_as: String,
    /// The keys of Core that it trusts; several while Core's key is being changed. Nobody else is ever served.
    pub core_keys: Vec<PublicKey>,
    /// The onboarding secret, shown to a trusted Core that does not know us.
    pub join_token: Option<JoinToken>,
    /// Where the key of a Core that took us is kept, so that the join string is not needed again. What is in there is
    /// not trusted by itself: put [`load_known_cores`] into `core_keys`.
    pub known_cores: Option<PathBuf>,
    /// Durations.
    pub timings: AgentTimings,
}

/// What the link is doing, for `watch` observers.
#[derive(Clone, Debug)]
pub enum LinkState {
    /// An attempt is under way.
    Connecting,
    /// Core said hello and got its answer.
    Up {
        /// Since when.
        since: Instant,
        /// Which of the trusted keys Core has.
        core_key: PublicKey,
        /// The other end of the connection: Core, or the proxy before it.
        core_address: Option<SocketAddr>,
        /// Our end of the connection.
        local_address: Option<SocketAddr>,
    },
    /// Core will not have us. Attempts go on, and this stays until one ends otherwise.
    Refused {
        /// What Core says.
        refusal: Refusal,
        /// When it last said so.
        at: Instant,
    },
    /// The last attempt failed or the link was lost; the next attempt comes by itself.
    Waiting {
        /// When.
        next_attempt: Instant,
        /// What happened last, with its causes.
        last_error: String,
    },
    /// [`run`] has ended.
    Stopped,
}

impl LinkState {
    /// Whether the link is up.
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Up { .. })
    }
}

/// Why [`run`] does not even try.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Nobody to trust.
    #[error(
        "no core key is known: give the whole onboarding key that core shows, or core's public key"
    )]
    NoCoreKey,
    /// Name too long or with control characters.
    #[error(
        "the name to connect as must have at most {CONNECT_AS_BYTES_MAX} bytes and no control characters"
    )]
    ConnectAs,
}

/// Keeps a link with Core until `cancel`, and serves `service` over it; then says goodbye and returns.
///
/// `service` sees every request but those of the link itself, and none before Core's hello (`POST /hello`, which it
/// answers). An `axum::Router` fits. A handler is dropped when Core drops the request or the link is lost.
pub async fn run<D, S, B>(
    config: AgentLinkConfig,
    dialler: D,
    service: S,
    state: watch::Sender<LinkState>,
    cancel: CancellationToken,
) -> Result<(), ConfigError>
where
    D: Dial,
    S: Service<Request<Incoming>, Response = Response<B>, Error = std::convert::Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    if config.core_keys.is_empty() {
        return Err(ConfigError::NoCoreKey);
    }
    if config.connect_as.len() > CONNECT_AS_BYTES_MAX
        || config.connect_as.contains(char::is_control)
    {
        return Err(ConfigError::ConnectAs);
    }
    let timings = config.timings.clone();
    let mut backoff = Backoff::new(&timings);
    let mut log = OutcomeLog::default();
    let session = Session {
        config: Arc::new(config),
        service,
        state: state.clone(),
    };
    while !cancel.is_cancelled() {
        // While Core refuses us, an observer wants to see that and not the attempts.
        state.send_if_modified(|state| match state {
            LinkState::Connecting | LinkState::Refused { .. } => false,
            _ => {
                *state = LinkState::Connecting;
                true
            }
        });
        let ended = session.attempt(&dialler, &cancel).await;
        if ended
            .up_for
            .is_some_and(|up_for| up_for >= timings.reconnect_reset)
        {
            backoff.reset();
        }
        if cancel.is_cancelled() {
            break;
        }
        let wait = backoff.next(fastrand::f64());
        log.note(&ended, wait);
        state.send_replace(match &ended.error {
            SessionError::Refused(refusal) => LinkState::Refused {
                refusal: refusal.clone(),
                at: Instant::now(),
            },
            error => LinkState::Waiting {
                next_attempt: Instant::now() + wait,
                last_error: with_causes(error),
            },
        });
        tokio::select! {
            () = cancel.cancelled() => break,
            () = tokio::time::sleep(wait) => {}
        }
    }
    state.send_replace(LinkState::Stopped);
    Ok(())
}

/// Says once what is wrong, not with every attempt.
#[derive(Default)]
struct OutcomeLog {
    last: Option<String>,
}

impl OutcomeLog {
    fn note(&mut self, ended: &Ended, wait: Duration) {
        let text = with_causes(&ended.error);
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        if ended.up_for.is_none() && self.last.as_ref() == Some(&text) {
            tracing::debug!(error = text, wait_ms, "still no link with core");
            return;
        }
        match (&ended.error, ended.up_for) {
            (SessionError::Refused(refusal), _) => {
                tracing::error!(
                    code = refusal.code,
                    reason = refusal.reason,
                    "core refuses this agent"
                );
            }
            (_, Some(_)) => tracing::warn!(error = text, wait_ms, "link with core lost"),
            (_, None) => tracing::warn!(error = text, wait_ms, "no link with core"),
        }
        self.last = Some(text);
    }
}

#[cfg(test)]
mod tests;
