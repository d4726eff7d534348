//! The last 50 lines of a log, against a direct client of the Engine, interleaved.

use std::time::Instant;

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::TryStreamExt;
use komodo_api::{
    container::GetContainerLog,
    resource::{ContainerRef, ServerRef},
};
use komodo_testkit::{
    engine::{Container, Engine},
    installation::{Core, Failure},
};

use crate::report::{Figure, quantile};

const SERVER: &str = "bench";
const PAIRS: usize = 200;
const LINES: usize = 50;

/// Measures the figures of this group.
pub async fn measure() -> Result<Vec<Figure>, Failure> {
    let engine = Engine::start().await?;
    let core = Core::start(engine.host_address().into()).await?;
    let script = "i=0; while [ $i -lt 5000 ]; do echo line $i of the log with some text; i=$((i+1)); done; exec sleep 3600";
    engine
        .run(Container::new("talker", ["sh", "-c", script]))
        .await?;
    let _agent = core.agent_process(&engine, SERVER).await?;
    core.wait_containers(SERVER, "the container", |list| list.len() == 1)
        .await?;
    let ask = GetContainerLog {
        server: ServerRef(SERVER.into()),
        container: ContainerRef("talker".into()),
        tail: LINES as u64,
        timestamps: false,
    };
    let mut more_ms = Vec::with_capacity(PAIRS);
    for _ in 0..PAIRS {
        let start = Instant::now();
        let log = core.client.call(&ask).await?;
        let komodo = start.elapsed();
        if log.stdout.lines().count() != LINES {
            return Err(format!(
                "asked for {LINES} lines and got {}",
                log.stdout.lines().count()
            )
            .into());
        }
        let start = Instant::now();
        let options = LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .tail("50")
            .build();
        let direct: Vec<_> = engine
            .docker()
            .logs("talker", Some(options))
            .try_collect()
            .await?;
        let direct_time = start.elapsed();
        if direct.is_empty() {
            return Err("the direct client got no log".into());
        }
        more_ms.push((komodo.as_secs_f64() - direct_time.as_secs_f64()) * 1e3);
    }
    Ok(vec![
        Figure::at_most(
            "log, last 50 lines, more than the direct client, median",
            quantile(&more_ms, 0.5),
            "ms",
            3.0,
            more_ms,
        )
        .note(format!("{PAIRS} interleaved pairs")),
    ])
}
