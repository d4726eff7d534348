//! What is printed of answers: what users are told, without ids and times that differ from run to run.

use std::fmt::Write;

use komodo_api::{
    Error,
    container::ContainerListItem,
    plan::{Effect, Plan, Protected, Reason},
    server::ServerListItem,
    update::{Update, UpdateStatus},
};
use serde::Serialize;

/// The word of the wire for a value.
pub(crate) fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => format!("{other:?}"),
    }
}

pub(crate) fn error(error: &Error) -> String {
    format!(
        "{} {}: {}\n",
        error.status().as_u16(),
        word(error.code),
        steady(&error.error)
    )
}

pub(crate) fn plan(plan: &Plan) -> String {
    let counts = plan.counts;
    let mut text = format!(
        "plan of {} on {}: {} act, {} protected, {} unchanged, {} excluded, {} refused{}\n",
        plan.operation,
        plan.server_name,
        counts.act,
        counts.protected,
        counts.unchanged,
        counts.excluded,
        counts.refused,
        if plan.undo { "" } else { "; cannot be undone" },
    );
    for item in &plan.items {
        let effect = match item.effect {
            Effect::Act => "act",
            Effect::Skip => "skip",
            Effect::Refuse => "refuse",
            Effect::HandOver => "hand over",
            Effect::Detach => "detach",
        };
        line(
            &mut text,
            &format!("  {effect:6} {} ({})", item.container, item.state.as_str()),
        );
        text.pop();
        text += &item
            .reason
            .as_ref()
            .map(|reason| format!(": {}", reason_of(reason)))
            .unwrap_or_default();
        if !item.dependants.is_empty() {
            text += &format!("; felt by {}", item.dependants.join(", "));
        }
        if !item.ports.is_empty() {
            text += &format!("; dark: {}", item.ports.join(", "));
        }
        if item.comes_back {
            text += "; comes back with the Engine";
        }
        if let Some(bytes) = item.bytes {
            text += &format!("; {bytes} bytes");
        }
        text.push('\n');
    }
    for warning in &plan.warnings {
        line(&mut text, &format!("  ! {warning}"));
    }
    text
}

pub(crate) fn update(update: &Update) -> String {
    let mut text = match (update.status, &update.waiting_for) {
        (UpdateStatus::Complete, _) if update.success => "success\n".to_owned(),
        (UpdateStatus::Complete, _) => "no success\n".to_owned(),
        (_, Some(waiting)) => {
            let why = waiting
                .why
                .as_ref()
                .map(|why| format!(": {}", steady(why)))
                .unwrap_or_default();
            format!("waiting for {}{why}\n", waiting.server)
        }
        (status, None) => format!("{status:?}\n"),
    };
    let mut verdicts: Vec<String> = update
        .verdicts
        .iter()
        .map(|verdict| {
            let container = steady(&verdict.container);
            let mut line = format!("  {:9} {container}", word(verdict.verdict));
            if let Some(reason) = &verdict.reason {
                line += &format!(" ({})", word(reason.code));
            }
            if let Some(error) = &verdict.error {
                line += &format!(": {}", steady(error));
            }
            line
        })
        .collect();
    verdicts.sort();
    for verdict in verdicts {
        line(&mut text, &verdict);
    }
    text
}

/// What clients see that know nothing of verdicts.
pub(crate) fn logs(update: &Update) -> String {
    let mut text = String::new();
    for log in &update.logs {
        let mark = if log.success { "ok" } else { "FAILED" };
        line(
            &mut text,
            &format!(
                "  [{}] {mark}: {}{}",
                log.stage,
                steady(&log.stdout),
                steady(&log.stderr)
            ),
        );
    }
    text
}

pub(crate) fn server(server: &ServerListItem, containers: &[ContainerListItem]) -> String {
    let mut text = format!("{}: {}", server.name, word(server.info.state));
    if let Some(reason) = &server.info.reason {
        text += &format!(" ({}: {})", word(reason.code), steady(&reason.why));
    }
    text.push('\n');
    let mut containers: Vec<&ContainerListItem> = containers.iter().collect();
    containers.sort_by(|a, b| a.name.cmp(&b.name));
    for container in containers {
        let name = steady(&container.name);
        let mut row = format!("  {name} {}", container.state.as_str());
        let reasons: Vec<String> = container
            .protected
            .iter()
            .map(|reason| word(reason.code))
            .collect();
        if !reasons.is_empty() {
            row += &format!(" [{}]", reasons.join(", "));
        }
        if container.stale_since.is_some() {
            row += " (stale)";
        }
        line(&mut text, &row);
    }
    text
}

pub(crate) fn protected(entries: &[Protected]) -> String {
    let mut text = String::new();
    for entry in entries {
        let reasons: Vec<String> = entry.protected.iter().map(reason_of).collect();
        line(
            &mut text,
            &format!("  {}: {}", steady(&entry.container), reasons.join("; ")),
        );
    }
    text
}

fn reason_of(reason: &Reason) -> String {
    match &reason.detail {
        Some(detail) => format!("{} ({detail})", word(reason.code)),
        None => word(reason.code),
    }
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a String cannot fail");
}

/// A text in which times of day and long ids read the same in each run.
pub(crate) fn steady(text: &str) -> String {
    let mut steady = String::with_capacity(text.len());
    let mut word = String::new();
    for letter in text.chars().chain(['\n']) {
        if letter.is_ascii_alphanumeric() || letter == ':' {
            word.push(letter);
            continue;
        }
        steady += &steady_word(&word);
        word.clear();
        steady.push(letter);
    }
    steady.pop();
    steady
}

fn steady_word(word: &str) -> String {
    let (word, colon) = match word.strip_suffix(':') {
        Some(word) => (word, ":"),
        None => (word, ""),
    };
    let is_time = word.len() == 8
        && word.bytes().enumerate().all(|(at, byte)| {
            if at % 3 == 2 {
                byte == b':'
            } else {
                byte.is_ascii_digit()
            }
        });
    let is_id = word.len() >= 24 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let steady = match (is_time, is_id) {
        (true, _) => "HH:MM:SS",
        (_, true) => "ID",
        _ => word,
    };
    format!("{steady}{colon}")
}
