//! Feeds of list items that belong to resources: who may read the resource, may read the item.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use komodo_api::{UnixMs, resource::ResourceTarget};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::{
    access::{Rights, may_see},
    ring::{Change, Ring, first_revision},
    subscription::{End, Subscription},
};

/// An item as JSON, and who may see it.
#[derive(Debug)]
pub(crate) struct ItemChange {
    /// Its id.
    pub(crate) id: String,
    /// What it is on: who may read that, may read this.
    pub(crate) target: ResourceTarget,
    /// The item.
    pub(crate) json: Box<RawValue>,
}

/// The log of changes of such items.
#[derive(Debug)]
pub struct ItemsFeed(Ring<ItemChange>);

impl ItemsFeed {
    /// An empty feed.
    pub fn new(now: UnixMs) -> Self {
        ItemsFeed(Ring::new(first_revision(now)))
    }

    /// Tells all listeners of an item that is new or changed.
    pub(crate) fn publish(&self, id: &str, target: &ResourceTarget, item: &impl Serialize) {
        match serde_json::value::to_raw_value(item) {
            Ok(json) => {
                let change = ItemChange {
                    id: id.to_owned(),
                    target: target.clone(),
                    json,
                };
                self.0.push(change, 1);
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
    pub(crate) fn after(&self, rev: u64) -> Option<Vec<Arc<Change<ItemChange>>>> {
        self.0.after(rev)
    }
}

/// Serves a feed. `snapshot` sends all there is, and says of which revision that was: it has to look at the revision
/// first and at the items then, so that what changes in between is told once more, and never left out.
pub(super) async fn serve<'a, F>(
    to: &'a Subscription,
    after: Option<u64>,
    feed: &ItemsFeed,
    snapshot: impl Fn(&'a Subscription) -> F,
) -> Result<Infallible, End>
where
    F: Future<Output = Result<u64, End>>,
{
    let mut revisions = feed.watch();
    let mut desired = to.app.desired.changes();
    let (state, account) = to.look()?;
    let mut rights = Rights::of(&state, &account);
    let mut rev = match after.filter(|after| feed.after(*after).is_some()) {
        Some(after) => after,
        None => snapshot(to).await?,
    };
    loop {
        revisions.borrow_and_update();
        match feed.after(rev) {
            None => {
                to.gap().await?;
                rev = snapshot(to).await?;
            }
            Some(changes) if !changes.is_empty() => {
                let (state, account) = to.look()?;
                let newest = changes.last().map_or(rev, |change| change.rev);
                let latest: BTreeMap<&str, &RawValue> = changes
                    .iter()
                    .filter(|change| may_see(&state, &account, &change.what.target))
                    .map(|change| (change.what.id.as_str(), &*change.what.json))
                    .collect();
                to.delta(
                    newest,
                    latest.into_values().map(RawValue::to_owned).collect(),
                    Vec::new(),
                )
                .await?;
                rev = newest;
            }
            Some(_) => {
                tokio::select! {
                    biased;
                    changed = revisions.changed() => changed.map_err(|_| End::Over)?,
                    changed = desired.changed() => {
                        changed.map_err(|_| End::Over)?;
                        let (state, account) = to.look()?;
                        let now = Rights::of(&state, &account);
                        if std::mem::replace(&mut rights, now) != rights {
                            rev = snapshot(to).await?;
                        }
                    }
                }
            }
        }
    }
}
