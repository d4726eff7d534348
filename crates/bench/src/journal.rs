//! What the journal costs: PauseAll of fifty containers by the agent, and by the same agent with a null journal, which
//! promises nothing and is built for this measurement only. Both follow one Engine and take turns.

use std::time::Instant;

use komodo_api::container::{PauseAllContainers, UnpauseAllContainers};
use komodo_testkit::{
    engine::{Container, Engine, EngineData, EngineOptions},
    installation::{Agent, Core, Failure},
};

use crate::{
    process::cpu_seconds,
    report::{Figure, quantile},
};

const CONTAINERS: usize = 50;
const PAIRS: usize = 15;
const FULL: &str = "full";
const NULL: &str = "null";
const TIMED: &str = "timed";
/// The agent with a null journal, which `scripts/bench` builds.
const NULL_PROGRAM: &str = "komodo-periphery-null-journal";

/// Measures the figures of this group.
pub async fn measure() -> Result<Vec<Figure>, Failure> {
    let options = EngineOptions {
        data: EngineData::Disk,
        ..EngineOptions::default()
    };
    let engine = Engine::start_with(options).await?;
    let core = Core::start(engine.host_address().into()).await?;
    for number in 0..CONTAINERS {
        engine
            .run(Container::idle(format!("c{number}")).init())
            .await?;
    }
    let full = core.agent_process(&engine, FULL).await?;
    let null = core.agent_program(&engine, NULL, NULL_PROGRAM, &[]).await?;
    let debug = [("PERIPHERY_LOGGING_LEVEL", "debug")];
    let timed = core
        .agent_program(&engine, TIMED, "komodo-periphery", &debug)
        .await?;
    for server in [FULL, NULL, TIMED] {
        core.wait_containers(server, "all containers", |list| list.len() == CONTAINERS)
            .await?;
    }

    let mut cpu = [Vec::new(), Vec::new()];
    let mut wall = [Vec::new(), Vec::new()];
    let (mut syncs, mut sync_ms) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        for side in [pair % 2, 1 - pair % 2] {
            let (server, agent) = [(FULL, &full), (NULL, &null)][side];
            let (cpu_ms, wall_ms) = pause_all(&core, server, agent).await?;
            cpu[side].push(cpu_ms);
            wall[side].push(wall_ms);
        }
        let before = synced(&timed);
        pause_all(&core, TIMED, &timed).await?;
        let after = synced(&timed);
        syncs.push((after.0 - before.0) as f64);
        sync_ms.push(after.1 - before.1);
    }
    let differences = |of: &[Vec<f64>; 2]| -> Vec<f64> {
        of[0]
            .iter()
            .zip(&of[1])
            .map(|(full, null)| full - null)
            .collect()
    };
    let (cpu_more, wall_more) = (differences(&cpu), differences(&wall));
    let note = format!(
        "{PAIRS} interleaved pairs; median {:.3} ms with, {:.3} ms without",
        quantile(&cpu[0], 0.5),
        quantile(&cpu[1], 0.5)
    );
    let wall_note = format!(
        "median {:.1} ms with, {:.1} ms without; the guard is in both, see the protected set in the group plan",
        quantile(&wall[0], 0.5),
        quantile(&wall[1], 0.5)
    );
    Ok(vec![
        Figure::told(
            format!("journal: CPU time of PauseAll of {CONTAINERS}, more than with a null journal"),
            quantile(&cpu_more, 0.5),
            "ms",
            cpu_more,
        )
        .note(note),
        Figure::told(
            format!("journal: time of PauseAll of {CONTAINERS}, more than with a null journal"),
            quantile(&wall_more, 0.5),
            "ms",
            wall_more,
        )
        .note(wall_note),
        Figure::told(
            "journal: time in sync of one PauseAll, median",
            quantile(&sync_ms, 0.5),
            "ms",
            sync_ms,
        )
        .note(format!(
            "as the agent logs it, on this machine's disk; median {:.0} batches for {CONTAINERS} containers",
            quantile(&syncs, 0.5)
        )),
        Figure::told("journal: batches made durable in one PauseAll", quantile(&syncs, 0.5), "", syncs),
    ])
}

/// Pauses all and resumes all; CPU time of the agent and time of the pause, ms.
async fn pause_all(core: &Core, server: &str, agent: &Agent) -> Result<(f64, f64), Failure> {
    let pid = agent
        .program
        .as_ref()
        .ok_or("the agent does not run")?
        .pid();
    let (cpu, begun) = (cpu_seconds(pid), Instant::now());
    let paused = core
        .client
        .execute_and_wait(&PauseAllContainers::of(server), |_| ())
        .await?;
    let wall_ms = begun.elapsed().as_secs_f64() * 1e3;
    // With what is left to do once the end is told.
    core.wait_containers(server, "all containers to be paused", |list| {
        list.iter().all(|item| item.state.as_str() == "paused")
    })
    .await?;
    let cpu_ms = (cpu_seconds(pid) - cpu) * 1e3;
    if !paused.success || paused.verdicts.len() != CONTAINERS {
        return Err(format!("{server}: pausing failed: {paused:?}").into());
    }
    let resumed = core
        .client
        .execute_and_wait(&UnpauseAllContainers::of(server), |_| ())
        .await?;
    if !resumed.success {
        return Err(format!("{server}: resuming failed: {resumed:?}").into());
    }
    for other in [FULL, NULL, TIMED] {
        core.wait_containers(other, "all containers to run", |list| {
            list.iter().all(|item| item.state.as_str() == "running")
        })
        .await?;
    }
    Ok((cpu_ms, wall_ms))
}

/// How many batches an agent has made durable so far, and how long that took, ms.
fn synced(agent: &Agent) -> (usize, f64) {
    let log = agent
        .program
        .as_ref()
        .map(|program| program.log())
        .unwrap_or_default();
    let times: Vec<f64> = log
        .lines()
        .filter(|line| line.contains("the journal is durable"))
        .filter_map(|line| line.split("sync_us=").nth(1))
        .filter_map(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
        .collect();
    (times.len(), times.iter().sum::<f64>() / 1e3)
}
