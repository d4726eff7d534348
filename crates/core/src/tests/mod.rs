//! A whole Core with simulated agents in one process, on a clock that stands still unless everybody waits.

mod away;
mod guessing;
mod harness;
mod lists;
mod live;
mod operations;
mod settlement;
