//! Time of a simulated host: tokio's clock from a fixed beginning, so that a paused clock stands still here too.

use std::sync::atomic::{AtomicI64, Ordering};

use komodo_api::UnixMs;
use tokio::time::Instant;

/// 2026-11-23 12:00:00 UTC.
pub(crate) const BEGINNING_MS: UnixMs = 1_795_435_200_000;

#[derive(Debug)]
pub(crate) struct Clock {
    began: Instant,
    beginning_ms: UnixMs,
    last_ns: AtomicI64,
}

impl Clock {
    pub(crate) fn new(beginning_ms: UnixMs) -> Self {
        Clock {
            began: Instant::now(),
            beginning_ms,
            last_ns: AtomicI64::new(0),
        }
    }

    pub(crate) fn now_ms(&self) -> UnixMs {
        let passed = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.beginning_ms.saturating_add(passed)
    }

    /// As the Engine's event times: no two are the same.
    pub(crate) fn next_ns(&self) -> i64 {
        let passed = i64::try_from(self.began.elapsed().as_nanos()).unwrap_or(i64::MAX);
        let now = self
            .beginning_ms
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
