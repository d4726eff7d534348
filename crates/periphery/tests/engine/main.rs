//! The agent on a real Docker Engine of its own.

mod harness;
mod logs;
mod observing;
mod operating;
mod recovery;
mod trouble;
