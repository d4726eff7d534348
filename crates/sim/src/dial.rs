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

use crate::host::SimHost;

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

/// Keeps a link to Core under a name, until `cancel`, for each agent that runs on `host`, one after the other: what is
/// handed over is another agent, with the same key.
///
/// # Errors
/// [`DialError`], at once; a Core that does not answer is no error, it is tried again.
pub async fn dial(
    host: &SimHost,
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
    let config = AgentLinkConfig {
        identity,
        connect_as: name.to_owned(),
        core_keys: vec![options.join.core_key],
        join_token: Some(options.join.token.clone()),
        known_cores: None,
        timings,
    };
    let mut agents = host.agents();
    while !cancel.is_cancelled() {
        let now = agents.borrow_and_update().clone();
        let Some(agent) = now.filter(|agent| agent.is_alive() && agent.reaches_core()) else {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(()),
                changed = agents.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return Ok(()),
                },
            }
        };
        let dialler = CoreDialler::new(
            options.core.clone(),
            name,
            OuterTls::Verify,
            &config.timings,
        )
        .map_err(|error| DialError::Dialler {
            name: name.to_owned(),
            why: error.to_string(),
        })?;
        let service = router(Arc::new(agent.clone()));
        let run = agent::run(
            config.clone(),
            dialler,
            service,
            state.clone(),
            cancel.clone(),
        );
        tokio::select! {
            biased;
            // A process that ends takes its connections with it.
            () = agent.closed() => {}
            ended = run => ended?,
        }
    }
    Ok(())
}
