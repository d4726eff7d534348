//! Every method of `AgentApi` through client, link and router, against an agent that remembers what it was asked.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod fake;

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures_util::StreamExt;
use komodo_agent_api::{
    AgentApi, AgentError, AgentErrorCode, AgentHello, AgentOperation, AgentStream, CoreHello,
    EventBody, LEVEL, LogRequest, OperationEventBody,
};
use komodo_agent_http::{AgentClient, Deadlines, router};
use komodo_api::{
    container::{ContainerAction, Scope},
    live::LogLine,
    resource::ContainerRef,
};
use komodo_link::{
    Acceptor, CoreTimings, Identity, JoinToken, Link, Origin, Peer, Policy, Recognition, Refusal,
    agent::{self, AgentLinkConfig, AgentTimings, Dial, Dialled, LinkState, SessionError},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use fake::{FakeAgent, agent_hello, error, event, line, snapshot, step};

const SOON: Duration = Duration::from_secs(20);

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
        depended_on: Vec::new(),
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
        detach: false,
        recreate: None,
        probation_s: None,
        core_id: None,
        expected: Default::default(),
        bound: false,
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

// The clock only moves once the agent has begun and nothing is left to do.
#[tokio::test(start_paused = true)]
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
async fn an_operation_that_core_no_longer_waits_for_is_not_accepted() {
    let setup = setup(Deadlines::default()).await;
    tokio::select! {
        _ = setup.client.operate(operation("accepts-slowly")) => panic!("not accepted yet"),
        () = soon(setup.fake.begun.notified()) => {}
    }
    // The link is up as before; only this request is given up.
    soon(setup.fake.dropped.notified()).await;
}

#[tokio::test]
async fn follow_cancel_and_acknowledge_name_the_operation() {
    let setup = setup(Deadlines::default()).await;
    let mut events = setup.client.follow("known".into(), 41).await.unwrap();
    assert_eq!(soon(events.next()).await.unwrap().unwrap().seq, 42);
    drop(events);
    soon(setup.fake.dropped.notified()).await;
    let unknown = setup.client.follow("other".into(), 0).await;
    assert_eq!(code(unknown), AgentErrorCode::NotFound);
    let cancel = |id: &str| setup.client.cancel(id.into(), "Alice \"A\" é".into());
    assert_eq!(cancel("known").await, Ok(()));
    assert_eq!(code(cancel("other").await), AgentErrorCode::NotFound);
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
            "cancel known by Alice \"A\" é",
            "cancel other by Alice \"A\" é",
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
