//! Worlds for tests, one container a line: `web running image=nginx:1 project=p service=web needs=db ports=80`.

use komodo_agent_api::{Container, HealthStatus};
use komodo_api::{
    container::{ContainerAction, ContainerQuery, Scope},
    engine::{ContainerStateStatusEnum, Port, PortTypeEnum},
    plan::ReasonCode,
    resource::ContainerRef,
};

pub(crate) const ACTIONS: [ContainerAction; 7] = {
    use ContainerAction::*;
    [Start, Restart, Pause, Unpause, Stop, Destroy, Prune]
};
pub(crate) const STATES: [ContainerStateStatusEnum; 9] = {
    use ContainerStateStatusEnum::*;
    [
        Running, Created, Restarting, Stopping, Removing, Paused, Exited, Dead, Empty,
    ]
};
pub(crate) const PROTECTING: [ReasonCode; 6] = {
    use ReasonCode::*;
    [
        Agent,
        Core,
        AgentDependency,
        CoreDependency,
        Declared,
        Label,
    ]
};

/// A 64-digit id made from a name.
pub(crate) fn id(name: &str) -> String {
    let hex: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex:0<64}")[..64].to_owned()
}

pub(crate) fn state(word: &str) -> ContainerStateStatusEnum {
    STATES
        .into_iter()
        .find(|state| state.as_str() == word)
        .unwrap_or_else(|| panic!("no state {word}"))
}

pub(crate) fn action(word: &str) -> ContainerAction {
    serde_json::from_value(word.into()).unwrap()
}

pub(crate) fn world(text: &str) -> Vec<Container> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(container)
        .collect()
}

pub(crate) fn container(line: &str) -> Container {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap();
    let mut container = Container {
        id: id(name),
        name: name.into(),
        state: state(words.next().unwrap_or("running")),
        ..Container::default()
    };
    let mut label =
        |key: &str, value: &str| container.labels.insert(key.to_owned(), value.to_owned());
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "image" => container.image = value.into(),
            "project" => _ = label("com.docker.compose.project", value),
            "service" => _ = label("com.docker.compose.service", value),
            "needs" => _ = label("com.docker.compose.depends_on", value),
            "oneoff" => _ = label("com.docker.compose.oneoff", "True"),
            "skip" => _ = label("komodo.skip", value),
            "protect" => _ = label("komodo.protect", value),
            "label" => {
                let (key, value) = value.split_once(':').unwrap_or((value, ""));
                label(key, value);
            }
            "net" => container.network_mode = format!("container:{}", id(value)),
            "hostnet" => container.network_mode = "host".into(),
            "pid" => container.pid_container = Some(id(value)),
            "ipc" => container.ipc_container = Some(id(value)),
            "ip" => container.addresses.push(value.parse().unwrap()),
            "ports" => container.ports = value.split(',').map(port).collect(),
            "restart" => container.restart_policy = value.into(),
            "timeout" => container.stop_timeout_s = value.parse().ok(),
            "rm" => container.auto_remove = true,
            "bytes" => container.size_rw = value.parse().ok(),
            "code" => container.exit_code = value.parse().ok(),
            "started" => container.started_at = value.parse().ok(),
            "finished" => container.finished_at = value.parse().ok(),
            "health" => {
                container.health = Some(match value {
                    "starting" => HealthStatus::Starting,
                    "healthy" => HealthStatus::Healthy,
                    _ => HealthStatus::Unhealthy,
                });
            }
            other => panic!("no property {other}"),
        }
    }
    container
}

/// `80`, `127.0.0.1-80`, `80/udp`, `::-80`; `/` without a number before it is not published.
fn port(text: &str) -> Port {
    let (text, typ) = match text.split_once('/') {
        Some((text, "udp")) => (text, PortTypeEnum::Udp),
        Some((text, "sctp")) => (text, PortTypeEnum::Sctp),
        Some((text, _)) => (text, PortTypeEnum::Tcp),
        None => (text, PortTypeEnum::Tcp),
    };
    let (ip, number) = text.split_once('-').unwrap_or(("0.0.0.0", text));
    let public_port = number.parse().ok();
    Port {
        ip: public_port.map(|_| ip.to_owned()),
        private_port: 1,
        public_port,
        typ,
    }
}

/// `all`, `one web`, `list web db`, `match term=w state=running image=x project=p label=k=v`.
pub(crate) fn scope(text: &str) -> Scope {
    let mut words = text.split_whitespace();
    let refs = |words: std::str::SplitWhitespace<'_>| {
        words.map(|word| ContainerRef(word.into())).collect()
    };
    match words.next().unwrap() {
        "all" => Scope::All,
        "one" => Scope::One(ContainerRef(words.next().unwrap().into())),
        "list" => Scope::Listed(refs(words)),
        "match" => {
            let mut query = ContainerQuery::default();
            for word in words {
                let (key, value) = word.split_once('=').unwrap();
                match key {
                    "term" => query.terms.push(value.into()),
                    "state" => query.states.push(state(value)),
                    "image" => query.images.push(value.into()),
                    "project" => query.projects.push(value.into()),
                    "label" => query.labels.push(value.into()),
                    other => panic!("no condition {other}"),
                }
            }
            Scope::Matching(query)
        }
        other => panic!("no scope {other}"),
    }
}
