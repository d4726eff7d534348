use std::sync::{Arc, Mutex};

use tokio::io::AsyncBufReadExt;

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

fn shell(script: &str) -> Command {
    Command::new("sh", PATIENCE).arguments(["-c", script])
}

async fn run(command: Command) -> (Result<Ended, CommandError>, Vec<OutputLine>) {
    let mut lines = Vec::new();
    let ended = command
        .run(&CancellationToken::new(), |line| lines.push(line))
        .await;
    (ended, lines)
}

fn of(lines: &[OutputLine], stream: OutputStream) -> Vec<&str> {
    let lines = lines.iter().filter(|line| line.stream == stream);
    lines.map(|line| line.text.as_str()).collect()
}

#[tokio::test]
async fn lines_status_folder_and_input_are_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("here"), "").unwrap();
    let script = "ls; read line; echo \"got $line\"; printf 'no end' >&2; exit 3";
    let (ended, lines) = run(shell(script).folder(folder.path()).input("hello\n")).await;
    assert_eq!(ended.unwrap().status.code(), Some(3));
    assert_eq!(of(&lines, OutputStream::Stdout), ["here", "got hello"]);
    assert_eq!(of(&lines, OutputStream::Stderr), ["no end"]);
}

#[tokio::test]
async fn the_environment_holds_what_is_named_and_no_more() {
    // Cargo sets it for tests, so a program that inherited everything would show it.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let command = Command::new("env", PATIENCE)
        .variable("MINE", "1")
        .engine_socket(Path::new("/agent/docker.sock"));
    let (ended, lines) = run(command).await;
    assert!(ended.unwrap().success());
    let lines = of(&lines, OutputStream::Stdout);
    assert!(lines.contains(&"MINE=1"), "{lines:?}");
    assert!(
        lines.contains(&"DOCKER_HOST=unix:///agent/docker.sock"),
        "{lines:?}"
    );
    assert!(lines.iter().any(|line| line.starts_with("PATH=")));
    assert!(
        !lines.iter().any(|line| line.starts_with("CARGO_")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn long_lines_come_in_pieces_and_too_much_is_counted() {
    let (ended, lines) = run(shell("head -c 40000 /dev/zero | tr '\\0' x; echo")).await;
    assert!(ended.unwrap().success());
    let lengths: Vec<_> = lines.iter().map(|line| line.text.len()).collect();
    assert_eq!(
        lengths,
        [LINE_BYTES_MAX, LINE_BYTES_MAX, 40000 - 2 * LINE_BYTES_MAX]
    );

    let (ended, lines) = run(shell("yes 0123456789 | head -c 6000000")).await;
    let told: u64 = lines.iter().map(|line| line.text.len() as u64 + 1).sum();
    assert!(told <= OUTPUT_BYTES_MAX);
    assert!(told + ended.unwrap().untold_bytes >= 6_000_000);
}

/// A program that started another one; the number of that one.
async fn with_grandchild(
    deadline: Duration,
    cancel: CancellationToken,
) -> (Result<Ended, CommandError>, String) {
    let number = Arc::new(Mutex::new(String::new()));
    let (seen, canceling) = (Arc::clone(&number), cancel.clone());
    // Neither listens to a polite word.
    let script = "trap '' TERM; sh -c \"trap '' TERM; echo \\$\\$; while :; do sleep 0.1; done\" & wait; wait";
    let ended = Command::new("sh", deadline)
        .arguments(["-c", script])
        .run(&cancel, move |line| {
            seen.lock().unwrap().push_str(&line.text);
            if deadline == PATIENCE {
                canceling.cancel();
            }
        })
        .await;
    let number = number.lock().unwrap().clone();
    (ended, number)
}

/// Whether a process runs; one that has ended and that nobody has waited for does not.
fn runs(number: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// Waits until a process has ended.
async fn ends(number: &str) {
    assert!(number.parse::<u32>().is_ok(), "a process: {number}");
    let until = tokio::time::Instant::now() + PATIENCE;
    while runs(number) {
        assert!(tokio::time::Instant::now() < until, "{number} lives on");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_cancel_and_a_deadline_end_the_whole_group() {
    let (ended, number) = with_grandchild(PATIENCE, CancellationToken::new()).await;
    assert!(matches!(ended, Err(CommandError::Canceled)), "{ended:?}");
    ends(&number).await;

    let short = Duration::from_secs(2);
    let (ended, number) = with_grandchild(short, CancellationToken::new()).await;
    assert!(
        matches!(ended, Err(CommandError::Deadline(after)) if after == short),
        "{ended:?}"
    );
    ends(&number).await;
}

#[tokio::test]
async fn dropping_it_ends_the_whole_group() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let script = format!("(while :; do sleep 0.1; done) > {} & wait", pipe.display());
    #[expect(
        clippy::disallowed_methods,
        reason = "aborted by the test, which is what it is about"
    )]
    let running =
        tokio::spawn(async move { shell(&script).run(&CancellationToken::new(), |_| ()).await });
    // Opening it waits for the one that writes; its end is the end of all that hold it.
    let file = tokio::time::timeout(PATIENCE, tokio::fs::File::open(&pipe))
        .await
        .unwrap()
        .unwrap();
    running.abort();
    let mut lines = BufReader::new(file).lines();
    let end = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    assert_eq!(end.expect("it ends").unwrap(), None);
}

#[tokio::test]
async fn what_a_program_leaves_behind_does_not_hold_it_up() {
    let (ended, lines) = run(shell("sleep 1000 & echo $!")).await;
    assert!(ended.unwrap().success());
    ends(&lines[0].text).await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let (ended, _) = run(Command::new("no-such-program-here", PATIENCE)).await;
    assert_eq!(
        ended.unwrap_err().to_string(),
        "cannot start 'no-such-program-here'"
    );
}
