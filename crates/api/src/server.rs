//! Servers: hosts with an agent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Needs, Target, UnixMs,
    operation::operation,
    permission::PermissionLevel,
    resource::{
        Resource, ResourceListItem, ResourceQuery, ResourceTargetVariant, ServerRef, config,
    },
    stats::{MinimalSystemStats, SystemInformation, SystemStats, Timelength},
    update::Update,
};

/// State of a server. Closed: strict clients break on a new value.
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
pub enum ServerState {
    /// Connected, and its Engine answers.
    Ok,
    /// Anything else; `reason` says what.
    #[default]
    NotOk,
    /// Switched off by its owner.
    Disabled,
}

/// Why a server is not `Ok`. Stable; clients translate by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerReasonCode {
    /// No agent ever connected.
    NeverConnected,
    /// The agent is not connected.
    Unreachable,
    /// The agent said that it was stopped on the host.
    AgentStopped,
    /// The agent was taken away on purpose, by a request with `detach`.
    Detached,
    /// The agent is handed over to a helper, which restarts or updates it.
    HandedOver,
    /// An agent with a key that is not the pinned one asks to connect.
    KeyRefused,
    /// The agent is connected; its Engine does not answer.
    Docker,
}

/// Why a server is not `Ok`, since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerReason {
    /// Stable code.
    pub code: ServerReasonCode,
    /// One sentence for people.
    pub why: String,
    /// Since when; absent where it never was otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<UnixMs>,
    /// Where it was detached: name of the user who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Where it was detached: the command that brings the agent back, to be run on its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bring_back: Option<String>,
}

config! {
    /// What users configure of a server.
    pub struct ServerConfig / PartialServerConfig {
        /// Address at which Core dials the agent; empty where the agent dials Core.
        address: String = String::new(),
        /// Whether an outer certificate that cannot be verified is accepted; the inner keys are always verified.
        insecure_tls: bool = true,
        /// Address for links to services, where it differs.
        external_address: String = String::new(),
        /// Region, free text.
        region: String = String::new(),
        /// Whether Core speaks with its agent.
        enabled: bool = false,
        /// Kept for clients.
        auto_rotate_keys: bool = true,
        /// Kept for clients; always empty in answers.
        passkey: String = String::new(),
        /// Mount points left out of disk figures.
        #[list "crate::resource::string_list"]
        ignore_mounts: Vec<String> = Vec::new(),
        /// Whether images that nothing uses are removed daily.
        auto_prune: bool = true,
        /// Links shown with the server.
        #[list "crate::resource::string_list"]
        links: Vec<String> = Vec::new(),
        /// Whether figures of the host are kept.
        stats_monitoring: bool = true,
        /// Whether an alert is sent when it cannot be reached.
        send_unreachable_alerts: bool = true,
        /// Whether an alert is sent on CPU use.
        send_cpu_alerts: bool = true,
        /// Whether an alert is sent on memory use.
        send_mem_alerts: bool = true,
        /// Whether an alert is sent on disk use.
        send_disk_alerts: bool = true,
        /// Whether an alert is sent when versions differ.
        send_version_mismatch_alerts: bool = true,
        /// CPU use that warns, %.
        cpu_warning: f32 = 90.0,
        /// CPU use that is critical, %.
        cpu_critical: f32 = 99.0,
        /// Memory use that warns, %.
        mem_warning: f64 = 75.0,
        /// Memory use that is critical, %.
        mem_critical: f64 = 95.0,
        /// Disk use that warns, %.
        disk_warning: f64 = 75.0,
        /// Disk use that is critical, %.
        disk_critical: f64 = 95.0,
        /// Times without alerts.
        maintenance_windows: Vec<MaintenanceWindow> = Vec::new(),
    }
}

/// When a maintenance window recurs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum MaintenanceScheduleType {
    #[default]
    Daily,
    Weekly,
    OneTime,
}

/// A time without alerts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MaintenanceWindow {
    /// Name.
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// When it recurs.
    #[serde(default)]
    pub schedule_type: MaintenanceScheduleType,
    /// Day of the week, where it is weekly.
    #[serde(default)]
    pub day_of_week: String,
    /// Date, where it is once.
    #[serde(default)]
    pub date: String,
    /// Hour of its start.
    #[serde(default)]
    pub hour: u8,
    /// Minute of its start.
    #[serde(default)]
    pub minute: u8,
    /// Length in minutes.
    pub duration_minutes: u32,
    /// Time zone; empty for that of Core.
    #[serde(default)]
    pub timezone: String,
    /// Whether it holds.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

/// What Core found out about a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ServerInfo {
    /// Public key of an agent that was refused; empty where none was.
    pub attempted_public_key: String,
    /// Public key of its agent, pinned.
    pub public_key: String,
}

/// A server.
pub type Server = Resource<ServerConfig, ServerInfo>;

/// Levels at which alerts are sent, %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[allow(missing_docs, reason = "as in ServerConfig")]
pub struct ServerAlertingThresholds {
    pub cpu_warning: f32,
    pub cpu_critical: f32,
    pub mem_warning: f64,
    pub mem_critical: f64,
    pub disk_warning: f64,
    pub disk_critical: f64,
}

impl From<&ServerConfig> for ServerAlertingThresholds {
    fn from(config: &ServerConfig) -> Self {
        ServerAlertingThresholds {
            cpu_warning: config.cpu_warning,
            cpu_critical: config.cpu_critical,
            mem_warning: config.mem_warning,
            mem_critical: config.mem_critical,
            disk_warning: config.disk_warning,
            disk_critical: config.disk_critical,
        }
    }
}

impl Default for ServerAlertingThresholds {
    fn default() -> Self {
        (&ServerConfig::default()).into()
    }
}

/// What lists tell of a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "as in ServerConfig where nothing is said")]
pub struct ServerListItemInfo {
    /// State.
    pub state: ServerState,
    /// Why it is not `Ok`, in the form of the contract.
    pub err: Option<Error>,
    /// Last figures of the host.
    pub stats: Option<MinimalSystemStats>,
    /// Levels of alerts.
    pub alerting_thresholds: ServerAlertingThresholds,
    /// Physical cores.
    pub core_count: Option<u32>,
    /// Logical cores.
    pub logical_core_count: Option<u32>,
    pub region: String,
    pub address: Option<String>,
    pub external_address: Option<String>,
    pub public_ip: Option<String>,
    pub send_unreachable_alerts: bool,
    pub send_cpu_alerts: bool,
    pub send_mem_alerts: bool,
    pub send_disk_alerts: bool,
    pub send_version_mismatch_alerts: bool,
    /// Version of the agent.
    pub version: Option<String>,
    pub public_key: Option<String>,
    pub attempted_public_key: Option<String>,
    /// Whether no terminals can be opened.
    pub terminals_disabled: bool,
    /// Whether no terminals can be opened in containers.
    pub container_terminals_disabled: bool,
    /// Why it is not `Ok`. Additive, as are all below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ServerReason>,
    /// Time of the last contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<UnixMs>,
    /// Containers, and how many of them run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containers: Option<ContainerCounts>,
    /// Time the host was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_ts: Option<UnixMs>,
    /// What its agent is, and how far that lies behind Core; absent where none ever connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<ServerAgent>,
}

/// The agent of a server beside this Core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerAgent {
    /// Version.
    pub version: String,
    /// Level that it speaks; absent where it has not said so since Core knows levels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u32>,
    /// Whether it runs in a container, which `UpdatePeriphery` can replace.
    pub in_container: bool,
    /// The service of systemd that it runs as, whose program `UpdatePeriphery` can replace; absent where it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServerAgentService>,
    /// What its programs are built for, as Rust names it: `x86_64`, `aarch64`; absent where it has not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Where it lies behind: how far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew: Option<VersionSkew>,
    /// Where it lies behind: what that means, one sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// The service of systemd that the agent of a server runs as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerAgentService {
    /// Name of its unit: `komodo-periphery.service`.
    pub unit: String,
    /// Whether it is of a user's systemd, not the system's.
    pub user: bool,
    /// SHA-256 of the program that runs, in hex.
    pub sha256: String,
    /// Why its program cannot be replaced, where that is so; it can be restarted all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
}

/// How far an agent lies behind Core. Stable; clients translate by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VersionSkew {
    /// It goes on working; what is newer than it does not.
    Outdated,
    /// Core does not speak with it.
    TooOld,
}

/// Containers of a server by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContainerCounts {
    /// All.
    pub total: u32,
    /// Running.
    pub running: u32,
    /// Paused.
    pub paused: u32,
    /// Restarting, dead, or failing their health check.
    pub unhealthy: u32,
}

/// A server in a list.
pub type ServerListItem = ResourceListItem<ServerListItemInfo>;

/// What only servers are asked by.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ServerQuerySpecifics {
    /// In one of these states.
    pub states: Vec<ServerState>,
}

/// Which servers are asked for.
pub type ServerQuery = ResourceQuery<ServerQuerySpecifics>;

/// What servers are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum ServerSortBy {
    #[default]
    Name,
    Region,
    Version,
    State,
    Cpu,
    Memory,
    Disk,
    LoadAverage,
    Network,
}

/// Lists servers.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ListServers {
    /// Which.
    pub query: ServerQuery,
    /// Page, from 0.
    pub page: u64,
    /// Items a page; null is the configured default, 0 is all.
    pub limit: Option<u64>,
    /// What they are sorted by.
    pub sort_by: ServerSortBy,
    /// Backwards.
    pub sort_desc: bool,
}
operation!(ListServers: Read -> Vec<ServerListItem>, needs Needs::Filter(ResourceTargetVariant::Server));

/// Lists servers with their configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ListFullServers {
    /// Which.
    pub query: ServerQuery,
    /// Page, from 0.
    pub page: u64,
    /// Items a page; null is the configured default, 0 is all.
    pub limit: Option<u64>,
}
operation!(ListFullServers: Read -> Vec<Server>, needs Needs::Filter(ResourceTargetVariant::Server));

macro_rules! get {
    ($(#[doc = $doc:literal] $name:ident -> $output:ty),* $(,)?) => { $(
        #[doc = $doc]
        #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
        pub struct $name {
            /// Server, by id or name.
            #[serde(alias = "id", alias = "name")]
            pub server: ServerRef,
        }
        operation!($name: Read -> $output, needs Needs::Target(PermissionLevel::Read, &[]),
            target |op| Target::Server(op.server.0.clone()));
    )* };
}
get! {
    /// Gets a server with its configuration.
    GetServer -> Server,
    /// Gets the state of a server.
    GetServerState -> GetServerStateResponse,
    /// Gets what is being done on a server right now.
    GetServerActionState -> ServerActionState,
    /// Gets what is known of a server's agent.
    GetPeripheryInformation -> PeripheryInformation,
    /// Gets what a server's host is.
    GetSystemInformation -> SystemInformation,
    /// Gets how loaded a server's host is.
    GetSystemStats -> SystemStats,
}

/// State of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GetServerStateResponse {
    /// State.
    pub status: ServerState,
    /// Why it is not `Ok`. Additive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ServerReason>,
}

/// Counts servers by state.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct GetServersSummary {}
operation!(GetServersSummary: Read -> GetServersSummaryResponse, needs Needs::Filter(ResourceTargetVariant::Server));

/// Servers by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GetServersSummaryResponse {
    /// All.
    pub total: i64,
    /// `Ok`.
    pub healthy: i64,
    /// `Ok`, with another version of the agent.
    pub warning: i64,
    /// `NotOk`.
    pub unhealthy: i64,
    /// `Disabled`.
    pub disabled: i64,
}

/// What is being done on a server right now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the names say it")]
pub struct ServerActionState {
    pub pruning_networks: bool,
    pub pruning_containers: bool,
    pub pruning_images: bool,
    pub pruning_volumes: bool,
    pub pruning_builders: bool,
    pub pruning_buildx: bool,
    pub pruning_system: bool,
    pub starting_containers: u32,
    pub restarting_containers: u32,
    pub pausing_containers: u32,
    pub unpausing_containers: u32,
    pub stopping_containers: u32,
    pub destroying_containers: u32,
}

/// What is known of a server's agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeripheryInformation {
    /// Version of the agent.
    pub version: String,
    /// Public key of the agent.
    pub public_key: String,
    /// Whether no terminals can be opened.
    pub terminals_disabled: bool,
    /// Whether no terminals can be opened in containers.
    pub container_terminals_disabled: bool,
    /// Time between samples of host figures.
    pub stats_polling_rate: Timelength,
    /// Whether the Engine answers.
    pub docker_connected: bool,
    /// Public address, where it is known.
    pub public_ip: Option<String>,
}

/// Creates a server.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CreateServer {
    /// Name.
    pub name: String,
    /// Configuration; what is missing has its default.
    #[serde(default)]
    pub config: PartialServerConfig,
    /// Public key of its agent, where it is known before.
    #[serde(default)]
    pub public_key: Option<String>,
}
operation!(CreateServer: Write -> Server, needs Needs::Create(ResourceTargetVariant::Server));

/// Changes the configuration of a server.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UpdateServer {
    /// Server, by id or name.
    pub id: String,
    /// What changes; what is missing or null stays as it is.
    pub config: PartialServerConfig,
}
operation!(UpdateServer: Write -> Server, needs Needs::Target(PermissionLevel::Write, &[]),
    target |op| Target::Server(op.id.clone()));

/// Renames a server.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RenameServer {
    /// Server, by id or name.
    pub id: String,
    /// New name.
    pub name: String,
}
operation!(RenameServer: Write -> Update, needs Needs::Target(PermissionLevel::Write, &[]),
    target |op| Target::Server(op.id.clone()));

/// Deletes a server from Core; nothing happens on the host.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DeleteServer {
    /// Server, by id or name.
    pub id: String,
}
operation!(DeleteServer: Write -> Server, needs Needs::Target(PermissionLevel::Write, &[]),
    target |op| Target::Server(op.id.clone()));
