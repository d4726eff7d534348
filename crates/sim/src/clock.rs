//! Time of a simulated host: tokio's clock from a fixed beginning, so that a paused clock stands still here too.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use komodo_api::UnixMs;
use tokio::time::Instant;

/// 2026-11-23 12:00:00 UTC.
pub(crate) const BEGINNING_MS: UnixMs = 1_795_435_200_000;

/// Times at which a clock was set that are remembered.
const JUMPS_MAX: usize = 1_000;

/// The clock of a simulated machine, which can be set.
#[derive(Debug)]
pub struct SimClock {
    began: Instant,
    beginning_ms: UnixMs,
    /// When it was set, by the time that passes for everybody, and by how much it has been off since.
    jumps: Mutex<Vec<(UnixMs, i64)>>,
    last_ns: AtomicI64,
}

impl SimClock {
    /// A clock that shows `beginning_ms` now.
    pub fn new(beginning_ms: UnixMs) -> Self {
        SimClock {
            began: Instant::now(),
            beginning_ms,
            jumps: Mutex::default(),
            last_ns: AtomicI64::new(0),
        }
    }

    /// What it shows.
    pub fn now_ms(&self) -> UnixMs {
        self.true_ms().saturating_add(self.off_ms())
    }

    /// What it would show, had it never been set: the same for all clocks with the same beginning.
    pub fn true_ms(&self) -> UnixMs {
        let passed = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.beginning_ms.saturating_add(passed)
    }

    /// Sets it forward, or back.
    pub fn jump(&self, by_ms: i64) {
        let (at, off) = (self.true_ms(), self.off_ms().saturating_add(by_ms));
        let mut jumps = self.jumps.lock().unwrap_or_else(PoisonError::into_inner);
        if jumps.len() < JUMPS_MAX {
            jumps.push((at, off));
        }
    }

    /// The true times at which it showed a time: none, or one or several when it was set.
    pub fn times_of(&self, shown: UnixMs) -> Vec<UnixMs> {
        let jumps = self.jumps.lock().unwrap_or_else(PoisonError::into_inner);
        let mut times = Vec::new();
        let mut piece = (UnixMs::MIN, 0);
        let ends = jumps.iter().copied().chain([(UnixMs::MAX, 0)]);
        for (until, next) in ends {
            let time = shown.saturating_sub(piece.1);
            if (piece.0..=until).contains(&time) {
                times.push(time);
            }
            piece = (until, next);
        }
        times
    }

    fn off_ms(&self) -> i64 {
        let jumps = self.jumps.lock().unwrap_or_else(PoisonError::into_inner);
        jumps.last().map_or(0, |(_, off)| *off)
    }

    /// As the Engine's event times: no two are the same.
    pub(crate) fn next_ns(&self) -> i64 {
        let passed = i64::try_from(self.began.elapsed().as_nanos()).unwrap_or(i64::MAX);
        let now = self
            .beginning_ms
            .saturating_add(self.off_ms())
            .saturating_mul(1_000_000)
            .saturating_add(passed);
        let next = |last: i64| Some(now.max(last + 1));
        let before = self
            .last_ns
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        before.map_or(now, |last| now.max(last + 1))
    }
}

/// RFC 3339 with nanoseconds, as the Engine writes times.
pub(crate) fn rfc3339(ns: i64) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(ns)) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string(),
        Err(_) => "0001-01-01T00:00:00Z".to_owned(),
    }
}
