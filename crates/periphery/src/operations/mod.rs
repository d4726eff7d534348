//! Operations: accepted once by their id, carried out to their end whoever listens, kept until Core has their end.

mod detach;
mod hand_over;
mod log;
mod look;
mod recover;
mod run;
mod service;
mod target;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use komodo_agent_api::{
    AgentError, AgentErrorCode, AgentOperation, AgentStream, EngineState, OperationEvent,
    OperationEventBody, OperationState,
};
use komodo_api::container::Scope;
use komodo_failpoint::failpoint;
use komodo_journal::{JournalError, Recorded};
use komodo_plan::{
    ContainersPlan, Observed, PlanError, PlanInput, is_undone, operation_deadline_ms,
    plan_containers,
};
use tokio::{
    sync::{Semaphore, oneshot},
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock,
    hand_over::leftovers::{forget_plans, sweep},
    observe::View,
    redact::redact,
};
use log::OperationLog;
pub(crate) use run::Means;

/// Characters of an operation's id.
const ID_CHARS_MAX: usize = 64;
/// Time an order waits for an Engine that has just come back to be looked at.
const READY_DEADLINE: Duration = Duration::from_secs(5);

/// Time a cancel waits for its operation to be accepted.
const CANCEL_PATIENCE: Duration = Duration::from_secs(8);
/// Containers looked at at the same time before an order is planned that expects them to be as they were.
const LOOKS_MAX: usize = 16;

/// All operations that the agent keeps.
#[derive(Debug)]
pub struct Operations {
    shared: Arc<Shared>,
    /// Operations that are being accepted or carried out; they end with the agent, and the journal has them.
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct Shared {
    means: Means,
    logs: Mutex<BTreeMap<String, Arc<OperationLog>>>,
    /// One is accepted at a time, so that an id is never accepted twice.
    accepting: Semaphore,
    /// Cancelled when those who follow are to go.
    followers: Mutex<CancellationToken>,
    /// Who waits for an operation to be accepted, by its id.
    callers: Mutex<BTreeMap<String, Vec<Caller>>>,
}

impl Operations {
    /// The operations of an agent, with those that its journal held. What was open is settled from now on.
    ///
    /// # Errors
    /// [`JournalError`] where a file of the journal that is to go on cannot be opened.
    pub(crate) async fn new(means: Means, recorded: Vec<Recorded>) -> Result<Self, JournalError> {
        let mut logs = BTreeMap::new();
        let mut tasks = JoinSet::new();
        let open = recorded.iter().filter(|recorded| !recorded.has_ended());
        let open = open.map(|recorded| recorded.operation.id.clone()).collect();
        forget_plans(&means.kept, &open).await;
        tasks.spawn(sweep(means.clone(), open));
        for recorded in recorded {
            let file = means.journal.reopen(&recorded).await?;
            let id = recorded.operation.id.clone();
            let log = OperationLog::new(id.clone(), file, recorded.events.clone());
            logs.insert(id, Arc::clone(&log));
            if !recorded.has_ended() {
                tracing::info!(
                    operation.id = recorded.operation.id,
                    "an operation was open; it is settled now"
                );
                tasks.spawn(recover::recover(means.clone(), recorded, log));
            }
        }
        let shared = Arc::new(Shared {
            means,
            logs: Mutex::new(logs),
            followers: Mutex::default(),
            accepting: Semaphore::new(1),
            callers: Mutex::default(),
        });
        Ok(Operations {
            shared,
            tasks: Mutex::new(tasks),
        })
    }

    /// Those that Core has not acknowledged.
    pub fn open(&self) -> Vec<OperationState> {
        self.shared.logs().values().map(|log| log.state()).collect()
    }

    /// Ends the streams of all who follow, after what they have been told. Whoever comes later may follow again.
    pub fn end_followers(&self) {
        let mut followers = self
            .shared
            .followers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *followers).cancel();
    }

    /// Ends the tasks of all operations where they are; what is open stays so in the journal.
    pub async fn end(&self) {
        let mut tasks = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *tasks)
        };
        tasks.shutdown().await;
    }

    /// Whether an operation of that id is known.
    pub fn knows(&self, id: &str) -> bool {
        self.shared.logs().contains_key(id)
    }

    /// Accepts an operation, or finds it, and follows it from its beginning.
    ///
    /// # Errors
    /// As [`komodo_agent_api::AgentApi::operate`]; nothing was done then.
    pub async fn operate(
        &self,
        operation: AgentOperation,
    ) -> Result<AgentStream<OperationEvent>, AgentError> {
        let id = operation.id.clone();
        if !is_id(&id) {
            return Err(AgentError::new(
                AgentErrorCode::Invalid,
                "an operation's id has 1 to 64 letters, digits, - or _",
            ));
        }
        let (caller, log) = oneshot::channel();
        if self.shared.call(&id, caller) {
            // In a task of its own: once it is accepted, whoever asked may go away.
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            while tasks.try_join_next().is_some() {}
            let asked = Asked {
                shared: Arc::clone(&self.shared),
                id,
                answered: false,
            };
            tasks.spawn(asked.carry_out(operation));
        }
        let ended = || AgentError::new(AgentErrorCode::Internal, "the agent is ending");
        let log = log.await.map_err(|_| ended())??;
        self.shared.follow(&log, 0).await
    }

    /// Follows a known operation.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn follow(
        &self,
        id: &str,
        seq: u64,
    ) -> Result<AgentStream<OperationEvent>, AgentError> {
        let log = self.shared.logs().get(id).cloned();
        let log =
            log.ok_or_else(|| AgentError::new(AgentErrorCode::NotFound, "no such operation"))?;
        self.shared.follow(&log, seq).await
    }

    /// Cancels a known operation. One that is being accepted is waited for.
    ///
    /// # Errors
    /// `not_found`; and those of the journal: no new target starts then all the same, as long as the agent runs.
    pub async fn cancel(&self, id: &str, by: &str) -> Result<(), AgentError> {
        if self.shared.callers().contains_key(id) {
            let accepted = timeout(CANCEL_PATIENCE, self.shared.accepting.acquire()).await;
            drop(accepted);
        }
        let log = self.shared.logs().get(id).cloned();
        let log =
            log.ok_or_else(|| AgentError::new(AgentErrorCode::NotFound, "no such operation"))?;
        failpoint!("cancel.asked");
        log.cancel(&self.shared.means.journal, by)
            .await
            .map_err(journal_error)?;
        failpoint!("cancel.kept");
        tracing::info!(operation.id = id, by, "an operation is canceled");
        Ok(())
    }

    /// Forgets an operation that has ended. One that is not known was forgotten before.
    ///
    /// # Errors
    /// `invalid` where it has not ended.
    pub async fn acknowledge(&self, id: &str) -> Result<(), AgentError> {
        match self.shared.logs().get(id) {
            None => return Ok(()),
            Some(log) if !log.state().ended => {
                return Err(AgentError::new(
                    AgentErrorCode::Invalid,
                    "the operation has not ended",
                ));
            }
            Some(_) => {}
        }
        failpoint!("acknowledge.asked");
        self.shared
            .means
            .journal
            .remove(id)
            .await
            .map_err(journal_error)?;
        failpoint!("acknowledge.removed");
        self.shared.logs().remove(id);
        Ok(())
    }
}

type Accepted = Result<Arc<OperationLog>, AgentError>;
type Caller = oneshot::Sender<Accepted>;

/// An operation that is being accepted. Where it ends without an answer its callers hear that.
struct Asked {
    shared: Arc<Shared>,
    id: String,
    answered: bool,
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.answered {
            self.shared.callers().remove(&self.id);
        }
    }
}

impl Asked {
    async fn carry_out(self, operation: AgentOperation) {
        let shared = Arc::clone(&self.shared);
        let one = shared.accepting.acquire().await;
        let known = shared.logs().get(&operation.id).cloned();
        if let Some(log) = known {
            return self.answer(&Ok(log));
        }
        if shared.is_unwanted(&operation.id) {
            return self.answer(&Err(unwanted()));
        }
        let (log, plan, deadline) = match shared.accept(&operation).await {
            Ok(all) => all,
            Err(error) => return self.answer(&Err(error)),
        };
        drop(one);
        tracing::info!(
            operation.id, action = ?operation.action, targets = plan.counts.act, operator = operation.operator,
            "an operation begins"
        );
        self.answer(&Ok(Arc::clone(&log)));
        failpoint!("order.accepted");
        run::run(shared.means.clone(), operation, plan, deadline, log).await;
    }

    fn answer(mut self, accepted: &Accepted) {
        self.answered = true;
        let callers = self.shared.callers().remove(&self.id);
        for caller in callers.into_iter().flatten() {
            let _ = caller.send(accepted.clone());
        }
    }
}

impl Shared {
    fn logs(&self) -> MutexGuard<'_, BTreeMap<String, Arc<OperationLog>>> {
        // Nothing can panic between two steps that belong together.
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn callers(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Caller>>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn follow(
        &self,
        log: &Arc<OperationLog>,
        seq: u64,
    ) -> Result<AgentStream<OperationEvent>, AgentError> {
        let until = self
            .followers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        log.follow(&self.means.journal, seq, until).await
    }

    /// Adds one who waits; whether he is the first.
    fn call(&self, id: &str, caller: Caller) -> bool {
        let mut all = self.callers();
        let first = !all.contains_key(id);
        all.entry(id.to_owned()).or_default().push(caller);
        first
    }

    /// Whether all who asked have gone. They count it as not accepted, and must not see it done later.
    fn is_unwanted(&self, id: &str) -> bool {
        let all = self.callers();
        all.get(id)
            .is_none_or(|callers| callers.iter().all(Caller::is_closed))
    }

    /// Plans, and puts the plan into the journal.
    async fn accept(
        &self,
        operation: &AgentOperation,
    ) -> Result<(Arc<OperationLog>, ContainersPlan, Instant), AgentError> {
        let Means {
            observatory,
            journal,
            ..
        } = &self.means;
        // The agent's own service is handed over whether there is an Engine or not.
        if !matches!(operation.scope, Scope::Agent(_)) {
            self.see_engine().await?;
        }
        self.date(operation).await?;
        let plan = observatory.read(|view: &View| {
            let containers = view.containers().map(|container| &**container);
            plan_containers(
                &PlanInput::from(operation),
                Observed::new(containers, view.protected()),
            )
        });
        let plan = plan.map_err(|error| {
            let code = match error {
                PlanError::NotFound { .. } => AgentErrorCode::NotFound,
                PlanError::Ambiguous { .. } | PlanError::Empty => AgentErrorCode::Invalid,
            };
            AgentError::new(code, error.to_string())
        })?;
        if let Some(why) = plan.not_recreated(operation) {
            return Err(AgentError::new(AgentErrorCode::Invalid, why));
        }
        if self.is_unwanted(&operation.id) {
            return Err(unwanted());
        }
        let length_ms = operation_deadline_ms(&plan, run::concurrency(operation.concurrency));
        let now = clock::now_ms();
        let planned = OperationEventBody::Planned {
            items: plan.items.clone(),
            deadline: now.saturating_add_unsigned(length_ms),
        };
        let first = OperationEvent {
            seq: 1,
            at: now,
            body: planned,
        };
        failpoint!("order.planned");
        let file = journal
            .create(operation, &first, plan.items.len())
            .await
            .map_err(journal_error)?;
        failpoint!("order.journaled");
        let log = OperationLog::new(operation.id.clone(), file, vec![first]);
        self.logs().insert(operation.id.clone(), Arc::clone(&log));
        Ok((log, plan, Instant::now() + Duration::from_millis(length_ms)))
    }
}

impl Shared {
    /// Sees what the Engine shows now.
    async fn see_engine(&self) -> Result<(), AgentError> {
        let Means {
            engine,
            observatory,
            ..
        } = &self.means;
        if timeout(READY_DEADLINE, observatory.ready()).await.is_err() {
            let why = match observatory.engine() {
                EngineState::Unreachable { why, .. } => why,
                EngineState::Connected { .. } => "its containers are not known yet".to_owned(),
            };
            return Err(AgentError::new(AgentErrorCode::EngineUnreachable, why));
        }
        // A change of this moment may not have been told yet; a plan rests on what is.
        observatory.refresh(engine).await.map_err(|error| {
            AgentError::new(AgentErrorCode::EngineUnreachable, redact(&error.chain()))
        })
    }

    /// Looks at the containers that an order brings back to what they were: only the Engine itself dates a run
    /// so exactly that it can be told from another.
    async fn date(&self, operation: &AgentOperation) -> Result<(), AgentError> {
        let Means {
            engine,
            observatory,
            ..
        } = &self.means;
        let there: Vec<String> = observatory.read(|view: &View| {
            let undone = operation.expected.iter();
            undone
                .filter(|(id, expected)| is_undone(expected) && view.by_id(id).is_some())
                .map(|(id, _)| id.clone())
                .collect()
        });
        stream::iter(there)
            .map(|id| async move { observatory.look(engine, &id).await.map(drop) })
            .buffer_unordered(LOOKS_MAX)
            .try_for_each(|_| std::future::ready(Ok(())))
            .await
            .map_err(|error| {
                AgentError::new(AgentErrorCode::EngineUnreachable, redact(&error.chain()))
            })
    }
}

/// For one who asks again at this very moment, and has to once more.
fn unwanted() -> AgentError {
    AgentError::new(
        AgentErrorCode::DeadlineExceeded,
        "whoever asked went away before it was accepted",
    )
}

fn is_id(id: &str) -> bool {
    (1..=ID_CHARS_MAX).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn journal_error(error: JournalError) -> AgentError {
    let code = match error {
        JournalError::Full { .. } | JournalError::Busy => AgentErrorCode::JournalFull,
        JournalError::Disk(_) => AgentErrorCode::StorageFull,
        JournalError::Open { .. } => AgentErrorCode::Internal,
    };
    AgentError::new(code, error.to_string())
}

#[cfg(test)]
mod tests;
