//! CPU while nothing happens, with 100 containers; the Engine with and without us, and what we ask of it.

use std::{collections::BTreeMap, time::Duration};

use komodo_testkit::{
    engine::{Container, Engine},
    installation::{Agent, Core, Failure},
};

use crate::{
    process::cpu_seconds,
    report::{Figure, quantile},
    wire::CountingSocket,
};

const SERVER: &str = "bench";
const CONTAINERS: usize = 100;
/// Time for the Engine and us to come to rest before each measurement.
const REST: Duration = Duration::from_secs(10);
/// Windows with us; one without us lies before, between and after them. One of five minutes rather than several short
/// ones, because what the agent does by itself every few minutes belongs to it.
const WINDOWS: u32 = 1;
/// Requests of one kind of which the cost is the mean.
const COST_REQUESTS: usize = 20;

/// Measures the figures of this group; the windows with us take so many seconds together, and those without as many.
pub async fn measure(seconds: u64) -> Result<Vec<Figure>, Failure> {
    let engine = Engine::start().await?;
    for number in 0..CONTAINERS {
        engine
            .run(Container::new(format!("c{number}"), ["sleep", "1000000"]))
            .await?;
    }
    let core = Core::start(engine.host_address().into()).await?;
    let mut agent = core.agent_process(&engine, SERVER).await?;
    core.wait_containers(SERVER, "all containers", |list| list.len() == CONTAINERS)
        .await?;
    let socket = CountingSocket::start(core.directory().join("engine.sock"), &engine.socket())?;
    let daemons: Vec<u32> = engine
        .processes()
        .into_iter()
        .filter(|(_, name)| name == "dockerd" || name == "containerd")
        .map(|(pid, _)| pid)
        .collect();
    let used = |pids: &[u32]| pids.iter().map(|pid| cpu_seconds(*pid)).sum::<f64>();
    let with_us = Duration::from_secs(seconds) / WINDOWS;
    let without_us = Duration::from_secs(seconds) / (WINDOWS + 1);
    let core_pid = [core.program.pid()];

    let (mut without, mut with) = (Vec::new(), Vec::new());
    let (mut of_agent, mut of_core) = (Vec::new(), Vec::new());
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for window in 0..=WINDOWS {
        agent.program = None;
        tokio::time::sleep(REST).await;
        without.push(percent(without_us, || used(&daemons)).await);
        if window == WINDOWS {
            break;
        }
        let agent_pid = [restart(&mut agent, &core, &socket).await?];
        tokio::time::sleep(REST).await;
        socket.take();
        let before = (used(&agent_pid), used(&core_pid));
        with.push(percent(with_us, || used(&daemons)).await);
        let share = |now: f64, before: f64| (now - before) / with_us.as_secs_f64() * 100.0;
        of_agent.push(share(used(&agent_pid), before.0));
        of_core.push(share(used(&core_pid), before.1));
        for (request, times) in socket.take() {
            *asked.entry(request).or_default() += times;
        }
    }
    let mut before = used(&daemons);
    for _ in 0..COST_REQUESTS {
        engine.list().await?;
    }
    let list_ms = (used(&daemons) - before) * 1e3 / COST_REQUESTS as f64;
    before = used(&daemons);
    for _ in 0..COST_REQUESTS {
        engine.docker().ping().await?;
    }
    let ping_ms = (used(&daemons) - before) * 1e3 / COST_REQUESTS as f64;

    // Each window with us against the mean of its two neighbours, so that a drift of the machine cancels out.
    let more: Vec<f64> = with
        .iter()
        .enumerate()
        .map(|(at, with)| with - (without[at] + without[at + 1]) / 2.0)
        .collect();
    let mean = |runs: &[f64]| runs.iter().sum::<f64>() / runs.len().max(1) as f64;
    let requests: Vec<String> = asked
        .iter()
        .map(|(request, times)| format!("{times} × {request}"))
        .collect();
    let note = format!("{CONTAINERS} containers, {seconds} s in {WINDOWS} window(s)");
    Ok(vec![
        Figure::at_most(
            "idle: Periphery with children",
            mean(&of_agent),
            "% core",
            0.1,
            of_agent,
        )
        .note(&note),
        Figure::at_most(
            "idle: Engine, more than without us",
            mean(&more),
            "% core",
            0.3,
            more,
        )
        .note(format!(
            "{note}, as many seconds without us before, between and after: {}; with us: {}",
            list(&without),
            list(&with)
        )),
        Figure::at_most("idle: Core", mean(&of_core), "% core", 0.1, of_core).note(&note),
        Figure::told(
            "idle: requests to the Engine",
            asked.values().sum::<usize>() as f64,
            "",
            vec![],
        )
        .note(format!(
            "in {seconds} s, besides the stream of events: {}; a list of all costs the Engine {list_ms:.2} ms, a ping \
             {ping_ms:.2} ms",
            requests.join(", ")
        )),
        Figure::told(
            "idle: Engine without us, median",
            quantile(&without, 0.5),
            "% core",
            without,
        ),
    ])
}

fn list(runs: &[f64]) -> String {
    let runs: Vec<String> = runs.iter().map(|run| format!("{run:.3}")).collect();
    runs.join(" ")
}

async fn percent(span: Duration, used: impl Fn() -> f64) -> f64 {
    let before = used();
    tokio::time::sleep(span).await;
    (used() - before) / span.as_secs_f64() * 100.0
}

/// Starts the agent anew before the Engine that counts; its PID.
async fn restart(agent: &mut Agent, core: &Core, socket: &CountingSocket) -> Result<u32, Failure> {
    agent.start(&socket.docker_host())?;
    core.wait_containers(SERVER, "all containers, live", |list| {
        list.len() == CONTAINERS && list.iter().all(|item| item.stale_since.is_none())
    })
    .await?;
    Ok(agent
        .program
        .as_ref()
        .ok_or("the agent does not run")?
        .pid())
}
