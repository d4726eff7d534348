//! The `komodo-core` binary: settings, logs, signals, and nothing else.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::{Parser, Subcommand};
use komodo_api::periphery::Program;
use komodo_core::{
    App,
    app::Surroundings,
    bootstrap::{Wanted, bootstrap, first_server},
    clock::SystemClock,
    config::{Config, LogForm},
    http,
    programs::{self, Added},
    tasks::TaskSettings,
};
use komodo_failpoint::failpoints;
use tokio::{net::TcpListener, runtime::Runtime, signal::unix::SignalKind};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{
    EnvFilter, Layer, layer::Identity, layer::SubscriberExt, util::SubscriberInitExt,
};

/// Komodo Core: the control plane of Docker hosts. Settings come from the environment (`KOMODO_*`) and from the files
/// that `KOMODO_CONFIG_PATHS` names.
#[derive(Debug, Parser)]
#[command(name = "komodo-core", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tells by its exit code whether the Core on this machine can do its work: 0 yes, 1 no, or it does not run.
    Healthcheck,
    /// Gives a user a new random password, prints it once, and enables the account. Core must not be running.
    ResetPassword {
        /// Name of the user.
        user: String,
    },
    /// Prepares an installation for a script: an administrator on a fresh database, an API key, a server that is about
    /// to join. Prints what is new as JSON, once. Core must not be running.
    Bootstrap {
        /// Makes an API key of this name; those of the same name go.
        #[arg(long)]
        api_key: Option<String>,
        /// Makes a server of this name and a join string for its agent, good once.
        #[arg(long)]
        server: Option<String>,
        /// Gives the administrator a new password.
        #[arg(long)]
        reset_password: bool,
    },
    /// Programs of Periphery that Core serves to agents which run as services of systemd. Core may be running.
    Agents {
        #[command(subcommand)]
        command: Agents,
    },
}

#[derive(Debug, Subcommand)]
enum Agents {
    /// Keeps a program, signed with Core's own key: from then on agents can be updated to its version.
    Add {
        /// The program: a `komodo-periphery` for Linux.
        file: PathBuf,
        /// Its version, where it is for another architecture than this and cannot be asked.
        #[arg(long)]
        version: Option<String>,
    },
    /// Shows what is kept, the newest first, and whether it is served.
    List,
    /// Removes the programs of a version.
    Remove {
        /// The version.
        version: String,
        /// Only the one for this architecture: `x86_64`, `aarch64`.
        architecture: Option<String>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // To stderr also where logs go elsewhere: whoever started Core must see why it did not start.
            eprintln!("komodo-core: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config =
        Config::read(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    match arguments.command {
        None => {
            log(&config)?;
            runtime.block_on(serve(config))
        }
        Some(Command::Healthcheck) => {
            println!("{}", http::probe::healthy(config.listen())?);
            Ok(())
        }
        Some(Command::ResetPassword { user }) => runtime.block_on(reset_password(config, &user)),
        Some(Command::Bootstrap {
            api_key,
            server,
            reset_password,
        }) => {
            let wanted = Wanted {
                api_key,
                server,
                new_password: reset_password,
            };
            let prepared = runtime.block_on(bootstrap(config, Surroundings::default(), wanted))?;
            println!("{}", serde_json::to_string_pretty(&prepared)?);
            Ok(())
        }
        Some(Command::Agents { command }) => agents(&runtime, &config, command),
    }
}

fn agents(runtime: &Runtime, config: &Config, command: Agents) -> anyhow::Result<()> {
    match command {
        Agents::Add { file, version } => {
            let Added { program, new } = runtime.block_on(programs::add(config, &file, version))?;
            let is = if new {
                "is served now"
            } else {
                "was served already"
            };
            println!(
                "Periphery {} for {} {is}: {} bytes, SHA-256 {}",
                program.version, program.architecture, program.bytes, program.sha256
            );
        }
        Agents::List => {
            let kept = programs::list(config)?;
            if kept.is_empty() {
                println!("no programs are kept; put one there with: komodo-core agents add FILE");
            }
            for one in kept {
                let (version, architecture) = (one.version, one.architecture);
                match one.program {
                    Ok(Program { bytes, sha256, .. }) => {
                        println!("{version}  {architecture}  {bytes} bytes  SHA-256 {sha256}");
                    }
                    Err(why) => println!("{version}  {architecture}  not served: {why}"),
                }
            }
        }
        Agents::Remove {
            version,
            architecture,
        } => {
            for one in programs::remove(config, &version, architecture.as_deref())? {
                println!("Periphery {version} for {one} is removed");
            }
        }
    }
    Ok(())
}

fn log(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log_filter).with_context(|| {
        format!(
            "KOMODO_LOGGING_LEVEL is '{}', which is no level or filter",
            config.log_filter
        )
    })?;
    let lines = tracing_subscriber::fmt::layer().with_ansi(config.log_ansi && is_terminal());
    let lines = match config.log_form {
        LogForm::Standard => lines.boxed(),
        LogForm::Json => lines.json().boxed(),
        LogForm::None => Identity::new().boxed(),
    };
    tracing_subscriber::registry()
        .with(failpoints())
        .with(lines.with_filter(filter))
        .init();
    Ok(())
}

fn is_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stdout())
}

async fn serve(config: Config) -> anyhow::Result<()> {
    for setting in &config.not_built {
        tracing::warn!(
            "the setting {setting} has no effect: this version does not have what it switches on"
        );
    }
    let listen = config.listen();
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener
        .local_addr()
        .context("cannot tell the own address")?;
    let tasks = TaskSettings {
        probation_s: config.probation_s,
        ..TaskSettings::default()
    };
    let surroundings = Surroundings {
        tasks,
        ..Surroundings::default()
    };
    let app = App::start(config, surroundings).await?;
    if let Err(error) = first_server(&app).await {
        // Whoever waits for that server reads it here; everybody else is served all the same.
        let error: &dyn std::error::Error = &error;
        tracing::error!(error, "the first server gets no join string");
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        core.id = app.store.core_id(),
        "listening on http://{address}"
    );
    let end = CancellationToken::new();
    let serving = http::serve(Arc::clone(&app), listener, end.clone());
    tokio::pin!(serving);
    let signal = tokio::select! {
        () = &mut serving => anyhow::bail!("stopped serving"),
        signal = asked_to_end() => signal?,
    };
    tracing::info!("got {signal}, ending");
    end.cancel();
    tokio::select! {
        () = serving => {}
        signal = asked_to_end() => tracing::info!("got {} again, ending at once", signal?),
    }
    app.shut_down().await;
    tracing::info!("ended");
    Ok(())
}

async fn asked_to_end() -> anyhow::Result<&'static str> {
    let mut terminate =
        tokio::signal::unix::signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt =
        tokio::signal::unix::signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

async fn reset_password(config: Config, user: &str) -> anyhow::Result<()> {
    let password = komodo_core::app::reset_password(&config, &SystemClock, user).await?;
    println!("{password}");
    Ok(())
}
