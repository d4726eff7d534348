//! The helper of a hand over under systemd, as a process in a unit of its own: it looks, asks
//! `komodo_plan::unit_hand_over` for the next step, does that one, and looks again. It remembers nothing when systemd
//! starts it again.

use std::{collections::HashMap, sync::Arc, time::Duration};

use komodo_plan::{
    hand_over::Outcome,
    unit_hand_over::{UnitFailure, UnitPlan, UnitScene, UnitStep, next, reason},
};
use tokio::time::{sleep, timeout};

use crate::{host::House, service::Service};

/// How often a step is tried until it is told as one that cannot be done.
const TRIES_MAX: u32 = 3;
/// Pause before a step is tried again, and before systemd starts a helper again.
const PAUSE: Duration = Duration::from_secs(1);
/// Time between two looks at what changes without a word of systemd, as the journal does.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Time that a stop or a start takes.
const TAKES: Duration = Duration::from_millis(100);

/// The helper was killed.
struct Ended;

/// Carries a plan out until it is over, in as many processes as that takes.
pub(crate) async fn help(house: Arc<House>, plan: UnitPlan) {
    let Some(service) = &house.service else {
        return;
    };
    loop {
        match work(&house, service, &plan).await {
            Ok(outcome) => return service.tell(&plan.operation, outcome),
            Err(Ended) => sleep(PAUSE).await,
        }
    }
}

async fn work(house: &Arc<House>, service: &Service, plan: &UnitPlan) -> Result<Outcome, Ended> {
    let (mut tries, mut failed, mut why) = (HashMap::<UnitStep, u32>::new(), Vec::new(), None);
    loop {
        let mut changes = service.changes();
        let (program, other, unit) = service.observe(plan);
        let scene = UnitScene {
            program,
            other,
            service: unit,
            confirmed: house.disk.is_confirmed(&plan.operation),
            now: house.world.now(),
            failed: failed.clone(),
            why: why.clone(),
        };
        why = reason(plan, &scene);
        let scene = UnitScene {
            why: why.clone(),
            ..scene
        };
        let step = match next(plan, &scene) {
            // It is broken on purpose.
            UnitStep::Await if house.broken.probation() => UnitStep::Finish(Outcome::Confirmed),
            step => step,
        };
        match step {
            UnitStep::Await => _ = timeout(LOOK_EVERY, changes.changed()).await,
            UnitStep::Finish(outcome) => {
                dies(house, false)?;
                return Ok(outcome);
            }
            step => {
                dies(house, false)?;
                let done = do_step(house, service, plan, &step).await;
                dies(house, true)?;
                if let Err(error) = done {
                    let tried = tries.entry(step.clone()).or_default();
                    *tried += 1;
                    if *tried >= TRIES_MAX {
                        failed.retain(|failure: &UnitFailure| failure.step != step);
                        failed.push(UnitFailure { step, why: error });
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

fn dies(house: &House, after: bool) -> Result<(), Ended> {
    match house.programs.comes_to_step(after) {
        true => Err(Ended),
        false => Ok(()),
    }
}

async fn do_step(
    house: &Arc<House>,
    service: &Service,
    plan: &UnitPlan,
    step: &UnitStep,
) -> Result<(), String> {
    match step {
        UnitStep::Exchange => return service.exchange(),
        UnitStep::Restore => service.restore(&plan.old_sha256),
        UnitStep::RemoveOther => service.remove_other(),
        UnitStep::Restart => {
            service.stop(house);
            sleep(TAKES).await;
            service.start(house);
        }
        UnitStep::Start => {
            sleep(TAKES).await;
            service.start(house);
        }
        UnitStep::Await | UnitStep::Finish(_) => {}
    }
    Ok(())
}
