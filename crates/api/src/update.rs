//! Updates: the record of everything that was done, by whom, to what end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Guard, Needs, Target, UnixMs,
    id::Oid,
    operation::operation,
    permission::PermissionLevel,
    plan::Reason,
    resource::{ResourceTarget, ResourceTargetVariant},
};

macro_rules! operations {
    ($($name:ident)*) => {
        /// What an Update is of. Closed: strict clients break on a new value, so newer operations are `None` here and
        /// named in [`Update::request`].
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[schemars(rename = "Operation")]
        #[allow(missing_docs, reason = "the variants say it")]
        pub enum OperationKind { #[default] None, $($name),* }

        impl OperationKind {
            /// The kind of that name, or `None` where the contract has no such value.
            pub fn by_name(name: &str) -> Self {
                match name { $(stringify!($name) => OperationKind::$name,)* _ => OperationKind::None }
            }
        }
    };
}
operations! {
    CreateSwarm UpdateSwarm RenameSwarm DeleteSwarm RemoveSwarmNodes UpdateSwarmNode RemoveSwarmStacks
    RemoveSwarmServices CreateSwarmConfig RotateSwarmConfig RemoveSwarmConfigs CreateSwarmSecret RotateSwarmSecret
    RemoveSwarmSecrets CreateServer UpdateServer UpdateServerKey DeleteServer RenameServer StartContainer
    RestartContainer PauseContainer UnpauseContainer StopContainer DestroyContainer StartAllContainers
    RestartAllContainers PauseAllContainers UnpauseAllContainers StopAllContainers PruneContainers CreateNetwork
    DeleteNetwork PruneNetworks DeleteImage PruneImages DeleteVolume PruneVolumes PruneDockerBuilders PruneBuildx
    PruneSystem CreateStack UpdateStack RenameStack DeleteStack WriteStackContents RefreshStackCache PullStack
    DeployStack StartStack RestartStack PauseStack UnpauseStack StopStack DestroyStack RunStackService
    CheckStackForUpdate DeployStackService PullStackService StartStackService RestartStackService PauseStackService
    UnpauseStackService StopStackService DestroyStackService CreateDeployment UpdateDeployment RenameDeployment
    DeleteDeployment Deploy PullDeployment StartDeployment RestartDeployment PauseDeployment UnpauseDeployment
    StopDeployment DestroyDeployment CheckDeploymentForUpdate CreateBuild UpdateBuild RenameBuild DeleteBuild RunBuild
    CancelBuild WriteDockerfile CreateRepo UpdateRepo RenameRepo DeleteRepo CloneRepo PullRepo BuildRepo
    CancelRepoBuild CreateProcedure UpdateProcedure RenameProcedure DeleteProcedure RunProcedure CancelProcedure
    CreateAction UpdateAction RenameAction DeleteAction RunAction CancelAction CreateResourceSync UpdateResourceSync
    RenameResourceSync DeleteResourceSync WriteSyncContents CommitSync RunSync CreateBuilder UpdateBuilder
    RenameBuilder DeleteBuilder CreateAlerter UpdateAlerter RenameAlerter DeleteAlerter TestAlerter SendAlert
    ClearRepoCache BackupCoreDatabase GlobalAutoUpdate RotateAllServerKeys RotateCoreKeys CreateVariable
    UpdateVariableValue DeleteVariable CreateGitProviderAccount UpdateGitProviderAccount DeleteGitProviderAccount
    CreateDockerRegistryAccount UpdateDockerRegistryAccount DeleteDockerRegistryAccount
}

/// How far an Update is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum UpdateStatus {
    /// Waits for its turn.
    Queued,
    /// Runs, or waits for its server.
    InProgress,
    /// Ended.
    #[default]
    Complete,
}

/// A version; written as an object, read from that or from `1.2.3`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Version {
    /// Major.
    pub major: i32,
    /// Minor.
    pub minor: i32,
    /// Patch.
    pub patch: i32,
}

impl Version {
    /// Whether no version is set.
    pub fn is_none(&self) -> bool {
        *self == Version::default()
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Parts { major: i32, minor: i32, patch: i32 },
            Text(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Parts {
                major,
                minor,
                patch,
            } => Ok(Version {
                major,
                minor,
                patch,
            }),
            Form::Text(text) => {
                let bad = || {
                    serde::de::Error::custom(
                        "a version is {major, minor, patch} or one to three numbers",
                    )
                };
                let parts = text
                    .split('.')
                    .map(str::parse)
                    .collect::<Result<Vec<i32>, _>>()
                    .map_err(|_| bad())?;
                match parts[..] {
                    [major] => Ok(Version {
                        major,
                        minor: 0,
                        patch: 0,
                    }),
                    [major, minor] => Ok(Version {
                        major,
                        minor,
                        patch: 0,
                    }),
                    [major, minor, patch] => Ok(Version {
                        major,
                        minor,
                        patch,
                    }),
                    _ => Err(bad()),
                }
            }
        }
    }
}

/// The output of one step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Log {
    /// What the step is.
    pub stage: String,
    /// The command it stands for, without secrets.
    pub command: String,
    /// What it printed.
    pub stdout: String,
    /// What went wrong.
    pub stderr: String,
    /// Whether it succeeded.
    pub success: bool,
    /// Start.
    pub start_ts: UnixMs,
    /// End.
    pub end_ts: UnixMs,
}

/// How it ended for one target, as observed on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// The asked state was brought about and observed.
    Done,
    /// The container was in the asked state already.
    Unchanged,
    /// Left alone, for a reason.
    Skipped,
    /// Not brought about.
    Failed,
    /// Nobody can tell.
    Unknown,
}

/// The verdict on one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Name of the container.
    pub container: String,
    /// Id of the container; empty where none was found.
    pub id: String,
    /// How it ended.
    pub verdict: VerdictKind,
    /// Why it was skipped or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Run state found before and after, for undo and for the reader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<crate::engine::ContainerStateStatusEnum>,
    /// See `before`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<crate::engine::ContainerStateStatusEnum>,
    /// The run that was observed at the end, by which a later change by others is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// Time of the observation.
    pub at: UnixMs,
}

/// One run of a container, as the Engine dates it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ContainerRun")]
pub struct Run {
    /// Its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<UnixMs>,
    /// Its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<UnixMs>,
}

/// What an open Update is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Kept until its server is back (`when_back`).
    Queued,
    /// The program that the agent is to run is sent to it.
    Sending,
    /// The agent is asked to begin.
    Asking,
    /// The agent acts on its targets.
    Acting,
    /// No new target starts; what is under way is awaited.
    Canceling,
    /// Its agent is away; the verdicts are settled when it is back.
    Waiting,
    /// What the agent cannot tell is looked at.
    Settling,
    /// A helper on the host acts on the agent or on Core; the link goes and comes back.
    HandedOver,
    /// The new agent or Core is watched before it is confirmed.
    Probation,
}

/// How much of a program an agent has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sent {
    /// What it has, in bytes.
    pub bytes: u64,
    /// All of it, in bytes.
    pub of: u64,
}

/// What an open Update waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingFor {
    /// Name of the server.
    pub server: String,
    /// Time of the last contact; absent where there was none since Core started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_contact: Option<UnixMs>,
    /// Why, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// One thing that was done, or is being done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Update {
    /// Id.
    #[serde(rename = "_id", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Oid")]
    pub id: Option<Oid>,
    /// What was done.
    pub operation: OperationKind,
    /// Start.
    pub start_ts: UnixMs,
    /// Whether nothing failed so far.
    pub success: bool,
    /// Id of the user who asked.
    pub operator: String,
    /// On what.
    pub target: ResourceTarget,
    /// Steps.
    pub logs: Vec<Log>,
    /// End; null while it is open.
    pub end_ts: Option<UnixMs>,
    /// How far it is.
    pub status: UpdateStatus,
    /// Version built, where one was.
    #[serde(default, skip_serializing_if = "Version::is_none")]
    pub version: Version,
    /// Commit, where one was used.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub commit_hash: String,
    /// Free text of the operation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub other_data: String,
    /// Configuration before, as TOML.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prev_toml: String,
    /// Configuration after, as TOML.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub current_toml: String,
    /// Name of the request where `operation` has no value for it. Additive, as are all below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// One verdict per target that is settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<Verdict>,
    /// How many targets there are in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<u32>,
    /// What it waits for while its server is away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
    /// Until when it may act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<UnixMs>,
    /// What it is at; absent once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// While a program is sent to its agent: how much of it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Sent>,
    /// While it is in probation: when that is over, if nothing happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probation_until: Option<UnixMs>,
    /// Whether `CancelUpdate` has an effect now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelable: bool,
    /// Name of the user who canceled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canceled_by: Option<String>,
    /// Until when it waits for its server before it begins (`when_back`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<UnixMs>,
    /// Whether `UndoUpdate` has something to bring back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undoable: bool,
    /// Id of the Update that this one undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    /// Id of the Update that undid this one, the last where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_by: Option<String>,
    /// Name of the one container that it is about, where its request named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

/// An Update in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UpdateListItem {
    /// Id.
    pub id: String,
    /// What was done.
    pub operation: OperationKind,
    /// Start.
    pub start_ts: UnixMs,
    /// Whether nothing failed so far.
    pub success: bool,
    /// Name of the user who asked.
    pub username: String,
    /// Id of the user who asked.
    pub operator: String,
    /// On what.
    pub target: ResourceTarget,
    /// How far it is.
    pub status: UpdateStatus,
    /// Version built, where one was.
    #[serde(default, skip_serializing_if = "Version::is_none")]
    pub version: Version,
    /// Free text of the operation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub other_data: String,
    /// Name of the request where `operation` has no value for it. Additive, as are all below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// End; absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_ts: Option<UnixMs>,
    /// What it waits for while its server is away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
    /// What it is at; absent once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Whether `CancelUpdate` has an effect now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelable: bool,
    /// Name of the user who canceled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canceled_by: Option<String>,
    /// Whether `UndoUpdate` has something to bring back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undoable: bool,
    /// Name of the one container that it is about, where its request named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

/// A filter in the query language of MongoDB (equality on dotted paths, `$in`, `$or`, …).
pub type MongoDocument = Map<String, Value>;

/// Lists Updates, the newest first, 100 a page.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListUpdates {
    /// Filter.
    #[serde(default)]
    pub query: Option<MongoDocument>,
    /// Page, from 0.
    #[serde(default)]
    pub page: u32,
}
operation!(ListUpdates: Read -> ListUpdatesResponse, needs Needs::Filter(ResourceTargetVariant::Server));

/// A page of Updates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ListUpdatesResponse {
    /// The page.
    pub updates: Vec<UpdateListItem>,
    /// The page after it, or null.
    pub next_page: Option<u32>,
}

/// Gets one Update, whole.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetUpdate {
    /// Id of the Update.
    pub id: String,
}
operation!(GetUpdate: Read -> Update, needs Needs::Target(PermissionLevel::Read, &[]), target |op| Target::Update(op.id.clone()));

/// Brings exactly the containers that an operation changed back to the state that it found, and nothing else. Those that
/// others changed since are reported and left alone. Only a stop, start, pause or unpause can be undone.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UndoUpdate {
    /// Id of the Update that is undone.
    pub id: String,
    /// Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}
operation!(UndoUpdate: Execute -> Update, needs Needs::Target(PermissionLevel::Execute, &[]),
    guard Guard::Containers, target |op| Target::Update(op.id.clone()));

/// Cancels what an open Update does: no new target starts, what is under way is awaited and observed. One that waits for
/// its server ends at once. What was done stays done.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CancelUpdate {
    /// Id of the Update that is canceled.
    pub id: String,
}
operation!(CancelUpdate: Execute -> Update, needs Needs::Target(PermissionLevel::Execute, &[]),
    guard Guard::Ends, target |op| Target::Update(op.id.clone()));
