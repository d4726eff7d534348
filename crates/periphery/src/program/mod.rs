//! The agent as a process: keys, link, signals.

pub(crate) mod health;
pub(crate) mod helper;
pub(crate) mod logging;

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use komodo_agent_api::AgentApi;
use komodo_docker::Endpoint;
use komodo_link::{
    Identity, JoinString, JoinToken, PublicKey,
    agent::{
        self, AgentLinkConfig, AgentTimings, CoreAddress, CoreDialler, LinkState, OuterTls,
        load_known_cores,
    },
};
use komodo_periphery::{
    Agent, AgentOptions, config::Config, host::HostOptions, service::ServiceOptions,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use health::Presence;

/// Time the link has to end in order; whoever stops a container waits ten seconds before it kills.
const GOODBYE_DEADLINE: Duration = Duration::from_secs(4);
/// Time the Engine has to tell the name of its host, where the agent runs in a container and has no name yet.
const NAME_DEADLINE: Duration = Duration::from_secs(3);

/// Why the agent does not run.
pub(crate) enum Failure {
    /// Something that the user can set right.
    Configuration(Box<dyn std::error::Error + Send + Sync>),
    /// Anything else.
    Other(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Other(error)
    }
}

fn configuration(error: anyhow::Error) -> Failure {
    Failure::Configuration(error.into_boxed_dyn_error())
}

/// What the link needs, from the configuration.
struct LinkSettings {
    address: CoreAddress,
    identity: Identity,
    core_keys: Vec<PublicKey>,
    join_token: Option<JoinToken>,
}

/// Runs the agent until it is told to go.
pub(crate) fn run(config: Config, docker_host: &str) -> Result<(), Failure> {
    let endpoint = Endpoint::parse(docker_host).map_err(|error| configuration(error.into()))?;
    let presence = Presence::take(&config.root_directory).map_err(configuration)?;
    let settings = link_settings(&config).map_err(configuration)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()
        .context("the runtime cannot be started")?;
    let result = runtime.block_on(serve(&config, endpoint, settings, presence));
    // A look at a disk that hangs must not hold up the end.
    runtime.shutdown_background();
    result
}

async fn serve(
    config: &Config,
    endpoint: Endpoint,
    settings: LinkSettings,
    presence: Presence,
) -> Result<(), Failure> {
    // First of all, since the first process of a container ignores what it does not handle.
    let told = told_to_go().context("signals cannot be handled")?;
    let options = AgentOptions {
        host: HostOptions {
            polling_rate: config.stats_polling_rate,
            include_disk_mounts: config.include_disk_mounts.clone(),
            exclude_disk_mounts: config.exclude_disk_mounts.clone(),
            ..HostOptions::default()
        },
        service: ServiceOptions {
            core_keys: settings.core_keys.clone(),
            ..ServiceOptions::default()
        },
        state_elsewhere: key_file(config).into_iter().collect(),
        ..AgentOptions::new(endpoint, &config.root_directory)
    };
    let agent = Arc::new(
        Agent::start(options)
            .await
            .context("the journal cannot be opened")?,
    );
    let connect_as = match config.connect_as.trim() {
        "" => own_name(&agent).await,
        name => name.to_owned(),
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        core.address = %settings.address,
        server.name = connect_as,
        key = %settings.identity.public_key(),
        "the agent starts"
    );

    let outer_tls = match config.core_tls_insecure_skip_verify {
        true => OuterTls::InsecureSkipVerify,
        false => OuterTls::Verify,
    };
    let timings = AgentTimings::default();
    let link = AgentLinkConfig {
        identity: settings.identity,
        connect_as,
        core_keys: settings.core_keys,
        join_token: settings.join_token,
        known_cores: Some(config.root_directory.join(KNOWN_CORES)),
        timings: timings.clone(),
    };
    let mut attendant = agent.departure().attend();
    tokio::pin!(told);
    loop {
        let dialler = CoreDialler::new(
            settings.address.clone(),
            &link.connect_as,
            outer_tls,
            &timings,
        )
        .map_err(|error| configuration(error.into()))?;
        let (sender, state) = watch::channel(LinkState::Connecting);
        let cancel = CancellationToken::new();
        let router = komodo_agent_http::router(Arc::clone(&agent) as Arc<dyn AgentApi>);
        let linked = agent::run(link.clone(), dialler, router, sender, cancel.clone());
        tokio::pin!(linked);
        let (reason, goes) = tokio::select! {
            ended = &mut linked => {
                return ended.map_err(|error| configuration(error.into()));
            }
            never = follow_link(state, &agent, &presence) => match never {},
            signal = &mut told => (agent.reason_to_go(signal), true),
            reason = attendant.leaving() => (reason, false),
        };
        tracing::info!(?reason, "the agent goes");
        agent.say_goodbye(reason);
        cancel.cancel();
        if timeout(GOODBYE_DEADLINE, linked).await.is_err() {
            tracing::warn!("the link did not end in time");
        }
        if goes {
            return Ok(());
        }
        // From here on the Engine is asked to take our container away.
        attendant.left();
        tokio::select! {
            _ = &mut told => return Ok(()),
            () = attendant.staying() => {}
        }
        tracing::info!("the agent stays, or is back");
        agent.is_back();
    }
}

const KNOWN_CORES: &str = "keys/core.pub";
const PRIVATE_KEY: &str = "keys/periphery.key";

fn link_settings(config: &Config) -> anyhow::Result<LinkSettings> {
    let root = &config.root_directory;
    let address = config.core_addresses.first().context(
        "no address of Core is given: set PERIPHERY_CORE_ADDRESS (agents that wait for Core to dial are not built yet)",
    )?;
    let address: CoreAddress = address
        .parse()
        .with_context(|| format!("PERIPHERY_CORE_ADDRESS '{address}'"))?;

    let private_key = config.private_key.as_ref().map(|key| key.reveal().trim());
    let identity = match private_key.filter(|key| !key.is_empty()) {
        None => load_identity(&root.join(PRIVATE_KEY))?,
        Some(key) => match key.strip_prefix("file:") {
            Some(path) => load_identity(Path::new(path))?,
            None => Identity::parse(key.as_bytes()).context("PERIPHERY_PRIVATE_KEY")?,
        },
    };

    let mut core_keys = Vec::new();
    for key in &config.core_public_keys {
        match key.strip_prefix("file:") {
            Some(path) => core_keys.extend(load_known_cores(Path::new(path))?),
            None => core_keys.push(key.parse().context("PERIPHERY_CORE_PUBLIC_KEYS")?),
        }
    }
    core_keys.extend(load_known_cores(&root.join(KNOWN_CORES))?);

    let onboarding = config
        .onboarding_key
        .as_ref()
        .map(|key| key.reveal().trim())
        .filter(|key| !key.is_empty());
    let join_token = match onboarding {
        None => None,
        Some(text) if JoinString::looks_like(text) => {
            let join: JoinString = text.parse().context("PERIPHERY_ONBOARDING_KEY")?;
            core_keys.push(join.core_key);
            Some(join.token)
        }
        Some(text) => Some(
            text.parse::<JoinToken>()
                .context("PERIPHERY_ONBOARDING_KEY")?,
        ),
    };
    core_keys.sort();
    core_keys.dedup();
    anyhow::ensure!(
        !core_keys.is_empty(),
        "no key of Core is known: give the whole onboarding key that Core shows (PERIPHERY_ONBOARDING_KEY), or Core's \
         public key (PERIPHERY_CORE_PUBLIC_KEY)"
    );
    Ok(LinkSettings {
        address,
        identity,
        core_keys,
        join_token,
    })
}

/// The file of the agent's key, where that is not in its folder.
fn key_file(config: &Config) -> Option<PathBuf> {
    let key = config.private_key.as_ref()?.reveal().trim();
    key.strip_prefix("file:").map(PathBuf::from)
}

fn load_identity(path: &Path) -> anyhow::Result<Identity> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
    }
    Ok(Identity::load_or_create(path)?)
}

/// The name of the host. In a container the kernel may only know that of the container; the Engine knows better.
async fn own_name(agent: &Agent) -> String {
    if Path::new("/.dockerenv").exists() {
        let _ = timeout(NAME_DEADLINE, agent.observatory().ready()).await;
    }
    agent
        .observatory()
        .read(|view| view.host.host_name.clone())
        .unwrap_or_else(|| "unnamed".to_owned())
}

/// Keeps what the health check reads, and what the protected set is computed from.
async fn follow_link(
    mut state: watch::Receiver<LinkState>,
    agent: &Agent,
    presence: &Presence,
) -> Infallible {
    loop {
        let now = state.borrow_and_update().clone();
        presence.write(&now);
        let mut peer = None;
        if let LinkState::Up {
            core_address,
            local_address,
            ..
        } = now
        {
            peer = core_address;
            let local = local_address.map(|address| address.ip());
            agent.observatory().update(|view| {
                let mut change = view.add_host_addresses(local);
                let path = view.set_control_path(|path| path.core_peer = core_address);
                change.events.extend(path.events);
                change
            });
        }
        let looking = async {
            if let Some(peer) = peer {
                agent.observatory().ready().await;
                agent
                    .observatory()
                    .look_for_host(peer, Path::new("/proc"))
                    .await;
            }
            std::future::pending::<Infallible>().await
        };
        let changed = tokio::select! {
            changed = state.changed() => changed,
            never = looking => match never {},
        };
        if changed.is_err() {
            // The link has ended, and with it the agent.
            return std::future::pending().await;
        }
    }
}

/// Completes with the name of the signal that tells the agent to go.
fn told_to_go() -> std::io::Result<impl Future<Output = &'static str>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = quit.recv() => "SIGQUIT",
        }
    })
}
