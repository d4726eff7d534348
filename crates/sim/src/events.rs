//! The stream of events: a snapshot, then deltas with numbers without gaps.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use komodo_agent_api::{
    AgentError, AgentEvent, Container, EventBody, GoodbyeReason, ProtectedContainer, Snapshot,
};
use komodo_api::stats::SystemInformation;
use komodo_plan::{ControlPath, protected_set};
use tokio::sync::{mpsc, watch};

use crate::world::{Change, World};

/// Changes that go into one event at most.
const BATCH_MAX: usize = 256;

/// One reader of events.
pub(crate) struct Reader {
    world: World,
    changes: mpsc::Receiver<Change>,
    control: watch::Receiver<ControlPath>,
    goodbye: watch::Receiver<Option<GoodbyeReason>>,
    protected: Vec<ProtectedContainer>,
    /// Bodies that come next.
    due: VecDeque<EventBody>,
    seq: u64,
    ended: bool,
}

impl Reader {
    pub(crate) fn new(
        world: World,
        host: SystemInformation,
        control: watch::Receiver<ControlPath>,
        goodbye: watch::Receiver<Option<GoodbyeReason>>,
    ) -> Self {
        // Everything as of now and what comes after it, without anything between.
        let now = world.subscribe();
        let protected = protected_set(&now.containers, &control.borrow());
        let snapshot = Snapshot {
            host,
            stats: now.stats,
            engine: now.engine,
            containers: now.containers,
            protected: protected.clone(),
        };
        Reader {
            world,
            changes: now.changes,
            control,
            goodbye,
            protected,
            due: VecDeque::from([EventBody::Snapshot(Box::new(snapshot))]),
            seq: 0,
            ended: false,
        }
    }

    /// The next event; `None` is the end of the stream: the agent went, or this reader lagged.
    pub(crate) async fn next(&mut self) -> Option<Result<AgentEvent, AgentError>> {
        loop {
            if let Some(body) = self.due.pop_front() {
                let event = AgentEvent {
                    seq: self.seq,
                    at: self.world.now(),
                    body,
                };
                self.seq += 1;
                return Some(Ok(event));
            }
            if self.ended {
                return None;
            }
            enum Heard {
                Goodbye(Option<GoodbyeReason>),
                Control,
                Change(Option<Change>),
            }
            let heard = tokio::select! {
                biased;
                said = self.goodbye.wait_for(Option::is_some) => {
                    Heard::Goodbye(said.ok().and_then(|reason| reason.clone()))
                }
                // An error is the end of the process; the goodbye or the link tells.
                Ok(()) = self.control.changed() => Heard::Control,
                change = self.changes.recv() => Heard::Change(change),
            };
            match heard {
                Heard::Goodbye(reason) => {
                    self.ended = true;
                    self.due.extend(reason.map(EventBody::Goodbye));
                }
                Heard::Control => self.protect(),
                Heard::Change(Some(change)) => self.take_in(change),
                Heard::Change(None) => self.ended = true,
            }
        }
    }

    /// Turns a change, and those that wait behind it, into as few events as can be.
    fn take_in(&mut self, first: Change) {
        let mut upsert: BTreeMap<String, Arc<Container>> = BTreeMap::new();
        let mut remove: Vec<String> = Vec::new();
        let mut structural = false;
        let mut change = Some(first);
        let mut taken = 0;
        while let Some(now) = change {
            match now {
                Change::Upsert {
                    container,
                    structural: is_structural,
                } => {
                    structural |= is_structural;
                    remove.retain(|id| *id != container.id);
                    upsert.insert(container.id.clone(), container);
                }
                Change::Remove(id) => {
                    structural = true;
                    upsert.remove(&id);
                    remove.push(id);
                }
                Change::Engine(engine) => {
                    self.flush(std::mem::take(&mut upsert), std::mem::take(&mut remove));
                    self.due.push_back(EventBody::Engine(engine));
                }
                Change::Stats(stats) => self.due.push_back(EventBody::Stats(stats)),
            }
            taken += 1;
            change = if taken < BATCH_MAX {
                self.changes.try_recv().ok()
            } else {
                None
            };
        }
        self.flush(upsert, remove);
        if structural {
            self.protect();
        }
    }

    fn flush(&mut self, upsert: BTreeMap<String, Arc<Container>>, remove: Vec<String>) {
        if upsert.is_empty() && remove.is_empty() {
            return;
        }
        let upsert = upsert.into_values().map(Arc::unwrap_or_clone).collect();
        self.due.push_back(EventBody::Containers { upsert, remove });
    }

    fn protect(&mut self) {
        let protected = protected_set(&self.world.containers(), &self.control.borrow());
        if protected != self.protected {
            self.protected = protected.clone();
            self.due.push_back(EventBody::Protected(protected));
        }
    }
}
