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
    /// The highest epoch of a Core that was seen.
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

    /// Takes note of a Core's epoch, unless a newer one was here.
    pub(crate) fn see_epoch(&self, epoch: u64) -> Result<(), AgentError> {
        let mut contents = self.contents();
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
        let mut contents = self.contents();
        if alive.is_cancelled() {
            return Err(Killed);
        }
        let (next, dies) = match contents.kill {
            Some(KillAt::Before(0 | 1)) => {
                contents.kill = None;
                alive.cancel();
                return Err(Killed);
            }
            Some(KillAt::After(0 | 1)) => (None, true),
            Some(KillAt::Before(writes)) => (Some(KillAt::Before(writes - 1)), false),
            Some(KillAt::After(writes)) => (Some(KillAt::After(writes - 1)), false),
            None => (None, false),
        };
        contents.kill = next;
        if let Some(record) = contents.operations.get_mut(id) {
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
