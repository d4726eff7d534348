//! An unmodified client restarts the container of the agent, started in many ways: handed over and confirmed, the same
//! container in another run.

use bollard::models::{EndpointSettings, NetworkingConfig};
use komodo_acceptance::{
    hand_over::{AGENT, SERVER, Site, core_of, same},
    told::{story, tells_confirmed},
};
use komodo_api::{
    plan::{Effect, PlanOperation, ReasonCode},
    update::VerdictKind,
};
use komodo_testkit::{
    engine::{Container, Engine, Restart},
    installation::{AgentContainer, Failure, forwarder},
};

const NETWORK: &str = "backend";
const TUNNEL_PORT: u16 = 9443;

/// Restarts it once, and once more, since the second helper must not stumble over what the first one left.
async fn restarts(site: &Site) -> Result<(), Failure> {
    for _ in 0..2 {
        let before = site.body().await?;
        let update = site.settled(&site.ask_restart().await?).await?;
        tells_confirmed(&update)?;
        let verdicts: Vec<_> = update
            .verdicts
            .iter()
            .map(|one| (one.container.as_str(), one.verdict))
            .collect();
        assert_eq!(verdicts, [(AGENT, VerdictKind::Done)], "{update:#?}");
        let after = site.body().await?;
        same(&before.identity(), &after.identity())?;
        assert_ne!(before.started_at(), after.started_at(), "not restarted");
    }
    Ok(())
}

#[tokio::test]
async fn an_agent_from_docker_run_is_restarted() -> Result<(), Failure> {
    let site = Site::start(|container| container.restart(Restart::UnlessStopped)).await?;
    let plan = PlanOperation {
        operation: "RestartContainer".into(),
        params: serde_json::from_value(
            serde_json::json!({ "server": SERVER, "container": AGENT }),
        )?,
    };
    let plan = site.core.client.call(&plan).await?;
    let planned: Vec<_> = plan
        .items
        .iter()
        .map(|item| {
            (
                item.effect,
                item.protected.first().map(|reason| reason.code),
            )
        })
        .collect();
    assert_eq!(
        planned,
        [(Effect::HandOver, Some(ReasonCode::Agent))],
        "{plan:?}"
    );
    restarts(&site).await
}

#[tokio::test]
async fn an_agent_without_a_restart_policy_from_compose_is_restarted() -> Result<(), Failure> {
    let site = Site::start(|container| {
        container
            .label("com.docker.compose.project", "home")
            .label("com.docker.compose.service", "periphery")
            .label("com.docker.compose.container-number", "1")
            .init()
    })
    .await?;
    restarts(&site).await
}

#[tokio::test]
async fn an_agent_on_the_host_network_is_restarted() -> Result<(), Failure> {
    let site = Site::start(|container| container.network_mode("host")).await?;
    restarts(&site).await
}

#[tokio::test]
async fn an_agent_in_the_network_namespace_of_another_container_is_restarted() -> Result<(), Failure>
{
    let engine = Engine::start().await?;
    engine.run(Container::idle("vpn")).await?;
    let core = core_of(&engine).await?;
    let AgentContainer { container, state } = core.agent_container(&engine, AGENT, SERVER).await?;
    let agent = container.network_mode("container:vpn");
    restarts(&Site::run(engine, core, agent, Some(state)).await?).await
}

/// Its helper reaches the Engine the same way.
#[tokio::test]
async fn an_agent_behind_a_socket_proxy_and_a_tunnel_is_restarted() -> Result<(), Failure> {
    let engine = Engine::start().await?;
    engine.create_network(NETWORK).await?;
    let core = core_of(&engine).await?;
    let proxy = forwarder(&engine, "docker-proxy", 2375, "unix:/var/run/docker.sock").await?;
    let alias = EndpointSettings {
        aliases: Some(vec!["engine.internal".to_owned()]),
        ..EndpointSettings::default()
    };
    let proxy = proxy
        .bind(engine.socket(), "/var/run/docker.sock")
        .network_mode(NETWORK)
        .with(|body| {
            body.networking_config = Some(NetworkingConfig {
                endpoints_config: Some([(NETWORK.to_owned(), alias)].into()),
            });
        });
    engine.run(proxy).await?;
    let tunnel = forwarder(&engine, "tunnel", TUNNEL_PORT, &core.address.to_string()).await?;
    engine.run(tunnel.network_mode(NETWORK)).await?;
    let AgentContainer { container, state } = core.agent_container(&engine, AGENT, SERVER).await?;
    let agent = container
        .network_mode(NETWORK)
        .env("DOCKER_HOST", "tcp://engine.internal:2375")
        .env(
            "PERIPHERY_CORE_ADDRESS",
            format!("ws://tunnel:{TUNNEL_PORT}"),
        )
        .with(|body| {
            let binds = body.host_config.get_or_insert_default().binds.as_mut();
            if let Some(binds) = binds {
                binds.retain(|bind| !bind.ends_with("docker.sock"));
            }
        });
    restarts(&Site::run(engine, core, agent, Some(state)).await?).await
}

/// A container that the Engine removes when it stops has no second life.
#[tokio::test]
async fn an_agent_that_is_removed_when_it_stops_is_refused() -> Result<(), Failure> {
    let site = Site::start(|container| {
        container.with(|body| body.host_config.get_or_insert_default().auto_remove = Some(true))
    })
    .await?;
    let before = site.body().await?;
    let told = match site.ask_restart().await {
        Err(error) => error.to_string(),
        Ok(id) => {
            let update = site.settled(&id).await?;
            assert!(!update.success, "{update:#?}");
            story(&update)
        }
    };
    assert!(told.contains("--rm"), "{told}");
    assert_eq!(site.body().await?.started_at(), before.started_at());
    Ok(())
}

/// Engines before 25 would mount everything once more within itself whenever the helper looks for the confirmation.
#[tokio::test]
async fn an_agent_that_mounts_the_data_of_its_engine_is_confirmed_or_not_touched()
-> Result<(), Failure> {
    let engine = Engine::start().await?;
    let core = core_of(&engine).await?;
    let AgentContainer { container, state } = core.agent_container(&engine, AGENT, SERVER).await?;
    let agent = container.bind(engine.directory(), "/host");
    let site = Site::run(engine, core, agent, Some(state)).await?;
    let before = site.body().await?;
    let update = site.settled(&site.ask_restart().await?).await?;
    let after = site.body().await?;
    match update.success {
        true => tells_confirmed(&update),
        false => {
            let told = story(&update);
            assert!(
                told.contains("at /host") && told.contains("docker restart"),
                "{told}"
            );
            assert_eq!(before.started_at(), after.started_at(), "{told}");
            Ok(())
        }
    }
}
