//! `SIGKILL` of Core in its own start, while it takes up what is open: what runs, and what waits for its server.

use std::collections::BTreeMap;

use komodo_acceptance::truth::{Host, Moment, SERVER};
use komodo_api::{
    container::{ContainerAction, StopAllContainers},
    server::ServerState,
    update::VerdictKind,
};
use komodo_testkit::{engine::Engine, installation::Failure};

use crate::id_of;

#[tokio::test]
async fn core_is_killed_while_it_takes_up_open_operations() -> Result<(), Failure> {
    let mut host = Host::start(Engine::start().await?, false).await?;
    host.arm_agent("target.started:5").await?;
    let before = Moment::now();
    let stop = |when_back| StopAllContainers {
        when_back,
        ..StopAllContainers::of(SERVER)
    };
    let runs = id_of(&host.core.client.call(&stop(false)).await?)?;
    host.agent_program()?.wait_killed().await?;
    host.core.wait_server(SERVER, ServerState::NotOk).await?;
    let waits = id_of(&host.core.client.call(&stop(true)).await?)?;

    host.core.program.kill();
    for taken in ["resume.taken:1", "resume.taken:2"] {
        host.core.dies_in_start(taken).await?;
    }
    let docker_host = host.engine.docker_host();
    host.agent.start(&docker_host)?;
    host.core.dies_in_start("resume.taken:2").await?;
    host.core.start_again().await?;
    host.core.wait_server(SERVER, ServerState::Ok).await?;

    let (first, second) = (host.closed(&runs).await?, host.closed(&waits).await?);
    host.tells_the_truth(&second, ContainerAction::Stop, None)
        .await?;
    host.nothing_is_stuck().await?;
    let acts = host.acts(ContainerAction::Stop, before).await?;
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    for verdict in first.verdicts.iter().chain(&second.verdicts) {
        *told.entry(&verdict.container).or_default() +=
            usize::from(verdict.verdict == VerdictKind::Done);
    }
    for name in &host.names {
        let (ended, told) = (acts.get(name), told.get(name.as_str()));
        if ended != Some(&1) || told != Some(&1) {
            return Err(format!(
                "{name} ended {ended:?} times and was told {told:?}: {first:?} {second:?}"
            )
            .into());
        }
    }
    Ok(())
}
