//! Verdicts in spite of lost links and restarts of either side.

use std::time::Duration;

use komodo_api::{
    Module,
    container::ContainerAction,
    update::{Stage, Update, UpdateStatus},
};
use komodo_sim::{AgentOptions, Fault, KillAt, SimHost};
use serde_json::json;

use super::harness::{Core, Host, verdicts, wait};

const HOST: &[&str] = &["periphery", "a", "b", "c", "d"];

/// A Core, a host on which stopping takes 5 s, and an operation that has begun on the Engine.
async fn stopping() -> (Core, Host, Update) {
    let mut core = Core::start().await;
    let host = core.host("alpha", HOST).await;
    host.world
        .set_latency(ContainerAction::Stop, Duration::from_secs(5));
    let update = core
        .execute("StopAllContainers", json!({ "server": "alpha" }))
        .await
        .expect("it begins");
    let update = core
        .until_update(&update, "the agent has it", |update| {
            !update.verdicts.is_empty()
        })
        .await;
    assert_eq!(verdicts(&update), "periphery skipped (Agent)");
    tokio::time::advance(Duration::from_secs(1)).await;
    (core, host, update)
}

const STOPPED: &str = "a done, b done, c done, d done, periphery skipped (Agent)";

#[tokio::test(start_paused = true)]
async fn the_link_is_lost_and_comes_back() {
    let (mut core, mut host, update) = stopping().await;
    let lost_at = core.cut(&host).await;
    let waiting = core
        .until_update(&update, "it waits", |update| update.waiting_for.is_some())
        .await;
    let for_what = waiting.waiting_for.expect("it waits");
    assert_eq!(
        (for_what.server.as_str(), for_what.last_contact),
        ("alpha", Some(lost_at))
    );
    assert_eq!(waiting.status, UpdateStatus::InProgress);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(
        core.update(&update).await.status,
        UpdateStatus::InProgress,
        "nothing is made up meanwhile"
    );
    core.reconnect(&mut host).await;
    let ended = core.end(&update).await;
    assert!(ended.success);
    assert_eq!(verdicts(&ended), STOPPED);
}

#[tokio::test(start_paused = true)]
async fn the_link_is_lost_before_the_answer() {
    let mut core = Core::start().await;
    let mut host = core.host("alpha", HOST).await;
    host.agent.set_fault(Fault::LosesAnswers);
    let update = core
        .execute("StopAllContainers", json!({ "server": "alpha" }))
        .await
        .expect("it begins");
    core.until_update(&update, "it waits", |update| update.waiting_for.is_some())
        .await;
    host.agent.set_fault(Fault::None);
    core.cut(&host).await;
    core.reconnect(&mut host).await;
    assert_eq!(verdicts(&core.end(&update).await), STOPPED);
}

#[tokio::test(start_paused = true)]
async fn the_agent_is_killed_and_started_again() {
    for (at, kill) in [
        KillAt::Before(1),
        KillAt::After(1),
        KillAt::Before(4),
        KillAt::After(6),
    ]
    .into_iter()
    .enumerate()
    {
        let mut core = Core::start().await;
        let mut host = core.host("alpha", HOST).await;
        host.world
            .set_latency(ContainerAction::Stop, Duration::from_millis(500));
        host.host.kill_at(Some(kill));
        let update = core
            .execute("StopAllContainers", json!({ "server": "alpha" }))
            .await
            .expect("it begins");
        wait("it is killed", || !host.agent.is_alive()).await;
        core.until_update(&update, "it waits", |update| update.waiting_for.is_some())
            .await;
        host.host.kill_at(None);
        tokio::time::advance(Duration::from_secs(2)).await;
        host.agent = host.host.start();
        core.reconnect(&mut host).await;
        let ended = core.end(&update).await;
        for verdict in &ended.verdicts {
            let is = host
                .world
                .state_of(&verdict.container)
                .expect("it is there")
                .as_str();
            let stopped = matches!(verdict.verdict, komodo_api::update::VerdictKind::Done);
            assert_eq!(
                stopped,
                is == "exited",
                "kill {at}: {} is {is}, and the verdict {:?}",
                verdict.container,
                verdict.verdict
            );
        }
        assert_eq!(
            ended.verdicts.len(),
            HOST.len(),
            "kill {at}: {}",
            verdicts(&ended)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_lost_its_journal_is_settled_by_what_is_seen() {
    let (mut core, mut host, update) = stopping().await;
    host.agent.kill();
    core.until(&host, "it is lost", |view| !view.is_live())
        .await;
    tokio::time::advance(Duration::from_secs(60)).await;
    let options = AgentOptions {
        container: Some("periphery".into()),
        host_name: "alpha".into(),
    };
    host.host = SimHost::new(host.world.clone(), options);
    host.agent = host.host.start();
    core.reconnect(&mut host).await;
    let ended = core.end(&update).await;
    for verdict in &ended.verdicts {
        let is = host
            .world
            .state_of(&verdict.container)
            .map(|state| state.as_str());
        let stopped = matches!(verdict.verdict, komodo_api::update::VerdictKind::Done);
        assert_eq!(
            stopped,
            is == Some("exited"),
            "{verdict:?} but it is {is:?}"
        );
    }
    assert_eq!(ended.verdicts.len(), HOST.len());
}

#[tokio::test(start_paused = true)]
async fn one_that_only_runs_again_was_not_made_anew() {
    for recreate in [false, true] {
        let mut core = Core::start().await;
        let mut host = core.host("alpha", HOST).await;
        host.world
            .set_latency(ContainerAction::Stop, Duration::from_secs(5));
        let mut params = json!({ "server": "alpha", "container": "periphery" });
        if recreate {
            params["recreate"] = json!({});
        }
        let asked = core.execute("RestartContainer", params).await;
        let update = asked.expect("it begins");
        core.until_update(&update, "it is handed over", |update| {
            update.stage == Some(Stage::HandedOver)
        })
        .await;
        // The host loses its helper and the disk of its agent, and somebody restarts that.
        host.agent.kill();
        let containers = host.world.containers();
        for container in containers {
            if container.name != "periphery" && container.name.contains('-') {
                host.world.remove(&container.name).unwrap();
            }
        }
        host.world
            .docker(ContainerAction::Restart, "periphery")
            .unwrap();
        core.until(&host, "it is lost", |view| !view.is_live())
            .await;
        let options = AgentOptions {
            container: Some("periphery".into()),
            host_name: "alpha".into(),
        };
        host.host = SimHost::new(host.world.clone(), options);
        host.agent = host.host.start();
        core.reconnect(&mut host).await;
        let ended = core.end(&update).await;
        let expected = if recreate { "failed" } else { "done" };
        assert_eq!(verdicts(&ended), format!("periphery {expected}"));
    }
}

/// It numbers anew what Core was told before, or ends at a number that Core has passed.
#[tokio::test(start_paused = true)]
async fn an_agent_that_lost_a_part_of_its_journal_is_heard_from_the_beginning() {
    for (ended, held) in [(false, 1), (false, 2), (true, 1), (true, 3)] {
        let (mut core, mut host, update) = stopping().await;
        let lost_at = core.cut(&host).await;
        assert!(lost_at > 0);
        if ended {
            // All was done while nobody heard of it.
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        host.agent.kill();
        host.host.lose_journal_after(held).unwrap();
        tokio::time::advance(Duration::from_secs(60)).await;
        host.agent = host.host.start();
        core.reconnect(&mut host).await;
        let ended = core.end(&update).await;
        assert_eq!(
            ended.verdicts.len(),
            HOST.len(),
            "{held} held: {}",
            verdicts(&ended)
        );
        for verdict in &ended.verdicts {
            let is = host
                .world
                .state_of(&verdict.container)
                .map(|state| state.as_str());
            // Of what the journal no longer holds it may only say what is.
            assert_eq!(
                verdict.after.map(|state| state.as_str()),
                is,
                "{held} held: {verdict:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_there_and_never_tells_closes_it_after_seven_days_as_unknown() {
    let (core, host, update) = stopping().await;
    host.agent.set_fault(Fault::Hang);
    tokio::time::advance(Duration::from_secs(60)).await;
    core.until_update(&update, "it is asked in vain", |update| {
        update.waiting_for.is_some()
    })
    .await;
    tokio::time::advance(Duration::from_secs(7 * 24 * 60 * 60)).await;
    let ended = core.end(&update).await;
    assert!(!ended.success);
    assert_eq!(
        verdicts(&ended),
        "a unknown, b unknown, c unknown, d unknown, periphery skipped (Agent)"
    );
}

#[tokio::test(start_paused = true)]
async fn core_is_restarted() {
    let (core, mut host, update) = stopping().await;
    let mut core = core.restart().await;
    let open = core.update(&update).await;
    assert_eq!(
        (open.status, open.success),
        (UpdateStatus::InProgress, true),
        "no canned failure"
    );
    let error = core
        .execute(
            "StartContainer",
            json!({ "server": "alpha", "container": "a" }),
        )
        .await;
    assert!(error.is_err(), "nobody is connected yet");
    host.agent.cut();
    core.reconnect(&mut host).await;
    let ended = core.end(&update).await;
    assert!(ended.success, "{ended:#?}");
    assert_eq!(verdicts(&ended), STOPPED);
}

/// Core ended after it had said that it would, and before the agent had it.
#[tokio::test(start_paused = true)]
async fn core_is_restarted_before_the_agent_has_it() {
    enum Then {
        InTime,
        TooLate,
        AgentBeganAnew,
    }
    const FAILED: &str = "a failed, b failed, c failed, d failed, periphery skipped (Agent)";
    for (then, expected) in [
        (Then::InTime, STOPPED),
        (Then::TooLate, FAILED),
        (Then::AgentBeganAnew, FAILED),
    ] {
        let mut core = Core::start().await;
        let mut host = core.host("alpha", HOST).await;
        host.agent.set_fault(Fault::Hang);
        let update = core
            .execute("StopAllContainers", json!({ "server": "alpha" }))
            .await
            .expect("it begins");
        let mut core = core.restart().await;
        host.agent.set_fault(Fault::None);
        match then {
            Then::InTime => host.agent.cut(),
            Then::TooLate => {
                tokio::time::advance(Duration::from_secs(60 * 60)).await;
                host.agent.cut();
            }
            Then::AgentBeganAnew => {
                host.agent.kill();
                tokio::time::advance(Duration::from_secs(2)).await;
                host.agent = host.host.start();
            }
        }
        core.reconnect(&mut host).await;
        let ended = core.end(&update).await;
        assert_eq!(verdicts(&ended), expected);
        for verdict in ended
            .verdicts
            .iter()
            .filter(|it| it.container != "periphery")
        {
            let why = verdict
                .error
                .as_deref()
                .unwrap_or("its agent knows nothing of it");
            assert!(why.starts_with("its agent knows nothing of it"), "{why}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_holds_over_a_restart_of_core() {
    let (core, mut host, update) = stopping().await;
    host.world
        .set_latency(ContainerAction::Stop, Duration::from_secs(300));
    let mut core = core.restart().await;
    host.agent.cut();
    core.reconnect(&mut host).await;
    let error = core
        .execute(
            "RestartContainer",
            json!({ "server": "alpha", "container": "a" }),
        )
        .await
        .expect_err("busy");
    assert_eq!(error.params["operation"], "StopAllContainers");
    core.end(&update).await;
}

#[tokio::test(start_paused = true)]
async fn both_are_restarted() {
    let (core, mut host, update) = stopping().await;
    host.agent.kill();
    let mut core = core.restart().await;
    host.agent = host.host.start();
    core.reconnect(&mut host).await;
    let ended = core.end(&update).await;
    assert_eq!(ended.verdicts.len(), HOST.len(), "{}", verdicts(&ended));
}

#[tokio::test(start_paused = true)]
async fn the_agent_forgets_what_core_has_stored() {
    let (mut core, mut host, update) = stopping().await;
    core.end(&update).await;
    core.cut(&host).await;
    core.reconnect(&mut host).await;
    let held = core
        .app
        .background
        .fleet
        .agent(host.id)
        .expect("connected")
        .hello()
        .open_operations
        .clone();
    assert_eq!(held, [], "it was acknowledged");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_deleted_leaves_nothing_open() {
    let (mut core, host, update) = stopping().await;
    core.cut(&host).await;
    core.ask(
        core.admin,
        Module::Write,
        "DeleteServer",
        json!({ "id": "alpha" }),
    )
    .await
    .expect("it is deleted");
    let id = update.id.expect("it has an id").0;
    wait("it is closed", || {
        core.app.background.tasks.open(id).is_none()
    })
    .await;
    let ended = core
        .app
        .background
        .tasks
        .get(id)
        .await
        .expect("it is read")
        .expect("it is kept");
    assert_eq!(
        (ended.status, ended.success),
        (UpdateStatus::Complete, false)
    );
    assert_eq!(
        verdicts(&ended),
        "a unknown, b unknown, c unknown, d unknown, periphery skipped (Agent)"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_comes_back_closes_it_after_seven_days_as_unknown() {
    let (mut core, host, update) = stopping().await;
    core.cut(&host).await;
    tokio::time::advance(Duration::from_secs(7 * 24 * 60 * 60 - 60)).await;
    assert_eq!(core.update(&update).await.status, UpdateStatus::InProgress);
    tokio::time::advance(Duration::from_secs(120)).await;
    let ended = core.end(&update).await;
    assert!(!ended.success);
    assert_eq!(
        verdicts(&ended),
        "a unknown, b unknown, c unknown, d unknown, periphery skipped (Agent)"
    );
}

#[tokio::test(start_paused = true)]
async fn an_agent_whose_journal_cannot_be_written_did_nothing_and_says_why() {
    let mut core = Core::start().await;
    let host = core.host("alpha", HOST).await;
    host.host.set_disk_full(true);
    let update = core
        .execute("StopAllContainers", json!({ "server": "alpha" }))
        .await
        .expect("it begins");
    let ended = core.end(&update).await;
    assert!(!ended.success);
    assert!(
        ended
            .logs
            .iter()
            .any(|log| !log.success && !log.stderr.is_empty()),
        "{:#?}",
        ended.logs
    );
    assert!(host.states().contains("a running"), "{}", host.states());
}
