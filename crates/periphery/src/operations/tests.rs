//! What real Engines and disks do too seldom to be waited for: an Engine that is told when to answer, and a disk that
//! is told when to be quick.

use std::sync::mpsc::{Sender, channel};

use futures_util::StreamExt;
use komodo_agent_api::CoreHello;
use komodo_api::{
    container::{ContainerAction, Scope},
    plan::ReasonCode,
    update::Verdict,
};
use komodo_docker::{Endpoint, Engine};
use komodo_journal::{JOURNAL_BYTES_MAX, Journal};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::watch,
};

use super::*;
use crate::{
    departure::Departure,
    hand_over::kept::Kept,
    observe::Observatory,
    service::{Service, ServiceOptions},
    test_directory::TestDirectory,
};

const SOON: Duration = Duration::from_secs(20);

/// What the Engine is like.
#[derive(Clone, Default)]
struct Facts {
    /// State of each container.
    states: BTreeMap<String, &'static str>,
    /// What it was asked to change, `stop aa`.
    asked: Vec<String>,
    /// What it does not answer for the time being.
    holds: Vec<String>,
    /// What it breaks the connection of, and goes on with.
    breaks: Vec<String>,
}

/// An Engine of a few lines.
struct FakeEngine {
    facts: watch::Sender<Facts>,
    socket: std::path::PathBuf,
    listens: Mutex<JoinSet<()>>,
}

impl FakeEngine {
    fn new(folder: &TestDirectory, running: &[&str]) -> Arc<Self> {
        let states = running.iter().map(|name| ((*name).to_owned(), "running"));
        let engine = Arc::new(FakeEngine {
            facts: watch::Sender::new(Facts {
                states: states.collect(),
                ..Facts::default()
            }),
            socket: folder.path().join("docker.sock"),
            listens: Mutex::default(),
        });
        engine.comes();
        engine
    }

    fn comes(self: &Arc<Self>) {
        let listener = UnixListener::bind(&self.socket).unwrap();
        let facts = self.facts.clone();
        self.listens.lock().unwrap().spawn(async move {
            let mut calls = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                calls.spawn(answer(stream, facts.clone()));
            }
        });
    }

    fn goes(&self) {
        self.listens.lock().unwrap().abort_all();
        std::fs::remove_file(&self.socket).unwrap();
    }

    fn change(&self, change: impl FnOnce(&mut Facts)) {
        self.facts.send_modify(change);
    }

    async fn is_asked(&self, what: &str) {
        let mut facts = self.facts.subscribe();
        let asked = facts.wait_for(|facts| facts.asked.iter().any(|asked| asked == what));
        timeout(SOON, asked).await.expect("it is asked").unwrap();
    }

    fn asked(&self) -> Vec<String> {
        self.facts.borrow().asked.clone()
    }
}

async fn answer(mut stream: UnixStream, facts: watch::Sender<Facts>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        request.extend(byte);
    }
    let line = String::from_utf8(request).unwrap();
    let path = line.split(' ').nth(1).unwrap().split('?').next().unwrap();
    let words: Vec<&str> = path.split('/').skip(3).collect();
    let now = facts.borrow().clone();
    let (status, body) = match words[..] {
        ["json"] => {
            let each = now.states.iter().map(|(name, state)| {
                serde_json::json!({ "Id": name, "Names": [format!("/{name}")], "State": state })
            });
            (200, serde_json::Value::from_iter(each).to_string())
        }
        [name, "json"] => match now.states.get(name) {
            Some(state) => {
                let inspected = serde_json::json!({ "Id": name, "Name": format!("/{name}"),
                    "State": { "Status": state, "StartedAt": "2026-11-23T12:00:00Z" } });
                (200, inspected.to_string())
            }
            None => (404, r#"{"message":"No such container"}"#.to_owned()),
        },
        [name, verb] => {
            let what = format!("{verb} {name}");
            facts.send_modify(|facts| facts.asked.push(what.clone()));
            let mut changes = facts.subscribe();
            changes
                .wait_for(|facts| !facts.holds.contains(&what))
                .await
                .unwrap();
            if now.breaks.contains(&what) {
                return;
            }
            facts.send_modify(|facts| {
                facts.states.insert(name.to_owned(), "exited");
            });
            (204, String::new())
        }
        _ => panic!("{path}"),
    };
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    // Whoever asked may have gone.
    let _ = stream.write_all((head + &body).as_bytes()).await;
}

struct Host {
    engine: Arc<FakeEngine>,
    observatory: Observatory,
    operations: Operations,
    _folder: TestDirectory,
}

async fn host(running: &[&str]) -> Host {
    let folder = TestDirectory::new();
    let fake = FakeEngine::new(&folder, running);
    let engine = Engine::new(Endpoint::Unix(fake.socket.clone()));
    let observatory = Observatory::new(16);
    let journal = folder.path().join("journal");
    let (journal, recorded) = Journal::open(&journal, JOURNAL_BYTES_MAX).unwrap();
    let means = Means {
        engine,
        observatory: observatory.clone(),
        journal: Arc::new(journal),
        kept: Kept::new(folder.path(), &[]),
        departure: Departure::default(),
        service: Service::new(folder.path(), ServiceOptions::default()).0,
    };
    let operations = Operations::new(means, recorded).await.unwrap();
    let host = Host {
        engine: fake,
        observatory,
        operations,
        _folder: folder,
    };
    host.is_seen().await;
    host
}

fn stop_all(id: &str) -> AgentOperation {
    AgentOperation {
        id: id.into(),
        epoch: 1,
        core_id: None,
        action: ContainerAction::Stop,
        scope: Scope::All,
        exclude: Vec::new(),
        signal: None,
        time: Some(5),
        override_reason: None,
        detach: false,
        recreate: None,
        probation_s: None,
        expected: BTreeMap::new(),
        bound: false,
        concurrency: 1,
        operator: "test".into(),
    }
}

impl Host {
    /// What the watch does when the Engine is there.
    async fn is_seen(&self) {
        self.observatory.update(|view| {
            view.set_engine(EngineState::Connected {
                engine_id: "fake".into(),
                version: String::new(),
                api_version: String::new(),
                since: 1,
            })
        });
        let engine = &self.operations.shared.means.engine;
        self.observatory.refresh(engine).await.unwrap();
    }

    fn engine_goes(&self) {
        self.engine.goes();
        self.observatory.update(|view| {
            let why = "it went".to_owned();
            view.set_engine(EngineState::Unreachable { why, since: 2 })
        });
    }

    async fn engine_comes(&self) {
        self.engine.comes();
        self.is_seen().await;
    }

    /// Lets the disk be slow until what is returned is dropped.
    async fn slow_disk(&self) -> Sender<()> {
        let journal = &self.operations.shared.means.journal;
        let first = OperationEvent {
            seq: 1,
            at: 0,
            body: OperationEventBody::Ended { error: None },
        };
        let file = journal.create(&stop_all("slow"), &first, 0).await.unwrap();
        let (release, released) = channel();
        let (reached, at_it) = oneshot::channel();
        journal.append(&file, &[], move |_| {
            let _ = reached.send(());
            // Until the sender is dropped.
            let _ = released.recv();
        });
        at_it.await.unwrap();
        release
    }

    /// Waits until so many events were handed to the journal of an operation.
    async fn handed(&self, id: &str, events: u64) {
        let log = self.operations.shared.logs().get(id).cloned().unwrap();
        let wait = async {
            while log.handed() < events {
                tokio::task::yield_now().await;
            }
        };
        timeout(SOON, wait).await.expect("it comes so far");
    }

    fn core_depends_on(&self, name: &str) {
        let hello = CoreHello {
            level: 1,
            version: String::new(),
            core_id: "core".into(),
            epoch: 1,
            server_id: String::new(),
            server_name: String::new(),
            core_container: None,
            core_depends_on: vec![name.to_owned()],
            agents_on_engine: Vec::new(),
            depended_on: Vec::new(),
        };
        self.observatory.update(|view| view.set_core(&hello));
    }
}

/// By container: targets that are under way at the same time end in any order.
async fn verdicts(events: AgentStream<OperationEvent>) -> Vec<Verdict> {
    let events: Vec<_> = timeout(SOON, events.collect()).await.expect("it ends");
    let verdict = |event: Result<OperationEvent, AgentError>| match event.unwrap().body {
        OperationEventBody::Verdict(verdict) => Some(verdict),
        _ => None,
    };
    let mut verdicts: Vec<_> = events.into_iter().filter_map(verdict).collect();
    verdicts.sort_by(|one, other| one.container.cmp(&other.container));
    verdicts
}

fn print(verdicts: &[Verdict]) -> Vec<String> {
    let line = |verdict: &Verdict| {
        let kind = format!("{:?}", verdict.verdict).to_lowercase();
        let reason = verdict
            .reason
            .as_ref()
            .map_or(String::new(), |reason| format!(" {:?}", reason.code));
        let error = verdict.error.as_deref().unwrap_or_default();
        format!("{} {kind}{reason} {error}", verdict.container)
            .trim_end()
            .to_owned()
    };
    verdicts.iter().map(line).collect()
}

/// While the disk was slow a container has become part of the control path, and another one was stopped.
#[tokio::test(flavor = "multi_thread")]
async fn facts_are_looked_at_again_right_before_the_engine_is_asked() {
    let host = host(&["aa", "bb", "cc"]).await;
    host.engine
        .change(|facts| facts.holds.push("stop aa".into()));
    let events = host.operations.operate(stop_all("op")).await.unwrap();
    host.engine.is_asked("stop aa").await;
    let disk = host.slow_disk().await;
    host.engine.change(|facts| facts.holds.clear());
    // The plan, aa's three steps, and that bb begins.
    host.handed("op", 5).await;
    host.core_depends_on("bb");
    drop(disk);
    let all = verdicts(events).await;
    assert_eq!(
        print(&all),
        ["aa done", "bb skipped CoreDependency", "cc done"]
    );
    assert_eq!(host.engine.asked(), ["stop aa", "stop cc"]);
}

/// A request that was never sent waits for the Engine; what has changed by then counts.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_goes_is_waited_for() {
    let host = host(&["aa", "bb", "cc"]).await;
    host.engine
        .change(|facts| facts.holds.push("stop aa".into()));
    let events = host.operations.operate(stop_all("op")).await.unwrap();
    host.engine.is_asked("stop aa").await;
    // The connection breaks in the middle of the stop, which comes about all the same.
    host.engine_goes();
    host.engine.change(|facts| {
        facts.holds.clear();
        facts.states.insert("aa".into(), "exited");
    });
    host.handed("op", 3).await;
    host.engine_comes().await;
    let mut all = verdicts(events).await;
    // Whoever waits for a look holds up nobody, and so may be told after the next one.
    all.sort_by(|one, other| one.container.cmp(&other.container));
    assert_eq!(print(&all), ["aa done", "bb done", "cc done"]);
    assert_eq!(host.engine.asked(), ["stop aa", "stop bb", "stop cc"]);
}

/// One that waits for its Engine is not under way: a cancel ends it at once.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_engine_is_canceled_at_once() {
    let host = host(&["aa", "bb", "cc"]).await;
    host.engine
        .change(|facts| facts.holds.push("stop aa".into()));
    let events = host.operations.operate(stop_all("op")).await.unwrap();
    host.engine.is_asked("stop aa").await;
    let disk = host.slow_disk().await;
    host.engine.change(|facts| facts.holds.clear());
    host.handed("op", 5).await;
    host.engine_goes();
    drop(disk);
    host.operations.cancel("op", "alice").await.unwrap();
    let all = verdicts(events).await;
    let mut printed = print(&all);
    printed.sort();
    assert_eq!(
        printed,
        ["aa done", "bb skipped Canceled", "cc skipped Canceled"]
    );
    assert_eq!(host.engine.asked(), ["stop aa"]);
}

/// The connection breaks, and the Engine goes on: the verdict waits for what comes of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_in_the_middle_of_a_stop_is_no_verdict() {
    let host = host(&["aa"]).await;
    host.engine
        .change(|facts| facts.breaks.push("stop aa".into()));
    let events = host.operations.operate(stop_all("op")).await.unwrap();
    // That it was asked, and that the answer did not come.
    host.handed("op", 3).await;
    host.engine.change(|facts| {
        facts.states.insert("aa".into(), "exited");
    });
    let all = verdicts(events).await;
    assert_eq!(print(&all), ["aa done"]);
}

/// Whoever cancels hears of it when the disk has it, and not before.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_is_durable_before_it_is_answered() {
    let host = host(&["aa", "bb"]).await;
    host.engine
        .change(|facts| facts.holds.push("stop aa".into()));
    let events = host.operations.operate(stop_all("op")).await.unwrap();
    host.engine.is_asked("stop aa").await;
    let disk = host.slow_disk().await;
    let canceled = host.operations.cancel("op", "alice");
    tokio::pin!(canceled);
    // It is handed over, and no more.
    tokio::select! {
        biased;
        answer = &mut canceled => panic!("answered before it is on disk: {answer:?}"),
        () = host.handed("op", 4) => {}
    }
    drop(disk);
    canceled.await.unwrap();
    host.engine.change(|facts| facts.holds.clear());
    let mut all = verdicts(events).await;
    // Which of the two is told first is not promised.
    all.sort_by(|one, other| one.container.cmp(&other.container));
    assert_eq!(print(&all), ["aa done", "bb skipped Canceled"]);
    assert_eq!(all[1].reason.as_ref().unwrap().code, ReasonCode::Canceled);
    assert_eq!(host.engine.asked(), ["stop aa"]);
}
