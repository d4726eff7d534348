//! A network between agent and Core that misbehaves on demand.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

/// What the network does; shared by all its connections.
#[derive(Default)]
pub struct Weather {
    /// Bytes are read and thrown away, ends are not passed on: a half-open connection.
    pub swallow: AtomicBool,
    /// Connections are cut when nothing goes either way for so long, as proxies do.
    pub idle_cut: Option<Duration>,
    /// Longest piece that is passed to Core, and the pause after it.
    pub slow_to_core: Option<(usize, Duration)>,
    /// Hold back what follows the upgrade answer until there is something, and pass both at once.
    pub coalesce_upgrade: bool,
    /// When pieces passed from Core to the agent.
    pub to_agent: Mutex<Vec<Instant>>,
    /// Connections that began.
    pub connections: AtomicUsize,
    /// Cuts all connections.
    pub cut: Notify,
}

impl Weather {
    pub fn swallow(&self) {
        self.swallow.store(true, Ordering::SeqCst);
    }

    pub fn pass(&self) {
        self.swallow.store(false, Ordering::SeqCst);
    }
}

/// Passes bytes between an agent and Core as the weather allows, until one end closes.
pub async fn relay<A, C>(agent: A, core: C, weather: &Weather)
where
    A: AsyncRead + AsyncWrite + Unpin,
    C: AsyncRead + AsyncWrite + Unpin,
{
    weather.connections.fetch_add(1, Ordering::SeqCst);
    let (agent_read, agent_write) = tokio::io::split(agent);
    let (core_read, core_write) = tokio::io::split(core);
    let active = Notify::new();
    let idle = async {
        let Some(limit) = weather.idle_cut else {
            return std::future::pending().await;
        };
        while timeout(limit, active.notified()).await.is_ok() {}
    };
    tokio::select! {
        () = to_core(agent_read, core_write, weather, &active) => {}
        () = to_agent(core_read, agent_write, weather, &active) => {}
        () = idle => {}
        () = weather.cut.notified() => {}
    }
}

async fn to_core(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    weather: &Weather,
    active: &Notify,
) {
    let mut buffer = vec![0; weather.slow_to_core.map_or(16 * 1024, |(length, _)| length)];
    while let Some(length) = read(&mut from, &mut buffer, weather).await {
        active.notify_one();
        if write(&mut to, &buffer[..length], weather).await.is_err() {
            return;
        }
        if let Some((_, pause)) = weather.slow_to_core {
            sleep(pause).await;
        }
    }
}

async fn to_agent(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    weather: &Weather,
    active: &Notify,
) {
    let mut buffer = vec![0; 16 * 1024];
    if weather.coalesce_upgrade {
        let mut held = Vec::new();
        let whole = |held: &[u8]| {
            held.windows(4)
                .position(|window| window == b"\r\n\r\n")
                .is_some_and(|end| held.len() > end + 4)
        };
        while !whole(&held) {
            let Some(length) = read(&mut from, &mut buffer, weather).await else {
                return;
            };
            held.extend_from_slice(&buffer[..length]);
        }
        if write(&mut to, &held, weather).await.is_err() {
            return;
        }
    }
    while let Some(length) = read(&mut from, &mut buffer, weather).await {
        active.notify_one();
        weather.to_agent.lock().unwrap().push(Instant::now());
        if write(&mut to, &buffer[..length], weather).await.is_err() {
            return;
        }
    }
}

/// The next bytes, or `None` at the end; in a half-open connection the end does not come.
async fn read(
    from: &mut (impl AsyncRead + Unpin),
    buffer: &mut [u8],
    weather: &Weather,
) -> Option<usize> {
    match from.read(buffer).await {
        Ok(length) if length > 0 => Some(length),
        _ if weather.swallow.load(Ordering::SeqCst) => std::future::pending().await,
        _ => None,
    }
}

async fn write(
    to: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    weather: &Weather,
) -> std::io::Result<()> {
    if weather.swallow.load(Ordering::SeqCst) {
        return Ok(());
    }
    to.write_all(bytes).await?;
    to.flush().await
}

/// A relay on a loopback socket.
pub struct TcpRelay {
    pub address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl TcpRelay {
    pub async fn start(core: SocketAddr, weather: &Arc<Weather>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let weather = Arc::clone(weather);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (agent, _) = listener.accept().await.unwrap();
                let weather = Arc::clone(&weather);
                connections.spawn(async move {
                    if let Ok(core) = TcpStream::connect(core).await {
                        relay(agent, core, &weather).await;
                    }
                });
            }
        });
        Self {
            address,
            _tasks: tasks,
        }
    }
}
