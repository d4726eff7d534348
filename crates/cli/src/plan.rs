//! `km plan`, and how a plan is printed.

use std::io;

use komodo_api::plan::{Effect, Plan, PlanItem, PlanOperation, ReasonCode};
use komodo_client::{Client, ClientError};
use serde_json::{Map, Value};

use crate::{
    args,
    failure::{Failure, Outcome},
    session::Session,
    table::{self, Format},
    terminal::{Terminal, Tone, plain},
    words,
};

/// `km plan`.
///
/// # Errors
/// When Core refuses or cannot be reached.
pub async fn plan(session: &mut Session, args: &args::Plan) -> Result<Outcome, Failure> {
    let params = args.operation.with_secrets(&mut session.terminal)?;
    let plan = ask(&session.client()?, args.operation.operation.name, &params).await?;
    match args.format {
        Format::Json => table::json(&mut session.terminal, &plan)?,
        Format::Table => {
            for line in lines(
                &session.terminal,
                &plan,
                &verb(plan.operation.as_str(), &params),
            ) {
                session.terminal.line(line)?;
            }
        }
    }
    Ok(Outcome::Success)
}

/// What an operation would do now.
///
/// # Errors
/// When Core refuses or cannot be reached.
pub async fn ask(
    client: &Client,
    operation: &str,
    params: &Map<String, Value>,
) -> Result<Plan, ClientError> {
    client
        .call(&PlanOperation {
            operation: operation.to_owned(),
            params: params.clone(),
        })
        .await
}

/// What is done, as people say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verb {
    /// As an order, `Stop`.
    pub order: String,
    /// As a result, `stopped`.
    pub done: &'static str,
}

/// The verb of an operation: its first word, or its `action`.
pub fn verb(operation: &str, params: &Map<String, Value>) -> Verb {
    let word = match params.get("action").and_then(Value::as_str) {
        Some(action) => action.to_owned(),
        None => {
            let end = operation
                .char_indices()
                .skip(1)
                .find(|(_, character)| character.is_uppercase());
            operation[..end.map_or(operation.len(), |(end, _)| end)].to_lowercase()
        }
    };
    let done = match word.as_str() {
        "start" => "started",
        "restart" => "restarted",
        "pause" => "paused",
        "unpause" => "resumed",
        "stop" => "stopped",
        "destroy" => "stopped and removed",
        "prune" => "removed",
        "update" | "roll" => "updated",
        "undo" => {
            return Verb {
                order: "Bring back".into(),
                done: "brought back",
            };
        }
        _ => "done",
    };
    let mut order = word;
    if let Some(first) = order.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Verb { order, done }
}

/// Prints a plan beside the result.
///
/// # Errors
/// When it cannot be written.
pub fn note(terminal: &mut Terminal, plan: &Plan, verb: &Verb) -> io::Result<()> {
    for line in lines(terminal, plan, verb) {
        terminal.note(line)?;
    }
    Ok(())
}

/// A plan as lines: what is spared and why, what will happen with its consequences, what stays as it is.
pub fn lines(terminal: &Terminal, plan: &Plan, verb: &Verb) -> Vec<String> {
    let now = (terminal.now)();
    let as_of = words::ago(plan.as_of, now);
    let mut lines = vec![format!(
        "{} on {} {}",
        terminal.paint(Tone::Strong, &plan.operation),
        terminal.paint(Tone::Strong, &plain(&plan.server_name)),
        terminal.paint(Tone::Faint, &format!("(as seen {as_of})")),
    )];
    let of = |effect: Effect, protected: bool| {
        plan.items
            .iter()
            .filter(move |item| item.effect == effect && is_protected(item) == protected)
    };
    let mut section = |tone: Tone, title: String, items: Vec<(&PlanItem, String)>| {
        if items.is_empty() {
            return;
        }
        lines.push(String::new());
        lines.push(terminal.paint(tone, &title));
        let name_width = items
            .iter()
            .map(|(item, _)| plain(&item.container).chars().count())
            .max()
            .unwrap_or(0);
        let state_width = items
            .iter()
            .map(|(item, _)| item.state.as_str().len())
            .max()
            .unwrap_or(0);
        for (item, text) in items {
            let line = format!(
                "  {:name_width$}  {:state_width$}  {text}",
                plain(&item.container),
                item.state.as_str()
            );
            lines.push(line.trim_end().to_owned());
        }
    };
    let protected: Vec<_> = of(Effect::Skip, true)
        .map(|item| (item, why(item)))
        .collect();
    section(
        Tone::Warn,
        format!("Protected, left alone ({})", protected.len()),
        protected,
    );
    let refused: Vec<_> = plan
        .items
        .iter()
        .filter(|item| item.effect == Effect::Refuse)
        .map(|item| (item, why(item)))
        .collect();
    section(Tone::Bad, format!("Refused ({})", refused.len()), refused);
    let acted = |effect: Effect| -> Vec<_> {
        let items = plan.items.iter().filter(|item| item.effect == effect);
        items.map(|item| (item, consequences(item))).collect()
    };
    let (act, hand_over, detach) = (
        acted(Effect::Act),
        acted(Effect::HandOver),
        acted(Effect::Detach),
    );
    section(
        Tone::Strong,
        format!("Will be {} ({})", verb.done, act.len()),
        act,
    );
    let handed_over = !hand_over.is_empty();
    section(
        Tone::Strong,
        format!(
            "Will be {} by a helper on the host ({})",
            verb.done,
            hand_over.len()
        ),
        hand_over,
    );
    section(
        Tone::Warn,
        format!(
            "Will be {}, and the server cannot be controlled until somebody brings it back ({})",
            verb.done,
            detach.len()
        ),
        detach,
    );
    let excluded: Vec<_> = of(Effect::Skip, false)
        .filter(|item| {
            item.reason
                .as_ref()
                .is_some_and(|reason| reason.code == ReasonCode::Excluded)
        })
        .map(|item| (item, String::new()))
        .collect();
    section(
        Tone::Faint,
        format!("Excluded by you ({})", excluded.len()),
        excluded,
    );
    let changed: Vec<_> = of(Effect::Skip, false)
        .filter(|item| is_changed_since(item))
        .map(|item| (item, why(item)))
        .collect();
    let unchanged = plan
        .counts
        .unchanged
        .saturating_sub(u32::try_from(changed.len()).unwrap_or(u32::MAX));
    section(
        Tone::Warn,
        format!("Changed since, left alone ({})", changed.len()),
        changed,
    );
    if unchanged > 0 {
        lines.push(String::new());
        lines.push(format!(
            "Nothing to do for {}.",
            words::count(unchanged, "container")
        ));
    }
    if plan.counts.act == 0 && plan.counts.refused == 0 {
        lines.push(String::new());
        lines.push("Nothing will happen.".into());
    }
    if handed_over {
        let watched = plan
            .probation_s
            .map(|seconds| format!("watched for {seconds} s, then confirmed"));
        lines.push(String::new());
        lines.push(format!(
            "It is {}; where it does not come back well, everything is put back as it was.",
            watched.as_deref().unwrap_or("watched, then confirmed")
        ));
    }
    if plan.counts.act > 0 && !plan.undo && !handed_over {
        lines.push(String::new());
        lines.push("This cannot be undone.".into());
    }
    if !plan.warnings.is_empty() {
        lines.push(String::new());
        for warning in &plan.warnings {
            lines.push(terminal.paint(Tone::Warn, &format!("Note: {}", plain(warning))));
        }
    }
    lines
}

fn is_protected(item: &PlanItem) -> bool {
    item.reason
        .as_ref()
        .is_some_and(|reason| reason.code.protects())
}

/// What an undo leaves alone, because others changed it or it is gone.
fn is_changed_since(item: &PlanItem) -> bool {
    let code = item.reason.as_ref().map(|reason| reason.code);
    matches!(code, Some(ReasonCode::ChangedSince | ReasonCode::Gone))
}

fn why(item: &PlanItem) -> String {
    let mut sentences: Vec<String> = item
        .reason
        .iter()
        .map(|reason| plain(&reason.sentence()))
        .collect();
    let others = item
        .protected
        .iter()
        .filter(|reason| Some(*reason) != item.reason.as_ref());
    sentences.extend(others.map(|reason| plain(&reason.sentence())));
    sentences.join("; ")
}

fn consequences(item: &PlanItem) -> String {
    let mut facts = Vec::new();
    if let Some(command) = &item.bring_back {
        facts.push(format!("bring it back on its host with: {command}"));
    }
    if let Some(state) = item.back_to {
        facts.push(format!("back to {}", state.as_str()));
    }
    if !item.dependants.is_empty() {
        facts.push(format!("felt by {}", item.dependants.join(", ")));
    }
    if !item.ports.is_empty() {
        facts.push(format!("goes dark: {}", item.ports.join(", ")));
    }
    if let Some(bytes) = item.bytes {
        facts.push(format!("frees {}", words::bytes(bytes)));
    }
    if !item.volumes.is_empty() {
        facts.push(format!("its volumes stay: {}", item.volumes.join(", ")));
    }
    if item.comes_back {
        facts.push("comes back after a restart of the Engine".into());
    }
    if !item.protected.is_empty() {
        facts.push(format!("protected: {}", why(item)));
    }
    plain(&facts.join("; "))
}
