//! Hand over with the real programs on a real Engine: the agent and Core are restarted and replaced through themselves,
//! by clients that know nothing of it, with images that fail in every way, and with kills at every step. Afterwards
//! exactly one agent runs, it is connected, and the Update tells what happened.

mod core;
mod faults;
mod kills;
mod recreate;
mod restart;
