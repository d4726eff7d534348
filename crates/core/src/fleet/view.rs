//! What Core last saw of a server, and how events change it. Pure but for what it is given.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use komodo_agent_api::{
    AgentEvent, AgentProperties, Container, EngineState, EventBody, GoodbyeReason, HealthStatus,
    ProtectedContainer, Snapshot,
};
use komodo_api::{
    UnixMs,
    engine::ContainerStateStatusEnum,
    id::Id,
    plan::Reason,
    server::{ContainerCounts, Server, ServerReason, ServerState},
    stats::{SystemInformation, SystemStats},
};
use komodo_plan::LinkState;
use serde::{Deserialize, Serialize};

use super::without_agent::on_purpose;

/// All that is known of a server at one time. Readers hold it as long as they like; nothing in it changes.
#[derive(Debug)]
pub struct ServerView {
    /// Id of the server.
    pub server: Id,
    /// Revision; grows with each change, also over restarts of Core.
    pub rev: u64,
    /// State of the link.
    pub link: LinkState,
    /// Why the link was lost, in words, where it was.
    pub lost_why: Option<String>,
    /// State of the Engine, as last seen.
    pub engine: EngineState,
    /// What the host is; absent where it never told.
    pub host: Option<Arc<SystemInformation>>,
    /// Last figures of the host.
    pub stats: Option<Arc<SystemStats>>,
    /// What the agent is; absent where none ever connected.
    pub agent: Option<Arc<AgentProperties>>,
    /// Level that the agent speaks; absent where none ever connected.
    pub level: Option<u32>,
    /// Why the agent that asks to connect is not spoken with: it is too old.
    pub too_old: Option<String>,
    /// All containers, by id.
    pub containers: Arc<Vec<Arc<Container>>>,
    /// The protected set.
    pub protected: Arc<Vec<ProtectedContainer>>,
    /// Time of the last contact while there is none; absent while the link is up, or where there never was one.
    pub last_contact: Option<UnixMs>,
    /// Time since when this may be out of date; absent while it is live.
    pub stale_since: Option<UnixMs>,
    /// The list item of the server, once somebody wrote it.
    pub list_item: ArcSwapOption<ListItemJson>,
}

/// The list item of a server as JSON, with the server it was written from: another server value makes it void.
#[derive(Debug)]
pub struct ListItemJson {
    /// Server it was written from.
    pub server: Arc<Server>,
    /// The item.
    pub json: Bytes,
}

impl Clone for ServerView {
    /// A copy to be changed: without the list item, which would be void.
    fn clone(&self) -> Self {
        ServerView {
            server: self.server,
            rev: self.rev,
            link: self.link.clone(),
            lost_why: self.lost_why.clone(),
            engine: self.engine.clone(),
            host: self.host.clone(),
            stats: self.stats.clone(),
            agent: self.agent.clone(),
            level: self.level,
            too_old: self.too_old.clone(),
            containers: Arc::clone(&self.containers),
            protected: Arc::clone(&self.protected),
            last_contact: self.last_contact,
            stale_since: self.stale_since,
            list_item: ArcSwapOption::empty(),
        }
    }
}

/// What a view keeps over a restart of Core.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedView {
    pub(crate) last_contact: UnixMs,
    pub(crate) agent: Option<AgentProperties>,
    /// Level of the agent.
    #[serde(default)]
    pub(crate) level: Option<u32>,
    /// What an agent said that went on purpose.
    #[serde(default)]
    pub(crate) goodbye: Option<GoodbyeReason>,
    pub(crate) snapshot: Snapshot,
}

/// What changed from one view to the next.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Containers that are new or changed.
    pub(crate) upsert: Vec<Arc<Container>>,
    /// Ids of containers that are gone.
    pub(crate) remove: Vec<String>,
    /// All containers may have changed.
    pub(crate) reset: bool,
    /// Something that is worth keeping over a restart changed.
    pub(crate) lasting: bool,
}

impl Changes {
    pub(crate) fn touches_containers(&self) -> bool {
        self.reset || !self.upsert.is_empty() || !self.remove.is_empty()
    }
}

impl ServerView {
    /// The view of a server that never connected.
    pub(crate) fn never(server: Id, rev: u64) -> Self {
        ServerView {
            server,
            rev,
            link: LinkState::Never,
            lost_why: None,
            engine: EngineState::default(),
            host: None,
            stats: None,
            agent: None,
            level: None,
            too_old: None,
            containers: Arc::default(),
            protected: Arc::default(),
            last_contact: None,
            stale_since: None,
            list_item: ArcSwapOption::empty(),
        }
    }

    /// The view that an earlier start of Core left, stale since its last contact.
    pub(crate) fn restored(server: Id, rev: u64, saved: SavedView) -> Self {
        let mut view = ServerView::never(server, rev);
        view.apply_snapshot(saved.snapshot);
        view.agent = saved.agent.map(Arc::new);
        view.level = saved.level;
        view.link = LinkState::Lost {
            since: saved.last_contact,
            goodbye: saved.goodbye,
        };
        view.lost_why = Some("Core was restarted and the agent has not connected since".into());
        view.last_contact = Some(saved.last_contact);
        view.stale_since = Some(saved.last_contact);
        view
    }

    /// What to keep over a restart; nothing where no agent ever told anything.
    pub(crate) fn to_save(&self, now: UnixMs) -> Option<SavedView> {
        let host = self.host.as_ref()?;
        Some(SavedView {
            last_contact: self.last_contact.unwrap_or(now),
            agent: self.agent.as_deref().cloned(),
            level: self.level,
            goodbye: match &self.link {
                LinkState::Lost {
                    goodbye: Some(reason),
                    ..
                } if on_purpose(reason) => Some(reason.clone()),
                _ => None,
            },
            snapshot: Snapshot {
                host: SystemInformation::clone(host),
                stats: self.stats.as_deref().cloned(),
                engine: self.engine.clone(),
                containers: self
                    .containers
                    .iter()
                    .map(|container| Container::clone(container))
                    .collect(),
                protected: self.protected.to_vec(),
            },
        })
    }

    /// State of the server, and why it is not `Ok`.
    pub fn state(&self, enabled: bool) -> (ServerState, Option<ServerReason>) {
        let (state, reason) = komodo_plan::server_state(enabled, &self.link, &self.engine);
        let reason = match (reason, &self.too_old) {
            (Some(reason), Some(why)) if !self.is_live() => Some(ServerReason {
                why: why.clone(),
                ..reason
            }),
            (reason, _) => reason,
        };
        (state, reason)
    }

    /// Whether the agent is connected and has told all that it sees.
    pub fn is_live(&self) -> bool {
        matches!(self.link, LinkState::Up { .. })
    }

    /// Time that the view tells of: now while it is live.
    pub fn as_of(&self, now: UnixMs) -> Option<UnixMs> {
        match self.is_live() {
            true => Some(now),
            false => self.stale_since.or(self.last_contact),
        }
    }

    /// The container of an id.
    pub fn container(&self, id: &str) -> Option<&Arc<Container>> {
        self.containers
            .binary_search_by(|container| container.id.as_str().cmp(id))
            .ok()
            .map(|at| &self.containers[at])
    }

    /// The first container that a reference means; ids come before names.
    pub fn find(&self, reference: &str) -> Option<&Arc<Container>> {
        self.container(reference).or_else(|| {
            let name = reference.strip_prefix('/').unwrap_or(reference);
            self.containers
                .iter()
                .find(|container| container.name == name)
                .or_else(|| {
                    self.containers
                        .iter()
                        .find(|container| container.is(reference))
                })
        })
    }

    /// Why a container is protected.
    pub fn reasons(&self, id: &str) -> &[Reason] {
        self.protected
            .iter()
            .find(|protected| protected.id == id)
            .map_or(&[], |protected| &protected.reasons)
    }

    /// Containers by state; absent where no agent ever told.
    pub fn counts(&self) -> Option<ContainerCounts> {
        use ContainerStateStatusEnum::*;
        self.host.as_ref()?;
        let mut counts = ContainerCounts::default();
        for container in self.containers.iter() {
            counts.total += 1;
            counts.running += u32::from(container.state == Running);
            counts.paused += u32::from(container.state == Paused);
            let failing =
                container.health == Some(HealthStatus::Unhealthy) && container.state == Running;
            counts.unhealthy += u32::from(failing || matches!(container.state, Restarting | Dead));
        }
        Some(counts)
    }

    /// Id of the Engine, as last seen connected.
    pub(crate) fn engine_id(&self) -> Option<&str> {
        match &self.engine {
            EngineState::Connected { engine_id, .. } => Some(engine_id),
            EngineState::Unreachable { .. } => None,
        }
    }

    /// Takes all that an agent observes in place of what was there.
    pub(crate) fn apply_snapshot(&mut self, snapshot: Snapshot) -> Changes {
        let Snapshot {
            host,
            stats,
            engine,
            containers,
            protected,
        } = snapshot;
        let mut containers: Vec<_> = containers.into_iter().map(Arc::new).collect();
        containers.sort_by(|a, b| a.id.cmp(&b.id));
        containers.dedup_by(|a, b| a.id == b.id);
        // An agent whose Engine was away since it started has never seen a container; what was seen before still is
        // the best that is known.
        if !(containers.is_empty() && matches!(engine, EngineState::Unreachable { .. })) {
            self.containers = Arc::new(containers);
            self.protected = Arc::new(protected);
        }
        self.host = Some(Arc::new(host));
        self.stats = stats.map(Arc::new).or(self.stats.take());
        self.engine = engine;
        Changes {
            reset: true,
            lasting: true,
            ..Changes::default()
        }
    }

    /// Applies events that came after a snapshot, and says what changed.
    pub(crate) fn apply(&mut self, events: Vec<AgentEvent>) -> Changes {
        let mut changes = Changes::default();
        let mut touched: BTreeMap<String, ()> = BTreeMap::new();
        for event in events {
            match event.body {
                EventBody::Snapshot(snapshot) => {
                    changes = self.apply_snapshot(*snapshot);
                    touched.clear();
                }
                EventBody::Containers { upsert, remove } => {
                    changes.lasting = true;
                    let containers = Arc::make_mut(&mut self.containers);
                    for container in upsert {
                        touched.insert(container.id.clone(), ());
                        match containers.binary_search_by(|held| held.id.cmp(&container.id)) {
                            Ok(at) => containers[at] = Arc::new(merge(&containers[at], container)),
                            Err(at) => containers.insert(at, Arc::new(container)),
                        }
                    }
                    for id in remove {
                        if let Ok(at) = containers.binary_search_by(|held| held.id.cmp(&id)) {
                            containers.remove(at);
                            touched.insert(id, ());
                        }
                    }
                }
                EventBody::Protected(protected) => {
                    changes.lasting = true;
                    for container in self.protected.iter().chain(&protected) {
                        if reasons_of(&self.protected, &container.id)
                            != reasons_of(&protected, &container.id)
                        {
                            touched.insert(container.id.clone(), ());
                        }
                    }
                    self.protected = Arc::new(protected);
                }
                EventBody::Engine(engine) => {
                    changes.lasting = true;
                    self.engine = engine;
                }
                EventBody::Stats(stats) => self.stats = Some(Arc::new(*stats)),
                EventBody::Goodbye(_) => {}
            }
        }
        if !changes.reset {
            for (id, ()) in touched {
                match self.container(&id) {
                    Some(container) => changes.upsert.push(Arc::clone(container)),
                    None => changes.remove.push(id),
                }
            }
        }
        changes
    }
}

fn reasons_of<'a>(protected: &'a [ProtectedContainer], id: &str) -> &'a [Reason] {
    protected
        .iter()
        .find(|container| container.id == id)
        .map_or(&[], |container| &container.reasons)
}

/// A container as told now, over what is held. Events and inspections overtake each other on their way: of two states
/// the one that came about later is right, whichever arrived later.
fn merge(held: &Container, told: Container) -> Container {
    if told.state_at_ns >= held.state_at_ns {
        return told;
    }
    if told.state == held.state {
        return Container {
            state_at_ns: held.state_at_ns,
            ..told
        };
    }
    Container {
        state: held.state,
        state_at_ns: held.state_at_ns,
        health: held.health,
        exit_code: held.exit_code,
        started_at: held.started_at,
        finished_at: held.finished_at,
        ..told
    }
}
