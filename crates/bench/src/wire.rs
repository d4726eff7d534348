//! What stands between two programs of a measurement: a line that becomes slow, and one that counts requests.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixListener, UnixStream, tcp},
    sync::watch,
    task::JoinSet,
};

/// Between two bytes of a slow line.
const PER_BYTE: Duration = Duration::from_secs(1);
/// Bytes that are passed on at once.
const PIECE_BYTES: usize = 16 * 1024;

/// A line to a target, on which what the caller says takes a second a byte while it is slow.
pub struct SlowLine {
    /// Where it is dialled.
    pub address: SocketAddr,
    slow: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl SlowLine {
    /// A line that is not slow yet.
    pub async fn to(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((target.ip(), 0)).await?;
        let address = listener.local_addr()?;
        let (slow, is_slow) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((caller, _)) = listener.accept().await {
                while lines.try_join_next().is_some() {}
                let is_slow = is_slow.clone();
                lines.spawn(async move {
                    // Whatever ends it, both ends see that.
                    let _ = pass(caller, target, is_slow).await;
                });
            }
        });
        Ok(SlowLine {
            address,
            slow,
            _tasks: tasks,
        })
    }

    /// Makes it slow, or as fast as it was.
    pub fn set_slow(&self, slow: bool) {
        self.slow.send_replace(slow);
    }
}

async fn pass(
    caller: TcpStream,
    target: SocketAddr,
    is_slow: watch::Receiver<bool>,
) -> io::Result<()> {
    let target = TcpStream::connect(target).await?;
    let (mut from_caller, mut to_caller) = caller.into_split();
    let (mut from_target, to_target) = target.into_split();
    tokio::select! {
        passed = trickle(&mut from_caller, to_target, is_slow) => passed,
        passed = copy(&mut from_target, &mut to_caller) => passed.map(drop),
    }
}

async fn trickle(
    from: &mut tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    mut is_slow: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        let mut rest = &piece[..length];
        while !rest.is_empty() {
            if !*is_slow.borrow_and_update() {
                to.write_all(rest).await?;
                break;
            }
            to.write_all(&rest[..1]).await?;
            rest = &rest[1..];
            let _ = tokio::time::timeout(PER_BYTE, is_slow.changed()).await;
        }
    }
}

/// A Unix socket before the Engine that counts what is asked.
pub struct CountingSocket {
    path: PathBuf,
    counts: Arc<Mutex<BTreeMap<String, usize>>>,
    _tasks: JoinSet<()>,
}

impl CountingSocket {
    /// A socket at `path` that leads to `engine`.
    pub fn start(path: PathBuf, engine: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(&path)?;
        let counts = Arc::new(Mutex::new(BTreeMap::new()));
        let (shared, engine) = (Arc::clone(&counts), engine.to_owned());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut requests = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while requests.try_join_next().is_some() {}
                let (shared, engine) = (Arc::clone(&shared), engine.clone());
                requests.spawn(async move {
                    // The agent has one connection for each request.
                    let _ = count(client, &engine, &shared).await;
                });
            }
        });
        Ok(CountingSocket {
            path,
            counts,
            _tasks: tasks,
        })
    }

    /// The socket as `DOCKER_HOST` wants it.
    pub fn docker_host(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// What was asked since the last look, and how often.
    pub fn take(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn count(
    mut client: UnixStream,
    engine: &Path,
    counts: &Mutex<BTreeMap<String, usize>>,
) -> io::Result<()> {
    let mut head = vec![0; PIECE_BYTES];
    let length = client.read(&mut head).await?;
    let line = String::from_utf8_lossy(&head[..length]);
    let request = kind(line.lines().next().unwrap_or_default());
    *counts
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(request)
        .or_default() += 1;
    let mut server = UnixStream::connect(engine).await?;
    server.write_all(&head[..length]).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// A request without what differs from one to the next: version, ids, queries.
fn kind(line: &str) -> String {
    let mut words = line.split(' ');
    let method = words.next().unwrap_or_default();
    let path = words.next().unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && !part.starts_with("v1."))
        .map(|part| if part.len() == 64 { "ID" } else { part })
        .collect();
    format!("{method} /{}", parts.join("/"))
}
