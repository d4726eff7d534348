//! What is told of containers, and how soon.

use komodo_agent_api::{AgentApi, EngineState, EventBody, HealthStatus};
use komodo_api::{
    container::{ContainerAction, Scope},
    engine::ContainerStateStatusEnum as State,
    plan::ReasonCode,
};
use komodo_testkit::engine::{Container, Restart};

use crate::harness::{Harness, one};

#[tokio::test]
async fn a_container_is_seen_from_its_creation_to_its_end() {
    let harness = Harness::start().await;
    let (engine, mirror) = (&harness.engine, &harness.mirror);
    let id = engine
        .run(
            Container::idle("odd.name_-1")
                .label("app", "x y")
                .restart(Restart::UnlessStopped)
                .publish(8099),
        )
        .await
        .unwrap();
    let seen = mirror
        .container("odd.name_-1", |container| {
            container.restart_policy == "unless-stopped"
        })
        .await;
    assert_eq!(
        (seen.id.as_str(), seen.state, seen.labels["app"].as_str()),
        (id.as_str(), State::Running, "x y")
    );
    assert_eq!(seen.image, komodo_testkit::engine::BUSYBOX);
    mirror
        .container("odd.name_-1", |container| {
            !container.addresses.is_empty() && !container.networks.is_empty()
        })
        .await;
    mirror
        .container("odd.name_-1", |container| {
            container
                .ports
                .iter()
                .any(|port| port.public_port == Some(8099))
        })
        .await;
    assert!(seen.started_at.is_some() && seen.exit_code.is_none());

    engine.pause("odd.name_-1").await.unwrap();
    harness.wait_state("odd.name_-1", State::Paused).await;
    engine.unpause("odd.name_-1").await.unwrap();
    harness.wait_state("odd.name_-1", State::Running).await;
    engine.stop("odd.name_-1").await.unwrap();
    let seen = mirror
        .container("odd.name_-1", |container| container.state == State::Exited)
        .await;
    assert!(seen.finished_at.is_some());
    mirror
        .container("odd.name_-1", |container| container.exit_code == Some(0))
        .await;
    engine
        .docker()
        .rename_container(
            "odd.name_-1",
            bollard::query_parameters::RenameContainerOptions { name: "new".into() },
        )
        .await
        .unwrap();
    mirror
        .wait(|view| view.container("new").is_some() && view.container("odd.name_-1").is_none())
        .await;
    engine.remove("new").await.unwrap();
    mirror.wait(|view| view.containers.is_empty()).await;
}

#[tokio::test]
async fn what_was_there_before_the_agent_is_in_its_snapshot() {
    let engine = komodo_testkit::engine::Engine::start().await.unwrap();
    engine.run(Container::idle("runs")).await.unwrap();
    engine.create(Container::idle("waits")).await.unwrap();
    let harness = Harness::on(engine).await;
    harness.wait_state("runs", State::Running).await;
    harness.wait_state("waits", State::Created).await;
    // A second reader gets the same at once.
    use futures_util::StreamExt;
    let mut events = harness.agent.events().await.unwrap();
    let first = events.next().await.unwrap().unwrap();
    let EventBody::Snapshot(snapshot) = first.body else {
        panic!("{first:?}")
    };
    assert_eq!((first.seq, snapshot.containers.len()), (0, 2));
    assert!(
        matches!(&snapshot.engine, EngineState::Connected { engine_id, version, api_version, .. }
        if !engine_id.is_empty() && !version.is_empty() && api_version.starts_with("1."))
    );
    assert!(snapshot.host.host_name.is_some());
    harness
        .mirror
        .wait(|view| {
            view.stats
                .as_ref()
                .is_some_and(|stats| stats.mem_total_gb > 0.0)
        })
        .await;
}

#[tokio::test]
async fn a_state_is_told_as_soon_as_the_engine_tells_it() {
    let harness = Harness::start().await;
    for number in 0..10 {
        harness
            .engine
            .run(Container::idle(format!("c{number}")))
            .await
            .unwrap();
    }
    harness
        .mirror
        .wait(|view| view.containers.len() == 10)
        .await;
    // From the Engine's own time of the change to the reader; both clocks are this machine's.
    let mut events = harness.agent.events().await.unwrap();
    use futures_util::StreamExt;
    events.next().await.unwrap().unwrap();
    let mut delays_ms = Vec::new();
    for round in 0..10 {
        let name = format!("c{round}");
        harness.engine.pause(&name).await.unwrap();
        loop {
            let event = events.next().await.unwrap().unwrap();
            let EventBody::Containers { upsert, .. } = event.body else {
                continue;
            };
            if let Some(seen) = upsert
                .iter()
                .find(|seen| seen.name == name && seen.state == State::Paused)
            {
                delays_ms.push(event.at - seen.state_at_ns / 1_000_000);
                break;
            }
        }
    }
    delays_ms.sort_unstable();
    assert!(delays_ms[5] <= 50, "median of {delays_ms:?} ms");
}

#[tokio::test]
async fn health_checks_are_told() {
    let harness = Harness::start().await;
    let check = |command: &str| bollard::models::HealthConfig {
        test: Some(vec!["CMD-SHELL".into(), command.into()]),
        interval: Some(200_000_000),
        retries: Some(1),
        ..Default::default()
    };
    harness
        .engine
        .run(Container::idle("good").with(|body| body.healthcheck = Some(check("true"))))
        .await
        .unwrap();
    harness
        .engine
        .run(Container::idle("bad").with(|body| body.healthcheck = Some(check("false"))))
        .await
        .unwrap();
    harness
        .mirror
        .container("good", |container| {
            container.health == Some(HealthStatus::Healthy)
        })
        .await;
    harness
        .mirror
        .container("bad", |container| {
            container.health == Some(HealthStatus::Unhealthy)
        })
        .await;
}

#[tokio::test]
async fn protection_by_label_and_declaration_is_told_as_containers_come_and_go() {
    let harness = Harness::start().await;
    harness
        .engine
        .run(Container::idle("dns").label("komodo.protect", "true"))
        .await
        .unwrap();
    harness
        .engine
        .run(Container::idle("old").label("komodo.skip", ""))
        .await
        .unwrap();
    let view = harness.mirror.wait(|view| view.protected.len() == 2).await;
    let reasons: Vec<_> = view
        .protected
        .iter()
        .map(|entry| (entry.name.as_str(), entry.reasons[0].code))
        .collect();
    assert_eq!(
        reasons,
        [("dns", ReasonCode::Declared), ("old", ReasonCode::Label)]
    );
    harness.verdicts(ContainerAction::Destroy, one("old")).await;
    harness.mirror.wait(|view| view.protected.len() == 1).await;
    let hello = komodo_agent_api::CoreHello {
        core_depends_on: vec!["db".into()],
        ..crate::core::hello()
    };
    harness.agent.hello(hello).await.unwrap();
    harness.engine.run(Container::idle("db")).await.unwrap();
    harness
        .mirror
        .wait(|view| view.protected.iter().any(|entry| entry.name == "db"))
        .await;
    let verdicts = harness.verdicts(ContainerAction::Stop, Scope::All).await;
    assert_eq!(
        verdicts,
        ["db: skipped (coredependency)", "dns: skipped (declared)"]
    );
}
