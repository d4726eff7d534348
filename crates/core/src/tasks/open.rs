//! What is known of Updates that have not ended: how each looks now, and who wants it canceled.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use komodo_api::{
    id::Id,
    update::{Update, UpdateStatus},
};
use tokio::sync::watch;

/// One Update that has not ended, or whose end is not on disk yet.
#[derive(Debug)]
pub(super) struct Open {
    /// Its server.
    pub(super) server: Id,
    /// Whether it took Write to ask for it, so that it takes Write to cancel it.
    pub(super) needs_write: bool,
    shown: watch::Sender<Arc<Update>>,
    wanted: watch::Sender<Wanted>,
}

/// That it be canceled: how often, and by whom last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) times: u32,
    pub(super) by: String,
}

impl Open {
    /// An Update as it begins.
    pub(super) fn new(server: Id, needs_write: bool, update: &Update) -> Arc<Self> {
        Arc::new(Open {
            server,
            needs_write,
            shown: watch::Sender::new(Arc::new(update.clone())),
            wanted: watch::Sender::default(),
        })
    }

    /// The Update as it was shown last.
    pub(super) fn update(&self) -> Arc<Update> {
        Arc::clone(&self.shown.borrow())
    }

    /// Shows the Update as it is now.
    pub(super) fn show(&self, update: &Update) {
        self.shown.send_replace(Arc::new(update.clone()));
    }

    /// Follows it.
    pub(super) fn watch(&self) -> watch::Receiver<Arc<Update>> {
        self.shown.subscribe()
    }

    /// Wants it canceled; whoever runs it finds out.
    pub(super) fn cancel(&self, by: &str) {
        self.wanted.send_modify(|wanted| {
            wanted.times += 1;
            by.clone_into(&mut wanted.by);
        });
    }

    /// Waits until it is wanted to be canceled more often than `seen` times. Can be dropped and called again.
    pub(super) fn canceled(&self, seen: u32) -> impl Future<Output = Wanted> + Send + 'static {
        let mut wanted = self.wanted.subscribe();
        async move {
            loop {
                let now = wanted.borrow_and_update().clone();
                if now.times > seen {
                    return now;
                }
                if wanted.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

/// All of them, by id.
#[derive(Debug, Default)]
pub(super) struct OpenUpdates(Mutex<BTreeMap<Id, Arc<Open>>>);

impl OpenUpdates {
    pub(super) fn insert(&self, id: Id, open: Arc<Open>) {
        self.lock().insert(id, open);
    }

    pub(super) fn remove(&self, id: Id) {
        self.lock().remove(&id);
    }

    pub(super) fn get(&self, id: Id) -> Option<Arc<Open>> {
        self.lock().get(&id).cloned()
    }

    pub(super) fn contains(&self, id: Id) -> bool {
        self.lock().contains_key(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Those of a server that wait for it, the oldest first.
    pub(super) fn queued(&self, server: Id) -> Vec<Id> {
        let mut queued: Vec<_> = self
            .lock()
            .iter()
            .filter(|(_, open)| open.server == server)
            .map(|(id, open)| (open.update(), *id))
            .filter(|(update, _)| update.status == UpdateStatus::Queued)
            .map(|(update, id)| (update.start_ts, id))
            .collect();
        queued.sort_unstable();
        queued.into_iter().map(|(_, id)| id).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Id, Arc<Open>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
