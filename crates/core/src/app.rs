//! [`App`]: everything a running Core is made of.

use std::sync::Arc;

use crate::clock::Clock;

/// A Core. Cheap to share as `Arc<App>`; dropping the last one ends what it runs.
#[derive(Debug)]
pub struct App {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}
