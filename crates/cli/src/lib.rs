//! km, the command line of Komodo: derived from the operation list, with shortcuts for what is asked most.
//!
//! Belongs here: arguments, settings, tables, questions. Does not: how Core is spoken to (`komodo-client`), and what an
//! operation means (`komodo-api`, Core).

pub mod alert;
pub mod args;
pub mod config;
pub mod container;
pub mod derived;
pub mod execute;
pub mod failure;
pub mod list;
pub mod login;
pub mod logs;
pub mod operation_args;
pub mod plan;
pub mod request;
pub mod session;
pub mod table;
pub mod terminal;
pub mod update;
pub mod watch;
mod words;

#[cfg(test)]
mod tests;

use std::io::Write;

use clap::CommandFactory;
use komodo_api::auth::DeleteApiKey;

use crate::{
    args::{Command, ContainerCommand, KeyCommand, Km},
    config::Environment,
    failure::{Failure, Outcome},
    session::Session,
    table::Format,
    terminal::Terminal,
};

/// Carries out a command line.
///
/// # Errors
/// When it cannot be carried out; what is printed and the exit code are those of [`Failure`].
pub async fn run(
    km: Km,
    environment: &Environment,
    mut terminal: Terminal,
) -> Result<Outcome, (Failure, Terminal)> {
    if let Command::Completions { shell } = km.command {
        // Into memory first: the generator panics where its output is closed early, as by `head`.
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Km::command(), "km", &mut script);
        let _ = terminal.out.write_all(&script);
        return Ok(Outcome::Success);
    }
    let settings = match config::load(&km.given(), environment) {
        Ok(settings) => settings,
        Err(error) => return Err((error.into(), terminal)),
    };
    terminal.borders = settings.table_borders;
    let mut session = Session { settings, terminal };
    match dispatch(&mut session, &km).await {
        Ok(outcome) => Ok(outcome),
        Err(failure) => Err((failure, session.terminal)),
    }
}

async fn dispatch(session: &mut Session, km: &Km) -> Result<Outcome, Failure> {
    if km.access.debug_startup {
        for file in session.settings.files.clone() {
            session
                .terminal
                .note(format!("configuration: {}", file.display()))?;
        }
    }
    match &km.command {
        Command::List(list) => list::list(session, list).await,
        Command::Container(containers) => match &containers.command {
            Some(ContainerCommand::Inspect(inspect)) => container::inspect(session, inspect).await,
            None => container::list(session, containers).await,
        },
        Command::Inspect(inspect) => container::inspect(session, inspect).await,
        Command::Logs(logs) => logs::logs(session, logs).await,
        Command::Plan(plan) => plan::plan(session, plan).await,
        Command::Execute(execute) => execute::execute(session, execute).await,
        Command::Undo(undo) => execute::undo(session, undo).await,
        Command::Cancel(cancel) => execute::cancel(session, cancel).await,
        Command::Alerts(alerts) => alert::list(session, alerts).await,
        Command::Update { command } => update::update(session, command).await,
        Command::Create(create) => request::create(session, create).await,
        Command::Key {
            command: KeyCommand::Ls(formatted),
        } => list::api_keys(session, formatted.format).await,
        Command::Key {
            command: KeyCommand::Delete { key },
        } => {
            session
                .client()?
                .call(&DeleteApiKey { key: key.clone() })
                .await?;
            session.terminal.note("deleted")?;
            Ok(Outcome::Success)
        }
        Command::CoreInfo(formatted) => list::core_info(session, formatted.format).await,
        Command::Login(login) => login::login(session, login, km.access.profile.as_deref()).await,
        Command::Config => {
            let settings = session.settings.clone();
            table::json(&mut session.terminal, &settings)?;
            Ok(Outcome::Success)
        }
        Command::Read(request) => request::request(session, &request.operation, Format::Json).await,
        Command::Write(request) => {
            request::request(session, &request.operation, Format::Json).await
        }
        Command::Auth(request) => request::request(session, &request.operation, Format::Json).await,
        Command::Completions { .. } => Ok(Outcome::Success),
    }
}
