//! Hand over: what a helper does next to the container of the agent or of Core, from what it observes alone. Here are
//! the plan that a helper gets, what it observes, and the steps. Doing them is the helper's; nothing here knows an Engine.

use komodo_api::{UnixMs, engine::ContainerStateStatusEnum, update::Run};
use serde::{Deserialize, Serialize};

mod next;
mod recreate;
mod settled;
#[cfg(test)]
mod tests;

pub use next::{next, reason};
pub use recreate::{CannotRecreate, Recreated, carried, recreated};
pub(crate) use settled::CONFIRM_MARGIN_MS;
pub use settled::{may_confirm, verdict};

/// Label of a helper's container; its value is the id of the operation.
pub const HELPER_LABEL: &str = "komodo.hand-over";
/// Variable in which a helper gets its [`HandOverPlan`], JSON.
pub const PLAN_VARIABLE: &str = "KOMODO_HAND_OVER";
/// Label of a new container, by which it is found under any name; its value is the id of the operation.
pub const NEW_LABEL: &str = "komodo.handed-over";
/// Ends the name of a new container until it takes over the name.
pub const NEW_SUFFIX: &str = ".komodo-new";
/// Ends the name of an old container from then on, until it is removed or put back.
pub const OLD_SUFFIX: &str = ".komodo-old";

/// What a helper carries out. It is shown by inspect, and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOverPlan {
    /// Id of the operation.
    pub operation: String,
    /// Id of the container that is handed over.
    pub container: String,
    /// Its name.
    pub name: String,
    /// The run that it was in.
    pub run: Run,
    /// Seconds that it is given to stop; absent is its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_timeout_s: Option<i64>,
    /// Where a new container replaces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace: Option<Replace>,
    /// Where the confirmation is found.
    pub journal: JournalPlace,
    /// Until when it must be confirmed; then it is rolled back.
    pub until: UnixMs,
}

impl HandOverPlan {
    /// Name of the new container until it takes over the name.
    pub fn new_name(&self) -> String {
        format!("{}{NEW_SUFFIX}", self.name)
    }

    /// Name of the old container from then on.
    pub fn old_name(&self) -> String {
        format!("{}{OLD_SUFFIX}", self.name)
    }

    /// Name of the helper's container.
    pub fn helper_name(&self) -> String {
        format!("komodo-hand-over-{}", self.operation)
    }
}

/// A new container for an old one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replace {
    /// Image of the new one, by name or id.
    pub image: String,
    /// The restart policy of the old one, as the Engine writes it, to be put back.
    pub restart_policy: serde_json::Value,
    /// Paths in the old container that are on no mount, and whose content is carried over.
    #[serde(default)]
    pub carry: Vec<String>,
}

/// Where an agent keeps the journal of the operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalPlace {
    /// Id of the container; absent is the one that bears the name: the agent itself is handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Path of the file in it.
    pub path: String,
}

/// One of the two containers, as the Engine shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Id.
    pub id: String,
    /// Name, without the slash.
    pub name: String,
    /// Run state.
    pub state: ContainerStateStatusEnum,
    /// Its run.
    pub run: Run,
    /// How often the Engine has started it again by itself.
    pub restarts: u64,
    /// Exit code of a run that has ended.
    pub exit_code: Option<i64>,
    /// Whether it is kept from being started by the Engine (restart policy `no`).
    pub held: bool,
}

/// What a helper observes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// The container of the plan, where it is there.
    pub old: Option<Body>,
    /// The one that replaces it, where it is there: it bears [`NEW_LABEL`] with the operation.
    pub new: Option<Body>,
    /// Whether the journal holds the confirmation.
    pub confirmed: bool,
    /// Time at the host.
    pub now: UnixMs,
    /// Steps that this run of the helper could not do, each tried often enough. One that [`next`] asks for again all the
    /// same is tried again, after a pause.
    pub failed: Vec<Failure>,
    /// The first [`reason`] that this run of the helper saw: it is rolled back and not taken up again.
    pub why: Option<String>,
}

/// A step that could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Failure {
    /// The step.
    pub step: Step,
    /// Why not.
    pub why: String,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Which {
    /// The container of the plan.
    Old,
    /// The one that replaces it.
    New,
}

/// What is done next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Makes the new container, not started, under its temporary name.
    Create,
    /// Sets the old one's restart policy to `no`.
    Hold,
    /// Puts the old one's restart policy back.
    Release,
    /// Stops one.
    Stop(Which),
    /// Gives one a name.
    Rename(Which, String),
    /// Copies what the plan carries over into the new one, from the old one where that is there, and starts it.
    Begin,
    /// Starts one, as it is.
    Start(Which),
    /// Removes one, its volumes stay.
    Remove(Which),
    /// Nothing to do but to wait for a change, the confirmation, or the end of the time.
    Await,
    /// It is over.
    Finish(Outcome),
}

/// How it ended; the exit code of the helper is [`Outcome::exit_code`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It runs, and Core has confirmed it.
    Confirmed,
    /// The old container runs again as it was.
    RolledBack {
        /// Why.
        why: String,
    },
    /// Nothing was touched.
    Untouched {
        /// Why.
        why: String,
    },
    /// It could not be finished: what runs is for a person to see.
    Stuck {
        /// Why.
        why: String,
    },
    /// It was started again, or replaced, and runs; Core has not confirmed it, and there is nothing to go back to.
    Unconfirmed {
        /// What is missing.
        why: String,
    },
}

impl Outcome {
    /// The exit code by which a helper tells it.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Outcome::Confirmed => 0,
            Outcome::RolledBack { .. } => 10,
            Outcome::Untouched { .. } => 11,
            Outcome::Stuck { .. } => 12,
            Outcome::Unconfirmed { .. } => 13,
        }
    }

    /// What a helper told that has ended, by its exit code and the last line of its log, which is an outcome as JSON; `None` where it ended by
    /// something else than an outcome.
    pub fn told(exit_code: i64, last_line: Option<&str>) -> Option<Self> {
        let why = || format!("its helper ended with exit code {exit_code} and did not tell more");
        let known = [
            Outcome::Confirmed,
            Outcome::RolledBack { why: why() },
            Outcome::Untouched { why: why() },
            Outcome::Stuck { why: why() },
            Outcome::Unconfirmed { why: why() },
        ];
        let by_code = |outcome: &Outcome| i64::from(outcome.exit_code()) == exit_code;
        let line = last_line.and_then(|line| serde_json::from_str::<Outcome>(line.trim()).ok());
        line.filter(by_code)
            .or_else(|| known.into_iter().find(by_code))
    }
}
