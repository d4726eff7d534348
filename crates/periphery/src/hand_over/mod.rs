//! Hand over: restart or replace of the container that runs the agent, or Core. Preparing it, the helper that does it,
//! and following the helper to its end. What is done next is decided in `komodo_plan::hand_over`.

pub(crate) mod kept;

pub use kept::{DETACHED, Detached};
