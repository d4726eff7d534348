//! Seeded runs of everything at once: the real Core on its real database, twenty servers with agents that keep the real
//! journal on disk, the real link between them from the inner TLS on, users who ask for operations by chance, and faults
//! by chance, all in virtual time on one thread. After each step, and when all is put right at the end, what must never
//! be untrue is checked against the Engines' own account of what happened.
//!
//! The seed is all that a run follows from: the same seed plays the same steps and leaves the same trace, byte for byte.
//! That needs a runtime whose own dice are seeded too, which tokio has behind `--cfg tokio_unstable`; `cargo xtask sim`
//! builds it so. Only how runs are played and judged belongs here; what is simulated of a host is in `komodo-sim`.

mod claims;
mod core;
mod finale;
mod hand_over;
mod host;
mod network;
mod operate;
mod story;
mod trouble;

use std::panic::{AssertUnwindSafe, catch_unwind};

use komodo_api::UnixMs;

use story::Story;

/// 2026-11-23 12:00:00 UTC, when every run begins.
const BEGINNING_MS: UnixMs = 1_795_435_200_000;

/// What is broken on purpose, to see that a run finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Break {
    /// Agents act on what is protected.
    Guard,
    /// Agents do not recognise an operation that they took before, and begin anew what they had begun.
    Journal,
    /// Agents believe what the Engine answers, and do not look.
    Settlement,
    /// Helpers take what they have started for well, and do not wait until it is confirmed.
    Probation,
}

/// How a run is played.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Steps before all is put right.
    pub steps: u32,
    /// What is broken.
    pub broken: Option<Break>,
}

/// A run that is over.
#[derive(Debug)]
pub struct Run {
    /// What it followed from.
    pub seed: u64,
    /// What happened, in order, one a line.
    pub trace: String,
    /// What was found untrue, if anything.
    pub failure: Option<String>,
    /// What happened, in numbers.
    pub counts: Counts,
}

/// How much happened in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Updates that began.
    pub updates: u64,
    /// Requests that operations made of Engines.
    pub acts: u64,
    /// Verdicts that were compared with the world.
    pub verdicts: u64,
    /// Faults.
    pub faults: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.updates += other.updates;
        self.acts += other.acts;
        self.verdicts += other.verdicts;
        self.faults += other.faults;
    }
}

/// Plays the run of a seed, on this thread alone.
pub fn run(seed: u64, options: Options) -> Run {
    let mut trace = Vec::new();
    let mut counts = Counts::default();
    let played = catch_unwind(AssertUnwindSafe(|| {
        // Pauses before retries are drawn from the dice of the thread.
        fastrand::seed(seed);
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true);
        #[cfg(tokio_unstable)]
        builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_be_bytes()));
        let runtime = builder.build()?;
        runtime.block_on(Story::play(seed, options, &mut trace, &mut counts))
    }));
    let failure = match played {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("{error:#}")),
        Err(panic) => Some(match panic.downcast_ref::<String>() {
            Some(text) => format!("panic: {text}"),
            None => format!("panic: {:?}", panic.downcast_ref::<&str>()),
        }),
    };
    Run {
        seed,
        trace: trace.join("\n"),
        failure,
        counts,
    }
}
