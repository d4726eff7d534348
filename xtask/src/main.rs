//! Code generation and tidy checks of the workspace: `cargo xtask --help`.
//!
//! Belongs here: what writes generated files, and checks that no compiler makes. Does not: tests of the product.

mod openapi;
mod sim;
mod tidy;

use std::{io::Write, path::Path, process::ExitCode};

use anyhow::{Context, Result};

const HELP: &str = "\
cargo xtask openapi          writes openapi/api.json from the list of operations
cargo xtask openapi --check  fails where it is not what the list makes
cargo xtask sim [--seeds N] [--from S] [--steps N]
                             plays seeded runs of Core with twenty simulated servers; `sim test` tests the simulation
cargo xtask tidy             checks dependencies between crates, sizes, names, labels and required files
";

fn main() -> Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the workspace")?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let complaints = match arguments[..] {
        ["sim", ref options @ ..] => return sim::run(root, options),
        ["openapi"] => openapi::write(root)?,
        ["openapi", "--check"] => openapi::check(root)?,
        ["tidy"] => tidy::check(root)?,
        ["--help" | "-h" | "help"] | [] => {
            std::io::stdout().write_all(HELP.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        _ => vec![format!("no such task: {}\n{HELP}", arguments.join(" "))],
    };
    let mut error = std::io::stderr().lock();
    for complaint in &complaints {
        writeln!(error, "{complaint}")?;
    }
    Ok(if complaints.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
