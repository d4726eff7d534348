//! What has become of a helper, by its container.

use komodo_api::{engine::ContainerStateStatusEnum, live::LogStream};
use komodo_docker::{Engine, EngineError, HandOverGrant, Inspected, LogOptions, grant_hand_over};
use komodo_plan::hand_over::{HandOverPlan, Outcome};
use tokio::time::{Duration, timeout};

use super::calls::Calls;
use crate::{operations::Means, redact::redact};

/// Time to read the end of its log.
const LOG_DEADLINE: Duration = Duration::from_secs(10);
/// Lines from the end of its log that are read.
const LINES: u64 = 5;
/// Times that the Engine has started it again, from which on it is not believed to come to anything.
const RESTARTS_MAX: u64 = 50;

/// What has become of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Helper {
    /// It is at it.
    Runs,
    /// It has told how it ended.
    Ended(Outcome),
    /// It is gone, or was ended, or never began, without having told.
    Lost,
    /// The Engine cannot tell now.
    Away,
}

/// Looks at the helper of a plan.
pub(crate) async fn helper(means: &Means, plan: &HandOverPlan) -> Helper {
    let name = plan.helper_name();
    let seen = match means.engine.inspect(&name).await {
        Ok(seen) => seen,
        Err(error) if error.is_not_found() => return Helper::Lost,
        Err(_) => return Helper::Away,
    };
    // What the view shows may be older.
    if means
        .observatory
        .look(&means.engine, &seen.id)
        .await
        .is_err()
    {
        return Helper::Away;
    }
    use ContainerStateStatusEnum::{Created, Dead, Exited, Removing, Restarting};
    match seen.state.status {
        Created | Dead | Removing => Helper::Lost,
        Exited => match outcome(&means.engine, &seen).await {
            Ok(Some(outcome)) => Helper::Ended(outcome),
            Ok(None) => Helper::Lost,
            Err(_) => Helper::Away,
        },
        Restarting if seen.restart_count > RESTARTS_MAX => Helper::Lost,
        _ => Helper::Runs,
    }
}

/// The calls of a hand over that was begun before: by its helper, or, where that is gone, by what the guard says of the
/// container that bears the name now.
pub(crate) async fn calls(means: &Means, plan: &HandOverPlan) -> Result<Calls, String> {
    let engine = means.engine.clone();
    match means.engine.inspect(&plan.helper_name()).await {
        Ok(found) => {
            let grant = HandOverGrant::of_helper(plan.clone(), &found);
            return grant
                .map(|grant| Calls::new(engine, grant))
                .map_err(|error| error.to_string());
        }
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(redact(&error.chain())),
    }
    let protected = means.observatory.read(|view| {
        let mut named = view
            .protected()
            .iter()
            .filter(|entry| entry.name == plan.name);
        named
            .next()
            .map_or_else(Vec::new, |entry| entry.reasons.clone())
    });
    grant_hand_over(plan.clone(), &protected)
        .map(|grant| Calls::new(engine, grant))
        .map_err(|_| "it is not known now that it runs the agent, or Core".to_owned())
}

/// How it says that it ended: by its exit code, and why by the last line of its log.
async fn outcome(engine: &Engine, seen: &Inspected) -> Result<Option<Outcome>, EngineError> {
    let line = match timeout(LOG_DEADLINE, last_line(engine, &seen.id)).await {
        Ok(Err(error)) if error.is_unreachable() => return Err(error),
        Ok(Ok(line)) => line,
        Ok(Err(_)) | Err(_) => None,
    };
    Ok(Outcome::told(seen.state.exit_code, line.as_deref()))
}

async fn last_line(engine: &Engine, id: &str) -> Result<Option<String>, EngineError> {
    let options = LogOptions {
        tail: Some(LINES),
        since: None,
        follow: false,
        stream: Some(LogStream::Stdout),
    };
    let mut reader = engine.logs(id, &options).await?;
    let mut last = None;
    while let Some(lines) = reader.next().await? {
        last = lines.into_iter().next_back().map(|line| line.line).or(last);
    }
    Ok(last)
}
