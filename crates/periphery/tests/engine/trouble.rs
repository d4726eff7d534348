//! Engines that are absent, forbidden, killed, hung or lying; disks and journals that are full.

use std::{os::unix::fs::PermissionsExt, path::PathBuf, process::Command, sync::Arc};

use futures_util::StreamExt;
use komodo_agent_api::{AgentApi, AgentErrorCode, EngineState, OperationEventBody};
use komodo_api::{
    container::{ContainerAction, Scope},
    engine::ContainerStateStatusEnum as State,
    update::VerdictKind,
};
use komodo_periphery::{Agent, AgentOptions};
use komodo_testkit::engine::{Container, Engine, State as Real};

use crate::{
    harness::{
        Harness, Mirror, folder, one, operate, operation, options, reference, shown, verdicts,
    },
    proxy::{Lie, Proxy},
};

async fn why_unreachable(mirror: &Mirror, wanted: &str) {
    let wanted = wanted.to_owned();
    mirror.wait(|view| matches!(&view.engine, EngineState::Unreachable { why, .. } if why.contains(&wanted))).await;
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_a_state_that_says_why() {
    let root = folder();
    let socket = root.join("docker.sock");
    let docker_host = format!("unix://{}", socket.display());
    let agent = Agent::start(options(&docker_host, &root)).await.unwrap();
    let mirror = Mirror::of(&agent).await;
    why_unreachable(&mirror, "does not exist").await;
    mirror.wait(|view| view.stats.is_some()).await;
    let refused = operate(&agent, operation(ContainerAction::Stop, Scope::All))
        .await
        .unwrap_err();
    assert_eq!(refused.code, AgentErrorCode::EngineUnreachable);
    let refused = agent.inspect_container(reference("web")).await.unwrap_err();
    assert_eq!(refused.code, AgentErrorCode::EngineUnreachable);

    // A socket that nobody listens on any more.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    why_unreachable(&mirror, "refused").await;
    // One that listens, and says nothing that an Engine would say.
    std::fs::remove_file(&socket).unwrap();
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    #[expect(clippy::disallowed_methods, reason = "ends with the test")]
    let accepting = tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            drop(client);
        }
    });
    why_unreachable(&mirror, "closed the connection").await;
    accepting.abort();
    drop(agent);
    std::fs::remove_dir_all(root).unwrap();
}

/// Root may open every socket, so an agent of another user asks here.
#[tokio::test]
async fn a_socket_without_permission_is_a_state_that_says_so() {
    let root = folder();
    let socket = root.join("docker.sock");
    let _listener = tokio::net::UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755)).unwrap();
    let state = root.join("state");
    std::fs::create_dir(&state).unwrap();
    std::os::unix::fs::chown(&state, Some(65534), Some(65534)).unwrap();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_komodo-periphery"));
    // Where only root may go into the build folder, the program is out of reach for others.
    let copy = root.join("komodo-periphery");
    std::fs::copy(program, &copy).unwrap();
    // Any key of Core will do: nobody answers at that address.
    let key = komodo_link::Identity::generate()
        .unwrap()
        .public_key()
        .to_string();
    use std::os::unix::process::CommandExt;
    let mut child = Command::new(&copy)
        .uid(65534)
        .gid(65534)
        .env_clear()
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .env("PERIPHERY_ROOT_DIRECTORY", &state)
        .env("PERIPHERY_CORE_ADDRESS", "ws://127.0.0.1:1")
        .env("PERIPHERY_CORE_PUBLIC_KEY", key)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = child.stderr.take().unwrap();
    let said = tokio::task::spawn_blocking(move || {
        use std::io::BufRead;
        let lines = std::io::BufReader::new(stderr)
            .lines()
            .map_while(Result::ok);
        let mut seen = Vec::new();
        for line in lines {
            let found = line.contains("no permission");
            seen.push(line);
            if found {
                return Ok(());
            }
        }
        Err(seen)
    });
    let said = tokio::time::timeout(crate::harness::PATIENCE, said).await;
    child.kill().unwrap();
    child.wait().unwrap();
    said.expect("it says so in time").unwrap().unwrap();
    std::fs::remove_dir_all(root).unwrap();
}

#[tokio::test]
async fn an_engine_that_restarts_is_followed_again_and_what_was_seen_stays_meanwhile() {
    let mut engine = Engine::start().await.unwrap();
    engine.run(Container::idle("web")).await.unwrap();
    engine
        .run(Container::idle("always").restart(komodo_testkit::engine::Restart::Always))
        .await
        .unwrap();
    let root = folder();
    let agent = Agent::start(options(&engine.docker_host(), &root))
        .await
        .unwrap();
    let mirror = Mirror::of(&agent).await;
    mirror
        .container("web", |container| container.state == State::Running)
        .await;
    for kill in [false, true] {
        match kill {
            true => engine.kill().await.unwrap(),
            false => engine.terminate().await.unwrap(),
        }
        let view = mirror
            .wait(|view| matches!(view.engine, EngineState::Unreachable { .. }))
            .await;
        assert_eq!(view.containers.len(), 2, "as last seen");
        engine.start_again().await.unwrap();
        mirror
            .wait(|view| matches!(view.engine, EngineState::Connected { .. }))
            .await;
        // Whatever became of them, it is what the Engine says.
        mirror
            .container("always", |container| container.state == State::Running)
            .await;
        mirror
            .container("web", |container| container.state == State::Exited)
            .await;
        assert_eq!(engine.state("web").await.unwrap(), Real::Exited);
        assert_eq!(
            shown(
                &operate(&agent, operation(ContainerAction::Start, one("web")))
                    .await
                    .unwrap()
            ),
            ["web: done"]
        );
    }
    drop(agent);
    std::fs::remove_dir_all(root).unwrap();
}

#[tokio::test]
async fn an_engine_that_restarts_in_the_middle_of_a_stop_leaves_no_wrong_verdict() {
    let mut engine = Engine::start().await.unwrap();
    let slow = [
        "sh",
        "-c",
        "trap 'sleep 3; exit 0' TERM; while :; do sleep 3600 & wait $!; done",
    ];
    for name in ["s1", "s2", "s3"] {
        engine.run(Container::new(name, slow)).await.unwrap();
    }
    let root = folder();
    let agent = Arc::new(
        Agent::start(options(&engine.docker_host(), &root))
            .await
            .unwrap(),
    );
    let mut stop = operation(ContainerAction::Stop, Scope::All);
    stop.concurrency = 2;
    let mut events = agent.operate(stop.clone()).await.unwrap();
    let mut told = Vec::new();
    while told.len() < 2 {
        let event = events.next().await.unwrap().unwrap();
        if matches!(event.body, OperationEventBody::Started { .. }) {
            told.push(event);
        }
    }
    engine.kill().await.unwrap();
    engine.start_again().await.unwrap();
    let events: Vec<_> = tokio::time::timeout(crate::harness::PATIENCE, events.collect::<Vec<_>>())
        .await
        .expect("it is settled when the Engine is back");
    let events: Vec<_> = events.into_iter().map(Result::unwrap).collect();
    let all = verdicts(&events);
    assert_eq!(all.len(), 3, "{all:?}");
    // The third was not begun when the Engine went: it waits for it, instead of failing for that.
    assert_ne!(all[2].verdict, VerdictKind::Failed, "{:?}", all[2]);
    for verdict in all {
        let real = engine.state(&verdict.container).await.unwrap();
        match verdict.verdict {
            VerdictKind::Done | VerdictKind::Unchanged => {
                assert_eq!(real, Real::Exited, "{verdict:?}")
            }
            VerdictKind::Failed => assert!(verdict.error.is_some(), "{verdict:?}"),
            other => panic!("{other:?}: {verdict:?}"),
        }
    }
    drop(agent);
    std::fs::remove_dir_all(root).unwrap();
}

#[tokio::test]
async fn an_engine_that_lies_is_not_believed() {
    let engine = Engine::start().await.unwrap();
    engine.run(Container::idle("web")).await.unwrap();
    let root = folder();
    let proxy = Proxy::start(&engine.socket(), &root).unwrap();
    let agent = Agent::start(options(&proxy.docker_host(), &root))
        .await
        .unwrap();
    agent.observatory().ready().await;
    let stop = || operate(&agent, operation(ContainerAction::Stop, one("web")));

    proxy.lie("/stop", Lie::SaysDone);
    let events = stop().await.unwrap();
    assert_eq!(
        shown(&events),
        ["web: failed"],
        "it says done, and nothing was done"
    );
    assert_eq!(engine.state("web").await.unwrap(), Real::Running);

    proxy.be_honest();
    proxy.lie("/stop", Lie::Forbids);
    let events = stop().await.unwrap();
    assert_eq!(shown(&events), ["web: failed"]);
    assert!(
        verdicts(&events)[0]
            .error
            .as_ref()
            .unwrap()
            .contains("not allowed here")
    );

    proxy.be_honest();
    proxy.lie("/stop", Lie::DropsAnswer);
    assert_eq!(
        shown(&stop().await.unwrap()),
        ["web: done"],
        "it was done, and nobody said so"
    );
    assert_eq!(engine.state("web").await.unwrap(), Real::Exited);

    // A proxy that lets neither the Engine's own facts through nor inspects.
    proxy.be_honest();
    proxy.lie("/info", Lie::Forbids);
    let another = folder();
    let agent = Agent::start(options(&proxy.docker_host(), &another))
        .await
        .unwrap();
    let mirror = Mirror::of(&agent).await;
    mirror
        .container("web", |container| container.state == State::Exited)
        .await;
    for root in [root, another] {
        std::fs::remove_dir_all(root).unwrap();
    }
}

/// Core counts an order that was not accepted in time as not given; it must not be carried out behind its back.
#[tokio::test]
async fn an_order_whose_caller_went_before_it_was_accepted_is_not_carried_out() {
    let engine = Engine::start().await.unwrap();
    for name in ["web", "other"] {
        engine.run(Container::idle(name)).await.unwrap();
    }
    let root = folder();
    let proxy = Proxy::start(&engine.socket(), &root).unwrap();
    let agent = Agent::start(options(&proxy.docker_host(), &root))
        .await
        .unwrap();
    let mirror = Mirror::of(&agent).await;
    mirror.wait(|view| view.containers.len() == 2).await;
    proxy.lie("/containers/json", Lie::Holds);
    let stop = operation(ContainerAction::Stop, one("web"));
    tokio::select! {
        _ = agent.operate(stop.clone()) => panic!("nothing answers its list"),
        () = proxy.holds_one() => {}
    }
    proxy.be_honest();
    // Orders are accepted one after the other.
    let pause = operation(ContainerAction::Pause, one("other"));
    assert_eq!(
        shown(&operate(&agent, pause).await.unwrap()),
        ["other: done"]
    );
    let unknown = agent.follow(stop.id, 0).await.err().unwrap();
    assert_eq!(unknown.code, AgentErrorCode::NotFound);
    assert_eq!(engine.state("web").await.unwrap(), Real::Running);
    drop(agent);
    std::fs::remove_dir_all(root).unwrap();
}

#[tokio::test]
async fn one_call_that_hangs_holds_up_nothing_else() {
    let engine = Engine::start().await.unwrap();
    let hung = engine.run(Container::idle("hung")).await.unwrap();
    engine.run(Container::idle("web")).await.unwrap();
    let root = folder();
    let proxy = Proxy::start(&engine.socket(), &root).unwrap();
    let agent = Agent::start(options(&proxy.docker_host(), &root))
        .await
        .unwrap();
    let mirror = Mirror::of(&agent).await;
    mirror.wait(|view| view.containers.len() == 2).await;
    proxy.lie(&format!("{hung}/pause"), Lie::Hangs);
    let mut pausing = agent
        .operate(operation(ContainerAction::Pause, Scope::All))
        .await
        .unwrap();
    loop {
        let event = pausing.next().await.unwrap().unwrap();
        if let OperationEventBody::Verdict(verdict) = event.body {
            assert_eq!(
                (verdict.container.as_str(), verdict.verdict),
                ("web", VerdictKind::Done)
            );
            break;
        }
    }
    assert_eq!(
        shown(
            &operate(&agent, operation(ContainerAction::Unpause, one("web")))
                .await
                .unwrap()
        ),
        ["web: done"]
    );
    let rest: Vec<_> = pausing.map(Result::unwrap).collect().await;
    let all = verdicts(&rest);
    assert_eq!(
        (all.len(), all[0].verdict),
        (1, VerdictKind::Failed),
        "its own deadline ends it"
    );
    assert!(
        all[0].error.as_ref().unwrap().contains("no answer"),
        "{all:?}"
    );
    drop(agent);
    std::fs::remove_dir_all(root).unwrap();
}

#[tokio::test]
async fn a_full_journal_refuses_and_does_nothing() {
    let engine = Engine::start().await.unwrap();
    engine.run(Container::idle("web")).await.unwrap();
    let root = folder();
    let options = AgentOptions {
        journal_bytes_max: 10_000,
        ..options(&engine.docker_host(), &root)
    };
    let agent = Agent::start(options).await.unwrap();
    let pause = operation(ContainerAction::Pause, one("web"));
    operate(&agent, pause.clone()).await.unwrap();
    let full = operate(&agent, operation(ContainerAction::Unpause, one("web")))
        .await
        .unwrap_err();
    assert_eq!(full.code, AgentErrorCode::JournalFull);
    assert_eq!(engine.state("web").await.unwrap(), Real::Paused);
    agent.acknowledge(pause.id).await.unwrap();
    operate(&agent, operation(ContainerAction::Unpause, one("web")))
        .await
        .unwrap();
    assert_eq!(engine.state("web").await.unwrap(), Real::Running);
    drop(agent);
    std::fs::remove_dir_all(root).unwrap();
}

/// A file system of its own that can be filled.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn new(bytes: u64) -> Self {
        let path = folder();
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
            .arg(&path)
            .status()
            .unwrap();
        assert!(done.success());
        SmallDisk(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[tokio::test]
async fn a_full_disk_refuses_to_act_and_goes_on_reading() {
    let harness = Harness::start().await;
    harness.engine.run(Container::idle("web")).await.unwrap();
    let disk = SmallDisk::new(256 * 1024);
    let agent = Agent::start(options(&harness.engine.docker_host(), &disk.0))
        .await
        .unwrap();
    agent.observatory().ready().await;
    let filler = disk.0.join("filler");
    let filled = std::fs::write(&filler, vec![1; 1024 * 1024]);
    assert!(filled.is_err(), "the disk is smaller than that");
    let refused = operate(&agent, operation(ContainerAction::Stop, one("web")))
        .await
        .unwrap_err();
    assert_eq!(refused.code, AgentErrorCode::StorageFull, "{refused}");
    assert_eq!(harness.engine.state("web").await.unwrap(), Real::Running);
    agent.inspect_container(reference("web")).await.unwrap();
    std::fs::remove_file(&filler).unwrap();
    assert_eq!(
        shown(
            &operate(&agent, operation(ContainerAction::Stop, one("web")))
                .await
                .unwrap()
        ),
        ["web: done"]
    );
    drop(agent);
}
