//! `komodo-sim`: any number of simulated servers that dial a Core from another process, over TCP, through the whole
//! link. For load, for looking at the web page with a fleet, for trying things out without a host.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Parser;
use komodo_agent_api::Container;
use komodo_api::container::ContainerAction;
use komodo_link::{JoinString, agent::CoreAddress, agent::LinkState};
use komodo_sim::{
    AgentOptions, DialOptions, Fault, Image, ServiceOptions, SimHost, World, dial, parse_container,
};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Simulated servers that dial a Core.
#[derive(Debug, Parser)]
#[command(name = "komodo-sim", version)]
struct Options {
    /// Where Core is, as for an agent.
    #[arg(long, env = "KOMODO_SIM_CORE", default_value = "ws://127.0.0.1:9120")]
    core: String,
    /// Onboarding key, whole, as Core shows it.
    #[arg(long, env = "KOMODO_SIM_ONBOARDING_KEY", hide_env_values = true)]
    onboarding_key: String,
    /// How many servers.
    #[arg(long, default_value_t = 10)]
    agents: u32,
    /// Containers on each.
    #[arg(long, default_value_t = 30)]
    containers: usize,
    /// A further container on each, as a line: `dns running protect=true`. Can be said more than once.
    #[arg(long, value_parser = parse_container)]
    container: Vec<Container>,
    /// Name of the container that the agent of each runs in; it is one of theirs.
    #[arg(long)]
    agent_container: Option<String>,
    /// Name of the unit that the agent of each is a service as, in place of a container.
    #[arg(long, conflicts_with = "agent_container")]
    service: Option<String>,
    /// Why the program of those services cannot be replaced, where it is not to be.
    #[arg(long, requires = "service")]
    fixed: Option<String>,
    /// What a program of a version does that such a service is updated to, in the words of `--image`.
    #[arg(long, value_parser = image, requires = "service")]
    program: Vec<(String, Image)>,
    /// What an agent does that is made from an image: `agent:2=absent`, `=cannot-start`, `=never-connects` or
    /// `=dies-after-MS`. Can be said more than once; any other image is good.
    #[arg(long, value_parser = image)]
    image: Vec<(String, Image)>,
    /// How long the Engine takes for each action on a container, in ms.
    #[arg(long, default_value_t = 0)]
    latency: u64,
    /// How names begin.
    #[arg(long, default_value = "sim-")]
    name: String,
    /// What everything follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Changes a second that somebody makes on each server.
    #[arg(long, default_value_t = 0.0)]
    changes: f64,
    /// Events a second that mean no change, from each server.
    #[arg(long, default_value_t = 0)]
    flood: usize,
    /// What is wrong with the servers from one second after they have connected.
    #[arg(long)]
    fault: Option<FaultKind>,
    /// Folder in which the keys of the agents are kept, to come back as the same servers.
    #[arg(long)]
    keys: Option<PathBuf>,
}

/// Reads `NAME=WHAT`.
fn image(text: &str) -> Result<(String, Image), String> {
    let (name, what) = text
        .rsplit_once('=')
        .ok_or_else(|| format!("'{text}' is no NAME=WHAT"))?;
    let does = match (what, what.strip_prefix("dies-after-")) {
        ("absent", _) => Image::Absent,
        ("cannot-start", _) => Image::CannotStart,
        ("never-connects", _) => Image::NeverConnects,
        (_, Some(ms)) => {
            let ms = ms
                .parse()
                .map_err(|_| format!("'{ms}' is no number of ms"))?;
            Image::DiesAfter(Duration::from_millis(ms))
        }
        _ => return Err(format!("'{what}' is nothing that an image does")),
    };
    Ok((name.to_owned(), does))
}

/// See [`Fault`].
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum FaultKind {
    /// They accept every call and never answer.
    Hang,
    /// They answer a byte a second.
    Slow,
}

/// What the program of a service has for a hash before its first update.
const INSTALLED: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Time in which Core gets to know a server before it is in trouble.
const SOUND: Duration = Duration::from_secs(1);
/// Bursts of a flood a second.
const FLOOD_BURSTS: u32 = 100;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let ended = runtime
        .context("cannot start the runtime")
        .and_then(|runtime| runtime.block_on(run(options)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("komodo-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> anyhow::Result<()> {
    let core: CoreAddress = options.core.parse().context("--core is no address")?;
    let join: JoinString = options
        .onboarding_key
        .parse()
        .context("the onboarding key cannot be used")?;
    if let Some(keys) = &options.keys {
        std::fs::create_dir_all(keys).with_context(|| format!("cannot make {}", keys.display()))?;
    }
    let dialling = DialOptions {
        core,
        join,
        keys: options.keys.clone(),
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "where the clock of the simulated worlds begins"
    )]
    let beginning = jiff::Timestamp::now().as_millisecond();
    let cancel = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let mut links = Vec::new();
    for at in 0..options.agents {
        let name = format!("{}{at:04}", options.name);
        let seed = options.seed.wrapping_add(u64::from(at));
        let world = World::beginning_at(seed, beginning);
        world.populate(seed, options.containers);
        for container in &options.container {
            world.create(container.clone());
        }
        if options.latency > 0 {
            use ContainerAction::*;
            for action in [Start, Restart, Pause, Unpause, Stop, Destroy] {
                world.set_latency(action, Duration::from_millis(options.latency));
            }
        }
        let agent = AgentOptions {
            container: options.agent_container.clone(),
            host_name: name.clone(),
        };
        let host = match &options.service {
            None => SimHost::new(world.clone(), agent),
            Some(unit) => {
                let service = ServiceOptions {
                    unit: unit.clone(),
                    core_key: dialling.join.core_key,
                    sha256: INSTALLED.to_owned(),
                    fixed: options.fixed.clone(),
                };
                SimHost::with_service(world.clone(), agent, service)
            }
        };
        for (version, does) in &options.program {
            host.set_program(version, *does);
        }
        for (image, does) in &options.image {
            host.set_image(image, *does);
        }
        let agent = host.start();
        let (state, link) = watch::channel(LinkState::Stopped);
        links.push(link);
        if let Some(fault) = options.fault {
            let fault = match fault {
                FaultKind::Hang => Fault::Hang,
                FaultKind::Slow => Fault::BYTE_A_SECOND,
            };
            let (agent, cancelled) = (agent.clone(), cancel.clone());
            let link = links.last().cloned();
            tasks.spawn(async move {
                if let Some(mut link) = link {
                    let _ = link.wait_for(LinkState::is_up).await;
                }
                tokio::time::sleep(SOUND).await;
                agent.set_fault(fault);
                cancelled.cancelled().await;
                Ok(())
            });
        }
        if options.flood > 0 {
            let burst = options.flood.div_ceil(FLOOD_BURSTS as usize);
            tasks.spawn(flood(world.clone(), burst, cancel.clone()));
        }
        let (dialling, cancelled) = (dialling.clone(), cancel.clone());
        tasks.spawn(async move { dial(&host, &name, &dialling, state, cancelled).await });
        if options.changes > 0.0 {
            tasks.spawn(stir(
                world,
                seed,
                Duration::from_secs_f64(1.0 / options.changes),
                cancel.clone(),
            ));
        }
    }
    tasks.spawn(tell(links, cancel.clone()));
    let ended = tokio::select! {
        signal = tokio::signal::ctrl_c() => signal.context("cannot wait for signals"),
        failed = first_failure(&mut tasks) => failed,
    };
    cancel.cancel();
    while tasks.join_next().await.is_some() {}
    ended
}

/// Waits for the first task that fails; one that ends well is not expected before the end.
async fn first_failure(
    tasks: &mut JoinSet<Result<(), komodo_sim::DialError>>,
) -> anyhow::Result<()> {
    while let Some(ended) = tasks.join_next().await {
        ended.context("a simulated server broke down")??;
    }
    Ok(())
}

async fn stir(
    world: World,
    seed: u64,
    every: Duration,
    cancel: CancellationToken,
) -> Result<(), komodo_sim::DialError> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut ticks = tokio::time::interval(every);
    while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
        world.stir(&mut rng);
    }
    Ok(())
}

async fn flood(
    world: World,
    burst: usize,
    cancel: CancellationToken,
) -> Result<(), komodo_sim::DialError> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / FLOOD_BURSTS);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
        world.flood(burst);
    }
    Ok(())
}

/// Prints how many links are up, whenever that changes, at most twice a second.
async fn tell(
    links: Vec<watch::Receiver<LinkState>>,
    cancel: CancellationToken,
) -> Result<(), komodo_sim::DialError> {
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    let mut told = None;
    while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
        let up = links.iter().filter(|link| link.borrow().is_up()).count();
        let refused = links.iter().find_map(|link| match &*link.borrow() {
            LinkState::Refused { refusal, .. } => Some(refusal.to_string()),
            _ => None,
        });
        let now = Some((up, refused));
        if told != now {
            println!("{up} of {} servers are connected", links.len());
            if let Some((_, Some(refusal))) = &now {
                eprintln!("Core refuses: {refusal}");
            }
            told = now;
        }
    }
    Ok(())
}
