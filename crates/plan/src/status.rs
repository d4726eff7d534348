//! States in words: of a container as `docker ps` writes it, of a server with why and since when.

use komodo_agent_api::{Container, EngineState, GoodbyeReason, HealthStatus};
use komodo_api::{
    UnixMs,
    engine::ContainerStateStatusEnum,
    server::{ServerReason, ServerReasonCode, ServerState},
};

#[cfg(test)]
mod tests;

/// How a server's agent is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// No agent ever was.
    Never,
    /// It is.
    Up {
        /// Since when.
        since: UnixMs,
    },
    /// It is not any more.
    Lost {
        /// Since when.
        since: UnixMs,
        /// What the agent said before it went.
        goodbye: Option<GoodbyeReason>,
    },
    /// An agent with a key that is not the pinned one asks to connect, and no other is connected.
    KeyRefused {
        /// Since when there is no link; absent where there never was one.
        since: Option<UnixMs>,
        /// The key that was refused.
        public_key: String,
    },
}

/// State of a server, and why it is not `Ok`.
pub fn server_state(
    enabled: bool,
    link: &LinkState,
    engine: &EngineState,
) -> (ServerState, Option<ServerReason>) {
    use ServerReasonCode::*;
    if !enabled {
        return (ServerState::Disabled, None);
    }
    let (code, why, since) = match (link, engine) {
        (LinkState::Up { .. }, EngineState::Connected { .. }) => return (ServerState::Ok, None),
        (LinkState::Up { .. }, EngineState::Unreachable { why, since }) => (
            Docker,
            format!("Periphery is connected, but its Docker Engine does not answer: {why}"),
            Some(*since),
        ),
        (LinkState::Never, _) => (
            NeverConnected,
            "no Periphery has connected yet".to_owned(),
            None,
        ),
        (
            LinkState::Lost {
                since,
                goodbye: None,
            },
            _,
        ) => (
            Unreachable,
            format!("no contact with Periphery since {}", time(*since)),
            Some(*since),
        ),
        (
            LinkState::Lost {
                since,
                goodbye: Some(goodbye),
            },
            _,
        ) => {
            let at = time(*since);
            let (code, why) = match goodbye {
                GoodbyeReason::Signal { signal } => (
                    AgentStopped,
                    format!("Periphery was stopped on the host at {at} (by {signal})"),
                ),
                GoodbyeReason::EngineEvent { action } => (
                    AgentStopped,
                    format!(
                        "Periphery was stopped on the host at {at} (the Engine told: {action})"
                    ),
                ),
                GoodbyeReason::Detached { by, bring_back } => (
                    Detached,
                    format!("detached by {by} at {at}; bring it back with: {bring_back}"),
                ),
                GoodbyeReason::HandedOver { .. } => (
                    HandedOver,
                    format!("Periphery is being restarted or updated by its helper since {at}"),
                ),
            };
            (code, why, Some(*since))
        }
        (LinkState::KeyRefused { since, public_key }, _) => (
            KeyRefused,
            format!(
                "a Periphery with another key asks to connect and is refused (key {public_key})"
            ),
            *since,
        ),
    };
    let (by, bring_back) = match link {
        LinkState::Lost {
            goodbye: Some(GoodbyeReason::Detached { by, bring_back }),
            ..
        } => (Some(by.clone()), Some(bring_back.clone())),
        _ => (None, None),
    };
    let reason = ServerReason {
        code,
        why,
        since,
        by,
        bring_back,
    };
    (ServerState::NotOk, Some(reason))
}

/// A time for people, `2026-11-23 12:03:11 UTC`.
fn time(at: UnixMs) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(
        |_| "an unknown time".to_owned(),
        |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

/// A container's state in the words of `docker ps`.
pub fn container_status(container: &Container, now: UnixMs) -> String {
    use ContainerStateStatusEnum::*;
    let code = container.exit_code.unwrap_or(0);
    let ago = || match container.finished_at {
        Some(finished) => format!(" {} ago", duration(now - finished)),
        None => String::new(),
    };
    let up = || match container.started_at {
        Some(started) => format!("Up {}", duration(now - started)),
        None => "Up".to_owned(),
    };
    match container.state {
        Running | Stopping => match container.health {
            None => up(),
            Some(HealthStatus::Starting) => format!("{} (health: starting)", up()),
            Some(HealthStatus::Healthy) => format!("{} (healthy)", up()),
            Some(HealthStatus::Unhealthy) => format!("{} (unhealthy)", up()),
        },
        Paused => format!("{} (Paused)", up()),
        Restarting => format!("Restarting ({code}){}", ago()),
        Removing => "Removal In Progress".to_owned(),
        Dead => "Dead".to_owned(),
        Created => "Created".to_owned(),
        Exited => format!("Exited ({code}){}", ago()),
        Empty => String::new(),
    }
}

/// A length of time as the Engine's tools write it.
fn duration(ms: i64) -> String {
    const WEEK_HOURS: i64 = 24 * 7;
    const MONTH_HOURS: i64 = 24 * 30;
    const YEAR_HOURS: i64 = 24 * 365;
    let seconds = ms.max(0) / 1000;
    let minutes = seconds / 60;
    let hours = (seconds + 1800) / 3600;
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 2 * WEEK_HOURS => format!("{} days", hours / 24),
        () if hours < 2 * MONTH_HOURS => format!("{} weeks", hours / WEEK_HOURS),
        () if hours < 2 * YEAR_HOURS => format!("{} months", hours / MONTH_HOURS),
        () => format!("{} years", seconds / 3600 / YEAR_HOURS),
    }
}
