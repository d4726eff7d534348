//! What processes use, read from `/proc`.

use std::{fs, path::Path};

/// Clock ticks a second in `/proc/PID/stat`; fixed on Linux for user space.
const TICKS_PER_SECOND: f64 = 100.0;

/// Resident memory of a process, MiB; 0 when it is gone.
pub fn resident_mib(pid: u32) -> f64 {
    status_kib(pid, "VmRSS:") / 1024.0
}

/// Largest resident memory that a process ever had, MiB.
pub fn peak_resident_mib(pid: u32) -> f64 {
    status_kib(pid, "VmHWM:") / 1024.0
}

fn status_kib(pid: u32, field: &str) -> f64 {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .and_then(|value| value.split_whitespace().next())
        .and_then(|value| value.parse().ok())
        .unwrap_or(0.0)
}

/// CPU time of a process and of its children that have ended, seconds. Finer than ticks where the scheduler tells.
pub fn cpu_seconds(pid: u32) -> f64 {
    let tasks: f64 = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|task| run_seconds(&task.path()))
        .sum();
    tasks + ended_children_seconds(pid)
}

fn run_seconds(task: &Path) -> Option<f64> {
    let text = fs::read_to_string(task.join("schedstat")).ok()?;
    let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

fn ended_children_seconds(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let Some((_, fields)) = text.rsplit_once(')') else {
        return 0.0;
    };
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let field = |index: usize| {
        fields
            .get(index)
            .and_then(|value| value.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    // Fields 16 and 17 of proc(5), counted from the state, which is field 3.
    (field(13) + field(14)) / TICKS_PER_SECOND
}
