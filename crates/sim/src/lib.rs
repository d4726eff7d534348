//! A simulated host: an Engine with containers in memory ([`World`]), the agent's disk, and an agent on it
//! ([`SimAgent`]) that implements `AgentApi` with the decisions of the real one.
//!
//! Deterministic by seed and by tokio's clock, so that a paused clock works. What the real agent gets from the Engine,
//! the kernel and the disk is imitated here, faults included; what it decides is not, it is `komodo-plan`. Its journal is
//! in memory, or the real one, `komodo-journal`, in a directory. Nothing here may know of Core.

mod agent;
mod carry_out;
mod clock;
mod containers;
mod dial;
mod engine;
mod events;
mod fault;
mod helper;
mod history;
mod host;
mod image;
mod inspect;
mod journal;
mod log;
mod process;
mod programs;
mod seed;
mod service;
mod unit_helper;
mod world;

pub use agent::SimAgent;
pub use clock::SimClock;
pub use containers::parse_container;
pub use dial::{DialError, DialOptions, dial};
pub use engine::Quirk;
pub use fault::Fault;
pub use history::{Act, Hand};
pub use host::{AgentOptions, SimHost};
pub use image::{HelperDies, Image};
pub use journal::{KillAt, OPERATIONS_MAX};
pub use service::ServiceOptions;
pub use world::{EVENTS_BUFFER_MAX, World};
