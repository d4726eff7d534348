//! Containers: what is read of them and what is done to them.

mod execute;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::{
    Needs, Target, UnixMs,
    engine::{ContainerStateStatusEnum, ContainerStats, Port},
    operation::operation,
    periphery::AgentService,
    permission::{PermissionLevel, SpecificPermission},
    plan::{Protected, Reason},
    resource::{ContainerRef, ResourceTargetVariant, ServerRef},
    update::Log,
};

pub use crate::inspect::Container;
pub use execute::*;

/// A container in a list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContainerListItem {
    /// Id of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// Name of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Name, without the slash.
    pub name: String,
    /// Id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Image, as it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Id of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// Time of creation, unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// Bytes written on top of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_rw: Option<i64>,
    /// Bytes in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_root_fs: Option<i64>,
    /// Run state.
    pub state: ContainerStateStatusEnum,
    /// State in words, `Up 5 minutes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Network mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_mode: Option<String>,
    /// Names of its networks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<String>,
    /// Ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// Names of its volumes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
    /// Last sample of what it uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stats: Option<ContainerStats>,
    /// Labels; never sent, as clients expect.
    #[serde(default, skip_serializing)]
    pub labels: BTreeMap<String, String>,
    /// Why it is protected. Additive, as are all below.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected: Vec<Reason>,
    /// Compose project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// `healthy`, `unhealthy` or `starting`, where it has a health check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// Start of the present run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<UnixMs>,
    /// Time since when the view of its server is out of date; absent while it is live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_since: Option<UnixMs>,
}

/// How many containers are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GetContainersSummaryResponse {
    /// All.
    pub total: u32,
    /// Running.
    pub running: u32,
    /// Exited, created or paused.
    pub stopped: u32,
    /// Restarting, dead, or failing their health check.
    pub unhealthy: u32,
    /// In no known state.
    pub unknown: u32,
}

/// Lists the containers of a server.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListContainers {
    /// Server, by id or name.
    #[serde(alias = "id", alias = "name")]
    pub server: ServerRef,
}
operation!(ListContainers: Read -> Vec<ContainerListItem>, needs Needs::Target(PermissionLevel::Read, &[]),
    alias "ListDockerContainers", target |op| Target::Server(op.server.0.clone()));

/// What containers are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum ContainerSortBy {
    #[default]
    Name,
    Server,
    State,
    Image,
    Networks,
    Ports,
    Volumes,
}

/// Lists the containers of all servers.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ListAllContainers {
    /// Only of these servers, by id or name.
    pub servers: Vec<String>,
    /// Only of servers with these tags.
    pub tags: Vec<String>,
    /// Each must be part of the name.
    pub terms: Vec<String>,
    /// Only in these states.
    pub state: Vec<ContainerStateStatusEnum>,
    /// Page, from 0.
    pub page: u64,
    /// Items a page; null is the configured default, 0 is all.
    pub limit: Option<u64>,
    /// What they are sorted by.
    pub sort_by: ContainerSortBy,
    /// Backwards.
    pub sort_desc: bool,
}
operation!(ListAllContainers: Read -> Vec<ContainerListItem>, needs Needs::Filter(ResourceTargetVariant::Server),
    alias "ListAllDockerContainers");

/// Counts the containers of all servers by state.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct GetContainersSummary {}
operation!(GetContainersSummary: Read -> GetContainersSummaryResponse, needs Needs::Filter(ResourceTargetVariant::Server),
    alias "GetDockerContainersSummary");

/// Inspects a container: what the Engine knows of it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct InspectContainer {
    /// Server, by id or name.
    #[serde(alias = "id", alias = "name")]
    pub server: ServerRef,
    /// Container, by name or id.
    pub container: ContainerRef,
}
operation!(InspectContainer: Read -> Container,
    needs Needs::Target(PermissionLevel::Read, &[SpecificPermission::Inspect]),
    alias "InspectDockerContainer", target |op| Target::Server(op.server.0.clone()));

/// Lines of a log at most that one request may ask for.
pub const LOG_TAIL_LINES_MAX: u64 = 5000;

fn log_tail() -> u64 {
    50
}

/// Gets the last lines of a container's log.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetContainerLog {
    /// Server, by id or name.
    #[serde(alias = "id", alias = "name")]
    pub server: ServerRef,
    /// Container, by name or id.
    pub container: ContainerRef,
    /// How many lines; at most 5000.
    #[serde(default = "log_tail")]
    pub tail: u64,
    /// Whether each line starts with its time.
    #[serde(default)]
    pub timestamps: bool,
}
operation!(GetContainerLog: Read -> Log,
    needs Needs::Target(PermissionLevel::Read, &[SpecificPermission::Logs]),
    target |op| Target::Server(op.server.0.clone()));

/// How several search terms combine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SearchCombinator {
    /// Any of them.
    #[default]
    Or,
    /// All of them.
    And,
}

/// Gets the lines of a container's log that contain some terms.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SearchContainerLog {
    /// Server, by id or name.
    #[serde(alias = "id", alias = "name")]
    pub server: ServerRef,
    /// Container, by name or id.
    pub container: ContainerRef,
    /// What to search for.
    pub terms: Vec<String>,
    /// How several terms combine.
    #[serde(default)]
    pub combinator: SearchCombinator,
    /// The lines that do not match instead.
    #[serde(default)]
    pub invert: bool,
    /// Whether each line starts with its time.
    #[serde(default)]
    pub timestamps: bool,
}
operation!(SearchContainerLog: Read -> Log,
    needs Needs::Target(PermissionLevel::Read, &[SpecificPermission::Logs]),
    target |op| Target::Server(op.server.0.clone()));

/// Lists the protected containers of a server and why each is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListProtected {
    /// Server, by id or name.
    #[serde(alias = "id", alias = "name")]
    pub server: ServerRef,
}
operation!(ListProtected: Read -> Vec<Protected>, needs Needs::Target(PermissionLevel::Read, &[]),
    target |op| Target::Server(op.server.0.clone()));

/// A signal that asks a process to end; numbers are read too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum TerminationSignal {
    #[serde(rename = "SIGHUP", alias = "1")]
    SigHup,
    #[serde(rename = "SIGINT", alias = "2")]
    SigInt,
    #[serde(rename = "SIGQUIT", alias = "3")]
    SigQuit,
    #[default]
    #[serde(rename = "SIGTERM", alias = "15")]
    SigTerm,
}

impl TerminationSignal {
    /// Name of the signal.
    pub const fn as_str(self) -> &'static str {
        match self {
            TerminationSignal::SigHup => "SIGHUP",
            TerminationSignal::SigInt => "SIGINT",
            TerminationSignal::SigQuit => "SIGQUIT",
            TerminationSignal::SigTerm => "SIGTERM",
        }
    }
}

/// What is done to a container.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ContainerAction {
    /// Starts what is stopped.
    Start,
    /// Restarts what runs (in bulk), or the one that was named.
    Restart,
    /// Pauses what runs.
    Pause,
    /// Resumes what is paused.
    Unpause,
    /// Stops what runs.
    Stop,
    /// Stops and removes.
    Destroy,
    /// Removes what is stopped.
    Prune,
}

/// A request to do something to containers, in the one form that all such operations have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerOperation {
    /// What is done.
    pub action: ContainerAction,
    /// To which.
    pub scope: Scope,
    /// To which not.
    pub exclude: Vec<ContainerRef>,
    /// Signal to stop with.
    pub signal: Option<TerminationSignal>,
    /// Seconds to wait for the end before killing.
    pub time: Option<i32>,
    /// Hash of the plan that was looked at.
    pub plan: Option<String>,
    /// Why a protected container is acted on all the same.
    pub override_reason: Option<String>,
    /// Whether the agent may go on purpose.
    pub detach: bool,
    /// Where a restart makes a new container of it.
    pub recreate: Option<Recreate>,
    /// What happens where the server is away.
    pub when_away: WhenAway,
}

/// A restart into a new container with the same configuration; for what runs the agent or Core.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Recreate {
    /// Image of the new one, by name or id; absent is the same name as before, looked up anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// What happens to an operation whose server is away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenAway {
    /// It is refused at once.
    #[default]
    Refuse,
    /// It is kept, planned afresh when the server is back, and carried out once.
    Queue {
        /// Seconds after which it is given up.
        expires_s: u32,
    },
}

/// Seconds that an operation with `when_back` waits for its server where the request does not say.
pub const EXPIRES_S_DEFAULT: u32 = 24 * 60 * 60;
/// Seconds that it may be asked to wait at most.
pub const EXPIRES_S_MAX: u32 = 7 * 24 * 60 * 60;

impl WhenAway {
    /// From the fields of a request.
    pub fn new(when_back: bool, expires_s: Option<u32>) -> Self {
        match when_back {
            false => WhenAway::Refuse,
            true => WhenAway::Queue {
                expires_s: expires_s.unwrap_or(EXPIRES_S_DEFAULT),
            },
        }
    }
}

/// Which containers an operation aims at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "params", rename_all = "snake_case")]
pub enum Scope {
    /// One, named in its own request.
    One(ContainerRef),
    /// Several, named.
    Listed(Vec<ContainerRef>),
    /// Those that match.
    Matching(ContainerQuery),
    /// All on the server.
    All,
    /// No container, but the server's agent as the service that it runs as.
    Agent(AgentService),
}

/// Which containers of a server are meant; all conditions must hold, none means all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ContainerQuery {
    /// Each must be part of the name, in any case.
    pub terms: Vec<String>,
    /// In one of these states.
    pub states: Vec<ContainerStateStatusEnum>,
    /// Of one of these images, by name with or without tag.
    pub images: Vec<String>,
    /// Of one of these compose projects.
    pub projects: Vec<String>,
    /// With all of these labels, `key` or `key=value`.
    pub labels: Vec<String>,
}
