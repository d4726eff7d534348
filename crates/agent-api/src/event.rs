//! What an agent tells by itself.

use komodo_api::{
    UnixMs,
    stats::{SystemInformation, SystemStats},
};
use serde::{Deserialize, Serialize};

use crate::{Container, EngineState, ProtectedContainer};

/// One event; `seq` grows by one from event to event of a stream, from 0 for the snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentEvent {
    /// Number within the stream.
    pub seq: u64,
    /// Time at the agent.
    pub at: UnixMs,
    /// What happened.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", content = "body", rename_all = "snake_case")]
pub enum EventBody {
    /// All there is; the first event of a stream, and only that.
    Snapshot(Box<Snapshot>),
    /// Containers that are new or changed, whole, and ids of those that are gone.
    Containers {
        /// New or changed.
        #[serde(default)]
        upsert: Vec<Container>,
        /// Ids of those that are gone.
        #[serde(default)]
        remove: Vec<String>,
    },
    /// The protected set, whole.
    Protected(Vec<ProtectedContainer>),
    /// State of the Engine. When it turns unreachable the containers stay as they were last seen.
    Engine(EngineState),
    /// Figures of the host.
    Stats(Box<SystemStats>),
    /// The agent goes, on purpose or by a signal; the end of the link follows.
    Goodbye(GoodbyeReason),
}

/// Why an agent goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum GoodbyeReason {
    /// It got a signal to stop (`SIGTERM`), as from `docker stop`.
    Signal {
        /// Name of the signal.
        signal: String,
    },
    /// It was asked to go, with `detach`.
    Detached {
        /// Name of the user who asked.
        by: String,
        /// The command that brings it back, to be run on its host.
        bring_back: String,
    },
    /// A helper restarts or replaces it.
    HandedOver {
        /// Id of the operation.
        operation: String,
    },
    /// The Engine told that the agent's own container is being paused, killed or stopped.
    EngineEvent {
        /// The Engine's word for it.
        action: String,
    },
}

/// All that an agent observes at one time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// What the host is.
    pub host: SystemInformation,
    /// Last figures of the host.
    pub stats: Option<SystemStats>,
    /// State of the Engine.
    pub engine: EngineState,
    /// All containers, as last seen where the Engine is away.
    pub containers: Vec<Container>,
    /// The protected set.
    pub protected: Vec<ProtectedContainer>,
}
