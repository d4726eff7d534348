//! `km update`: what was done, and changes to resources.

use std::io;

use komodo_api::{
    id::Id,
    resource::ResourceTarget,
    server::ListServers,
    update::{GetUpdate, ListUpdates, OperationKind, Stage, Update, UpdateListItem, UpdateStatus},
    user::GetUsername,
};

use crate::{
    args::UpdateCommand,
    failure::{Failure, Outcome},
    request,
    session::Session,
    table::{self, Format, Text, toned},
    terminal::{Terminal, Tone, plain},
    watch, words,
};

/// `km update`.
///
/// # Errors
/// When Core refuses or cannot be reached.
pub async fn update(session: &mut Session, command: &UpdateCommand) -> Result<Outcome, Failure> {
    match command {
        UpdateCommand::Ls { page, formatted } => list(session, *page, formatted.format).await,
        UpdateCommand::Get { id, formatted } => get(session, id, formatted.format).await,
        UpdateCommand::Watch { id, formatted } => {
            let client = session.client()?;
            let update = client.call(&GetUpdate { id: id.clone() }).await?;
            let end =
                watch::watch(session, &client, id, Some(update), formatted.format, None).await?;
            Ok(end.outcome())
        }
        UpdateCommand::Change(operation) => {
            request::request(session, operation, Format::Json).await
        }
    }
}

/// `km update ls`.
///
/// # Errors
/// When Core refuses or cannot be reached.
pub async fn list(session: &mut Session, page: u32, format: Format) -> Result<Outcome, Failure> {
    let client = session.client()?;
    let answer = client.call(&ListUpdates { query: None, page }).await?;
    if format == Format::Json {
        table::json(&mut session.terminal, &answer)?;
        return Ok(Outcome::Success);
    }
    let servers = client
        .call(&ListServers {
            limit: Some(0),
            ..ListServers::default()
        })
        .await?;
    let names = servers
        .into_iter()
        .map(|server| (server.id, server.name))
        .collect::<Vec<_>>();
    print(&mut session.terminal, &answer.updates, &names)?;
    if let Some(next) = answer.next_page {
        session
            .terminal
            .note(format!("there are older ones: --page {next}"))?;
    }
    Ok(Outcome::Success)
}

async fn get(session: &mut Session, id: &str, format: Format) -> Result<Outcome, Failure> {
    let client = session.client()?;
    let update = client.call(&GetUpdate { id: id.to_owned() }).await?;
    match format {
        Format::Json => table::json(&mut session.terminal, &update)?,
        Format::Table => {
            let ask = GetUsername {
                user_id: update.operator.clone(),
            };
            // A user who is gone has left only the id.
            let by = client
                .call(&ask)
                .await
                .map_or_else(|_| update.operator.clone(), |user| user.username);
            print_whole(&mut session.terminal, &update, &operator(&by))?;
        }
    }
    Ok(Outcome::Success)
}

/// Prints Updates; `names` are ids and names of servers.
///
/// # Errors
/// When it cannot be written.
pub fn print(
    terminal: &mut Terminal,
    updates: &[UpdateListItem],
    names: &[(String, String)],
) -> io::Result<()> {
    if updates.is_empty() {
        return terminal.note("nothing was done yet");
    }
    let now = (terminal.now)();
    let rows: Vec<_> = updates
        .iter()
        .map(|update| {
            let result = match (update.status, update.success) {
                (UpdateStatus::Complete, true) => toned(Tone::Good, "succeeded"),
                (UpdateStatus::Complete, false) => match &update.canceled_by {
                    Some(by) => toned(Tone::Warn, format!("canceled by {by}")),
                    None => toned(Tone::Bad, "failed"),
                },
                (UpdateStatus::Queued | UpdateStatus::InProgress, _) => {
                    toned(Tone::Warn, at(update))
                }
            };
            let took = match update.end_ts {
                Some(end) => words::duration(end.saturating_sub(update.start_ts).unsigned_abs()),
                None => "-".into(),
            };
            [
                Text::from(update.id.as_str()),
                name(update.operation, update.request.as_deref()).into(),
                target(&update.target, names).into(),
                result,
                words::ago(update.start_ts, now).into(),
                took.into(),
                operator(&update.username).into(),
            ]
        })
        .collect();
    table::print(
        terminal,
        [
            "ID",
            "OPERATION",
            "TARGET",
            "RESULT",
            "STARTED",
            "TOOK",
            "BY",
        ],
        rows,
    )
}

/// What an open Update is at.
fn at(update: &UpdateListItem) -> String {
    let waiting = update.waiting_for.as_ref();
    match (update.stage, waiting) {
        (Some(Stage::Queued), Some(waiting)) => format!("queued until {} is back", waiting.server),
        (Some(Stage::Canceling), _) => "canceling".into(),
        (_, Some(waiting)) => format!("waiting for {}", waiting.server),
        (Some(Stage::Queued), None) => "queued".into(),
        _ if update.status == UpdateStatus::Queued => "queued".into(),
        _ => "running".into(),
    }
}

fn print_whole(terminal: &mut Terminal, update: &Update, by: &str) -> io::Result<()> {
    let now = (terminal.now)();
    let head = format!(
        "{} by {}, started {}",
        name(update.operation, update.request.as_deref()),
        by,
        words::ago(update.start_ts, now)
    );
    terminal.line(head)?;
    if let Some(id) = &update.undoes {
        terminal.line(format!("undoes {}", plain(id)))?;
    }
    watch::print_verdicts(terminal, update)?;
    for log in &update.logs {
        let tone = if log.success { Tone::Good } else { Tone::Bad };
        let stage = terminal.paint(tone, &log.stage);
        terminal.line(format!("\n{stage}"))?;
        for line in log.stdout.lines().chain(log.stderr.lines()) {
            terminal.line(format!("  {line}"))?;
        }
    }
    let state = match update.status {
        UpdateStatus::Complete => watch::ending(terminal, update),
        UpdateStatus::Queued | UpdateStatus::InProgress => "not ended yet".into(),
    };
    terminal.line(format!("\n{state}"))?;
    if let Some(by) = &update.undone_by {
        terminal.line(format!("undone by {}", plain(by)))?;
    }
    match (&update.id, update.undoable, update.cancelable) {
        (Some(id), true, _) => {
            terminal.note(format!("`km undo {}` brings back what it changed", id.0))
        }
        (Some(id), _, true) => terminal.note(format!("`km cancel {}` ends it", id.0)),
        _ => Ok(()),
    }
}

/// Part of Core that acts by itself, by the last digit of its id.
const SYSTEM_OPERATORS: [&str; 9] = [
    "System",
    "Procedure",
    "Action",
    "Git Webhook",
    "Auto Redeploy",
    "Resource Sync",
    "Stack Wizard",
    "Build Manager",
    "Repo Manager",
];

/// The name of who did it; Core itself is known by reserved ids.
fn operator(username: &str) -> String {
    (0_u8..)
        .zip(SYSTEM_OPERATORS)
        .find(|(number, _)| Id::system(*number).as_str() == username)
        .map_or_else(|| username.to_owned(), |(_, name)| name.to_owned())
}

/// What it was done on; `names` are ids and names of servers.
pub fn target(target: &ResourceTarget, names: &[(String, String)]) -> String {
    let (kind, id) = target.parts();
    match names.iter().find(|(known, _)| known == id) {
        Some((_, name)) => name.clone(),
        None => match kind {
            komodo_api::resource::ResourceTargetVariant::System => "system".into(),
            kind => format!("{kind:?} {id}"),
        },
    }
}

/// The name of what was done: older clients know no value for newer operations.
pub fn name(kind: OperationKind, request: Option<&str>) -> String {
    request.map_or_else(|| format!("{kind:?}"), str::to_owned)
}
