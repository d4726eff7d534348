//! A server in the simulation: an Engine in memory, an agent process with its journal on disk, its link to Core.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use komodo_agent_http::router;
use komodo_api::id::Id;
use komodo_link::{
    Identity, PublicKey,
    agent::{self, AgentLinkConfig, AgentTimings, LinkState},
};
use komodo_sim::{AgentOptions, SimAgent, SimHost, World, parse_container};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    BEGINNING_MS,
    core::{Slot, directory},
    network::Network,
};

/// Name of the container of an agent.
pub const AGENT: &str = "periphery";

/// A server.
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its id at Core.
    pub id: Id,
    /// The host.
    pub host: SimHost,
    /// Where its agent's journal is.
    _journal: TempDir,
    /// Its agent: the process that runs, or ran last.
    pub agent: SimAgent,
    /// Its network.
    pub network: Network,
    /// Whether anything ever took time on its network.
    pub delayed: bool,
    /// By how much its clock was set in all, in ms.
    pub jumped_ms: u64,
    /// When its agent starts again by itself.
    pub restarts: Option<Instant>,
    identity: Identity,
    core_key: PublicKey,
    core: Slot,
    links: JoinSet<()>,
    link: watch::Receiver<LinkState>,
}

impl Host {
    /// The Engine.
    pub fn world(&self) -> &World {
        &self.host.world
    }

    /// Key of a new agent.
    ///
    /// # Errors
    /// None can be made.
    pub fn identity() -> anyhow::Result<Identity> {
        Identity::generate().context("no key can be made")
    }

    /// A host with containers, one a line, whose agent runs and dials.
    ///
    /// # Errors
    /// A line that is not understood; a journal that cannot be kept.
    pub fn new(
        (name, id, seed): (&str, Id, u64),
        containers: &[String],
        identity: Identity,
        core_key: PublicKey,
        core: Slot,
        delay: Duration,
    ) -> anyhow::Result<Self> {
        let world = World::beginning_at(seed, BEGINNING_MS);
        for line in containers {
            let container =
                parse_container(line).map_err(|why| anyhow::anyhow!("'{line}': {why}"))?;
            world.create(container);
        }
        let container = world.container(AGENT).map(|container| container.name);
        let host = SimHost::new(
            world,
            AgentOptions {
                container,
                host_name: name.to_owned(),
            },
        );
        let journal = directory()?;
        let host = host
            .with_journal_in(journal.path())
            .context("the journal cannot be kept")?;
        let agent = host.start();
        let mut host = Host {
            name: name.to_owned(),
            id,
            host,
            _journal: journal,
            agent,
            network: Network::new(delay),
            delayed: !delay.is_zero(),
            jumped_ms: 0,
            restarts: None,
            identity,
            core_key,
            core,
            links: JoinSet::new(),
            link: watch::channel(LinkState::Stopped).1,
        };
        host.link();
        Ok(host)
    }

    /// What its agent says of its link.
    pub fn link_state(&self) -> String {
        let alive = match self.agent.is_alive() {
            true => "lives",
            false => "is dead",
        };
        let link = match &*self.link.borrow() {
            LinkState::Up { since, .. } => format!("up for {:?}", since.elapsed()),
            other => format!("{other:?}"),
        };
        let own = self.world().state_of(AGENT);
        format!("the agent {alive} (its container: {own:?}), its link: {link}")
    }

    /// Keeps a link to Core for as long as the agent lives.
    fn link(&mut self) {
        while self.links.try_join_next().is_some() {}
        let config = AgentLinkConfig {
            identity: self.identity.clone(),
            connect_as: self.name.clone(),
            core_keys: vec![self.core_key],
            join_token: None,
            known_cores: None,
            timings: AgentTimings::default(),
        };
        let dialler = self.network.dialler(self.core.clone());
        let agent = self.agent.clone();
        let (state, link) = watch::channel(LinkState::Stopped);
        self.link = link;
        self.links.spawn(async move {
            let service = router(Arc::new(agent.clone()));
            let run = agent::run(config, dialler, service, state, CancellationToken::new());
            tokio::select! {
                biased;
                // A process that ends takes its connections with it.
                () = agent.closed() => {}
                ended = run => ended.expect("it has a key of Core and a short name"),
            }
        });
    }

    /// Starts the agent again where it does not run.
    pub fn start_agent(&mut self) {
        self.restarts = None;
        if !self.agent.is_alive() {
            self.host.kill_at(None);
            self.network.set_frozen(false);
            self.agent = self.host.start();
            self.link();
        }
    }
}
