//! The agent as Core sees it: [`AgentApi`] on one Engine. Errors are made for people here; what is done is done
//! elsewhere.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use komodo_agent_api::{
    AgentApi, AgentError, AgentErrorCode, AgentEvent, AgentHello, AgentOperation, AgentProperties,
    AgentStream, CoreHello, EngineState, EventBody, GoodbyeReason, LEVEL, LEVEL_MIN, LogRequest,
    OperationEvent, ProgramPart, ProgramReceived,
};
use komodo_api::{live::LogLine, resource::ContainerRef, stats::Timelength};
use komodo_docker::{Endpoint, Engine, EngineError, LogOptions};
use komodo_journal::{JOURNAL_BYTES_MAX, Journal, JournalError};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    children::{ChildrenSocket, Compose},
    clock,
    departure::Departure,
    epoch::EpochFile,
    hand_over::kept::Kept,
    host::{self, HostOptions},
    observe::{Observatory, READER_EVENTS_MAX, Timings, View, watch},
    operations::{Means, Operations},
    redact::redact,
    service::{Service, ServiceOptions},
};

/// Time a hello waits for the first look at the Engine.
const HELLO_PATIENCE: Duration = Duration::from_secs(2);

/// What an agent is made of.
#[derive(Debug, Clone)]
pub struct AgentOptions {
    /// Where its Engine listens.
    pub endpoint: Endpoint,
    /// Where it keeps its state.
    pub root: PathBuf,
    /// Files of its state that are elsewhere, such as its key; another agent that takes its place gets them too.
    pub state_elsewhere: Vec<PathBuf>,
    /// What of the host it looks at.
    pub host: HostOptions,
    /// By what it knows which service of systemd it is, and whose programs it takes.
    pub service: ServiceOptions,
    /// How often it does what it does by itself.
    pub timings: Timings,
    /// Bytes that its journal may take.
    pub journal_bytes_max: u64,
    /// Events that a reader may lag behind before its stream ends.
    pub reader_events_max: usize,
}

impl AgentOptions {
    /// The usual options.
    pub fn new(endpoint: Endpoint, root: &Path) -> Self {
        AgentOptions {
            endpoint,
            root: root.into(),
            state_elsewhere: Vec::new(),
            host: HostOptions::default(),
            service: ServiceOptions::default(),
            timings: Timings::default(),
            journal_bytes_max: JOURNAL_BYTES_MAX,
            reader_events_max: READER_EVENTS_MAX,
        }
    }
}

/// A running agent. What it runs ends with it; operations that are under way stay in its journal, and the next agent on
/// the same folder settles them.
#[derive(Debug)]
pub struct Agent {
    engine: Engine,
    observatory: Observatory,
    operations: Operations,
    departure: Departure,
    service: Service,
    epoch: Mutex<EpochFile>,
    stats_polling_rate: Timelength,
    started_at: komodo_api::UnixMs,
    /// None where it could not be opened: then no child is started.
    children: Option<ChildrenSocket>,
    _tasks: JoinSet<()>,
}

impl Agent {
    /// Starts an agent. It comes up whether its Engine is there or not. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`JournalError`] where the journal cannot be read.
    pub async fn start(options: AgentOptions) -> Result<Self, JournalError> {
        let journal_folder = options.root.join("journal");
        let (journal, recorded) = Journal::open(&journal_folder, options.journal_bytes_max)?;
        let engine = Engine::new(options.endpoint);
        let observatory = Observatory::new(options.reader_events_max);
        observatory.update(|view| {
            view.host = host::information(&options.host.proc);
            view.set_control_path(|path| {
                path.socket_proxy = match engine.endpoint() {
                    Endpoint::Unix(_) => None,
                    Endpoint::Tcp { .. } => Some(
                        engine
                            .endpoint()
                            .to_string()
                            .trim_start_matches("tcp://")
                            .to_owned(),
                    ),
                };
            })
        });
        let kept = Kept::new(&options.root, &options.state_elsewhere);
        kept.unmark_detached().await;
        let departure = Departure::default();
        let (service, detection) = Service::new(kept.root(), options.service);
        let mut tasks = JoinSet::new();
        tasks.spawn(detection.run());
        let operations = Operations::new(
            Means {
                engine: engine.clone(),
                observatory: observatory.clone(),
                journal: Arc::new(journal),
                kept,
                departure: departure.clone(),
                service: service.clone(),
            },
            recorded,
        )
        .await?;
        let folder = options.root.join("children");
        let children = ChildrenSocket::open(&folder, engine.clone(), observatory.clone());
        let children = children
            .inspect_err(
                |error| tracing::error!(cause = ?error, "no child can be started: {error}"),
            )
            .ok();
        let stats_polling_rate = options.host.polling_rate;
        tasks.spawn(watch(engine.clone(), observatory.clone(), options.timings));
        tasks.spawn(host::sample(options.host, observatory.clone()));
        Ok(Agent {
            engine,
            observatory,
            operations,
            departure,
            service,
            epoch: Mutex::new(EpochFile::load(&options.root.join("core.json"))),
            stats_polling_rate,
            children,
            started_at: clock::now_ms(),
            _tasks: tasks,
        })
    }

    /// Tells everybody who reads the events that the agent goes, and ends their streams.
    pub fn say_goodbye(&self, reason: GoodbyeReason) {
        self.observatory.tell(EventBody::Goodbye(reason));
        self.observatory.close();
        self.operations.end_followers();
    }

    /// Takes readers again, after a goodbye that came to nothing.
    pub fn is_back(&self) {
        self.observatory.open();
    }

    /// How the agent is let go, where an operation takes its own container away.
    pub fn departure(&self) -> &Departure {
        &self.departure
    }

    /// Why the agent goes when it gets a signal: what an operation announced, or that a helper restarts or replaces it,
    /// or else the signal.
    pub fn reason_to_go(&self, signal: &str) -> GoodbyeReason {
        let going = self.observatory.read(|view| view.going.clone());
        going.unwrap_or_else(|| GoodbyeReason::Signal {
            signal: signal.to_owned(),
        })
    }

    /// Ends all that the agent does, as its death would, and waits until it has ended. The journal stays.
    pub async fn end(&self) {
        self.observatory.close();
        self.operations.end().await;
    }

    /// What the agent observes.
    pub fn observatory(&self) -> &Observatory {
        &self.observatory
    }

    /// The socket by which children reach the Engine.
    pub fn children(&self) -> Option<&ChildrenSocket> {
        self.children.as_ref()
    }

    /// Compose on this agent's Engine, as its child.
    pub fn compose(&self) -> Option<Compose<'_>> {
        let socket = self.children.as_ref()?;
        Some(Compose::new(&self.engine, &self.observatory, socket))
    }

    /// Refuses a Core that was replaced, and remembers a newer one.
    fn see_epoch(&self, core_id: Option<&str>, epoch: u64) -> Result<(), AgentError> {
        let mut known = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        known.see(core_id, epoch).map_err(|newer| {
            let text = format!(
                "this Core (epoch {epoch}) has been replaced by a newer one (epoch {newer})"
            );
            AgentError::new(AgentErrorCode::StaleEpoch, text)
        })
    }

    /// Refuses the order of a Core that was replaced, be it by a newer one of the same or by another.
    fn see_order(&self, core_id: Option<&str>, epoch: u64) -> Result<(), AgentError> {
        let known = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.is_of(core_id) {
            return Err(AgentError::new(
                AgentErrorCode::StaleEpoch,
                "this Core has been replaced by another one",
            ));
        }
        drop(known);
        self.see_epoch(None, epoch)
    }

    /// The id that a reference means; what is not in view may have appeared this moment, and the Engine knows.
    fn resolve(&self, container: &ContainerRef) -> Result<String, AgentError> {
        self.observatory.read(|view: &View| {
            if let EngineState::Unreachable { why, .. } = &view.engine {
                return Err(unreachable(why));
            }
            let found = view.resolve(&container.0);
            match found.as_slice() {
                [] => Ok(container.0.clone()),
                [only] => Ok(only.id.clone()),
                several => {
                    let names: Vec<_> = several
                        .iter()
                        .take(10)
                        .map(|container| container.name.as_str())
                        .collect();
                    let text = format!(
                        "'{container}' fits several containers: {}",
                        names.join(", ")
                    );
                    Err(AgentError::new(AgentErrorCode::Invalid, text))
                }
            }
        })
    }
}

fn unreachable(why: &str) -> AgentError {
    AgentError::new(
        AgentErrorCode::EngineUnreachable,
        format!("the Docker Engine does not answer: {why}"),
    )
}

fn engine_error(container: &ContainerRef, error: &EngineError) -> AgentError {
    if error.is_not_found() {
        return AgentError::new(
            AgentErrorCode::NotFound,
            format!("there is no container '{container}'"),
        );
    }
    let text = redact(&error.chain());
    match error {
        error if error.is_unreachable() => unreachable(&text),
        // A log driver that cannot be read, a proxy that does not let it through.
        EngineError::Status { .. } => AgentError::new(AgentErrorCode::Invalid, text),
        _ => AgentError::new(AgentErrorCode::Internal, text),
    }
}

#[async_trait]
impl AgentApi for Agent {
    async fn hello(&self, core: CoreHello) -> Result<AgentHello, AgentError> {
        if core.level < LEVEL_MIN {
            let text = format!(
                "this agent speaks levels {LEVEL_MIN} to {LEVEL}, Core has {}",
                core.level
            );
            return Err(AgentError::new(AgentErrorCode::Level, text));
        }
        self.see_epoch(Some(&core.core_id), core.epoch)?;
        self.observatory.update(|view| view.set_core(&core));
        // Core wants to know in which container we are.
        let _ = timeout(HELLO_PATIENCE, self.observatory.tried()).await;
        Ok(AgentHello {
            level: LEVEL,
            agent: AgentProperties {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                container: self
                    .observatory
                    .read(|view| view.control_path().own_container.clone()),
                terminals_disabled: true,
                container_terminals_disabled: true,
                stats_polling_rate: self.stats_polling_rate,
                started_at: self.started_at,
                unit: self.service.told().await,
                architecture: std::env::consts::ARCH.to_owned(),
            },
            open_operations: self.operations.open(),
        })
    }

    async fn events(&self) -> Result<AgentStream<AgentEvent>, AgentError> {
        let too_many = || {
            AgentError::new(
                AgentErrorCode::Invalid,
                "too many streams of events are open",
            )
        };
        self.observatory.events().ok_or_else(too_many)
    }

    async fn inspect_container(
        &self,
        container: ContainerRef,
    ) -> Result<serde_json::Value, AgentError> {
        let id = self.resolve(&container)?;
        self.engine
            .inspect_document(&id)
            .await
            .map_err(|error| engine_error(&container, &error))
    }

    async fn container_log(
        &self,
        request: LogRequest,
    ) -> Result<AgentStream<Vec<LogLine>>, AgentError> {
        let LogRequest {
            container,
            tail,
            since,
            follow,
            stream,
        } = request;
        let id = self.resolve(&container)?;
        let options = LogOptions {
            tail,
            since,
            follow,
            stream,
        };
        let reader = self
            .engine
            .logs(&id, &options)
            .await
            .map_err(|error| engine_error(&container, &error))?;
        let lines = stream::unfold(Some((reader, container)), |state| async move {
            let (mut reader, container) = state?;
            match reader.next().await {
                Ok(Some(lines)) => Some((Ok(lines), Some((reader, container)))),
                Ok(None) => None,
                Err(error) => Some((Err(engine_error(&container, &error)), None)),
            }
        });
        Ok(lines.boxed())
    }

    async fn operate(
        &self,
        operation: AgentOperation,
    ) -> Result<AgentStream<OperationEvent>, AgentError> {
        if !self.operations.knows(&operation.id) {
            self.see_order(operation.core_id.as_deref(), operation.epoch)?;
        }
        self.operations.operate(operation).await
    }

    async fn follow(
        &self,
        operation: String,
        seq: u64,
    ) -> Result<AgentStream<OperationEvent>, AgentError> {
        self.operations.follow(&operation, seq).await
    }

    async fn cancel(&self, operation: String, by: String) -> Result<(), AgentError> {
        self.operations.cancel(&operation, &by).await
    }

    async fn receive_program(&self, part: ProgramPart) -> Result<ProgramReceived, AgentError> {
        self.service.receive(part).await
    }

    async fn confirm(&self, operation: String) -> Result<(), AgentError> {
        self.operations.confirm(&operation).await
    }

    async fn acknowledge(&self, operation: String) -> Result<(), AgentError> {
        self.operations.acknowledge(&operation).await
    }
}
