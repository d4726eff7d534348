//! A Core as it is asked, wherever it runs: address, clients, what its answers are waited for.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use komodo_api::{
    container::{ContainerListItem, ListContainers},
    onboarding_key::CreateOnboardingKey,
    resource::ServerRef,
    server::{GetServerState, ServerState},
};
use komodo_client::{Client, Credentials};

use super::{Failure, command, wait_for};

/// A Core with an administrator, and a client with an API key.
#[derive(Debug)]
pub struct Access {
    /// Where it listens.
    pub address: SocketAddr,
    /// A client of the administrator.
    pub client: Client,
    /// Credentials of that client.
    pub credentials: Credentials,
    /// Name and password of the administrator.
    pub admin: (String, String),
    directory: tempfile::TempDir,
}

impl Access {
    /// Makes the data directory and the administrator of a Core that will listen at `address`.
    pub(super) fn bootstrap(address: SocketAddr) -> Result<Self, Failure> {
        let directory = tempfile::TempDir::new()?;
        let output = command("komodo-core", directory.path(), address)?
            .args(["bootstrap", "--api-key", "test"])
            .output()?;
        if !output.status.success() {
            return Err(format!("bootstrap: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let made: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let text = |name: &str| {
            made[name]
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| format!("bootstrap gives no {name}"))
        };
        let credentials = Credentials::ApiKey {
            key: text("key")?,
            secret: text("secret")?,
        };
        Ok(Access {
            address,
            client: Client::new(&format!("http://{address}"), credentials.clone())?,
            credentials,
            admin: (text("username")?, text("password")?),
            directory,
        })
    }

    /// Its data directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where a Core that is a process of the test prints to.
    pub(super) fn core_log(&self) -> PathBuf {
        self.directory().join("core.log")
    }

    /// A join string for new agents.
    ///
    /// # Errors
    /// When Core refuses.
    pub async fn join_string(&self) -> Result<String, Failure> {
        let key = CreateOnboardingKey {
            name: "test".into(),
            ..CreateOnboardingKey::default()
        };
        Ok(self.client.call(&key).await?.private_key)
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// When it does not within the deadline; the error holds what it printed.
    pub async fn wait_ready(&self) -> Result<(), Failure> {
        wait_for("Core to answer", || async { self.client.user().await.ok() })
            .await
            .map_err(|error| self.with_log(&error))
            .map(drop)
    }

    /// Waits until a server has a state.
    ///
    /// # Errors
    /// When it has not within the deadline; the error holds what Core printed.
    pub async fn wait_server(&self, server: &str, state: ServerState) -> Result<(), Failure> {
        let ask = GetServerState {
            server: ServerRef(server.into()),
        };
        wait_for(&format!("server {server} to be {state:?}"), || async {
            self.client
                .call(&ask)
                .await
                .ok()
                .filter(|answer| answer.status == state)
        })
        .await
        .map_err(|error| self.with_log(&error))
        .map(drop)
    }

    /// Waits until Core's view of a server fulfils a condition.
    ///
    /// # Errors
    /// When it does not within the deadline.
    pub async fn wait_containers(
        &self,
        server: &str,
        what: &str,
        condition: impl Fn(&[ContainerListItem]) -> bool,
    ) -> Result<Vec<ContainerListItem>, Failure> {
        let ask = ListContainers {
            server: ServerRef(server.into()),
        };
        wait_for(what, || async {
            self.client
                .call(&ask)
                .await
                .ok()
                .filter(|list| condition(list))
        })
        .await
    }

    fn with_log(&self, error: &Failure) -> Failure {
        let log = fs::read_to_string(self.core_log()).unwrap_or_default();
        format!("{error}\n{log}").into()
    }
}
