//! Logs and inspect.

use komodo_agent_api::{AgentErrorCode, LogRequest};
use komodo_api::{
    container::ContainerAction,
    engine::ContainerStateStatusEnum::*,
    live::{LogLine, LogStream::*},
};

use super::*;

fn request(name: &str) -> LogRequest {
    LogRequest {
        container: ContainerRef(name.to_owned()),
        tail: None,
        since: None,
        follow: false,
        stream: None,
    }
}

async fn lines(talk: &Talk, request: LogRequest) -> Vec<LogLine> {
    let mut chunks = soon("the log", talk.agent.container_log(request))
        .await
        .expect("there is a log");
    let mut lines = Vec::new();
    while let Some(chunk) = soon("the next lines", chunks.next()).await {
        lines.extend(chunk.expect("the log is read without an error"));
    }
    lines
}

fn texts(lines: &[LogLine]) -> Vec<&str> {
    lines.iter().map(|line| line.line.as_str()).collect()
}

/// All lines, the last ones, those of one stream, those from a time on.
pub async fn log_lines(world: &dyn ContractWorld) {
    world.create(spec("web", Running)).await;
    let talk = Talk::begin(world, &[]).await;
    let written = [
        (Stdout, "one"),
        (Stderr, "two"),
        (Stdout, "three ä ✓"),
        (Stdout, ""),
        (Stderr, "five"),
    ];
    for (stream, line) in written {
        world.write("web", stream, line).await;
    }
    let all = async || lines(&talk, request("web")).await;
    eventually("all lines", async || all().await.len() == written.len()).await;
    let all = all().await;
    let found: Vec<(_, &str)> = all
        .iter()
        .map(|line| (line.stream, line.line.as_str()))
        .collect();
    assert_eq!(found, written);
    assert!(
        all.windows(2).all(|pair| pair[0].time < pair[1].time),
        "each line has its time: {all:?}"
    );

    for (tail, expected) in [
        (0, &all[5..]),
        (1, &all[4..]),
        (3, &all[2..]),
        (99, &all[..]),
    ] {
        let last = lines(
            &talk,
            LogRequest {
                tail: Some(tail),
                ..request("web")
            },
        )
        .await;
        assert_eq!(texts(&last), texts(expected), "the last {tail}");
    }
    let errors = lines(
        &talk,
        LogRequest {
            stream: Some(Stderr),
            ..request("web")
        },
    )
    .await;
    assert_eq!(texts(&errors), ["two", "five"]);
    let output = lines(
        &talk,
        LogRequest {
            stream: Some(Stdout),
            ..request("web")
        },
    )
    .await;
    assert_eq!(texts(&output), ["one", "three ä ✓", ""]);

    let nothing = lines(
        &talk,
        LogRequest {
            since: Some(i64::from(i32::MAX) * 1000 * 2),
            ..request("web")
        },
    )
    .await;
    assert_eq!(texts(&nothing), [""; 0]);
    let since = lines(
        &talk,
        LogRequest {
            since: Some(1000),
            ..request("web")
        },
    )
    .await;
    assert_eq!(texts(&since), texts(&all));

    let missing = soon("the log", talk.agent.container_log(request("nobody"))).await;
    assert_eq!(
        missing.err().expect("not there").code,
        AgentErrorCode::NotFound
    );
}

/// A log is followed until the container ends; a reader that goes away leaves nothing behind at the Engine.
pub async fn log_followed(world: &dyn ContractWorld) {
    world.create(spec("web", Running)).await;
    let talk = Talk::begin(world, &[]).await;
    world.write("web", Stdout, "before").await;
    eventually("the first line", async || {
        !lines(&talk, request("web")).await.is_empty()
    })
    .await;
    let follow = LogRequest {
        follow: true,
        tail: Some(1),
        ..request("web")
    };
    let mut chunks = soon("the log", talk.agent.container_log(follow.clone()))
        .await
        .expect("there is a log");
    let mut seen = Vec::new();
    let mut written = 0;
    while seen.len() < 4 {
        if seen.len() == written + 1 {
            written += 1;
            world.write("web", Stdout, &format!("line {written}")).await;
        }
        let chunk = soon("the next lines", chunks.next())
            .await
            .expect("it goes on")
            .expect("without an error");
        seen.extend(chunk.into_iter().map(|line| line.line));
    }
    assert_eq!(seen, ["before", "line 1", "line 2", "line 3"]);

    eventually("one reader", async || world.log_readers("web").await == 1).await;
    drop(chunks);
    eventually("no reader", async || world.log_readers("web").await == 0).await;

    let mut chunks = soon("the log", talk.agent.container_log(follow))
        .await
        .expect("there is a log");
    soon("a line", chunks.next())
        .await
        .expect("it goes on")
        .expect("without an error");
    world.docker(ContainerAction::Stop, "web").await;
    while let Some(chunk) = soon("the end of the log", chunks.next()).await {
        chunk.expect("without an error");
    }
}

/// The Engine's own document, and an error for what is not there.
pub async fn inspected(world: &dyn ContractWorld) {
    let id = world
        .create(spec("web", Running).label("tier", "front"))
        .await;
    let talk = Talk::begin(world, &[]).await;
    for reference in ["web", "/web", &id, &id[..12]] {
        let document = soon(
            "inspect",
            talk.agent
                .inspect_container(ContainerRef(reference.to_owned())),
        )
        .await;
        let document = document.unwrap_or_else(|error| panic!("{reference}: {error}"));
        assert_eq!(document["Id"], id.as_str(), "{reference}");
        assert_eq!(document["Name"], "/web");
        assert_eq!(document["State"]["Status"], "running");
        assert_eq!(document["Config"]["Labels"]["tier"], "front");
    }
    world.docker(ContainerAction::Stop, "web").await;
    let document = soon("inspect", talk.agent.inspect_container(ContainerRef(id)))
        .await
        .expect("it is there");
    assert_eq!(document["State"]["Status"], "exited");
    let missing = soon(
        "inspect",
        talk.agent
            .inspect_container(ContainerRef("nobody".to_owned())),
    )
    .await;
    assert_eq!(
        missing.expect_err("not there").code,
        AgentErrorCode::NotFound
    );
}
