//! What a script prepares before Core starts: the first administrator, an API key, a server that is about to join.
//!
//! Everything goes down the same road as a request of that administrator, so nothing here knows how it is stored. Core
//! must not be running on the database meanwhile; the lock of the data directory sees to that.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use komodo_api::{
    Error, Operation,
    auth::{
        ApiKey, CreateApiKey, CreateApiKeyResponse, DeleteApiKey, ListApiKeys, SignUpLocalUser,
    },
    onboarding_key::{
        CreateOnboardingKey, CreateOnboardingKeyResponse, DeleteOnboardingKey, ListOnboardingKeys,
        OnboardingKey,
    },
    resource::ServerRef,
    server::{CreateServer, GetServer, PartialServerConfig, Server},
};
use serde::Serialize;

use crate::{
    App,
    app::{ResetError, StartError, Surroundings, new_password},
    config::Config,
    desired::Account,
    dispatch::Cx,
};

/// Name of the administrator that is made on a fresh database where none is configured.
const ADMIN: &str = "admin";

/// What is to be prepared.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// An API key of this name; those of the same name go.
    pub api_key: Option<String>,
    /// A server of this name, and a join string for its agent, good once.
    pub server: Option<String>,
    /// A new password for the administrator.
    pub new_password: bool,
}

/// What was prepared. Absent is what was not asked for or was there already.
#[derive(Serialize)]
pub struct Prepared {
    /// Name of the administrator.
    pub username: String,
    /// Password of the administrator, where it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// The API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Secret of the API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Join string of the server's agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
}

/// Why something is not prepared.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// Core cannot use its data directory; most often because it is running.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The password cannot be set.
    #[error(transparent)]
    Reset(#[from] ResetError),
    /// A request was refused.
    #[error(transparent)]
    Api(#[from] Error),
    /// The users there are cannot help.
    #[error("there is no enabled administrator; enable one first: komodo-core reset-password NAME")]
    NoAdministrator,
    /// The join string of the first server cannot be kept where its agent looks for it.
    #[error("cannot write the join string to {path}", path = path.display())]
    Join {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Prepares what is wanted. To do so again is harmless: what is there stays, except keys of the same name.
///
/// # Errors
/// [`BootstrapError`]; what was prepared before stays.
pub async fn bootstrap(
    mut config: Config,
    surroundings: Surroundings,
    wanted: Wanted,
) -> Result<Prepared, BootstrapError> {
    // The first user signs up as anybody would, with the setup token that a fresh Core makes.
    config.local_auth = true;
    let app = App::start(config, surroundings).await?;
    let password = match app.desired.snapshot().accounts.is_empty() {
        true => Some(sign_up(&app).await?),
        false => None,
    };
    let administrator = administrator(&app).ok_or(BootstrapError::NoAdministrator)?;
    let username = administrator.user.username.clone();
    let mut prepared = Prepared {
        username,
        password,
        key: None,
        secret: None,
        join: None,
    };
    let caller = Caller {
        app: &app,
        account: Some(administrator),
    };
    if let Some(name) = wanted.api_key {
        let CreateApiKeyResponse { key, secret } = caller.api_key(name).await?;
        (prepared.key, prepared.secret) = (Some(key), Some(secret));
    }
    if let Some(name) = wanted.server {
        prepared.join = Some(caller.join_string(name).await?);
    }
    if wanted.new_password && prepared.password.is_none() {
        prepared.password =
            Some(new_password(&app.desired, &*app.clock, &prepared.username).await?);
    }
    app.shut_down().await;
    Ok(prepared)
}

/// Makes the server that the settings name, and keeps a join string for its agent, good once, in the file that they
/// name. The file is the mark that this was done: while it is there, nothing is made, so that a server which somebody
/// deletes does not come again.
///
/// # Errors
/// [`BootstrapError`]; the next start tries again.
pub async fn first_server(app: &Arc<App>) -> Result<(), BootstrapError> {
    let (Some(server), Some(path)) = (
        &app.config.first_server_name,
        &app.config.first_server_join_path,
    ) else {
        return Ok(());
    };
    if path.exists() {
        return Ok(());
    }
    let administrator = administrator(app).ok_or(BootstrapError::NoAdministrator)?;
    let caller = Caller {
        app,
        account: Some(administrator),
    };
    let join = caller.join_string(server.clone()).await?;
    keep_secret(path, &join).map_err(|source| BootstrapError::Join {
        path: path.clone(),
        source,
    })?;
    tracing::info!(path = %path.display(), "made the server {server}; the join string of its agent is kept for it");
    Ok(())
}

/// Under its name only once it is whole, for an agent that looks at the same moment.
fn keep_secret(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let staged = path.with_extension("new");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&staged)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&staged, path)
}

async fn sign_up(app: &Arc<App>) -> Result<String, Error> {
    let password = crate::id::random_alphanumeric(20);
    let operation = SignUpLocalUser {
        username: ADMIN.to_owned(),
        password: password.clone(),
        setup_token: Some(app.auth.make_setup_token()),
    };
    Caller { app, account: None }.call(&operation).await?;
    Ok(password)
}

/// The first of the administrators who may do anything.
fn administrator(app: &App) -> Option<Arc<Account>> {
    let state = app.desired.snapshot();
    let may = |account: &&Arc<Account>| {
        account.user.enabled && (account.user.super_admin || account.user.admin)
    };
    state
        .accounts
        .values()
        .filter(may)
        .min_by_key(|account| (!account.user.super_admin, account.id))
        .cloned()
}

struct Caller<'a> {
    app: &'a Arc<App>,
    account: Option<Arc<Account>>,
}

impl Caller<'_> {
    async fn call<O: Operation>(&self, operation: &O) -> Result<O::Output, Error> {
        let broken = |error: serde_json::Error| Error::invalid(format!("{}: {error}", O::NAME));
        let entry = self.app.table.find(O::MODULE, O::NAME)?;
        let cx = Cx {
            request_id: "bootstrap".into(),
            caller: self.account.clone(),
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            state: self.app.desired.snapshot(),
        };
        let body = serde_json::to_vec(operation).map_err(broken)?;
        let (answer, _) = (entry.run)(Arc::clone(self.app), cx, body.into()).await?;
        serde_json::from_slice(&answer).map_err(broken)
    }

    async fn api_key(&self, name: String) -> Result<CreateApiKeyResponse, Error> {
        let held: Vec<ApiKey> = self.call(&ListApiKeys {}).await?;
        for old in held.into_iter().filter(|held| held.name == name) {
            self.call(&DeleteApiKey { key: old.key }).await?;
        }
        self.call(&CreateApiKey { name, expires: 0 }).await
    }

    /// The key is privileged, because the agent takes over the server that is made here, or lost its own key.
    async fn join_string(&self, server: String) -> Result<String, Error> {
        let known: Result<Server, Error> = self
            .call(&GetServer {
                server: ServerRef(server.clone()),
            })
            .await;
        if known.is_err() {
            // The owner of this host did not ask for anything to be removed from it.
            let config = PartialServerConfig {
                enabled: Some(true),
                auto_prune: Some(false),
                ..PartialServerConfig::default()
            };
            self.call(&CreateServer {
                name: server.clone(),
                config,
                public_key: None,
            })
            .await?;
        }
        let name = format!("join {server}");
        let held: Vec<OnboardingKey> = self.call(&ListOnboardingKeys {}).await?;
        for old in held.into_iter().filter(|held| held.name == name) {
            self.call(&DeleteOnboardingKey {
                public_key: old.public_key,
            })
            .await?;
        }
        let key = CreateOnboardingKey {
            name,
            privileged: true,
            max_uses: Some(1),
            ..CreateOnboardingKey::default()
        };
        let CreateOnboardingKeyResponse { private_key, .. } = self.call(&key).await?;
        Ok(private_key)
    }
}
