//! Times and changes that are waited for.

use std::time::Duration;

use komodo_api::UnixMs;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::Inner;

/// Waits for a time, or for ever where there is none.
pub(super) async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Waits until an operation has been open for too long.
pub(super) async fn expired(tasks: &Inner, start_ts: UnixMs) {
    let open_max = UnixMs::try_from(tasks.settings.open_max.as_millis()).unwrap_or(UnixMs::MAX);
    loop {
        let left = start_ts
            .saturating_add(open_max)
            .saturating_sub(tasks.clock.now());
        match u64::try_from(left) {
            Ok(left) if left > 0 => tokio::time::sleep(Duration::from_millis(left)).await,
            _ => return,
        }
    }
}

/// That it has been, in words.
pub(super) fn expiry(tasks: &Inner) -> String {
    let days = tasks.settings.open_max.as_secs() / (24 * 60 * 60);
    format!("its server did not come back within {days} days")
}

/// Waits until the view of a server changes.
pub(super) async fn changed(views: &mut Option<watch::Receiver<u64>>) {
    let changed = match views {
        Some(views) => views.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        std::future::pending::<()>().await;
    }
}
