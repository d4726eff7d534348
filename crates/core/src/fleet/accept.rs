//! Who may link: known keys, new agents with a token, and nobody else.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use komodo_agent_api::CoreHello;
use komodo_agent_http::{AgentClient, Deadlines};
use komodo_api::id::Id;
use komodo_link::{
    Acceptor, CoreTimings, EstablishError, Identity, JoinToken, Link, LinkClient, Origin, Peer,
    Policy, Recognition, Refusal,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Fleet, LinkHandle, NewLink};

/// Lets new agents in.
#[async_trait]
pub trait Onboard: Send + Sync + 'static {
    /// Decides about an agent whose key is not known. To let it in, its key is stored and the server known to the fleet
    /// before this returns. Where it wanted to be a server that has another key pinned, that attempt is stored.
    ///
    /// # Errors
    /// The refusal, as the agent is told.
    async fn onboard(
        &self,
        key: &str,
        token: Option<&JoinToken>,
        connect_as: &str,
    ) -> Result<Id, Refusal>;
}

/// An agent that may link.
#[derive(Debug)]
struct Linked {
    server: Id,
    said: OnceLock<CoreHello>,
}

impl Linked {
    fn new(server: Id) -> Self {
        Linked {
            server,
            said: OnceLock::new(),
        }
    }
}

/// Where agents link: answers `/link`, and hands each link that came up to its session.
pub struct Links {
    acceptor: Acceptor<LinkPolicy>,
    establishing: TaskTracker,
    end: CancellationToken,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links")
            .field("establishing", &self.establishing.len())
            .finish_non_exhaustive()
    }
}

impl Links {
    /// Proves `identity` to agents, and decides by the servers of a fleet.
    ///
    /// # Errors
    /// Only when the crypto library cannot serve it; the text says how.
    pub fn new(
        identity: &Identity,
        fleet: Arc<Fleet>,
        onboard: Weak<dyn Onboard>,
        timings: CoreTimings,
    ) -> Result<Self, String> {
        let policy = LinkPolicy { fleet, onboard };
        let acceptor =
            Acceptor::new(identity, policy, timings).map_err(|error| error.to_string())?;
        Ok(Links {
            acceptor,
            establishing: TaskTracker::new(),
            end: CancellationToken::new(),
        })
    }

    /// Answers the upgrade of an agent.
    pub async fn accept(
        &self,
        request: Request<Body>,
        address: Option<SocketAddr>,
    ) -> Response<Body> {
        let answer = self.acceptor.accept(request, address).await;
        if let Some(pending) = answer.link {
            self.bring_up(pending.establish(), address);
        }
        answer.response.map(Body::new)
    }

    /// Takes an agent over any byte stream, as behind an upgrade: for a simulation in memory.
    pub fn accept_stream<IO>(&self, io: IO)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let acceptor = self.acceptor.clone();
        let origin = Origin::default();
        self.bring_up(async move { acceptor.establish(io, origin).await }, None);
    }

    fn bring_up(
        &self,
        establish: impl Future<Output = Result<Link<Linked>, EstablishError>> + Send + 'static,
        address: Option<SocketAddr>,
    ) {
        if self.end.is_cancelled() {
            return;
        }
        let (acceptor, end) = (self.acceptor.clone(), self.end.clone());
        self.establishing.spawn(async move {
            let established = tokio::select! {
                biased;
                () = end.cancelled() => return,
                established = establish => established,
            };
            match established {
                Ok(link) => acceptor.policy().attach(link),
                Err(error @ EstablishError::Refused { .. }) => {
                    tracing::warn!(
                        ?address,
                        error = with_causes(&error),
                        "an agent was refused"
                    );
                }
                Err(error) => {
                    tracing::info!(
                        ?address,
                        error = with_causes(&error),
                        "a link did not come up"
                    );
                }
            }
        });
    }

    /// Takes no more links, and ends those that are not up yet.
    pub async fn shut_down(&self) {
        self.end.cancel();
        self.establishing.close();
        self.establishing.wait().await;
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Core's decisions about links.
struct LinkPolicy {
    fleet: Arc<Fleet>,
    onboard: Weak<dyn Onboard>,
}

impl LinkPolicy {
    /// Hands a link that came up to its session.
    fn attach(&self, link: Link<Linked>) {
        let Link {
            client,
            identity: Linked { server, said },
            hello,
        } = link;
        let hello = said.into_inner().zip(serde_json::from_slice(&hello).ok());
        let address = client.peer().address;
        let agent = Arc::new(AgentClient::new(client.clone(), Deadlines::default()));
        let new = NewLink {
            agent,
            link: Arc::new(client),
            hello,
            address,
        };
        if let Err(new) = self.fleet.attach(server, new) {
            tracing::warn!(server.id = %server, "a link came up for a server that is gone or busy; it is closed");
            new.link.close();
        }
    }
}

impl Policy for LinkPolicy {
    type Identity = Linked;

    async fn recognise(&self, peer: &Peer) -> Recognition<Linked> {
        let Some(server) = self.fleet.by_key(&peer.key.to_string()) else {
            return Recognition::Unknown;
        };
        let Some(known) = self.fleet.known(server) else {
            return Recognition::Unknown;
        };
        if !known.enabled() {
            return Recognition::Refused(Refusal::new(
                "server_disabled",
                format!(
                    "server '{}' is disabled in Komodo; enable it there",
                    known.name()
                ),
            ));
        }
        match self.fleet.ping(server).await {
            Some(true) => Recognition::Refused(Refusal::new(
                "already_connected",
                format!(
                    "an agent with this key is connected as '{}' already and answers; was a machine with its keys cloned? \
                     Delete the key file of one of the two and let it join anew",
                    known.name()
                ),
            )),
            Some(false) | None => Recognition::Known(Linked::new(server)),
        }
    }

    async fn join(&self, peer: &Peer, token: Option<JoinToken>) -> Result<Linked, Refusal> {
        let key = peer.key.to_string();
        let ending = || Refusal::new("core_ends", "Core is about to end; try again in a moment");
        let onboard = self.onboard.upgrade().ok_or_else(ending)?;
        let server = onboard
            .onboard(&key, token.as_ref(), &peer.connect_as)
            .await?;
        match self.fleet.known(server) {
            Some(known) if !known.enabled() => Err(Refusal::new(
                "server_disabled",
                format!(
                    "server '{}' is disabled in Komodo; enable it there",
                    known.name()
                ),
            )),
            Some(_) => Ok(Linked::new(server)),
            None => Err(Refusal::new(
                "server_deleted",
                "the server was deleted meanwhile",
            )),
        }
    }

    async fn hello(&self, _: &Peer, linked: &Linked) -> Result<Bytes, Refusal> {
        let gone = || Refusal::new("server_deleted", "the server was deleted meanwhile");
        let hello = self.fleet.hello(linked.server).ok_or_else(gone)?;
        let body = serde_json::to_vec(linked.said.get_or_init(|| hello)).map_err(|_| gone())?;
        Ok(Bytes::from(body))
    }
}

#[async_trait]
impl LinkHandle for LinkClient {
    async fn closed(&self) -> String {
        LinkClient::closed(self).await.to_string()
    }

    fn close(&self) {
        LinkClient::close(self);
    }

    async fn ping(&self, within: Duration) -> bool {
        LinkClient::ping(self, within).await.is_ok()
    }

    fn silent_for(&self) -> Duration {
        LinkClient::silent_for(self)
    }
}
