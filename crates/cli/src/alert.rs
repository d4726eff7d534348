//! `km alerts`: what somebody should look at.

use std::io;

use komodo_api::{
    alert::{Alert, AlertData, ListAlerts, SeverityLevel},
    server::ListServers,
};
use serde_json::{Map, Value};

use crate::{
    args::Alerts,
    failure::{Failure, Outcome},
    session::Session,
    table::{self, Format, Text, toned},
    terminal::{Terminal, Tone},
    update, words,
};

/// `km alerts`.
///
/// # Errors
/// When Core refuses or cannot be reached.
pub async fn list(session: &mut Session, args: &Alerts) -> Result<Outcome, Failure> {
    let client = session.client()?;
    let open = Map::from_iter([("resolved".to_owned(), Value::Bool(false))]);
    let query = (!args.all).then(|| serde_json::from_value(Value::Object(open)));
    let ask = ListAlerts {
        query: query.transpose().map_err(io::Error::other)?,
        page: args.page,
    };
    let answer = client.call(&ask).await?;
    if args.formatted.format == Format::Json {
        table::json(&mut session.terminal, &answer)?;
        return Ok(Outcome::Success);
    }
    let servers = client
        .call(&ListServers {
            limit: Some(0),
            ..ListServers::default()
        })
        .await?;
    let names: Vec<_> = servers
        .into_iter()
        .map(|server| (server.id, server.name))
        .collect();
    print(&mut session.terminal, &answer.alerts, &names)?;
    if let Some(next) = answer.next_page {
        session
            .terminal
            .note(format!("there are older ones: --page {next}"))?;
    }
    Ok(Outcome::Success)
}

/// Prints alerts; `names` are ids and names of servers.
///
/// # Errors
/// When it cannot be written.
pub fn print(
    terminal: &mut Terminal,
    alerts: &[Alert],
    names: &[(String, String)],
) -> io::Result<()> {
    if alerts.is_empty() {
        return terminal.note("no alerts");
    }
    let now = (terminal.now)();
    let rows: Vec<_> = alerts
        .iter()
        .map(|alert| {
            let level = match alert.level {
                _ if alert.resolved => toned(Tone::Good, "resolved"),
                SeverityLevel::Ok => toned(Tone::Good, "ok"),
                SeverityLevel::Warning => toned(Tone::Warn, "warning"),
                SeverityLevel::Critical => toned(Tone::Bad, "critical"),
            };
            [
                level,
                update::target(&alert.target, names).into(),
                Text::from(what(&alert.data)),
                words::ago(alert.ts, now).into(),
                alert.update.as_deref().unwrap_or("-").into(),
            ]
        })
        .collect();
    table::print(
        terminal,
        ["LEVEL", "TARGET", "WHAT", "RAISED", "UPDATE"],
        rows,
    )
}

/// What an alert is about: its sentence where it has one, else its kind with what it says.
fn what(data: &AlertData) -> String {
    if let AlertData::Custom { message, .. } = data {
        return message.clone();
    }
    let value = serde_json::to_value(data).unwrap_or_default();
    let facts = value["data"].as_object().into_iter().flatten();
    let facts: Vec<String> = facts
        .filter(|(key, value)| !matches!(key.as_str(), "id" | "name") && !value.is_null())
        .map(|(key, value)| match value {
            Value::String(text) => format!("{key} {text}"),
            value => format!("{key} {value}"),
        })
        .collect();
    let kind = value["type"].as_str().unwrap_or_default();
    match facts.is_empty() {
        true => kind.to_owned(),
        false => format!("{kind}: {}", facts.join(", ")),
    }
}
