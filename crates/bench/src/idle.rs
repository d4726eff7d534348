//! CPU while nothing happens, with 100 containers; the Engine with and without us.

use std::time::Duration;

use komodo_testkit::{
    engine::{Container, Engine},
    installation::{Core, Failure},
};

use crate::{process::cpu_seconds, report::Figure};

const SERVER: &str = "bench";
const CONTAINERS: usize = 100;
/// Time for the Engine and us to come to rest before each measurement.
const REST: Duration = Duration::from_secs(10);

/// Measures the figures of this group over some seconds.
pub async fn measure(seconds: u64) -> Result<Vec<Figure>, Failure> {
    let engine = Engine::start().await?;
    for number in 0..CONTAINERS {
        engine
            .run(Container::new(format!("c{number}"), ["sleep", "1000000"]))
            .await?;
    }
    let span = Duration::from_secs(seconds);
    let daemons: Vec<u32> = engine
        .processes()
        .into_iter()
        .filter(|(_, name)| name == "dockerd" || name == "containerd")
        .map(|(pid, _)| pid)
        .collect();
    let used = |pids: &[u32]| pids.iter().map(|pid| cpu_seconds(*pid)).sum::<f64>();
    tokio::time::sleep(REST).await;
    let before = used(&daemons);
    tokio::time::sleep(span).await;
    let without = (used(&daemons) - before) / span.as_secs_f64() * 100.0;

    let core = Core::start(engine.host_address().into()).await?;
    let agent = core.agent_process(&engine, SERVER).await?;
    core.wait_containers(SERVER, "all containers", |list| list.len() == CONTAINERS)
        .await?;
    let core_pid = [core.program.pid()];
    let agent_pid = [agent
        .program
        .as_ref()
        .ok_or("the agent does not run")?
        .pid()];
    tokio::time::sleep(REST).await;
    let before = (used(&daemons), used(&agent_pid), used(&core_pid));
    tokio::time::sleep(span).await;
    let percent = |after: f64, before: f64| (after - before) / span.as_secs_f64() * 100.0;
    let with = percent(used(&daemons), before.0);
    let note = format!("{CONTAINERS} containers, {seconds} s");
    Ok(vec![
        Figure::at_most(
            "idle: Periphery with children",
            percent(used(&agent_pid), before.1),
            "% core",
            0.1,
            vec![],
        )
        .note(&note),
        Figure::at_most(
            "idle: Engine, more than without us",
            with - without,
            "% core",
            0.3,
            vec![without, with],
        )
        .note(format!("{note}; runs: without us, with us")),
        Figure::at_most(
            "idle: Core",
            percent(used(&core_pid), before.2),
            "% core",
            0.1,
            vec![],
        )
        .note(&note),
    ])
}
