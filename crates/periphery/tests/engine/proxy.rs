//! A Unix socket before the Engine that counts who reads logs, and can lie: a request that it swallows, or an answer.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
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
    /// The Engine gets it, and nobody gets the answer.
    DropsAnswer,
    /// Nothing happens at all.
    Hangs,
    /// Nothing happens until the proxy is honest again; then it is passed on.
    Holds,
    /// It is refused, as socket proxies do.
    Forbids,
}

#[derive(Default)]
struct Shared {
    log_readers: AtomicUsize,
    lies: Mutex<Vec<(String, Lie)>>,
    held: watch::Sender<usize>,
    honest: Notify,
}

pub struct Proxy {
    pub socket: PathBuf,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    pub fn start(engine: &Path, folder: &Path) -> Self {
        let socket = folder.join("proxy.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        let (inner, engine) = (Arc::clone(&shared), engine.to_owned());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(pass(client, engine.clone(), Arc::clone(&inner)));
            }
        });
        Proxy {
            socket,
            shared,
            _tasks: tasks,
        }
    }

    pub fn docker_host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Lies about requests whose first line holds a text.
    pub fn lie(&self, about: &str, lie: Lie) {
        self.shared
            .lies
            .lock()
            .unwrap()
            .push((about.to_owned(), lie));
    }

    pub fn be_honest(&self) {
        self.shared.lies.lock().unwrap().clear();
        self.shared.honest.notify_waiters();
    }

    /// Waits until a request is held.
    pub async fn holds_one(&self) {
        let mut held = self.shared.held.subscribe();
        held.wait_for(|held| *held > 0).await.unwrap();
    }

    pub fn log_readers(&self) -> usize {
        self.shared.log_readers.load(Ordering::SeqCst)
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
        let lies = shared.lies.lock().unwrap();
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
            let body = "{\"message\":\"not allowed here\"}";
            let answer = format!(
                "HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
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
        Some(Lie::DropsAnswer) | None => {}
    }
    let Ok(mut server) = UnixStream::connect(&engine).await else {
        return;
    };
    if server.write_all(head).await.is_err() {
        return;
    }
    if lie == Some(Lie::DropsAnswer) {
        let _ = server.read(&mut [0; 1024]).await;
        return;
    }
    let reading = line.contains("/logs?").then(|| {
        shared.log_readers.fetch_add(1, Ordering::SeqCst);
        Reading(&shared.log_readers)
    });
    let _ = copy_bidirectional(&mut client, &mut server).await;
    drop(reading);
}
