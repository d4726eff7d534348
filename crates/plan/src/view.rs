//! What is known of a server from the events of its agent. Applying events is the only way in which it changes.

use std::{collections::BTreeMap, sync::Arc};

use komodo_agent_api::{
    AgentEvent, Container, EngineState, EventBody, GoodbyeReason, ProtectedContainer,
};
use komodo_api::{
    UnixMs,
    stats::{SystemInformation, SystemStats},
};

#[cfg(test)]
mod tests;

/// A server as its agent last told. Cheap to clone: containers are shared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// What the host is.
    pub host: Arc<SystemInformation>,
    /// Last figures of the host.
    pub stats: Option<Arc<SystemStats>>,
    /// State of the Engine.
    pub engine: EngineState,
    /// Containers by id.
    pub containers: BTreeMap<String, Arc<Container>>,
    /// The protected set.
    pub protected: Arc<Vec<ProtectedContainer>>,
    /// What the agent said before it went.
    pub goodbye: Option<GoodbyeReason>,
    /// Number of the last event; `None` before the first.
    pub seq: Option<u64>,
    /// Time of the last event, at the agent.
    pub at: UnixMs,
}

/// Events are missing, or came before the snapshot: the stream has to be opened anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("event {got} came where {expected} was due")]
pub struct Gap {
    /// The number that was due.
    pub expected: u64,
    /// The number that came.
    pub got: u64,
}

impl View {
    /// Takes in the next event. A snapshot with number 0 begins anew whatever was before.
    ///
    /// # Errors
    /// [`Gap`] where it is not the next one; the view stays as it was.
    pub fn apply(&mut self, event: AgentEvent) -> Result<(), Gap> {
        let expected = match (&event.body, self.seq) {
            (EventBody::Snapshot(_), _) | (_, None) => 0,
            (_, Some(last)) => last + 1,
        };
        let in_place = matches!(event.body, EventBody::Snapshot(_)) == (event.seq == 0);
        if event.seq != expected || !in_place {
            return Err(Gap {
                expected,
                got: event.seq,
            });
        }
        self.seq = Some(event.seq);
        self.at = event.at;
        match event.body {
            EventBody::Snapshot(snapshot) => {
                self.host = Arc::new(snapshot.host);
                self.stats = snapshot.stats.map(Arc::new);
                self.engine = snapshot.engine;
                let containers = snapshot.containers.into_iter();
                self.containers = containers
                    .map(|container| (container.id.clone(), Arc::new(container)))
                    .collect();
                self.protected = Arc::new(snapshot.protected);
                self.goodbye = None;
            }
            EventBody::Containers { upsert, remove } => {
                for container in upsert {
                    self.containers
                        .insert(container.id.clone(), Arc::new(container));
                }
                for id in &remove {
                    self.containers.remove(id);
                }
            }
            EventBody::Protected(protected) => self.protected = Arc::new(protected),
            EventBody::Engine(engine) => self.engine = engine,
            EventBody::Stats(stats) => self.stats = Some(Arc::new(*stats)),
            EventBody::Goodbye(reason) => self.goodbye = Some(reason),
        }
        Ok(())
    }

    /// The container that a reference means, by id, name or beginning of an id (the first where several fit).
    pub fn container(&self, reference: &str) -> Option<&Arc<Container>> {
        self.containers.get(reference).or_else(|| {
            self.containers
                .values()
                .find(|container| container.is(reference))
        })
    }
}
