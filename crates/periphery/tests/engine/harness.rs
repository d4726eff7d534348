//! An Engine, an agent on it, and a mirror of what it tells.

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures_util::StreamExt;
use komodo_agent_api::{
    AgentApi, AgentError, AgentOperation, Container as Observed, OperationEvent, OperationEventBody,
};
use komodo_api::resource::ContainerRef;
use komodo_api::{
    container::{ContainerAction, Scope},
    engine::ContainerStateStatusEnum as State,
    update::Verdict,
};
use komodo_docker::Endpoint;
use komodo_periphery::{Agent, AgentOptions};
use komodo_plan::View;
use komodo_testkit::engine::Engine;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Harness {
    pub agent: Arc<Agent>,
    pub mirror: Mirror,
    pub root: PathBuf,
    pub engine: Engine,
}

impl Drop for Harness {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

pub fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!(
        "komodo-agent-{}-{:016x}",
        std::process::id(),
        fastrand::u64(..)
    ));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

pub fn options(docker_host: &str, root: &std::path::Path) -> AgentOptions {
    AgentOptions::new(Endpoint::parse(docker_host).unwrap(), root)
}

impl Harness {
    pub async fn start() -> Self {
        let engine = Engine::start().await.unwrap();
        Self::on(engine).await
    }

    pub async fn on(engine: Engine) -> Self {
        let root = folder();
        let agent = Arc::new(
            Agent::start(options(&engine.docker_host(), &root))
                .await
                .unwrap(),
        );
        let mirror = Mirror::of(&agent).await;
        mirror
            .wait(|view| matches!(view.engine, komodo_agent_api::EngineState::Connected { .. }))
            .await;
        Harness {
            engine,
            agent,
            mirror,
            root,
        }
    }

    pub async fn wait_state(&self, name: &str, state: State) {
        self.mirror
            .wait(|view| {
                view.container(name)
                    .is_some_and(|container| container.state == state)
            })
            .await;
    }

    pub async fn operate(&self, action: ContainerAction, scope: Scope) -> Vec<OperationEvent> {
        operate(&*self.agent, operation(action, scope))
            .await
            .unwrap()
    }

    pub async fn verdicts(&self, action: ContainerAction, scope: Scope) -> Vec<String> {
        shown(&self.operate(action, scope).await)
    }
}

pub fn reference(name: &str) -> ContainerRef {
    ContainerRef(name.to_owned())
}

pub fn one(name: &str) -> Scope {
    Scope::One(reference(name))
}

pub fn operation(action: ContainerAction, scope: Scope) -> AgentOperation {
    AgentOperation {
        id: format!("{:016x}", fastrand::u64(..)),
        epoch: 1,
        action,
        scope,
        exclude: Vec::new(),
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
        operator: "test".into(),
    }
}

pub async fn operate(
    agent: &dyn AgentApi,
    operation: AgentOperation,
) -> Result<Vec<OperationEvent>, AgentError> {
    let events = agent.operate(operation).await?;
    let collected = tokio::time::timeout(PATIENCE, events.collect::<Vec<_>>())
        .await
        .expect("the operation ends");
    collected.into_iter().collect()
}

pub fn verdicts(events: &[OperationEvent]) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = events
        .iter()
        .filter_map(|event| match &event.body {
            OperationEventBody::Verdict(verdict) => Some(verdict.clone()),
            _ => None,
        })
        .collect();
    verdicts.sort_by(|a, b| a.container.cmp(&b.container));
    verdicts
}

/// `web: done`, `db: skipped (label)`, by name; and that the events are in order from the plan to the end.
pub fn shown(events: &[OperationEvent]) -> Vec<String> {
    for (event, seq) in events.iter().zip(1..) {
        assert_eq!(event.seq, seq);
    }
    assert!(matches!(
        events.first().unwrap().body,
        OperationEventBody::Planned { .. }
    ));
    assert!(
        matches!(
            events.last().unwrap().body,
            OperationEventBody::Ended { error: None }
        ),
        "{:?}",
        events.last()
    );
    verdicts(events)
        .iter()
        .map(|verdict| {
            let kind = format!("{:?}", verdict.verdict).to_lowercase();
            let reason = verdict
                .reason
                .as_ref()
                .map(|reason| format!(" ({:?})", reason.code).to_lowercase());
            format!(
                "{}: {kind}{}",
                verdict.container,
                reason.unwrap_or_default()
            )
        })
        .collect()
}

/// What a reader of the agent's events knows.
pub struct Mirror {
    view: watch::Receiver<View>,
    task: JoinHandle<()>,
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Mirror {
    pub async fn of(agent: &Agent) -> Self {
        let mut events = agent.events().await.unwrap();
        let (sender, view) = watch::channel(View::default());
        #[expect(
            clippy::disallowed_methods,
            reason = "aborted when the mirror is dropped"
        )]
        let task = tokio::spawn(async move {
            while let Some(Ok(event)) = events.next().await {
                sender.send_modify(|view| view.apply(event).expect("events have no gap"));
            }
        });
        Mirror { view, task }
    }

    pub fn now(&self) -> View {
        self.view.borrow().clone()
    }

    pub async fn wait(&self, wanted: impl Fn(&View) -> bool) -> View {
        let mut view = self.view.clone();
        let until = Instant::now() + PATIENCE;
        match timeout_at(until, view.wait_for(|view| wanted(view))).await {
            Ok(Ok(view)) => view.clone(),
            other => panic!(
                "the state does not come ({}); last: {:#?}",
                other.is_err(),
                self.now()
            ),
        }
    }

    pub async fn container(&self, name: &str, wanted: impl Fn(&Observed) -> bool) -> Arc<Observed> {
        let view = self
            .wait(|view| {
                view.container(name)
                    .is_some_and(|container| wanted(container))
            })
            .await;
        Arc::clone(view.container(name).unwrap())
    }
}
