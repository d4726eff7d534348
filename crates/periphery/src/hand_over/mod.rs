//! Hand over: restart or replace of the container that runs the agent, or Core. Preparing it, the helper that does it,
//! and what has become of a helper. What is done next is decided in `komodo_plan::hand_over`; the operation that it is
//! part of is in `operations`.

mod body;
pub(crate) mod calls;
pub(crate) mod follow;
mod helper;
pub(crate) mod kept;
pub(crate) mod leftovers;
pub(crate) mod prepare;
mod scene;

pub use helper::{Helper, HelperError};
pub use kept::{DETACHED, Detached};
pub use komodo_plan::hand_over::PLAN_VARIABLE;
