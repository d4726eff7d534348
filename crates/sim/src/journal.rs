//! The agent's disk: operations and their steps, kept until Core has acknowledged the end. It outlives the agent.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use komodo_agent_api::{
    AgentError, AgentErrorCode, AgentOperation, OperationEvent, OperationEventBody, OperationState,
};
use komodo_api::UnixMs;
use komodo_plan::ContainersPlan;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Operations whose end is not acknowledged, at most.
pub const OPERATIONS_MAX: usize = 256;

/// Characters of the name of who canceled.
const BY_CHARS_MAX: usize = 200;

/// At which write of the journal an agent is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillAt {
    /// Before the n-th write from now is on the disk, from 1.
    Before(usize),
    /// After it.
    After(usize),
}

/// The process is being killed; what it wanted to write is not on the disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Killed;

/// What a target was like when it was planned.
pub(crate) type Runs = BTreeMap<String, Option<UnixMs>>;

pub(crate) struct Record {
    pub(crate) operation: AgentOperation,
    pub(crate) plan: ContainersPlan,
    /// Start of the last run of each target, to tell a restart.
    pub(crate) runs: Runs,
    pub(crate) events: Vec<OperationEvent>,
    /// Cancelled with the operation.
    pub(crate) canceled: CancellationToken,
    changed: watch::Sender<()>,
}

impl Record {
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
    /// The Core that was seen last.
    core_id: String,
    /// Its highest epoch.
    epoch: u64,
    full: bool,
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
    pub(crate) fn lose_after(&self, events: usize) {
        for record in self.contents().operations.values_mut() {
            record.events.truncate(events);
            let is_cancel =
                |event: &OperationEvent| matches!(event.body, OperationEventBody::Canceled { .. });
            if !record.events.iter().any(is_cancel) {
                record.canceled = CancellationToken::new();
            }
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
        runs: Runs,
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
        if contents.operations.len() >= OPERATIONS_MAX {
            return Err(AgentError::new(
                AgentErrorCode::JournalFull,
                format!("{OPERATIONS_MAX} operations wait to be acknowledged; nothing was done"),
            ));
        }
        let planned = OperationEventBody::Planned {
            items: plan.items.clone(),
            deadline,
        };
        let record = Record {
            plan,
            runs,
            events: vec![OperationEvent {
                seq: 1,
                at: now,
                body: planned,
            }],
            changed: watch::Sender::new(()),
            canceled: CancellationToken::new(),
            operation,
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
        let target = target.to_owned();
        let body = OperationEventBody::Started { id: target };
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

    /// Forgets an operation that has ended; one that is not known was forgotten before.
    pub(crate) fn acknowledge(&self, id: &str) -> Result<(), AgentError> {
        let mut contents = self.contents();
        match contents.operations.get(id) {
            Some(record) if !record.ended() => Err(AgentError::new(
                AgentErrorCode::Invalid,
                format!("operation '{id}' has not ended; it cannot be acknowledged yet"),
            )),
            Some(_) => {
                contents.operations.remove(id);
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
        let (next, dies) = match self.kill {
            Some(KillAt::Before(0 | 1)) => {
                self.kill = None;
                alive.cancel();
                return Err(Killed);
            }
            Some(KillAt::After(0 | 1)) => (None, true),
            Some(KillAt::Before(writes)) => (Some(KillAt::Before(writes - 1)), false),
            Some(KillAt::After(writes)) => (Some(KillAt::After(writes - 1)), false),
            None => (None, false),
        };
        self.kill = next;
        if let Some(record) = self.operations.get_mut(id) {
            let seq = record.events.len() as u64 + 1;
            record.events.push(OperationEvent { seq, at: now, body });
            record.changed.send_replace(());
        }
        if dies {
            alive.cancel();
            return Err(Killed);
        }
        Ok(())
    }
}
