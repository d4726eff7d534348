//! The Engine's own document of a container, as far as the simulation knows it.

use komodo_agent_api::{Container, HealthStatus};
use komodo_api::engine::ContainerStateStatusEnum;
use serde_json::{Value, json};

use crate::clock::rfc3339;

pub(crate) fn document(container: &Container) -> Value {
    use ContainerStateStatusEnum::*;
    let time = |ms: Option<i64>| {
        ms.map_or("0001-01-01T00:00:00Z".to_owned(), |ms| {
            rfc3339(ms * 1_000_000)
        })
    };
    let state = container.state;
    let health = container.health.map(|health| {
        let status = match health {
            HealthStatus::Starting => "starting",
            HealthStatus::Healthy => "healthy",
            HealthStatus::Unhealthy => "unhealthy",
        };
        json!({ "Status": status, "FailingStreak": 0, "Log": [] })
    });
    json!({
        "Id": container.id,
        "Name": format!("/{}", container.name),
        "Created": rfc3339(container.created.saturating_mul(1_000_000_000)),
        "Image": container.image_id,
        "RestartCount": 0,
        "Driver": "overlay2",
        "Platform": "linux",
        "State": {
            "Status": state.as_str(),
            "Running": matches!(state, Running | Paused | Restarting),
            "Paused": state == Paused,
            "Restarting": state == Restarting,
            "OOMKilled": false,
            "Dead": state == Dead,
            "Pid": 0,
            "ExitCode": container.exit_code.unwrap_or(0),
            "Error": "",
            "StartedAt": time(container.started_at),
            "FinishedAt": time(container.finished_at),
            "Health": health,
        },
        "Config": { "Image": container.image, "Labels": container.labels, "StopTimeout": container.stop_timeout_s },
        "HostConfig": {
            "NetworkMode": container.network_mode,
            "AutoRemove": container.auto_remove,
            "RestartPolicy": { "Name": container.restart_policy, "MaximumRetryCount": 0 },
        },
        "Mounts": [],
        "NetworkSettings": { "Networks": {} },
    })
}
