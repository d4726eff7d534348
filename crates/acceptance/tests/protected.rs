//! The agent, started in six ways as a container of the Engine it manages, survives every server-wide operation; the
//! others end in the asked state; the Update is successful and lists what was spared and why.

use komodo_acceptance::survival::{Scene, Spared, start_others, survives};
use komodo_api::{plan::ReasonCode, server::ServerState};
use komodo_testkit::{
    engine::{Container, Engine},
    installation::{AgentContainer, Core, Failure},
};

const SERVER: &str = "host-1";

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
    start_others(&engine).await?;
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
    survives(Scene {
        name: way.name,
        engine: &engine,
        core: &core,
        server: SERVER,
        agent_id: &agent_id,
        spared: way.spared,
    })
    .await
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
