//! Types of the Docker Engine that the public API carries as they are: states, ports, statistics, inspect.
//!
//! Field names follow the Engine API, <https://docs.docker.com/reference/api/engine/version/v1.41/>.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Run state of a container.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the variants say it")]
pub enum ContainerStateStatusEnum {
    Running,
    Created,
    Restarting,
    Stopping,
    Removing,
    Paused,
    Exited,
    Dead,
    /// Not known.
    #[default]
    #[serde(rename = "", other)]
    Empty,
}

impl ContainerStateStatusEnum {
    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        use ContainerStateStatusEnum::*;
        match self {
            Running => "running",
            Created => "created",
            Restarting => "restarting",
            Stopping => "stopping",
            Removing => "removing",
            Paused => "paused",
            Exited => "exited",
            Dead => "dead",
            Empty => "",
        }
    }
}

/// Protocol of a port.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the variants say it")]
pub enum PortTypeEnum {
    #[default]
    #[serde(rename = "")]
    Empty,
    Tcp,
    Udp,
    Sctp,
}

/// A port of a container, published or not.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Port {
    /// Host address that the port is bound to.
    #[serde(rename = "IP")]
    pub ip: Option<String>,
    /// Port in the container.
    #[serde(rename = "PrivatePort", default)]
    pub private_port: u16,
    /// Port on the host.
    #[serde(rename = "PublicPort")]
    pub public_port: Option<u16>,
    /// Protocol.
    #[serde(rename = "Type", default)]
    pub typ: PortTypeEnum,
}

/// A sample of what a container uses, as text with units.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContainerStats {
    /// Name of the container.
    #[serde(alias = "Name")]
    pub name: String,
    /// CPU use, `1.25%`; 100 % is one core.
    #[serde(alias = "CPUPerc")]
    pub cpu_perc: String,
    /// Memory use of the limit, `0.54%`.
    #[serde(alias = "MemPerc")]
    pub mem_perc: String,
    /// Memory and limit, `12.5MiB / 23.4GiB`.
    #[serde(alias = "MemUsage")]
    pub mem_usage: String,
    /// Network received and sent, `1.2kB / 3.4kB`.
    #[serde(alias = "NetIO")]
    pub net_io: String,
    /// Block devices read and written, `0B / 4.1kB`.
    #[serde(alias = "BlockIO")]
    pub block_io: String,
    /// Processes.
    #[serde(alias = "PIDs")]
    pub pids: String,
}
