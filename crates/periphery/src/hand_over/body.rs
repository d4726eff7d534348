//! The helper's container, as the Engine is asked to make it: the agent's image and way to the Engine, and nothing else
//! of the agent's. Pure.

use std::path::{Path, PathBuf};

use komodo_docker::Endpoint;
use komodo_plan::hand_over::{HELPER_LABEL, HandOverPlan, PLAN_VARIABLE};
use serde_json::{Map, Value, json};

/// What labels of compose begin with. An image that compose built carries them on to its containers.
const COMPOSE_LABELS: &str = "com.docker.compose.";
/// The label that leaves it out of bulk operations.
const SKIP_LABEL: &str = "komodo.skip";
/// What the helper needs as the agent does, to be let to the Engine.
const GRANTS: [&str; 5] = [
    "SecurityOpt",
    "Privileged",
    "UsernsMode",
    "GroupAdd",
    "Runtime",
];
/// What it needs besides where its Engine is at a TCP port.
const NAMES: [&str; 4] = ["Dns", "DnsOptions", "DnsSearch", "ExtraHosts"];

/// What of this process the helper takes over.
#[derive(Debug, Clone)]
pub(crate) struct OwnProgram {
    /// Path of the program in the container.
    pub(crate) path: PathBuf,
    /// Failpoint that the helper is to have, in builds that have any.
    pub(crate) failpoint: Option<String>,
}

impl OwnProgram {
    /// Reads it; `dies` is whether a failpoint of ours is for the helper too.
    pub(crate) fn read(dies: bool) -> std::io::Result<Self> {
        Ok(OwnProgram {
            path: std::env::current_exe()?,
            failpoint: std::env::var(komodo_failpoint::VARIABLE)
                .ok()
                .filter(|_| dies && cfg!(debug_assertions)),
        })
    }
}

/// The request that makes a helper. `own` is what the Engine shows of the agent's own container.
///
/// # Errors
/// Why no helper can be made, for people.
pub(crate) fn helper_body(
    own: &Value,
    program: &OwnProgram,
    endpoint: &Endpoint,
    plan: &HandOverPlan,
) -> Result<Value, String> {
    let image = own["Image"]
        .as_str()
        .filter(|image| !image.is_empty())
        .ok_or("the Engine does not tell the image of the agent")?;
    let plan_text = serde_json::to_string(plan).map_err(|error| error.to_string())?;
    let mut variables = vec![
        format!("{PLAN_VARIABLE}={plan_text}"),
        format!("DOCKER_HOST={endpoint}"),
    ];
    let mut host = Map::new();
    if let Some(point) = &program.failpoint {
        variables.push(format!("{}={point}", komodo_failpoint::VARIABLE));
        // The first process of a container cannot kill itself.
        host.insert("Init".into(), true.into());
    }
    let granted = &own["HostConfig"];
    let mut take = |names: &[&str]| {
        for name in names {
            if !granted[*name].is_null() {
                host.insert((*name).to_owned(), granted[*name].clone());
            }
        }
    };
    take(&GRANTS);
    let mut mounts = Vec::new();
    let network_mode = match endpoint {
        Endpoint::Unix(socket) => {
            let real = socket.canonicalize().unwrap_or_else(|_| socket.clone());
            let mount = [socket.as_path(), real.as_path()]
                .into_iter()
                .find_map(|path| mount_of(own, path));
            let mount = mount.ok_or_else(|| {
                format!(
                    "the socket {} is on no mount of the agent's container",
                    socket.display()
                )
            })?;
            mounts.push(mount);
            json!("none")
        }
        Endpoint::Tcp { .. } => {
            take(&NAMES);
            granted["NetworkMode"].clone()
        }
    };
    if let Some(mount) = mount_of(own, &program.path)
        && !mounts.contains(&mount)
    {
        mounts.push(mount);
    }
    host.insert("NetworkMode".into(), network_mode);
    host.insert("Mounts".into(), mounts.into());
    host.insert("RestartPolicy".into(), json!({ "Name": "always" }));
    let log = json!({ "Type": "json-file", "Config": { "max-size": "1m" } });
    host.insert("LogConfig".into(), log);
    let mut labels = Map::new();
    let of_compose = own["Config"]["Labels"].as_object().into_iter().flatten();
    for (name, _) in of_compose.filter(|(name, _)| name.starts_with(COMPOSE_LABELS)) {
        // Those of the image would be taken over.
        labels.insert(name.clone(), "".into());
    }
    labels.insert(HELPER_LABEL.into(), plan.operation.clone().into());
    labels.insert(SKIP_LABEL.into(), "true".into());
    Ok(json!({
        "Image": image,
        "Entrypoint": [program.path.to_string_lossy(), "hand-over"],
        "Cmd": [],
        "User": own["Config"]["User"],
        "Env": variables,
        "Labels": labels,
        "Healthcheck": { "Test": ["NONE"] },
        "WorkingDir": "/",
        // Where nothing is said, the Engine takes every signal that is sent for one to stop, and does not start it again.
        "StopSignal": "SIGTERM",
        "HostConfig": host,
    }))
}

/// The networks of the agent besides the one that a helper is made in: its Engine may be reached in any of them.
pub(crate) fn further_networks(own: &Value, endpoint: &Endpoint) -> Vec<(String, Value)> {
    let mode = own["HostConfig"]["NetworkMode"]
        .as_str()
        .unwrap_or_default();
    let alone = matches!(mode, "host" | "none") || mode.starts_with("container:");
    if alone || matches!(endpoint, Endpoint::Unix(_)) {
        return Vec::new();
    }
    let networks = own["NetworkSettings"]["Networks"].as_object();
    let names = networks.into_iter().flatten().map(|(name, _)| name.clone());
    names
        .filter(|name| name != mode && !(mode == "default" && name == "bridge"))
        .map(|name| (name, json!({})))
        .collect()
}

/// The mount of the agent's container that holds a path, as a request names it.
fn mount_of(own: &Value, path: &Path) -> Option<Value> {
    let mounts = own["Mounts"].as_array()?;
    let holds = |mount: &&Value| {
        let target = mount["Destination"].as_str();
        target.is_some_and(|target| path.starts_with(target))
    };
    let length = |mount: &&Value| mount["Destination"].as_str().map_or(0, str::len);
    let mount = mounts.iter().filter(holds).max_by_key(length)?;
    let source = match mount["Type"].as_str()? {
        "volume" => &mount["Name"],
        _ => &mount["Source"],
    };
    Some(json!({
        "Type": mount["Type"],
        "Source": source,
        "Target": mount["Destination"],
        "ReadOnly": mount["RW"] == false,
    }))
}

#[cfg(test)]
mod tests {
    use komodo_api::update::Run;
    use komodo_plan::hand_over::JournalPlace;

    use super::*;

    fn plan() -> HandOverPlan {
        HandOverPlan {
            operation: "op1".into(),
            container: "c1".into(),
            name: "periphery".into(),
            run: Run::default(),
            stop_timeout_s: None,
            replace: None,
            journal: JournalPlace {
                container: None,
                path: "/etc/komodo/journal/op1.jsonl".into(),
            },
            until: 9,
        }
    }

    fn own() -> Value {
        json!({
            "Image": "sha256:aa",
            "Config": {
                "User": "1000",
                "Env": ["PERIPHERY_ONBOARDING_KEY=secret"],
                "Labels": { "com.docker.compose.project": "komodo", "a": "b" },
            },
            "HostConfig": {
                "NetworkMode": "komodo_default",
                "SecurityOpt": ["label=disable"],
                "GroupAdd": ["999"],
                "Privileged": false,
                "ExtraHosts": ["core:10.0.0.1"],
            },
            "Mounts": [
                { "Type": "volume", "Name": "state", "Source": "/v", "Destination": "/etc/komodo", "RW": true },
                { "Type": "bind", "Source": "/run/engine.sock", "Destination": "/var/run/engine.sock", "RW": true },
            ],
        })
    }

    fn program() -> OwnProgram {
        OwnProgram {
            path: "/usr/local/bin/komodo-periphery".into(),
            failpoint: None,
        }
    }

    #[test]
    fn it_gets_the_way_to_the_engine_and_nothing_else() {
        let socket = Endpoint::Unix("/var/run/engine.sock".into());
        let body = helper_body(&own(), &program(), &socket, &plan()).unwrap();
        let host = &body["HostConfig"];
        assert_eq!(body["Image"], "sha256:aa");
        assert_eq!(body["User"], "1000");
        assert_eq!(host["GroupAdd"], json!(["999"]));
        assert_eq!(host["SecurityOpt"], json!(["label=disable"]));
        assert_eq!(host["NetworkMode"], "none");
        assert_eq!(host["RestartPolicy"]["Name"], "always");
        let mounts = host["Mounts"].as_array().unwrap();
        assert_eq!(mounts.len(), 1, "{mounts:?}");
        assert_eq!(mounts[0]["Target"], "/var/run/engine.sock");
        assert_eq!(
            body["Labels"],
            json!({ "com.docker.compose.project": "", "komodo.hand-over": "op1", "komodo.skip": "true" })
        );
        let text = body.to_string();
        assert!(!text.contains("secret"), "{text}");
        assert!(host["ExtraHosts"].is_null() && host["Init"].is_null());
    }

    #[test]
    fn over_tcp_it_gets_the_network_of_the_agent() {
        let proxy = Endpoint::parse("tcp://proxy:2375").unwrap();
        let body = helper_body(&own(), &program(), &proxy, &plan()).unwrap();
        let host = &body["HostConfig"];
        assert_eq!(host["NetworkMode"], "komodo_default");
        assert_eq!(host["ExtraHosts"], json!(["core:10.0.0.1"]));
        assert_eq!(host["Mounts"], json!([]));
        let variables = body["Env"].as_array().unwrap();
        assert!(variables.contains(&json!("DOCKER_HOST=tcp://proxy:2375")));
        let mut own = own();
        own["NetworkSettings"]["Networks"] = json!({ "komodo_default": {}, "socket": {} });
        let further = |own: &Value| further_networks(own, &proxy);
        assert_eq!(further(&own), [("socket".to_owned(), json!({}))]);
        own["HostConfig"]["NetworkMode"] = "container:vpn".into();
        assert_eq!(further(&own), []);
    }

    #[test]
    fn a_socket_that_is_on_no_mount_is_told() {
        let socket = Endpoint::Unix("/elsewhere/docker.sock".into());
        let why = helper_body(&own(), &program(), &socket, &plan()).unwrap_err();
        assert!(why.contains("/elsewhere/docker.sock"), "{why}");
    }

    #[test]
    fn a_program_that_is_mounted_comes_along() {
        let mut own = own();
        let bind =
            json!({ "Type": "bind", "Source": "/opt/p", "Destination": "/opt", "RW": false });
        own["Mounts"].as_array_mut().unwrap().push(bind);
        let program = OwnProgram {
            path: "/opt/komodo-periphery".into(),
            failpoint: Some("hand-over.stop".into()),
        };
        let socket = Endpoint::Unix("/var/run/engine.sock".into());
        let body = helper_body(&own, &program, &socket, &plan()).unwrap();
        let mounts = body["HostConfig"]["Mounts"].as_array().unwrap();
        assert_eq!(mounts[1]["Target"], "/opt");
        assert_eq!(mounts[1]["ReadOnly"], true);
        assert_eq!(body["HostConfig"]["Init"], true);
    }
}
