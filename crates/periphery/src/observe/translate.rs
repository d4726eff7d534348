//! From the Engine's words to what an agent tells: pure.

use std::net::IpAddr;

use jiff::Timestamp;
use komodo_agent_api::{Container, HealthStatus};
use komodo_api::{
    UnixMs,
    engine::{ContainerStateStatusEnum, Port, PortTypeEnum},
};
use komodo_docker::{Inspected, Listed, Mount, NetworkEndpoint, PortBinding};

/// What a list tells of a container.
pub(super) fn listed(listed: Listed) -> Container {
    let mut ports = listed.ports;
    ports.sort();
    ports.dedup();
    Container {
        name: own_name(&listed.names).to_owned(),
        id: listed.id,
        image: listed.image,
        image_id: listed.image_id,
        created: listed.created,
        state: listed.state,
        labels: listed.labels,
        network_mode: listed.host_config.network_mode,
        networks: listed.network_settings.networks.keys().cloned().collect(),
        addresses: addresses(listed.network_settings.networks.values()),
        ports,
        volumes: volumes(&listed.mounts),
        ..Container::default()
    }
}

/// What an inspect tells of a container; `state_at_ns` is that of its last start or end, 0 where that does not tell
/// since when it is in its state.
pub(crate) fn inspected(inspected: Inspected) -> Container {
    use ContainerStateStatusEnum::{Dead, Exited, Paused, Running};
    let state = inspected.state;
    let started = time_ns(&state.started_at);
    let finished = time_ns(&state.finished_at);
    let up = matches!(state.status, Running | Paused);
    let health = state
        .health
        .filter(|_| up)
        .and_then(|health| health_status(&health.status));
    let restart_policy = match inspected.host_config.restart_policy.name {
        name if name.is_empty() => "no".to_owned(),
        name => name,
    };
    Container {
        name: inspected.name.trim_start_matches('/').to_owned(),
        id: inspected.id,
        image: inspected.config.image,
        image_id: inspected.image,
        created: inspected
            .created
            .parse::<Timestamp>()
            .map_or(0, Timestamp::as_second),
        state: state.status,
        state_at_ns: match state.status {
            Running => started.unwrap_or(0),
            Exited | Dead => finished.unwrap_or(0),
            _ => 0,
        },
        health,
        exit_code: (!up && finished.is_some()).then_some(state.exit_code),
        started_at: started.map(ns_to_ms),
        finished_at: finished.map(ns_to_ms),
        labels: inspected.config.labels,
        network_mode: inspected.host_config.network_mode,
        pid_container: joined(&inspected.host_config.pid_mode),
        ipc_container: joined(&inspected.host_config.ipc_mode),
        networks: inspected
            .network_settings
            .networks
            .keys()
            .cloned()
            .collect(),
        addresses: addresses(inspected.network_settings.networks.values()),
        ports: ports(&inspected.network_settings.ports),
        volumes: volumes(&inspected.mounts),
        restart_policy,
        stop_timeout_s: inspected.config.stop_timeout,
        auto_remove: inspected.host_config.auto_remove,
        size_rw: None,
        stats: None,
    }
}

/// The container that a mode of a namespace names.
fn joined(mode: &str) -> Option<String> {
    mode.strip_prefix("container:").map(str::to_owned)
}

/// A health check's result in the Engine's words.
pub(super) fn health_status(text: &str) -> Option<HealthStatus> {
    match text {
        "healthy" => Some(HealthStatus::Healthy),
        "unhealthy" => Some(HealthStatus::Unhealthy),
        "starting" => Some(HealthStatus::Starting),
        _ => None,
    }
}

/// Of all names that of the container itself; the others are links, named after the container that has them.
fn own_name(names: &[String]) -> &str {
    let bare = |name: &str| !name.is_empty() && !name.contains('/');
    let mut stripped = names
        .iter()
        .map(|name| name.strip_prefix('/').unwrap_or(name));
    stripped
        .find(|name| bare(name))
        .or_else(|| names.first().map(String::as_str))
        .unwrap_or_default()
}

/// RFC 3339 to unix nanoseconds; the Engine writes "never" as a time in the year 1.
fn time_ns(text: &str) -> Option<i64> {
    let time: Timestamp = text.parse().ok()?;
    i64::try_from(time.as_nanosecond())
        .ok()
        .filter(|ns| *ns > 0)
}

pub(super) fn ns_to_ms(ns: i64) -> UnixMs {
    ns / 1_000_000
}

fn addresses<'a>(endpoints: impl Iterator<Item = &'a NetworkEndpoint>) -> Vec<IpAddr> {
    let texts = endpoints.flat_map(|endpoint| [&endpoint.ip_address, &endpoint.ipv6_address]);
    texts.filter_map(|text| text.parse().ok()).collect()
}

fn volumes(mounts: &[Mount]) -> Vec<String> {
    let mut volumes: Vec<String> = mounts
        .iter()
        .map(|mount| {
            if mount.name.is_empty() {
                &mount.source
            } else {
                &mount.name
            }
        })
        .filter(|name| !name.is_empty())
        .cloned()
        .collect();
    volumes.sort();
    volumes.dedup();
    volumes
}

/// The ports of an inspect in the form of a list.
fn ports(by_port: &std::collections::BTreeMap<String, Option<Vec<PortBinding>>>) -> Vec<Port> {
    let mut ports = Vec::new();
    for (port, bindings) in by_port {
        let (private, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let Ok(private_port) = private.parse() else {
            continue;
        };
        let typ = match protocol {
            "tcp" => PortTypeEnum::Tcp,
            "udp" => PortTypeEnum::Udp,
            "sctp" => PortTypeEnum::Sctp,
            _ => PortTypeEnum::Empty,
        };
        let bindings = bindings.as_deref().unwrap_or_default();
        if bindings.is_empty() {
            ports.push(Port {
                ip: None,
                private_port,
                public_port: None,
                typ,
            });
        }
        ports.extend(bindings.iter().map(|binding| Port {
            ip: Some(binding.host_ip.clone()).filter(|ip| !ip.is_empty()),
            private_port,
            public_port: binding.host_port.parse().ok(),
            typ,
        }));
    }
    ports.sort();
    ports.dedup();
    ports
}
