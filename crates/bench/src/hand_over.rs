//! A restart of the agent by hand over against `docker restart` of the same container, interleaved: how long until Core
//! can use it again.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use komodo_api::{
    container::RestartContainer,
    resource::{ContainerRef, ServerRef},
    server::{GetServerState, ServerState},
    update::{GetUpdate, UpdateStatus},
};
use komodo_testkit::{
    engine::{Engine, EngineData, EngineOptions, Restart},
    installation::{AgentContainer, Core, Failure, wait_for},
};
use tokio::time::sleep;

use crate::report::{Figure, quantile};

const SERVER: &str = "host-1";
const AGENT: &str = "periphery";
const RUNS: usize = 11;
/// Probation, s. It begins when the agent is connected, and so is no part of the figure.
const PROBATION: &str = "1";
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);
/// Longest wait for the agent.
const BACK: Duration = Duration::from_secs(60);
/// What a hand over may cost more, s.
const LIMIT_S: f64 = 3.0;

/// Measures the figures of this group.
pub async fn measure() -> Result<Vec<Figure>, Failure> {
    let options = EngineOptions {
        data: EngineData::Disk,
        ..EngineOptions::default()
    };
    let engine = Engine::start_with(options).await?;
    let environment = [("KOMODO_PROBATION_SECONDS", PROBATION)];
    let core = Core::start_with(engine.host_address().into(), &environment).await?;
    let AgentContainer {
        container,
        state: _state,
    } = core.agent_container(&engine, AGENT, SERVER).await?;
    engine
        .run(container.restart(Restart::UnlessStopped))
        .await?;
    core.wait_server(SERVER, ServerState::Ok).await?;
    let (mut handed, mut plain) = (Vec::new(), Vec::new());
    // The first of each is warm-up.
    for run in 0..=RUNS {
        let direct = async {
            engine.restart_container(AGENT).await?;
            Ok::<(), Failure>(())
        };
        let seconds = until_back(&engine, &core, direct).await?;
        if run > 0 {
            plain.push(seconds);
        }
        let mut id = None;
        let ask = RestartContainer::of(ServerRef(SERVER.into()), ContainerRef(AGENT.into()));
        let through = async {
            let update = core.client.call(&ask).await?;
            id = update.id.map(|id| id.0.to_string());
            Ok::<(), Failure>(())
        };
        let seconds = until_back(&engine, &core, through).await?;
        if run > 0 {
            handed.push(seconds);
        }
        let id = id.ok_or("an Update without an id")?;
        let get = GetUpdate { id };
        let update = wait_for("the hand over to end", || async {
            let update = core.client.call(&get).await.ok()?;
            (update.status == UpdateStatus::Complete).then_some(update)
        })
        .await?;
        if !update.success {
            return Err(format!("it did not end as it must: {update:?}").into());
        }
    }
    let differences: Vec<f64> = handed
        .iter()
        .zip(&plain)
        .map(|(handed, plain)| handed - plain)
        .collect();
    let about = format!(
        "from the request until the new run is connected, {RUNS} pairs in turn; probation apart"
    );
    Ok(vec![
        Figure::at_most(
            "hand over: restart of the agent − `docker restart`, median of pairs",
            quantile(&differences, 0.5),
            "s",
            LIMIT_S,
            differences,
        )
        .note(&about),
        Figure::told(
            "hand over: restart of the agent, median",
            quantile(&handed, 0.5),
            "s",
            handed,
        ),
        Figure::told(
            "hand over: `docker restart` of the agent, median",
            quantile(&plain, 0.5),
            "s",
            plain,
        ),
    ])
}

/// Seconds from the beginning of a restart until the agent runs anew and is connected.
async fn until_back(
    engine: &Engine,
    core: &Core,
    restart: impl Future<Output = Result<(), Failure>>,
) -> Result<f64, Failure> {
    let before = started_at(engine).await?;
    let ask = GetServerState {
        server: ServerRef(SERVER.into()),
    };
    let began = Instant::now();
    restart.await?;
    loop {
        if began.elapsed() > BACK {
            return Err("the agent is not back".into());
        }
        let now = started_at(engine).await?;
        // The agent ends its link in order before its run ends, so what is linked now is the new one.
        if now != before {
            let state = core.client.call(&ask).await?;
            if state.status == ServerState::Ok {
                return Ok(began.elapsed().as_secs_f64());
            }
        }
        sleep(LOOK).await;
    }
}

async fn started_at(engine: &Engine) -> Result<Option<String>, Failure> {
    let state = engine.inspect(AGENT).await?.state.unwrap_or_default();
    Ok(state.started_at)
}
