//! `komodo-periphery hand-over`, as a process.

use std::{path::Path, process::ExitCode};

use komodo_docker::Endpoint;
use komodo_failpoint::failpoints;
use komodo_periphery::{
    config::Environment,
    hand_over::{
        Helper, HelperError, PLAN_VARIABLE, UNIT_PLAN_VARIABLE, UnitHelper, UnitHelperError,
    },
    service::SystemdPrograms,
};
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

use super::Failure;

/// Runs a helper to its end.
pub(crate) fn run(environment: &Environment) -> Result<ExitCode, Failure> {
    match environment.get(UNIT_PLAN_VARIABLE) {
        Some(path) => run_beside_unit(Path::new(path)),
        None => run_beside_container(environment),
    }
}

/// The exit code only tells systemd whether there is use in another try; the outcome is in a file.
fn run_beside_unit(path: &Path) -> Result<ExitCode, Failure> {
    let ended = runtime()?.block_on(async {
        let Some(helper) = UnitHelper::begin(path, SystemdPrograms::default())? else {
            return Ok(());
        };
        // One that dies at a point goes on where it is started again.
        let first = !helper.is_again().await;
        tracing_subscriber::registry()
            .with(first.then(failpoints).flatten())
            .init();
        helper.run(|line| println!("{line}")).await.map(drop)
    });
    Ok(match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => crate::fail(&error, ExitCode::from(UnitHelperError::exit_code(&error))),
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2)
        .build()
        .map_err(|error| Failure::Other(error.into()))
}

/// The exit code tells the outcome.
fn run_beside_container(environment: &Environment) -> Result<ExitCode, Failure> {
    let docker_host = environment.get("DOCKER_HOST").map_or("", String::as_str);
    let endpoint =
        Endpoint::parse(docker_host).map_err(|error| Failure::Configuration(error.into()))?;
    let plan = environment.get(PLAN_VARIABLE).map(String::as_str);
    let outcome = runtime()?.block_on(async {
        let helper = Helper::begin(endpoint, plan).await?;
        // One that dies at a point goes on where it is started again.
        let first = helper.restarts() == 0;
        tracing_subscriber::registry()
            .with(first.then(failpoints).flatten())
            .init();
        Ok::<_, HelperError>(helper.run(|line| println!("{line}")).await)
    });
    let outcome = outcome.map_err(|error| Failure::Configuration(error.into()))?;
    Ok(ExitCode::from(outcome.exit_code()))
}
