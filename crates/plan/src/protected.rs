//! The protected set: which containers the control path of a server stands on.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use komodo_agent_api::{Container, DependedOn, ProtectedContainer, skip_label};
use komodo_api::{
    engine::ContainerStateStatusEnum,
    plan::{Reason, ReasonCode},
};

use crate::{
    guard::strength,
    hand_over::{HELPER_LABEL, NEW_SUFFIX, OLD_SUFFIX},
    watchdog::WATCHDOG_LABEL,
};

#[cfg(test)]
mod tests;

/// Containers in a row that live in each other's namespaces at most.
const CHAIN_MAX: usize = 8;
/// Dependencies of one agent that others are told of at most.
const OWN_DEPENDENCIES_MAX: usize = 128;
/// How the reason begins that an agent did not find by itself. No container's name has a space, so no other begins so.
const FOR_ANOTHER: &str = "needed by the agent of ";
const HELPER: &str = "it hands over the agent or Core";
const HANDED_OVER: &str = "it is part of a hand over that is not confirmed yet";
const WATCHDOG: &str = "the watchdog brings the agent back";
/// What is told by labels and names, and is found by every agent on the Engine by itself.
const BY_SIGHT: [&str; 3] = [HELPER, HANDED_OVER, WATCHDOG];

/// What an agent knows of the path on which it is controlled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControlPath {
    /// Id of the agent's own container.
    pub own_container: Option<String>,
    /// Container ids of the agents of all servers on this Engine.
    pub agents_on_engine: Vec<String>,
    /// What the agents of other servers on this Engine depend on, as they found it.
    pub depended_on: Vec<DependedOn>,
    /// Container id of Core.
    pub core_container: Option<String>,
    /// Names or ids of containers that Core cannot live without.
    pub core_depends_on: Vec<String>,
    /// Host, or host and port, that `DOCKER_HOST` names where it is `tcp://`.
    pub socket_proxy: Option<String>,
    /// Address at the other end of the connections to the Engine, where that is `tcp://`: whatever name it was given,
    /// an alias in a network or an entry of `/etc/hosts`.
    pub engine_peer: Option<SocketAddr>,
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
    for (at, container) in containers.iter().enumerate() {
        if path.core_depends_on.iter().any(|name| container.is(name)) {
            found.add(
                at,
                Reason::with(CoreDependency, "named in KOMODO_DEPENDS_ON_CONTAINERS"),
            );
        }
    }
    found.add_hand_over();
    let vantage = Vantage::new(containers, path);
    let to_engine = path
        .engine_peer
        .map(|peer| vantage.answering(peer))
        .filter(|answering| !answering.is_empty())
        .or_else(|| path.socket_proxy.as_deref().map(|host| vantage.named(host)));
    for at in to_engine.into_iter().flatten() {
        found.add(
            at,
            Reason::with(AgentDependency, "the agent reaches the Engine through it"),
        );
    }
    let to_core = path
        .core_peer
        .map(|peer| vantage.answering(peer))
        .unwrap_or_default();
    // Core itself may well be at the other end; that is reason enough of its own.
    if !core.is_some_and(|core| to_core.contains(&core)) {
        for at in to_core {
            found.add(
                at,
                Reason::with(AgentDependency, "the agent reaches Core through it"),
            );
        }
    }
    found.add_owners_of_namespaces();
    // After the owners of namespaces: those of these were found by the agent that needs them.
    for (at, container) in containers.iter().enumerate() {
        let needed = path
            .depended_on
            .iter()
            .find(|needed| container.is(&needed.container));
        if let Some(needed) = needed
            && !found.is_itself(at, AgentDependency)
        {
            let why = format!("{FOR_ANOTHER}{}", needed.server);
            found.add(at, Reason::with(AgentDependency, why));
        }
    }
    for (at, container) in containers.iter().enumerate() {
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

/// Ids of the containers in a protected set that the agent depends on as it found by itself, for the agents of other
/// servers on its Engine. What it was told of others is not among them: else two agents would keep telling each other
/// of what neither depends on any more. Nor is what each of them sees by itself.
pub fn own_dependencies(set: &[ProtectedContainer]) -> Vec<String> {
    let is_own = |reason: &Reason| {
        let told = reason.detail.as_deref();
        let told = told
            .is_some_and(|detail| detail.starts_with(FOR_ANOTHER) || BY_SIGHT.contains(&detail));
        reason.code == ReasonCode::AgentDependency && !told
    };
    set.iter()
        .filter(|entry| entry.reasons.iter().any(is_own))
        .map(|entry| entry.id.clone())
        .take(OWN_DEPENDENCIES_MAX)
        .collect()
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

    /// Helpers at work with what they need to put back what they took away, and watchdogs.
    fn add_hand_over(&mut self) {
        use ContainerStateStatusEnum::{Created, Dead, Exited};
        use ReasonCode::AgentDependency;
        let containers = self.containers;
        let is_helper = |container: &Container| {
            let works = !matches!(container.state, Exited | Dead | Created);
            works && container.labels.contains_key(HELPER_LABEL)
        };
        let at_work = containers.iter().any(is_helper);
        for (at, container) in containers.iter().enumerate() {
            let waits = [OLD_SUFFIX, NEW_SUFFIX]
                .iter()
                .any(|suffix| container.name.ends_with(suffix));
            let watches = container
                .labels
                .get(WATCHDOG_LABEL)
                .is_some_and(|value| value != "false");
            let why = match () {
                () if is_helper(container) => HELPER,
                // Whoever pruned the old one meanwhile would leave nothing to go back to.
                () if at_work && waits => HANDED_OVER,
                () if watches => WATCHDOG,
                () => continue,
            };
            if !self.is_itself(at, AgentDependency) {
                self.add(at, Reason::with(AgentDependency, why));
            }
        }
    }

    /// The containers in whose namespaces those of the control path live: it goes when they go.
    fn add_owners_of_namespaces(&mut self) {
        use ReasonCode::*;
        let containers = self.containers;
        let mut branch: Vec<(usize, ReasonCode)> = self
            .reasons
            .iter()
            .flat_map(|(at, reasons)| reasons.iter().map(|reason| (*at, reason.code)))
            .filter_map(|(at, code)| match code {
                Agent | AgentDependency => Some((at, AgentDependency)),
                Core | CoreDependency => Some((at, CoreDependency)),
                _ => None,
            })
            .collect();
        // By name, so that the order of the list does not matter.
        branch.sort_by_key(|(at, code)| (strength(*code), &containers[*at].name));
        for _ in 0..CHAIN_MAX {
            let mut next = Vec::new();
            for (from, code) in std::mem::take(&mut branch) {
                let user = &containers[from];
                let owners = [
                    (user.network_container(), "network"),
                    (user.pid_container.as_deref(), "PID namespace"),
                    (user.ipc_container.as_deref(), "IPC namespace"),
                ];
                for (owner, what) in owners {
                    let Some(owner) = owner.and_then(|owner| {
                        containers.iter().position(|container| container.is(owner))
                    }) else {
                        continue;
                    };
                    let known = self
                        .reasons
                        .get(&owner)
                        .is_some_and(|reasons| reasons.iter().any(|reason| reason.code == code));
                    if known || self.is_itself(owner, code) {
                        continue;
                    }
                    self.add(
                        owner,
                        Reason::with(code, format!("{} uses its {what}", user.name)),
                    );
                    next.push((owner, code));
                }
            }
            branch = next;
        }
    }

    /// Whether one is what the others are dependencies of.
    fn is_itself(&self, at: usize, dependency: ReasonCode) -> bool {
        let itself = match dependency {
            ReasonCode::AgentDependency => ReasonCode::Agent,
            _ => ReasonCode::Core,
        };
        self.reasons
            .get(&at)
            .is_some_and(|reasons| reasons.iter().any(|reason| reason.code == itself))
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

/// Who answers at an address, seen from where the agent is.
struct Vantage<'a> {
    containers: &'a [Container],
    /// The agent's own container, where it has a network of its own: loopback is then that network, not the host.
    inside: Option<usize>,
    own: Option<usize>,
    host_addresses: &'a [IpAddr],
}

impl<'a> Vantage<'a> {
    fn new(containers: &'a [Container], path: &'a ControlPath) -> Self {
        let own = path
            .own_container
            .as_deref()
            .and_then(|own| containers.iter().position(|container| container.is(own)));
        let vantage = Vantage {
            containers,
            inside: None,
            own,
            host_addresses: &path.host_addresses,
        };
        let inside = own.filter(|own| containers[vantage.owner(*own)].network_mode != "host");
        Vantage { inside, ..vantage }
    }

    /// The container that owns the network one lives in: mostly itself.
    fn owner(&self, of: usize) -> usize {
        let mut at = of;
        for _ in 0..CHAIN_MAX {
            let owner = self.containers[at].network_container();
            match owner.and_then(|owner| self.containers.iter().position(|other| other.is(owner))) {
                Some(next) => at = next,
                None => break,
            }
        }
        at
    }

    /// The containers that may answer at an address: those that have it or publish its port, and all that live in the
    /// network of one of those, since any of them may be who listens.
    fn answering(&self, address: SocketAddr) -> Vec<usize> {
        let ip = address.ip().to_canonical();
        let mut owners: Vec<usize> = match self.inside {
            Some(own) if ip.is_loopback() => vec![self.owner(own)],
            _ => (0..self.containers.len())
                .filter(|at| answers_at(&self.containers[*at], address, self.is_host(ip)))
                .collect(),
        };
        owners.sort_unstable();
        (0..self.containers.len())
            .filter(|at| Some(*at) != self.own && owners.binary_search(&self.owner(*at)).is_ok())
            .collect()
    }

    /// Whether an address is the host's.
    fn is_host(&self, ip: IpAddr) -> bool {
        let known = self
            .host_addresses
            .iter()
            .any(|own| own.to_canonical() == ip);
        known || (ip.is_loopback() && self.inside.is_none())
    }

    /// The containers that `tcp://<host>` of the agent's `DOCKER_HOST` may mean: by name, compose service, address, or
    /// a port published on the host.
    fn named(&self, host: &str) -> Vec<usize> {
        if let Ok(address) = host.parse::<SocketAddr>() {
            return self.answering(address);
        }
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') => (name, port.parse::<u16>().ok()),
            _ => (host, None),
        };
        let port = port.unwrap_or(2375);
        if let Ok(address) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
            return self.answering(SocketAddr::new(address, port));
        }
        if name == "localhost" {
            let mut both = self.answering(SocketAddr::from(([127, 0, 0, 1], port)));
            both.extend(self.answering(SocketAddr::from(([0_u16, 0, 0, 0, 0, 0, 0, 1], port))));
            return both;
        }
        (0..self.containers.len())
            .filter(|at| {
                let container = &self.containers[*at];
                container.is(name) || container.service() == Some(name)
            })
            .collect()
    }
}

/// Whether a container is what answers at an address: it has the address, or publishes the port there.
fn answers_at(container: &Container, address: SocketAddr, is_host: bool) -> bool {
    let ip = address.ip().to_canonical();
    if container
        .addresses
        .iter()
        .any(|own| own.to_canonical() == ip)
    {
        return true;
    }
    container.ports.iter().any(|port| {
        let bound = port
            .ip
            .as_deref()
            .map_or(Ok(IpAddr::from([0, 0, 0, 0])), str::parse::<IpAddr>);
        port.public_port == Some(address.port())
            && bound.is_ok_and(|bound| {
                bound.to_canonical() == ip || (is_host && bound.is_unspecified())
            })
    })
}
