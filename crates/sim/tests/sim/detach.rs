//! An agent that goes on purpose, and comes back.

use komodo_agent_api::GoodbyeReason;

use super::*;

const HOST: &str = "
    periphery running restart=unless-stopped
    web running
";

fn containerized() -> SimHost {
    let options = AgentOptions {
        container: Some("periphery".into()),
        host_name: "alpha".into(),
    };
    SimHost::new(world(HOST), options)
}

fn detach(action: ContainerAction) -> AgentOperation {
    AgentOperation {
        detach: true,
        ..order("op", action, one("periphery"))
    }
}

/// What it says last, and what the operation tells until then.
async fn goes(agent: &SimAgent, order: AgentOperation) -> (Option<GoodbyeReason>, Option<String>) {
    agent.hello(hello()).await.unwrap();
    let mut events = agent.events().await.unwrap();
    let mut steps = agent.operate(order).await.unwrap();
    let mut brings_back = None;
    while let Some(Ok(step)) = steps.next().await {
        if let OperationEventBody::Detaching { bring_back } = step.body {
            brings_back = Some(bring_back);
            break;
        }
    }
    let mut said = None;
    while let Some(Ok(event)) = events.next().await {
        if let EventBody::Goodbye(reason) = event.body {
            said = Some(reason);
        }
    }
    (said, brings_back)
}

#[tokio::test(start_paused = true)]
async fn stopped_on_purpose_it_tells_marks_and_comes_back() {
    let host = containerized();
    let agent = host.start();
    let (said, brings_back) = goes(&agent, detach(ContainerAction::Stop)).await;
    assert_eq!(
        said,
        Some(GoodbyeReason::Detached {
            by: "tester".into(),
            bring_back: "docker start periphery".into(),
        })
    );
    assert_eq!(brings_back.as_deref(), Some("docker start periphery"));
    timeout(NEVER, agent.closed()).await.unwrap();
    assert!(host.is_detached());
    assert_eq!(
        host.world.state_of("periphery"),
        Some(ContainerStateStatusEnum::Exited)
    );
    let mut agents = host.agents();
    agents.borrow_and_update();
    host.world.start("periphery").unwrap();
    timeout(NEVER, agents.changed()).await.unwrap().unwrap();
    let next = agents.borrow().clone().unwrap();
    assert!(!host.is_detached());
    next.hello(hello()).await.unwrap();
    let told = to_the_end(next.follow("op".into(), 0).await.unwrap())
        .await
        .unwrap();
    assert_eq!(print(&verdicts(&told)), "periphery Done");
}

#[tokio::test(start_paused = true)]
async fn paused_on_purpose_it_is_the_same_process_that_comes_back() {
    let host = containerized();
    let agent = host.start();
    let (said, brings_back) = goes(&agent, detach(ContainerAction::Pause)).await;
    assert!(matches!(said, Some(GoodbyeReason::Detached { .. })));
    assert_eq!(brings_back.as_deref(), Some("docker unpause periphery"));
    while host.world.state_of("periphery") != Some(ContainerStateStatusEnum::Paused) {
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    assert!(host.is_detached());
    host.world
        .docker(ContainerAction::Unpause, "periphery")
        .unwrap();
    let told = to_the_end(agent.follow("op".into(), 0).await.unwrap())
        .await
        .unwrap();
    assert_eq!(print(&verdicts(&told)), "periphery Done");
    assert!(agent.is_alive() && !host.is_detached());
    let mut events = agent.events().await.unwrap();
    events.next().await.unwrap().unwrap();
    host.world.stop("web").unwrap();
    let next = timeout(NEVER, events.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(
        matches!(next.body, EventBody::Containers { .. }),
        "it took its goodbye back: {next:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn removed_on_purpose_it_comes_back_with_a_new_container() {
    let host = containerized();
    let before = host.world.container("periphery").unwrap();
    let agent = host.start();
    goes(&agent, detach(ContainerAction::Destroy)).await;
    timeout(NEVER, agent.closed()).await.unwrap();
    assert_eq!(host.world.state_of("periphery"), None);
    host.world
        .create(parse_container("periphery running restart=unless-stopped").unwrap());
    let next = host.start();
    next.hello(hello()).await.unwrap();
    let told = to_the_end(next.follow("op".into(), 0).await.unwrap())
        .await
        .unwrap();
    let told = verdicts(&told);
    assert_eq!(print(&told), "periphery Done");
    assert_eq!(told[0].id, before.id);
}

#[tokio::test(start_paused = true)]
async fn it_goes_only_where_nothing_else_is_meant() {
    let host = containerized();
    let agent = host.start();
    agent.hello(hello()).await.unwrap();
    for (at, scope) in [
        Scope::All,
        Scope::Listed(vec![ContainerRef("periphery".into())]),
    ]
    .into_iter()
    .enumerate()
    {
        let order = AgentOperation {
            detach: true,
            ..order(&format!("op{at}"), ContainerAction::Stop, scope)
        };
        let told = verdicts(&run(&agent, order).await);
        assert!(print(&told).contains("periphery Skipped Agent"), "{told:?}");
        assert!(agent.is_alive());
    }
}
