//! A Unix socket that speaks the Engine's API to children, and asks the guard before anything changes.
//!
//! Requests and answers stream through and hold each other up. What leaves HTTP (attach, exec, the sessions of a build)
//! is copied raw both ways, each way to its own end. An answer lasts as long as the child waits for it: when the child
//! goes, its connection ends, and with it the request at the Engine. A refusal has the form of the Engine's own, so that
//! every client prints it.

use std::{
    convert::Infallible,
    fs, io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn, upgrade::OnUpgrade};
use hyper_util::rt::{TokioIo, TokioTimer};
use komodo_agent_api::Container;
use komodo_docker::{Engine, EngineError, Passage, RelayedBody, passage};
use komodo_plan::{EngineChange, EngineRefusal, EngineRequest, Facts, Resolved, never_refused};
use serde_json::{Map, Value};
use tokio::{
    io::copy_bidirectional,
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::observe::Observatory;

/// Connections of children at the same time; further ones wait.
const CONNECTIONS_MAX: usize = 256;
/// Bytes of the head of a request: credentials of many registries fit.
const HEAD_BYTES_MAX: usize = 256 * 1024;
/// Time a connection may stay without a request. Longer than clients keep unused connections themselves.
const IDLE_DEADLINE: Duration = Duration::from_secs(600);
/// Bytes of a body that is read to judge it.
const JUDGED_BODY_BYTES_MAX: usize = 64 * 1024;
/// Time for such a body to come.
const JUDGED_BODY_DEADLINE: Duration = Duration::from_secs(10);
/// Bytes of the body of a request that does not pass that are read before its answer, as the Engine does.
const DRAINED_BODY_BYTES_MAX: usize = 256 * 1024;
/// Time for that.
const DRAIN_DEADLINE: Duration = Duration::from_secs(1);
/// Time the agent has to know its own place among the containers.
const READY_DEADLINE: Duration = Duration::from_secs(10);
/// Before connections are taken again, where the system cannot give one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The socket cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the socket for child processes at {path}")]
pub struct SocketError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// An open socket. It and all connections end with it.
#[derive(Debug)]
pub struct ChildrenSocket {
    path: PathBuf,
    _accepting: JoinSet<()>,
}

impl ChildrenSocket {
    /// Opens the socket `docker.sock` in a folder that is for this user alone. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`SocketError`] where the folder or the socket cannot be made.
    pub fn open(
        folder: &Path,
        engine: Engine,
        observatory: Observatory,
    ) -> Result<Self, SocketError> {
        let path = folder.join("docker.sock");
        let listener = bind(folder, &path).map_err(|source| SocketError {
            path: path.clone(),
            source,
        })?;
        let mut accepting = JoinSet::new();
        let guard = Guard {
            engine,
            observatory,
        };
        accepting.spawn(accept(listener, Arc::new(guard)));
        Ok(ChildrenSocket {
            path,
            _accepting: accepting,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ChildrenSocket {
    fn drop(&mut self) {
        // One that is gone already is as good.
        let _ = fs::remove_file(&self.path);
    }
}

/// Binds the socket. The folder is closed to others before there is a socket in it.
fn bind(folder: &Path, path: &Path) -> io::Result<UnixListener> {
    match fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
    {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?,
    }
    // That of an agent that was killed.
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path)?,
        Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn accept(listener: UnixListener, guard: Arc<Guard>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // It is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((child, _)) => {
                let guard = Arc::clone(&guard);
                connections.spawn(async move {
                    serve(child, guard).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a child process cannot connect");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Both ends of a stream that leaves HTTP.
type Streams = Mutex<Option<(OnUpgrade, OnUpgrade, RelayedBody)>>;

async fn serve(child: UnixStream, guard: Arc<Guard>) {
    let streams = Arc::new(Streams::default());
    let service = service_fn(|request| {
        let (guard, streams) = (Arc::clone(&guard), Arc::clone(&streams));
        async move { Ok::<_, Infallible>(guard.answer(request, &streams).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_DEADLINE)
        .max_buf_size(HEAD_BYTES_MAX)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(child), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(error = %error, "a child process broke off");
    }
    let upgraded = streams
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let Some((child, engine, _connection)) = upgraded else {
        return;
    };
    if let (Ok(child), Ok(engine)) = tokio::join!(child, engine) {
        let (mut child, mut engine) = (TokioIo::new(child), TokioIo::new(engine));
        // Each way ends by itself and is then closed; a break of either end ends both.
        let _ = copy_bidirectional(&mut child, &mut engine).await;
    }
}

type Answer = Response<Either<RelayedBody, Full<Bytes>>>;
type Question = Either<Incoming, Full<Bytes>>;

/// Why a request goes no further.
enum Stop {
    Refused(EngineRefusal),
    /// Status and words.
    Failed(StatusCode, String),
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        Stop::Failed(StatusCode::BAD_GATEWAY, error.chain())
    }
}

#[derive(Debug)]
struct Guard {
    engine: Engine,
    observatory: Observatory,
}

impl Guard {
    async fn answer(&self, mut request: Request<Incoming>, streams: &Streams) -> Answer {
        let child = hyper::upgrade::on(&mut request);
        let asked = (request.method().clone(), request.uri().path().to_owned());
        let (head, body) = request.into_parts();
        let mut body = Either::Left(body);
        let relayed = self.relay(head, &mut body).await;
        if relayed.is_err() {
            drain(body).await;
        }
        match relayed {
            Ok(relayed) => {
                let (head, body) = relayed.response.into_parts();
                let Some(engine) = relayed.upgrade else {
                    return Response::from_parts(head, Either::Left(body));
                };
                let mut streams = streams.lock().unwrap_or_else(PoisonError::into_inner);
                *streams = Some((child, engine, body));
                Response::from_parts(head, Either::Right(Full::default()))
            }
            Err(Stop::Refused(refusal)) => {
                tracing::warn!(
                    method = %asked.0,
                    path = asked.1,
                    container.name = refusal.container,
                    "a child process was refused: {}",
                    refusal.message
                );
                let mut document = Map::new();
                document.insert("message".into(), refusal.message.into());
                document.insert("code".into(), "protected".into());
                if let Some(reason) = refusal.reason {
                    let code = serde_json::to_value(reason.code).unwrap_or_default();
                    document.insert("reason".into(), code);
                }
                document.extend(
                    refusal
                        .container
                        .map(|name| ("container".into(), name.into())),
                );
                said(StatusCode::CONFLICT, document)
            }
            Err(Stop::Failed(status, message)) => {
                let message = Value::String(message);
                said(
                    status,
                    [("message".to_owned(), message)].into_iter().collect(),
                )
            }
        }
    }

    /// Sends a request on that may pass; its body stays where it does not.
    async fn relay(
        &self,
        head: Parts,
        body: &mut Question,
    ) -> Result<komodo_docker::Relayed, Stop> {
        let (path, query) = (head.uri.path(), head.uri.query());
        let understood = EngineRequest::read(head.method.as_str(), path, query)
            .map_err(|error| Stop::Failed(StatusCode::BAD_REQUEST, error.to_string()))?;
        let mut headers = head.headers;
        let mut disconnected = None;
        if let EngineChange::Disconnect { .. } = understood.change {
            disconnected = Some(read_disconnect(body).await?);
        }
        let named = match never_refused(&understood.change) {
            true => None,
            false => self.look(&understood.change, disconnected.as_ref()).await?,
        };
        if let (Some(disconnected), Some(named)) = (disconnected, &named) {
            headers.remove(header::CONTENT_LENGTH);
            *body = Either::Right(Full::from(disconnected.written(&named.id)));
        }
        let target = (path, query);
        let passage = self
            .passage(&head.method, target, &understood, named.as_ref())
            .map_err(Stop::Refused)?;
        let body = std::mem::replace(body, Either::Right(Full::default()));
        Ok(self.engine.relay(passage, headers, body).await?)
    }

    /// Asks the guard, about what is observed now.
    fn passage(
        &self,
        method: &Method,
        target: (&str, Option<&str>),
        request: &EngineRequest,
        named: Option<&Resolved>,
    ) -> Result<Passage, EngineRefusal> {
        self.observatory.read(|view| {
            let containers: Vec<&Container> = match request.change {
                EngineChange::Nothing | EngineChange::Container { .. } => Vec::new(),
                _ => view.containers().map(|container| &**container).collect(),
            };
            let facts = Facts {
                containers: &containers,
                protected: view.protected(),
            };
            passage(method, target, request, named, facts)
        })
    }

    /// Looks at what a change is about, and says what its reference means.
    async fn look(
        &self,
        change: &EngineChange,
        disconnected: Option<&Disconnected>,
    ) -> Result<Option<Resolved>, Stop> {
        if timeout(READY_DEADLINE, self.observatory.ready())
            .await
            .is_err()
        {
            let why = "Komodo Periphery does not know yet which containers it stands on, since the Engine has not told; try again";
            return Err(Stop::Failed(StatusCode::SERVICE_UNAVAILABLE, why.into()));
        }
        let container = match change {
            EngineChange::Container { reference, .. } => Some(reference),
            _ => disconnected.map(|disconnected| &disconnected.container),
        };
        if let Some(reference) = container {
            let reference = reference.trim_start_matches('/');
            let found = self.observatory.look(&self.engine, reference).await?;
            return match found {
                Some(container) => Ok(Some(Resolved {
                    id: container.id,
                    name: container.name,
                })),
                None => Err(missing(format!("No such container: {reference}"))),
            };
        }
        self.observatory.refresh(&self.engine).await?;
        if let EngineChange::Remove { kind, reference } = change {
            return match self.engine.identify(*kind, reference).await? {
                Some(found) => Ok(Some(found)),
                None => Err(missing(format!("no such {}: {reference}", kind.word()))),
            };
        }
        Ok(None)
    }
}

/// Reads what is still to come of a body that nobody wants: who is cut off while it writes never reads its answer.
async fn drain(mut body: Question) {
    let reading = async {
        let mut read = 0;
        while let (true, Some(Ok(frame))) = (read < DRAINED_BODY_BYTES_MAX, body.frame().await) {
            read += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    // A child that goes on and on is cut off.
    let _ = timeout(DRAIN_DEADLINE, reading).await;
}

fn missing(message: String) -> Stop {
    Stop::Failed(StatusCode::NOT_FOUND, message)
}

fn said(status: StatusCode, document: Map<String, Value>) -> Answer {
    let body = Bytes::from(Value::Object(document).to_string());
    let mut answer = Response::new(Either::Right(Full::from(body)));
    *answer.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}

/// What the body of a disconnect says.
struct Disconnected {
    container: String,
    force: Value,
}

impl Disconnected {
    /// The body in words that mean only that.
    fn written(&self, id: &str) -> Bytes {
        let body = serde_json::json!({ "Container": id, "Force": self.force });
        Bytes::from(body.to_string())
    }
}

async fn read_disconnect(body: &mut Question) -> Result<Disconnected, Stop> {
    let bad = |text: &str| Stop::Failed(StatusCode::BAD_REQUEST, text.to_owned());
    let reading = Limited::new(body, JUDGED_BODY_BYTES_MAX).collect();
    let read = match timeout(JUDGED_BODY_DEADLINE, reading).await {
        Ok(Ok(read)) => read.to_bytes(),
        Ok(Err(_)) => return Err(bad("the body cannot be read, or is too long")),
        Err(_) => return Err(bad("the body does not come")),
    };
    let document: Map<String, Value> =
        serde_json::from_slice(&read).map_err(|_| bad("the body is no JSON object"))?;
    // The Engine does not mind capitals, and takes the last of several.
    let value = |wanted: &str| {
        let mut found = document
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(wanted));
        match (found.next(), found.next()) {
            (found, None) => Ok(found.map(|(_, value)| value.clone())),
            _ => Err(bad("the body says something twice")),
        }
    };
    let container = value("container")?;
    let container = container
        .as_ref()
        .and_then(Value::as_str)
        .filter(|container| !container.is_empty())
        .ok_or_else(|| bad("the body names no container"))?;
    let force = value("force")?.unwrap_or(Value::Bool(false));
    Ok(Disconnected {
        container: container.to_owned(),
        force,
    })
}
