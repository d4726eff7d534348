//! Operations on containers, as Core orders them and as an agent reports on them.

use std::collections::BTreeMap;

use komodo_api::{
    UnixMs,
    container::{ContainerAction, Recreate, Scope, TerminationSignal},
    engine::ContainerStateStatusEnum,
    plan::PlanItem,
    resource::ContainerRef,
    update::{Run, Verdict},
};
use serde::{Deserialize, Serialize};

/// An operation that an agent carries out. The agent plans it itself, against what it observes then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentOperation {
    /// Id, made by Core: that of the Update.
    pub id: String,
    /// Epoch of the Core that orders it.
    pub epoch: u64,
    /// Id of the Core that orders it; absent from Cores of level 1.
    #[serde(default)]
    pub core_id: Option<String>,
    /// What is done.
    pub action: ContainerAction,
    /// To which containers.
    pub scope: Scope,
    /// To which not.
    #[serde(default)]
    pub exclude: Vec<ContainerRef>,
    /// Signal to stop with.
    #[serde(default)]
    pub signal: Option<TerminationSignal>,
    /// Seconds to wait for the end before killing.
    #[serde(default)]
    pub time: Option<i32>,
    /// Why protected containers (never the agent or Core) are acted on all the same.
    #[serde(default)]
    pub override_reason: Option<String>,
    /// Whether the agent may go on purpose, where the operation is on its own container.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub detach: bool,
    /// Where a restart makes a new container of what runs the agent or Core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recreate: Option<Recreate>,
    /// Seconds that a new agent or Core is watched before it is confirmed; absent is
    /// [`PROBATION_S_DEFAULT`](crate::PROBATION_S_DEFAULT).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probation_s: Option<u32>,
    /// By id: as what a container is to be found. One that is otherwise was changed by somebody else since, and is
    /// left alone, as is one that is not among them. Empty: all, as they are, unless `bound`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expected: BTreeMap<String, Expected>,
    /// Whether only what is in `expected` may be acted on even where that is empty: the plan that was looked at held
    /// no container.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bound: bool,
    /// Containers acted on at the same time.
    pub concurrency: u32,
    /// Who asked, for the journal.
    pub operator: String,
}

/// As what a container is to be found, and what an undo brings it back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// Its name, to be told where it is gone.
    #[serde(default)]
    pub name: String,
    /// Its run state.
    pub state: ContainerStateStatusEnum,
    /// Its run.
    #[serde(default)]
    pub run: Run,
    /// The state that it is brought back to: a stopped container that was paused is started and then paused. Empty
    /// where nothing is undone, and it is only bound to a plan that was looked at.
    pub back_to: ContainerStateStatusEnum,
}

/// One step of an operation; `seq` grows by one from 1, and is the place in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperationEvent {
    /// Place in the journal.
    pub seq: u64,
    /// Time at the agent.
    pub at: UnixMs,
    /// What happened.
    #[serde(flatten)]
    pub body: OperationEventBody,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", content = "body", rename_all = "snake_case")]
pub enum OperationEventBody {
    /// What the agent will do to which container; the first event.
    Planned {
        /// The containers in range.
        items: Vec<PlanItem>,
        /// Until when the agent acts.
        deadline: UnixMs,
    },
    /// The Engine is about to be asked.
    Started {
        /// Id of the container.
        id: String,
        /// The run that it was in, as the Engine dates it: by that a later one is told from it, also after a restart
        /// of the agent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<Run>,
    },
    /// The Engine has answered; the state is yet to be observed.
    Acted {
        /// Id of the container.
        id: String,
        /// What the Engine said, where it refused.
        #[serde(default)]
        error: Option<String>,
    },
    /// A target is settled.
    Verdict(Verdict),
    /// A helper acts from here on: it stops this agent, or Core, and starts it again.
    HandedOver {
        /// Id of the container that is handed over.
        id: String,
        /// Name of the helper's container or unit.
        helper: String,
        /// Until when it must be confirmed.
        until: UnixMs,
        /// Seconds that it is watched before Core confirms it.
        probation_s: u32,
    },
    /// Core has watched what was handed over for the whole probation.
    Confirmed,
    /// The agent goes on purpose: the end of the link is the success of the operation.
    Detaching {
        /// The command that brings it back, to be run on its host.
        bring_back: String,
    },
    /// No new target starts from here on.
    Canceled {
        /// Name of the user who canceled.
        by: String,
    },
    /// All targets are settled; the last event.
    Ended {
        /// Why it ended as a whole before its targets were tried, where it did.
        #[serde(default)]
        error: Option<String>,
    },
}

/// An operation that an agent still keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationState {
    /// Id.
    pub id: String,
    /// Place of its last event in the journal.
    pub seq: u64,
    /// Whether it has ended.
    pub ended: bool,
}
