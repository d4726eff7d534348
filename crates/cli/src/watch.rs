//! Waiting for the end of an Update: what it is at, the verdicts as they come, how it ended.

use std::{collections::HashMap, io};

use komodo_api::{
    plan::ReasonCode,
    update::{Stage, Update, UpdateStatus, Verdict, VerdictKind, WaitingFor},
};
use komodo_client::{Client, ClientError};
use serde_json::Map;

use crate::{
    failure::{Failure, Outcome},
    plan::{self, Verb},
    session::Session,
    table::{self, Format},
    terminal::{Terminal, Tone, plain},
    update, words,
};

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The operation succeeded.
    Succeeded,
    /// It did not.
    Failed,
    /// It was canceled.
    Canceled,
    /// The person stopped waiting.
    Interrupted,
}

impl End {
    fn of(update: &Update) -> Self {
        match (update.success, &update.canceled_by) {
            (true, _) => End::Succeeded,
            (false, Some(_)) => End::Canceled,
            (false, None) => End::Failed,
        }
    }

    /// How a command ends that waited for the operation to succeed.
    pub fn outcome(self) -> Outcome {
        match self {
            End::Succeeded => Outcome::Success,
            End::Failed | End::Canceled => Outcome::Failed,
            End::Interrupted => Outcome::Interrupted,
        }
    }
}

/// Waits for the end of an Update and prints its verdicts as they come. `verb` is what was asked for, where that is known.
///
/// # Errors
/// When the Update is unknown, or Core cannot be reached for long.
pub async fn watch(
    session: &mut Session,
    client: &Client,
    id: &str,
    first: Option<Update>,
    format: Format,
    verb: Option<&Verb>,
) -> Result<End, Failure> {
    let mut progress = Progress::default();
    let mut last = first;
    if let Some(update) = &last {
        progress.show(&mut session.terminal, update, format)?;
    }
    let mut watch = client.watch_update(id);
    while last
        .as_ref()
        .is_none_or(|update| update.status != UpdateStatus::Complete)
    {
        let next = tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => {
                let way_to_end = match last.as_ref().is_some_and(|update| update.cancelable) {
                    true => format!(", `km cancel {id}`"),
                    false => String::new(),
                };
                session.terminal.note(format!(
                    "\nno longer waiting; the operation goes on: `km update watch {id}`{way_to_end}"
                ))?;
                return Ok(End::Interrupted);
            }
            next = watch.next() => next,
        };
        match next {
            Ok(Some(update)) => {
                progress.show(&mut session.terminal, &update, format)?;
                last = Some(update);
            }
            Ok(None) => break,
            Err(error) => {
                if error.is_transport() {
                    session
                        .terminal
                        .note(format!("the operation goes on: `km update watch {id}`"))?;
                }
                return Err(error.into());
            }
        }
    }
    let Some(update) = last else {
        return Err(ClientError::NoUpdate.into());
    };
    match format {
        Format::Json => table::json(&mut session.terminal, &update)?,
        Format::Table => {
            print_logs(&mut session.terminal, &update)?;
            print_story(&mut session.terminal, &update)?;
            let verb = verb.cloned().unwrap_or_else(|| verb_of(&update));
            let line = summary(&session.terminal, &update, &verb);
            session.terminal.line(line)?;
            if update.undoable {
                session
                    .terminal
                    .note(format!("`km undo {id}` brings back what it changed"))?;
            }
        }
    }
    Ok(End::of(&update))
}

/// The verb of what was done, as far as the name of its request says it.
fn verb_of(update: &Update) -> Verb {
    let name = update::name(update.operation, update.request.as_deref());
    plan::verb(&name, &Map::new())
}

/// What was printed of an Update that goes on.
#[derive(Debug, Default)]
struct Progress {
    verdicts: HashMap<String, VerdictKind>,
    /// What it was at, where a line said so.
    stage: Option<Stage>,
}

impl Progress {
    fn show(&mut self, terminal: &mut Terminal, update: &Update, format: Format) -> io::Result<()> {
        for verdict in &update.verdicts {
            let key = if verdict.id.is_empty() {
                &verdict.container
            } else {
                &verdict.id
            };
            if self.verdicts.insert(key.clone(), verdict.verdict) == Some(verdict.verdict)
                || is_nothing(verdict)
            {
                continue;
            }
            let line = verdict_line(terminal, verdict);
            match format {
                Format::Table => terminal.line(line)?,
                Format::Json => terminal.note(line)?,
            }
        }
        let stage = stage(update);
        if stage != self.stage {
            // That it acts is worth a line only after one that said that it does not.
            let line = match stage {
                Some(stage) => stage_line(update, stage, (terminal.now)()),
                None if update.status != UpdateStatus::Complete => Some("it goes on".to_owned()),
                None => None,
            };
            if let Some(line) = line {
                terminal.note(plain(&line))?;
            }
            self.stage = stage;
        }
        terminal.out.flush()
    }
}

/// What an Update is at, where that is not its usual course. A Core that does not tell stages tells what it waits for.
fn stage(update: &Update) -> Option<Stage> {
    match update.stage {
        Some(Stage::Asking | Stage::Acting) => None,
        None if update.waiting_for.is_some() => Some(Stage::Waiting),
        stage => stage,
    }
}

fn stage_line(update: &Update, stage: Stage, now: i64) -> Option<String> {
    let waiting = update.waiting_for.as_ref();
    Some(match stage {
        Stage::Sending => match update.sent {
            Some(sent) => format!(
                "sending the program: {} of {}",
                words::bytes(sent.bytes),
                words::bytes(sent.of)
            ),
            None => "sending the program".to_owned(),
        },
        Stage::HandedOver => match waiting.and_then(|waiting| waiting.why.as_ref()) {
            Some(why) => why.clone(),
            None => "handed over to a helper on the host".to_owned(),
        },
        Stage::Probation => match update.probation_until {
            Some(until) => format!("back, and watched; confirmed {}", words::ago(until, now)),
            None => "back, and watched before it is confirmed".to_owned(),
        },
        Stage::Queued => {
            let until = update
                .expires
                .map(|at| format!("; given up {}", words::ago(at, now)))
                .unwrap_or_default();
            match waiting {
                Some(waiting) => {
                    let contact = contact(waiting, now);
                    format!("queued until {} is back{contact}{until}", waiting.server)
                }
                None => format!("queued until its server is back{until}"),
            }
        }
        Stage::Waiting => match waiting {
            Some(waiting) => format!("waiting for {}{}", waiting.server, contact(waiting, now)),
            None => "waiting for its server".to_owned(),
        },
        Stage::Canceling => {
            let by = update
                .canceled_by
                .as_ref()
                .map(|by| format!(" by {by}"))
                .unwrap_or_default();
            format!("canceled{by}: no further container is begun with; waiting for those under way")
        }
        Stage::Settling => "looking at what has become of the rest".to_owned(),
        Stage::Asking | Stage::Acting => return None,
    })
}

/// When a server that is away was last heard of, and why it is away.
fn contact(waiting: &WaitingFor, now: i64) -> String {
    let contact = match waiting.last_contact {
        Some(at) => format!("last contact {}", words::ago(at, now)),
        None => "no contact yet".to_owned(),
    };
    let why = waiting
        .why
        .as_ref()
        .map(|why| format!(": {why}"))
        .unwrap_or_default();
    format!(" ({contact}{why})")
}

/// Containers that stay as they are because they are there already only count.
fn is_nothing(verdict: &Verdict) -> bool {
    let code = verdict.reason.as_ref().map(|reason| reason.code);
    verdict.verdict == VerdictKind::Unchanged
        || matches!(code, Some(ReasonCode::Already | ReasonCode::NotApplicable))
            && verdict.error.is_none()
}

fn verdict_line(terminal: &Terminal, verdict: &Verdict) -> String {
    let (tone, word) = match verdict.verdict {
        VerdictKind::Done => (Tone::Good, "done"),
        VerdictKind::Unchanged => (Tone::Faint, "unchanged"),
        VerdictKind::Skipped => (Tone::Warn, "skipped"),
        VerdictKind::Failed => (Tone::Bad, "failed"),
        VerdictKind::Unknown => (Tone::Bad, "unknown"),
    };
    let why: Vec<String> = verdict
        .error
        .iter()
        .cloned()
        .chain(verdict.reason.iter().map(|reason| reason.sentence()))
        .collect();
    let why = if why.is_empty() {
        String::new()
    } else {
        format!("  {}", plain(&why.join("; ")))
    };
    format!(
        "  {}  {}{why}",
        terminal.paint(tone, &format!("{word:9}")),
        plain(&verdict.container)
    )
}

/// Every verdict of an Update, a line each.
///
/// # Errors
/// When it cannot be written.
pub fn print_verdicts(terminal: &mut Terminal, update: &Update) -> io::Result<()> {
    for verdict in &update.verdicts {
        let line = verdict_line(terminal, verdict);
        terminal.line(line)?;
    }
    Ok(())
}

/// Logs say it where there are no verdicts: all of them of what failed.
fn print_logs(terminal: &mut Terminal, update: &Update) -> io::Result<()> {
    if !update.verdicts.is_empty() {
        return Ok(());
    }
    for log in update.logs.iter().filter(|log| !log.success) {
        let stage = terminal.paint(Tone::Bad, &plain(&log.stage));
        terminal.line(format!("  {stage}"))?;
        for line in log.stderr.lines().chain(log.stdout.lines()) {
            terminal.line(format!("    {}", plain(line)))?;
        }
    }
    Ok(())
}

/// Steps that say more than verdicts do.
const STORY: [&str; 7] = [
    "Hand over",
    "Confirm",
    "Roll back",
    "Database",
    "Detach",
    "Back",
    "Halt",
];

/// What became of a hand over, of an agent that went on purpose, of a roll.
///
/// # Errors
/// When it cannot be written.
pub fn print_story(terminal: &mut Terminal, update: &Update) -> io::Result<()> {
    let told = |stage: &str| STORY.contains(&stage);
    for log in update.logs.iter().filter(|log| told(&log.stage)) {
        let text = match log.stdout.is_empty() {
            true => &log.stderr,
            false => &log.stdout,
        };
        let tone = match log.success {
            true => Tone::Faint,
            false => Tone::Bad,
        };
        let line = terminal.paint(tone, &plain(text));
        terminal.line(format!("  {line}"))?;
    }
    Ok(())
}

/// One line that says how an Update ended.
fn summary(terminal: &Terminal, update: &Update, verb: &Verb) -> String {
    let (mut done, mut unchanged, mut skipped, mut untried, mut failed, mut unknown) =
        (0_u32, 0_u32, 0_u32, 0_u32, 0_u32, 0_u32);
    for verdict in &update.verdicts {
        let code = verdict.reason.as_ref().map(|reason| reason.code);
        *match (verdict.verdict, code) {
            (VerdictKind::Skipped, Some(ReasonCode::Canceled)) => &mut untried,
            _ if is_nothing(verdict) => &mut unchanged,
            (VerdictKind::Unchanged, _) => &mut unchanged,
            (VerdictKind::Done, _) => &mut done,
            (VerdictKind::Skipped, _) => &mut skipped,
            (VerdictKind::Failed, _) => &mut failed,
            (VerdictKind::Unknown, _) => &mut unknown,
        } += 1;
    }
    let mut parts: Vec<String> = [
        (done, verb.done),
        (unchanged, "unchanged"),
        (skipped, "left alone"),
        (failed, "failed"),
        (unknown, "unknown"),
        (untried, "not tried"),
    ]
    .into_iter()
    .filter(|(figure, _)| *figure > 0)
    .map(|(figure, word)| format!("{figure} {word}"))
    .collect();
    if parts.is_empty() {
        parts.push(match End::of(update) {
            End::Succeeded => "nothing to do".into(),
            End::Canceled => "nothing was done".into(),
            End::Failed | End::Interrupted => "no container was reached".into(),
        });
    }
    let took = update
        .end_ts
        .map(|end| words::duration(end.saturating_sub(update.start_ts).unsigned_abs()));
    let took = took.map(|took| format!(" in {took}")).unwrap_or_default();
    let id = update
        .id
        .map(|id| format!("  (update {})", id.0))
        .unwrap_or_default();
    format!(
        "{}: {}{took}{}",
        ending(terminal, update),
        parts.join(", "),
        terminal.paint(Tone::Faint, &id)
    )
}

/// How an Update that has ended did so.
pub fn ending(terminal: &Terminal, update: &Update) -> String {
    match (End::of(update), &update.canceled_by) {
        (End::Succeeded, _) => terminal.paint(Tone::Good, "succeeded"),
        (End::Canceled, Some(by)) => {
            terminal.paint(Tone::Warn, &plain(&format!("canceled by {by}")))
        }
        _ => terminal.paint(Tone::Bad, "failed"),
    }
}
