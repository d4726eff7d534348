//! The agent, started in six ways as a container of the Engine it manages, survives every server-wide operation; the
//! others end in the asked state; the Update is successful and lists what was spared and why.

use komodo_acceptance::act_on_all;
use komodo_api::{
    container::{ContainerAction, ListProtected},
    engine::ContainerStateStatusEnum,
    plan::{Effect, PlanOperation, ReasonCode},
    resource::ServerRef,
    server::ServerState,
    update::{Update, VerdictKind},
};
use komodo_testkit::{
    engine::{Container, Engine, State},
    installation::{AgentContainer, Core, Failure},
};

const SERVER: &str = "host-1";
const OTHERS: [&str; 3] = ["web", "db", "cache"];

/// Reasons that some containers must be spared for, by name.
type Spared = &'static [(&'static str, ReasonCode)];

/// One way to run the agent: what is done before it starts, with its container, and after it has connected.
struct Way {
    name: &'static str,
    agent: &'static str,
    configure: fn(Container) -> Container,
    namespace_owner: Option<&'static str>,
    rename_to: Option<&'static str>,
    spared: Spared,
}

const PLAIN: Way = Way {
    name: "docker run",
    agent: "periphery",
    configure: |container| container,
    namespace_owner: None,
    rename_to: None,
    spared: &[("periphery", ReasonCode::Agent)],
};

async fn check(way: Way) -> Result<(), Failure> {
    let engine = Engine::start().await?;
    let core = Core::start(engine.host_address().into()).await?;
    if let Some(owner) = way.namespace_owner {
        engine.run(Container::idle(owner)).await?;
    }
    let AgentContainer {
        container,
        state: _state,
    } = core.agent_container(&engine, way.agent, SERVER).await?;
    let agent_id = engine.run((way.configure)(container)).await?;
    for name in OTHERS {
        engine.run(Container::idle(name)).await?;
    }
    engine.create(Container::idle("never-started")).await?;
    if let Err(error) = core.wait_server(SERVER, ServerState::Ok).await {
        return Err(format!(
            "{}: {error}\nagent: {}",
            way.name,
            engine.logs(way.agent).await?
        )
        .into());
    }
    if let Some(name) = way.rename_to {
        engine
            .docker()
            .rename_container(way.agent, bollard_rename(name))
            .await?;
    }
    core.wait_containers(
        SERVER,
        "all containers in view, the protected ones marked",
        |list| {
            OTHERS
                .iter()
                .all(|name| list.iter().any(|item| item.name == *name))
                && way.spared.iter().all(|(name, code)| {
                    list.iter().any(|item| {
                        item.name == *name
                            && item.protected.iter().any(|reason| reason.code == *code)
                    })
                })
        },
    )
    .await?;
    let listed = core
        .client
        .call(&ListProtected {
            server: ServerRef(SERVER.into()),
        })
        .await?;
    for (name, code) in way.spared {
        assert!(
            listed
                .iter()
                .any(|item| item.container == *name
                    && item.protected.iter().any(|r| r.code == *code)),
            "{}: {name} is not listed as {code:?}: {listed:?}",
            way.name
        );
    }
    assert!(
        !listed
            .iter()
            .any(|item| OTHERS.contains(&item.container.as_str())),
        "{listed:?}"
    );

    let started = engine
        .inspect(&agent_id)
        .await?
        .state
        .and_then(|state| state.started_at);

    let plan = core
        .client
        .call(&PlanOperation {
            operation: "StopAllContainers".into(),
            params: serde_json::from_value(serde_json::json!({ "server": SERVER }))?,
        })
        .await?;
    for (name, code) in way.spared {
        let item = plan
            .items
            .iter()
            .find(|item| item.container == *name)
            .ok_or("not in the plan")?;
        assert_eq!(
            (item.effect, item.reason.as_ref().map(|r| r.code)),
            (Effect::Skip, Some(*code)),
            "{}",
            way.name
        );
    }

    use ContainerAction::{Pause, Prune, Restart, Start, Stop, Unpause};
    let steps = [
        (Pause, State::Paused, true),
        (Unpause, State::Running, false),
        (Restart, State::Running, true),
        (Stop, State::Exited, true),
        (Start, State::Running, false),
        (Stop, State::Exited, true),
        (Prune, State::Absent, false),
    ];
    for (action, state, spares) in steps {
        let update = act_on_all(&core, SERVER, action).await?;
        settled(&way, &engine, &update, state, spares).await?;
        if action == Restart {
            assert_eq!(
                engine.state("never-started").await?,
                State::Created,
                "restart of all restarts only what runs"
            );
        }
    }

    let after = engine
        .inspect(&agent_id)
        .await?
        .state
        .ok_or("the agent has no state")?;
    assert_eq!(
        after.running,
        Some(true),
        "{}: the agent does not run",
        way.name
    );
    assert_eq!(
        after.started_at, started,
        "{}: the agent was started anew",
        way.name
    );
    core.wait_server(SERVER, ServerState::Ok).await
}

/// The others have the state and the Update says so for each. Where it spares containers, because the action would
/// apply to them, it names each with its reason.
async fn settled(
    way: &Way,
    engine: &Engine,
    update: &Update,
    state: State,
    spares: bool,
) -> Result<(), Failure> {
    for (name, code) in way.spared.iter().filter(|_| spares) {
        let verdict = update
            .verdicts
            .iter()
            .find(|verdict| verdict.container == *name);
        let Some(verdict) = verdict else {
            panic!("{}: no verdict on {name}: {update:?}", way.name)
        };
        assert_eq!(
            verdict.verdict,
            VerdictKind::Skipped,
            "{}: {verdict:?}",
            way.name
        );
        assert_eq!(
            verdict.reason.as_ref().map(|reason| reason.code),
            Some(*code),
            "{}: {verdict:?}",
            way.name
        );
    }
    assert!(
        update.success,
        "{}: {:?} is not successful: {update:#?}",
        way.name, update.operation
    );
    assert!(update.end_ts.is_some());
    for name in OTHERS {
        assert_eq!(
            engine.state(name).await?,
            state,
            "{}: {name} after {:?}",
            way.name,
            update.operation
        );
        let verdict = update
            .verdicts
            .iter()
            .find(|verdict| verdict.container == name);
        let Some(verdict) = verdict else {
            panic!("{}: no verdict on {name}: {update:?}", way.name)
        };
        assert_eq!(
            verdict.verdict,
            VerdictKind::Done,
            "{}: {verdict:?}",
            way.name
        );
        if state != State::Absent {
            assert_ne!(
                verdict.after,
                Some(ContainerStateStatusEnum::Empty),
                "{verdict:?}"
            );
        }
    }
    Ok(())
}

fn bollard_rename(name: &str) -> bollard::query_parameters::RenameContainerOptions {
    bollard::query_parameters::RenameContainerOptionsBuilder::default()
        .name(name)
        .build()
}

#[tokio::test]
async fn an_agent_from_docker_run_survives() -> Result<(), Failure> {
    check(PLAIN).await
}

#[tokio::test]
async fn an_agent_from_compose_survives() -> Result<(), Failure> {
    check(Way {
        name: "compose",
        agent: "home-periphery-1",
        configure: |container| {
            container
                .label("com.docker.compose.project", "home")
                .label("com.docker.compose.service", "periphery")
                .label("com.docker.compose.container-number", "1")
        },
        spared: &[("home-periphery-1", ReasonCode::Agent)],
        ..PLAIN
    })
    .await
}

#[tokio::test]
async fn an_agent_with_a_custom_host_name_survives() -> Result<(), Failure> {
    check(Way {
        name: "host name",
        configure: |container| container.hostname("my-own-name"),
        ..PLAIN
    })
    .await
}

#[tokio::test]
async fn an_agent_that_was_renamed_survives() -> Result<(), Failure> {
    check(Way {
        name: "renamed",
        rename_to: Some("something-else"),
        spared: &[("something-else", ReasonCode::Agent)],
        ..PLAIN
    })
    .await
}

#[tokio::test]
async fn an_agent_on_the_host_network_survives() -> Result<(), Failure> {
    check(Way {
        name: "host network",
        configure: |container| container.network_mode("host"),
        ..PLAIN
    })
    .await
}

#[tokio::test]
async fn an_agent_in_the_network_namespace_of_another_container_survives() -> Result<(), Failure> {
    check(Way {
        name: "network of another container",
        configure: |container| container.network_mode("container:vpn"),
        namespace_owner: Some("vpn"),
        spared: &[
            ("periphery", ReasonCode::Agent),
            ("vpn", ReasonCode::AgentDependency),
        ],
        ..PLAIN
    })
    .await
}
