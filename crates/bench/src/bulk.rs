//! Operations on all containers, against a direct client of the Engine at the same concurrency, interleaved.

use std::time::Instant;

use bollard::query_parameters::{StartContainerOptions, StopContainerOptions};
use futures_util::{StreamExt, TryStreamExt, stream};
use komodo_api::container::{
    ExecuteContainers, PauseAllContainers, StartAllContainers, StopAllContainers,
    UnpauseAllContainers,
};
use komodo_testkit::{
    engine::{Container, Engine},
    installation::{Core, Failure},
};

use crate::report::{Figure, quantile};

const CONTAINERS: usize = 50;
const PAIRS: usize = 10;
const SERVER: &str = "bench";
/// As Core orders by default.
const CONCURRENCY: usize = 16;

#[derive(Debug, Clone, Copy)]
enum Verb {
    Pause,
    Unpause,
    Stop,
    Start,
}

/// Measures the figures of this group.
pub async fn measure() -> Result<Vec<Figure>, Failure> {
    let engine = Engine::start().await?;
    let core = Core::start(engine.host_address().into()).await?;
    let mut ids = Vec::new();
    for number in 0..CONTAINERS {
        ids.push(
            engine
                .run(Container::idle(format!("c{number}")).init())
                .await?,
        );
    }
    let _agent = core.agent_process(&engine, SERVER).await?;
    core.wait_containers(SERVER, "all containers", |list| list.len() == CONTAINERS)
        .await?;

    let mut figures = Vec::new();
    for (there, back) in [(Verb::Pause, Verb::Unpause), (Verb::Stop, Verb::Start)] {
        let (mut ratios_there, mut ratios_back) = (Vec::new(), Vec::new());
        for pair in 0..PAIRS {
            let mut seconds = [[0.0; 2]; 2];
            // Who goes first alternates, so that neither side has the warmer cache throughout.
            for side in [pair % 2, 1 - pair % 2] {
                for (way, verb) in [there, back].into_iter().enumerate() {
                    let start = Instant::now();
                    if side == 0 {
                        through_komodo(&core, verb).await?
                    } else {
                        directly(&engine, &ids, verb).await?
                    }
                    seconds[side][way] = start.elapsed().as_secs_f64();
                }
                settle(&core).await?;
            }
            ratios_there.push(seconds[0][0] / seconds[1][0]);
            ratios_back.push(seconds[0][1] / seconds[1][1]);
        }
        for (verb, ratios) in [(there, ratios_there), (back, ratios_back)] {
            figures.push(
                Figure::at_most(
                    format!("{verb:?} all of {CONTAINERS}, ratio to a direct client, median"),
                    quantile(&ratios, 0.5),
                    "",
                    1.15,
                    ratios,
                )
                .note(format!(
                    "{PAIRS} interleaved pairs, concurrency {CONCURRENCY} on both sides"
                )),
            );
        }
    }
    Ok(figures)
}

async fn through_komodo(core: &Core, verb: Verb) -> Result<(), Failure> {
    async fn run<O: ExecuteContainers>(core: &Core, operation: O) -> Result<(), Failure> {
        let update = core.client.execute_and_wait(&operation, |_| ()).await?;
        if !update.success || update.verdicts.len() != CONTAINERS {
            return Err(format!("{} did not succeed: {update:?}", O::NAME).into());
        }
        Ok(())
    }
    match verb {
        Verb::Pause => run(core, PauseAllContainers::of(SERVER)).await,
        Verb::Unpause => run(core, UnpauseAllContainers::of(SERVER)).await,
        Verb::Stop => run(core, StopAllContainers::of(SERVER)).await,
        Verb::Start => run(core, StartAllContainers::of(SERVER)).await,
    }
}

async fn directly(engine: &Engine, ids: &[String], verb: Verb) -> Result<(), Failure> {
    stream::iter(ids)
        .map(|id| async move {
            match verb {
                Verb::Pause => engine.docker().pause_container(id).await,
                Verb::Unpause => engine.docker().unpause_container(id).await,
                Verb::Stop => {
                    engine
                        .docker()
                        .stop_container(id, None::<StopContainerOptions>)
                        .await
                }
                Verb::Start => {
                    engine
                        .docker()
                        .start_container(id, None::<StartContainerOptions>)
                        .await
                }
            }
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect::<()>()
        .await?;
    Ok(())
}

/// Waits until Core's view shows what the direct client did, so that the next operation finds work.
async fn settle(core: &Core) -> Result<(), Failure> {
    core.wait_containers(SERVER, "all containers to run", |list| {
        list.iter().all(|item| item.state.as_str() == "running")
    })
    .await
    .map(drop)
}
