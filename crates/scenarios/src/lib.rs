//! Stories told as scripts: commands in, everything that users would be told out, and the printed whole is the golden
//! file that reviews as a diff.
//!
//! A [`Fleet`] is a real Core (store, tasks, permissions, fleet) with simulated agents in one process, on a clock that
//! stands still unless everybody waits. A [`run`] plays a script on it; `tests/scenarios/README.md` lists the commands.
//! Only how stories are told belongs here, not what they tell.

mod fleet;
mod print;
mod script;

pub use fleet::{Fleet, Host};
pub use script::run;
