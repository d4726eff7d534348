//! What is known of the Engine's containers, and how the Engine's events and the answers to calls change it: pure.
//!
//! Events and answers come by different ways and may overtake each other. Two rules put them in order:
//!
//! - An event counts only if it is not older, by the Engine's clock, than what the state rests on.
//! - The answer to a call counts for a container only if no event of it came in since the call was made; every call
//!   notes the [`View::mark`] before it is made. An event is always followed by an inspect, so nothing stays unknown.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
    sync::Arc,
};

use komodo_agent_api::{
    Container, CoreHello, EngineState, EventBody, GoodbyeReason, ProtectedContainer, Snapshot,
};
use komodo_api::{
    engine::ContainerStateStatusEnum as State,
    stats::{SystemInformation, SystemStats},
};
use komodo_docker::{EngineEvent, Inspected, Listed};
use komodo_plan::{ControlPath, protected_set};

use super::translate;

/// Removed containers that are remembered, so that a late answer does not bring them back.
const REMOVED_MAX: usize = 4096;
/// Containers in a row that share each other's network at most.
const NETWORK_CHAIN_MAX: usize = 8;
/// Addresses of the host that are remembered; each connection has one at most.
const HOST_ADDRESSES_MAX: usize = 8;

/// A point in the order in which events came in.
pub type Mark = u64;

#[derive(Debug, Clone)]
struct Entry {
    container: Arc<Container>,
    /// When the last event of it came in.
    touched: Mark,
    /// Whether it was inspected since it appeared.
    inspected: bool,
    /// Whether the times of its run are those that the Engine keeps, and not those of an event.
    dated: bool,
}

/// All that an agent observes.
#[derive(Debug, Default)]
pub struct View {
    mark: Mark,
    containers: BTreeMap<String, Entry>,
    removed: VecDeque<(String, Mark)>,
    /// State of the Engine.
    pub engine: EngineState,
    /// Why the agent is about to go, where an operation takes its own container away.
    pub going: Option<GoodbyeReason>,
    /// What the host is.
    pub host: SystemInformation,
    /// Last figures of the host.
    pub stats: Option<SystemStats>,
    control_path: ControlPath,
    agents_on_engine: Vec<String>,
    own_perhaps: Vec<String>,
    protected: Arc<Vec<ProtectedContainer>>,
    listed: bool,
}

/// What a change means for others.
#[derive(Debug, Default, PartialEq)]
pub struct Change {
    /// What to tell, in order.
    pub events: Vec<EventBody>,
    /// Ids of containers to be inspected.
    pub inspect: BTreeSet<String>,
}

impl Change {
    fn upsert(&mut self, container: &Container) {
        self.tell(Some(container), None);
    }

    fn remove(&mut self, id: &str) {
        self.tell(None, Some(id));
    }

    fn tell(&mut self, new: Option<&Container>, gone: Option<&str>) {
        if !matches!(self.events.last(), Some(EventBody::Containers { .. })) {
            self.events.push(EventBody::Containers {
                upsert: Vec::new(),
                remove: Vec::new(),
            });
        }
        if let Some(EventBody::Containers { upsert, remove }) = self.events.last_mut() {
            upsert.extend(new.cloned());
            remove.extend(gone.map(str::to_owned));
        }
    }
}

impl View {
    /// Where in the order of events we are; noted before a call is made.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// Whether the containers and our own place among them are known, so that plans may rest on them.
    pub fn is_ready(&self) -> bool {
        self.listed && matches!(self.engine, EngineState::Connected { .. })
    }

    /// All containers.
    pub fn containers(&self) -> impl Iterator<Item = &Arc<Container>> {
        self.containers.values().map(|entry| &entry.container)
    }

    /// A container by id.
    pub fn by_id(&self, id: &str) -> Option<&Arc<Container>> {
        self.containers.get(id).map(|entry| &entry.container)
    }

    /// Whether the times of a container's run are known exactly, so that it can be told from another run.
    pub fn is_dated(&self, id: &str) -> bool {
        self.containers.get(id).is_some_and(|entry| entry.dated)
    }

    /// The containers that a reference means: the one of that name or id, else all whose id begins so.
    pub fn resolve(&self, reference: &str) -> Vec<&Arc<Container>> {
        let name = reference.strip_prefix('/').unwrap_or(reference);
        if let Some(exact) = self
            .containers()
            .find(|container| container.id == name || container.name == name)
        {
            return vec![exact];
        }
        self.containers()
            .filter(|container| container.is(name))
            .collect()
    }

    /// The protected set.
    pub fn protected(&self) -> &Arc<Vec<ProtectedContainer>> {
        &self.protected
    }

    /// What the control path stands on.
    pub fn control_path(&self) -> &ControlPath {
        &self.control_path
    }

    /// Whether the agent runs in a container with a network of its own, so that loopback is not the host's.
    pub fn has_own_network(&self) -> bool {
        let own = self.control_path.own_container.as_deref();
        let mut container = own.and_then(|own| self.by_id(own));
        for _ in 0..NETWORK_CHAIN_MAX {
            match container.and_then(|container| container.network_container()) {
                Some(owner) => container = self.resolve(owner).first().copied(),
                None => break,
            }
        }
        container.is_some_and(|container| container.network_mode != "host")
    }

    /// Notes addresses of the host.
    pub fn add_host_addresses(&mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Change {
        self.set_control_path(|path| {
            for address in addresses {
                if !path.host_addresses.contains(&address) {
                    path.host_addresses.truncate(HOST_ADDRESSES_MAX - 1);
                    path.host_addresses.insert(0, address);
                }
            }
        })
    }

    /// All there is.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            host: self.host.clone(),
            stats: self.stats.clone(),
            engine: self.engine.clone(),
            containers: self
                .containers()
                .map(|container| (**container).clone())
                .collect(),
            protected: self.protected.to_vec(),
        }
    }

    /// The Engine is reached, or is not. Containers stay as they were seen last.
    pub fn set_engine(&mut self, engine: EngineState) -> Change {
        let engine = match (&self.engine, engine) {
            // Since the beginning, whatever the reason of the moment.
            (EngineState::Unreachable { since, .. }, EngineState::Unreachable { why, .. })
                if *since > 0 =>
            {
                EngineState::Unreachable { why, since: *since }
            }
            (_, engine) => engine,
        };
        if engine == self.engine {
            return Change::default();
        }
        // Until all containers were listed again, nothing may rest on those that were seen before.
        self.listed &= matches!(engine, EngineState::Connected { .. });
        self.engine = engine.clone();
        Change {
            events: vec![EventBody::Engine(engine)],
            ..Change::default()
        }
    }

    /// Whether the Engine was tried yet.
    pub fn is_tried(&self) -> bool {
        !matches!(self.engine, EngineState::Unreachable { since: 0, .. })
    }

    /// The agent's own container was found, or those that it may be, or that it is none.
    pub fn set_own_container(&mut self, id: Option<String>, perhaps: Vec<String>) -> Change {
        self.own_perhaps = perhaps;
        self.set_control_path(|path| path.own_container = id)
    }

    /// Core has introduced itself.
    pub fn set_core(&mut self, hello: &CoreHello) -> Change {
        self.agents_on_engine = hello.agents_on_engine.clone();
        self.set_control_path(|path| {
            path.core_container = hello.core_container.clone();
            path.core_depends_on = hello.core_depends_on.clone();
            path.depended_on = hello.depended_on.clone();
        })
    }

    /// What the control path stands on has changed.
    pub fn set_control_path(&mut self, change: impl FnOnce(&mut ControlPath)) -> Change {
        let before = self.control_path.clone();
        change(&mut self.control_path);
        self.control_path.agents_on_engine =
            [&self.agents_on_engine[..], &self.own_perhaps[..]].concat();
        let mut told = Change::default();
        if before != self.control_path {
            self.protect(&mut told);
        }
        told
    }

    /// An event of the Engine.
    pub fn apply_event(&mut self, event: &EngineEvent) -> Change {
        self.mark += 1;
        let mut change = Change::default();
        match event.kind.as_str() {
            "container" => self.container_event(event, &mut change),
            "network" => {
                if let Some(entry) = event
                    .attribute("container")
                    .and_then(|id| self.containers.get_mut(id))
                {
                    entry.touched = self.mark;
                    change.inspect.insert(entry.container.id.clone());
                }
            }
            _ => {}
        }
        change
    }

    fn container_event(&mut self, event: &EngineEvent, change: &mut Change) {
        let id = event.actor.id.as_str();
        if id.is_empty() {
            return;
        }
        if event.action == "destroy" {
            self.remove(id, change);
            return;
        }
        let known = self.containers.contains_key(id);
        if !known && event.action == "create" {
            let entry = Entry {
                container: Arc::new(created(event)),
                touched: self.mark,
                inspected: false,
                dated: false,
            };
            self.containers.insert(id.to_owned(), entry);
        }
        let Some(entry) = self.containers.get_mut(id) else {
            // It was made before we subscribed, and is not listed yet, or the Engine forgot to tell.
            change.inspect.insert(id.to_owned());
            return;
        };
        entry.touched = self.mark;
        let mut container = (*entry.container).clone();
        let (relevant, inspect) = follow(&mut container, event);
        let changed = relevant && (*entry.container != container || !known);
        let renamed = entry.container.name != container.name;
        entry.dated &= entry.container.run() == container.run();
        entry.container = Arc::new(container);
        if changed {
            change.upsert(&entry.container);
        }
        if inspect {
            change.inspect.insert(id.to_owned());
        }
        if !known || renamed {
            self.protect(change);
        }
    }

    /// The answer to an inspect that was asked at `asked`; `None` is: no such container.
    pub fn apply_inspect(&mut self, asked: Mark, id: &str, answer: Option<Inspected>) -> Change {
        let mut change = Change::default();
        let Some(answer) = answer else {
            if self
                .containers
                .get(id)
                .is_some_and(|entry| entry.touched <= asked)
            {
                self.remove(id, &mut change);
            }
            return change;
        };
        let mut container = translate::inspected(answer);
        if container.id.is_empty() || self.was_removed_since(&container.id, asked) {
            return change;
        }
        let mut dated = true;
        if let Some(entry) = self.containers.get(&container.id) {
            container.size_rw = entry.container.size_rw;
            if entry.touched > asked {
                keep_state(&mut container, &entry.container);
                dated = entry.dated;
                change.inspect.insert(container.id.clone());
            } else {
                container.state_at_ns = container.state_at_ns.max(entry.container.state_at_ns);
            }
        }
        let id = container.id.clone();
        self.put(container, true, &mut change);
        if let Some(entry) = self.containers.get_mut(&id) {
            entry.dated = dated;
        }
        change
    }

    /// The answer to a list that was asked at `asked`.
    pub fn apply_list(&mut self, asked: Mark, list: Vec<Listed>) -> Change {
        let mut change = Change::default();
        let mut present = BTreeSet::new();
        for listed in list {
            let mut container = translate::listed(listed);
            if container.id.is_empty() || self.was_removed_since(&container.id, asked) {
                continue;
            }
            present.insert(container.id.clone());
            let listed = self.listed;
            let Some(entry) = self.containers.get_mut(&container.id) else {
                change.inspect.insert(container.id.clone());
                self.put(container, false, &mut change);
                continue;
            };
            // It may have run anew while nobody told.
            entry.dated &= listed && entry.container.state == container.state;
            let known = &entry.container;
            let same = entry.inspected
                && known.state == container.state
                && known.name == container.name
                && known.network_mode == container.network_mode
                && known.networks == container.networks
                && known.addresses == container.addresses
                && known.ports == container.ports;
            if same {
                continue;
            }
            change.inspect.insert(container.id.clone());
            if entry.touched > asked {
                continue;
            }
            let mut merged = (**known).clone();
            if merged.state != container.state {
                merged.state = container.state;
            }
            merged.name = std::mem::take(&mut container.name);
            merged.network_mode = std::mem::take(&mut container.network_mode);
            merged.networks = std::mem::take(&mut container.networks);
            merged.addresses = std::mem::take(&mut container.addresses);
            merged.ports = std::mem::take(&mut container.ports);
            let inspected = entry.inspected;
            self.put(merged, inspected, &mut change);
        }
        let gone: Vec<String> = self
            .containers
            .iter()
            .filter(|(id, entry)| !present.contains(*id) && entry.touched <= asked)
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            self.remove(&id, &mut change);
        }
        if !self.listed {
            self.listed = true;
            self.protect(&mut change);
        }
        change
    }

    fn put(&mut self, container: Container, inspected: bool, change: &mut Change) {
        let before = self.containers.get(&container.id);
        let touched = before.map_or(0, |entry| entry.touched);
        let protects = before.is_none_or(|entry| bears_on_protection(&entry.container, &container));
        if before.is_none_or(|entry| *entry.container != container) {
            change.upsert(&container);
        }
        let entry = Entry {
            container: Arc::new(container),
            touched,
            inspected,
            dated: before.is_some_and(|before| before.dated),
        };
        self.containers.insert(entry.container.id.clone(), entry);
        if protects {
            self.protect(change);
        }
    }

    fn remove(&mut self, id: &str, change: &mut Change) {
        if self.removed.len() == REMOVED_MAX {
            self.removed.pop_front();
        }
        self.removed.push_back((id.to_owned(), self.mark));
        if self.containers.remove(id).is_some() {
            change.remove(id);
            self.protect(change);
        }
    }

    fn was_removed_since(&self, id: &str, asked: Mark) -> bool {
        self.removed
            .iter()
            .rev()
            .take_while(|(_, at)| *at >= asked)
            .any(|(removed, _)| removed == id)
    }

    /// Computes the protected set anew, and tells it where it changed; not before our own place is known.
    fn protect(&mut self, change: &mut Change) {
        if !self.listed {
            return;
        }
        let containers: Vec<Container> = self
            .containers()
            .map(|container| (**container).clone())
            .collect();
        let protected = protected_set(&containers, &self.control_path);
        if protected != *self.protected {
            self.protected = Arc::new(protected);
            change
                .events
                .retain(|event| !matches!(event, EventBody::Protected(_)));
            change
                .events
                .push(EventBody::Protected(self.protected.to_vec()));
        }
    }
}

/// Whether the protected set may differ.
fn bears_on_protection(before: &Container, after: &Container) -> bool {
    before.name != after.name
        || before.labels != after.labels
        || before.network_mode != after.network_mode
        || before.pid_container != after.pid_container
        || before.ipc_container != after.ipc_container
        || before.addresses != after.addresses
        || before.ports != after.ports
}

/// Keeps the state of the newer one, which an event brought.
fn keep_state(container: &mut Container, newer: &Container) {
    container.state = newer.state;
    container.state_at_ns = newer.state_at_ns;
    container.health = newer.health;
    container.exit_code = newer.exit_code;
    container.started_at = newer.started_at;
    container.finished_at = newer.finished_at;
}

/// A container as the event of its creation describes it.
fn created(event: &EngineEvent) -> Container {
    let mut labels = event.actor.attributes.clone();
    let name = labels.remove("name").unwrap_or_default();
    let image = labels.remove("image").unwrap_or_default();
    Container {
        id: event.actor.id.clone(),
        name,
        image,
        created: event.time_ns / 1_000_000_000,
        state: State::Created,
        state_at_ns: event.time_ns,
        labels,
        ..Container::default()
    }
}

/// Changes a container as an event says; whether the event means a change, and whether an inspect has more to tell.
fn follow(container: &mut Container, event: &EngineEvent) -> (bool, bool) {
    let at = event.time_ns;
    if at < container.state_at_ns {
        return (false, true);
    }
    let turn = |container: &mut Container, state: State| {
        container.state = state;
        container.state_at_ns = at;
    };
    match event.action.as_str() {
        "create" => (true, true),
        "start" => {
            turn(container, State::Running);
            container.started_at = Some(translate::ns_to_ms(at));
            container.exit_code = None;
            container.health = None;
            (true, true)
        }
        "die" => {
            turn(container, State::Exited);
            container.finished_at = Some(translate::ns_to_ms(at));
            container.exit_code = event
                .attribute("exitCode")
                .and_then(|code| code.parse().ok());
            container.health = None;
            (true, true)
        }
        // The death was told before; a restart policy cannot revive what was stopped.
        "stop" => {
            if container.state != State::Exited {
                turn(container, State::Exited);
            }
            (true, false)
        }
        "pause" => {
            turn(container, State::Paused);
            (true, false)
        }
        "unpause" => {
            turn(container, State::Running);
            (true, false)
        }
        "rename" => {
            if let Some(name) = event.attribute("name") {
                container.name = name.trim_start_matches('/').to_owned();
            }
            (true, false)
        }
        // Its start was told before, and it may have died since.
        "update" | "restart" => (false, true),
        action => {
            if let Some(health) = action.strip_prefix("health_status: ") {
                container.health = translate::health_status(health);
                return (true, false);
            }
            (false, false)
        }
    }
}

#[cfg(test)]
mod tests;
