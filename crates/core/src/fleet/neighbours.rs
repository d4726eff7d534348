//! Which agents share an Engine: each must know the containers of all, to protect them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use komodo_agent_api::AgentProperties;
use komodo_api::id::Id;

/// Agents by Engine. An agent that is away stays: its container is still there to be protected.
#[derive(Debug, Default)]
pub(super) struct Neighbours(Mutex<BTreeMap<Id, Place>>);

#[derive(Debug, PartialEq, Eq)]
struct Place {
    engine: String,
    container: String,
}

impl Neighbours {
    /// Takes where the agent of a server runs, as far as it is known, and returns the servers that must hear of it.
    pub(super) fn see(
        &self,
        server: Id,
        engine: Option<&str>,
        agent: Option<&AgentProperties>,
    ) -> Vec<Id> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(engine) = engine else {
            return Vec::new();
        };
        let new = agent
            .and_then(|agent| agent.container.clone())
            .map(|container| Place {
                engine: engine.to_owned(),
                container,
            });
        let old = match new {
            Some(place) => places.insert(server, place),
            None => places.remove(&server),
        };
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

    /// Containers of all agents on an Engine.
    pub(super) fn on_engine(&self, engine: Option<&str>) -> Vec<String> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let containers: BTreeSet<_> = places
            .values()
            .filter(|place| Some(place.engine.as_str()) == engine)
            .map(|place| &place.container)
            .collect();
        containers.into_iter().cloned().collect()
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
        assert_eq!(neighbours.see(a, Some("e1"), Some(&agent("ca"))), [a]);
        assert_eq!(
            neighbours.see(a, Some("e1"), Some(&agent("ca"))),
            [],
            "nothing new"
        );
        assert_eq!(neighbours.see(b, Some("e1"), Some(&agent("cb"))), [a, b]);
        assert_eq!(neighbours.see(c, Some("e2"), Some(&agent("cc"))), [c]);
        assert_eq!(neighbours.on_engine(Some("e1")), ["ca", "cb"]);
        assert_eq!(neighbours.on_engine(None), Vec::<String>::new());
        assert_eq!(
            neighbours.see(b, Some("e2"), Some(&agent("cb"))),
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
            neighbours.see(Id::system(1), Some("e1"), Some(&AgentProperties::default())),
            []
        );
        assert_eq!(neighbours.on_engine(Some("e1")), Vec::<String>::new());
    }
}
