//! Sizes, names and words of files, and files that must be there.

use std::path::Path;

use super::File;

/// Lines of a source file, unless it is listed.
const LINES_MAX: usize = 600;
/// Files that may be longer, a line each: path, then the reason.
const LONG_FILES: &str = include_str!("long-files.txt");
/// Endings of source files.
const SOURCES: [&str; 8] = [".rs", ".ts", ".tsx", ".css", ".sh", ".mjs", ".py", ".sql"];
/// Names that say nothing about what is in a module. `helper` is not among them: it is what hands an agent over.
const EMPTY_NAMES: [&str; 9] = [
    "utils", "util", "helpers", "manager", "managers", "data", "info", "misc", "common",
];
/// What every reader of a repository looks for.
const REQUIRED: [&str; 7] = [
    "README.md",
    "README.zh-CN.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "LICENSE",
];
/// Path of the socket that only one crate may name, in two parts so that this line is not one of them.
const ENGINE_SOCKET: &str = concat!("/var/run/", "docker.sock");
/// Who may name it: the one door to the Engine, and what starts Engines of its own for tests.
const MAY_NAME_THE_SOCKET: [&str; 4] = [
    "crates/docker/",
    "crates/testkit/",
    "crates/acceptance/",
    "crates/bench/",
];
/// What opens a Unix socket or starts a program: a way to the Engine beside the guard. Programs are started by
/// `komodo_docker::Command`, which names the guarded socket.
const WAYS_TO_THE_ENGINE: [&str; 6] = [
    concat!("UnixStream::", "connect"),
    concat!("UnixStream::", "from_std"),
    concat!("UnixSocket::", "new"),
    concat!("process::", "Command"),
    concat!("uds_", "connect"),
    concat!("hyper", "local"),
];
/// Core has no Engine on any way; it asks a program that it is to serve for its version.
const MAY_ASK_A_PROGRAM: &str = "crates/core/src/programs/tell.rs";
/// Crates without clock, files, network and processes.
const PURE: [&str; 3] = ["crates/api/", "crates/agent-api/", "crates/plan/"];
/// What they must not name.
const EFFECTS: [&str; 10] = [
    "std::fs",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "std::process",
    "std::thread",
    "std::env::",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
];

/// Words of a workplace, which mean nothing to a reader elsewhere; in two parts so that these lines are not among them.
const WORKPLACE: [&str; 2] = [concat!("issues", " show"), concat!(".lib", "rary/")];

/// Complaints about files one by one.
pub fn check(root: &Path, files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for required in REQUIRED {
        if !files
            .iter()
            .any(|file| file.path == required && !file.text.trim().is_empty())
        {
            complaints.push(format!("{required} is missing or empty"));
        }
    }
    for (path, reason) in long_files() {
        let file = files.iter().find(|file| file.path == path);
        if reason.is_empty() {
            complaints.push(format!(
                "xtask/src/tidy/long-files.txt: {path} has no reason"
            ));
        }
        if file.is_none_or(|file| file.text.lines().count() <= LINES_MAX) {
            complaints.push(format!("xtask/src/tidy/long-files.txt: {path} is not longer than {LINES_MAX} lines; take it off the list"));
        }
    }
    let place = local_place(root);
    for file in files {
        complaints.extend(
            of_file(file, place.as_deref())
                .into_iter()
                .map(|complaint| format!("{}{complaint}", file.path)),
        );
    }
    complaints
}

/// Complaints about a file; each starts with a line number or a colon.
pub fn of_file(file: &File, place: Option<&str>) -> Vec<String> {
    let mut complaints = Vec::new();
    let path = file.path.as_str();
    let source = SOURCES.iter().any(|ending| path.ends_with(ending)) || file.text.starts_with("#!");
    if source {
        let lines = file.text.lines().count();
        let listed = long_files().any(|(listed, _)| listed == path);
        if lines > LINES_MAX && !listed {
            complaints.push(format!(
                ": {lines} lines; split it by what it is about, or list it with a reason in xtask/src/tidy/long-files.txt"
            ));
        }
        if !path.starts_with("scripts/") {
            for part in path.split('/') {
                let name = part.split('.').next().unwrap_or_default();
                if EMPTY_NAMES.contains(&name) {
                    complaints.push(format!(
                        ": '{name}' says nothing about what is in it; name it after that"
                    ));
                }
            }
        }
    }
    let rust = path.ends_with(".rs");
    for (number, line) in file.text.lines().enumerate() {
        let mut complain = |text: &str| complaints.push(format!(":{}: {text}", number + 1));
        if let Some(place) = place
            && names_place(line, place)
        {
            complain("names a folder of the machine it was written on");
        }
        if WORKPLACE.iter().any(|word| line.contains(word)) {
            complain("names a tool of the place it was written in");
        }
        if !rust {
            continue;
        }
        let code = line.split("//").next().unwrap_or_default();
        if code.trim_start().starts_with(concat!("#[", "ignore")) {
            complain("a test that is left out proves nothing; make it run, or delete it");
        }
        if path.starts_with("crates/")
            && code.contains(ENGINE_SOCKET)
            // Decides on documents that name it, and opens nothing at all.
            && !path.starts_with("crates/plan/")
            && !MAY_NAME_THE_SOCKET
                .iter()
                .any(|prefix| path.starts_with(prefix))
        {
            complain(
                "names the Engine's socket; only crates/docker opens it, because every mutation passes one guard",
            );
        }
        if path.starts_with("crates/")
            && !path.contains("tests")
            && path != MAY_ASK_A_PROGRAM
            && let Some(way) = WAYS_TO_THE_ENGINE.iter().find(|way| code.contains(**way))
            && !MAY_NAME_THE_SOCKET
                .iter()
                .any(|prefix| path.starts_with(prefix))
        {
            complain(&format!(
                "uses {way}; only crates/docker opens sockets and starts programs, because every mutation passes one guard: use komodo_docker::Engine or komodo_docker::Command"
            ));
        }
        if !path.contains("tests")
            && PURE.iter().any(|prefix| path.starts_with(prefix))
            && let Some(effect) = EFFECTS.iter().find(|effect| code.contains(**effect))
        {
            complain(&format!(
                "uses {effect}; this crate is pure: take it as an argument"
            ));
        }
        if path.starts_with("crates/plan/") && code.contains(concat!("async ", "fn")) {
            complain("decisions are not async; the caller does the waiting");
        }
    }
    complaints
}

fn long_files() -> impl Iterator<Item = (&'static str, &'static str)> {
    LONG_FILES
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap_or((line, "")))
        .map(|(path, reason)| (path, reason.trim()))
}

/// The folder that the checkout lies in: a path below it is nobody else's. None where that would be the root.
fn local_place(root: &Path) -> Option<String> {
    let parent = root.parent()?.to_str()?;
    (parent.len() > 1).then(|| format!("{parent}/"))
}

/// Whether a line names the place, and not just a longer path that ends like it.
fn names_place(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || "._-}~*)".contains(before))
    })
}
