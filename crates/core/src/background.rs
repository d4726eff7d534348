//! What goes on in a Core without anybody asking: sessions with agents, operations that run, views that are kept.
//!
//! Starts all of it in order and ends it in order; what each of them does does not belong here.

use std::{
    collections::BTreeMap,
    fmt, fs,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use komodo_api::id::Id;
use tokio::{sync::Notify, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    alerts::Alerts,
    clock::Clock,
    config::Config,
    desired::{Desired, DesiredState},
    fleet::{CoreFacts, Fleet, FleetTimings, KnownServer, ViewStore},
    live::ServersFeed,
    programs::Programs,
    store::{Store, StoreError},
    tasks::{TaskSettings, Tasks},
};

/// How long an end of Core waits for the last views to be kept.
const KEEP: Duration = Duration::from_secs(5);

/// Everything that goes on by itself.
#[derive(Debug)]
pub struct Background {
    /// Servers, their views and links.
    pub fleet: Arc<Fleet>,
    /// Operations.
    pub tasks: Arc<Tasks>,
    /// What somebody should look at.
    pub alerts: Arc<Alerts>,
    /// List items of servers, as they change.
    pub servers: Arc<ServersFeed>,
    running: TaskTracker,
    end: CancellationToken,
}

impl Background {
    /// Takes up what an earlier start of Core left, and begins.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn start(
        clock: &Arc<dyn Clock>,
        config: &Config,
        store: &Store,
        desired: &Desired,
        programs: &Arc<Programs>,
        timings: FleetTimings,
        settings: TaskSettings,
    ) -> Result<Self, StoreError> {
        let core = CoreFacts {
            id: store.core_id().to_owned(),
            epoch: store.epoch(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            container: own_container(),
            depends_on: config.depends_on_containers.clone(),
        };
        let keeper = Arc::new(Keeper::default());
        let saved = store.views_load().await?;
        let (fleet, connected) = Fleet::new(
            Arc::clone(clock),
            core,
            timings,
            Arc::clone(&keeper) as Arc<dyn ViewStore>,
        );
        let fleet = Arc::new(fleet);
        fleet.reconcile(|| known(&desired.snapshot()), saved);
        let alerts = Arc::new(Alerts::new(Arc::clone(clock), store.clone()));
        let tasks = Arc::new(Tasks::new(
            Arc::clone(clock),
            store.clone(),
            desired.clone(),
            (Arc::clone(&fleet), connected),
            Arc::clone(&alerts),
            Arc::clone(programs),
            settings,
        ));
        tasks.resume().await?;
        let servers = Arc::new(ServersFeed::new(clock.now()));
        let (running, end) = (TaskTracker::new(), CancellationToken::new());
        let until = |end: &CancellationToken| end.clone().cancelled_owned();
        running.spawn({
            let (fleet, desired, end) = (Arc::clone(&fleet), desired.clone(), until(&end));
            async move {
                tokio::select! { () = end => {}, () = reconcile(&fleet, &desired) => {} }
            }
        });
        running.spawn({
            let (fleet, desired, servers, end) = (Arc::clone(&fleet), desired.clone(), Arc::clone(&servers), until(&end));
            async move {
                tokio::select! { () = end => {}, never = servers.follow(&fleet, &desired) => match never {} }
            }
        });
        running.spawn({
            let (keeper, store, end) = (Arc::clone(&keeper), store.clone(), end.clone());
            async move { keeper.keep(&store, &end).await }
        });
        Ok(Background {
            fleet,
            tasks,
            alerts,
            servers,
            running,
            end,
        })
    }

    /// Brings the fleet in line with a change that its caller has just made, before anything else happens.
    pub fn reconcile(&self, desired: &Desired) {
        self.fleet
            .reconcile(|| known(&desired.snapshot()), BTreeMap::new());
    }

    /// Ends everything, what depends on others first.
    pub async fn shut_down(&self) {
        self.tasks.shut_down().await;
        if timeout(KEEP, self.fleet.shut_down()).await.is_err() {
            tracing::warn!("not all sessions ended in time");
        }
        self.end.cancel();
        self.running.close();
        if timeout(KEEP, self.running.wait()).await.is_err() {
            tracing::warn!("not all last views could be kept in time");
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

async fn reconcile(fleet: &Fleet, desired: &Desired) {
    let mut changes = desired.changes();
    loop {
        changes.borrow_and_update();
        fleet.reconcile(|| known(&desired.snapshot()), BTreeMap::new());
        if changes.changed().await.is_err() {
            return;
        }
    }
}

fn known(state: &DesiredState) -> Vec<KnownServer> {
    state
        .servers
        .iter()
        .map(|(id, server)| KnownServer {
            id: *id,
            server: Arc::clone(server),
        })
        .collect()
}

/// Container id of Core, where it runs in one.
fn own_container() -> Option<String> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let candidates = komodo_plan::own_container_candidates(
        &read("/proc/self/mountinfo"),
        &read("/proc/self/cgroup"),
    );
    candidates.into_iter().next()
}

/// Keeps the last views on disk, the newest of each server, one after the other.
#[derive(Default)]
struct Keeper {
    waiting: Mutex<BTreeMap<Id, Option<Vec<u8>>>>,
    more: Notify,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl ViewStore for Keeper {
    fn save(&self, server: Id, view: Vec<u8>) {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(server, Some(view));
        self.more.notify_one();
    }

    fn forget(&self, server: Id) {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(server, None);
        self.more.notify_one();
    }
}

impl Keeper {
    /// Until Core ends, and then until nothing waits any more.
    async fn keep(&self, store: &Store, end: &CancellationToken) {
        loop {
            let next = self
                .waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_first();
            let Some((server, view)) = next else {
                tokio::select! {
                    biased;
                    () = self.more.notified() => continue,
                    () = end.cancelled() => return,
                }
            };
            let kept = match view {
                Some(view) => store.view_save(server, view).await,
                None => store.view_forget(server).await,
            };
            if let Err(error) = kept {
                // The next change is kept again; what is lost is only what a restart would have shown until then.
                tracing::warn!(server.id = %server, %error, "the last view of a server could not be kept");
            }
        }
    }
}
