//! `komodo-simulation`: plays the runs of many seeds; `cargo xtask sim` starts it.

use std::{
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use clap::Parser;
use komodo_simulation::{Break, Counts, Options, Run, run};

/// Lines of the trace of a failing run that are printed, the last ones.
const TRACE_LINES_MAX: usize = 2_000;

/// Plays seeded runs of a Core with twenty simulated servers.
#[derive(Debug, Parser)]
#[command(name = "komodo-simulation")]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Steps of each run.
    #[arg(long, default_value_t = 300)]
    steps: u32,
    /// Runs at the same time, each on a thread of its own.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Breaks something on purpose.
    #[arg(long)]
    broken: Option<Break>,
    /// Prints the traces of good runs too.
    #[arg(long)]
    trace: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let options = Options {
        steps: arguments.steps,
        broken: arguments.broken,
    };
    let began = Instant::now();
    let next = AtomicU64::new(arguments.from);
    let end = arguments.from.saturating_add(arguments.seeds);
    let over: Mutex<(Counts, Vec<u64>, u64)> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let run = run(seed, options);
                    let mut over = over.lock().unwrap_or_else(PoisonError::into_inner);
                    over.0 += run.counts;
                    over.2 += 1;
                    if run.failure.is_some() {
                        over.1.push(seed);
                    }
                    if arguments.trace || run.failure.is_some() {
                        print(&run, arguments.steps, arguments.broken);
                    }
                }
            });
        }
    });
    let (counts, mut failed, played) = over.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.sort_unstable();
    println!(
        "{played} seeds of {} steps from {} in {:.1} s: {} failed {failed:?}; {} Updates, {} acts, {} verdicts compared, {} faults",
        arguments.steps,
        arguments.from,
        began.elapsed().as_secs_f64(),
        failed.len(),
        counts.updates,
        counts.acts,
        counts.verdicts,
        counts.faults,
    );
    match failed.is_empty() && played > 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn print(run: &Run, steps: u32, broken: Option<Break>) {
    let lines: Vec<&str> = run.trace.lines().collect();
    let from = lines.len().saturating_sub(TRACE_LINES_MAX);
    println!("{}", lines[from..].join("\n"));
    if let Some(failure) = &run.failure {
        let broken = broken.map_or(String::new(), |broken| {
            format!(" --broken {}", format!("{broken:?}").to_lowercase())
        });
        println!(
            "seed {} FAILED: {failure}\nplay it again: cargo xtask sim --from {} --seeds 1 --steps {steps}{broken} --trace\n",
            run.seed, run.seed
        );
    }
}
