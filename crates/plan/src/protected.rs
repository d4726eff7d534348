//! The protected set: which containers the control path of a server stands on.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use komodo_agent_api::{Container, ProtectedContainer, skip_label};
use komodo_api::plan::{Reason, ReasonCode};

use crate::guard::strength;

#[cfg(test)]
mod tests;

/// Containers in a row that share each other's network at most.
const NETWORK_CHAIN_MAX: usize = 8;

/// What an agent knows of the path on which it is controlled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControlPath {
    /// Id of the agent's own container.
    pub own_container: Option<String>,
    /// Container ids of the agents of all servers on this Engine.
    pub agents_on_engine: Vec<String>,
    /// Container id of Core.
    pub core_container: Option<String>,
    /// Names or ids of containers that Core cannot live without.
    pub core_depends_on: Vec<String>,
    /// Host, or host and port, that `DOCKER_HOST` names where it is `tcp://`.
    pub socket_proxy: Option<String>,
    /// Address at the other end of the connection to Core.
    pub core_peer: Option<SocketAddr>,
    /// Addresses of the host itself, besides loopback.
    pub host_addresses: Vec<IpAddr>,
}

/// Computes the protected set, by name. Reasons of one container come strongest first.
pub fn protected_set(containers: &[Container], path: &ControlPath) -> Vec<ProtectedContainer> {
    use ReasonCode::*;
    let mut found = Found {
        containers,
        reasons: BTreeMap::new(),
    };
    for (at, container) in containers.iter().enumerate() {
        if path
            .own_container
            .as_deref()
            .is_some_and(|own| container.is(own))
        {
            found.add(at, Reason::new(Agent));
        } else if path
            .agents_on_engine
            .iter()
            .any(|agent| container.is(agent))
        {
            found.add(at, Reason::with(Agent, "of another server on this Engine"));
        }
        if path
            .core_container
            .as_deref()
            .is_some_and(|core| container.is(core))
        {
            found.add(at, Reason::new(Core));
        }
    }
    // From inside, a container that shares the network of another is told from it by little: Core may name its owner.
    let core = path
        .core_container
        .as_deref()
        .and_then(|core| containers.iter().position(|container| container.is(core)));
    if let Some(core) = core {
        for (at, container) in containers.iter().enumerate() {
            let owner = container.network_container();
            if at != core && owner.is_some_and(|owner| containers[core].is(owner)) {
                found.add(
                    at,
                    Reason::with(CoreDependency, "shares its network with Core, or is Core"),
                );
            }
        }
    }
    let branch: Vec<(usize, ReasonCode)> = found
        .reasons
        .iter()
        .flat_map(|(at, reasons)| reasons.iter().map(|reason| (*at, reason.code)))
        .collect();
    let mut agents: Vec<usize> = branch
        .iter()
        .filter(|(_, code)| *code == Agent)
        .map(|(at, _)| *at)
        .collect();
    agents.sort_unstable();

    for (at, code) in branch {
        if !matches!(code, Agent | Core) {
            continue;
        }
        let dependency = if code == Agent {
            AgentDependency
        } else {
            CoreDependency
        };
        found.add_network_owners(at, dependency);
    }
    for (at, container) in containers.iter().enumerate() {
        if path.core_depends_on.iter().any(|name| container.is(name)) {
            found.add(
                at,
                Reason::with(CoreDependency, "named in KOMODO_DEPENDS_ON_CONTAINERS"),
            );
        }
        if path
            .socket_proxy
            .as_deref()
            .is_some_and(|host| is_socket_proxy(container, host, &path.host_addresses))
        {
            found.add(
                at,
                Reason::with(AgentDependency, "the agent reaches the Engine through it"),
            );
        }
        // Core itself may well be at the other end; that is reason enough of its own.
        let itself = agents.contains(&at)
            || path
                .core_container
                .as_deref()
                .is_some_and(|core| container.is(core));
        if !itself
            && path
                .core_peer
                .is_some_and(|peer| answers_at(container, peer, &path.host_addresses))
        {
            found.add(
                at,
                Reason::with(AgentDependency, "the agent reaches Core through it"),
            );
        }
        if container
            .labels
            .get("komodo.protect")
            .is_some_and(|value| value == "true")
        {
            found.add(at, Reason::with(Declared, "komodo.protect=true"));
        }
        if skip_label(&container.labels) {
            let value = container
                .labels
                .get("komodo.skip")
                .map_or("", String::as_str);
            let shown: String = value.chars().take(64).collect();
            let shown = match shown.as_str() {
                "" => "komodo.skip".to_owned(),
                value => format!("komodo.skip={value}"),
            };
            found.add(at, Reason::with(Label, shown));
        }
    }
    found.finish()
}

struct Found<'a> {
    containers: &'a [Container],
    reasons: BTreeMap<usize, Vec<Reason>>,
}

impl Found<'_> {
    fn add(&mut self, at: usize, reason: Reason) {
        let reasons = self.reasons.entry(at).or_default();
        if !reasons.iter().any(|known| known.code == reason.code) {
            reasons.push(reason);
        }
    }

    /// The containers whose network namespace one lives in, and through them others.
    fn add_network_owners(&mut self, from: usize, code: ReasonCode) {
        let containers = self.containers;
        let mut at = from;
        for _ in 0..NETWORK_CHAIN_MAX {
            let Some(owner) = containers[at].network_container() else {
                return;
            };
            let Some(next) = containers.iter().position(|container| container.is(owner)) else {
                return;
            };
            if next == from {
                return;
            }
            self.add(
                next,
                Reason::with(code, format!("{} uses its network", containers[from].name)),
            );
            at = next;
        }
    }

    fn finish(self) -> Vec<ProtectedContainer> {
        let mut set: Vec<ProtectedContainer> = self
            .reasons
            .into_iter()
            .map(|(at, mut reasons)| {
                reasons.sort_by_key(|reason| strength(reason.code));
                let container = &self.containers[at];
                ProtectedContainer {
                    id: container.id.clone(),
                    name: container.name.clone(),
                    reasons,
                }
            })
            .collect();
        set.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        set
    }
}

/// Whether a container is what `tcp://<host>` of the agent's `DOCKER_HOST` means: by its name, its compose service, its
/// address, or a port that it publishes on the host.
fn is_socket_proxy(container: &Container, host: &str, host_addresses: &[IpAddr]) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return answers_at(container, address, host_addresses);
    }
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => (name, port.parse::<u16>().ok()),
        _ => (host, None),
    };
    if let Ok(address) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
        return container.addresses.contains(&address);
    }
    if name == "localhost" {
        let port = port.unwrap_or(2375);
        return answers_at(
            container,
            SocketAddr::from(([127, 0, 0, 1], port)),
            host_addresses,
        ) || answers_at(
            container,
            SocketAddr::from(([0_u16, 0, 0, 0, 0, 0, 0, 1], port)),
            host_addresses,
        );
    }
    container.is(name) || container.service() == Some(name)
}

/// Whether a container is what answers at an address: it has the address, or publishes the port on the host.
fn answers_at(container: &Container, address: SocketAddr, host_addresses: &[IpAddr]) -> bool {
    let ip = address.ip().to_canonical();
    if container
        .addresses
        .iter()
        .any(|own| own.to_canonical() == ip)
    {
        return true;
    }
    let host = ip.is_loopback() || host_addresses.iter().any(|own| own.to_canonical() == ip);
    container.ports.iter().any(|port| {
        let bound = port
            .ip
            .as_deref()
            .map_or(Ok(IpAddr::from([0, 0, 0, 0])), str::parse::<IpAddr>);
        port.public_port == Some(address.port())
            && bound
                .is_ok_and(|bound| bound.to_canonical() == ip || (host && bound.is_unspecified()))
    })
}
