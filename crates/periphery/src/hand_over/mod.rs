//! Hand over: restart or replace of the container that runs the agent, or Core; of an agent that is a service in `unit`. Preparing it, the helper that does it,
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
pub(crate) mod unit;

pub use helper::{Helper, HelperError};
pub use kept::{DETACHED, Detached};
pub use komodo_plan::{hand_over::PLAN_VARIABLE, unit_hand_over::UNIT_PLAN_VARIABLE};
pub use unit::{UnitHelper, UnitHelperError};
