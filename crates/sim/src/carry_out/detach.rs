//! An agent that goes on purpose: it marks that, tells it, and has the Engine take its container away.

use std::time::Duration;

use komodo_agent_api::{Container, GoodbyeReason, OperationEventBody};
use komodo_api::{
    container::ContainerAction, engine::ContainerStateStatusEnum, plan::PlanItem,
    update::VerdictKind,
};
use komodo_plan::restarted;
use tokio::time::sleep;

use super::{
    Begun, Kept, NotAsked, Operation, Settled, Step, Target, canceled, failed, observe, permit,
    write, write_verdict,
};
use crate::{engine::ActError, journal::Killed, process::Process};

/// Time in which what is told last is sent.
const LAST_WORDS: Duration = Duration::from_secs(1);

pub(super) async fn carry_out(
    process: &Process,
    operation: &Operation,
    target: &Target,
) -> Result<(), Killed> {
    let item = &target.item;
    if let Some(begun) = &target.begun {
        // Only one that is broken on purpose comes here twice: it would go round for ever.
        return settle_left_open(process, operation, item, begun).await;
    }
    let tell = |settled: Settled, now: Option<&Container>| {
        let before = now.map_or(item.state, |now| now.state);
        write_verdict(process, operation, item, before, settled, now)
    };
    let now = match permit(process, operation, target, operation.action, Step::First) {
        Ok(now) => now,
        Err(Kept::Settled(settled, now)) => return tell(settled, now.as_deref()),
        Err(Kept::Away(why)) => {
            let why = format!("the Engine could not be asked: {why}; it was not tried");
            return tell(failed(why), None);
        }
    };
    if process.disk.is_full() {
        let why = "the journal cannot be written: its disk is full; it was not tried";
        return tell(failed(why.to_owned()), Some(&now));
    }
    let (run, at) = (Some(now.run()), process.world.now());
    let begun = process
        .disk
        .begin(&operation.id, &item.id, run, at, &process.alive)?;
    if !begun {
        return match canceled(process, item) {
            NotAsked::Settled(settled, now) => tell(settled, now.as_deref()),
            NotAsked::Killed(killed) => Err(killed),
        };
    }
    let is_own = process.properties.container.as_deref() == Some(&item.id);
    if is_own {
        announce(process, operation, item).await?;
    }
    let asked = process.world.act(&operation.id, &item.id, operation.action);
    let error = match asked.await {
        Ok(()) => None,
        Err(ActError::Said(why) | ActError::NotAsked(why) | ActError::Lost(why)) => Some(why),
    };
    if is_own {
        until_it_runs(process, &now).await;
        process.disk.set_detached(false);
        process.goodbye.send_replace(None);
    }
    let id = item.id.clone();
    let acted = OperationEventBody::Acted {
        id,
        error: error.clone(),
    };
    write(process, operation, acted)?;
    let now = observe(process, &item.id).await.flatten();
    let settled = match error {
        None => (VerdictKind::Done, None, None),
        Some(why) => failed(why),
    };
    tell(settled, now.as_ref())
}

async fn announce(process: &Process, operation: &Operation, item: &PlanItem) -> Result<(), Killed> {
    let bring_back = item.bring_back.clone().unwrap_or_default();
    process.disk.set_detached(true);
    write(
        process,
        operation,
        OperationEventBody::Detaching {
            bring_back: bring_back.clone(),
        },
    )?;
    process.say_goodbye(GoodbyeReason::Detached {
        by: operation.operator.clone(),
        bring_back,
    });
    sleep(LAST_WORDS).await;
    Ok(())
}

/// Stands still while its container is paused; for ever where it is over with this run of it.
async fn until_it_runs(process: &Process, own: &Container) {
    loop {
        let mut changes = process.world.subscribe().changes;
        let now = process.world.container(&own.id);
        if now.is_some_and(|now| {
            now.state == ContainerStateStatusEnum::Running && now.started_at == own.started_at
        }) {
            return;
        }
        _ = changes.recv().await;
    }
}

/// Settles what an agent before this one began: it went, where its container is in another run, or gone.
pub(super) async fn settle_left_open(
    process: &Process,
    operation: &Operation,
    item: &PlanItem,
    begun: &Begun,
) -> Result<(), Killed> {
    let now = observe(process, &item.id).await.flatten();
    let went = match &now {
        None => true,
        Some(now) => restarted(begun.run, now) == Some(true),
    };
    let paused = operation.action == ContainerAction::Pause && begun.answered;
    let settled = match &begun.error {
        Some(error) => failed(error.clone()),
        None if went || paused => (VerdictKind::Done, None, None),
        None => failed("the agent was stopped before it went".to_owned()),
    };
    write_verdict(process, operation, item, item.state, settled, now.as_ref())
}
