//! Faults of an agent as Core sees it, and what of an agent can be broken, for tests that have to find that out.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

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

/// What of an agent does not work. Only a test sets any of these, on a host that it made.
#[derive(Debug, Default)]
pub(crate) struct Broken {
    guard: AtomicBool,
    journal: AtomicBool,
    settlement: AtomicBool,
    probation: AtomicBool,
}

impl Broken {
    pub(crate) fn break_guard(&self) {
        self.guard.store(true, Ordering::Relaxed);
    }

    pub(crate) fn break_journal(&self) {
        self.journal.store(true, Ordering::Relaxed);
    }

    pub(crate) fn break_settlement(&self) {
        self.settlement.store(true, Ordering::Relaxed);
    }

    pub(crate) fn break_probation(&self) {
        self.probation.store(true, Ordering::Relaxed);
    }

    /// It acts on what is protected.
    pub(crate) fn guard(&self) -> bool {
        self.guard.load(Ordering::Relaxed)
    }

    /// It does not recognise an operation that it took before, and begins anew what it had begun.
    pub(crate) fn journal(&self) -> bool {
        self.journal.load(Ordering::Relaxed)
    }

    /// It believes what the Engine answers, and does not look.
    pub(crate) fn settlement(&self) -> bool {
        self.settlement.load(Ordering::Relaxed)
    }

    /// A helper takes what it has started for well.
    pub(crate) fn probation(&self) -> bool {
        self.probation.load(Ordering::Relaxed)
    }
}
