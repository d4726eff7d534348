//! Which crate may depend on which, and why not.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

/// An edge that must not be, through any number of other crates.
struct Forbidden {
    /// Crates that must not have it.
    from: &'static [&'static str],
    /// Crates that they must not reach.
    to: &'static [&'static str],
    because: &'static str,
}

const FORBIDDEN: &[Forbidden] = &[
    Forbidden {
        from: &["komodo-periphery", "komodo-docker", "komodo-agent-http"],
        to: &["komodo-core", "komodo-client", "komodo-cli", "rusqlite"],
        because: "the agent runs on every host: it stays small, and Core's database and web page have no place in it",
    },
    Forbidden {
        from: &["komodo-api", "komodo-agent-api"],
        to: &[
            "tokio",
            "hyper",
            "mio",
            "rusqlite",
            "bollard",
            "komodo-core",
            "komodo-plan",
            "komodo-link",
            "komodo-docker",
        ],
        because: "boundary crates hold types alone, so that both sides of a boundary can use them",
    },
    Forbidden {
        from: &["komodo-plan"],
        to: &[
            "tokio",
            "hyper",
            "mio",
            "rusqlite",
            "bollard",
            "fastrand",
            "rand",
            "komodo-core",
            "komodo-link",
            "komodo-docker",
        ],
        because: "decisions are pure: data in, data out, so that tables of cases can test them",
    },
    Forbidden {
        from: &["komodo-link"],
        to: &[
            "komodo-core",
            "komodo-docker",
            "komodo-plan",
            "bollard",
            "rusqlite",
        ],
        because: "the link knows nothing of Docker or of Core's state; it carries requests and streams",
    },
    Forbidden {
        from: &["komodo-core"],
        to: &["komodo-docker", "komodo-periphery", "bollard"],
        because: "Core speaks with agents only; it has no Engine of its own",
    },
    Forbidden {
        from: &["komodo-journal"],
        to: &[
            "komodo-core",
            "komodo-docker",
            "komodo-link",
            "komodo-periphery",
            "komodo-plan",
            "komodo-sim",
            "bollard",
            "rusqlite",
        ],
        because: "the journal keeps what it is given, for the real agent and for the simulated one; what it means is for them to say",
    },
    Forbidden {
        from: &["komodo-client", "komodo-cli"],
        to: &[
            "komodo-core",
            "komodo-periphery",
            "komodo-plan",
            "komodo-link",
            "komodo-docker",
            "komodo-agent-api",
            "rusqlite",
        ],
        because: "clients speak the public API, as every other client does",
    },
    Forbidden {
        from: &["komodo-sim"],
        to: &[
            "komodo-core",
            "komodo-docker",
            "komodo-periphery",
            "bollard",
        ],
        because: "the simulated agent implements the same trait as the real one and shares none of its effects but the journal",
    },
];

/// The one door to an Engine: who may name the library or the protocol of it.
const ENGINE_LIBRARY: &str = "bollard";
const MAY_OBSERVE_THE_ENGINE: [&str; 4] = [
    "komodo-docker",
    "komodo-testkit",
    "komodo-acceptance",
    "komodo-bench",
];

/// Complaints about edges between crates, from `cargo metadata`.
pub fn check(metadata: &Value) -> Result<Vec<String>> {
    let graph = Graph::new(metadata)?;
    let mut complaints = Vec::new();
    for rule in FORBIDDEN {
        for from in rule
            .from
            .iter()
            .filter(|from| graph.edges.contains_key(**from))
        {
            for to in rule.to {
                if let Some(path) = graph.path(from, to) {
                    complaints.push(format!(
                        "{path}: {from} must not depend on {to}, because {}",
                        rule.because
                    ));
                }
            }
        }
    }
    for member in &graph.members {
        if graph.edges[member].contains(ENGINE_LIBRARY)
            && !MAY_OBSERVE_THE_ENGINE.contains(&member.as_str())
        {
            complaints.push(format!(
                "{member} -> {ENGINE_LIBRARY}: only {} may speak with an Engine, because every mutation passes one guard",
                MAY_OBSERVE_THE_ENGINE.join(", ")
            ));
        }
    }
    Ok(complaints)
}

/// Crates by name and what each needs to run; what only its tests or its build need is left out.
struct Graph {
    edges: BTreeMap<String, BTreeSet<String>>,
    members: Vec<String>,
}

impl Graph {
    fn new(metadata: &Value) -> Result<Self> {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let names: BTreeMap<String, String> = list(&metadata["packages"])
            .iter()
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let name = |id: &Value| names.get(&text(id)).cloned().unwrap_or_default();
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in list(
            metadata["resolve"]
                .get("nodes")
                .context("cargo metadata holds no graph")?,
        ) {
            let needs = list(&node["deps"]).into_iter().filter(|dependency| {
                list(&dependency["dep_kinds"])
                    .iter()
                    .any(|kind| kind["kind"].is_null())
            });
            let needs: Vec<String> = needs.map(|dependency| name(&dependency["pkg"])).collect();
            // Two versions of a crate count as one.
            edges.entry(name(&node["id"])).or_default().extend(needs);
        }
        let members = list(&metadata["workspace_members"])
            .iter()
            .map(name)
            .collect();
        Ok(Graph { edges, members })
    }

    /// A way from one crate to another, as text.
    fn path(&self, from: &str, to: &str) -> Option<String> {
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut waiting = vec![from];
        while let Some(at) = waiting.pop() {
            if at == to {
                let mut way = vec![to];
                while let Some(before) = came_from.get(way[way.len() - 1]) {
                    way.push(before);
                }
                way.reverse();
                return Some(way.join(" -> "));
            }
            for next in self.edges.get(at).into_iter().flatten() {
                if next != from && !came_from.contains_key(next.as_str()) {
                    came_from.insert(next, at);
                    waiting.push(next);
                }
            }
        }
        None
    }
}
