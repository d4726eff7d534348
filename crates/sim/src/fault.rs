//! Faults of an agent as Core sees it.

use std::time::Duration;

/// What is wrong with an agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// It accepts every call and never answers; streams stand still.
    Hang,
    /// Every byte of an answer or of an item of a stream takes this long.
    Slow(Duration),
    /// It does what it is asked to and loses its answer.
    LosesAnswers,
}

impl Fault {
    /// A byte a second.
    pub const BYTE_A_SECOND: Fault = Fault::Slow(Duration::from_secs(1));
}
