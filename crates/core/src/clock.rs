//! Where Core reads the time. Nothing else asks the operating system, so that tests own the clock.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use komodo_api::UnixMs;

/// A source of the wall-clock time.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Unix time in milliseconds.
    fn now(&self) -> UnixMs;
}

/// The clock of the host.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMs {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
    }
}
