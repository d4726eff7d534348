//! Work that outlives its request: durable Updates, the leases they hold, and their settlement.
//!
//! An operation is refused before anything begins, or gets an Update that is on disk before it is answered. From then on
//! a `run` follows what the agent does until every target has a verdict, over lost links and restarts of either
//! side. The verdict always comes from the agent's journal or from what is observed, never from the state of a link.
//! What an operation means is decided in `komodo_plan`.

mod ask;
mod begin;
mod close;
mod detach;
mod hand_over;
mod lease;
mod open;
mod order;
mod overdue;
mod periphery;
mod queue;
mod refuse;
mod roll;
mod run;
mod send;
mod settle;
mod stage;
mod tell;
mod tidy;
mod undo;
mod until;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use komodo_api::{
    Code, Error, UnixMs,
    id::{Id, Oid},
    resource::ResourceTarget,
    server::ServerActionState,
    update::{Log, OperationKind, Stage, Update, UpdateListItem, UpdateStatus, Version},
};
use komodo_failpoint::failpoint;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

pub use order::{Ask, By};
pub(crate) use periphery::{Renewal, skew};

use crate::{
    alerts::Alerts,
    clock::Clock,
    desired::Desired,
    fleet::{Agent, Fleet},
    live::ItemsFeed,
    programs::Programs,
    store::{OpenUpdate, Store, StoreError, list_item},
};
use begin::server_of;
use lease::Leases;
use open::OpenUpdates;
use order::Ordered;
use queue::Queued;
use roll::Rolling;
use run::Run;
use serde::Deserialize;

/// How long an end of Core waits for what runs to be saved.
const SHUT_DOWN: Duration = Duration::from_secs(5);
/// How long a cancel waits until whoever runs the operation has noticed it.
const CANCEL_NOTICED: Duration = Duration::from_secs(5);
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
    /// Seconds that what was handed over is watched before it is confirmed.
    pub probation_s: u32,
}

impl Default for TaskSettings {
    fn default() -> Self {
        TaskSettings {
            concurrency: 16,
            open_max: Duration::from_secs(7 * 24 * 60 * 60),
            retry: Duration::from_millis(200),
            probation_s: komodo_agent_api::PROBATION_S_DEFAULT,
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
            .field("open", &self.inner.open.len())
            .finish_non_exhaustive()
    }
}

struct Inner {
    clock: Arc<dyn Clock>,
    store: Store,
    desired: Desired,
    fleet: Arc<Fleet>,
    alerts: Arc<Alerts>,
    programs: Arc<Programs>,
    settings: TaskSettings,
    leases: Leases,
    open: OpenUpdates,
    /// Held while an operation that waits is stored.
    queueing: tokio::sync::Mutex<()>,
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
        (fleet, connected): (Arc<Fleet>, mpsc::Receiver<Arc<Agent>>),
        alerts: Arc<Alerts>,
        programs: Arc<Programs>,
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
            programs,
            settings,
            leases: Leases::default(),
            open: OpenUpdates::default(),
            queueing: tokio::sync::Mutex::default(),
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
        let mut rolls = Vec::new();
        for OpenUpdate { update, ordered } in self.inner.store.updates().open().await? {
            let Some(Oid(id)) = update.id else { continue };
            if let Some(rolling) = ordered
                .as_ref()
                .and_then(|ordered| Rolling::deserialize(ordered).ok())
            {
                rolls.push((id, update, rolling));
                continue;
            }
            let ordered =
                ordered.and_then(|ordered| serde_json::from_value::<Ordered>(ordered).ok());
            tracing::info!(update.id = %id, "an operation that was open when Core ended is taken up");
            let mut update = update;
            if let Some(restored) = self.inner.store.restored()
                && restored.operation == id.to_string()
            {
                let told = hand_over::database_put_back(restored, self.inner.clock.now());
                update.logs.push(told);
            }
            match ordered {
                Some(ordered) if ordered.queued => {
                    Queued::start(&self.inner, id, server_of(&update), update, ordered);
                }
                ordered => Run::resumed(&self.inner, id, update, ordered),
            }
            failpoint!("resume.taken");
        }
        // What they wait for is taken up by now.
        for (id, update, rolling) in rolls {
            tracing::info!(update.id = %id, "a roll that was open when Core ended goes on");
            self.inner.resume_roll(id, update, rolling);
        }
        let inner = Arc::clone(&self.inner);
        let open = move |operation: &str| operation.parse().is_ok_and(|id| inner.open.contains(id));
        self.inner.store.settle_snapshots(open).await?;
        // What ended while its alert could not be stored as resolved.
        for about in self.inner.store.alerts().open().await? {
            if about.parse().is_ok_and(|id| !self.inner.open.contains(id)) {
                self.inner.alerts.resolve_of_update(&about).await?;
            }
        }
        Ok(())
    }

    /// Cancels an Update, and answers how it is then: over, where it waited; else about to end.
    ///
    /// # Errors
    /// 409 `not_cancelable` where it has ended, 403 where it took Write and the caller does not hold that.
    pub async fn cancel(&self, id: Id, by: &By) -> Result<Arc<Update>, Error> {
        let ended = || {
            Error::new(
                Code::NotCancelable,
                "this has ended already, so there is nothing to cancel",
            )
        };
        let Some(open) = self.inner.open.get(id) else {
            return Err(match self.inner.store.updates().get(id).await? {
                // It is on disk, and its run is about to begin.
                Some(update) if update.status != UpdateStatus::Complete => Error::new(
                    Code::Busy,
                    "this is just about to begin; try again in a moment",
                ),
                Some(_) => ended(),
                None => Error::not_found("update", id.as_str()),
            });
        };
        if open.update().status == UpdateStatus::Complete {
            return Err(ended());
        }
        if open.needs_write && !by.may_write {
            return Err(Error::new(
                Code::Forbidden,
                "what needed Write on the server to be begun needs it to be canceled",
            )
            .param("needs", ["Write"]));
        }
        if let Some(stage @ (Stage::HandedOver | Stage::Probation)) = open.update().stage {
            return Err(Error::new(
                Code::NotCancelable,
                "a helper on the host has it in hand: it is confirmed, or everything is put back as it was",
            )
            .param("stage", stage));
        }
        let mut shown = open.watch();
        open.cancel(&by.username);
        let noticed = shown.wait_for(|update| {
            update.status == UpdateStatus::Complete
                || (update.canceled_by.is_some() && update.waiting_for.is_none())
        });
        // Where it takes longer, it is told all the same.
        let _ = timeout(CANCEL_NOTICED, noticed).await;
        Ok(open.update())
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
        Some(self.inner.open.get(id)?.update())
    }

    /// Follows an Update that has not ended; at most 20 changes a second. The channel closes after the last one.
    pub fn watch(&self, id: Id) -> Option<watch::Receiver<Arc<Update>>> {
        Some(self.inner.open.get(id)?.watch())
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
    ///
    /// # Errors
    /// Where one that has ended since cannot be read.
    pub async fn freshen(&self, items: &mut [UpdateListItem]) -> Result<(), StoreError> {
        for item in items {
            if item.status == UpdateStatus::Complete {
                continue;
            }
            let Ok(id) = item.id.parse() else { continue };
            if let Some(update) = self.get(id).await? {
                *item = list_item(&update, std::mem::take(&mut item.username));
            }
        }
        Ok(())
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
            sent: None,
            probation_until: None,
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
}
