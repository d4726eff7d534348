//! What Core may ask of an agent ([`AgentApi`]), what an agent tells ([`AgentEvent`]), and in which version
//! ([`LEVEL`]).
//!
//! Boundary crate: no tokio, no IO, no Docker client. The real agent, the simulated agent and Core's client over the
//! link implement the same trait; one contract suite runs against all of them.

mod event;
mod observed;
mod operation;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use komodo_api::{
    UnixMs,
    live::{LogLine, LogStream},
    periphery::Program,
    resource::ContainerRef,
};
use serde::{Deserialize, Serialize};

pub use event::{AgentEvent, EventBody, GoodbyeReason, Snapshot};
pub use observed::{
    AgentProperties, Container, EngineState, HealthStatus, OwnUnit, ProtectedContainer, depends_on,
    skip_label,
};
pub use operation::{AgentOperation, Expected, OperationEvent, OperationEventBody, OperationState};

/// What this build understands. Raised by one with a dated line for each change that the other side must know of.
///
/// - 1 (2026-11-23): the beginning.
/// - 2 (2026-11-23): `cancel`; operations carry the Core's id and what their targets are expected to be.
/// - 3 (2026-11-23): `confirm`, hand over and detach; `receive_program`, and agents that are services of systemd.
pub const LEVEL: u32 = 3;
/// The oldest level of the other side that this build still speaks with.
pub const LEVEL_MIN: u32 = 1;

/// Seconds that a new agent or Core is watched before it is confirmed, where nothing else is said.
pub const PROBATION_S_DEFAULT: u32 = 30;

/// What Core says of itself, once per link, before anything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoreHello {
    /// Level of Core.
    pub level: u32,
    /// Version of Core.
    pub version: String,
    /// Id of this Core, stable over restarts.
    pub core_id: String,
    /// Grows with each start of a Core on this database. An agent refuses a mutation with an older one.
    pub epoch: u64,
    /// Id under which Core knows the server.
    pub server_id: String,
    /// Name under which Core knows the server.
    pub server_name: String,
    /// Container id of Core, where it runs in one.
    #[serde(default)]
    pub core_container: Option<String>,
    /// Names or ids of containers that Core cannot live without.
    #[serde(default)]
    pub core_depends_on: Vec<String>,
    /// Container ids of the agents of all servers that share this agent's Engine.
    #[serde(default)]
    pub agents_on_engine: Vec<String>,
    /// Containers that the agents of other servers on this Engine cannot live without.
    #[serde(default)]
    pub depended_on: Vec<DependedOn>,
}

/// A container that the agent of another server depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependedOn {
    /// Id of the container.
    pub container: String,
    /// Name of the server whose agent needs it.
    pub server: String,
}

/// What an agent answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentHello {
    /// Level of the agent.
    pub level: u32,
    /// What the agent is.
    pub agent: AgentProperties,
    /// Operations whose end Core has not acknowledged.
    pub open_operations: Vec<OperationState>,
}

/// An error that an agent answers; the code is stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct AgentError {
    /// Stable code.
    pub code: AgentErrorCode,
    /// What is wrong, for people, without secrets.
    pub message: String,
}

/// Codes of [`AgentError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentErrorCode {
    /// No such container or operation.
    NotFound,
    /// A name fits several containers, or a value is out of its rules.
    Invalid,
    /// The order comes from a Core that has been replaced.
    StaleEpoch,
    /// The Engine does not answer or refuses.
    EngineUnreachable,
    /// The journal holds no more; nothing was done.
    JournalFull,
    /// The journal cannot be written; nothing was done.
    StorageFull,
    /// Not done within the deadline.
    DeadlineExceeded,
    /// The link broke, or the peer answered nonsense.
    Link,
    /// Levels do not fit.
    Level,
    /// Anything else.
    Internal,
}

impl AgentError {
    /// An error with a code and a text.
    pub fn new(code: AgentErrorCode, message: impl Into<String>) -> Self {
        AgentError {
            code,
            message: message.into(),
        }
    }
}

/// Which lines of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRequest {
    /// Container, by name or id.
    pub container: ContainerRef,
    /// How many lines from the end; absent is all.
    #[serde(default)]
    pub tail: Option<u64>,
    /// Only lines from this time on.
    #[serde(default)]
    pub since: Option<UnixMs>,
    /// Whether lines to come follow.
    #[serde(default)]
    pub follow: bool,
    /// Only one of the streams.
    #[serde(default)]
    pub stream: Option<LogStream>,
}

/// Bytes of a program that one request carries at most.
pub const PART_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a program at most.
pub const PROGRAM_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// A part of a program that an agent is to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramPart {
    /// The whole of it.
    pub program: Program,
    /// Where the part begins, in bytes.
    pub offset: u64,
    /// The part, base64, of at most [`PART_BYTES_MAX`] bytes; empty asks only how much is there.
    pub part: String,
}

/// What an agent has of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramReceived {
    /// Bytes from the beginning; all of them: it is complete, and hash and signature are right.
    pub bytes: u64,
}

/// A stream that ends with the first error.
pub type AgentStream<T> = BoxStream<'static, Result<T, AgentError>>;

/// What Core may ask of an agent. Dropping a future or a stream cancels what it stands for, except
/// [`operate`](AgentApi::operate): an operation, once accepted, goes on.
#[async_trait]
pub trait AgentApi: Send + Sync + 'static {
    /// Introduces Core to the agent. Everything else comes after it.
    async fn hello(&self, core: CoreHello) -> Result<AgentHello, AgentError>;

    /// What the agent observes: a snapshot, then deltas with sequence numbers without gaps. The agent ends the stream
    /// of a reader that lags; a new call begins with a new snapshot.
    async fn events(&self) -> Result<AgentStream<AgentEvent>, AgentError>;

    /// The Engine's own document of a container.
    async fn inspect_container(
        &self,
        container: ContainerRef,
    ) -> Result<serde_json::Value, AgentError>;

    /// Lines of a container's log, in chunks, with back-pressure.
    async fn container_log(
        &self,
        request: LogRequest,
    ) -> Result<AgentStream<Vec<LogLine>>, AgentError>;

    /// Accepts an operation and follows it: what it plans, each step, the verdicts, the end. Idempotent by the
    /// operation's id: a known one is only followed, from its beginning. Accepting journals first; an error means that
    /// nothing was done. Where the call is dropped the operation is either journaled, and goes on, or never begun.
    async fn operate(
        &self,
        operation: AgentOperation,
    ) -> Result<AgentStream<OperationEvent>, AgentError>;

    /// Follows a known operation from after `seq` (0 for all), or answers `not_found`.
    async fn follow(
        &self,
        operation: String,
        seq: u64,
    ) -> Result<AgentStream<OperationEvent>, AgentError>;

    /// Cancels a known operation: no new target starts, those under way are awaited and observed, the others get
    /// `skipped: canceled`. Durable before it is answered. One that has ended, or is canceled already, is left as it
    /// is. `by` names the user.
    async fn cancel(&self, operation: String, by: String) -> Result<(), AgentError>;

    /// Takes a part of a program that a later operation will run. Parts come in order; one that does not begin where the
    /// agent's own ends is not taken, and the answer says where to go on. Kept over restarts of the agent; the
    /// beginning of another program takes its place.
    ///
    /// `invalid` where it is larger than [`PROGRAM_BYTES_MAX`], for another architecture, or its hash or signature is
    /// wrong: what was received of it is gone then.
    async fn receive_program(&self, part: ProgramPart) -> Result<ProgramReceived, AgentError>;

    /// Confirms what an operation handed over: Core has reached it for the whole probation. Durable before it is answered,
    /// and then kept; one that is confirmed already, or has ended, is left as it is.
    ///
    /// `invalid` where what bears the name is still the old container in its old run: nothing was handed over yet.
    async fn confirm(&self, operation: String) -> Result<(), AgentError>;

    /// Lets the agent forget an operation whose end Core has stored.
    async fn acknowledge(&self, operation: String) -> Result<(), AgentError>;
}
