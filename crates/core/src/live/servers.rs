//! The servers: one list item each, written once for all readers.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use komodo_api::{UnixMs, id::Id};
use serde_json::value::RawValue;

use super::{
    access::Rights,
    ring::{Ring, first_revision},
    subscription::{End, Subscription},
};
use crate::{desired::Desired, fleet::Fleet, ops::server_item_json};

/// A change of one server; without an item it is gone.
type Changed = (Id, Option<Arc<RawValue>>);

/// The list items of all servers, and how they change.
pub struct ServersFeed {
    /// Items as they are at the newest revision; locked only to look up and to change.
    items: Mutex<BTreeMap<Id, Arc<RawValue>>>,
    ring: Ring<Vec<Changed>>,
}

impl fmt::Debug for ServersFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServersFeed")
            .field("rev", &self.ring.rev())
            .finish_non_exhaustive()
    }
}

impl ServersFeed {
    /// No servers yet.
    pub fn new(now: UnixMs) -> Self {
        ServersFeed {
            items: Mutex::default(),
            ring: Ring::new(first_revision(now)),
        }
    }

    /// Writes the items of servers that changed, for as long as it is polled.
    pub async fn follow(&self, fleet: &Fleet, desired: &Desired) -> Infallible {
        loop {
            let servers = fleet.dirty().await;
            let state = desired.snapshot();
            let items: Vec<Changed> = servers
                .into_iter()
                .map(|id| {
                    let item = state.servers.get(&id).zip(fleet.view(id));
                    (
                        id,
                        item.and_then(|(server, view)| raw(&server_item_json(server, &view))),
                    )
                })
                .collect();
            self.publish(items);
            // Others get a turn between two rounds, also where something changes all the time.
            tokio::task::yield_now().await;
        }
    }

    fn publish(&self, changed: Vec<Changed>) {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        let changed: Vec<Changed> = changed
            .into_iter()
            .filter(|(id, item)| match (items.get(id), item) {
                (Some(before), Some(now)) => before.get() != now.get(),
                (None, None) => false,
                _ => true,
            })
            .collect();
        if changed.is_empty() {
            return;
        }
        for (id, item) in &changed {
            match item {
                Some(item) => items.insert(*id, Arc::clone(item)),
                None => items.remove(id),
            };
        }
        // Still under the lock: whoever reads items and revision together gets those that fit.
        let count = changed.len();
        self.ring.push(changed, count);
    }

    fn all(&self) -> (u64, Vec<(Id, Arc<RawValue>)>) {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        (
            self.ring.rev(),
            items
                .iter()
                .map(|(id, item)| (*id, Arc::clone(item)))
                .collect(),
        )
    }
}

fn raw(json: &[u8]) -> Option<Arc<RawValue>> {
    let text = String::from_utf8(json.to_vec()).ok()?;
    Some(RawValue::from_string(text).ok()?.into())
}

pub(super) async fn serve(to: &Subscription, after: Option<u64>) -> Result<Infallible, End> {
    let feed = Arc::clone(&to.app.background.servers);
    let mut revisions = feed.ring.watch();
    let mut desired = to.app.desired.changes();
    let (state, account) = to.look()?;
    let mut rights = Rights::of(&state, &account);
    let mut rev = match after.filter(|after| feed.ring.after(*after).is_some()) {
        Some(after) => after,
        None => snapshot(to, &feed, &rights).await?,
    };
    loop {
        revisions.borrow_and_update();
        if desired.has_changed().map_err(|_| End::Over)? {
            desired.borrow_and_update();
            let (state, account) = to.look()?;
            let now = Rights::of(&state, &account);
            // A server that is new or gone changes the rights as well; the next snapshot shows it in its place.
            let changed = std::mem::replace(&mut rights, now) != rights;
            if changed {
                rev = snapshot(to, &feed, &rights).await?;
            }
        }
        match feed.ring.after(rev) {
            None => {
                to.gap().await?;
                rev = snapshot(to, &feed, &rights).await?;
            }
            Some(changes) if !changes.is_empty() => {
                to.look()?;
                let newest = changes.last().map_or(rev, |change| change.rev);
                let latest: BTreeMap<Id, &Option<Arc<RawValue>>> = changes
                    .iter()
                    .flat_map(|change| change.what.iter().map(|(id, item)| (*id, item)))
                    .collect();
                let (mut upsert, mut remove) = (Vec::new(), Vec::new());
                for (id, item) in latest {
                    match item {
                        Some(item) if rights.server(id) => upsert.push(RawValue::to_owned(item)),
                        Some(_) => {}
                        None => remove.push(id.to_string()),
                    }
                }
                to.delta(newest, upsert, remove).await?;
                rev = newest;
            }
            Some(_) => {
                tokio::select! {
                    biased;
                    changed = revisions.changed() => changed.map_err(|_| End::Over)?,
                    // Marked as unseen by `changed`; looked at above.
                    changed = desired.changed() => {
                        changed.map_err(|_| End::Over)?;
                        desired.mark_changed();
                    }
                }
            }
        }
    }
}

async fn snapshot(to: &Subscription, feed: &ServersFeed, rights: &Rights) -> Result<u64, End> {
    let (rev, items) = feed.all();
    let items: Vec<Arc<RawValue>> = items
        .into_iter()
        .filter(|(id, _)| rights.server(*id))
        .map(|(_, item)| item)
        .collect();
    let items: Vec<&RawValue> = items.iter().map(|item| &**item).collect();
    to.snapshot(rev, &items).await?;
    Ok(rev)
}
