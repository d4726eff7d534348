//! Largest resident memory of Core and Periphery with 100 containers, over changes and log reads.

use futures_util::{StreamExt, TryStreamExt, stream};
use komodo_api::{
    container::GetContainerLog,
    resource::{ContainerRef, ServerRef},
};
use komodo_testkit::{
    engine::{Container, Engine},
    installation::{Core, Failure},
};

use crate::{
    process::{peak_resident_mib, resident_mib},
    report::Figure,
};

const SERVER: &str = "bench";
const CONTAINERS: usize = 100;
const CHANGES: usize = 1_000;
const LOG_READS: usize = 10_000;
const CONCURRENCY: usize = 8;

/// Measures the figures of this group.
pub async fn measure() -> Result<Vec<Figure>, Failure> {
    let engine = Engine::start().await?;
    let core = Core::start(engine.host_address().into()).await?;
    let script = "i=0; while [ $i -lt 200 ]; do echo line $i of the log with some text; i=$((i+1)); done; exec sleep 3600";
    for number in 0..CONTAINERS {
        engine
            .run(Container::new(format!("c{number}"), ["sh", "-c", script]))
            .await?;
    }
    let agent = core.agent_process(&engine, SERVER).await?;
    core.wait_containers(SERVER, "all containers", |list| list.len() == CONTAINERS)
        .await?;
    let core_pid = core.program.pid();
    let agent_pid = agent
        .program
        .as_ref()
        .ok_or("the agent does not run")?
        .pid();
    let idle = (resident_mib(core_pid), resident_mib(agent_pid));

    for change in 0..CHANGES {
        let name = format!("c{}", change % CONTAINERS);
        if (change / CONTAINERS).is_multiple_of(2) {
            engine.pause(&name).await?
        } else {
            engine.unpause(&name).await?
        }
    }
    stream::iter(0..LOG_READS)
        .map(|read| {
            let ask = GetContainerLog {
                server: ServerRef(SERVER.into()),
                container: ContainerRef(format!("c{}", read % CONTAINERS)),
                tail: 50,
                timestamps: false,
            };
            let client = &core.client;
            async move { client.call(&ask).await.map(drop) }
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect::<()>()
        .await?;
    let note = |idle: f64| {
        format!("{CHANGES} changes, {LOG_READS} log reads; {idle:.1} MiB when it had connected")
    };
    Ok(vec![
        Figure::at_most(
            "Periphery, 100 containers, largest resident memory",
            peak_resident_mib(agent_pid),
            "MiB",
            14.0,
            vec![],
        )
        .note(note(idle.1)),
        Figure::at_most(
            "Core, 1 server, 100 containers, largest resident memory",
            peak_resident_mib(core_pid),
            "MiB",
            45.0,
            vec![],
        )
        .note(note(idle.0)),
    ])
}
