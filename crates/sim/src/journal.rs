//! The agent's disk: operations and their steps, kept until Core has acknowledged the end. It outlives the agent.
//!
//! Without a directory it is in memory, so that thousands of agents fit into a process. With one the journal is the real
//! one, in files (`files`): each step is on disk before it counts, what is in memory is an index of it, and an agent that
//! starts knows what the files say and nothing else.

mod files;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use komodo_agent_api::{
    AgentError, AgentErrorCode, AgentOperation, OperationEvent, OperationEventBody, OperationState,
};
use komodo_api::{UnixMs, plan::PlanItem, update::Run};
use komodo_journal::{JournalError, JournalFile};
use komodo_plan::{ContainersPlan, hand_over::HandOverPlan, unit_hand_over::UnitPlan};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use files::{Files, refused};

/// Operations whose end is not acknowledged, at most, where the journal is in memory.
pub const OPERATIONS_MAX: usize = 256;

/// Characters of the name of who canceled.
const BY_CHARS_MAX: usize = 200;

/// At which write of the journal an agent is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillAt {
    /// Before the n-th write from now is on the disk, from 1.
    Before(usize),
    /// In the middle of it: a part of it is on the disk. In memory there are no parts, and it is not there.
    Within(usize),
    /// After it.
    After(usize),
}

/// The process is being killed; what it wanted to write is not on the disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Killed;

pub(crate) struct Record {
    pub(crate) operation: AgentOperation,
    pub(crate) events: Vec<OperationEvent>,
    /// What each planned item may take, in ms, as the agent knows that accepted it; no journal tells.
    pub(crate) deadlines_ms: Vec<u64>,
    /// Cancelled with the operation.
    pub(crate) canceled: CancellationToken,
    changed: watch::Sender<()>,
    /// Where it is on disk.
    file: Option<JournalFile>,
}

impl Record {
    /// What an agent that starts knows of it.
    fn found(operation: AgentOperation, events: Vec<OperationEvent>) -> Self {
        let is_cancel =
            |event: &OperationEvent| matches!(event.body, OperationEventBody::Canceled { .. });
        let canceled = CancellationToken::new();
        if events.iter().any(is_cancel) {
            canceled.cancel();
        }
        Record {
            operation,
            events,
            deadlines_ms: Vec::new(),
            canceled,
            changed: watch::Sender::new(()),
            file: None,
        }
    }

    /// What was planned.
    pub(crate) fn items(&self) -> &[PlanItem] {
        match self.events.first().map(|event| &event.body) {
            Some(OperationEventBody::Planned { items, .. }) => items,
            _ => &[],
        }
    }

    /// Id of the container that is handed over.
    pub(crate) fn handed_over(&self) -> Option<&str> {
        self.events.iter().find_map(|event| match &event.body {
            OperationEventBody::HandedOver { id, .. } => Some(id.as_str()),
            _ => None,
        })
    }

    pub(crate) fn confirmed(&self) -> bool {
        let confirms = |event: &OperationEvent| matches!(event.body, OperationEventBody::Confirmed);
        self.events.iter().any(confirms)
    }

    pub(crate) fn ended(&self) -> bool {
        matches!(
            self.events.last(),
            Some(OperationEvent {
                body: OperationEventBody::Ended { .. },
                ..
            })
        )
    }
}

/// A clone is the same disk.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    contents: Arc<Mutex<Contents>>,
}

#[derive(Default)]
struct Contents {
    operations: BTreeMap<String, Record>,
    /// The real journal, where there is one.
    files: Option<Files>,
    /// The Core that was seen last.
    core_id: String,
    /// Its highest epoch.
    epoch: u64,
    full: bool,
    /// The mark of an agent that was asked to go.
    detached: bool,
    /// Plans of what was handed over, by operation.
    plans: BTreeMap<String, HandOverPlan>,
    /// The same of the agent's own service.
    unit_plans: BTreeMap<String, UnitPlan>,
    kill: Option<KillAt>,
}

/// What comes next in an operation.
pub(crate) enum Next {
    Event(OperationEvent),
    Wait(watch::Receiver<()>),
    End,
}

impl Disk {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        // Nothing panics while it holds the lock, so that what is behind a poisoned one is whole.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the journal in files from now on.
    pub(crate) fn keep_in(&self, directory: &Path) -> Result<(), JournalError> {
        let files = Files::new(directory)?;
        self.contents().files = Some(files);
        Ok(())
    }

    /// An agent starts: what the one before it had in memory is gone, and all that it knows is what was written.
    pub(crate) fn open_anew(&self) -> Result<(), JournalError> {
        let mut contents = self.contents();
        let before = std::mem::take(&mut contents.operations);
        let found = match &mut contents.files {
            Some(files) => files.open()?,
            None => before
                .into_values()
                .map(|record| Record::found(record.operation, record.events))
                .collect(),
        };
        contents.operations = found
            .into_iter()
            .map(|record| (record.operation.id.clone(), record))
            .collect();
        Ok(())
    }

    /// Takes note of a Core's epoch, unless a newer one was here. Another Core begins anew.
    pub(crate) fn see_core(&self, core_id: &str, epoch: u64) -> Result<(), AgentError> {
        {
            let mut contents = self.contents();
            if contents.core_id != core_id {
                core_id.clone_into(&mut contents.core_id);
                contents.epoch = epoch;
            }
        }
        self.see_order(None, epoch)
    }

    /// Refuses the order of a Core that was replaced, be it by a newer one of the same or by another.
    pub(crate) fn see_order(&self, core_id: Option<&str>, epoch: u64) -> Result<(), AgentError> {
        let mut contents = self.contents();
        if core_id.is_some_and(|id| !contents.core_id.is_empty() && id != contents.core_id) {
            return Err(AgentError::new(
                AgentErrorCode::StaleEpoch,
                "this Core has been replaced by another one",
            ));
        }
        if epoch < contents.epoch {
            return Err(AgentError::new(
                AgentErrorCode::StaleEpoch,
                format!(
                    "this Core (epoch {epoch}) has been replaced by a newer one (epoch {})",
                    contents.epoch
                ),
            ));
        }
        contents.epoch = epoch;
        Ok(())
    }

    pub(crate) fn set_full(&self, full: bool) {
        self.contents().full = full;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.contents().full
    }

    pub(crate) fn kill_at(&self, kill: Option<KillAt>) {
        self.contents().kill = kill;
    }

    pub(crate) fn knows(&self, id: &str) -> bool {
        self.contents().operations.contains_key(id)
    }

    pub(crate) fn operations(&self) -> Vec<OperationState> {
        let contents = self.contents();
        let states = contents
            .operations
            .iter()
            .map(|(id, record)| OperationState {
                id: id.clone(),
                seq: record.events.len() as u64,
                ended: record.ended(),
            });
        states.collect()
    }

    /// Loses what it holds of each operation beyond so many events, as a damaged disk does.
    pub(crate) fn lose_after(&self, events: usize) -> Result<(), JournalError> {
        let mut contents = self.contents();
        for record in contents.operations.values_mut() {
            record.events.truncate(events);
        }
        match &contents.files {
            Some(files) => files.lose_after(events),
            None => Ok(()),
        }
    }

    /// Ids of operations that have not ended.
    pub(crate) fn open(&self) -> Vec<String> {
        let contents = self.contents();
        contents
            .operations
            .iter()
            .filter(|(_, record)| !record.ended())
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Looks at one operation.
    pub(crate) fn with<T>(&self, id: &str, look: impl FnOnce(&Record) -> T) -> Option<T> {
        self.contents().operations.get(id).map(look)
    }

    /// Writes down an operation with its plan, before anything is done.
    pub(crate) fn accept(
        &self,
        operation: AgentOperation,
        plan: ContainersPlan,
        deadline: UnixMs,
        now: UnixMs,
    ) -> Result<(), AgentError> {
        let mut contents = self.contents();
        if contents.full {
            return Err(AgentError::new(
                AgentErrorCode::StorageFull,
                "the disk of the journal is full; nothing was done",
            ));
        }
        let targets = plan.acts().count();
        let planned = OperationEvent {
            seq: 1,
            at: now,
            body: OperationEventBody::Planned {
                items: plan.items,
                deadline,
            },
        };
        let file = match &contents.files {
            Some(files) => Some(
                files
                    .create(&operation, &planned, targets)
                    .map_err(refused)?,
            ),
            None if contents.operations.len() >= OPERATIONS_MAX => {
                return Err(AgentError::new(
                    AgentErrorCode::JournalFull,
                    format!(
                        "{OPERATIONS_MAX} operations wait to be acknowledged; nothing was done"
                    ),
                ));
            }
            None => None,
        };
        let record = Record {
            deadlines_ms: plan.deadlines_ms,
            file,
            ..Record::found(operation, vec![planned])
        };
        contents
            .operations
            .insert(record.operation.id.clone(), record);
        Ok(())
    }

    /// Writes down a step. `alive` is the process that writes: one that has been killed writes nothing more.
    pub(crate) fn append(
        &self,
        id: &str,
        body: OperationEventBody,
        now: UnixMs,
        alive: &CancellationToken,
    ) -> Result<(), Killed> {
        self.contents().append(id, body, now, alive)
    }

    /// Writes down that a target begins, unless its operation is canceled; whether it begins.
    pub(crate) fn begin(
        &self,
        id: &str,
        target: &str,
        run: Option<Run>,
        now: UnixMs,
        alive: &CancellationToken,
    ) -> Result<bool, Killed> {
        let mut contents = self.contents();
        let canceled = contents
            .operations
            .get(id)
            .is_some_and(|record| record.canceled.is_cancelled());
        if canceled {
            return Ok(false);
        }
        let id_of_target = target.to_owned();
        let body = OperationEventBody::Started {
            id: id_of_target,
            run,
        };
        contents.append(id, body, now, alive).map(|()| true)
    }

    /// Writes down that an operation is canceled, unless it has ended or is canceled already; whether it is known.
    pub(crate) fn cancel(
        &self,
        id: &str,
        by: &str,
        now: UnixMs,
        alive: &CancellationToken,
    ) -> Result<bool, Killed> {
        let mut contents = self.contents();
        let Some(record) = contents.operations.get(id) else {
            return Ok(false);
        };
        if !record.ended() && !record.canceled.is_cancelled() {
            let canceled = record.canceled.clone();
            let by = by.chars().take(BY_CHARS_MAX).collect();
            let body = OperationEventBody::Canceled { by };
            contents.append(id, body, now, alive)?;
            canceled.cancel();
        }
        Ok(true)
    }

    /// The event after `seq`, or how to wait for it.
    pub(crate) fn next(&self, id: &str, seq: u64) -> Next {
        let contents = self.contents();
        let Some(record) = contents.operations.get(id) else {
            return Next::End;
        };
        let event = usize::try_from(seq)
            .ok()
            .and_then(|seq| record.events.get(seq));
        match event {
            Some(event) => Next::Event(event.clone()),
            None if record.ended() => Next::End,
            None => Next::Wait(record.changed.subscribe()),
        }
    }

    /// Whether what an operation handed over is confirmed.
    pub(crate) fn is_confirmed(&self, id: &str) -> bool {
        let confirmed = self.with(id, Record::confirmed);
        confirmed.unwrap_or_default()
    }

    /// The open operation that hands a container over, by its id.
    pub(crate) fn hands_over(&self, container: &str) -> Option<String> {
        let contents = self.contents();
        let mut open = contents.operations.values();
        let found = open.find(|record| !record.ended() && record.handed_over() == Some(container));
        found.map(|record| record.operation.id.clone())
    }

    /// Keeps the plan of a hand over, until its operation is forgotten.
    pub(crate) fn keep_plan(&self, plan: &HandOverPlan) {
        let mut contents = self.contents();
        contents.plans.insert(plan.operation.clone(), plan.clone());
    }

    pub(crate) fn plan(&self, operation: &str) -> Option<HandOverPlan> {
        self.contents().plans.get(operation).cloned()
    }

    /// As [`Disk::keep_plan`], of a service.
    pub(crate) fn keep_unit_plan(&self, plan: &UnitPlan) {
        let mut contents = self.contents();
        let operation = plan.operation.clone();
        contents.unit_plans.insert(operation, plan.clone());
    }

    pub(crate) fn unit_plan(&self, operation: &str) -> Option<UnitPlan> {
        self.contents().unit_plans.get(operation).cloned()
    }

    /// Another operation that has not ended and hands something over.
    pub(crate) fn other_plan(&self, operation: &str) -> Option<String> {
        let contents = self.contents();
        let open = |id: &&String| contents.operations.get(*id).is_some_and(|it| !it.ended());
        let plans = contents.plans.keys().chain(contents.unit_plans.keys());
        plans.filter(|id| *id != operation).find(open).cloned()
    }

    /// Whether the mark of a detach is there.
    pub(crate) fn is_detached(&self) -> bool {
        self.contents().detached
    }

    pub(crate) fn set_detached(&self, detached: bool) {
        self.contents().detached = detached;
    }

    /// Forgets an operation that has ended; one that is not known was forgotten before.
    pub(crate) fn acknowledge(&self, id: &str) -> Result<(), AgentError> {
        let mut contents = self.contents();
        match contents.operations.get(id) {
            Some(record) if !record.ended() => Err(AgentError::new(
                AgentErrorCode::Invalid,
                format!("operation '{id}' has not ended; it cannot be acknowledged yet"),
            )),
            Some(_) => {
                if let Some(files) = &contents.files {
                    files.remove(id).map_err(refused)?;
                }
                contents.operations.remove(id);
                contents.plans.remove(id);
                contents.unit_plans.remove(id);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Contents {
    fn append(
        &mut self,
        id: &str,
        body: OperationEventBody,
        now: UnixMs,
        alive: &CancellationToken,
    ) -> Result<(), Killed> {
        if alive.is_cancelled() {
            return Err(Killed);
        }
        let at = match &mut self.kill {
            Some(KillAt::Before(left) | KillAt::Within(left) | KillAt::After(left))
                if *left > 1 =>
            {
                *left -= 1;
                None
            }
            at => at.take(),
        };
        if let Some(KillAt::Before(_)) = at {
            alive.cancel();
            return Err(Killed);
        }
        if let Some(record) = self.operations.get_mut(id) {
            let seq = record.events.len() as u64 + 1;
            let event = OperationEvent { seq, at: now, body };
            let torn = matches!(at, Some(KillAt::Within(_)));
            if let (Some(files), Some(file)) = (&self.files, &record.file) {
                files.append(id, file, &event, torn);
            }
            if !torn {
                record.events.push(event);
                record.changed.send_replace(());
            }
        }
        if at.is_some() {
            alive.cancel();
            return Err(Killed);
        }
        Ok(())
    }
}
