//! The events of one operation: durable first, then told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt, stream};
use komodo_agent_api::{
    AgentError, AgentErrorCode, AgentStream, OperationEvent, OperationEventBody, OperationState,
};
use tokio::sync::{oneshot, watch};

use crate::{
    clock,
    journal::{Journal, JournalError, JournalFile},
};

/// An operation's events, in the journal and for those who follow it.
#[derive(Debug)]
pub struct OperationLog {
    id: String,
    file: JournalFile,
    /// Number of the event that was handed to the journal last; held while it is handed over, which keeps the order.
    last: Mutex<u64>,
    told: Mutex<Told>,
    /// Number of the event that was told last, and whether it was the end.
    seq: watch::Sender<(u64, bool)>,
}

/// What those who follow have been told or are yet to be.
#[derive(Debug, Default)]
struct Told {
    events: Vec<OperationEvent>,
    /// Whether the events are in the file only, as with an operation that has ended and that nobody follows.
    stored: bool,
    /// Whether the file lacks some of them, so that they must not be read from there.
    unwritten: bool,
    followers: usize,
}

impl OperationLog {
    /// A log that begins with events that are durable already.
    pub fn new(id: String, file: JournalFile, events: Vec<OperationEvent>) -> Arc<Self> {
        let last = events.len() as u64;
        let ended = events.last().is_some_and(is_end);
        Arc::new(OperationLog {
            id,
            file,
            last: Mutex::new(last),
            told: Mutex::new(Told {
                events: if ended { Vec::new() } else { events },
                stored: ended,
                unwritten: false,
                followers: 0,
            }),
            seq: watch::Sender::new((last, ended)),
        })
    }

    /// Where it is.
    pub fn state(&self) -> OperationState {
        let (seq, ended) = *self.seq.borrow();
        OperationState {
            id: self.id.clone(),
            seq,
            ended,
        }
    }

    /// Hands events to the journal. They are told when they are durable, also to whoever waits for the answer. Where
    /// the disk fails they are told all the same, since they are true; the answer then says so.
    pub fn append(
        self: &Arc<Self>,
        journal: &Journal,
        bodies: impl IntoIterator<Item = OperationEventBody>,
    ) -> oneshot::Receiver<Result<(), JournalError>> {
        let (sender, receiver) = oneshot::channel();
        let mut last = lock(&self.last);
        let at = clock::now_ms();
        let events: Vec<OperationEvent> = bodies
            .into_iter()
            .map(|body| {
                *last += 1;
                OperationEvent {
                    seq: *last,
                    at,
                    body,
                }
            })
            .collect();
        let log = Arc::clone(self);
        let told = events.clone();
        journal.append(&self.file, &events, move |result| {
            if let Err(error) = &result {
                tracing::error!(operation.id = log.id, %error, "a step is not in the journal");
            }
            log.tell(told, result.is_err());
            let _ = sender.send(result);
        });
        receiver
    }

    fn tell(&self, events: Vec<OperationEvent>, unwritten: bool) {
        let Some(last) = events.last() else { return };
        let state = (last.seq, is_end(last));
        let mut told = lock(&self.told);
        told.events.extend(events);
        told.unwritten |= unwritten;
        if state.1 {
            told.shed(true);
        }
        drop(told);
        self.seq.send_replace(state);
    }

    /// All events from after `seq`, as they come, to the end.
    pub async fn follow(
        self: &Arc<Self>,
        journal: &Journal,
        seq: u64,
    ) -> Result<AgentStream<OperationEvent>, AgentError> {
        let follower = Follower::new(Arc::clone(self));
        if follower.is_stored() {
            let recorded = journal.read(&self.id).await.map_err(|error| {
                AgentError::new(
                    AgentErrorCode::Internal,
                    format!("the journal cannot be read: {error}"),
                )
            })?;
            let mut told = lock(&self.told);
            if told.stored {
                let gone =
                    || AgentError::new(AgentErrorCode::NotFound, "the operation was acknowledged");
                told.events = recorded.ok_or_else(gone)?.events;
                told.stored = false;
            }
        }
        let changes = self.seq.subscribe();
        let next = usize::try_from(seq).unwrap_or(usize::MAX);
        let events = stream::unfold(
            (follower, changes, next),
            |(follower, mut changes, next)| async move {
                loop {
                    let ended = changes.borrow_and_update().1;
                    let event = lock(&follower.0.told).events.get(next).cloned();
                    match event {
                        Some(event) => return Some((Ok(event), (follower, changes, next + 1))),
                        None if ended => return None,
                        None => changes.changed().await.ok()?,
                    }
                }
            },
        );
        Ok(events.boxed())
    }
}

impl Told {
    /// Events that nobody needs in memory stay in the file.
    fn shed(&mut self, ended: bool) {
        if ended && self.followers == 0 && !self.stored && !self.unwritten {
            self.events = Vec::new();
            self.stored = true;
        }
    }
}

/// One who follows.
struct Follower(Arc<OperationLog>);

impl Follower {
    fn new(log: Arc<OperationLog>) -> Self {
        lock(&log.told).followers += 1;
        Follower(log)
    }

    fn is_stored(&self) -> bool {
        lock(&self.0.told).stored
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let ended = self.0.seq.borrow().1;
        let mut told = lock(&self.0.told);
        told.followers -= 1;
        told.shed(ended);
    }
}

fn is_end(event: &OperationEvent) -> bool {
    matches!(event.body, OperationEventBody::Ended { .. })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each step under these locks leaves them whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
