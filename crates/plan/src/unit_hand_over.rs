//! Hand over of an agent that is a service of systemd: what a helper does to its program and its unit, from what it
//! observes alone. Here are the plan that a helper gets, what it observes, and the steps. Doing them is the helper's;
//! nothing here knows systemd or a file.

use komodo_api::UnixMs;
use serde::{Deserialize, Serialize};

use crate::hand_over::Outcome;

mod next;
mod settled;
#[cfg(test)]
mod tests;

pub use next::{next, reason};
pub use settled::{Running, may_confirm, verdict};

/// Variable in which a helper gets the path of its [`UnitPlan`], JSON.
pub const UNIT_PLAN_VARIABLE: &str = "KOMODO_HAND_OVER_UNIT";
/// Ends the path of what is beside the program: the new one, and once the two are exchanged the old one.
pub const OTHER_SUFFIX: &str = ".komodo-other";

/// What a helper carries out. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitPlan {
    /// Id of the operation.
    pub operation: String,
    /// Name of the agent's unit: `komodo-periphery.service`.
    pub unit: String,
    /// Whether it is of a user's systemd, not the system's.
    #[serde(default)]
    pub user: bool,
    /// Path of its program.
    pub program: String,
    /// SHA-256 of the program that it ran, in hex.
    pub old_sha256: String,
    /// SHA-256 of the program that is to take its place, in hex; absent is a restart alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_sha256: Option<String>,
    /// `InvocationID` of the run that it was in.
    pub invocation: String,
    /// Path of the journal's file, in which the confirmation is found.
    pub journal: String,
    /// Until when it must be confirmed; then it is rolled back.
    pub until: UnixMs,
}

impl UnitPlan {
    /// Path of what is beside the program.
    pub fn other(&self) -> String {
        format!("{}{OTHER_SUFFIX}", self.program)
    }

    /// Name of the helper's unit.
    pub fn helper_unit(&self) -> String {
        format!("komodo-hand-over-{}.service", self.operation)
    }

    /// The program that takes the place of the other, where there is one and it is another.
    pub fn new_program(&self) -> Option<&str> {
        let new = self.new_sha256.as_deref();
        new.filter(|new| *new != self.old_sha256)
    }

    /// Which one it is, by its SHA-256.
    pub fn which(&self, sha256: &str) -> Content {
        match sha256 {
            sha256 if sha256 == self.old_sha256 => Content::Old,
            sha256 if Some(sha256) == self.new_sha256.as_deref() => Content::New,
            _ => Content::Else,
        }
    }
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// The program that ran when it was planned.
    Old,
    /// The one that takes its place.
    New,
    /// Something else, which is nobody's here.
    Else,
    /// Not there.
    Absent,
}

/// `ActiveState` of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "systemd says what they are")]
pub enum Active {
    Active,
    Activating,
    Deactivating,
    Inactive,
    Failed,
}

impl Active {
    /// Reads what systemd writes; what is not known is as good as inactive.
    pub fn read(text: &str) -> Self {
        match text {
            "active" | "reloading" | "refreshing" => Active::Active,
            "activating" => Active::Activating,
            "deactivating" => Active::Deactivating,
            "failed" => Active::Failed,
            _ => Active::Inactive,
        }
    }
}

/// The agent's unit, as systemd shows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Service {
    /// Its state.
    pub active: Active,
    /// Whether it has ended and systemd is about to start it again by itself.
    pub auto_restart: bool,
    /// Whether systemd has something to do with it that it has not done yet.
    pub job: bool,
    /// `InvocationID` of its last run; empty where it had none since the host started.
    pub invocation: String,
    /// How often systemd has started it again by itself.
    pub restarts: u64,
    /// How its last run ended, where it has: `exit code 1`, `signal 9`.
    pub ended: Option<String>,
    /// What its process runs; [`Content::Absent`] where it has none.
    pub runs: Content,
}

/// What a helper observes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitScene {
    /// What is at the path of the program.
    pub program: Content,
    /// What is beside it.
    pub other: Content,
    /// The agent's unit.
    pub service: Service,
    /// Whether the journal holds the confirmation.
    pub confirmed: bool,
    /// Time at the host.
    pub now: UnixMs,
    /// Steps that this run of the helper could not do, each tried often enough. One that [`next`] asks for again all the
    /// same is tried again, after a pause.
    pub failed: Vec<UnitFailure>,
    /// The first [`reason`] that was seen, as far as that is remembered: it is rolled back and not taken up again.
    pub why: Option<String>,
}

/// A step that could not be done. [`UnitStep::Start`] is one too where the service was started often enough and does not
/// stay, and [`UnitStep::Await`] where nothing has changed for long.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnitFailure {
    /// The step.
    pub step: UnitStep,
    /// Why not.
    pub why: String,
}

/// What is done next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UnitStep {
    /// Exchanges the program and what is beside it, at once: there is one at the path throughout.
    Exchange,
    /// Puts the old program to its path where it cannot be exchanged: from beside it, or the helper's own copy.
    Restore,
    /// Lets systemd stop the service and start it.
    Restart,
    /// Lets systemd start the service, which does not run.
    Start,
    /// Removes what is beside the program.
    RemoveOther,
    /// Nothing to do but to wait for a change, the confirmation, or the end of the time.
    Await,
    /// It is over.
    Finish(Outcome),
}
