//! What a prune of the Engine's own takes away.

use std::collections::BTreeMap;

use komodo_agent_api::Container;
use komodo_api::engine::ContainerStateStatusEnum as State;
use serde_json::Value;

use super::address;

/// The filters of a prune, as far as they can spare something: labels. What is not understood spares nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    with: Vec<String>,
    without: Vec<String>,
}

impl Filters {
    /// Reads the filters of a query; those that cannot be read are none.
    pub(super) fn read(query: &str) -> Self {
        let Some(text) = address::value(query, "filters") else {
            return Filters::default();
        };
        let Ok(filters) = serde_json::from_str::<BTreeMap<String, Value>>(&text) else {
            return Filters::default();
        };
        let values = |key: &str| match filters.get(key) {
            Some(Value::Array(values)) => values
                .iter()
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect(),
            // The older form: a map to true.
            Some(Value::Object(values)) => values.keys().cloned().collect(),
            _ => Vec::new(),
        };
        Filters {
            with: values("label"),
            without: values("label!"),
        }
    }

    /// Whether they leave something with these labels to be taken, as the Engine matches them.
    pub(super) fn take(&self, labels: &BTreeMap<String, String>) -> bool {
        let all = |wanted: &[String]| {
            wanted.iter().all(|pair| match pair.split_once('=') {
                Some((key, value)) => labels.get(key).is_some_and(|found| found == value),
                None => labels.contains_key(pair),
            })
        };
        all(&self.with) && (self.without.is_empty() || !all(&self.without))
    }
}

/// Whether a prune of containers takes one in this state.
pub(super) fn takes_container(container: &Container, filters: &Filters) -> bool {
    let stays = matches!(
        container.state,
        State::Running | State::Paused | State::Restarting
    );
    !stays && filters.take(&container.labels)
}

/// The networks that a container has by its own, besides those that every Engine has.
pub(super) fn own_networks(container: &Container) -> impl Iterator<Item = &str> {
    container
        .networks
        .iter()
        .map(String::as_str)
        .filter(|name| !matches!(*name, "bridge" | "host" | "none" | "ingress"))
}

/// Whether a container keeps its networks from being pruned.
pub(super) fn holds_networks(container: &Container) -> bool {
    matches!(
        container.state,
        State::Running | State::Paused | State::Restarting
    )
}
