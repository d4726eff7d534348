//! km: reads the command line, runs it, and turns its end into an exit code.

use std::{io::Write, process::ExitCode};

use clap::Parser;
use komodo_cli::{args::Km, config::Environment, run, terminal::Terminal};

fn main() -> ExitCode {
    let km = Km::parse();
    // Names of variables are read in any case, as the known clients do.
    let environment: Environment = std::env::vars_os()
        .filter_map(|(name, value)| {
            Some((name.to_str()?.to_uppercase(), value.into_string().ok()?))
        })
        .collect();
    let terminal = Terminal::of_process(&environment);
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            // Without standard error there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "error: cannot start: {error}");
            return ExitCode::from(4);
        }
    };
    match runtime.block_on(run(km, &environment, terminal)) {
        Ok(outcome) => outcome.exit_code(),
        Err((failure, mut terminal)) => {
            for line in failure.lines() {
                let _ = terminal.note(line);
            }
            failure.exit_code()
        }
    }
}
