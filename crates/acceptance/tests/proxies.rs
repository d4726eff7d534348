//! The agent survives every server-wide operation also where it reaches Core, or the Engine, through other containers
//! of the Engine it manages: those are spared like the agent itself, and nothing else is.

use bollard::models::{EndpointSettings, NetworkingConfig};
use komodo_acceptance::survival::{LINK_UP, Scene, Spared, start_others, survives};
use komodo_api::{
    container::{InspectContainer, ListProtected},
    plan::ReasonCode,
    resource::{ContainerRef, ServerRef},
    server::ServerState,
};
use komodo_testkit::{
    engine::{Container, Engine},
    installation::{AgentContainer, Core, Failure, forwarder},
};

const SERVER: &str = "host-1";
const AGENT: &str = "periphery";
const NETWORK: &str = "backend";
const TUNNEL: &str = "tunnel";
const TUNNEL_PORT: u16 = 9443;
const SOCKET_PROXY: &str = "docker-proxy";
const SOCKET_PROXY_PORT: u16 = 2375;

/// An Engine with a Core outside of it.
struct Site {
    engine: Engine,
    core: Core,
}

impl Site {
    async fn new() -> Result<Self, Failure> {
        let engine = Engine::start().await?;
        engine.create_network(NETWORK).await?;
        let core = Core::start(engine.host_address().into()).await?;
        Ok(Site { engine, core })
    }

    /// A container that leads to Core.
    async fn tunnel(&self) -> Result<Container, Failure> {
        forwarder(
            &self.engine,
            TUNNEL,
            TUNNEL_PORT,
            &self.core.address.to_string(),
        )
        .await
    }

    /// A container that leads to the Engine.
    async fn socket_proxy(&self) -> Result<Container, Failure> {
        let proxy = forwarder(
            &self.engine,
            SOCKET_PROXY,
            SOCKET_PROXY_PORT,
            "unix:/var/run/docker.sock",
        )
        .await?;
        Ok(proxy.bind(self.engine.socket(), "/var/run/docker.sock"))
    }

    async fn agent(&self) -> Result<AgentContainer, Failure> {
        self.core.agent_container(&self.engine, AGENT, SERVER).await
    }

    /// Runs the agent, and all server-wide operations through it. `before` and `after` start around it.
    async fn survives(
        &self,
        name: &str,
        before: Vec<Container>,
        agent: Container,
        after: Vec<Container>,
        spared: Spared,
    ) -> Result<(), Failure> {
        for container in before {
            self.engine.run(container).await?;
        }
        let agent_id = self.engine.run(agent).await?;
        for container in after {
            self.engine.run(container).await?;
        }
        start_others(&self.engine).await?;
        if let Err(error) = self.core.wait_server(SERVER, ServerState::Ok).await {
            let log = self.engine.logs(AGENT).await?;
            return Err(format!("{name}: {error}\nagent: {log}").into());
        }
        survives(Scene {
            name,
            engine: &self.engine,
            core: &self.core,
            server: SERVER,
            agent_id: &agent_id,
            spared,
        })
        .await
    }
}

/// What the tests of one more variable in the agent's environment overwrite.
fn through(agent: Container, host: &str) -> Container {
    agent.env(
        "PERIPHERY_CORE_ADDRESS",
        format!("ws://{host}:{TUNNEL_PORT}"),
    )
}

/// The Engine is reached only over TCP.
fn without_socket(agent: Container, docker_host: &str) -> Container {
    agent.env("DOCKER_HOST", docker_host).with(|body| {
        let binds = body.host_config.get_or_insert_default().binds.as_mut();
        if let Some(binds) = binds {
            binds.retain(|bind| !bind.ends_with("docker.sock"));
        }
    })
}

fn alias(container: Container, alias: &str) -> Container {
    let alias = alias.to_owned();
    container.network_mode(NETWORK).with(|body| {
        let endpoint = EndpointSettings {
            aliases: Some(vec![alias]),
            ..EndpointSettings::default()
        };
        body.networking_config = Some(NetworkingConfig {
            endpoints_config: Some([(NETWORK.to_owned(), endpoint)].into()),
        });
    })
}

const BEHIND_TUNNEL: Spared = &[
    (AGENT, ReasonCode::Agent),
    (TUNNEL, ReasonCode::AgentDependency),
];
const BEHIND_SOCKET_PROXY: Spared = &[
    (AGENT, ReasonCode::Agent),
    (SOCKET_PROXY, ReasonCode::AgentDependency),
];

#[tokio::test]
async fn a_tunnel_in_the_agents_network_is_spared() -> Result<(), Failure> {
    let site = Site::new().await?;
    let (tunnel, agent) = (site.tunnel().await?, site.agent().await?);
    site.survives(
        "tunnel by name",
        vec![tunnel.network_mode(NETWORK)],
        through(agent.container, TUNNEL).network_mode(NETWORK),
        vec![],
        BEHIND_TUNNEL,
    )
    .await
}

/// The agent dials the host, and a port that is published there.
#[tokio::test]
async fn a_reverse_proxy_on_a_published_port_is_spared() -> Result<(), Failure> {
    let site = Site::new().await?;
    let (tunnel, agent) = (site.tunnel().await?, site.agent().await?);
    let host = site.engine.address().to_string();
    site.survives(
        "published port",
        vec![tunnel.network_mode(NETWORK).publish(TUNNEL_PORT)],
        through(agent.container, &host),
        vec![],
        BEHIND_TUNNEL,
    )
    .await
}

#[tokio::test]
async fn a_reverse_proxy_on_a_published_port_is_spared_from_the_host_network() -> Result<(), Failure>
{
    let site = Site::new().await?;
    let (tunnel, agent) = (site.tunnel().await?, site.agent().await?);
    site.survives(
        "published port, host network",
        vec![tunnel.publish(TUNNEL_PORT)],
        through(agent.container, "127.0.0.1").network_mode("host"),
        vec![],
        BEHIND_TUNNEL,
    )
    .await
}

#[tokio::test]
async fn a_tunnel_that_joins_the_agents_network_is_spared() -> Result<(), Failure> {
    let site = Site::new().await?;
    let (tunnel, agent) = (site.tunnel().await?, site.agent().await?);
    site.survives(
        "sidecar",
        vec![],
        through(agent.container, "127.0.0.1"),
        vec![tunnel.network_mode(format!("container:{AGENT}"))],
        BEHIND_TUNNEL,
    )
    .await
}

/// The name in `DOCKER_HOST` is known to the network only.
#[tokio::test]
async fn a_socket_proxy_under_an_alias_is_spared() -> Result<(), Failure> {
    let site = Site::new().await?;
    let (proxy, agent) = (site.socket_proxy().await?, site.agent().await?);
    site.survives(
        "socket proxy by alias",
        vec![alias(proxy, "engine.internal")],
        without_socket(agent.container, "tcp://engine.internal:2375").network_mode(NETWORK),
        vec![],
        BEHIND_SOCKET_PROXY,
    )
    .await
}

#[tokio::test]
async fn a_socket_proxy_whose_network_the_agent_joins_is_spared() -> Result<(), Failure> {
    let site = Site::new().await?;
    let (proxy, agent) = (site.socket_proxy().await?, site.agent().await?);
    site.survives(
        "socket proxy in one network namespace",
        vec![proxy],
        without_socket(agent.container, "tcp://localhost:2375")
            .network_mode(format!("container:{SOCKET_PROXY}")),
        vec![],
        BEHIND_SOCKET_PROXY,
    )
    .await
}

/// Its end would be the agent's: the kernel ends all processes of a PID namespace with the first.
#[tokio::test]
async fn a_container_whose_pid_namespace_the_agent_shares_is_spared() -> Result<(), Failure> {
    let site = Site::new().await?;
    let agent = site.agent().await?;
    site.survives(
        "PID namespace",
        vec![Container::idle("first-process")],
        agent.container.pid_mode("container:first-process"),
        vec![],
        &[
            (AGENT, ReasonCode::Agent),
            ("first-process", ReasonCode::AgentDependency),
        ],
    )
    .await
}

/// Core is elsewhere, on a port that a container publishes here too: that one leads nowhere.
#[tokio::test]
async fn a_container_that_only_publishes_the_same_port_is_not_spared() -> Result<(), Failure> {
    let site = Site::new().await?;
    let agent = site.agent().await?;
    let decoy = Container::idle("decoy").publish(site.core.address.port());
    site.engine.run(decoy).await?;
    site.engine.run(agent.container).await?;
    site.core.wait_server(SERVER, ServerState::Ok).await?;
    site.core
        .wait_containers(SERVER, "the decoy with its port", |list| {
            list.iter()
                .any(|item| item.name == "decoy" && !item.ports.is_empty())
        })
        .await?;
    let protected = site
        .core
        .client
        .call(&ListProtected {
            server: ServerRef(SERVER.into()),
        })
        .await?;
    let names: Vec<&str> = protected
        .iter()
        .map(|item| item.container.as_str())
        .collect();
    assert_eq!(names, [AGENT], "{protected:?}");
    Ok(())
}

/// Each of two servers on one Engine spares the agent of the other, and inspect says so too.
#[tokio::test]
async fn agents_of_two_servers_on_one_engine_spare_each_other() -> Result<(), Failure> {
    const SECOND: &str = "host-2";
    const SECOND_AGENT: &str = "second-periphery";
    const BOTH: Spared = &[
        (AGENT, ReasonCode::Agent),
        (SECOND_AGENT, ReasonCode::Agent),
    ];
    let Site { engine, core } = Site::new().await?;
    let first = core.agent_container(&engine, AGENT, SERVER).await?;
    let second = core.agent_container(&engine, SECOND_AGENT, SECOND).await?;
    let first_id = engine.run(first.container).await?;
    let second_id = engine.run(second.container).await?;
    for (server, agent_id) in [(SERVER, &first_id), (SECOND, &second_id)] {
        start_others(&engine).await?;
        core.wait_server(server, ServerState::Ok).await?;
        survives(Scene {
            name: server,
            engine: &engine,
            core: &core,
            server,
            agent_id,
            spared: BOTH,
        })
        .await?;
        for name in [AGENT, SECOND_AGENT] {
            let inspected = core
                .client
                .call(&InspectContainer {
                    server: ServerRef(server.into()),
                    container: ContainerRef(name.into()),
                })
                .await?;
            let inspected = serde_json::to_value(&inspected)?;
            assert_eq!(
                inspected["protected"][0]["reason"], "agent",
                "{server}: {inspected}"
            );
        }
    }
    Ok(())
}

/// The agent of one server reaches Core through a tunnel: also the other server's operations spare it, and the agent
/// behind it stays connected.
#[tokio::test]
async fn a_tunnel_of_another_servers_agent_is_spared() -> Result<(), Failure> {
    const SECOND: &str = "host-2";
    const SECOND_AGENT: &str = "second-periphery";
    let site = Site::new().await?;
    let (tunnel, first) = (site.tunnel().await?, site.agent().await?);
    let Site { engine, core } = &site;
    let second = core.agent_container(engine, SECOND_AGENT, SECOND).await?;
    engine.run(tunnel.network_mode(NETWORK)).await?;
    let second_agent = through(second.container, TUNNEL).network_mode(NETWORK);
    let second_id = engine.run(second_agent).await?;
    core.wait_server(SECOND, ServerState::Ok).await?;
    site.survives(
        "another's tunnel",
        vec![],
        first.container,
        vec![],
        &[
            (AGENT, ReasonCode::Agent),
            (SECOND_AGENT, ReasonCode::Agent),
            (TUNNEL, ReasonCode::AgentDependency),
        ],
    )
    .await?;
    let log = engine.logs(&second_id).await?;
    assert_eq!(log.matches(LINK_UP).count(), 1, "it lost Core: {log}");
    core.wait_server(SECOND, ServerState::Ok).await
}
