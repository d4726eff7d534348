//! An agent that answers by the name of what it is asked for, and remembers it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use komodo_agent_api::{
    AgentApi, AgentError, AgentErrorCode, AgentEvent, AgentHello, AgentOperation, AgentProperties,
    AgentStream, Container, CoreHello, EventBody, LEVEL, LogRequest, OperationEvent,
    OperationEventBody, OperationState, ProgramPart, ProgramReceived, Snapshot,
};
use komodo_api::{
    live::{LogLine, LogStream},
    resource::ContainerRef,
};
use tokio::sync::Notify;

/// Answers by the name of the container that is asked for; counts what was dropped.
#[derive(Default)]
pub struct FakeAgent {
    asked: Mutex<Vec<String>>,
    /// A call or stream that does not end by itself was dropped.
    pub dropped: Arc<Notify>,
    /// Something that does not end by itself has begun.
    pub begun: Notify,
    pub pulled: Arc<AtomicUsize>,
}

struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl FakeAgent {
    fn ask(&self, what: String) {
        self.asked.lock().unwrap().push(what);
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// A stream with these items that then stays open.
    fn open<T: Send + 'static>(&self, items: Vec<T>) -> AgentStream<T> {
        let guard = OnDrop(Arc::clone(&self.dropped));
        stream::iter(items.into_iter().map(Ok))
            .chain(stream::pending())
            .inspect(move |_| {
                let _ = &guard;
            })
            .boxed()
    }
}

pub fn error(code: AgentErrorCode) -> AgentError {
    AgentError::new(code, format!("fails with {code:?}"))
}

pub fn event(seq: u64, body: EventBody) -> AgentEvent {
    AgentEvent {
        seq,
        at: 1_700_000_000_000,
        body,
    }
}

pub fn step(seq: u64, body: OperationEventBody) -> OperationEvent {
    OperationEvent { seq, at: 7, body }
}

pub fn line(text: impl Into<String>) -> LogLine {
    LogLine {
        time: "2026-01-01T00:00:00.000000001Z".into(),
        stream: LogStream::Stderr,
        line: text.into(),
    }
}

pub fn snapshot(containers: usize) -> Snapshot {
    let containers = (0..containers)
        .map(|n| Container {
            id: format!("{n:064}"),
            name: format!("c{n}"),
            ..Container::default()
        })
        .collect();
    Snapshot {
        containers,
        ..Snapshot::default()
    }
}

pub fn agent_hello() -> AgentHello {
    AgentHello {
        level: LEVEL,
        agent: AgentProperties {
            unit: None,
            architecture: String::new(),
            version: "0.1.0".into(),
            ..AgentProperties::default()
        },
        open_operations: vec![OperationState {
            id: "u1".into(),
            seq: 4,
            ended: true,
        }],
    }
}

#[async_trait]
impl AgentApi for FakeAgent {
    async fn hello(&self, core: CoreHello) -> Result<AgentHello, AgentError> {
        self.ask(format!("hello {} {}", core.core_id, core.epoch));
        match core.epoch {
            0 => Err(error(AgentErrorCode::StaleEpoch)),
            _ => Ok(agent_hello()),
        }
    }

    async fn events(&self) -> Result<AgentStream<AgentEvent>, AgentError> {
        self.ask("events".into());
        let gone = EventBody::Containers {
            upsert: vec![],
            remove: vec!["a".into()],
        };
        Ok(self.open(vec![
            event(0, EventBody::Snapshot(Box::new(snapshot(5000)))),
            event(1, gone),
        ]))
    }

    async fn inspect_container(
        &self,
        container: ContainerRef,
    ) -> Result<serde_json::Value, AgentError> {
        self.ask(format!("inspect {container}"));
        match container.0.as_str() {
            "absent" => Err(error(AgentErrorCode::NotFound)),
            "slow" => {
                let _guard = OnDrop(Arc::clone(&self.dropped));
                self.begun.notify_one();
                std::future::pending().await
            }
            name => Ok(serde_json::json!({ "Name": name, "Nested": { "n": [1, null, "ü\n"] } })),
        }
    }

    async fn container_log(
        &self,
        request: LogRequest,
    ) -> Result<AgentStream<Vec<LogLine>>, AgentError> {
        self.ask(format!(
            "log {} {:?} {:?} {}",
            request.container, request.tail, request.since, request.follow
        ));
        match request.container.0.as_str() {
            "absent" => Err(error(AgentErrorCode::NotFound)),
            "breaks" => {
                let items = vec![
                    Ok(vec![line("one")]),
                    Err(error(AgentErrorCode::EngineUnreachable)),
                ];
                Ok(stream::iter(items).boxed())
            }
            "endless" => {
                let pulled = Arc::clone(&self.pulled);
                let guard = OnDrop(Arc::clone(&self.dropped));
                Ok(stream::repeat_with(move || {
                    let _ = &guard;
                    pulled.fetch_add(1, Ordering::Relaxed);
                    Ok(vec![line("x".repeat(1000))])
                })
                .boxed())
            }
            _ if request.follow => Ok(self.open(vec![vec![line("first"), line("")]])),
            _ => Ok(
                stream::iter((0..3000).map(|n| Ok(vec![line(format!("line {n} \u{1F600}"))])))
                    .boxed(),
            ),
        }
    }

    async fn operate(
        &self,
        operation: AgentOperation,
    ) -> Result<AgentStream<OperationEvent>, AgentError> {
        self.ask(format!("operate {}", operation.id));
        match operation.id.as_str() {
            "full" => Err(error(AgentErrorCode::JournalFull)),
            "accepts-slowly" => {
                let _guard = OnDrop(Arc::clone(&self.dropped));
                self.begun.notify_one();
                std::future::pending().await
            }
            _ => Ok(stream::iter(vec![
                Ok(step(
                    1,
                    OperationEventBody::Planned {
                        items: vec![],
                        deadline: 9,
                    },
                )),
                Ok(step(
                    2,
                    OperationEventBody::Acted {
                        id: "a".into(),
                        error: Some("no".into()),
                    },
                )),
                Ok(step(3, OperationEventBody::Ended { error: None })),
            ])
            .boxed()),
        }
    }

    async fn follow(
        &self,
        operation: String,
        seq: u64,
    ) -> Result<AgentStream<OperationEvent>, AgentError> {
        self.ask(format!("follow {operation} {seq}"));
        match operation.as_str() {
            "known" => Ok(self.open(vec![step(
                seq + 1,
                OperationEventBody::Started {
                    id: "a".into(),
                    run: None,
                },
            )])),
            _ => Err(error(AgentErrorCode::NotFound)),
        }
    }

    async fn cancel(&self, operation: String, by: String) -> Result<(), AgentError> {
        self.ask(format!("cancel {operation} by {by}"));
        match operation.as_str() {
            "known" => Ok(()),
            _ => Err(error(AgentErrorCode::NotFound)),
        }
    }

    async fn receive_program(&self, part: ProgramPart) -> Result<ProgramReceived, AgentError> {
        self.ask(format!("receive program from {}", part.offset));
        match part.offset {
            0 => Ok(ProgramReceived { bytes: 7 }),
            _ => Err(error(AgentErrorCode::Invalid)),
        }
    }

    async fn confirm(&self, operation: String) -> Result<(), AgentError> {
        self.ask(format!("confirm {operation}"));
        match operation.as_str() {
            "known" => Ok(()),
            _ => Err(error(AgentErrorCode::NotFound)),
        }
    }

    async fn acknowledge(&self, operation: String) -> Result<(), AgentError> {
        self.ask(format!("acknowledge {operation}"));
        match operation.as_str() {
            "known" => Ok(()),
            _ => Err(error(AgentErrorCode::NotFound)),
        }
    }
}
