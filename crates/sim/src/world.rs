//! An Engine with containers in memory, and the hands of people who use it without asking anybody.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use komodo_agent_api::{Container, EngineState};
use komodo_api::{
    UnixMs, container::ContainerAction, engine::ContainerStateStatusEnum, live::LogStream,
    stats::SystemStats,
};
use tokio::{sync::mpsc, task::JoinSet};

mod ask;
mod outage;

use crate::{
    clock::{BEGINNING_MS, SimClock},
    engine::{Latency, Moment, Outcome, Quirk, apply, connected, end},
    history::{Act, History},
    log::Log,
};

/// Changes that wait for one reader of events at most; a reader that lags behind by more is cut off.
pub const EVENTS_BUFFER_MAX: usize = 1024;

/// What a reader of changes is told.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// A container is new or changed. `structural`: more of it than its run state.
    Upsert {
        container: Arc<Container>,
        structural: bool,
    },
    /// A container is gone.
    Remove(String),
    /// The Engine came or went.
    Engine(EngineState),
    /// New figures of the host.
    Stats(Box<SystemStats>),
}

/// Everything at one time, and what changes after it.
pub(crate) struct Subscription {
    pub(crate) containers: Vec<Container>,
    pub(crate) engine: EngineState,
    pub(crate) stats: Option<SystemStats>,
    pub(crate) changes: mpsc::Receiver<Change>,
}

/// An Engine in memory. A clone is the same Engine.
#[derive(Clone)]
pub struct World {
    shared: Arc<Shared>,
}

struct Shared {
    clock: SimClock,
    state: Mutex<State>,
    /// What the Engine is doing. It goes on when whoever asked has gone.
    tasks: Mutex<JoinSet<()>>,
}

struct State {
    engine: EngineState,
    engine_id: String,
    containers: BTreeMap<String, Entry>,
    readers: Vec<mpsc::Sender<Change>>,
    latency: Latency,
    stats: Option<SystemStats>,
    history: History,
    /// While the Engine is away: what was last seen of it, and what nobody was told since, by id.
    away: Option<Away>,
    /// Ids of containers that run again when the Engine is back.
    restarting: Vec<String>,
    rng: fastrand::Rng,
}

struct Away {
    seen: Vec<Container>,
    untold: BTreeMap<String, Change>,
}

pub(crate) struct Entry {
    pub(crate) container: Container,
    pub(crate) quirk: Quirk,
    pub(crate) log: Log,
}

impl World {
    /// An Engine without containers. Ids follow from the seed.
    pub fn new(seed: u64) -> Self {
        World::beginning_at(seed, BEGINNING_MS)
    }

    /// As [`World::new`], for a clock that begins at a given time.
    pub fn beginning_at(seed: u64, beginning: UnixMs) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let engine_id = hex(&mut rng, 32);
        let clock = SimClock::new(beginning);
        let engine = connected(&engine_id, clock.now_ms());
        let state = State {
            engine,
            engine_id,
            containers: BTreeMap::new(),
            readers: Vec::new(),
            latency: Latency::default(),
            stats: None,
            away: None,
            restarting: Vec::new(),
            history: History::default(),
            rng,
        };
        World {
            shared: Arc::new(Shared {
                clock,
                state: Mutex::new(state),
                tasks: Mutex::new(JoinSet::new()),
            }),
        }
    }

    /// Time on this host.
    pub fn now(&self) -> UnixMs {
        self.shared.clock.now_ms()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, so that what is behind a poisoned one is whole.
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The clock of this host.
    pub fn clock(&self) -> &SimClock {
        &self.shared.clock
    }

    /// What operations asked the Engine for, in order, but for the first so many.
    pub fn acts_since(&self, seen: usize) -> Vec<Act> {
        self.state().history.acts_since(seen)
    }

    fn moment(&self) -> Moment {
        Moment {
            ms: self.shared.clock.now_ms(),
            true_ms: self.shared.clock.true_ms(),
            ns: self.shared.clock.next_ns(),
        }
    }

    /// Creates a container as it is described; gives it an id, and the times that its state implies. A network of
    /// another container may be given by that one's name.
    pub fn create(&self, container: Container) -> Container {
        let at = self.moment();
        let mut state = self.state();
        let mut container = container;
        container.id = hex(&mut state.rng, 64);
        if container.image_id.is_empty() {
            container.image_id = format!("sha256:{}", hex(&mut state.rng, 64));
        }
        if let Some(owner) = container
            .network_container()
            .and_then(|owner| state.find(owner))
        {
            container.network_mode = format!("container:{}", owner.container.id);
        }
        container.created = at.ms / 1000;
        container.state_at_ns = at.ns;
        use ContainerStateStatusEnum::*;
        match container.state {
            Running | Paused | Restarting | Stopping => container.started_at = Some(at.ms),
            Exited | Dead => {
                container.started_at = Some(at.ms);
                container.finished_at = Some(at.ms);
                container.exit_code = container.exit_code.or(Some(0));
            }
            Created | Removing | Empty => {}
        }
        let entry = Entry {
            container: container.clone(),
            quirk: Quirk::None,
            log: Log::default(),
        };
        state.containers.insert(container.id.clone(), entry);
        state.remember(at, &container.id, Some(container.state));
        state.tell(Change::Upsert {
            container: Arc::new(container.clone()),
            structural: true,
        });
        container
    }

    /// All containers, by id.
    pub fn containers(&self) -> Vec<Container> {
        self.state()
            .containers
            .values()
            .map(|entry| entry.container.clone())
            .collect()
    }

    /// A container by name or id.
    pub fn container(&self, reference: &str) -> Option<Container> {
        self.state()
            .find(reference)
            .map(|entry| entry.container.clone())
    }

    /// Run state of a container by name or id; `None` is gone.
    pub fn state_of(&self, reference: &str) -> Option<ContainerStateStatusEnum> {
        self.container(reference).map(|container| container.state)
    }

    /// Every state that a container, by its id, was in during a millisecond of this host's clock; `None` is gone, or not
    /// there yet.
    pub fn states_at(&self, id: &str, at: UnixMs) -> Vec<Option<ContainerStateStatusEnum>> {
        let times = self.shared.clock.times_of(at);
        times
            .into_iter()
            .flat_map(|time| self.states_between(id, time, time))
            .collect()
    }

    /// Every state that a container was in between two times, by a clock that was never set.
    pub fn states_between(
        &self,
        id: &str,
        from: UnixMs,
        until: UnixMs,
    ) -> Vec<Option<ContainerStateStatusEnum>> {
        self.state().history.states_between(id, from, until)
    }

    /// Does something to a container at once, as somebody with `docker` would.
    ///
    /// # Errors
    /// What the Engine says.
    pub fn docker(&self, action: ContainerAction, reference: &str) -> Result<(), String> {
        let at = self.moment();
        let mut state = self.state();
        state.reachable()?;
        let id = state
            .find(reference)
            .map(|entry| entry.container.id.clone());
        let id = id.ok_or_else(|| format!("No such container: {reference}"))?;
        state.act(&id, action, at)
    }

    /// Stops a container, as somebody with `docker stop` would.
    ///
    /// # Errors
    /// What the Engine says.
    pub fn stop(&self, reference: &str) -> Result<(), String> {
        self.docker(ContainerAction::Stop, reference)
    }

    /// Starts a container, as somebody with `docker start` would.
    ///
    /// # Errors
    /// What the Engine says.
    pub fn start(&self, reference: &str) -> Result<(), String> {
        self.docker(ContainerAction::Start, reference)
    }

    /// Removes a container, as somebody with `docker rm -f` would.
    ///
    /// # Errors
    /// What the Engine says.
    pub fn remove(&self, reference: &str) -> Result<(), String> {
        self.docker(ContainerAction::Destroy, reference)
    }

    /// The process of a container ends by itself.
    pub fn exit(&self, reference: &str, code: i64) {
        let at = self.moment();
        self.change(reference, false, |container| end(container, code, at));
        if let Some(container) = self.container(reference) {
            self.state()
                .remember(at, &container.id, Some(container.state));
        }
    }

    /// Changes whether the Engine starts a container again by itself.
    pub(crate) fn set_restart_policy(&self, reference: &str, policy: &str) -> Result<(), String> {
        self.state().reachable()?;
        let mut there = false;
        self.change(reference, true, |container| {
            policy.clone_into(&mut container.restart_policy);
            there = true;
        });
        match there {
            true => Ok(()),
            false => Err(format!("No such container: {reference}")),
        }
    }

    /// Gives a container another name.
    pub fn rename(&self, reference: &str, name: &str) {
        self.change(reference, true, |container| {
            container.name = name.to_owned()
        });
    }

    fn change(&self, reference: &str, structural: bool, change: impl FnOnce(&mut Container)) {
        let mut state = self.state();
        let Some(id) = state
            .find(reference)
            .map(|entry| entry.container.id.clone())
        else {
            return;
        };
        if let Some(entry) = state.containers.get_mut(&id) {
            change(&mut entry.container);
            state.tell_of(&id, structural);
        }
    }

    /// Changes the same containers again and again, `changes` times in all.
    pub fn flood(&self, changes: usize) {
        let ids: Vec<String> = self.state().containers.keys().cloned().collect();
        for id in ids
            .iter()
            .cycle()
            .take(if ids.is_empty() { 0 } else { changes })
        {
            let at = self.moment();
            self.change(id, false, |container| container.state_at_ns = at.ns);
        }
    }

    /// Makes a container, or the Engine's answers about it, misbehave.
    pub fn set_quirk(&self, reference: &str, quirk: Quirk) {
        let mut state = self.state();
        let id = state
            .find(reference)
            .map(|entry| entry.container.id.clone());
        if let Some(entry) = id.and_then(|id| state.containers.get_mut(&id)) {
            entry.quirk = quirk;
        }
    }

    /// How long the Engine takes for an action.
    pub fn set_latency(&self, action: ContainerAction, latency: Duration) {
        self.state().latency.set(action, latency);
    }

    /// New figures of the host.
    pub fn set_stats(&self, stats: SystemStats) {
        let mut state = self.state();
        state.stats = Some(stats.clone());
        state.tell(Change::Stats(Box::new(stats)));
    }

    /// State of the Engine.
    pub fn engine(&self) -> EngineState {
        self.state().engine.clone()
    }

    /// A container writes a line.
    pub fn log(&self, reference: &str, stream: LogStream, line: &str) {
        let ns = self.shared.clock.next_ns();
        let mut state = self.state();
        let id = state
            .find(reference)
            .map(|entry| entry.container.id.clone());
        if let Some(entry) = id.and_then(|id| state.containers.get_mut(&id)) {
            entry.log.write(ns, stream, line);
        }
    }

    /// How many follow or read the log of a container now.
    pub fn log_readers(&self, reference: &str) -> usize {
        self.state()
            .find(reference)
            .map_or(0, |entry| Arc::strong_count(&entry.log.readers) - 1)
    }

    /// How many read events now.
    pub fn event_readers(&self) -> usize {
        let mut state = self.state();
        state.readers.retain(|reader| !reader.is_closed());
        state.readers.len()
    }

    /// Looks at one entry.
    pub(crate) fn with_entry<T>(
        &self,
        reference: &str,
        look: impl FnOnce(&Entry) -> T,
    ) -> Option<T> {
        self.state().find(reference).map(look)
    }

    /// Everything as it is now, and every change from now on.
    pub(crate) fn subscribe(&self) -> Subscription {
        let (sender, changes) = mpsc::channel(EVENTS_BUFFER_MAX);
        let mut state = self.state();
        state.readers.push(sender);
        let containers = match &state.away {
            Some(away) => away.seen.clone(),
            None => state
                .containers
                .values()
                .map(|entry| entry.container.clone())
                .collect(),
        };
        Subscription {
            containers,
            engine: state.engine.clone(),
            stats: state.stats.clone(),
            changes,
        }
    }
}

impl State {
    fn find(&self, reference: &str) -> Option<&Entry> {
        let by_id = self.containers.get(reference);
        by_id.or_else(|| {
            self.containers
                .values()
                .find(|entry| entry.container.is(reference))
        })
    }

    fn reachable(&self) -> Result<(), String> {
        match &self.engine {
            EngineState::Connected { .. } => Ok(()),
            EngineState::Unreachable { why, .. } => {
                Err(format!("the Engine does not answer: {why}"))
            }
        }
    }

    fn act(&mut self, id: &str, action: ContainerAction, at: Moment) -> Result<(), String> {
        let entry = self
            .containers
            .get_mut(id)
            .ok_or_else(|| format!("No such container: {id}"))?;
        match apply(&mut entry.container, action, entry.quirk, at)? {
            Outcome::Unchanged => {}
            Outcome::Changed => {
                let now = entry.container.state;
                self.remember(at, id, Some(now));
                self.tell_of(id, false);
            }
            Outcome::Removed => self.remove(id, at),
        }
        Ok(())
    }

    fn remove(&mut self, id: &str, at: Moment) {
        if let Some(entry) = self.containers.remove(id) {
            self.remember(at, id, None);
            entry.log.changed.send_replace(());
            self.tell(Change::Remove(id.to_owned()));
        }
    }

    fn remember(&mut self, at: Moment, id: &str, state: Option<ContainerStateStatusEnum>) {
        self.history.came_into(at.true_ms, id, state);
    }

    fn tell_of(&mut self, id: &str, structural: bool) {
        if let Some(entry) = self.containers.get(id) {
            entry.log.changed.send_replace(());
            let container = Arc::new(entry.container.clone());
            self.tell(Change::Upsert {
                container,
                structural,
            });
        }
    }

    /// Tells all readers; one that is full lags and is cut off. An Engine that is away tells of no containers.
    fn tell(&mut self, change: Change) {
        let id = match &change {
            Change::Upsert { container, .. } => Some(container.id.clone()),
            Change::Remove(id) => Some(id.clone()),
            Change::Engine(_) | Change::Stats(_) => None,
        };
        if let (Some(away), Some(id)) = (&mut self.away, id) {
            let change = match change {
                // More may have changed than the last of several.
                Change::Upsert { container, .. } => Change::Upsert {
                    container,
                    structural: true,
                },
                other => other,
            };
            away.untold.insert(id, change);
            return;
        }
        self.readers
            .retain(|reader| reader.try_send(change.clone()).is_ok());
    }
}

fn hex(rng: &mut fastrand::Rng, digits: usize) -> String {
    (0..digits).map(|_| rng.digit(16)).collect()
}
