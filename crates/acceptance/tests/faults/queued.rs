//! `SIGKILL` of Core and of Periphery at the steps of an operation that waits for its server (`when_back`).

use komodo_acceptance::truth::{Host, Moment, SERVER};
use komodo_api::{
    container::{ContainerAction, StopAllContainers},
    server::ServerState,
    update::{CancelUpdate, Update, VerdictKind},
};
use komodo_testkit::{engine::Engine, installation::Failure};

use crate::{Ordered, each, id_of, recovers};

/// Points of Core where the order is kept.
const KEPT: [&str; 2] = ["queue.inserting", "queue.inserted"];
/// Points of Core when the server is back.
const BEGUN: [&str; 3] = ["queue.beginning", "queue.begun", "verdict.taken:7"];
/// Points of Periphery when it is back.
const AGENT: [&str; 3] = ["order.journaled", "target.started:5", "target.settled:3"];

/// Orders a stop that waits for its server.
async fn queue(host: &Host) -> Result<Update, Failure> {
    let stop = StopAllContainers {
        when_back: true,
        ..StopAllContainers::of(SERVER)
    };
    Ok(host.core.client.call(&stop).await?)
}

async fn away(host: &mut Host) -> Result<Moment, Failure> {
    host.all_run().await?;
    host.agent_program()?.kill();
    host.core.wait_server(SERVER, ServerState::NotOk).await?;
    Ok(Moment::now())
}

async fn core_killed(host: &mut Host, point: &str) -> Result<(), Failure> {
    host.all_run().await?;
    host.arm_core(point).await?;
    let before = away(host).await?;
    let answered = queue(host).await.is_ok();
    let docker_host = host.engine.docker_host();
    if KEPT.contains(&point) {
        host.core.program.wait_killed().await?;
        host.core.start_again().await?;
        host.was_left_alone(before).await?;
        host.agent.start(&docker_host)?;
    } else {
        host.agent.start(&docker_host)?;
        host.core.program.wait_killed().await?;
        host.core.start_again().await?;
    }
    let ordered = Ordered {
        answered,
        ..Ordered::new(ContainerAction::Stop, before)
    };
    let update = recovers(host, ordered).await?;
    // Before it is stored nobody knows of it; after that it is carried out.
    match (point, update) {
        ("queue.inserting", None) => Ok(()),
        ("queue.inserting", Some(update)) => Err(format!("whence is {update:?}").into()),
        (_, Some(update)) => all_done(&update),
        (_, None) => Err("what was stored is lost".into()),
    }
}

async fn periphery_killed(host: &mut Host, point: &str) -> Result<(), Failure> {
    let before = away(host).await?;
    queue(host).await?;
    let docker_host = host.engine.docker_host();
    host.agent.start_at(&docker_host, Some(point))?;
    host.agent_program()?.wait_killed().await?;
    host.agent.start(&docker_host)?;
    recovers(host, Ordered::new(ContainerAction::Stop, before))
        .await
        .map(drop)
}

fn all_done(update: &Update) -> Result<(), Failure> {
    let mut verdicts = update.verdicts.iter();
    match verdicts.all(|verdict| verdict.verdict == VerdictKind::Done) {
        true => Ok(()),
        false => Err(format!("not carried out: {update:?}").into()),
    }
}

async fn host() -> Result<Host, Failure> {
    Host::start(Engine::start().await?, false).await
}

#[tokio::test]
async fn core_is_killed_at_each_step_of_what_waits() -> Result<(), Failure> {
    let mut host = host().await?;
    let points = KEPT.into_iter().chain(BEGUN);
    each!(points, |point| core_killed(&mut host, point))
}

#[tokio::test]
async fn periphery_is_killed_in_what_waited_for_it() -> Result<(), Failure> {
    let mut host = host().await?;
    each!(AGENT, |point| periphery_killed(&mut host, point))
}

#[tokio::test]
async fn a_cancel_of_what_waits_holds_once_it_is_answered() -> Result<(), Failure> {
    let mut host = host().await?;
    host.arm_core("save.uncommitted").await?;
    let before = away(&mut host).await?;
    let cancel = CancelUpdate {
        id: id_of(&queue(&host).await?)?,
    };
    if let Ok(told) = host.core.client.call(&cancel).await {
        return Err(format!("told before it was on disk: {told:?}").into());
    }
    host.core.program.wait_killed().await?;
    host.core.start_again().await?;
    let ended = host.core.client.call(&cancel).await?;
    // Killed right after the answer.
    host.core.program.kill();
    host.core.start_again().await?;
    let docker_host = host.engine.docker_host();
    host.agent.start(&docker_host)?;
    host.core.wait_server(SERVER, ServerState::Ok).await?;
    let update = host.closed(&cancel.id).await?;
    if update.canceled_by.is_none() || update.success || update.canceled_by != ended.canceled_by {
        return Err(format!("it was canceled: {update:?}").into());
    }
    host.nothing_is_stuck().await?;
    host.was_left_alone(before).await
}
