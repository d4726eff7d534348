//! `cargo xtask sim`: builds the simulation with what makes its runs repeatable, and plays seeds.

use std::{
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};

/// tokio's dice can be seeded only with this.
const FLAGS: &str = "--cfg tokio_unstable";

/// Plays seeds with the options of `komodo-simulation`, or with `test` its own tests.
pub fn run(root: &Path, options: &[&str]) -> Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).env("RUSTFLAGS", FLAGS);
    match options {
        ["test", rest @ ..] => {
            let test = ["test", "--profile", "simulation", "-p", "komodo-simulation"];
            command.args(test).args(rest)
        }
        _ => {
            let run = [
                "run",
                "--quiet",
                "--profile",
                "simulation",
                "-p",
                "komodo-simulation",
                "--",
            ];
            command.args(run).args(options)
        }
    };
    let status = command.status().context("cannot start cargo")?;
    Ok(match status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
