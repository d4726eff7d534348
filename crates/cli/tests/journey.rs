//! The real `km` against a real Core with simulated servers: what people type, what they read, and what has become of the
//! containers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    process::{Output, Stdio},
    time::Duration,
};

use komodo_api::{
    container::ContainerAction, engine::ContainerStateStatusEnum, live::LogStream,
    server::ServerState,
};
use komodo_client::Credentials;
use komodo_link::agent::LinkState;
use komodo_sim::{AgentOptions, DialOptions, SimAgent, SimHost, World, dial, parse_container};
use komodo_testkit::installation::{Core, wait_for};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Longest wait for a command or a line.
const COMMAND_SECONDS: u64 = 60;

/// A server with the agent in one of its containers.
struct Server {
    name: String,
    world: World,
    host: SimHost,
    agent: SimAgent,
    dial: DialOptions,
    link: JoinSet<()>,
    leave: CancellationToken,
    _keys: tempfile::TempDir,
}

impl Server {
    /// Connects its agent.
    fn connect(&mut self) {
        self.leave = CancellationToken::new();
        let (host, name, leave) = (self.host.clone(), self.name.clone(), self.leave.clone());
        let options = self.dial.clone();
        self.link.spawn(async move {
            let (state, _kept) = watch::channel(LinkState::Stopped);
            dial(&host, &name, &options, state, leave).await.unwrap();
        });
    }

    /// Ends the connection of its agent, which lives on.
    async fn disconnect(&mut self, core: &Core) {
        self.leave.cancel();
        while let Some(ended) = self.link.join_next().await {
            ended.unwrap();
        }
        core.wait_server(&self.name, ServerState::NotOk)
            .await
            .unwrap();
    }
}

const CONTAINERS: [&str; 5] = [
    "periphery running image=komodo-periphery",
    "web running project=shop service=web needs=db:service_started:false ports=8080",
    "db running project=shop service=db",
    "keeper running skip=true",
    "old exited",
];

async fn server(core: &Core, name: &str) -> Server {
    server_with(core, name, &CONTAINERS).await
}

async fn server_with(core: &Core, name: &str, containers: &[&str]) -> Server {
    let world = World::new(7);
    for line in containers {
        world.create(parse_container(line).unwrap());
    }
    let host = SimHost::new(
        world.clone(),
        AgentOptions {
            container: Some("periphery".into()),
            host_name: name.into(),
        },
    );
    let keys = tempfile::TempDir::new().unwrap();
    let mut server = Server {
        name: name.to_owned(),
        world,
        agent: host.start(),
        host,
        dial: DialOptions {
            core: format!("ws://{}", core.address).parse().unwrap(),
            join: core.join_string().await.unwrap().parse().unwrap(),
            keys: Some(keys.path().to_owned()),
        },
        link: JoinSet::new(),
        leave: CancellationToken::new(),
        _keys: keys,
    };
    server.connect();
    core.wait_server(name, ServerState::Ok).await.unwrap();
    core.wait_containers(name, "all containers to be seen", |list| {
        list.len() == containers.len()
    })
    .await
    .unwrap();
    server
}

async fn core() -> Core {
    Core::start([127, 0, 0, 1].into()).await.unwrap()
}

/// `km` with the administrator's key and nothing else of its surroundings.
fn km(core: &Core, line: &str) -> Command {
    let Credentials::ApiKey { key, secret } = &core.credentials else {
        panic!("the test has an API key")
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_km"));
    command
        .args(line.split(' '))
        .env_clear()
        .env("KOMODO_CLI_HOST", format!("http://{}", core.address))
        .env("KOMODO_CLI_KEY", key)
        .env("KOMODO_CLI_SECRET", secret)
        .env("HOME", core.directory())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// How a command ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Ended {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

async fn run(core: &Core, line: &str) -> Ended {
    let output = timeout(
        Duration::from_secs(COMMAND_SECONDS),
        km(core, line).output(),
    )
    .await;
    output
        .unwrap_or_else(|_| panic!("km {line} does not end"))
        .unwrap()
        .into()
}

async fn ended(child: Child) -> Ended {
    timeout(
        Duration::from_secs(COMMAND_SECONDS),
        child.wait_with_output(),
    )
    .await
    .expect("km ends")
    .unwrap()
    .into()
}

fn interrupt(child: &Child) {
    let pid = child.id().unwrap().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
}

/// The text without ids, lengths of time, and the order of what happens at once.
fn steady(text: &str) -> String {
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| {
            let line = line.split(" (update ").next().unwrap();
            let line = line
                .split(" in ")
                .next()
                .unwrap()
                .split(" (as seen")
                .next()
                .unwrap();
            line.trim_end().to_owned()
        })
        .collect();
    let at = lines
        .iter()
        .position(|line| line.starts_with("  done") || line.starts_with("  skipped"))
        .unwrap_or(lines.len());
    let end = lines[at..]
        .iter()
        .position(|line| !line.starts_with("  "))
        .map_or(lines.len(), |end| at + end);
    lines[at..end].sort();
    lines.join("\n") + "\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_all_shows_the_plan_and_spares_the_agent() {
    let core = core().await;
    let server = server(&core, "alpha").await;
    let ended = run(&core, "x stop-all-containers alpha -y").await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    expect_test::expect![[r#"
        StopAllContainers on alpha

        Protected, left alone (2)
          keeper     running  a label leaves it out of bulk operations (komodo.skip=true)
          periphery  running  it runs the agent; without it the server could not be controlled

        Will be stopped (2)
          web  running  goes dark: 0.0.0.0:8080/tcp
          db   running

        Nothing to do for 1 container.

          done       db
          done       web
          skipped    keeper  a label leaves it out of bulk operations (komodo.skip=true)
          skipped    periphery  it runs the agent; without it the server could not be controlled
        succeeded: 2 stopped, 1 unchanged, 2 left alone
    "#]]
    .assert_eq(&steady(&ended.out));
    use ContainerStateStatusEnum::{Exited, Running};
    for (name, state) in [
        ("periphery", Running),
        ("keeper", Running),
        ("web", Exited),
        ("db", Exited),
        ("old", Exited),
    ] {
        assert_eq!(server.world.state_of(name), Some(state), "{name}");
    }
    assert!(server.agent.is_alive());
    let plan = run(&core, "plan stop-all-containers alpha -f json").await;
    let plan: komodo_api::plan::Plan = serde_json::from_str(&plan.out).unwrap();
    assert_eq!((plan.counts.act, plan.counts.protected), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_says_why_and_leaves_everything_alone() {
    let core = core().await;
    let server = server(&core, "alpha").await;
    for (line, code) in [
        ("x stop-container alpha periphery", "protected"),
        ("x destroy-container alpha periphery", "protected"),
        ("x stop-container alpha nothing", "not_found"),
        ("x stop-container beta web", "not_found"),
        ("logs nothing", "not_found"),
        ("read get-update 65aa00000000000000000001", "not_found"),
    ] {
        let ended = run(&core, line).await;
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (Some(3), ""),
            "km {line}: {ended:?}"
        );
        assert!(
            ended.err.contains(&format!("[{code}]")),
            "km {line}: {}",
            ended.err
        );
    }
    let ended = run(&core, "x stop-all-containers alpha").await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    for container in server.world.containers() {
        assert_eq!(
            container.state == ContainerStateStatusEnum::Exited,
            container.name == "old",
            "{}",
            container.name
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_stops_the_waiting_and_not_the_operation() {
    let core = core().await;
    let server = server(&core, "alpha").await;
    server
        .world
        .set_latency(ContainerAction::Stop, Duration::from_secs(3));
    let child = km(&core, "x stop-container alpha web").spawn().unwrap();
    wait_for("the operation to run", || async {
        let list = run(&core, "update ls").await;
        list.out.contains("running").then_some(())
    })
    .await
    .unwrap();
    interrupt(&child);
    let ended = ended(child).await;
    assert_eq!(ended.code, Some(130), "{ended:?}");
    let id = ended
        .err
        .split("km update watch ")
        .nth(1)
        .expect("says how to go on")
        .split('`')
        .next()
        .expect("names the Update")
        .to_owned();
    let watched = run(&core, &format!("update watch {id}")).await;
    assert_eq!(watched.code, Some(0), "{watched:?}");
    assert_eq!(
        server.world.state_of("web"),
        Some(ContainerStateStatusEnum::Exited)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_outlives_a_core_that_is_killed_and_started_again() {
    let mut core = core().await;
    let server = server(&core, "alpha").await;
    server
        .world
        .set_latency(ContainerAction::Stop, Duration::from_secs(2));
    let child = km(&core, "x stop-container alpha web").spawn().unwrap();
    wait_for("the operation to run", || async {
        let list = run(&core, "update ls").await;
        list.out.contains("running").then_some(())
    })
    .await
    .unwrap();
    core.program.kill();
    core.start_again().await.unwrap();
    let ended = ended(child).await;
    assert_eq!(ended.code, Some(0), "{ended:?}\n{}", core.program.log());
    assert!(ended.out.contains("done       web"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_followed_log_goes_on_after_core_was_away_and_no_line_comes_twice() {
    let mut core = core().await;
    let server = server(&core, "alpha").await;
    server.world.log("web", LogStream::Stdout, "before");
    let mut child = km(&core, "logs -f web").spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = async || {
        timeout(Duration::from_secs(COMMAND_SECONDS), lines.next_line())
            .await
            .expect("a line comes")
            .unwrap()
    };
    while next().await.as_deref() != Some("before") {}
    server.world.log("web", LogStream::Stdout, "live");
    assert_eq!(next().await.as_deref(), Some("live"));
    core.program.kill();
    server.world.log("web", LogStream::Stdout, "meanwhile");
    core.start_again().await.unwrap();
    core.wait_server("alpha", ServerState::Ok).await.unwrap();
    server.world.log("web", LogStream::Stdout, "after");
    assert_eq!(next().await.as_deref(), Some("meanwhile"));
    assert_eq!(next().await.as_deref(), Some("after"));
    interrupt(&child);
    let mut rest = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut rest)
        .await
        .unwrap();
    assert!(rest.contains("the connection was lost"), "{rest}");
    assert_eq!(child.wait().await.unwrap().code(), Some(130));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_shown_with_its_age() {
    let core = core().await;
    let server = server(&core, "alpha").await;
    server.agent.kill();
    core.wait_server("alpha", ServerState::NotOk).await.unwrap();
    let list = run(&core, "ls").await;
    assert!(
        list.out.contains("unreachable") && list.out.contains("last seen"),
        "{list:?}"
    );
    let containers = run(&core, "ps").await;
    assert!(
        containers.out.contains("web") && containers.out.contains("(as of "),
        "{containers:?}"
    );
    assert!(
        containers
            .err
            .contains("alpha is away: its containers are shown as they were"),
        "{containers:?}"
    );
    let inspect = run(&core, "inspect web").await;
    assert_eq!(inspect.code, Some(0), "{inspect:?}");
    assert!(inspect.err.contains("its server is away"), "{inspect:?}");
    let stop = run(&core, "x stop-container alpha web").await;
    assert_eq!(stop.code, Some(3), "{stop:?}");
    assert!(stop.err.contains("[server_unreachable]"), "{stop:?}");
}

/// Id of the newest Update, once `km update ls` says that of it.
async fn newest(core: &Core, says: &str) -> String {
    wait_for(&format!("an Update that is {says}"), || async {
        let list = run(core, "update ls").await.out;
        let row = list.lines().nth(1)?;
        let id = row.split_whitespace().next()?;
        row.contains(says).then(|| id.to_owned())
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_brings_back_what_was_stopped_and_leaves_alone_what_others_changed() {
    use ContainerStateStatusEnum::{Exited, Running};
    let core = core().await;
    let server = server(&core, "alpha").await;
    let stop = run(&core, "x stop-all-containers alpha -y").await;
    assert_eq!(stop.code, Some(0), "{stop:?}");
    let id = newest(&core, "succeeded").await;
    assert!(stop.err.contains(&format!("`km undo {id}`")), "{stop:?}");
    server.world.start("db").unwrap();
    core.wait_containers("alpha", "the start by hand to be seen", |list| {
        list.iter()
            .any(|item| item.name == "db" && item.state == Running)
    })
    .await
    .unwrap();

    let undo = run(&core, &format!("undo {id} -y")).await;
    assert_eq!(undo.code, Some(0), "{undo:?}");
    expect_test::expect![[r#"
        UndoUpdate on alpha

        Will be brought back (1)
          web  exited  back to running

        Changed since, left alone (1)
          db  running  it was changed by somebody else since (it is running)

          done       web
          skipped    db  it was changed by somebody else since (it is running)
        succeeded: 1 brought back, 1 left alone
    "#]]
    .assert_eq(&steady(&undo.out));
    for (name, state) in [("web", Running), ("db", Running), ("old", Exited)] {
        assert_eq!(server.world.state_of(name), Some(state), "{name}");
    }
    let again = run(&core, &format!("undo {id} -y")).await;
    assert_eq!(again.code, Some(3), "{again:?}");
    assert!(again.err.contains("[not_undoable]"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_leaves_alone_what_was_not_begun_and_says_how_far_it_came() {
    let core = core().await;
    let jobs: Vec<String> = (0..40).map(|at| format!("job-{at} running")).collect();
    let mut containers = vec![CONTAINERS[0]];
    containers.extend(jobs.iter().map(String::as_str));
    let server = server_with(&core, "alpha", &containers).await;
    server
        .world
        .set_latency(ContainerAction::Stop, Duration::from_secs(2));
    let waiting = km(&core, "x stop-all-containers alpha -y").spawn().unwrap();
    let id = newest(&core, "running").await;
    let cancel = run(&core, &format!("cancel {id}")).await;
    assert_eq!(cancel.code, Some(0), "{cancel:?}");
    let (by, _) = &core.admin;
    let stopped = server
        .world
        .containers()
        .iter()
        .filter(|one| one.state == ContainerStateStatusEnum::Exited)
        .count();
    assert!((1..40).contains(&stopped), "{stopped} were stopped");
    let line = format!(
        "canceled by {by}: {stopped} stopped, 1 left alone, {} not tried",
        40 - stopped
    );
    assert!(cancel.out.contains(&line), "{line}\n{cancel:?}");
    // Who waits for the operation learns that it did not do what was asked.
    let waited = ended(waiting).await;
    assert_eq!(waited.code, Some(1), "{waited:?}");
    assert!(waited.out.contains(&line), "{waited:?}");
    let again = run(&core, &format!("cancel {id}")).await;
    assert_eq!(again.code, Some(3), "{again:?}");
    assert!(again.err.contains("[not_cancelable]"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_waits_for_its_server_and_is_carried_out_once() {
    use ContainerStateStatusEnum::{Exited, Running};
    let core = core().await;
    let mut server = server(&core, "alpha").await;
    server.disconnect(&core).await;
    let refused = run(&core, "x stop-all-containers alpha -y").await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(
        refused.err.contains("[server_unreachable]") && refused.err.contains("--when-back"),
        "{refused:?}"
    );
    let queued = "x stop-all-containers alpha -y --when-back --expires 1h --no-wait";
    let (first, second) = (run(&core, queued).await, run(&core, queued).await);
    for queued in [&first, &second] {
        assert_eq!(queued.code, Some(0), "{queued:?}");
    }
    newest(&core, "queued until alpha is back").await;
    let canceled = run(&core, &format!("cancel {}", second.out.trim())).await;
    assert_eq!(canceled.code, Some(0), "{canceled:?}");
    let mut watching = km(&core, &format!("update watch {}", first.out.trim()))
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stderr.take().unwrap()).lines();
    let said = timeout(Duration::from_secs(COMMAND_SECONDS), lines.next_line())
        .await
        .expect("it says what it waits for")
        .unwrap()
        .unwrap();
    assert!(
        said.starts_with("queued until alpha is back") && said.ends_with("; given up in 59 min"),
        "{said}"
    );
    assert_eq!(server.world.state_of("web"), Some(Running));
    server.connect();
    let watched = ended(watching).await;
    assert_eq!(watched.code, Some(0), "{watched:?}");
    for (name, state) in [("web", Exited), ("db", Exited), ("periphery", Running)] {
        assert_eq!(server.world.state_of(name), Some(state), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_is_all_that_a_new_machine_needs() {
    let core = core().await;
    let home = tempfile::TempDir::new().unwrap();
    let bare = |line: &str| {
        let mut command = km(&core, line);
        command.env_clear().env("HOME", home.path());
        command
    };
    let without: Ended = bare("ls").output().await.unwrap().into();
    assert_eq!(without.code, Some(2));
    assert!(without.err.contains("km login"), "{without:?}");

    let answers = home.path().join("answers");
    let (name, password) = &core.admin;
    std::fs::write(&answers, format!("{name}\n{password}\n")).unwrap();
    let login = bare(&format!("login http://{}", core.address))
        .stdin(std::fs::File::open(&answers).unwrap())
        .output()
        .await;
    let login: Ended = login.unwrap().into();
    assert_eq!(login.code, Some(0), "{login:?}");

    let list: Ended = bare("key ls").output().await.unwrap().into();
    assert_eq!(list.code, Some(0), "{list:?}");
    assert!(list.out.contains("km "), "{list:?}");

    std::fs::write(&answers, format!("{name}\nwrong-{password}\n")).unwrap();
    let refused = bare(&format!("login http://{}", core.address))
        .stdin(std::fs::File::open(&answers).unwrap())
        .output()
        .await;
    let refused: Ended = refused.unwrap().into();
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(!refused.err.contains(password), "{refused:?}");
}
