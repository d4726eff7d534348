//! Plans: what an operation would do to which container, and why not to others.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Needs, Target, UnixMs, engine::ContainerStateStatusEnum, operation::operation,
    permission::PermissionLevel,
};

/// Why a container is left alone or refused. Stable; clients translate by it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonCode {
    /// Runs the agent of a server.
    Agent,
    /// The agent cannot live or be reached without it.
    AgentDependency,
    /// Runs Core.
    Core,
    /// Core cannot live without it.
    CoreDependency,
    /// Declared part of the control path by `komodo.protect=true`.
    Declared,
    /// Left out of bulk operations by `komodo.skip`.
    Label,
    /// In the asked state already.
    Already,
    /// In a state that the operation does not apply to.
    NotApplicable,
    /// Excluded by the caller.
    Excluded,
    /// No longer there.
    Gone,
    /// The operation was canceled before its turn came.
    Canceled,
    /// Changed by somebody else since; what is undone leaves it alone.
    ChangedSince,
}

impl ReasonCode {
    /// Whether the reason protects a container.
    pub const fn protects(self) -> bool {
        use ReasonCode::*;
        matches!(
            self,
            Agent | AgentDependency | Core | CoreDependency | Declared | Label
        )
    }
}

/// A reason with what it was found by.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Reason {
    /// Stable code.
    #[serde(rename = "reason")]
    pub code: ReasonCode,
    /// What it was found by: a label, the container that depends on it, a server's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Reason {
    /// A reason without more to say.
    pub const fn new(code: ReasonCode) -> Self {
        Reason { code, detail: None }
    }

    /// A reason with what it was found by.
    pub fn with(code: ReasonCode, detail: impl Into<String>) -> Self {
        Reason {
            code,
            detail: Some(detail.into()),
        }
    }

    /// One English clause for people.
    pub fn sentence(&self) -> String {
        let base = match self.code {
            ReasonCode::Agent => "it runs the agent; without it the server could not be controlled",
            ReasonCode::AgentDependency => "the agent depends on it",
            ReasonCode::Core => "it runs Komodo Core",
            ReasonCode::CoreDependency => "Komodo Core depends on it",
            ReasonCode::Declared => "its owner declared it part of the control path",
            ReasonCode::Label => "a label leaves it out of bulk operations",
            ReasonCode::Already => "it is in that state already",
            ReasonCode::NotApplicable => "the operation does not apply to its state",
            ReasonCode::Excluded => "it was excluded",
            ReasonCode::Gone => "it is no longer there",
            ReasonCode::Canceled => "the operation was canceled before its turn came",
            ReasonCode::ChangedSince => "it was changed by somebody else since",
        };
        match &self.detail {
            Some(detail) => format!("{base} ({detail})"),
            None => base.to_owned(),
        }
    }
}

/// A protected container and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Protected {
    /// Name.
    pub container: String,
    /// Id.
    pub id: String,
    /// All reasons, the strongest first.
    pub protected: Vec<Reason>,
}

/// What happens to a container.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It is acted on.
    Act,
    /// It is left alone and listed.
    Skip,
    /// The operation is refused because of it.
    Refuse,
    /// It runs the agent or Core, and is handed over to a helper, which stops it, starts it, and puts it back as it was
    /// where it is not confirmed.
    #[serde(rename = "hand-over")]
    HandOver,
    /// It runs the agent, which goes on purpose: nothing can be asked of the server until somebody brings it back.
    Detach,
}

impl Effect {
    /// Whether something is done to the container, by whom and how ever.
    pub const fn acts(self) -> bool {
        matches!(self, Effect::Act | Effect::HandOver | Effect::Detach)
    }
}

/// One container in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanItem {
    /// Name.
    pub container: String,
    /// Id.
    pub id: String,
    /// Run state that the plan rests on.
    pub state: ContainerStateStatusEnum,
    /// Image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Compose project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// What happens to it.
    pub effect: Effect,
    /// Why it is skipped or refused; the strongest reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Every reason that protects it, also where the effect is `act`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected: Vec<Reason>,
    /// Names of running containers that depend on it and feel the effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependants: Vec<String>,
    /// Published ports that go dark, `0.0.0.0:8080/tcp`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<String>,
    /// Where it is removed (destroy, prune): names of its volumes and sources of its binds, which stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
    /// Ids of containers of this plan that are acted on before this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Whether its restart policy brings it back after a restart of the Engine although it is stopped now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub comes_back: bool,
    /// Bytes that go with it (prune).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Where the agent goes on purpose: the command that brings it back, to be run on its host. Additive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bring_back: Option<String>,
    /// The state that an undo brings it back to: one that was paused is started and paused again. Additive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_to: Option<ContainerStateStatusEnum>,
}

/// How many containers a plan treats how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanCounts {
    /// Acted on.
    pub act: u32,
    /// Kept because they are protected.
    pub protected: u32,
    /// In the asked state already, or in one that the operation does not apply to.
    pub unchanged: u32,
    /// Excluded by the caller.
    pub excluded: u32,
    /// Refused.
    pub refused: u32,
}

/// What an operation would do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Hash over the facts that the plan shows.
    pub hash: String,
    /// Name of the request.
    pub operation: String,
    /// Id of the server.
    pub server: String,
    /// Name of the server.
    pub server_name: String,
    /// The containers in range: protected ones first, then those acted on in order, then the rest.
    pub items: Vec<PlanItem>,
    /// Totals of the items.
    pub counts: PlanCounts,
    /// What else to know, one sentence each.
    pub warnings: Vec<String>,
    /// Whether `UndoUpdate` can bring the state back.
    pub undo: bool,
    /// Where something is handed over: seconds for which it is watched before it is confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probation_s: Option<u32>,
    /// Time of the view that the plan rests on.
    pub as_of: UnixMs,
}

/// Says what an execute request would do to which containers, and why not to others, without doing it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PlanOperation {
    /// Name of an execute request.
    #[serde(rename = "type")]
    pub operation: String,
    /// Its parameters.
    #[serde(default)]
    pub params: Map<String, Value>,
}
operation!(PlanOperation: Read -> Plan, needs Needs::Target(PermissionLevel::Read, &[]), target |op| {
    let text = |key: &str| op.params.get(key).and_then(Value::as_str).map(str::to_owned);
    match (text("server"), text("id")) {
        (None, Some(id)) => Target::Update(id),
        (Some(server), _) => Target::Server(server),
        // The request says what is missing.
        (None, None) => Target::None,
    }
});
