//! Compose projects through the agent: one like any other, and one with an agent as a service.

use std::path::PathBuf;

use komodo_agent_api::{AgentApi, CoreHello};
use komodo_api::plan::ReasonCode;
use komodo_periphery::children::{ComposeError, Project};
use komodo_testkit::engine::{BUSYBOX, State};
use tokio_util::sync::CancellationToken;

use super::{docker, socket};
use crate::{
    core::hello,
    harness::{Harness, folder},
    own_container::{IMAGE, Setting},
};

struct Files(PathBuf);

impl Files {
    fn new(compose: &str) -> Self {
        let files = Files(folder());
        files.write(compose);
        files
    }

    fn write(&self, compose: &str) {
        std::fs::write(self.0.join("compose.yaml"), compose).unwrap();
    }

    fn project(&self, name: &str) -> Project {
        Project::new(name, &self.0).unwrap()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn service(name: &str, command: &str) -> String {
    format!(
        "  {name}:\n    image: {BUSYBOX}\n    command: {command}\n    init: true\n    stop_grace_period: 1s\n"
    )
}

#[tokio::test]
async fn a_project_comes_up_and_goes_down() {
    let harness = Harness::start().await;
    let files = Files::new(&format!(
        "services:\n{}{}volumes:\n  data: {{}}\n",
        service("web", "sleep 1000"),
        service("db", "sleep 1000")
    ));
    let project = files.project("plain");
    let compose = harness.agent.compose().unwrap();
    let cancel = CancellationToken::new();
    let mut lines = Vec::new();
    compose
        .up(&project, &cancel, |line| lines.push(line.text))
        .await
        .unwrap();
    for name in ["plain-web-1", "plain-db-1"] {
        assert_eq!(harness.engine.state(name).await.unwrap(), State::Running);
    }
    assert!(
        lines.iter().any(|line| line.contains("plain-web-1")),
        "{lines:?}"
    );
    compose.up(&project, &cancel, |_| ()).await.unwrap();
    compose.down(&project, &cancel, |_| ()).await.unwrap();
    for name in ["plain-web-1", "plain-db-1"] {
        assert_eq!(harness.engine.state(name).await.unwrap(), State::Absent);
    }
    let networks = docker(
        socket(&harness),
        &["network", "ls", "-q", "--filter", "name=plain"],
    );
    assert_eq!(networks.await.ok().text(), "");

    files.write("services: nonsense\n");
    let failed = compose.up(&project, &cancel, |_| ()).await.unwrap_err();
    assert!(
        matches!(&failed, ComposeError::Failed { last, .. } if last.contains("services")),
        "{failed}"
    );
    let canceled = CancellationToken::new();
    canceled.cancel();
    let ended = compose.up(&project, &canceled, |_| ()).await;
    assert!(matches!(ended, Err(ComposeError::Command(_))), "{ended:?}");
}

#[tokio::test]
async fn a_project_whose_network_the_agent_uses_stays_up() {
    let harness = Harness::start().await;
    let files = Files::new(&format!("services:\n{}", service("web", "sleep 1000")));
    let project = files.project("edge");
    let compose = harness.agent.compose().unwrap();
    let cancel = CancellationToken::new();
    compose.up(&project, &cancel, |_| ()).await.unwrap();
    let guarded = socket(&harness);
    let run = [
        "run",
        "-d",
        "--name",
        "dns",
        "--network",
        "edge_default",
        "--label",
        "komodo.protect=true",
        BUSYBOX,
        "sleep",
        "1000",
    ];
    docker(guarded, &run).await.ok();
    let mut started = false;
    let refused = compose.down(&project, &cancel, |_| started = true).await;
    assert!(
        matches!(&refused, Err(ComposeError::Protected(why)) if why.message.contains("network 'edge_default' is protected (declared): 'dns' uses it")),
        "{refused:?}"
    );
    assert!(!started, "refused before anything began");
    assert_eq!(
        harness.engine.state("edge-web-1").await.unwrap(),
        State::Running
    );
}

#[tokio::test]
async fn a_project_with_an_agent_in_it_is_refused_before_it_begins_and_by_the_socket_too() {
    let mut setting = Setting::new().await;
    let harness_root = folder();
    let files = |web: &str, log: &str| {
        format!(
            "services:\n{}  periphery:\n    image: {IMAGE}\n    restart: unless-stopped\n    stop_grace_period: 1s\n    labels:\n      komodo.skip: \"true\"\n    \
             volumes:\n      - {}:{}\n      - {}:/etc/komodo\n    environment:\n      \
             PERIPHERY_CORE_ADDRESS: ws://{}:{}\n      PERIPHERY_CORE_PUBLIC_KEY: \"{}\"\n      PERIPHERY_LOGGING_LEVEL: {log}\n",
            service("web", web),
            setting.engine.socket().display(),
            komodo_docker::DEFAULT_SOCKET,
            setting.state.display(),
            setting.engine.host_address(),
            setting.core.port,
            setting.core.public_key,
        )
    };
    let (first, other_web, other_agent) = (
        files("sleep 1000", "info"),
        files("sleep 2000", "info"),
        files("sleep 2000", "debug"),
    );
    let written = Files::new(&first);
    let project = written.project("komodo");
    // A second agent on the same Engine runs Compose, as that of another server would.
    let options = crate::harness::options(&setting.engine.docker_host(), &harness_root);
    let outer = komodo_periphery::Agent::start(options).await.unwrap();
    let cancel = CancellationToken::new();
    let compose = outer.compose().unwrap();
    outer.observatory().ready().await;
    compose.up(&project, &cancel, |_| ()).await.unwrap();
    let linked = setting.core.linked().await;
    let engine = &setting.engine;
    let started_at = async || {
        engine
            .inspect("komodo-periphery-1")
            .await
            .unwrap()
            .state
            .unwrap()
            .started_at
    };
    let before = started_at().await;
    let agent = engine
        .inspect("komodo-periphery-1")
        .await
        .unwrap()
        .id
        .unwrap();
    let core = CoreHello {
        agents_on_engine: vec![agent],
        depended_on: Vec::new(),
        ..hello()
    };
    outer.hello(core).await.unwrap();

    let is_up = async || {
        for name in ["komodo-web-1", "komodo-periphery-1"] {
            assert_eq!(engine.state(name).await.unwrap(), State::Running, "{name}");
        }
        assert_eq!(started_at().await, before);
        assert!(linked.client.link().is_closed().is_none());
    };
    let mut begun = false;
    let down = compose.down(&project, &cancel, |_| begun = true).await;
    let Err(ComposeError::Protected(why)) = &down else {
        panic!("{down:?}");
    };
    assert_eq!(why.reason.as_ref().unwrap().code, ReasonCode::Agent);
    assert!(
        why.message
            .contains("'komodo-periphery-1' is protected (agent)"),
        "{}",
        why.message
    );
    assert!(!begun, "refused before anything began");
    is_up().await;

    // What leaves the agent as it is is nobody's harm; what makes it anew is refused first.
    written.write(&other_web);
    compose.up(&project, &cancel, |_| ()).await.unwrap();
    is_up().await;
    written.write(&other_agent);
    let up = compose.up(&project, &cancel, |_| begun = true).await;
    assert!(matches!(&up, Err(ComposeError::Protected(_))), "{up:?}");
    assert!(!begun);
    is_up().await;

    // Without the plan, the socket of the agent itself refuses.
    let guarded = setting.state.join("children/docker.sock");
    let file = written.0.join("compose.yaml");
    let file = file.to_str().unwrap();
    for arguments in [
        &["down", "-t", "0"][..],
        &["stop", "-t", "0"],
        &["kill", "periphery"],
        &["restart", "periphery"],
        &["pause", "periphery"],
        &["rm", "-sf", "periphery"],
        &["up", "-d"],
        &["up", "-d", "--force-recreate", "periphery"],
    ] {
        let all = [&["compose", "-p", "komodo", "-f", file], arguments].concat();
        let said = docker(&guarded, &all).await;
        assert_ne!(said.code, 0, "{arguments:?}: {}{}", said.text(), said.err);
        assert!(
            said.err
                .contains("'komodo-periphery-1' is protected (agent)"),
            "{arguments:?}: {}",
            said.err
        );
        assert_eq!(
            engine.state("komodo-periphery-1").await.unwrap(),
            State::Running
        );
        assert_eq!(started_at().await, before);
    }
    assert!(linked.client.link().is_closed().is_none());
    drop(outer);
    std::fs::remove_dir_all(harness_root).unwrap();
}
