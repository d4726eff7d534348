//! Threads that own a connection each and run what they are sent, one after the other.
//!
//! A writer takes what waits as one group and commits it once: many saves share one fsync, and each is answered only
//! after that commit. In tests with a paused clock the same work runs inline instead, since an idle runtime would
//! advance its clock past every deadline while a thread works.

use std::{
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::StoreError;

/// Calls that may wait for one connection.
const QUEUE_CALLS_MAX: usize = 1024;
/// Calls that share one commit.
const GROUP_CALLS_MAX: usize = 128;
/// How long a caller waits, in milliseconds.
const DEADLINE_MS: u64 = 10_000;
/// Steps of SQLite's machine between two looks at the clock.
const PROGRESS_STEPS: i32 = 20_000;

/// What follows a commit, before the caller is answered; runs on the thread of the connection.
pub(super) type After = Box<dyn FnOnce() + Send>;

/// How a worker treats its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Each call is a transaction.
    Writer,
    /// What waits shares one transaction, and so one fsync.
    GroupWriter,
    /// No transactions; a call that takes too long is interrupted.
    Reader,
}

/// Where calls run.
#[derive(Debug)]
pub(super) enum Worker {
    /// On a thread of its own; the last worker to go ends it and waits for it.
    Thread {
        sender: Option<SyncSender<Box<dyn Job>>>,
        thread: Option<JoinHandle<()>>,
    },
    /// In the calling task.
    Inline {
        connection: Mutex<Connection>,
        role: Role,
    },
}

impl Worker {
    /// A worker on a thread of its own.
    pub(super) fn thread(name: &str, connection: Connection, role: Role) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE_CALLS_MAX);
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .stack_size(512 * 1024)
            .spawn(move || serve(connection, role, &receiver))?;
        Ok(Worker::Thread {
            sender: Some(sender),
            thread: Some(thread),
        })
    }

    /// A worker that runs calls where they are made.
    pub(super) fn inline(connection: Connection, role: Role) -> Self {
        Worker::Inline {
            connection: Mutex::new(connection),
            role,
        }
    }

    /// Runs `work`. Fails as `work` does, or when its commit does; `StoreError::Busy` after the deadline, when it may
    /// still come about.
    pub(super) async fn call<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<(T, Option<After>), E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Box<dyn Job> = Box::new(Call {
            work: Some(work),
            outcome: None,
            reply: Some(reply),
        });
        match self {
            Worker::Inline { connection, role } => {
                // A panic in a call leaves no transaction behind: it is rolled back as it unwinds.
                let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                run_group(&mut connection, *role, vec![job]);
            }
            Worker::Thread { sender, .. } => {
                let sender = sender.as_ref().ok_or(StoreError::Busy)?;
                sender.try_send(job).map_err(|error| match error {
                    TrySendError::Full(_) | TrySendError::Disconnected(_) => StoreError::Busy,
                })?;
            }
        }
        match tokio::time::timeout(Duration::from_millis(DEADLINE_MS), answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(StoreError::Busy.into()),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Worker::Thread { sender, thread } = self {
            drop(sender.take());
            if let Some(thread) = thread.take() {
                // It ends after what it was sent before; a panic there has been printed already.
                let _ = thread.join();
            }
        }
    }
}

/// A call on its way through a group.
pub(super) trait Job: Send {
    /// Runs it and tells whether its changes stay.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Answers the caller.
    fn finish(self: Box<Self>, commit: Result<(), StoreError>);
}

struct Call<F, T, E> {
    work: Option<F>,
    outcome: Option<Result<(T, Option<After>), E>>,
    reply: Option<oneshot::Sender<Result<T, E>>>,
}

impl<T, E, F> Job for Call<F, T, E>
where
    T: Send,
    E: From<StoreError> + Send,
    F: FnOnce(&Connection) -> Result<(T, Option<After>), E> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        let outcome = self.work.take().map(|work| work(connection));
        let stays = matches!(outcome, Some(Ok(_)));
        self.outcome = outcome;
        stays
    }

    fn finish(mut self: Box<Self>, commit: Result<(), StoreError>) {
        let outcome = match (self.outcome.take(), commit) {
            (Some(Ok((value, after))), Ok(())) => {
                if let Some(after) = after {
                    after();
                }
                Ok(value)
            }
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(error.into()),
            (None, Ok(())) => Err(StoreError::Busy.into()),
        };
        if let Some(reply) = self.reply.take() {
            // The caller may be gone; what was committed stays.
            let _ = reply.send(outcome);
        }
    }
}

fn serve(mut connection: Connection, role: Role, receiver: &Receiver<Box<dyn Job>>) {
    let calls_max = match role {
        Role::GroupWriter => GROUP_CALLS_MAX,
        Role::Writer | Role::Reader => 1,
    };
    while let Ok(first) = receiver.recv() {
        let mut group = vec![first];
        while group.len() < calls_max
            && let Ok(next) = receiver.try_recv()
        {
            group.push(next);
        }
        run_group(&mut connection, role, group);
    }
}

fn run_group(connection: &mut Connection, role: Role, mut group: Vec<Box<dyn Job>>) {
    let outcome = match role {
        Role::Writer | Role::GroupWriter => commit_group(connection, &mut group),
        Role::Reader => {
            read_group(connection, &mut group);
            Ok(())
        }
    };
    for job in group {
        job.finish(outcome.clone());
    }
}

fn commit_group(connection: &mut Connection, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in group {
        let mut savepoint = transaction.savepoint()?;
        if job.run(&savepoint) {
            savepoint.commit()?;
        } else if savepoint.is_autocommit() {
            // SQLite has given up the whole transaction, as it does when the disk is full.
            return Err(StoreError::Full(None));
        } else {
            savepoint.rollback()?;
            savepoint.commit()?;
        }
    }
    Ok(transaction.commit()?)
}

fn read_group(connection: &mut Connection, group: &mut [Box<dyn Job>]) {
    for job in group {
        let until = Instant::now() + Duration::from_millis(DEADLINE_MS);
        // Without the handler a slow query would only not be interrupted; there is nothing better to do then.
        let _ = connection.progress_handler(PROGRESS_STEPS, Some(move || Instant::now() > until));
        job.run(connection);
        let _ = connection.progress_handler(0, None::<fn() -> bool>);
    }
}
