//! What all listeners to Updates hear: a list item at each change that lists show.

use std::sync::Arc;

use komodo_api::{UnixMs, resource::ResourceTarget, update::UpdateListItem};
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::live::ring::{Change, Ring, first_revision};

/// A list item as JSON, and who may see it.
#[derive(Debug)]
pub struct UpdateChange {
    /// Id of the Update.
    pub id: String,
    /// What it is on: who may read that, may read this.
    pub target: ResourceTarget,
    /// The list item.
    pub json: Box<RawValue>,
}

/// The log of such changes.
#[derive(Debug)]
pub struct UpdatesFeed(Ring<UpdateChange>);

impl UpdatesFeed {
    pub(super) fn new(now: UnixMs) -> Self {
        UpdatesFeed(Ring::new(first_revision(now)))
    }

    pub(super) fn publish(&self, item: &UpdateListItem) {
        match serde_json::value::to_raw_value(item) {
            Ok(json) => {
                self.0.push(
                    UpdateChange {
                        id: item.id.clone(),
                        target: item.target.clone(),
                        json,
                    },
                    1,
                );
            }
            Err(error) => tracing::error!(%error, "a list item cannot be written"),
        }
    }

    /// Present revision.
    pub fn rev(&self) -> u64 {
        self.0.rev()
    }

    /// Tells of each new revision.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.watch()
    }

    /// What came after a revision; `None` when part of that is no longer held.
    pub(crate) fn after(&self, rev: u64) -> Option<Vec<Arc<Change<UpdateChange>>>> {
        self.0.after(rev)
    }
}
