//! Which agents share an Engine: each must know the containers of all, and what those depend on, to protect them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use komodo_agent_api::{AgentProperties, CoreHello, DependedOn};
use komodo_api::id::Id;

use super::{Command, Inner, ServerView};

/// Containers that an agent is told of at most, because others depend on them.
const DEPENDED_ON_MAX: usize = 512;

/// Agents by Engine. An agent that is away stays: its container is still there to be protected.
#[derive(Debug, Default)]
pub(super) struct Neighbours(Mutex<BTreeMap<Id, Place>>);

#[derive(Debug, PartialEq, Eq)]
struct Place {
    engine: String,
    /// The agent's own container; none where it runs on the host.
    container: Option<String>,
    /// Ids of the containers that it depends on, as it found by itself.
    depends_on: Vec<String>,
}

impl Neighbours {
    /// Takes where the agent of a server runs and what it depends on, as far as it is known, and returns the servers
    /// that must hear of it.
    pub(super) fn see(
        &self,
        server: Id,
        engine: Option<&str>,
        agent: Option<&AgentProperties>,
        depends_on: Vec<String>,
    ) -> Vec<Id> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(engine) = engine else {
            return Vec::new();
        };
        let place = Place {
            engine: engine.to_owned(),
            container: agent.and_then(|agent| agent.container.clone()),
            depends_on,
        };
        let old = places.insert(server, place);
        if old.as_ref() == places.get(&server) {
            return Vec::new();
        }
        let engines = [
            old.as_ref().map(|place| place.engine.as_str()),
            Some(engine),
        ];
        places
            .iter()
            .filter(|(_, place)| engines.contains(&Some(place.engine.as_str())))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Forgets a server, and returns the servers that must hear of it.
    pub(super) fn forget(&self, server: Id) -> Vec<Id> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(gone) = places.remove(&server) else {
            return Vec::new();
        };
        places
            .iter()
            .filter(|(_, place)| place.engine == gone.engine)
            .map(|(id, _)| *id)
            .collect()
    }

    /// The Engine on which a server was last seen, also while that is not reached.
    pub(super) fn engine_of(&self, server: Id) -> Option<String> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.get(&server).map(|place| place.engine.clone())
    }

    /// Containers of all agents on an Engine.
    pub(super) fn on_engine(&self, engine: Option<&str>) -> Vec<String> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let containers: BTreeSet<_> = places
            .values()
            .filter(|place| Some(place.engine.as_str()) == engine)
            .filter_map(|place| place.container.as_ref())
            .collect();
        containers.into_iter().cloned().collect()
    }

    /// Containers that the agents of other servers on an Engine depend on, each with the first of those servers.
    pub(super) fn depended_on(&self, server: Id, engine: Option<&str>) -> Vec<(String, Id)> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut needed = BTreeMap::new();
        for (id, place) in places.iter() {
            if *id != server && Some(place.engine.as_str()) == engine {
                for container in &place.depends_on {
                    needed.entry(container.clone()).or_insert(*id);
                }
            }
        }
        needed.into_iter().take(DEPENDED_ON_MAX).collect()
    }
}

/// What a hello says of others on the Engine.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    agents: Vec<String>,
    depended_on: Vec<DependedOn>,
}

impl Told {
    pub(super) fn in_hello(core: &CoreHello) -> Self {
        Told {
            agents: core.agents_on_engine.clone(),
            depended_on: core.depended_on.clone(),
        }
    }
}

impl Inner {
    /// Takes in from what was last seen of a server where its agent runs and what that depends on, and has those told
    /// that share its Engine.
    pub(super) fn place(&self, view: &ServerView) {
        let needed = komodo_plan::own_dependencies(&view.protected);
        let agent = view.agent.as_deref();
        for neighbour in self
            .neighbours
            .see(view.server, view.engine_id(), agent, needed)
        {
            if neighbour != view.server {
                self.tell(neighbour, Command::Neighbours);
            }
        }
    }

    /// What the agents of the other servers on an Engine depend on.
    pub(super) fn depended_on(&self, server: Id, engine: Option<&str>) -> Vec<DependedOn> {
        let needed = self.neighbours.depended_on(server, engine);
        let slots = self.slots.load();
        let needed = needed.into_iter().filter_map(|(container, needed_by)| {
            let server = slots.get(&needed_by)?.server.load().name().to_owned();
            Some(DependedOn { container, server })
        });
        needed.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(container: &str) -> AgentProperties {
        AgentProperties {
            container: Some(container.into()),
            ..AgentProperties::default()
        }
    }

    #[test]
    fn agents_on_one_engine_hear_of_each_other() {
        let neighbours = Neighbours::default();
        let (a, b, c) = (Id::system(1), Id::system(2), Id::system(3));
        assert_eq!(
            neighbours.see(a, Some("e1"), Some(&agent("ca")), Vec::new()),
            [a]
        );
        assert_eq!(
            neighbours.see(a, Some("e1"), Some(&agent("ca")), Vec::new()),
            [],
            "nothing new"
        );
        assert_eq!(
            neighbours.see(b, Some("e1"), Some(&agent("cb")), Vec::new()),
            [a, b]
        );
        assert_eq!(
            neighbours.see(c, Some("e2"), Some(&agent("cc")), Vec::new()),
            [c]
        );
        assert_eq!(neighbours.on_engine(Some("e1")), ["ca", "cb"]);
        assert_eq!(neighbours.on_engine(None), Vec::<String>::new());
        assert_eq!(
            neighbours.see(b, Some("e2"), Some(&agent("cb")), Vec::new()),
            [a, b, c],
            "it moved: both sides hear"
        );
        assert_eq!(neighbours.forget(b), [c]);
        assert_eq!(neighbours.on_engine(Some("e2")), ["cc"]);
    }

    #[test]
    fn an_agent_on_the_host_is_no_container_of_its_engine() {
        let neighbours = Neighbours::default();
        assert_eq!(
            neighbours.see(
                Id::system(1),
                Some("e1"),
                Some(&AgentProperties::default()),
                Vec::new()
            ),
            [Id::system(1)]
        );
        assert_eq!(neighbours.on_engine(Some("e1")), Vec::<String>::new());
        assert_eq!(
            neighbours.see(Id::system(2), Some("e1"), Some(&agent("ca")), Vec::new()),
            [Id::system(1), Id::system(2)],
            "it hears of others"
        );
    }

    #[test]
    fn what_one_depends_on_is_told_to_the_others_on_its_engine() {
        let neighbours = Neighbours::default();
        let (a, b, c) = (Id::system(1), Id::system(2), Id::system(3));
        let needs = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let told = |server, engine| neighbours.depended_on(server, Some(engine));
        let seen = |server, engine, names: &[&str]| {
            let host = AgentProperties::default();
            neighbours.see(server, Some(engine), Some(&host), needs(names))
        };
        seen(a, "e1", &["tunnel", "vpn"]);
        seen(c, "e2", &["elsewhere"]);
        assert_eq!(seen(b, "e1", &["vpn"]), [a, b]);
        assert_eq!(told(a, "e1"), [("vpn".to_owned(), b)]);
        assert_eq!(
            told(b, "e1"),
            [("tunnel".to_owned(), a), ("vpn".to_owned(), a)]
        );
        assert_eq!(told(c, "e2"), []);
        assert_eq!(seen(a, "e1", &["vpn"]), [a, b], "it changed");
        assert_eq!(told(b, "e1"), [("vpn".to_owned(), a)]);
        assert_eq!(
            neighbours.see(a, None, None, Vec::new()),
            [],
            "unknown is not nothing"
        );
        assert_eq!(neighbours.engine_of(a).as_deref(), Some("e1"));
        assert_eq!(told(b, "e1"), [("vpn".to_owned(), a)]);
        assert_eq!(neighbours.forget(a), [b]);
        assert_eq!(told(b, "e1"), []);
        let many: Vec<String> = (0..DEPENDED_ON_MAX + 9).map(|at| format!("{at}")).collect();
        neighbours.see(a, Some("e1"), None, many);
        assert_eq!(told(b, "e1").len(), DEPENDED_ON_MAX);
    }
}
