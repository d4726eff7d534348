//! What clients see of an operation that know nothing of verdicts: the logs of its Update, and whether it succeeded.

use std::fmt::Write;

use komodo_api::{
    UnixMs,
    container::ContainerAction,
    plan::ReasonCode,
    update::{Log, Verdict, VerdictKind},
};

#[cfg(test)]
mod tests;

/// Log entries of an Update at most; what is left out is counted in the last one.
pub const LOGS_MAX: usize = 200;
/// Text of one entry at most.
const TEXT_BYTES_MAX: usize = 4096;

/// Whether an Update with these verdicts is a success: nothing failed, nothing stayed unknown, nothing was canceled. That
/// a container was left alone for another reason, or that there was nothing to do, is no failure.
pub fn update_success(verdicts: &[Verdict]) -> bool {
    !verdicts
        .iter()
        .any(|verdict| is_bad(verdict.verdict) || is_canceled(verdict))
}

fn is_canceled(verdict: &Verdict) -> bool {
    verdict
        .reason
        .as_ref()
        .is_some_and(|reason| reason.code == ReasonCode::Canceled)
}

const fn is_bad(verdict: VerdictKind) -> bool {
    match verdict {
        VerdictKind::Failed | VerdictKind::Unknown => true,
        VerdictKind::Done | VerdictKind::Unchanged | VerdictKind::Skipped => false,
    }
}

/// The logs of an Update: a summary, then one entry per target that failed or is unknown, then one per target that
/// was left alone; at most [`LOGS_MAX`].
pub fn update_logs(
    action: ContainerAction,
    verdicts: &[Verdict],
    start: UnixMs,
    end: UnixMs,
) -> Vec<Log> {
    let mut logs = vec![summary(action, verdicts, start, end)];
    let bad = verdicts.iter().filter(|verdict| is_bad(verdict.verdict));
    let skipped = verdicts
        .iter()
        .filter(|verdict| verdict.verdict == VerdictKind::Skipped);
    let told: Vec<&Verdict> = bad.chain(skipped).collect();
    let room = LOGS_MAX - logs.len();
    let shown = if told.len() > room {
        room - 1
    } else {
        told.len()
    };
    logs.extend(
        told[..shown]
            .iter()
            .map(|verdict| entry(action, verdict, start)),
    );
    let rest = &told[shown..];
    if !rest.is_empty() {
        let success = update_success_of(rest);
        let text = format!("{} more containers; see the verdicts for each", rest.len());
        logs.push(log("More", text, success, start, end));
    }
    logs
}

fn update_success_of(verdicts: &[&Verdict]) -> bool {
    !verdicts
        .iter()
        .any(|verdict| is_bad(verdict.verdict) || is_canceled(verdict))
}

fn summary(action: ContainerAction, verdicts: &[Verdict], start: UnixMs, end: UnixMs) -> Log {
    let of = |kind: VerdictKind| {
        verdicts
            .iter()
            .filter(|verdict| verdict.verdict == kind)
            .count()
    };
    let canceled = verdicts
        .iter()
        .filter(|verdict| is_canceled(verdict))
        .count();
    let left_alone = of(VerdictKind::Skipped).saturating_sub(canceled);
    let mut text = String::new();
    for (count, word) in [
        (of(VerdictKind::Done), past(action)),
        (of(VerdictKind::Unchanged), "unchanged"),
        (left_alone, "left alone"),
        (canceled, "not tried (canceled)"),
        (of(VerdictKind::Failed), "failed"),
        (of(VerdictKind::Unknown), "unknown"),
    ] {
        if count > 0 {
            let comma = if text.is_empty() { "" } else { ", " };
            write!(text, "{comma}{count} {word}").expect("writing to a String cannot fail");
        }
    }
    if text.is_empty() {
        text = "there was nothing to do".to_owned();
    }
    log(
        &format!("{} Containers", title(action)),
        text,
        update_success(verdicts),
        start,
        end,
    )
}

fn entry(action: ContainerAction, verdict: &Verdict, start: UnixMs) -> Log {
    let name = &verdict.container;
    let reason = verdict.reason.as_ref().map(|reason| reason.sentence());
    let why = verdict.error.clone().or(reason).unwrap_or_default();
    let stage = format!("{} Container", title(action));
    match verdict.verdict {
        VerdictKind::Failed => log(
            &stage,
            format!("{name} failed: {why}"),
            false,
            start,
            verdict.at,
        ),
        VerdictKind::Unknown => log(
            &stage,
            format!("{name}: nobody can tell how it ended: {why}"),
            false,
            start,
            verdict.at,
        ),
        _ => log(
            &stage,
            format!("{name} was left alone: {why}"),
            true,
            start,
            verdict.at,
        ),
    }
}

fn log(stage: &str, text: String, success: bool, start_ts: UnixMs, end_ts: UnixMs) -> Log {
    let text = bounded(text);
    let (stdout, stderr) = if success {
        (text, String::new())
    } else {
        (String::new(), text)
    };
    Log {
        stage: stage.to_owned(),
        command: String::new(),
        stdout,
        stderr,
        success,
        start_ts,
        end_ts,
    }
}

fn bounded(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let end = (0..=TEXT_BYTES_MAX)
            .rev()
            .find(|&end| text.is_char_boundary(end))
            .unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

const fn title(action: ContainerAction) -> &'static str {
    match action {
        ContainerAction::Start => "Start",
        ContainerAction::Restart => "Restart",
        ContainerAction::Pause => "Pause",
        ContainerAction::Unpause => "Unpause",
        ContainerAction::Stop => "Stop",
        ContainerAction::Destroy => "Destroy",
        ContainerAction::Prune => "Prune",
    }
}

const fn past(action: ContainerAction) -> &'static str {
    match action {
        ContainerAction::Start => "started",
        ContainerAction::Restart => "restarted",
        ContainerAction::Pause => "paused",
        ContainerAction::Unpause => "resumed",
        ContainerAction::Stop => "stopped",
        ContainerAction::Destroy | ContainerAction::Prune => "removed",
    }
}
