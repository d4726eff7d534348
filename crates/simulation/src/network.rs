//! The network between a host and Core, in memory: what was sent arrives later, or not, or the connection breaks.
//!
//! It carries bytes and knows nothing of what they mean: the whole link runs over it, from the inner TLS on.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use komodo_link::agent::{Dial, Dialled, SessionError};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use crate::core::Slot;

/// Writes that may be under way in one direction; more wait, as behind a full window.
const WRITES_MAX: usize = 64;
/// How long a dial into the void takes.
const DIAL: Duration = Duration::from_secs(10);

/// What the network of a host is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// It works.
    Fair,
    /// What the host sends is lost, and nobody is told.
    DropsToCore,
    /// What Core sends is lost, and nobody is told.
    DropsToAgent,
    /// Both: half-open connections at both ends.
    DropsAll,
    /// Connections work, and new ones are refused.
    Refuses,
}

impl Weather {
    fn loses(self, from: Side) -> bool {
        match self {
            Weather::Fair | Weather::Refuses => false,
            Weather::DropsToCore => from == Side::Agent,
            Weather::DropsToAgent => from == Side::Core,
            Weather::DropsAll => true,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Agent,
    Core,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Agent => Side::Core,
            Side::Core => Side::Agent,
        }
    }

    fn place(self) -> usize {
        usize::from(self == Side::Core)
    }
}

/// The network of one host. A clone is the same network.
#[derive(Clone)]
pub struct Network(Arc<Mutex<State>>);

struct State {
    weather: Weather,
    delay: Duration,
    /// The host's processes stand still: they read and write nothing.
    frozen: bool,
    connections: BTreeMap<u64, Connection>,
    next: u64,
}

#[derive(Default)]
struct Connection {
    /// By who sends.
    ways: [Way; 2],
    broken: bool,
    /// Ends that are gone.
    gone: [bool; 2],
}

/// One direction.
#[derive(Default)]
struct Way {
    under_way: VecDeque<(Instant, Bytes)>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// Nothing more will be sent.
    ended: bool,
    /// Something was lost, so that nothing after it arrives either.
    lost: bool,
}

impl Way {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()]
            .into_iter()
            .flatten()
        {
            waker.wake();
        }
    }
}

impl Network {
    /// One that works, in which everything takes `delay`.
    pub fn new(delay: Duration) -> Self {
        Network(Arc::new(Mutex::new(State {
            weather: Weather::Fair,
            delay,
            frozen: false,
            connections: BTreeMap::new(),
            next: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, so that what is behind a poisoned one is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the weather. What was lost stays lost: connections that lost something are half-open from then on.
    pub fn set_weather(&self, weather: Weather) {
        self.state().weather = weather;
    }

    /// How long everything that is sent from now on takes.
    pub fn set_delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Freezes or thaws the host's end of all connections.
    pub fn set_frozen(&self, frozen: bool) {
        let mut state = self.state();
        state.frozen = frozen;
        state.wake();
    }

    /// Breaks all connections; what was under way is lost.
    pub fn cut(&self) {
        let mut state = self.state();
        for connection in state.connections.values_mut() {
            connection.broken = true;
        }
        state.wake();
    }

    /// How the agent of this host dials Core.
    pub fn dialler(&self, core: Slot) -> Dialler {
        Dialler {
            network: self.clone(),
            core,
        }
    }

    fn connect(&self) -> (End, End) {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.connections.insert(id, Connection::default());
        let end = |side| End {
            network: self.clone(),
            id,
            side,
            arrival: None,
        };
        (end(Side::Agent), end(Side::Core))
    }
}

impl State {
    fn wake(&mut self) {
        for connection in self.connections.values_mut() {
            connection.ways.iter_mut().for_each(Way::wake);
        }
    }
}

/// Opens connections to the Core of now.
pub struct Dialler {
    network: Network,
    core: Slot,
}

impl Dial for Dialler {
    async fn dial(&self) -> Result<Dialled, SessionError> {
        let failed = |kind: io::ErrorKind| SessionError::Dial {
            address: "core".to_owned(),
            source: kind.into(),
        };
        let (weather, delay) = {
            let state = self.network.state();
            (state.weather, state.delay)
        };
        match weather {
            Weather::Fair => tokio::time::sleep(delay).await,
            Weather::Refuses => return Err(failed(io::ErrorKind::ConnectionRefused)),
            Weather::DropsToCore | Weather::DropsToAgent | Weather::DropsAll => {
                tokio::time::sleep(DIAL).await;
                return Err(failed(io::ErrorKind::TimedOut));
            }
        }
        let core = self
            .core
            .app()
            .ok_or_else(|| failed(io::ErrorKind::ConnectionRefused))?;
        let (ours, theirs) = self.network.connect();
        core.links().accept_stream(theirs);
        Ok(Dialled {
            io: Box::new(ours),
            core_address: None,
            local_address: None,
        })
    }
}

/// One end of a connection.
struct End {
    network: Network,
    id: u64,
    side: Side,
    /// When what comes next arrives.
    arrival: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let network = self.network.clone();
        loop {
            let wait = {
                let mut state = network.state();
                let frozen = state.frozen && self.side == Side::Agent;
                let Some(connection) = state.connections.get_mut(&self.id) else {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                };
                if connection.broken && !frozen {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
                let way = &mut connection.ways[self.side.other().place()];
                match way.under_way.front_mut() {
                    Some((at, bytes)) if *at <= Instant::now() && !frozen => {
                        let length = bytes.len().min(buffer.remaining());
                        buffer.put_slice(&bytes[..length]);
                        bytes.advance(length);
                        if bytes.is_empty() {
                            way.under_way.pop_front();
                            way.writer.take().into_iter().for_each(Waker::wake);
                        }
                        return Poll::Ready(Ok(()));
                    }
                    Some((at, _)) if !frozen => {
                        way.reader = Some(context.waker().clone());
                        *at
                    }
                    None if way.ended && !frozen => return Poll::Ready(Ok(())),
                    _ => {
                        way.reader = Some(context.waker().clone());
                        return Poll::Pending;
                    }
                }
            };
            let arrival = self
                .arrival
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(wait)));
            if arrival.deadline() != wait {
                arrival.as_mut().reset(wait);
            }
            ready!(arrival.as_mut().poll(context));
            self.arrival = None;
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.network.state();
        let (delay, loses) = (state.delay, state.weather.loses(self.side));
        let frozen = state.frozen && self.side == Side::Agent;
        let broken_pipe = || Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        let Some(connection) = state.connections.get_mut(&self.id) else {
            return broken_pipe();
        };
        let peer_gone = connection.gone[self.side.other().place()];
        let broken = connection.broken;
        let way = &mut connection.ways[self.side.place()];
        if frozen {
            way.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        if broken || way.ended {
            return broken_pipe();
        }
        way.lost |= loses;
        if way.lost {
            return Poll::Ready(Ok(bytes.len()));
        }
        if peer_gone {
            return broken_pipe();
        }
        if way.under_way.len() >= WRITES_MAX {
            way.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let after = way.under_way.back().map(|(at, _)| *at);
        let at = (Instant::now() + delay).max(after.unwrap_or_else(Instant::now));
        way.under_way.push_back((at, Bytes::copy_from_slice(bytes)));
        way.reader.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end();
        Poll::Ready(Ok(()))
    }
}

impl End {
    /// Says that nothing more will come, unless that gets lost.
    fn end(&self) {
        let mut state = self.network.state();
        let loses = state.weather.loses(self.side);
        if let Some(connection) = state.connections.get_mut(&self.id) {
            let way = &mut connection.ways[self.side.place()];
            way.lost |= loses;
            if !way.lost {
                way.ended = true;
                way.reader.take().into_iter().for_each(Waker::wake);
            }
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.end();
        let mut state = self.network.state();
        let Some(connection) = state.connections.get_mut(&self.id) else {
            return;
        };
        connection.gone[self.side.place()] = true;
        connection.ways.iter_mut().for_each(Way::wake);
        if connection.gone == [true, true] {
            state.connections.remove(&self.id);
        }
    }
}
