//! The events of one operation: durable first, then told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt, stream};
use komodo_agent_api::{
    AgentError, AgentErrorCode, AgentStream, OperationEvent, OperationEventBody, OperationState,
};
use komodo_api::{UnixMs, update::Run};
use komodo_journal::{Journal, JournalError, JournalFile, KEEPS};
use tokio::sync::{Mutex as AsyncMutex, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::clock;

/// Characters of the name of who canceled.
const BY_CHARS_MAX: usize = 200;

/// An operation's events, in the journal and for those who follow it.
#[derive(Debug)]
pub struct OperationLog {
    id: String,
    file: JournalFile,
    /// Held while events are handed to the journal, which keeps their order.
    last: Mutex<Last>,
    canceled: CancellationToken,
    /// Whether the journal holds that it is canceled; held while it is written.
    cancel_kept: AsyncMutex<bool>,
    told: Mutex<Told>,
    /// Number of the event that was told last, and whether it was the end.
    seq: watch::Sender<(u64, bool)>,
}

/// What a helper acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOver {
    /// Id of the container.
    pub id: String,
    /// Until when it must be confirmed.
    pub until: UnixMs,
}

/// How far the events are that were handed to the journal.
#[derive(Debug)]
struct Last {
    seq: u64,
    canceled: bool,
    ended: bool,
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
        let is_cancel =
            |event: &OperationEvent| matches!(event.body, OperationEventBody::Canceled { .. });
        let is_canceled = events.iter().any(is_cancel);
        let canceled = CancellationToken::new();
        if is_canceled {
            canceled.cancel();
        }
        Arc::new(OperationLog {
            id,
            file,
            last: Mutex::new(Last {
                seq: last,
                canceled: is_canceled,
                ended,
            }),
            canceled,
            cancel_kept: AsyncMutex::new(is_canceled),
            told: Mutex::new(Told {
                events: if ended { Vec::new() } else { events },
                stored: ended,
                unwritten: !KEEPS,
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
        self.hand_over(&mut lock(&self.last), journal, bodies)
    }

    /// As [`append`](Self::append), that the Engine is about to be asked for a target that was not begun; `None` where
    /// the operation is canceled, after which none begins.
    pub fn begin(
        self: &Arc<Self>,
        journal: &Journal,
        id: &str,
        run: Option<Run>,
    ) -> Option<oneshot::Receiver<Result<(), JournalError>>> {
        let mut last = lock(&self.last);
        let id = id.to_owned();
        let body = OperationEventBody::Started { id, run };
        (!last.canceled).then(|| self.hand_over(&mut last, journal, [body]))
    }

    /// Lets no new target begin, and keeps that on disk. One that has ended, or is canceled already, stays as it is.
    ///
    /// # Errors
    /// [`JournalError`] where the disk fails: it is canceled all the same, but not after a restart.
    pub async fn cancel(self: &Arc<Self>, journal: &Journal, by: &str) -> Result<(), JournalError> {
        let mut kept = self.cancel_kept.lock().await;
        let durable = {
            let mut last = lock(&self.last);
            if last.ended || *kept {
                return Ok(());
            }
            last.canceled = true;
            let by = by.chars().take(BY_CHARS_MAX).collect();
            self.hand_over(&mut last, journal, [OperationEventBody::Canceled { by }])
        };
        self.canceled.cancel();
        durable.await.unwrap_or(Err(JournalError::Busy))?;
        *kept = true;
        Ok(())
    }

    /// How many events were handed to the journal.
    #[cfg(test)]
    pub fn handed(&self) -> u64 {
        lock(&self.last).seq
    }

    /// Waits until it is canceled.
    pub async fn canceled(&self) {
        self.canceled.cancelled().await;
    }

    /// Whether it is canceled.
    pub fn is_canceled(&self) -> bool {
        self.canceled.is_cancelled()
    }

    fn hand_over(
        self: &Arc<Self>,
        last: &mut Last,
        journal: &Journal,
        bodies: impl IntoIterator<Item = OperationEventBody>,
    ) -> oneshot::Receiver<Result<(), JournalError>> {
        let (sender, receiver) = oneshot::channel();
        let at = clock::now_ms();
        let events: Vec<OperationEvent> = bodies
            .into_iter()
            .map(|body| {
                last.seq += 1;
                last.ended |= matches!(body, OperationEventBody::Ended { .. });
                OperationEvent {
                    seq: last.seq,
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

    /// What a helper acts on, where one does.
    pub fn handed_over(&self) -> Option<HandedOver> {
        lock(&self.told)
            .events
            .iter()
            .find_map(|event| match &event.body {
                OperationEventBody::HandedOver { id, until, .. } => Some(HandedOver {
                    id: id.clone(),
                    until: *until,
                }),
                _ => None,
            })
    }

    /// Whether what was handed over is confirmed.
    pub fn is_confirmed(&self) -> bool {
        let told = lock(&self.told);
        let is = |event: &OperationEvent| matches!(event.body, OperationEventBody::Confirmed);
        told.events.iter().any(is)
    }

    /// All events from after `seq`, as they come, to the end, or until those who follow are to go.
    pub async fn follow(
        self: &Arc<Self>,
        journal: &Journal,
        seq: u64,
        until: CancellationToken,
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
            (follower, changes, next, until),
            |(follower, mut changes, next, until)| async move {
                loop {
                    let ended = changes.borrow_and_update().1;
                    let event = lock(&follower.0.told).events.get(next).cloned();
                    match event {
                        Some(event) => {
                            return Some((Ok(event), (follower, changes, next + 1, until)));
                        }
                        None if ended => return None,
                        None => tokio::select! {
                            biased;
                            changed = changes.changed() => changed.ok()?,
                            () = until.cancelled() => return None,
                        },
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
