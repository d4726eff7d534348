//! `km list`, `km core-info`, `km config`.

use std::io;

use komodo_api::{
    UnixMs,
    auth::{ApiKey, ListApiKeys},
    core::GetCoreInfo,
    onboarding_key::{ListOnboardingKeys, OnboardingKey},
    server::{ListServers, ServerListItem, ServerReasonCode, ServerState, VersionSkew},
};

use crate::{
    args::{Kind, List},
    container,
    failure::{Failure, Outcome},
    session::Session,
    table::{self, Format, Text, toned},
    terminal::{Terminal, Tone},
    update, words,
};

/// `km list`.
///
/// # Errors
/// When Core refuses or cannot be reached.
pub async fn list(session: &mut Session, list: &List) -> Result<Outcome, Failure> {
    let format = list.formatted.format;
    let client = session.client()?;
    match list.kind {
        Kind::Servers => {
            let mut ask = ListServers {
                limit: Some(0),
                ..ListServers::default()
            };
            ask.query.names = list.names.clone();
            ask.query.tags = list.tags.clone();
            let servers = client.call(&ask).await?;
            match format {
                Format::Json => table::json(&mut session.terminal, &servers)?,
                Format::Table => print_servers(&mut session.terminal, &servers)?,
            }
        }
        Kind::Containers => return container::list_all(session, &list.names, format).await,
        Kind::Updates => return update::list(session, 0, format).await,
        Kind::ApiKeys => return api_keys(session, format).await,
        Kind::OnboardingKeys => {
            let keys = client.call(&ListOnboardingKeys {}).await?;
            match format {
                Format::Json => table::json(&mut session.terminal, &keys)?,
                Format::Table => print_onboarding_keys(&mut session.terminal, &keys)?,
            }
        }
    }
    Ok(Outcome::Success)
}

/// `km key ls`.
///
/// # Errors
/// When Core refuses or cannot be reached.
pub async fn api_keys(session: &mut Session, format: Format) -> Result<Outcome, Failure> {
    let keys = session.client()?.call(&ListApiKeys {}).await?;
    match format {
        Format::Json => table::json(&mut session.terminal, &keys)?,
        Format::Table => print_api_keys(&mut session.terminal, &keys)?,
    }
    Ok(Outcome::Success)
}

/// `km core-info`.
///
/// # Errors
/// When Core refuses or cannot be reached.
pub async fn core_info(session: &mut Session, format: Format) -> Result<Outcome, Failure> {
    let info = session.client()?.call(&GetCoreInfo {}).await?;
    if format == Format::Json {
        table::json(&mut session.terminal, &info)?;
        return Ok(Outcome::Success);
    }
    let fields = serde_json::to_value(&info).map_err(io::Error::other)?;
    let rows = fields
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            [Text::from(name.as_str()), Text::from(value)]
        });
    table::print(
        &mut session.terminal,
        ["SETTING", "VALUE"],
        rows.collect::<Vec<_>>(),
    )?;
    Ok(Outcome::Success)
}

/// Prints servers.
///
/// # Errors
/// When it cannot be written.
pub fn print_servers(terminal: &mut Terminal, servers: &[ServerListItem]) -> io::Result<()> {
    if servers.is_empty() {
        return terminal.note(
            "no servers; `km create onboarding-key NAME` gives what a Periphery needs to join",
        );
    }
    let now = (terminal.now)();
    let rows: Vec<_> = servers
        .iter()
        .map(|server| server_row(server, now))
        .collect();
    table::print(
        terminal,
        [
            "SERVER",
            "STATE",
            "CONTAINERS",
            "CPU",
            "MEMORY",
            "DISK",
            "VERSION",
            "NOTE",
        ],
        rows,
    )
}

fn server_row(server: &ServerListItem, now: UnixMs) -> [Text; 8] {
    let info = &server.info;
    let state = match info.state {
        ServerState::Ok => toned(Tone::Good, "ok"),
        ServerState::Disabled => toned(Tone::Faint, "disabled"),
        ServerState::NotOk => toned(
            match info.reason.as_ref().map(|reason| reason.code) {
                Some(ServerReasonCode::Detached | ServerReasonCode::HandedOver) => Tone::Warn,
                _ => Tone::Bad,
            },
            match info.reason.as_ref().map(|reason| reason.code) {
                Some(ServerReasonCode::NeverConnected) => "never connected",
                Some(ServerReasonCode::Unreachable) => "unreachable",
                Some(ServerReasonCode::AgentStopped) => "agent stopped",
                Some(ServerReasonCode::Detached) => "detached",
                Some(ServerReasonCode::HandedOver) => "handed over",
                Some(ServerReasonCode::KeyRefused) => "key refused",
                Some(ServerReasonCode::Docker) => "docker",
                None => "not ok",
            },
        ),
    };
    let containers = match &info.containers {
        Some(counts) => {
            let mut text = format!("{}/{} running", counts.running, counts.total);
            if counts.unhealthy > 0 {
                text = format!("{text}, {} unhealthy", counts.unhealthy);
            }
            text
        }
        None => "-".into(),
    };
    let of = |used: f64, total: f64| match total > 0.0 {
        true => format!("{used:.1}/{total:.1} GiB"),
        false => "-".into(),
    };
    let (cpu, memory, disk) = match &info.stats {
        Some(stats) => (
            format!("{:.0}%", stats.cpu_perc),
            of(stats.mem_used_gb, stats.mem_total_gb),
            of(stats.disk_used_gb, stats.disk_total_gb),
        ),
        None => ("-".into(), "-".into(), "-".into()),
    };
    let mut notes = Vec::new();
    match (&info.reason, &info.err) {
        (Some(reason), _) => notes.push(reason.why.clone()),
        (None, Some(error)) => notes.push(error.error.clone()),
        (None, None) => {}
    }
    if info.state == ServerState::NotOk
        && let Some(seen) = info.last_seen
    {
        notes.push(format!("last seen {}", words::ago(seen, now)));
    }
    let agent = info.agent.as_ref();
    let skew = agent.and_then(|agent| agent.skew);
    if let Some(why) = agent.and_then(|agent| agent.why.as_ref())
        && !notes.contains(why)
    {
        notes.push(why.clone());
    }
    let version = info.version.as_deref().unwrap_or("-");
    let version = match skew {
        Some(VersionSkew::Outdated) => toned(Tone::Warn, format!("{version} (outdated)")),
        Some(VersionSkew::TooOld) => toned(Tone::Bad, format!("{version} (too old)")),
        None => version.into(),
    };
    // What a server that is away said last is no news.
    let figure = |text: String| match info.state {
        ServerState::Ok => Text::from(text),
        ServerState::NotOk | ServerState::Disabled => toned(Tone::Faint, text),
    };
    [
        toned(Tone::Strong, server.name.clone()),
        state,
        figure(containers),
        figure(cpu),
        figure(memory),
        figure(disk),
        version,
        notes.join("; ").into(),
    ]
}

fn print_api_keys(terminal: &mut Terminal, keys: &[ApiKey]) -> io::Result<()> {
    let now = (terminal.now)();
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            [
                Text::from(key.name.as_str()),
                Text::from(key.key.as_str()),
                Text::from(words::ago(key.created_at, now)),
                ends(key.expires, now),
            ]
        })
        .collect();
    table::print(terminal, ["NAME", "KEY", "CREATED", "ENDS"], rows)
}

fn print_onboarding_keys(terminal: &mut Terminal, keys: &[OnboardingKey]) -> io::Result<()> {
    let now = (terminal.now)();
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            let uses = match key.max_uses {
                Some(max) => format!("{} of {max}", key.onboarded.len()),
                None => key.onboarded.len().to_string(),
            };
            let enabled = if key.enabled {
                toned(Tone::Good, "yes")
            } else {
                toned(Tone::Faint, "no")
            };
            [
                Text::from(key.name.as_str()),
                Text::from(key.public_key.as_str()),
                enabled,
                Text::from(uses),
                ends(key.expires, now),
            ]
        })
        .collect();
    table::print(terminal, ["NAME", "KEY", "ENABLED", "USED", "ENDS"], rows)
}

fn ends(at: UnixMs, now: UnixMs) -> Text {
    match at {
        0 => "never".into(),
        at if at <= now => toned(Tone::Bad, format!("ended {}", words::ago(at, now))),
        at => words::ago(at, now).into(),
    }
}
