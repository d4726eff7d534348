//! `komodo-periphery hand-over`, as a process.

use std::process::ExitCode;

use komodo_docker::Endpoint;
use komodo_failpoint::failpoints;
use komodo_periphery::{
    config::Environment,
    hand_over::{Helper, HelperError, PLAN_VARIABLE},
};
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

use super::Failure;

/// Runs a helper to its end; the exit code tells which.
pub(crate) fn run(environment: &Environment) -> Result<ExitCode, Failure> {
    let docker_host = environment.get("DOCKER_HOST").map_or("", String::as_str);
    let endpoint =
        Endpoint::parse(docker_host).map_err(|error| Failure::Configuration(error.into()))?;
    let plan = environment.get(PLAN_VARIABLE).map(String::as_str);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2)
        .build()
        .map_err(|error| Failure::Other(error.into()))?;
    let outcome = runtime.block_on(async {
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
