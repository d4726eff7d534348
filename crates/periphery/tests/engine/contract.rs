//! The contract of `AgentApi`, on a real Engine.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bollard::{
    exec::StartExecOptions,
    models::ExecConfig,
    query_parameters::{RemoveContainerOptions, RenameContainerOptions},
};
use komodo_agent_api::AgentApi;
use komodo_api::{container::ContainerAction, engine::ContainerStateStatusEnum, live::LogStream};
use komodo_periphery::{Agent, AgentOptions};
use komodo_testkit::{
    contract::{ContractWorld, Spec},
    engine::{Container, Engine, State as Real},
};

use crate::{
    harness::{folder, options},
    proxy::Proxy,
};

/// Events that a reader may lag behind here.
const READER_EVENTS_MAX: usize = 64;
/// Changes that are more than that, and than any buffer on the way.
const FLOOD: usize = 200;

/// What only a kill ends.
const DEAF: [&str; 3] = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"];

struct World {
    agent: Mutex<Arc<Agent>>,
    proxy: Proxy,
    engine: Engine,
    root: std::path::PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

impl World {
    async fn start() -> Self {
        let engine = Engine::start().await.unwrap();
        let root = folder();
        let proxy = Proxy::start(&engine.socket(), &root).unwrap();
        let agent = started(&proxy, &root).await;
        World {
            agent: Mutex::new(agent),
            proxy,
            engine,
            root,
        }
    }
}

async fn started(proxy: &Proxy, root: &std::path::Path) -> Arc<Agent> {
    let options = AgentOptions {
        reader_events_max: READER_EVENTS_MAX,
        ..options(&proxy.docker_host(), root)
    };
    let agent = Arc::new(Agent::start(options).await.unwrap());
    agent.observatory().ready().await;
    agent
}

#[async_trait]
impl ContractWorld for World {
    fn agent(&self) -> Arc<dyn AgentApi> {
        self.agent.lock().unwrap().clone() as Arc<dyn AgentApi>
    }

    async fn create(&self, spec: Spec) -> String {
        let mut container = match spec.slow {
            true => Container::new(&spec.name, DEAF),
            false => Container::idle(&spec.name),
        };
        for (key, value) in &spec.labels {
            container = container.label(key, value);
        }
        let id = self.engine.create(container).await.unwrap();
        use ContainerStateStatusEnum::{Created, Exited, Paused};
        if spec.state != Created {
            self.engine.start_container(&spec.name).await.unwrap();
        }
        match spec.state {
            Exited => self.engine.stop(&spec.name).await.unwrap(),
            Paused => self.engine.pause(&spec.name).await.unwrap(),
            _ => {}
        }
        id
    }

    async fn restart(&self) {
        let before = self.agent.lock().unwrap().clone();
        before.end().await;
        drop(before);
        let next = started(&self.proxy, &self.root).await;
        *self.agent.lock().unwrap() = next;
    }

    async fn docker(&self, action: ContainerAction, name: &str) {
        let engine = &self.engine;
        match action {
            ContainerAction::Start => engine.start_container(name).await,
            ContainerAction::Restart => engine.restart_container(name).await,
            ContainerAction::Pause => engine.pause(name).await,
            ContainerAction::Unpause => engine.unpause(name).await,
            ContainerAction::Stop => engine.stop(name).await,
            ContainerAction::Destroy | ContainerAction::Prune => {
                let force = RemoveContainerOptions {
                    force: true,
                    ..RemoveContainerOptions::default()
                };
                engine
                    .docker()
                    .remove_container(name, Some(force))
                    .await
                    .unwrap();
                Ok(())
            }
        }
        .unwrap();
    }

    async fn state_of(&self, name: &str) -> Option<ContainerStateStatusEnum> {
        use ContainerStateStatusEnum as S;
        Some(match self.engine.state(name).await.unwrap() {
            Real::Created => S::Created,
            Real::Running => S::Running,
            Real::Paused => S::Paused,
            Real::Restarting => S::Restarting,
            Real::Removing => S::Removing,
            Real::Exited => S::Exited,
            Real::Dead => S::Dead,
            Real::Stopping => S::Stopping,
            Real::Absent => return None,
        })
    }

    async fn write(&self, name: &str, stream: LogStream, line: &str) {
        let number = if stream == LogStream::Stdout { 1 } else { 2 };
        let command = format!("echo '{line}' > /proc/1/fd/{number}");
        let exec = ExecConfig {
            cmd: Some(vec!["sh".into(), "-c".into(), command]),
            ..ExecConfig::default()
        };
        let docker = self.engine.docker();
        let exec = docker.create_exec(name, exec).await.unwrap();
        docker
            .start_exec(
                &exec.id,
                Some(StartExecOptions {
                    detach: true,
                    ..Default::default()
                }),
            )
            .await
            .unwrap();
        // Lines come in the order in which they were written.
        while docker.inspect_exec(&exec.id).await.unwrap().running == Some(true) {
            tokio::task::yield_now().await;
        }
    }

    async fn log_readers(&self, _name: &str) -> usize {
        self.proxy.log_readers()
    }

    async fn flood(&self) {
        self.engine
            .create(Container::idle("flood-0"))
            .await
            .unwrap();
        for round in 0..FLOOD {
            let name = format!("flood-{}", round + 1);
            let from = format!("flood-{round}");
            self.engine
                .docker()
                .rename_container(&from, RenameContainerOptions { name })
                .await
                .unwrap();
        }
    }
}

komodo_testkit::contract_tests!(World::start());
