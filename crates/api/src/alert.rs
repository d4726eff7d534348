//! Alerts: what somebody should look at, until it is resolved.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Needs, Target, UnixMs,
    id::Oid,
    operation::operation,
    permission::PermissionLevel,
    resource::{ResourceTarget, ResourceTargetVariant},
    update::{MongoDocument, Version},
};

/// How bad it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum SeverityLevel {
    /// It is over.
    #[default]
    Ok,
    /// It can wait a while.
    Warning,
    /// It cannot.
    Critical,
}

/// State of a deployment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the variants say it")]
pub enum DeploymentState {
    Deploying,
    Running,
    Created,
    Restarting,
    Stopping,
    Removing,
    Paused,
    Exited,
    Dead,
    Unhealthy,
    NotDeployed,
    #[default]
    Unknown,
}

/// State of a stack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the variants say it")]
pub enum StackState {
    Deploying,
    Running,
    Paused,
    Stopped,
    Created,
    Restarting,
    Dead,
    Removing,
    Unhealthy,
    Down,
    #[default]
    Unknown,
}

/// What an alert is about. Closed: strict clients break on a new variant, so newer alerts are `Custom`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
#[allow(
    missing_docs,
    reason = "the names of the variants and their fields say it"
)]
pub enum AlertData {
    None {},
    Test {
        id: String,
        name: String,
    },
    SwarmUnhealthy {
        id: String,
        name: String,
        #[serde(default)]
        err: Option<Error>,
    },
    ServerUnreachable {
        id: String,
        name: String,
        #[serde(default)]
        region: Option<String>,
        #[serde(default)]
        err: Option<Error>,
    },
    ServerCpu {
        id: String,
        name: String,
        #[serde(default)]
        region: Option<String>,
        percentage: f64,
    },
    ServerMem {
        id: String,
        name: String,
        #[serde(default)]
        region: Option<String>,
        used_gb: f64,
        total_gb: f64,
    },
    ServerDisk {
        id: String,
        name: String,
        #[serde(default)]
        region: Option<String>,
        path: String,
        used_gb: f64,
        total_gb: f64,
    },
    ServerVersionMismatch {
        id: String,
        name: String,
        #[serde(default)]
        region: Option<String>,
        server_version: String,
        core_version: String,
    },
    ContainerStateChange {
        #[serde(flatten)]
        place: Place,
        from: DeploymentState,
        to: DeploymentState,
    },
    DeploymentImageUpdateAvailable {
        #[serde(flatten)]
        place: Place,
        image: String,
    },
    DeploymentAutoUpdated {
        #[serde(flatten)]
        place: Place,
        image: String,
    },
    StackStateChange {
        #[serde(flatten)]
        place: Place,
        from: StackState,
        to: StackState,
    },
    StackImageUpdateAvailable {
        #[serde(flatten)]
        place: Place,
        service: String,
        image: String,
    },
    StackAutoUpdated {
        #[serde(flatten)]
        place: Place,
        images: Vec<String>,
    },
    AwsBuilderTerminationFailed {
        instance_id: String,
        message: String,
    },
    ResourceSyncPendingUpdates {
        id: String,
        name: String,
    },
    BuildFailed {
        id: String,
        name: String,
        version: Version,
    },
    RepoBuildFailed {
        id: String,
        name: String,
    },
    ProcedureFailed {
        id: String,
        name: String,
    },
    ActionFailed {
        id: String,
        name: String,
    },
    ScheduleRun {
        resource_type: ResourceTargetVariant,
        id: String,
        name: String,
    },
    /// Anything else.
    Custom {
        /// One sentence.
        message: String,
        /// More of it.
        #[serde(default)]
        details: String,
    },
}

/// A deployment or stack, and where it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Id of its server.
    #[serde(default)]
    pub server_id: Option<String>,
    /// Name of its server.
    #[serde(default)]
    pub server_name: Option<String>,
    /// Id of its swarm.
    #[serde(default)]
    pub swarm_id: Option<String>,
    /// Name of its swarm.
    #[serde(default)]
    pub swarm_name: Option<String>,
}

/// Something that somebody should look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// Id.
    #[serde(rename = "_id", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Oid")]
    pub id: Option<Oid>,
    /// Time it was raised.
    pub ts: UnixMs,
    /// Whether it is over.
    pub resolved: bool,
    /// How bad it is.
    pub level: SeverityLevel,
    /// On what.
    pub target: ResourceTarget,
    /// What it is about.
    pub data: AlertData,
    /// Time it was over; null while it is not.
    #[serde(default)]
    pub resolved_ts: Option<UnixMs>,
    /// Id of the Update that it is about, where it is about one. Additive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<String>,
}

/// Lists alerts, the newest first, 100 a page.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListAlerts {
    /// Filter.
    #[serde(default)]
    pub query: Option<MongoDocument>,
    /// Page, from 0.
    #[serde(default)]
    pub page: u32,
}
operation!(ListAlerts: Read -> ListAlertsResponse, needs Needs::Filter(ResourceTargetVariant::Server));

/// A page of alerts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ListAlertsResponse {
    /// The page.
    pub alerts: Vec<Alert>,
    /// The page after it, or null.
    pub next_page: Option<u32>,
}

/// Gets one alert.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetAlert {
    /// Id of the alert.
    pub id: String,
}
operation!(GetAlert: Read -> Alert, needs Needs::Target(PermissionLevel::Read, &[]), target |op| Target::Alert(op.id.clone()));
