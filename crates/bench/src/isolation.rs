//! What is asked of good servers while others hang, answer a byte a second, and flood; against the same without them,
//! interleaved.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use komodo_api::{
    container::{
        GetContainerLog, InspectContainer, ListContainers, StartContainer, StopAllContainers,
        StopContainer,
    },
    resource::{ContainerRef, ServerRef},
    server::{GetServerState, GetServersSummary},
};
use komodo_client::Client;
use komodo_testkit::installation::{Core, Failure, program, wait_for};
use tokio::{
    process::{Child, Command},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    report::{Figure, quantile},
    wire::SlowLine,
};

const GOOD: usize = 40;
const HANGING: usize = 10;
const SLOW: usize = 10;
const FLOODING: usize = 5;
/// Events a second of each that floods.
const FLOOD_EVENTS: usize = 1_000;
const PAIRS: usize = 9;
/// Length of each half of a pair.
const WINDOW: Duration = Duration::from_secs(4);
/// Until the servers in trouble are in it.
const INTO_TROUBLE: Duration = Duration::from_millis(1_500);
const READERS: usize = 8;
const READ_EVERY: Duration = Duration::from_millis(25);
const OPERATORS: usize = 2;
const OPERATE_EVERY: Duration = Duration::from_millis(100);
/// Requests that wait for servers in trouble at the same time.
const STUCK: usize = 16;

/// How long requests took, ms.
#[derive(Default)]
struct Times {
    reads: Vec<f64>,
    operations: Vec<f64>,
}

/// Measures the figures of this group.
pub async fn measure() -> Result<Vec<Figure>, Failure> {
    let core = Core::start(Ipv4Addr::LOCALHOST.into()).await?;
    let join = core.join_string().await?;
    let keys = core.directory().join("sim-keys");
    let line = SlowLine::to(core.address).await?;
    let start = |name: &str, agents: usize, more: &[&str], at: SocketAddr| {
        simulated(&join, &keys, name, agents, more, at)
    };
    let _good = start("good-", GOOD, &[], core.address)?;
    healthy(&core.client, GOOD).await?;

    let (mut quiet, mut trouble) = (Times::default(), Times::default());
    let (mut quiet_runs, mut trouble_runs) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        for is_trouble in [pair % 2 == 1, pair % 2 == 0] {
            if !is_trouble {
                let times = window(&core.client).await?;
                quiet_runs.push((p99(&times.reads), p99(&times.operations)));
                quiet.add(times);
                continue;
            }
            line.set_slow(false);
            let bad = [
                start("hanging-", HANGING, &["--fault", "hang"], core.address)?,
                start("slow-", SLOW, &[], line.address)?,
                start(
                    "flooding-",
                    FLOODING,
                    &["--flood", &FLOOD_EVENTS.to_string()],
                    core.address,
                )?,
            ];
            healthy(&core.client, GOOD + HANGING + SLOW + FLOODING).await?;
            line.set_slow(true);
            sleep(INTO_TROUBLE).await;
            let mut stuck = JoinSet::new();
            for at in 0..STUCK {
                stuck.spawn(ask_the_bad(core.client.clone(), at));
            }
            let times = window(&core.client).await?;
            stuck.shutdown().await;
            trouble_runs.push((p99(&times.reads), p99(&times.operations)));
            trouble.add(times);
            for mut sims in bad {
                sims.kill().await?;
            }
            line.set_slow(false);
            healthy(&core.client, GOOD).await?;
        }
    }
    let runs = |of: fn(&(f64, f64)) -> f64| {
        let pairs = quiet_runs.iter().zip(&trouble_runs);
        pairs
            .flat_map(|(quiet, trouble)| [of(quiet), of(trouble)])
            .collect::<Vec<f64>>()
    };
    let about = format!(
        "{GOOD} good servers; {HANGING} hang, {SLOW} answer a byte a second, {FLOODING} send {FLOOD_EVENTS} events/s \
         each; {STUCK} requests wait for them; {PAIRS} interleaved pairs, p99 of each: quiet, trouble, …"
    );
    Ok(vec![
        figure(
            "reads",
            &quiet.reads,
            &trouble.reads,
            runs(|run| run.0),
            &about,
        ),
        figure(
            "operations",
            &quiet.operations,
            &trouble.operations,
            runs(|run| run.1),
            &about,
        ),
    ])
}

fn figure(what: &str, quiet: &[f64], trouble: &[f64], runs: Vec<f64>, about: &str) -> Figure {
    let quiet_p99 = p99(quiet);
    let limit = (quiet_p99 * 1.5).max(quiet_p99 + 10.0);
    Figure::at_most(
        format!("{what} of other servers during trouble, p99"),
        p99(trouble),
        "ms",
        limit,
        runs,
    )
    .note(format!(
        "quiet p99 {quiet_p99:.3} ms over {}, p50 {:.3} ms and {:.3} ms in trouble; {about}",
        quiet.len(),
        quantile(quiet, 0.5),
        quantile(trouble, 0.5),
    ))
}

impl Times {
    fn add(&mut self, other: Times) {
        self.reads.extend(other.reads);
        self.operations.extend(other.operations);
    }
}

fn p99(times: &[f64]) -> f64 {
    quantile(times, 0.99)
}

fn simulated(
    join: &str,
    keys: &Path,
    name: &str,
    agents: usize,
    more: &[&str],
    at: SocketAddr,
) -> Result<Child, Failure> {
    Ok(Command::new(program("komodo-sim")?)
        .args(["--core", &format!("ws://{at}"), "--name", name])
        .args(["--agents", &agents.to_string(), "--containers", "20"])
        .args([
            "--container",
            "probe running",
            "--container",
            "worked running",
        ])
        .arg("--keys")
        .arg(keys)
        .args(more)
        .env("KOMODO_SIM_ONBOARDING_KEY", join)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?)
}

async fn healthy(client: &Client, servers: usize) -> Result<(), Failure> {
    wait_for(&format!("{servers} healthy servers"), || async {
        let summary = client.call(&GetServersSummary {}).await.ok()?;
        (summary.healthy == servers as i64).then_some(())
    })
    .await
}

fn good(at: usize) -> ServerRef {
    ServerRef(format!("good-{:04}", at % GOOD))
}

/// Asks good servers at a fixed pace for some time.
async fn window(client: &Client) -> Result<Times, Failure> {
    let end = Instant::now() + WINDOW;
    let mut readers = JoinSet::new();
    for reader in 0..READERS {
        let client = client.clone();
        readers.spawn(async move { read(client, reader, end).await });
    }
    let mut operators = JoinSet::new();
    for operator in 0..OPERATORS {
        let client = client.clone();
        operators.spawn(async move { operate(client, operator, end).await });
    }
    let mut times = Times::default();
    while let Some(read) = readers.join_next().await {
        times.reads.extend(read??);
    }
    while let Some(operated) = operators.join_next().await {
        times.operations.extend(operated??);
    }
    Ok(times)
}

async fn read(client: Client, reader: usize, end: Instant) -> Result<Vec<f64>, Failure> {
    let mut ticks = interval(READ_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let probe = || ContainerRef("probe".into());
    let mut times = Vec::new();
    while Instant::now() < end {
        ticks.tick().await;
        let server = good(reader + times.len() * READERS);
        let begun = Instant::now();
        match times.len() % 4 {
            0 => drop(client.call(&ListContainers { server }).await?),
            1 => drop(client.call(&GetServerState { server }).await?),
            2 => {
                let container = probe();
                drop(client.call(&InspectContainer { server, container }).await?);
            }
            _ => {
                let ask = GetContainerLog {
                    server,
                    container: probe(),
                    tail: 50,
                    timestamps: false,
                };
                drop(client.call(&ask).await?);
            }
        }
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

async fn operate(client: Client, operator: usize, end: Instant) -> Result<Vec<f64>, Failure> {
    let mut ticks = interval(OPERATE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut times = Vec::new();
    while Instant::now() < end {
        let server = good(operator + times.len() / 2 * OPERATORS);
        ticks.tick().await;
        let begun = Instant::now();
        let update = if times.len().is_multiple_of(2) {
            let stop = StopContainer::of(server, "worked");
            client.execute_and_wait(&stop, |_| ()).await?
        } else {
            let start = StartContainer::of(server, "worked");
            client.execute_and_wait(&start, |_| ()).await?
        };
        if !update.success {
            return Err(format!("an operation on a good server failed: {update:?}").into());
        }
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

/// Asks a server in trouble again and again; what comes of it is not of interest.
async fn ask_the_bad(client: Client, at: usize) {
    let server = |at: usize| match at % 2 {
        0 => ServerRef(format!("hanging-{:04}", at % HANGING)),
        _ => ServerRef(format!("slow-{:04}", at % SLOW)),
    };
    if at < 4 {
        let _ = client.call(&StopAllContainers::of(server(at))).await;
    }
    loop {
        let ask = InspectContainer {
            server: server(at),
            container: ContainerRef("probe".into()),
        };
        let _ = client.call(&ask).await;
        sleep(READ_EVERY).await;
    }
}
