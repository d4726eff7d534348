//! `SIGKILL` of Periphery and of Core at the steps of a cancel, of a stop whose containers take their time.

use komodo_acceptance::truth::{Host, Moment};
use komodo_api::{
    container::ContainerAction,
    plan::ReasonCode,
    update::{CancelUpdate, Update, VerdictKind},
};
use komodo_testkit::{
    engine::Engine,
    installation::{Failure, wait_for},
};

use crate::{Ordered, each, id_of, order, recovers};

/// Containers that are asked to end before the stop is canceled; fewer than are acted on at the same time.
const BEGUN: usize = 8;

/// Who dies where.
#[derive(Debug, Clone, Copy)]
enum Dies {
    Periphery(&'static str),
    Core(&'static str),
}

async fn killed_in_a_cancel(host: &mut Host, dies: Dies) -> Result<(), Failure> {
    host.all_run().await?;
    match dies {
        Dies::Periphery(point) => host.arm_agent(point).await?,
        Dies::Core(point) => host.arm_core(point).await?,
    }
    host.all_run().await?;
    let before = Moment::now();
    let id = id_of(&order(host, ContainerAction::Stop).await?)?;
    wait_for("containers to be asked to end", || async {
        let asked = host.signaled(before).await.ok()?;
        (asked >= BEGUN).then_some(())
    })
    .await?;
    let canceled = host.core.client.call(&CancelUpdate { id }).await.is_ok();
    match dies {
        Dies::Periphery(_) => {
            host.agent_program()?.wait_killed().await?;
            let docker_host = host.engine.docker_host();
            host.agent.start(&docker_host)?;
        }
        Dies::Core(_) => {
            host.core.program.wait_killed().await?;
            host.core.start_again().await?;
        }
    }
    let update = recovers(host, Ordered::new(ContainerAction::Stop, before))
        .await?
        .ok_or("it was answered")?;
    says_so(&update, canceled)?;
    match dies {
        // On the agent's disk, and what it had not begun stays so.
        Dies::Periphery("cancel.kept") if untried(&update) == 0 => {
            Err(format!("nothing was canceled: {update:?}").into())
        }
        // Not on Core's, so that nobody may have been told.
        Dies::Core("cancel.saving") if canceled || update.canceled_by.is_some() => {
            Err(format!("told ({canceled}) before it was on disk: {update:?}").into())
        }
        _ => Ok(()),
    }
}

fn untried(update: &Update) -> usize {
    let canceled = |code| code == ReasonCode::Canceled;
    update
        .verdicts
        .iter()
        .filter(|verdict| verdict.reason.as_ref().is_some_and(|it| canceled(it.code)))
        .count()
}

/// Whether an Update tells of its cancel, in numbers, or that it came too late.
fn says_so(update: &Update, answered: bool) -> Result<(), Failure> {
    let log = update.logs.iter().find(|log| log.stage == "Cancel");
    let done = update.verdicts.iter();
    let done = done.filter(|verdict| verdict.verdict == VerdictKind::Done);
    let counts = format!("{} done, {} not tried", done.count(), untried(update));
    let told = match (&update.canceled_by, log) {
        (Some(_), Some(log)) => log.stderr.contains(&counts),
        (Some(_), None) => false,
        (None, Some(log)) => untried(update) == 0 && log.stdout.contains("had ended by then"),
        (None, None) => untried(update) == 0 && !answered,
    };
    match told {
        true => Ok(()),
        false => Err(format!("canceled ({answered}), {counts}, but: {update:?}").into()),
    }
}

async fn host() -> Result<Host, Failure> {
    Host::start_slow(Engine::start().await?).await
}

#[tokio::test]
async fn periphery_is_killed_at_each_step_of_a_cancel() -> Result<(), Failure> {
    let mut host = host().await?;
    let cases = ["cancel.asked", "cancel.kept"].map(Dies::Periphery);
    each!(cases, |dies| killed_in_a_cancel(&mut host, dies))
}

#[tokio::test]
async fn core_is_killed_at_each_step_of_a_cancel() -> Result<(), Failure> {
    let mut host = host().await?;
    let cases = ["cancel.saving", "agent.canceling"].map(Dies::Core);
    each!(cases, |dies| killed_in_a_cancel(&mut host, dies))
}

#[tokio::test]
async fn core_is_killed_while_it_saves_how_far_an_operation_is() -> Result<(), Failure> {
    let mut host = host().await?;
    host.arm_core("progress.saving:2").await?;
    let before = Moment::now();
    order(&host, ContainerAction::Stop).await?;
    host.core.program.wait_killed().await?;
    host.core.start_again().await?;
    recovers(&host, Ordered::new(ContainerAction::Stop, before))
        .await
        .map(drop)
}
