//! Core's end until a link is up: answers the upgrade, proves keys, asks Core's policy, says hello.
//!
//! Who is known and who may join is decided by [`Policy`]; nothing here knows what a server is.

mod turns;
mod upgrade;

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{Empty, Full};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::TlsConnector;

pub use upgrade::{Answer, PendingLink, websocket_accept};

use crate::{
    Closed, Identity, JoinToken, LinkClient, Peer, Refusal, RequestError, Stage, tls,
    wire::{
        CLOSE_GRACE, CONNECT_AS_BYTES_MAX, HELLO_BYTES_MAX, HELLO_PATH, JOIN_PATH, JoinAnswer,
        LINK_BODY_BYTES_MAX, REFUSED_PATH,
    },
};

/// Links that may be between upgrade and hello at the same time. More wait their turn, which makes a storm of
/// reconnects faster for most and no slower in total.
pub const ESTABLISHING_MAX: usize = 128;

/// Of these, those from one address. Agents that are not behind it do not have to wait for one that says nothing.
pub const ESTABLISHING_PER_ADDRESS_MAX: usize = 32;

/// Upgrades that may wait for their turn; more are answered 503 at once.
pub const WAITING_MAX: usize = 16 * 1024;

/// Durations of Core's end. The defaults are measured; tests shorten them.
#[derive(Clone, Debug)]
pub struct CoreTimings {
    /// Longest wait for a turn to be established.
    pub turn: Duration,
    /// From the upgrade to the answer of the hello, all stages together.
    pub establish: Duration,
    /// The inner TLS handshake.
    pub inner_tls: Duration,
    /// One request of the establishment: join, refusal or hello.
    pub request: Duration,
    /// Time between two pings, spread by ±20 % for each link.
    pub keep_alive_interval: Duration,
    /// Longest silence after a ping.
    pub keep_alive_timeout: Duration,
}

impl Default for CoreTimings {
    fn default() -> Self {
        Self {
            turn: Duration::from_secs(10),
            establish: Duration::from_secs(15),
            inner_tls: Duration::from_secs(10),
            request: Duration::from_secs(10),
            keep_alive_interval: Duration::from_secs(15),
            keep_alive_timeout: Duration::from_secs(10),
        }
    }
}

/// What Core knows about keys, and what it decides.
pub trait Policy: Send + Sync + 'static {
    /// What Core calls an agent that it knows, a server id for example.
    type Identity: Send + Sync + 'static;

    /// Says who the owner of a proven key is. This is also the place to probe an older link of the same identity.
    fn recognise(&self, peer: &Peer) -> impl Future<Output = Recognition<Self::Identity>> + Send;

    /// Decides about an unknown key; `token` is the onboarding secret that the agent showed, if it has one.
    ///
    /// To accept, the token must be consumed and the key stored before this returns. `peer.connect_as` comes over the
    /// inner TLS here.
    fn join(
        &self,
        peer: &Peer,
        token: Option<JoinToken>,
    ) -> impl Future<Output = Result<Self::Identity, Refusal>> + Send;

    /// The body of the hello, JSON of at most [`HELLO_BYTES_MAX`].
    fn hello(
        &self,
        peer: &Peer,
        identity: &Self::Identity,
    ) -> impl Future<Output = Result<Bytes, Refusal>> + Send;
}

impl<P: Policy> Policy for Arc<P> {
    type Identity = P::Identity;

    async fn recognise(&self, peer: &Peer) -> Recognition<Self::Identity> {
        P::recognise(self, peer).await
    }

    async fn join(&self, peer: &Peer, token: Option<JoinToken>) -> Result<Self::Identity, Refusal> {
        P::join(self, peer, token).await
    }

    async fn hello(&self, peer: &Peer, identity: &Self::Identity) -> Result<Bytes, Refusal> {
        P::hello(self, peer, identity).await
    }
}

/// What Core knows about a key.
#[derive(Debug)]
pub enum Recognition<I> {
    /// The key belongs to this identity.
    Known(I),
    /// Nobody has this key; the agent is asked for its token.
    Unknown,
    /// The key is known and not wanted.
    Refused(Refusal),
}

/// A link that is up.
#[derive(Debug)]
pub struct Link<I> {
    /// For requests to the agent.
    pub client: LinkClient,
    /// Who it is.
    pub identity: I,
    /// The agent's answer to the hello.
    pub hello: Bytes,
}

/// Where an agent comes from and what it wants to be called, as the carrier says.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Address of the dialler, if there is one.
    pub address: Option<SocketAddr>,
    /// The name in the upgrade. A proxy can change it.
    pub connect_as: String,
}

/// Why a link did not come up.
#[derive(Debug, thiserror::Error)]
pub enum EstablishError {
    /// A stage took too long.
    #[error("{stage} took longer than {after:?}")]
    Timeout {
        /// Which one.
        stage: Stage,
        /// Its limit.
        after: Duration,
    },
    /// All stages together took too long.
    #[error("link was not up within {after:?}")]
    TooSlow {
        /// The limit.
        after: Duration,
    },
    /// The connection was gone before it was a WebSocket.
    #[error("websocket upgrade failed")]
    Upgrade(#[source] hyper::Error),
    /// No TLS between the two: other protocol version, no raw key, or no TLS at all.
    #[error("inner tls handshake failed")]
    Tls(#[source] std::io::Error),
    /// HTTP/2 did not start.
    #[error("http/2 did not start")]
    Http(#[source] h2::Error),
    /// Core said no; the agent has been told, unless it was gone.
    #[error("agent {key} refused", key = peer.key)]
    Refused {
        /// Whom.
        peer: Box<Peer>,
        /// Why.
        #[source]
        refusal: Refusal,
    },
    /// A request of the establishment failed.
    #[error("{stage} failed")]
    Request {
        /// Which one.
        stage: Stage,
        /// How.
        #[source]
        source: RequestError,
    },
    /// The agent answered a request of the establishment with an error.
    #[error("agent answered the {stage} with {status}: {text}")]
    Answer {
        /// Which one.
        stage: Stage,
        /// The status.
        status: StatusCode,
        /// What it said, cut.
        text: String,
    },
}

impl EstablishError {
    /// Whether the agent would not have Core's key.
    pub fn is_core_key_refused(&self) -> bool {
        matches!(
            self,
            Self::Request {
                source: RequestError::Closed(Closed::CoreKeyRefused),
                ..
            }
        )
    }
}

/// Takes links. Cheap to clone.
pub struct Acceptor<P> {
    shared: Arc<Shared<P>>,
}

struct Shared<P> {
    policy: P,
    tls: TlsConnector,
    timings: CoreTimings,
    turns: turns::Turns,
    waiting: Arc<Semaphore>,
}

impl<P> Clone for Acceptor<P> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<P: Policy> Acceptor<P> {
    /// An acceptor that proves `identity` to agents. Fails only when the crypto library cannot serve it.
    pub fn new(
        identity: &Identity,
        policy: P,
        timings: CoreTimings,
    ) -> Result<Self, rustls::Error> {
        Ok(Self {
            shared: Arc::new(Shared {
                policy,
                tls: TlsConnector::from(Arc::new(tls::client_config(identity)?)),
                timings,
                turns: turns::Turns::new(),
                waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            }),
        })
    }

    /// The policy that was given.
    pub fn policy(&self) -> &P {
        &self.shared.policy
    }

    /// Brings a link up over any byte stream, and returns once the agent has answered the hello.
    ///
    /// This is what stands behind an upgrade; without a WebSocket it serves simulations and tests in memory.
    pub async fn establish<IO>(
        &self,
        io: IO,
        origin: Origin,
    ) -> Result<Link<P::Identity>, EstablishError>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let after = self.shared.timings.establish;
        timeout(after, self.establish_stages(io, origin))
            .await
            .unwrap_or(Err(EstablishError::TooSlow { after }))
    }

    async fn establish_stages<IO>(
        &self,
        io: IO,
        origin: Origin,
    ) -> Result<Link<P::Identity>, EstablishError>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Shared {
            policy,
            tls,
            timings,
            ..
        } = &*self.shared;
        let after = timings.inner_tls;
        let stream = timeout(after, tls.connect(tls::server_name(), io))
            .await
            .map_err(|_| EstablishError::Timeout {
                stage: Stage::InnerTls,
                after,
            })?
            .map_err(EstablishError::Tls)?;
        let (_, session) = stream.get_ref();
        tls::require_alpn(session.alpn_protocol()).map_err(EstablishError::Tls)?;
        let key = tls::proven_key(session.peer_certificates()).map_err(EstablishError::Tls)?;
        let mut peer = Peer {
            key,
            address: origin.address,
            connect_as: origin.connect_as,
        };
        let client = timeout(after, LinkClient::start(stream, peer.clone(), timings))
            .await
            .map_err(|_| EstablishError::Timeout {
                stage: Stage::Http,
                after,
            })?
            .map_err(EstablishError::Http)?;

        let identity = match policy.recognise(&peer).await {
            Recognition::Known(identity) => {
                self.shared.turns.known(peer.address);
                identity
            }
            Recognition::Refused(refusal) => return Err(self.refuse(client, refusal).await),
            Recognition::Unknown => {
                let token = self.ask_for_token(&client, &mut peer).await?;
                match policy.join(&peer, token).await {
                    Ok(identity) => identity,
                    Err(refusal) => return Err(self.refuse(client, refusal).await),
                }
            }
        };
        let body = match policy.hello(&peer, &identity).await {
            Ok(body) => body,
            Err(refusal) => return Err(self.refuse(client, refusal).await),
        };
        let hello = self.say_hello(&client, body).await?;
        Ok(Link {
            client,
            identity,
            hello,
        })
    }

    async fn ask_for_token(
        &self,
        client: &LinkClient,
        peer: &mut Peer,
    ) -> Result<Option<JoinToken>, EstablishError> {
        let stage = Stage::Join;
        let request = link_request("GET", JOIN_PATH, Empty::new());
        let answer = client
            .request_whole(request, self.shared.timings.request, LINK_BODY_BYTES_MAX)
            .await
            .map_err(|source| EstablishError::Request { stage, source })?;
        let status = answer.status();
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let odd = |text: &str| EstablishError::Answer {
            stage,
            status,
            text: text.to_owned(),
        };
        if !status.is_success() {
            return Err(odd("no onboarding token"));
        }
        // The parse error would quote the secret.
        let joined: JoinAnswer = serde_json::from_slice(answer.body())
            .map_err(|_| odd("not a well-formed onboarding token"))?;
        if joined.connect_as.len() > CONNECT_AS_BYTES_MAX {
            return Err(odd("name too long"));
        }
        peer.connect_as = joined.connect_as;
        Ok(Some(joined.token))
    }

    async fn say_hello(&self, client: &LinkClient, body: Bytes) -> Result<Bytes, EstablishError> {
        let stage = Stage::Hello;
        let mut request = link_request("POST", HELLO_PATH, Full::new(body));
        request.headers_mut().insert(
            http::header::CONTENT_TYPE,
            http::HeaderValue::from_static("application/json"),
        );
        let answer = client
            .request_whole(request, self.shared.timings.request, HELLO_BYTES_MAX)
            .await
            .map_err(|source| EstablishError::Request { stage, source })?;
        match answer.status().is_success() {
            true => Ok(answer.into_body()),
            false => {
                let text = String::from_utf8_lossy(answer.body()).into_owned();
                // The bounds of a refusal are those of any text from a peer.
                let text = Refusal::new("", text).reason;
                Err(EstablishError::Answer {
                    stage,
                    status: answer.status(),
                    text,
                })
            }
        }
    }

    /// Tells the agent why, waits until it knows, and ends the link.
    async fn refuse(&self, client: LinkClient, refusal: Refusal) -> EstablishError {
        let refusal = refusal.bounded();
        let body = serde_json::to_vec(&refusal).expect("two strings always serialize");
        let request = link_request("POST", REFUSED_PATH, Full::new(Bytes::from(body)));
        let told = client
            .request_whole(request, self.shared.timings.request, LINK_BODY_BYTES_MAX)
            .await;
        if let Err(error) = told {
            if let RequestError::Closed(Closed::CoreKeyRefused) = error {
                // Neither trusts the other; what the agent found is the deeper reason.
                return EstablishError::Request {
                    stage: Stage::Trust,
                    source: error,
                };
            }
            tracing::debug!(
                error = crate::wire::with_causes(&error),
                "agent could not be told that it is refused"
            );
        }
        client.close();
        // A link that does not end by itself is cut by its own task soon after.
        let _ = timeout(CLOSE_GRACE, client.closed()).await;
        EstablishError::Refused {
            peer: Box::new(client.peer().clone()),
            refusal,
        }
    }
}

fn link_request<B>(method: &'static str, path: &'static str, body: B) -> Request<B> {
    Request::builder()
        .method(method)
        .uri(path)
        .body(body)
        .expect("constant method and path")
}
