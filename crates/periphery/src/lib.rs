//! The agent: [`AgentApi`](komodo_agent_api::AgentApi) on a Docker Engine, with a journal.
//!
//! It observes (`observe`, `host`), acts (`operations`, on `komodo-journal`), knows what it is itself (`observe`, `service`)
//! and answers ([`agent`]). It decides nothing that `komodo-plan` decides, speaks to the Engine only through
//! `komodo-docker`, and knows nothing of how Core is reached.
//! Samples of what containers use are not taken: with a hundred containers they would cost the Engine more than all
//! else together, and nobody looks most of the time; `stats` of a container stays empty until they are asked for.

pub mod agent;
pub mod children;
pub mod config;
pub mod departure;
pub mod hand_over;
pub mod host;
pub mod observe;
pub mod operations;
pub mod service;
pub mod watchdog;

mod clock;
mod epoch;
mod redact;
#[cfg(test)]
mod test_directory;

pub use agent::{Agent, AgentOptions};
