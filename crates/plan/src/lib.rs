//! Decisions: what may be done, what will be done, what was observed to be the case.
//!
//! Everything here takes facts and returns facts. It must not wait, look at a clock, read a file, draw a random number
//! or depend on the order of a hash map: the same facts give the same answer on Core, on an agent and in a test.

mod containers;
mod engine_request;
mod graph;
mod guard;
pub mod hand_over;
mod index;
mod objects;
mod own_container;
pub mod program;
mod protected;
mod settle;
mod state;
mod status;
mod undo;
pub mod unit_hand_over;
mod update;
mod view;
pub mod watchdog;

#[cfg(test)]
mod table;

pub use containers::{
    ContainersPlan, Observed, PlanError, PlanInput, UNIT_PREFIX, WARNINGS_MAX, plan_containers,
    plan_hash,
};
pub use engine_request::{
    BadAddress, ContainerVerb, EngineChange, EngineRefusal, EngineRequest, Facts, Filters,
    ObjectKind, Pruned, Resolved, judge, never_refused,
};
pub use guard::{Decision, Form, Lift, guard, refusal};
pub use objects::{ObjectUser, ProtectedObjects};
pub use own_container::{own_container_candidates, root_upper_dir};
pub use protected::{ControlPath, own_dependencies, protected_set};
pub use settle::{
    Settled, operation_deadline_ms, restarted, settle, settle_back, settle_skip, target_deadline_ms,
};
pub use state::{StateEffect, reached, state_effect};
pub use status::{LinkState, container_status, server_state};
pub use undo::{Undo, changed_since, has_undo, inverse, is_undone, second_step, undo};
pub use update::{LOGS_MAX, update_logs, update_success};
pub use view::{Gap, View};
