//! What is remembered of a container, in the form of the Engine's inspect: for when the Engine cannot be asked.

use std::collections::BTreeMap;

use komodo_agent_api::{Container, HealthStatus};
use komodo_api::{
    UnixMs,
    engine::{ContainerStateStatusEnum, Port, PortTypeEnum},
};
use serde_json::{Map, Value, json};

/// What the Engine writes for a time that never was.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The document; only what is known is in it.
pub(super) fn document(container: &Container) -> Map<String, Value> {
    use ContainerStateStatusEnum::*;
    let state = container.state;
    let time = |at: Option<UnixMs>| at.map_or_else(|| NEVER.to_owned(), rfc3339);
    let health = container.health.map(|health| {
        let status = match health {
            HealthStatus::Starting => "starting",
            HealthStatus::Healthy => "healthy",
            HealthStatus::Unhealthy => "unhealthy",
        };
        json!({ "Status": status, "FailingStreak": 0, "Log": [] })
    });
    let networks: BTreeMap<_, _> = container
        .networks
        .iter()
        .map(|name| (name, json!({})))
        .collect();
    let value = json!({
        "Id": container.id,
        "Name": format!("/{}", container.name),
        "Created": rfc3339(container.created.saturating_mul(1000)),
        "Image": container.image_id,
        "State": {
            "Status": state.as_str(),
            "Running": matches!(state, Running | Paused | Restarting | Stopping),
            "Paused": state == Paused,
            "Restarting": state == Restarting,
            "Dead": state == Dead,
            "ExitCode": container.exit_code.unwrap_or(0),
            "StartedAt": time(container.started_at),
            "FinishedAt": time(container.finished_at),
            "Health": health,
        },
        "HostConfig": {
            "NetworkMode": container.network_mode,
            "RestartPolicy": { "Name": container.restart_policy },
            "AutoRemove": container.auto_remove,
        },
        "Config": {
            "Image": container.image,
            "Labels": container.labels,
            "StopTimeout": container.stop_timeout_s,
        },
        "NetworkSettings": { "Networks": networks, "Ports": ports(&container.ports) },
        "Mounts": container.volumes.iter().map(|volume| mount(volume)).collect::<Vec<_>>(),
        "SizeRw": container.size_rw,
    });
    match value {
        Value::Object(document) => document,
        _ => Map::new(),
    }
}

fn rfc3339(at: UnixMs) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| NEVER.to_owned(), |at| at.to_string())
}

fn mount(volume: &str) -> Value {
    match volume.starts_with('/') {
        true => json!({ "Type": "bind", "Source": volume }),
        false => json!({ "Type": "volume", "Name": volume }),
    }
}

fn ports(ports: &[Port]) -> BTreeMap<String, Value> {
    let mut bound: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for port in ports {
        let protocol = match port.typ {
            PortTypeEnum::Udp => "udp",
            PortTypeEnum::Sctp => "sctp",
            PortTypeEnum::Tcp | PortTypeEnum::Empty => "tcp",
        };
        let hosts = bound
            .entry(format!("{}/{protocol}", port.private_port))
            .or_default();
        if let Some(public) = port.public_port {
            hosts.push(json!({ "HostIp": port.ip.clone().unwrap_or_default(), "HostPort": public.to_string() }));
        }
    }
    bound
        .into_iter()
        .map(|(port, hosts)| {
            (
                port,
                if hosts.is_empty() {
                    Value::Null
                } else {
                    Value::Array(hosts)
                },
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_like_an_inspect() {
        let container = Container {
            id: "64fb".into(),
            name: "web".into(),
            image: "nginx:1".into(),
            image_id: "sha256:2f1a".into(),
            created: 1_795_411_685,
            state: ContainerStateStatusEnum::Paused,
            started_at: Some(1_795_411_685_769),
            ports: vec![
                Port {
                    ip: Some("0.0.0.0".into()),
                    private_port: 80,
                    public_port: Some(8080),
                    typ: PortTypeEnum::Tcp,
                },
                Port {
                    ip: None,
                    private_port: 53,
                    public_port: None,
                    typ: PortTypeEnum::Udp,
                },
            ],
            volumes: vec!["data".into(), "/srv".into()],
            ..Container::default()
        };
        let document = Value::Object(document(&container));
        assert_eq!(document["Name"], "/web");
        assert_eq!(document["Created"], "2026-11-23T05:28:05Z");
        assert_eq!(
            document["State"]["Running"], true,
            "as the Engine says of what is paused"
        );
        assert_eq!(document["State"]["StartedAt"], "2026-11-23T05:28:05.769Z");
        assert_eq!(document["State"]["FinishedAt"], NEVER);
        assert_eq!(
            document["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"],
            "8080"
        );
        assert_eq!(document["NetworkSettings"]["Ports"]["53/udp"], Value::Null);
        assert_eq!(
            document["Mounts"][0],
            json!({ "Type": "volume", "Name": "data" })
        );
        assert_eq!(
            document["Mounts"][1],
            json!({ "Type": "bind", "Source": "/srv" })
        );
    }
}
