//! Simulated agents that dial a Core over the network, through the whole link, as real ones do.

use std::{path::PathBuf, sync::Arc};

use komodo_agent_http::router;
use komodo_link::{
    Identity, IdentityError, JoinString,
    agent::{
        self, AgentLinkConfig, AgentTimings, ConfigError, CoreAddress, CoreDialler, LinkState,
        OuterTls,
    },
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::agent::SimAgent;

/// How simulated agents reach Core.
#[derive(Debug, Clone)]
pub struct DialOptions {
    /// Where Core is.
    pub core: CoreAddress,
    /// What lets them in.
    pub join: JoinString,
    /// Where their keys are kept; without it they have new ones each time.
    pub keys: Option<PathBuf>,
}

/// Why a simulated agent does not dial.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Its key.
    #[error("the key of '{name}' cannot be used")]
    Identity {
        /// Name of the agent.
        name: String,
        /// Why.
        #[source]
        source: IdentityError,
    },
    /// Its way to Core.
    #[error("'{name}' cannot prepare to dial Core: {why}")]
    Dialler {
        /// Name of the agent.
        name: String,
        /// Why.
        why: String,
    },
    /// Its settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Keeps a link from `agent` to Core under a name, until `cancel`.
///
/// # Errors
/// [`DialError`], at once; a Core that does not answer is no error, it is tried again.
pub async fn dial(
    agent: SimAgent,
    name: &str,
    options: &DialOptions,
    state: watch::Sender<LinkState>,
    cancel: CancellationToken,
) -> Result<(), DialError> {
    let identity = match &options.keys {
        Some(directory) => Identity::load_or_create(&directory.join(format!("{name}.key"))),
        None => Identity::generate(),
    };
    let identity = identity.map_err(|source| DialError::Identity {
        name: name.to_owned(),
        source,
    })?;
    let timings = AgentTimings::default();
    let dialler = CoreDialler::new(options.core.clone(), name, OuterTls::Verify, &timings)
        .map_err(|error| DialError::Dialler {
            name: name.to_owned(),
            why: error.to_string(),
        })?;
    let config = AgentLinkConfig {
        identity,
        connect_as: name.to_owned(),
        core_keys: vec![options.join.core_key],
        join_token: Some(options.join.token.clone()),
        known_cores: None,
        timings,
    };
    agent::run(config, dialler, router(Arc::new(agent)), state, cancel).await?;
    Ok(())
}
