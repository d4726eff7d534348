//! How long to wait before the next attempt. Pure: the random number is an argument.

use std::time::Duration;

use super::AgentTimings;

/// Floor plus full jitter over a spread that doubles up to a cap.
#[derive(Debug)]
pub(super) struct Backoff {
    floor: Duration,
    base: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(timings: &AgentTimings) -> Self {
        Self {
            floor: timings.reconnect_floor,
            base: timings.reconnect_base,
            cap: timings.reconnect_cap,
            failures: 0,
        }
    }

    /// The next wait; `random` is in `0.0..1.0`.
    pub(super) fn next(&mut self, random: f64) -> Duration {
        let doubled = 2u32
            .checked_pow(self.failures)
            .and_then(|factor| self.base.checked_mul(factor));
        let spread = doubled.map_or(self.cap, |spread| spread.min(self.cap));
        self.failures = self.failures.saturating_add(1);
        self.floor + spread.mul_f64(random.clamp(0.0, 1.0))
    }

    /// The next wait is a first one again.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}
