//! A Unix socket before the Engine that counts who reads logs, and can lie: a request that it swallows, or an answer.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{UnixListener, UnixStream},
    sync::{Notify, watch},
    task::JoinSet,
};

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// It is answered with 204 and never reaches the Engine.
    SaysDone,
    /// The Engine gets it and acts, and nobody gets the answer.
    DropsAnswer,
    /// The Engine gets it and acts; the answer is that it failed (500).
    SaysFailed,
    /// Nothing happens at all.
    Hangs,
    /// Nothing happens until the proxy is honest again; then it is passed on.
    Holds,
    /// It is refused, as socket proxies do.
    Forbids,
}

#[derive(Debug, Default)]
struct Shared {
    log_readers: AtomicUsize,
    lies: Mutex<Vec<(String, Lie)>>,
    held: watch::Sender<usize>,
    honest: Notify,
}

/// The proxy; gone with its connections when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub socket: PathBuf,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// An honest proxy before the Engine at a socket, at `proxy.sock` in a folder.
    ///
    /// # Errors
    /// When it cannot listen there.
    pub fn start(engine: &Path, folder: &Path) -> std::io::Result<Self> {
        let socket = folder.join("proxy.sock");
        let listener = UnixListener::bind(&socket)?;
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        let (inner, engine) = (Arc::clone(&shared), engine.to_owned());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(pass(client, engine.clone(), Arc::clone(&inner)));
            }
        });
        Ok(Proxy {
            socket,
            shared,
            _tasks: tasks,
        })
    }

    /// Its socket as `DOCKER_HOST` wants it.
    pub fn docker_host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Lies about requests whose first line holds a text.
    pub fn lie(&self, about: &str, lie: Lie) {
        self.shared.lies().push((about.to_owned(), lie));
    }

    /// Lies no more, and passes on what it holds.
    pub fn be_honest(&self) {
        self.shared.lies().clear();
        self.shared.honest.notify_waiters();
    }

    /// Waits until a request is held.
    pub async fn holds_one(&self) {
        let mut held = self.shared.held.subscribe();
        // The sender lives as long as the proxy.
        let _ = held.wait_for(|held| *held > 0).await;
    }

    /// How many read logs now.
    pub fn log_readers(&self) -> usize {
        self.shared.log_readers.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn lies(&self) -> MutexGuard<'_, Vec<(String, Lie)>> {
        self.lies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts down however the connection ends.
struct Reading<'a>(&'a AtomicUsize);

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn pass(mut client: UnixStream, engine: PathBuf, shared: Arc<Shared>) {
    let mut head = vec![0; 16 * 1024];
    let Ok(length) = client.read(&mut head).await else {
        return;
    };
    let head = &head[..length];
    let line = String::from_utf8_lossy(head)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    let lie = {
        let lies = shared.lies();
        lies.iter()
            .find(|(about, _)| line.contains(about))
            .map(|(_, lie)| *lie)
    };
    match lie {
        Some(Lie::SaysDone) => {
            let _ = client.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
            return;
        }
        Some(Lie::Forbids) => {
            let answer = refusal("403 Forbidden", "not allowed here");
            let _ = client.write_all(answer.as_bytes()).await;
            return;
        }
        Some(Lie::Hangs) => {
            let _ = client.read(&mut [0; 1]).await;
            return;
        }
        Some(Lie::Holds) => {
            let honest = shared.honest.notified();
            tokio::pin!(honest);
            honest.as_mut().enable();
            shared.held.send_modify(|held| *held += 1);
            honest.await;
        }
        Some(Lie::DropsAnswer | Lie::SaysFailed) | None => {}
    }
    let Ok(mut server) = UnixStream::connect(&engine).await else {
        return;
    };
    if server.write_all(head).await.is_err() {
        return;
    }
    if let Some(Lie::DropsAnswer | Lie::SaysFailed) = lie {
        let _ = server.read(&mut [0; 1024]).await;
        if lie == Some(Lie::SaysFailed) {
            let answer = refusal("500 Internal Server Error", "something went wrong");
            let _ = client.write_all(answer.as_bytes()).await;
        }
        return;
    }
    let reading = line.contains("/logs?").then(|| {
        shared.log_readers.fetch_add(1, Ordering::SeqCst);
        Reading(&shared.log_readers)
    });
    let _ = copy_bidirectional(&mut client, &mut server).await;
    drop(reading);
}

fn refusal(status: &str, message: &str) -> String {
    let body = format!("{{\"message\":\"{message}\"}}");
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
