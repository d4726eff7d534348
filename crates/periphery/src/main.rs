//! `komodo-periphery`, the agent's program: reads its configuration, starts the agent, keeps the link with Core, and
//! goes politely when it is told to. One thread, so that it costs next to nothing where it runs.

mod program;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand, ValueEnum};
use komodo_periphery::{
    config::{self, Config, Environment, LogLevel},
    watchdog::{self, WatchdogArguments},
};

/// Exit code of a configuration that cannot be used.
const EXIT_CONFIGURATION: u8 = 2;

/// The agent of Komodo on a Docker host. All settings can be given as PERIPHERY_* variables or in a TOML file.
#[derive(Parser)]
#[command(name = "komodo-periphery", version)]
struct Arguments {
    /// A configuration file (.toml), or a folder of them; may be given several times, the last one wins.
    #[arg(short, long = "config-path", global = true)]
    config_path: Vec<PathBuf>,
    /// Level of the log, in place of the configured one.
    #[arg(long, global = true)]
    log_level: Option<Level>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Tells by its exit code whether the agent is linked with Core: 0 yes, 1 no, 2 it does not run.
    Healthcheck,
    /// Restarts or replaces the container of the agent, or of Core, as the plan in KOMODO_HAND_OVER says, or the agent's
    /// service and its program, as the plan in the file that KOMODO_HAND_OVER_UNIT names says. Started by the agent in a
    /// container, or a unit of systemd, of its own; not meant to be run by hand.
    #[command(hide = true)]
    HandOver,
    /// Brings an agent back that was stopped or paused from outside, unless it was detached on purpose or is being handed
    /// over. Runs beside it in a container of its own with the Engine's socket, or by a timer of systemd with `--once`.
    Watchdog(WatchdogArguments),
}

#[derive(Clone, Copy, ValueEnum)]
enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let environment: Environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    if matches!(arguments.command, Some(Command::HandOver)) {
        // It has nothing of the agent's configuration, and must not end over it.
        return match program::helper::run(&environment) {
            Ok(code) => code,
            Err(program::Failure::Configuration(error)) => refuse(&*error),
            Err(program::Failure::Other(error)) => refuse(&*error),
        };
    }
    let loaded = match config::load(&arguments.config_path, &environment) {
        Ok(loaded) => loaded,
        Err(error) => return refuse(&error),
    };
    let mut config: Config = loaded.config;
    if let Some(level) = arguments.log_level {
        config.logging.level = level.into();
    }
    if matches!(arguments.command, Some(Command::Healthcheck)) {
        return program::health::check(&config.root_directory);
    }
    program::logging::start(&config.logging);
    for warning in loaded.warnings {
        tracing::warn!("{warning}");
    }
    let docker_host = environment.get("DOCKER_HOST").map_or("", String::as_str);
    if let Some(Command::Watchdog(arguments)) = arguments.command {
        return match watchdog::run(&arguments, docker_host, config.root_directory) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error, ExitCode::FAILURE),
        };
    }
    match program::run(config, docker_host) {
        Ok(()) => ExitCode::SUCCESS,
        Err(program::Failure::Configuration(error)) => refuse(&*error),
        Err(program::Failure::Other(error)) => {
            tracing::error!("the agent cannot run: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn refuse(error: &dyn std::error::Error) -> ExitCode {
    fail(error, ExitCode::from(EXIT_CONFIGURATION))
}

/// One sentence that says what is wrong, on standard error, whatever the log is set to.
fn fail(error: &dyn std::error::Error, code: ExitCode) -> ExitCode {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    eprintln!("komodo-periphery: {text}");
    code
}
