//! Hand over of an agent that is a service of systemd: its helper as the agent, or a watchdog, sees it. What the helper
//! does is in `helper`, on `files` and `systemd`; what is done next is decided in `komodo_plan::unit_hand_over`; the
//! operation that it is part of is in `operations`.

mod files;
mod helper;
mod systemd;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use komodo_agent_api::OperationEventBody;
use komodo_failpoint::failpoint;
use komodo_plan::{
    hand_over::Outcome,
    unit_hand_over::{UNIT_PLAN_VARIABLE, UnitPlan},
};
use tokio::task::spawn_blocking;

pub(crate) use files::{beside, can_exchange};
use helper::EXIT_BAD_PLAN;
pub use helper::{UnitHelper, UnitHelperError};

use super::{
    follow::Helper,
    kept::{self, Kept},
};
use crate::service::{Systemd, prepare::version, sha256};

/// Time that systemd has to start a helper, or to end it.
const HELPER_DEADLINE: Duration = Duration::from_secs(30);
/// Times that systemd has started a helper again, from which on it is not believed to come to anything.
const RESTARTS_MAX: u64 = 50;
/// Ends the name of the helper's copy of the old program.
const HELPER: &str = "helper";
/// Ends the name of the file with the outcome.
const OUTCOME: &str = "outcome";
/// Ends the name of the file that says why it is rolled back, for a helper that begins anew.
const WHY: &str = "why";

/// The helper of one hand over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handed<'a> {
    pub(crate) systemd: &'a Systemd,
    pub(crate) kept: &'a Kept,
    pub(crate) plan: &'a UnitPlan,
}

impl Handed<'_> {
    /// Makes the helper's own copy of a program, `own`, and tries whether that can be run. To be done once what is beside
    /// the program is there, and before anything is journaled.
    ///
    /// # Errors
    /// Why there can be no helper, for people.
    pub(crate) async fn prepare(&self, own: &Path) -> Result<(), String> {
        let copy = self.path(HELPER);
        let told = |error: io::Error| {
            format!(
                "the helper's program cannot be written to {}: {error}",
                copy.display()
            )
        };
        let (from, to) = (own.to_owned(), copy.clone());
        let copied = spawn_blocking(move || {
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder)?;
            }
            files::copy(&from, &to, files::HELPER_MODE)
        });
        let copied = copied
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        copied.map_err(told)?;
        failpoint!("hand-over.unit.copied");
        match version(&copy).await {
            Ok(_) => Ok(()),
            Err(why) => Err(format!("the helper's program, {}, {why}", copy.display())),
        }
    }

    /// Starts the helper. Its plan is kept, and its program is [prepared](Self::prepare).
    ///
    /// # Errors
    /// Why not, for people.
    pub(crate) async fn start(&self) -> Result<(), String> {
        let point = std::env::var(komodo_failpoint::VARIABLE).ok();
        let point = point.filter(|_| cfg!(debug_assertions));
        self.run(&self.path(HELPER), point.as_deref()).await
    }

    /// Starts another helper in place of one that is gone: it goes on from what it finds. `own` is a program to do it
    /// with where the helper's is gone.
    ///
    /// # Errors
    /// Why not, for people.
    pub(crate) async fn start_again(&self, own: &Path) -> Result<(), String> {
        let copy = self.path(HELPER);
        let (file, old) = (copy.clone(), self.plan.old_sha256.clone());
        let is_whole = spawn_blocking(move || sha256(&file).is_ok_and(|found| found == old));
        let program = match is_whole.await.unwrap_or(false) {
            true => copy,
            // Where there is no room for a copy either, it is run where it is.
            false => match self.prepare(own).await {
                Ok(()) => copy,
                Err(_) => own.to_owned(),
            },
        };
        // One that never came to anything is in the way.
        let _ = self.stop().await;
        self.run(&program, None).await
    }

    async fn run(&self, program: &Path, failpoint: Option<&str>) -> Result<(), String> {
        let plan = self.kept.plan_path(&self.plan.operation);
        let mut arguments = vec![
            "--quiet".to_owned(),
            "--collect".to_owned(),
            format!("--unit={}", self.plan.helper_unit()),
            format!(
                "--description=Komodo Periphery, hand over of {}",
                self.plan.unit
            ),
            "--property=Restart=on-failure".to_owned(),
            "--property=RestartSec=1".to_owned(),
            "--property=StartLimitIntervalSec=0".to_owned(),
            format!("--property=RestartPreventExitStatus={EXIT_BAD_PLAN}"),
            format!("--setenv={UNIT_PLAN_VARIABLE}={}", plan.to_string_lossy()),
        ];
        if let Some(point) = failpoint {
            arguments.push(format!("--setenv={}={point}", komodo_failpoint::VARIABLE));
        }
        arguments.push("--".to_owned());
        arguments.push(program.to_string_lossy().into_owned());
        arguments.push("hand-over".to_owned());
        let run = self.systemd.systemd_run(arguments, HELPER_DEADLINE).await;
        run.map(drop).map_err(|error| error.chain())
    }

    /// What has become of the helper.
    pub(crate) async fn look(&self) -> Helper {
        if let Some(outcome) = self.outcome() {
            return Helper::Ended(outcome);
        }
        let properties = "ActiveState,NRestarts";
        let shown = self
            .systemd
            .show(&self.plan.helper_unit(), properties)
            .await;
        let Ok(shown) = shown else {
            return Helper::Away;
        };
        let says = |name: &str| shown.get(name).map_or("", String::as_str);
        let restarts = says("NRestarts").parse().unwrap_or(0_u64);
        match says("ActiveState") {
            "active" | "activating" | "deactivating" | "reloading" if restarts <= RESTARTS_MAX => {
                Helper::Runs
            }
            // It may have ended in between.
            _ => match self.outcome() {
                Some(outcome) => Helper::Ended(outcome),
                None => Helper::Lost,
            },
        }
    }

    /// What the helper has told, as soon as it has; without asking systemd.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        kept::read(&self.path(OUTCOME))
    }

    /// Ends a helper that must not act any more. One that is gone is as good.
    ///
    /// # Errors
    /// Why it may still run, for people.
    pub(crate) async fn stop(&self) -> Result<(), String> {
        let unit = self.plan.helper_unit();
        let stopped = self
            .systemd
            .systemctl(["stop", "--", &unit], HELPER_DEADLINE);
        let Err(error) = stopped.await else {
            return Ok(());
        };
        let shown = self.systemd.show(&unit, "LoadState").await;
        match shown.is_ok_and(|shown| shown.get("LoadState").is_some_and(|it| it == "not-found")) {
            true => Ok(()),
            false => Err(error.chain()),
        }
    }

    /// Takes away what an operation that is settled has left behind: a helper that still runs, its program, the outcome,
    /// what is beside the program, and last the plan.
    pub(crate) async fn tidy(&self) {
        if let Err(error) = self.stop().await {
            tracing::warn!(
                operation.id = self.plan.operation,
                error,
                "the helper cannot be ended"
            );
        }
        forget(self.kept, self.plan).await;
    }

    fn path(&self, ending: &str) -> PathBuf {
        let plan = self.kept.plan_path(&self.plan.operation);
        plan.with_extension(ending)
    }
}

/// Takes away the files of an operation that is settled, the plan last.
pub(crate) async fn forget(kept: &Kept, plan: &UnitPlan) {
    let leftovers = plan.new_program().map(|_| PathBuf::from(plan.other()));
    for path in leftovers.into_iter().chain(files::unfinished(plan)) {
        kept::remove(path).await;
    }
    failpoint!("hand-over.unit.tidied-other");
    let path = kept.plan_path(&plan.operation);
    let helper = path.with_extension(HELPER);
    kept::remove(files::part(&helper)).await;
    for path in [
        helper,
        path.with_extension(OUTCOME),
        path.with_extension(WHY),
    ] {
        kept::remove(path).await;
    }
    kept.forget_plan(&plan.operation).await;
}

/// Where a helper tells its outcome, by where its plan is.
fn outcome_path(plan: &Path) -> PathBuf {
    plan.with_extension(OUTCOME)
}

fn is_handed_over(event: &OperationEventBody) -> bool {
    matches!(event, OperationEventBody::HandedOver { .. })
}

/// Brings a helper back that is gone though the unit was handed over and nothing was told; whether one is at it.
///
/// # Errors
/// Why none could be started, for people.
pub(crate) async fn bring_back(
    systemd: &Systemd,
    kept: &Kept,
    unit: &str,
    user: bool,
) -> Result<bool, String> {
    let plans = kept.plans().into_iter();
    let plans = plans.filter_map(|operation| kept.unit_plan(&operation));
    for plan in plans.filter(|plan| plan.unit == unit && plan.user == user) {
        let (plan, journal) = (&plan, PathBuf::from(&plan.journal));
        let is_handed = spawn_blocking(move || helper::journal_holds(&journal, is_handed_over));
        if !is_handed.await.unwrap_or(false) {
            // The agent is about to begin, or ended before it had.
            continue;
        }
        let handed = Handed {
            systemd,
            kept,
            plan,
        };
        match handed.look().await {
            Helper::Ended(_) => {}
            Helper::Runs | Helper::Away => return Ok(true),
            Helper::Lost => {
                tracing::warn!(
                    operation.id = plan.operation,
                    "the helper of a hand over is gone without a word; it is started again"
                );
                let own = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
                handed.start_again(&own).await?;
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
