//! The programs as containers of an Engine, and containers that stand between them.

use std::{net::SocketAddr, ops::Deref, path::Path};

use super::{Access, Failure, JOIN_FILE, environment, program, secret_file};
use crate::engine::{Container, Engine, Restart};

const FORWARD_IMAGE: &str = "komodo-test/forward:1";
/// Image of the agent's containers.
pub const AGENT_IMAGE: &str = "komodo-test/periphery:1";
/// Image of Core's containers.
pub const CORE_IMAGE: &str = "komodo-test/core:1";
/// Port that a Core in a container publishes.
const CORE_PORT: u16 = 9120;
/// Where its data is, in the container.
const CORE_DATA: &str = "/data";

/// A container of the agent that is yet to be started, and its state, which must outlive it.
#[derive(Debug)]
pub struct AgentContainer {
    /// The container.
    pub container: Container,
    /// Its root directory.
    pub state: tempfile::TempDir,
}

impl Access {
    /// A container that runs the agent as users run it; add to it what the test is about.
    ///
    /// # Errors
    /// When the image cannot be made.
    pub async fn agent_container(
        &self,
        engine: &Engine,
        name: &str,
        server: &str,
    ) -> Result<AgentContainer, Failure> {
        agent_image(engine).await?;
        let state = tempfile::TempDir::new()?;
        secret_file(state.path(), &self.join_string().await?)?;
        let container = self
            .agent_of(name, server)
            .bind(engine.socket(), "/var/run/docker.sock")
            .bind(state.path(), "/etc/komodo")
            .env(
                "PERIPHERY_ONBOARDING_KEY_FILE",
                format!("/etc/komodo/{JOIN_FILE}"),
            );
        Ok(AgentContainer { container, state })
    }

    /// As [`Access::agent_container`], with its root directory in the container itself: what is in there is lost with
    /// the container.
    ///
    /// # Errors
    /// When the image cannot be made.
    pub async fn agent_without_volume(
        &self,
        engine: &Engine,
        name: &str,
        server: &str,
    ) -> Result<Container, Failure> {
        agent_image(engine).await?;
        Ok(self
            .agent_of(name, server)
            .bind(engine.socket(), "/var/run/docker.sock")
            .env("PERIPHERY_ONBOARDING_KEY", self.join_string().await?))
    }

    fn agent_of(&self, name: &str, server: &str) -> Container {
        Container::from_image(name, AGENT_IMAGE)
            .env("PERIPHERY_ROOT_DIRECTORY", "/etc/komodo")
            .env("PERIPHERY_CORE_ADDRESS", format!("ws://{}", self.address))
            .env("PERIPHERY_CONNECT_AS", server)
    }
}

/// Makes the image of the agent in an Engine.
///
/// # Errors
/// When it cannot be made.
pub async fn agent_image(engine: &Engine) -> Result<(), Failure> {
    engine
        .image_from_binary(&program("komodo-periphery")?, AGENT_IMAGE)
        .await?;
    Ok(())
}

/// A Core in a container of an Engine, as users run it: its data in a folder of the host, a published port.
/// Dereferences to [`Access`].
#[derive(Debug)]
pub struct CoreContainer {
    /// Name of the container.
    pub name: String,
    /// Id that it was started with.
    pub id: String,
    access: Access,
}

impl Deref for CoreContainer {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.access
    }
}

impl CoreContainer {
    /// Starts it and waits until it answers; `configure` adds what the test is about.
    ///
    /// # Errors
    /// When it cannot be started or does not answer; the error holds what it printed.
    pub async fn start(
        engine: &Engine,
        name: &str,
        configure: impl FnOnce(Container) -> Container,
    ) -> Result<Self, Failure> {
        engine
            .image_from_binary(&program("komodo-core")?, CORE_IMAGE)
            .await?;
        let address = SocketAddr::new(engine.address().into(), CORE_PORT);
        let access = Access::bootstrap(address)?;
        let container = Container::from_image(name, CORE_IMAGE)
            .bind(access.directory(), CORE_DATA)
            .publish(CORE_PORT)
            .restart(Restart::UnlessStopped);
        let container = environment(Path::new(CORE_DATA), address)
            .into_iter()
            .filter(|(name, _)| *name != "KOMODO_BIND_IP")
            .fold(container, |container, (name, value)| {
                container.env(name, value)
            });
        let id = engine.run(configure(container)).await?;
        let core = CoreContainer {
            name: name.to_owned(),
            id,
            access,
        };
        if let Err(error) = core.wait_ready().await {
            let log = engine.logs(name).await.unwrap_or_default();
            return Err(format!("{error}\n{log}").into());
        }
        Ok(core)
    }
}

/// A container that forwards what comes to a port of its own to `target` (`HOST:PORT` or `unix:/path`), as tunnels,
/// reverse proxies and socket proxies do.
///
/// # Errors
/// When the image cannot be made.
pub async fn forwarder(
    engine: &Engine,
    name: &str,
    port: u16,
    target: &str,
) -> Result<Container, Failure> {
    engine
        .image_from_binary(&program("komodo-forward")?, FORWARD_IMAGE)
        .await?;
    Ok(Container::from_image(name, FORWARD_IMAGE)
        .command([format!("0.0.0.0:{port}"), target.to_owned()]))
}
