//! In which container the agent itself runs. Found by what the kernel says of this process, checked with the Engine;
//! never by a name.

use std::path::Path;

use komodo_docker::{Engine, EngineError, Inspected, Listed};
use komodo_plan::{own_container_candidates, root_upper_dir};

/// Containers that are inspected at most to find the one with our file system.
const INSPECTS_MAX: usize = 500;

/// What `/proc/self` says of this process.
#[derive(Debug, Clone, Default)]
pub(super) struct OwnProcess {
    pub(super) mountinfo: String,
    pub(super) cgroup: String,
}

impl OwnProcess {
    /// Reads it. What cannot be read is empty: then this is no container that could be found.
    pub(super) fn read(proc: &Path) -> Self {
        let read = |name| std::fs::read_to_string(proc.join("self").join(name)).unwrap_or_default();
        OwnProcess {
            mountinfo: read("mountinfo"),
            cgroup: read("cgroup"),
        }
    }

    fn mounts(&self) -> impl Iterator<Item = &str> {
        self.mountinfo
            .lines()
            .filter_map(|line| line.split(' ').nth(4))
    }
}

/// The agent's own container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OwnContainer {
    /// Its id, where it is certain.
    pub(super) id: Option<String>,
    /// Ids of those that it may be, where it is not; all of them are protected.
    pub(super) perhaps: Vec<String>,
}

/// Finds the own container among those of an Engine.
pub(super) async fn own_container(
    engine: &Engine,
    listed: &[Listed],
    own: &OwnProcess,
) -> Result<OwnContainer, EngineError> {
    let upper_dir = root_upper_dir(&own.mountinfo);
    let candidates = own_container_candidates(&own.mountinfo, &own.cgroup);
    let known = |id: &String| listed.iter().any(|container| container.id == *id);
    let candidates: Vec<String> = candidates.into_iter().filter(known).collect();

    // Whoever shares the network of a candidate has that one's files mounted, so it is one of them or the candidate.
    let mut near: Vec<String> = candidates.clone();
    for candidate in &candidates {
        near.extend(sharing_network(listed, candidate));
    }
    dedup(&mut near);
    let mut inspected = Vec::new();
    for id in &near {
        if let Some(container) = inspect(engine, id).await? {
            inspected.push(container);
        }
    }
    if let Some(upper_dir) = upper_dir {
        let same = |container: &Inspected| upper_dir_of(container) == Some(upper_dir);
        if let Some(container) = inspected.iter().find(|container| same(container)) {
            return Ok(OwnContainer {
                id: Some(container.id.clone()),
                perhaps: Vec::new(),
            });
        }
        // A container with nothing of its own in sight: look at all that run.
        let told = inspected
            .iter()
            .all(|container| upper_dir_of(container).is_some());
        if told {
            let rest = listed
                .iter()
                .filter(|container| is_alive(container) && !near.contains(&container.id));
            for listed in rest.take(INSPECTS_MAX) {
                match inspect(engine, &listed.id).await {
                    Ok(Some(container)) if same(&container) => {
                        return Ok(OwnContainer {
                            id: Some(container.id),
                            perhaps: Vec::new(),
                        });
                    }
                    // One that hangs is hardly the one that asks.
                    Ok(_) | Err(EngineError::NoAnswer(_) | EngineError::Status { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            return Ok(OwnContainer::default());
        }
    }
    // No file system to compare. A cgroup path is our own; mounted files are ours or those of the network's owner.
    let in_cgroup = candidates
        .iter()
        .find(|id| own.cgroup.contains(id.as_str()));
    if let Some(id) = in_cgroup {
        return Ok(OwnContainer {
            id: Some(id.clone()),
            perhaps: Vec::new(),
        });
    }
    let mut fits = inspected.iter().filter(|container| {
        container
            .mounts
            .iter()
            .all(|mount| own.mounts().any(|target| target == mount.destination))
    });
    match (fits.next(), fits.next(), near.len()) {
        (_, _, 0) => Ok(OwnContainer::default()),
        (Some(only), None, _) | (Some(only), _, 1) => Ok(OwnContainer {
            id: Some(only.id.clone()),
            perhaps: Vec::new(),
        }),
        _ => Ok(OwnContainer {
            id: None,
            perhaps: near,
        }),
    }
}

/// Ids of the containers that share the network of one.
fn sharing_network<'a>(listed: &'a [Listed], owner: &'a str) -> impl Iterator<Item = String> + 'a {
    let owner_names = listed
        .iter()
        .find(|container| container.id == owner)
        .map_or(&[][..], |found| &found.names);
    listed.iter().filter_map(move |container| {
        let mode = container
            .host_config
            .network_mode
            .strip_prefix("container:")?;
        let shares = mode == owner
            || owner_names
                .iter()
                .any(|name| name.trim_start_matches('/') == mode);
        shares.then(|| container.id.clone())
    })
}

fn is_alive(container: &Listed) -> bool {
    use komodo_api::engine::ContainerStateStatusEnum::{Paused, Restarting, Running};
    matches!(container.state, Running | Paused | Restarting)
}

fn upper_dir_of(container: &Inspected) -> Option<&str> {
    container
        .graph_driver
        .data
        .get("UpperDir")
        .map(String::as_str)
}

async fn inspect(engine: &Engine, id: &str) -> Result<Option<Inspected>, EngineError> {
    match engine.inspect(id).await {
        Ok(container) => Ok(Some(container)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn dedup(ids: &mut Vec<String>) {
    let mut seen = std::collections::BTreeSet::new();
    ids.retain(|id| seen.insert(id.clone()));
}
