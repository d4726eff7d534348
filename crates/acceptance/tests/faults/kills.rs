//! `SIGKILL` of Periphery and of Core, each as a real process, at every step of an operation.

use komodo_acceptance::truth::{Host, Moment};
use komodo_api::container::ContainerAction;
use komodo_testkit::{engine::Engine, installation::Failure};

use crate::{Ordered, each, order, recovers};

/// Points of Periphery until it acts, and after it has.
const BEFORE: [&str; 11] = [
    "order.planned",
    "journal.created",
    "journal.written:1",
    "journal.durable:1",
    "order.journaled",
    "order.accepted",
    "target.starting:4",
    "journal.written:2",
    "operation.ending",
    "acknowledge.asked",
    "acknowledge.removed",
];

/// Points of Periphery while it acts on 16 at a time.
const ACTING: [&str; 11] = [
    "journal.durable:2",
    "target.started:1",
    "target.started:18",
    "target.answered:1",
    "target.answered:12",
    "target.observed:7",
    "target.settled:1",
    "target.settled:20",
    "journal.written:4",
    "journal.durable:6",
    "journal.written:9",
];

/// Points of Core.
const CORE: [&str; 14] = [
    "update.inserting",
    "insert.uncommitted",
    "update.inserted",
    "agent.asking",
    "agent.accepted",
    "event.taken:1",
    "event.taken:25",
    "verdict.taken:1",
    "verdict.taken:13",
    "verdict.taken:20",
    "end.storing",
    "save.uncommitted",
    "end.stored",
    "end.acknowledging",
];

/// Dies at the point, and then at the others, each in the start after the one before.
async fn periphery_killed(
    host: &mut Host,
    action: ContainerAction,
    points: &[&str],
) -> Result<(), Failure> {
    host.all_run().await?;
    host.arm_agent(points[0]).await?;
    let before = Moment::now();
    order(host, action).await?;
    host.agent_program()?.wait_killed().await?;
    let docker_host = host.engine.docker_host();
    for point in &points[1..] {
        host.agent.start_at(&docker_host, Some(point))?;
        host.agent_program()?.wait_killed().await?;
    }
    host.agent.start(&docker_host)?;
    recovers(host, Ordered::new(action, before)).await.map(drop)
}

async fn core_killed(host: &mut Host, action: ContainerAction, point: &str) -> Result<(), Failure> {
    host.all_run().await?;
    host.arm_core(point).await?;
    host.all_run().await?;
    let before = Moment::now();
    let answered = order(host, action).await.is_ok();
    host.core.program.wait_killed().await?;
    host.core.start_again().await?;
    let ordered = Ordered {
        answered,
        ..Ordered::new(action, before)
    };
    recovers(host, ordered).await.map(drop)
}

async fn host() -> Result<Host, Failure> {
    Host::start(Engine::start().await?, false).await
}

#[tokio::test]
async fn periphery_is_killed_at_each_step_before_it_acts() -> Result<(), Failure> {
    let mut host = host().await?;
    each!(BEFORE, |point| periphery_killed(
        &mut host,
        ContainerAction::Stop,
        &[point]
    ))
}

#[tokio::test]
async fn periphery_is_killed_at_each_step_once_it_acts() -> Result<(), Failure> {
    let mut host = host().await?;
    each!(ACTING, |point| periphery_killed(
        &mut host,
        ContainerAction::Stop,
        &[point]
    ))
}

#[tokio::test]
async fn periphery_is_killed_in_a_restart_which_is_not_done_twice() -> Result<(), Failure> {
    let mut host = host().await?;
    let points = ["target.started:5", "target.answered:5", "target.settled:3"];
    each!(points, |point| periphery_killed(
        &mut host,
        ContainerAction::Restart,
        &[point]
    ))
}

#[tokio::test]
async fn periphery_is_killed_again_while_it_recovers() -> Result<(), Failure> {
    let mut host = host().await?;
    let points = [
        "target.answered:3",
        "recover.settled:2",
        "recover.settled:9",
    ];
    periphery_killed(&mut host, ContainerAction::Stop, &points).await
}

#[tokio::test]
async fn core_is_killed_at_each_step() -> Result<(), Failure> {
    let mut host = host().await?;
    each!(CORE, |point| core_killed(
        &mut host,
        ContainerAction::Stop,
        point
    ))
}

#[tokio::test]
async fn core_is_killed_in_a_restart_which_is_not_done_twice() -> Result<(), Failure> {
    let mut host = host().await?;
    let points = ["agent.asking", "agent.accepted", "verdict.taken:5"];
    each!(points, |point| core_killed(
        &mut host,
        ContainerAction::Restart,
        point
    ))
}
