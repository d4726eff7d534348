//! Every method of `AgentApi` through client, link and router, against an agent that remembers what it was asked.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use komodo_agent_api::{
    AgentApi, AgentError, AgentErrorCode, AgentEvent, AgentHello, AgentOperation, AgentProperties,
    AgentStream, Container, CoreHello, EventBody, LEVEL, LogRequest, OperationEvent,
    OperationEventBody, OperationState, Snapshot,
};
use komodo_agent_http::{AgentClient, Deadlines, router};
use komodo_api::{
    container::{ContainerAction, Scope},
    live::{LogLine, LogStream},
    resource::ContainerRef,
};
use komodo_link::{
    Acceptor, CoreTimings, Identity, JoinToken, Link, Origin, Peer, Policy, Recognition, Refusal,
    agent::{self, AgentLinkConfig, AgentTimings, Dial, Dialled, LinkState, SessionError},
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

const SOON: Duration = Duration::from_secs(20);

/// Answers by the name of the container that is asked for; counts what was dropped.
#[derive(Default)]
struct FakeAgent {
    asked: Mutex<Vec<String>>,
    /// A call or stream that does not end by itself was dropped.
    dropped: Arc<Notify>,
    /// Something that does not end by itself has begun.
    begun: Notify,
    /// Lets an operation that is being accepted go on.
    accept: Notify,
    accepted: Notify,
    pulled: Arc<AtomicUsize>,
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

    fn asked(&self) -> Vec<String> {
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

fn error(code: AgentErrorCode) -> AgentError {
    AgentError::new(code, format!("fails with {code:?}"))
}

fn event(seq: u64, body: EventBody) -> AgentEvent {
    AgentEvent {
        seq,
        at: 1_700_000_000_000,
        body,
    }
}

fn step(seq: u64, body: OperationEventBody) -> OperationEvent {
    OperationEvent { seq, at: 7, body }
}

fn line(text: impl Into<String>) -> LogLine {
    LogLine {
        time: "2026-01-01T00:00:00.000000001Z".into(),
        stream: LogStream::Stderr,
        line: text.into(),
    }
}

fn snapshot(containers: usize) -> Snapshot {
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

fn agent_hello() -> AgentHello {
    AgentHello {
        level: LEVEL,
        agent: AgentProperties {
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
                self.begun.notify_one();
                self.accept.notified().await;
                self.accepted.notify_one();
                Ok(stream::empty().boxed())
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
                OperationEventBody::Started { id: "a".into() },
            )])),
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

fn core_hello(epoch: u64) -> CoreHello {
    CoreHello {
        level: LEVEL,
        version: "2.3.2".into(),
        core_id: "core-a".into(),
        epoch,
        server_id: "s1".into(),
        server_name: "one".into(),
        core_container: None,
        core_depends_on: vec![],
        agents_on_engine: vec![],
    }
}

struct Known;

impl Policy for Known {
    type Identity = ();

    async fn recognise(&self, _: &Peer) -> Recognition<()> {
        Recognition::Known(())
    }

    async fn join(&self, _: &Peer, _: Option<JoinToken>) -> Result<(), Refusal> {
        Err(Refusal::new("unknown_key", "not asked for"))
    }

    async fn hello(&self, _: &Peer, _: &()) -> Result<Bytes, Refusal> {
        Ok(Bytes::from(serde_json::to_vec(&core_hello(1)).unwrap()))
    }
}

struct Memory {
    acceptor: Acceptor<Known>,
    links: mpsc::Sender<Link<()>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Dial for Memory {
    async fn dial(&self) -> Result<Dialled, SessionError> {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (acceptor, links) = (self.acceptor.clone(), self.links.clone());
        self.tasks.lock().unwrap().spawn(async move {
            let link = acceptor.establish(far, Origin::default()).await.unwrap();
            links.send(link).await.unwrap();
        });
        Ok(Dialled {
            io: Box::new(near),
            core_address: None,
            local_address: None,
        })
    }
}

struct Setup {
    fake: Arc<FakeAgent>,
    client: AgentClient,
    hello: Bytes,
    _stop: DropGuard,
    _tasks: JoinSet<()>,
}

async fn setup(deadlines: Deadlines) -> Setup {
    let (core, agent_identity) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let (links, mut linked) = mpsc::channel(1);
    let acceptor = Acceptor::new(&core, Known, CoreTimings::default()).unwrap();
    let dialler = Memory {
        acceptor,
        links,
        tasks: Mutex::default(),
    };
    let config = AgentLinkConfig {
        identity: agent_identity,
        connect_as: "one".into(),
        core_keys: vec![core.public_key()],
        join_token: None,
        known_cores: None,
        timings: AgentTimings::default(),
    };
    let fake = Arc::new(FakeAgent::default());
    let service = router(Arc::clone(&fake) as Arc<dyn AgentApi>);
    let cancel = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let stop = cancel.clone();
    tasks.spawn(async move {
        let (state, _) = watch::channel(LinkState::Connecting);
        agent::run(config, dialler, service, state, stop)
            .await
            .unwrap();
    });
    let link = soon(linked.recv()).await.expect("the dialler lives");
    Setup {
        fake,
        client: AgentClient::new(link.client, deadlines),
        hello: link.hello,
        _stop: cancel.drop_guard(),
        _tasks: tasks,
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(SOON, future).await.expect("happens soon")
}

async fn all<T>(stream: AgentStream<T>) -> Vec<Result<T, AgentError>> {
    soon(stream.collect()).await
}

fn code<T>(result: Result<T, AgentError>) -> AgentErrorCode {
    match result {
        Ok(_) => panic!("no error"),
        Err(error) => error.code,
    }
}

fn log(container: &str, follow: bool) -> LogRequest {
    LogRequest {
        container: ContainerRef(container.into()),
        tail: Some(3),
        since: Some(5),
        follow,
        stream: None,
    }
}

fn operation(id: &str) -> AgentOperation {
    AgentOperation {
        id: id.into(),
        epoch: 1,
        action: ContainerAction::Stop,
        scope: Scope::All,
        exclude: vec![],
        signal: None,
        time: None,
        override_reason: None,
        concurrency: 16,
        operator: "admin".into(),
    }
}

#[tokio::test]
async fn hello_of_the_link_and_of_the_client_are_the_same() {
    let setup = setup(Deadlines::default()).await;
    let first: AgentHello = serde_json::from_slice(&setup.hello).unwrap();
    assert_eq!(first, agent_hello());
    assert_eq!(
        setup.client.hello(core_hello(2)).await.unwrap(),
        agent_hello()
    );
    let stale = setup.client.hello(core_hello(0)).await.unwrap_err();
    assert_eq!(stale, error(AgentErrorCode::StaleEpoch));
    assert_eq!(
        setup.fake.asked(),
        ["hello core-a 1", "hello core-a 2", "hello core-a 0"]
    );
}

#[tokio::test]
async fn events_begin_with_a_snapshot_of_any_size_and_stop_when_dropped() {
    let setup = setup(Deadlines::default()).await;
    let mut events = setup.client.events().await.unwrap();
    let first = soon(events.next()).await.unwrap().unwrap();
    assert_eq!(
        first,
        event(0, EventBody::Snapshot(Box::new(snapshot(5000))))
    );
    let second = soon(events.next()).await.unwrap().unwrap();
    assert_eq!(second.seq, 1);
    drop(events);
    soon(setup.fake.dropped.notified()).await;
}

#[tokio::test]
async fn inspect_returns_the_document_or_the_error() {
    let setup = setup(Deadlines::default()).await;
    let document = setup
        .client
        .inspect_container(ContainerRef("/a b".into()))
        .await
        .unwrap();
    assert_eq!(
        document,
        serde_json::json!({ "Name": "/a b", "Nested": { "n": [1, null, "ü\n"] } })
    );
    let absent = setup
        .client
        .inspect_container(ContainerRef("absent".into()))
        .await;
    assert_eq!(absent, Err(error(AgentErrorCode::NotFound)));
}

#[tokio::test]
async fn a_call_that_takes_too_long_fails_here_and_stops_there() {
    let deadlines = Deadlines {
        engine: Duration::from_millis(50),
        ..Deadlines::default()
    };
    let setup = setup(deadlines).await;
    let slow = setup
        .client
        .inspect_container(ContainerRef("slow".into()))
        .await;
    assert_eq!(code(slow), AgentErrorCode::DeadlineExceeded);
    soon(setup.fake.dropped.notified()).await;
}

#[tokio::test]
async fn a_call_that_is_dropped_stops_there() {
    let setup = setup(Deadlines::default()).await;
    let call = setup.client.inspect_container(ContainerRef("slow".into()));
    tokio::select! {
        _ = call => panic!("never answers"),
        () = soon(setup.fake.begun.notified()) => {}
    }
    soon(setup.fake.dropped.notified()).await;
}

#[tokio::test]
async fn log_arrives_whole_and_in_order() {
    let setup = setup(Deadlines::default()).await;
    let chunks = all(setup.client.container_log(log("web", false)).await.unwrap()).await;
    let lines: Vec<LogLine> = chunks.into_iter().flat_map(Result::unwrap).collect();
    let expected: Vec<LogLine> = (0..3000)
        .map(|n| line(format!("line {n} \u{1F600}")))
        .collect();
    assert!(lines == expected, "{} lines", lines.len());
    assert_eq!(
        setup.fake.asked().last().unwrap(),
        "log web Some(3) Some(5) false"
    );
}

#[tokio::test]
async fn followed_log_arrives_at_once_and_stops_when_dropped() {
    let setup = setup(Deadlines::default()).await;
    let mut lines = setup.client.container_log(log("web", true)).await.unwrap();
    assert_eq!(
        soon(lines.next()).await.unwrap().unwrap(),
        [line("first"), line("")]
    );
    drop(lines);
    soon(setup.fake.dropped.notified()).await;
}

#[tokio::test]
async fn errors_of_a_log_come_before_or_inside_the_stream() {
    let setup = setup(Deadlines::default()).await;
    let absent = setup.client.container_log(log("absent", false)).await;
    assert_eq!(code(absent), AgentErrorCode::NotFound);
    let breaks = all(setup
        .client
        .container_log(log("breaks", false))
        .await
        .unwrap())
    .await;
    assert_eq!(
        breaks,
        [
            Ok(vec![line("one")]),
            Err(error(AgentErrorCode::EngineUnreachable))
        ]
    );
}

#[tokio::test]
async fn a_reader_that_stalls_loses_its_stream_and_nothing_else() {
    let deadlines = Deadlines {
        stalled_reader: Duration::from_millis(100),
        ..Deadlines::default()
    };
    let setup = setup(deadlines).await;
    let stalled = setup
        .client
        .container_log(log("endless", true))
        .await
        .unwrap();
    soon(setup.fake.dropped.notified()).await;
    // What the agent had to produce until then is bounded: windows and buffers, not the log.
    let pulled = setup.fake.pulled.load(Ordering::Relaxed);
    assert!(pulled < 3000, "{pulled} chunks of 1 kB");
    let items = all(stalled).await;
    assert_eq!(
        items.last().map(|item| item.as_ref().unwrap_err().code),
        Some(AgentErrorCode::Link)
    );
    assert!(
        setup
            .client
            .inspect_container(ContainerRef("a".into()))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn operation_is_followed_to_its_end() {
    let setup = setup(Deadlines::default()).await;
    let events = all(setup.client.operate(operation("u1")).await.unwrap()).await;
    let seqs: Vec<u64> = events
        .iter()
        .map(|event| event.as_ref().unwrap().seq)
        .collect();
    assert_eq!(seqs, [1, 2, 3]);
    assert_eq!(
        events[2],
        Ok(step(3, OperationEventBody::Ended { error: None }))
    );
    let full = setup.client.operate(operation("full")).await;
    assert_eq!(code(full), AgentErrorCode::JournalFull);
}

#[tokio::test]
async fn an_operation_is_accepted_even_if_core_is_gone_by_then() {
    let setup = setup(Deadlines::default()).await;
    tokio::select! {
        _ = setup.client.operate(operation("accepts-slowly")) => panic!("not accepted yet"),
        () = soon(setup.fake.begun.notified()) => {}
    }
    setup.client.link().close();
    soon(setup.client.link().closed()).await;
    setup.fake.accept.notify_one();
    soon(setup.fake.accepted.notified()).await;
}

#[tokio::test]
async fn follow_and_acknowledge_name_the_operation() {
    let setup = setup(Deadlines::default()).await;
    let mut events = setup.client.follow("known".into(), 41).await.unwrap();
    assert_eq!(soon(events.next()).await.unwrap().unwrap().seq, 42);
    drop(events);
    soon(setup.fake.dropped.notified()).await;
    let unknown = setup.client.follow("other".into(), 0).await;
    assert_eq!(code(unknown), AgentErrorCode::NotFound);
    assert_eq!(setup.client.acknowledge("known".into()).await, Ok(()));
    assert_eq!(
        code(setup.client.acknowledge("other".into()).await),
        AgentErrorCode::NotFound
    );
    assert_eq!(
        setup.fake.asked()[1..],
        [
            "follow known 41",
            "follow other 0",
            "acknowledge known",
            "acknowledge other"
        ]
    );
}

#[tokio::test]
async fn a_broken_link_is_an_error_of_every_call_and_stream() {
    let setup = setup(Deadlines::default()).await;
    let mut events = setup.client.events().await.unwrap();
    soon(events.next()).await.unwrap().unwrap();
    soon(events.next()).await.unwrap().unwrap();
    setup.client.link().close();
    assert_eq!(
        code(soon(events.next()).await.unwrap()),
        AgentErrorCode::Link
    );
    assert!(soon(events.next()).await.is_none());
    assert_eq!(
        code(setup.client.acknowledge("known".into()).await),
        AgentErrorCode::Link
    );
}

#[tokio::test]
async fn a_request_over_the_limit_is_refused_with_a_reason() {
    let setup = setup(Deadlines::default()).await;
    let huge = "x".repeat(komodo_agent_http::REQUEST_BYTES_MAX);
    let refused = setup
        .client
        .inspect_container(ContainerRef(huge))
        .await
        .unwrap_err();
    assert_eq!(refused.code, AgentErrorCode::Invalid);
    assert_eq!(setup.fake.asked().len(), 1, "the agent saw it");
}
