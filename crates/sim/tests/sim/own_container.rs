//! An agent that runs in a container of the Engine that it looks after.

use komodo_agent_api::GoodbyeReason;

use super::*;

const HOST: &str = "
    vpn running
    periphery running net=vpn restart=unless-stopped
    web running
    old exited
    ice paused
";

fn containerized() -> SimHost {
    let options = AgentOptions {
        container: Some("periphery".into()),
        host_name: "alpha".into(),
    };
    SimHost::new(world(HOST), options)
}

#[tokio::test(start_paused = true)]
async fn no_bulk_verb_takes_it_away() {
    use ContainerAction::*;
    for action in [Stop, Start, Restart, Pause, Unpause, Destroy, Prune] {
        let host = containerized();
        let agent = host.start();
        agent.hello(hello()).await.unwrap();
        let told = verdicts(&run(&agent, order("op", action, Scope::All)).await);
        let printed = print(&told);
        assert!(
            printed.contains("periphery Skipped Agent"),
            "{action:?}: {printed}"
        );
        assert!(
            printed.contains("vpn Skipped AgentDependency"),
            "{action:?}: {printed}"
        );
        assert!(agent.is_alive(), "{action:?}");
        assert!(
            told.iter()
                .all(|verdict| verdict.verdict != VerdictKind::Failed),
            "{action:?}: {printed}"
        );
        assert_true(&host.world, action, &told);
    }
}

#[tokio::test(start_paused = true)]
async fn by_name_it_is_refused_whatever_is_said() {
    for (at, action) in [
        ContainerAction::Stop,
        ContainerAction::Pause,
        ContainerAction::Destroy,
    ]
    .into_iter()
    .enumerate()
    {
        let host = containerized();
        let agent = host.start();
        let order = AgentOperation {
            override_reason: Some("because".into()),
            ..order(&format!("op{at}"), action, one("periphery"))
        };
        let told = verdicts(&run(&agent, order).await);
        assert_eq!(told[0].verdict, VerdictKind::Failed);
        assert!(
            told[0].error.as_ref().unwrap().contains("detach"),
            "{told:?}"
        );
        assert!(agent.is_alive());
    }
}

#[tokio::test(start_paused = true)]
async fn renamed_it_is_still_known() {
    let host = containerized();
    let agent = host.start();
    host.world.rename("periphery", "renamed");
    let told = verdicts(&run(&agent, order("op", ContainerAction::Stop, Scope::All)).await);
    assert!(
        print(&told).contains("renamed Skipped Agent"),
        "{}",
        print(&told)
    );
    assert!(agent.is_alive());
}

#[tokio::test(start_paused = true)]
async fn stopped_by_others_it_says_goodbye_and_ends() {
    let host = containerized();
    let agent = host.start();
    let mut events = agent.events().await.unwrap();
    events.next().await.unwrap().unwrap();
    let goodbye = async {
        let mut said = None;
        while let Some(Ok(event)) = events.next().await {
            if let EventBody::Goodbye(reason) = event.body {
                said = Some(reason);
            }
        }
        said
    };
    host.world.stop("periphery").unwrap();
    let said = timeout(Duration::from_secs(10), goodbye).await.unwrap();
    assert_eq!(
        said,
        Some(GoodbyeReason::Signal {
            signal: "SIGTERM".into()
        })
    );
    timeout(Duration::from_secs(10), agent.closed())
        .await
        .unwrap();
    assert!(!agent.is_alive());
}

#[tokio::test(start_paused = true)]
async fn paused_by_others_it_stands_still_until_it_is_resumed() {
    let host = containerized();
    let agent = host.start();
    agent.hello(hello()).await.unwrap();
    host.world
        .docker(ContainerAction::Pause, "periphery")
        .unwrap();
    // The process is frozen a moment after the Engine has told.
    while timeout(NEVER, agent.hello(hello())).await.is_ok() {
        tokio::task::yield_now().await;
    }
    host.world
        .docker(ContainerAction::Unpause, "periphery")
        .unwrap();
    timeout(Duration::from_secs(10), agent.hello(hello()))
        .await
        .unwrap()
        .unwrap();
    assert!(agent.is_alive());
}
