//! Work that outlives its request: durable Updates, the leases they hold, and their settlement.
//!
//! An operation is refused before anything begins, or gets an Update that is on disk before it is answered. From then on
//! a `run` follows what the agent does until every target has a verdict, over lost links and restarts of either
//! side. The verdict always comes from the agent's journal or from what is observed, never from the state of a link.
//! What an operation means is decided in `komodo_plan`.

mod close;
mod lease;
mod order;
mod run;
mod settle;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use komodo_api::{
    Error, UnixMs,
    id::{Id, Oid},
    resource::ResourceTarget,
    server::ServerActionState,
    update::{Log, OperationKind, Update, UpdateListItem, UpdateStatus, Version},
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

pub use order::Ask;

use crate::{
    alerts::Alerts,
    clock::Clock,
    desired::Desired,
    fleet::{Agent, Fleet},
    live::ItemsFeed,
    store::{OpenUpdate, Store, StoreError, list_item},
};
use lease::Leases;
use order::Ordered;
use run::Run;

/// How long an end of Core waits for what runs to be saved.
const SHUT_DOWN: Duration = Duration::from_secs(5);
/// Time within which the same refusal is recorded once.
const REFUSAL_ONCE_MS: UnixMs = 60_000;
/// Refusals that are remembered to record them once.
const REFUSALS_HELD_MAX: usize = 1024;

/// Settings of operations.
#[derive(Debug, Clone)]
pub struct TaskSettings {
    /// Containers of one operation that are acted on at the same time.
    pub concurrency: u32,
    /// Time after which an operation that nobody can settle is closed.
    pub open_max: Duration,
    /// First pause before an agent that did not answer is asked again; doubles.
    pub retry: Duration,
}

impl Default for TaskSettings {
    fn default() -> Self {
        TaskSettings {
            concurrency: 16,
            open_max: Duration::from_secs(7 * 24 * 60 * 60),
            retry: Duration::from_millis(200),
        }
    }
}

/// All work in progress. Dropping it ends the runs; their Updates stay open on disk.
pub struct Tasks {
    inner: Arc<Inner>,
    _end: DropGuard,
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks")
            .field("open", &self.inner.open.lock().map(|open| open.len()))
            .finish_non_exhaustive()
    }
}

struct Inner {
    clock: Arc<dyn Clock>,
    store: Store,
    desired: Desired,
    fleet: Arc<Fleet>,
    alerts: Arc<Alerts>,
    settings: TaskSettings,
    leases: Leases,
    open: Mutex<BTreeMap<Id, watch::Sender<Arc<Update>>>>,
    feed: ItemsFeed,
    refusals: Mutex<BTreeMap<String, UnixMs>>,
    running: TaskTracker,
    end: CancellationToken,
}

/// How something ended that is recorded at once.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Whether it succeeded.
    pub success: bool,
    /// Steps.
    pub logs: Vec<Log>,
    /// Configuration before, as TOML.
    pub prev_toml: String,
    /// Configuration after, as TOML.
    pub current_toml: String,
}

impl Outcome {
    /// It was done.
    pub fn done(stage: &str, text: impl Into<String>) -> Self {
        let log = Log {
            stage: stage.to_owned(),
            stdout: text.into(),
            success: true,
            ..Log::default()
        };
        Outcome {
            success: true,
            logs: vec![log],
            ..Outcome::default()
        }
    }

    /// It was refused.
    pub fn refused(error: &Error) -> Self {
        let log = Log {
            stage: "Refused".to_owned(),
            stderr: error.error.clone(),
            ..Log::default()
        };
        Outcome {
            logs: vec![log],
            ..Outcome::default()
        }
    }
}

impl Tasks {
    /// Nothing runs yet; `connected` is where the fleet tells of agents.
    pub fn new(
        clock: Arc<dyn Clock>,
        store: Store,
        desired: Desired,
        fleet: Arc<Fleet>,
        alerts: Arc<Alerts>,
        connected: mpsc::Receiver<Arc<Agent>>,
        settings: TaskSettings,
    ) -> Self {
        let end = CancellationToken::new();
        let feed = ItemsFeed::new(clock.now());
        let inner = Arc::new(Inner {
            clock,
            store,
            desired,
            fleet,
            alerts,
            settings,
            leases: Leases::default(),
            open: Mutex::default(),
            feed,
            refusals: Mutex::default(),
            running: TaskTracker::new(),
            end: end.clone(),
        });
        inner.running.spawn(Arc::clone(&inner).tidy(connected));
        Tasks {
            inner,
            _end: end.drop_guard(),
        }
    }

    /// Takes up the operations that an earlier start of Core left open; the servers must be known to the fleet.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn resume(&self) -> Result<(), StoreError> {
        for OpenUpdate { update, ordered } in self.inner.store.updates().open().await? {
            let Some(Oid(id)) = update.id else { continue };
            let ordered =
                ordered.and_then(|ordered| serde_json::from_value::<Ordered>(ordered).ok());
            tracing::info!(update.id = %id, "an operation that was open when Core ended is taken up");
            Run::resumed(&self.inner, id, update, ordered);
        }
        Ok(())
    }

    /// Records something that is over. Durable before it returns.
    ///
    /// # Errors
    /// Where it cannot be stored.
    pub async fn record(
        &self,
        operator: &str,
        request: &str,
        target: ResourceTarget,
        outcome: Outcome,
    ) -> Result<Update, Error> {
        let now = self.inner.clock.now();
        let mut update = self.inner.new_update(operator, request, target);
        update.success = outcome.success;
        update.logs = outcome.logs;
        for log in &mut update.logs {
            if log.start_ts == 0 {
                (log.start_ts, log.end_ts) = (now, now);
            }
        }
        update.prev_toml = outcome.prev_toml;
        update.current_toml = outcome.current_toml;
        update.end_ts = Some(now);
        update.status = UpdateStatus::Complete;
        self.inner.store.updates().insert(&update, None).await?;
        self.inner.publish(&update);
        Ok(update)
    }

    /// Records that a request was refused; the same refusal at most once a minute. What cannot be stored is in the log.
    pub async fn record_refusal(
        &self,
        operator: &str,
        request: &str,
        target: ResourceTarget,
        error: &Error,
    ) {
        let now = self.inner.clock.now();
        let key = format!(
            "{operator} {request} {target:?} {:?} {}",
            error.code, error.error
        );
        {
            let mut refusals = self
                .inner
                .refusals
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            refusals.retain(|_, at| now - *at < REFUSAL_ONCE_MS);
            if refusals.len() >= REFUSALS_HELD_MAX || refusals.insert(key, now).is_some() {
                return;
            }
        }
        tracing::info!(operator, request, ?target, error = error.error, "refused");
        if let Err(error) = self
            .record(operator, request, target, Outcome::refused(error))
            .await
        {
            tracing::warn!(%error, "a refusal could not be recorded");
        }
    }

    /// An Update that has not ended, or whose end is not on disk yet.
    pub fn open(&self, id: Id) -> Option<Arc<Update>> {
        let open = self
            .inner
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        open.get(&id).map(|update| Arc::clone(&update.borrow()))
    }

    /// Follows an Update that has not ended; at most 20 changes a second. The channel closes after the last one.
    pub fn watch(&self, id: Id) -> Option<watch::Receiver<Arc<Update>>> {
        let open = self
            .inner
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        open.get(&id).map(watch::Sender::subscribe)
    }

    /// An Update, open or ended.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn get(&self, id: Id) -> Result<Option<Arc<Update>>, StoreError> {
        if let Some(update) = self.open(id) {
            return Ok(Some(update));
        }
        Ok(self.inner.store.updates().get(id).await?.map(Arc::new))
    }

    /// Brings list items that were read from disk up to what is known.
    pub fn freshen(&self, items: &mut [UpdateListItem]) {
        let open = self
            .inner
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if open.is_empty() {
            return;
        }
        for item in items {
            if let Some(update) = item.id.parse().ok().and_then(|id: Id| open.get(&id)) {
                *item = list_item(&update.borrow(), std::mem::take(&mut item.username));
            }
        }
    }

    /// What is being done on a server.
    pub fn action_state(&self, server: Id) -> ServerActionState {
        self.inner.leases.action_state(server)
    }

    /// What all listeners to Updates hear.
    pub fn feed(&self) -> &ItemsFeed {
        &self.inner.feed
    }

    /// Ends the runs, each with what it has on disk. Their Updates stay open and are taken up at the next start.
    pub async fn shut_down(&self) {
        self.inner.end.cancel();
        self.inner.running.close();
        if timeout(SHUT_DOWN, self.inner.running.wait()).await.is_err() {
            tracing::warn!(
                "not everything that runs could be saved in time; it is settled at the next start"
            );
        }
    }
}

impl Inner {
    fn new_update(&self, operator: &str, request: &str, target: ResourceTarget) -> Update {
        let now = self.clock.now();
        let operation = OperationKind::by_name(request);
        Update {
            id: Some(Oid(crate::id::id_by(&*self.clock))),
            operation,
            start_ts: now,
            success: true,
            operator: operator.to_owned(),
            target,
            logs: Vec::new(),
            end_ts: None,
            status: UpdateStatus::InProgress,
            version: Version::default(),
            commit_hash: String::new(),
            other_data: String::new(),
            prev_toml: String::new(),
            current_toml: String::new(),
            request: (operation == OperationKind::None).then(|| request.to_owned()),
            verdicts: Vec::new(),
            targets: None,
            waiting_for: None,
            deadline: None,
            stage: None,
            cancelable: false,
            canceled_by: None,
            expires: None,
            undoable: false,
            undoes: None,
            undone_by: None,
            container: None,
        }
    }

    /// Tells all listeners how an Update looks in lists.
    fn publish(&self, update: &Update) {
        let username = self.desired.snapshot().username(&update.operator);
        let item = list_item(update, username);
        self.feed.publish(&item.id, &item.target, &item);
    }

    /// Lets agents that connect forget operations whose end is stored: an acknowledgement can get lost.
    async fn tidy(self: Arc<Self>, mut connected: mpsc::Receiver<Arc<Agent>>) {
        loop {
            let agent = tokio::select! {
                biased;
                () = self.end.cancelled() => return,
                agent = connected.recv() => match agent {
                    Some(agent) => agent,
                    None => return,
                },
            };
            let held: Vec<_> = agent
                .hello()
                .open_operations
                .iter()
                .filter(|held| held.ended)
                .cloned()
                .collect();
            if held.is_empty() {
                continue;
            }
            // In a task of its own: an agent that hangs must not hold up the others.
            let inner = Arc::clone(&self);
            self.running.spawn(async move {
                for operation in held {
                    let Ok(id) = operation.id.parse::<Id>() else { continue };
                    if inner.open.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&id) {
                        continue;
                    }
                    let over = match inner.store.updates().get(id).await {
                        // An operation of a database that was restored from a backup is nobody's any more.
                        Ok(found) => found.is_none_or(|update| update.status == UpdateStatus::Complete),
                        Err(_) => false,
                    };
                    if !over {
                        continue;
                    }
                    let forget = tokio::select! {
                        biased;
                        () = inner.end.cancelled() => return,
                        forget = agent.acknowledge(&operation.id) => forget,
                    };
                    if let Err(error) = forget {
                        tracing::info!(update.id = %id, %error, "an agent could not be told to forget an operation");
                        return;
                    }
                }
            });
        }
    }
}
