//! A server in the simulation: an Engine in memory, an agent process with its journal on disk, its link to Core.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use komodo_agent_http::router;
use komodo_api::{engine::ContainerStateStatusEnum, id::Id};
use komodo_link::{
    Identity, PublicKey,
    agent::{self, AgentLinkConfig, AgentTimings, LinkState},
};
use komodo_plan::hand_over::HELPER_LABEL;
use komodo_sim::{AgentOptions, Image, SimAgent, SimHost, World, parse_container};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    BEGINNING_MS,
    core::{Slot, directory},
    network::Network,
};

/// Name of the container of an agent.
pub const AGENT: &str = "periphery";

/// The image that agents begin with.
pub const IMAGE: &str = "periphery:1";
/// Images that an agent may be made anew from, and what it does then.
pub const IMAGES: [(&str, Image); 5] = [
    ("periphery:2", Image::Good),
    ("periphery:absent", Image::Absent),
    ("periphery:broken", Image::CannotStart),
    ("periphery:mute", Image::NeverConnects),
    ("periphery:weak", Image::DiesAfter(Duration::from_secs(20))),
];

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
    /// How its agent's container is made, where it has one.
    contained: Option<String>,
    /// Its network.
    pub network: Network,
    /// Whether anything ever took time on its network.
    pub delayed: bool,
    /// By how much its clock was set in all, in ms.
    pub jumped_ms: u64,
    /// How often its agent was killed, or was to be.
    pub kills: u32,
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
        let is_agent = |line: &&String| line.split_whitespace().next() == Some(AGENT);
        let contained = containers.iter().find(is_agent).cloned();
        let host = SimHost::new(
            world,
            AgentOptions {
                container: contained.as_ref().map(|_| AGENT.to_owned()),
                host_name: name.to_owned(),
            },
        );
        let journal = directory()?;
        let host = host
            .with_journal_in(journal.path())
            .context("the journal cannot be kept")?;
        for (name, image) in IMAGES {
            host.set_image(name, image);
        }
        host.start();
        let mut host = Host {
            name: name.to_owned(),
            id,
            host,
            _journal: journal,
            contained,
            network: Network::new(delay),
            delayed: !delay.is_zero(),
            jumped_ms: 0,
            kills: 0,
            identity,
            core_key,
            core,
            links: JoinSet::new(),
            link: watch::channel(LinkState::Stopped).1,
        };
        host.link();
        Ok(host)
    }

    /// Its agent: the process that runs, or ran last.
    pub fn agent(&self) -> SimAgent {
        self.host.agent().expect("it was started with the host")
    }

    /// Whether its agent runs in a container.
    pub fn is_contained(&self) -> bool {
        self.contained.is_some()
    }

    /// Whether a helper is at work, or was not settled yet.
    pub fn has_helper(&self) -> bool {
        let containers = self.world().containers();
        containers
            .iter()
            .any(|container| container.labels.contains_key(HELPER_LABEL))
    }

    /// What its agent says of its link.
    pub fn link_state(&self) -> String {
        let alive = match self.agent().is_alive() {
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

    /// Keeps a link to Core for each agent that runs here, one after the other.
    fn link(&mut self) {
        let config = AgentLinkConfig {
            identity: self.identity.clone(),
            connect_as: self.name.clone(),
            core_keys: vec![self.core_key],
            join_token: None,
            known_cores: None,
            timings: AgentTimings::default(),
        };
        let (network, core) = (self.network.clone(), self.core.clone());
        let mut agents = self.host.agents();
        let (state, link) = watch::channel(LinkState::Stopped);
        self.link = link;
        self.links.spawn(async move {
            loop {
                let now = agents.borrow_and_update().clone();
                if let Some(agent) = now.filter(|now| now.is_alive() && now.reaches_core()) {
                    let service = router(Arc::new(agent.clone()));
                    let dialler = network.dialler(core.clone());
                    let state = state.clone();
                    let cancel = CancellationToken::new();
                    let run = agent::run(config.clone(), dialler, service, state, cancel);
                    tokio::select! {
                        biased;
                        // A process that ends takes its connections with it.
                        () = agent.closed() => {}
                        ended = run => ended.expect("it has a key of Core and a short name"),
                    }
                }
                if agents.changed().await.is_err() {
                    return;
                }
            }
        });
    }

    /// Starts the agent again where it does not run; in a container only where that runs.
    pub fn start_agent(&mut self) {
        let own = self.host.agent_container();
        let state = own.and_then(|own| self.world().state_of(&own));
        let may = !self.is_contained() || state == Some(ContainerStateStatusEnum::Running);
        if may && !self.agent().is_alive() {
            self.host.kill_at(None);
            self.network.set_frozen(false);
            self.host.start();
        }
    }

    /// Somebody makes the container of the agent again, where it is gone; whether that was so.
    pub fn make_agent(&self) -> anyhow::Result<bool> {
        let Some(line) = &self.contained else {
            return Ok(false);
        };
        if self.has_helper() || self.host.agent_container().is_some() {
            return Ok(false);
        }
        let container = parse_container(line).map_err(|why| anyhow::anyhow!("'{line}': {why}"))?;
        self.world().create(container);
        Ok(true)
    }
}
