//! An agent that is gone in the middle: whatever its journal holds at that moment, the next one tells the truth.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use komodo_agent_api::{AgentApi, OperationEvent, OperationEventBody};
use komodo_api::{
    container::{ContainerAction, Scope},
    update::VerdictKind,
};
use komodo_periphery::Agent;
use komodo_testkit::engine::{Container, State as Real};

use crate::core::hello;
use crate::harness::{Harness, folder, one, operate, operation, options, verdicts};
use crate::proxy::{Lie, Proxy};

async fn followed(agent: &Agent, id: &str) -> Vec<OperationEvent> {
    agent
        .follow(id.to_owned(), 0)
        .await
        .unwrap()
        .map(Result::unwrap)
        .collect()
        .await
}

/// The journal of a whole operation, cut after each of its lines and in the middle of each, is what a `SIGKILL` at that
/// moment leaves behind. The Engine stands as it stood at the end, or with one container as it was at the beginning.
#[tokio::test]
async fn the_journal_cut_anywhere_is_settled_by_what_is_seen() {
    let harness = Harness::start().await;
    for name in ["aa", "bb", "cc"] {
        harness.engine.run(Container::idle(name)).await.unwrap();
    }
    harness
        .engine
        .run(Container::idle("kept").label("komodo.skip", "true"))
        .await
        .unwrap();
    harness.mirror.wait(|view| view.containers.len() == 4).await;
    let mut stop = operation(ContainerAction::Stop, Scope::All);
    stop.concurrency = 1;
    // A stop may go on without its caller for that long.
    stop.time = Some(1);
    let whole = operate(&*harness.agent, stop.clone()).await.unwrap();
    let journal = std::fs::read(
        harness
            .root
            .join("journal")
            .join(format!("{}.jsonl", stop.id)),
    )
    .unwrap();
    // One runs again, as if it had never been stopped, or as if somebody had started it meanwhile.
    harness.engine.start_container("bb").await.unwrap();
    let ends: Vec<usize> = (1..=journal.len())
        .filter(|end| journal[end - 1] == b'\n')
        .collect();
    assert_eq!(ends.len(), whole.len() + 1);
    let mut cuts: Vec<usize> = ends[1..].to_vec();
    cuts.extend(ends.windows(2).skip(1).map(|pair| (pair[0] + pair[1]) / 2));
    for cut in cuts {
        let root = folder();
        std::fs::create_dir_all(root.join("journal")).unwrap();
        std::fs::write(
            root.join("journal").join(format!("{}.jsonl", stop.id)),
            &journal[..cut],
        )
        .unwrap();
        let agent = Agent::start(options(&harness.engine.docker_host(), &root))
            .await
            .unwrap();
        let open = agent.hello(hello()).await.unwrap().open_operations;
        assert_eq!((open.len(), open[0].id.as_str()), (1, stop.id.as_str()));
        let events = followed(&agent, &stop.id).await;
        let durable = ends.iter().filter(|end| **end <= cut).count() - 1;
        assert_eq!(
            events[..durable],
            whole[..durable],
            "what was told before is told again"
        );
        assert!(matches!(
            events.last().unwrap().body,
            OperationEventBody::Ended { .. }
        ));
        let known: BTreeMap<_, _> = verdicts(&whole[..durable])
            .into_iter()
            .map(|v| (v.container.clone(), v))
            .collect();
        let settled = verdicts(&events);
        assert_eq!(
            settled.len(),
            4,
            "one verdict each, cut at {cut}: {settled:?}"
        );
        for verdict in settled {
            if known.contains_key(&verdict.container) {
                continue;
            }
            let real = harness.engine.state(&verdict.container).await.unwrap();
            let expected = match (verdict.container.as_str(), real) {
                ("kept", Real::Running) => VerdictKind::Skipped,
                ("bb", Real::Running) => VerdictKind::Failed,
                // It stopped; whether that was us depends on how far we had come.
                (_, Real::Exited) if verdict.verdict == VerdictKind::Unchanged => {
                    VerdictKind::Unchanged
                }
                (_, Real::Exited) => VerdictKind::Done,
                other => panic!("{other:?}"),
            };
            assert_eq!(verdict.verdict, expected, "cut at {cut}: {verdict:?}");
        }
        // The same order again is the same operation, and nothing is done again.
        let again = operate(&agent, stop.clone()).await.unwrap();
        assert_eq!(again, events);
        agent.acknowledge(stop.id.clone()).await.unwrap();
        drop(agent);
        let agent = Agent::start(options(&harness.engine.docker_host(), &root))
            .await
            .unwrap();
        assert_eq!(agent.hello(hello()).await.unwrap().open_operations, []);
        drop(agent);
        std::fs::remove_dir_all(root).unwrap();
    }
}

/// Whether a restart was sent before the agent was killed is told by the run that the container is in, and not by the
/// time of the step: here the step is older than the run, as after a clock that was set back.
#[tokio::test]
async fn a_restart_that_was_never_sent_is_not_called_done() {
    let harness = Harness::start().await;
    harness.engine.run(Container::idle("aa")).await.unwrap();
    harness.mirror.wait(|view| view.containers.len() == 1).await;
    let restart = operation(ContainerAction::Restart, one("aa"));
    let events = operate(&*harness.agent, restart.clone()).await.unwrap();
    let now = verdicts(&events)[0].run.and_then(|run| run.started_at);
    let begun = events.iter().find_map(|event| match &event.body {
        OperationEventBody::Started { run, .. } => run.and_then(|run| run.started_at),
        _ => None,
    });
    let (Some(now), Some(begun)) = (now, begun) else {
        panic!("both runs are dated: {events:?}");
    };
    assert_ne!(now, begun);
    let name = format!("{}.jsonl", restart.id);
    let journal = std::fs::read_to_string(harness.root.join("journal").join(&name)).unwrap();
    let end = journal.find("started").unwrap();
    let end = end + journal[end..].find('\n').unwrap() + 1;
    let sent = journal[..end].to_owned();
    let never_sent = sent.replace(&begun.to_string(), &now.to_string());
    assert_ne!(sent, never_sent);
    for (journal, expected) in [(sent, VerdictKind::Done), (never_sent, VerdictKind::Failed)] {
        let root = folder();
        std::fs::create_dir_all(root.join("journal")).unwrap();
        std::fs::write(root.join("journal").join(&name), journal).unwrap();
        let agent = Agent::start(options(&harness.engine.docker_host(), &root))
            .await
            .unwrap();
        let verdicts = verdicts(&followed(&agent, &restart.id).await);
        assert_eq!(verdicts.len(), 1);
        assert_eq!(verdicts[0].verdict, expected, "{verdicts:?}");
        drop(agent);
        std::fs::remove_dir_all(root).unwrap();
    }
}

#[tokio::test]
async fn an_agent_that_ends_in_the_middle_of_a_stop_is_settled_by_the_next() {
    let engine = komodo_testkit::engine::Engine::start().await.unwrap();
    let slow = [
        "sh",
        "-c",
        "trap 'sleep 2; exit 0' TERM; while :; do sleep 3600 & wait $!; done",
    ];
    engine.run(Container::new("slow", slow)).await.unwrap();
    let root = folder();
    let proxy = Proxy::start(&engine.socket(), &root).unwrap();
    let agent = Agent::start(options(&proxy.docker_host(), &root))
        .await
        .unwrap();
    agent.observatory().ready().await;
    proxy.lie("/stop", Lie::Holds);
    let stop = operation(ContainerAction::Stop, one("slow"));
    let events = agent.operate(stop.clone()).await.unwrap();
    proxy.holds_one().await;
    drop(events);
    agent.end().await;
    proxy.be_honest();
    // The Engine goes on with a stop whose caller has gone, and the verdict waits for what comes of it.
    let next = Agent::start(options(&engine.docker_host(), &root))
        .await
        .unwrap();
    let events = followed(&next, &stop.id).await;
    let all = verdicts(&events);
    assert_eq!(all.len(), 1);
    let verdict = &all[0];
    assert_eq!(
        (verdict.verdict, verdict.after),
        (
            VerdictKind::Done,
            Some(komodo_api::engine::ContainerStateStatusEnum::Exited)
        ),
        "{verdict:?}"
    );
    assert_eq!(engine.state("slow").await.unwrap(), Real::Exited);
    drop(next);
    std::fs::remove_dir_all(root).unwrap();
}

/// The program itself, killed for good while it waits for the Engine, and started again.
#[tokio::test]
async fn a_program_killed_in_the_middle_of_a_stop_tells_the_truth_when_it_is_back() {
    let engine = komodo_testkit::engine::Engine::start().await.unwrap();
    let slow = [
        "sh",
        "-c",
        "trap 'sleep 2; exit 0' TERM; while :; do sleep 3600 & wait $!; done",
    ];
    for name in ["s1", "s2", "s3"] {
        engine.run(Container::new(name, slow)).await.unwrap();
    }
    let root = folder();
    let mut core = crate::core::Core::start().await;
    let start = |core: &crate::core::Core| {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_komodo-periphery"))
            .env("DOCKER_HOST", engine.docker_host())
            .env("PERIPHERY_ROOT_DIRECTORY", &root)
            .env(
                "PERIPHERY_CORE_ADDRESS",
                format!("ws://127.0.0.1:{}", core.port),
            )
            .env("PERIPHERY_CORE_PUBLIC_KEY", &core.public_key)
            .env("PERIPHERY_CONNECT_AS", "host")
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    };
    let mut program = start(&core);
    let linked = core.linked().await;
    let mut stop = operation(ContainerAction::Stop, Scope::All);
    stop.concurrency = 2;
    let mut events = linked.client.operate(stop.clone()).await.unwrap();
    let mut told = Vec::new();
    while let Some(Ok(event)) = events.next().await {
        told.push(event);
        let begun = told
            .iter()
            .filter(|event| matches!(event.body, OperationEventBody::Started { .. }));
        if begun.count() == 2 {
            program.start_kill().unwrap();
        }
    }
    program.wait().await.unwrap();

    let mut again = start(&core);
    let linked = core.linked().await;
    assert_eq!(linked.hello.open_operations[0].id, stop.id);
    let events: Vec<_> = linked
        .client
        .follow(stop.id.clone(), 0)
        .await
        .unwrap()
        .map(Result::unwrap)
        .collect()
        .await;
    assert_eq!(
        events[..told.len()],
        told[..],
        "what was told once is told again, and the same"
    );
    let all = verdicts(&events);
    assert_eq!(
        all.iter()
            .map(|verdict| verdict.container.as_str())
            .collect::<Vec<_>>(),
        ["s1", "s2", "s3"]
    );
    for verdict in &all {
        use komodo_api::engine::ContainerStateStatusEnum::{Exited, Running};
        match verdict.after {
            Some(Running) => assert_eq!(verdict.verdict, VerdictKind::Failed, "{verdict:?}"),
            Some(Exited) => assert_eq!(verdict.verdict, VerdictKind::Done, "{verdict:?}"),
            _ => panic!("{verdict:?}"),
        }
    }
    assert_eq!(
        all[2].verdict,
        VerdictKind::Failed,
        "the third was never begun: {all:?}"
    );
    assert_eq!(engine.state("s3").await.unwrap(), Real::Running);
    again.kill().await.unwrap();
    std::fs::remove_dir_all(root).unwrap();
}
