//! Who may link: known keys, new agents with a token, and nobody else.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use komodo_agent_api::CoreHello;
use komodo_agent_http::{AgentClient, Deadlines};
use komodo_api::id::Id;
use komodo_link::{JoinToken, Link, LinkClient, Peer, Policy, Recognition, Refusal};

use super::{Fleet, LinkHandle, NewLink};

/// Lets new agents in.
#[async_trait]
pub trait Onboard: Send + Sync + 'static {
    /// Decides about an agent whose key is not known. To let it in, its key is stored and the server known to the fleet
    /// before this returns. Where it wanted to be a server that has another key pinned, that attempt is stored.
    ///
    /// # Errors
    /// The refusal, as the agent is told.
    async fn onboard(&self, key: &str, token: Option<&JoinToken>, connect_as: &str) -> Result<Id, Refusal>;
}

/// An agent that may link.
#[derive(Debug)]
pub struct Linked {
    server: Id,
    said: OnceLock<CoreHello>,
}

impl Linked {
    fn new(server: Id) -> Self {
        Linked { server, said: OnceLock::new() }
    }
}

/// Core's decisions about links.
pub struct LinkPolicy {
    fleet: Arc<Fleet>,
    onboard: Arc<dyn Onboard>,
}

impl LinkPolicy {
    /// Decides by the servers of a fleet.
    pub fn new(fleet: Arc<Fleet>, onboard: Arc<dyn Onboard>) -> Self {
        LinkPolicy { fleet, onboard }
    }

    /// Hands a link that came up to its session.
    pub fn attach(&self, link: Link<Linked>) {
        let Link { client, identity: Linked { server, said }, hello } = link;
        let hello = said.into_inner().zip(serde_json::from_slice(&hello).ok());
        let address = client.peer().address;
        let agent = Arc::new(AgentClient::new(client.clone(), Deadlines::default()));
        let new = NewLink { agent, link: Arc::new(client), hello, address };
        if let Err(new) = self.fleet.attach(server, new) {
            tracing::warn!(server.id = %server, "a link came up for a server that is gone or busy; it is closed");
            new.link.close();
        }
    }
}

impl Policy for LinkPolicy {
    type Identity = Linked;

    async fn recognise(&self, peer: &Peer) -> Recognition<Linked> {
        let Some(server) = self.fleet.by_key(&peer.key.to_string()) else { return Recognition::Unknown };
        let Some(known) = self.fleet.known(server) else { return Recognition::Unknown };
        if !known.enabled() {
            return Recognition::Refused(Refusal::new(
                "server_disabled",
                format!("server '{}' is disabled in Komodo; enable it there", known.name()),
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
        let server = self.onboard.onboard(&key, token.as_ref(), &peer.connect_as).await?;
        match self.fleet.known(server) {
            Some(known) if !known.enabled() => Err(Refusal::new(
                "server_disabled",
                format!("server '{}' is disabled in Komodo; enable it there", known.name()),
            )),
            Some(_) => Ok(Linked::new(server)),
            None => Err(Refusal::new("server_deleted", "the server was deleted meanwhile")),
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
