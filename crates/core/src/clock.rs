//! Where Core reads the time, and what tells ids apart. Nothing else asks the operating system for these, so that tests
//! own them.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use komodo_api::UnixMs;

/// A source of the wall-clock time.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Unix time in milliseconds.
    fn now(&self) -> UnixMs;

    /// What tells a new id from all others of its second. A simulation, which has to be repeatable, gives its own.
    fn id_bits(&self) -> [u8; 8] {
        let mut bits = [0; 8];
        crate::id::fill(&mut bits);
        bits
    }
}

/// The clock of the host.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one clock of this program")]
    fn now(&self) -> UnixMs {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
    }
}
