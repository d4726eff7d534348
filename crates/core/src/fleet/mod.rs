//! Observed state: what every server really runs, and the links to their agents.
//!
//! One `session` task per server is the only writer of its [`ServerView`] and swaps it in whole; readers never
//! lock and never wait. Nothing here waits for more than one server: a host that hangs delays nobody else. What users
//! want ([`KnownServer`]) comes in through [`Fleet::reconcile`]; deciding and storing do not belong here.

mod accept;
mod agent;
mod neighbours;
mod session;
mod view;
mod without_agent;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use komodo_agent_api::{AgentApi, AgentHello, Container, CoreHello, GoodbyeReason, LEVEL};
use komodo_api::{UnixMs, id::Id, server::Server};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

pub use accept::{Links, Onboard};
pub use agent::{Agent, unreachable};
pub(crate) use agent::{engine_unreachable, lost};
pub(crate) use view::{Changes, SavedView};
pub use view::{ListItemJson, ServerView};

use crate::{
    clock::Clock,
    live::ring::{Ring, first_revision},
};
use neighbours::Neighbours;

/// Commands that may wait for one session.
const COMMANDS_MAX: usize = 32;
/// Requests that may be open at one agent at the same time, operations and follow streams not counted.
const REQUESTS_PER_AGENT_MAX: usize = 32;

/// Durations of sessions. Tests that need none to pass shorten them.
#[derive(Debug, Clone)]
pub struct FleetTimings {
    /// Longest wait for the answer to a hello.
    pub hello: Duration,
    /// Longest wait for a stream of events and its snapshot.
    pub snapshot: Duration,
    /// Longest wait for a sign of life of a link that may be replaced, or that said goodbye.
    pub ping: Duration,
    /// Time after a goodbye at which an agent that still answers counts as there again.
    pub goodbye: Duration,
    /// Time between two saves of a view that changes.
    pub save: Duration,
    /// First pause before a stream of events that ended early is opened again; doubles, with jitter.
    pub reopen: Duration,
}

impl Default for FleetTimings {
    fn default() -> Self {
        FleetTimings {
            hello: Duration::from_secs(10),
            snapshot: Duration::from_secs(20),
            ping: Duration::from_secs(2),
            goodbye: Duration::from_secs(5),
            save: Duration::from_secs(30),
            reopen: Duration::from_millis(100),
        }
    }
}

/// What Core says of itself to every agent.
#[derive(Debug, Clone, Default)]
pub struct CoreFacts {
    /// Id of this Core, stable over restarts.
    pub id: String,
    /// Grows with each start.
    pub epoch: u64,
    /// Version.
    pub version: String,
    /// Container id of Core, where it runs in one.
    pub container: Option<String>,
    /// Names or ids of containers that Core cannot live without.
    pub depends_on: Vec<String>,
}

/// A server as its owner wants it.
#[derive(Debug, Clone)]
pub struct KnownServer {
    /// Id.
    pub id: Id,
    /// The server.
    pub server: Arc<Server>,
}

impl KnownServer {
    /// Name.
    pub fn name(&self) -> &str {
        &self.server.name
    }

    /// Whether Core speaks with its agent.
    pub fn enabled(&self) -> bool {
        self.server.config.enabled
    }

    /// Public key of its agent; empty where none is pinned.
    pub fn public_key(&self) -> &str {
        &self.server.info.public_key
    }
}

/// The link below an agent.
#[async_trait]
pub trait LinkHandle: Send + Sync + 'static {
    /// Waits for its end and says why it ended.
    async fn closed(&self) -> String;
    /// Ends it.
    fn close(&self);
    /// Whether there is a sign of life within a time.
    async fn ping(&self, within: Duration) -> bool;
    /// How long ago something was last heard.
    fn silent_for(&self) -> Duration;
}

/// A link that came up.
pub struct NewLink {
    /// The agent at its end.
    pub agent: Arc<dyn AgentApi>,
    /// The link.
    pub link: Arc<dyn LinkHandle>,
    /// Hello and answer, where they were exchanged already.
    pub hello: Option<(CoreHello, AgentHello)>,
    /// Where the agent dialled from.
    pub address: Option<SocketAddr>,
}

impl fmt::Debug for NewLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewLink")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Where the last views are kept over restarts. Nobody waits for it.
pub trait ViewStore: Send + Sync + 'static {
    /// Keeps a view (JSON) in place of the last one, soon.
    fn save(&self, server: Id, view: Vec<u8>);
    /// Forgets the view of a server that was deleted.
    fn forget(&self, server: Id);
}

/// What a reader of the containers of a server is told.
#[derive(Debug)]
pub(crate) enum ContainersChange {
    /// Everything may have changed: begin anew with the view.
    Reset,
    /// Some changed.
    Delta {
        /// New or changed.
        upsert: Vec<Arc<Container>>,
        /// Ids of those that are gone.
        remove: Vec<String>,
    },
}

/// The servers that Core knows, with their views and links. Dropping it ends all sessions.
#[derive(Debug)]
pub struct Fleet {
    inner: Arc<Inner>,
    _end: DropGuard,
}

struct Inner {
    clock: Arc<dyn Clock>,
    core: CoreFacts,
    timings: FleetTimings,
    views: Arc<dyn ViewStore>,
    slots: ArcSwap<BTreeMap<Id, Arc<Slot>>>,
    /// Servers by the key of their agent.
    keys: ArcSwap<BTreeMap<String, Id>>,
    /// Serializes reconciling; sessions and readers never take it.
    reconciling: Mutex<()>,
    neighbours: Neighbours,
    dirty: Dirty,
    connected: mpsc::Sender<Arc<Agent>>,
    sessions: TaskTracker,
    end: CancellationToken,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet")
            .field("servers", &self.slots.load().len())
            .finish_non_exhaustive()
    }
}

/// A server in the fleet: what others see of its session.
struct Slot {
    server: ArcSwap<KnownServer>,
    view: ArcSwap<ServerView>,
    containers: Ring<ContainersChange>,
    agent: watch::Sender<Option<Arc<Agent>>>,
    commands: mpsc::Sender<Command>,
    requests: Arc<Semaphore>,
    end: CancellationToken,
}

/// What a session is told.
enum Command {
    Link(Box<NewLink>),
    /// The server was renamed, switched on or off, or got another key.
    Changed,
    /// The agents on its Engine are others than it was told.
    Neighbours,
    /// An agent with another key asked to connect.
    KeyRefused {
        key: String,
        at: UnixMs,
    },
    /// The agent that has gone had announced that.
    Detached(GoodbyeReason),
}

/// Servers whose list items may have changed.
#[derive(Debug, Default)]
struct Dirty {
    servers: Mutex<BTreeSet<Id>>,
    more: Notify,
}

impl Dirty {
    fn mark(&self, server: Id) {
        let new = self
            .servers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(server);
        if new {
            self.more.notify_one();
        }
    }

    async fn take(&self) -> BTreeSet<Id> {
        loop {
            let taken =
                std::mem::take(&mut *self.servers.lock().unwrap_or_else(PoisonError::into_inner));
            if !taken.is_empty() {
                return taken;
            }
            self.more.notified().await;
        }
    }
}

/// Links that may come up before anybody looks at them.
const CONNECTED_MAX: usize = 1024;

impl Fleet {
    /// An empty fleet, and where each agent is told of once it is connected.
    pub fn new(
        clock: Arc<dyn Clock>,
        core: CoreFacts,
        timings: FleetTimings,
        views: Arc<dyn ViewStore>,
    ) -> (Self, mpsc::Receiver<Arc<Agent>>) {
        let end = CancellationToken::new();
        let (connected, receiver) = mpsc::channel(CONNECTED_MAX);
        let inner = Arc::new(Inner {
            clock,
            core,
            timings,
            views,
            slots: ArcSwap::default(),
            keys: ArcSwap::default(),
            reconciling: Mutex::new(()),
            neighbours: Neighbours::default(),
            dirty: Dirty::default(),
            connected,
            sessions: TaskTracker::new(),
            end: end.clone(),
        });
        (
            Fleet {
                inner,
                _end: end.drop_guard(),
            },
            receiver,
        )
    }

    /// Brings the sessions in line with the servers that there are; `servers` is asked when no other call can overtake
    /// this one. `saved` are views of an earlier start, by server.
    pub fn reconcile(
        &self,
        servers: impl FnOnce() -> Vec<KnownServer>,
        mut saved: BTreeMap<Id, Vec<u8>>,
    ) {
        let inner = &self.inner;
        let _one_at_a_time = inner
            .reconciling
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let held = inner.slots.load_full();
        let mut slots = BTreeMap::new();
        let mut keys = BTreeMap::new();
        for server in servers() {
            let id = server.id;
            if !server.public_key().is_empty() {
                keys.insert(server.public_key().to_owned(), id);
            }
            let slot = match held.get(&server.id) {
                Some(slot) => {
                    let before = slot.server.load_full();
                    if !Arc::ptr_eq(&before.server, &server.server) {
                        let same = before.name() == server.name()
                            && before.enabled() == server.enabled()
                            && before.public_key() == server.public_key();
                        slot.server.store(Arc::new(server));
                        if !same {
                            slot.tell(Command::Changed);
                        }
                        inner.dirty.mark(id);
                    }
                    Arc::clone(slot)
                }
                None => inner.start(server, saved.remove(&id)),
            };
            slots.insert(id, slot);
        }
        let gone: Vec<_> = held
            .iter()
            .filter(|(id, _)| !slots.contains_key(id))
            .map(|(id, slot)| (*id, Arc::clone(slot)))
            .collect();
        inner.slots.store(Arc::new(slots));
        inner.keys.store(Arc::new(keys));
        for (id, slot) in gone {
            slot.end.cancel();
            inner.dirty.mark(id);
        }
    }

    /// The server whose agent has a key.
    pub fn by_key(&self, public_key: &str) -> Option<Id> {
        self.inner.keys.load().get(public_key).copied()
    }

    /// The view of a server; `None` where there is no such server.
    pub fn view(&self, server: Id) -> Option<Arc<ServerView>> {
        Some(self.inner.slots.load().get(&server)?.view.load_full())
    }

    /// A server as its owner wants it.
    pub fn known(&self, server: Id) -> Option<Arc<KnownServer>> {
        Some(self.inner.slots.load().get(&server)?.server.load_full())
    }

    /// The views of all servers, by id.
    pub fn views(&self) -> Vec<Arc<ServerView>> {
        self.inner
            .slots
            .load()
            .values()
            .map(|slot| slot.view.load_full())
            .collect()
    }

    /// The agent of a server, once its link is up; an [`unreachable()`] error can be made from the view.
    pub fn agent(&self, server: Id) -> Option<Arc<Agent>> {
        self.inner.slots.load().get(&server)?.agent.borrow().clone()
    }

    /// Tells of each agent of a server that connects, and of its going; and a token that is cancelled when the server
    /// is deleted.
    pub fn watch_agent(
        &self,
        server: Id,
    ) -> Option<(watch::Receiver<Option<Arc<Agent>>>, CancellationToken)> {
        let slots = self.inner.slots.load();
        let slot = slots.get(&server)?;
        Some((slot.agent.subscribe(), slot.end.clone()))
    }

    /// Hands a link that came up to the session of its server.
    ///
    /// # Errors
    /// Gives it back when there is no such server, or when its session has too much to do.
    pub fn attach(&self, server: Id, link: NewLink) -> Result<(), Box<NewLink>> {
        let link = Box::new(link);
        let slots = self.inner.slots.load();
        let Some(slot) = slots.get(&server) else {
            return Err(link);
        };
        slot.commands
            .try_send(Command::Link(link))
            .map_err(|error| match error.into_inner() {
                Command::Link(link) => link,
                _ => unreachable!("what was sent comes back"),
            })
    }

    /// Shows that an agent with another key than the pinned one asked to connect as a server.
    pub fn key_refused(&self, server: Id, key: &str) {
        if let Some(slot) = self.inner.slots.load().get(&server) {
            slot.tell(Command::KeyRefused {
                key: key.to_owned(),
                at: self.inner.clock.now(),
            });
        }
    }

    /// Shows that the agent of a server went on purpose, where it could not say so itself.
    pub(crate) fn detached(&self, server: Id, reason: GoodbyeReason) {
        if let Some(slot) = self.inner.slots.load().get(&server) {
            slot.tell(Command::Detached(reason));
        }
    }

    /// What to say first to the agent of a server.
    pub fn hello(&self, server: Id) -> Option<CoreHello> {
        self.inner
            .slots
            .load()
            .get(&server)
            .map(|slot| self.inner.hello(slot))
    }

    /// Waits until list items of servers may have changed, and says of which.
    pub(crate) async fn dirty(&self) -> BTreeSet<Id> {
        self.inner.dirty.take().await
    }

    /// The changes of a server's containers, by revision of its view.
    pub(crate) fn containers(&self, server: Id) -> Option<ContainersRing> {
        self.inner
            .slots
            .load()
            .get(&server)
            .map(|slot| ContainersRing(Arc::clone(slot)))
    }

    /// Whether the link that a server has now answers a ping; `None` where it has none.
    async fn ping(&self, server: Id) -> Option<bool> {
        let agent = self.agent(server)?;
        Some(agent.link().ping(self.inner.timings.ping).await)
    }

    /// Ends all sessions and waits until each has saved its view.
    pub async fn shut_down(&self) {
        self.inner.end.cancel();
        self.inner.sessions.close();
        self.inner.sessions.wait().await;
    }
}

/// The changes of a server's containers; keeps working when the server is deleted.
pub(crate) struct ContainersRing(Arc<Slot>);

impl ContainersRing {
    pub(crate) fn ring(&self) -> &Ring<ContainersChange> {
        &self.0.containers
    }

    /// The present view.
    pub(crate) fn view(&self) -> Arc<ServerView> {
        self.0.view.load_full()
    }

    /// The server, as its owner wants it.
    pub(crate) fn server(&self) -> Arc<KnownServer> {
        self.0.server.load_full()
    }
}

impl Slot {
    /// Tells the session something that it also finds out by itself when it cannot be told now.
    fn tell(&self, command: Command) {
        if self.commands.try_send(command).is_err() {
            tracing::warn!(
                server.name = self.server.load().name(),
                "a session has too much to do and was not told"
            );
        }
    }
}

impl Inner {
    fn start(self: &Arc<Self>, server: KnownServer, saved: Option<Vec<u8>>) -> Arc<Slot> {
        let rev = first_revision(self.clock.now());
        let saved = saved.and_then(|json| match serde_json::from_slice::<SavedView>(&json) {
            Ok(saved) => Some(saved),
            Err(error) => {
                tracing::warn!(server.name = server.name(), %error, "the last view of a server cannot be read");
                None
            }
        });
        let view = match saved {
            Some(saved) => ServerView::restored(server.id, rev, saved),
            None => ServerView::never(server.id, rev),
        };
        self.place(&view);
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let slot = Arc::new(Slot {
            view: ArcSwap::from_pointee(view.clone()),
            containers: Ring::new(rev),
            agent: watch::Sender::new(None),
            commands,
            requests: Arc::new(Semaphore::new(REQUESTS_PER_AGENT_MAX)),
            end: self.end.child_token(),
            server: ArcSwap::from_pointee(server),
        });
        self.dirty.mark(view.server);
        let session = session::Session::new(Arc::clone(self), Arc::clone(&slot), view);
        self.sessions.spawn(session.run(receiver));
        slot
    }

    fn hello(&self, slot: &Slot) -> CoreHello {
        let server = slot.server.load();
        let engine = self.neighbours.engine_of(server.id);
        CoreHello {
            level: LEVEL,
            version: self.core.version.clone(),
            core_id: self.core.id.clone(),
            epoch: self.core.epoch,
            server_id: server.id.to_string(),
            server_name: server.name().to_owned(),
            core_container: self.core.container.clone(),
            core_depends_on: self.core.depends_on.clone(),
            agents_on_engine: self.neighbours.on_engine(engine.as_deref()),
            depended_on: self.depended_on(server.id, engine.as_deref()),
        }
    }
}
