//! A new container with the configuration of an old one, from the Engine's own document of it: what was asked for stays
//! as it is, what came from the old image makes way for what the new one says.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::NEW_LABEL;

/// Digits of an id that the Engine uses as a name.
const SHORT_ID_DIGITS: usize = 12;
/// Where Compose notes the id of the image.
const COMPOSE_IMAGE_LABEL: &str = "com.docker.compose.image";
const SWARM_LABEL: &str = "com.docker.swarm.service.id";
/// What of a container's place in a network was asked for; the rest is what the Engine made of it.
const ENDPOINT_ASKED: [&str; 5] = ["IPAMConfig", "Links", "Aliases", "DriverOpts", "GwPriority"];

/// What makes a new container.
#[derive(Debug, Clone, PartialEq)]
pub struct Recreated {
    /// Body of `POST /containers/create`.
    pub body: Value,
    /// Networks that it is then connected to, in order, besides the one in the body: name, and configuration of the
    /// endpoint.
    pub networks: Vec<(String, Value)>,
}

/// Why there can be no new container with the configuration of an old one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotRecreate {
    /// The Engine would remove it as soon as it is stopped.
    #[error(
        "the Engine removes the container as soon as it stops (it was started with --rm), so it could not be put back; \
         start it without --rm"
    )]
    AutoRemove,
    /// Another program makes its containers.
    #[error("the container belongs to a Swarm service; update the service")]
    Swarm,
    /// The Engine's document lacks something.
    #[error("the Engine does not tell the container's {0}")]
    Missing(&'static str),
}

impl Recreated {
    /// Notes the id of the new image where Compose looks for it, if it made the old container: else the next
    /// `docker compose up` would make a new one for nothing.
    pub fn note_image_id(&mut self, old: &Value, id: &str) {
        let by_compose = old["Config"]["Labels"].get(COMPOSE_IMAGE_LABEL).is_some();
        if by_compose {
            self.body["Labels"][COMPOSE_IMAGE_LABEL] = id.into();
        }
    }
}

/// The new container for an old one, from the Engine's document of it (`inspect`) and of its image (`old_image`; null
/// where that is not known any more: then everything counts as asked for).
///
/// Anonymous volumes go on by their names. The container bears [`NEW_LABEL`] with the operation.
///
/// # Errors
/// [`CannotRecreate`], when there is no way.
pub fn recreated(
    inspect: &Value,
    old_image: &Value,
    replace_image: &str,
    operation: &str,
) -> Result<Recreated, CannotRecreate> {
    let id = inspect["Id"].as_str().filter(|id| !id.is_empty());
    let id = id.ok_or(CannotRecreate::Missing("id"))?;
    let config = inspect["Config"].as_object();
    let mut body = config
        .cloned()
        .ok_or(CannotRecreate::Missing("configuration"))?;
    let host = inspect["HostConfig"].as_object();
    let mut host = host
        .cloned()
        .ok_or(CannotRecreate::Missing("host configuration"))?;
    if host.get("AutoRemove") == Some(&Value::Bool(true)) {
        return Err(CannotRecreate::AutoRemove);
    }
    if inspect["Config"]["Labels"].get(SWARM_LABEL).is_some() {
        return Err(CannotRecreate::Swarm);
    }
    let short_id = id.get(..SHORT_ID_DIGITS).unwrap_or(id);
    let mode = host.get("NetworkMode").and_then(Value::as_str);
    let mode = mode.unwrap_or("default").to_owned();
    let joins = mode.starts_with("container:");

    without_defaults(&mut body, &old_image["Config"]);
    body.insert("Image".into(), replace_image.into());
    let labels = object(&mut body, "Labels");
    labels.remove(COMPOSE_IMAGE_LABEL);
    labels.insert(NEW_LABEL.into(), operation.into());
    let own_name = body.get("Hostname").and_then(Value::as_str) == Some(short_id);
    // In the namespace of another, and of the host, the Engine tells that one's name, but does not take it.
    if own_name || joins || text(&host, "UTSMode") == "host" {
        body.remove("Hostname");
    }
    if joins {
        for taken in ["Domainname", "ExposedPorts", "MacAddress"] {
            body.remove(taken);
        }
    }
    carry_volumes(&mut host, &inspect["Mounts"]);

    let mut networks = match joins || matches!(mode.as_str(), "host" | "none") {
        true => Vec::new(),
        false => endpoints(&inspect["NetworkSettings"]["Networks"], short_id),
    };
    let config_mac = body.get("MacAddress").and_then(Value::as_str);
    let made_up = config_mac.is_none_or(|mac| {
        let all = inspect["NetworkSettings"]["Networks"].as_object();
        mac.is_empty() || all.is_some_and(|all| all.values().any(|at| is_made_up(mac, at)))
    });
    if made_up {
        body.remove("MacAddress");
    }
    let first = networks
        .iter()
        .position(|(name, endpoint)| is_mode(&mode, name, &endpoint.network_id));
    if let Some(first) = first.or_else(|| (!networks.is_empty()).then_some(0)) {
        let (name, endpoint) = networks.remove(first);
        if !is_mode(&mode, &name, &endpoint.network_id) {
            // It was taken out of the network that it was made in.
            host.insert("NetworkMode".into(), name.as_str().into());
        }
        // By the name that the mode has: an Engine would take the two for different ones.
        let key = match host.get("NetworkMode").and_then(Value::as_str) {
            Some("default") | None => name,
            Some(mode) => mode.to_owned(),
        };
        let mut by_name = Map::new();
        by_name.insert(key, endpoint.asked);
        body.insert(
            "NetworkingConfig".into(),
            json!({ "EndpointsConfig": by_name }),
        );
    }
    body.insert("HostConfig".into(), Value::Object(host));
    Ok(Recreated {
        body: Value::Object(body),
        networks: networks
            .into_iter()
            .map(|(name, endpoint)| (name, endpoint.asked))
            .collect(),
    })
}

/// Of these paths in a container those that are on no mount, so that their content goes with it.
pub fn carried(inspect: &Value, paths: &[String]) -> Vec<String> {
    let mounts = inspect["Mounts"].as_array().into_iter().flatten();
    let mounts = mounts.filter_map(|mount| mount["Destination"].as_str());
    let memory = inspect["HostConfig"]["Tmpfs"].as_object();
    let memory = memory.into_iter().flatten().map(|(path, _)| path.as_str());
    let mounted: Vec<&str> = mounts.chain(memory).collect();
    let is_mounted = |path: &str| {
        mounted.iter().any(|mount| {
            let mount = mount.trim_end_matches('/');
            path.strip_prefix(mount)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    paths
        .iter()
        .filter(|path| !is_mounted(path.trim_end_matches('/')))
        .cloned()
        .collect()
}

/// Takes out what came from the image.
fn without_defaults(body: &mut Map<String, Value>, image: &Value) {
    for made in ["OnBuild", "ArgsEscaped"] {
        body.remove(made);
    }
    let same = |body: &Map<String, Value>, field: &str| {
        let (own, default) = (body.get(field).unwrap_or(&Value::Null), &image[field]);
        own == default || (is_empty(own) && is_empty(default))
    };
    // A program of one's own leaves out the image's arguments.
    if same(body, "Entrypoint") {
        body.remove("Entrypoint");
        if same(body, "Cmd") {
            body.remove("Cmd");
        }
    }
    for field in ["WorkingDir", "User", "StopSignal", "Shell"] {
        if same(body, field) {
            body.remove(field);
        }
    }
    if let (Some(Value::Array(own)), Some(defaults)) =
        (body.get_mut("Env"), image["Env"].as_array())
    {
        own.retain(|variable| !defaults.contains(variable));
    }
    for field in ["Labels", "ExposedPorts", "Volumes", "Healthcheck"] {
        let (Some(Value::Object(own)), Some(defaults)) =
            (body.get_mut(field), image[field].as_object())
        else {
            continue;
        };
        // Ours protect it: whoever set one did not mean only this image.
        let ours = |key: &str| field == "Labels" && key.starts_with("komodo.");
        own.retain(|key, value| ours(key) || defaults.get(key) != Some(value));
        if field == "Healthcheck" && own.is_empty() {
            body.remove(field);
        }
    }
}

/// Has volumes without a name of their own go on: those that the image, or the one who started it, only gave a place.
fn carry_volumes(host: &mut Map<String, Value>, mounts: &Value) {
    let binds = host.get("Binds").and_then(Value::as_array);
    let mut placed: BTreeSet<String> = binds
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter_map(|bind| bind.split(':').nth(1))
        .map(|place| place.trim_end_matches('/').to_owned())
        .collect();
    let volumes: Vec<(&str, &str, bool)> = mounts
        .as_array()
        .into_iter()
        .flatten()
        .filter(|mount| mount["Type"] == "volume")
        .filter_map(|mount| {
            let writable = mount["RW"].as_bool().unwrap_or(true);
            Some((
                mount["Name"].as_str()?,
                mount["Destination"].as_str()?,
                writable,
            ))
        })
        .collect();
    if let Some(Value::Array(asked)) = host.get_mut("Mounts") {
        for mount in asked {
            let Some(place) = mount["Target"].as_str().map(str::to_owned) else {
                continue;
            };
            let place = place.trim_end_matches('/').to_owned();
            let unnamed = mount["Type"] == "volume" && is_empty(&mount["Source"]);
            let named = volumes
                .iter()
                .find(|(_, at, _)| unnamed && at.trim_end_matches('/') == place);
            if let Some((name, ..)) = named {
                mount["Source"] = (*name).into();
            }
            placed.insert(place);
        }
    }
    let more: Vec<Value> = volumes
        .iter()
        .filter(|(_, place, _)| !placed.contains(place.trim_end_matches('/')))
        .map(|(name, place, writable)| {
            let mode = if *writable { "" } else { ":ro" };
            format!("{name}:{place}{mode}").into()
        })
        .collect();
    if more.is_empty() {
        return;
    }
    match host.get_mut("Binds") {
        Some(Value::Array(binds)) => binds.extend(more),
        _ => _ = host.insert("Binds".into(), Value::Array(more)),
    }
}

struct Endpoint {
    network_id: String,
    asked: Value,
}

/// Networks by name, with what was asked for there.
fn endpoints(networks: &Value, short_id: &str) -> Vec<(String, Endpoint)> {
    let networks = networks.as_object().into_iter().flatten();
    networks
        .map(|(name, endpoint)| {
            let mut asked = Map::new();
            for field in ENDPOINT_ASKED {
                let mut value = endpoint[field].clone();
                if field == "Aliases"
                    && let Value::Array(aliases) = &mut value
                {
                    // Engines before 26 add it by themselves.
                    aliases.retain(|alias| alias.as_str() != Some(short_id));
                }
                if !is_empty(&value) {
                    asked.insert(field.to_owned(), value);
                }
            }
            let mac = endpoint["MacAddress"].as_str().unwrap_or_default();
            if !mac.is_empty() && !is_made_up(mac, endpoint) {
                asked.insert("MacAddress".to_owned(), mac.into());
            }
            let network_id = endpoint["NetworkID"].as_str().unwrap_or_default();
            let endpoint = Endpoint {
                network_id: network_id.to_owned(),
                asked: Value::Object(asked),
            };
            (name.clone(), endpoint)
        })
        .collect()
}

/// Whether a network is the one that a container's network mode names.
fn is_mode(mode: &str, name: &str, id: &str) -> bool {
    match mode {
        "default" | "" => name == "bridge",
        mode => mode == name || (mode.len() >= SHORT_ID_DIGITS && id.starts_with(mode)),
    }
}

/// Whether an Engine made up an address: `02:42` and the IPv4 address. Engines from 28 on draw it by lot, which looks
/// like one that was set: it is kept, since one that was set must be.
fn is_made_up(mac: &str, endpoint: &Value) -> bool {
    let address: Option<std::net::Ipv4Addr> = endpoint["IPAddress"]
        .as_str()
        .and_then(|address| address.parse().ok());
    address.is_some_and(|address| {
        let [a, b, c, d] = address.octets();
        mac.eq_ignore_ascii_case(&format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}"))
    })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Bool(_) => false,
    }
}

fn text<'a>(object: &'a Map<String, Value>, field: &str) -> &'a str {
    object
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A field that is an object, made where it is not there.
fn object<'a>(body: &'a mut Map<String, Value>, field: &str) -> &'a mut Map<String, Value> {
    let value = body.entry(field).or_insert_with(|| json!({}));
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("it was made one just now")
}
