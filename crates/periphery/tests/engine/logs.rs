//! Logs: both streams, terminals, long lines, how many and since when, and that a reader who goes ends the reading.

use futures_util::StreamExt;
use komodo_agent_api::{AgentApi, AgentErrorCode, LogRequest};
use komodo_api::{
    engine::ContainerStateStatusEnum as State,
    live::{LogLine, LogStream},
};
use komodo_testkit::engine::Container;

use crate::harness::{Harness, reference};

fn request(name: &str) -> LogRequest {
    LogRequest {
        container: reference(name),
        tail: None,
        since: None,
        follow: false,
        stream: None,
    }
}

async fn read(harness: &Harness, request: LogRequest) -> Vec<LogLine> {
    let chunks = harness.agent.container_log(request).await.unwrap();
    let chunks: Vec<_> = chunks.map(|chunk| chunk.unwrap()).collect().await;
    chunks.concat()
}

fn texts(lines: &[LogLine]) -> Vec<&str> {
    lines.iter().map(|line| line.line.as_str()).collect()
}

async fn ended(harness: &Harness, name: &str, script: &str, terminal: bool) {
    let container =
        Container::new(name, ["sh", "-c", script]).with(|body| body.tty = Some(terminal));
    harness.engine.run(container).await.unwrap();
    harness.wait_state(name, State::Exited).await;
}

#[tokio::test]
async fn streams_tails_times_and_odd_lines() {
    let harness = Harness::start().await;
    ended(
        &harness,
        "web",
        "echo one; echo two >&2; echo; printf 'ü no end'",
        false,
    )
    .await;
    let lines = read(&harness, request("web")).await;
    let mut sorted = texts(&lines);
    sorted.sort_unstable();
    assert_eq!(sorted, ["", "one", "two", "ü no end"]);
    let of = |text: &str| lines.iter().find(|line| line.line == text).unwrap();
    assert_eq!(
        (of("one").stream, of("two").stream),
        (LogStream::Stdout, LogStream::Stderr)
    );
    assert!(
        lines
            .iter()
            .all(|line| line.time.ends_with('Z') && line.time.len() >= 20),
        "{lines:?}"
    );

    let stderr = read(
        &harness,
        LogRequest {
            stream: Some(LogStream::Stderr),
            ..request("web")
        },
    )
    .await;
    assert_eq!(texts(&stderr), ["two"]);
    let tail = read(
        &harness,
        LogRequest {
            tail: Some(2),
            ..request("web")
        },
    )
    .await;
    assert_eq!(tail.len(), 2);
    let later = read(
        &harness,
        LogRequest {
            since: Some(4_000_000_000_000),
            ..request("web")
        },
    )
    .await;
    assert_eq!(later, []);

    let missing = harness
        .agent
        .container_log(request("nobody"))
        .await
        .err()
        .unwrap();
    assert_eq!(missing.code, AgentErrorCode::NotFound);
    let odd = harness
        .agent
        .container_log(request("../../etc/passwd"))
        .await
        .err()
        .unwrap();
    assert_eq!(odd.code, AgentErrorCode::NotFound);
}

#[tokio::test]
async fn a_terminal_and_a_line_longer_than_a_message() {
    let harness = Harness::start().await;
    let script = "echo first; head -c 40000 /dev/zero | tr '\\0' x; echo; echo last";
    for (name, terminal) in [("pipe", false), ("terminal", true)] {
        ended(&harness, name, script, terminal).await;
        let lines = read(&harness, request(name)).await;
        assert_eq!(
            lines.len(),
            3,
            "{name}: {:?}",
            lines.iter().map(|line| line.line.len()).collect::<Vec<_>>()
        );
        assert_eq!(
            (lines[0].line.as_str(), lines[2].line.as_str()),
            ("first", "last"),
            "{name}"
        );
        assert_eq!(lines[1].line, "x".repeat(40_000), "{name}");
    }
}

#[tokio::test]
async fn a_flood_is_read_as_fast_as_the_reader_reads_and_no_faster() {
    let harness = Harness::start().await;
    ended(&harness, "flood", "seq 1 20000", false).await;
    let mut chunks = harness.agent.container_log(request("flood")).await.unwrap();
    let mut expected = 1;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.unwrap();
        let bytes: usize = chunk
            .iter()
            .map(|line| line.time.len() + line.line.len())
            .sum();
        assert!(bytes < 128 * 1024, "chunks stay small, not {bytes} bytes");
        for line in chunk {
            assert_eq!(line.line, expected.to_string());
            expected += 1;
        }
    }
    assert_eq!(expected, 20_001);
}

#[tokio::test]
async fn a_log_is_followed_to_the_end_of_its_container() {
    let harness = Harness::start().await;
    let script = "trap 'echo bye; exit 0' TERM; echo hello; while :; do sleep 3600 & wait $!; done";
    harness
        .engine
        .run(Container::new("web", ["sh", "-c", script]))
        .await
        .unwrap();
    harness.wait_state("web", State::Running).await;
    let follow = LogRequest {
        follow: true,
        tail: Some(10),
        ..request("web")
    };
    let mut chunks = harness.agent.container_log(follow).await.unwrap();
    let first = chunks.next().await.unwrap().unwrap();
    assert_eq!(texts(&first), ["hello"]);
    harness.engine.stop("web").await.unwrap();
    let rest: Vec<_> = chunks.map(|chunk| chunk.unwrap()).collect().await;
    assert_eq!(texts(&rest.concat()), ["bye"]);
}
