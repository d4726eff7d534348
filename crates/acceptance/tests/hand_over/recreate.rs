//! A new container takes the place of the agent's: with an image that works it is confirmed, with one that fails, in
//! whatever way, everything is as it was before.

use bollard::models::{
    EndpointIpamConfig, EndpointSettings, HealthConfig, Ipam, IpamConfig, NetworkConnectRequest,
    NetworkCreateRequest, NetworkingConfig, ResourcesUlimits,
};
use komodo_acceptance::{
    hand_over::{AGENT, SERVER, Site, core_of, same},
    told::{story, tells_confirmed, tells_rolled_back},
};
use komodo_api::{onboarding_key::ListOnboardingKeys, server::ListServers, update::VerdictKind};
use komodo_testkit::{
    engine::{Container, Engine, Restart},
    installation::{
        AGENT_IMAGE, Failure,
        images::{BadAgent, bad_agent, next_version},
    },
};
use serde_json::Value;

const NETWORK: &str = "backend";
const SECOND_NETWORK: &str = "metrics";
const ADDRESS: &str = "10.77.0.7";

/// A container with a bit of everything that must survive.
fn richly_configured(container: Container) -> Container {
    container
        .network_mode(NETWORK)
        .restart(Restart::OnFailure(7))
        .hostname("my-agent")
        .publish(8120)
        .label("com.docker.compose.project", "home")
        .label("owner", "ann")
        .env("TZ", "Europe/Berlin")
        .env("EMPTY", "")
        .init()
        .bind("agent-cache", "/var/cache/agent")
        .with(|body| {
            body.stop_timeout = Some(7);
            body.healthcheck = Some(HealthConfig {
                test: Some(vec!["CMD".into(), "true".into()]),
                interval: Some(5_000_000_000),
                ..HealthConfig::default()
            });
            let host = body.host_config.get_or_insert_default();
            host.memory = Some(512 * 1024 * 1024);
            host.cap_drop = Some(vec!["NET_RAW".into()]);
            host.extra_hosts = Some(vec!["registry.internal:10.1.2.3".into()]);
            host.tmpfs = Some([("/scratch".to_owned(), "size=1m".to_owned())].into());
            host.ulimits = Some(vec![ResourcesUlimits {
                name: Some("nofile".into()),
                soft: Some(4096),
                hard: Some(8192),
            }]);
            body.networking_config = Some(NetworkingConfig {
                endpoints_config: Some(
                    [(
                        NETWORK.to_owned(),
                        EndpointSettings {
                            aliases: Some(vec!["agent.internal".into()]),
                            ipam_config: Some(EndpointIpamConfig {
                                ipv4_address: Some(ADDRESS.into()),
                                ..EndpointIpamConfig::default()
                            }),
                            ..EndpointSettings::default()
                        },
                    )]
                    .into(),
                ),
            });
        })
}

/// An agent that is configured richly and has joined a second network since.
async fn site() -> Result<Site, Failure> {
    let engine = Engine::start().await?;
    engine
        .docker()
        .create_network(NetworkCreateRequest {
            name: NETWORK.to_owned(),
            ipam: Some(Ipam {
                config: Some(vec![IpamConfig {
                    subnet: Some("10.77.0.0/24".into()),
                    ..IpamConfig::default()
                }]),
                ..Ipam::default()
            }),
            ..NetworkCreateRequest::default()
        })
        .await?;
    engine.create_network(SECOND_NETWORK).await?;
    let core = core_of(&engine).await?;
    let made = core.agent_container(&engine, AGENT, SERVER).await?;
    let agent = richly_configured(made.container);
    let site = Site::run(engine, core, agent, Some(made.state)).await?;
    let join = NetworkConnectRequest {
        container: AGENT.to_owned(),
        endpoint_config: Some(EndpointSettings {
            aliases: Some(vec!["agent.metrics".into()]),
            ..EndpointSettings::default()
        }),
    };
    site.engine
        .docker()
        .connect_network(SECOND_NETWORK, join)
        .await?;
    Ok(site)
}

#[tokio::test]
async fn a_new_container_from_a_good_image_is_confirmed() -> Result<(), Failure> {
    let site = site().await?;
    let next = next_version(&site.engine, AGENT_IMAGE).await?;
    // The same image by name, another one, and back by id.
    let first = site.body().await?;
    for image in [None, Some(next.as_str()), Some(first.image())] {
        let before = site.body().await?;
        let update = site.settled(&site.ask_recreate(image).await?).await?;
        tells_confirmed(&update)?;
        let after = site.body().await?;
        assert_ne!(before.id(), after.id(), "no new container");
        let [mut was, mut is] = [before.configuration(), after.configuration()];
        // What an image sets itself goes with it.
        for one in [&mut was, &mut is] {
            if let Some(env) = one["Config"]["Env"].as_array_mut() {
                env.retain(|value| value != "KOMODO_TEST_VERSION=next");
            }
        }
        same(&was, &is)?;
        match image {
            None => assert_eq!(after.image(), before.image()),
            Some(image) => assert_eq!(
                after.image(),
                site.engine
                    .docker()
                    .inspect_image(image)
                    .await?
                    .id
                    .unwrap_or_default()
            ),
        }
        let of_the_next = after.configuration()["Config"]["Env"]
            .to_string()
            .contains("KOMODO_TEST_VERSION=next");
        assert_eq!(of_the_next, image == Some(next.as_str()));
    }
    Ok(())
}

/// Everything is as it was before: the same container, configured as before.
async fn rolled_back(site: &Site, bad: BadAgent, why: &str) -> Result<(), Failure> {
    let before = site.body().await?;
    let image = bad_agent(&site.engine, bad).await?;
    let update = site
        .settled(&site.ask_recreate(Some(&image)).await?)
        .await?;
    println!("{bad:?}: {}", story(&update));
    tells_rolled_back(&update, why)?;
    let verdicts: Vec<_> = update.verdicts.iter().map(|one| one.verdict).collect();
    assert_eq!(verdicts, [VerdictKind::Failed], "{bad:?}: {update:#?}");
    let after = site.body().await?;
    same(&before.identity(), &after.identity())?;
    Ok(())
}

#[tokio::test]
async fn an_image_that_cannot_start_is_rolled_back() -> Result<(), Failure> {
    let site = site().await?;
    // The Engine's init is there, and does not find the program.
    rolled_back(&site, BadAgent::CannotStart, "exit code 127").await?;
    rolled_back(&site, BadAgent::EndsAtOnce, "the new container").await
}

#[tokio::test]
async fn an_image_that_connects_and_dies_is_rolled_back() -> Result<(), Failure> {
    let site = site().await?;
    rolled_back(&site, BadAgent::DiesAfter(1), "the new container").await
}

#[tokio::test]
async fn an_image_that_cannot_reach_core_is_rolled_back() -> Result<(), Failure> {
    let site = site().await?;
    rolled_back(&site, BadAgent::CannotReachCore, "not confirmed").await
}

/// Without a restart policy nobody but the helper starts the old one.
#[tokio::test]
async fn an_agent_without_a_restart_policy_is_put_back() -> Result<(), Failure> {
    let site = Site::start(|container| container).await?;
    rolled_back(&site, BadAgent::DiesAfter(1), "the new container").await?;
    rolled_back(&site, BadAgent::CannotStart, "/nowhere").await
}

#[tokio::test]
async fn an_image_that_is_nowhere_is_refused_and_nothing_is_touched() -> Result<(), Failure> {
    let site = Site::start(|container| container).await?;
    let before = site.body().await?;
    // A registry that nobody runs, so that the Engine asks nobody else.
    let id = site
        .ask_recreate(Some("127.0.0.1:9/komodo/periphery:none"))
        .await?;
    let update = site.settled(&id).await?;
    assert!(!update.success, "{update:#?}");
    assert!(
        story(&update).contains("127.0.0.1:9/komodo/periphery:none"),
        "{update:#?}"
    );
    let after = site.body().await?;
    assert_eq!(before.started_at(), after.started_at());
    same(&before.identity(), &after.identity())?;
    Ok(())
}

/// Ids of all servers with the keys of their agents, and who joined with an onboarding key.
async fn identities(site: &Site) -> Result<(Vec<(Value, Value)>, Vec<Vec<String>>), Failure> {
    let servers = site.core.client.call_raw(&ListServers::default()).await?;
    let each = servers.as_array().into_iter().flatten();
    let servers = each
        .map(|server| (server["id"].clone(), server["info"]["public_key"].clone()))
        .collect();
    let keys = site.core.client.call(&ListOnboardingKeys {}).await?;
    Ok((servers, keys.into_iter().map(|key| key.onboarded).collect()))
}

/// Its key and its journal are in the container itself, and go with it.
#[tokio::test]
async fn an_agent_without_a_volume_takes_its_key_along() -> Result<(), Failure> {
    let engine = Engine::start().await?;
    let core = core_of(&engine).await?;
    let agent = core.agent_without_volume(&engine, AGENT, SERVER).await?;
    let site = Site::run(engine, core, agent, None).await?;
    let joined = identities(&site).await?;
    assert_eq!(joined.0.len(), 1, "{joined:?}");
    assert!(joined.0[0].1.is_string(), "no key: {joined:?}");
    assert_eq!(joined.1.concat().len(), 1, "{joined:?}");

    let next = next_version(&site.engine, AGENT_IMAGE).await?;
    let old = site.body().await?;
    let update = site.settled(&site.ask_recreate(Some(&next)).await?).await?;
    tells_confirmed(&update)?;
    assert_ne!(old.id(), site.body().await?.id());
    assert_eq!(identities(&site).await?, joined);

    rolled_back(&site, BadAgent::DiesAfter(1), "the new container").await?;
    assert_eq!(identities(&site).await?, joined);
    Ok(())
}
