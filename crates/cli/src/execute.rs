//! `km execute`: the plan, the question, the wait, the verdicts.

use std::collections::HashMap;

use komodo_api::{
    Code, Module,
    plan::{Plan, ReasonCode},
    update::{Update, UpdateStatus, Verdict, VerdictKind},
};
use komodo_client::{Client, ClientError};
use serde_json::{Map, Value};

use crate::{
    args,
    derived::{self, Derived},
    failure::{Failure, Outcome},
    plan::{self, Verb},
    session::Session,
    table::{self, Format},
    terminal::{Terminal, Tone, plain},
    words,
};

/// Plans that are shown for one command while the server changes under it.
const PLANS_MAX: usize = 5;

/// `km execute`.
///
/// # Errors
/// When nobody can be asked who must be, or Core refuses or cannot be reached.
pub async fn execute(session: &mut Session, args: &args::Execute) -> Result<Outcome, Failure> {
    let operation = &args.operation;
    let mut params = operation.with_secrets(&mut session.terminal)?;
    let verb = plan::verb(operation.operation.name, &params);
    let asks = is_bulk(operation);
    if asks && !args.yes && !session.terminal.interactive {
        return Err(Failure::usage(
            format!(
                "{} asks before it acts, and there is nobody to ask here",
                operation.operation.name
            ),
            "-y says yes; `km plan` shows beforehand what will happen",
        ));
    }
    let client = session.client()?;
    let bound_by_caller = params.contains_key("plan");
    for _ in 0..PLANS_MAX {
        if asks {
            let plan = planned(session, &client, operation, &params, &verb, args.format).await?;
            if !args.yes {
                let nothing = plan.as_ref().is_some_and(|plan| plan.counts.act == 0);
                if !nothing
                    && !session
                        .terminal
                        .confirm(&question(plan.as_ref(), &verb, &params))?
                {
                    session.terminal.note("nothing was done")?;
                    return Ok(Outcome::Declined);
                }
                if let (Some(plan), false) = (&plan, bound_by_caller) {
                    // Bound to what was shown: if the server changed since, Core refuses and the new plan is shown.
                    params.insert("plan".into(), Value::from(plan.hash.as_str()));
                }
            }
        }
        let answer = client
            .call_by_name::<Update>(Module::Execute, operation.operation.name, &params)
            .await;
        match answer {
            Ok(answer) => return accepted(session, &client, args, answer.value, &verb).await,
            Err(error) if asks && !args.yes && !bound_by_caller && is_drift(&error) => {
                params.remove("plan");
                session.terminal.note(
                    "\nThe server has changed since this plan was made. The plan is now:\n",
                )?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::usage(
        "the server changes faster than its plan can be agreed to; nothing was done",
        "-y acts on what is there at that moment",
    ))
}

/// Whether an operation acts on many containers at once.
pub fn is_bulk(operation: &Derived<derived::Execute>) -> bool {
    operation.takes("plan") && !operation.takes("container")
}

fn is_drift(error: &ClientError) -> bool {
    error
        .api()
        .is_some_and(|error| error.code == Code::PlanDrifted)
}

async fn planned(
    session: &mut Session,
    client: &Client,
    operation: &Derived<derived::Execute>,
    params: &Map<String, Value>,
    verb: &Verb,
    format: Format,
) -> Result<Option<Plan>, Failure> {
    match plan::ask(client, operation.operation.name, params).await {
        Ok(plan) => {
            match format {
                Format::Json => plan::note(&mut session.terminal, &plan, verb)?,
                Format::Table => {
                    for line in plan::lines(&session.terminal, &plan, verb) {
                        session.terminal.line(line)?;
                    }
                    session.terminal.line("")?;
                }
            }
            Ok(Some(plan))
        }
        // A Core that does not know plans: of another make, or older than this km.
        Err(ClientError::Api { error, .. })
            if matches!(
                error.code,
                Code::NotBuilt | Code::Unprocessable | Code::Internal
            ) =>
        {
            session
                .terminal
                .note("this Core cannot say beforehand what will happen")?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn question(plan: Option<&Plan>, verb: &Verb, params: &Map<String, Value>) -> String {
    let server = match plan {
        Some(plan) => plan.server_name.as_str(),
        None => params
            .get("server")
            .and_then(Value::as_str)
            .unwrap_or_default(),
    };
    let what = match plan {
        Some(plan) => words::count(plan.counts.act, "container"),
        None => "all containers".to_owned(),
    };
    format!("{} {what} on {}?", verb.order, plain(server))
}

async fn accepted(
    session: &mut Session,
    client: &Client,
    args: &args::Execute,
    update: Update,
    verb: &Verb,
) -> Result<Outcome, Failure> {
    let Some(id) = update.id else {
        return Err(ClientError::NoUpdate.into());
    };
    if args.no_wait && update.status != UpdateStatus::Complete {
        match args.format {
            Format::Json => table::json(&mut session.terminal, &update)?,
            Format::Table => {
                session.terminal.line(id.0.as_str())?;
                session.terminal.note(format!(
                    "accepted; `km update watch {}` waits for its end",
                    id.0
                ))?;
            }
        }
        return Ok(Outcome::Success);
    }
    watch(
        session,
        client,
        id.0.as_str(),
        Some(update),
        args.format,
        verb,
    )
    .await
}

/// Waits for the end of an Update and prints its verdicts as they come.
///
/// # Errors
/// When the Update is unknown, or Core cannot be reached for long.
pub async fn watch(
    session: &mut Session,
    client: &Client,
    id: &str,
    first: Option<Update>,
    format: Format,
    verb: &Verb,
) -> Result<Outcome, Failure> {
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
                session.terminal.note(format!("\nno longer waiting; the operation goes on: `km update watch {id}`"))?;
                return Ok(Outcome::Interrupted);
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
            let line = summary(&session.terminal, &update, verb);
            session.terminal.line(line)?;
        }
    }
    Ok(if update.success {
        Outcome::Success
    } else {
        Outcome::Failed
    })
}

/// What was printed of an Update that goes on.
#[derive(Debug, Default)]
struct Progress {
    verdicts: HashMap<String, VerdictKind>,
    waiting: bool,
}

impl Progress {
    fn show(
        &mut self,
        terminal: &mut Terminal,
        update: &Update,
        format: Format,
    ) -> std::io::Result<()> {
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
        if let (Some(waiting), false) = (&update.waiting_for, self.waiting) {
            let contact = match waiting.last_contact {
                Some(at) => format!("last contact {}", words::ago(at, (terminal.now)())),
                None => "no contact yet".to_owned(),
            };
            let why = waiting
                .why
                .as_ref()
                .map(|why| format!(": {why}"))
                .unwrap_or_default();
            terminal.note(format!(
                "waiting for {} ({contact}){}",
                plain(&waiting.server),
                plain(&why)
            ))?;
        }
        self.waiting = update.waiting_for.is_some();
        terminal.out.flush()
    }
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
pub fn print_verdicts(terminal: &mut Terminal, update: &Update) -> std::io::Result<()> {
    for verdict in &update.verdicts {
        let line = verdict_line(terminal, verdict);
        terminal.line(line)?;
    }
    Ok(())
}

/// Logs say it where there are no verdicts: all of them of what failed.
fn print_logs(terminal: &mut Terminal, update: &Update) -> std::io::Result<()> {
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

/// One line that says how an Update ended.
fn summary(terminal: &Terminal, update: &Update, verb: &Verb) -> String {
    let of = |kind: VerdictKind| {
        u32::try_from(
            update
                .verdicts
                .iter()
                .filter(|verdict| verdict.verdict == kind)
                .count(),
        )
        .unwrap_or(u32::MAX)
    };
    let nothing_skipped = update
        .verdicts
        .iter()
        .filter(|verdict| verdict.verdict == VerdictKind::Skipped && is_nothing(verdict));
    let unchanged =
        of(VerdictKind::Unchanged) + u32::try_from(nothing_skipped.count()).unwrap_or(u32::MAX);
    let skipped = (of(VerdictKind::Skipped) + of(VerdictKind::Unchanged)).saturating_sub(unchanged);
    let mut parts: Vec<String> = [
        (of(VerdictKind::Done), verb.done),
        (unchanged, "unchanged"),
        (skipped, "left alone"),
        (of(VerdictKind::Failed), "failed"),
        (of(VerdictKind::Unknown), "unknown"),
    ]
    .into_iter()
    .filter(|(figure, _)| *figure > 0)
    .map(|(figure, word)| format!("{figure} {word}"))
    .collect();
    if parts.is_empty() {
        parts.push(if update.success {
            "nothing to do".into()
        } else {
            "no container was reached".into()
        });
    }
    let took = update
        .end_ts
        .map(|end| words::duration(end.saturating_sub(update.start_ts).unsigned_abs()));
    let head = match update.success {
        true => terminal.paint(Tone::Good, "succeeded"),
        false => terminal.paint(Tone::Bad, "failed"),
    };
    let took = took.map(|took| format!(" in {took}")).unwrap_or_default();
    let id = update
        .id
        .map(|id| format!("  (update {})", id.0))
        .unwrap_or_default();
    format!(
        "{head}: {}{took}{}",
        parts.join(", "),
        terminal.paint(Tone::Faint, &id)
    )
}
