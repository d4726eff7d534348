//! What the Engine answers, as far as it is looked at. Everything may be missing: Engines differ by version, and so do
//! those that only imitate one.

use std::collections::BTreeMap;

use komodo_api::engine::{ContainerStateStatusEnum, Port};
use serde::{Deserialize, Deserializer};

/// Go writes an empty list or map as `null`.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A container in the Engine's list.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Listed {
    /// Id.
    pub id: String,
    /// Names, with a slash before each; those with a second slash are links.
    #[serde(deserialize_with = "nullable")]
    pub names: Vec<String>,
    /// Image, by name or id.
    pub image: String,
    /// Id of the image.
    #[serde(rename = "ImageID")]
    pub image_id: String,
    /// Time of creation, unix seconds.
    pub created: i64,
    /// Run state.
    pub state: ContainerStateStatusEnum,
    /// Labels.
    #[serde(deserialize_with = "nullable")]
    pub labels: BTreeMap<String, String>,
    /// Ports.
    #[serde(deserialize_with = "nullable")]
    pub ports: Vec<Port>,
    /// Network mode.
    #[serde(deserialize_with = "nullable")]
    pub host_config: ListedHostConfig,
    /// Networks.
    #[serde(deserialize_with = "nullable")]
    pub network_settings: ListedNetworks,
    /// Mounts.
    #[serde(deserialize_with = "nullable")]
    pub mounts: Vec<Mount>,
}

/// See [`Listed::host_config`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListedHostConfig {
    /// Network mode.
    pub network_mode: String,
}

/// See [`Listed::network_settings`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListedNetworks {
    /// By name.
    #[serde(deserialize_with = "nullable")]
    pub networks: BTreeMap<String, NetworkEndpoint>,
}

/// A container in a network.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkEndpoint {
    /// Address; empty while the container does not run.
    #[serde(rename = "IPAddress", deserialize_with = "nullable")]
    pub ip_address: String,
    /// IPv6 address.
    #[serde(rename = "GlobalIPv6Address", deserialize_with = "nullable")]
    pub ipv6_address: String,
    /// Names it is found by in the network.
    #[serde(deserialize_with = "nullable")]
    pub aliases: Vec<String>,
}

/// Something mounted into a container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Mount {
    /// `volume`, `bind`, `tmpfs`, …
    #[serde(rename = "Type")]
    pub kind: String,
    /// Name of a volume.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
    /// Path on the host.
    #[serde(deserialize_with = "nullable")]
    pub source: String,
    /// Path in the container.
    #[serde(deserialize_with = "nullable")]
    pub destination: String,
}

/// A container as inspected.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Inspected {
    /// Id.
    pub id: String,
    /// Name, with a slash before it.
    pub name: String,
    /// Time of creation, RFC 3339.
    pub created: String,
    /// Id of the image.
    pub image: String,
    /// How often the Engine has started it again by itself.
    pub restart_count: u64,
    /// What was asked for.
    #[serde(deserialize_with = "nullable")]
    pub config: InspectedConfig,
    /// Run state.
    #[serde(deserialize_with = "nullable")]
    pub state: InspectedState,
    /// What the host grants.
    #[serde(deserialize_with = "nullable")]
    pub host_config: InspectedHostConfig,
    /// Ports and networks.
    #[serde(deserialize_with = "nullable")]
    pub network_settings: InspectedNetworks,
    /// Mounts.
    #[serde(deserialize_with = "nullable")]
    pub mounts: Vec<Mount>,
    /// Where its file system is.
    #[serde(deserialize_with = "nullable")]
    pub graph_driver: GraphDriver,
}

/// See [`Inspected::config`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InspectedConfig {
    /// Image, as it was asked for.
    pub image: String,
    /// Labels.
    #[serde(deserialize_with = "nullable")]
    pub labels: BTreeMap<String, String>,
    /// Seconds that a stop waits.
    pub stop_timeout: Option<i64>,
}

/// See [`Inspected::state`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InspectedState {
    /// Run state.
    pub status: ContainerStateStatusEnum,
    /// Exit code of the last run.
    pub exit_code: i64,
    /// Start of the last run, RFC 3339; the year 1 where there was none.
    pub started_at: String,
    /// End of the last run, likewise.
    pub finished_at: String,
    /// Health, where there is a check.
    pub health: Option<InspectedHealth>,
}

/// See [`InspectedState::health`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InspectedHealth {
    /// `starting`, `healthy`, `unhealthy` or `none`.
    pub status: String,
}

/// See [`Inspected::host_config`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InspectedHostConfig {
    /// Network mode.
    pub network_mode: String,
    /// PID namespace: empty, `host` or `container:ID`.
    pub pid_mode: String,
    /// IPC namespace: `private`, `shareable`, `host` or `container:ID`.
    pub ipc_mode: String,
    /// Whether it is started again by itself.
    #[serde(deserialize_with = "nullable")]
    pub restart_policy: RestartPolicy,
    /// Whether the Engine removes it when it ends.
    pub auto_remove: bool,
}

/// See [`InspectedHostConfig::restart_policy`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RestartPolicy {
    /// `no`, `always`, `unless-stopped`, `on-failure`; empty is `no`.
    pub name: String,
}

/// See [`Inspected::network_settings`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InspectedNetworks {
    /// By name.
    #[serde(deserialize_with = "nullable")]
    pub networks: BTreeMap<String, NetworkEndpoint>,
    /// By port and protocol (`80/tcp`); `null` is not published.
    #[serde(deserialize_with = "nullable")]
    pub ports: BTreeMap<String, Option<Vec<PortBinding>>>,
}

/// Where a port is published.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PortBinding {
    /// Host address.
    #[serde(deserialize_with = "nullable")]
    pub host_ip: String,
    /// Port on the host, in digits.
    #[serde(deserialize_with = "nullable")]
    pub host_port: String,
}

/// See [`Inspected::graph_driver`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GraphDriver {
    /// Paths, by what they are (`UpperDir`).
    #[serde(deserialize_with = "nullable")]
    pub data: BTreeMap<String, String>,
}
