//! A whole Core with simulated agents in one process, on a clock that stands still unless everybody waits.

mod alerts;
mod away;
mod binding;
mod cancel;
mod detach;
mod guessing;
mod hand_over;
mod harness;
mod isolation;
mod lists;
mod live;
mod native;
mod neighbours;
mod operations;
mod programs;
mod queue;
mod roll;
mod script;
mod settlement;
mod undo;
