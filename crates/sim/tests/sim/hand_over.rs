//! An agent that is restarted or replaced by its helper, proven by its new life or rolled back.

use komodo_api::container::Recreate;
use komodo_sim::{HelperDies, Image};

use super::*;

const HOST: &str = "
    periphery running image=periphery:1 restart=unless-stopped
    web running
";
/// Long enough for the probation, and for a Core that is slow to reach an agent.
const SOON: Duration = Duration::from_secs(600);

fn containerized() -> SimHost {
    let options = AgentOptions {
        container: Some("periphery".into()),
        host_name: "alpha".into(),
    };
    SimHost::new(world(HOST), options)
}

fn restart() -> AgentOperation {
    order("op", ContainerAction::Restart, one("periphery"))
}

fn recreate(image: &str) -> AgentOperation {
    let image = Some(image.to_owned());
    AgentOperation {
        recreate: Some(Recreate { image }),
        ..restart()
    }
}

/// Asks an agent, and waits until it has gone.
async fn ask(agent: &SimAgent, order: AgentOperation) {
    agent.hello(hello()).await.unwrap();
    let events = agent.operate(order).await.unwrap();
    drop(events);
    timeout(SOON, agent.closed()).await.expect("it goes");
}

/// Plays Core: says hello to whoever comes, confirms after a probation, and follows to the end.
async fn accompany(host: &SimHost, confirms: bool) -> Vec<OperationEvent> {
    let mut agents = host.agents();
    let work = async {
        loop {
            let agent = agents.borrow_and_update().clone().unwrap();
            let told = async {
                agent.hello(hello()).await?;
                let events = agent.follow("op".into(), 0).await?;
                let confirm = async {
                    tokio::time::sleep(Duration::from_secs(30)).await;
                    while confirms && agent.confirm("op".into()).await.is_err() {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                    std::future::pending().await
                };
                tokio::select! {
                    told = to_the_end(events) => told,
                    told = confirm => told,
                }
            };
            tokio::select! {
                Ok(told) = told => return told,
                _ = agents.changed() => {}
                else => {}
            }
        }
    };
    timeout(NEVER, work).await.expect("it ends")
}

fn the_verdict(told: &[OperationEvent]) -> String {
    assert!(matches!(
        told.last().map(|event| &event.body),
        Some(OperationEventBody::Ended { .. })
    ));
    print(&verdicts(told))
}

/// Exactly one agent runs, in the container that bears its name, and nothing else is left.
fn assert_one_agent(host: &SimHost, id: Option<&str>) {
    let names: Vec<String> = host
        .world
        .containers()
        .into_iter()
        .map(|container| container.name)
        .collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(sorted, ["periphery", "web"], "nothing else is left");
    let now = host.world.container("periphery").unwrap();
    assert_eq!(now.state, ContainerStateStatusEnum::Running);
    assert_eq!(now.restart_policy, "unless-stopped");
    if let Some(id) = id {
        assert_eq!(now.id, id);
    }
    assert!(host.agent().unwrap().is_alive());
    assert_eq!(host.agent_container(), Some(now.id));
}

#[tokio::test(start_paused = true)]
async fn a_restart_is_confirmed_by_the_next_run_of_the_same_container() {
    let host = containerized();
    let before = host.world.container("periphery").unwrap();
    let agent = host.start();
    ask(&agent, restart()).await;
    let told = accompany(&host, true).await;
    assert_eq!(the_verdict(&told), "periphery Done");
    assert!(
        told.iter()
            .any(|event| event.body == OperationEventBody::Confirmed)
    );
    assert_one_agent(&host, Some(&before.id));
    let after = host.world.container("periphery").unwrap();
    assert_ne!(after.started_at, before.started_at);
    assert!(!agent.is_alive());
}

#[tokio::test(start_paused = true)]
async fn it_says_whose_hand_it_goes_by() {
    let host = containerized();
    let agent = host.start();
    agent.hello(hello()).await.unwrap();
    let mut events = agent.events().await.unwrap();
    let _follow = agent.operate(restart()).await.unwrap();
    let mut said = None;
    while let Some(Ok(event)) = events.next().await {
        if let EventBody::Goodbye(reason) = event.body {
            said = Some(reason);
        }
    }
    let operation = "op".to_owned();
    assert_eq!(
        said,
        Some(komodo_agent_api::GoodbyeReason::HandedOver { operation })
    );
}

#[tokio::test(start_paused = true)]
async fn a_good_image_takes_its_place() {
    let host = containerized();
    let before = host.world.container("periphery").unwrap();
    let agent = host.start();
    ask(&agent, recreate("periphery:2")).await;
    let told = accompany(&host, true).await;
    assert_eq!(the_verdict(&told), "periphery Done");
    assert_one_agent(&host, None);
    let after = host.world.container("periphery").unwrap();
    assert_ne!(after.id, before.id);
    assert_eq!(after.image, "periphery:2");
}

#[tokio::test(start_paused = true)]
async fn a_bad_image_is_rolled_back() {
    for (image, why) in [
        (Image::CannotStart, "exit code 127"),
        (Image::NeverConnects, "not confirmed within its time"),
        (Image::DiesAfter(Duration::from_secs(20)), "exit code 1"),
    ] {
        let host = containerized();
        let before = host.world.container("periphery").unwrap();
        host.set_image("periphery:bad", image);
        let agent = host.start();
        ask(&agent, recreate("periphery:bad")).await;
        let told = accompany(&host, true).await;
        let verdict = the_verdict(&told);
        assert!(
            verdict.starts_with("periphery Failed: rolled back: ") && verdict.contains(why),
            "{image:?}: {verdict}"
        );
        assert_one_agent(&host, Some(&before.id));
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_nobody_confirms_is_rolled_back() {
    let host = containerized();
    let before = host.world.container("periphery").unwrap();
    let agent = host.start();
    ask(&agent, recreate("periphery:2")).await;
    let told = accompany(&host, false).await;
    let verdict = the_verdict(&told);
    assert!(
        verdict.starts_with("periphery Failed: rolled back: "),
        "{verdict}"
    );
    assert_one_agent(&host, Some(&before.id));
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_not_there_changes_nothing() {
    let host = containerized();
    let before = host.world.container("periphery").unwrap();
    host.set_image("periphery:gone", Image::Absent);
    let agent = host.start();
    agent.hello(hello()).await.unwrap();
    let told = run(&agent, recreate("periphery:gone")).await;
    let verdict = the_verdict(&told);
    assert!(verdict.contains("nothing was changed"), "{verdict}");
    assert!(agent.is_alive());
    assert_one_agent(&host, Some(&before.id));
    assert_eq!(
        host.world.container("periphery").unwrap().run(),
        before.run()
    );
}

#[tokio::test(start_paused = true)]
async fn it_is_not_confirmed_before_it_is_handed_over() {
    let host = containerized();
    let agent = host.start();
    agent.hello(hello()).await.unwrap();
    let unknown = agent.confirm("op".into()).await.unwrap_err();
    assert_eq!(unknown.code, AgentErrorCode::NotFound);
    // The Engine takes its time to stop it.
    let long = Duration::from_secs(5);
    host.world.set_latency(ContainerAction::Stop, long);
    let mut events = agent.operate(restart()).await.unwrap();
    while let Some(event) = events.next().await {
        if matches!(event.unwrap().body, OperationEventBody::HandedOver { .. }) {
            break;
        }
    }
    let early = agent.confirm("op".into()).await.unwrap_err();
    assert_eq!(early.code, AgentErrorCode::Invalid);
    drop(events);
    timeout(SOON, agent.closed()).await.unwrap();
    let told = accompany(&host, true).await;
    assert_eq!(the_verdict(&told), "periphery Done");
}

#[tokio::test(start_paused = true)]
async fn a_helper_that_dies_at_any_step_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    for (image, good) in [
        (Image::Good, true),
        (Image::CannotStart, false),
        (Image::NeverConnects, false),
    ] {
        for step in 1..14 {
            for dies in [HelperDies::Before(step), HelperDies::After(step)] {
                let journal = folder.path().join(format!("{image:?}{dies:?}"));
                let host = containerized().with_journal_in(&journal).unwrap();
                let before = host.world.container("periphery").unwrap();
                host.set_image("periphery:2", image);
                let agent = host.start();
                host.helper_dies(Some(dies));
                ask(&agent, recreate("periphery:2")).await;
                let told = accompany(&host, true).await;
                let verdict = the_verdict(&told);
                match good {
                    true => assert_eq!(verdict, "periphery Done", "{dies:?}"),
                    false => assert!(
                        verdict.starts_with("periphery Failed: rolled back: "),
                        "{image:?} {dies:?}: {verdict}"
                    ),
                }
                assert_one_agent(&host, (!good).then_some(&before.id));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_dies_at_any_write_is_told_truly() {
    use komodo_sim::KillAt;
    let folder = tempfile::tempdir().unwrap();
    for write in 1..6 {
        for kill in [
            KillAt::Before(write),
            KillAt::Within(write),
            KillAt::After(write),
        ] {
            let journal = folder.path().join(format!("{kill:?}"));
            let host = containerized().with_journal_in(&journal).unwrap();
            let before = host.world.container("periphery").unwrap();
            let agent = host.start();
            agent.hello(hello()).await.unwrap();
            host.kill_at(Some(kill));
            let order = recreate("periphery:2");
            let Ok(events) = agent.operate(order).await else {
                continue;
            };
            drop(events);
            // Whoever has died is started again by its host.
            let revive = async {
                loop {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    host.start();
                }
            };
            let told = tokio::select! {
                told = accompany(&host, true) => told,
                () = revive => unreachable!(),
            };
            let now = host.world.container("periphery").unwrap();
            let verdict = the_verdict(&told);
            match now.id == before.id {
                false => assert_eq!(verdict, "periphery Done", "{kill:?}"),
                true => assert!(
                    verdict.contains("nothing was changed")
                        || verdict.contains("it was not tried")
                        || verdict.contains("before it was tried"),
                    "{kill:?}: {verdict}"
                ),
            }
            host.start();
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_one_agent(&host, None);
        }
    }
}
