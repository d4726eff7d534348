//! Measures what the project promises: the real programs, a private Docker Engine, all runs printed.
//!
//! Run through `scripts/bench`, which builds the programs. A figure that depends on the machine is a ratio against a
//! baseline taken in the same run, interleaved, where that is possible.

mod bulk;
mod children;
mod hand_over;
mod idle;
mod isolation;
mod journal;
mod latency;
mod logs;
mod memory;
mod plan;
mod process;
mod recovery;
mod report;
mod requests;
mod wire;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, ValueEnum};
use komodo_testkit::installation::Failure;

use report::Report;

/// A group of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Group {
    /// The Engine's own event until a client of the live feed has it.
    Latency,
    /// Stop, start, pause, unpause of all against a direct client of the Engine.
    Bulk,
    /// Log of 50 lines against a direct client of the Engine.
    Logs,
    /// Resident memory of Core and Periphery under changes and log reads.
    Memory,
    /// Requests per second.
    Requests,
    /// CPU while nothing happens.
    Idle,
    /// Compose through the guarded socket of an agent against the Engine's own.
    Children,
    /// What the journal costs, against the same agent with a null journal.
    Journal,
    /// Core killed with fifty operations open.
    Recovery,
    /// Plans, through the API and pure.
    Plan,
    /// Other servers while some hang, dawdle and flood.
    Isolation,
    /// A restart of the agent by hand over against `docker restart`.
    Handover,
}

/// Measures what the project promises.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which groups; all where none is named.
    groups: Vec<Group>,
    /// Writes the report as JSON to this file too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Seconds of the idle measurement.
    #[arg(long, default_value_t = 300)]
    idle_seconds: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(report) if report.holds() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: Arguments) -> Result<Report, Failure> {
    let groups = if arguments.groups.is_empty() {
        Group::value_variants().to_vec()
    } else {
        arguments.groups.clone()
    };
    let mut report = Report::default();
    for group in groups {
        eprintln!("measuring {group:?} …");
        let figures = match group {
            Group::Latency => latency::measure().await?,
            Group::Bulk => bulk::measure().await?,
            Group::Logs => logs::measure().await?,
            Group::Memory => memory::measure().await?,
            Group::Requests => requests::measure().await?,
            Group::Idle => idle::measure(arguments.idle_seconds).await?,
            Group::Children => children::measure().await?,
            Group::Journal => journal::measure().await?,
            Group::Recovery => recovery::measure().await?,
            Group::Plan => plan::measure().await?,
            Group::Isolation => isolation::measure().await?,
            Group::Handover => hand_over::measure().await?,
        };
        for figure in figures {
            println!("{figure}");
            report.figures.push(figure);
        }
    }
    if let Some(path) = arguments.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(report)
}
