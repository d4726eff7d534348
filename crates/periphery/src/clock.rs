//! The clock, in one place.

use std::time::{SystemTime, UNIX_EPOCH};

use komodo_api::UnixMs;

/// Unix time, ms.
#[expect(clippy::disallowed_methods, reason = "the one clock of this program")]
pub fn now_ms() -> UnixMs {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMs::try_from(since.as_millis()).unwrap_or(UnixMs::MAX)
}
