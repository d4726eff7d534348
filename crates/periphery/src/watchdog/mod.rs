//! `komodo-periphery watchdog`: brings an agent back that was stopped or paused from outside.
//!
//! It decides nothing: [`komodo_plan::watchdog`] does. Here the Engine is looked at when it tells that something happened
//! (`follow`), what is needed for the decision is read (`look`), and what it says is done. An agent that is a unit of
//! systemd is another matter (`unit`). It has no configuration but its arguments, no state, and no network.

mod follow;
mod look;
mod unit;

use std::{convert::Infallible, path::PathBuf, time::Duration};

use clap::Args;
use komodo_docker::{CommandError, Endpoint, EndpointError, EngineError};
use komodo_plan::watchdog::FindError;
use tokio::signal::unix::{SignalKind, signal};

use follow::Watch;

/// What a watchdog is told.
#[derive(Debug, Clone, Args)]
pub struct WatchdogArguments {
    /// Name or id of the agent's container. Without it, the only container with the label `komodo.agent`; where none has
    /// that, the only one that is the service `periphery` of a compose project. None or several are an error.
    #[arg(long, value_name = "NAME|ID")]
    agent: Option<String>,
    /// The agent's root directory, where it leaves the mark of having been detached. Without it, what
    /// PERIPHERY_ROOT_DIRECTORY says in the agent's container; else /etc/komodo.
    #[arg(long, value_name = "PATH")]
    root: Option<PathBuf>,
    /// Time that whoever stopped the agent has to start it again, in seconds: a `docker restart` and a
    /// `docker compose up` are not disturbed. Doubled with every start that did not last.
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=300))]
    grace: u32,
    /// Looks once, acts where that is due, and ends: 0 all is well or was made so, 1 it was not. For timers.
    #[arg(long)]
    once: bool,
    /// The agent is this unit of systemd and no container: starts it unless it is disabled, masked, or was detached.
    #[arg(long, value_name = "NAME", requires = "once", conflicts_with = "agent")]
    unit: Option<String>,
    /// The unit is one of the user's own systemd.
    #[arg(long, requires = "unit")]
    user: bool,
}

/// Why a watchdog ends.
#[derive(Debug, thiserror::Error)]
pub enum WatchdogError {
    /// `DOCKER_HOST` cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The agent's container cannot be told.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The Engine fails.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Nobody could tell an agent that was detached from one that was stopped.
    #[error(
        "the Engine, or the proxy before it, does not let files in the agent's container be read (GET \
         /containers/…/archive), and without that an agent that was detached on purpose would be brought back"
    )]
    Barred(#[source] EngineError),
    /// The agent could not be brought back.
    #[error("'{name}' could not be brought back")]
    Act {
        /// Name of the container.
        name: String,
        /// Why.
        #[source]
        source: EngineError,
    },
    /// systemd cannot be asked.
    #[error("systemctl cannot be run")]
    Systemctl(#[source] CommandError),
    /// systemd refuses.
    #[error("systemctl {verb} {unit}: {says}")]
    Unit {
        /// What was asked.
        verb: &'static str,
        /// Of which unit.
        unit: String,
        /// What it says.
        says: String,
    },
    /// There is no such unit.
    #[error("systemd knows no unit '{0}'; say which one is the agent's with --unit")]
    NoUnit(String),
    /// That is no name of a unit.
    #[error("'{0}' is no name of a unit")]
    UnitName(String),
    /// No runtime, or no signals.
    #[error("the program cannot be started")]
    Start(#[source] std::io::Error),
}

/// Watches until it is told to go, or looks once. `own_root` is the root directory that this program's own configuration
/// names, which is that of an agent on the same host.
///
/// # Errors
/// [`WatchdogError`]: the agent cannot be told, or, with `--once`, could not be brought back.
pub fn run(
    arguments: &WatchdogArguments,
    docker_host: &str,
    own_root: PathBuf,
) -> Result<(), WatchdogError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .map_err(WatchdogError::Start)?;
    let ended = runtime.block_on(serve(arguments, docker_host, own_root));
    runtime.shutdown_background();
    ended
}

async fn serve(
    arguments: &WatchdogArguments,
    docker_host: &str,
    own_root: PathBuf,
) -> Result<(), WatchdogError> {
    // First of all, since the first process of a container ignores what it does not handle.
    let mut terminate = signal(SignalKind::terminate()).map_err(WatchdogError::Start)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(WatchdogError::Start)?;
    tokio::select! {
        biased;
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        ended = watch(arguments, docker_host, own_root) => ended,
    }
}

async fn watch(
    arguments: &WatchdogArguments,
    docker_host: &str,
    own_root: PathBuf,
) -> Result<(), WatchdogError> {
    if let Some(unit) = &arguments.unit {
        let root = arguments.root.clone().unwrap_or(own_root);
        return unit::once(unit, arguments.user, &root).await;
    }
    let grace = Duration::from_secs(arguments.grace.into());
    let endpoint = Endpoint::parse(docker_host)?;
    let mut watch = Watch::new(
        endpoint,
        arguments.agent.clone(),
        arguments.root.clone(),
        grace,
    );
    if arguments.once {
        return watch.once().await;
    }
    let never: Infallible = watch.follow().await?;
    match never {}
}
