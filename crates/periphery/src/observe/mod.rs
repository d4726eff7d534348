//! What the agent observes, and who is told.
//!
//! One place holds the view; [`watch`] is the only task that follows the Engine, and changes go to the view and to all
//! readers in one step, so that no reader ever misses one. Nothing here asks the Engine to change anything.

mod own;
mod translate;
mod view;
mod watch;

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::stream;
use komodo_agent_api::{AgentEvent, AgentStream, Container, EngineState, EventBody, GoodbyeReason};
use komodo_docker::{Engine, EngineError};
use tokio::sync::{mpsc, watch as channel};

pub(crate) use translate::inspected;
pub use view::{Change, View};
pub(crate) use watch::jitter;
pub use watch::{Timings, watch};

use crate::{clock, host::is_this_host};

/// Events that a reader may lag behind before its stream ends.
pub const READER_EVENTS_MAX: usize = 4096;
/// Readers at the same time.
const READERS_MAX: usize = 16;

/// The view and its readers.
#[derive(Debug, Clone)]
pub struct Observatory {
    shared: Arc<Shared>,
    reader_events_max: usize,
}

#[derive(Debug, Default)]
struct Shared {
    inner: Mutex<Inner>,
    /// Whether the Engine was tried, and whether plans can be made and verdicts settled.
    ready: channel::Sender<Progress>,
    /// How many readers there are.
    readers: channel::Sender<usize>,
    /// Grows whenever the view may have changed.
    changes: channel::Sender<u64>,
    /// Ids that somebody wants to be inspected.
    wanted: tokio::sync::Notify,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Progress {
    tried: bool,
    ready: bool,
}

#[derive(Debug, Default)]
struct Inner {
    view: View,
    readers: Vec<Reader>,
    closed: bool,
    wanted: std::collections::BTreeSet<String>,
}

#[derive(Debug)]
struct Reader {
    events: mpsc::Sender<AgentEvent>,
    seq: u64,
}

impl Observatory {
    /// An empty view without readers, each of which may lag behind by so many events.
    pub fn new(reader_events_max: usize) -> Self {
        Observatory {
            shared: Arc::default(),
            reader_events_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while it was held has left a view that was whole after each step.
        self.shared
            .inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the view.
    pub fn read<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        look(&self.lock().view)
    }

    /// Changes the view and tells all readers.
    pub fn update(&self, change: impl FnOnce(&mut View) -> Change) {
        let mut inner = self.lock();
        let Change { events, inspect } = change(&mut inner.view);
        for event in events {
            inner.publish(event);
        }
        let progress = Progress {
            tried: inner.view.is_tried(),
            ready: inner.view.is_ready(),
        };
        let readers = inner.readers.len();
        let wanted = !inspect.is_empty();
        self.shared.changes.send_modify(|changes| *changes += 1);
        inner.wanted.extend(inspect);
        drop(inner);
        if wanted {
            self.shared.wanted.notify_one();
        }
        self.shared
            .ready
            .send_if_modified(|known| std::mem::replace(known, progress) != progress);
        self.shared
            .readers
            .send_if_modified(|known| std::mem::replace(known, readers) != readers);
    }

    /// Tells all readers something that is not part of the view.
    pub fn tell(&self, event: EventBody) {
        self.update(|_| Change {
            events: vec![event],
            ..Change::default()
        });
    }

    /// Ends the streams of all readers, after what they have been told, and takes no new one.
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.readers.clear();
    }

    /// Notes why the agent is about to go, or that it is not any more.
    pub fn set_going(&self, going: Option<GoodbyeReason>) {
        self.update(|view| {
            view.going = going;
            Change::default()
        });
    }

    /// Takes readers again, after a [`close`](Self::close).
    pub fn open(&self) {
        self.lock().closed = false;
    }

    /// Waits until the view shows something, and tells it. It is looked at whenever it may have changed.
    pub async fn wait_for<T>(&self, mut look: impl FnMut(&View) -> Option<T>) -> T {
        let mut changes = self.shared.changes.subscribe();
        loop {
            changes.borrow_and_update();
            if let Some(seen) = self.read(&mut look) {
                return seen;
            }
            // The sender lives as long as we do.
            let _ = changes.changed().await;
        }
    }

    /// A snapshot and all that comes after it. Ends when the reader lags. `None` where there are too many, or
    /// the agent goes.
    pub fn events(&self) -> Option<AgentStream<AgentEvent>> {
        let (sender, mut events) = mpsc::channel(self.reader_events_max);
        let mut inner = self.lock();
        inner.readers.retain(|reader| !reader.events.is_closed());
        if inner.closed || inner.readers.len() >= READERS_MAX {
            return None;
        }
        let snapshot = EventBody::Snapshot(Box::new(inner.view.snapshot()));
        let first = AgentEvent {
            seq: 0,
            at: clock::now_ms(),
            body: snapshot,
        };
        inner.readers.push(Reader {
            events: sender,
            seq: 0,
        });
        let readers = inner.readers.len();
        drop(inner);
        self.shared.readers.send_replace(readers);
        let mut first = Some(first);
        Some(Box::pin(stream::poll_fn(move |context| {
            match first.take() {
                Some(first) => std::task::Poll::Ready(Some(Ok(first))),
                None => events.poll_recv(context).map(|event| event.map(Ok)),
            }
        })))
    }

    /// Waits until somebody reads.
    pub async fn read_by_somebody(&self) {
        let mut readers = self.shared.readers.subscribe();
        // The sender lives as long as we do.
        let _ = readers.wait_for(|readers| *readers > 0).await;
    }

    /// Whether somebody reads; forgets readers that have gone.
    pub fn is_read(&self) -> bool {
        let mut inner = self.lock();
        inner.readers.retain(|reader| !reader.events.is_closed());
        let readers = inner.readers.len();
        drop(inner);
        self.shared.readers.send_replace(readers);
        readers > 0
    }

    /// Waits until the Engine answers and its containers are known.
    pub async fn ready(&self) {
        let mut ready = self.shared.ready.subscribe();
        let _ = ready.wait_for(|progress| progress.ready).await;
    }

    /// Waits until it is known whether the Engine is there.
    pub async fn tried(&self) {
        let mut ready = self.shared.ready.subscribe();
        let _ = ready.wait_for(|progress| progress.tried).await;
    }

    /// Looks at a container at the Engine now, and takes what is seen into the view; `None` is gone.
    pub async fn look(&self, engine: &Engine, id: &str) -> Result<Option<Container>, EngineError> {
        let asked = self.read(View::mark);
        let answer = match engine.inspect(id).await {
            Ok(answer) => Some(answer),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        let seen = answer.clone().map(translate::inspected);
        self.update(|view| view.apply_inspect(asked, id, answer));
        Ok(seen)
    }

    /// Lists all containers at the Engine now, and takes what is seen into the view.
    pub async fn refresh(&self, engine: &Engine) -> Result<(), EngineError> {
        let asked = self.read(View::mark);
        let list = engine.containers().await?;
        self.update(|view| view.apply_list(asked, list));
        Ok(())
    }

    /// Finds out whether an address at the other end of a connection is the host's, where that cannot be seen from
    /// the agent's own network.
    pub async fn look_for_host(&self, peer: SocketAddr, proc: &Path) {
        let ip = peer.ip().to_canonical();
        let unknown = |view: &View| {
            view.has_own_network()
                && !ip.is_loopback()
                && !view.control_path().host_addresses.contains(&ip)
                && !view
                    .containers()
                    .any(|container| container.addresses.contains(&ip))
        };
        if self.read(unknown) && is_this_host(ip, proc).await {
            self.update(|view| view.add_host_addresses([ip]));
        }
    }

    /// State of the Engine.
    pub fn engine(&self) -> EngineState {
        self.read(|view| view.engine.clone())
    }

    fn take_wanted(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().wanted)
            .into_iter()
            .collect()
    }
}

impl Inner {
    fn publish(&mut self, body: EventBody) {
        match &body {
            EventBody::Stats(stats) => self.view.stats = Some((**stats).clone()),
            EventBody::Snapshot(_) => return,
            _ => {}
        }
        let at = clock::now_ms();
        self.readers.retain_mut(|reader| {
            reader.seq += 1;
            let event = AgentEvent {
                seq: reader.seq,
                at,
                body: body.clone(),
            };
            match reader.events.try_send(event) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    tracing::warn!("a reader of the events lags; its stream ends");
                    false
                }
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            }
        });
    }
}
