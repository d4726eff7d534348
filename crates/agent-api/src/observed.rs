//! What an agent observes: the Engine, containers, and which of them are protected.

use std::collections::BTreeMap;

use komodo_api::{
    UnixMs,
    engine::{ContainerStateStatusEnum, ContainerStats, Port},
    plan::Reason,
    stats::Timelength,
    update::Run,
};
use serde::{Deserialize, Serialize};

/// What an agent is; does not change while it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentProperties {
    /// Version.
    pub version: String,
    /// Id of its own container, where it runs in one.
    #[serde(default)]
    pub container: Option<String>,
    /// Whether no terminals can be opened.
    #[serde(default)]
    pub terminals_disabled: bool,
    /// Whether no terminals can be opened in containers.
    #[serde(default)]
    pub container_terminals_disabled: bool,
    /// Time between samples of host figures.
    #[serde(default)]
    pub stats_polling_rate: Timelength,
    /// Time the agent started.
    #[serde(default)]
    pub started_at: UnixMs,
    /// The service of systemd that it runs as, where it runs as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<OwnUnit>,
    /// What its programs are built for, as Rust names it: `x86_64`, `aarch64`. Empty from agents that do not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub architecture: String,
}

/// The service of systemd that an agent runs as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnUnit {
    /// Name: `komodo-periphery.service`.
    pub name: String,
    /// Whether it is of a user's systemd, not the system's.
    #[serde(default)]
    pub user: bool,
    /// Path of its program.
    pub program: String,
    /// SHA-256 of the program that runs, in hex.
    pub sha256: String,
    /// Why its program cannot be replaced, where that is known: a folder that it may not write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
}

/// State of the Engine, as the agent sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum EngineState {
    /// It answers.
    Connected {
        /// The Engine's own id.
        engine_id: String,
        /// Version of the Engine.
        version: String,
        /// API version in use.
        api_version: String,
        /// Since when.
        since: UnixMs,
    },
    /// It does not.
    Unreachable {
        /// Why: absent socket, permission, refused, no answer.
        why: String,
        /// Since when.
        since: UnixMs,
    },
}

impl Default for EngineState {
    fn default() -> Self {
        EngineState::Unreachable {
            why: "not tried yet".into(),
            since: 0,
        }
    }
}

/// Result of a container's health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the variants say it")]
pub enum HealthStatus {
    Starting,
    Healthy,
    Unhealthy,
}

/// A container as observed. What only an inspect tells may be missing for a moment after a container appeared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Container {
    /// Id, 64 hex digits.
    pub id: String,
    /// Name, without the slash.
    pub name: String,
    /// Image, as it was asked for.
    pub image: String,
    /// Id of the image.
    pub image_id: String,
    /// Time of creation, unix seconds.
    pub created: i64,
    /// Run state.
    pub state: ContainerStateStatusEnum,
    /// Time of the change that brought the state, unix nanoseconds by the Engine's clock where it told.
    pub state_at_ns: i64,
    /// Health, where there is a check.
    pub health: Option<HealthStatus>,
    /// Exit code of the last run.
    pub exit_code: Option<i64>,
    /// Start of the last run.
    pub started_at: Option<UnixMs>,
    /// End of the last run.
    pub finished_at: Option<UnixMs>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Network mode.
    pub network_mode: String,
    /// Id or name of the container whose PID namespace it shares.
    pub pid_container: Option<String>,
    /// Id or name of the container whose IPC namespace it shares.
    pub ipc_container: Option<String>,
    /// Names of its networks.
    pub networks: Vec<String>,
    /// Its addresses in its networks.
    pub addresses: Vec<std::net::IpAddr>,
    /// Ports.
    pub ports: Vec<Port>,
    /// Names of its volumes, and sources of its binds.
    pub volumes: Vec<String>,
    /// `no`, `always`, `unless-stopped`, `on-failure`.
    pub restart_policy: String,
    /// Seconds that a stop waits before it kills.
    pub stop_timeout_s: Option<i64>,
    /// Whether the Engine removes it when it ends.
    pub auto_remove: bool,
    /// Bytes written on top of the image, where it was measured.
    pub size_rw: Option<u64>,
    /// Last sample of what it uses.
    pub stats: Option<ContainerStats>,
}

impl Container {
    /// Compose project, by its label.
    pub fn project(&self) -> Option<&str> {
        self.labels
            .get("com.docker.compose.project")
            .map(String::as_str)
    }

    /// Compose service, by its label.
    pub fn service(&self) -> Option<&str> {
        self.labels
            .get("com.docker.compose.service")
            .map(String::as_str)
    }

    /// Id or name of the container whose network namespace it shares.
    pub fn network_container(&self) -> Option<&str> {
        self.network_mode.strip_prefix("container:")
    }

    /// The run that it is in, or was in last.
    pub fn run(&self) -> Run {
        Run {
            started_at: self.started_at,
            finished_at: self.finished_at,
        }
    }

    /// Whether a reference means this container: its name (with or without a slash before), its id, or a prefix of at
    /// least 12 digits of its id.
    pub fn is(&self, reference: &str) -> bool {
        let reference = reference.strip_prefix('/').unwrap_or(reference);
        self.name == reference
            || self.id == reference
            || (reference.len() >= 12 && self.id.starts_with(reference))
    }
}

/// Services that a compose service depends on, by its label (`db:service_healthy:false,cache:…`).
pub fn depends_on(labels: &BTreeMap<String, String>) -> impl Iterator<Item = &str> {
    labels
        .get("com.docker.compose.depends_on")
        .into_iter()
        .flat_map(|list| list.split(','))
        .filter_map(|item| item.split(':').next())
        .map(str::trim)
        .filter(|service| !service.is_empty())
}

/// Whether the label `komodo.skip` leaves a container out of bulk operations: present with any value but exactly
/// `false`.
pub fn skip_label(labels: &BTreeMap<String, String>) -> bool {
    labels
        .get("komodo.skip")
        .is_some_and(|value| value != "false")
}

/// A protected container and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectedContainer {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// All reasons, the strongest first.
    pub reasons: Vec<Reason>,
}
