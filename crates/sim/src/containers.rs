//! Containers written as a line: `web running image=nginx:1 project=shop service=web needs=db ports=80 skip=true`.

use komodo_agent_api::{Container, HealthStatus};
use komodo_api::engine::{ContainerStateStatusEnum, Port, PortTypeEnum};

/// Reads a container from a line: a name, then a state (default `running`) and `key=value` in any order.
///
/// Keys: `image`, `project`, `service`, `needs`, `net` (name of a container), `ports` (`80`, `127.0.0.1-80`, `53/udp`),
/// `restart`, `timeout` (s), `bytes`, `health`, `skip`, `protect`, `label` (`key:value`), `rm`.
///
/// # Errors
/// What of the line is not understood.
pub fn parse_container(line: &str) -> Result<Container, String> {
    let mut words = line.split_whitespace();
    let name = words.next().ok_or("a container needs a name")?;
    let mut container = Container {
        name: name.to_owned(),
        state: ContainerStateStatusEnum::Running,
        image: "busybox:latest".to_owned(),
        network_mode: "bridge".to_owned(),
        restart_policy: "no".to_owned(),
        ..Container::default()
    };
    for word in words {
        let (key, value) = match word.split_once('=') {
            Some(pair) => pair,
            None => match state(word) {
                Some(state) => {
                    container.state = state;
                    continue;
                }
                None => (word, ""),
            },
        };
        set(&mut container, key, value)?;
    }
    Ok(container)
}

fn set(container: &mut Container, key: &str, value: &str) -> Result<(), String> {
    let label = match key {
        "project" => "com.docker.compose.project",
        "service" => "com.docker.compose.service",
        "needs" => "com.docker.compose.depends_on",
        "skip" => "komodo.skip",
        "protect" => "komodo.protect",
        "label" => {
            let (key, value) = value.split_once(':').unwrap_or((value, ""));
            container.labels.insert(key.to_owned(), value.to_owned());
            return Ok(());
        }
        _ => "",
    };
    if !label.is_empty() {
        container.labels.insert(label.to_owned(), value.to_owned());
        return Ok(());
    }
    let number = || value.parse().map_err(|_| format!("'{value}' is no number"));
    match key {
        "image" => container.image = value.to_owned(),
        "net" => container.network_mode = format!("container:{value}"),
        "ports" => container.ports = value.split(',').map(port).collect::<Result<_, _>>()?,
        "restart" => container.restart_policy = value.to_owned(),
        "timeout" => container.stop_timeout_s = Some(number()?),
        "bytes" => {
            container.size_rw = Some(
                value
                    .parse()
                    .map_err(|_| format!("'{value}' is no number"))?,
            )
        }
        "rm" => container.auto_remove = true,
        "health" => {
            container.health = Some(match value {
                "starting" => HealthStatus::Starting,
                "healthy" => HealthStatus::Healthy,
                "unhealthy" => HealthStatus::Unhealthy,
                other => return Err(format!("there is no health '{other}'")),
            });
        }
        other => return Err(format!("a container has no '{other}'")),
    }
    Ok(())
}

fn state(word: &str) -> Option<ContainerStateStatusEnum> {
    use ContainerStateStatusEnum::*;
    [
        Running, Created, Restarting, Stopping, Removing, Paused, Exited, Dead,
    ]
    .into_iter()
    .find(|state| state.as_str() == word)
}

fn port(text: &str) -> Result<Port, String> {
    let (text, typ) = match text.split_once('/') {
        Some((text, "udp")) => (text, PortTypeEnum::Udp),
        Some((text, _)) => (text, PortTypeEnum::Tcp),
        None => (text, PortTypeEnum::Tcp),
    };
    let (ip, number) = text.split_once('-').unwrap_or(("0.0.0.0", text));
    let number = number.parse().map_err(|_| format!("'{text}' is no port"))?;
    Ok(Port {
        ip: Some(ip.to_owned()),
        private_port: number,
        public_port: Some(number),
        typ,
    })
}
