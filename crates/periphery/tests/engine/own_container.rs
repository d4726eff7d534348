//! The agent in a container of the Engine that it looks after, started in every way that people start it: no bulk
//! operation takes it away, and what it cannot live without is spared too.

use std::{path::PathBuf, time::Duration};

use futures_util::StreamExt;
use komodo_agent_api::{AgentApi, EventBody, GoodbyeReason};
use komodo_api::{
    container::{ContainerAction, Scope},
    plan::ReasonCode,
};
use komodo_testkit::engine::{Container, Engine, EngineOptions, State as Real};
use tokio::time::timeout;

use crate::{
    core::{Core, Linked},
    harness::{PATIENCE, folder, one, operate, operation, shown, verdicts},
};

pub const IMAGE: &str = "komodo-test/agent:1";

pub struct Setting {
    pub engine: Engine,
    pub core: Core,
    pub state: PathBuf,
}

impl Drop for Setting {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.state);
    }
}

impl Setting {
    pub async fn new() -> Self {
        Self::on(Engine::start().await.unwrap()).await
    }

    /// On an Engine with cgroup v2 alone: there `/proc/self/cgroup` names no container.
    async fn under_cgroup_v2() -> Self {
        let options = EngineOptions {
            cgroup_v2: true,
            ..EngineOptions::default()
        };
        let setting = Self::on(Engine::start_with(options).await.unwrap()).await;
        let version = setting.engine.docker().info().await.unwrap().cgroup_version;
        let v2 = bollard::models::SystemInfoCgroupVersionEnum::_2;
        assert_eq!(version, Some(v2));
        setting
    }

    async fn on(engine: Engine) -> Self {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_komodo-periphery"));
        engine.image_from_binary(&program, IMAGE).await.unwrap();
        Setting {
            engine,
            core: Core::start().await,
            state: folder(),
        }
    }

    pub fn agent(&self, name: &str) -> Container {
        Container::from_image(name, IMAGE)
            .bind(self.engine.socket(), komodo_docker::DEFAULT_SOCKET)
            .bind(&self.state, "/etc/komodo")
            .env(
                "PERIPHERY_CORE_ADDRESS",
                format!("ws://{}:{}", self.engine.host_address(), self.core.port),
            )
            .env("PERIPHERY_CORE_PUBLIC_KEY", &self.core.public_key)
            .restart(komodo_testkit::engine::Restart::UnlessStopped)
    }

    /// Runs every server-wide verb, and looks at what became of everybody.
    async fn survives(&mut self, name: &str, dependencies: &[&str]) {
        let linked = self.core.linked().await;
        self.survives_linked(name, dependencies, linked).await;
    }

    async fn survives_linked(&mut self, name: &str, dependencies: &[&str], linked: Linked) {
        let engine = &self.engine;
        for other in ["web", "db"] {
            engine.run(Container::idle(other)).await.unwrap();
        }
        engine.create(Container::idle("old")).await.unwrap();
        let id = engine.inspect(name).await.unwrap().id.unwrap();
        let started = engine
            .inspect(name)
            .await
            .unwrap()
            .state
            .unwrap()
            .started_at;
        // The hello may come before the Engine is known; the events then tell.
        let mut events = linked.client.events().await.unwrap();
        let mut protected = Vec::new();
        while protected.is_empty() {
            match timeout(PATIENCE, events.next())
                .await
                .expect("it is told")
                .unwrap()
                .unwrap()
                .body
            {
                EventBody::Snapshot(snapshot) => protected = snapshot.protected,
                EventBody::Protected(set) => protected = set,
                _ => {}
            }
        }
        let agents: Vec<_> = protected
            .iter()
            .filter(|entry| entry.reasons[0].code == ReasonCode::Agent)
            .collect();
        assert_eq!(
            agents
                .iter()
                .map(|entry| entry.id.as_str())
                .collect::<Vec<_>>(),
            [id.as_str()],
            "{protected:?}"
        );

        for (action, state) in [
            (ContainerAction::Stop, Real::Exited),
            (ContainerAction::Start, Real::Running),
            (ContainerAction::Pause, Real::Paused),
            (ContainerAction::Unpause, Real::Running),
            (ContainerAction::Restart, Real::Running),
            (ContainerAction::Stop, Real::Exited),
            (ContainerAction::Prune, Real::Absent),
        ] {
            let events = operate(&linked.client, operation(action, Scope::All))
                .await
                .unwrap();
            let lines = shown(&events);
            assert!(
                lines.contains(&format!("{name}: skipped (agent)")),
                "{action:?}: {lines:?}"
            );
            for dependency in dependencies {
                let line = format!("{dependency}: skipped (agentdependency)");
                assert!(lines.contains(&line), "{action:?}: {lines:?}");
                assert_eq!(engine.state(dependency).await.unwrap(), Real::Running);
            }
            assert!(
                !lines.iter().any(|line| line.contains("failed")),
                "{action:?}: {lines:?}"
            );
            for other in ["web", "db"] {
                assert_eq!(
                    engine.state(other).await.unwrap(),
                    state,
                    "{action:?} {other}"
                );
            }
            assert_eq!(engine.state(name).await.unwrap(), Real::Running);
        }
        for action in [
            ContainerAction::Stop,
            ContainerAction::Pause,
            ContainerAction::Destroy,
        ] {
            let mut by_name = operation(action, one(name));
            by_name.override_reason = Some("I insist".into());
            let events = operate(&linked.client, by_name).await.unwrap();
            assert_eq!(
                shown(&events),
                [format!("{name}: failed (agent)")],
                "{action:?}"
            );
            let error = verdicts(&events)[0].error.clone().unwrap();
            assert!(error.contains("`detach`"), "it says the way: {error}");
        }
        assert!(
            linked.client.link().is_closed().is_none(),
            "connected throughout"
        );
        assert_eq!(
            engine
                .inspect(name)
                .await
                .unwrap()
                .state
                .unwrap()
                .started_at,
            started,
            "never restarted"
        );
    }
}

#[tokio::test]
async fn run_by_docker_run() {
    let mut setting = Setting::new().await;
    setting
        .engine
        .run(setting.agent("periphery"))
        .await
        .unwrap();
    setting.survives("periphery", &[]).await;
}

#[tokio::test]
async fn with_a_host_name_set_by_hand() {
    let mut setting = Setting::new().await;
    setting
        .engine
        .run(setting.agent("periphery").hostname("alpha"))
        .await
        .unwrap();
    setting.survives("periphery", &[]).await;
}

#[tokio::test]
async fn renamed_after_its_start() {
    let mut setting = Setting::new().await;
    setting
        .engine
        .run(setting.agent("periphery"))
        .await
        .unwrap();
    let linked = setting.core.linked().await;
    let name = bollard::query_parameters::RenameContainerOptions {
        name: "something-else".into(),
    };
    setting
        .engine
        .docker()
        .rename_container("periphery", name)
        .await
        .unwrap();
    setting.survives_linked("something-else", &[], linked).await;
}

#[tokio::test]
async fn on_the_network_of_the_host() {
    let mut setting = Setting::new().await;
    setting
        .engine
        .run(setting.agent("periphery").network_mode("host"))
        .await
        .unwrap();
    setting.survives("periphery", &[]).await;
}

#[tokio::test]
async fn on_the_network_of_another_container() {
    let mut setting = Setting::new().await;
    setting.engine.run(Container::idle("vpn")).await.unwrap();
    setting
        .engine
        .run(setting.agent("periphery").network_mode("container:vpn"))
        .await
        .unwrap();
    setting.survives("periphery", &["vpn"]).await;
}

#[tokio::test]
async fn run_by_docker_run_under_cgroup_v2() {
    let mut setting = Setting::under_cgroup_v2().await;
    setting
        .engine
        .run(setting.agent("periphery").hostname("alpha"))
        .await
        .unwrap();
    setting.survives("periphery", &[]).await;
}

#[tokio::test]
async fn on_the_network_of_the_host_under_cgroup_v2() {
    let mut setting = Setting::under_cgroup_v2().await;
    setting
        .engine
        .run(setting.agent("periphery").network_mode("host"))
        .await
        .unwrap();
    setting.survives("periphery", &[]).await;
}

/// Every file that is mounted is another's, and the cgroup path is `/`: only the file system tells.
#[tokio::test]
async fn on_the_network_of_another_container_under_cgroup_v2() {
    let mut setting = Setting::under_cgroup_v2().await;
    setting.engine.run(Container::idle("vpn")).await.unwrap();
    setting
        .engine
        .run(setting.agent("periphery").network_mode("container:vpn"))
        .await
        .unwrap();
    setting.survives("periphery", &["vpn"]).await;
}

#[tokio::test]
async fn as_a_service_of_a_compose_project() {
    let mut setting = Setting::new().await;
    let service = |container: Container, name: &str| {
        container
            .label("com.docker.compose.project", "komodo")
            .label("com.docker.compose.service", name)
    };
    setting
        .engine
        .run(service(setting.agent("komodo-periphery-1"), "periphery"))
        .await
        .unwrap();
    setting.survives("komodo-periphery-1", &[]).await;
}

#[tokio::test]
async fn it_says_goodbye_when_it_is_stopped_and_is_itself_again_when_started() {
    let mut setting = Setting::new().await;
    setting
        .engine
        .run(setting.agent("periphery"))
        .await
        .unwrap();
    let linked = setting.core.linked().await;
    let mut events = linked.client.events().await.unwrap();
    events.next().await.unwrap().unwrap();
    let began = std::time::Instant::now();
    let (stopped, told) = tokio::join!(setting.engine.stop("periphery"), async {
        let mut goodbyes = Vec::new();
        while let Ok(Some(Ok(event))) = timeout(PATIENCE, events.next()).await {
            if let EventBody::Goodbye(reason) = event.body {
                goodbyes.push(reason);
            }
        }
        goodbyes
    });
    stopped.unwrap();
    assert!(
        told.contains(&GoodbyeReason::Signal {
            signal: "SIGTERM".into()
        }),
        "{told:?}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "it goes at once, not when it is killed"
    );
    assert_eq!(
        setting
            .engine
            .inspect("periphery")
            .await
            .unwrap()
            .state
            .unwrap()
            .exit_code,
        Some(0)
    );

    setting.engine.start_container("periphery").await.unwrap();
    let again = setting.core.linked().await;
    assert_eq!(again.hello.open_operations, []);
    let health = |command: &'static [&'static str]| {
        let docker = setting.engine.docker().clone();
        async move {
            let exec = bollard::models::ExecConfig {
                cmd: Some(command.iter().map(|word| (*word).to_owned()).collect()),
                ..Default::default()
            };
            let exec = docker.create_exec("periphery", exec).await.unwrap();
            let detached = bollard::exec::StartExecOptions {
                detach: true,
                ..Default::default()
            };
            docker.start_exec(&exec.id, Some(detached)).await.unwrap();
            loop {
                let state = docker.inspect_exec(&exec.id).await.unwrap();
                if state.running != Some(true) {
                    return state.exit_code;
                }
                tokio::task::yield_now().await;
            }
        }
    };
    assert_eq!(
        health(&["/usr/local/bin/komodo-periphery", "healthcheck"]).await,
        Some(0)
    );
}
